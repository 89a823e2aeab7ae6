//! PCRE2 patterns in the syntax of the `regex` crate.
//!
//! What both have alike stays as it is. What only needs to be written differently is rewritten: brackets and `&&` in
//! classes, literal braces, `\h`, `\<`. A possessive repetition becomes a plain one, which matches at least as much.
//! Look-around, back-references and atomic groups need a back-tracking engine and are refused.

use super::BadPattern;

pub(crate) fn translate(text: &str) -> Result<String, BadPattern> {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    let mut after_atom = false;
    while let Some(letter) = rest.chars().next() {
        let mut length = letter.len_utf8();
        let mut atom = true;
        match letter {
            '\\' => {
                let Some(word) = rest.chars().nth(1) else {
                    return Err(BadPattern("the pattern ends in a backslash".to_owned()));
                };
                length += word.len_utf8();
                escape(word, &mut out)?;
            }
            '[' => length = class(rest, &mut out)?,
            '(' => {
                atom = false;
                refuse_group(rest)?;
                out.push('(');
            }
            '{' => {
                let repetition = repetition(rest);
                if after_atom && let Some(repetition) = repetition {
                    length = repetition.len();
                    out.push_str(repetition);
                    length += possessive(rest.get(length..).unwrap_or_default());
                } else {
                    out.push_str(r"\{");
                }
            }
            '+' | '*' | '?' if after_atom => {
                out.push(letter);
                let next = rest.chars().nth(1);
                if next == Some('?') {
                    out.push('?');
                    length += 1;
                } else if next == Some('+') {
                    length += 1;
                }
                atom = false;
            }
            '|' | '^' => {
                atom = false;
                out.push(letter);
            }
            '}' => out.push_str(r"\}"),
            ']' => out.push_str(r"\]"),
            other => out.push(other),
        }
        after_atom = atom;
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(out)
}

fn escape(word: char, out: &mut String) -> Result<(), BadPattern> {
    match word {
        'h' => out.push_str(r"[ \t]"),
        'H' => out.push_str(r"[^ \t]"),
        'R' => out.push_str(r"(?:\r\n|\n|\r)"),
        'N' => out.push_str(r"[^\n]"),
        'e' => out.push_str(r"\x1B"),
        'Z' => out.push_str(r"\n?\z"),
        '0' => out.push_str(r"\x00"),
        '1'..='9' | 'g' | 'k' => return Err(BadPattern("back-references are not supported".to_owned())),
        'K' | 'G' | 'C' | 'X' | 'Q' | 'E' | 'o' | 'c' => {
            return Err(BadPattern(format!("\\{word} is not supported")));
        }
        other if other.is_ascii_alphanumeric() => {
            out.push('\\');
            out.push(other);
        }
        other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
    }
    Ok(())
}

fn refuse_group(rest: &str) -> Result<(), BadPattern> {
    for (opening, what) in [
        ("(?=", "look-ahead"),
        ("(?!", "look-ahead"),
        ("(?<=", "look-behind"),
        ("(?<!", "look-behind"),
        ("(?>", "an atomic group"),
        ("(?(", "a condition"),
        ("(?R", "recursion"),
        ("(*", "a verb"),
    ] {
        if rest.starts_with(opening) {
            return Err(BadPattern(format!("{what} is not supported: write the pattern without it")));
        }
    }
    Ok(())
}

/// `{n}`, `{n,}`, `{n,m}` at the beginning.
fn repetition(rest: &str) -> Option<&str> {
    let end = rest.find('}')?;
    let inside = rest.get(1..end)?;
    let (from, to) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    (!from.is_empty() && digits(from) && digits(to)).then(|| rest.get(..=end))?
}

fn possessive(rest: &str) -> usize {
    usize::from(rest.starts_with('+'))
}

/// Copies a class; gives its length.
fn class(rest: &str, out: &mut String) -> Result<usize, BadPattern> {
    let mut letters = rest.char_indices().skip(1).peekable();
    out.push('[');
    if letters.next_if(|(_, c)| *c == '^').is_some() {
        out.push('^');
    }
    let mut first = true;
    while let Some((at, letter)) = letters.next() {
        match letter {
            ']' if !first => {
                out.push(']');
                return Ok(at + 1);
            }
            '[' if rest.get(at..).is_some_and(|r| r.starts_with("[:")) => {
                let named = rest.get(at..).and_then(|r| r.find(":]").and_then(|end| r.get(..end + 2)));
                let Some(named) = named else { return Err(BadPattern("a class is never closed".to_owned())) };
                out.push_str(named);
                let end = at + named.len();
                while letters.next_if(|(at, _)| *at < end).is_some() {}
            }
            '\\' => match letters.next() {
                Some((_, 'h')) => out.push_str(r" \t"),
                Some((_, 'b')) => out.push_str(r"\x08"),
                Some((_, 'e')) => out.push_str(r"\x1B"),
                Some((_, word)) if word.is_ascii_alphanumeric() => {
                    out.push('\\');
                    out.push(word);
                }
                Some((_, other)) => escaped_in_class(other, out),
                None => return Err(BadPattern("a class is never closed".to_owned())),
            },
            '[' | ']' | '&' | '~' => escaped_in_class(letter, out),
            other => out.push(other),
        }
        first = false;
    }
    Err(BadPattern("a class is never closed".to_owned()))
}

fn escaped_in_class(letter: char, out: &mut String) {
    if letter.is_ascii_punctuation() && !matches!(letter, '<' | '>') {
        out.push('\\');
    }
    out.push(letter);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::{Kind, Pattern};

    #[test]
    fn published_habits_are_understood() {
        for (pattern, text) in [
            (r"^\[\w+ \d{2}\] a++b", "[Fri 12] aab"),
            (r#"[[\]"]+x{y}"#, r#"["x{y}"#),
            (r"(?:@\S+ )?(\S+)#\d+[ ]*?\S*: ", "1.2.3.4#99 a: "),
            (r"a\/b\-c\_d\<e", "a/b-c_d<e"),
            (r"(?i)HELLO", "hello"),
            (r"[^]]+]", "a]"),
            (r"[[:alpha:]]+\z", "abc"),
            (r"{", "{"),
        ] {
            let compiled = Pattern::compile(Kind::Pcre { caseless: false }, pattern, false);
            assert!(
                compiled.as_ref().is_ok_and(|p| p.is_match(text.as_bytes())),
                "{pattern:?}: {compiled:?}"
            );
        }
    }

    #[test]
    fn what_needs_back_tracking_is_refused() {
        for pattern in [r"(?!a)b", r"(?<=a)b", r"(a)\1", r"(?>a)"] {
            assert!(translate(pattern).is_err(), "{pattern}");
        }
    }
}
