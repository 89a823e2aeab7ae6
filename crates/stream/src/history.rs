//! The bytes that were delivered last, to hold retransmissions against.
//!
//! An attacker can make the server lose a segment that we saw (wrong checksum, old timestamp, a full buffer) and
//! send it again with other bytes. We would have inspected the first copy, the server would read the second. So
//! every byte that comes again must be the same as the first time, for as long as the server may still lack it. When
//! that ends only the server's acknowledgements could tell, and in-line we do not see them. Hence:
//!
//! - the last 64 KiB of each direction are kept as they are (hashes would need the same boundaries again, and a
//!   sender may cut anew). Requests are mostly shorter than that, so that whole connections can be verified;
//! - an old byte beyond that is *unverifiable* and dropped too, so nothing is won by sending 64 KiB in between. For
//!   the honest sender, who lost no more than the acknowledgements, the receiver is probed: its answer moves him on;
//! - all flows together keep no more than a total; the flows longest idle lose theirs first, and after two minutes
//!   without a segment every flow does: an honest sender has long been acknowledged, and for the other one the bytes
//!   are unverifiable from then on.
use std::collections::VecDeque;

/// How a retransmission compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// All bytes are the same as before.
    Same,
    /// A byte differs.
    Different,
    /// No known byte differs, but not all are known.
    Unknown,
}

/// The last delivered bytes of one direction.
#[derive(Debug, Default)]
pub struct History {
    bytes: VecDeque<u8>,
}

impl History {
    /// Appends delivered bytes, keeping the last `cap`.
    pub fn push(&mut self, new: &[u8], cap: usize) {
        let new = new.get(new.len().saturating_sub(cap)..).unwrap_or_default();
        let spill = (self.bytes.len() + new.len()).saturating_sub(cap).min(self.bytes.len());
        self.bytes.drain(..spill);
        let needed = self.bytes.len() + new.len();
        if needed > self.bytes.capacity() {
            // Doubling, but never past the cap.
            let target = needed.next_power_of_two().min(cap).max(needed);
            self.bytes.reserve_exact(target - self.bytes.len());
        }
        self.bytes.extend(new);
    }

    /// Compares bytes that were delivered `back` bytes before the end and reach no further than it.
    pub fn compare(&self, back: usize, again: &[u8]) -> Compared {
        let unknown = back.saturating_sub(self.bytes.len());
        let known = again.get(unknown..).unwrap_or_default();
        let begin = self.bytes.len().saturating_sub(back);
        let (first, second) = self.bytes.as_slices();
        let first = first.get(begin..).unwrap_or_default();
        let second = second.get(begin.saturating_sub(self.bytes.as_slices().0.len())..).unwrap_or_default();
        let (a, b) = known.split_at_checked(first.len()).unwrap_or((known, &[]));
        if !first.starts_with(a) || !second.starts_with(b) {
            Compared::Different
        } else if unknown > 0 {
            Compared::Unknown
        } else {
            Compared::Same
        }
    }

    /// Forgets everything and gives the memory back.
    pub fn clear(&mut self) {
        self.bytes = VecDeque::new();
    }

    /// Bytes allocated.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_across_the_ring() {
        let mut history = History::default();
        for n in 0..100u8 {
            history.push(&[n; 3], 16);
        }
        // ... 94 94? the last 16: 94,95x3,96x3,97x3,98x3,99x3
        let want = [94, 95, 95, 95, 96, 96, 96, 97, 97, 97, 98, 98, 98, 99, 99, 99];
        for back in 1..=16usize {
            for end in 0..=back {
                let begin = 16 - back;
                let same = &want[begin..begin + end];
                assert_eq!(history.compare(back, same), Compared::Same);
                if end > 0 {
                    let mut other = same.to_vec();
                    other[end - 1] ^= 1;
                    assert_eq!(history.compare(back, &other), Compared::Different);
                }
            }
        }
        assert_eq!(history.compare(17, &[7, 94]), Compared::Unknown);
        assert_eq!(history.compare(17, &[7, 93]), Compared::Different);
        assert_eq!(history.compare(40, &[7]), Compared::Unknown);
        assert!(history.memory_bytes() <= 16);
    }

    #[test]
    fn a_long_push_keeps_the_end() {
        let mut history = History::default();
        history.push(b"abcdefgh", 4);
        assert_eq!(history.compare(4, b"efgh"), Compared::Same);
        assert_eq!(history.compare(5, b"defgh"), Compared::Unknown);
        history.clear();
        assert_eq!(history.memory_bytes(), 0);
        assert_eq!(history.compare(1, b"h"), Compared::Unknown);
    }
}
