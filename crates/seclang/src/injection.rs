//! libinjection: SQL injection and cross-site scripting by tokens instead of patterns.

use libinjectionrs::{detect_sqli, detect_xss};

/// Bytes that are looked at: enough for any injection, and a bound for the tokeniser's time.
pub const INSPECTED_BYTES: usize = 64 << 10;

/// The fingerprint of an SQL injection.
pub fn sqli(input: &[u8]) -> Option<String> {
    let looked_at = input.get(..INSPECTED_BYTES).unwrap_or(input);
    let result = detect_sqli(looked_at);
    result
        .is_injection()
        .then(|| result.fingerprint.map(|print| print.as_str().to_owned()).unwrap_or_default())
}

/// Whether it is cross-site scripting.
pub fn xss(input: &[u8]) -> bool {
    let looked_at = input.get(..INSPECTED_BYTES).unwrap_or(input);
    memchr::memchr2(b'<', b'=', looked_at).is_some() && detect_xss(looked_at).is_injection()
}
