//! `@pm`, `@pmFromFile`: many phrases at once, without regard to case.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::{Context, Operator, lines_of};
use crate::Loader;
use crate::diagnose::Finding;
use crate::prefilter::Needs;
use crate::transform::hex_pair;

#[derive(Debug)]
pub(super) struct Pm {
    automaton: AhoCorasick,
    needs: Needs,
}

impl Pm {
    /// Phrases separated by white space; `|41 42|` stands for bytes.
    pub(super) fn inline(argument: &str) -> Result<Self, Finding> {
        let bytes = with_hex(argument.as_bytes());
        let phrases: Vec<Vec<u8>> = bytes
            .split(u8::is_ascii_whitespace)
            .filter(|phrase| !phrase.is_empty())
            .map(<[u8]>::to_vec)
            .collect();
        Self::of(&phrases)
    }

    /// One phrase on each line.
    pub(super) fn from_file(argument: &str, loader: &dyn Loader) -> Result<Self, Finding> {
        let phrases: Vec<Vec<u8>> =
            lines_of(argument, loader)?.into_iter().map(|line| with_hex(line.as_bytes())).collect();
        Self::of(&phrases)
    }

    fn of(phrases: &[Vec<u8>]) -> Result<Self, Finding> {
        if phrases.is_empty() {
            return Err(Finding::error("W064", "a list of phrases without a phrase", "write at least one"));
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostFirst)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(phrases)
            .map_err(|error| {
                Finding::error("W065", format!("the phrases are too many: {error}"), "split the list")
            })?;
        Ok(Self { automaton, needs: Needs::of_phrases(phrases) })
    }
}

impl Operator for Pm {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        match self.automaton.find(input) {
            Some(found) => {
                context.note(input.get(found.range()).unwrap_or_default());
                true
            }
            None => false,
        }
    }

    fn needs(&self) -> Option<Needs> {
        Some(self.needs.clone())
    }
}

/// Snort's way to write bytes: `|0d 0a|`.
fn with_hex(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let inside = memchr::memchr(b'|', tail).and_then(|end| tail.get(..end)).filter(|_| *first == b'|');
        let Some(inside) = inside.filter(|inside| !inside.is_empty()) else {
            out.push(*first);
            continue;
        };
        let groups = inside.split(|byte| *byte == b' ').filter(|group| !group.is_empty());
        let bytes: Option<Vec<u8>> =
            groups.map(|group| hex_pair(group).filter(|_| group.len() == 2)).collect();
        match bytes {
            Some(bytes) => {
                out.extend_from_slice(&bytes);
                rest = tail.get(inside.len() + 1..).unwrap_or_default();
            }
            None => out.push(*first),
        }
    }
    out
}
