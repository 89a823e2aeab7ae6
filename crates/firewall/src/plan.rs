//! The plan: what the kernel is to do, as data.
mod blocks;
mod build;
mod frames;
mod show;
mod stateful;

pub use build::FORWARD_OUT;
pub(crate) use build::{ARP_IN, ARP_OUT, CHAIN_IN, CHAIN_OUT, counter_name, plan};
pub use frames::{DEFAULT_FRAMES, Frames, IP_AND_ARP};
pub(crate) use frames::{FRAMES_IN, FRAMES_OUT};

use crate::address::{Mac, number};
use crate::ranges::holds;
use crate::rule::{Action, Direction, TcpFlags};
use crate::scan;
use crate::stateful::{Check, Effect, Needs, Watch};
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// What the names of all the firewall's counters begin with.
pub const PREFIX: &str = "fw_";
/// The counter of incoming packets that no rule decided and the default denies.
pub const DEFAULT_INBOUND: &str = "fw_default_inbound";

/// The counter of outgoing packets that no rule decided and the default denies.
pub const DEFAULT_OUTBOUND: &str = "fw_default_outbound";

/// The counters of ARP messages that no rule decided and that are denied.
pub const DEFAULT_ARP: [&str; 2] = ["fw_default_arp_in", "fw_default_arp_out"];

/// Where a packet is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// For this host.
    Input,
    /// Through this host.
    Forward,
    /// From this host.
    Output,
    /// ARP messages for this host.
    ArpInput,
    /// ARP messages from this host.
    ArpOutput,
    /// IP packets that have arrived, before fragments are put together.
    Arriving,
    /// For this host, behind its rules.
    InputState,
    /// Through this host, behind its rules.
    ForwardState,
    /// From this host, behind its rules.
    OutputState,
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

/// A condition that a packet meets or not. Ranges are disjoint and ascending, with gaps between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The product itself has sent it: a reset, an answer page.
    Injected,
    /// It belongs to an established connection, or is related to one.
    Established,
    /// The interface it came in by ([`Side::Source`]) or leaves by is of this kind.
    Interface(Side, Interface),
    /// The interface it came in by or leaves by has one of these names: 16 bytes, filled up with zeros, as a number.
    InterfaceName(Side, Vec<RangeInclusive<u128>>),
    /// It is of this IP version.
    Family {
        /// IPv4; IPv6 otherwise.
        v4: bool,
    },
    /// The transport protocol has one of these numbers, ascending.
    Protocol(Vec<u8>),
    /// The address is of this family and in one of the ranges.
    Address(Side, AddressRanges),
    /// It came in an Ethernet frame, from one of these cards or from none of them.
    FromCard {
        /// Ascending, each once.
        macs: Vec<Mac>,
        /// From none of them.
        not: bool,
    },
    /// The port is in one of the ranges. Stands behind [`Condition::Protocol`].
    Port(Side, Vec<RangeInclusive<u16>>),
    /// The TCP flags are so. Stands behind [`Condition::Protocol`].
    TcpFlags {
        /// Ascending, each once.
        any: Vec<TcpFlags>,
        /// None of them fits.
        not: bool,
    },
    /// The frame's `EtherType` is in one of the ranges.
    EtherType(Vec<RangeInclusive<u16>>),
    /// The ICMP type (high byte) with the code is in one of the ranges. Stands behind [`Condition::Protocol`].
    Icmp(Vec<RangeInclusive<u16>>),
    /// What stateful checks look at.
    Watch(Watch),
}

/// A chain's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainName {
    /// What it is for.
    pub of: &'static str,
    /// Which block of it; 0 for the chain itself.
    pub block: u32,
}

/// What follows when all conditions are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The chain's next step.
    Next,
    /// Through another chain, then the next step.
    Jump(ChainName),
    /// The packet passes this chain and those that led to it; others of the hook are asked.
    Accept,
    /// The packet vanishes.
    Drop,
    /// Nothing of the product looks at the packet any more; then as [`Then::Accept`].
    Bypass,
    /// What stateful checks do; the next step, but for [`Effect::SynCookie`].
    Effect(Effect),
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
    pub name: ChainName,
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
    /// Whether it counts ARP messages; IP packets otherwise.
    pub arp: bool,
    /// The stateful check that it is of; such a counter is of no rule.
    pub check: Option<Check>,
}

/// All chains, and all counters in the order in which rules are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Chains that others jump to come first.
    pub chains: Vec<Chain>,
    /// The counters.
    pub counters: Vec<Counter>,
    /// What is done with frames that are neither IP nor ARP.
    pub frames: Frames,
    /// Of what samples are taken to find out who looks for ways in, where it is to be found out.
    pub watch: Option<scan::Watch>,
}

// === impl Counter ===

impl Counter {
    /// What events and statuses call it where it is of no rule.
    pub fn default_name(&self) -> &'static str {
        if let Some(check) = self.check {
            return check.name();
        }
        match (self.direction, self.arp) {
            (Direction::In, _) if self.name == DEFAULT_FRAMES[0] => "default-frame-inbound",
            (Direction::Out, _) if self.name == DEFAULT_FRAMES[1] => "default-frame-outbound",
            (Direction::In, false) => "default-inbound",
            (Direction::Out, false) => "default-outbound",
            (Direction::In, true) => "default-arp-inbound",
            (Direction::Out, true) => "default-arp-outbound",
        }
    }
}

// === impl ChainName ===

impl From<&'static str> for ChainName {
    fn from(of: &'static str) -> Self {
        Self { of, block: 0 }
    }
}

// === impl Hook ===

impl Hook {
    /// Whether ARP messages are looked at there.
    pub const fn is_arp(self) -> bool {
        matches!(self, Self::ArpInput | Self::ArpOutput)
    }
}

// === impl AddressRanges ===

impl AddressRanges {
    /// Whether the address is in one of the ranges.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (value, _) = number(address);
        match self {
            Self::V4(ranges) => {
                let value = u32::try_from(value).ok().filter(|_| address.is_ipv4());
                value.is_some_and(|value| holds(ranges, &value))
            }
            Self::V6(ranges) => address.is_ipv6() && holds(ranges, &value),
        }
    }
}

// === impl Plan ===

impl Plan {
    /// Whether it has something to do with ARP messages.
    pub fn has_arp(&self) -> bool {
        self.chains.iter().any(|chain| chain.hook.is_some_and(Hook::is_arp) && !chain.steps.is_empty())
    }

    /// What is done with frames by number, as a plan of its own: they come in at [`Hook::Input`] and leave at [`Hook::Output`].
    #[must_use]
    pub fn of_frames(&self) -> Self {
        let chain = |of: &'static str, hook, steps: &[Step]| Chain {
            name: of.into(),
            hook: Some(hook),
            steps: steps.to_vec(),
        };
        Self {
            chains: vec![
                chain(FRAMES_IN, Hook::Input, &self.frames.inward),
                chain(FRAMES_OUT, Hook::Output, &self.frames.outward),
            ],
            counters: self.frames.counters.clone(),
            frames: Frames::default(),
            watch: None,
        }
    }

    /// All counters: of IP and ARP, then of other frames.
    pub fn all_counters(&self) -> impl Iterator<Item = &Counter> {
        self.counters.iter().chain(&self.frames.counters)
    }

    /// All steps that count for themselves or lead to such.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        let frames = self.frames.inward.iter().chain(&self.frames.outward);
        self.chains.iter().flat_map(|chain| &chain.steps).chain(frames)
    }

    /// What it needs of the kernel beside what every plan needs.
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        for step in self.chains.iter().flat_map(|chain| &chain.steps) {
            step.conditions.iter().for_each(|condition| {
                if let Condition::Watch(watch) = condition {
                    needs.watch(*watch);
                }
            });
            if let Then::Effect(effect) = step.then {
                needs.effect(effect);
            }
        }
        needs
    }

    /// Whether some packets are looked at by nothing else of the product.
    pub fn bypasses(&self) -> bool {
        self.chains.iter().flat_map(|chain| &chain.steps).any(|step| step.then == Then::Bypass)
    }
}
