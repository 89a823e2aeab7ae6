//! What `@verifyCC`, `@verifyCPF`, `@verifySSN` and `@verifySVNR` have in common: a number that the pattern finds, and a check
//! of its own.

use super::{Context, Operator};
use crate::diagnose::Finding;
use crate::pattern;

#[derive(Debug)]
pub(super) struct Verify {
    pattern: regex::bytes::Regex,
    is_right: fn(&[u8]) -> bool,
}

impl Verify {
    pub(super) fn new(argument: &str, is_right: fn(&[u8]) -> bool) -> Result<Self, Finding> {
        Ok(Self { pattern: pattern::compile(argument, false)?, is_right })
    }
}

impl Operator for Verify {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        let found = self.pattern.find_iter(input).find(|found| (self.is_right)(found.as_bytes()));
        if let Some(found) = found {
            context.note(found.as_bytes());
        }
        found.is_some()
    }
}
