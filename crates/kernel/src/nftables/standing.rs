//! What stands already, told without connection tracking: by the host's own sockets, and by what it has sent lately.
//!
//! Connection tracking costs every packet of every connection, doubles what a new connection costs the kernel, and its
//! table can be filled by anybody. A host that passes nothing on for others needs none of it to know its own connections:
//! a TCP segment that belongs to something finds its socket, and who may answer a datagram is whom one was sent to.
//!
//! # When
//! [`is_untracked`]: rules are about what comes in alone, nothing else of the product asks connection tracking, and the
//! host does not route. With the first of these gone, the table is made anew with connection tracking.
//!
//! # What it says
//! - TCP: whatever opens nothing (SYN without ACK, FIN and RST does) and finds a socket: of a connection, of one that is
//!   being opened or that has just ended. A listening socket is none, and what finds only that is asked about by the rules;
//!   but for one that listens at a single address: the kernel cannot tell it from a connection. It answers what belongs to
//!   no connection by a reset, as without a firewall.
//! - UDP: from whom and where to a datagram was sent within two minutes; ten seconds where the other port is that of DNS, or
//!   ours is below 1024 and the other is not, as of a server that answers many.
//! - ICMP: answers to echo requests of the last 30 seconds, and errors about what has a socket here.
//! - Other protocols: from whom the same protocol was spoken to within ten minutes.
//! - IPv6: fragments behind the first; without the first, which has the ports, nothing is put together of them.
//!
//! # Source
//! `net/netfilter/nft_socket.c`, `net/ipv4/netfilter/nf_socket_ipv4.c`; RFC 7112 (the first fragment has all headers).

use sakimori_firewall::{Chain, Condition, FORWARD_OUT, Hook, Needs, Side, Step, Then};

use super::expression::{Expression, Socket};
use super::field::{Field, Ranges, Version};
use super::named::{Kind, NamedSet};
use super::request::{ChainHook, Request};
use super::{Forwarding, TablePlan, firewall, plan};

/// For segments that open nothing and find no connection's socket at once.
const SEGMENTS: &str = "fw_segments";
/// For what is not TCP and comes to this host.
const APART: &str = "fw_apart";
/// For what is not TCP: whether it answers something.
const ANSWERS: &str = "fw_answers";
/// For what is not TCP and leaves.
const SENT: &str = "fw_sent";
/// Where that hangs.
const OUTPUT: &str = "fw_sent_output";
const CHAINS: [&str; 4] = [SEGMENTS, ANSWERS, APART, SENT];

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const DNS: u16 = 53;
/// Of the flags FIN, SYN, RST, ACK just this one is set in a segment that opens a connection.
const OPENS: (u8, u8) = (0x17, 0x02);
/// Milliseconds that an answer is waited for.
const SOON_MS: u64 = 10_000;
const UDP_MS: u64 = 120_000;
const ECHO_MS: u64 = 30_000;
const PROTOCOL_MS: u64 = 600_000;

/// Whether the table needs no connection tracking, nor has any.
pub(super) fn is_untracked(table: &TablePlan) -> bool {
    let firewall = &table.firewall;
    let outward = |chain: &&Chain| {
        chain.name.of == FORWARD_OUT || matches!(chain.hook, Some(Hook::Output | Hook::OutputState))
    };
    // What stands is let pass; a rule that asks more of it asks connection tracking.
    let asks_more = |step: &Step| {
        step.conditions.contains(&Condition::Established)
            && (step.then != Then::Accept || step.conditions != [Condition::Established])
    };
    table.capabilities.sockets
        && table.capabilities.interface_kinds
        && table.forwarding == Forwarding::None
        && !plan::inspects(table)
        && firewall.watch.is_none()
        && firewall.needs() == Needs::default()
        && firewall.chains.iter().any(|chain| !chain.steps.is_empty())
        && firewall.chains.iter().filter(outward).all(|chain| chain.steps.is_empty())
        && !firewall.all_steps().any(asks_more)
}

/// Creates the chains and sets.
pub(super) fn chains(table: &TablePlan) -> Vec<Request> {
    if !is_untracked(table) {
        return Vec::new();
    }
    let hook = ChainHook { number: 3, name: "output", kind: "filter", priority: firewall::PRIORITY };
    let own = CHAINS.map(|name| Request::AddChain { name: name.into(), hook: None });
    let base = Request::AddChain { name: OUTPUT.into(), hook: Some(hook) };
    own.into_iter().chain([base]).chain(NamedSet::of_answers().map(Request::AddNamedSet)).collect()
}

/// The chains that hang nowhere.
pub(super) fn own_chains(table: &TablePlan) -> &'static [&'static str] {
    if is_untracked(table) { &CHAINS } else { &[] }
}

/// Whether a table with these chains has the sets.
pub(super) fn has_sets(chains: &std::collections::BTreeSet<String>) -> bool {
    chains.contains(ANSWERS)
}

/// Removes the sets; behind the rules that use them.
pub(super) fn without() -> impl Iterator<Item = Request> {
    NamedSet::of_answers().map(Request::DeleteNamedSet)
}

/// Creates the rules of its own chains; they come before those that lead to them.
pub(super) fn content(requests: &mut Vec<Request>, table: &TablePlan) {
    if !is_untracked(table) {
        return;
    }
    let mut add = |chain: &'static str, rule| requests.push(Request::AddRule { chain: chain.into(), rule });
    let is = |field: Field, value: u128| Expression::is(field, value);
    let protocol = |number: u8| is(Field::Protocol, number.into());
    // A listening socket; those of a connection at its beginning and end do not know.
    add(SEGMENTS, vec![Expression::Socket(Socket::Listens), Expression::Return]);
    add(SEGMENTS, vec![Expression::Socket(Socket::Any), Expression::Accept]);

    for (number, version, first, last) in
        [(ICMP, Version::V4, 3, 3), (ICMP, Version::V4, 11, 12), (ICMPV6, Version::V6, 1, 4)]
    {
        let errors = Expression::Within {
            field: Field::Icmp,
            set: None,
            ranges: Ranges(vec![(first << 8, last << 8 | 0xFF)]),
            not: false,
        };
        let rule = vec![Expression::Version(version), protocol(number), errors];
        add(APART, [rule, vec![Expression::Socket(Socket::Any), Expression::Accept]].concat());
    }
    add(APART, vec![Expression::Jump(ANSWERS.into())]);

    for set in NamedSet::of_answers() {
        let listed = Expression::Listed { set, side: Side::Destination, by_network: false };
        let remember = |time| Expression::RememberFor { set, side: Side::Source, milliseconds: time };
        match set.kind {
            Kind::Asked => {
                add(ANSWERS, vec![protocol(UDP), listed, Expression::Accept]);
                let udp =
                    |more: Vec<Expression>, time| [vec![protocol(UDP)], more, vec![remember(time)]].concat();
                add(SENT, udp(Vec::new(), UDP_MS));
                let ports = |side, first, last| Expression::Within {
                    field: Field::Port(side),
                    set: None,
                    ranges: Ranges(vec![(first, last)]),
                    not: false,
                };
                let serves = vec![ports(Side::Source, 0, 1023), ports(Side::Destination, 1024, 65_535)];
                add(SENT, udp(serves, SOON_MS));
                add(SENT, udp(vec![is(Field::Port(Side::Destination), DNS.into())], SOON_MS));
            }
            Kind::Pinged => {
                let (number, request, answer) = if set.v4 { (ICMP, 8, 0) } else { (ICMPV6, 128, 129) };
                let kind = |kind: u128| is(Field::Icmp, kind << 8);
                add(ANSWERS, vec![protocol(number), kind(answer), listed, Expression::Accept]);
                add(SENT, vec![protocol(number), kind(request), remember(ECHO_MS)]);
            }
            Kind::Spoken => {
                let others = || {
                    let not = |number: u8| Expression::Within {
                        field: Field::Protocol,
                        set: None,
                        ranges: Ranges::single(&[number]),
                        not: true,
                    };
                    [TCP, UDP, ICMP, ICMPV6].map(not).to_vec()
                };
                add(ANSWERS, [others(), vec![listed, Expression::Accept]].concat());
                add(SENT, [others(), vec![remember(PROTOCOL_MS)]].concat());
            }
            Kind::Blocked | Kind::Served => {}
        }
    }
    add(OUTPUT, vec![Expression::Tcp, Expression::Accept]);
    add(OUTPUT, vec![Expression::Loopback { side: Side::Destination, is: true }, Expression::Accept]);
    add(OUTPUT, vec![Expression::Jump(SENT.into())]);
}

/// The rules of a chain that let pass what stands; `hook` is where the chain hangs.
pub(super) fn pass(hook: Option<Hook>) -> Vec<Vec<Expression>> {
    let segment = || {
        let (mask, value) = OPENS;
        vec![Expression::Tcp, Expression::TcpFlagsAre { mask, value, not: true }]
    };
    let apart = || Expression::Within {
        field: Field::Protocol,
        set: None,
        ranges: Ranges::single(&[TCP]),
        not: true,
    };
    if hook == Some(Hook::Input) {
        // What most packets meet comes first.
        return vec![
            [segment(), vec![Expression::Socket(Socket::Connected), Expression::Accept]].concat(),
            [segment(), vec![Expression::Jump(SEGMENTS.into())]].concat(),
            vec![apart(), Expression::Jump(APART.into())],
            vec![Expression::LaterFragment, Expression::Accept],
        ];
    }
    // There is nothing to pass on. Where the host begins to, until the table is made anew: replies go on.
    let mut rules = vec![[segment(), vec![Expression::Accept]].concat()];
    for kind in ["bridge", "veth"] {
        let from = Expression::InterfaceKind { side: Side::Source, kind };
        rules.push(vec![from, apart(), Expression::Jump(SENT.into())]);
    }
    rules.push(vec![apart(), Expression::Jump(ANSWERS.into())]);
    rules
}
