//! Worker to verdict writer: which packet, pass or not, which mark.
//!
//! # Shape
//! Two words an entry: `id | flags << 32` and the mark. A capacity of [`CAPACITY`] entries is more than
//! packets can wait in the queue, so an honest worker never meets a full ring for long.

use super::{BODY, Corrupt, READ, RingFiles, WRITTEN, map, sleep, wake_if_asleep};
use sakimori_kernel_sys::ring::SharedMapping;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Entries of a ring; a power of two.
pub const CAPACITY: usize = 16_384;
const WORDS: usize = BODY + CAPACITY * 2;
const MASK: u64 = CAPACITY as u64 - 1;

const FLAG_DROP: u64 = 1 << 32;
const FLAG_MARK: u64 = 1 << 33;

/// One verdict on its way to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictEntry {
    /// The packet's number in its queue.
    pub id: u32,
    /// Drop it; otherwise it passes.
    pub drop: bool,
    /// The packet's new mark; `None` leaves it.
    pub mark: Option<u32>,
}

/// Makes the files of a ring.
pub fn create() -> io::Result<RingFiles> {
    RingFiles::create("sakimori-verdicts", WORDS)
}

/// The worker's end.
#[derive(Debug)]
pub struct VerdictProducer {
    mapping: SharedMapping,
    wake: OwnedFd,
    written: u64,
}

/// The supervisor's end.
#[derive(Debug)]
pub struct VerdictConsumer {
    mapping: SharedMapping,
    wake: OwnedFd,
    read: u64,
}

/// The ring has no room: the consumer is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the verdict ring is full")]
pub struct Full;

// === impl VerdictProducer ===

impl VerdictProducer {
    /// Opens the producing end of a fresh ring.
    pub fn open(files: RingFiles) -> io::Result<Self> {
        let mapping = map(&files.memory, WORDS)?;
        let written = mapping.words().get(WRITTEN).map_or(0, |w| w.load(Ordering::Acquire));
        Ok(Self { mapping, wake: files.wake, written })
    }

    /// Places one verdict; [`Self::publish`] makes it seen.
    pub fn push(&mut self, entry: VerdictEntry) -> Result<(), Full> {
        let words = self.mapping.words();
        let read = words.get(READ).map_or(0, |w| w.load(Ordering::Acquire));
        if self.written.wrapping_sub(read) >= CAPACITY as u64 {
            return Err(Full);
        }
        let mut first = u64::from(entry.id);
        if entry.drop {
            first |= FLAG_DROP;
        }
        if entry.mark.is_some() {
            first |= FLAG_MARK;
        }
        let at = slot(self.written);
        if let Some([a, b]) = words.get(at..at + 2) {
            a.store(first, Ordering::Relaxed);
            b.store(u64::from(entry.mark.unwrap_or(0)), Ordering::Relaxed);
        }
        self.written = self.written.wrapping_add(1);
        Ok(())
    }

    /// Makes all placed verdicts seen, and wakes the consumer if it sleeps.
    pub fn publish(&self) {
        if let Some(word) = self.mapping.words().get(WRITTEN) {
            word.store(self.written, Ordering::Release);
        }
        wake_if_asleep(&self.mapping, &self.wake);
    }
}

// === impl VerdictConsumer ===

impl VerdictConsumer {
    /// Opens the consuming end, going on where an earlier consumer of the same ring stopped.
    pub fn open(files: RingFiles) -> io::Result<Self> {
        let mapping = map(&files.memory, WORDS)?;
        let read = mapping.words().get(READ).map_or(0, |w| w.load(Ordering::Acquire));
        Ok(Self { mapping, wake: files.wake, read })
    }

    /// Appends everything that is there to `into`, [`CAPACITY`] entries at most; gives their number.
    pub fn take(&mut self, into: &mut Vec<VerdictEntry>) -> Result<usize, Corrupt> {
        let words = self.mapping.words();
        let written = words.get(WRITTEN).map_or(0, |w| w.load(Ordering::Acquire));
        let available = written.wrapping_sub(self.read);
        if available > CAPACITY as u64 {
            return Err(Corrupt("the verdict ring's position is impossible"));
        }
        for n in 0..available {
            let at = slot(self.read.wrapping_add(n));
            let Some([a, b]) = words.get(at..at + 2) else { continue };
            let (first, second) = (a.load(Ordering::Relaxed), b.load(Ordering::Relaxed));
            into.push(VerdictEntry {
                id: low_half(first),
                drop: first & FLAG_DROP != 0,
                mark: (first & FLAG_MARK != 0).then(|| low_half(second)),
            });
        }
        self.read = written;
        if let Some(word) = words.get(READ) {
            word.store(written, Ordering::Release);
        }
        Ok(usize::try_from(available).unwrap_or(CAPACITY))
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.mapping.words().get(WRITTEN).is_none_or(|w| w.load(Ordering::SeqCst) == self.read)
    }

    /// Sleeps until there is something, somebody rings the eventfd, or `timeout` is over.
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        sleep(&self.mapping, &self.wake, timeout, || self.is_empty())
    }
}

fn slot(position: u64) -> usize {
    BODY + usize::try_from(position & MASK).unwrap_or(0) * 2
}

fn low_half(word: u64) -> u32 {
    u32::try_from(word & 0xFFFF_FFFF).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u32) -> VerdictEntry {
        VerdictEntry {
            id,
            drop: id.is_multiple_of(3),
            mark: id.is_multiple_of(2).then_some(id ^ 0xFFFF_FFFF),
        }
    }

    #[test]
    fn entries_arrive_in_order_over_many_wraps_and_wakes() {
        let files = create().unwrap();
        let mut consumer = VerdictConsumer::open(files.try_clone().unwrap()).unwrap();
        let total = 200_000;
        let producer = std::thread::spawn(move || {
            let mut producer = VerdictProducer::open(files).unwrap();
            for id in 0..total {
                while producer.push(entry(id)).is_err() {
                    producer.publish();
                    std::thread::yield_now();
                }
                if id.is_multiple_of(7) {
                    producer.publish();
                }
            }
            producer.publish();
        });
        let mut taken = Vec::new();
        while taken.len() < total as usize {
            if consumer.take(&mut taken).unwrap() == 0 {
                assert!(consumer.wait(Some(Duration::from_secs(10))), "a wake-up was lost");
            }
        }
        producer.join().unwrap();
        assert!(taken.iter().zip(0..).all(|(got, id)| *got == entry(id)));
    }

    #[test]
    fn a_full_ring_refuses_and_a_successor_goes_on() {
        let files = create().unwrap();
        let mut producer = VerdictProducer::open(files.try_clone().unwrap()).unwrap();
        for id in 0..u32::try_from(CAPACITY).unwrap() {
            producer.push(entry(id)).unwrap();
        }
        assert_eq!(producer.push(entry(0)), Err(Full));
        producer.publish();
        let mut taken = Vec::new();
        let mut first = VerdictConsumer::open(files.try_clone().unwrap()).unwrap();
        first.take(&mut taken).unwrap();
        assert_eq!(taken.len(), CAPACITY);
        drop(first);
        producer.push(entry(77)).unwrap();
        producer.publish();
        taken.clear();
        VerdictConsumer::open(files).unwrap().take(&mut taken).unwrap();
        assert_eq!(taken, [entry(77)]);
    }

    #[test]
    fn impossible_positions_are_corrupt_not_a_loop() {
        let files = create().unwrap();
        let mut consumer = VerdictConsumer::open(files.try_clone().unwrap()).unwrap();
        for position in [CAPACITY as u64 + 1, u64::MAX, 1 << 63] {
            consumer.mapping.words()[WRITTEN].store(position, Ordering::SeqCst);
            assert!(consumer.take(&mut Vec::new()).is_err());
        }
    }

    #[test]
    fn the_size_cannot_be_changed_under_the_mapping() {
        let files = create().unwrap();
        assert!(rustix::fs::ftruncate(&files.memory, 0).is_err());
        assert!(rustix::fs::ftruncate(&files.memory, 1 << 30).is_err());
        let unsealed = rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        rustix::fs::ftruncate(&unsealed, (WORDS * 8) as u64).unwrap();
        assert!(VerdictConsumer::open(RingFiles { memory: unsealed, wake: files.wake }).is_err());
    }
}
