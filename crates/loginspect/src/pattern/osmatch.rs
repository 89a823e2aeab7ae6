//! OSSEC's *match*: literals, `|` between them, `^` before and `$` after one. ASCII letters match in either case.
//! There are no escapes: `\` is a character like others.

use super::BadPattern;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

#[derive(Clone, Debug)]
pub(crate) struct OsMatch {
    /// Literals that may stand anywhere.
    anywhere: Option<AhoCorasick>,
    anchored: Vec<Anchored>,
    /// Some alternative is empty, so that everything matches.
    all: bool,
}

#[derive(Clone, Debug)]
struct Anchored {
    literal: Vec<u8>,
    start: bool,
    end: bool,
}

impl OsMatch {
    pub(crate) fn compile(text: &str) -> Result<Self, BadPattern> {
        let mut anywhere = Vec::new();
        let mut anchored = Vec::new();
        let mut all = false;
        for alternative in text.split('|') {
            let (start, rest) = match alternative.strip_prefix('^') {
                Some(rest) => (true, rest),
                None => (false, alternative),
            };
            let (end, literal) = match rest.strip_suffix('$') {
                Some(literal) => (true, literal),
                None => (false, rest),
            };
            match (start || end, literal.is_empty()) {
                (false, true) => all = true,
                (false, false) => anywhere.push(literal.as_bytes().to_vec()),
                (true, _) => anchored.push(Anchored { literal: literal.as_bytes().to_vec(), start, end }),
            }
        }
        let anywhere = if anywhere.is_empty() {
            None
        } else {
            let built = AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard)
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(&anywhere)
                .map_err(|error| BadPattern(error.to_string()))?;
            Some(built)
        };
        Ok(Self { anywhere, anchored, all })
    }

    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        self.all
            || self.anchored.iter().any(|anchored| anchored.is_match(text))
            || self.anywhere.as_ref().is_some_and(|words| words.is_match(text))
    }
}

impl Anchored {
    fn is_match(&self, text: &[u8]) -> bool {
        let length = self.literal.len();
        if text.len() < length || (self.start && self.end && text.len() != length) {
            return false;
        }
        let part = if self.start { text.get(..length) } else { text.get(text.len() - length..) };
        part.is_some_and(|part| part.eq_ignore_ascii_case(&self.literal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_anchors() {
        for (pattern, text, expected) in [
            ("abc", "xxABCxx", true),
            ("^abc", "xabc", false),
            ("^abc", "ABCx", true),
            ("abc$", "xabc", true),
            ("abc$", "abcx", false),
            ("^abc$", "abc", true),
            ("^abc$", "abcabc", false),
            ("a|^b|c$", "xxb", false),
            ("a|^b|c$", "xxc", true),
            ("a+b", "a+b", true),
            ("a\\b", "a\\b", true),
            ("^", "", true),
        ] {
            let compiled = OsMatch::compile(pattern).unwrap();
            assert_eq!(compiled.is_match(text.as_bytes()), expected, "{pattern:?} over {text:?}");
        }
    }
}
