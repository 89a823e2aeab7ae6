//! Named sets of our table: they keep their elements over changes of the table, and each for its time.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use sakimori_firewall::Side;

use super::expression::{
    NFT_CMP_EQ, NFT_META_L4PROTO, NFT_META_NFPROTO, NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER,
    REGISTER, bitwise, compare, element, meta,
};
use crate::netlink::Writer;

const NFTA_SET_DESC_SIZE: u16 = 1;
const NFTA_PAYLOAD_DREG: u16 = 1;
const NFTA_PAYLOAD_BASE: u16 = 2;
const NFTA_PAYLOAD_OFFSET: u16 = 3;
const NFTA_PAYLOAD_LEN: u16 = 4;
const NFTA_META_DREG: u16 = 1;
const NFTA_META_KEY: u16 = 2;
const NFTA_LOOKUP_SET: u16 = 1;
const NFTA_LOOKUP_SREG: u16 = 2;
const NFTA_DYNSET_SET_NAME: u16 = 1;
const NFTA_DYNSET_OP: u16 = 3;
const NFTA_DYNSET_SREG_KEY: u16 = 4;
const NFTA_DYNSET_TIMEOUT: u16 = 6;
const NFT_DYNSET_OP_UPDATE: u32 = 1;
const NFT_SET_TIMEOUT: u32 = 0x10;
const NFT_SET_EVAL: u32 = 0x20;

/// A named set of one IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NamedSet {
    pub(super) kind: Kind,
    pub(super) v4: bool,
}

/// What a set's elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Addresses that nothing new is let in from.
    Blocked,
    /// Ports of our addresses that something has answered at lately, which packets that leave put there.
    Served,
    /// Our end and the other end of datagrams that were sent.
    Asked,
    /// Whom echo requests were sent to, and their identifiers.
    Pinged,
    /// Whom packets of other protocols were sent to, and the protocol.
    Spoken,
}

/// Those of who looks for ways in.
pub(super) const OF_SCANS: [NamedSet; 4] = [
    NamedSet { kind: Kind::Blocked, v4: true },
    NamedSet { kind: Kind::Blocked, v4: false },
    NamedSet { kind: Kind::Served, v4: true },
    NamedSet { kind: Kind::Served, v4: false },
];

/// Sources of one IP version that are blocked at most.
const BLOCKED: u32 = 1024;
/// Ports of our addresses that are remembered at most, some MiB in the kernel. Only our own servers' answers put one there.
const SERVED: u32 = 65_535;
/// Ends of datagrams and the like that are remembered at most, of an IP version: 30 MiB in the kernel where there are so
/// many. Only what leaves puts one there.
const ANSWERS: u32 = 262_144;
/// How long a server that answers nobody is remembered: longer than it takes to restart one.
const SERVED_FOR: Duration = Duration::from_mins(10);

// === impl NamedSet ===

impl NamedSet {
    /// The one that blocks this address.
    pub(super) const fn blocking(address: IpAddr) -> Self {
        Self { kind: Kind::Blocked, v4: address.is_ipv4() }
    }

    pub(super) const fn name(self) -> &'static str {
        match (self.kind, self.v4) {
            (Kind::Blocked, true) => "fw_blocked4",
            (Kind::Blocked, false) => "fw_blocked6",
            (Kind::Served, true) => "fw_served4",
            (Kind::Served, false) => "fw_served6",
            (Kind::Asked, true) => "fw_asked4",
            (Kind::Asked, false) => "fw_asked6",
            (Kind::Pinged, true) => "fw_pinged4",
            (Kind::Pinged, false) => "fw_pinged6",
            (Kind::Spoken, true) => "fw_spoken4",
            (Kind::Spoken, false) => "fw_spoken6",
        }
    }

    /// Those of what was sent, and may be answered.
    pub(super) fn of_answers() -> impl Iterator<Item = Self> {
        let kinds = [Kind::Asked, Kind::Pinged, Kind::Spoken];
        kinds.into_iter().flat_map(|kind| [true, false].map(|v4| Self { kind, v4 }))
    }

    /// What a transaction calls it; anonymous sets have the numbers of their messages.
    pub(super) const fn id(self) -> u32 {
        let kind = match self.kind {
            Kind::Blocked => 0,
            Kind::Served => 2,
            Kind::Asked => 4,
            Kind::Pinged => 6,
            Kind::Spoken => 8,
        };
        0x4000_0000 + kind + if self.v4 { 0 } else { 1 }
    }

    /// Bytes of the address.
    const fn address(self) -> u32 {
        if self.v4 { 4 } else { 16 }
    }

    pub(super) const fn key_bytes(self) -> u32 {
        match self.kind {
            Kind::Blocked => self.address(),
            // Protocol, port and identifier take a register each.
            Kind::Served => self.address() + 8,
            Kind::Asked => 2 * self.address() + 8,
            Kind::Pinged | Kind::Spoken => self.address() + 4,
        }
    }

    /// What listings show its keys as: the numbers of the `nft` program, 6 bits for each part.
    pub(super) const fn key_type(self) -> u32 {
        const PROTOCOL: u32 = 12;
        const PORT: u32 = 13;
        let address: u32 = if self.v4 { 7 } else { 8 };
        match self.kind {
            Kind::Blocked => address,
            Kind::Served => (address << 12) + (PROTOCOL << 6) + PORT,
            Kind::Asked => (address << 18) + (PORT << 12) + (address << 6) + PORT,
            Kind::Pinged => (address << 6) + PORT,
            Kind::Spoken => (address << 6) + PROTOCOL,
        }
    }

    pub(super) const fn flags(self) -> u32 {
        match self.kind {
            Kind::Blocked => NFT_SET_TIMEOUT,
            Kind::Served | Kind::Asked | Kind::Pinged | Kind::Spoken => NFT_SET_TIMEOUT | NFT_SET_EVAL,
        }
    }

    /// How long an element stays where nothing is said.
    pub(super) const fn timeout(self) -> Option<Duration> {
        match self.kind {
            Kind::Served => Some(SERVED_FOR),
            Kind::Blocked | Kind::Asked | Kind::Pinged | Kind::Spoken => None,
        }
    }

    /// Writes how many elements it has at most.
    pub(super) fn describe(self, w: &mut Writer) {
        let size = match self.kind {
            Kind::Blocked => BLOCKED,
            Kind::Served => SERVED,
            Kind::Asked | Kind::Pinged | Kind::Spoken => ANSWERS,
        };
        w.be32(NFTA_SET_DESC_SIZE, size);
    }

    /// Writes what makes sure that the packet is of this IP version, and what puts its key into registers. `side` is the end
    /// that the key is about; of what was sent, our end.
    fn load(self, w: &mut Writer, side: Side) {
        meta(w, NFT_META_NFPROTO);
        compare(w, NFT_CMP_EQ, &[if self.v4 { 2 } else { 10 }]);
        let behind = REGISTER + self.address() / 4;
        let port = |w: &mut Writer, register, side| {
            payload(w, register, NFT_PAYLOAD_TRANSPORT_HEADER, if side == Side::Source { 0 } else { 2 }, 2);
        };
        let protocol = |w: &mut Writer, register| {
            element(w, "meta", |w| {
                w.be32(NFTA_META_DREG, register);
                w.be32(NFTA_META_KEY, NFT_META_L4PROTO);
            });
        };
        match self.kind {
            Kind::Blocked => self.load_address(w, REGISTER, side),
            Kind::Served => {
                self.load_address(w, REGISTER, side);
                protocol(w, behind);
                port(w, behind + 1, side);
            }
            Kind::Asked => {
                self.load_address(w, REGISTER, side);
                port(w, behind, side);
                self.load_address(w, behind + 1, other(side));
                port(w, behind + 1 + self.address() / 4, other(side));
            }
            Kind::Pinged => {
                self.load_address(w, REGISTER, other(side));
                // The identifier of an echo message.
                payload(w, behind, NFT_PAYLOAD_TRANSPORT_HEADER, 4, 2);
            }
            Kind::Spoken => {
                self.load_address(w, REGISTER, other(side));
                protocol(w, behind);
            }
        }
    }

    fn load_address(self, w: &mut Writer, register: u32, side: Side) {
        let offset = match (side, self.v4) {
            (Side::Source, true) => 12,
            (Side::Destination, true) => 16,
            (Side::Source, false) => 8,
            (Side::Destination, false) => 24,
        };
        payload(w, register, NFT_PAYLOAD_NETWORK_HEADER, offset, self.address());
    }

    /// The condition that this end of the packet is in the set, or that its network is.
    pub(super) fn look_up(self, w: &mut Writer, side: Side, by_network: bool) {
        self.load(w, side);
        if by_network {
            bitwise(w, &(u128::MAX << 64).to_be_bytes(), &[0; 16]);
        }
        element(w, "lookup", |w| {
            w.string(NFTA_LOOKUP_SET, self.name());
            w.be32(NFTA_LOOKUP_SREG, REGISTER);
        });
    }

    /// Puts this end of the packet into the set, anew where it is there; for the set's own time, or for so many milliseconds.
    pub(super) fn remember(self, w: &mut Writer, side: Side, milliseconds: Option<u64>) {
        self.load(w, side);
        element(w, "dynset", |w| {
            w.string(NFTA_DYNSET_SET_NAME, self.name());
            w.be32(NFTA_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
            w.be32(NFTA_DYNSET_SREG_KEY, REGISTER);
            if let Some(milliseconds) = milliseconds {
                w.be64(NFTA_DYNSET_TIMEOUT, milliseconds);
            }
        });
    }

    /// The key as people write it.
    pub(super) fn show(self, f: &mut fmt::Formatter<'_>, side: Side) -> fmt::Result {
        let ip = if self.v4 { "ip" } else { "ip6" };
        let end = |side| if side == Side::Source { ("saddr", "sport") } else { ("daddr", "dport") };
        let ((address, port), (far, far_port)) = (end(side), end(other(side)));
        match self.kind {
            Kind::Blocked => write!(f, "{ip} {address}"),
            Kind::Served => write!(f, "{ip} {address} . meta l4proto . th {port}"),
            Kind::Asked => write!(f, "{ip} {address} . th {port} . {ip} {far} . th {far_port}"),
            Kind::Pinged => write!(f, "{ip} {far} . @th,32,16"),
            Kind::Spoken => write!(f, "{ip} {far} . meta l4proto"),
        }
    }
}

const fn other(side: Side) -> Side {
    match side {
        Side::Source => Side::Destination,
        Side::Destination => Side::Source,
    }
}

fn payload(w: &mut Writer, register: u32, base: u32, offset: u32, length: u32) {
    element(w, "payload", |w| {
        w.be32(NFTA_PAYLOAD_DREG, register);
        w.be32(NFTA_PAYLOAD_BASE, base);
        w.be32(NFTA_PAYLOAD_OFFSET, offset);
        w.be32(NFTA_PAYLOAD_LEN, length);
    });
}

/// An address as a key.
pub(super) fn key(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// A time as the kernel takes it, at least a millisecond: 0 would be for ever.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
