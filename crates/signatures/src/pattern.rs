//! What a rule looks for inside a buffer: contents, regular expressions, sizes and tests of bytes.
use crate::asn1::Asn1;
use crate::base64::Mode;
use crate::dataset::Dataset;
use crate::diagnose::{Finding, shown};
use crate::parse::Word;
use crate::pcre::Expression;

/// A number of bytes or a value: written in the rule, or taken from the traffic by `byte_extract` or `byte_math`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    Is(i64),
    /// By its place among the variables of the rule.
    Variable(usize),
}

/// Most variables of one rule.
pub(crate) const VARIABLES: usize = 8;

/// The values of a rule's variables.
pub(crate) type Values = [u64; VARIABLES];

impl Amount {
    /// The number, where the rule itself says it.
    pub(crate) const fn written(self) -> Option<i64> {
        match self {
            Self::Is(number) => Some(number),
            Self::Variable(_) => None,
        }
    }

    /// Its value; what a variable holds beyond 63 bits is as large as can be said.
    pub(crate) fn value(self, values: &Values) -> i64 {
        match self {
            Self::Is(number) => number,
            Self::Variable(place) => {
                values.get(place).map_or(0, |value| i64::try_from(*value).unwrap_or(i64::MAX))
            }
        }
    }

    const fn is_variable(self) -> bool {
        matches!(self, Self::Variable(_))
    }
}

/// A literal with its conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the modifiers of the language, any of which may be there")]
pub(crate) struct Content {
    /// As written; lower case where `nocase`.
    pub(crate) bytes: Vec<u8>,
    pub(crate) nocase: bool,
    pub(crate) negated: bool,
    pub(crate) offset: Option<Amount>,
    pub(crate) depth: Option<Amount>,
    pub(crate) distance: Option<Amount>,
    pub(crate) within: Option<Amount>,
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
    pub(crate) expression: Expression,
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
    /// From the first to the last.
    Inside(u64, u64),
    /// Whether some of the bits are set (or, negated, none of them).
    Bits(u64, bool),
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
            Self::Inside(a, b) => a <= value && value <= b,
            Self::Bits(mask, wanted) => (value & mask != 0) == wanted,
        }
    }

    /// The largest value inside, where there is one.
    pub(crate) fn most(self) -> Option<u64> {
        match self {
            Self::Equal(n) | Self::LessOrEqual(n) | Self::Inside(_, n) => Some(n),
            Self::Less(n) | Self::Between(_, n) => Some(n.saturating_sub(1)),
            _ => None,
        }
    }

    /// Parses a size in 32 bits.
    pub(crate) fn parse(word: Word<'_>) -> Result<Self, Finding> {
        Self::parse_with(word, u64::from(u32::MAX), |_| None)
    }

    /// Parses a number up to `most`; `named` says what words stand for.
    pub(crate) fn parse_with(
        word: Word<'_>,
        most: u64,
        named: impl Fn(&str) -> Option<u64>,
    ) -> Result<Self, Finding> {
        let text = word.text.trim_ascii();
        let bad = || {
            Finding::error(
                "S014",
                word.at,
                format!("not a valid size: {}", shown(text)),
                "write a number, <n, >n, <=n, >=n, !n, low-high or low<>high",
            )
        };
        let number = |text: &str| -> Option<u64> {
            let text = text.trim_ascii();
            let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
            let value = match hex {
                Some(digits) => u64::from_str_radix(digits, 16).ok()?,
                None if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() => text.parse().ok()?,
                None => named(text)?,
            };
            (value <= most).then_some(value)
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
        if let Some((low, high)) = text.split_once('-')
            && let (Some(low), Some(high)) = (number(low), number(high))
        {
            return if low <= high { Ok(Self::Inside(low, high)) } else { Err(bad()) };
        }
        for (sign, make) in [
            ("<=", Self::LessOrEqual as fn(u64) -> Self),
            (">=", Self::GreaterOrEqual),
            ("!=", Self::NotEqual),
            ("!&", |n| Self::Bits(n, false)),
            ("<", Self::Less),
            (">", Self::Greater),
            ("!", Self::NotEqual),
            ("&", |n| Self::Bits(n, true)),
            ("=", Self::Equal),
        ] {
            if let Some(rest) = text.strip_prefix(sign) {
                return match one(make, rest)? {
                    Self::Less(0) => Err(bad()),
                    range => Ok(range),
                };
            }
        }
        one(Self::Equal, text)
    }
}

/// `isdataat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataAt {
    pub(crate) position: Amount,
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
    pub(crate) value: Amount,
    pub(crate) number: Number,
}

/// `byte_extract`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteExtract {
    pub(crate) bytes: u8,
    pub(crate) number: Number,
    pub(crate) multiplier: u32,
    pub(crate) align: Option<u64>,
    pub(crate) variable: usize,
}

/// `byte_math`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteMath {
    pub(crate) bytes: u8,
    pub(crate) number: Number,
    pub(crate) operator: Arithmetic,
    pub(crate) operand: Amount,
    pub(crate) variable: usize,
}

/// Operator of `byte_math`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    ShiftLeft,
    ShiftRight,
}

/// `base64_decode` with what is looked for in the decoded bytes.
#[derive(Clone, Debug)]
pub(crate) struct Decode {
    pub(crate) bytes: Option<usize>,
    pub(crate) offset: usize,
    pub(crate) relative: bool,
    pub(crate) mode: Mode,
    pub(crate) steps: Vec<Step>,
}

/// `byte_jump`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteJump {
    pub(crate) bytes: Amount,
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
    pub(crate) offset: Amount,
    pub(crate) relative: bool,
    pub(crate) order: Order,
    /// Base of a text number; `None`: binary.
    pub(crate) base: Option<u32>,
    pub(crate) bitmask: Option<u32>,
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Big,
    Little,
    /// As the DCE/RPC message says that it stands in.
    OfMessage,
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
    ByteExtract(ByteExtract),
    ByteMath(ByteMath),
    Decode(Decode),
    Asn1(Asn1),
    /// `PORT` names another address than the one that says it.
    FtpBounce,
    Size(Range),
    /// The buffer is there.
    Present,
    /// The buffer never comes; or else the other conditions hold of it.
    Absent {
        or_else: bool,
    },
    Entropy(Entropy),
    /// The whole buffer is a value of a set.
    Dataset(Dataset),
}

/// `entropy`: how evenly a part of the bytes uses all values, in bits a byte.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entropy {
    pub(crate) offset: usize,
    pub(crate) bytes: Option<usize>,
    pub(crate) test: EntropyTest,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum EntropyTest {
    Equal(f64),
    NotEqual(f64),
    Less(f64),
    LessOrEqual(f64),
    Greater(f64),
    GreaterOrEqual(f64),
    /// Between, without both ends.
    Between(f64, f64),
    Outside(f64, f64),
}

impl Entropy {
    #[expect(clippy::cast_precision_loss, reason = "lengths of buffers, far below 2^52")]
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        let bytes = bytes.get(self.offset..).unwrap_or_default();
        let bytes = self.bytes.map_or(bytes, |count| bytes.get(..count).unwrap_or(bytes));
        let mut counts = [0_u32; 256];
        for byte in bytes {
            if let Some(count) = counts.get_mut(usize::from(*byte)) {
                *count += 1;
            }
        }
        let all = bytes.len().max(1) as f64;
        let entropy: f64 = counts
            .iter()
            .filter(|count| **count > 0)
            .map(|count| {
                let share = f64::from(*count) / all;
                -share * share.log2()
            })
            .sum();
        match self.test {
            EntropyTest::Equal(wanted) => (entropy - wanted).abs() < f64::EPSILON,
            EntropyTest::NotEqual(wanted) => (entropy - wanted).abs() >= f64::EPSILON,
            EntropyTest::Less(wanted) => entropy < wanted,
            EntropyTest::LessOrEqual(wanted) => entropy <= wanted,
            EntropyTest::Greater(wanted) => entropy > wanted,
            EntropyTest::GreaterOrEqual(wanted) => entropy >= wanted,
            EntropyTest::Between(low, high) => low < entropy && entropy < high,
            EntropyTest::Outside(low, high) => entropy <= low || high <= entropy,
        }
    }
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
            Self::ByteExtract(e) => e.number.relative,
            Self::ByteMath(m) => m.number.relative,
            Self::Decode(d) => d.relative,
            Self::Asn1(a) => a.relative,
            Self::Size(_)
            | Self::FtpBounce
            | Self::Present
            | Self::Absent { .. }
            | Self::Entropy(_)
            | Self::Dataset(_) => false,
        }
    }

    /// Whether it gives a variable its value, or asks for one.
    pub(crate) fn has_variable(&self) -> bool {
        let varies = |amount: Option<Amount>| amount.is_some_and(Amount::is_variable);
        match self {
            Self::Content(c) => [c.offset, c.depth, c.distance, c.within].into_iter().any(varies),
            Self::DataAt(d) => d.position.is_variable(),
            Self::ByteTest(t) => t.value.is_variable() || t.number.offset.is_variable(),
            Self::ByteJump(j) => j.bytes.is_variable() || j.number.offset.is_variable(),
            Self::ByteExtract(_) | Self::ByteMath(_) => true,
            Self::Pcre(_)
            | Self::Decode(_)
            | Self::Asn1(_)
            | Self::FtpBounce
            | Self::Size(_)
            | Self::Present
            | Self::Absent { .. }
            | Self::Entropy(_)
            | Self::Dataset(_) => false,
        }
    }

    /// Whether it moves the position.
    pub(crate) fn moves(&self) -> bool {
        match self {
            Self::Content(c) => !c.negated,
            Self::Pcre(p) => !p.negated,
            Self::ByteJump(_) | Self::ByteExtract(_) | Self::ByteMath(_) => true,
            Self::DataAt(_)
            | Self::ByteTest(_)
            | Self::Size(_)
            | Self::Decode(_)
            | Self::Asn1(_)
            | Self::FtpBounce
            | Self::Present
            | Self::Absent { .. }
            | Self::Entropy(_)
            | Self::Dataset(_) => false,
        }
    }

    /// Whether more bytes behind those that are there could turn a yes into a no.
    pub(crate) fn needs_end(&self) -> bool {
        match self {
            Self::Content(c) => c.negated || c.endswith,
            Self::Pcre(p) => p.negated || p.looks,
            Self::DataAt(d) => d.negated,
            Self::ByteJump(j) => j.from == From::End,
            // what is decoded, or how long an element is, changes as bytes are added
            Self::Size(_) | Self::Decode(_) | Self::Entropy(_) | Self::Dataset(_) => true,
            Self::ByteTest(_)
            | Self::ByteExtract(_)
            | Self::ByteMath(_)
            | Self::Asn1(_)
            | Self::FtpBounce
            | Self::Present
            | Self::Absent { .. } => false,
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
