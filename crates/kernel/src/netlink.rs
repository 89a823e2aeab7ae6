//! Netlink messages: writing with correct alignment, reading without trust, one socket type.

use std::io;
use std::os::fd::OwnedFd;

/// A bound netlink socket of the protocol, close-on-exec.
pub(crate) fn socket(protocol: rustix::net::Protocol) -> io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, netlink::SocketAddrNetlink};
    let fd = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(protocol),
    )?;
    rustix::net::bind(&fd, &SocketAddrNetlink::new(0, 0))?;
    Ok(fd)
}
