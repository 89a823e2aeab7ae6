//! Taking the link layer off.

use crate::Link;

const ETHERNET: Link = Link(1);
const PPP: Link = Link(9);
const NULL: Link = Link(0);
const LOOP: Link = Link(108);
const LINUX_COOKED: Link = Link(113);
const LINUX_COOKED_2: Link = Link(276);
/// Numbers that mean a bare IP packet, some of them on single systems only.
const BARE: [Link; 6] = [Link::RAW, Link(12), Link(14), Link(228), Link(229), Link(10_101)];

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86DD;
/// 802.1Q, 802.1ad, and what was used before it.
const VLAN: [u16; 4] = [0x8100, 0x88A8, 0x9100, 0x9200];
const MPLS: [u16; 2] = [0x8847, 0x8848];
const PPPOE: u16 = 0x8864;
/// Transparent Ethernet bridging, and the same by a Cisco.
const BRIDGED: [u16; 2] = [0x6558, 0x8926];
/// Layers in one frame: real ones have at most three or four.
const DEPTH: usize = 8;

/// A frame without its link layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stripped<'a> {
    /// The IP packet.
    pub packet: &'a [u8],
    /// The VLANs that it was tagged with, the outermost first.
    pub vlans: [Option<u16>; 3],
    /// Addresses of the sender and of the receiver, where the link has such.
    pub macs: Option<([u8; 6], [u8; 6])>,
}

/// The IP packet in a frame; `None` where there is none, or the link layer is not known.
pub fn ip(link: Link, frame: &[u8]) -> Option<&[u8]> {
    Some(strip(link, frame)?.packet)
}

/// Takes the link layer off.
///
/// # Source
/// IEEE 802.3 and 802.1Q, RFC 2516 (`PPPoE`), RFC 3032 (MPLS), <https://www.tcpdump.org/linktypes.html>.
pub fn strip(link: Link, frame: &[u8]) -> Option<Stripped<'_>> {
    let mut vlans = Vlans::default();
    let mut macs = None;
    let packet = match link {
        ETHERNET => {
            macs = addresses(frame);
            ethernet(frame, &mut vlans)
        }
        NULL | LOOP => bare(frame.get(4..)?),
        PPP => ppp(frame),
        LINUX_COOKED => layered(number(frame, 14)?, frame.get(16..)?, &mut vlans),
        LINUX_COOKED_2 => layered(number(frame, 0)?, frame.get(20..)?, &mut vlans),
        link if BARE.contains(&link) => bare(frame),
        _ => None,
    }?;
    Some(Stripped { packet, vlans: vlans.ids, macs })
}

#[derive(Default)]
struct Vlans {
    ids: [Option<u16>; 3],
    count: usize,
}

fn addresses(frame: &[u8]) -> Option<([u8; 6], [u8; 6])> {
    Some((frame.get(6..12)?.try_into().ok()?, frame.get(..6)?.try_into().ok()?))
}

/// The IP packet in an Ethernet frame that came through a tunnel.
pub(crate) fn inner_ethernet(frame: &[u8]) -> Option<&[u8]> {
    ethernet(frame, &mut Vlans::default())
}

fn ethernet<'a>(frame: &'a [u8], vlans: &mut Vlans) -> Option<&'a [u8]> {
    layered(number(frame, 12)?, frame.get(14..)?, vlans)
}

pub(crate) fn ppp(frame: &[u8]) -> Option<&[u8]> {
    // Address and control may be left out.
    let frame = frame.strip_prefix(&[0xFF, 0x03]).unwrap_or(frame);
    match number(frame, 0)? {
        0x0021 | 0x0057 => bare(frame.get(2..)?),
        _ => None,
    }
}

fn layered<'a>(mut kind: u16, mut rest: &'a [u8], vlans: &mut Vlans) -> Option<&'a [u8]> {
    for _ in 0..DEPTH {
        match kind {
            IPV4 | IPV6 => return bare(rest),
            PPPOE => return ppp(rest.get(6..)?),
            kind if BRIDGED.contains(&kind) => return ethernet(rest, vlans),
            tag if VLAN.contains(&tag) => {
                if let Some(id) = vlans.ids.get_mut(vlans.count) {
                    *id = Some(number(rest, 0)? & 0x0fff);
                    vlans.count += 1;
                }
                kind = number(rest, 2)?;
                rest = rest.get(4..)?;
            }
            label if MPLS.contains(&label) => {
                let is_last = rest.get(2)? & 1 == 1;
                rest = rest.get(4..)?;
                if is_last {
                    // What follows is not named: it begins as IP, or as Ethernet behind a control word.
                    return bare(rest).or_else(|| ethernet(rest.get(4..)?, vlans));
                }
            }
            _ => return None,
        }
    }
    None
}

/// An IP packet by its version.
pub(crate) fn bare(packet: &[u8]) -> Option<&[u8]> {
    matches!(packet.first()? >> 4, 4 | 6).then_some(packet)
}

pub(crate) fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_come_off_in_whatever_order_they_lie() {
        const PACKET: &[u8] = &[0x45, 0, 0, 20];
        let frame = |layers: &[u8]| [&[0; 12], layers, PACKET].concat();
        for layers in [
            &[0x08, 0x00][..],
            &[0x81, 0x00, 0, 5, 0x08, 0x00],
            &[0x88, 0xA8, 0, 5, 0x81, 0x00, 0, 6, 0x08, 0x00],
            &[0x88, 0x47, 0, 0, 0x11, 64],
            &[0x88, 0x64, 0x11, 0, 0, 1, 0, 6, 0x00, 0x21],
        ] {
            assert_eq!(ip(ETHERNET, &frame(layers)), Some(PACKET), "{layers:02x?}");
        }
        assert_eq!(ip(ETHERNET, &frame(&[0x08, 0x06])), None, "ARP");
        assert_eq!(ip(ETHERNET, &frame(&[0x81, 0x00].repeat(40))), None, "tags without an end");
        assert_eq!(ip(Link::RAW, PACKET), Some(PACKET));
        assert_eq!(ip(NULL, &[&[2, 0, 0, 0], PACKET].concat()), Some(PACKET));
        assert_eq!(ip(Link::RAW, &[]), None);
    }
}
