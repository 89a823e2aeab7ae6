//! Which rules are worth verifying: one pattern of each, all searched at once.
use daachorse::DoubleArrayAhoCorasick;
use std::collections::BTreeMap;

/// The fast patterns of the rules that have theirs in one buffer.
#[derive(Default)]
pub(crate) struct Prefilter {
    automaton: Option<DoubleArrayAhoCorasick<u32>>,
    /// Rules of each pattern.
    rules: Vec<Vec<u32>>,
    longest: usize,
}

impl std::fmt::Debug for Prefilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prefilter")
            .field("patterns", &self.rules.len())
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}

impl Prefilter {
    /// Builds from lower-case patterns. The second value are rules whose patterns found no place in
    /// the automaton: these must be verified without a prefilter.
    pub(crate) fn new(patterns: BTreeMap<Vec<u8>, Vec<u32>>) -> (Self, Vec<u32>) {
        let longest = patterns.keys().map(Vec::len).max().unwrap_or(0);
        if patterns.is_empty() {
            return (Self::default(), Vec::new());
        }
        let pairs = patterns.keys().zip(0_u32..);
        match DoubleArrayAhoCorasick::with_values(pairs) {
            Ok(automaton) => (
                Self { automaton: Some(automaton), rules: patterns.into_values().collect(), longest },
                Vec::new(),
            ),
            Err(_) => (Self::default(), patterns.into_values().flatten().collect()),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.automaton.is_none()
    }

    /// How many bytes before new ones a pattern that ends in them can begin.
    pub(crate) fn overlap(&self) -> usize {
        self.longest.saturating_sub(1)
    }

    /// Names the rules whose pattern stands in the lower-cased bytes and ends behind the first `again` of them, which
    /// were looked at before; with repetition.
    pub(crate) fn scan(&self, lower: &[u8], again: usize, mut found: impl FnMut(u32)) {
        let Some(automaton) = &self.automaton else { return };
        for hit in automaton.find_overlapping_iter(lower).filter(|hit| hit.end() > again) {
            for rule in self.rules.get(hit.value() as usize).into_iter().flatten() {
                found(*rule);
            }
        }
    }
}
