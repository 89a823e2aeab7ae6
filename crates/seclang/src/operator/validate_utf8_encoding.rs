//! `@validateUtf8Encoding`: a match is what is no UTF-8.

use super::{Context, Operator};

#[derive(Debug)]
pub(super) struct ValidateUtf8Encoding;

impl Operator for ValidateUtf8Encoding {
    fn matches(&self, input: &[u8], _context: &mut Context<'_>) -> bool {
        is_wrong(input)
    }
}

pub(crate) fn is_wrong(input: &[u8]) -> bool {
    std::str::from_utf8(input).is_err()
}
