//! `isdataat`, `byte_test`, `byte_jump`, `byte_extract` and `byte_math`.
use super::content::{signed, unsigned};
use super::{Builder, Finding, RawOption, Step, Word, shown, value, words};
use crate::pattern::{Amount, Arithmetic, Order, TEXT_BYTES, VARIABLES};
use crate::pattern::{ByteExtract, ByteJump, ByteMath, ByteTest, Comparison, DataAt, From, Number};

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
        let step = DataAt { position: self.unsigned_or_variable(number)?, relative, negated };
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
        let wanted = match (self.variable(wanted), whole_number(wanted.text)) {
            (Some(variable), _) => variable,
            (None, Some(number)) => Amount::Is(number.cast_signed()),
            (None, None) => {
                return Err(unknown_word(
                    wanted,
                    "a number, or a variable that byte_extract has given its value",
                ));
            }
        };
        let mut number = empty_number(self.signed_or_variable(offset)?);
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
        let mut number = empty_number(self.signed_or_variable(offset)?);
        let mut jump = ByteJump {
            bytes: Amount::Is(0),
            number,
            multiplier: 1,
            align: false,
            from: From::Here,
            post_offset: 0,
        };
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
        // none: the jump is the offset behind it alone
        jump.bytes = match self.variable(count) {
            Some(variable) => variable,
            None if count.text == "0" => Amount::Is(0),
            None => Amount::Is(byte_count(count, number.base.is_some())?.into()),
        };
        jump.number = number;
        self.push(Step::ByteJump(jump), option.name)
    }

    /// `byte_extract:2,1,length,relative,multiplier 2,align 4`
    pub(super) fn byte_extract(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let mut parts = words(word);
        let (Some(count), Some(offset), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Finding::error(
                "S014",
                word.at,
                "byte_extract has fewer than 3 values",
                "write byte_extract:bytes,offset,name",
            ));
        };
        let mut number = empty_number(self.signed_or_variable(offset)?);
        let (mut multiplier, mut align) = (1, None);
        for part in parts {
            let (key, argument) = part.text.split_once(' ').unwrap_or((part.text, ""));
            let argument = Word { text: argument.trim_ascii(), at: part.at + key.len() };
            match key {
                "multiplier" => multiplier = unsigned(argument)?,
                "align" if matches!(argument.text, "2" | "4") => align = Some(unsigned(argument)?.into()),
                _ if number_word(&mut number, part)? => {}
                _ => {
                    return Err(unknown_word(
                        part,
                        "relative, big, little, string, hex, dec, oct, bitmask, multiplier, or align 2 or 4",
                    ));
                }
            }
        }
        let bytes = byte_count(count, number.base.is_some())?;
        let variable = self.new_variable(name)?;
        self.push(Step::ByteExtract(ByteExtract { bytes, number, multiplier, align, variable }), option.name)
    }

    /// `byte_math:bytes 4, offset 0, oper +, rvalue 10, result name, relative`
    pub(super) fn byte_math(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let mut number = empty_number(Amount::Is(0));
        let (mut bytes, mut operator, mut operand, mut result) = (None, None, None, None);
        for part in words(word) {
            let (key, argument) = part.text.split_once(' ').unwrap_or((part.text, ""));
            let argument = Word { text: argument.trim_ascii(), at: part.at + key.len() };
            match key {
                "bytes" => bytes = Some(argument),
                "offset" => number.offset = self.signed_or_variable(argument)?,
                "oper" => {
                    operator = Some(match argument.text {
                        "+" => Arithmetic::Add,
                        "-" => Arithmetic::Subtract,
                        "*" => Arithmetic::Multiply,
                        "/" => Arithmetic::Divide,
                        "<<" => Arithmetic::ShiftLeft,
                        ">>" => Arithmetic::ShiftRight,
                        _ => return Err(unknown_word(argument, "one of + - * / << >>")),
                    });
                }
                "rvalue" => {
                    let number = whole_number(argument.text).and_then(|n| i64::try_from(n).ok());
                    operand = Some(match (self.variable(argument), number) {
                        (Some(variable), _) => variable,
                        (None, Some(number)) => Amount::Is(number),
                        (None, None) => return Err(unknown_word(argument, "a number or a variable")),
                    });
                }
                "result" => result = Some(argument),
                "endian" if matches!(argument.text, "big" | "little") => {
                    number.order = if argument.text == "little" { Order::Little } else { Order::Big };
                }
                "string" => {
                    number.base = Some(match argument.text {
                        "hex" => 16,
                        "oct" => 8,
                        _ => 10,
                    });
                }
                _ if number_word(&mut number, part)? => {}
                _ => {
                    return Err(unknown_word(
                        part,
                        "bytes, offset, oper, rvalue, result, relative, endian, string, dce or bitmask",
                    ));
                }
            }
        }
        let (Some(bytes), Some(operator), Some(operand), Some(result)) = (bytes, operator, operand, result)
        else {
            return Err(Finding::error(
                "S014",
                word.at,
                "byte_math lacks bytes, oper, rvalue or result",
                "write byte_math:bytes 4, offset 0, oper +, rvalue 10, result name",
            ));
        };
        if operator == Arithmetic::Divide && operand == Amount::Is(0) {
            return Err(unknown_word(word, "a divisor that is not 0"));
        }
        let bytes = byte_count(bytes, number.base.is_some())?;
        let variable = self.new_variable(result)?;
        self.push(Step::ByteMath(ByteMath { bytes, number, operator, operand, variable }), option.name)
    }

    /// The place of a variable that gets its value here; it may get another one later.
    fn new_variable(&mut self, name: Word<'_>) -> Result<usize, Finding> {
        let valid = name.text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if !valid {
            return Err(unknown_word(name, "the name of a variable: letters, digits and _"));
        }
        if let Some(Amount::Variable(place)) = self.variable(name) {
            return Ok(place);
        }
        if self.variables_of_bytes.len() >= VARIABLES {
            return Err(Finding::error(
                "S054",
                name.at,
                format!("more than {VARIABLES} variables"),
                "split the rule",
            ));
        }
        self.variables_of_bytes.push(name.text.to_owned());
        Ok(self.variables_of_bytes.len() - 1)
    }
}

/// A number in decimal or hexadecimal.
fn whole_number(text: &str) -> Option<u64> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    hex.map_or_else(|| text.parse().ok(), |digits| u64::from_str_radix(digits, 16).ok())
}

fn empty_number(offset: Amount) -> Number {
    Number { offset, relative: false, order: Order::Big, base: None, bitmask: None }
}

/// Takes one of the words that `byte_test` and `byte_jump` share; false where it is none.
fn number_word(number: &mut Number, part: Word<'_>) -> Result<bool, Finding> {
    let (name, argument) = part.text.split_once(' ').unwrap_or((part.text, ""));
    match name {
        "relative" => number.relative = true,
        "big" => number.order = Order::Big,
        "little" => number.order = Order::Little,
        "dce" => number.order = Order::OfMessage,
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
