//! `isdataat`, `byte_test` and `byte_jump`.
use super::content::{signed, unsigned};
use super::{Builder, Finding, RawOption, Step, Word, shown, value};
use crate::pattern::TEXT_BYTES;
use crate::pattern::{ByteJump, ByteTest, Comparison, DataAt, From, Number};

impl Builder<'_> {
    pub(super) fn data_at(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let mut parts = words(word);
        let first = parts.next().unwrap_or(word);
        let (negated, number) = match first.text.strip_prefix('!') {
            Some(rest) => (true, Word { text: rest.trim_ascii(), at: first.at + 1 }),
            None => (false, first),
        };
        let mut relative = false;
        for part in parts {
            match part.text {
                "relative" => relative = true,
                "rawbytes" => {}
                _ => return Err(unknown_word(part, "relative or rawbytes")),
            }
        }
        let step = DataAt { position: unsigned(number)?, relative, negated };
        self.push(Step::DataAt(step), option.name)
    }

    pub(super) fn byte_test(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let mut parts = words(word);
        let (Some(count), Some(operator), Some(wanted), Some(offset)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Finding::error(
                "S014",
                word.at,
                "byte_test has fewer than 4 values",
                "write byte_test:bytes,operator,value,offset",
            ));
        };
        let (negated, sign) = match operator.text.strip_prefix('!') {
            Some("") => (true, "="),
            Some(rest) => (true, rest.trim_ascii()),
            None => (false, operator.text),
        };
        let operator = match sign {
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            "=" => Comparison::Equal,
            "&" => Comparison::And,
            "^" => Comparison::Or,
            _ => return Err(unknown_word(operator, "< > = <= >= & ^, or one of them behind !")),
        };
        let hex = wanted.text.strip_prefix("0x").or_else(|| wanted.text.strip_prefix("0X"));
        let parsed = hex
            .map_or_else(|| wanted.text.parse::<u64>().ok(), |digits| u64::from_str_radix(digits, 16).ok());
        let Some(wanted) = parsed else {
            return Err(unknown_word(wanted, "a number; values of byte_extract are not supported yet"));
        };
        let mut number = empty_number(signed(offset)?);
        for part in parts {
            if !number_word(&mut number, part)? {
                return Err(unknown_word(part, "relative, big, little, string, hex, dec, oct or bitmask"));
            }
        }
        let bytes = byte_count(count, number.base.is_some())?;
        self.push(Step::ByteTest(ByteTest { bytes, operator, negated, value: wanted, number }), option.name)
    }

    pub(super) fn byte_jump(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let mut parts = words(word);
        let (Some(count), Some(offset)) = (parts.next(), parts.next()) else {
            return Err(Finding::error(
                "S014",
                word.at,
                "byte_jump has fewer than 2 values",
                "write byte_jump:bytes,offset",
            ));
        };
        let mut number = empty_number(signed(offset)?);
        let mut jump =
            ByteJump { bytes: 0, number, multiplier: 1, align: false, from: From::Here, post_offset: 0 };
        for part in parts {
            let (name, argument) = part.text.split_once(' ').unwrap_or((part.text, ""));
            let argument = Word { text: argument.trim_ascii(), at: part.at + name.len() };
            match name {
                "align" => jump.align = true,
                "from_beginning" => jump.from = From::Beginning,
                "from_end" => jump.from = From::End,
                "multiplier" => jump.multiplier = unsigned(argument)?,
                "post_offset" => jump.post_offset = signed(argument)?,
                _ if number_word(&mut number, part)? => {}
                _ => {
                    return Err(unknown_word(
                        part,
                        "relative, big, little, string, hex, dec, oct, bitmask, align, multiplier, from_beginning, from_end or post_offset",
                    ));
                }
            }
        }
        jump.bytes = byte_count(count, number.base.is_some())?;
        jump.number = number;
        self.push(Step::ByteJump(jump), option.name)
    }
}

fn empty_number(offset: i32) -> Number {
    Number { offset, relative: false, little: false, base: None, bitmask: None }
}

/// Takes one of the words that `byte_test` and `byte_jump` share; false where it is none.
fn number_word(number: &mut Number, part: Word<'_>) -> Result<bool, Finding> {
    let (name, argument) = part.text.split_once(' ').unwrap_or((part.text, ""));
    match name {
        "relative" => number.relative = true,
        "big" => number.little = false,
        "little" => number.little = true,
        "string" => number.base = number.base.or(Some(10)),
        "hex" => number.base = Some(16),
        "dec" => number.base = Some(10),
        "oct" => number.base = Some(8),
        "bitmask" => {
            let digits = argument.trim_ascii();
            let digits = digits.strip_prefix("0x").unwrap_or(digits);
            let Ok(mask) = u32::from_str_radix(digits, 16) else {
                return Err(unknown_word(part, "bitmask 0x00ff"));
            };
            if mask == 0 {
                return Err(unknown_word(part, "a bitmask that leaves something"));
            }
            number.bitmask = Some(mask);
        }
        "dce" => {
            return Err(Finding::error(
                "S012",
                part.at,
                "dce numbers are not supported yet",
                "say the byte order with big or little",
            ));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn byte_count(word: Word<'_>, text: bool) -> Result<u8, Finding> {
    // of a number in text 0 means all its digits
    let (least, most) = if text { (0, TEXT_BYTES) } else { (1, 8) };
    word.text.parse::<u8>().ok().filter(|n| (least..=most).contains(n)).ok_or_else(|| {
        Finding::error(
            "S014",
            word.at,
            format!("not a valid number of bytes: {}", shown(word.text)),
            format!("write {least} to {most}"),
        )
    })
}

fn unknown_word(word: Word<'_>, expected: &str) -> Finding {
    Finding::error(
        "S014",
        word.at,
        format!("unexpected {}", shown(word.text)),
        format!("expected {expected}"),
    )
}

/// The comma-separated words of a value.
fn words(word: Word<'_>) -> impl Iterator<Item = Word<'_>> {
    let mut at = word.at;
    word.text.split(',').map(move |part| {
        let indent = part.len() - part.trim_ascii_start().len();
        let out = Word { text: part.trim_ascii(), at: at + indent };
        at += part.len() + 1;
        out
    })
}
