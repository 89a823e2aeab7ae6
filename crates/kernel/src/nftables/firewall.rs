//! The firewall's plan as messages: chains of their own, before the queue's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use sakimori_firewall::{
    AddressRanges, Chain, ChainName, Condition, Hook, Interface, Plan, Side, Step, Then, Watch,
};

use super::expression::{ESTABLISHED_OR_RELATED, Expression, Mark, kind_name};
use super::field::{Field, Ranges, Version};
use super::plan::Present;
use super::request::{ChainHook, Request};
use super::standing;
use super::stateful::{self, Has};
use super::{Count, Forwarding, MARK_BYPASS, MARK_INJECTED, TablePlan};

/// Behind the priority 0 that host firewalls filter at, before the queue: what is denied costs no inspection.
pub(super) const PRIORITY: u32 = 5;
/// Behind the rules of both directions: what these deny is no connection that is counted. Before the queue.
const PRIORITY_STATE: u32 = PRIORITY + 3;
/// −450: before connection tracking puts fragments together, at −400.
const PRIORITY_FRAGMENTS: u32 = 450_u32.wrapping_neg();
/// Ranges of a set that go into one message: an attribute holds 64 KiB, a range of IPv6 takes 72 bytes.
const RANGES: usize = 500;
/// Rules that a step may become in place of looking into sets.
const WITHOUT_SETS: usize = 4;
/// Samples of one rule. The counter has the true number; a flood must not drown its reader.
const SAMPLES_PER_SECOND: u64 = 20;
const SAMPLE_BURST: u32 = 40;
/// Samples of all rules together: of 10,000 rules a flood must not make 200,000 a second.
const ALL_SAMPLES: (&str, u64, u32) = ("samples", 400, 800);
/// Bytes of a sample: the longest IPv4 header and ports, or IPv6 with a few extension headers and ports.
const SAMPLE_BYTES: u32 = 128;

/// Creates the plan's chains, for ARP or for IP.
pub(super) fn chains(plan: &Plan, arp: bool) -> Vec<Request> {
    let hook = |hook| match hook {
        Hook::Input | Hook::InputState => (1, "input"),
        Hook::Forward | Hook::ForwardState => (2, "forward"),
        Hook::Output | Hook::OutputState => (3, "output"),
        Hook::ArpInput => (0, "input"),
        Hook::ArpOutput => (1, "output"),
        Hook::Arriving => (0, "prerouting"),
    };
    let chains = plan.chains.iter().filter(|chain| chain.hook.is_some_and(Hook::is_arp) == arp);
    let mut at_hooks = BTreeMap::new();
    // A chain without steps has nothing to do; what is there of an earlier plan stays.
    let request = |chain: &Chain| {
        let hook = chain.hook.map(|at| {
            // Those of one hook in their order.
            let before = at_hooks.entry(at).or_insert(0);
            let first = match at {
                Hook::Arriving => PRIORITY_FRAGMENTS,
                Hook::InputState | Hook::ForwardState | Hook::OutputState => PRIORITY_STATE,
                _ => PRIORITY,
            };
            let priority = first.wrapping_add(*before);
            *before += 1;
            let (number, name) = hook(at);
            ChainHook { number, name, kind: "filter", priority }
        });
        (!chain.steps.is_empty()).then_some(Request::AddChain { name: chain.name, hook })
    };
    chains.filter_map(request).collect()
}

/// Creates counters and rules for IP.
pub(super) fn content(
    requests: &mut Vec<Request>,
    plan: &TablePlan,
    values: &BTreeMap<String, Count>,
    has: Has,
) {
    let is_there = |chain: &&Chain| match chain.hook {
        Some(Hook::Forward) => plan.forwarding != Forwarding::LeftAlone,
        hook => !hook.is_some_and(Hook::is_arp),
    };
    let chains =
        plan.firewall.chains.iter().filter(is_there).filter(|chain| !stateful::is_left_out(chain.name, has));
    // For each anonymous set the kernel goes through all of the transaction that is before it: guards, which have most of
    // the sets and no counters, come first.
    let (guards, others): (Vec<&Chain>, Vec<&Chain>) =
        chains.partition(|chain| chain.steps.iter().all(|step| step.counter.is_none()));
    let untracked = standing::is_untracked(plan);
    let each = |requests: &mut Vec<Request>, chains: Vec<&Chain>| {
        for (chain, step) in
            chains.into_iter().flat_map(|chain| chain.steps.iter().map(move |step| (chain, step)))
        {
            if untracked && step.conditions == [Condition::Established] {
                let rules = standing::pass(chain.hook).into_iter();
                requests.extend(rules.map(|rule| Request::AddRule { chain: chain.name, rule }));
            } else {
                rules(requests, chain.name, step, plan, has, false);
            }
        }
    };
    each(requests, guards);
    counters(requests, &plan.firewall, values, false);
    if plan.sample_group.is_some() && plan.capabilities.samples && !plan.firewall.chains.is_empty() {
        requests.push(all_samples());
    }
    each(requests, others);
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

/// What becomes of our table for ARP, which stands only while a rule needs it.
pub(super) fn arp(requests: &mut Vec<Request>, plan: &TablePlan, present: &Present) {
    let wanted = present.filters_arp && plan.firewall.has_arp();
    let present = present.arp.as_ref();
    let begin = requests.len();
    if wanted || present.is_some() {
        requests.push(Request::AddTable);
    }
    if wanted {
        requests.extend(chains(&plan.firewall, true));
        requests.push(Request::FlushRules);
        let counters_of_arp = plan.firewall.counters.iter().filter(|counter| counter.arp);
        let names: BTreeSet<&String> = counters_of_arp.map(|counter| &counter.name).collect();
        let stale = present.into_iter().flat_map(BTreeMap::keys).filter(|name| !names.contains(name));
        requests.extend(stale.map(|name| Request::DeleteCounter { name: name.clone() }));
        counters(requests, &plan.firewall, &BTreeMap::new(), true);
        if plan.sample_group.is_some() && plan.capabilities.samples {
            requests.push(all_samples());
        }
        let chains = plan.firewall.chains.iter().filter(|chain| chain.hook.is_some_and(Hook::is_arp));
        for (chain, step) in chains.flat_map(|chain| chain.steps.iter().map(move |step| (chain, step))) {
            rules(requests, chain.name, step, plan, Has::default(), true);
        }
    } else if present.is_some() {
        requests.push(Request::DeleteTable);
    }
    let own = requests.split_off(begin);
    requests.extend(own.into_iter().map(|request| Request::Arp(Box::new(request))));
}

fn counters(requests: &mut Vec<Request>, plan: &Plan, values: &BTreeMap<String, Count>, arp: bool) {
    requests.extend(plan.counters.iter().filter(|counter| counter.arp == arp).map(|counter| {
        let value = values.get(&counter.name).copied().unwrap_or_default();
        Request::AddCounter { name: counter.name.clone().into(), value }
    }));
}

/// The same condition in parts of one range each, of which a packet meets one at most; itself where there is no other way.
fn parts(condition: &Condition) -> Vec<Condition> {
    fn each<T: Clone>(
        ranges: &[RangeInclusive<T>],
        make: impl Fn(Vec<RangeInclusive<T>>) -> Condition,
    ) -> Vec<Condition> {
        ranges.iter().map(|range| make(vec![range.clone()])).collect()
    }
    match condition {
        Condition::InterfaceName(side, names) => each(names, |one| Condition::InterfaceName(*side, one)),
        Condition::Port(side, ports) => each(ports, |one| Condition::Port(*side, one)),
        Condition::Icmp(types) => each(types, Condition::Icmp),
        Condition::Address(side, AddressRanges::V4(ranges)) => {
            each(ranges, |one| Condition::Address(*side, AddressRanges::V4(one)))
        }
        Condition::Address(side, AddressRanges::V6(ranges)) => {
            each(ranges, |one| Condition::Address(*side, AddressRanges::V6(one)))
        }
        Condition::Protocol(numbers) => numbers.iter().map(|one| Condition::Protocol(vec![*one])).collect(),
        Condition::FromCard { macs, not: false } => {
            macs.iter().map(|one| Condition::FromCard { macs: vec![*one], not: false }).collect()
        }
        other => vec![other.clone()],
    }
}

/// A step as several without sets, where these are few: a set costs the kernel a look through all the others.
fn without_sets(step: &Step) -> Vec<Step> {
    // The kernel looks for circles by going through a chain once for each rule that leads to it.
    let most = if matches!(step.then, Then::Jump(_)) { 1 } else { WITHOUT_SETS };
    let mut all = vec![Vec::new()];
    for condition in &step.conditions {
        let parts = parts(condition);
        let parts = if all.len() * parts.len() > most { vec![condition.clone()] } else { parts };
        all = all
            .into_iter()
            .flat_map(|before: Vec<Condition>| {
                parts.iter().map(move |part| before.iter().cloned().chain([part.clone()]).collect())
            })
            .collect();
    }
    all.into_iter().map(|conditions| Step { conditions, ..step.clone() }).collect()
}

/// A step as rules.
pub(super) fn rules(
    requests: &mut Vec<Request>,
    chain: ChainName,
    step: &Step,
    plan: &TablePlan,
    has: Has,
    arp: bool,
) {
    if !stateful::possible(step, has) {
        return;
    }
    for one in without_sets(step) {
        rule(requests, chain, &one, plan, has.window_scale, arp);
    }
}

/// A step is one rule, or two where a sample is taken: a limit that is used up ends its rule.
fn rule(
    requests: &mut Vec<Request>,
    chain: ChainName,
    step: &Step,
    plan: &TablePlan,
    window_scale: u8,
    arp: bool,
) {
    let group = plan.sample_group.filter(|_| plan.capabilities.samples);
    let end = match step.then {
        Then::Next => Vec::new(),
        Then::Jump(chain) => vec![Expression::Jump(chain)],
        Then::Accept => vec![Expression::Accept],
        Then::Drop => vec![Expression::Drop],
        Then::Effect(effect) => vec![Expression::Effect(effect, window_scale)],
        Then::Bypass => vec![Expression::MarkSet(Mark::Packet, MARK_BYPASS), Expression::Accept],
    };
    let known = |condition: &Condition| {
        let kind = matches!(condition, Condition::Interface(_, Interface::Bridge | Interface::Veth));
        plan.capabilities.interface_kinds || !kind
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
        let mut rule = conditions(requests, &step.conditions, arp);
        rule.extend(count.into_iter().chain(end));
        requests.push(Request::AddRule { chain, rule });
        return;
    };
    let mut rule = conditions(requests, &step.conditions, arp);
    rule.extend(count);
    rule.extend(sample);
    requests.push(Request::AddRule { chain, rule });
    if !end.is_empty() {
        let mut rule = conditions(requests, &step.conditions, arp);
        rule.extend(end);
        requests.push(Request::AddRule { chain, rule });
    }
}

/// The expressions of a rule, and the sets that they look into before it.
fn conditions(requests: &mut Vec<Request>, conditions: &[Condition], arp: bool) -> Vec<Expression> {
    let mut within = |field, ranges, not| within(requests, field, ranges, not);
    conditions
        .iter()
        .map(|condition| match condition {
            Condition::Watch(Watch::NotAsked) => Expression::MarkHas(Mark::Packet, MARK_INJECTED),
            Condition::Watch(watch) => Expression::Watch(*watch),
            // A packet that another chain of this hook has let bypass has this bit too.
            Condition::Injected => Expression::MarkIs(Mark::Packet, MARK_BYPASS, MARK_INJECTED),
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
            Condition::EtherType(ranges) => within(Field::EtherType, Ranges::of(ranges), false),
            Condition::FromCard { macs, not } => {
                let numbers =
                    macs.iter().map(|mac| mac.bytes().iter().fold(0, |n, byte| n << 8 | u128::from(*byte)));
                within(Field::Card, Ranges::single(&numbers.collect::<Vec<u128>>()), *not)
            }
            Condition::Port(side, ranges) => within(Field::Port(*side), Ranges::of(ranges), false),
            Condition::Address(side, AddressRanges::V4(ranges)) => {
                let field = if arp { Field::ArpAddress(*side) } else { Field::Address(*side, Version::V4) };
                within(field, Ranges::of(ranges), false)
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
pub(super) fn within(requests: &mut Vec<Request>, field: Field, ranges: Ranges, not: bool) -> Expression {
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
