//! Comparing versions: Debian's way for packages, a dotted way for everything else.
use std::cmp::Ordering;
use std::fmt;

/// Longest version that is compared; the rest of a longer one is ignored. Real ones are under 60 bytes.
pub const VERSION_BYTES: usize = 256;
/// Most alternatives and most bounds of an alternative.
const BOUNDS: usize = 32;

/// Ranges of versions: alternatives between `||`, each of bounds between `,` that all must hold.
///
/// # Shape
/// `>=4.7.0, <4.7.2 || =5.0`; operators `<`, `<=`, `>`, `>=`, `=`; `*` is any version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges {
    alternatives: Vec<Vec<Bound>>,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    operator: Operator,
    version: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
}

/// Why a text is no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangesError {
    /// A bound has no operator.
    #[error("'{0}' has no operator: write one of < <= > >= = before the version, or * for any")]
    NoOperator(String),
    /// A bound has no version.
    #[error("a bound has no version")]
    NoVersion,
    /// There are too many.
    #[error("more than {BOUNDS} bounds")]
    TooMany,
}

// === impl Ranges ===

impl Ranges {
    /// Parses.
    pub fn parse(text: &str) -> Result<Self, RangesError> {
        let text = text.trim();
        let mut alternatives = Vec::new();
        for alternative in text.split("||") {
            let bounds = match alternative.trim() {
                "*" => Vec::new(),
                bounds => bounds.split(',').map(|b| Bound::parse(b.trim())).collect::<Result<_, _>>()?,
            };
            if bounds.len() > BOUNDS || alternatives.len() >= BOUNDS {
                return Err(RangesError::TooMany);
            }
            alternatives.push(bounds);
        }
        Ok(Self { alternatives, text: text.to_owned() })
    }

    /// Whether a version lies in them, compared by `order`.
    pub fn contain(&self, version: &str, order: fn(&str, &str) -> Ordering) -> bool {
        self.alternatives.iter().any(|bounds| bounds.iter().all(|bound| bound.holds(version, order)))
    }

    /// Whether a distribution's package may be in them by upstream's count alone: a bound that decides has no Debian
    /// revision.
    pub fn are_upstream(&self) -> bool {
        self.alternatives.iter().flatten().any(|bound| !bound.version.contains('-'))
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Bound {
    fn parse(text: &str) -> Result<Self, RangesError> {
        let operators = [
            ("<=", Operator::AtMost),
            (">=", Operator::AtLeast),
            ("<", Operator::Less),
            (">", Operator::More),
            ("=", Operator::Equal),
        ];
        let found = operators.iter().find_map(|(word, operator)| Some((*operator, text.strip_prefix(word)?)));
        let (operator, version) = found.ok_or_else(|| RangesError::NoOperator(text.to_owned()))?;
        let version = version.trim();
        if version.is_empty() {
            return Err(RangesError::NoVersion);
        }
        Ok(Self { operator, version: version.to_owned() })
    }

    fn holds(&self, version: &str, order: fn(&str, &str) -> Ordering) -> bool {
        let order = order(version, &self.version);
        match self.operator {
            Operator::Less => order.is_lt(),
            Operator::AtMost => order.is_le(),
            Operator::More => order.is_gt(),
            Operator::AtLeast => order.is_ge(),
            Operator::Equal => order.is_eq(),
        }
    }
}

// === Debian ===

/// Orders two versions of Debian packages: `[epoch:]upstream[-revision]`, where `~` sorts before everything, the end
/// included.
///
/// # Source
/// Debian policy manual, 5.6.12; deb-version(7).
pub fn debian(a: &str, b: &str) -> Ordering {
    let (a, b) = (Debian::parse(cut(a)), Debian::parse(cut(b)));
    number(a.epoch, b.epoch)
        .then_with(|| parts(a.upstream, b.upstream))
        .then_with(|| parts(a.revision, b.revision))
}

struct Debian<'a> {
    epoch: &'a [u8],
    upstream: &'a [u8],
    revision: &'a [u8],
}

impl<'a> Debian<'a> {
    fn parse(text: &'a [u8]) -> Self {
        let (epoch, rest) = match text.iter().position(|byte| *byte == b':') {
            Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
            None => (&b""[..], text),
        };
        let (upstream, revision) = match rest.iter().rposition(|byte| *byte == b'-') {
            Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default()),
            None => (rest, &b""[..]),
        };
        Self { epoch, upstream, revision }
    }
}

/// Words and numbers in turn, from left to right.
fn parts(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (word_a, rest_a) = split(a, |byte| !byte.is_ascii_digit());
        let (word_b, rest_b) = split(b, |byte| !byte.is_ascii_digit());
        let longest = word_a.len().max(word_b.len());
        let weights = |word: &[u8], at: usize| word.get(at).map_or(0, |byte| weight(*byte));
        let order = (0..longest)
            .map(|at| weights(word_a, at).cmp(&weights(word_b, at)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal);
        let (number_a, rest_a) = split(rest_a, u8::is_ascii_digit);
        let (number_b, rest_b) = split(rest_b, u8::is_ascii_digit);
        let order = order.then_with(|| number(number_a, number_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

/// `~` before the end, the end before letters, letters before everything else.
fn weight(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        byte if byte.is_ascii_alphabetic() => i32::from(byte),
        byte => i32::from(byte) + 256,
    }
}

// === dotted ===

/// Orders two dotted versions: numbers by value, and words that come before a release (`5.0-beta1` < `5.0`) or after
/// it (`5.0pl1` > `5.0`). Missing numbers are zero: `1.0` equals `1.0.0`; `RELEASE` and `Final` say nothing.
///
/// # Source
/// PHP's `version_compare`, which `WordPress` uses; that one sorts `1.0` before `1.0.0`, which would call the first
/// release of a line affected or not by how it is written.
pub fn dotted(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (Tokens(lower_start(cut(a))), Tokens(lower_start(cut(b))));
    loop {
        let (mut x, mut y) = (a.next(), b.next());
        while x.as_ref().is_some_and(zero) && !matches!(y, Some(Token::Number(_))) {
            x = a.next();
        }
        while y.as_ref().is_some_and(zero) && !matches!(x, Some(Token::Number(_))) {
            y = b.next();
        }
        if x.is_none() && y.is_none() {
            return Ordering::Equal;
        }
        let order = match (&x, &y) {
            (Some(Token::Number(x)), Some(Token::Number(y))) => number(x, y),
            (x, y) => {
                rank(x.as_ref()).cmp(&rank(y.as_ref())).then_with(|| word(x.as_ref()).cmp(word(y.as_ref())))
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// A leading `v` says nothing.
fn lower_start(text: &[u8]) -> &[u8] {
    match text {
        [b'v' | b'V', rest @ ..] if rest.first().is_some_and(u8::is_ascii_digit) => rest,
        other => other,
    }
}

enum Token<'a> {
    Number(&'a [u8]),
    Word(&'a [u8]),
}

struct Tokens<'a>(&'a [u8]);

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        let (_separators, rest) = split(self.0, |byte| !byte.is_ascii_alphanumeric());
        let (digits, after_digits) = split(rest, u8::is_ascii_digit);
        if !digits.is_empty() {
            self.0 = after_digits;
            return Some(Token::Number(digits));
        }
        let (letters, after_letters) = split(rest, u8::is_ascii_alphabetic);
        self.0 = after_letters;
        // Java's way of saying that it is one.
        if [&b"release"[..], b"final", b"ga", b"stable"].iter().any(|word| letters.eq_ignore_ascii_case(word))
        {
            return self.next();
        }
        (!letters.is_empty()).then_some(Token::Word(letters))
    }
}

fn word<'a>(token: Option<&Token<'a>>) -> &'a [u8] {
    match token {
        Some(Token::Word(word)) if matches!(known(word), Rank::Unknown) => word,
        _ => b"",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Unknown,
    Development,
    Alpha,
    Beta,
    Candidate,
    End,
    Number,
    Patch,
}

fn rank(token: Option<&Token<'_>>) -> Rank {
    match token {
        None => Rank::End,
        Some(Token::Number(_)) => Rank::Number,
        Some(Token::Word(word)) => known(word),
    }
}

fn known(word: &[u8]) -> Rank {
    match word.to_ascii_lowercase().as_slice() {
        b"dev" => Rank::Development,
        b"a" | b"alpha" => Rank::Alpha,
        b"b" | b"beta" => Rank::Beta,
        b"rc" | b"c" => Rank::Candidate,
        b"p" | b"pl" => Rank::Patch,
        _ => Rank::Unknown,
    }
}

// === both ===

fn cut(text: &str) -> &[u8] {
    let bytes = text.trim().as_bytes();
    bytes.get(..bytes.len().min(VERSION_BYTES)).unwrap_or_default()
}

fn split(bytes: &[u8], is: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|byte| !is(byte)).unwrap_or(bytes.len());
    bytes.split_at_checked(at).unwrap_or((bytes, b""))
}

fn zero(token: &Token<'_>) -> bool {
    matches!(token, Token::Number(digits) if digits.iter().all(|digit| *digit == b'0'))
}

/// Numbers of any length: by length without leading zeros, then by digits.
fn number(a: &[u8], b: &[u8]) -> Ordering {
    let (_, a) = split(a, |digit| *digit == b'0');
    let (_, b) = split(b, |digit| *digit == b'0');
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
