//! `@validateNid`: national numbers: `cl` of Chile, `us` of the United States.

use sakimori_expressions::Expression;

use super::verify::numbers;
use super::{Context, Operator};
use crate::diagnose::{Finding, shown};
use crate::pattern;

#[derive(Debug)]
pub(super) struct ValidateNid {
    pattern: Expression,
    is_right: fn(&[u8]) -> bool,
}

impl ValidateNid {
    pub(super) fn new(argument: &str) -> Result<Self, Finding> {
        let (country, text) = argument.split_once(' ').unwrap_or((argument, ""));
        let is_right = match country {
            "cl" => chile,
            "us" => united_states,
            other => {
                return Err(Finding::error(
                    "W068",
                    format!("numbers of {} are not known", shown(other)),
                    "write cl or us, and a pattern",
                ));
            }
        };
        Ok(Self { pattern: pattern::compile(text, false)?, is_right })
    }
}

impl Operator for ValidateNid {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        numbers(&self.pattern, input, self.is_right, context)
    }
}

fn chile(text: &[u8]) -> bool {
    let kept: Vec<u8> =
        text.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    let Some((check, digits)) = kept.split_last() else { return false };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 =
        digits.iter().rev().zip((2..8).cycle()).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let expected = match 11 - sum % 11 {
        11 => b'0',
        10 => b'k',
        rest => b'0' + u8::try_from(rest).unwrap_or(0),
    };
    *check == expected
}

fn united_states(text: &[u8]) -> bool {
    let digits: Vec<u8> = text.iter().copied().filter(u8::is_ascii_digit).collect();
    let all_same = digits.windows(2).all(|pair| pair.first() == pair.last());
    let part = |range: std::ops::Range<usize>| super::integer(digits.get(range).unwrap_or_default());
    let (area, group, serial) = (part(0..3), part(3..5), part(5..9));
    digits.len() == 9 && !all_same && area > 0 && area < 740 && area != 666 && group > 0 && serial > 0
}
