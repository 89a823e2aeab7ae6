//! `application/x-www-form-urlencoded`, and query strings.

use crate::transform::{hex_pair, url_decode};

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Names and values, decoded.
    pub arguments: Vec<(Vec<u8>, Vec<u8>)>,
    /// A `%` is followed by something else than two hexadecimal digits.
    pub bad_escape: bool,
    /// There were more arguments than are kept.
    pub too_many: bool,
}

/// Reads at most `most` arguments; an argument without `=` has an empty value.
pub fn parse(text: &[u8], separator: u8, most: usize) -> Form {
    let mut form = Form {
        bad_escape: memchr::memchr_iter(b'%', text).any(|at| text.get(at + 1..).and_then(hex_pair).is_none()),
        ..Form::default()
    };
    for part in text.split(|byte| *byte == separator).filter(|part| !part.is_empty()) {
        if form.arguments.len() >= most {
            form.too_many = true;
            break;
        }
        let (name, value) = match memchr::memchr(b'=', part) {
            Some(at) => (part.get(..at).unwrap_or_default(), part.get(at + 1..).unwrap_or_default()),
            None => (part, &b""[..]),
        };
        form.arguments.push((decoded(name), decoded(value)));
    }
    form
}

fn decoded(text: &[u8]) -> Vec<u8> {
    url_decode(text, false).unwrap_or_else(|| text.to_vec())
}
