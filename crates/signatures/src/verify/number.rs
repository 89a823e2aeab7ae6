//! Numbers in the bytes: tested, jumped by, kept in variables.
use super::Run;
use crate::pattern::{
    Arithmetic, ByteExtract, ByteJump, ByteMath, ByteTest, Comparison, From, Number, Order, TEXT_BYTES,
};

impl Run<'_, '_> {
    pub(super) fn byte_test(&self, test: ByteTest, cursor: usize) -> bool {
        let Some((value, _)) = self.number(test.number, test.bytes, cursor) else { return false };
        let wanted = test.value.value(&self.values).cast_unsigned();
        let holds = match test.operator {
            Comparison::Less => value < wanted,
            Comparison::LessOrEqual => value <= wanted,
            Comparison::Greater => value > wanted,
            Comparison::GreaterOrEqual => value >= wanted,
            Comparison::Equal => value == wanted,
            Comparison::And => value & wanted != 0,
            Comparison::Or => value ^ wanted != 0,
        };
        holds != test.negated
    }

    /// The position a jump leads to; none where it leads out of the buffer.
    pub(super) fn byte_jump(&self, jump: ByteJump, cursor: usize) -> Option<usize> {
        let most = if jump.number.base.is_some() { TEXT_BYTES } else { 8 };
        let bytes = u8::try_from(jump.bytes.value(&self.values)).ok().filter(|bytes| *bytes <= most)?;
        let (value, behind) = self.number(jump.number, bytes, cursor)?;
        let mut distance = value.checked_mul(u64::from(jump.multiplier))?;
        if jump.align {
            distance = distance.checked_next_multiple_of(4)?;
        }
        let base = match jump.from {
            From::Here => behind,
            From::Beginning => 0,
            From::End => self.view.bytes.len(),
        };
        let target = i64::try_from(base).ok()?.checked_add(i64::try_from(distance).ok()?)?;
        let target = usize::try_from(target.checked_add(i64::from(jump.post_offset))?).ok()?;
        (target <= self.view.bytes.len()).then_some(target)
    }

    /// Keeps a number; gives the position behind it.
    pub(super) fn byte_extract(&mut self, extract: ByteExtract, cursor: usize) -> Option<usize> {
        let (value, behind) = self.number(extract.number, extract.bytes, cursor)?;
        let mut value = value.checked_mul(u64::from(extract.multiplier))?;
        if let Some(align) = extract.align {
            value = value.checked_next_multiple_of(align)?;
        }
        *self.values.get_mut(extract.variable)? = value;
        Some(behind)
    }

    /// Keeps what is calculated of a number; gives the position behind it.
    pub(super) fn byte_math(&mut self, math: ByteMath, cursor: usize) -> Option<usize> {
        let (value, behind) = self.number(math.number, math.bytes, cursor)?;
        let operand = u64::try_from(math.operand.value(&self.values)).ok()?;
        let result = match math.operator {
            Arithmetic::Add => value.checked_add(operand),
            Arithmetic::Subtract => value.checked_sub(operand),
            Arithmetic::Multiply => value.checked_mul(operand),
            Arithmetic::Divide => value.checked_div(operand),
            Arithmetic::ShiftLeft => value.checked_shl(u32::try_from(operand).ok()?),
            Arithmetic::ShiftRight => value.checked_shr(u32::try_from(operand).ok()?),
        }?;
        *self.values.get_mut(math.variable)? = result;
        Some(behind)
    }

    /// The number at a place, and the position behind it.
    fn number(&self, number: Number, count: u8, cursor: usize) -> Option<(u64, usize)> {
        let base = if number.relative { i64::try_from(cursor).ok()? } else { 0 };
        let at = usize::try_from(base.checked_add(number.offset.value(&self.values))?).ok()?;
        let bytes = match count {
            0 if number.base.is_none() => self.view.bytes.get(at..at)?,
            0 => self.view.bytes.get(at..at.saturating_add(TEXT_BYTES.into()).min(self.view.bytes.len()))?,
            count => self.view.bytes.get(at..at.checked_add(usize::from(count))?)?,
        };
        let mut behind = at + bytes.len();
        let mut value = match number.base {
            Some(base) => {
                let blank = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
                let digits = bytes.get(blank..)?;
                let digits = match digits {
                    [b'0', b'x' | b'X', rest @ ..] if base == 16 => rest,
                    _ => digits,
                };
                let length = digits.iter().take_while(|b| char::from(**b).is_digit(base)).count();
                let text = std::str::from_utf8(digits.get(..length)?).ok()?;
                behind -= digits.len() - length;
                u64::from_str_radix(text, base).ok()?
            }
            None if number.order == Order::Little || number.order == Order::OfMessage && self.view.little => {
                bytes.iter().rev().fold(0, |value, b| value << 8 | u64::from(*b))
            }
            None => bytes.iter().fold(0, |value, b| value << 8 | u64::from(*b)),
        };
        if let Some(mask) = number.bitmask {
            value = (value & u64::from(mask)) >> mask.trailing_zeros();
        }
        Some((value, behind))
    }
}
