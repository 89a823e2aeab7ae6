//! Parts of a packet that are compared with values: how they are loaded, how their values are written.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use sakimori_firewall::{Mac, Side};

use super::expression::{
    ARPHRD_ETHER, NFT_CMP_EQ, NFT_META_IIFTYPE, NFT_META_L4PROTO, NFT_META_NFPROTO,
    NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER, compare, meta, payload,
};
use crate::netlink::Writer;

/// A part of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// The transport protocol.
    Protocol,
    /// The port, at the beginning of the transport header.
    Port(Side),
    /// The address; the packet is of this IP version.
    Address(Side, Version),
    /// The address that an ARP message over Ethernet says of its sender, or of its target.
    ArpAddress(Side),
    /// The name of the interface that it came in by, or leaves by.
    InterfaceName(Side),
    /// The card that an Ethernet frame came from.
    Card,
    /// The flags of a TCP header.
    TcpFlags,
    /// The urgent pointer of a TCP header.
    UrgentPointer,
    /// Type and code of an ICMP message.
    Icmp,
    /// What an Ethernet frame holds.
    EtherType,
}

/// Of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
}

/// Values of a field, as numbers in the packet's byte order: disjoint ascending ranges with gaps between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ranges(pub(super) Vec<(u128, u128)>);

// === impl Ranges ===

impl Ranges {
    pub(super) fn of<T: Copy + Into<u128>>(ranges: &[std::ops::RangeInclusive<T>]) -> Self {
        Self(ranges.iter().map(|range| ((*range.start()).into(), (*range.end()).into())).collect())
    }

    pub(super) fn single<T: Copy + Into<u128>>(values: &[T]) -> Self {
        Self(values.iter().map(|value| ((*value).into(), (*value).into())).collect())
    }

    /// Whether each of them is one value: such a set needs no intervals.
    pub(super) fn is_exact(&self) -> bool {
        self.0.iter().all(|(first, last)| first == last)
    }
}

// === impl Field ===

impl Field {
    /// Bytes of a value.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Protocol | Self::TcpFlags => 1,
            Self::Port(_) | Self::UrgentPointer | Self::Icmp | Self::EtherType => 2,
            Self::Address(_, Version::V4) | Self::ArpAddress(_) => 4,
            Self::Card => 6,
            Self::Address(_, Version::V6) | Self::InterfaceName(_) => 16,
        }
    }

    /// The highest value.
    pub(super) const fn highest(self) -> u128 {
        u128::MAX >> (128 - 8 * self.bytes())
    }

    /// What listings show a set's keys as: a number of the `nft` program, no matter to the kernel.
    pub(super) const fn key_type(self) -> u32 {
        match self {
            Self::Protocol => 12,
            Self::Port(_) | Self::UrgentPointer => 13,
            Self::Icmp => 4,
            Self::Address(_, Version::V4) | Self::ArpAddress(_) => 7,
            Self::Address(_, Version::V6) => 8,
            Self::Card => 9,
            Self::TcpFlags => 19,
            Self::InterfaceName(_) => 41,
            Self::EtherType => 10,
        }
    }

    /// A value as it is in a packet.
    pub(super) fn key(self, value: u128) -> Vec<u8> {
        let bytes = value.to_be_bytes();
        bytes.get(bytes.len() - self.bytes()..).unwrap_or_default().to_vec()
    }

    /// Writes what makes sure that there is such a part, and what puts it into the register.
    pub(super) fn load(self, w: &mut Writer) {
        match self {
            Self::Protocol => meta(w, NFT_META_L4PROTO),
            Self::Port(side) => {
                payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, if side == Side::Source { 0 } else { 2 }, 2);
            }
            Self::Address(side, version) => {
                version.check(w);
                let (offset, length) = match (side, version) {
                    (Side::Source, Version::V4) => (12, 4),
                    (Side::Destination, Version::V4) => (16, 4),
                    (Side::Source, Version::V6) => (8, 16),
                    (Side::Destination, Version::V6) => (24, 16),
                };
                payload(w, NFT_PAYLOAD_NETWORK_HEADER, offset, length);
            }
            Self::ArpAddress(side) => {
                // Of Ethernet (1) and IPv4 (0x0800), with addresses of 6 and 4 bytes: only then they are at these places.
                payload(w, NFT_PAYLOAD_NETWORK_HEADER, 0, 6);
                compare(w, NFT_CMP_EQ, &[0, 1, 8, 0, 6, 4]);
                payload(w, NFT_PAYLOAD_NETWORK_HEADER, if side == Side::Source { 14 } else { 24 }, 4);
            }
            Self::InterfaceName(side) => {
                meta(w, if side == Side::Source { NFT_META_IIFNAME } else { NFT_META_OIFNAME });
            }
            Self::Card => {
                // Other links have no such header, or another one in its place.
                meta(w, NFT_META_IIFTYPE);
                compare(w, NFT_CMP_EQ, &ARPHRD_ETHER.to_ne_bytes());
                payload(w, NFT_PAYLOAD_LINK_HEADER, 6, 6);
            }
            Self::EtherType => meta(w, NFT_META_PROTOCOL),
            Self::TcpFlags => payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1),
            Self::UrgentPointer => payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 18, 2),
            Self::Icmp => payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2),
        }
    }

    /// The beginning that all names of a range have, where it is just those.
    pub(super) fn beginning(self, (first, last): (u128, u128)) -> Option<Vec<u8>> {
        if !matches!(self, Self::InterfaceName(_)) || first == last {
            return None;
        }
        let name: Vec<u8> = self.key(first).into_iter().take_while(|byte| *byte != 0).collect();
        let rest = u128::MAX.checked_shr(u32::try_from(name.len() * 8).unwrap_or(u32::MAX))?;
        (!name.is_empty() && first & rest == 0 && last == first | rest).then_some(name)
    }

    /// A value as people write it.
    fn show(self, value: u128) -> String {
        let key = self.key(value);
        match self {
            Self::Protocol | Self::Port(_) | Self::UrgentPointer => value.to_string(),
            Self::TcpFlags => format!("0x{value:02x}"),
            Self::EtherType => format!("0x{value:04x}"),
            Self::Icmp => format!("{}/{}", value >> 8, value & 0xFF),
            Self::Address(_, Version::V4) | Self::ArpAddress(_) => {
                Ipv4Addr::from(u32::try_from(value).unwrap_or(0)).to_string()
            }
            Self::Address(_, Version::V6) => Ipv6Addr::from(value).to_string(),
            Self::InterfaceName(_) => {
                let name: Vec<u8> = key.into_iter().take_while(|byte| *byte != 0).collect();
                String::from_utf8_lossy(&name).into_owned()
            }
            Self::Card => <[u8; 6]>::try_from(key).map_or(String::new(), |bytes| Mac::new(bytes).to_string()),
        }
    }

    /// Values in the order of their ranges.
    pub(super) fn list(self, f: &mut fmt::Formatter<'_>, ranges: &Ranges) -> fmt::Result {
        let text = |(first, last): &(u128, u128)| match self {
            _ if first == last => self.show(*first),
            _ if self.beginning((*first, *last)).is_some() => format!("{}*", self.show(*first)),
            _ => format!("{}-{}", self.show(*first), self.show(*last)),
        };
        let texts: Vec<String> = ranges.0.iter().map(text).collect();
        match &texts[..] {
            [one] => f.write_str(one),
            several => write!(f, "{{ {} }}", several.join(", ")),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_source = |side: &Side| *side == Side::Source;
        f.write_str(match self {
            Self::Protocol => "meta l4proto",
            Self::Port(side) => {
                if is_source(side) {
                    "th sport"
                } else {
                    "th dport"
                }
            }
            Self::Address(side, Version::V4) => {
                if is_source(side) {
                    "ip saddr"
                } else {
                    "ip daddr"
                }
            }
            Self::Address(side, Version::V6) => {
                if is_source(side) {
                    "ip6 saddr"
                } else {
                    "ip6 daddr"
                }
            }
            Self::ArpAddress(side) => {
                if is_source(side) {
                    "arp saddr ip"
                } else {
                    "arp daddr ip"
                }
            }
            Self::InterfaceName(side) => {
                if is_source(side) {
                    "iifname"
                } else {
                    "oifname"
                }
            }
            Self::Card => "iiftype ether ether saddr",
            Self::TcpFlags => "tcp flags",
            Self::UrgentPointer => "tcp urgptr",
            Self::Icmp => "@th,0,16",
            Self::EtherType => "meta protocol",
        })
    }
}

// === impl Version ===

impl Version {
    /// Writes the condition that a packet is of it.
    pub(super) fn check(self, w: &mut Writer) {
        meta(w, NFT_META_NFPROTO);
        compare(w, NFT_CMP_EQ, &[if self == Self::V6 { 10 } else { 2 }]);
    }
}

const NFT_META_PROTOCOL: u32 = 1;
const NFT_META_IIFNAME: u32 = 6;
const NFT_META_OIFNAME: u32 = 7;
const NFT_PAYLOAD_LINK_HEADER: u32 = 0;
