//! A compiled expression: one that takes linear time, or one that goes back within a bound.
use super::REGEX_BYTES;
use std::sync::OnceLock;

/// Steps back that one search may take. An expression with look-around is searched in what a prefilter has chosen, and
/// needs some hundreds.
const BACKTRACKS: usize = 100_000;
/// Bytes that the engine that goes back is shown.
const SHOWN_BYTES: usize = 16 << 10;

/// Flags of the whole expression.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of the language, any of which may be there")]
pub(crate) struct Options {
    pub(crate) nocase: bool,
    pub(crate) dotall: bool,
    pub(crate) multiline: bool,
    pub(crate) extended: bool,
    pub(crate) ungreedy: bool,
}

/// Why an expression does not compile.
#[derive(Debug)]
pub(crate) enum Error {
    TooBig,
    Invalid(String),
}

/// The search was cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

/// A checked expression. It is compiled when it is first asked: of a large rule set few ever are, and all of them
/// compiled take more memory than everything else.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    text: Box<str>,
    options: Options,
    backtracks: bool,
    compiled: OnceLock<Option<Box<Compiled>>>,
}

#[derive(Clone, Debug)]
enum Compiled {
    Linear(regex::bytes::Regex),
    Backtracking(fancy_regex::Regex),
}

impl Expression {
    /// Compiles once, to know that it will.
    pub(crate) fn new(text: String, options: Options, backtracks: bool) -> Result<Self, Error> {
        compile(&text, options, backtracks)?;
        Ok(Self { text: text.into(), options, backtracks, compiled: OnceLock::new() })
    }

    /// The first match: where it begins and ends.
    pub(crate) fn find(&self, bytes: &[u8]) -> Result<Option<(usize, usize)>, Exhausted> {
        let compiled = self
            .compiled
            .get_or_init(|| compile(&self.text, self.options, self.backtracks).ok().map(Box::new));
        match compiled.as_deref() {
            Some(Compiled::Linear(regex)) => Ok(regex.find(bytes).map(|found| (found.start(), found.end()))),
            Some(Compiled::Backtracking(regex)) => {
                let shown = bytes.get(..SHOWN_BYTES).unwrap_or(bytes);
                match regex.find(shown) {
                    Ok(found) => Ok(found.map(|found| (found.start(), found.end()))),
                    Err(_) => Err(Exhausted),
                }
            }
            None => Err(Exhausted),
        }
    }

    /// Whether it is matched by the engine that goes back.
    pub(crate) const fn backtracks(&self) -> bool {
        self.backtracks
    }
}

fn compile(text: &str, options: Options, backtracks: bool) -> Result<Compiled, Error> {
    if backtracks {
        return fancy_regex::RegexBuilder::new(text)
            .bytes_mode(fancy_regex::BytesMode::Ascii)
            .case_insensitive(options.nocase)
            .dot_matches_new_line(options.dotall)
            .multi_line(options.multiline)
            .verbose_mode(options.extended)
            .backtrack_limit(BACKTRACKS)
            .delegate_size_limit(REGEX_BYTES)
            .delegate_dfa_size_limit(REGEX_BYTES / 4)
            .build()
            .map(Compiled::Backtracking)
            .map_err(|error| Error::Invalid(error.to_string()));
    }
    regex::bytes::RegexBuilder::new(text)
        .unicode(false)
        .case_insensitive(options.nocase)
        .dot_matches_new_line(options.dotall)
        .multi_line(options.multiline)
        .ignore_whitespace(options.extended)
        .swap_greed(options.ungreedy)
        .size_limit(REGEX_BYTES)
        .dfa_size_limit(REGEX_BYTES / 4)
        .build()
        .map(Compiled::Linear)
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => Error::TooBig,
            error => Error::Invalid(error.to_string()),
        })
}
