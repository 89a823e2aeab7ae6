//! What is remembered of hosts: `xbits`, `hostbits`, and counts of matches.
use super::bounded::Bounded;
use crate::condition::{BitOperation, Track};
use crate::dataset::Dataset;
use crate::rule::{RateFilter, RateKind};
use std::net::IpAddr;
use std::time::Duration;

/// Bits and counts that are kept; what comes on top pushes out what would be over soonest.
const ENTRIES: usize = 65_536;
/// Bytes of a value of a set that rules add to; longer ones are not kept.
const VALUE_BYTES: usize = 4096;
/// What is kept for good.
const NEVER: Duration = Duration::MAX;

/// Whom something is remembered of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whom {
    Host(IpAddr),
    /// Two addresses, the smaller first: both directions are the same pair.
    Pair(IpAddr, IpAddr),
    Flow(IpAddr, u16, IpAddr, u16),
    All,
}

/// What is remembered across flows: bits of hosts and pairs, and how often rules matched.
///
/// One for all that is inspected by one engine.
///
/// # Bounds
/// 65,536 bits and as many counts, some 100 bytes each; as many values of sets that rules add to, up to 4 KiB each.
#[derive(Debug)]
pub struct Hosts {
    fingerprint: u64,
    bits: Bounded<(u32, Whom), ()>,
    counts: Bounded<(u32, Whom), u32>,
    /// Values of sets that rules have added or taken away.
    values: Bounded<(u32, Box<[u8]>), bool>,
}

/// A set of addresses, and which address of the packet is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddressSet {
    pub(crate) set: Dataset,
    pub(crate) whose: Track,
}

/// A bit of hosts with its name by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostBit {
    pub(crate) operation: BitOperation,
    pub(crate) bit: u32,
    pub(crate) tracks: Vec<Track>,
    pub(crate) expires: Duration,
}

/// Source and destination of what is judged, with ports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) source: (IpAddr, u16),
    pub(crate) destination: (IpAddr, u16),
}

/// What a count says of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is no match yet.
    Not,
    /// It is one that is not reported.
    Silently,
    /// It is one.
    Aloud,
}

impl AddressSet {
    /// Whether what is asked holds; what changes the set always does.
    pub(crate) fn holds(&self, ends: Ends, sets: &mut super::Sets<'_>) -> bool {
        let (address, _) = if self.whose == Track::Source { ends.source } else { ends.destination };
        sets.value(&self.set, crate::dataset::address(address))
    }
}

impl Ends {
    fn whom(&self, track: Track) -> Whom {
        let (a, b) = (self.source, self.destination);
        match track {
            Track::Source => Whom::Host(a.0),
            Track::Destination => Whom::Host(b.0),
            Track::Pair => Whom::Pair(a.0.min(b.0), a.0.max(b.0)),
            Track::Flow => {
                let (low, high) = (a.min(b), a.max(b));
                Whom::Flow(low.0, low.1, high.0, high.1)
            }
            Track::Rule => Whom::All,
        }
    }
}

impl Default for Hosts {
    fn default() -> Self {
        Self {
            fingerprint: 0,
            bits: Bounded::new(ENTRIES),
            counts: Bounded::new(ENTRIES),
            values: Bounded::new(ENTRIES),
        }
    }
}

impl Hosts {
    /// Forgets what belongs to another rule set.
    pub(crate) fn belong_to(&mut self, fingerprint: u64) {
        if self.fingerprint != fingerprint {
            *self = Self { fingerprint, ..Self::default() };
        }
    }

    /// Bits and counts that are kept.
    pub fn entries(&self) -> usize {
        self.bits.len() + self.counts.len() + self.values.len()
    }

    /// Whether a value of a set was added, or taken away.
    pub(crate) fn value(&mut self, now: Duration, set: u32, value: &[u8]) -> Option<bool> {
        self.values.at(now, &(set, value.into())).copied()
    }

    /// Adds a value to a set, or takes it away.
    pub(crate) fn keep_value(&mut self, now: Duration, set: u32, value: Box<[u8]>, there: bool) {
        if value.len() <= VALUE_BYTES {
            self.values.insert(now, (set, value), there, NEVER);
        }
    }

    pub(crate) fn agrees(&mut self, now: Duration, ends: Ends, bit: &HostBit) -> bool {
        let mut any =
            || bit.tracks.iter().any(|track| self.bits.at(now, &(bit.bit, ends.whom(*track))).is_some());
        match bit.operation {
            BitOperation::IsSet => any(),
            BitOperation::IsNotSet => !any(),
            _ => true,
        }
    }

    pub(crate) fn apply(&mut self, now: Duration, ends: Ends, bit: &HostBit) {
        for track in &bit.tracks {
            let key = (bit.bit, ends.whom(*track));
            let there = self.bits.at(now, &key).is_some();
            match bit.operation {
                BitOperation::Set => self.bits.insert(now, key, (), now.saturating_add(bit.expires)),
                BitOperation::Toggle if !there => {
                    self.bits.insert(now, key, (), now.saturating_add(bit.expires));
                }
                BitOperation::Unset | BitOperation::Toggle => self.bits.remove(&key),
                BitOperation::IsSet | BitOperation::IsNotSet => {}
            }
        }
    }

    /// Counts a match of a rule, and says what becomes of it.
    pub(crate) fn count(&mut self, now: Duration, ends: Ends, rule: u32, rate: &RateFilter) -> Told {
        let key = (rule, ends.whom(rate.track));
        let number = if let Some(count) = self.counts.at(now, &key) {
            *count = count.saturating_add(1);
            *count
        } else {
            self.counts.insert(now, key, 1, now.saturating_add(rate.window));
            1
        };
        match rate.kind {
            RateKind::Limit if number <= rate.count => Told::Aloud,
            RateKind::Limit => Told::Silently,
            RateKind::Threshold if number >= rate.count => {
                self.counts.remove(&key);
                Told::Aloud
            }
            RateKind::Both if number == rate.count => Told::Aloud,
            RateKind::Both if number > rate.count => Told::Silently,
            RateKind::Filter if number > rate.count => Told::Aloud,
            RateKind::Threshold | RateKind::Both | RateKind::Filter => Told::Not,
            RateKind::Backoff { multiplier } => {
                if number == 1 && rate.count > 1 {
                    Told::Not
                } else if is_power(number, rate.count, multiplier) {
                    Told::Aloud
                } else {
                    Told::Silently
                }
            }
        }
    }
}

/// Whether `number` is `first` times a power of `factor`.
fn is_power(number: u32, first: u32, factor: u32) -> bool {
    let mut next = first;
    while next < number && factor > 1 {
        let Some(further) = next.checked_mul(factor) else { return false };
        next = further;
    }
    next == number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(source: u8) -> Ends {
        Ends {
            source: (IpAddr::from([192, 0, 2, source]), 40_000),
            destination: (IpAddr::from([10, 0, 0, 1]), 80),
        }
    }

    #[test]
    fn each_kind_of_count() {
        use Told::{Aloud, Not, Silently};
        for (kind, expected) in [
            (RateKind::Limit, [Aloud, Aloud, Silently, Silently, Silently]),
            (RateKind::Threshold, [Not, Aloud, Not, Aloud, Not]),
            (RateKind::Both, [Not, Aloud, Silently, Silently, Silently]),
            (RateKind::Filter, [Not, Not, Aloud, Aloud, Aloud]),
            (RateKind::Backoff { multiplier: 2 }, [Not, Aloud, Silently, Aloud, Silently]),
        ] {
            let rate = RateFilter { kind, track: Track::Source, count: 2, window: Duration::from_mins(1) };
            let mut hosts = Hosts::default();
            let told: Vec<Told> =
                (0..5).map(|second| hosts.count(Duration::from_secs(second), ends(1), 7, &rate)).collect();
            assert_eq!(told, expected, "{kind:?}");
            let first = expected.first().copied().unwrap();
            assert_eq!(
                hosts.count(Duration::ZERO, ends(2), 7, &rate),
                first,
                "another source is counted apart"
            );
            assert_eq!(hosts.count(Duration::from_secs(100), ends(1), 7, &rate), first, "a window ends");
        }
    }

    #[test]
    fn bits_expire_and_pairs_have_no_direction() {
        let bit = |operation, track| HostBit {
            operation,
            bit: 3,
            tracks: vec![track],
            expires: Duration::from_secs(10),
        };
        let back = Ends { source: ends(1).destination, destination: ends(1).source };
        let mut hosts = Hosts::default();
        hosts.apply(Duration::ZERO, ends(1), &bit(BitOperation::Set, Track::Pair));
        assert!(hosts.agrees(Duration::from_secs(9), back, &bit(BitOperation::IsSet, Track::Pair)));
        assert!(!hosts.agrees(Duration::from_secs(10), back, &bit(BitOperation::IsSet, Track::Pair)));
        hosts.apply(Duration::ZERO, ends(1), &bit(BitOperation::Set, Track::Source));
        assert!(hosts.agrees(Duration::ZERO, back, &bit(BitOperation::IsSet, Track::Destination)));
        assert!(hosts.agrees(Duration::ZERO, back, &bit(BitOperation::IsNotSet, Track::Source)));
        hosts.apply(Duration::ZERO, ends(1), &bit(BitOperation::Toggle, Track::Source));
        assert!(hosts.agrees(Duration::ZERO, ends(1), &bit(BitOperation::IsNotSet, Track::Source)));
    }
}
