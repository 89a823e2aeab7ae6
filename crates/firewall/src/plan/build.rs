//! From a policy to its plan.
use super::{
    AddressRanges, Chain, Condition, Counter, DEFAULT_ARP, DEFAULT_INBOUND, DEFAULT_OUTBOUND, Hook,
    Interface, Outcome, PREFIX, Plan, Side, Step, Then,
};
use crate::address::Network;
use crate::ranges::{addresses, meant, narrowed, ports};
use crate::rule::{Action, Among, Direction, Endpoint, Frame, IcmpType, Policy, Rule};
use sakimori_model::Mode;
use std::ops::RangeInclusive;

pub(crate) const CHAIN_IN: &str = "fw_in";
pub(crate) const CHAIN_OUT: &str = "fw_out";
/// The chain of what comes from containers.
pub const FORWARD_OUT: &str = "fw_forward_out";
pub(crate) const ARP_IN: &str = "fw_arp_in";
pub(crate) const ARP_OUT: &str = "fw_arp_out";
/// The Bypass rules alone, for packets that no other rule is asked about.
const CHAIN_BYPASS_IN: &str = "fw_bypass_in";
const CHAIN_BYPASS_OUT: &str = "fw_bypass_out";

/// Types of `ICMPv6` without which IPv6 does not work at all: multicast membership, router and neighbour discovery.
const VITAL_ICMPV6: [RangeInclusive<u8>; 2] = [130..=137, 143..=143];

/// The plan of a policy that has no errors. Deterministic.
pub(crate) fn plan(policy: &Policy) -> Plan {
    if policy.mode == Mode::Off {
        return Plan::default();
    }
    let mut counters = Vec::new();
    let (mut inward, mut outward) = (Way::default(), Way::default());
    let (mut arp_in, mut arp_out) = (Way::default(), Way::default());
    for rule in policy.ordered() {
        if matches!(rule.frame, Frame::Number(_)) {
            continue;
        }
        let name = counter_name(&rule.name);
        let arp = rule.frame == Frame::Arp;
        let way = match (rule.direction, arp) {
            (Direction::In, false) => &mut inward,
            (Direction::Out, false) => &mut outward,
            (Direction::In, true) => &mut arp_in,
            (Direction::Out, true) => &mut arp_out,
        };
        way.rule(policy.mode, rule, &name);
        counters.push(Counter {
            name,
            rule: Some(rule.name.clone()),
            direction: rule.direction,
            action: rule.action,
            arp,
            check: None,
        });
    }
    let [arp_denied_in, arp_denied_out] = DEFAULT_ARP;
    let defaults = [
        (&mut inward, DEFAULT_INBOUND, Direction::In, false),
        (&mut outward, DEFAULT_OUTBOUND, Direction::Out, false),
        (&mut arp_in, arp_denied_in, Direction::In, true),
        (&mut arp_out, arp_denied_out, Direction::Out, true),
    ];
    for (way, name, direction, arp) in defaults {
        if !(if arp { policy.closes_arp(direction) } else { policy.closes(direction) }) {
            continue;
        }
        let prevent = policy.mode == Mode::Prevent;
        let outcome = if prevent { Outcome::Dropped } else { Outcome::WouldDrop };
        way.steps.push(Step {
            conditions: Vec::new(),
            counter: Some(name.to_owned()),
            sample: policy.log_default.then_some(outcome),
            then: if prevent { Then::Drop } else { Then::Accept },
        });
        let action = Action::Deny;
        counters.push(Counter { name: name.to_owned(), rule: None, direction, action, arp, check: None });
    }
    let mut chains = vec![
        chain("fw_input", Hook::Input, input(&inward)),
        // To containers, then from them: who lets a packet pass on one way does not decide on the other.
        chain("fw_forward", Hook::Forward, forward(&inward, Side::Destination, CHAIN_BYPASS_IN, CHAIN_IN)),
        chain(FORWARD_OUT, Hook::Forward, forward(&outward, Side::Source, CHAIN_BYPASS_OUT, CHAIN_OUT)),
        chain("fw_output", Hook::Output, output(&outward, &policy.always)),
    ];
    for (name, hook, way) in [(ARP_IN, Hook::ArpInput, arp_in), (ARP_OUT, Hook::ArpOutput, arp_out)] {
        if !way.steps.is_empty() {
            chains.push(chain(name, hook, way.steps));
        }
    }
    chains.extend(super::stateful::chains(policy, &mut counters));
    let own = [
        (CHAIN_BYPASS_IN, inward.bypass),
        (CHAIN_IN, inward.steps),
        (CHAIN_BYPASS_OUT, outward.bypass),
        (CHAIN_OUT, outward.steps),
    ];
    let own = own.into_iter().map(|(name, steps)| Chain { name: name.into(), hook: None, steps });
    Plan { chains: own.chain(chains).collect(), counters, frames: super::frames::frames(policy), watch: None }
}

/// A rule's counter: readable, and different for different names.
pub(crate) fn counter_name(rule: &str) -> String {
    // FNV-1a: names are the operator's own, nobody gains by making two alike, and `check` refuses two that are.
    let hash = rule.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let readable: String = rule
        .chars()
        .take(32)
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect();
    format!("{PREFIX}{readable}_{hash:016x}")
}

/// What is done to the packets of one direction.
#[derive(Default)]
pub(super) struct Way {
    /// All rules, for packets that begin something.
    pub(super) steps: Vec<Step>,
    /// Rules that are asked about every packet.
    bypass: Vec<Step>,
}

impl Way {
    pub(super) fn rule(&mut self, module: Mode, rule: &Rule, counter: &str) {
        let deciding = rule.mode == Mode::Prevent;
        let enforced = deciding && module == Mode::Prevent;
        let outcome = match rule.action {
            Action::Deny if enforced => Outcome::Dropped,
            Action::Deny => Outcome::WouldDrop,
            Action::Bypass | Action::LogOnly | Action::ForceAllow | Action::Allow => Outcome::Passed,
        };
        let then = match rule.action {
            Action::LogOnly => Then::Next,
            _ if !deciding => Then::Next,
            Action::Deny if enforced => Then::Drop,
            // What is only detected goes on to everything else that looks at packets.
            // Nothing else looks at ARP and at other frames.
            Action::Bypass if enforced && rule.frame.is_ip() => Then::Bypass,
            Action::Bypass | Action::Deny | Action::ForceAllow | Action::Allow => Then::Accept,
        };
        for conditions in alternatives(rule) {
            let step = Step {
                conditions,
                counter: Some(counter.to_owned()),
                sample: rule.log.then_some(outcome),
                then,
            };
            if then == Then::Bypass {
                self.bypass.push(step.clone());
            }
            self.steps.push(step);
        }
    }
}

fn chain(name: &'static str, hook: Hook, steps: Vec<Step>) -> Chain {
    Chain { name: name.into(), hook: Some(hook), steps }
}

fn accept(conditions: Vec<Condition>) -> Step {
    Step { conditions, counter: None, sample: None, then: Then::Accept }
}

fn jump(conditions: Vec<Condition>, chain: &'static str) -> Step {
    Step { conditions, counter: None, sample: None, then: Then::Jump(chain.into()) }
}

fn udp(source: u16, destination: u16) -> Step {
    accept(vec![
        Condition::Protocol(vec![17]),
        Condition::Port(Side::Source, only(source)),
        Condition::Port(Side::Destination, only(destination)),
    ])
}

fn only<T: Copy>(value: T) -> Vec<RangeInclusive<T>> {
    std::iter::once(value..=value).collect()
}

fn vital() -> Step {
    let of = |kind: u8, code: u8| u16::from_be_bytes([kind, code]);
    let types = VITAL_ICMPV6.map(|types| of(*types.start(), 0)..=of(*types.end(), u8::MAX));
    accept(vec![Condition::Protocol(vec![58]), Condition::Icmp(types.to_vec())])
}

/// What is let through before any rule: it is asked about by Bypass rules alone.
fn passing(way: &Way, bypass: &'static str, conditions: &Condition) -> Vec<Step> {
    let conditions = || vec![conditions.clone()];
    let asked = (!way.bypass.is_empty()).then(|| jump(conditions(), bypass));
    asked.into_iter().chain([accept(conditions())]).collect()
}

fn input(way: &Way) -> Vec<Step> {
    if way.steps.is_empty() {
        return Vec::new();
    }
    // What most packets meet comes first.
    let mut steps = passing(way, CHAIN_BYPASS_IN, &Condition::Established);
    steps.push(accept(vec![Condition::Injected]));
    steps.extend(passing(way, CHAIN_BYPASS_IN, &Condition::Interface(Side::Source, Interface::Loopback)));
    steps.extend([udp(67, 68), udp(547, 546), vital(), jump(Vec::new(), CHAIN_IN)]);
    steps
}

/// What goes to containers, or comes from them.
fn forward(way: &Way, side: Side, bypass: &'static str, chain: &'static str) -> Vec<Step> {
    if way.steps.is_empty() {
        return Vec::new();
    }
    let kinds = [Interface::Bridge, Interface::Veth].map(|kind| Condition::Interface(side, kind));
    let mut steps = Vec::new();
    if !way.bypass.is_empty() {
        steps.extend(kinds.clone().map(|kind| jump(vec![Condition::Established, kind], bypass)));
    }
    steps.extend([accept(vec![Condition::Established]), accept(vec![Condition::Injected])]);
    steps.extend(kinds.map(|kind| jump(vec![kind], chain)));
    steps
}

fn output(way: &Way, always: &[Endpoint]) -> Vec<Step> {
    if way.steps.is_empty() {
        return Vec::new();
    }
    let mut steps = passing(way, CHAIN_BYPASS_OUT, &Condition::Established);
    steps.push(accept(vec![Condition::Injected]));
    steps.extend(passing(
        way,
        CHAIN_BYPASS_OUT,
        &Condition::Interface(Side::Destination, Interface::Loopback),
    ));
    steps.extend([udp(68, 67), udp(546, 547)]);
    steps.push(accept(vec![Condition::Protocol(vec![6, 17]), Condition::Port(Side::Destination, only(53))]));
    steps.push(vital());
    let mut always = always.to_vec();
    always.sort_unstable();
    always.dedup();
    steps.extend(always.iter().map(|end| {
        let one = Among::from(vec![Network::single(end.address)]);
        let mut conditions = vec![Condition::Protocol(vec![6])];
        conditions.extend(
            family(&one, end.address.is_ipv4()).map(|ranges| Condition::Address(Side::Destination, ranges)),
        );
        conditions.push(Condition::Port(Side::Destination, only(end.port)));
        accept(conditions)
    }));
    steps.push(jump(Vec::new(), CHAIN_OUT));
    steps
}

/// The conditions of a rule: a packet that it matches meets all of exactly one of these. None where it can match nothing.
fn alternatives(rule: &Rule) -> Vec<Vec<Condition>> {
    let (remote, local) = match rule.direction {
        Direction::In => (Side::Source, Side::Destination),
        Direction::Out => (Side::Destination, Side::Source),
    };
    let mut before = Vec::new();
    if let Some(names) = meant(&rule.interfaces, u128::MAX, |name| Some(name.bounds())) {
        // By the interface that a packet came in by, or that it leaves by.
        let side = if rule.direction == Direction::In { Side::Source } else { Side::Destination };
        before.push(Condition::InterfaceName(side, narrowed(names)));
    }
    if let Frame::Number(number) = rule.frame {
        before.push(Condition::EtherType(only(number)));
    }
    let numbers = rule.protocol.numbers();
    if !numbers.is_empty() {
        before.push(Condition::Protocol(numbers));
    }
    let mut behind = Vec::new();
    for (side, named) in [(local, &rule.local_ports), (remote, &rule.remote_ports)] {
        behind.extend(ports(named).map(|ranges| Condition::Port(side, narrowed(ranges))));
    }
    if !rule.tcp_flags.is_all() {
        let any = sorted(&rule.tcp_flags.entries);
        behind.push(Condition::TcpFlags { any, not: rule.tcp_flags.not });
    }
    let types = meant(&rule.icmp, u16::MAX.into(), |kind: IcmpType| Some(kind.bounds()));
    behind.extend(types.map(|ranges| Condition::Icmp(narrowed(ranges))));
    if !rule.macs.is_all() {
        behind.push(Condition::FromCard { macs: sorted(&rule.macs.entries), not: rule.macs.not });
    }
    let whole = |between: Vec<Condition>| {
        before.iter().cloned().chain(between).chain(behind.iter().cloned()).collect::<Vec<_>>()
    };
    let families = [true, false].map(|v4| {
        let ends = [(remote, &rule.remote), (local, &rule.local)];
        let named = ends
            .into_iter()
            .filter_map(|(side, among)| family(among, v4).map(|ranges| Condition::Address(side, ranges)));
        (v4, named.collect::<Vec<_>>())
    });
    let wanted = |v4: bool| match rule.frame {
        Frame::Ip => true,
        Frame::V4 | Frame::Arp => v4,
        Frame::V6 => !v4,
        Frame::Number(_) => false,
    };
    let anything = matches!(rule.frame, Frame::Ip | Frame::Number(_))
        && families.iter().all(|(_, named)| named.is_empty());
    let bare = |v4| if rule.frame == Frame::Arp { Vec::new() } else { vec![Condition::Family { v4 }] };
    let alternatives: Vec<Vec<Condition>> = if anything {
        vec![whole(Vec::new())]
    } else {
        let families = families.into_iter().filter(|(v4, _)| wanted(*v4));
        let families = families.map(|(v4, named)| whole(if named.is_empty() { bare(v4) } else { named }));
        families.collect()
    };
    alternatives.into_iter().filter(|conditions| !conditions.iter().any(is_never_met)).collect()
}

/// Whether the condition names nothing.
fn is_never_met(condition: &Condition) -> bool {
    match condition {
        Condition::Address(_, AddressRanges::V4(ranges)) => ranges.is_empty(),
        Condition::Address(_, AddressRanges::V6(ranges)) | Condition::InterfaceName(_, ranges) => {
            ranges.is_empty()
        }
        Condition::Port(_, ranges) | Condition::Icmp(ranges) | Condition::EtherType(ranges) => {
            ranges.is_empty()
        }
        _ => false,
    }
}

/// The addresses of a family that are meant; `None` for all of them.
fn family(among: &Among<Network>, v4: bool) -> Option<AddressRanges> {
    let ranges = addresses(among, v4)?;
    Some(if v4 { AddressRanges::V4(narrowed(ranges)) } else { AddressRanges::V6(narrowed(ranges)) })
}

fn sorted<T: Copy + Ord>(entries: &[T]) -> Vec<T> {
    let mut sorted = entries.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}
