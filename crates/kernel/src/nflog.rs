//! NFLOG: copies of packets' beginnings that rules ask for, with a label of the rule's.
//!
//! The privileged supervisor binds the group with [`SampleSocket::open`] and hands the descriptor to the sandboxed
//! worker, which makes a [`SampleReader`] of it: what is read was written by attackers. Samples that find no room are
//! lost, and nobody waits: true numbers come from the rules' counters.
//!
//! # Source
//! `net/netfilter/nfnetlink_log.c`, `include/uapi/linux/netfilter/nfnetlink_log.h`

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sakimori_kernel_sys::socket::{Received, receive_many};

use crate::netlink::{self, NETFILTER_HEADER, Writer};

const SUBSYSTEM: u16 = 4 << 8;
const NFULNL_MSG_PACKET: u16 = SUBSYSTEM;
const NFULNL_MSG_CONFIG: u16 = SUBSYSTEM | 1;
const NFULA_CFG_CMD: u16 = 1;
const NFULA_CFG_MODE: u16 = 2;
const NFULNL_CFG_CMD_BIND: u8 = 1;
const NFULNL_COPY_PACKET: u8 = 2;
const NFULA_PACKET_HDR: u16 = 1;
const NFULA_IFINDEX_INDEV: u16 = 4;
const NFULA_IFINDEX_OUTDEV: u16 = 5;
const NFULA_PAYLOAD: u16 = 9;
const NFULA_PREFIX: u16 = 10;
const NFULA_HWHEADER: u16 = 16;
/// Bytes of a packet that are copied at most; a rule may ask for fewer.
const COPY_RANGE: u32 = 256;
/// A datagram is at most a page here, and is sent after each packet.
const SLOT: usize = 8 << 10;
const SLOTS: usize = 8;

/// A bound group. Lives until its last duplicate is closed.
#[derive(Debug)]
pub struct SampleSocket {
    fd: OwnedFd,
    group: u16,
}

/// One packet's beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample<'a> {
    /// What the rule calls itself.
    pub label: &'a [u8],
    /// The interface it came in by; 0 when there is none.
    pub in_ifindex: u32,
    /// The interface it leaves by; 0 when there is none.
    pub out_ifindex: u32,
    /// The packet from its IP header on, as far as it was copied; of a frame that leaves by an interface, from its link
    /// header on.
    pub packet: &'a [u8],
    /// The `EtherType`, 0 where it is not known.
    pub ether_type: u16,
    /// The link header of what came in.
    pub link: &'a [u8],
}

/// The receiving end.
#[derive(Debug)]
pub struct SampleReader {
    fd: OwnedFd,
    buffer: Vec<u8>,
    received: [Received; SLOTS],
}

// === impl SampleSocket ===

impl SampleSocket {
    /// Binds the group in the calling thread's network namespace. Needs `CAP_NET_ADMIN`; `EBUSY` when somebody else
    /// has it.
    pub fn open(group: u16) -> io::Result<Self> {
        let socket = Self { fd: netlink::socket()?, group };
        sakimori_kernel_sys::netlink::set_no_enobufs(&socket.fd)?;
        socket.request(|w| w.bytes(NFULA_CFG_CMD, &[NFULNL_CFG_CMD_BIND]))?;
        let [r0, r1, r2, r3] = COPY_RANGE.to_be_bytes();
        socket.request(|w| w.bytes(NFULA_CFG_MODE, &[r0, r1, r2, r3, NFULNL_COPY_PACKET, 0]))?;
        Ok(socket)
    }

    fn request(&self, attributes: impl FnOnce(&mut Writer)) -> io::Result<()> {
        let mut writer = Writer::default();
        writer.begin(NFULNL_MSG_CONFIG, netlink::REQUEST | netlink::ACK, 1, 0, self.group);
        attributes(&mut writer);
        writer.end();
        netlink::send(&self.fd, writer.as_bytes())?;
        let mut buffer = vec![0; SLOT];
        while let Some(datagram) = netlink::receive(&self.fd, &mut buffer)? {
            match netlink::messages(datagram).find_map(|message| message.errno()) {
                Some(0) => return Ok(()),
                Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
                // A sample that was faster than the answer.
                None => {}
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    /// The group's number, the one in the table's plan.
    pub const fn group(&self) -> u16 {
        self.group
    }

    /// Takes over a bound group's descriptor, perhaps in another program.
    pub const fn adopt(fd: OwnedFd, group: u16) -> Self {
        Self { fd, group }
    }

    /// Gives the descriptor away.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for SampleSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

// === impl SampleReader ===

impl SampleReader {
    /// Takes over a descriptor of a [`SampleSocket`].
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd, buffer: vec![0; SLOT * SLOTS], received: [Received::default(); SLOTS] }
    }

    /// Reads what is there without waiting, a bounded number at a time, and shows each sample. System call: `recvmmsg`.
    pub fn read(&mut self, mut each: impl FnMut(Sample<'_>)) -> io::Result<usize> {
        let count = match receive_many(&self.fd, &mut self.buffer, SLOT, &mut self.received) {
            Ok(count) => count,
            Err(error) => match rustix::io::Errno::from_io_error(&error) {
                Some(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR | rustix::io::Errno::NOBUFS) => 0,
                _ => return Err(error),
            },
        };
        for (slot, received) in self.buffer.chunks_exact(SLOT).zip(&self.received).take(count) {
            // Only the kernel speaks for the group: a privileged process could send to our port as well.
            if received.port_id == 0 {
                parse(slot.get(..received.len).unwrap_or_default()).for_each(&mut each);
            }
        }
        Ok(count)
    }
}

/// The samples of one datagram. Any bytes are allowed.
pub fn parse(datagram: &[u8]) -> impl Iterator<Item = Sample<'_>> {
    netlink::messages(datagram).filter(|message| message.kind == NFULNL_MSG_PACKET).filter_map(|message| {
        let mut sample = Sample::default();
        for (kind, value) in netlink::attributes(message.body.get(NETFILTER_HEADER..)?) {
            match kind {
                NFULA_IFINDEX_INDEV => sample.in_ifindex = netlink::be32(value)?,
                NFULA_IFINDEX_OUTDEV => sample.out_ifindex = netlink::be32(value)?,
                NFULA_PACKET_HDR => {
                    sample.ether_type = value.first_chunk().map_or(0, |number| u16::from_be_bytes(*number));
                }
                NFULA_HWHEADER => sample.link = value,
                NFULA_PAYLOAD => sample.packet = value,
                NFULA_PREFIX => sample.label = value.strip_suffix(&[0]).unwrap_or(value),
                _ => {}
            }
        }
        Some(sample)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Vec<u8> {
        let mut writer = Writer::default();
        writer.begin(NFULNL_MSG_PACKET, 0, 0, 2, 9);
        writer.bytes(1, &[8, 0, 1, 0]);
        writer.string(NFULA_PREFIX, "fw_rule!");
        writer.be32(NFULA_IFINDEX_INDEV, 3);
        writer.bytes(NFULA_PAYLOAD, b"packet");
        writer.end();
        writer.as_bytes().to_vec()
    }

    #[test]
    fn all_fields_are_read() {
        let bytes = whole();
        let samples: Vec<_> = parse(&bytes).collect();
        assert_eq!(
            samples,
            [Sample {
                label: b"fw_rule!",
                in_ifindex: 3,
                packet: b"packet",
                ether_type: 0x0800,
                ..Sample::default()
            }]
        );
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_survived() {
        let bytes = whole();
        for cut in 0..bytes.len() {
            assert!(parse(&bytes[..cut]).count() <= 1);
        }
        for at in 0..bytes.len() {
            for value in 0..=u8::MAX {
                let mut changed = bytes.clone();
                changed[at] = value;
                assert!(parse(&changed).count() <= 1);
            }
        }
    }
}
