//! A compiled expression: one that takes linear time, or one that goes back within a bound.
use std::sync::OnceLock;

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::translate::{Translated, translate};
use crate::{Error, Options};

/// The search was cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

/// Where groups begin and end; the whole match first.
pub type Groups = Vec<Option<(usize, usize)>>;

/// A checked expression. It is compiled when it is first asked: of a large rule set few ever are, and all of them
/// compiled take more memory than everything else.
#[derive(Clone, Debug)]
pub struct Expression {
    text: Box<str>,
    /// What matches whenever an expression that goes back does, in linear time.
    gate: Option<Box<str>>,
    options: Options,
    compiled: OnceLock<Option<Box<Compiled>>>,
}

#[derive(Clone, Debug)]
enum Compiled {
    Linear(regex::bytes::Regex),
    /// With what has to match before it is tried.
    Backtracking(regex::bytes::Regex, fancy_regex::Regex),
}

impl Expression {
    /// Checks an expression as Perl writes it.
    pub fn new(perl: &str, options: Options) -> Result<Self, Error> {
        let Translated { text, gate } = translate(perl, &options)?;
        let whole =
            Self { text: text.into(), gate: gate.map(Into::into), options, compiled: OnceLock::new() };
        if whole.gate.is_some() || !whole.is_surely_small()? {
            whole.compile()?;
        }
        Ok(whole)
    }

    /// The first match: where it begins and ends.
    pub fn find(&self, bytes: &[u8]) -> Result<Option<(usize, usize)>, Exhausted> {
        match self.compiled() {
            Some(Compiled::Linear(regex)) => Ok(regex.find(bytes).map(|found| (found.start(), found.end()))),
            Some(Compiled::Backtracking(gate, regex)) => {
                let shown = self.shown(bytes);
                if !gate.is_match(shown) {
                    return Ok(None);
                }
                match regex.find(shown) {
                    Ok(found) => Ok(found.map(|found| (found.start(), found.end()))),
                    Err(_) => Err(Exhausted),
                }
            }
            None => Err(Exhausted),
        }
    }

    /// Whether it matches anywhere.
    pub fn is_match(&self, bytes: &[u8]) -> Result<bool, Exhausted> {
        match self.compiled() {
            Some(Compiled::Linear(regex)) => Ok(regex.is_match(bytes)),
            _ => self.find(bytes).map(|found| found.is_some()),
        }
    }

    /// The groups of the first match that begins at `from` or behind.
    pub fn groups(&self, bytes: &[u8], from: usize) -> Result<Option<Groups>, Exhausted> {
        match self.compiled() {
            Some(Compiled::Linear(regex)) => {
                if from > bytes.len() {
                    return Ok(None);
                }
                let all = |found: regex::bytes::Captures<'_>| {
                    found.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect()
                };
                Ok(regex.captures_at(bytes, from).map(all))
            }
            Some(Compiled::Backtracking(gate, regex)) => {
                let shown = self.shown(bytes);
                if from > shown.len() || !gate.is_match(shown) {
                    return Ok(None);
                }
                let all = |found: fancy_regex::Captures<'_, [u8]>| {
                    found.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect()
                };
                regex
                    .captures_from_pos(shown, from)
                    .map(|found| found.map(all))
                    .map_err(|_cut_short| Exhausted)
            }
            None => Err(Exhausted),
        }
    }

    /// Whether it is matched by the engine that goes back.
    pub fn backtracks(&self) -> bool {
        self.gate.is_some()
    }

    /// Something in the syntax of `regex` that matches whenever this does.
    pub fn gate(&self) -> &str {
        self.gate.as_deref().unwrap_or(&self.text)
    }

    /// In the syntax of the engine that matches it: two with the same text are the same.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Syntax of the `regex` crate with the flags of the expression.
    pub fn parse_gate(&self) -> Option<Hir> {
        self.hir(self.gate()).ok()
    }

    fn shown<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        bytes.get(..self.options.shown_bytes).unwrap_or(bytes)
    }

    fn compiled(&self) -> Option<&Compiled> {
        self.compiled.get_or_init(|| self.compile().ok().map(Box::new)).as_deref()
    }

    fn hir(&self, text: &str) -> Result<Hir, Error> {
        regex_syntax::ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .case_insensitive(self.options.nocase)
            .dot_matches_new_line(self.options.dotall)
            .multi_line(self.options.multiline)
            .ignore_whitespace(self.options.extended)
            .swap_greed(self.options.ungreedy)
            .build()
            .parse(text)
            .map_err(|error| Error::Invalid(error.to_string()))
    }

    /// Whether it is far from its bound, so that it needs not be compiled to know that it can be.
    fn is_surely_small(&self) -> Result<bool, Error> {
        /// The compiler's own estimate may be several times this one.
        const FAR: usize = 16;
        Ok(size(&self.hir(&self.text)?) < self.options.compiled_bytes / FAR)
    }

    fn compile(&self) -> Result<Compiled, Error> {
        let Some(gate) = &self.gate else { return self.linear(&self.text).map(Compiled::Linear) };
        let gate = self.linear(gate)?;
        fancy_regex::RegexBuilder::new(&self.text)
            .bytes_mode(fancy_regex::BytesMode::Ascii)
            .case_insensitive(self.options.nocase)
            .dot_matches_new_line(self.options.dotall)
            .multi_line(self.options.multiline)
            .verbose_mode(self.options.extended)
            .backtrack_limit(self.options.steps_back)
            .delegate_size_limit(self.options.compiled_bytes)
            .delegate_dfa_size_limit(self.options.compiled_bytes / 4)
            .build()
            .map(|regex| Compiled::Backtracking(gate, regex))
            .map_err(|error| Error::Invalid(error.to_string()))
    }

    fn linear(&self, text: &str) -> Result<regex::bytes::Regex, Error> {
        regex::bytes::RegexBuilder::new(text)
            .unicode(false)
            .case_insensitive(self.options.nocase)
            .dot_matches_new_line(self.options.dotall)
            .multi_line(self.options.multiline)
            .ignore_whitespace(self.options.extended)
            .swap_greed(self.options.ungreedy)
            .size_limit(self.options.compiled_bytes)
            .dfa_size_limit(self.options.compiled_bytes / 4)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => Error::TooBig,
                error => Error::Invalid(error.to_string()),
            })
    }
}

/// About how many bytes it compiles to.
fn size(hir: &Hir) -> usize {
    const STATE: usize = 32;
    const RANGE: usize = 8;
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => STATE,
        HirKind::Literal(literal) => STATE.saturating_mul(literal.0.len()),
        HirKind::Class(Class::Bytes(class)) => STATE + RANGE * class.ranges().len(),
        HirKind::Class(Class::Unicode(class)) => (STATE + RANGE * class.ranges().len()) * 4,
        HirKind::Capture(capture) => size(&capture.sub) + 2 * STATE,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(repetition.min).max(1);
            (size(&repetition.sub) + STATE).saturating_mul(usize::try_from(times).unwrap_or(usize::MAX))
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().fold(STATE, |sum, part| sum.saturating_add(size(part)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Expression;
    use crate::{Error, Options};

    #[test]
    fn the_gate_matches_whatever_the_expression_does() {
        for (perl, gate, texts) in [
            (r"(a|b)\1x", "(a|b)(?s:.*?)x", ["aax", "bbx"]),
            (r"a(?!b(?=c))(?<!x)d?", "a(?:)(?:)d?", ["ab", "ad"]),
            (r"(?P<c>.)-\k<c>", "(?P<c>.)\\x2d(?s:.*?)", ["a-a", "---"]),
        ] {
            let expression = Expression::new(perl, Options::default()).unwrap();
            assert_eq!(expression.gate().replace('-', "\\x2d"), gate, "{perl}");
            let linear = Expression::new(expression.gate(), Options::default()).unwrap();
            assert!(!linear.backtracks());
            for text in texts {
                assert_eq!(expression.is_match(text.as_bytes()), Ok(true), "{perl} on {text}");
                assert_eq!(linear.is_match(text.as_bytes()), Ok(true), "the gate of {perl} on {text}");
            }
        }
    }

    #[test]
    fn what_is_too_big_is_said_at_once_though_it_is_compiled_later() {
        for (perl, error) in [("(x{1000}){1000}", Error::TooBig), ("(?:[a-z]{500}){500}", Error::TooBig)] {
            assert_eq!(Expression::new(perl, Options::default()).err(), Some(error), "{perl}");
        }
        assert!(Expression::new("[a-z]{200}", Options::default()).is_ok());
    }

    #[test]
    fn groups_are_found_from_a_place_on() {
        for perl in [r"(b)(c)?", r"(b)(c)?(?=b|$)"] {
            let expression = Expression::new(perl, Options::default()).unwrap();
            assert_eq!(expression.groups(b"bcb", 1), Ok(Some(vec![Some((2, 3)), Some((2, 3)), None])));
            assert_eq!(expression.groups(b"bcb", 3), Ok(None));
            assert_eq!(expression.groups(b"bcb", 9), Ok(None));
        }
    }
}
