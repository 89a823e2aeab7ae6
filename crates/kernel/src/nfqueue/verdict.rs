//! The answering side of a queue: needs `CAP_NET_ADMIN`, parses nothing.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Goes on behind the chain that queued it.
    Accept,
    /// Vanishes. A mark given with it is lost: to block a *flow*, answer `Accept` with the Blocked mark set,
    /// the table's later chain saves the mark and drops the packet.
    Drop,
    /// Passes the hook again from its start; the mark must keep it from being queued for ever.
    Repeat,
}

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictMessage<'a> {
    /// The packet's number.
    pub id: u32,
    /// What happens to it.
    pub verdict: Verdict,
    /// The packet's new mark (the whole value: `packet.mark | ours`); `None` leaves it.
    pub mark: Option<u32>,
    /// Replaces the packet from its IP header on; checksums are the caller's.
    pub payload: Option<&'a [u8]>,
}

/// The sending end of a queue socket. Has its own buffer, one system call per flush.
#[derive(Debug)]
pub struct VerdictWriter {
    fd: OwnedFd,
    queue: u16,
}

impl VerdictWriter {
    /// Takes over a duplicate of the socket that bound `queue`.
    pub fn from_fd(fd: OwnedFd, queue: u16) -> Self {
        Self { fd, queue }
    }

    /// Answers one packet at once.
    pub fn verdict(&mut self, message: VerdictMessage<'_>) -> std::io::Result<()> {
        let _ = (&self.fd, self.queue, message);
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Answers many packets with as few system calls as possible (normally one). An id that no longer
    /// waits is skipped by the kernel.
    pub fn verdicts(&mut self, messages: &[VerdictMessage<'_>]) -> std::io::Result<()> {
        let _ = (&self.fd, self.queue, messages);
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Answers everything outstanding up to and including `max_id` alike.
    pub fn verdict_batch(&mut self, max_id: u32, verdict: Verdict, mark: Option<u32>) -> std::io::Result<()> {
        let _ = (&self.fd, self.queue, max_id, verdict, mark);
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

impl AsFd for VerdictWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
