//! Patterns of the four kinds that the language has: OSSEC's match and regex, PCRE2, and plain equality.
//!
//! All work on bytes, all in time linear in the text: there is no back-tracking engine here.

mod osmatch;
mod osregex;
mod pcre;

use crate::limits;
use osmatch::OsMatch;
use osregex::OsRegex;
use regex::bytes::{Regex, RegexBuilder};

/// Which language a pattern is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Literals with `^`, `$`, `|`; letters of either case.
    OsMatch,
    /// OSSEC's regular expressions; letters of either case.
    OsRegex,
    /// PCRE2; letters of either case if told.
    Pcre { caseless: bool },
    /// The whole value, exactly.
    Exact,
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    negated: bool,
    matcher: Matcher,
}

#[derive(Clone, Debug)]
enum Matcher {
    Words(OsMatch),
    Expression(OsRegex),
    Pcre(Box<Regex>),
    Exact(Vec<u8>),
}

/// Where a match ended and what its groups held, as offsets in the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) end: usize,
    pub(crate) groups: Vec<Option<(usize, usize)>>,
}

/// Why a pattern does not compile, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadPattern(pub(crate) String);

impl Pattern {
    pub(crate) fn compile(kind: Kind, text: &str, negated: bool) -> Result<Self, BadPattern> {
        let matcher = match kind {
            Kind::OsMatch => {
                // A leading '!' turns the whole pattern round.
                if let Some(rest) = text.strip_prefix('!') {
                    let matcher = Matcher::Words(OsMatch::compile(rest)?);
                    return Ok(Self { negated: !negated, matcher });
                }
                Matcher::Words(OsMatch::compile(text)?)
            }
            Kind::OsRegex => Matcher::Expression(OsRegex::compile(text)?),
            Kind::Pcre { caseless } => {
                Matcher::Pcre(Box::new(build(&pcre::translate(text)?, caseless, false)?))
            }
            Kind::Exact => Matcher::Exact(text.as_bytes().to_vec()),
        };
        Ok(Self { negated, matcher })
    }

    /// How many groups it captures.
    pub(crate) fn groups(&self) -> usize {
        match &self.matcher {
            Matcher::Words(_) | Matcher::Exact(_) => 0,
            Matcher::Expression(expression) => expression.groups(),
            Matcher::Pcre(regex) => regex.captures_len() - 1,
        }
    }

    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        let found = match &self.matcher {
            Matcher::Words(words) => words.is_match(text),
            Matcher::Expression(expression) => expression.is_match(text),
            Matcher::Pcre(regex) => regex.is_match(text),
            Matcher::Exact(exact) => exact == text,
        };
        found != self.negated
    }

    /// Where the first match ends. A negated pattern that does not match ends at the beginning.
    pub(crate) fn find_end(&self, text: &[u8]) -> Option<usize> {
        let end = match &self.matcher {
            Matcher::Expression(expression) => expression.find_end(text),
            Matcher::Pcre(regex) => regex.find(text).map(|found| found.end()),
            Matcher::Words(_) | Matcher::Exact(_) => self.is_match(text).then_some(0),
        };
        if self.negated { end.is_none().then_some(0) } else { end }
    }

    /// The first match with its groups.
    pub(crate) fn find(&self, text: &[u8]) -> Option<Found> {
        match &self.matcher {
            Matcher::Expression(expression) => expression.find(text),
            Matcher::Pcre(regex) => captures(regex, text),
            Matcher::Words(_) | Matcher::Exact(_) => {
                self.find_end(text).map(|end| Found { end, groups: Vec::new() })
            }
        }
    }
}

/// Compiles a translated pattern within the bounds of [`limits`].
fn build(pattern: &str, caseless: bool, dot_is_all: bool) -> Result<Regex, BadPattern> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .case_insensitive(caseless)
        .dot_matches_new_line(dot_is_all)
        .size_limit(limits::PATTERN_BYTES)
        .dfa_size_limit(limits::PATTERN_CACHE_BYTES)
        .build()
        .map_err(|error| {
            let text = error.to_string();
            let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("not a pattern");
            BadPattern(last.trim().trim_start_matches("error: ").to_owned())
        })
}

fn captures(regex: &Regex, text: &[u8]) -> Option<Found> {
    let captures = regex.captures(text)?;
    let end = captures.get(0)?.end();
    let groups = captures.iter().skip(1).map(|group| group.map(|g| (g.start(), g.end()))).collect();
    Some(Found { end, groups })
}
