//! Single-producer, single-consumer rings in memory that two processes share.
//!
//! The producer is a sandboxed worker that reads hostile bytes and may have been taken over; the consumer is
//! privileged. So the consumer trusts nothing in the memory: it keeps its own position, checks every index and
//! length against the ring's size, copies before it looks, and reports [`Corrupt`] instead of guessing. The
//! file behind the memory is sealed against growing and shrinking, so that nobody can turn access into `SIGBUS`.
//!
//! Two kinds: [`verdicts`] with entries of fixed size, [`events`] with byte strings. [`counters`] is a page of
//! plain numbers. A sleeping consumer is woken through an eventfd, and only when it sleeps.

pub mod counters;
pub mod events;
pub mod verdicts;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, ftruncate, memfd_create};
use sakimori_kernel_sys::ring::SharedMapping;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The memory holds what no honest producer writes: end the producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ring's producer wrote nonsense: {0}")]
pub struct Corrupt(pub &'static str);

/// Both words of a ring's head that the producer writes and the consumer reads sit in cache lines of their own.
pub(crate) const WRITTEN: usize = 0;
/// How far the consumer has read, for the producer's free-space check.
pub(crate) const READ: usize = 8;
/// 1 while the consumer sleeps and wants to be woken.
pub(crate) const SLEEPS: usize = 16;
/// Entries that the producer could not place.
pub(crate) const LOST: usize = 24;
/// Where the entries begin.
pub(crate) const BODY: usize = 32;

/// A file in memory of a fixed size, and the eventfd that wakes its consumer: what a worker inherits.
#[derive(Debug)]
pub struct RingFiles {
    /// The memory.
    pub memory: OwnedFd,
    /// The wake-up.
    pub wake: OwnedFd,
}

impl RingFiles {
    pub(crate) fn create(name: &str, words: usize) -> io::Result<Self> {
        Ok(Self {
            memory: memory_file(name, words)?,
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// Duplicates of both.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { memory: self.memory.try_clone()?, wake: self.wake.try_clone()? })
    }
}

/// Makes the file behind a shared mapping: zeroed, close-on-exec, sealed in its size.
pub(crate) fn memory_file(name: &str, words: usize) -> io::Result<OwnedFd> {
    let file = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, u64::try_from(words).map_err(io::Error::other)? * 8)?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

/// Maps a file of ours, after checking that nobody can change its size under the mapping.
pub(crate) fn map(file: &OwnedFd, words: usize) -> io::Result<SharedMapping> {
    let sealed = fcntl_get_seals(file)?.contains(SealFlags::SHRINK | SealFlags::SEAL);
    let length = rustix::fs::fstat(file)?.st_size;
    if !sealed || usize::try_from(length).ok() != words.checked_mul(8) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a sealed ring of the expected size"));
    }
    SharedMapping::map(file, words)
}

/// Rings an eventfd. A full counter means that the wake-up is pending anyway.
pub fn wake(fd: BorrowedFd<'_>) {
    let _pending_anyway = rustix::io::write(fd, &1u64.to_ne_bytes());
}

/// Waits for an eventfd to be rung, `timeout` at most (`None`: for ever), and clears it. False at the timeout.
pub fn wait(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> bool {
    let timeout = timeout.and_then(|t| rustix::time::Timespec::try_from(t).ok());
    let mut polled = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    // EINTR and the like end the wait early: every caller looks at its ring again.
    if !matches!(poll(&mut polled, timeout.as_ref()), Ok(n) if n > 0) {
        return false;
    }
    let mut value = [0; 8];
    let _cleared = rustix::io::read(fd, &mut value);
    true
}

/// The consumer's half of sleeping: announce, look again, wait, take the announcement back.
///
/// `empty` looks whether there is still nothing. The producer publishes before it looks at the announcement
/// and the consumer announces before it looks again (both sequentially consistent), so no wake-up is lost.
pub(crate) fn sleep(
    mapping: &SharedMapping,
    wake: &OwnedFd,
    timeout: Option<Duration>,
    empty: impl FnOnce() -> bool,
) -> bool {
    let Some(sleeps) = mapping.words().get(SLEEPS) else { return false };
    sleeps.store(1, Ordering::SeqCst);
    let woken = if empty() { wait(wake.as_fd(), timeout) } else { true };
    sleeps.store(0, Ordering::SeqCst);
    woken
}

/// The producer's half: wakes the consumer if it sleeps.
pub(crate) fn wake_if_asleep(mapping: &SharedMapping, wake_fd: &OwnedFd) {
    std::sync::atomic::fence(Ordering::SeqCst);
    if mapping.words().get(SLEEPS).is_some_and(|s| s.load(Ordering::SeqCst) != 0) {
        wake(wake_fd.as_fd());
    }
}
