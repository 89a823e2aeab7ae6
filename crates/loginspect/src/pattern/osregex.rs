//! OSSEC's *regex*.
//!
//! # Shape
//! `\w \W \d \D \s \S \p \t \.` and escaped punctuation; `+` and `*` right after a backslash word only, elsewhere they
//! are characters; `.` is a character, `\.` is any; groups one deep without alternatives inside; `|` between whole
//! alternatives; `^` at the beginning and `$` at the end of one.
//!
//! A repetition takes as little as lets the rest match, but for the last one of an alternative, which takes all it
//! can. Alternatives are tried in order, each over the whole text. The reference engine remembers four points to
//! go back to and misses some matches for it; here none are missed.

use super::{BadPattern, Found, build, captures};
use regex::bytes::Regex;

#[derive(Clone, Debug)]
pub(crate) struct OsRegex {
    alternatives: Vec<Regex>,
    /// All alternatives in one, where there are several and only whether they match is asked.
    any: Option<Box<Regex>>,
    groups: usize,
}

impl OsRegex {
    pub(crate) fn compile(text: &str) -> Result<Self, BadPattern> {
        let translated = translate(text)?;
        let alternatives =
            translated.iter().map(|one| build(one, true, true)).collect::<Result<Vec<_>, _>>()?;
        let groups = alternatives.iter().map(|regex| regex.captures_len() - 1).max().unwrap_or(0);
        let any = match translated.as_slice() {
            [_one] => None,
            several => {
                let joined: Vec<String> = several.iter().map(|one| format!("(?:{one})")).collect();
                Some(Box::new(build(&joined.join("|"), true, true)?))
            }
        };
        Ok(Self { alternatives, any, groups })
    }

    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        match &self.any {
            Some(any) => any.is_match(text),
            None => self.alternatives.iter().any(|regex| regex.is_match(text)),
        }
    }

    pub(crate) fn find_end(&self, text: &[u8]) -> Option<usize> {
        self.alternatives.iter().find_map(|regex| regex.find(text)).map(|found| found.end())
    }

    pub(crate) fn find(&self, text: &[u8]) -> Option<Found> {
        if self.any.as_ref().is_some_and(|any| !any.is_match(text)) {
            return None;
        }
        self.alternatives.iter().find_map(|regex| captures(regex, text))
    }
}

/// The alternatives in the syntax of the `regex` crate.
fn translate(text: &str) -> Result<Vec<String>, BadPattern> {
    let mut done = Vec::new();
    let mut alternative = Alternative::default();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                let Some(word) = letters.next() else {
                    return Err(BadPattern("the pattern ends in a backslash".to_owned()));
                };
                let repetition = letters.next_if(|next| matches!(next, '+' | '*'));
                alternative.word(word, repetition)?;
            }
            '|' if alternative.group => {
                return Err(BadPattern(
                    "'|' inside a group: OSSEC's regex has alternatives outside only".to_owned(),
                ));
            }
            '|' => done.push(std::mem::take(&mut alternative).finish()?),
            '(' if alternative.group => {
                return Err(BadPattern("a group inside a group: OSSEC's regex has one level".to_owned()));
            }
            '(' => {
                alternative.group = true;
                alternative.out.push('(');
            }
            ')' if !alternative.group => {
                return Err(BadPattern("')' without '(': write \\) for the character".to_owned()));
            }
            ')' => {
                alternative.group = false;
                alternative.out.push(')');
            }
            '^' if alternative.out.is_empty() => alternative.out.push_str(r"\A"),
            '$' if letters.peek().is_none_or(|next| *next == '|') => alternative.out.push_str(r"\z"),
            other => alternative.literal(other),
        }
    }
    done.push(alternative.finish()?);
    Ok(done)
}

#[derive(Default)]
struct Alternative {
    out: String,
    group: bool,
    /// Where in `out` the mark of the last repetition's laziness stands, while only ends of groups followed.
    last_lazy: Option<usize>,
}

impl Alternative {
    fn literal(&mut self, letter: char) {
        self.last_lazy = None;
        self.out.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4])));
    }

    fn word(&mut self, word: char, repetition: Option<char>) -> Result<(), BadPattern> {
        let class = match word {
            'w' => "[A-Za-z0-9@_-]",
            'W' => "[^A-Za-z0-9@_-]",
            'd' => "[0-9]",
            'D' => "[^0-9]",
            's' => "[ ]",
            'S' => "[^ ]",
            'p' => r#"[()*+,.:;<=>?\[\]!"'#%&$|{}\-]"#,
            '.' => r"(?-u:.)",
            't' => r"\t",
            '(' | ')' | '\\' | '$' | '|' | '<' => {
                self.literal(word);
                return match repetition {
                    // The reference compiles a repetition after any backslash word.
                    Some(sign) => {
                        self.repeat(sign);
                        Ok(())
                    }
                    None => Ok(()),
                };
            }
            other => {
                return Err(BadPattern(format!("\\{other} is no word of OSSEC's regex")));
            }
        };
        self.last_lazy = None;
        self.out.push_str(class);
        if let Some(sign) = repetition {
            self.repeat(sign);
        }
        Ok(())
    }

    fn repeat(&mut self, sign: char) {
        self.out.push(sign);
        self.last_lazy = Some(self.out.len());
        self.out.push('?');
    }

    fn finish(mut self) -> Result<String, BadPattern> {
        if self.group {
            return Err(BadPattern("a group is never closed".to_owned()));
        }
        if let Some(at) = self.last_lazy {
            let _mark = self.out.remove(at);
        }
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(pattern: &str, text: &str) -> Option<Vec<String>> {
        let found = OsRegex::compile(pattern).unwrap().find(text.as_bytes())?;
        Some(
            found
                .groups
                .iter()
                .map(|g| g.and_then(|(a, b)| text.get(a..b)).unwrap_or_default().to_owned())
                .collect(),
        )
    }

    #[test]
    fn repetitions_take_little_but_the_last_takes_all() {
        assert_eq!(
            groups(r"^(\S+) from (\S+)$", "bob from 1.2.3.4"),
            Some(vec!["bob".into(), "1.2.3.4".into()])
        );
        assert_eq!(groups(r"user (\w+)", "the user bob-x@y z"), Some(vec!["bob-x@y".into()]));
        assert_eq!(groups(r"(\.+)]", "a]b]"), Some(vec!["a".into()]));
        assert_eq!(groups(r"port (\d+) ssh", "port 4567 ssh2"), Some(vec!["4567".into()]));
    }

    #[test]
    fn words_mean_what_ossec_says() {
        for (pattern, text, expected) in [
            (r"a.c", "abc", false),
            (r"a.c", "a.c", true),
            (r"a\.c", "abc", true),
            (r"a+", "aa", false),
            (r"\d+", "x1", true),
            (r"\w", " \t.", false),
            (r"\p", "a!", true),
            (r"\s", "\t", false),
            (r"^ab|cd$", "xcd", true),
            (r"ABC", "xabcx", true),
            (r"\(x\)", "(x)", true),
            (r"a$b", "a$b", true),
            (r"[\d+]", "[12]", true),
        ] {
            let compiled = OsRegex::compile(pattern).unwrap();
            assert_eq!(compiled.is_match(text.as_bytes()), expected, "{pattern:?} over {text:?}");
        }
    }

    #[test]
    fn what_the_dialect_lacks_is_refused() {
        for pattern in [r"\q", r"(a|b)", r"((a))", r"(a", r"a)", "a\\"] {
            assert!(OsRegex::compile(pattern).is_err(), "{pattern:?}");
        }
    }

    #[test]
    fn groups_are_those_of_the_alternative_that_matched() {
        assert_eq!(groups(r"^a (\d+)|^b (\d+)", "b 7"), Some(vec!["7".into()]));
    }
}
