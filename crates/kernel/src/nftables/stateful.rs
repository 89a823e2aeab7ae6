//! Stateful checks in the kernel: connection tracking's states, counted connections, cookies, timeouts, helpers.
//!
//! What has to live over swaps (who has how many connections) lies in named sets and objects. Their names say all that
//! is said of them: one whose definition changes is another one, and the former goes in the same transaction.

use std::collections::BTreeSet;
use std::fmt;

use sakimori_firewall::{
    ChainName, Check, Condition, Crowd, Effect, Fragments, Needs, Plan, Step, Then, Timeouts, Watch,
};

use super::expression::{
    Expression, Mark, NFT_CMP_EQ, NFT_CMP_LT, NFT_CMP_NEQ, NFT_META_NFPROTO, NFT_PAYLOAD_NETWORK_HEADER,
    NFT_PAYLOAD_TRANSPORT_HEADER, NFTA_EXPR_DATA, NFTA_EXPR_NAME, REGISTER, bitwise, compare, element, load,
    meta, object,
};
use super::field::Version;
use super::named::{self, NamedSet};
use super::request::{
    NFPROTO_INET, NFT_MSG_GETOBJ, NFT_MSG_GETSET, NFT_MSG_NEWOBJ, NFT_MSG_NEWSET, NFTA_OBJ_DATA,
    NFTA_OBJ_NAME, NFTA_OBJ_TYPE, NFTA_SET_FLAGS, NFTA_SET_ID, NFTA_SET_KEY_LEN, NFTA_SET_KEY_TYPE,
    NFTA_SET_NAME, NFTA_TABLE_NAME, Request,
};
use super::table::{Listing, Table};
use super::{MARK_INJECTED, TABLE, TableError};
use crate::netlink::{self, NETFILTER_HEADER, Writer};

/// Sources and destinations whose connections are counted, of an IP version. What comes from further ones is not
/// limited: memory is bounded.
const CROWD: u32 = 65_535;
/// How long a connection counts as half open: Linux's own time for it.
const HALF_OPEN_MS: u64 = 60_000;
/// How long answers to a port's cookies are waited for: a cookie is good for one to two minutes.
const COOKIE_MS: u64 = 120_000;
const COOKIES: &str = "fw_cookies";
const FTP: &str = "fw_ftp";
/// What SYN cookies say of the largest segment: Ethernet's, less the headers of IPv6. A server that takes more is told less.
const MSS: u16 = 1440;
/// MSS, window scale, SACK, timestamps.
const SYNPROXY_OPTIONS: u32 = 1 | 2 | 4 | 8;

/// What the kernel has for stateful checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Has {
    pub(super) needs: Needs,
    /// The window scale of this host's own TCP, which a cookie has to promise before it is asked.
    pub(super) window_scale: u8,
}

/// A set or an object that lives over swaps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    /// Counted connections by address.
    Crowd { of: Crowd, v4: bool, most: u32 },
    /// Connections that are half open.
    HalfOpen { v4: bool, most: u32 },
    /// Ports that cookies were sent for.
    Cookies,
    /// Timeouts of a protocol: its number, and seconds by state.
    Timeouts { protocol: u8, seconds: [u32; 8] },
    /// Follows FTP.
    Ftp,
}

/// What there is by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kept {
    Set(String),
    Object(u32, String),
}

// === impl Named ===

impl Named {
    pub(super) fn kept(&self) -> Kept {
        let version = |v4: &bool| if *v4 { 4 } else { 6 };
        match self {
            Self::Crowd { of, v4, most } => {
                let of = match of {
                    Crowd::Source => "source",
                    Crowd::Destination => "destination",
                    Crowd::Outgoing => "outgoing",
                };
                Kept::Set(format!("fw_crowd_{of}_{}_{most}", version(v4)))
            }
            Self::HalfOpen { v4, most } => Kept::Set(format!("fw_half_open_{}_{most}", version(v4))),
            Self::Cookies => Kept::Set(COOKIES.to_owned()),
            Self::Timeouts { protocol, seconds } => {
                let seconds: Vec<String> = seconds.iter().map(u32::to_string).collect();
                Kept::Object(NFT_OBJECT_CT_TIMEOUT, format!("fw_timeout_{protocol}_{}", seconds.join("_")))
            }
            Self::Ftp => Kept::Object(NFT_OBJECT_CT_HELPER, FTP.to_owned()),
        }
    }

    fn name(&self) -> String {
        let (Kept::Set(name) | Kept::Object(_, name)) = self.kept();
        name
    }

    pub(super) const fn is_set(&self) -> bool {
        matches!(self, Self::Crowd { .. } | Self::HalfOpen { .. } | Self::Cookies)
    }

    /// Writes what follows the table's name. `id` is a number that no other set of the transaction has.
    pub(super) fn encode(&self, w: &mut Writer, id: u32) {
        // What listings show a key as, its bytes, how many there may be, for how long.
        let set = |w: &mut Writer, kind: u32, bytes: u32, size: u32, timeout: Option<u64>| {
            w.string(NFTA_SET_NAME, &self.name());
            w.be32(NFTA_SET_FLAGS, NFT_SET_EVAL | timeout.map_or(0, |_| NFT_SET_TIMEOUT));
            w.be32(NFTA_SET_KEY_TYPE, kind);
            w.be32(NFTA_SET_KEY_LEN, bytes);
            w.nested(NFTA_SET_DESC, |w| w.be32(NFTA_SET_DESC_SIZE, size));
            w.be32(NFTA_SET_ID, id);
            if let Some(timeout) = timeout {
                w.be64(NFTA_SET_TIMEOUT, timeout);
            }
        };
        let object = |w: &mut Writer, kind: u32, data: &dyn Fn(&mut Writer)| {
            w.string(NFTA_OBJ_NAME, &self.name());
            w.be32(NFTA_OBJ_TYPE, kind);
            w.nested(NFTA_OBJ_DATA, data);
        };
        match self {
            Self::Crowd { of: Crowd::Outgoing, .. } => set(w, TYPE_NFPROTO, 1, 2, None),
            Self::Crowd { v4: true, .. } => set(w, TYPE_V4, 4, CROWD, None),
            Self::Crowd { v4: false, .. } => set(w, TYPE_V6, 16, CROWD, None),
            Self::HalfOpen { v4, most } => {
                let (address, bytes) = if *v4 { (TYPE_V4, 4) } else { (TYPE_V6, 16) };
                let key = address << 12 | TYPE_PORT << 6 | TYPE_PORT;
                set(w, key, bytes + 8, *most, Some(HALF_OPEN_MS));
            }
            Self::Cookies => set(w, TYPE_PORT, 2, 65_535, Some(COOKIE_MS)),
            Self::Timeouts { protocol, seconds } => object(w, NFT_OBJECT_CT_TIMEOUT, &|w| {
                w.bytes(NFTA_CT_TIMEOUT_L4PROTO, &[*protocol]);
                w.nested(NFTA_CT_TIMEOUT_DATA, |w| {
                    for (state, seconds) in (1..).zip(seconds).filter(|(_, seconds)| **seconds > 0) {
                        w.be32(state, *seconds);
                    }
                });
            }),
            Self::Ftp => object(w, NFT_OBJECT_CT_HELPER, &|w| {
                w.string(NFTA_CT_HELPER_NAME, "ftp");
                w.bytes(NFTA_CT_HELPER_L4PROTO, &[6]);
            }),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kept() {
            Kept::Set(name) => write!(f, "set {name}"),
            Kept::Object(NFT_OBJECT_CT_TIMEOUT, name) => write!(f, "ct timeout {name}"),
            Kept::Object(_, name) => write!(f, "ct helper {name}"),
        }
    }
}

impl From<Timeouts> for Named {
    fn from(Timeouts { protocol, seconds }: Timeouts) -> Self {
        Self::Timeouts { protocol, seconds }
    }
}

// === plans ===

/// Whether the kernel has what a step needs.
pub(super) fn possible(step: &Step, has: Has) -> bool {
    let mut needs = Needs::default();
    for condition in &step.conditions {
        if let Condition::Watch(watch) = condition {
            needs.watch(*watch);
        }
    }
    if let Then::Effect(effect) = step.then {
        needs.effect(effect);
    }
    needs.less(has.needs) == Needs::default()
}

/// Whether a chain is left empty: without cookies nothing is known of half-open connections.
pub(super) fn is_left_out(chain: ChainName, has: Has) -> bool {
    chain == Check::HalfOpen.counter().into() && !has.needs.cookies
}

/// The sets and objects of a plan, as far as the kernel has them.
pub(super) fn named(plan: &Plan, has: Has) -> BTreeSet<Named> {
    let mut named = BTreeSet::new();
    for step in plan.chains.iter().flat_map(|chain| &chain.steps) {
        if !possible(step, has) {
            continue;
        }
        for condition in &step.conditions {
            match condition {
                Condition::Watch(Watch::Crowded { of, v4, most }) => {
                    named.insert(Named::Crowd { of: *of, v4: *v4, most: *most });
                }
                Condition::Watch(Watch::HalfOpenRoom { v4, most }) => {
                    named.insert(Named::HalfOpen { v4: *v4, most: *most });
                }
                Condition::Watch(Watch::CookiesSent) => {
                    named.insert(Named::Cookies);
                }
                _ => {}
            }
        }
        match step.then {
            Then::Effect(Effect::CookieSent) => named.insert(Named::Cookies),
            Then::Effect(Effect::Opened { v4, most }) => named.insert(Named::HalfOpen { v4, most }),
            Then::Effect(Effect::Ftp) => named.insert(Named::Ftp),
            Then::Effect(Effect::Timeouts(timeouts)) => named.insert(timeouts.into()),
            _ => false,
        };
    }
    named
}

/// Takes away what is there and not in the plan, then creates what is. No rule may be left.
pub(super) fn requests(requests: &mut Vec<Request>, named: BTreeSet<Named>, present: &BTreeSet<Kept>) {
    let wanted: BTreeSet<Kept> = named.iter().map(Named::kept).collect();
    requests.extend(present.difference(&wanted).cloned().map(Request::DeleteNamed));
    for named in named {
        let id = u32::try_from(requests.len()).unwrap_or(u32::MAX);
        requests.push(Request::AddNamed { id, named });
    }
}

// === expressions ===

/// Writes the kernel's expressions of a condition.
pub(super) fn watch(w: &mut Writer, watch: Watch) {
    match watch {
        // A mark says so, which has an expression of its own.
        Watch::NotAsked => {}
        Watch::New => Expression::ConnectionState(NEW).encode(w),
        Watch::Invalid => Expression::ConnectionState(INVALID).encode(w),
        Watch::NewOrInvalid => Expression::ConnectionState(NEW | INVALID).encode(w),
        Watch::ForHere => {
            element(w, "fib", |w| {
                w.be32(NFTA_FIB_DREG, REGISTER);
                w.be32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
                w.be32(NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
            });
            compare(w, NFT_CMP_EQ, &RTN_LOCAL.to_ne_bytes());
        }
        Watch::Fragment { v4: true, which } => fragment_v4(w, which),
        Watch::Fragment { v4: false, which } => fragment_v6(w, which),
        Watch::Crowded { of, v4, most } => {
            crowd_key(w, of, v4);
            dynset(w, &Named::Crowd { of, v4, most }, NFT_DYNSET_OP_ADD, Some(most));
        }
        Watch::HalfOpenRoom { v4, most } => half_open(w, v4, most, NFT_DYNSET_OP_ADD),
        Watch::AnswersInPlace => {
            element(w, "ct", |w| {
                w.be32(NFTA_CT_DREG, REGISTER);
                w.be32(NFTA_CT_KEY, NFT_CT_STATUS);
            });
            bitwise(w, &IPS_CONFIRMED.to_ne_bytes(), &[0; 4]);
            compare(w, NFT_CMP_EQ, &[0; 4]);
        }
        Watch::CookiesSent => {
            load(w, REGISTER, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
            element(w, "lookup", |w| {
                w.string(NFTA_LOOKUP_SET, COOKIES);
                w.be32(NFTA_LOOKUP_SREG, REGISTER);
            });
        }
    }
}

/// Writes the kernel's expressions of what is done to a packet.
pub(super) fn effect(w: &mut Writer, effect: Effect, window_scale: u8) {
    match effect {
        Effect::Opened { v4, most } => half_open(w, v4, most, NFT_DYNSET_OP_DELETE),
        Effect::CookieSent => {
            load(w, REGISTER, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
            dynset(w, &Named::Cookies, NFT_DYNSET_OP_UPDATE, None);
        }
        Effect::SynCookie => element(w, "synproxy", |w| {
            w.be16(NFTA_SYNPROXY_MSS, MSS);
            w.bytes(NFTA_SYNPROXY_WSCALE, &[window_scale]);
            w.be32(NFTA_SYNPROXY_FLAGS, SYNPROXY_OPTIONS);
        }),
        Effect::Own => Expression::MarkSet(Mark::Packet, MARK_INJECTED).encode(w),
        Effect::Ftp => object(w, NFT_OBJECT_CT_HELPER, FTP),
        Effect::Timeouts(timeouts) => object(w, NFT_OBJECT_CT_TIMEOUT, &Named::from(timeouts).name()),
    }
}

/// # Source
/// RFC 791 §3.1
fn fragment_v4(w: &mut Writer, which: Fragments) {
    Version::V4.check(w);
    let offset = |w: &mut Writer, mask: u16| {
        load(w, REGISTER, NFT_PAYLOAD_NETWORK_HEADER, 6, 2);
        bitwise(w, &mask.to_be_bytes(), &[0; 2]);
    };
    match which {
        Fragments::All => {
            offset(w, 0x3FFF);
            compare(w, NFT_CMP_NEQ, &[0; 2]);
        }
        Fragments::Shorter(least) => {
            offset(w, 0x2000);
            compare(w, NFT_CMP_NEQ, &[0; 2]);
            load(w, REGISTER, NFT_PAYLOAD_NETWORK_HEADER, 2, 2);
            compare(w, NFT_CMP_LT, &least.to_be_bytes());
        }
        Fragments::Before(bytes) => {
            offset(w, 0x1FFF);
            compare(w, NFT_CMP_NEQ, &[0; 2]);
            compare(w, NFT_CMP_LT, &(bytes / 8).to_be_bytes());
        }
    }
}

/// An atomic fragment, which is the whole packet, is none.
///
/// # Source
/// RFC 8200 §4.5, RFC 6946
fn fragment_v6(w: &mut Writer, which: Fragments) {
    Version::V6.check(w);
    let offset = |w: &mut Writer, mask: u16| {
        element(w, "exthdr", |w| {
            w.be32(NFTA_EXTHDR_DREG, REGISTER);
            w.bytes(NFTA_EXTHDR_TYPE, &[FRAGMENT_HEADER]);
            w.be32(NFTA_EXTHDR_OFFSET, 2);
            w.be32(NFTA_EXTHDR_LEN, 2);
        });
        bitwise(w, &mask.to_be_bytes(), &[0; 2]);
    };
    match which {
        Fragments::All => {
            offset(w, 0xFFF9);
            compare(w, NFT_CMP_NEQ, &[0; 2]);
        }
        Fragments::Shorter(least) => {
            offset(w, 1);
            compare(w, NFT_CMP_NEQ, &[0; 2]);
            // Its length is that of what follows the 40 bytes of the header.
            load(w, REGISTER, NFT_PAYLOAD_NETWORK_HEADER, 4, 2);
            compare(w, NFT_CMP_LT, &least.saturating_sub(40).to_be_bytes());
        }
        Fragments::Before(bytes) => {
            offset(w, 0xFFF8);
            compare(w, NFT_CMP_NEQ, &[0; 2]);
            compare(w, NFT_CMP_LT, &bytes.to_be_bytes());
        }
    }
}

/// Loads what connections are counted by. Of IPv6 whoever has a /64 has all its addresses.
fn crowd_key(w: &mut Writer, of: Crowd, v4: bool) {
    match (of, v4) {
        (Crowd::Source, true) => load(w, REGISTER, NFT_PAYLOAD_NETWORK_HEADER, 12, 4),
        (Crowd::Source, false) => {
            load(w, REGISTER, NFT_PAYLOAD_NETWORK_HEADER, 8, 16);
            let mut mask = [0; 16];
            mask.iter_mut().take(8).for_each(|byte| *byte = u8::MAX);
            bitwise(w, &mask, &[0; 16]);
        }
        (Crowd::Destination, true) => load(w, REGISTER, NFT_PAYLOAD_NETWORK_HEADER, 16, 4),
        (Crowd::Destination, false) => load(w, REGISTER, NFT_PAYLOAD_NETWORK_HEADER, 24, 16),
        (Crowd::Outgoing, _) => meta(w, NFT_META_NFPROTO),
    }
}

/// Puts a connection among those that are half open, or takes it out: source address and both ports.
fn half_open(w: &mut Writer, v4: bool, most: u32, operation: u32) {
    let (offset, length) = if v4 { (12, 4) } else { (8, 16) };
    load(w, REGISTER, NFT_PAYLOAD_NETWORK_HEADER, offset, length);
    let behind = REGISTER + length / 4;
    load(w, behind, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2);
    load(w, behind + 1, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
    dynset(w, &Named::HalfOpen { v4, most }, operation, None);
}

/// Changes a set by the key in the register; with a limit, the rule goes on where more connections than it are counted.
fn dynset(w: &mut Writer, set: &Named, operation: u32, most: Option<u32>) {
    element(w, "dynset", |w| {
        w.string(NFTA_DYNSET_SET_NAME, &set.name());
        w.be32(NFTA_DYNSET_OP, operation);
        w.be32(NFTA_DYNSET_SREG_KEY, REGISTER);
        if let Some(most) = most {
            w.nested(NFTA_DYNSET_EXPR, |w| {
                w.string(NFTA_EXPR_NAME, "connlimit");
                w.nested(NFTA_EXPR_DATA, |w| {
                    w.be32(NFTA_CONNLIMIT_COUNT, most);
                    w.be32(NFTA_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
                });
            });
        }
    });
}

/// A condition as listings show it.
pub(super) fn show_watch(f: &mut fmt::Formatter<'_>, watch: Watch) -> fmt::Result {
    match watch {
        Watch::NotAsked => f.write_str("passed"),
        Watch::New => f.write_str("ct state new"),
        Watch::Invalid => f.write_str("ct state invalid"),
        Watch::NewOrInvalid => f.write_str("ct state new,invalid"),
        Watch::ForHere => f.write_str("fib daddr type local"),
        Watch::Fragment { v4, which } => {
            let (offset, length, more, all, unit, header) = if v4 {
                ("ip frag-off", "ip length", 0x2000, 0x3FFF, 8, 0)
            } else {
                ("frag frag-off", "ip6 length", 1, 0xFFF9, 1, 40)
            };
            match which {
                Fragments::All => write!(f, "{offset} & 0x{all:x} != 0"),
                Fragments::Shorter(least) => {
                    write!(f, "{offset} & 0x{more:x} != 0 {length} < {}", least.saturating_sub(header))
                }
                Fragments::Before(bytes) => write!(f, "{offset} offset != 0 < {}", bytes / unit),
            }
        }
        Watch::Crowded { of, v4, most } => {
            write!(f, "add @{} {{ ct count over {most} }}", Named::Crowd { of, v4, most }.name())
        }
        Watch::HalfOpenRoom { v4, most } => write!(f, "add @{}", Named::HalfOpen { v4, most }.name()),
        Watch::AnswersInPlace => f.write_str("ct status & confirmed == 0"),
        Watch::CookiesSent => write!(f, "tcp dport @{COOKIES}"),
    }
}

/// What is done to a packet as listings show it.
pub(super) fn show_effect(f: &mut fmt::Formatter<'_>, effect: Effect) -> fmt::Result {
    match effect {
        Effect::Opened { v4, most } => write!(f, "delete @{}", Named::HalfOpen { v4, most }.name()),
        Effect::CookieSent => write!(f, "update @{COOKIES} {{ tcp dport }}"),
        Effect::SynCookie => f.write_str("synproxy"),
        Effect::Own => write!(f, "meta mark set meta mark or 0x{MARK_INJECTED:08x}"),
        Effect::Ftp => write!(f, "ct helper set \"{FTP}\""),
        Effect::Timeouts(timeouts) => write!(f, "ct timeout set \"{}\"", Named::from(timeouts).name()),
    }
}

// === impl Table ===

impl Table {
    /// What a plan needs that this kernel does not have. Known once it was put in force.
    pub fn lacks(&self, plan: &Plan) -> Needs {
        self.has.map_or_else(Needs::default, |has| plan.needs().less(has.needs))
    }

    /// Asks what the kernel has for stateful checks, once, and only for a plan that needs it: taking back what was tried
    /// makes the kernel drop everything that waits in queues.
    pub(super) fn asked_for_state(&mut self, plan: &Plan) -> Result<Has, TableError> {
        if plan.needs() == Needs::default() {
            return Ok(self.has.unwrap_or_default());
        }
        if let Some(has) = self.has {
            return Ok(has);
        }
        let watch = |watch| Expression::Watch(watch);
        let effect = |effect| Expression::Effect(effect, 7);
        let (v4, most) = (true, 1);
        let tried = |before, rule| Ok::<bool, TableError>(self.try_rules(before, rule)?.is_ok());
        let add = |named| Request::AddNamed { id: 1, named };
        let of = Crowd::Source;
        let timeouts = Timeouts { protocol: 17, seconds: [30, 0, 0, 0, 0, 0, 0, 0] };
        let needs = Needs {
            limits: tried(add(Named::Crowd { of, v4, most }), vec![watch(Watch::Crowded { of, v4, most })])?,
            fragments: tried(
                Request::AddTable,
                vec![watch(Watch::ForHere), watch(Watch::Fragment { v4: false, which: Fragments::All })],
            )?,
            cookies: tried(
                add(Named::HalfOpen { v4, most }),
                vec![effect(Effect::Opened { v4, most }), effect(Effect::SynCookie)],
            )?,
            timeouts: tried(add(timeouts.into()), vec![effect(Effect::Timeouts(timeouts))])?,
            ftp: tried(add(Named::Ftp), vec![effect(Effect::Ftp)])?,
        };
        let has = Has { needs, window_scale: window_scale() };
        self.has = Some(has);
        Ok(has)
    }

    /// The sets and objects of stateful checks that are there.
    pub(super) fn kept(&self) -> Result<BTreeSet<Kept>, TableError> {
        let mut kept = BTreeSet::new();
        // Those of sources that are kept out, and of what was sent, have their own life.
        let other = |name: &str| {
            named::OF_SCANS.into_iter().chain(NamedSet::of_answers()).any(|set| set.name() == name)
        };
        self.names(NFT_MSG_GETSET, NFT_MSG_NEWSET, None, |name| {
            !other(&name) && kept.insert(Kept::Set(name))
        })?;
        for kind in [NFT_OBJECT_CT_TIMEOUT, NFT_OBJECT_CT_HELPER] {
            self.names(NFT_MSG_GETOBJ, NFT_MSG_NEWOBJ, Some(kind), |name| {
                kept.insert(Kept::Object(kind, name))
            })?;
        }
        Ok(kept)
    }

    fn names(
        &self,
        ask: u16,
        answer: u16,
        kind: Option<u32>,
        mut each: impl FnMut(String) -> bool,
    ) -> Result<(), TableError> {
        let asked = Listing { ask, answer, family: NFPROTO_INET };
        let which = |w: &mut Writer| {
            w.string(NFTA_TABLE_NAME, TABLE);
            if let Some(kind) = kind {
                w.be32(NFTA_OBJ_TYPE, kind);
            }
        };
        self.list(asked, "what is kept of connections", which, |body| {
            if let Some(name) = ours(body) {
                each(name);
            }
        })
    }
}

/// The name of a set or object of our table's firewall. Both have table and name in the same places.
fn ours(body: &[u8]) -> Option<String> {
    const { assert!(NFTA_SET_NAME == NFTA_OBJ_NAME) };
    let (mut table, mut name) = (None, None);
    for (kind, value) in netlink::attributes(body.get(NETFILTER_HEADER..)?) {
        match kind {
            NFTA_TABLE_NAME => table = value.strip_suffix(&[0]),
            NFTA_SET_NAME => name = value.strip_suffix(&[0]),
            _ => {}
        }
    }
    let name = std::str::from_utf8(name?).ok()?;
    let is_ours = table == Some(TABLE.as_bytes()) && name.starts_with(sakimori_firewall::PREFIX);
    is_ours.then(|| name.to_owned())
}

/// The window scale that this host's TCP says in its own answers; that of an untouched Linux where it cannot be read.
///
/// # Source
/// `tcp_select_initial_window`, `net/ipv4/tcp_output.c`
fn window_scale() -> u8 {
    const USUAL: u64 = 6 << 20;
    let read = |name: &str, place: usize| {
        let text = std::fs::read_to_string(format!("/proc/sys/net/{name}")).ok()?;
        text.split_whitespace().nth(place)?.parse::<u64>().ok()
    };
    let space = read("ipv4/tcp_rmem", 2).unwrap_or(USUAL).max(read("core/rmem_max", 0).unwrap_or(0));
    let scale = space.checked_ilog2().unwrap_or(0).saturating_sub(15).min(14);
    u8::try_from(scale).unwrap_or(14)
}

// === the kernel's numbers ===

const NFTA_CT_DREG: u16 = 1;
const NFTA_CT_KEY: u16 = 2;
const NFT_CT_STATUS: u32 = 2;
const IPS_CONFIRMED: u32 = 8;
const NEW: u32 = 8;
const INVALID: u32 = 1;
const TYPE_NFPROTO: u32 = 2;
const TYPE_V4: u32 = 7;
const TYPE_V6: u32 = 8;
const TYPE_PORT: u32 = 13;
const NFT_SET_TIMEOUT: u32 = 0x10;
const NFT_SET_EVAL: u32 = 0x20;
const NFTA_SET_DESC: u16 = 9;
const NFTA_SET_DESC_SIZE: u16 = 1;
const NFTA_SET_TIMEOUT: u16 = 11;
const NFT_OBJECT_CT_HELPER: u32 = 3;
const NFT_OBJECT_CT_TIMEOUT: u32 = 7;
const NFTA_CT_HELPER_NAME: u16 = 1;
const NFTA_CT_HELPER_L4PROTO: u16 = 3;
const NFTA_CT_TIMEOUT_L4PROTO: u16 = 2;
const NFTA_CT_TIMEOUT_DATA: u16 = 3;
const NFTA_FIB_DREG: u16 = 1;
const NFTA_FIB_RESULT: u16 = 2;
const NFTA_FIB_FLAGS: u16 = 3;
const NFT_FIB_RESULT_ADDRTYPE: u32 = 3;
const NFTA_FIB_F_DADDR: u32 = 2;
const RTN_LOCAL: u32 = 2;
const NFTA_EXTHDR_DREG: u16 = 1;
const NFTA_EXTHDR_TYPE: u16 = 2;
const NFTA_EXTHDR_OFFSET: u16 = 3;
const NFTA_EXTHDR_LEN: u16 = 4;
const FRAGMENT_HEADER: u8 = 44;
const NFTA_DYNSET_SET_NAME: u16 = 1;
const NFTA_DYNSET_OP: u16 = 3;
const NFTA_DYNSET_SREG_KEY: u16 = 4;
const NFTA_DYNSET_EXPR: u16 = 7;
const NFT_DYNSET_OP_ADD: u32 = 0;
const NFT_DYNSET_OP_UPDATE: u32 = 1;
const NFT_DYNSET_OP_DELETE: u32 = 2;
const NFTA_CONNLIMIT_COUNT: u16 = 1;
const NFTA_CONNLIMIT_FLAGS: u16 = 2;
/// Goes on above the limit, not below it.
const NFT_CONNLIMIT_F_INV: u32 = 1;
const NFTA_LOOKUP_SET: u16 = 1;
const NFTA_LOOKUP_SREG: u16 = 2;
const NFTA_SYNPROXY_MSS: u16 = 1;
const NFTA_SYNPROXY_WSCALE: u16 = 2;
const NFTA_SYNPROXY_FLAGS: u16 = 3;
