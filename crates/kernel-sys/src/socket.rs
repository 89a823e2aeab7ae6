//! Socket calls that rustix does not offer: `recvmmsg` and the options for raw packets and marks.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use libc::{c_int, c_void};

/// The most datagrams that one [`receive_many`] takes: bounds the header arrays on the stack to about 6 KiB.
pub const MAX_BATCH: usize = 64;

/// What one datagram was like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Bytes in its slot.
    pub len: usize,
    /// It was longer than its slot; the rest is lost.
    pub truncated: bool,
    /// The sender's netlink port: 0 is the kernel.
    pub port_id: u32,
}

/// Receives netlink datagrams without waiting, one per slot of `slot_size` bytes in `buffer`, and describes
/// them in `received`; returns how many (at least 1).
///
/// # Bounds
/// As many as `buffer` has whole slots, `received` has elements, and [`MAX_BATCH`].
///
/// # Errors
/// As `recvmmsg(2)`: `EAGAIN` when nothing waits, `ENOBUFS` when the kernel had to throw something away,
/// `EINVAL` when there is no slot.
pub fn receive_many(
    fd: impl AsFd,
    buffer: &mut [u8],
    slot_size: usize,
    received: &mut [Received],
) -> io::Result<usize> {
    if slot_size == 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let wanted = (buffer.len() / slot_size).min(received.len()).min(MAX_BATCH);
    if wanted == 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut vectors = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; MAX_BATCH];
    // SAFETY: `sockaddr_nl` is plain integers, for which all-zero bytes are a value.
    // JUSTIFICATION: its padding field is private, so no literal can be written.
    let mut addresses: [libc::sockaddr_nl; MAX_BATCH] = unsafe { std::mem::zeroed() };
    // SAFETY: `mmsghdr` is plain integers and raw pointers, for which all-zero bytes are a value.
    // JUSTIFICATION: the C structure has private padding on some targets, so no literal can be written.
    let mut headers: [libc::mmsghdr; MAX_BATCH] = unsafe { std::mem::zeroed() };
    let parts = buffer.chunks_exact_mut(slot_size).zip(&mut vectors).zip(&mut addresses);
    for (((slot, vector), address), header) in parts.zip(&mut headers).take(wanted) {
        vector.iov_base = slot.as_mut_ptr().cast::<c_void>();
        vector.iov_len = slot.len();
        header.msg_hdr.msg_iov = vector;
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_name = std::ptr::from_mut(address).cast::<c_void>();
        header.msg_hdr.msg_namelen = u32::try_from(size_of::<libc::sockaddr_nl>()).unwrap_or(0);
    }
    // SAFETY: the first `wanted` (≤ MAX_BATCH) headers each point to one I/O vector over a distinct, live,
    // writable slot of `buffer` and to a live address of the length they state; all outlive the call. The time
    // limit may be null.
    // JUSTIFICATION: several packets a system call; rustix and std have no `recvmmsg`.
    let count = unsafe {
        libc::recvmmsg(
            fd.as_fd().as_raw_fd(),
            headers.as_mut_ptr(),
            u32::try_from(wanted).unwrap_or(0),
            libc::MSG_DONTWAIT,
            std::ptr::null_mut(),
        )
    };
    let count = usize::try_from(count).map_err(|_negative| io::Error::last_os_error())?;
    for ((header, address), out) in headers.iter().zip(&addresses).zip(received.iter_mut()).take(count) {
        *out = Received {
            len: usize::try_from(header.msg_len).unwrap_or(0).min(slot_size),
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            port_id: address.nl_pid,
        };
    }
    Ok(count)
}

/// Sets `SO_MARK`: every packet the socket sends carries `mark`. Needs `CAP_NET_ADMIN` (or `CAP_NET_RAW`).
pub fn set_mark(fd: impl AsFd, mark: u32) -> io::Result<()> {
    set_option(fd, libc::SOL_SOCKET, libc::SO_MARK, c_int::from_ne_bytes(mark.to_ne_bytes()))
}

/// Sets `IP_HDRINCL`: what is sent starts with its own IPv4 header.
pub fn set_ipv4_header_included(fd: impl AsFd) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_IP, libc::IP_HDRINCL, 1)
}

/// Sets `IPV6_HDRINCL`: what is sent starts with its own IPv6 header.
pub fn set_ipv6_header_included(fd: impl AsFd) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_HDRINCL, 1)
}

/// Sets an option whose value is a C `int`.
pub(crate) fn set_option(fd: impl AsFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let length = u32::try_from(size_of::<c_int>()).unwrap_or(0);
    // SAFETY: the pointer is to a live `c_int` and the length is that of a `c_int`; the kernel only reads it.
    // JUSTIFICATION: rustix offers neither these options nor a general `setsockopt`.
    let result = unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(&value).cast::<c_void>(),
            length,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
