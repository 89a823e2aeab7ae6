//! The receiving side of a queue: several packets a system call, no capability needed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sakimori_kernel_sys::socket::{MAX_BATCH, Received, receive_many};

use super::packet::{QueueMessage, parse};

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

/// Room for one datagram: the longest payload attribute (65,535 bytes) and everything beside it, which is
/// under 300 bytes.
pub(super) const SLOT: usize = 66 << 10;

/// Room for the packets of one read, allocated once.
///
/// # Bounds
/// `slots` × 66 KiB of address space; memory only as far as packets have ever filled it.
#[derive(Debug)]
pub struct Batch {
    buffer: Vec<u8>,
    received: Vec<Received>,
    count: usize,
}

impl Batch {
    /// Room for `slots` packets; fewer than 1 and more than 64 are brought into that range.
    pub fn new(slots: usize) -> Self {
        let slots = slots.clamp(1, MAX_BATCH);
        Self { buffer: vec![0; slots * SLOT], received: vec![Received::default(); slots], count: 0 }
    }

    /// The messages of the last read, in the kernel's order.
    pub fn messages(&self) -> impl Iterator<Item = QueueMessage<'_>> {
        let filled = self.buffer.chunks_exact(SLOT).zip(&self.received).take(self.count);
        // Only the kernel speaks for the queue: a privileged process could send to our port as well.
        filled
            .filter(|(_, received)| received.port_id == 0)
            .map(|(slot, received)| slot.get(..received.len).map_or(QueueMessage::Unknown, parse))
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
    /// never an error. System calls: `recvmmsg`, and `ppoll` when nothing waits.
    pub fn read(&mut self, batch: &mut Batch, timeout_ms: Option<u32>) -> io::Result<usize> {
        batch.count = 0;
        if self.read_waiting(batch)? > 0 {
            return Ok(batch.count);
        }
        let timeout = timeout_ms
            .map(|ms| Timespec { tv_sec: i64::from(ms / 1000), tv_nsec: i64::from(ms % 1000) * 1_000_000 });
        match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], timeout.as_ref()) {
            Ok(0) | Err(Errno::INTR) => Ok(0),
            Ok(_ready) => self.read_waiting(batch),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Reads what is there without waiting; 0 when nothing is.
    fn read_waiting(&mut self, batch: &mut Batch) -> io::Result<usize> {
        match receive_many(&self.fd, &mut batch.buffer, SLOT, &mut batch.received) {
            Ok(count) => {
                batch.count = count;
                for received in batch.received.iter().take(count) {
                    self.counters.datagrams += 1;
                    self.counters.truncated += u64::from(received.truncated);
                    self.counters.foreign += u64::from(received.port_id != 0);
                }
                Ok(count)
            }
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::AGAIN | Errno::INTR) => Ok(0),
                Some(Errno::NOBUFS) => {
                    self.counters.overflows += 1;
                    Ok(0)
                }
                _ => Err(error),
            },
        }
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
