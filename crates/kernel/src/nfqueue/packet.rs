//! What the kernel says about one queued packet, read from bytes without trusting them.

use super::NFQNL_MSG_PACKET;
use crate::netlink::{self, NETFILTER_HEADER};

const NFQA_PACKET_HDR: u16 = 1;
const NFQA_MARK: u16 = 3;
const NFQA_IFINDEX_INDEV: u16 = 5;
const NFQA_IFINDEX_OUTDEV: u16 = 6;
const NFQA_PAYLOAD: u16 = 10;
const NFQA_CAP_LEN: u16 = 13;
const NFQA_SKB_INFO: u16 = 14;
const NFQA_SKB_CSUMNOTREADY: u32 = 1;
const NFQA_SKB_GSO: u32 = 2;
const NFQA_SKB_CSUM_NOTVERIFIED: u32 = 4;

/// Where in the stack a packet was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hook {
    /// Before routing.
    Prerouting,
    /// For this host.
    Input,
    /// Through this host, containers included.
    Forward,
    /// From this host.
    Output,
    /// After routing.
    Postrouting,
    /// A number this build does not know.
    Other(u8),
}

/// One packet that waits for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedPacket<'a> {
    /// The number that the verdict must name; ascending within a queue, wraps at 2³².
    pub id: u32,
    /// The queue's number.
    pub queue: u16,
    /// Where it was queued.
    pub hook: Hook,
    /// The Ethernet protocol: 0x0800 or 0x86DD.
    pub hw_protocol: u16,
    /// The packet's mark. A verdict's mark replaces it whole: give `mark | ours`.
    pub mark: u32,
    /// Interface it came in by; 0 when there is none.
    pub in_ifindex: u32,
    /// Interface it leaves by; 0 when there is none.
    pub out_ifindex: u32,
    /// The packet from its IP header on.
    pub payload: &'a [u8],
    /// Length of the whole packet; larger than `payload` when the copy range cut it.
    pub original_len: u32,
    /// Checksums are not filled in yet (offload): do not judge them.
    pub checksum_not_ready: bool,
    /// Checksums were not verified by the network card.
    pub checksum_not_verified: bool,
    /// A segmentation-offload packet: several segments as one, longer than the MTU.
    pub gso: bool,
}

/// One message read from the queue socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueMessage<'a> {
    /// A packet that waits.
    Packet(QueuedPacket<'a>),
    /// The kernel refused an earlier verdict or request: a positive errno (2 ENOENT: no such id any more).
    Refused {
        /// The request's sequence number.
        sequence: u32,
        /// A positive errno.
        errno: i32,
    },
    /// Not something a queue sends, or malformed.
    Unknown,
}

/// Reads one datagram of the queue socket. Any bytes are allowed.
///
/// # Shape
/// `nlmsghdr`, `nfgenmsg` (resource: the queue), attributes; a datagram holds one message.
pub fn parse(datagram: &[u8]) -> QueueMessage<'_> {
    let Some(message) = netlink::messages(datagram).next() else { return QueueMessage::Unknown };
    if let Some(errno) = message.errno() {
        return QueueMessage::Refused { sequence: message.sequence, errno };
    }
    if message.kind != NFQNL_MSG_PACKET {
        return QueueMessage::Unknown;
    }
    parse_packet(message.body).map_or(QueueMessage::Unknown, QueueMessage::Packet)
}

fn parse_packet(body: &[u8]) -> Option<QueuedPacket<'_>> {
    let ([_family, _version, q0, q1], attributes) = body.split_first_chunk::<NETFILTER_HEADER>()?;
    let mut packet = QueuedPacket {
        id: 0,
        queue: u16::from_be_bytes([*q0, *q1]),
        hook: Hook::Other(u8::MAX),
        hw_protocol: 0,
        mark: 0,
        in_ifindex: 0,
        out_ifindex: 0,
        payload: &[],
        original_len: 0,
        checksum_not_ready: false,
        checksum_not_verified: false,
        gso: false,
    };
    let mut has_header = false;
    let mut original_len = None;
    for (kind, value) in netlink::attributes(attributes) {
        match kind {
            NFQA_PACKET_HDR => {
                let [i0, i1, i2, i3, p0, p1, hook] = *value.first_chunk::<7>()?;
                packet.id = u32::from_be_bytes([i0, i1, i2, i3]);
                packet.hw_protocol = u16::from_be_bytes([p0, p1]);
                packet.hook = Hook::from_number(hook);
                has_header = true;
            }
            NFQA_MARK => packet.mark = netlink::be32(value)?,
            NFQA_IFINDEX_INDEV => packet.in_ifindex = netlink::be32(value)?,
            NFQA_IFINDEX_OUTDEV => packet.out_ifindex = netlink::be32(value)?,
            NFQA_PAYLOAD => packet.payload = value,
            NFQA_CAP_LEN => original_len = Some(netlink::be32(value)?),
            NFQA_SKB_INFO => {
                let flags = netlink::be32(value)?;
                packet.checksum_not_ready = flags & NFQA_SKB_CSUMNOTREADY != 0;
                packet.gso = flags & NFQA_SKB_GSO != 0;
                packet.checksum_not_verified = flags & NFQA_SKB_CSUM_NOTVERIFIED != 0;
            }
            _ => {}
        }
    }
    packet.original_len =
        original_len.unwrap_or_else(|| u32::try_from(packet.payload.len()).unwrap_or(u32::MAX));
    // Without a number no verdict can be given: not a packet.
    has_header.then_some(packet)
}

// === impl Hook ===

impl Hook {
    const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Prerouting,
            1 => Self::Input,
            2 => Self::Forward,
            3 => Self::Output,
            4 => Self::Postrouting,
            other => Self::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::Writer;

    fn message(attributes: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.begin(NFQNL_MSG_PACKET, 0, 0, 2, 77);
        attributes(&mut writer);
        writer.end();
        writer.as_bytes().to_vec()
    }

    fn whole() -> Vec<u8> {
        message(|w| {
            w.bytes(NFQA_PACKET_HDR, &[0, 0, 1, 2, 0x86, 0xDD, 1]);
            w.be32(NFQA_MARK, 0x1234);
            w.be32(NFQA_IFINDEX_INDEV, 3);
            w.be32(NFQA_IFINDEX_OUTDEV, 4);
            w.be32(NFQA_SKB_INFO, NFQA_SKB_CSUMNOTREADY | NFQA_SKB_GSO);
            w.be32(NFQA_CAP_LEN, 70_000);
            w.bytes(NFQA_PAYLOAD, b"packet");
        })
    }

    #[test]
    fn all_fields_are_read() {
        let bytes = whole();
        let QueueMessage::Packet(packet) = parse(&bytes) else { panic!("no packet") };
        assert_eq!(
            packet,
            QueuedPacket {
                id: 0x0102,
                queue: 77,
                hook: Hook::Input,
                hw_protocol: 0x86DD,
                mark: 0x1234,
                in_ifindex: 3,
                out_ifindex: 4,
                payload: b"packet",
                original_len: 70_000,
                checksum_not_ready: true,
                checksum_not_verified: false,
                gso: true,
            }
        );
    }

    #[test]
    fn a_packet_without_its_number_is_none() {
        assert_eq!(parse(&message(|w| w.bytes(NFQA_PAYLOAD, b"x"))), QueueMessage::Unknown);
        assert_eq!(parse(&message(|w| w.bytes(NFQA_PACKET_HDR, &[0; 6]))), QueueMessage::Unknown);
    }

    #[test]
    fn errors_carry_their_number() {
        let mut bytes = vec![36, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(&(-2_i32).to_ne_bytes());
        bytes.resize(36, 0);
        assert_eq!(parse(&bytes), QueueMessage::Refused { sequence: 9, errno: 2 });
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_survived() {
        let bytes = whole();
        for cut in 0..bytes.len() {
            parse(&bytes[..cut]);
        }
        for at in 0..bytes.len() {
            for value in 0..=u8::MAX {
                let mut changed = bytes.clone();
                changed[at] = value;
                parse(&changed);
            }
        }
    }
}
