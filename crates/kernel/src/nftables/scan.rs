//! Samples of those who look for ways in, and what keeps them out for a time.
//!
//! In chains of their own before the host's own filters (priority 0): what these drop is seen too. Of a packet of an
//! established connection nothing is asked but that; of one that begins something, whether something answers at its
//! port: a server's answers, on their way out, put it into a set. So ordinary traffic is sampled at most once a port.

use sakimori_firewall::scan::{Kind as Probe, Watch};
use sakimori_firewall::{AddressRanges, Side};

use super::expression::{ESTABLISHED_OR_RELATED, Expression};
use super::field::{Field, Ranges, Version};
use super::named::{self, Kind, NamedSet};
use super::request::{ChainHook, Request};
use super::{Blocked, Count, Forwarding, TablePlan, firewall};

/// The counter of packets that were dropped because of their source. It is there as long as the sets are.
pub const COUNTER_OF_BLOCKED: &str = "fw_blocked_source";
/// What the labels of these samples begin with.
pub const SCAN_LABEL: &str = "scan";

const INPUT: &str = "fw_scan_input";
const FORWARD: &str = "fw_scan_forward";
const OUTPUT: &str = "fw_scan_output";
/// For what begins something at the host or at a container.
const LOOK: &str = "fw_scan";
/// For a server's first answers.
const ANSWERS: &str = "fw_scan_answers";
const BASES: [(&str, u32, &str); 3] = [(INPUT, 1, "input"), (FORWARD, 2, "forward"), (OUTPUT, 3, "output")];
/// Before the priority 0 that host firewalls filter at, behind connection tracking and destination NAT.
const PRIORITY: i32 = -5;
/// All samples together: a flood is some hundred a second for their reader.
const SAMPLES: (&str, u64, u32) = ("scan_samples", 400, 800);
/// Header of IPv4 and UDP and the beginning of the data, or of IPv6 with extension headers and TCP.
const BYTES: u32 = 128;
/// ICMP echo requests with a code, and the obsolete requests for information and address masks.
const ODD_ICMP: [(u128, u128); 3] = [(0x0801, 0x08FF), (0x0F00, 0x0FFF), (0x1100, 0x11FF)];
/// `ICMPv6` echo requests with a code, and node information queries.
const ODD_ICMPV6: [(u128, u128); 2] = [(0x8001, 0x80FF), (0x8B00, 0x8BFF)];

/// Creates the chains and sets.
pub(super) fn chains(plan: &TablePlan) -> Vec<Request> {
    if plan.firewall.watch.is_none() {
        return Vec::new();
    }
    let bases = BASES.into_iter().map(|(name, number, at)| {
        let priority = PRIORITY.cast_unsigned();
        Request::AddChain {
            name: name.into(),
            hook: Some(ChainHook { number, name: at, kind: "filter", priority }),
        }
    });
    [LOOK, ANSWERS]
        .map(|name| Request::AddChain { name: name.into(), hook: None })
        .into_iter()
        .chain(bases)
        .chain(named::OF_SCANS.map(Request::AddNamedSet))
        .collect()
}

/// The chains that hang nowhere.
pub(super) const fn own_chains(plan: &TablePlan) -> &'static [&'static str] {
    if plan.firewall.watch.is_some() { &[LOOK, ANSWERS] } else { &[] }
}

/// Removes the sets of a plan that watched; behind the rules that use them.
pub(super) fn without() -> impl Iterator<Item = Request> {
    named::OF_SCANS.into_iter().map(Request::DeleteNamedSet)
}

/// Puts back the sources that were blocked in the table before.
pub(super) fn restored(plan: &TablePlan, blocked: &[Blocked]) -> Vec<Request> {
    if plan.firewall.watch.is_none() {
        return Vec::new();
    }
    blocked.iter().map(|one| Request::Block { address: one.address, time: one.left }).collect()
}

/// Creates the rules.
pub(super) fn content(requests: &mut Vec<Request>, plan: &TablePlan, blocked: Count) {
    let Some(watch) = &plan.firewall.watch else { return };
    requests.push(Request::AddCounter { name: COUNTER_OF_BLOCKED.into(), value: blocked });
    let mut add = |chain: &'static str, rule| requests.push(Request::AddRule { chain: chain.into(), rule });
    let established = Expression::ConnectionState(ESTABLISHED_OR_RELATED);
    add(INPUT, vec![established, Expression::Accept]);
    add(INPUT, vec![Expression::Loopback { side: Side::Source, is: true }, Expression::Accept]);
    add(INPUT, vec![Expression::Jump(LOOK.into())]);
    add(OUTPUT, vec![Expression::Loopback { side: Side::Destination, is: true }, Expression::Accept]);
    for rule in answers() {
        add(OUTPUT, rule);
    }
    if plan.forwarding != Forwarding::LeftAlone && plan.capabilities.interface_kinds {
        for kind in ["bridge", "veth"] {
            let inward = Expression::InterfaceKind { side: Side::Destination, kind };
            add(FORWARD, vec![Expression::NotEstablished, inward, Expression::Jump(LOOK.into())]);
            for mut rule in answers() {
                rule.insert(0, Expression::InterfaceKind { side: Side::Source, kind });
                add(FORWARD, rule);
            }
        }
    }
    for v4 in [true, false] {
        let set = NamedSet { kind: Kind::Served, v4 };
        add(ANSWERS, vec![Expression::Remember { set, side: Side::Source }]);
    }
    // Before all: who is put on that list is let in again at once.
    return_for(requests, Side::Source, &watch.except);
    for (v4, by_network) in [(true, false), (false, false), (false, true)] {
        let set = NamedSet { kind: Kind::Blocked, v4 };
        let count = Expression::Count(COUNTER_OF_BLOCKED.into());
        let listed = Expression::Listed { set, side: Side::Source, by_network };
        let rule = vec![listed, count, Expression::Drop];
        requests.push(Request::AddRule { chain: LOOK.into(), rule });
    }
    if let Some(group) = plan.sample_group.filter(|_| plan.capabilities.samples) {
        requests.push(Request::AddLimit { name: SAMPLES.0, per_second: SAMPLES.1, burst: SAMPLES.2 });
        look(requests, watch, group);
    }
}

/// Where something answers: a TCP server's SYN with ACK, the first datagrams that a UDP server sends back.
fn answers() -> [Vec<Expression>; 2] {
    [[Expression::Tcp, Expression::TcpAnswers], [Expression::Udp, Expression::FirstReplies]]
        .map(|conditions| conditions.into_iter().chain([Expression::Jump(ANSWERS.into())]).collect())
}

/// Ends the look at packets with these addresses.
fn return_for(requests: &mut Vec<Request>, side: Side, families: &[AddressRanges]) {
    for ranges in families {
        let (version, ranges) = match ranges {
            AddressRanges::V4(ranges) => (Version::V4, Ranges::of(ranges)),
            AddressRanges::V6(ranges) => (Version::V6, Ranges::of(ranges)),
        };
        if !ranges.0.is_empty() {
            let within = firewall::within(requests, Field::Address(side, version), ranges, false);
            requests.push(Request::AddRule { chain: LOOK.into(), rule: vec![within, Expression::Accept] });
        }
    }
}

/// Takes a sample of a packet, and ends the look at it.
fn sample(requests: &mut Vec<Request>, group: u16, conditions: Vec<Expression>) {
    let mut rule = conditions;
    rule.push(Expression::LimitBy(SAMPLES.0));
    rule.push(Expression::Sample { group, bytes: BYTES, label: SCAN_LABEL.to_owned() });
    rule.push(Expression::Accept);
    requests.push(Request::AddRule { chain: LOOK.into(), rule });
}

/// The condition that a field is in one range.
fn within(field: Field, range: (u128, u128)) -> Expression {
    Expression::Within { field, set: None, ranges: Ranges(vec![range]), not: false }
}

/// The samples of what is looked for.
fn look(requests: &mut Vec<Request>, watch: &Watch, group: u16) {
    let looks = |kinds: &[Probe]| kinds.iter().any(|kind| watch.kinds.contains(kind));
    return_for(requests, Side::Destination, &watch.elsewhere);
    let flags = |mask, value| vec![Expression::Tcp, Expression::TcpFlagsAre { mask, value, not: false }];
    for (kind, mask, value) in [
        (Probe::Null, 0x3F, 0),
        (Probe::Fin, 0x3F, 0x01),
        (Probe::Xmas, 0x3F, 0x29),
        (Probe::SynFin, 0x03, 0x03),
        (Probe::SynFin, 0x06, 0x06),
    ] {
        if looks(&[kind, Probe::Fingerprint]) {
            sample(requests, group, flags(mask, value));
        }
    }
    if looks(&[Probe::Fingerprint]) {
        let urgent = within(Field::UrgentPointer, (1, u16::MAX.into()));
        sample(requests, group, [flags(0x37, 0x02), vec![urgent]].concat());
        for (protocol, odd) in [(1, &ODD_ICMP[..]), (58, &ODD_ICMPV6[..])] {
            for range in odd {
                let protocol = within(Field::Protocol, (protocol, protocol));
                sample(requests, group, vec![protocol, within(Field::Icmp, *range)]);
            }
        }
    }
    if !looks(&[Probe::Scan, Probe::Fingerprint]) {
        return;
    }
    for v4 in [true, false] {
        let served = Expression::Listed {
            set: NamedSet { kind: Kind::Served, v4 },
            side: Side::Destination,
            by_network: false,
        };
        requests.push(Request::AddRule { chain: LOOK.into(), rule: vec![served, Expression::Accept] });
    }
    sample(requests, group, vec![Expression::Tcp, Expression::TcpOpens]);
    let late = &watch.answered_at;
    let before = late.start().checked_sub(1).map(|last| (0, last));
    let behind = late.end().checked_add(1).map(|first| (first, u16::MAX));
    for (first, last) in before.into_iter().chain(behind) {
        let port = within(Field::Port(Side::Destination), (first.into(), last.into()));
        sample(requests, group, vec![Expression::Udp, port]);
    }
}
