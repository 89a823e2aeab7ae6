//! Options of netlink sockets.

use std::io;
use std::os::fd::AsFd;

use crate::socket::set_option;

/// Sets `NETLINK_NO_ENOBUFS`: an overflow neither ends in an error at the next read nor makes the kernel
/// refuse all further messages until the buffer is empty.
pub fn set_no_enobufs(fd: impl AsFd) -> io::Result<()> {
    set_option(fd, libc::SOL_NETLINK, libc::NETLINK_NO_ENOBUFS, 1)
}

/// Sets `NETLINK_CAP_ACK`: an error message carries the header of the refused request, not all of it.
pub fn set_short_acknowledgements(fd: impl AsFd) -> io::Result<()> {
    set_option(fd, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1)
}

/// Sets `SO_SNDBUFFORCE`: room for one long datagram, not bounded by the system's limit. Needs `CAP_NET_ADMIN`.
pub fn set_send_buffer_force(fd: impl AsFd, bytes: i32) -> io::Result<()> {
    set_option(fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, bytes)
}
