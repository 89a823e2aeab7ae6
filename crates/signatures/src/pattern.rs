//! What a rule looks for inside a buffer: contents, regular expressions, sizes and tests of bytes.
use crate::diagnose::{Finding, shown};
use crate::parse::Word;

/// A literal with its conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the modifiers of the language, any of which may be there")]
pub(crate) struct Content {
    /// As written; lower case where `nocase`.
    pub(crate) bytes: Vec<u8>,
    pub(crate) nocase: bool,
    pub(crate) negated: bool,
    pub(crate) offset: Option<u32>,
    pub(crate) depth: Option<u32>,
    pub(crate) distance: Option<i32>,
    pub(crate) within: Option<u32>,
    pub(crate) startswith: bool,
    pub(crate) endswith: bool,
    pub(crate) fast: bool,
    /// Part of the bytes that is the fast pattern: offset and length.
    pub(crate) fast_range: Option<(usize, usize)>,
    /// Position in the rule, for findings.
    pub(crate) at: usize,
}

impl Content {
    pub(crate) fn is_relative(&self) -> bool {
        self.distance.is_some() || self.within.is_some()
    }
}

/// A regular expression.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties, each asked for by name")]
pub(crate) struct Pcre {
    pub(crate) regex: regex::bytes::Regex,
    pub(crate) negated: bool,
    pub(crate) relative: bool,
    /// Begins where the search begins: a failed search costs little.
    pub(crate) anchored: bool,
    /// Looks at what stands behind the match (`$`, `\b`): a match may vanish when bytes are added.
    pub(crate) looks: bool,
}

/// A comparison of a size or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    Equal(u64),
    NotEqual(u64),
    Less(u64),
    LessOrEqual(u64),
    Greater(u64),
    GreaterOrEqual(u64),
    /// Between, without both ends.
    Between(u64, u64),
}

impl Range {
    pub(crate) fn contains(self, value: u64) -> bool {
        match self {
            Self::Equal(n) => value == n,
            Self::NotEqual(n) => value != n,
            Self::Less(n) => value < n,
            Self::LessOrEqual(n) => value <= n,
            Self::Greater(n) => value > n,
            Self::GreaterOrEqual(n) => value >= n,
            Self::Between(a, b) => a < value && value < b,
        }
    }

    /// The largest value inside, where there is one.
    pub(crate) fn most(self) -> Option<u64> {
        match self {
            Self::Equal(n) | Self::LessOrEqual(n) => Some(n),
            Self::Less(n) | Self::Between(_, n) => Some(n.saturating_sub(1)),
            _ => None,
        }
    }

    pub(crate) fn parse(word: Word<'_>) -> Result<Self, Finding> {
        let text = word.text.trim_ascii();
        let bad = || {
            Finding::error(
                "S014",
                word.at,
                format!("not a valid size: {}", shown(text)),
                "write a number, <n, >n, <=n, >=n, !n or low<>high",
            )
        };
        let number = |text: &str| -> Option<u64> {
            let text = text.trim_ascii();
            if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            text.parse::<u32>().ok().map(u64::from)
        };
        let one = |make: fn(u64) -> Self, text: &str| number(text).map(make).ok_or_else(bad);
        if let Some((low, high)) = text.split_once("<>") {
            let (Some(low), Some(high)) = (number(low), number(high)) else { return Err(bad()) };
            if low + 1 >= high {
                return Err(Finding::error(
                    "S014",
                    word.at,
                    format!("no size lies between {low} and {high}"),
                    "both ends are excluded: the second must be larger than the first by at least 2",
                ));
            }
            return Ok(Self::Between(low, high));
        }
        if let Some(rest) = text.strip_prefix("<=") {
            return one(Self::LessOrEqual, rest);
        }
        if let Some(rest) = text.strip_prefix(">=") {
            return one(Self::GreaterOrEqual, rest);
        }
        match text.split_at_checked(1) {
            Some(("<", rest)) => match one(Self::Less, rest)? {
                Self::Less(0) => Err(bad()),
                range => Ok(range),
            },
            Some((">", rest)) => one(Self::Greater, rest),
            Some(("!", rest)) => one(Self::NotEqual, rest),
            _ => one(Self::Equal, text.strip_prefix('=').unwrap_or(text)),
        }
    }
}

/// `isdataat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataAt {
    pub(crate) position: u32,
    pub(crate) relative: bool,
    pub(crate) negated: bool,
}

/// Longest number in text, in bytes: 22 octal digits and a prefix fill 64 bits.
pub(crate) const TEXT_BYTES: u8 = 23;

/// `byte_test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteTest {
    pub(crate) bytes: u8,
    pub(crate) operator: Comparison,
    pub(crate) negated: bool,
    pub(crate) value: u64,
    pub(crate) number: Number,
}

/// `byte_jump`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteJump {
    pub(crate) bytes: u8,
    pub(crate) number: Number,
    pub(crate) multiplier: u32,
    pub(crate) align: bool,
    pub(crate) from: From,
    pub(crate) post_offset: i32,
}

/// Where a jump is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Here,
    Beginning,
    End,
}

/// How a number stands in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) offset: i32,
    pub(crate) relative: bool,
    pub(crate) little: bool,
    /// Base of a text number; `None`: binary.
    pub(crate) base: Option<u32>,
    pub(crate) bitmask: Option<u32>,
}

/// Operator of a `byte_test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    And,
    Or,
}

/// One condition on a buffer.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Content(Content),
    Pcre(Pcre),
    DataAt(DataAt),
    ByteTest(ByteTest),
    ByteJump(ByteJump),
    Size(Range),
}

impl Step {
    /// Whether the position of the match before it matters.
    pub(crate) fn is_relative(&self) -> bool {
        match self {
            Self::Content(c) => c.is_relative(),
            Self::Pcre(p) => p.relative,
            Self::DataAt(d) => d.relative,
            Self::ByteTest(t) => t.number.relative,
            Self::ByteJump(j) => j.number.relative,
            Self::Size(_) => false,
        }
    }

    /// Whether it moves the position.
    pub(crate) fn moves(&self) -> bool {
        match self {
            Self::Content(c) => !c.negated,
            Self::Pcre(p) => !p.negated,
            Self::ByteJump(_) => true,
            Self::DataAt(_) | Self::ByteTest(_) | Self::Size(_) => false,
        }
    }

    /// Whether more bytes behind those that are there could turn a yes into a no.
    pub(crate) fn needs_end(&self) -> bool {
        match self {
            Self::Content(c) => c.negated || c.endswith,
            Self::Pcre(p) => p.negated || p.looks,
            Self::DataAt(d) => d.negated,
            Self::ByteJump(j) => j.from == From::End,
            Self::ByteTest(_) => false,
            Self::Size(_) => true,
        }
    }
}

/// Text of a content to bytes: `a|0d 0a|b`, with `\"`, `\;`, `\:`, `\\` and `\|`.
pub(crate) fn content_bytes(word: Word<'_>) -> Result<Vec<u8>, Finding> {
    let mut out = Vec::with_capacity(word.text.len());
    let mut hex: Option<Option<u8>> = None;
    let mut chars = word.text.char_indices();
    let bad = |at: usize, title: String| {
        Finding::error(
            "S020",
            word.at + at,
            title,
            "bytes are written |0d 0a|, two digits each; escape \" ; : \\ and | outside the bars with a backslash",
        )
    };
    while let Some((at, c)) = chars.next() {
        match (&mut hex, c) {
            (Some(None), '|') => hex = None,
            (Some(Some(_)), '|') => return Err(bad(at, "a byte has only one digit".into())),
            (None, '|') => hex = Some(None),
            (Some(_), ' ') => {}
            (Some(half), c) => {
                let Some(digit) = c.to_digit(16).and_then(|d| u8::try_from(d).ok()) else {
                    return Err(bad(
                        at,
                        format!("not a hexadecimal digit between the bars: {}", c.escape_default()),
                    ));
                };
                match half.take() {
                    None => *half = Some(digit),
                    Some(high) => out.push(high << 4 | digit),
                }
            }
            (None, '\\') => match chars.next() {
                Some((_, c @ ('"' | ';' | ':' | '\\' | '|' | '\''))) => {
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some((at, c)) => return Err(bad(at, format!("\\{} is not an escape", c.escape_default()))),
                None => return Err(bad(at, "the backslash at the end escapes nothing".into())),
            },
            (None, c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if hex.is_some() {
        return Err(bad(word.text.len(), "the bar of |hex| is not closed".into()));
    }
    if out.is_empty() {
        return Err(Finding::error("S021", word.at, "the content is empty", "say what to look for"));
    }
    Ok(out)
}
