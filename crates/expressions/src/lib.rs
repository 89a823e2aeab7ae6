//! Perl regular expressions over bytes, as rule languages write them, for engines that take time linear in their input.
//!
//! Look-around and back-references take an engine that goes back, within a bound; conditionals and recursion are refused. Atomic
//! groups and possessive repetition only forbid going back; without that the expression matches a little more.
//!
//! # Source
//! pcre2pattern(3)
#![forbid(unsafe_code)]

mod expression;
mod translate;

pub use expression::{Exhausted, Expression, Groups};

/// Flags of the whole expression, and its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of the language, any of which may be there")]
pub struct Options {
    /// `i`: letters match in either case.
    pub nocase: bool,
    /// `s`: a dot matches line breaks.
    pub dotall: bool,
    /// `m`: `^` and `$` match at line breaks.
    pub multiline: bool,
    /// `x`: white space and comments are left out.
    pub extended: bool,
    /// Repetitions are lazy.
    pub ungreedy: bool,
    /// It matches at the start alone.
    pub anchored: bool,
    /// `$` does not match before a line break at the end.
    pub dollar_end_only: bool,
    /// Bytes of a compiled expression.
    pub compiled_bytes: usize,
    /// Steps back that one search may take.
    pub steps_back: usize,
    /// Bytes that an expression that goes back is shown.
    pub shown_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nocase: false,
            dotall: false,
            multiline: false,
            extended: false,
            ungreedy: false,
            anchored: false,
            dollar_end_only: false,
            compiled_bytes: 2 << 20,
            steps_back: 100_000,
            shown_bytes: 16 << 10,
        }
    }
}

/// Why an expression does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Something that neither engine has: the byte where it stands, and what it is.
    Unsupported(usize, String),
    /// Lazy repetitions by a flag, together with look-around or back-references.
    Ungreedy,
    /// It is not written as it has to be: the byte, what is wrong, the remedy.
    Malformed(usize, &'static str, &'static str),
    /// It compiles to more than its bound.
    TooBig,
    /// The engine refuses it, and says why.
    Invalid(String),
}
