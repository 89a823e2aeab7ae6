//! The answering side of a queue: needs `CAP_NET_ADMIN`, parses nothing.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{NFQNL_MSG_VERDICT, NFQNL_MSG_VERDICT_BATCH};
use crate::netlink::{self, Writer};

const NFQA_VERDICT_HDR: u16 = 2;
const NFQA_MARK: u16 = 3;
const NFQA_PAYLOAD: u16 = 10;

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

/// Bytes that one send carries at most, so that it fits a send buffer of the default size (208 KiB) with
/// the kernel's own overhead. About 2,000 answers; a longer single message goes alone.
const FLUSH_AT: usize = 64 << 10;

/// The sending end of a queue socket. Has its own buffer; many answers go in one system call.
#[derive(Debug)]
pub struct VerdictWriter {
    fd: OwnedFd,
    queue: u16,
    buffer: Writer,
}

impl VerdictWriter {
    /// Takes over a duplicate of the socket that bound `queue`.
    pub fn from_fd(fd: OwnedFd, queue: u16) -> Self {
        Self { fd, queue, buffer: Writer::default() }
    }

    /// Answers one packet at once.
    pub fn verdict(&mut self, message: VerdictMessage<'_>) -> io::Result<()> {
        self.verdicts(std::slice::from_ref(&message))
    }

    /// Answers many packets with as few system calls as possible (normally one).
    ///
    /// The kernel does not wait for, or acknowledge, anything: an answer that it refuses (an id that waits no
    /// more, a missing capability) comes as [`super::QueueMessage::Refused`] to the reader of the same socket.
    pub fn verdicts(&mut self, messages: &[VerdictMessage<'_>]) -> io::Result<()> {
        self.buffer.clear();
        for message in messages {
            let writer = &mut self.buffer;
            writer.begin(NFQNL_MSG_VERDICT, netlink::REQUEST, 0, 0, self.queue);
            write_header(writer, message.id, message.verdict);
            if let Some(mark) = message.mark {
                writer.be32(NFQA_MARK, mark);
            }
            if let Some(payload) = message.payload {
                writer.bytes(NFQA_PAYLOAD, payload);
            }
            writer.end();
            if self.buffer.as_bytes().len() >= FLUSH_AT {
                netlink::send(&self.fd, self.buffer.as_bytes())?;
                self.buffer.clear();
            }
        }
        if self.buffer.as_bytes().is_empty() {
            Ok(())
        } else {
            netlink::send(&self.fd, self.buffer.as_bytes())
        }
    }

    /// Answers everything outstanding up to and including `max_id` alike, in one system call.
    pub fn verdict_batch(&mut self, max_id: u32, verdict: Verdict, mark: Option<u32>) -> io::Result<()> {
        self.buffer.clear();
        let writer = &mut self.buffer;
        writer.begin(NFQNL_MSG_VERDICT_BATCH, netlink::REQUEST, 0, 0, self.queue);
        write_header(writer, max_id, verdict);
        if let Some(mark) = mark {
            writer.be32(NFQA_MARK, mark);
        }
        writer.end();
        netlink::send(&self.fd, self.buffer.as_bytes())
    }
}

/// `struct nfqnl_msg_verdict_hdr`.
fn write_header(writer: &mut Writer, id: u32, verdict: Verdict) {
    let code: u32 = match verdict {
        Verdict::Drop => 0,
        Verdict::Accept => 1,
        Verdict::Repeat => 4,
    };
    let [c0, c1, c2, c3] = code.to_be_bytes();
    let [i0, i1, i2, i3] = id.to_be_bytes();
    writer.bytes(NFQA_VERDICT_HDR, &[c0, c1, c2, c3, i0, i1, i2, i3]);
}

impl AsFd for VerdictWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
