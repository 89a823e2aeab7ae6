//! From what Perl writes to what the engines read.
use crate::{Error, Options};

/// An expression for the engines.
pub(crate) struct Translated {
    pub(crate) text: String,
    /// Where it takes the engine that goes back: the same without what only that engine knows, which matches more.
    pub(crate) gate: Option<String>,
}

pub(crate) fn translate(expression: &str, options: &Options) -> Result<Translated, Error> {
    let mut out = String::with_capacity(expression.len() + 16);
    if options.anchored {
        out.push_str("\\A(?:");
    }
    let mut t = Translator {
        text: expression,
        chars: expression.char_indices().peekable(),
        out,
        options,
        repeats: false,
        open: Vec::new(),
        beyond: Vec::new(),
    };
    t.run()?;
    let (mut text, beyond) = (t.out, t.beyond);
    if options.anchored {
        text.push(')');
    }
    if beyond.is_empty() {
        return Ok(Translated { text, gate: None });
    }
    if options.ungreedy {
        return Err(Error::Ungreedy);
    }
    let gate = without(&text, &beyond);
    Ok(Translated { text, gate: Some(gate) })
}

/// A piece of the text that only the engine that goes back knows, and what stands for it in linear time.
struct Beyond {
    from: usize,
    to: usize,
    instead: &'static str,
}

/// The text with what stands for those pieces; what lies within another is gone with it.
fn without(text: &str, beyond: &[Beyond]) -> String {
    let mut pieces: Vec<&Beyond> = beyond.iter().collect();
    pieces.sort_by_key(|piece| piece.from);
    let (mut gate, mut at) = (String::with_capacity(text.len()), 0);
    for piece in pieces {
        if piece.from >= at {
            gate.push_str(text.get(at..piece.from).unwrap_or_default());
            gate.push_str(piece.instead);
            at = piece.to;
        }
    }
    gate.push_str(text.get(at..).unwrap_or_default());
    gate
}

struct Translator<'a> {
    text: &'a str,
    chars: std::iter::Peekable<std::str::CharIndices<'a>>,
    out: String,
    options: &'a Options,
    /// Whether the last thing written was a repetition.
    repeats: bool,
    /// For each open group where a look-around begins.
    open: Vec<Option<usize>>,
    /// What cannot be matched in linear time.
    beyond: Vec<Beyond>,
}

fn cannot(at: usize, what: impl Into<String>) -> Error {
    Error::Unsupported(at, what.into())
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), Error> {
        while let Some((at, c)) = self.chars.next() {
            let repeated = std::mem::take(&mut self.repeats);
            match c {
                '\\' => self.escape(at, false)?,
                '[' => self.class(at)?,
                '(' => self.group(at)?,
                ')' => {
                    self.out.push(')');
                    if let Some(from) = self.open.pop().flatten() {
                        self.beyond.push(Beyond { from, to: self.out.len(), instead: "(?:)" });
                    }
                }
                '$' if !self.options.multiline && !self.options.dollar_end_only => {
                    self.out.push_str("(?:\\n?\\z)");
                }
                '{' => {
                    if is_counted(self.text.get(at..).unwrap_or_default()) {
                        for (_, c) in self.chars.by_ref() {
                            if c == '}' {
                                break;
                            }
                        }
                        let end = self.chars.peek().map_or(self.text.len(), |p| p.0);
                        self.out.push_str(self.text.get(at..end).unwrap_or_default());
                        self.repeats = true;
                    } else {
                        self.out.push_str("\\{");
                    }
                }
                '}' => self.out.push_str("\\}"),
                // possessive: the same without forbidding to go back
                '+' if repeated => {}
                '*' | '+' | '?' => {
                    self.out.push(c);
                    self.repeats = !repeated;
                }
                c => self.literal(c),
            }
        }
        Ok(())
    }

    /// A character of the pattern; outside ASCII its UTF-8 bytes.
    fn literal(&mut self, c: char) {
        if c.is_ascii() {
            self.out.push(c);
        } else {
            self.out.push_str("(?:");
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                self.byte(byte);
            }
            self.out.push(')');
        }
    }

    fn byte(&mut self, byte: u8) {
        let digit = |n: u8| char::from_digit(n.into(), 16).unwrap_or('0');
        self.out.extend(['\\', 'x', digit(byte >> 4), digit(byte & 15)]);
    }

    fn group(&mut self, at: usize) -> Result<(), Error> {
        let rest = self.text.get(at + 1..).unwrap_or_default();
        for prefix in ["?=", "?!", "?<=", "?<!"] {
            if rest.starts_with(prefix) {
                self.skip(prefix.len());
                self.open.push(Some(self.out.len()));
                self.out.push('(');
                self.out.push_str(prefix);
                return Ok(());
            }
        }
        for (prefix, what) in [
            ("?(", "a conditional group"),
            ("?|", "a branch reset group"),
            ("?R", "recursion"),
            ("?&", "recursion"),
            ("?P>", "recursion"),
            ("*", "a control verb"),
        ] {
            if rest.starts_with(prefix) {
                return Err(cannot(at, what));
            }
        }
        if let Some((name, _)) = rest.strip_prefix("?P=").and_then(|rest| rest.split_once(')')) {
            self.skip(3 + name.chars().count() + 1);
            return self.reference(at, name);
        }
        if rest.starts_with("?#") {
            for (_, c) in self.chars.by_ref() {
                if c == ')' {
                    break;
                }
            }
            return Ok(());
        }
        self.open.push(None);
        if rest.starts_with("?>") {
            self.skip(2);
            self.out.push_str("(?:");
        } else if rest.starts_with('?') {
            self.skip(1);
            self.out.push_str("(?");
        } else {
            self.out.push('(');
        }
        Ok(())
    }

    /// A reference back to a group by its name or number; negative ones count back from here.
    fn reference(&mut self, at: usize, name: &str) -> Result<(), Error> {
        let number = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
        let word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !number && !word {
            return Err(cannot(at, "this form of a back-reference"));
        }
        let from = self.out.len();
        if number {
            self.out.extend(["(?:\\", name, ")"]);
        } else {
            self.out.extend(["\\k<", name, ">"]);
        }
        self.anything(from);
        Ok(())
    }

    /// What was written from there on is a reference: it may be anything.
    fn anything(&mut self, from: usize) {
        self.beyond.push(Beyond { from, to: self.out.len(), instead: "(?s:.*?)" });
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.chars.next();
        }
    }

    fn class(&mut self, at: usize) -> Result<(), Error> {
        self.out.push('[');
        let unclosed = || {
            Error::Malformed(
                at,
                "the character class is not closed",
                "close it with ], or escape the bracket",
            )
        };
        if self.chars.next_if(|p| p.1 == '^').is_some() {
            self.out.push('^');
        }
        // whether what was written last can be the beginning of a range
        let mut begins = false;
        // a bracket in the first place is an ordinary character
        if self.chars.next_if(|p| p.1 == ']').is_some() {
            self.out.push_str("\\]");
            begins = true;
        }
        loop {
            let Some((here, c)) = self.chars.next() else { return Err(unclosed()) };
            let rest = self.text.get(here..).unwrap_or_default();
            let could_begin = std::mem::replace(&mut begins, true);
            match c {
                ']' => break,
                '[' => {
                    if let (true, Some(end)) = (rest.starts_with("[:"), rest.find(":]")) {
                        self.out.push_str(rest.get(..end + 2).unwrap_or_default());
                        let stop = here + end + 2;
                        while self.chars.next_if(|p| p.0 < stop).is_some() {}
                        begins = false;
                    } else {
                        self.out.push_str("\\[");
                    }
                }
                '\\' => {
                    begins = !is_set(rest);
                    self.escape(here, true)?;
                }
                // doubled, these are set operations of the regex crate; white space counts even with x
                '&' | '~' | ' ' | '#' => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                '-' => {
                    let end = rest.get(1..).unwrap_or_default();
                    if could_begin && !end.starts_with(']') && !is_set(end) && !end.starts_with("[:") {
                        self.out.push('-');
                        begins = false;
                        if self.chars.next_if(|p| p.1 == '-').is_some() {
                            self.out.push_str("\\-");
                        } else if let Some((at, c)) = self.chars.next() {
                            self.end_of_range(at, c)?;
                        }
                    } else {
                        self.out.push_str("\\-");
                    }
                }
                '\t' | '\n' | '\r' => self.byte(c as u8),
                c if c.is_ascii() => self.out.push(c),
                c => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        self.byte(byte);
                    }
                }
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// The last character of a range.
    fn end_of_range(&mut self, at: usize, c: char) -> Result<(), Error> {
        match c {
            '\\' => self.escape(at, true)?,
            c if c.is_ascii() => self.byte(u8::try_from(u32::from(c)).unwrap_or(0)),
            c => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    self.byte(byte);
                }
            }
        }
        Ok(())
    }

    fn escape(&mut self, at: usize, in_class: bool) -> Result<(), Error> {
        let Some((_, c)) = self.chars.next() else {
            return Err(Error::Malformed(at, "the backslash at the end escapes nothing", "escape it: \\\\"));
        };
        match c {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' | 'n' | 'r' | 't' | 'f' | 'v' | 'a' => {
                self.out.push('\\');
                self.out.push(c);
            }
            'b' if in_class => self.byte(8),
            'b' | 'B' | 'A' | 'z' if !in_class => {
                self.out.push('\\');
                self.out.push(c);
            }
            'Z' if !in_class => self.out.push_str("(?:\\n?\\z)"),
            'x' => self.hex(),
            'e' => self.byte(0x1b),
            'h' if in_class => self.out.push_str("\\t\\x20"),
            'h' => self.out.push_str("[\\t\\x20]"),
            'H' if !in_class => self.out.push_str("[^\\t\\x20]"),
            'R' if !in_class => self.out.push_str("(?:\\r\\n|[\\n\\x0b\\f\\r])"),
            'N' if !in_class => self.out.push_str("[^\\n]"),
            'Q' => {
                while let Some((here, c)) = self.chars.next() {
                    if c == '\\' && self.text.get(here..).is_some_and(|r| r.starts_with("\\E")) {
                        self.chars.next();
                        break;
                    }
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        self.byte(byte);
                    }
                }
            }
            'E' => {}
            '0' => self.octal(0),
            '1'..='9' if in_class => self.octal(c.to_digit(8).unwrap_or(0)),
            // three octal digits are a byte, fewer a group
            '1'..='3'
                if self
                    .text
                    .get(at + 2..at + 4)
                    .is_some_and(|t| t.bytes().all(|b| matches!(b, b'0'..=b'7'))) =>
            {
                self.octal(c.to_digit(8).unwrap_or(0));
            }
            '1'..='9' => {
                let from = self.out.len();
                // in a group of its own, so that a digit behind it is not taken for a part of the number
                self.out.push_str("(?:\\");
                self.out.push(c);
                while let Some((_, digit)) = self.chars.next_if(|p| p.1.is_ascii_digit()) {
                    self.out.push(digit);
                }
                self.out.push(')');
                self.anything(from);
            }
            'g' | 'k' => {
                let rest = self.text.get(at + 2..).unwrap_or_default();
                let closed = [('{', '}'), ('<', '>'), ('\'', '\'')].into_iter().find_map(|(open, close)| {
                    rest.strip_prefix(open)?.split_once(close).map(|(name, _)| (name, 2))
                });
                // without brackets the digits are the number
                let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                let (name, brackets) = closed.unwrap_or_else(|| (rest.get(..digits).unwrap_or_default(), 0));
                self.skip(name.chars().count() + brackets);
                return self.reference(at, name);
            }
            'K' | 'G' | 'C' | 'X' => return Err(cannot(at, format!("\\{c}"))),
            'c' => {
                let control = self.chars.next().map_or('@', |p| p.1.to_ascii_uppercase());
                self.byte(u8::try_from(u32::from(control)).unwrap_or(0) ^ 0x40);
            }
            'p' | 'P' => return Err(cannot(at, "a Unicode property")),
            c if c.is_ascii_alphabetic() => {
                // PCRE takes an unknown escaped letter as the letter
                self.out.push(c);
            }
            c if c.is_ascii() => self.byte(u8::try_from(u32::from(c)).unwrap_or(0)),
            c => self.literal(c),
        }
        Ok(())
    }

    /// `\xHH`, `\xH`, `\x` and `\x{HH}`.
    fn hex(&mut self) {
        let mut value = 0_u32;
        if self.chars.next_if(|p| p.1 == '{').is_some() {
            for (_, c) in self.chars.by_ref() {
                match c.to_digit(16) {
                    Some(digit) => value = (value << 4 | digit) & 0xff_ffff,
                    None => break,
                }
            }
            if let Some(c) = char::from_u32(value).filter(|c| u32::from(*c) > 0xff) {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    self.byte(byte);
                }
                return;
            }
        } else {
            for _ in 0..2 {
                match self.chars.next_if(|p| p.1.is_ascii_hexdigit()) {
                    Some((_, c)) => value = value << 4 | c.to_digit(16).unwrap_or(0),
                    None => break,
                }
            }
        }
        self.byte(u8::try_from(value & 0xff).unwrap_or(0));
    }

    fn octal(&mut self, first: u32) {
        let mut value = first;
        for _ in 0..2 {
            match self.chars.next_if(|p| p.1.is_digit(8)) {
                Some((_, c)) => value = (value << 3 | c.to_digit(8).unwrap_or(0)) & 0xff,
                None => break,
            }
        }
        self.byte(u8::try_from(value).unwrap_or(0));
    }
}

/// Whether the text begins with an escape that stands for a set of characters.
fn is_set(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('\\') && chars.next().is_some_and(|c| "dDwWsShHRN".contains(c))
}

/// Whether the text begins with `{n}`, `{n,}` or `{n,m}`.
fn is_counted(text: &str) -> bool {
    let Some((inner, _)) = text.strip_prefix('{').and_then(|t| t.split_once('}')) else { return false };
    let (low, high) = inner.split_once(',').unwrap_or((inner, "0"));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    !low.is_empty() && digits(low) && digits(high)
}
