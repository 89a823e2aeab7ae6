//! Worker to supervisor: events as byte strings.
//!
//! # Shape
//! A record is its length in bytes in one word, then the bytes, eight to a word, zero-padded. Records wrap
//! around the end of the ring.
//!
//! # Bounds
//! [`MAX_EVENT_BYTES`] a record, [`CAPACITY_BYTES`] in the ring: some thousand events while the supervisor
//! waits for its disk.

use super::{BODY, Corrupt, LOST, READ, RingFiles, WRITTEN, map, sleep, wake_if_asleep};
use sakimori_kernel_sys::ring::SharedMapping;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The longest event; an intrusion with all its texts full stays under 8 KiB.
pub const MAX_EVENT_BYTES: usize = 32 * 1024;
/// Room for records and their length words.
pub const CAPACITY_BYTES: usize = 4 * 1024 * 1024;

const CAPACITY: usize = CAPACITY_BYTES / 8;
const WORDS: usize = BODY + CAPACITY;
const MASK: u64 = CAPACITY as u64 - 1;

/// Makes the files of a ring.
pub fn create() -> io::Result<RingFiles> {
    RingFiles::create("sakimori-events", WORDS)
}

/// The worker's end.
#[derive(Debug)]
pub struct EventProducer {
    mapping: SharedMapping,
    wake: OwnedFd,
    written: u64,
}

/// The supervisor's end.
#[derive(Debug)]
pub struct EventConsumer {
    mapping: SharedMapping,
    wake: OwnedFd,
    /// How far events have been copied; what lies before it and after the last [`Self::release`] is in use.
    read: u64,
}

/// Why an event was not placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// No room now.
    #[error("the event ring is full")]
    Full,
    /// Longer than [`MAX_EVENT_BYTES`].
    #[error("the event is longer than {MAX_EVENT_BYTES} bytes")]
    TooLong,
}

// === impl EventProducer ===

impl EventProducer {
    /// Opens the producing end of a fresh ring.
    pub fn open(files: RingFiles) -> io::Result<Self> {
        let mapping = map(&files.memory, WORDS)?;
        let written = mapping.words().get(WRITTEN).map_or(0, |w| w.load(Ordering::Acquire));
        Ok(Self { mapping, wake: files.wake, written })
    }

    /// Places an event, makes it seen, and wakes the consumer if it sleeps.
    pub fn push(&mut self, event: &[u8]) -> Result<(), PushError> {
        if event.len() > MAX_EVENT_BYTES {
            return Err(PushError::TooLong);
        }
        let words = self.mapping.words();
        let read = words.get(READ).map_or(0, |w| w.load(Ordering::Acquire));
        let needed = 1 + event.len().div_ceil(8) as u64;
        let used = self.written.wrapping_sub(read);
        if used.saturating_add(needed) > CAPACITY as u64 {
            return Err(PushError::Full);
        }
        let mut position = self.written;
        let mut put = |value: u64| {
            if let Some(word) = words.get(slot(position)) {
                word.store(value, Ordering::Relaxed);
            }
            position = position.wrapping_add(1);
        };
        put(event.len() as u64);
        for chunk in event.chunks(8) {
            let mut bytes = [0; 8];
            for (to, from) in bytes.iter_mut().zip(chunk) {
                *to = *from;
            }
            put(u64::from_le_bytes(bytes));
        }
        self.written = position;
        if let Some(word) = words.get(WRITTEN) {
            word.store(position, Ordering::Release);
        }
        wake_if_asleep(&self.mapping, &self.wake);
        Ok(())
    }

    /// Where the last event ends: what [`Self::is_released`] is asked for.
    pub fn position(&self) -> u64 {
        self.written
    }

    /// Whether the consumer has given back the room of everything up to `position`, as it does when it has made it durable.
    pub fn is_released(&self, position: u64) -> bool {
        let read = self.mapping.words().get(READ).map_or(0, |w| w.load(Ordering::Acquire));
        self.written.wrapping_sub(read) <= self.written.wrapping_sub(position)
    }

    /// Counts an event that could not be placed.
    pub fn count_lost(&self) {
        if let Some(word) = self.mapping.words().get(LOST) {
            let _before = word.fetch_add(1, Ordering::Relaxed);
        }
        wake_if_asleep(&self.mapping, &self.wake);
    }
}

// === impl EventConsumer ===

impl EventConsumer {
    /// Opens the consuming end, going on where an earlier consumer of the same ring stopped.
    pub fn open(files: RingFiles) -> io::Result<Self> {
        let mapping = map(&files.memory, WORDS)?;
        let read = mapping.words().get(READ).map_or(0, |w| w.load(Ordering::Acquire));
        Ok(Self { mapping, wake: files.wake, read })
    }

    /// Copies the next event into `into` (its former content goes); false when there is none.
    ///
    /// The event stays in the ring until [`Self::release`], so that it is not lost if the consumer ends before
    /// the event is durable.
    pub fn copy_next(&mut self, into: &mut Vec<u8>) -> Result<bool, Corrupt> {
        into.clear();
        let words = self.mapping.words();
        let available = self.available()?;
        if available == 0 {
            return Ok(false);
        }
        let length = words.get(slot(self.read)).map_or(0, |w| w.load(Ordering::Relaxed));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_EVENT_BYTES {
            return Err(Corrupt("an event is longer than allowed"));
        }
        let count = length.div_ceil(8);
        if 1 + count as u64 > available {
            return Err(Corrupt("an event is longer than what was written"));
        }
        for n in 0..count as u64 {
            let word =
                words.get(slot(self.read.wrapping_add(1 + n))).map_or(0, |w| w.load(Ordering::Relaxed));
            into.extend_from_slice(&word.to_le_bytes());
        }
        into.truncate(length);
        self.read = self.read.wrapping_add(1 + count as u64);
        Ok(true)
    }

    /// Gives back the room of all events that were copied so far.
    pub fn release(&mut self) {
        if let Some(word) = self.mapping.words().get(READ) {
            word.store(self.read, Ordering::Release);
        }
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.mapping.words().get(WRITTEN).is_none_or(|w| w.load(Ordering::SeqCst) == self.read)
    }

    /// How many events the producer could not place so far.
    pub fn lost(&self) -> u64 {
        self.mapping.words().get(LOST).map_or(0, |w| w.load(Ordering::Relaxed))
    }

    /// Sleeps until there is something, somebody rings the eventfd, or `timeout` is over.
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        sleep(&self.mapping, &self.wake, timeout, || self.is_empty())
    }

    fn available(&self) -> Result<u64, Corrupt> {
        let written = self.mapping.words().get(WRITTEN).map_or(0, |w| w.load(Ordering::Acquire));
        let available = written.wrapping_sub(self.read);
        if available > CAPACITY as u64 {
            return Err(Corrupt("the event ring's position is impossible"));
        }
        Ok(available)
    }
}

fn slot(position: u64) -> usize {
    BODY + usize::try_from(position & MASK).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (EventProducer, EventConsumer) {
        let files = create().unwrap();
        let consumer = EventConsumer::open(files.try_clone().unwrap()).unwrap();
        (EventProducer::open(files).unwrap(), consumer)
    }

    fn text(n: usize) -> Vec<u8> {
        (0..n % 3000).map(|i| u8::try_from((i + n) % 251).unwrap()).collect()
    }

    #[test]
    fn events_of_all_lengths_survive_wraps() {
        let (mut producer, mut consumer) = pair();
        let mut buffer = Vec::new();
        for n in 0..8000 {
            producer.push(&text(n)).unwrap();
            assert!(consumer.copy_next(&mut buffer).unwrap());
            assert_eq!(buffer, text(n), "event {n}");
            if n % 7 == 0 {
                consumer.release();
            }
        }
        assert!(!consumer.copy_next(&mut buffer).unwrap());
    }

    #[test]
    fn a_full_ring_refuses_and_counts() {
        let (mut producer, consumer) = pair();
        let event = vec![7; MAX_EVENT_BYTES];
        let mut placed = 0;
        while producer.push(&event).is_ok() {
            placed += 1;
        }
        assert_eq!(placed, CAPACITY_BYTES / (MAX_EVENT_BYTES + 8));
        producer.count_lost();
        assert_eq!(consumer.lost(), 1);
        assert_eq!(producer.push(&vec![0; MAX_EVENT_BYTES + 1]), Err(PushError::TooLong));
    }

    #[test]
    fn an_event_is_seen_again_until_it_is_released() {
        let files = create().unwrap();
        let mut producer = EventProducer::open(files.try_clone().unwrap()).unwrap();
        producer.push(b"first").unwrap();
        let first = producer.position();
        producer.push(b"second").unwrap();
        let mut buffer = Vec::new();
        let mut fallen = EventConsumer::open(files.try_clone().unwrap()).unwrap();
        assert!(fallen.copy_next(&mut buffer).unwrap() && fallen.copy_next(&mut buffer).unwrap());
        let mut successor = EventConsumer::open(files.try_clone().unwrap()).unwrap();
        assert!(successor.copy_next(&mut buffer).unwrap());
        assert_eq!(buffer, b"first");
        assert!(!producer.is_released(first));
        successor.release();
        assert!(producer.is_released(first) && !producer.is_released(producer.position()));
        let mut third = EventConsumer::open(files).unwrap();
        assert!(third.copy_next(&mut buffer).unwrap());
        assert_eq!(buffer, b"second");
        assert!(third.is_empty());
    }

    #[test]
    fn hostile_lengths_and_positions_are_corrupt() {
        let (_producer, mut consumer) = pair();
        let mut buffer = Vec::new();
        for (written, length) in
            [(2, u64::MAX), (2, MAX_EVENT_BYTES as u64 + 1), (2, 9), (1, 1), (u64::MAX, 1)]
        {
            consumer.mapping.words()[WRITTEN].store(written, Ordering::SeqCst);
            consumer.mapping.words()[BODY].store(length, Ordering::SeqCst);
            assert!(consumer.copy_next(&mut buffer).is_err(), "written {written}, length {length}");
        }
    }
}
