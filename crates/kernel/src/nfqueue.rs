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

pub use packet::{Hook, QueueMessage, QueuedPacket, parse};
pub use reader::{Batch, QueueReader, ReadCounters};
pub use statistics::{QueueStatistics, StatisticsError, read_statistics};
pub use verdict::{Verdict, VerdictMessage, VerdictWriter};

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
        let fd = crate::netlink::socket(rustix::net::netlink::NETFILTER).map_err(OpenError::Socket)?;
        Ok(Self { fd, options })
    }

    /// How it was bound.
    pub const fn options(&self) -> QueueOptions {
        self.options
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
