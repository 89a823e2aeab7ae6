//! What a plan does to one packet, which step decides, and why the other rules do not.
use crate::judge::{Packet, Stage};
use crate::plan::{CHAIN_IN, CHAIN_OUT, Condition, Counter, Hook, Plan, Step, Then};
use crate::rule::{Action, Direction};
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of a packet, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained<'p> {
    /// It is dropped.
    pub dropped: bool,
    /// It would be, if the module were in Prevent.
    pub would_drop: bool,
    /// Who decided, for each way through the rules: one, or none where no rules are asked at all. A forwarded packet
    /// between two containers goes both ways.
    pub deciders: Vec<Decider<'p>>,
    /// The rules and denying defaults of the packet's directions, in the order in which they are asked.
    pub asked: Vec<Asked<'p>>,
}

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decider<'p> {
    /// A rule, a default that denies, or a stateful check.
    Counter(&'p Counter),
    /// A step that stands before all rules.
    AlwaysOpen(&'p Step),
    /// No rule: the default allows.
    Default(Direction),
}

/// A rule or a default, and how it was with this packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked<'p> {
    /// Which one.
    pub counter: &'p Counter,
    /// How it was.
    pub answer: Answer<'p>,
}

/// How a rule was with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<'p> {
    /// It decided.
    Decided,
    /// It matches, is counted, and those after it are asked: it is in Detect, or only logs.
    Counted,
    /// It does not match: these conditions are not met.
    Unmet(Vec<&'p Condition>),
    /// It matches as well, and was not asked any more.
    TooLate,
    /// It was left out, as if it were not there.
    LeftOut,
}

impl Plan {
    /// What the plan does to a packet, and why; without the rules of `left_out`, which names counters.
    pub fn explain<'p>(&'p self, packet: &Packet, left_out: &BTreeSet<&str>) -> Explained<'p> {
        let is_out = |step: &Step| step.counter.as_deref().is_some_and(|counter| left_out.contains(counter));
        let by_name: BTreeMap<&str, &Counter> =
            self.counters.iter().map(|counter| (counter.name.as_str(), counter)).collect();
        let counter = |step: &Step| by_name.get(step.counter.as_deref()?).copied();
        let mut taken: Vec<&Step> = Vec::new();
        let mut of_state: Vec<&Step> = Vec::new();
        let mut state = |step: &'p Step, met: bool| {
            if met {
                of_state.push(step);
            }
            met
        };
        let mut dropped = self.follow_state(Stage::Before, packet, &mut state);
        if !dropped {
            dropped = self.follow(packet, &mut |step, met| {
                let takes = met && !is_out(step);
                if takes {
                    taken.push(step);
                }
                takes
            });
            let bypassed = taken.iter().any(|step| step.then == Then::Bypass);
            dropped = dropped || !bypassed && self.follow_state(Stage::Behind, packet, &mut state);
        }
        let mut deciders = Vec::new();
        let mut open = None;
        for step in &taken {
            match (step.then, counter(step)) {
                // The chain is left without a decision, unless one of its steps follows.
                (Then::Jump(chain), _) => {
                    deciders.extend(open.take());
                    open = direction(chain.of).map(Decider::Default);
                }
                (Then::Next, _) => {}
                (_, Some(counter)) => {
                    open = None;
                    deciders.push(Decider::Counter(counter));
                }
                (_, None) => {
                    open = None;
                    // What is forwarded is asked about in both directions.
                    let told = deciders
                        .iter()
                        .any(|decider| matches!(decider, Decider::AlwaysOpen(one) if one == step));
                    if !told {
                        deciders.push(Decider::AlwaysOpen(step));
                    }
                }
            }
        }
        deciders.extend(open);
        // Rules for ARP and for frames by number are asked at once: where none decides, their default allows.
        if deciders.is_empty() && (packet.hook.is_arp() || packet.ether_type.is_some()) {
            let inward = matches!(packet.hook, Hook::Input | Hook::ArpInput);
            deciders.push(Decider::Default(if inward { Direction::In } else { Direction::Out }));
        }
        let denying = |counter: &&Counter| counter.action == Action::Deny;
        deciders
            .extend(of_state.iter().filter_map(|step| counter(step)).filter(denying).map(Decider::Counter));
        let denies =
            |decider: &Decider<'_>| matches!(decider, Decider::Counter(c) if c.action == Action::Deny);
        let would_drop = !dropped && deciders.iter().any(denies);
        let asked = self.asked(packet, &taken, left_out);
        Explained { dropped, would_drop, deciders, asked }
    }

    fn asked<'p>(&'p self, packet: &Packet, taken: &[&'p Step], left_out: &BTreeSet<&str>) -> Vec<Asked<'p>> {
        let mut steps: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
        for step in self.chains.iter().flat_map(|chain| &chain.steps) {
            if let Some(counter) = &step.counter {
                steps.entry(counter).or_default().push(step);
            }
        }
        let this_way = |direction| match packet.hook {
            Hook::Input | Hook::ArpInput | Hook::Arriving | Hook::InputState => direction == Direction::In,
            Hook::Output | Hook::ArpOutput | Hook::OutputState => direction == Direction::Out,
            Hook::Forward | Hook::ForwardState => true,
        };
        let concerned = |counter: &&Counter| {
            counter.check.is_none() && counter.arp == packet.hook.is_arp() && this_way(counter.direction)
        };
        let counters = self.counters.iter().filter(concerned);
        let answer = |counter: &Counter| {
            if left_out.contains(counter.name.as_str()) {
                return Answer::LeftOut;
            }
            let of_it = steps.get(counter.name.as_str()).map_or(&[][..], Vec::as_slice);
            if let Some(step) = taken.iter().find(|step| step.counter.as_ref() == Some(&counter.name)) {
                return if step.then == Then::Next { Answer::Counted } else { Answer::Decided };
            }
            let unmet = of_it.iter().map(|step| {
                step.conditions.iter().filter(|condition| !condition.is_met(packet)).collect::<Vec<_>>()
            });
            // A rule has a step for each family of addresses: the one that comes nearest tells most.
            match unmet.min_by_key(Vec::len) {
                Some(unmet) if !unmet.is_empty() => Answer::Unmet(unmet),
                _ => Answer::TooLate,
            }
        };
        counters.map(|counter| Asked { counter, answer: answer(counter) }).collect()
    }
}

/// Whose rules a chain has.
fn direction(chain: &str) -> Option<Direction> {
    match chain {
        CHAIN_IN => Some(Direction::In),
        CHAIN_OUT => Some(Direction::Out),
        _ => None,
    }
}
