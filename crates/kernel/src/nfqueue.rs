//! NFQUEUE: the kernel hands packets over, user space answers with verdicts.
//!
//! One netlink socket is shared by two holders. The privileged supervisor opens it with
//! [`QueueSocket::open`], keeps a duplicate for a [`VerdictWriter`] and passes the descriptor to the
//! sandboxed worker, which makes a [`QueueReader`] of it. Receiving needs no capability; the kernel
//! checks `CAP_NET_ADMIN` on every verdict, and that a verdict comes from the socket that bound the
//! queue: any duplicate of the descriptor, in whatever process, is that socket.
//!
//! # Source
//! `net/netfilter/nfnetlink_queue.c`, `include/uapi/linux/netfilter/nfnetlink_queue.h`

pub mod packet;
pub mod reader;
pub mod statistics;
pub mod verdict;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::netlink::{self, Writer};

pub use packet::{Hook, QueueMessage, QueuedPacket, parse};
pub use reader::{Batch, QueueReader, ReadCounters};
pub use statistics::{QueueStatistics, StatisticsError, read_statistics};
pub use verdict::{Verdict, VerdictMessage, VerdictWriter};

const NFNL_SUBSYS_QUEUE: u16 = 3 << 8;
const NFQNL_MSG_PACKET: u16 = NFNL_SUBSYS_QUEUE;
const NFQNL_MSG_VERDICT: u16 = NFNL_SUBSYS_QUEUE | 1;
const NFQNL_MSG_CONFIG: u16 = NFNL_SUBSYS_QUEUE | 2;
const NFQNL_MSG_VERDICT_BATCH: u16 = NFNL_SUBSYS_QUEUE | 3;
const NFQA_CFG_CMD: u16 = 1;
const NFQA_CFG_PARAMS: u16 = 2;
const NFQA_CFG_QUEUE_MAXLEN: u16 = 3;
const NFQA_CFG_MASK: u16 = 4;
const NFQA_CFG_FLAGS: u16 = 5;
const NFQNL_CFG_CMD_BIND: u8 = 1;
const NFQNL_COPY_PACKET: u8 = 2;
const NFQA_CFG_F_FAIL_OPEN: u32 = 1;
const NFQA_CFG_F_GSO: u32 = 4;
const NFQA_CFG_F_UID_GID: u32 = 8;

/// How a queue is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// The queue's number, the one in the table's plan.
    pub queue: u16,
    /// Take segmentation-offload packets whole (up to 64 KiB) instead of cut to the MTU.
    pub gso: bool,
    /// When the queue or the socket's buffer is full, packets pass instead of being dropped.
    pub fail_open: bool,
    /// Packets the kernel keeps waiting for a verdict at most.
    pub max_len: u32,
    /// Bytes of each packet that are copied to user space; 65,535 means all.
    pub copy_range: u32,
    /// The socket's receive buffer, bytes. The kernel books about twice the payload.
    pub receive_buffer_bytes: usize,
}

impl QueueOptions {
    /// What inspection needs: whole packets, segmentation offload, a buffer that holds a burst.
    ///
    /// The system's default buffer of 208 KiB loses up to 90 % of a bulk transfer.
    pub const fn new(queue: u16) -> Self {
        Self {
            queue,
            gso: true,
            fail_open: true,
            max_len: 8192,
            copy_range: 0xFFFF,
            receive_buffer_bytes: 16 << 20,
        }
    }
}

/// Why a queue could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The kernel has no nfnetlink, or creating the socket is forbidden.
    #[error("cannot create a netfilter netlink socket")]
    Socket(#[source] std::io::Error),
    /// The receive buffer could not be enlarged.
    #[error("cannot set the receive buffer of the queue socket to {bytes} bytes")]
    Buffer {
        /// What was asked for.
        bytes: usize,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// The kernel refused one of the configuration messages.
    #[error("cannot {step} of queue {queue}")]
    Configure {
        /// The queue's number.
        queue: u16,
        /// What was being set.
        step: &'static str,
        /// `EBUSY` or `EPERM`: another program listens on this number, or `CAP_NET_ADMIN` is missing.
        #[source]
        source: std::io::Error,
    },
}

/// A bound queue: the descriptor that reader and verdict writer share.
///
/// The queue lives until the last duplicate is closed; everything unanswered is dropped then.
#[derive(Debug)]
pub struct QueueSocket {
    fd: OwnedFd,
    options: QueueOptions,
}

impl QueueSocket {
    /// Binds the queue in the calling thread's network namespace. Needs `CAP_NET_ADMIN`.
    pub fn open(options: QueueOptions) -> Result<Self, OpenError> {
        let fd = netlink::socket().map_err(OpenError::Socket)?;
        let bytes = options.receive_buffer_bytes;
        // The forced variant is not bounded by net.core.rmem_max (208 KiB by default).
        rustix::net::sockopt::set_socket_recv_buffer_size_force(&fd, bytes)
            .map_err(|errno| OpenError::Buffer { bytes, source: errno.into() })?;
        // Without it one overflow makes the kernel refuse every message until the buffer is empty, that is, a
        // burst turns into a hole. Losses are seen by the counter before the queue, not by this error. Older
        // than any kernel we run on (2.6.30), so a refusal is an error like any other.
        sakimori_kernel_sys::netlink::set_no_enobufs(&fd)
            .map_err(|source| configure(options.queue, "keep the overflow error away", source))?;
        let socket = Self { fd, options };
        // The command names no address family since Linux 3.8: one bind covers IPv4 and IPv6.
        socket.request("bind the listener", |w| w.bytes(NFQA_CFG_CMD, &[NFQNL_CFG_CMD_BIND, 0, 0, 0]))?;
        let [r0, r1, r2, r3] = options.copy_range.to_be_bytes();
        socket.request("set the copy range", |w| {
            w.bytes(NFQA_CFG_PARAMS, &[r0, r1, r2, r3, NFQNL_COPY_PACKET]);
        })?;
        socket.request("set the length", |w| w.be32(NFQA_CFG_QUEUE_MAXLEN, options.max_len))?;
        let flags = if options.gso { NFQA_CFG_F_GSO } else { 0 }
            | if options.fail_open { NFQA_CFG_F_FAIL_OPEN } else { 0 };
        socket.request("set the flags", |w| {
            w.be32(NFQA_CFG_FLAGS, flags);
            w.be32(NFQA_CFG_MASK, NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_UID_GID);
        })?;
        Ok(socket)
    }

    /// One configuration message and its acknowledgement. Packets may arrive in between once the queue is
    /// bound: they are answered with the failure response, since nobody will see them.
    fn request(&self, step: &'static str, attributes: impl FnOnce(&mut Writer)) -> Result<(), OpenError> {
        let queue = self.options.queue;
        let mut writer = Writer::default();
        writer.begin(NFQNL_MSG_CONFIG, netlink::REQUEST | netlink::ACK, 1, 0, queue);
        attributes(&mut writer);
        writer.end();
        netlink::send(&self.fd, writer.as_bytes()).map_err(|source| configure(queue, step, source))?;
        let mut buffer = vec![0; reader::SLOT];
        loop {
            let datagram = netlink::receive(&self.fd, &mut buffer)
                .map_err(|source| configure(queue, step, source))?
                .ok_or_else(|| configure(queue, step, std::io::ErrorKind::UnexpectedEof.into()))?;
            match parse(datagram) {
                QueueMessage::Refused { errno: 0, .. } => return Ok(()),
                QueueMessage::Refused { errno, .. } => {
                    return Err(configure(queue, step, std::io::Error::from_raw_os_error(errno)));
                }
                QueueMessage::Packet(packet) => {
                    let verdict = if self.options.fail_open { Verdict::Accept } else { Verdict::Drop };
                    let message = VerdictMessage { id: packet.id, verdict, mark: None, payload: None };
                    let mut writer =
                        self.verdict_writer().map_err(|source| configure(queue, step, source))?;
                    writer.verdict(message).map_err(|source| configure(queue, step, source))?;
                }
                QueueMessage::Unknown => {}
            }
        }
    }

    /// How it was bound.
    pub const fn options(&self) -> QueueOptions {
        self.options
    }

    /// Takes over a bound queue's descriptor, perhaps in another program.
    pub const fn adopt(fd: OwnedFd, options: QueueOptions) -> Self {
        Self { fd, options }
    }

    /// Says anew what happens when the queue or the socket's buffer is full.
    ///
    /// Unlike [`Self::open`] this does not wait for the kernel's answer: a reader of the same socket may be at
    /// work, and would take it. The kernel refuses this only where it refused it in [`Self::open`].
    pub fn set_fail_open(&mut self, fail_open: bool) -> std::io::Result<()> {
        let mut writer = Writer::default();
        writer.begin(NFQNL_MSG_CONFIG, netlink::REQUEST, 1, 0, self.options.queue);
        writer.be32(NFQA_CFG_FLAGS, if fail_open { NFQA_CFG_F_FAIL_OPEN } else { 0 });
        writer.be32(NFQA_CFG_MASK, NFQA_CFG_F_FAIL_OPEN);
        writer.end();
        netlink::send(&self.fd, writer.as_bytes())?;
        self.options.fail_open = fail_open;
        Ok(())
    }

    /// A duplicate of the descriptor, to be passed to the worker or kept for verdicts.
    pub fn duplicate(&self) -> std::io::Result<OwnedFd> {
        self.fd.try_clone()
    }

    /// A reader over a duplicate.
    pub fn reader(&self) -> std::io::Result<QueueReader> {
        Ok(QueueReader::from_fd(self.duplicate()?))
    }

    /// A verdict writer over a duplicate.
    pub fn verdict_writer(&self) -> std::io::Result<VerdictWriter> {
        Ok(VerdictWriter::from_fd(self.duplicate()?, self.options.queue))
    }
}

impl AsFd for QueueSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn configure(queue: u16, step: &'static str, source: std::io::Error) -> OpenError {
    OpenError::Configure { queue, step, source }
}
