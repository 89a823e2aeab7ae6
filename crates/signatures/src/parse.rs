//! Text to rule outline: lines, header fields and options, nothing of their meaning.
//!
//! # Source
//! Suricata's tokeniser: an option ends at the first `;` that has no backslash before it, quotes or not.
use crate::diagnose::{Finding, shown};

/// Longest rule, continuation lines joined: ET Open's longest is about 20 KB.
pub const RULE_BYTES: usize = 65_535;

/// A word of the rule and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// The text, trimmed.
    pub text: &'a str,
    /// Byte position in the rule.
    pub at: usize,
}

/// `name:value;`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawOption<'a> {
    /// The keyword.
    pub name: Word<'a>,
    /// What follows the colon.
    pub value: Option<Word<'a>>,
}

/// The outline of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline<'a> {
    /// `alert`.
    pub action: Word<'a>,
    /// `http`.
    pub protocol: Word<'a>,
    /// Source address, source port, direction, destination address, destination port.
    pub header: [Word<'a>; 5],
    /// The options in the order written.
    pub options: Vec<RawOption<'a>>,
}

/// One logical line of a rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: Result<String, usize>,
    /// Byte positions in the text at which physical lines begin, with their numbers.
    pub(crate) starts: Vec<(usize, u32)>,
}

impl Line {
    /// Number of the first physical line.
    pub(crate) fn number(&self) -> u32 {
        self.starts.first().map_or(0, |s| s.1)
    }

    /// Line and column (in characters, from 1) of a byte position.
    pub(crate) fn position(&self, at: usize) -> (u32, u32) {
        let (start, line) = self.starts.iter().rev().find(|s| s.0 <= at).copied().unwrap_or((0, 0));
        let column = match &self.text {
            Ok(text) => text.get(start..at.min(text.len())).map_or(0, |s| s.chars().count()),
            Err(_) => at - start.min(at),
        };
        (line, u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1))
    }
}

/// Splits a file into logical lines that hold something: joins lines ending in a backslash, leaves
/// out blank lines and comments.
pub(crate) fn lines(text: &[u8]) -> Vec<Line> {
    let mut out = Vec::new();
    let mut joined: Vec<u8> = Vec::new();
    let mut starts: Vec<(usize, u32)> = Vec::new();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut physical = text.split(|b| *b == b'\n').enumerate().peekable();
    while let Some((index, line)) = physical.next() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if starts.is_empty() {
            let trimmed = line.trim_ascii_start();
            if trimmed.is_empty() || trimmed.starts_with(b"#") {
                continue;
            }
        }
        starts.push((joined.len(), u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)));
        if let (Some(head), true) = (line.strip_suffix(b"\\"), physical.peek().is_some()) {
            joined.extend_from_slice(head);
            continue;
        }
        joined.extend_from_slice(line);
        let bytes = std::mem::take(&mut joined);
        let text = String::from_utf8(bytes).map_err(|e| e.utf8_error().valid_up_to());
        out.push(Line { text, starts: std::mem::take(&mut starts) });
    }
    out
}

/// Parses one rule into its outline.
///
/// # Errors
/// The first thing that keeps the outline from being seen; positions are bytes of `rule`.
pub fn outline(rule: &str) -> Result<Outline<'_>, Broken> {
    parse_outline(rule).map_err(Broken)
}

/// Why a rule has no outline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub(crate) Finding);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}] {}", self.0.code, self.0.title)
    }
}

impl std::error::Error for Broken {}

pub(crate) fn parse_outline(rule: &str) -> Result<Outline<'_>, Finding> {
    if rule.len() > RULE_BYTES {
        return Err(Finding::error(
            "S002",
            0,
            format!("the rule is {} bytes long, the limit is {RULE_BYTES}", rule.len()),
            "split it into several rules, or look for a missing line break",
        ));
    }
    let Some(open) = rule.find('(') else {
        return Err(Finding::error(
            "S009",
            rule.trim_end().len(),
            "the rule has no options",
            "write the options in parentheses: (msg:\"...\"; sid:1; rev:1;)",
        ));
    };
    let head = rule.get(..open).unwrap_or_default();
    let mut words = head_words(head);
    if words.len() != 7 {
        let at = words.get(7).or_else(|| words.last()).map_or(0, |w| w.at);
        return Err(Finding::error(
            "S006",
            at,
            format!("the header has {} fields instead of 7", words.len()),
            "action protocol address port -> address port; no spaces inside a bracketed list",
        ));
    }
    let rest: Vec<Word<'_>> = words.split_off(2);
    let (Some(action), Some(protocol), Ok(header)) =
        (words.first().copied(), words.get(1).copied(), <[Word<'_>; 5]>::try_from(rest))
    else {
        return Err(Finding::error(
            "S006",
            0,
            "the header is incomplete",
            "action protocol address port -> address port",
        ));
    };
    let options = parse_options(rule, open + 1)?;
    Ok(Outline { action, protocol, header, options })
}

/// Splits the header at white space outside brackets.
fn head_words(head: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut depth = 0_usize;
    let mut begin = None;
    for (at, c) in head.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c.is_ascii_whitespace() && depth == 0 {
            if let Some(from) = begin.take() {
                words.push(Word { text: head.get(from..at).unwrap_or_default(), at: from });
            }
        } else if begin.is_none() {
            begin = Some(at);
        }
    }
    if let Some(from) = begin {
        words.push(Word { text: head.get(from..).unwrap_or_default(), at: from });
    }
    words
}

fn parse_options(rule: &str, from: usize) -> Result<Vec<RawOption<'_>>, Finding> {
    let mut options = Vec::new();
    let mut at = from;
    loop {
        let rest = rule.get(at..).unwrap_or_default();
        let skipped = rest.len() - rest.trim_ascii_start().len();
        at += skipped;
        let rest = rest.trim_ascii_start();
        if let Some(after) = rest.strip_prefix(')') {
            let tail = after.trim_ascii();
            if tail.is_empty() || tail.starts_with('#') {
                return Ok(options);
            }
            return Err(Finding::error(
                "S009",
                at + 1,
                format!("text after the closing parenthesis: {}", shown(tail)),
                "one rule a line; escape a semicolon inside a value as \\;",
            ));
        }
        let Some(length) = option_end(rest) else {
            let code_and_title = if rest.matches('"').count() % 2 == 1 {
                ("S010", "the quotes are not closed before the end of the rule")
            } else {
                ("S009", "the last option is not ended by a semicolon, or the closing parenthesis is missing")
            };
            return Err(Finding::error(
                code_and_title.0,
                at,
                format!("{}: {}", code_and_title.1, shown(rest)),
                "every option ends in ; and the rule in )",
            ));
        };
        let body = rest.get(..length).unwrap_or_default();
        options.push(split_option(body, at));
        at += length + 1;
    }
}

/// Position of the first semicolon that is not escaped.
fn option_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b';', bytes).find(|&i| i == 0 || bytes.get(i - 1) != Some(&b'\\'))
}

fn split_option(body: &str, at: usize) -> RawOption<'_> {
    match body.split_once(':') {
        Some((name, value)) => {
            let indent = value.len() - value.trim_ascii_start().len();
            RawOption {
                name: Word { text: name.trim_ascii(), at },
                value: Some(Word { text: value.trim_ascii(), at: at + name.len() + 1 + indent }),
            }
        }
        None => RawOption { name: Word { text: body.trim_ascii(), at }, value: None },
    }
}

/// Takes the quotes off, and the `!` before them.
pub(crate) fn quoted(word: Word<'_>) -> Result<(bool, Word<'_>), Finding> {
    let (negated, inner) = match word.text.strip_prefix('!') {
        Some(rest) => (true, rest.trim_ascii_start()),
        None => (false, word.text),
    };
    let at = word.at + (word.text.len() - inner.len());
    let Some(open) = inner.strip_prefix('"') else {
        return Err(Finding::error("S010", at, "the value is not in quotes", "write it as \"...\""));
    };
    match open.strip_suffix('"') {
        Some(text) => Ok((negated, Word { text, at: at + 1 })),
        None => Err(Finding::error(
            "S010",
            at,
            format!("the quotes are not closed: {}", shown(inner)),
            "close them; inside quotes write a semicolon as \\; and a quote as \\\"",
        )),
    }
}
