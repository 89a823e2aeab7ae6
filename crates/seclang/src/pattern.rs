//! Patterns: PCRE's syntax as rules use it → the `regex` crate's, which takes linear time on any input.
//!
//! A dot matches line breaks, `^` and `$` are the ends of the value (`PCRE_DOTALL | PCRE_DOLLAR_ENDONLY`, the platform that the
//! Core Rule Set is written for), classes are those of ASCII.

use regex::bytes::{Regex, RegexBuilder};

use crate::diagnose::{Finding, shown};

/// A compiled pattern may take this much.
const COMPILED_BYTES: usize = 16 << 20;

/// What a lazy automaton may keep while it matches.
const CACHE_BYTES: usize = 4 << 20;

/// Compiles a pattern.
pub(crate) fn compile(text: &str, ignore_case: bool) -> Result<Regex, Finding> {
    let translated = translate(text);
    RegexBuilder::new(&translated)
        .unicode(false)
        .dot_matches_new_line(true)
        .case_insensitive(ignore_case)
        .size_limit(COMPILED_BYTES)
        .dfa_size_limit(CACHE_BYTES)
        .build()
        .map_err(|error| {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Finding::error(
                "W040",
                format!("the pattern {} does not compile: {}", shown(text), shown(&reason)),
                "patterns are matched in linear time: write it without look-around and back-references, \
                 or as a chain of two rules",
            )
        })
}

/// Rewrites what PCRE allows and the `regex` crate does not: `\x{hh}`, a `{` that begins no repetition, escapes of
/// characters that need none, possessive and atomic marks, which change nothing where time is linear.
pub(crate) fn translate(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text.chars().peekable();
    let mut class = 0_usize;
    let mut class_start = false;
    while let Some(c) = rest.next() {
        let starts_class = class_start;
        class_start = false;
        match c {
            '\\' => escape(&mut rest, &mut out),
            '[' if class == 0 => {
                class = 1;
                class_start = true;
                out.push('[');
                if rest.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            ']' if class > 0 && starts_class => out.push_str("\\]"),
            ']' if class > 0 => {
                class = 0;
                out.push(']');
            }
            '[' => {
                let posix: String = rest.clone().take_while(|c| *c != ']').collect();
                if posix.starts_with(':') && posix.ends_with(':') && posix.len() > 2 {
                    out.push('[');
                    out.push_str(&posix);
                    out.push(']');
                    for _ in 0..=posix.chars().count() {
                        rest.next();
                    }
                } else {
                    out.push_str("\\[");
                }
            }
            '&' | '~' if class > 0 => out.extend(['\\', c]),
            '-' if class > 0 => dash(&mut rest, &mut out),
            '{' if class == 0 && !repetition(rest.clone()) => out.push_str("\\{"),
            c if u32::from(c) > 0x7f && class > 0 => bytes_of(c, &mut out),
            '+' if class == 0 && out.ends_with(['+', '*', '?', '}']) && !ends_escaped(&out) => {}
            c => out.push(c),
        }
    }
    out.replace("(?>", "(?:")
}

/// A dash beside a class such as `\w` is itself.
fn dash(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let after_class = ["\\w", "\\d", "\\s", "\\W", "\\D", "\\S"].iter().any(|class| out.ends_with(class));
    let mut ahead = rest.clone();
    let before_class = ahead.next() == Some('\\') && ahead.next().is_some_and(|c| "wdsWDS".contains(c));
    out.push_str(if after_class || before_class { "\\-" } else { "-" });
}

/// A character of two or more bytes in a class is its bytes, as for PCRE without UTF.
fn bytes_of(c: char, out: &mut String) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        hex(byte.into(), out);
    }
}

/// `\xhh`.
fn hex(byte: u32, out: &mut String) {
    let digit = |value: u32| char::from_digit(value & 15, 16).unwrap_or('0');
    out.extend(['\\', 'x', digit(byte >> 4), digit(byte)]);
}

/// Whether `out` ends in an escaped character.
fn ends_escaped(out: &str) -> bool {
    let before = out.len().saturating_sub(1);
    out.get(..before).unwrap_or_default().bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Whether what follows `{` is a repetition: digits, a comma, digits.
fn repetition(mut rest: std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    let mut digits = 0;
    let mut comma = false;
    loop {
        match rest.next() {
            Some(c) if c.is_ascii_digit() => digits += 1,
            Some(',') if digits > 0 && !comma => comma = true,
            Some('}') => return digits > 0,
            _ => return false,
        }
    }
}

fn escape(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    match rest.next() {
        Some('x') if rest.peek() == Some(&'{') => {
            rest.next();
            let mut digits = String::new();
            while let Some(digit) = rest.next_if(char::is_ascii_hexdigit) {
                digits.push(digit);
            }
            rest.next_if_eq(&'}');
            match u32::from_str_radix(&digits, 16) {
                Ok(value) if value > 0xff => char::from_u32(value).into_iter().for_each(|c| bytes_of(c, out)),
                Ok(value) => hex(value, out),
                Err(_) => out.push_str("\\x00"),
            }
        }
        Some('Z') => out.push_str("\\z"),
        Some('h') => out.push_str("[\\t ]"),
        Some('R') => out.push_str("(?:\\r\\n|[\\n\\x0b\\f\\r])"),
        Some('e') => out.push_str("\\x1b"),
        Some('0') => out.push_str("\\x00"),
        // escapes that mean the character: what the `regex` crate refuses as unknown
        Some(c) if c.is_ascii_punctuation() && c != '<' && c != '>' => out.extend(['\\', c]),
        Some(c @ ('<' | '>' | ' ')) => out.push(c),
        Some(c) if u32::from(c) > 0x7f => out.push(c),
        Some(c) if c.is_ascii_alphabetic() && !"aAbBdDfnrsStvwWxzpPuUQEkgKGhHXNC".contains(c) => out.push(c),
        Some(c) => out.extend(['\\', c]),
        None => out.push_str("\\\\"),
    }
}

#[cfg(test)]
mod tests {
    use super::compile;

    fn matches(pattern: &str, input: &[u8]) -> bool {
        compile(pattern, false).unwrap().is_match(input)
    }

    #[test]
    fn pcre_syntax_is_understood() {
        assert!(matches(r"\x{e2}\x80", b"\xe2\x80"));
        assert!(matches(r"a{b", b"a{b"));
        assert!(matches(r"[\w-x]", b"-"));
        assert!(matches(r"[]a]", b"]"));
        assert!(matches(r"[[:alpha:]_]+$", b"ab_"));
        assert!(matches(r"\<\/\'\!", b"</'!"));
        assert!(matches(r"[a&&b]", b"&"));
        assert!(matches(r"a++b", b"aab"));
        assert!(matches(r"\++b", b"+b"));
        assert!(!matches("a$", b"a\n"));
        assert!(matches("a.b", b"a\nb"));
    }

    #[test]
    fn what_needs_backtracking_is_said() {
        assert!(compile("(a)\\1", false).is_err());
        assert!(compile("a(?=b)", false).is_err());
    }
}
