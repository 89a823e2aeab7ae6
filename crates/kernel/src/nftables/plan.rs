//! From a plan to the messages of one transaction. Pure and deterministic.
//!
//! # Shape
//! Base chains `input`, `forward`, `output` look at marks and ports and jump to one chain per path, which
//! queues. Base chains `*_save`, one priority later, carry the verdict's mark over to the connection: `NF_ACCEPT`
//! from the queue skips the rest of the chain that queued, not the later chains of the hook.

use std::ops::RangeInclusive;

use std::collections::{BTreeMap, BTreeSet};

use sakimori_firewall::Side;

use super::expression::{Expression, Mark, Port};
use super::field::{Field, Ranges};
use super::request::{ChainHook, Request};
use super::stateful::{self, Has, Kept};
use super::{
    Blocked, Count, CounterKind, CounterPath, Counters, Forwarding, MARK_BLOCKED, MARK_BYPASS, MARK_DONE,
    MARK_INJECTED, MARK_OUTGOING, PayloadMatch, TablePlan, TableState, firewall, netdev, scan, standing,
};

/// Right behind the priority 0 that host firewalls filter at: what they drop costs no inspection. Before the
/// connection is confirmed (the last priority of input and postrouting), so that a mark set on a connection's
/// first packet stays, and before source NAT, so that the engine sees the addresses that the server sees.
const PRIORITY: u32 = 10;
/// The next one, so that nobody's chain between sees our bits in the packet's mark.
const PRIORITY_SAVE: u32 = PRIORITY + 1;
/// FIN, SYN, RST: without them the other side chooses where reassembly starts and ends.
const FLAGS: u8 = 0x01 | 0x02 | 0x04;
/// The marks that a verdict can carry.
const VERDICT_MARKS: u32 = MARK_DONE | MARK_BLOCKED;

/// A path of inspected traffic: the hook's chain, the path's own chain, the port that tells the server.
struct Path {
    chain: &'static str,
    own: &'static str,
    port: Port,
    counter: CounterPath,
}

/// Each packet is queued once: on loopback it passes output and then input, so clients' packets are taken at
/// input and servers' at output.
const PATHS: [Path; 4] = [
    Path {
        chain: "input",
        own: "input_to_server",
        port: Port::Destination,
        counter: CounterPath::InputToServer,
    },
    Path {
        chain: "forward",
        own: "forward_to_server",
        port: Port::Destination,
        counter: CounterPath::ForwardToServer,
    },
    Path {
        chain: "forward",
        own: "forward_to_client",
        port: Port::Source,
        counter: CounterPath::ForwardToClient,
    },
    Path {
        chain: "output",
        own: "output_to_client",
        port: Port::Source,
        counter: CounterPath::OutputToClient,
    },
];

/// Connections that this host or its containers open, for web reputation. What the host says to itself is left alone.
const OUTGOING: [Path; 4] = [
    Path {
        chain: "output",
        own: "output_to_server",
        port: Port::Destination,
        counter: CounterPath::OutputToServer,
    },
    Path {
        chain: "forward",
        own: "forward_out_to_server",
        port: Port::Destination,
        counter: CounterPath::ForwardOutToServer,
    },
    Path {
        chain: "forward",
        own: "forward_out_to_client",
        port: Port::Source,
        counter: CounterPath::ForwardOutToClient,
    },
    Path { chain: "input", own: "input_to_client", port: Port::Source, counter: CounterPath::InputToClient },
];

/// A hook: its chains, its number, its counters.
struct Base {
    hook: u32,
    name: &'static str,
    save: &'static str,
    save_kind: &'static str,
    counter: CounterPath,
}

const BASES: [Base; 3] = [
    Base { hook: 1, name: "input", save: "input_save", save_kind: "filter", counter: CounterPath::Input },
    Base {
        hook: 2,
        name: "forward",
        save: "forward_save",
        save_kind: "filter",
        counter: CounterPath::Forward,
    },
    // A verdict with a changed mark makes the kernel route an outgoing packet again, with our bits in the mark,
    // which a policy route that compares the whole mark does not know. A chain of type `route` repeats it when
    // the bits are gone.
    Base { hook: 3, name: "output", save: "output_save", save_kind: "route", counter: CounterPath::Output },
];

const PATH_KINDS: [CounterKind; 3] = [CounterKind::Queued, CounterKind::Passed, CounterKind::Refused];
const BASE_KINDS: [CounterKind; 2] = [CounterKind::Blocked, CounterKind::Done];

/// Every counter of the table, and its name there.
pub(super) fn counters() -> impl Iterator<Item = (CounterKind, CounterPath, &'static str)> {
    let paths = PATHS.iter().chain(&OUTGOING).flat_map(|path| PATH_KINDS.map(|kind| (kind, path.counter)));
    let bases = BASES.iter().flat_map(|base| BASE_KINDS.map(|kind| (kind, base.counter)));
    paths.chain(bases).map(|(kind, path)| (kind, path, counter_name(kind, path)))
}

/// What of the firewall is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Present {
    /// Its chains in our table that hang nowhere.
    pub(super) chains: BTreeSet<String>,
    /// In our table.
    pub(super) counters: BTreeMap<String, Count>,
    /// In our table for ARP, where there is one.
    pub(super) arp: Option<BTreeMap<String, Count>>,
    /// Whether the kernel filters ARP; asked only where a rule needs it.
    pub(super) filters_arp: bool,
    /// What is there for other frames.
    pub(super) frames: netdev::Present,
    /// What the kernel has for stateful checks.
    pub(super) has: Has,
    /// What stateful checks keep over swaps.
    pub(super) kept: BTreeSet<Kept>,
}

/// Changes the table to the plan where it stands, or creates it.
///
/// Of what is there, counters and chains go that are no more in the plan. A chain with a hook stays where its module is
/// switched off: its unregistering would make the kernel drop what waits in queues.
pub(super) fn in_place(plan: &TablePlan, present: &Present) -> Vec<Request> {
    let mut requests = vec![Request::AddTable];
    requests.extend(chains(plan));
    requests.push(Request::FlushRules);
    let mut names: BTreeSet<String> =
        plan.firewall.chains.iter().map(|chain| chain.name.to_string()).collect();
    let own = scan::own_chains(plan).iter().chain(standing::own_chains(plan));
    names.extend(own.map(|name| (*name).to_owned()));
    let stale = present.chains.difference(&names);
    requests.extend(stale.map(|name| Request::DeleteChain { name: name.clone() }));
    let names: BTreeSet<&String> =
        plan.firewall.counters.iter().filter(|counter| !counter.arp).map(|counter| &counter.name).collect();
    let watches = plan.firewall.watch.is_some();
    let of_blocked = |name: &str| name == scan::COUNTER_OF_BLOCKED;
    let stale = |name: &&String| !(names.contains(name) || watches && of_blocked(name));
    requests.extend(
        present.counters.keys().filter(stale).map(|name| Request::DeleteCounter { name: name.clone() }),
    );
    if !watches && present.counters.keys().any(|name| of_blocked(name)) {
        requests.extend(scan::without());
    }
    if standing::has_sets(&present.chains) && !standing::is_untracked(plan) {
        requests.extend(standing::without());
    }
    stateful::requests(&mut requests, stateful::named(&plan.firewall, present.has), &present.kept);
    content(&mut requests, plan, &Counters::default(), &BTreeMap::new(), present.has);
    firewall::arp(&mut requests, plan, present);
    netdev::requests(&mut requests, plan, &present.frames);
    requests
}

/// Replaces a table that cannot be changed in place (another version's chains), sets its counters and blocks who was
/// blocked.
pub(super) fn replacement(
    plan: &TablePlan,
    values: &Counters,
    present: &Present,
    blocked: &[Blocked],
) -> Vec<Request> {
    let mut requests = vec![Request::AddTable, Request::DeleteTable, Request::AddTable];
    requests.extend(chains(plan));
    stateful::requests(&mut requests, stateful::named(&plan.firewall, present.has), &BTreeSet::new());
    content(&mut requests, plan, values, &present.counters, present.has);
    requests.extend(scan::restored(plan, blocked));
    firewall::arp(&mut requests, plan, present);
    netdev::requests(&mut requests, plan, &present.frames);
    requests
}

/// Removes the table, also when there is none, and those for ARP and for other frames where there are such.
pub(super) fn removal(arp: bool, frames: bool) -> Vec<Request> {
    let mut requests = vec![Request::AddTable, Request::DeleteTable];
    requests.extend(beside(arp, frames));
    requests
}

/// Removes the firewall's own tables beside ours.
pub(super) fn beside(arp: bool, frames: bool) -> impl Iterator<Item = Request> {
    let delete = || Box::new(Request::DeleteTable);
    arp.then(|| Request::Arp(delete())).into_iter().chain(frames.then(|| Request::Netdev(delete())))
}

/// A chain is the same in every plan that has it: one of another kind would have to be replaced.
fn chains(plan: &TablePlan) -> Vec<Request> {
    let mut firewall = scan::chains(plan);
    firewall.extend(standing::chains(plan));
    firewall.extend(firewall::chains(&plan.firewall, false));
    if !inspects(plan) {
        return firewall;
    }
    let outgoing: &[Path] = if plan.outgoing_ports.is_empty() { &[] } else { &OUTGOING };
    let paths = PATHS.iter().chain(outgoing);
    let own = paths.map(|path| Request::AddChain { name: path.own.into(), hook: None });
    let bases = BASES.iter().flat_map(|base| {
        let hook = |kind, priority| Some(ChainHook { number: base.hook, name: base.name, kind, priority });
        [
            Request::AddChain { name: base.name.into(), hook: hook("filter", PRIORITY) },
            Request::AddChain { name: base.save.into(), hook: hook(base.save_kind, PRIORITY_SAVE) },
        ]
    });
    own.chain(bases).chain(firewall).collect()
}

/// Whether packets go past the queue's chains for something: where not, each would pay for them all the same.
pub(super) fn inspects(plan: &TablePlan) -> bool {
    !plan.inspected_ports.is_empty() || !plan.outgoing_ports.is_empty() || plan.firewall.bypasses()
}

fn content(
    requests: &mut Vec<Request>,
    plan: &TablePlan,
    values: &Counters,
    firewall: &BTreeMap<String, Count>,
    has: Has,
) {
    let outgoing = merge(&plan.outgoing_ports);
    let is_used = |path: CounterPath| !outgoing.is_empty() || OUTGOING.iter().all(|own| own.counter != path);
    let used = counters().filter(|(_, path, _)| is_used(*path));
    requests.extend(used.map(|(kind, path, name)| {
        let value: Count = values.0.get(&(kind, path)).copied().unwrap_or_default();
        Request::AddCounter { name: name.into(), value }
    }));
    scan::content(requests, plan, firewall.get(scan::COUNTER_OF_BLOCKED).copied().unwrap_or_default());
    standing::content(requests, plan);
    firewall::content(requests, plan, firewall, has);
    let ranges = merge(&plan.inspected_ports);
    for base in BASES.iter().filter(|_| inspects(plan)) {
        if plan.firewall.bypasses() {
            bypass_rules(requests, base);
        }
        mark_rules(requests, base);
        for path in OUTGOING.iter().filter(|path| path.chain == base.name) {
            if outgoing.is_empty()
                || (base.counter == CounterPath::Forward && plan.forwarding == Forwarding::LeftAlone)
            {
                continue;
            }
            outgoing_rules(requests, path, plan, &outgoing);
        }
        for path in PATHS.iter().filter(|path| path.chain == base.name) {
            if ranges.is_empty()
                || (base.counter == CounterPath::Forward && plan.forwarding == Forwarding::LeftAlone)
            {
                continue;
            }
            let set = port_set(requests, &ranges);
            let port = Expression::PortIn { port: path.port, set, ranges: ranges.clone() };
            let rule = vec![Expression::Tcp, port, Expression::Jump(path.own.into())];
            requests.push(Request::AddRule { chain: base.name.into(), rule });
            path_rules(requests, path, plan, plan.inspect_responses);
        }
        save_rules(requests, base);
        if base.counter == CounterPath::Forward && !outgoing.is_empty() {
            let rule = vec![
                Expression::MarkHas(Mark::Packet, MARK_OUTGOING),
                Expression::MarkClear(Mark::Packet, MARK_OUTGOING),
            ];
            requests.push(Request::AddRule { chain: base.save.into(), rule });
        }
    }
}

/// An anonymous set of ports; gives its number.
fn port_set(requests: &mut Vec<Request>, ranges: &[RangeInclusive<u16>]) -> u32 {
    let set = u32::try_from(requests.len()).unwrap_or(u32::MAX);
    let (field, exact) = (Field::Port(Side::Destination), false);
    requests.push(Request::AddSet { id: set, field, exact });
    requests.push(Request::AddElements { id: set, field, exact, ranges: Ranges::of(ranges) });
    set
}

/// Sends connections to the outside to their path: not those of the host with itself, and of forwarded ones those
/// that come from an interface of containers. Forwarded packets carry a mark that says so.
fn outgoing_rules(
    requests: &mut Vec<Request>,
    path: &Path,
    plan: &TablePlan,
    ranges: &[RangeInclusive<u16>],
) {
    let side = if path.port == Port::Destination { Side::Source } else { Side::Destination };
    let conditions: Vec<Vec<Expression>> = if path.chain == "forward" {
        if !plan.capabilities.interface_kinds {
            return;
        }
        let kind = |kind| {
            let mut rule = vec![Expression::InterfaceKind { side, kind }];
            if side == Side::Source {
                rule.push(Expression::MarkSet(Mark::Packet, MARK_OUTGOING));
            }
            rule
        };
        vec![kind("bridge"), kind("veth")]
    } else {
        let at = if path.chain == "input" { Side::Source } else { Side::Destination };
        vec![vec![Expression::Loopback { side: at, is: false }]]
    };
    for more in conditions {
        let set = port_set(requests, ranges);
        let port = Expression::PortIn { port: path.port, set, ranges: ranges.to_vec() };
        let mut rule = vec![Expression::Tcp, port];
        rule.extend(more);
        rule.push(Expression::Jump(path.own.into()));
        requests.push(Request::AddRule { chain: path.chain.into(), rule });
    }
    // The agent's own way to its manager never waits for a worker.
    if path.port == Port::Destination {
        for end in &plan.outgoing_except {
            let mut rule = vec![Expression::Tcp];
            rule.extend(firewall::endpoint(requests, *end));
            rule.push(Expression::Accept);
            requests.push(Request::AddRule { chain: path.own.into(), rule });
        }
    }
    // Reputation is advice, not a wall: with nobody to judge, connections to the outside pass.
    let state = if plan.state == TableState::DropAll { TableState::PassAll } else { plan.state };
    path_rules(requests, path, &TablePlan { state, bypass: true, ..plan.clone() }, false);
}

/// What needs no look at the packet.
///
/// A new connection may come under the addresses and ports of one that was blocked or done with, while the
/// kernel's tracking still has the old one: our reset ends both sockets, but not that entry, which then lives
/// for days. Without the second rule the visitor who gets the port next would be shut out, and a connection
/// could be had that nobody inspects.
///
/// An untracked connection has no mark to compare: its packets go on to be
/// queued, and the engine keeps its verdict.
fn mark_rules(requests: &mut Vec<Request>, base: &Base) {
    let chain = base.name;
    let rules = [
        vec![Expression::MarkHas(Mark::Packet, MARK_INJECTED), Expression::Accept],
        new_connection(),
        vec![
            Expression::MarkHas(Mark::Connection, MARK_BLOCKED),
            count(CounterKind::Blocked, base.counter),
            Expression::Drop,
        ],
        vec![
            Expression::MarkHas(Mark::Connection, MARK_DONE),
            count(CounterKind::Done, base.counter),
            Expression::Accept,
        ],
    ];
    requests.extend(rules.map(|rule| Request::AddRule { chain: chain.into(), rule }));
}

/// Lets pass what a rule of the firewall takes out of all inspection, and takes the mark off again, before anybody sees it.
///
/// A mark that only we set, and only in the firewall's chains: what we send ourselves has one bit of it.
fn bypass_rules(requests: &mut Vec<Request>, base: &Base) {
    let bypassed = || Expression::MarkIs(Mark::Packet, MARK_BYPASS, MARK_BYPASS);
    let forget = std::iter::once(bypassed()).chain(new_connection()).collect();
    let pass = vec![bypassed(), Expression::MarkClear(Mark::Packet, MARK_BYPASS), Expression::Accept];
    requests.extend([forget, pass].map(|rule| Request::AddRule { chain: base.name.into(), rule }));
}

/// Forgets the verdict on the connection that had the addresses and ports before.
fn new_connection() -> Vec<Expression> {
    vec![
        Expression::MarkHas(Mark::Connection, VERDICT_MARKS),
        Expression::Tcp,
        Expression::TcpOpens,
        Expression::MarkClear(Mark::Connection, VERDICT_MARKS),
    ]
}

/// What happens to a path's packets. The same packets are counted as queued and as passed; fail closed drops
/// all, since pure acknowledgements carry a flow as well.
fn path_rules(requests: &mut Vec<Request>, path: &Path, plan: &TablePlan, responses: bool) {
    let chain = path.own;
    let (kind, end) = match plan.state {
        TableState::Queue => (
            CounterKind::Queued,
            Expression::Queue {
                mechanism: plan.capabilities.mechanism,
                queue: plan.queue,
                bypass: plan.bypass,
            },
        ),
        TableState::PassAll => (CounterKind::Passed, Expression::Accept),
        TableState::DropAll => (CounterKind::Refused, Expression::Drop),
    };
    let count = count(kind, path.counter);
    let mut rule = |conditions: Vec<Expression>| {
        let mut rule = conditions;
        rule.extend([count.clone(), end.clone()]);
        requests.push(Request::AddRule { chain: chain.into(), rule });
    };
    if plan.state == TableState::DropAll {
        return rule(Vec::new());
    }
    rule(vec![Expression::TcpFlags(FLAGS)]);
    if path.port == Port::Source && !responses {
        return;
    }
    match plan.capabilities.payload {
        PayloadMatch::InnerHeader => rule(vec![Expression::Payload]),
        // A header of fewer than 5 words is malformed; the stack drops the segment.
        PayloadMatch::DataOffsets => (5..=15).for_each(|words| rule(vec![Expression::PayloadAfter(words)])),
    }
}

/// Keeps the verdict's mark in the connection, and the packet's mark clean for others. A flow that is blocked by
/// this very packet loses it here: a Drop verdict would have lost the mark.
///
/// A new connection's first packet may have waited in the queue behind the last one of a connection that was
/// blocked by that one: the mark is forgotten again here, where verdicts come in the packets' order.
fn save_rules(requests: &mut Vec<Request>, base: &Base) {
    let chain = base.save;
    let has = |bits| Expression::MarkHas(Mark::Packet, bits);
    let rules = [
        new_connection(),
        vec![
            has(MARK_BLOCKED),
            Expression::MarkSet(Mark::Connection, MARK_BLOCKED),
            count(CounterKind::Blocked, base.counter),
            Expression::Drop,
        ],
        vec![
            has(MARK_DONE),
            Expression::MarkSet(Mark::Connection, MARK_DONE),
            Expression::MarkClear(Mark::Packet, VERDICT_MARKS),
        ],
    ];
    requests.extend(rules.map(|rule| Request::AddRule { chain: chain.into(), rule }));
}

/// Disjoint ascending ranges with gaps between; empty ones are left out.
fn merge(ranges: &[RangeInclusive<u16>]) -> Vec<RangeInclusive<u16>> {
    let mut sorted: Vec<(u16, u16)> =
        ranges.iter().filter(|range| !range.is_empty()).map(|range| (*range.start(), *range.end())).collect();
    sorted.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::new();
    for (first, last) in sorted {
        match merged.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged.into_iter().map(|(first, last)| first..=last).collect()
}

fn count(kind: CounterKind, path: CounterPath) -> Expression {
    Expression::Count(counter_name(kind, path).into())
}

/// The counter's name in the table.
const fn counter_name(kind: CounterKind, path: CounterPath) -> &'static str {
    use CounterPath as P;
    match (kind, path) {
        (CounterKind::Queued, P::InputToServer | P::Input) => "queued_input_to_server",
        (CounterKind::Queued, P::ForwardToServer | P::Forward) => "queued_forward_to_server",
        (CounterKind::Queued, P::ForwardToClient) => "queued_forward_to_client",
        (CounterKind::Queued, P::OutputToClient | P::Output) => "queued_output_to_client",
        (CounterKind::Queued, P::OutputToServer) => "queued_output_to_server",
        (CounterKind::Queued, P::InputToClient) => "queued_input_to_client",
        (CounterKind::Queued, P::ForwardOutToServer) => "queued_forward_out_to_server",
        (CounterKind::Queued, P::ForwardOutToClient) => "queued_forward_out_to_client",
        (CounterKind::Passed, P::InputToServer | P::Input) => "passed_input_to_server",
        (CounterKind::Passed, P::ForwardToServer | P::Forward) => "passed_forward_to_server",
        (CounterKind::Passed, P::ForwardToClient) => "passed_forward_to_client",
        (CounterKind::Passed, P::OutputToClient | P::Output) => "passed_output_to_client",
        (CounterKind::Passed, P::OutputToServer) => "passed_output_to_server",
        (CounterKind::Passed, P::InputToClient) => "passed_input_to_client",
        (CounterKind::Passed, P::ForwardOutToServer) => "passed_forward_out_to_server",
        (CounterKind::Passed, P::ForwardOutToClient) => "passed_forward_out_to_client",
        (CounterKind::Refused, P::InputToServer | P::Input) => "refused_input_to_server",
        (CounterKind::Refused, P::ForwardToServer | P::Forward) => "refused_forward_to_server",
        (CounterKind::Refused, P::ForwardToClient) => "refused_forward_to_client",
        (CounterKind::Refused, P::OutputToClient | P::Output) => "refused_output_to_client",
        (CounterKind::Refused, P::OutputToServer) => "refused_output_to_server",
        (CounterKind::Refused, P::InputToClient) => "refused_input_to_client",
        (CounterKind::Refused, P::ForwardOutToServer) => "refused_forward_out_to_server",
        (CounterKind::Refused, P::ForwardOutToClient) => "refused_forward_out_to_client",
        (CounterKind::Blocked, P::InputToServer | P::InputToClient | P::Input) => "blocked_input",
        (
            CounterKind::Blocked,
            P::ForwardToServer
            | P::ForwardToClient
            | P::ForwardOutToServer
            | P::ForwardOutToClient
            | P::Forward,
        ) => "blocked_forward",
        (CounterKind::Blocked, P::OutputToClient | P::OutputToServer | P::Output) => "blocked_output",
        (CounterKind::Done, P::InputToServer | P::InputToClient | P::Input) => "done_input",
        (
            CounterKind::Done,
            P::ForwardToServer
            | P::ForwardToClient
            | P::ForwardOutToServer
            | P::ForwardOutToClient
            | P::Forward,
        ) => "done_forward",
        (CounterKind::Done, P::OutputToClient | P::OutputToServer | P::Output) => "done_output",
    }
}

#[cfg(test)]
mod tests;
