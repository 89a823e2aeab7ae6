//! `@eq`, `@ge`, `@gt`, `@le`, `@lt`: numbers as C's `atoi` reads them; what is none is 0.

use super::{Context, Operator};
use crate::template::Template;

#[derive(Debug)]
pub(super) struct Numeric {
    compare: fn(&i64, &i64) -> bool,
    argument: Template,
    constant: Option<i64>,
}

impl Numeric {
    pub(super) fn new(name: &str, argument: Template) -> Self {
        let compare = match name {
            "eq" => i64::eq,
            "ge" => i64::ge,
            "gt" => i64::gt,
            "le" => i64::le,
            _ => i64::lt,
        };
        let constant = argument.constant().map(integer);
        Self { compare, argument, constant }
    }
}

impl Operator for Numeric {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        let bound = self.constant.unwrap_or_else(|| integer(&context.text(&self.argument)));
        let found = (self.compare)(&integer(input), &bound);
        if found {
            context.note(input);
        }
        found
    }

    fn argument(&self) -> Option<&Template> {
        Some(&self.argument)
    }
}

/// White space, a sign, digits; stops where they end, and at the ends of the range.
pub(crate) fn integer(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let value = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0_i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    if negative { -value } else { value }
}
