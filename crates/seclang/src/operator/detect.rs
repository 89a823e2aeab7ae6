//! `@detectSQLi`, `@detectXSS`: libinjection, with what its port in Rust misses.

use super::{Context, Operator};
use crate::injection;

#[derive(Debug)]
pub(super) struct Sqli;

#[derive(Debug)]
pub(super) struct Xss;

impl Operator for Sqli {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        match injection::sqli(input) {
            Some(fingerprint) => {
                context.note(fingerprint.as_bytes());
                true
            }
            None => false,
        }
    }
}

impl Operator for Xss {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        let found = injection::xss(input);
        if found {
            context.note(input);
        }
        found
    }
}
