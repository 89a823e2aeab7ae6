//! The receiving side of a queue: several packets a system call, no capability needed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::packet::QueueMessage;

/// Counts of what reading met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadCounters {
    /// Datagrams read.
    pub datagrams: u64,
    /// Times the kernel said that the buffer had overflowed (`ENOBUFS`).
    pub overflows: u64,
    /// Datagrams that were cut because they were longer than a slot of the batch.
    pub truncated: u64,
    /// Datagrams that did not come from the kernel; skipped.
    pub foreign: u64,
}

/// Room for the packets of one read, allocated once.
///
/// # Bounds
/// `slots` × 66 KiB of memory (touched only as far as packets fill it).
#[derive(Debug)]
pub struct Batch {
    slots: usize,
}

impl Batch {
    /// Room for `slots` packets (1..=256).
    pub fn new(slots: usize) -> Self {
        Self { slots }
    }

    /// The messages of the last read, in the kernel's order.
    pub fn messages(&self) -> impl Iterator<Item = QueueMessage<'_>> {
        let _ = self.slots;
        std::iter::empty()
    }
}

/// The receiving end of a queue socket.
#[derive(Debug)]
pub struct QueueReader {
    fd: OwnedFd,
    counters: ReadCounters,
}

impl QueueReader {
    /// Takes over a descriptor that [`super::QueueSocket::duplicate`] gave, perhaps in another process.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd, counters: ReadCounters::default() }
    }

    /// Waits until there is at least one packet or `timeout_ms` is over (`None`: for ever), and reads as
    /// many as fit. Returns the number of datagrams, 0 at the timeout or a signal. An overflow is counted,
    /// never an error. System calls: `poll`, `recvmmsg`.
    pub fn read(&mut self, batch: &mut Batch, timeout_ms: Option<u32>) -> std::io::Result<usize> {
        let _ = (&self.fd, batch, timeout_ms);
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// What reading met so far.
    pub const fn counters(&self) -> ReadCounters {
        self.counters
    }
}

impl AsFd for QueueReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
