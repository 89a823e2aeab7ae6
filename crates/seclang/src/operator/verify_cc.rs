//! `@verifyCC`: a number that the pattern finds and whose check digit (Luhn) is right.

use super::{Context, Operator};
use crate::diagnose::Finding;
use crate::pattern;

#[derive(Debug)]
pub(super) struct VerifyCc {
    pattern: regex::bytes::Regex,
}

impl VerifyCc {
    pub(super) fn new(argument: &str) -> Result<Self, Finding> {
        Ok(Self { pattern: pattern::compile(argument, false)? })
    }
}

impl Operator for VerifyCc {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        let found = self.pattern.find_iter(input).find(|found| luhn(found.as_bytes()));
        if let Some(found) = found {
            context.note(found.as_bytes());
        }
        found.is_some()
    }
}

fn luhn(text: &[u8]) -> bool {
    let (mut sum, mut count) = (0_u32, 0_u32);
    for digit in text.iter().rev().filter(|byte| byte.is_ascii_digit()) {
        let value = u32::from(digit - b'0') * if count % 2 == 1 { 2 } else { 1 };
        sum = sum.saturating_add(if value > 9 { value - 9 } else { value });
        count = count.saturating_add(1);
    }
    count > 0 && sum % 10 == 0
}
