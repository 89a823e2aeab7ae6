//! Patterns of rules: Perl's expressions, in linear time where they allow it.
//!
//! A dot matches line breaks, `^` and `$` are the ends of the value (`PCRE_DOTALL | PCRE_DOLLAR_ENDONLY`, the platform that the
//! Core Rule Set is written for), classes are those of ASCII.

use sakimori_expressions::{Error, Expression, Options};

use crate::diagnose::{Finding, shown};

/// A compiled pattern may take this much.
const COMPILED_BYTES: usize = 16 << 20;

/// Steps back of one search of a pattern with look-around or back-references: tens of milliseconds.
const STEPS_BACK: usize = 1_000_000;

/// Compiles a pattern.
pub(crate) fn compile(text: &str, ignore_case: bool) -> Result<Expression, Finding> {
    let options = Options {
        nocase: ignore_case,
        dotall: true,
        dollar_end_only: true,
        compiled_bytes: COMPILED_BYTES,
        steps_back: STEPS_BACK,
        // a value is bounded by the limits of bodies; what is not looked at would be a way around the rule
        shown_bytes: usize::MAX,
        ..Options::default()
    };
    Expression::new(text, options).map_err(|error| {
        let (reason, help) = match error {
            Error::Unsupported(_, what) => {
                (format!("{what} is not supported"), "write it without, or as a chain of two rules")
            }
            Error::Malformed(_, what, help) => (what.to_owned(), help),
            Error::TooBig => {
                (format!("it takes more than {COMPILED_BYTES} bytes"), "shorten counted repetitions")
            }
            Error::Ungreedy => ("its flags do not go together".to_owned(), "write lazy repetitions as *?"),
            Error::Invalid(why) => (
                why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
                "check brackets, repetitions and escapes",
            ),
        };
        Finding::error(
            "W040",
            format!("the pattern {} does not compile: {}", shown(text), shown(&reason)),
            help,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::compile;

    fn matches(pattern: &str, input: &[u8]) -> bool {
        compile(pattern, false).unwrap().is_match(input).unwrap()
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
    fn classes_are_read_as_perl_reads_them() {
        assert!(matches(r"^[+--]$", b",") && !matches(r"^[+--]$", b"/"));
        assert!(matches(r"^[a-\d]$", b"-") && matches(r"^[\d-z]$", b"-") && !matches(r"^[\d-z]$", b"k"));
        assert!(matches(r"^[--0]$", b"."));
        assert!(matches(r"^[a-]$", b"-") && matches(r"^[\x00-\x1f]$", b"\x07"));
    }

    #[test]
    fn what_goes_back_is_matched() {
        for (pattern, yes, no) in [
            (r"(a)\1", "aa", "ab"),
            (r"a(?=b)", "ab", "ac"),
            (r"(?<!&(?:[ao]uml)|&quot);", "a;", "&auml;"),
            (r"(?i)^(?!.*(?:x|y)).+$", "abc", "abX"),
        ] {
            assert!(matches(pattern, yes.as_bytes()), "{pattern} must match {yes}");
            assert!(!matches(pattern, no.as_bytes()), "{pattern} must not match {no}");
        }
    }

    #[test]
    fn what_takes_too_many_steps_back_is_said() {
        let pattern = compile(r"^(?:a|a|aa)+(?!.)\1?()b$", false).unwrap();
        let hostile = vec![b'a'; 40];
        assert_eq!(pattern.is_match(&hostile).ok(), Some(false), "the gate says no");
        let pattern = compile(r"^(?:a|a|aa)+(?<=c)", false).unwrap();
        assert!(pattern.is_match(&hostile).is_err());
    }

    #[test]
    fn what_no_engine_has_is_said() {
        assert!(compile("(?(1)a)b", false).is_err());
        assert!(compile("(?R)", false).is_err());
    }
}
