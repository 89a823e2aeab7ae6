//! The few nftables expressions that our rules consist of: how they go on the wire, how they read.
//!
//! `Display` is the syntax of `nft list ruleset`; golden tests and error messages show it.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use sakimori_firewall::{ChainName, Effect, Interface, Side, Watch};

use super::Mechanism;
use super::field::{Field, Ranges, Version};
use super::named::NamedSet;
use super::stateful;
use crate::netlink::Writer;

/// The register that every expression here works in: 32 bits, the first.
pub(super) const REGISTER: u32 = 8;
/// The register that holds the verdict.
const VERDICT_REGISTER: u32 = 0;

/// A 32-bit mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Of the packet.
    Packet,
    /// Of the connection.
    Connection,
}

/// Which port of a TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    Source,
    Destination,
}

/// What kind of socket a packet finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Socket {
    /// Any, and be it the remainder of a connection.
    Any,
    /// One of a connection, or one that listens at a single address.
    Connected,
    /// One that listens at all addresses.
    Listens,
}

/// One condition or statement of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// The mark has one of the bits.
    MarkHas(Mark, u32),
    /// Of the first bits the mark has just the second ones.
    MarkIs(Mark, u32, u32),
    /// Sets the bits of the mark, leaves all others.
    MarkSet(Mark, u32),
    /// Clears the bits of the mark, leaves all others.
    MarkClear(Mark, u32),
    /// The transport protocol is TCP.
    Tcp,
    /// The port is in the anonymous set with this number.
    PortIn { port: Port, set: u32, ranges: Vec<RangeInclusive<u16>> },
    /// The transport protocol is UDP.
    Udp,
    /// The packet is of this IP version.
    Version(Version),
    /// This end of the packet is in the named set, or its IPv6 network is.
    Listed { set: NamedSet, side: Side, by_network: bool },
    /// Puts this end of the packet into the named set, for the set's time.
    Remember { set: NamedSet, side: Side },
    /// The same, for so many milliseconds.
    RememberFor { set: NamedSet, side: Side, milliseconds: u64 },
    /// The packet, or the one that an ICMP error is about, finds such a socket of this host.
    Socket(Socket),
    /// It is an IPv6 fragment behind the first.
    LaterFragment,
    /// It belongs to no connection that is known, nor is related to one.
    NotEstablished,
    /// It goes back to who began, and the connection has not lasted yet.
    FirstReplies,
    /// The segment answers one that opens: SYN and ACK.
    TcpAnswers,
    /// The field is (or, with `not`, is not) in the ranges. A set has a number; one range needs none.
    Within { field: Field, set: Option<u32>, ranges: Ranges, not: bool },
    /// Of these TCP flags exactly those of `value` are set, or not so.
    TcpFlagsAre { mask: u8, value: u8, not: bool },
    /// The connection's state has one of the bits.
    ConnectionState(u32),
    /// The interface is (or is not) the loopback interface.
    Loopback { side: Side, is: bool },
    /// The interface is of this kind, as its driver calls it.
    InterfaceKind { side: Side, kind: &'static str },
    /// So many packets a second pass on, in bursts of at most so many; others end the rule.
    Limit { per_second: u64, burst: u32 },
    /// As [`Self::Limit`], by the named limit that several rules share.
    LimitBy(&'static str),
    /// A copy of the packet's beginning goes to the group.
    Sample { group: u16, bytes: u32, label: String },
    /// One of these TCP flags is set.
    TcpFlags(u8),
    /// The segment asks for a new connection: SYN without ACK, FIN and RST.
    TcpOpens,
    /// The TCP segment has payload.
    Payload,
    /// The TCP header has this many words, and the segment has payload behind it.
    PayloadAfter(u8),
    /// Counts in the named counter.
    Count(Cow<'static, str>),
    /// Goes through another chain.
    Jump(ChainName),
    /// Ends this chain, the packet goes on.
    Accept,
    /// Back to where the packet came from.
    Return,
    /// The packet vanishes.
    Drop,
    /// Hands the packet to user space.
    Queue { mechanism: Mechanism, queue: u16, bypass: bool },
    /// A condition of stateful checks.
    Watch(Watch),
    /// What stateful checks do; with the window scale that a cookie says.
    Effect(Effect, u8),
}

/// New or old, but belonging to a connection that was let in; and errors about such.
pub(super) const ESTABLISHED_OR_RELATED: u32 = 2 | 4;

// === impl Expression ===

impl Expression {
    /// The field has this value.
    pub(super) fn is(field: Field, value: u128) -> Self {
        Self::Within { field, set: None, ranges: Ranges::single(&[value]), not: false }
    }

    /// Writes the kernel's expressions for it as elements of a list.
    pub(super) fn encode(&self, w: &mut Writer) {
        match self {
            Self::Watch(watch) => stateful::watch(w, *watch),
            Self::Effect(effect, window_scale) => stateful::effect(w, *effect, *window_scale),
            Self::MarkHas(mark, bits) => {
                mark.load(w);
                bitwise(w, &bits.to_ne_bytes(), &[0; 4]);
                compare(w, NFT_CMP_NEQ, &[0; 4]);
            }
            Self::MarkIs(mark, of, bits) => {
                mark.load(w);
                bitwise(w, &of.to_ne_bytes(), &[0; 4]);
                compare(w, NFT_CMP_EQ, &bits.to_ne_bytes());
            }
            Self::MarkSet(mark, bits) => {
                mark.load(w);
                bitwise(w, &(!bits).to_ne_bytes(), &bits.to_ne_bytes());
                mark.store(w);
            }
            Self::MarkClear(mark, bits) => {
                mark.load(w);
                bitwise(w, &(!bits).to_ne_bytes(), &[0; 4]);
                mark.store(w);
            }
            Self::Tcp => {
                meta(w, NFT_META_L4PROTO);
                compare(w, NFT_CMP_EQ, &[6]);
            }
            Self::Udp => {
                meta(w, NFT_META_L4PROTO);
                compare(w, NFT_CMP_EQ, &[17]);
            }
            Self::Listed { set, side, by_network } => set.look_up(w, *side, *by_network),
            Self::Remember { set, side } => set.remember(w, *side, None),
            Self::RememberFor { set, side, milliseconds } => set.remember(w, *side, Some(*milliseconds)),
            Self::Socket(socket) => {
                let key = if *socket == Socket::Any { NFT_SOCKET_TRANSPARENT } else { NFT_SOCKET_WILDCARD };
                element(w, "socket", |w| {
                    w.be32(NFTA_SOCKET_KEY, key);
                    w.be32(NFTA_SOCKET_DREG, REGISTER);
                });
                // Loading ends the rule where there is none: the comparison only makes it readable in listings.
                match socket {
                    Socket::Any => compare(w, NFT_CMP_GTE, &[0]),
                    Socket::Connected => compare(w, NFT_CMP_EQ, &[0]),
                    Socket::Listens => compare(w, NFT_CMP_EQ, &[1]),
                }
            }
            Self::LaterFragment => {
                element(w, "exthdr", |w| {
                    w.be32(NFTA_EXTHDR_DREG, REGISTER);
                    w.bytes(NFTA_EXTHDR_TYPE, &[IPV6_FRAGMENT]);
                    w.be32(NFTA_EXTHDR_OFFSET, 2);
                    w.be32(NFTA_EXTHDR_LEN, 2);
                });
                bitwise(w, &[0xFF, 0xF8], &[0; 2]);
                compare(w, NFT_CMP_NEQ, &[0; 2]);
            }
            Self::NotEstablished => {
                connection(w, NFT_CT_STATE);
                bitwise(w, &ESTABLISHED_OR_RELATED.to_ne_bytes(), &[0; 4]);
                compare(w, NFT_CMP_EQ, &[0; 4]);
            }
            Self::FirstReplies => {
                connection(w, NFT_CT_DIRECTION);
                compare(w, NFT_CMP_EQ, &[1]);
                connection(w, NFT_CT_STATUS);
                bitwise(w, &IPS_ASSURED.to_ne_bytes(), &[0; 4]);
                compare(w, NFT_CMP_EQ, &[0; 4]);
            }
            Self::TcpAnswers => {
                payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
                bitwise(w, &[0x17], &[0]);
                compare(w, NFT_CMP_EQ, &[0x12]);
            }
            Self::PortIn { port, set, .. } => {
                let offset = match port {
                    Port::Source => 0,
                    Port::Destination => 2,
                };
                payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, offset, 2);
                lookup(w, *set, false);
            }
            Self::Version(version) => version.check(w),
            Self::Within { field, set, ranges, not } => {
                field.load(w);
                match (set, ranges.0.first()) {
                    (Some(set), _) => lookup(w, *set, *not),
                    (None, Some((first, last))) if first == last => {
                        compare(w, if *not { NFT_CMP_NEQ } else { NFT_CMP_EQ }, &field.key(*first));
                    }
                    // Names that begin alike, as listings know them.
                    (None, Some(range)) if field.beginning(*range).is_some() => {
                        compare(w, NFT_CMP_EQ, &field.beginning(*range).unwrap_or_default());
                    }
                    (None, Some((first, last))) => {
                        if *first > 0 {
                            compare(w, NFT_CMP_GTE, &field.key(*first));
                        }
                        if *last < field.highest() {
                            compare(w, NFT_CMP_LTE, &field.key(*last));
                        }
                    }
                    (None, None) => {}
                }
            }
            Self::TcpFlagsAre { mask, value, not } => {
                Field::TcpFlags.load(w);
                bitwise(w, &[*mask], &[0]);
                compare(w, if *not { NFT_CMP_NEQ } else { NFT_CMP_EQ }, &[*value]);
            }
            Self::ConnectionState(bits) => {
                connection(w, NFT_CT_STATE);
                bitwise(w, &bits.to_ne_bytes(), &[0; 4]);
                compare(w, NFT_CMP_NEQ, &[0; 4]);
            }
            Self::Loopback { side, is } => {
                meta(w, if *side == Side::Source { NFT_META_IIFTYPE } else { NFT_META_OIFTYPE });
                compare(w, if *is { NFT_CMP_EQ } else { NFT_CMP_NEQ }, &ARPHRD_LOOPBACK.to_ne_bytes());
            }
            Self::InterfaceKind { side, kind } => {
                meta(w, if *side == Side::Source { NFT_META_IIFKIND } else { NFT_META_OIFKIND });
                let mut name = [0; IFNAMSIZ];
                name.iter_mut().zip(kind.bytes().take(IFNAMSIZ - 1)).for_each(|(place, byte)| *place = byte);
                compare(w, NFT_CMP_EQ, &name);
            }
            Self::Limit { per_second, burst } => element(w, "limit", |w| limit(w, *per_second, *burst)),
            Self::LimitBy(name) => object(w, super::request::NFT_OBJECT_LIMIT, name),
            Self::Sample { group, bytes, label } => element(w, "log", |w| {
                w.be16(NFTA_LOG_GROUP, *group);
                w.string(NFTA_LOG_PREFIX, label);
                w.be32(NFTA_LOG_SNAPLEN, *bytes);
                // Each at once: samples are few, and an event that comes late looks like a lost one.
                w.be16(NFTA_LOG_QTHRESHOLD, 1);
            }),
            Self::TcpFlags(flags) => {
                payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
                bitwise(w, &[*flags], &[0]);
                compare(w, NFT_CMP_NEQ, &[0]);
            }
            Self::TcpOpens => {
                payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
                bitwise(w, &[0x17], &[0]);
                compare(w, NFT_CMP_EQ, &[0x02]);
            }
            // Loading a byte that is not there ends the rule: the comparison is always true and only makes the
            // rule readable in listings.
            Self::Payload => {
                payload(w, NFT_PAYLOAD_INNER_HEADER, 0, 1);
                compare(w, NFT_CMP_GTE, &[0]);
            }
            Self::PayloadAfter(words) => {
                payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 12, 1);
                bitwise(w, &[0xF0], &[0]);
                compare(w, NFT_CMP_EQ, &[words << 4]);
                payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, u32::from(*words) * 4, 1);
                compare(w, NFT_CMP_GTE, &[0]);
            }
            Self::Count(name) => object(w, super::request::NFT_OBJECT_COUNTER, name),
            Self::Jump(chain) => verdict(w, NFT_JUMP, Some(&chain.to_string())),
            Self::Accept => verdict(w, 1, None),
            Self::Return => verdict(w, NFT_RETURN, None),
            Self::Drop => verdict(w, 0, None),
            Self::Queue { mechanism: Mechanism::NftQueue, queue, bypass } => element(w, "queue", |w| {
                w.be16(NFTA_QUEUE_NUM, *queue);
                w.be16(NFTA_QUEUE_TOTAL, 1);
                w.be16(NFTA_QUEUE_FLAGS, u16::from(*bypass));
            }),
            Self::Queue { mechanism: Mechanism::XtNfqueue, queue, bypass } => element(w, "target", |w| {
                w.string(NFTA_TARGET_NAME, "NFQUEUE");
                w.be32(NFTA_TARGET_REV, 3);
                // struct xt_NFQ_info_v3 { u16 queuenum, queues_total, flags }, padded to 8 bytes. The target
                // is registered for every family, so the inet table needs no rule per family.
                let [q0, q1] = queue.to_ne_bytes();
                let [t0, t1] = 1_u16.to_ne_bytes();
                let [f0, f1] = u16::from(*bypass).to_ne_bytes();
                w.bytes(NFTA_TARGET_INFO, &[q0, q1, t0, t1, f0, f1, 0, 0]);
            }),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Watch(watch) => stateful::show_watch(f, *watch),
            Self::Effect(effect, _) => stateful::show_effect(f, *effect),
            Self::MarkHas(mark, bits) => write!(f, "{mark} and 0x{bits:08x} != 0x0"),
            Self::MarkIs(mark, of, bits) => write!(f, "{mark} and 0x{of:08x} == 0x{bits:08x}"),
            Self::MarkSet(mark, bits) => write!(f, "{mark} set {mark} and 0x{:08x} xor 0x{bits:08x}", !bits),
            Self::MarkClear(mark, bits) => write!(f, "{mark} set {mark} and 0x{:08x}", !bits),
            Self::Tcp => f.write_str("meta l4proto tcp"),
            Self::Udp => f.write_str("meta l4proto udp"),
            Self::Listed { set, side, by_network } => {
                set.show(f, *side)?;
                if *by_network {
                    f.write_str(" and ffff:ffff:ffff:ffff::")?;
                }
                write!(f, " @{}", set.name())
            }
            Self::Remember { set, side } => {
                write!(f, "update @{} {{ ", set.name())?;
                set.show(f, *side)?;
                f.write_str(" }")
            }
            Self::RememberFor { set, side, milliseconds } => {
                write!(f, "update @{} {{ ", set.name())?;
                set.show(f, *side)?;
                write!(f, " timeout {}s }}", milliseconds / 1000)
            }
            Self::Socket(Socket::Any) => f.write_str("socket transparent >= 0"),
            Self::Socket(Socket::Connected) => f.write_str("socket wildcard 0"),
            Self::Socket(Socket::Listens) => f.write_str("socket wildcard 1"),
            Self::LaterFragment => f.write_str("frag frag-off != 0"),
            Self::NotEstablished => write!(f, "ct state and 0x{ESTABLISHED_OR_RELATED:x} == 0x0"),
            Self::FirstReplies => write!(f, "ct direction reply ct status and 0x{IPS_ASSURED:x} == 0x0"),
            Self::TcpAnswers => f.write_str("tcp flags and 0x17 == 0x12"),
            Self::PortIn { port, ranges, .. } => {
                f.write_str(if *port == Port::Source { "tcp sport " } else { "tcp dport " })?;
                list(f, ranges.iter().map(|range| (*range.start(), *range.end())))
            }
            Self::Version(version) => {
                write!(f, "meta nfproto {}", if *version == Version::V4 { "ipv4" } else { "ipv6" })
            }
            Self::Within { field, ranges, not, .. } => {
                write!(f, "{field} {}", if *not { "!= " } else { "" })?;
                field.list(f, ranges)
            }
            Self::TcpFlagsAre { mask, value, not } => {
                write!(f, "tcp flags & 0x{mask:02x} {} 0x{value:02x}", if *not { "!=" } else { "==" })
            }
            Self::ConnectionState(bits) => write!(f, "ct state and 0x{bits:x} != 0x0"),
            Self::Loopback { side, is } => {
                let end = if *side == Side::Source { "iiftype" } else { "oiftype" };
                write!(f, "{end} {}loopback", if *is { "" } else { "!= " })
            }
            Self::InterfaceKind { side, kind } => {
                write!(f, "{} \"{kind}\"", if *side == Side::Source { "iifkind" } else { "oifkind" })
            }
            Self::Limit { per_second, burst } => {
                write!(f, "limit rate {per_second}/second burst {burst} packets")
            }
            Self::LimitBy(name) => write!(f, "limit name \"{name}\""),
            Self::Sample { group, bytes, label } => {
                write!(f, "log prefix \"{label}\" group {group} snaplen {bytes}")
            }
            Self::TcpFlags(flags) => write!(f, "tcp flags and 0x{flags:02x} != 0x0"),
            Self::TcpOpens => f.write_str("tcp flags and 0x17 == 0x2"),
            Self::Payload => f.write_str("@ih,0,8 >= 0x0"),
            Self::PayloadAfter(words) => {
                write!(f, "tcp doff {words} @th,{},8 >= 0x0", u32::from(*words) * 32)
            }
            Self::Count(name) => write!(f, "counter name \"{name}\""),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Accept => f.write_str("accept"),
            Self::Return => f.write_str("return"),
            Self::Drop => f.write_str("drop"),
            Self::Queue { mechanism, queue, bypass } => {
                let flags = if *bypass { "flags bypass " } else { "" };
                write!(f, "queue {flags}to {queue}")?;
                if *mechanism == Mechanism::XtNfqueue { f.write_str(" (xt)") } else { Ok(()) }
            }
        }
    }
}

fn list<T: fmt::Display + PartialEq>(
    f: &mut fmt::Formatter<'_>,
    ranges: impl Iterator<Item = (T, T)>,
) -> fmt::Result {
    f.write_str("{")?;
    for (index, (first, last)) in ranges.enumerate() {
        f.write_str(if index == 0 { " " } else { ", " })?;
        if first == last {
            write!(f, "{first}")?;
        } else {
            write!(f, "{first}-{last}")?;
        }
    }
    f.write_str(" }")
}

/// What the kernel's drivers call the kind; empty for loopback, which has none.
pub(super) const fn kind_name(interface: Interface) -> &'static str {
    match interface {
        Interface::Loopback => "",
        Interface::Bridge => "bridge",
        Interface::Veth => "veth",
    }
}

// === impl Mark ===

impl Mark {
    fn load(self, w: &mut Writer) {
        match self {
            Self::Packet => element(w, "meta", |w| {
                w.be32(NFTA_META_DREG, REGISTER);
                w.be32(NFTA_META_KEY, NFT_META_MARK);
            }),
            Self::Connection => element(w, "ct", |w| {
                w.be32(NFTA_CT_DREG, REGISTER);
                w.be32(NFTA_CT_KEY, NFT_CT_MARK);
            }),
        }
    }

    fn store(self, w: &mut Writer) {
        match self {
            Self::Packet => element(w, "meta", |w| {
                w.be32(NFTA_META_KEY, NFT_META_MARK);
                w.be32(NFTA_META_SREG, REGISTER);
            }),
            Self::Connection => element(w, "ct", |w| {
                w.be32(NFTA_CT_KEY, NFT_CT_MARK);
                w.be32(NFTA_CT_SREG, REGISTER);
            }),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Packet => "meta mark",
            Self::Connection => "ct mark",
        })
    }
}

// === the kernel's expressions ===

/// The name that makes the kernel choose one; the set's number ties rule and set together in a transaction.
pub(super) const ANONYMOUS_SET: &str = "__set%d";
/// An element of a list.
pub(super) const NFTA_LIST_ELEM: u16 = 1;
/// A value, as against a verdict.
pub(super) const NFTA_DATA_VALUE: u16 = 1;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
const NFTA_VERDICT_CHAIN: u16 = 2;
pub(super) const NFTA_EXPR_NAME: u16 = 1;
pub(super) const NFTA_EXPR_DATA: u16 = 2;
const NFTA_IMMEDIATE_DREG: u16 = 1;
const NFTA_IMMEDIATE_DATA: u16 = 2;
const NFTA_BITWISE_SREG: u16 = 1;
const NFTA_BITWISE_DREG: u16 = 2;
const NFTA_BITWISE_LEN: u16 = 3;
const NFTA_BITWISE_MASK: u16 = 4;
const NFTA_BITWISE_XOR: u16 = 5;
const NFTA_CMP_SREG: u16 = 1;
const NFTA_CMP_OP: u16 = 2;
const NFTA_CMP_DATA: u16 = 3;
const NFTA_PAYLOAD_DREG: u16 = 1;
const NFTA_PAYLOAD_BASE: u16 = 2;
const NFTA_PAYLOAD_OFFSET: u16 = 3;
const NFTA_PAYLOAD_LEN: u16 = 4;
const NFTA_META_DREG: u16 = 1;
const NFTA_META_KEY: u16 = 2;
const NFTA_META_SREG: u16 = 3;
const NFTA_CT_DREG: u16 = 1;
const NFTA_CT_KEY: u16 = 2;
const NFTA_CT_SREG: u16 = 4;
const NFTA_LOOKUP_SET: u16 = 1;
const NFTA_LOOKUP_SREG: u16 = 2;
const NFTA_LOOKUP_SET_ID: u16 = 4;
const NFTA_LOOKUP_FLAGS: u16 = 5;
const NFT_LOOKUP_F_INV: u32 = 1;
const NFTA_OBJREF_IMM_TYPE: u16 = 1;
const NFTA_OBJREF_IMM_NAME: u16 = 2;
const NFTA_LIMIT_RATE: u16 = 1;
const NFTA_LIMIT_UNIT: u16 = 2;
const NFTA_LIMIT_BURST: u16 = 3;
const NFTA_LIMIT_TYPE: u16 = 4;
const NFTA_LOG_GROUP: u16 = 1;
const NFTA_LOG_PREFIX: u16 = 2;
const NFTA_LOG_SNAPLEN: u16 = 3;
const NFTA_LOG_QTHRESHOLD: u16 = 4;
pub(super) const NFT_META_IIFTYPE: u32 = 8;
const NFT_META_OIFTYPE: u32 = 9;
pub(super) const NFT_META_NFPROTO: u32 = 15;
const NFT_META_IIFKIND: u32 = 26;
const NFT_META_OIFKIND: u32 = 27;
/// `ARPHRD_LOOPBACK`: the loopback interface has no kind of its own.
const ARPHRD_LOOPBACK: u16 = 772;
/// `ARPHRD_ETHER`.
pub(super) const ARPHRD_ETHER: u16 = 1;
/// Bytes of an interface's name or kind.
const IFNAMSIZ: usize = 16;
const NFT_CT_STATE: u32 = 0;
const NFT_CT_DIRECTION: u32 = 1;
const NFT_CT_STATUS: u32 = 2;
/// Both sides have spoken, and of UDP not only for a moment.
const IPS_ASSURED: u32 = 4;
pub(super) const NFT_PAYLOAD_NETWORK_HEADER: u32 = 1;
pub(super) const NFT_CMP_LT: u32 = 2;
const NFT_CMP_LTE: u32 = 3;
/// −5.
const NFTA_QUEUE_NUM: u16 = 1;
const NFTA_QUEUE_TOTAL: u16 = 2;
const NFTA_QUEUE_FLAGS: u16 = 3;
const NFTA_TARGET_NAME: u16 = 1;
const NFTA_TARGET_REV: u16 = 2;
const NFTA_TARGET_INFO: u16 = 3;
const NFT_META_MARK: u32 = 3;
pub(super) const NFT_META_L4PROTO: u32 = 16;
const NFT_CT_MARK: u32 = 3;
pub(super) const NFT_PAYLOAD_TRANSPORT_HEADER: u32 = 2;
const NFT_PAYLOAD_INNER_HEADER: u32 = 3;
pub(super) const NFT_CMP_EQ: u32 = 0;
pub(super) const NFT_CMP_NEQ: u32 = 1;
const NFT_CMP_GTE: u32 = 5;
/// −3.
const NFT_JUMP: u32 = u32::MAX - 2;
/// −5.
const NFT_RETURN: u32 = u32::MAX - 4;
const NFTA_SOCKET_KEY: u16 = 1;
const NFTA_SOCKET_DREG: u16 = 2;
const NFT_SOCKET_TRANSPARENT: u32 = 0;
const NFT_SOCKET_WILDCARD: u32 = 2;
const NFTA_EXTHDR_DREG: u16 = 1;
const NFTA_EXTHDR_TYPE: u16 = 2;
const NFTA_EXTHDR_OFFSET: u16 = 3;
const NFTA_EXTHDR_LEN: u16 = 4;
/// The extension header of fragments.
const IPV6_FRAGMENT: u8 = 44;

/// Loads what connection tracking knows.
fn connection(w: &mut Writer, key: u32) {
    element(w, "ct", |w| {
        w.be32(NFTA_CT_DREG, REGISTER);
        w.be32(NFTA_CT_KEY, key);
    });
}

pub(super) fn element(w: &mut Writer, name: &str, data: impl FnOnce(&mut Writer)) {
    w.nested(NFTA_LIST_ELEM, |w| {
        w.string(NFTA_EXPR_NAME, name);
        w.nested(NFTA_EXPR_DATA, data);
    });
}

pub(super) fn meta(w: &mut Writer, key: u32) {
    element(w, "meta", |w| {
        w.be32(NFTA_META_DREG, REGISTER);
        w.be32(NFTA_META_KEY, key);
    });
}

fn lookup(w: &mut Writer, set: u32, not: bool) {
    element(w, "lookup", |w| {
        w.string(NFTA_LOOKUP_SET, ANONYMOUS_SET);
        w.be32(NFTA_LOOKUP_SREG, REGISTER);
        w.be32(NFTA_LOOKUP_SET_ID, set);
        if not {
            w.be32(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
        }
    });
}

pub(super) fn payload(w: &mut Writer, base: u32, offset: u32, length: u32) {
    load(w, REGISTER, base, offset, length);
}

/// The same into any register; one holds 4 bytes, more go into those behind it.
pub(super) fn load(w: &mut Writer, register: u32, base: u32, offset: u32, length: u32) {
    element(w, "payload", |w| {
        w.be32(NFTA_PAYLOAD_DREG, register);
        w.be32(NFTA_PAYLOAD_BASE, base);
        w.be32(NFTA_PAYLOAD_OFFSET, offset);
        w.be32(NFTA_PAYLOAD_LEN, length);
    });
}

/// `register = (register & mask) ^ xor`.
pub(super) fn bitwise(w: &mut Writer, mask: &[u8], xor: &[u8]) {
    element(w, "bitwise", |w| {
        w.be32(NFTA_BITWISE_SREG, REGISTER);
        w.be32(NFTA_BITWISE_DREG, REGISTER);
        w.be32(NFTA_BITWISE_LEN, u32::try_from(mask.len()).unwrap_or(0));
        w.nested(NFTA_BITWISE_MASK, |w| w.bytes(NFTA_DATA_VALUE, mask));
        w.nested(NFTA_BITWISE_XOR, |w| w.bytes(NFTA_DATA_VALUE, xor));
    });
}

pub(super) fn compare(w: &mut Writer, operator: u32, value: &[u8]) {
    element(w, "cmp", |w| {
        w.be32(NFTA_CMP_SREG, REGISTER);
        w.be32(NFTA_CMP_OP, operator);
        w.nested(NFTA_CMP_DATA, |w| w.bytes(NFTA_DATA_VALUE, value));
    });
}

/// What a named object does.
pub(super) fn object(w: &mut Writer, kind: u32, name: &str) {
    element(w, "objref", |w| {
        w.be32(NFTA_OBJREF_IMM_TYPE, kind);
        w.string(NFTA_OBJREF_IMM_NAME, name);
    });
}

fn verdict(w: &mut Writer, code: u32, chain: Option<&str>) {
    element(w, "immediate", |w| {
        w.be32(NFTA_IMMEDIATE_DREG, VERDICT_REGISTER);
        w.nested(NFTA_IMMEDIATE_DATA, |w| {
            w.nested(NFTA_DATA_VERDICT, |w| {
                w.be32(NFTA_VERDICT_CODE, code);
                if let Some(chain) = chain {
                    w.string(NFTA_VERDICT_CHAIN, chain);
                }
            });
        });
    });
}

/// What a limit says, in its expression and in a named one alike.
pub(super) fn limit(w: &mut Writer, per_second: u64, burst: u32) {
    w.be64(NFTA_LIMIT_RATE, per_second);
    w.be64(NFTA_LIMIT_UNIT, 1);
    w.be32(NFTA_LIMIT_BURST, burst);
    w.be32(NFTA_LIMIT_TYPE, 0);
}
