//! The IP packets in an IP packet: fragments are put together, tunnels are opened.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use sakimori_packet::fragment::Fragmented;
use sakimori_packet::{Anomaly, Defragmenter, Packet, Transport, decode};

use crate::link::{bare, inner_ethernet, number, ppp};

/// Packets within packets: real ones have two or three layers.
const DEPTH: usize = 16;

/// Server ports of what is carried in UDP.
const TEREDO: u16 = 3544;
const VXLAN: u16 = 4789;
const GENEVE: u16 = 6081;

/// One packet, as it is shown.
pub(crate) struct Layer<'a> {
    pub(crate) bytes: Cow<'a, [u8]>,
    /// What was odd about its fragments, by the names in rules.
    pub(crate) oddities: Vec<&'static str>,
    /// Where it was seen, as events say it.
    pub(crate) seen_on: &'static str,
    /// The packet that it came in: both ends, and its protocol.
    pub(crate) around: Option<(IpAddr, IpAddr, u8)>,
    /// In how many others it came.
    pub(crate) depth: usize,
}

/// Fragments that wait for others.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    defragmenter: Defragmenter,
    /// The last packet that was thrown away because its fragments overlap.
    refused: Option<(IpAddr, IpAddr, u32)>,
}

/// All packets in a packet, the outermost first. A fragment stands for itself; the packet that it makes whole follows.
pub(crate) fn layers<'a>(now: Duration, fragments: &mut Fragments, bytes: &'a [u8]) -> Vec<Layer<'a>> {
    let mut layers = Vec::new();
    let Fragments { defragmenter, refused } = fragments;
    let mut next = Some((Cow::Borrowed(bytes), "wire/pcap"));
    let mut around = None;
    while let Some((bytes, seen_on)) = next.take() {
        let packet = decode(&bytes);
        let mut oddities = Vec::new();
        let within: Option<(Vec<u8>, &'static str)> = match defragmenter.process(now, &packet) {
            Fragmented::Not => opened(&packet).map(|inner| (inner.to_vec(), tunnel(&packet))),
            Fragmented::Held => None,
            Fragmented::Whole(whole) => Some((whole, "defrag")),
            Fragmented::Refused(why) => {
                let v4 = packet.source.is_ipv4();
                // told once of a packet, not of each of its fragments
                let key =
                    (packet.source, packet.destination, packet.fragment.map_or(0, |fragment| fragment.id));
                if why.contains(Anomaly::FragmentOverlap) && *refused != Some(key) {
                    oddities.push(if v4 { "ipv4.frag_overlap" } else { "ipv6.frag_overlap" });
                    *refused = Some(key);
                }
                None
            }
        };
        let outer = (packet.source, packet.destination, packet.protocol);
        let outside = around.replace(outer);
        layers.push(Layer { bytes, oddities, seen_on, around: outside, depth: layers.len() });
        next = within.filter(|_| layers.len() < DEPTH).map(|(bytes, seen_on)| (Cow::Owned(bytes), seen_on));
    }
    layers
}

/// What events call the tunnel that a packet is.
const fn tunnel(packet: &Packet<'_>) -> &'static str {
    match (packet.transport, packet.source) {
        (Transport::Udp(udp), _) if udp.destination_port == VXLAN => "vxlan encapsulation",
        (Transport::Udp(udp), _) if udp.destination_port == GENEVE => "geneve encapsulation",
        (Transport::Udp(_), _) => "teredo tunnel",
        _ if packet.protocol == 47 => "gre tunnel",
        (_, IpAddr::V4(_)) => "ipv4 tunnel",
        (_, IpAddr::V6(_)) => "ipv6 tunnel",
    }
}

/// What a tunnel carries.
///
/// # Source
/// RFC 2003, RFC 4213, RFC 2784 and 2890 (GRE), RFC 4380 (Teredo), RFC 7348 (VXLAN), RFC 8926 (Geneve).
fn opened<'a>(packet: &Packet<'a>) -> Option<&'a [u8]> {
    match packet.transport {
        Transport::Other(bytes) => match packet.protocol {
            4 => bare(bytes).filter(|inner| inner.first().is_some_and(|first| first >> 4 == 4)),
            41 => bare(bytes).filter(|inner| inner.first().is_some_and(|first| first >> 4 == 6)),
            47 => gre(bytes),
            _ => None,
        },
        Transport::Udp(udp) => {
            let port = |port| udp.destination_port == port || udp.source_port == port;
            if port(TEREDO) {
                teredo(udp.payload)
            } else if udp.destination_port == VXLAN && udp.payload.first().is_some_and(|flags| flags & 8 != 0)
            {
                inner_ethernet(udp.payload.get(8..)?)
            } else if udp.destination_port == GENEVE {
                let [first, _, high, low, ..] = *udp.payload else { return None };
                let inner = udp.payload.get(8 + usize::from(first & 0x3f) * 4..)?;
                carried(u16::from_be_bytes([high, low]), inner)
            } else {
                None
            }
        }
        _ => None,
    }
}

fn gre(bytes: &[u8]) -> Option<&[u8]> {
    let (flags, kind) = (number(bytes, 0)?, number(bytes, 2)?);
    // checksum and offset, key, sequence number; of version 1 (PPTP) an acknowledgement too
    let words = [0x8000, 0x2000, 0x1000, 0x0080].into_iter().filter(|flag| flags & flag != 0).count();
    let inner = bytes.get(4 + words * 4..)?;
    match kind {
        0x880b => ppp(inner),
        // ERSPAN with its header, or without one where there is no sequence number
        0x88be => inner_ethernet(if flags & 0x1000 == 0 { inner } else { inner.get(8..)? }),
        kind => carried(kind, inner),
    }
}

fn carried(kind: u16, inner: &[u8]) -> Option<&[u8]> {
    match kind {
        0x0800 | 0x86DD => bare(inner),
        0x6558 => inner_ethernet(inner),
        _ => None,
    }
}

/// IPv6 behind what a relay may have put in front.
fn teredo(mut bytes: &[u8]) -> Option<&[u8]> {
    if let [0, 1, client, authentication, ..] = *bytes {
        bytes = bytes.get(4 + usize::from(client) + usize::from(authentication) + 9..)?;
    }
    if bytes.starts_with(&[0, 0]) {
        bytes = bytes.get(8..)?;
    }
    let length = number(bytes, 4)?;
    bare(bytes).filter(|inner| {
        inner.first().is_some_and(|first| first >> 4 == 6) && inner.len() >= 40 + usize::from(length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv4(protocol: u8, carried: &[u8]) -> Vec<u8> {
        let length = u16::try_from(20 + carried.len()).unwrap().to_be_bytes();
        [&[0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, protocol, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2], carried]
            .concat()
    }

    #[test]
    fn tunnels_are_opened_and_end() {
        let inner = ipv4(1, &[8, 0, 0, 0, 0, 0, 0, 0]);
        let gre = ipv4(47, &[&[0, 0, 8, 0], inner.as_slice()].concat());
        let both = ipv4(4, &gre);
        let shown = |bytes: &[u8]| layers(Duration::ZERO, &mut Fragments::default(), bytes).len();
        assert_eq!((shown(&inner), shown(&gre), shown(&both)), (1, 2, 3));
        let mut many = inner;
        for _ in 0..100 {
            many = ipv4(4, &many);
        }
        assert_eq!(shown(&many), DEPTH);
    }
}
