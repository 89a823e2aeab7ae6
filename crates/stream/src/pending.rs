//! Out-of-order segments of one direction, waiting for the hole before them.
use std::collections::VecDeque;

use crate::limits::SEGMENT_OVERHEAD;
use crate::policy::OverlapPolicy;
use crate::sequence::Sequence;

/// A piece of a held segment.
#[derive(Debug)]
struct Held {
    sequence: Sequence,
    bytes: Vec<u8>,
    /// Where the segment that the piece came in began and ended: overlap policies go by that.
    origin: (Sequence, Sequence),
}

/// Held pieces, sorted, without overlap, all beyond the next expected byte.
///
/// Where a new segment wins against a held one, its bytes are written over the held ones and keep that piece's
/// origin; with three different copies of one byte that is an approximation.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    held: VecDeque<Held>,
    cost: usize,
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(crate) fn segments(&self) -> usize {
        self.held.len()
    }

    /// Bytes held, with the overhead of each piece.
    pub(crate) const fn cost(&self) -> usize {
        self.cost
    }

    /// Where the first held piece begins.
    pub(crate) fn first(&self) -> Option<Sequence> {
        self.held.front().map(|h| h.sequence)
    }

    /// Where the last held piece ends.
    pub(crate) fn end(&self) -> Option<Sequence> {
        self.held.back().map(|h| h.sequence.plus(h.bytes.len()))
    }

    /// Whether a held piece overlaps `bytes` at `sequence`, and whether with different content.
    pub(crate) fn overlap(&self, sequence: Sequence, bytes: &[u8]) -> (bool, bool) {
        let mut any = false;
        for held in self.held.iter().skip(self.begin(sequence)) {
            let Some((old, new)) = common(held, sequence, bytes) else { break };
            if !old.is_empty() {
                any = true;
                if old != new {
                    return (true, true);
                }
            }
        }
        (any, false)
    }

    /// Holds `bytes` at `sequence`, settling overlaps by `policy`.
    pub(crate) fn insert(&mut self, sequence: Sequence, bytes: &[u8], policy: OverlapPolicy) {
        let origin = (sequence, sequence.plus(bytes.len()));
        let mut at = self.begin(sequence);
        let mut done = 0usize; // bytes of the new segment that are settled
        while let Some(held) = self.held.get_mut(at) {
            let offset = held.sequence.ahead_of(sequence);
            if offset >= i64::try_from(bytes.len()).unwrap_or(i64::MAX) {
                break;
            }
            let keep = {
                let begin = held.origin.0.ahead_of(sequence);
                let end = held.origin.1.ahead_of(sequence);
                policy.keeps_held((begin, end), (0, i64::try_from(bytes.len()).unwrap_or(i64::MAX)))
            };
            let begin = usize::try_from(offset.max(0)).unwrap_or(0);
            let skip = usize::try_from((-offset).max(0)).unwrap_or(0);
            let length = held.bytes.len().saturating_sub(skip).min(bytes.len() - begin);
            if !keep
                && let Some(new) = bytes.get(begin..begin + length)
                && let Some(old) = held.bytes.get_mut(skip..skip + length)
            {
                old.copy_from_slice(new);
            }
            if let Some(hole) = bytes.get(done..begin).filter(|hole| !hole.is_empty()) {
                self.put(at, sequence.plus(done), hole, origin);
                at += 1;
            }
            done = done.max(begin + length);
            at += 1;
        }
        if let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            self.put(at, sequence.plus(done), rest, origin);
        }
    }

    /// Takes the first piece if it begins at or before `next`: its bytes from `next` on, which may be none.
    pub(crate) fn take(&mut self, next: Sequence) -> Option<(Vec<u8>, usize)> {
        let first = self.held.front()?;
        let skip = usize::try_from(next.ahead_of(first.sequence)).ok()?;
        let held = self.held.pop_front()?;
        self.cost -= held.bytes.len() + SEGMENT_OVERHEAD;
        let skip = skip.min(held.bytes.len());
        Some((held.bytes, skip))
    }

    /// The index of the first piece that ends after `sequence`.
    fn begin(&self, sequence: Sequence) -> usize {
        self.held.partition_point(|h| h.sequence.plus(h.bytes.len()).ahead_of(sequence) <= 0)
    }

    fn put(&mut self, at: usize, sequence: Sequence, bytes: &[u8], origin: (Sequence, Sequence)) {
        self.cost += bytes.len() + SEGMENT_OVERHEAD;
        self.held.insert(at, Held { sequence, bytes: bytes.to_vec(), origin });
    }

    /// Panics where the structure is broken. For tests and fuzzing.
    pub(crate) fn check_invariants(&self, next: Sequence) {
        let mut last = next;
        let mut cost = 0;
        for held in &self.held {
            assert!(!held.bytes.is_empty(), "P1: a held piece has bytes");
            assert!(held.sequence.ahead_of(last) >= 0, "P2: pieces are sorted and do not overlap");
            last = held.sequence.plus(held.bytes.len());
            cost += held.bytes.len() + SEGMENT_OVERHEAD;
        }
        assert_eq!(cost, self.cost, "P3: the cost is what the pieces cost");
        if let Some(first) = self.first() {
            assert!(first.ahead_of(next) > 0, "P4: there is a hole before the first piece");
        }
    }
}

/// The bytes that a held piece and a new segment have in common, old and new; `None` once the piece begins after the
/// segment's end.
fn common<'a>(held: &'a Held, sequence: Sequence, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let offset = held.sequence.ahead_of(sequence);
    if offset >= i64::try_from(bytes.len()).unwrap_or(i64::MAX) {
        return None;
    }
    let new = bytes.get(usize::try_from(offset.max(0)).unwrap_or(0)..).unwrap_or_default();
    let old = held.bytes.get(usize::try_from((-offset).max(0)).unwrap_or(0)..).unwrap_or_default();
    let length = old.len().min(new.len());
    Some((old.get(..length)?, new.get(..length)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pending: &mut Pending, mut next: Sequence) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some((bytes, skip)) = pending.take(next) {
            next = next.plus(bytes.len() - skip);
            out.extend(&bytes[skip..]);
        }
        out
    }

    /// Segments as (offset, bytes); what each policy makes of them, from offset 0 on.
    fn check(segments: &[(usize, &str)], expect: &[(OverlapPolicy, &str)]) {
        for base in [1000, u32::MAX - 2] {
            for (policy, want) in expect {
                let mut pending = Pending::default();
                for (offset, bytes) in segments {
                    pending.insert(Sequence(base).plus(*offset), bytes.as_bytes(), *policy);
                    pending.check_invariants(Sequence(base.wrapping_sub(1)));
                }
                let got = all(&mut pending, Sequence(base));
                assert_eq!(String::from_utf8(got).unwrap(), *want, "{policy:?}");
            }
        }
    }

    use OverlapPolicy::{Bsd, First, Last, Linux, Windows};

    #[test]
    fn the_same_place_and_length() {
        check(
            &[(0, "AAAA"), (0, "BBBB")],
            &[(First, "AAAA"), (Last, "BBBB"), (Bsd, "AAAA"), (Windows, "AAAA"), (Linux, "AAAA")],
        );
    }

    #[test]
    fn the_same_place_and_longer() {
        check(
            &[(0, "AA"), (0, "BBBB")],
            &[(First, "AABB"), (Last, "BBBB"), (Bsd, "AABB"), (Windows, "AABB"), (Linux, "BBBB")],
        );
    }

    #[test]
    fn the_new_one_begins_later() {
        check(
            &[(0, "AAAA"), (2, "BBBB")],
            &[(First, "AAAABB"), (Last, "AABBBB"), (Bsd, "AAAABB"), (Linux, "AAAABB")],
        );
    }

    #[test]
    fn the_new_one_begins_earlier() {
        check(
            &[(2, "AAAA"), (0, "BBBB")],
            &[(First, "BBAAAA"), (Last, "BBBBAA"), (Bsd, "BBBBAA"), (Linux, "BBBBAA")],
        );
    }

    #[test]
    fn the_new_one_covers_several_and_their_holes() {
        check(
            &[(1, "A"), (3, "A"), (5, "A"), (0, "BBBBBBB")],
            &[(First, "BABABAB"), (Last, "BBBBBBB"), (Bsd, "BBBBBBB"), (Linux, "BBBBBBB")],
        );
    }

    #[test]
    fn overlap_is_found() {
        let mut pending = Pending::default();
        pending.insert(Sequence(10), b"cdef", First);
        pending.insert(Sequence(20), b"mn", First);
        assert_eq!(pending.overlap(Sequence(8), b"ab"), (false, false));
        assert_eq!(pending.overlap(Sequence(8), b"abc"), (true, false));
        assert_eq!(pending.overlap(Sequence(8), b"abX"), (true, true));
        assert_eq!(pending.overlap(Sequence(13), b"fghijklmn"), (true, false));
        assert_eq!(pending.overlap(Sequence(13), b"fghijklmX"), (true, true));
        assert_eq!(pending.overlap(Sequence(14), b"ghijkl"), (false, false));
    }
}
