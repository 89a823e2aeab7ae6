//! The IP packets in an IP packet: fragments are put together, tunnels are opened.

use std::borrow::Cow;
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
    /// In how many others it came.
    pub(crate) depth: usize,
}

/// All packets in a packet, the outermost first. A fragment stands for itself; the packet that it makes whole follows.
pub(crate) fn layers<'a>(now: Duration, defragmenter: &mut Defragmenter, bytes: &'a [u8]) -> Vec<Layer<'a>> {
    let mut layers = Vec::new();
    let mut next = Some(Cow::Borrowed(bytes));
    while let Some(bytes) = next.take() {
        let packet = decode(&bytes);
        let mut oddities = Vec::new();
        let within: Option<Vec<u8>> = match defragmenter.process(now, &packet) {
            Fragmented::Not => opened(&packet).map(<[u8]>::to_vec),
            Fragmented::Held => None,
            Fragmented::Whole(whole) => Some(whole),
            Fragmented::Refused(why) => {
                let v4 = packet.source.is_ipv4();
                if why.contains(Anomaly::FragmentOverlap) {
                    oddities.push(if v4 { "ipv4.frag_overlap" } else { "ipv6.frag_overlap" });
                }
                None
            }
        };
        layers.push(Layer { bytes, oddities, depth: layers.len() });
        next = within.filter(|_| layers.len() < DEPTH).map(Cow::Owned);
    }
    layers
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
        let shown = |bytes: &[u8]| layers(Duration::ZERO, &mut Defragmenter::default(), bytes).len();
        assert_eq!((shown(&inner), shown(&gre), shown(&both)), (1, 2, 3));
        let mut many = inner;
        for _ in 0..100 {
            many = ipv4(4, &many);
        }
        assert_eq!(shown(&many), DEPTH);
    }
}
