//! Frames that are neither IP nor ARP: a table of its own at the interfaces, which stands only while a rule names such frames.
//!
//! Each Ethernet interface has a chain for what comes in and one for what leaves, named by the interface's number. They are
//! made where they are missing and never made anew: a hook that goes makes the kernel drop what waits in queues. An
//! interface that goes takes its chains along.

use std::collections::{BTreeMap, BTreeSet};

use sakimori_firewall::{ChainName, Frames, IP_AND_ARP, Step};

use super::expression::Expression;
use super::field::{Field, Ranges};
use super::request::{NFPROTO_NETDEV, Request};
use super::stateful::Has;
use super::table::Table;
use super::{Count, TableError, TablePlan, firewall};
use crate::interface;

/// Beginning of the chains' names; the chain of this name itself has the rules.
const CHAINS: [&str; 2] = ["fw_frames_in", "fw_frames_out"];
/// An interface that every network namespace has.
const LOOPBACK: &str = "lo";

/// What is there, as far as a plan asks for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Present {
    /// The counters of our table, where there is one.
    pub(super) table: Option<BTreeMap<String, Count>>,
    /// Its chains.
    chains: BTreeSet<String>,
    /// The Ethernet interfaces, by number.
    interfaces: Vec<(u32, String)>,
    /// Whether the kernel has hooks for what comes in, and for what leaves.
    hooks: [bool; 2],
}

impl Present {
    /// What a plan asks to be there: a direction, and the interface by number and name.
    fn wanted<'a>(&'a self, frames: &'a Frames) -> impl Iterator<Item = (usize, u32, &'a str)> {
        let ways = [&frames.inward, &frames.outward].into_iter().zip(self.hooks).enumerate();
        let ways = ways.filter(|(_, (steps, has_hook))| *has_hook && !steps.is_empty());
        ways.flat_map(|(way, _)| {
            self.interfaces.iter().map(move |(number, name)| (way, *number, name.as_str()))
        })
    }
}

fn chain(way: usize, block: u32) -> Option<ChainName> {
    CHAINS.get(way).map(|of| ChainName { of, block })
}

/// What becomes of our table for frames.
pub(super) fn requests(requests: &mut Vec<Request>, plan: &TablePlan, present: &Present) {
    let frames = &plan.firewall.frames;
    let begin = requests.len();
    if frames.is_empty() {
        requests.extend(present.table.iter().map(|_there| Request::DeleteTable));
    } else {
        requests.push(Request::AddTable);
        content(requests, plan, present);
    }
    let own = requests.split_off(begin);
    requests.extend(own.into_iter().map(|request| Request::Netdev(Box::new(request))));
}

fn content(requests: &mut Vec<Request>, plan: &TablePlan, present: &Present) {
    let frames = &plan.firewall.frames;
    requests.extend(CHAINS.map(|name| Request::AddChain { name: name.into(), hook: None }));
    for (way, number, device) in present.wanted(frames) {
        let Some(name) = chain(way, number) else { continue };
        if !present.chains.contains(&name.to_string()) {
            let hook = u32::from(way == 1);
            requests.push(Request::AddDeviceChain { name, hook, device: device.to_owned() });
        }
    }
    requests.push(Request::FlushRules);
    let names: BTreeSet<&String> = frames.counters.iter().map(|counter| &counter.name).collect();
    let there = present.table.iter().flat_map(BTreeMap::keys);
    let stale = there.filter(|name| !names.contains(name));
    requests.extend(stale.map(|name| Request::DeleteCounter { name: name.clone() }));
    requests.extend(
        frames.counters.iter().map(|counter| Request::AddCounter {
            name: counter.name.clone().into(),
            value: Count::default(),
        }),
    );
    if plan.sample_group.is_some() && plan.capabilities.samples {
        requests.push(firewall::all_samples());
    }
    let ways: [&Vec<Step>; 2] = [&frames.inward, &frames.outward];
    for (name, steps) in CHAINS.into_iter().zip(ways) {
        for step in steps {
            firewall::rules(requests, name.into(), step, plan, Has::default(), false);
        }
    }
    for (way, number, _) in present.wanted(frames) {
        let (Some(own), Some(rules)) = (chain(way, number), chain(way, 0)) else { continue };
        // IP is most of all traffic, and leaves at the first comparison.
        let other = |number| Expression::Within {
            field: Field::EtherType,
            set: None,
            ranges: Ranges::single(&[number]),
            not: true,
        };
        let rule = IP_AND_ARP.map(other).into_iter().chain([Expression::Jump(rules)]).collect();
        requests.push(Request::AddRule { chain: own, rule });
    }
}

// === impl Table ===

impl Table {
    /// What is there for a plan's frames.
    pub(super) fn present_frames(&mut self, frames: &Frames) -> Result<Present, TableError> {
        let there = self.table_exists(NFPROTO_NETDEV)?;
        let table = if there { Some(self.counters_of(NFPROTO_NETDEV)?) } else { None };
        if frames.is_empty() {
            return Ok(Present { table, ..Present::default() });
        }
        let chains = if there { self.chains_of(NFPROTO_NETDEV)? } else { Vec::new() };
        Ok(Present {
            table,
            chains: chains.into_iter().map(|chain| chain.name).collect(),
            interfaces: interface::ethernet().map_err(TableError::Socket)?,
            hooks: self.asks_for_frames(),
        })
    }

    /// Whether rules for frames by number are in force, as far as the plan has any.
    pub fn filters_frames(&self, frames: &Frames) -> bool {
        let [inward, outward] = self.frame_hooks.unwrap_or([true; 2]);
        (inward || frames.inward.is_empty()) && (outward || frames.outward.is_empty())
    }

    /// Whether an interface has come at which the plan's rules for frames are not yet: it is put in force anew then.
    pub fn lacks_interfaces(&mut self, frames: &Frames) -> Result<bool, TableError> {
        if frames.is_empty() {
            return Ok(false);
        }
        let present = self.present_frames(frames)?;
        let is_there = |(way, number, _): (usize, u32, &str)| {
            chain(way, number).is_none_or(|name| present.chains.contains(&name.to_string()))
        };
        Ok(!present.wanted(frames).all(is_there))
    }

    /// Asks whether the kernel takes chains at interfaces (incoming since Linux 4.2, outgoing since 5.16). Not asked before a
    /// rule needs it: taking back a chain makes the kernel drop everything that waits in queues.
    fn asks_for_frames(&mut self) -> [bool; 2] {
        let ask = |hook| {
            let chain = Request::AddDeviceChain { name: "probe".into(), hook, device: LOOPBACK.to_owned() };
            let requests = [Request::AddTable, chain].map(|request| Request::Netdev(Box::new(request)));
            self.transact(&requests, false).is_ok()
        };
        let known = self.frame_hooks.unwrap_or_else(|| [ask(0), ask(1)]);
        self.frame_hooks = Some(known);
        known
    }
}
