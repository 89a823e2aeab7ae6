//! A table that forgets: what is over by itself, and what would be over soonest when it is full.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Keys with values that are over at a time.
///
/// # Bounds
/// As many entries as it was made for. Ordered maps: nobody outside can make them slow by choosing keys.
#[derive(Debug)]
pub(crate) struct Bounded<K, V> {
    most: usize,
    entries: BTreeMap<K, (V, Duration)>,
    ends: BTreeSet<(Duration, K)>,
}

impl<K: Ord + Clone, V> Bounded<K, V> {
    pub(crate) const fn new(most: usize) -> Self {
        Self { most, entries: BTreeMap::new(), ends: BTreeSet::new() }
    }

    /// The value, while it is not over.
    pub(crate) fn at(&mut self, now: Duration, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).filter(|(_, end)| *end > now).map(|(value, _)| value)
    }

    /// Puts a value in place of the former one.
    pub(crate) fn insert(&mut self, now: Duration, key: K, value: V, end: Duration) {
        self.remove(&key);
        while self.entries.len() >= self.most || self.ends.first().is_some_and(|(end, _)| *end <= now) {
            let Some((_, oldest)) = self.ends.pop_first() else { break };
            self.entries.remove(&oldest);
        }
        self.ends.insert((end, key.clone()));
        self.entries.insert(key, (value, end));
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Some((_, end)) = self.entries.remove(key) {
            self.ends.remove(&(end, key.clone()));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_is_over_and_what_is_too_much() {
        let second = Duration::from_secs;
        let mut table = Bounded::new(2);
        table.insert(second(0), 'a', 1, second(10));
        table.insert(second(0), 'b', 2, second(5));
        assert_eq!(table.at(second(4), &'b').copied(), Some(2));
        assert_eq!(table.at(second(5), &'b'), None, "over at its end");
        table.insert(second(1), 'c', 3, second(20));
        assert_eq!(table.at(second(1), &'b'), None, "what would be over soonest goes first");
        assert_eq!(table.at(second(1), &'a').copied(), Some(1));
        table.insert(second(11), 'd', 4, second(30));
        assert_eq!(table.len(), 2);
        table.insert(second(12), 'd', 5, second(13));
        assert_eq!(table.len(), 2);
        table.remove(&'d');
        assert_eq!((table.len(), table.ends.len()), (1, 1));
    }
}
