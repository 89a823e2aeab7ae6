//! The firewall's plan as messages: chains of their own, before the queue's.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use sakimori_firewall::{AddressRanges, Condition, Hook, Interface, Plan, Side, Step, Then};

use super::expression::{ESTABLISHED_OR_RELATED, Expression, Mark, Ranges, kind_name};
use super::request::{ChainHook, Request, SetKind};
use super::{Count, MARK_INJECTED, TablePlan};

/// Behind the priority 0 that host firewalls filter at, before the queue: what is denied costs no inspection.
const PRIORITY: u32 = 5;
/// Ranges of a set that go into one message: an attribute holds 64 KiB, a range of IPv6 takes 72 bytes.
const RANGES: usize = 500;
/// Samples of one rule. The counter has the true number; a flood must not drown its reader.
const SAMPLES_PER_SECOND: u64 = 20;
const SAMPLE_BURST: u32 = 40;
/// Bytes of a sample: the longest IPv4 header and ports, or IPv6 with a few extension headers and ports.
const SAMPLE_BYTES: u32 = 128;

/// Creates the plan's chains.
pub(super) fn chains(plan: &Plan) -> Vec<Request> {
    let hook = |hook| {
        let (number, name) = match hook {
            Hook::Input => (1, "input"),
            Hook::Forward => (2, "forward"),
            Hook::Output => (3, "output"),
        };
        ChainHook { number, name, kind: "filter", priority: PRIORITY }
    };
    let chains = plan.chains.iter();
    chains.map(|chain| Request::AddChain { name: chain.name, hook: chain.hook.map(hook) }).collect()
}

/// Creates counters and rules.
pub(super) fn content(requests: &mut Vec<Request>, plan: &TablePlan, values: &BTreeMap<String, Count>) {
    requests.extend(plan.firewall.counters.iter().map(|counter| {
        let value = values.get(&counter.name).copied().unwrap_or_default();
        Request::AddCounter { name: counter.name.clone().into(), value }
    }));
    for chain in &plan.firewall.chains {
        if chain.hook == Some(Hook::Forward) && !plan.container_traffic {
            continue;
        }
        for step in &chain.steps {
            rules(requests, chain.name, step, plan);
        }
    }
}

/// A step is one rule, or two where a sample is taken: a limit that is used up ends its rule.
fn rules(requests: &mut Vec<Request>, chain: &'static str, step: &Step, plan: &TablePlan) {
    let group = plan.sample_group.filter(|_| plan.capabilities.samples);
    let end = match step.then {
        Then::Next => None,
        Then::Jump(chain) => Some(Expression::Jump(chain)),
        Then::Return => Some(Expression::Return),
        Then::Accept => Some(Expression::Accept),
        Then::Drop => Some(Expression::Drop),
    };
    let known = |condition: &Condition| match condition {
        Condition::Interface(_, Interface::Loopback) => true,
        Condition::Interface(..) => plan.capabilities.interface_kinds,
        _ => true,
    };
    if !step.conditions.iter().all(known) {
        return;
    }
    let count = step.counter.clone().map(|name| Expression::Count(name.into()));
    let sample = step.sample.zip(group).zip(step.counter.as_ref()).map(|((outcome, group), name)| {
        let label = format!("{name}{}", outcome.letter());
        Expression::Sample { group, bytes: SAMPLE_BYTES, label }
    });
    let Some(sample) = sample else {
        let mut rule = conditions(requests, &step.conditions);
        rule.extend(count.into_iter().chain(end));
        requests.push(Request::AddRule { chain, rule });
        return;
    };
    let mut rule = conditions(requests, &step.conditions);
    rule.extend(count);
    rule.push(Expression::Limit { per_second: SAMPLES_PER_SECOND, burst: SAMPLE_BURST });
    rule.push(sample);
    requests.push(Request::AddRule { chain, rule });
    if let Some(end) = end {
        let mut rule = conditions(requests, &step.conditions);
        rule.push(end);
        requests.push(Request::AddRule { chain, rule });
    }
}

/// The expressions of a rule, and the sets that they look into before it.
fn conditions(requests: &mut Vec<Request>, conditions: &[Condition]) -> Vec<Expression> {
    conditions
        .iter()
        .map(|condition| match condition {
            Condition::Injected => Expression::MarkHas(Mark::Packet, MARK_INJECTED),
            Condition::Established => Expression::ConnectionState(ESTABLISHED_OR_RELATED),
            Condition::Interface(side, Interface::Loopback) => Expression::Loopback { side: *side, is: true },
            Condition::Interface(side, kind) => {
                Expression::InterfaceKind { side: *side, kind: kind_name(*kind) }
            }
            Condition::Protocol(number) => Expression::Protocol(*number),
            Condition::IcmpType(types) => Expression::IcmpType(types.clone()),
            Condition::FromCard(macs) => {
                let set = set(requests, &Ranges::Mac(macs.clone()));
                Expression::FromCard { set, macs: macs.clone() }
            }
            Condition::Port(side, ranges) => {
                let set = set(requests, &Ranges::Port(ranges.clone()));
                Expression::TransportPortIn { side: *side, set, ranges: ranges.clone() }
            }
            Condition::Address(side, ranges) => address(requests, *side, ranges),
        })
        .collect()
}

fn address(requests: &mut Vec<Request>, side: Side, ranges: &AddressRanges) -> Expression {
    let ranges = match ranges {
        AddressRanges::V4(ranges) => Ranges::V4(ranges.clone()),
        AddressRanges::V6(ranges) => Ranges::V6(ranges.clone()),
    };
    Expression::AddressIn { side, set: set(requests, &ranges), ranges }
}

/// The conditions that a packet goes to this TCP endpoint, without the protocol.
pub(super) fn endpoint(requests: &mut Vec<Request>, end: SocketAddr) -> [Expression; 2] {
    let ranges = match end.ip() {
        IpAddr::V4(v4) => AddressRanges::V4(std::iter::once(u32::from(v4)..=u32::from(v4)).collect()),
        IpAddr::V6(v6) => AddressRanges::V6(std::iter::once(u128::from(v6)..=u128::from(v6)).collect()),
    };
    let address = address(requests, Side::Destination, &ranges);
    let ranges: Vec<_> = std::iter::once(end.port()..=end.port()).collect();
    let set = set(requests, &Ranges::Port(ranges.clone()));
    [address, Expression::TransportPortIn { side: Side::Destination, set, ranges }]
}

/// An anonymous set with these ranges; gives its number, which no other message of the transaction has.
fn set(requests: &mut Vec<Request>, ranges: &Ranges) -> u32 {
    let id = u32::try_from(requests.len()).unwrap_or(u32::MAX);
    let kind = match ranges {
        Ranges::Port(_) => SetKind::Port,
        Ranges::V4(_) => SetKind::V4,
        Ranges::V6(_) => SetKind::V6,
        Ranges::Mac(_) => SetKind::Mac,
    };
    requests.push(Request::AddSet { id, kind });
    let mut add = |ranges| requests.push(Request::AddElements { id, ranges });
    match ranges {
        Ranges::Port(all) => all.chunks(RANGES).for_each(|part| add(Ranges::Port(part.to_vec()))),
        Ranges::V4(all) => all.chunks(RANGES).for_each(|part| add(Ranges::V4(part.to_vec()))),
        Ranges::V6(all) => all.chunks(RANGES).for_each(|part| add(Ranges::V6(part.to_vec()))),
        Ranges::Mac(all) => all.chunks(RANGES).for_each(|part| add(Ranges::Mac(part.to_vec()))),
    }
    id
}
