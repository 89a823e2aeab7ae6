//! What `@verifyCC`, `@verifyCPF`, `@verifySSN` and `@verifySVNR` have in common: a number that the pattern finds, and a check
//! of its own.

use sakimori_expressions::{Exhausted, Expression};

use super::{Context, Operator};
use crate::diagnose::Finding;
use crate::pattern;

#[derive(Debug)]
pub(super) struct Verify {
    pattern: Expression,
    is_right: fn(&[u8]) -> bool,
}

impl Verify {
    pub(super) fn new(argument: &str, is_right: fn(&[u8]) -> bool) -> Result<Self, Finding> {
        Ok(Self { pattern: pattern::compile(argument, false)?, is_right })
    }
}

impl Operator for Verify {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        numbers(&self.pattern, input, self.is_right, context)
    }
}

/// Whether any of what the pattern finds is right.
pub(super) fn numbers(
    pattern: &Expression,
    input: &[u8],
    is_right: fn(&[u8]) -> bool,
    context: &mut Context<'_>,
) -> bool {
    let mut from = 0;
    loop {
        match pattern.groups(input, from) {
            Ok(Some(groups)) => {
                let Some((start, end)) = groups.first().copied().flatten() else { return false };
                let text = input.get(start..end).unwrap_or_default();
                if is_right(text) {
                    context.note(text);
                    return true;
                }
                from = end.max(start + 1);
            }
            Ok(None) => return false,
            Err(Exhausted) => {
                context.exhausted = true;
                return false;
            }
        }
    }
}
