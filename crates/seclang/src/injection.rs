//! libinjection: SQL injection and cross-site scripting by tokens instead of patterns.
//!
//! Its port in Rust does not join keywords of several words, and takes an event handler's name only where it ends at once. Such
//! input is looked at a second time, written as the port reads it.

use std::sync::LazyLock;

use libinjectionrs::{detect_sqli, detect_xss};
use regex::bytes::{Regex, RegexBuilder};

/// Bytes that are looked at: enough for any injection, and a bound for the tokeniser's time.
pub const INSPECTED_BYTES: usize = 64 << 10;

/// Keywords of several words; comments and white space may stand between these.
static KEYWORDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let between = r"(?:[\s\x00\xa0]|/\*.*?\*/)+";
    let phrases = ["INTO (OUTFILE|DUMPFILE)", "LOCK IN SHARE MODE", "IN BOOLEAN MODE"];
    let phrases = phrases.map(|phrase| phrase.replace(' ', between)).join("|");
    pattern(&format!(r"\b(?:{phrases})\b"))
});

/// An event handler's name with something behind it that a browser may drop, as in `onerror%0a=`.
static HANDLERS: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r#"\b(on[a-z]{3,24})[^a-z\s=>/"'<][^\s=>/"'<]*(\s*=)"#));

/// A pattern of this file; none where it does not compile, which the tests would say.
fn pattern(text: &str) -> Option<Regex> {
    RegexBuilder::new(text).unicode(false).case_insensitive(true).dot_matches_new_line(true).build().ok()
}

/// The fingerprint of an SQL injection.
pub fn sqli(input: &[u8]) -> Option<String> {
    let looked_at = input.get(..INSPECTED_BYTES).unwrap_or(input);
    // a number and a word at most, which are no fingerprint of an injection
    if looked_at.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return None;
    }
    fingerprint(looked_at).or_else(|| {
        let keywords = KEYWORDS.as_ref().filter(|keywords| keywords.is_match(looked_at))?;
        // to be written in capitals, with one space; INTO alone is a keyword of the same kind as the other phrases
        let replaced =
            keywords.replace_all(looked_at, |found: &regex::bytes::Captures<'_>| match found.get(1) {
                Some(file) => [b"INTO ", file.as_bytes().to_ascii_uppercase().as_slice()].concat(),
                None => b"INTO".to_vec(),
            });
        fingerprint(&replaced)
    })
}

fn fingerprint(input: &[u8]) -> Option<String> {
    let result = detect_sqli(input);
    result
        .is_injection()
        .then(|| result.fingerprint.map(|print| print.as_str().to_owned()).unwrap_or_default())
}

/// Whether it is cross-site scripting.
pub fn xss(input: &[u8]) -> bool {
    let looked_at = input.get(..INSPECTED_BYTES).unwrap_or(input);
    if memchr::memchr2(b'<', b'=', looked_at).is_none() {
        return false;
    }
    detect_xss(looked_at).is_injection()
        || HANDLERS
            .as_ref()
            .filter(|handlers| handlers.is_match(looked_at))
            .is_some_and(|handlers| detect_xss(&handlers.replace_all(looked_at, &b"$1$2"[..])).is_injection())
}

#[cfg(test)]
mod tests {
    use super::{sqli, xss};

    #[test]
    fn what_the_port_misses_is_found() {
        for input in
            ["1 INTO OUTFILE '/tmp/x'", "'x' into/**/outfile '/var/www/a.php'", "1 INTO DUMPFILE 'x'"]
        {
            assert!(sqli(input.as_bytes()).is_some(), "{input}");
        }
        for input in ["<img src=x onerror%0A=\"alert(1)\">", "<img src=x onerror%09=alert(1)>"] {
            assert!(xss(input.as_bytes()), "{input}");
        }
    }

    #[test]
    fn ordinary_text_is_none() {
        for input in
            ["we go into outfile mode", "a = b", "once%20upon = a time", "lock in share mode", "5", "O'Brien"]
        {
            assert_eq!(sqli(input.as_bytes()), None, "{input}");
            assert!(!xss(input.as_bytes()), "{input}");
        }
    }

    #[test]
    fn one_token_is_a_fingerprint_only_where_it_is_an_evil_comment() {
        let listed: String = (0..=127_u8)
            .map(char::from)
            .filter(|kind| libinjectionrs::sqli::blacklist::is_blacklisted(&kind.to_string()))
            .collect();
        assert_eq!(listed, "Xx");
    }

    #[test]
    fn numbers_and_words_without_anything_between_are_no_injection() {
        let words = [
            "",
            "union",
            "unionselect",
            "or",
            "or1",
            "and",
            "xor",
            "not",
            "select",
            "into",
            "outfile",
            "having",
            "limit",
            "like",
            "between",
            "null",
            "x",
            "from",
            "where",
            "waitfor",
            "exec",
            "sp_password",
            "user",
            "version",
            "sleep",
            "case",
            "group",
            "order",
            "by",
            "is",
            "in",
            "div",
            "mod",
            "drop",
            "table",
            "insert",
            "update",
            "delete",
            "int",
        ];
        for number in ["", "1", "0x1", "0b1", "1e1", "1e", "1d", "1f", "1d1", "0x", "_1", "a1"] {
            for (first, second) in
                words.iter().flat_map(|first| words.iter().map(move |second| (first, second)))
            {
                for input in [format!("{number}{first}{second}"), format!("{number}{first}1{second}")] {
                    assert!(!libinjectionrs::detect_sqli(input.as_bytes()).is_injection(), "{input}");
                }
            }
        }
    }
}
