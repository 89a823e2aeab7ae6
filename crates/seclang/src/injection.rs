//! libinjection: SQL injection and cross-site scripting by tokens instead of patterns.
//!
//! Its port in Rust takes an event handler's name only where it ends at once: such input is looked at a second time.

use std::collections::BTreeMap;

use libinjectionrs::xss::{Html5Flags, Html5State, TokenType};
use libinjectionrs::{detect_sqli, detect_xss};

/// Bytes that are looked at: enough for any injection, and a bound for the tokeniser's time.
pub const INSPECTED_BYTES: usize = 64 << 10;

/// Names of attributes that are looked at a second time; more of them that begin like handlers are an attack.
const HANDLERS: usize = 512;

/// Letters of the longest event.
const EVENT_LETTERS: usize = 26;

/// The fingerprint of an SQL injection.
pub fn sqli(input: &[u8]) -> Option<String> {
    let looked_at = input.get(..INSPECTED_BYTES).unwrap_or(input);
    // a number and a word at most, which are no fingerprint of an injection
    if looked_at.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return None;
    }
    let result = detect_sqli(looked_at);
    let is_injection = result.is_injection();
    is_injection.then(|| result.fingerprint.map(|print| print.as_str().to_owned()).unwrap_or_default())
}

/// Whether it is cross-site scripting.
pub fn xss(input: &[u8]) -> bool {
    let looked_at = input.get(..INSPECTED_BYTES).unwrap_or(input);
    if memchr::memchr2(b'<', b'=', looked_at).is_none() {
        return false;
    }
    detect_xss(looked_at).is_injection() || (may_have_handler(looked_at) && has_longer_handler(looked_at))
}

/// Whether a word begins with `on`, and there is a `=`.
fn may_have_handler(input: &[u8]) -> bool {
    if memchr::memchr(b'=', input).is_none() {
        return false;
    }
    let mut before = b' ';
    input.windows(3).any(|window| {
        let begins = !before.is_ascii_alphanumeric();
        before = window.first().copied().unwrap_or_default();
        begins && matches!(window, [b'o' | b'O', b'n' | b'N', _])
    })
}

/// Whether an attribute's name begins with that of an event handler and goes on: the library takes it for the handler, its port
/// takes the handler's name alone.
fn has_longer_handler(input: &[u8]) -> bool {
    let mut known = BTreeMap::new();
    [
        Html5Flags::DataState,
        Html5Flags::ValueNoQuote,
        Html5Flags::ValueSingleQuote,
        Html5Flags::ValueDoubleQuote,
        Html5Flags::ValueBackQuote,
    ]
    .into_iter()
    .any(|place| {
        let mut state = Html5State::new(input, place);
        let (mut handler, mut indirect) = (false, false);
        while state.next() {
            let text = state.token_start.get(..state.token_len).unwrap_or_default();
            match state.token_type {
                TokenType::AttrName => {
                    handler = begins_with_event(text, &mut known);
                    indirect = text.eq_ignore_ascii_case(b"attributename");
                }
                TokenType::AttrValue if handler || indirect && begins_with_event(text, &mut known) => {
                    return true;
                }
                _ => (handler, indirect) = (false, false),
            }
        }
        false
    })
}

/// Whether a name is `on` and an event, with anything behind it; the port itself is asked which events there are.
fn begins_with_event(name: &[u8], known: &mut BTreeMap<Vec<u8>, bool>) -> bool {
    if name.len() < 5 || !name.get(..2).is_some_and(|on| on.eq_ignore_ascii_case(b"on")) {
        return false;
    }
    let letters: Vec<u8> = name
        .iter()
        .filter(|byte| **byte != 0)
        .take_while(|byte| byte.is_ascii_alphabetic())
        .take(2 + EVENT_LETTERS)
        .map(u8::to_ascii_lowercase)
        .collect();
    if let Some(known) = known.get(&letters) {
        return *known;
    }
    let is_one = known.len() >= HANDLERS
        || (5..=letters.len()).any(|length| {
            let tag = [b"<a ", letters.get(..length).unwrap_or_default(), b"=x>"].concat();
            detect_xss(&tag).is_injection()
        });
    known.insert(letters, is_one);
    is_one
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
        for input in [
            "<img src=x onerror%0A=\"alert(1)\">",
            "<img src=x onerror%09=alert(1)>",
            " ONLOAD<! =//>",
            " onerror<img<x=alert(1)",
            "<x attributename=onloadx>",
            " attributename = onerror?> style",
        ] {
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
