//! What is done with Ethernet frames that are neither IP nor ARP.
use super::build::Way;
use super::{Condition, Counter, Outcome, Step, Then, counter_name};
use crate::rule::{Action, Direction, Frame, Policy};
use sakimori_model::Mode;
use std::ops::RangeInclusive;

/// The numbers of IPv4, ARP and IPv6, ascending: what is said of other frames is not said of them.
pub const IP_AND_ARP: [u16; 3] = [0x0800, 0x0806, 0x86dd];

/// The counters of other frames that no rule decided and that are denied.
pub const DEFAULT_FRAMES: [&str; 2] = ["fw_default_frame_in", "fw_default_frame_out"];

pub(crate) const FRAMES_IN: &str = "fw_frames_in";
pub(crate) const FRAMES_OUT: &str = "fw_frames_out";

/// Frames that a rule which allows others does not close: what keeps a link up (LACP 0x8809, 802.1X 0x888e), and what has
/// others in it, which are looked at when they come out (VLAN 0x8100 and 0x88a8, `PPPoE` 0x8863 and 0x8864, `MACsec` 0x88e5).
/// What is below 0x0600 is no number but a length: spanning tree.
const CARRIERS: [u16; 7] = [0x8100, 0x8809, 0x8863, 0x8864, 0x888e, 0x88a8, 0x88e5];

/// What is done with frames that are neither IP nor ARP, by direction; nothing of it has to be there where both are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// Those that come in by an interface.
    pub inward: Vec<Step>,
    /// Those that leave by one.
    pub outward: Vec<Step>,
    /// The counters, in the order in which rules are asked.
    pub counters: Vec<Counter>,
}

impl Frames {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.inward.is_empty() && self.outward.is_empty()
    }
}

/// The rules for frames by number.
pub(super) fn frames(policy: &Policy) -> Frames {
    let (mut inward, mut outward) = (Way::default(), Way::default());
    let mut counters = Vec::new();
    for rule in policy.ordered() {
        if !matches!(rule.frame, Frame::Number(_)) {
            continue;
        }
        let name = counter_name(&rule.name);
        let way = if rule.direction == Direction::In { &mut inward } else { &mut outward };
        way.rule(policy.mode, rule, &name);
        let (rule, direction, action) = (Some(rule.name.clone()), rule.direction, rule.action);
        counters.push(Counter { name, rule, direction, action, arp: false, check: None });
    }
    let [denied_in, denied_out] = DEFAULT_FRAMES;
    let ways = [(&mut inward, denied_in, Direction::In), (&mut outward, denied_out, Direction::Out)];
    for (way, name, direction) in ways {
        if !policy.closes_frames(direction) {
            continue;
        }
        let prevent = policy.mode == Mode::Prevent;
        let outcome = if prevent { Outcome::Dropped } else { Outcome::WouldDrop };
        way.steps.push(Step {
            conditions: vec![Condition::EtherType(closed())],
            counter: Some(name.to_owned()),
            sample: policy.log_default.then_some(outcome),
            then: if prevent { Then::Drop } else { Then::Accept },
        });
        let action = Action::Deny;
        counters.push(Counter {
            name: name.to_owned(),
            rule: None,
            direction,
            action,
            arp: false,
            check: None,
        });
    }
    Frames { inward: inward.steps, outward: outward.steps, counters }
}

/// All numbers but those of IP, ARP and what carries others.
fn closed() -> Vec<RangeInclusive<u16>> {
    let mut open: Vec<u16> = IP_AND_ARP.iter().chain(&CARRIERS).copied().collect();
    open.sort_unstable();
    let mut closed = Vec::new();
    let mut from = 0x0600;
    for number in open {
        if from < number {
            closed.push(from..=number - 1);
        }
        from = number + 1;
    }
    closed.push(from..=u16::MAX);
    closed
}
