//! Stateful checks: what is planned, what becomes of a packet, and which numbers are refused.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where its own input is wrong")]

use sakimori_firewall::{
    Action, Check, Decider, Direction, Fallback, Fragment, Hook, Interface, Link, Packet, Plan, Policy,
    Protocol, Rule, Stateful, Timeout, compile,
};
use sakimori_model::{Level, Mode};
use std::collections::BTreeSet;

fn policy(stateful: Stateful) -> Policy {
    Policy { mode: Mode::Prevent, stateful, ..Policy::default() }
}

fn plan(policy: &Policy) -> Plan {
    let compiled = compile(policy);
    compiled.plan.unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics))
}

fn everything() -> Stateful {
    Stateful {
        invalid: Mode::Prevent,
        out_of_connection: Mode::Prevent,
        congestion_flags: Mode::Prevent,
        fragments: Mode::Prevent,
        short_fragments: Mode::Prevent,
        from_one_source: 10,
        to_one_destination: 10,
        outgoing: 10,
        half_open: 10,
        ftp: vec![sakimori_model::PortRange::single(21)],
        timeouts: [(Timeout::Established, 7), (Timeout::Icmp, 8)].into(),
        ..Stateful::default()
    }
}

fn tcp(flags: u8) -> Packet {
    Packet {
        from: Some(Link { name: "eth0".parse().unwrap(), kind: None }),
        ports: Some((40_000, 443)),
        tcp_flags: Some(flags),
        ..Packet::new(Hook::Input, "203.0.113.9".parse().unwrap(), "192.0.2.1".parse().unwrap(), 6)
    }
}

#[test]
fn where_nothing_is_said_nothing_is_looked_at() {
    let bare = plan(&policy(Stateful::default()));
    assert!(bare.chains.iter().all(|chain| !chain.name.to_string().contains("state")), "{bare}");
    assert_eq!(bare.counters, []);
    let off = Policy { mode: Mode::Off, ..policy(everything()) };
    assert_eq!(plan(&off), Plan::default());
}

#[test]
fn every_check_has_its_counter_once_and_a_packet_meets_the_one_that_it_should() {
    let planned = plan(&policy(everything()));
    let names: Vec<&str> = planned.counters.iter().map(|counter| counter.name.as_str()).collect();
    let once: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!((names.len(), once.len()), (Check::ALL.len(), Check::ALL.len()), "{names:?}");
    let fragment =
        |offset, more, length| Packet { fragment: Some(Fragment { offset, more, length }), ..tcp(2) };
    for (packet, found) in [
        (tcp(0), Some(Check::InvalidFlags)),
        (tcp(0x03), Some(Check::InvalidFlags)),
        (tcp(0x29), Some(Check::InvalidFlags)),
        (tcp(0x10), Some(Check::OutOfConnection)),
        (tcp(0x18), Some(Check::OutOfConnection)),
        (tcp(0x12), Some(Check::InvalidPacket)),
        (tcp(0x04), Some(Check::InvalidPacket)),
        (tcp(0xC2), Some(Check::CongestionFlags)),
        (fragment(1480, true, 1500), Some(Check::Fragment)),
        (fragment(0, true, 60), Some(Check::ShortFragment)),
        (fragment(8, false, 300), Some(Check::ShortFragment)),
        (tcp(2), None),
        (Packet { established: true, ..tcp(0x10) }, None),
        (
            Packet {
                from: Some(Link { name: "lo".parse().unwrap(), kind: Some(Interface::Loopback) }),
                ..tcp(0)
            },
            None,
        ),
        (Packet { injected: true, ..tcp(4) }, None),
    ] {
        let judged = planned.judge(&packet);
        let counted: Vec<String> = found.iter().map(|check| check.counter().to_owned()).collect();
        assert_eq!((judged.dropped, judged.counted), (found.is_some(), counted), "{packet:?}\n{planned}");
        let explained = planned.explain(&packet, &BTreeSet::new());
        let decided = explained.deciders.iter().find_map(|decider| match decider {
            Decider::Counter(counter) => counter.check,
            Decider::AlwaysOpen(_) | Decider::Default(_) => None,
        });
        assert_eq!((explained.dropped, decided), (found.is_some(), found), "{packet:?}");
    }
    // Of what goes out nothing is judged by its state.
    let out = Packet { hook: Hook::Output, from: None, to: tcp(0).from, ..tcp(0) };
    assert!(!planned.judge(&out).dropped);
}

#[test]
fn rules_come_first_and_bypass_is_not_asked_about() {
    let rule = |action| Rule { priority: 2, ..Rule::new("it", action, Direction::In, Protocol::Tcp) };
    let of = |action| plan(&Policy { rules: vec![rule(action)], ..policy(everything()) });
    let denied = of(Action::Deny).judge(&tcp(0));
    assert!(denied.dropped && denied.counted.iter().all(|name| name.starts_with("fw_it_")), "{denied:?}");
    let forced = of(Action::ForceAllow).judge(&tcp(0));
    assert!(
        forced.dropped && forced.counted.last().is_some_and(|name| name == Check::InvalidFlags.counter())
    );
    let bypassed = of(Action::Bypass).judge(&tcp(0));
    assert!(bypassed.bypassed && !bypassed.dropped, "{bypassed:?}");
}

#[test]
fn detect_counts_and_drops_nothing() {
    let detecting = Stateful { invalid: Mode::Detect, ..everything() };
    let module = Policy { mode: Mode::Detect, ..policy(everything()) };
    for policy in [policy(detecting), module] {
        let judged = plan(&policy).judge(&tcp(0));
        assert!(!judged.dropped, "{judged:?}");
        assert_eq!(judged.counted.first().map(String::as_str), Some(Check::InvalidFlags.counter()));
    }
}

#[test]
fn numbers_out_of_bounds_are_refused_each_by_itself() {
    let wrong = Stateful {
        from_one_source: 10_001,
        half_open: u32::MAX,
        min_fragment: 20,
        timeouts: [(Timeout::Udp, 0), (Timeout::Icmp, Stateful::LONGEST + 1)].into(),
        ..Stateful::default()
    };
    let compiled = compile(&policy(wrong));
    assert!(compiled.plan.is_none());
    let codes: Vec<(&str, Level)> = compiled.diagnostics.iter().map(|one| (one.code, one.level)).collect();
    assert_eq!(codes, [("F018", Level::Error); 5]);
    let closed = Policy { default_inbound: Fallback::Deny, ..policy(everything()) };
    assert_eq!(compile(&closed).diagnostics, []);
}
