//! The firewall's plan as messages: chains of their own, before the queue's.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use sakimori_firewall::{AddressRanges, Condition, Hook, Interface, Plan, Side, Step, Then};

use super::expression::{ESTABLISHED_OR_RELATED, Expression, Mark, kind_name};
use super::field::{Field, Ranges, Version};
use super::request::{ChainHook, Request};
use super::{Count, MARK_BYPASS, MARK_INJECTED, TablePlan};

/// Behind the priority 0 that host firewalls filter at, before the queue: what is denied costs no inspection.
const PRIORITY: u32 = 5;
/// Ranges of a set that go into one message: an attribute holds 64 KiB, a range of IPv6 takes 72 bytes.
const RANGES: usize = 500;
/// Samples of one rule. The counter has the true number; a flood must not drown its reader.
const SAMPLES_PER_SECOND: u64 = 20;
const SAMPLE_BURST: u32 = 40;
/// Samples of all rules together: of 10,000 rules a flood must not make 200,000 a second.
const ALL_SAMPLES: (&str, u64, u32) = ("samples", 400, 800);
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
    if plan.sample_group.is_some() && plan.capabilities.samples && !plan.firewall.chains.is_empty() {
        requests.push(all_samples());
    }
    for chain in &plan.firewall.chains {
        if chain.hook == Some(Hook::Forward) && !plan.container_traffic {
            continue;
        }
        for step in &chain.steps {
            rules(requests, chain.name, step, plan);
        }
    }
}

/// The limit of all samples together.
pub(super) const fn all_samples() -> Request {
    let (name, per_second, burst) = ALL_SAMPLES;
    Request::AddLimit { name, per_second, burst }
}

/// The expressions that take a sample, as far as their limits go.
pub(super) fn sampling(group: u16, label: String) -> [Expression; 3] {
    [
        Expression::Limit { per_second: SAMPLES_PER_SECOND, burst: SAMPLE_BURST },
        Expression::LimitBy(ALL_SAMPLES.0),
        Expression::Sample { group, bytes: SAMPLE_BYTES, label },
    ]
}

/// A step is one rule, or two where a sample is taken: a limit that is used up ends its rule.
fn rules(requests: &mut Vec<Request>, chain: &'static str, step: &Step, plan: &TablePlan) {
    let group = plan.sample_group.filter(|_| plan.capabilities.samples);
    let end = match step.then {
        Then::Next => Vec::new(),
        Then::Jump(chain) => vec![Expression::Jump(chain)],
        Then::Return => vec![Expression::Return],
        Then::Accept => vec![Expression::Accept],
        Then::Drop => vec![Expression::Drop],
        Then::Bypass => vec![Expression::MarkSet(Mark::Packet, MARK_BYPASS), Expression::Return],
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
    let sample = step
        .sample
        .zip(group)
        .zip(step.counter.as_ref())
        .map(|((outcome, group), name)| sampling(group, format!("{name}{}", outcome.letter())));
    let Some(sample) = sample else {
        let mut rule = conditions(requests, &step.conditions);
        rule.extend(count.into_iter().chain(end));
        requests.push(Request::AddRule { chain, rule });
        return;
    };
    let mut rule = conditions(requests, &step.conditions);
    rule.extend(count);
    rule.extend(sample);
    requests.push(Request::AddRule { chain, rule });
    if !end.is_empty() {
        let mut rule = conditions(requests, &step.conditions);
        rule.extend(end);
        requests.push(Request::AddRule { chain, rule });
    }
}

/// The expressions of a rule, and the sets that they look into before it.
fn conditions(requests: &mut Vec<Request>, conditions: &[Condition]) -> Vec<Expression> {
    let mut within = |field, ranges, not| within(requests, field, ranges, not);
    conditions
        .iter()
        .map(|condition| match condition {
            Condition::Injected => Expression::MarkHas(Mark::Packet, MARK_INJECTED),
            Condition::Established => Expression::ConnectionState(ESTABLISHED_OR_RELATED),
            Condition::Interface(side, Interface::Loopback) => Expression::Loopback { side: *side, is: true },
            Condition::Interface(side, kind) => {
                Expression::InterfaceKind { side: *side, kind: kind_name(*kind) }
            }
            Condition::InterfaceName(side, names) => {
                within(Field::InterfaceName(*side), Ranges::of(names), false)
            }
            Condition::Family { v4 } => Expression::Version(if *v4 { Version::V4 } else { Version::V6 }),
            Condition::Protocol(numbers) => within(Field::Protocol, Ranges::single(numbers), false),
            Condition::Icmp(ranges) => within(Field::Icmp, Ranges::of(ranges), false),
            Condition::FromCard { macs, not } => {
                let numbers =
                    macs.iter().map(|mac| mac.bytes().iter().fold(0, |n, byte| n << 8 | u128::from(*byte)));
                within(Field::Card, Ranges::single(&numbers.collect::<Vec<u128>>()), *not)
            }
            Condition::Port(side, ranges) => within(Field::Port(*side), Ranges::of(ranges), false),
            Condition::Address(side, AddressRanges::V4(ranges)) => {
                within(Field::Address(*side, Version::V4), Ranges::of(ranges), false)
            }
            Condition::Address(side, AddressRanges::V6(ranges)) => {
                within(Field::Address(*side, Version::V6), Ranges::of(ranges), false)
            }
            Condition::TcpFlags { any, not } => match &any[..] {
                [one] => Expression::TcpFlagsAre { mask: one.set | one.clear, value: one.set, not: *not },
                several => {
                    let fits = |flags: &u8| several.iter().any(|wanted| wanted.fits(*flags));
                    let flags: Vec<u8> = (0..=u8::MAX).filter(fits).collect();
                    within(Field::TcpFlags, Ranges::single(&flags), *not)
                }
            },
        })
        .collect()
}

/// The conditions that a packet goes to this TCP endpoint, without the protocol.
pub(super) fn endpoint(requests: &mut Vec<Request>, end: SocketAddr) -> [Expression; 2] {
    let (version, address) = match end.ip() {
        IpAddr::V4(v4) => (Version::V4, u128::from(u32::from(v4))),
        IpAddr::V6(v6) => (Version::V6, u128::from(v6)),
    };
    let address = Ranges::single(&[address]);
    [
        within(requests, Field::Address(Side::Destination, version), address, false),
        within(requests, Field::Port(Side::Destination), Ranges::single(&[end.port()]), false),
    ]
}

/// The condition that a field is in ranges, or is none of several values; sets that it needs come before the rule.
fn within(requests: &mut Vec<Request>, field: Field, ranges: Ranges, not: bool) -> Expression {
    let set = (ranges.0.len() != 1).then(|| set(requests, field, &ranges));
    Expression::Within { field, set, ranges, not }
}

/// An anonymous set with these ranges; gives its number, which no other message of the transaction has.
fn set(requests: &mut Vec<Request>, field: Field, ranges: &Ranges) -> u32 {
    let id = u32::try_from(requests.len()).unwrap_or(u32::MAX);
    let exact = ranges.is_exact();
    requests.push(Request::AddSet { id, field, exact });
    for part in ranges.0.chunks(RANGES) {
        requests.push(Request::AddElements { id, field, exact, ranges: Ranges(part.to_vec()) });
    }
    id
}
