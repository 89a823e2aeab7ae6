//! From bytes to [`Packet`]: IPv4 and IPv6 headers, extension headers, fragments, and the transport on top.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::anomaly::{Anomalies, Anomaly};
use crate::checksum;
use crate::tcp::{self, Tcp};

/// IP protocol numbers that have a meaning here.
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
}

/// How many IPv6 extension headers are walked. Real packets have at most two or three; a stack must take more
/// (RFC 8200 §4.1 lists seven), an attacker hides the transport behind hundreds.
const MAX_EXTENSION_HEADERS: usize = 12;

/// Whether and how checksums are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// Not at all: the kernel has not computed them yet, or has checked them.
    #[default]
    Ignore,
    /// A wrong one is an anomaly.
    Verify,
    /// A wrong one is an anomaly, but a transport checksum that holds just the pseudo-header's sum is taken as
    /// "left to the card": so do packets look that come from this machine, from a veth or out of receive offload.
    VerifyUnlessOffloaded,
}

/// A decoded IP packet, borrowing the bytes.
///
/// What is not an IP packet has unspecified addresses, [`Transport::Undecodable`] and an anomaly that says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The packet from its first header byte on, cut to the IP total length.
    pub bytes: &'a [u8],
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// The transport protocol's number, after all extension headers.
    pub protocol: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class.
    pub traffic_class: u8,
    /// Set when the packet is a fragment of a larger one.
    pub fragment: Option<Fragment>,
    /// What the packet carries.
    pub transport: Transport<'a>,
    /// What is odd about it.
    pub anomalies: Anomalies,
}

impl<'a> Packet<'a> {
    /// The TCP segment, if it is one.
    pub fn tcp(&self) -> Option<&Tcp<'a>> {
        match &self.transport {
            Transport::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    /// Source and destination port of TCP, UDP and SCTP.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self.transport {
            Transport::Tcp(tcp) => Some((tcp.source_port, tcp.destination_port)),
            Transport::Udp(udp) => Some((udp.source_port, udp.destination_port)),
            Transport::Other([a, b, c, d, ..]) if self.protocol == protocol::SCTP => {
                Some((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])))
            }
            _ => None,
        }
    }

    /// The bytes that the transport carries.
    pub fn payload(&self) -> &'a [u8] {
        match self.transport {
            Transport::Tcp(tcp) => tcp.payload,
            Transport::Udp(udp) => udp.payload,
            Transport::Icmp(icmp) => icmp.payload,
            Transport::Fragment(bytes) | Transport::Other(bytes) | Transport::Undecodable(bytes) => bytes,
        }
    }
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Offset in bytes into the original packet's payload.
    pub offset: u32,
    /// More fragments follow.
    pub more: bool,
    /// Identification; 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
    /// The protocol of what is fragmented.
    pub protocol: u8,
}

/// The transport layer of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport<'a> {
    /// A TCP segment.
    Tcp(Tcp<'a>),
    /// A UDP datagram.
    Udp(Udp<'a>),
    /// An ICMP or `ICMPv6` message.
    Icmp(Icmp<'a>),
    /// The payload of a fragment (of the first one too): give it to a [`Defragmenter`](crate::Defragmenter).
    Fragment(&'a [u8]),
    /// Another protocol.
    Other(&'a [u8]),
    /// Headers that do not decode; the anomalies say why.
    Undecodable(&'a [u8]),
}

/// A UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Udp<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Payload, cut to the UDP length.
    pub payload: &'a [u8],
}

/// An ICMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp<'a> {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// What follows the four bytes of type, code and checksum.
    pub payload: &'a [u8],
}

/// Decodes a raw IP packet without looking at checksums.
///
/// # Bounds
/// No allocation; time is linear in the headers, which are bounded.
pub fn decode(bytes: &[u8]) -> Packet<'_> {
    decode_with(bytes, Checksums::Ignore)
}

/// Decodes a raw IP packet.
///
/// # Bounds
/// No allocation; with checksums, time is linear in the packet.
pub fn decode_with(bytes: &[u8], checksums: Checksums) -> Packet<'_> {
    let mut packet = Packet {
        bytes,
        source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        destination: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        protocol: 0,
        ttl: 0,
        traffic_class: 0,
        fragment: None,
        transport: Transport::Undecodable(bytes),
        anomalies: Anomalies::NONE,
    };
    let upper = match bytes.first().map(|b| b >> 4) {
        Some(4) => ipv4(&mut packet, checksums),
        Some(6) => ipv6(&mut packet),
        _ => {
            packet.anomalies.insert(Anomaly::NotIp);
            None
        }
    };
    if let Some(upper) = upper {
        transport(&mut packet, upper, checksums);
    }
    packet
}

/// Fills in the IPv4 header and gives the bytes after it.
fn ipv4<'a>(packet: &mut Packet<'a>, checksums: Checksums) -> Option<&'a [u8]> {
    let bytes = packet.bytes;
    let Some((header, _)) = bytes.split_first_chunk::<20>() else {
        packet.anomalies.insert(Anomaly::Truncated);
        return None;
    };
    packet.traffic_class = header[1];
    packet.ttl = header[8];
    packet.protocol = header[9];
    packet.source = IpAddr::V4(Ipv4Addr::new(header[12], header[13], header[14], header[15]));
    packet.destination = IpAddr::V4(Ipv4Addr::new(header[16], header[17], header[18], header[19]));

    let header_length = usize::from(header[0] & 0x0f) * 4;
    if header_length < 20 || header_length > bytes.len() {
        packet.anomalies.insert(Anomaly::BadHeaderLength);
        return None;
    }
    if header_length > 20 {
        packet.anomalies.insert(Anomaly::Ipv4Options);
    }
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    // A receive-offload packet of more than 64 KiB ("BIG TCP") has 0 here; nothing shorter may.
    let total = if total == 0 && bytes.len() > usize::from(u16::MAX) { bytes.len() } else { total };
    if total < header_length {
        packet.anomalies.insert(Anomaly::BadTotalLength);
        return None;
    }
    packet.bytes = cut(bytes, total, &mut packet.anomalies);
    let (ip_header, upper) = packet.bytes.split_at_checked(header_length)?;
    if checksums != Checksums::Ignore && checksum::ipv4_header(ip_header) != 0 {
        packet.anomalies.insert(Anomaly::BadChecksum);
    }

    let flags = u16::from_be_bytes([header[6], header[7]]);
    if flags & 0x8000 != 0 {
        packet.anomalies.insert(Anomaly::ReservedBit);
    }
    let fragment = Fragment {
        offset: u32::from(flags & 0x1fff) * 8,
        more: flags & 0x2000 != 0,
        id: u32::from(u16::from_be_bytes([header[4], header[5]])),
        protocol: packet.protocol,
    };
    if fragment.more || fragment.offset > 0 {
        packet.fragment = Some(fragment);
    }
    Some(upper)
}

/// Fills in the IPv6 header, walks the extension headers and gives the bytes after them.
fn ipv6<'a>(packet: &mut Packet<'a>) -> Option<&'a [u8]> {
    let bytes = packet.bytes;
    let Some((header, after)) = bytes.split_first_chunk::<40>() else {
        packet.anomalies.insert(Anomaly::Truncated);
        return None;
    };
    packet.traffic_class = (header[0] << 4) | (header[1] >> 4);
    packet.ttl = header[7];
    let mut octets = [0u8; 16];
    octets.copy_from_slice(after_chunk(header, 8));
    packet.source = IpAddr::V6(Ipv6Addr::from(octets));
    octets.copy_from_slice(after_chunk(header, 24));
    packet.destination = IpAddr::V6(Ipv6Addr::from(octets));

    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    // 0 with bytes behind it is a jumbogram (RFC 2675) or a receive-offload packet of more than 64 KiB.
    let length = if length == 0 && after.len() > usize::from(u16::MAX) { after.len() } else { length };
    packet.bytes = cut(bytes, 40 + length, &mut packet.anomalies);
    let mut rest = packet.bytes.get(40..).unwrap_or_default();
    packet.protocol = header[6];

    for _ in 0..MAX_EXTENSION_HEADERS {
        let (next, skip) = match (packet.protocol, rest) {
            // hop-by-hop, routing, destination options, mobility, HIP, shim6
            (0 | 43 | 60 | 135 | 139 | 140, [next, length, ..]) => (*next, (usize::from(*length) + 1) * 8),
            // authentication header
            (51, [next, length, ..]) => (*next, (usize::from(*length) + 2) * 4),
            (44, [next, _, high, low, id @ ..]) if let Some((id, payload)) = id.split_first_chunk::<4>() => {
                let word = u16::from_be_bytes([*high, *low]);
                packet.protocol = *next;
                let fragment = Fragment {
                    offset: u32::from(word & 0xfff8),
                    more: word & 1 != 0,
                    id: u32::from_be_bytes(*id),
                    protocol: *next,
                };
                if fragment.more || fragment.offset > 0 {
                    packet.fragment = Some(fragment);
                    return Some(payload);
                }
                packet.anomalies.insert(Anomaly::AtomicFragment);
                rest = payload;
                continue;
            }
            (0 | 43 | 44 | 51 | 60 | 135 | 139 | 140, _) => {
                packet.anomalies.insert(Anomaly::Truncated);
                packet.transport = Transport::Undecodable(rest);
                return None;
            }
            _ => return Some(rest),
        };
        let Some(after) = rest.get(skip..) else {
            packet.anomalies.insert(Anomaly::BadHeaderLength);
            packet.transport = Transport::Undecodable(rest);
            return None;
        };
        packet.protocol = next;
        rest = after;
    }
    packet.anomalies.insert(Anomaly::TooManyExtensionHeaders);
    packet.transport = Transport::Undecodable(rest);
    None
}

/// The 16 bytes of an IPv6 header from `offset` on (8 or 24).
fn after_chunk(header: &[u8; 40], offset: usize) -> &[u8] {
    header.get(offset..offset + 16).unwrap_or(&[0; 16])
}

/// The first `total` bytes; says so when there are more or fewer.
fn cut<'a>(bytes: &'a [u8], total: usize, anomalies: &mut Anomalies) -> &'a [u8] {
    if let Some((inside, after)) = bytes.split_at_checked(total) {
        if !after.is_empty() {
            anomalies.insert(Anomaly::TrailingBytes);
        }
        inside
    } else {
        anomalies.insert(Anomaly::Truncated);
        bytes
    }
}

fn transport<'a>(packet: &mut Packet<'a>, upper: &'a [u8], checksums: Checksums) {
    let land = packet.source == packet.destination && !packet.source.is_loopback();
    if let Some(fragment) = packet.fragment {
        if land {
            packet.anomalies.insert(Anomaly::Land);
        }
        if fragment.more && !upper.len().is_multiple_of(8) {
            packet.anomalies.insert(Anomaly::FragmentUneven);
        }
        if fragment.offset as usize + upper.len() > 65_535 {
            packet.anomalies.insert(Anomaly::FragmentTooLong);
        }
        packet.transport = Transport::Fragment(upper);
        return;
    }
    let whole = !packet.anomalies.contains(Anomaly::Truncated);
    let verify = checksums != Checksums::Ignore && whole;
    packet.transport = match packet.protocol {
        protocol::TCP => {
            if verify && !right_checksum(packet, upper, upper.get(16..18), checksums) {
                packet.anomalies.insert(Anomaly::BadChecksum);
            }
            tcp::decode(upper, &mut packet.anomalies).map_or(Transport::Undecodable(upper), Transport::Tcp)
        }
        protocol::UDP => udp(packet, upper, verify, checksums),
        protocol::ICMP | protocol::ICMPV6 => {
            if let [kind, code, _, _, payload @ ..] = upper {
                Transport::Icmp(Icmp { kind: *kind, code: *code, payload })
            } else {
                packet.anomalies.insert(Anomaly::Truncated);
                Transport::Undecodable(upper)
            }
        }
        _ => Transport::Other(upper),
    };
    let same_port = match packet.transport {
        Transport::Tcp(tcp) => tcp.source_port == tcp.destination_port,
        Transport::Udp(udp) => udp.source_port == udp.destination_port,
        _ => true,
    };
    if land && same_port {
        packet.anomalies.insert(Anomaly::Land);
    }
}

fn udp<'a>(packet: &mut Packet<'a>, upper: &'a [u8], verify: bool, checksums: Checksums) -> Transport<'a> {
    let Some((header, after)) = upper.split_first_chunk::<8>() else {
        packet.anomalies.insert(Anomaly::Truncated);
        return Transport::Undecodable(upper);
    };
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let payload = length.checked_sub(8).and_then(|length| after.get(..length)).unwrap_or_else(|| {
        // Segmentation offload leaves 0 here; anything else below 8 is wrong.
        match length {
            0 => {}
            1..8 => packet.anomalies.insert(Anomaly::BadTotalLength),
            _ => packet.anomalies.insert(Anomaly::Truncated),
        }
        after
    });
    // A zero checksum means "none" in IPv4.
    let absent = header[6] == 0 && header[7] == 0 && packet.source.is_ipv4();
    let datagram = upper.get(..8 + payload.len()).unwrap_or(upper);
    if verify && !absent && !right_checksum(packet, datagram, datagram.get(6..8), checksums) {
        packet.anomalies.insert(Anomaly::BadChecksum);
    }
    let [a, b, c, d, ..] = *header;
    Transport::Udp(Udp {
        source_port: u16::from_be_bytes([a, b]),
        destination_port: u16::from_be_bytes([c, d]),
        payload,
    })
}

fn right_checksum(packet: &Packet<'_>, segment: &[u8], field: Option<&[u8]>, checksums: Checksums) -> bool {
    if checksum::transport(packet.source, packet.destination, packet.protocol, segment) == 0 {
        return true;
    }
    let Some(&[a, b]) = field else { return true }; // too short: the decoder has its own word for that
    checksums == Checksums::VerifyUnlessOffloaded
        && checksum::pseudo_header(packet.source, packet.destination, packet.protocol, segment.len())
            .partial()
            == u16::from_be_bytes([a, b])
}
