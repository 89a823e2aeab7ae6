//! `@verifySVNR`: Austria's social security number with its check digit and date of birth.

use super::{Context, Operator};
use crate::diagnose::Finding;
use crate::pattern;

#[derive(Debug)]
pub(super) struct VerifySvnr {
    pattern: regex::bytes::Regex,
}

impl VerifySvnr {
    pub(super) fn new(argument: &str) -> Result<Self, Finding> {
        Ok(Self { pattern: pattern::compile(argument, false)? })
    }
}

impl Operator for VerifySvnr {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        let found = self.pattern.find_iter(input).find(|found| is_right(found.as_bytes()));
        if let Some(found) = found {
            context.note(found.as_bytes());
        }
        found.is_some()
    }
}

fn is_right(text: &[u8]) -> bool {
    const WEIGHTS: [u32; 10] = [3, 7, 9, 0, 5, 8, 4, 2, 1, 6];
    let digits: Vec<u32> =
        text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0')).collect();
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    digits.len() == 10 && digits.first() != Some(&0) && digits.get(3) == Some(&(sum % 11))
}
