//! Netlink messages: writing with correct alignment, reading without trust, one kind of socket.
//!
//! Writing cannot fail: lengths that do not fit are a bug of the caller, and the builder then writes the
//! largest length that fits, which the kernel refuses. Reading takes any bytes.
//!
//! # Source
//! `Documentation/userspace-api/netlink/intro.rst`, `include/uapi/linux/netlink.h`

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

/// Length of `struct nlmsghdr`.
pub(crate) const HEADER: usize = 16;
/// Length of `struct nfgenmsg`.
pub(crate) const NETFILTER_HEADER: usize = 4;
/// An error or an acknowledgement.
pub(crate) const NLMSG_ERROR: u16 = 2;
/// The end of a dump.
pub(crate) const NLMSG_DONE: u16 = 3;
/// The message is a request.
pub(crate) const REQUEST: u16 = 0x1;
/// The kernel shall acknowledge.
pub(crate) const ACK: u16 = 0x4;
/// All of them.
pub(crate) const DUMP: u16 = 0x300;
/// Create what is missing.
pub(crate) const CREATE: u16 = 0x400;
/// At the end, not at the beginning.
pub(crate) const APPEND: u16 = 0x800;
/// An attribute that contains attributes.
const NESTED: u16 = 0x8000;

/// A netlink socket of the netfilter family, bound, close-on-exec.
pub(crate) fn socket() -> io::Result<OwnedFd> {
    bound(Some(rustix::net::netlink::NETFILTER))
}

/// A netlink socket for interfaces and addresses, bound, close-on-exec.
pub(crate) fn route_socket() -> io::Result<OwnedFd> {
    bound(None)
}

/// `None` is `NETLINK_ROUTE`, number 0.
fn bound(protocol: Option<rustix::net::Protocol>) -> io::Result<OwnedFd> {
    let fd =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    rustix::net::bind(&fd, &SocketAddrNetlink::new(0, 0))?;
    Ok(fd)
}

/// Sends whole messages to the kernel; it has handled them when this returns.
pub(crate) fn send(fd: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    loop {
        match rustix::net::sendto(fd, bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)) {
            Ok(_sent_whole) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Receives one datagram without waiting; `None` when nothing waits.
pub(crate) fn receive<'a>(fd: &OwnedFd, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
    let length = loop {
        match rustix::net::recv(fd, &mut *buffer, rustix::net::RecvFlags::DONTWAIT) {
            Ok((_, length)) => break length,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
    };
    Ok(buffer.get(..length))
}

// === writing ===

/// Appends messages to a buffer.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    message: usize,
}

impl Writer {
    /// Starts a netfilter message and returns to nothing else until [`Self::end`].
    pub(crate) fn begin(&mut self, kind: u16, flags: u16, sequence: u32, family: u8, resource: u16) {
        self.message = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&[family, 0]);
        self.bytes.extend_from_slice(&resource.to_be_bytes());
    }

    /// Fills in the message's length.
    pub(crate) fn end(&mut self) {
        let length = u32::try_from(self.bytes.len() - self.message).unwrap_or(u32::MAX);
        self.patch(self.message, &length.to_ne_bytes());
    }

    /// An attribute of bytes.
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.align();
    }

    /// A string with its terminating zero.
    pub(crate) fn string(&mut self, kind: u16, value: &str) {
        let mut terminated = Vec::with_capacity(value.len() + 1);
        terminated.extend_from_slice(value.as_bytes());
        terminated.push(0);
        self.bytes(kind, &terminated);
    }

    /// A number in network order.
    pub(crate) fn be16(&mut self, kind: u16, value: u16) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// A number in network order.
    pub(crate) fn be32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// A number in network order.
    pub(crate) fn be64(&mut self, kind: u16, value: u64) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// An attribute that contains what `inner` writes.
    pub(crate) fn nested(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        inner(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.patch(start, &length.to_ne_bytes());
    }

    /// What was written so far.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets everything, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.message = 0;
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn patch(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }
}

// === reading ===

/// One message of a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) sequence: u32,
    /// What follows the netlink header.
    pub(crate) body: &'a [u8],
}

impl Message<'_> {
    /// The errno of an error message: 0 acknowledges. `None` when it is no error message.
    pub(crate) fn errno(&self) -> Option<i32> {
        if self.kind != NLMSG_ERROR {
            return None;
        }
        self.body.first_chunk::<4>().map(|code| i32::from_ne_bytes(*code).wrapping_neg())
    }
}

/// The messages of a datagram; ends at the first malformed one.
pub(crate) fn messages(mut rest: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let header = rest.first_chunk::<HEADER>()?;
        let [l0, l1, l2, l3, k0, k1, _, _, s0, s1, s2, s3, ..] = *header;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let body = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message {
            kind: u16::from_ne_bytes([k0, k1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            body,
        })
    })
}

/// Kind (without flags) and value of each attribute; ends at the first malformed one.
pub(crate) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let [l0, l1, k0, k1] = *rest.first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([k0, k1]) & 0x3FFF, value))
    })
}

/// A number in network order; `None` when the value has another length.
pub(crate) fn be32(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// A number in network order; `None` when the value has another length.
pub(crate) fn be64(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut writer = Writer::default();
        writer.begin(0x0A06, REQUEST | ACK, 7, 1, 0);
        writer.string(1, "abc");
        writer.nested(2, |inner| inner.be32(1, 0xDEAD_BEEF));
        writer.end();
        writer.begin(0x0A07, REQUEST, 8, 1, 0);
        writer.end();
        let read: Vec<_> = messages(writer.as_bytes()).collect();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].kind, read[0].sequence), (0x0A06, 7));
        let inside: Vec<_> = attributes(&read[0].body[NETFILTER_HEADER..]).collect();
        assert_eq!(inside[0], (1, &b"abc\0"[..]));
        assert_eq!(inside[1].0, 2);
        assert_eq!(attributes(inside[1].1).next().and_then(|(_, v)| be32(v)), Some(0xDEAD_BEEF));
        assert_eq!((read[1].kind, read[1].body.len()), (0x0A07, NETFILTER_HEADER));
    }

    #[test]
    fn malformed_lengths_end_the_reading() {
        for bytes in
            [&[][..], &[0; 15], &[0; 16], &[255; 64], &[3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
        {
            assert_eq!(messages(bytes).count(), 0);
        }
        for bytes in [&[][..], &[0; 4], &[3, 0, 1, 0], &[5, 0, 1, 0], &[255; 8]] {
            assert_eq!(attributes(bytes).count(), 0);
        }
    }
}
