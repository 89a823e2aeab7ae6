//! Random policies without errors, of rules that have something to do with the packets.

use std::net::IpAddr;

use sakimori_firewall::{
    Action, Among, Direction, Endpoint, Fallback, Frame, IcmpType, Mac, Network, Policy, Protocol, Rule,
    Stateful, TcpFlags, compile,
};
use sakimori_model::{Mode, PortRange};

use super::dice::Dice;
use super::{CARDS, address};

pub(super) fn policy(dice: &mut Dice) -> Policy {
    const FALLBACKS: [Fallback; 4] = [Fallback::Auto, Fallback::Auto, Fallback::Allow, Fallback::Deny];
    let (mode, inbound, outbound) = (
        dice.one(&[Mode::Detect, Mode::Prevent, Mode::Prevent, Mode::Prevent, Mode::Prevent]),
        dice.one(&FALLBACKS),
        dice.one(&FALLBACKS),
    );
    let mut policy = Policy {
        mode,
        default_inbound: inbound,
        default_outbound: outbound,
        always: vec![Endpoint { address: address(dice.chance(50), 2, 1), port: 9_001 }],
        ..Policy::default()
    };
    // Of many rules that name the same kind of thing the kernel gets blocks.
    let crowd = dice.chance(20).then(|| dice.chance(50));
    let many = if crowd.is_some() { 20 + dice.below(50) } else { dice.below(9) };
    for number in 0..many {
        let mut rule = rule(dice, format!("rule {number}"));
        if let Some(by_address) = crowd.filter(|_| dice.chance(95)) {
            rule.interfaces = Among::default();
            if by_address || !rule.protocol.has_ports() {
                rule.remote = Among { not: false, entries: vec![network(dice)] };
            } else {
                rule.local_ports = Among { not: false, entries: vec![port_range(dice)] };
            }
        }
        // Rules that contradict themselves are refused; what is left is tried.
        let alone = Policy { rules: vec![rule], ..Policy::default() };
        if compile(&alone).plan.is_some() {
            policy.rules.extend(alone.rules);
        }
    }
    if dice.chance(40) {
        const MODES: [Mode; 3] = [Mode::Off, Mode::Detect, Mode::Prevent];
        policy.stateful = Stateful {
            invalid: dice.one(&MODES),
            out_of_connection: dice.one(&MODES),
            congestion_flags: dice.one(&MODES),
            fragments: dice.one(&MODES),
            short_fragments: dice.one(&MODES),
            ..Stateful::default()
        };
    }
    policy
}

fn rule(dice: &mut Dice, name: String) -> Rule {
    const PROTOCOLS: [Protocol; 16] = [
        Protocol::Any,
        Protocol::Any,
        Protocol::Any,
        Protocol::Tcp,
        Protocol::Tcp,
        Protocol::Tcp,
        Protocol::Udp,
        Protocol::Udp,
        Protocol::TcpUdp,
        Protocol::TcpUdp,
        Protocol::Icmp,
        Protocol::IcmpV6,
        Protocol::Number(2),
        Protocol::Number(47),
        Protocol::Number(50),
        Protocol::Number(132),
    ];
    const NAMES: [&str; 8] = ["eth0", "eth*", "eth0.5", "c0", "dummy0", "lo", "br*", "d*"];
    let (action, protocol) = (dice.one(&Action::ALL), dice.one(&PROTOCOLS));
    let direction = dice.one(&[Direction::In, Direction::Out]);
    let ports = protocol.has_ports();
    let cards = [Mac::new(CARDS[0]), Mac::new(CARDS[1]), Mac::new([2, 0, 0x5e, 0x10, 0, 9])];
    Rule {
        priority: action.only_priority().unwrap_or_else(|| dice.below(5) as u8),
        frame: dice.one(&[Frame::Ip, Frame::Ip, Frame::Ip, Frame::V4, Frame::V6]),
        remote: among(dice, 40, true, 3, network),
        local: among(dice, 25, true, 3, network),
        macs: among(dice, 15, direction == Direction::In, 2, |dice| dice.one(&cards)),
        interfaces: among(dice, 25, true, 2, |dice| dice.one(&NAMES).parse().unwrap()),
        local_ports: among(dice, 45, ports, 3, port_range),
        remote_ports: among(dice, 30, ports, 3, port_range),
        tcp_flags: among(dice, 40, protocol == Protocol::Tcp, 2, |dice| {
            let set = dice.one(&[0, 2, 2, 16, 1, 4]);
            TcpFlags { set, clear: dice.one(&[0, 16, 4, 63]) & !set }
        }),
        icmp: among(dice, 60, matches!(protocol, Protocol::Icmp | Protocol::IcmpV6), 3, |dice| IcmpType {
            kind: dice.one(&[8, 0, 3, 128, 129, 1]),
            code: dice.chance(40).then(|| dice.below(3) as u8),
        }),
        log: dice.chance(30),
        mode: dice.one(&[
            Mode::Off,
            Mode::Detect,
            Mode::Prevent,
            Mode::Prevent,
            Mode::Prevent,
            Mode::Prevent,
        ]),
        counts: dice.chance(90),
        ..Rule::new(name, action, direction, protocol)
    }
}

/// Something is named with this chance, where it may be.
fn among<T>(
    dice: &mut Dice,
    percent: usize,
    may: bool,
    most: usize,
    make: impl FnMut(&mut Dice) -> T,
) -> Among<T> {
    if !may || !dice.chance(percent) {
        return Among::default();
    }
    let entries = dice.some(most, make);
    Among { not: dice.chance(25) && !entries.is_empty(), entries }
}

fn network(dice: &mut Dice) -> Network {
    let v6 = dice.chance(45);
    let subnet = dice.one(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 1, 2]);
    let (one, other) = (dice.host(), dice.host());
    let at = |host| address(v6, subnet, host);
    if dice.chance(30) {
        return Network::range(at(one.min(other)), at(one.max(other))).unwrap();
    }
    let wider = dice.one(&[0, 0, 0, 1, 2, 8, 12, 32]);
    let first: IpAddr = at(one);
    Network::new(first, if v6 { 128 - wider * 2 } else { 32 - wider }).unwrap()
}

fn port_range(dice: &mut Dice) -> PortRange {
    let first = 9_000 + dice.below(8) as u16;
    PortRange { first, last: first + dice.one(&[0, 0, 0, 1, 3]) }
}
