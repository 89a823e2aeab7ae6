//! One message of a transaction: what it asks for, in words and on the wire.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use sakimori_firewall::ChainName;

use super::expression::{ANONYMOUS_SET, Expression, NFTA_DATA_VALUE, NFTA_LIST_ELEM};
use super::field::{Field, Ranges};
use super::named::{self, NamedSet};
use super::stateful::{Kept, Named};
use super::{Count, TABLE};
use crate::netlink::{APPEND, CREATE, REQUEST, Writer};

/// `inet`: IPv4 and IPv6 in one table.
pub(super) const NFPROTO_INET: u8 = 1;
/// ARP.
pub(super) const NFPROTO_ARP: u8 = 3;
/// Frames at interfaces.
pub(super) const NFPROTO_NETDEV: u8 = 5;
const SUBSYSTEM: u16 = 10;
pub(super) const NFT_MSG_NEWTABLE: u16 = SUBSYSTEM * 256;
pub(super) const NFT_MSG_GETTABLE: u16 = SUBSYSTEM * 256 + 1;
const NFT_MSG_DELTABLE: u16 = SUBSYSTEM * 256 + 2;
pub(super) const NFT_MSG_NEWCHAIN: u16 = SUBSYSTEM * 256 + 3;
pub(super) const NFT_MSG_GETCHAIN: u16 = SUBSYSTEM * 256 + 4;
const NFT_MSG_DELCHAIN: u16 = SUBSYSTEM * 256 + 5;
const NFT_MSG_NEWRULE: u16 = SUBSYSTEM * 256 + 6;
const NFT_MSG_DELRULE: u16 = SUBSYSTEM * 256 + 8;
pub(super) const NFT_MSG_NEWSET: u16 = SUBSYSTEM * 256 + 9;
pub(super) const NFT_MSG_GETSET: u16 = SUBSYSTEM * 256 + 10;
const NFT_MSG_DELSET: u16 = SUBSYSTEM * 256 + 11;
pub(super) const NFT_MSG_NEWSETELEM: u16 = SUBSYSTEM * 256 + 12;
pub(super) const NFT_MSG_GETSETELEM: u16 = SUBSYSTEM * 256 + 13;
const NFT_MSG_DELSETELEM: u16 = SUBSYSTEM * 256 + 14;
pub(super) const NFT_MSG_NEWOBJ: u16 = SUBSYSTEM * 256 + 18;
pub(super) const NFT_MSG_GETOBJ: u16 = SUBSYSTEM * 256 + 19;
const NFT_MSG_DELOBJ: u16 = SUBSYSTEM * 256 + 20;
const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;

/// A named object that counts.
pub(super) const NFT_OBJECT_COUNTER: u32 = 1;
/// A named object that lets so many packets on.
pub(super) const NFT_OBJECT_LIMIT: u32 = 4;
pub(super) const NFTA_TABLE_NAME: u16 = 1;
pub(super) const NFTA_CHAIN_TABLE: u16 = 1;
pub(super) const NFTA_CHAIN_NAME: u16 = 3;
pub(super) const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;
const NFTA_HOOK_DEV: u16 = 3;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_SET_TABLE: u16 = 1;
pub(super) const NFTA_SET_NAME: u16 = 2;
pub(super) const NFTA_SET_FLAGS: u16 = 3;
pub(super) const NFTA_SET_KEY_TYPE: u16 = 4;
pub(super) const NFTA_SET_KEY_LEN: u16 = 5;
pub(super) const NFTA_SET_ID: u16 = 10;
pub(super) const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
pub(super) const NFTA_SET_ELEM_LIST_SET: u16 = 2;
pub(super) const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
const NFTA_SET_DESC: u16 = 9;
const NFTA_SET_TIMEOUT: u16 = 11;
const NFTA_SET_ELEM_LIST_SET_ID: u16 = 4;
pub(super) const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_FLAGS: u16 = 3;
const NFTA_SET_ELEM_TIMEOUT: u16 = 4;
pub(super) const NFTA_SET_ELEM_EXPIRATION: u16 = 5;
const NFT_SET_ELEM_INTERVAL_END: u32 = 1;
/// Anonymous (lives as long as the rule), constant, of intervals.
const SET_FLAGS: u32 = EXACT_SET_FLAGS | 4;
/// Anonymous and constant.
const EXACT_SET_FLAGS: u32 = 1 | 2;
pub(super) const NFTA_OBJ_TABLE: u16 = 1;
pub(super) const NFTA_OBJ_NAME: u16 = 2;
pub(super) const NFTA_OBJ_TYPE: u16 = 3;
pub(super) const NFTA_OBJ_DATA: u16 = 4;
pub(super) const NFTA_COUNTER_BYTES: u16 = 1;
pub(super) const NFTA_COUNTER_PACKETS: u16 = 2;
const NF_ACCEPT: u32 = 1;

/// Where a base chain hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChainHook {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) priority: u32,
}

/// One message of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Creates the table unless it is there.
    AddTable,
    /// Removes the table and all in it.
    DeleteTable,
    /// Creates the chain unless it is there just so.
    AddChain { name: ChainName, hook: Option<ChainHook> },
    /// Creates a chain at an interface, for what comes in (0) or leaves (1).
    AddDeviceChain { name: ChainName, hook: u32, device: String },
    /// Removes all rules of the table.
    FlushRules,
    /// Removes all rules of a chain.
    FlushChain { name: String },
    /// Removes a chain that has no rules and that no rule leads to.
    DeleteChain { name: String },
    /// Creates the counter unless it is there; an existing one keeps its value.
    AddCounter { name: Cow<'static, str>, value: Count },
    /// Removes a counter that no rule uses.
    DeleteCounter { name: String },
    /// Creates the limit that several rules share, unless it is there.
    AddLimit { name: &'static str, per_second: u64, burst: u32 },
    /// Creates an anonymous set for values of this field: single ones (`exact`), or ranges.
    AddSet { id: u32, field: Field, exact: bool },
    /// Adds ranges to it.
    AddElements { id: u32, field: Field, exact: bool, ranges: Ranges },
    /// Creates a set or an object that lives over swaps, unless it is there.
    AddNamed { id: u32, named: Named },
    /// Removes one that no rule uses.
    DeleteNamed(Kept),
    /// Creates the named set unless it is there just so.
    AddNamedSet(NamedSet),
    /// Removes a named set that no rule uses.
    DeleteNamedSet(NamedSet),
    /// Puts an address into the set of those that are blocked, for a time.
    Block { address: IpAddr, time: Duration },
    /// Takes it out again.
    Unblock { address: IpAddr },
    /// Appends a rule.
    AddRule { chain: ChainName, rule: Vec<Expression> },
    /// The same in our table for ARP.
    Arp(Box<Request>),
    /// The same in our table for frames at interfaces.
    Netdev(Box<Request>),
}

// === impl Request ===

impl Request {
    pub(super) fn encode(&self, w: &mut Writer, sequence: u32, extra_flags: u16) {
        match self {
            Self::Arp(request) => request.encode_in(NFPROTO_ARP, w, sequence, extra_flags),
            Self::Netdev(request) => request.encode_in(NFPROTO_NETDEV, w, sequence, extra_flags),
            request => request.encode_in(NFPROTO_INET, w, sequence, extra_flags),
        }
    }

    fn encode_in(&self, family: u8, w: &mut Writer, sequence: u32, extra_flags: u16) {
        let (kind, flags) = match self {
            // There is no table in a table.
            Self::Arp(request) | Self::Netdev(request) => {
                return request.encode_in(family, w, sequence, extra_flags);
            }
            Self::AddTable => (NFT_MSG_NEWTABLE, CREATE),
            Self::DeleteTable => (NFT_MSG_DELTABLE, 0),
            Self::AddChain { .. } | Self::AddDeviceChain { .. } => (NFT_MSG_NEWCHAIN, CREATE),
            Self::FlushRules | Self::FlushChain { .. } => (NFT_MSG_DELRULE, 0),
            Self::DeleteChain { .. } => (NFT_MSG_DELCHAIN, 0),
            Self::AddCounter { .. } | Self::AddLimit { .. } => (NFT_MSG_NEWOBJ, CREATE),
            Self::DeleteCounter { .. } | Self::DeleteNamed(Kept::Object(..)) => (NFT_MSG_DELOBJ, 0),
            Self::AddNamed { named, .. } if !named.is_set() => (NFT_MSG_NEWOBJ, CREATE),
            Self::AddSet { .. } | Self::AddNamed { .. } | Self::AddNamedSet(_) => (NFT_MSG_NEWSET, CREATE),
            Self::DeleteNamed(Kept::Set(_)) | Self::DeleteNamedSet(_) => (NFT_MSG_DELSET, 0),
            Self::AddElements { .. } | Self::Block { .. } => (NFT_MSG_NEWSETELEM, CREATE),
            Self::Unblock { .. } => (NFT_MSG_DELSETELEM, 0),
            Self::AddRule { .. } => (NFT_MSG_NEWRULE, CREATE | APPEND),
        };
        w.begin(kind, REQUEST | flags | extra_flags, sequence, family, 0);
        // The table's name is attribute 1 of every kind.
        w.string(NFTA_TABLE_NAME, TABLE);
        const { assert!(NFTA_TABLE_NAME == NFTA_CHAIN_TABLE && NFTA_TABLE_NAME == NFTA_RULE_TABLE) };
        const { assert!(NFTA_TABLE_NAME == NFTA_SET_TABLE && NFTA_TABLE_NAME == NFTA_OBJ_TABLE) };
        const { assert!(NFTA_TABLE_NAME == NFTA_SET_ELEM_LIST_TABLE) };
        match self {
            Self::AddTable | Self::DeleteTable | Self::FlushRules | Self::Arp(_) | Self::Netdev(_) => {}
            Self::FlushChain { name } => w.string(NFTA_RULE_CHAIN, name),
            Self::DeleteChain { name } => w.string(NFTA_CHAIN_NAME, name),
            Self::AddChain { name, hook } => {
                w.string(NFTA_CHAIN_NAME, &name.to_string());
                if let Some(hook) = hook {
                    w.nested(NFTA_CHAIN_HOOK, |w| {
                        w.be32(NFTA_HOOK_HOOKNUM, hook.number);
                        w.be32(NFTA_HOOK_PRIORITY, hook.priority);
                    });
                    w.be32(NFTA_CHAIN_POLICY, NF_ACCEPT);
                    w.string(NFTA_CHAIN_TYPE, hook.kind);
                }
            }
            Self::AddDeviceChain { name, hook, device } => {
                w.string(NFTA_CHAIN_NAME, &name.to_string());
                w.nested(NFTA_CHAIN_HOOK, |w| {
                    w.be32(NFTA_HOOK_HOOKNUM, *hook);
                    w.be32(NFTA_HOOK_PRIORITY, 0);
                    w.string(NFTA_HOOK_DEV, device);
                });
                w.be32(NFTA_CHAIN_POLICY, NF_ACCEPT);
                w.string(NFTA_CHAIN_TYPE, "filter");
            }
            Self::AddCounter { name, value } => {
                w.string(NFTA_OBJ_NAME, name);
                w.be32(NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
                w.nested(NFTA_OBJ_DATA, |w| {
                    w.be64(NFTA_COUNTER_BYTES, value.bytes);
                    w.be64(NFTA_COUNTER_PACKETS, value.packets);
                });
            }
            Self::AddLimit { name, per_second, burst } => {
                w.string(NFTA_OBJ_NAME, name);
                w.be32(NFTA_OBJ_TYPE, NFT_OBJECT_LIMIT);
                w.nested(NFTA_OBJ_DATA, |w| super::expression::limit(w, *per_second, *burst));
            }
            Self::DeleteCounter { name } => {
                w.string(NFTA_OBJ_NAME, name);
                w.be32(NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
            }
            Self::AddNamed { id, named } => named.encode(w, *id),
            Self::DeleteNamed(Kept::Set(name)) => w.string(NFTA_SET_NAME, name),
            Self::DeleteNamed(Kept::Object(kind, name)) => {
                w.string(NFTA_OBJ_NAME, name);
                w.be32(NFTA_OBJ_TYPE, *kind);
            }
            Self::AddSet { id, field, exact } => {
                w.string(NFTA_SET_NAME, ANONYMOUS_SET);
                w.be32(NFTA_SET_FLAGS, if *exact { EXACT_SET_FLAGS } else { SET_FLAGS });
                w.be32(NFTA_SET_KEY_TYPE, field.key_type());
                w.be32(NFTA_SET_KEY_LEN, u32::try_from(field.bytes()).unwrap_or(0));
                w.be32(NFTA_SET_ID, *id);
            }
            Self::AddElements { id, field, exact, ranges } => {
                w.string(NFTA_SET_ELEM_LIST_SET, ANONYMOUS_SET);
                w.be32(NFTA_SET_ELEM_LIST_SET_ID, *id);
                w.nested(NFTA_SET_ELEM_LIST_ELEMENTS, |w| {
                    for (first, last) in &ranges.0 {
                        set_element(w, &field.key(*first), 0);
                        // An interval ends before the first value behind it; the last one has no end.
                        if !exact && *last < field.highest() {
                            set_element(w, &field.key(last + 1), NFT_SET_ELEM_INTERVAL_END);
                        }
                    }
                });
            }
            Self::AddNamedSet(set) => {
                w.string(NFTA_SET_NAME, set.name());
                w.be32(NFTA_SET_FLAGS, set.flags());
                w.be32(NFTA_SET_KEY_TYPE, set.key_type());
                w.be32(NFTA_SET_KEY_LEN, set.key_bytes());
                w.nested(NFTA_SET_DESC, |w| set.describe(w));
                w.be32(NFTA_SET_ID, set.id());
                if let Some(timeout) = set.timeout() {
                    w.be64(NFTA_SET_TIMEOUT, named::milliseconds(timeout));
                }
            }
            Self::DeleteNamedSet(set) => w.string(NFTA_SET_NAME, set.name()),
            Self::Block { address, time } => listed(w, *address, Some(*time)),
            Self::Unblock { address } => listed(w, *address, None),
            Self::AddRule { chain, rule } => {
                w.string(NFTA_RULE_CHAIN, &chain.to_string());
                w.nested(NFTA_RULE_EXPRESSIONS, |w| {
                    for expression in rule {
                        expression.encode(w);
                    }
                });
            }
        }
        w.end();
    }
}

/// An element of the set of blocked addresses.
fn listed(w: &mut Writer, address: IpAddr, time: Option<Duration>) {
    w.string(NFTA_SET_ELEM_LIST_SET, NamedSet::blocking(address).name());
    w.nested(NFTA_SET_ELEM_LIST_ELEMENTS, |w| {
        w.nested(NFTA_LIST_ELEM, |w| {
            w.nested(NFTA_SET_ELEM_KEY, |w| w.bytes(NFTA_DATA_VALUE, &named::key(address)));
            if let Some(time) = time {
                w.be64(NFTA_SET_ELEM_TIMEOUT, named::milliseconds(time));
            }
        });
    });
}

fn set_element(w: &mut Writer, key: &[u8], flags: u32) {
    w.nested(NFTA_LIST_ELEM, |w| {
        w.nested(NFTA_SET_ELEM_KEY, |w| w.bytes(NFTA_DATA_VALUE, key));
        if flags != 0 {
            w.be32(NFTA_SET_ELEM_FLAGS, flags);
        }
    });
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arp(request) => write!(f, "arp: {request}"),
            Self::Netdev(request) => write!(f, "netdev: {request}"),
            Self::AddDeviceChain { name, hook, device } => {
                let hook = if *hook == 0 { "ingress" } else { "egress" };
                write!(
                    f,
                    "add chain {name} {{ type filter hook {hook} device \"{device}\" priority 0; policy accept; }}"
                )
            }
            Self::AddTable => write!(f, "add table inet {TABLE}"),
            Self::DeleteTable => write!(f, "delete table inet {TABLE}"),
            Self::AddChain { name, hook: None } => write!(f, "add chain {name}"),
            Self::AddChain { name, hook: Some(hook) } => {
                let ChainHook { kind, name: at, priority, .. } = hook;
                write!(
                    f,
                    "add chain {name} {{ type {kind} hook {at} priority {}; policy accept; }}",
                    priority.cast_signed()
                )
            }
            Self::FlushRules => write!(f, "flush table inet {TABLE}"),
            Self::FlushChain { name } => write!(f, "flush chain {name}"),
            Self::DeleteChain { name } => write!(f, "delete chain {name}"),
            Self::AddCounter { name, value: Count { packets, bytes } } => {
                write!(f, "add counter {name} {{ packets {packets} bytes {bytes} }}")
            }
            Self::AddLimit { name, per_second, burst } => {
                write!(f, "add limit {name} {{ rate {per_second}/second burst {burst} packets }}")
            }
            Self::DeleteCounter { name } => write!(f, "delete counter {name}"),
            Self::AddNamed { named, .. } => write!(f, "add {named}"),
            Self::DeleteNamed(Kept::Set(name) | Kept::Object(_, name)) => write!(f, "delete {name}"),
            Self::AddSet { id, .. } => write!(f, "add set #{id}"),
            Self::AddElements { id, .. } => write!(f, "fill set #{id}"),
            Self::AddNamedSet(set) => write!(f, "add set {}", set.name()),
            Self::DeleteNamedSet(set) => write!(f, "delete set {}", set.name()),
            Self::Block { address, time } => write!(f, "block {address} for {} s", time.as_secs()),
            Self::Unblock { address } => write!(f, "unblock {address}"),
            Self::AddRule { chain, rule } => {
                write!(f, "add rule {chain}")?;
                rule.iter().try_for_each(|expression| write!(f, " {expression}"))
            }
        }
    }
}

/// The whole transaction, and whether it is to be carried out. Message `i` has the sequence number `i + 1`, the
/// bracket around has 0; the last message asks for an acknowledgement.
///
/// Without its end the kernel checks every message and then forgets the transaction: a dry run.
pub(super) fn transaction(requests: &[Request], commit: bool) -> Vec<u8> {
    let mut w = Writer::default();
    w.begin(NFNL_MSG_BATCH_BEGIN, REQUEST, 0, 0, SUBSYSTEM);
    w.end();
    for (index, request) in requests.iter().enumerate() {
        let acknowledge = if index + 1 == requests.len() { crate::netlink::ACK } else { 0 };
        request.encode(&mut w, u32::try_from(index + 1).unwrap_or(u32::MAX), acknowledge);
    }
    if commit {
        w.begin(NFNL_MSG_BATCH_END, REQUEST, 0, 0, SUBSYSTEM);
        w.end();
    }
    w.as_bytes().to_vec()
}
