//! The plan: what the kernel is to do, as data.
use crate::rule::{Action, Direction, Endpoint, Mac, Network, Policy, Rule, number};
use sakimori_model::{Mode, PortRange};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// What the names of all the firewall's counters begin with.
pub const PREFIX: &str = "fw_";
/// The counter of incoming packets that no rule decided and the default denies.
pub const DEFAULT_INBOUND: &str = "fw_default_inbound";

/// The counter of outgoing packets that no rule decided and the default denies.
pub const DEFAULT_OUTBOUND: &str = "fw_default_outbound";

/// Where a packet is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// For this host.
    Input,
    /// Through this host.
    Forward,
    /// From this host.
    Output,
}

/// One end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Where it comes from.
    Source,
    /// Where it goes to.
    Destination,
}

/// What kind of interface a packet came in by or leaves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interface {
    /// The way back to oneself.
    Loopback,
    /// A bridge: container and virtual machine networks.
    Bridge,
    /// One end of a pair: containers without a bridge.
    Veth,
}

/// Disjoint ascending ranges of addresses of one family, with gaps between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressRanges {
    /// IPv4.
    V4(Vec<RangeInclusive<u32>>),
    /// IPv6.
    V6(Vec<RangeInclusive<u128>>),
}

/// A condition that a packet meets or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The product itself has sent it: a reset, an answer page.
    Injected,
    /// It belongs to an established connection, or is related to one.
    Established,
    /// The interface it came in by ([`Side::Source`]) or leaves by is of this kind.
    Interface(Side, Interface),
    /// The transport protocol has this number.
    Protocol(u8),
    /// The address is of this family and in one of the ranges.
    Address(Side, AddressRanges),
    /// It came in an Ethernet frame from one of these cards: ascending, each once.
    FromCard(Vec<Mac>),
    /// The TCP or UDP port is in one of the ranges: disjoint, ascending, with gaps between. Stands behind
    /// [`Condition::Protocol`].
    Port(Side, Vec<RangeInclusive<u16>>),
    /// The ICMP type is in the range. Stands behind [`Condition::Protocol`].
    IcmpType(RangeInclusive<u8>),
}

/// What follows when all conditions are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The chain's next step.
    Next,
    /// Through another chain, then the next step.
    Jump(&'static str),
    /// Back to where this chain was jumped to from.
    Return,
    /// The packet passes this hook's firewall.
    Accept,
    /// The packet vanishes.
    Drop,
}

/// What became of a packet of which a sample is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It was dropped.
    Dropped,
    /// It would have been dropped in Prevent.
    WouldDrop,
    /// It passed.
    Passed,
}

impl Outcome {
    /// The last character of a sample's label.
    pub const fn letter(self) -> char {
        match self {
            Self::Dropped => '!',
            Self::WouldDrop => '?',
            Self::Passed => '=',
        }
    }
}

/// Conditions, and what is done when all are met: count, then take a sample, then [`Then`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// All have to be met.
    pub conditions: Vec<Condition>,
    /// The counter's name.
    pub counter: Option<String>,
    /// Take a sample: the label is the counter's name and [`Outcome::letter`]. Rate-limited by who carries it out.
    pub sample: Option<Outcome>,
    /// What follows.
    pub then: Then,
}

/// Steps in their order. A packet that reaches the end passes, or goes back to where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: &'static str,
    /// Where it hangs; `None`: it is jumped to.
    pub hook: Option<Hook>,
    /// What it does.
    pub steps: Vec<Step>,
}

/// A named counter and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its name in the table: the same for a rule of the same name over all plans.
    pub name: String,
    /// The rule's name; `None` for the default.
    pub rule: Option<String>,
    /// The direction of what it counts.
    pub direction: Direction,
    /// What the rule does.
    pub action: Action,
}

/// All chains, and all counters in the order in which rules are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Chains that others jump to come first.
    pub chains: Vec<Chain>,
    /// The counters.
    pub counters: Vec<Counter>,
}

pub(crate) const CHAIN_IN: &str = "fw_in";
pub(crate) const CHAIN_OUT: &str = "fw_out";

/// Types of `ICMPv6` without which IPv6 does not work at all: neighbour and router discovery, multicast membership.
const VITAL_ICMPV6: [RangeInclusive<u8>; 3] = [130..=132, 133..=137, 143..=143];

/// The plan of a policy that has no errors. Deterministic.
pub(crate) fn plan(policy: &Policy) -> Plan {
    if policy.mode == Mode::Off {
        return Plan::default();
    }
    let mut counters = Vec::new();
    let (mut inward, mut outward) = (Vec::new(), Vec::new());
    for rule in policy.ordered() {
        let name = counter_name(&rule.name);
        let steps = if rule.direction == Direction::In { &mut inward } else { &mut outward };
        rule_steps(steps, policy.mode, rule, &name);
        counters.push(Counter {
            name,
            rule: Some(rule.name.clone()),
            direction: rule.direction,
            action: rule.action,
        });
    }
    let defaults = [
        (policy.default_inbound, &mut inward, DEFAULT_INBOUND, Direction::In),
        (policy.default_outbound, &mut outward, DEFAULT_OUTBOUND, Direction::Out),
    ];
    for (action, steps, name, direction) in defaults {
        if action == Action::Allow {
            continue;
        }
        let prevent = policy.mode == Mode::Prevent;
        let outcome = if prevent { Outcome::Dropped } else { Outcome::WouldDrop };
        steps.push(Step {
            conditions: Vec::new(),
            counter: Some(name.to_owned()),
            sample: policy.log_default.then_some(outcome),
            then: if prevent { Then::Drop } else { Then::Return },
        });
        counters.push(Counter { name: name.to_owned(), rule: None, direction, action });
    }
    let (has_in, has_out) = (!inward.is_empty(), !outward.is_empty());
    let chains = vec![
        Chain { name: CHAIN_IN, hook: None, steps: inward },
        Chain { name: CHAIN_OUT, hook: None, steps: outward },
        Chain { name: "fw_input", hook: Some(Hook::Input), steps: if has_in { input() } else { Vec::new() } },
        Chain {
            name: "fw_forward",
            hook: Some(Hook::Forward),
            steps: if has_in || has_out { forward(has_in, has_out) } else { Vec::new() },
        },
        Chain {
            name: "fw_output",
            hook: Some(Hook::Output),
            steps: if has_out { output(&policy.always) } else { Vec::new() },
        },
    ];
    Plan { chains, counters }
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

fn accept(conditions: Vec<Condition>) -> Step {
    Step { conditions, counter: None, sample: None, then: Then::Accept }
}

fn udp(source: u16, destination: u16) -> Step {
    accept(vec![
        Condition::Protocol(17),
        Condition::Port(Side::Source, only(source)),
        Condition::Port(Side::Destination, only(destination)),
    ])
}

fn only(port: u16) -> Vec<RangeInclusive<u16>> {
    std::iter::once(port..=port).collect()
}

fn vital() -> impl Iterator<Item = Step> {
    VITAL_ICMPV6.into_iter().map(|types| accept(vec![Condition::Protocol(58), Condition::IcmpType(types)]))
}

fn jump(conditions: Vec<Condition>, chain: &'static str) -> Step {
    Step { conditions, counter: None, sample: None, then: Then::Jump(chain) }
}

fn input() -> Vec<Step> {
    let mut steps = vec![
        accept(vec![Condition::Injected]),
        accept(vec![Condition::Established]),
        accept(vec![Condition::Interface(Side::Source, Interface::Loopback)]),
        udp(67, 68),
        udp(547, 546),
    ];
    steps.extend(vital());
    steps.push(jump(Vec::new(), CHAIN_IN));
    steps
}

fn forward(has_in: bool, has_out: bool) -> Vec<Step> {
    let mut steps = vec![accept(vec![Condition::Injected]), accept(vec![Condition::Established])];
    for (wanted, side, chain) in [(has_in, Side::Destination, CHAIN_IN), (has_out, Side::Source, CHAIN_OUT)] {
        if wanted {
            let kinds = [Interface::Bridge, Interface::Veth];
            steps.extend(kinds.map(|kind| jump(vec![Condition::Interface(side, kind)], chain)));
        }
    }
    steps
}

fn output(always: &[Endpoint]) -> Vec<Step> {
    let mut steps = vec![
        accept(vec![Condition::Injected]),
        accept(vec![Condition::Established]),
        accept(vec![Condition::Interface(Side::Destination, Interface::Loopback)]),
        udp(68, 67),
        udp(546, 547),
    ];
    steps.extend([17, 6].map(|protocol| {
        accept(vec![Condition::Protocol(protocol), Condition::Port(Side::Destination, only(53))])
    }));
    steps.extend(vital());
    let mut always = always.to_vec();
    always.sort_unstable();
    always.dedup();
    steps.extend(always.iter().map(|end| {
        let network = [Network::single(end.address)];
        let mut conditions = vec![Condition::Protocol(6)];
        conditions.extend(
            families(&network).into_iter().map(|ranges| Condition::Address(Side::Destination, ranges)),
        );
        conditions.push(Condition::Port(Side::Destination, only(end.port)));
        accept(conditions)
    }));
    steps.push(jump(Vec::new(), CHAIN_OUT));
    steps
}

/// One step for each address family that the rule names; one for both when it names none.
fn rule_steps(steps: &mut Vec<Step>, module: Mode, rule: &Rule, counter: &str) {
    let (remote, local) = match rule.direction {
        Direction::In => (Side::Source, Side::Destination),
        Direction::Out => (Side::Destination, Side::Source),
    };
    let deciding = rule.mode == Mode::Prevent;
    let enforced = deciding && module == Mode::Prevent;
    let (then, outcome) = match (rule.action, deciding, enforced) {
        (Action::Deny, _, true) => (Then::Drop, Outcome::Dropped),
        (Action::Deny, true, false) => (Then::Return, Outcome::WouldDrop),
        (Action::Deny, false, _) => (Then::Next, Outcome::WouldDrop),
        (Action::Allow, true, _) => (Then::Return, Outcome::Passed),
        (Action::Allow, false, _) => (Then::Next, Outcome::Passed),
    };
    let mut shared: Vec<Condition> = Vec::new();
    if !rule.macs.is_empty() {
        let mut macs = rule.macs.clone();
        macs.sort_unstable();
        macs.dedup();
        shared.push(Condition::FromCard(macs));
    }
    shared.extend(rule.protocol.number().map(Condition::Protocol));
    for (side, ports) in [(local, &rule.local_ports), (remote, &rule.remote_ports)] {
        if !ports.is_empty() {
            shared.push(Condition::Port(side, merge_ports(ports)));
        }
    }
    let mut step = |conditions| {
        steps.push(Step {
            conditions,
            counter: Some(counter.to_owned()),
            sample: rule.log.then_some(outcome),
            then,
        });
    };
    if rule.remote.is_empty() {
        return step(shared);
    }
    for ranges in families(&rule.remote) {
        let mut conditions = vec![Condition::Address(remote, ranges)];
        conditions.extend(shared.iter().cloned());
        step(conditions);
    }
}

/// The networks' ranges by family, without empty families.
fn families(networks: &[Network]) -> Vec<AddressRanges> {
    let of = |v4: bool| {
        merge(
            networks.iter().filter(|network| network.is_v4() == v4).map(|network| network.bounds()).collect(),
        )
    };
    let v4: Vec<RangeInclusive<u32>> = of(true)
        .into_iter()
        .filter_map(|(first, last)| Some(u32::try_from(first).ok()?..=u32::try_from(last).ok()?))
        .collect();
    let v6: Vec<RangeInclusive<u128>> = of(false).into_iter().map(|(first, last)| first..=last).collect();
    let mut families = Vec::new();
    if !v4.is_empty() {
        families.push(AddressRanges::V4(v4));
    }
    if !v6.is_empty() {
        families.push(AddressRanges::V6(v6));
    }
    families
}

/// Disjoint ascending ranges with gaps between.
pub(crate) fn merge(mut ranges: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u128, u128)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged
}

pub(crate) fn merge_ports(ports: &[PortRange]) -> Vec<RangeInclusive<u16>> {
    let pairs = ports.iter().filter(|p| p.first <= p.last).map(|p| (p.first.into(), p.last.into())).collect();
    let port = |value: u128| u16::try_from(value).unwrap_or(u16::MAX);
    merge(pairs).into_iter().map(|(first, last)| port(first)..=port(last)).collect()
}

// === reading ===

impl AddressRanges {
    /// Whether the address is in one of the ranges.
    pub fn contains(&self, address: std::net::IpAddr) -> bool {
        let (value, _) = number(address);
        match self {
            Self::V4(ranges) => {
                let value = u32::try_from(value).ok().filter(|_| address.is_ipv4());
                value.is_some_and(|value| ranges.iter().any(|range| range.contains(&value)))
            }
            Self::V6(ranges) => address.is_ipv6() && ranges.iter().any(|range| range.contains(&value)),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chain in &self.chains {
            writeln!(
                f,
                "{}{}",
                chain.name,
                chain.hook.map_or(String::new(), |hook| format!(" at {hook:?}"))
            )?;
            for step in &chain.steps {
                writeln!(f, "  {step}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for condition in &self.conditions {
            write!(f, "{condition} ")?;
        }
        if let Some(counter) = &self.counter {
            write!(f, "count {counter} ")?;
        }
        if let Some(outcome) = self.sample {
            write!(f, "sample{} ", outcome.letter())?;
        }
        match self.then {
            Then::Next => f.write_str("next"),
            Then::Jump(chain) => write!(f, "jump {chain}"),
            Then::Return => f.write_str("return"),
            Then::Accept => f.write_str("accept"),
            Then::Drop => f.write_str("drop"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display + PartialEq>(
            f: &mut fmt::Formatter<'_>,
            ranges: impl Iterator<Item = (T, T)>,
        ) -> fmt::Result {
            f.write_str("{")?;
            for (first, last) in ranges {
                if first == last { write!(f, " {first}")? } else { write!(f, " {first}-{last}")? }
            }
            f.write_str(" }")
        }
        let side = |side: &Side| if *side == Side::Source { "from" } else { "to" };
        match self {
            Self::Injected => f.write_str("injected"),
            Self::Established => f.write_str("established"),
            Self::Interface(at, kind) => write!(f, "{} interface {kind:?}", side(at)),
            Self::Protocol(number) => write!(f, "protocol {number}"),
            Self::Address(at, AddressRanges::V4(ranges)) => {
                write!(f, "{} ", side(at))?;
                list(f, ranges.iter().map(|r| (Ipv4Addr::from(*r.start()), Ipv4Addr::from(*r.end()))))
            }
            Self::Address(at, AddressRanges::V6(ranges)) => {
                write!(f, "{} ", side(at))?;
                list(f, ranges.iter().map(|r| (Ipv6Addr::from(*r.start()), Ipv6Addr::from(*r.end()))))
            }
            Self::Port(at, ranges) => {
                write!(f, "{} port ", side(at))?;
                list(f, ranges.iter().map(|r| (*r.start(), *r.end())))
            }
            Self::FromCard(macs) => {
                f.write_str("from card ")?;
                list(f, macs.iter().map(|mac| (*mac, *mac)))
            }
            Self::IcmpType(types) => write!(f, "type {}-{}", types.start(), types.end()),
        }
    }
}
