//! `@validateUrlEncoding`: a match is a `%` that two hexadecimal digits do not follow.

use super::{Context, Operator};
use crate::transform::hex_pair;

#[derive(Debug)]
pub(super) struct ValidateUrlEncoding;

impl Operator for ValidateUrlEncoding {
    fn matches(&self, input: &[u8], _context: &mut Context<'_>) -> bool {
        memchr::memchr_iter(b'%', input).any(|at| input.get(at + 1..).and_then(hex_pair).is_none())
    }
}
