//! Tokens → [`Filter`], or everything that is wrong.
use crate::lex::{Kind, Token, lex};
use crate::time;
use crate::{Bound, Filter, Measure, TextBound, TextField, TextTest, TimeField};
use sakimori_model::{Diagnostic, Level, Severity};

/// Longest text, in bytes: several screens; what is longer was not written by a person.
pub const MAX_BYTES: usize = 4096;
/// Most tests, members of lists included: each is looked at for each event.
pub const MAX_TESTS: usize = 200;
/// Most levels of parentheses and `NOT`.
pub const MAX_DEPTH: usize = 24;

const FIELDS: &str = "at, received, module, kind, severity, action, computer, tag, assetValue, rank and\
     detail.<member>";
const COMPUTER_FIELDS: &str = "name, host, status, policy, group, platform, agent, kernel, address, tag, tags.<key>, \
     module.<module>, cloud.<member>, assetValue, ephemeral, lastSeen and activatedAt";

/// What a filter is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vocabulary {
    Events,
    Computers,
}

/// Reads a filter. Times like `-24h` count from `now`, in microseconds since 1970.
///
/// # Errors
/// All findings, each with its column: Q001 too long · Q002 too deep or too many tests · Q003 a quote without end ·
/// Q004 not the form of a filter · Q005 no such field · Q006 an operator that the field does not have · Q007 not a
/// time · Q008 not a severity · Q009 not the name of a member ·
/// Q010 not a number.
pub fn parse(text: &str, now: i64) -> Result<Filter, Vec<Diagnostic>> {
    read(text, now, Vocabulary::Events)
}

/// Reads a filter of computers: `status = offline AND group = Web AND tags.role = frontend AND lastSeen < -1d`.
///
/// `lastSeen` is [`TimeField::At`], `activatedAt` is [`TimeField::Received`], `name` is [`TextField::Computer`]; what
/// else there is lies in the document behind [`TextField::Detail`].
///
/// # Errors
/// As [`parse`].
pub fn parse_computers(text: &str, now: i64) -> Result<Filter, Vec<Diagnostic>> {
    read(text, now, Vocabulary::Computers)
}

fn read(text: &str, now: i64, vocabulary: Vocabulary) -> Result<Filter, Vec<Diagnostic>> {
    if text.len() > MAX_BYTES {
        let help = "Save parts of it as tags, or split it into several searches.";
        return Err(vec![finding("Q001", format!("the filter is longer than {MAX_BYTES} bytes"), 1, help)]);
    }
    let tokens = lex(text).map_err(|column| {
        vec![finding("Q003", "the quote does not end".to_owned(), column, "Close it with another \".")]
    })?;
    let mut parser =
        Parser { tokens: tokens.into_iter().peekable(), now, vocabulary, tests: 0, findings: Vec::new() };
    let filter = match parser.peek() {
        Kind::End => Some(Filter::everything()),
        _ => parser.any(0).and_then(|filter| parser.end().map(|()| filter)),
    };
    match filter {
        Some(filter) if parser.findings.is_empty() => Ok(filter),
        _ => Err(parser.findings),
    }
}

fn finding(code: &'static str, title: String, column: u32, help: &str) -> Diagnostic {
    Diagnostic {
        code,
        level: Level::Error,
        title,
        source: "filter".to_owned(),
        line: 1,
        column,
        help: help.to_owned(),
    }
}

#[derive(Clone, Debug)]
enum Field {
    Time(TimeField),
    Severity,
    Measure(Measure),
    Text(TextField),
}

/// A field of a computer. Words of one member are taken in any case, keys as they are written.
fn computer_field(name: &str) -> Option<Field> {
    const TEXTS: [&str; 10] = [
        "host",
        "status",
        "policy",
        "group",
        "platform",
        "agent",
        "kernel",
        "address",
        "assetValue",
        "ephemeral",
    ];
    let detail = |path: Vec<String>| Some(Field::Text(TextField::Detail(path)));
    if let Some((of, key)) = name.split_once('.') {
        return match of {
            // A key may have dots of its own.
            "tags" | "module" if !key.is_empty() => detail(vec![of.to_owned(), key.to_owned()]),
            "cloud" => match key.split_once('.') {
                Some(("tags", tag)) if !tag.is_empty() => {
                    detail(vec![of.to_owned(), "tags".to_owned(), tag.to_owned()])
                }
                None if !key.is_empty() => detail(vec![of.to_owned(), key.to_owned()]),
                _ => None,
            },
            _ => None,
        };
    }
    match name.to_ascii_lowercase().as_str() {
        "name" => Some(Field::Text(TextField::Computer)),
        "tag" => Some(Field::Text(TextField::Tag)),
        "lastseen" => Some(Field::Time(TimeField::At)),
        "activatedat" => Some(Field::Time(TimeField::Received)),
        word => TEXTS
            .iter()
            .find(|known| known.eq_ignore_ascii_case(word))
            .and_then(|known| detail(vec![(*known).to_owned()])),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// A value as it was written.
#[derive(Debug)]
struct Value {
    text: String,
    quoted: bool,
    column: u32,
}

/// Reads from left to right. `None` means that the form is lost and the finding is noted; a wrong value is noted
/// and read past, so that all of them are told at once.
#[derive(Debug)]
struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    now: i64,
    vocabulary: Vocabulary,
    tests: usize,
    findings: Vec<Diagnostic>,
}

// === impl Parser ===

impl Parser {
    fn peek(&mut self) -> &Kind {
        self.tokens.peek().map_or(&Kind::End, |token| &token.kind)
    }

    fn column(&mut self) -> u32 {
        self.tokens.peek().map_or(1, |token| token.column)
    }

    fn take(&mut self) -> Token {
        match self.tokens.next() {
            Some(token) => token,
            None => Token { column: 1, kind: Kind::End },
        }
    }

    fn note(&mut self, code: &'static str, title: String, column: u32, help: &str) {
        self.findings.push(finding(code, title, column, help));
    }

    fn expected(&mut self, what: &str) -> Option<Filter> {
        let token = self.take();
        let title = format!("{what} was expected, and {} is there", token.kind.name());
        self.note("Q004", title, token.column, "Write tests like severity >= high AND computer = web1.");
        None
    }

    fn end(&mut self) -> Option<()> {
        if *self.peek() == Kind::End {
            return Some(());
        }
        self.expected("AND, OR or the end").map(drop)
    }

    fn deeper(&mut self, depth: usize) -> Option<usize> {
        if depth < MAX_DEPTH {
            return Some(depth + 1);
        }
        let column = self.column();
        self.note("Q002", format!("more than {MAX_DEPTH} levels"), column, "Take parentheses away.");
        None
    }

    fn any(&mut self, depth: usize) -> Option<Filter> {
        let mut parts = vec![self.all(depth)?];
        while self.peek().is("or") {
            self.take();
            parts.push(self.all(depth)?);
        }
        Some(if parts.len() == 1 { parts.pop()? } else { Filter::Or(parts) })
    }

    fn all(&mut self, depth: usize) -> Option<Filter> {
        let mut parts = vec![self.not(depth)?];
        loop {
            match self.peek() {
                Kind::End | Kind::Close => break,
                kind if kind.is("or") => break,
                kind if kind.is("and") => {
                    self.take();
                }
                _ => {}
            }
            parts.push(self.not(depth)?);
        }
        Some(if parts.len() == 1 { parts.pop()? } else { Filter::And(parts) })
    }

    fn not(&mut self, depth: usize) -> Option<Filter> {
        if self.peek().is("not") {
            let depth = self.deeper(depth)?;
            self.take();
            return Some(Filter::Not(Box::new(self.not(depth)?)));
        }
        if *self.peek() == Kind::Open {
            let depth = self.deeper(depth)?;
            self.take();
            let inner = self.any(depth)?;
            if *self.peek() != Kind::Close {
                return self.expected("AND, OR or `)`");
            }
            self.take();
            return Some(inner);
        }
        self.test()
    }

    fn count_test(&mut self, column: u32) -> Option<()> {
        self.tests += 1;
        if self.tests <= MAX_TESTS {
            return Some(());
        }
        self.note("Q002", format!("more than {MAX_TESTS} tests"), column, "Use fewer, or a range, or a tag.");
        None
    }

    fn test(&mut self) -> Option<Filter> {
        if matches!(self.peek(), Kind::Word(word) if ["and", "or", "in"].iter().any(|k| word.eq_ignore_ascii_case(k)))
        {
            return self.expected("a test");
        }
        let (name, quoted) = match self.peek() {
            Kind::Word(word) => (word.clone(), false),
            Kind::Quoted(text) => (text.clone(), true),
            _ => return self.expected("a test"),
        };
        let column = self.take().column;
        self.count_test(column)?;
        let operator = self.peek().clone();
        let order = match operator {
            Kind::Equal | Kind::NotEqual | Kind::Contains => None,
            Kind::Less => Some(Order::Less),
            Kind::AtMost => Some(Order::AtMost),
            Kind::Greater => Some(Order::Greater),
            Kind::AtLeast => Some(Order::AtLeast),
            ref kind if !quoted && kind.is("in") => None,
            _ => return Some(Filter::Anywhere(name.to_ascii_lowercase())),
        };
        let field = if quoted { None } else { self.field(&name, column) };
        if field.is_none() && (quoted || !self.findings.iter().any(|f| f.column == column)) {
            let fields = match self.vocabulary {
                Vocabulary::Events => FIELDS,
                Vocabulary::Computers => COMPUTER_FIELDS,
            };
            let help = format!("The fields are {fields}.");
            self.note("Q005", format!("there is no field {name}"), column, &help);
        }
        let at = self.take().column;
        if operator.is("in") {
            let values = self.list()?;
            return Some(field.map_or_else(Filter::everything, |field| self.one_of(field, values, at)));
        }
        let value = self.value()?;
        let Some(field) = field else { return Some(Filter::everything()) };
        Some(match (operator, order) {
            (Kind::Contains, _) => self.contains(field, &value, at),
            (Kind::NotEqual, _) => Filter::Not(Box::new(self.equals(field, value))),
            (_, Some(order)) => self.ordered(field, order, value, at),
            _ => self.equals(field, value),
        })
    }

    fn field(&mut self, name: &str, column: u32) -> Option<Field> {
        if self.vocabulary == Vocabulary::Computers {
            return computer_field(name);
        }
        Some(match name.to_ascii_lowercase().as_str() {
            "at" => Field::Time(TimeField::At),
            "received" => Field::Time(TimeField::Received),
            "severity" => Field::Severity,
            "module" => Field::Text(TextField::Module),
            "kind" => Field::Text(TextField::Kind),
            "action" => Field::Text(TextField::Action),
            "computer" => Field::Text(TextField::Computer),
            "tag" => Field::Text(TextField::Tag),
            "assetvalue" => Field::Measure(Measure::AssetValue),
            "rank" => Field::Measure(Measure::Rank),
            _ => {
                let path: Vec<String> = name.strip_prefix("detail.")?.split('.').map(str::to_owned).collect();
                let fits = |member: &String| {
                    member.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                        && member.len() <= 64
                        && member.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
                };
                if path.len() > 8 || !path.iter().all(fits) {
                    let help = "Write detail.client or detail.http.host: letters, digits, - and _, at most 8 members.";
                    self.note("Q009", format!("{name} does not name a member"), column, help);
                    return None;
                }
                Field::Text(TextField::Detail(path))
            }
        })
    }

    fn value(&mut self) -> Option<Value> {
        let (text, quoted) = match self.peek() {
            Kind::Word(word) => (word.clone(), false),
            Kind::Quoted(text) => (text.clone(), true),
            _ => {
                self.expected("a value")?;
                return None;
            }
        };
        let column = self.take().column;
        Some(Value { text, quoted, column })
    }

    fn list(&mut self) -> Option<Vec<Value>> {
        if *self.peek() != Kind::Open {
            self.expected("`(`")?;
        }
        self.take();
        let mut values = Vec::new();
        loop {
            let value = self.value()?;
            self.count_test(value.column)?;
            values.push(value);
            match self.peek() {
                Kind::Comma => self.take(),
                Kind::Close => {
                    self.take();
                    return Some(values);
                }
                _ => {
                    self.expected("`,` or `)`")?;
                    return None;
                }
            };
        }
    }

    fn one_of(&mut self, field: Field, values: Vec<Value>, column: u32) -> Filter {
        match field {
            Field::Text(field) => is_one_of(field, values.into_iter().map(|value| value.text).collect()),
            Field::Severity => Filter::Severity(
                values.iter().filter_map(|value| self.severity(&value.text, value.column)).collect(),
            ),
            Field::Measure(measure) => {
                let values: Vec<f64> =
                    values.iter().filter_map(|value| self.measure(&value.text, value.column)).collect();
                let exactly =
                    |value| Filter::Measure(measure, Bound::Including(value), Bound::Including(value));
                Filter::Or(values.into_iter().map(exactly).collect())
            }
            Field::Time(_) => self.unfit("in", "a time", column, "Use a range: at = 2026-11-01..2026-11-07."),
        }
    }

    fn contains(&mut self, field: Field, value: &Value, column: u32) -> Filter {
        match field {
            Field::Text(field) => Filter::Text(field, TextTest::Contains(value.text.to_ascii_lowercase())),
            Field::Severity => self.unfit("~", "a severity", column, "Use =, !=, <, <=, >, >= or in."),
            Field::Measure(_) => {
                self.unfit("~", "a number", column, "Use =, !=, <, <=, >, >=, in or a range.")
            }
            Field::Time(_) => self.unfit("~", "a time", column, "Use =, <, <=, >, >= or a range."),
        }
    }

    fn unfit(&mut self, operator: &str, what: &str, column: u32, help: &str) -> Filter {
        self.note("Q006", format!("`{operator}` is nothing that {what} can be asked"), column, help);
        Filter::everything()
    }

    fn equals(&mut self, field: Field, value: Value) -> Filter {
        let range = if value.quoted { None } else { value.text.split_once("..") };
        match (field, range) {
            (Field::Time(field), None) => match self.span(&value.text, value.column) {
                Some((from, to)) => Filter::Time(field, Some(from), Some(to)),
                None => Filter::everything(),
            },
            (Field::Time(field), Some((first, last))) => {
                let (first, last) = (self.span(first, value.column), self.span(last, value.column));
                Filter::Time(field, first.map(|(from, _)| from), last.map(|(_, to)| to))
            }
            (Field::Severity, None) => {
                Filter::Severity(self.severity(&value.text, value.column).into_iter().collect())
            }
            (Field::Severity, Some((first, last))) => {
                let (first, last) = (self.severity(first, value.column), self.severity(last, value.column));
                severities(|s| first.is_none_or(|first| s >= first) && last.is_none_or(|last| s <= last))
            }
            (Field::Measure(measure), range) => {
                let (first, last) = range.unwrap_or((&value.text, &value.text));
                let mut bound = |text| self.measure(text, value.column).map_or(Bound::Open, Bound::Including);
                Filter::Measure(measure, bound(first), bound(last))
            }
            (Field::Text(TextField::Detail(path)), Some((first, last)))
                if number(first).is_some() && number(last).is_some() =>
            {
                let bound = |text: &str| number(text).map_or(Bound::Open, Bound::Including);
                Filter::Number(path, bound(first), bound(last))
            }
            (Field::Text(TextField::Detail(path)), None) if !value.quoted && value.text == "*" => {
                Filter::Exists(path)
            }
            (Field::Text(field), None) if !value.quoted && value.text.contains('*') => {
                Filter::Text(field, TextTest::Like(value.text.split('*').map(str::to_owned).collect()))
            }
            (Field::Text(field), _) => is_one_of(field, vec![value.text]),
        }
    }

    fn ordered(&mut self, field: Field, order: Order, value: Value, column: u32) -> Filter {
        match field {
            Field::Time(field) => match self.span(&value.text, value.column) {
                None => Filter::everything(),
                Some((from, to)) => match order {
                    Order::Less => Filter::Time(field, None, Some(from)),
                    Order::AtMost => Filter::Time(field, None, Some(to)),
                    Order::Greater => Filter::Time(field, Some(to), None),
                    Order::AtLeast => Filter::Time(field, Some(from), None),
                },
            },
            Field::Severity => match self.severity(&value.text, value.column) {
                None => Filter::everything(),
                Some(bound) => severities(|severity| match order {
                    Order::Less => severity < bound,
                    Order::AtMost => severity <= bound,
                    Order::Greater => severity > bound,
                    Order::AtLeast => severity >= bound,
                }),
            },
            Field::Text(TextField::Detail(path)) if !value.quoted && number(&value.text).is_some() => {
                let (low, high) = order.bounds(number(&value.text).unwrap_or_default());
                Filter::Number(path, low, high)
            }
            Field::Measure(measure) => match self.measure(&value.text, value.column) {
                None => Filter::everything(),
                Some(bound) => {
                    let (low, high) = order.bounds(bound);
                    Filter::Measure(measure, low, high)
                }
            },
            Field::Text(TextField::Tag) => {
                self.unfit("<", "a tag", column, "Tags have no order: use =, != or in.")
            }
            Field::Text(field) => {
                let text = value.text;
                let (low, high) = match order {
                    Order::Less => (TextBound::Open, TextBound::Excluding(text)),
                    Order::AtMost => (TextBound::Open, TextBound::Including(text)),
                    Order::Greater => (TextBound::Excluding(text), TextBound::Open),
                    Order::AtLeast => (TextBound::Including(text), TextBound::Open),
                };
                Filter::Text(field, TextTest::Between(low, high))
            }
        }
    }

    fn span(&mut self, text: &str, column: u32) -> Option<(i64, i64)> {
        let span = time::span(text, self.now);
        if span.is_none() {
            let help = "Write 2026-11-22, 2026-11-22T10:00:00Z, now, or as long ago: -30m, -24h, -7d, -2w.";
            self.note("Q007", format!("{text} is not a time"), column, help);
        }
        span
    }

    fn measure(&mut self, text: &str, column: u32) -> Option<f64> {
        let number = number(text);
        if number.is_none() {
            self.note("Q010", format!("{text} is not a number"), column, "Write digits: 50, 7500.");
        }
        number
    }

    fn severity(&mut self, text: &str, column: u32) -> Option<Severity> {
        let severity = text.to_ascii_lowercase().parse().ok();
        if severity.is_none() {
            let help = "The severities are info, low, medium, high and critical.";
            self.note("Q008", format!("{text} is not a severity"), column, help);
        }
        severity
    }
}

impl Order {
    /// The numbers that lie so to `bound`.
    fn bounds(self, bound: f64) -> (Bound, Bound) {
        match self {
            Self::Less => (Bound::Open, Bound::Excluding(bound)),
            Self::AtMost => (Bound::Open, Bound::Including(bound)),
            Self::Greater => (Bound::Excluding(bound), Bound::Open),
            Self::AtLeast => (Bound::Including(bound), Bound::Open),
        }
    }
}

/// A text is one of these; of a computer a value in the form of an id is one.
fn is_one_of(field: TextField, values: Vec<String>) -> Filter {
    if field != TextField::Computer {
        return Filter::Text(field, TextTest::In(values));
    }
    let (ids, names): (Vec<String>, Vec<String>) = values.into_iter().partition(|value| is_id(value));
    let ids = ids.into_iter().map(|id| id.to_ascii_lowercase()).collect::<Vec<_>>();
    let by_id = Filter::Text(TextField::ComputerId, TextTest::In(ids));
    let by_name = Filter::Text(TextField::Computer, TextTest::In(names));
    match (&by_id, &by_name) {
        (Filter::Text(_, TextTest::In(ids)), _) if ids.is_empty() => by_name,
        (_, Filter::Text(_, TextTest::In(names))) if names.is_empty() => by_id,
        _ => Filter::Or(vec![by_id, by_name]),
    }
}

/// Whether it has the form of a UUID.
fn is_id(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn severities(wanted: impl Fn(Severity) -> bool) -> Filter {
    let all = [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    Filter::Severity(all.into_iter().filter(|severity| wanted(*severity)).collect())
}

/// A number as it may stand in a test.
fn number(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.'));
    plain.then(|| text.parse().ok()).flatten().filter(|number: &f64| number.is_finite())
}
