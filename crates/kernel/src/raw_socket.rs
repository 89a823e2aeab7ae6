//! Sending whole IP packets: resets and answer pages in the name of either side.

use std::io;
use std::net::{SocketAddrV4, SocketAddrV6};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto};
use sakimori_kernel_sys::socket;

use crate::nftables::MARK_INJECTED;

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
    Send(#[source] io::Error),
}

impl RawSender {
    /// Creates both sockets, non-blocking, in the calling thread's network namespace.
    pub fn open() -> io::Result<Self> {
        let v4 = raw(AddressFamily::INET)?;
        socket::set_ipv4_header_included(&v4)?;
        let v6 = raw(AddressFamily::INET6)?;
        socket::set_ipv6_header_included(&v6)?;
        Ok(Self { v4, v6 })
    }

    /// Takes over descriptors of another process's sender.
    pub fn from_fds(v4: OwnedFd, v6: OwnedFd) -> Self {
        Self { v4, v6 }
    }

    /// The descriptors (IPv4, IPv6), to be passed on.
    pub fn into_fds(self) -> (OwnedFd, OwnedFd) {
        (self.v4, self.v6)
    }

    /// Sends one whole packet from its IP header on; checksums are the caller's, except the IPv4 header's,
    /// which the kernel fills in as it does the total length.
    ///
    /// # Bounds
    /// The packet must fit the outgoing interface's MTU: the kernel does not fragment it.
    pub fn send(&self, packet: &[u8]) -> Result<(), SendError> {
        let version = packet.first().map(|byte| byte >> 4);
        let result = match version {
            Some(4) => {
                let to =
                    packet.get(16..20).and_then(|a| <[u8; 4]>::try_from(a).ok()).ok_or(SendError::NotIp)?;
                sendto(&self.v4, packet, SendFlags::DONTWAIT, &SocketAddrV4::new(to.into(), 0))
            }
            Some(6) => {
                let to =
                    packet.get(24..40).and_then(|a| <[u8; 16]>::try_from(a).ok()).ok_or(SendError::NotIp)?;
                sendto(&self.v6, packet, SendFlags::DONTWAIT, &SocketAddrV6::new(to.into(), 0, 0, 0))
            }
            _ => return Err(SendError::NotIp),
        };
        result.map(|_sent_whole| ()).map_err(|errno| SendError::Send(errno.into()))
    }
}

/// A raw socket that sends marked packets. The protocol RAW means that it receives nothing.
fn raw(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(family, SocketType::RAW, flags, Some(rustix::net::ipproto::RAW))?;
    socket::set_mark(&fd, MARK_INJECTED)?;
    Ok(fd)
}
