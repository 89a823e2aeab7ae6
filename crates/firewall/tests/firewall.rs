//! What rules do to packets: by golden plans, by findings, and against the semantics written down once more.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_collect,
    reason = "a test ends where its own input is wrong"
)]

use expect_test::{Expect, expect};
use proptest::prelude::*;
use sakimori_firewall::{
    Action, DEFAULT_INBOUND, Direction, Endpoint, Hook, Interface, Mac, Network, Packet, Plan, Policy,
    Protocol, Rule, compile,
};
use sakimori_model::{Mode, PortRange};
use std::net::IpAddr;

fn net(text: &str) -> Network {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ssh_from(remote: &[&str]) -> Rule {
    Rule {
        remote: remote.iter().map(|text| net(text)).collect(),
        local_ports: vec![PortRange::single(22)],
        ..Rule::new("ssh", Action::Allow, Direction::In, Protocol::Tcp)
    }
}

fn web() -> Rule {
    Rule {
        local_ports: vec![PortRange { first: 8000, last: 8090 }, PortRange::single(80)],
        ..Rule::new("Web server", Action::Allow, Direction::In, Protocol::Tcp)
    }
}

fn no_smtp() -> Rule {
    Rule {
        remote_ports: vec![PortRange::single(25)],
        log: true,
        ..Rule::new("no mail", Action::Deny, Direction::Out, Protocol::Tcp)
    }
}

fn policy(rules: Vec<Rule>) -> Policy {
    Policy { mode: Mode::Prevent, default_inbound: Action::Deny, rules, ..Policy::default() }
}

fn plan(policy: &Policy) -> Plan {
    let compiled = compile(policy);
    compiled.plan.unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics))
}

fn to_here(source: &str, port: u16) -> Packet {
    Packet {
        hook: Hook::Input,
        from_interface: None,
        to_interface: None,
        established: false,
        injected: false,
        card: None,
        source: ip(source),
        destination: if source.contains(':') { ip("2001:db8::1") } else { ip("192.0.2.1") },
        protocol: 6,
        ports: Some((40_000, port)),
        icmp_type: None,
    }
}

fn codes(policy: &Policy) -> String {
    compile(policy).diagnostics.iter().map(|d| format!("{} {}: {}\n", d.code, d.source, d.title)).collect()
}

#[test]
fn the_whole_plan() {
    let policy = Policy {
        always: vec![Endpoint { address: ip("198.51.100.7"), port: 4443 }],
        ..policy(vec![web(), ssh_from(&["10.0.0.0/9", "10.128.0.0/9", "2001:db8::/32"]), no_smtp()])
    };
    expect![[r"
        fw_in
          protocol 6 to port { 80 8000-8090 } count fw_web_server_75fa91fc5c601440 return
          from { 10.0.0.0-10.255.255.255 } protocol 6 to port { 22 } count fw_ssh_825d7f195cfee6f1 return
          from { 2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff } protocol 6 to port { 22 } count fw_ssh_825d7f195cfee6f1 return
          count fw_default_inbound sample! drop
        fw_out
          protocol 6 to port { 25 } count fw_no_mail_feeb6e4fd520bc6d sample! drop
        fw_input at Input
          injected accept
          established accept
          from interface Loopback accept
          protocol 17 from port { 67 } to port { 68 } accept
          protocol 17 from port { 547 } to port { 546 } accept
          protocol 58 type 130-132 accept
          protocol 58 type 133-137 accept
          protocol 58 type 143-143 accept
          jump fw_in
        fw_forward at Forward
          injected accept
          established accept
          to interface Bridge jump fw_in
          to interface Veth jump fw_in
          from interface Bridge jump fw_out
          from interface Veth jump fw_out
        fw_output at Output
          injected accept
          established accept
          to interface Loopback accept
          protocol 17 from port { 68 } to port { 67 } accept
          protocol 17 from port { 546 } to port { 547 } accept
          protocol 17 to port { 53 } accept
          protocol 6 to port { 53 } accept
          protocol 58 type 130-132 accept
          protocol 58 type 133-137 accept
          protocol 58 type 143-143 accept
          protocol 6 to { 198.51.100.7 } to port { 4443 } accept
          jump fw_out
    "]].assert_eq(&plan(&policy).to_string());
}

#[test]
fn an_allowed_port_passes_and_the_rest_is_denied_by_default() {
    let plan = plan(&policy(vec![web(), ssh_from(&["10.0.0.0/8"])]));
    assert!(!plan.judge(&to_here("203.0.113.9", 80)).dropped);
    assert!(!plan.judge(&to_here("2001:db8::9", 8090)).dropped);
    assert!(!plan.judge(&to_here("10.1.2.3", 22)).dropped);
    let denied = plan.judge(&to_here("203.0.113.9", 22));
    assert_eq!((denied.dropped, denied.counted), (true, vec![DEFAULT_INBOUND.to_owned()]));
    assert!(plan.judge(&to_here("2001:db8::9", 22)).dropped, "no IPv6 address may");
}

#[test]
fn nothing_locks_out_whoever_is_in_already() {
    let everything = |direction| Rule {
        priority: 4,
        ..Rule::new(format!("{direction:?}"), Action::Deny, direction, Protocol::Any)
    };
    let plan = plan(&Policy {
        always: vec![Endpoint { address: ip("198.51.100.7"), port: 4443 }],
        ..policy(vec![everything(Direction::In), everything(Direction::Out)])
    });
    let ssh = to_here("203.0.113.9", 22);
    assert!(plan.judge(&ssh).dropped);
    assert!(!plan.judge(&Packet { established: true, ..ssh }).dropped, "the operator's session");
    assert!(!plan.judge(&Packet { from_interface: Some(Interface::Loopback), ..ssh }).dropped);
    assert!(!plan.judge(&Packet { injected: true, ..ssh }).dropped);
    let out =
        |to: &str, port| Packet { hook: Hook::Output, destination: ip(to), ports: Some((5, port)), ..ssh };
    assert!(!plan.judge(&out("198.51.100.7", 4443)).dropped, "the manager");
    assert!(plan.judge(&out("198.51.100.7", 443)).dropped);
    assert!(plan.judge(&out("198.51.100.8", 4443)).dropped);
    assert!(!plan.judge(&out("192.0.2.53", 53)).dropped, "a name has to be resolved first");
    let icmp6 = Packet { protocol: 58, ports: None, ..to_here("2001:db8::9", 0) };
    assert!(!plan.judge(&Packet { icmp_type: Some(135), ..icmp6 }).dropped, "neighbour discovery");
    assert!(plan.judge(&Packet { icmp_type: Some(128), ..icmp6 }).dropped, "ping");
}

#[test]
fn priority_decides_first_then_deny_then_the_name() {
    let deny = Rule {
        local_ports: vec![PortRange::single(80)],
        ..Rule::new("b", Action::Deny, Direction::In, Protocol::Tcp)
    };
    assert!(plan(&policy(vec![web(), deny.clone()])).judge(&to_here("203.0.113.9", 80)).dropped);
    let above = Rule { priority: 1, ..web() };
    assert!(!plan(&policy(vec![deny, above])).judge(&to_here("203.0.113.9", 80)).dropped);
}

#[test]
fn detection_counts_what_it_would_have_dropped() {
    let detecting = Policy { mode: Mode::Detect, ..policy(vec![web(), no_smtp()]) };
    let plan_detecting = plan(&detecting);
    let judged = plan_detecting.judge(&to_here("203.0.113.9", 22));
    assert_eq!((judged.dropped, judged.counted), (false, vec![DEFAULT_INBOUND.to_owned()]));
    let allowed = plan_detecting.judge(&to_here("203.0.113.9", 80));
    assert_eq!(allowed.counted.len(), 1, "decided by the rule, as in Prevent");
    assert!(!plan_detecting.to_string().contains("drop\n"), "{plan_detecting}");

    let trial = Rule {
        priority: 3,
        mode: Mode::Detect,
        ..Rule::new("trial", Action::Deny, Direction::In, Protocol::Tcp)
    };
    let judged = plan(&policy(vec![web(), trial])).judge(&to_here("203.0.113.9", 80));
    assert!(!judged.dropped);
    assert_eq!(judged.counted.len(), 2, "the trial rule and the one that decides");
}

#[test]
fn forwarded_packets_are_incoming_for_containers_and_outgoing_from_them() {
    let plan = plan(&policy(vec![web(), no_smtp()]));
    let forwarded = |from, to, port| {
        plan.judge(&Packet {
            hook: Hook::Forward,
            from_interface: from,
            to_interface: to,
            ..to_here("203.0.113.9", port)
        })
        .dropped
    };
    assert!(forwarded(None, Some(Interface::Bridge), 22), "to a container");
    assert!(!forwarded(None, Some(Interface::Veth), 80));
    assert!(!forwarded(Some(Interface::Bridge), None, 22), "from a container");
    assert!(forwarded(Some(Interface::Bridge), None, 25));
    assert!(!forwarded(None, None, 22), "only routed");
}

#[test]
fn switched_off_or_without_anything_to_do_it_is_out_of_the_way() {
    assert_eq!(plan(&Policy { mode: Mode::Off, ..policy(vec![web()]) }), Plan::default());
    let idle = plan(&Policy { default_inbound: Action::Allow, ..policy(Vec::new()) });
    assert!(idle.chains.iter().all(|chain| chain.steps.is_empty()));
    let off = Rule { mode: Mode::Off, ..no_smtp() };
    assert!(plan(&policy(vec![off])).counters.iter().all(|counter| counter.rule.is_none()));
}

#[test]
fn findings() {
    let check = |policy: &Policy, golden: Expect| golden.assert_eq(&codes(policy));
    let broken = Rule {
        name: String::new(),
        priority: 5,
        protocol: Protocol::Icmp,
        remote: vec![net("2001:db8::/32")],
        local_ports: vec![PortRange { first: 9, last: 8 }],
        ..web()
    };
    check(
        &policy(vec![broken.clone()]),
        expect![[r"
        F001 firewall: a rule's name has 1 to 100 characters, and no control characters
        F006 firewall: priority 5 is above 4
        F003 firewall: the port range 9-8 is turned around and matches nothing
        F004 firewall: the rule names ports, but its protocol has none
        F005 firewall: the protocol and the addresses belong to different IP versions: no packet matches
    "]],
    );
    assert_eq!(compile(&policy(vec![broken])).plan, None, "whole or not at all");
    check(
        &policy(vec![web(), web()]),
        expect![[r"
        F002 firewall rule 'Web server': two rules have this name
    "]],
    );
    let wide = Rule {
        name: "all of 10".into(),
        action: Action::Deny,
        local_ports: Vec::new(),
        ..ssh_from(&["10.1.0.0/8"])
    };
    check(
        &policy(vec![ssh_from(&["10.7.0.0/16"]), wide]),
        expect![[r"
        F103 firewall rule 'all of 10': an address has bits behind its prefix; 10.0.0.0/8 is meant
        F102 firewall rule 'ssh': it is never asked: the rule 'all of 10' decides first, the other way
    "]],
    );
    let again = Rule { name: "web again".into(), local_ports: vec![PortRange::single(8001)], ..web() };
    check(
        &policy(vec![web(), again]),
        expect![[r"
        F101 firewall rule 'web again': everything it matches is decided by the rule 'Web server' already
    "]],
    );
    check(
        &Policy { default_inbound: Action::Allow, ..policy(Vec::new()) },
        expect![[r"
        F104 firewall: the firewall is on, has no rules and lets everything pass
    "]],
    );
    check(&policy(vec![web(), no_smtp(), ssh_from(&[])]), expect![""]);
}

// === against the semantics, written down once more ===

fn ports() -> impl Strategy<Value = Vec<PortRange>> {
    let range = (0..6_u16, 0..3_u16).prop_map(|(first, more)| PortRange { first, last: first + more });
    proptest::collection::vec(range, 0..3)
}

fn networks() -> impl Strategy<Value = Vec<Network>> {
    let v4 = (0..8_u32, 29..=32_u8)
        .prop_map(|(host, prefix)| Network::new(IpAddr::V4((0x0A00_0000 | host).into()), prefix).unwrap());
    let v6 = (0..8_u128, 125..=128_u8)
        .prop_map(|(host, prefix)| Network::new(IpAddr::V6((0xFD00 << 112 | host).into()), prefix).unwrap());
    proptest::collection::vec(prop_oneof![v4, v6], 0..3)
}

fn card(last: u8) -> Mac {
    Mac::new([2, 0, 0x5e, 0x10, 0, last])
}

fn rule() -> impl Strategy<Value = Rule> {
    let protocol = prop_oneof![Just(Protocol::Any), Just(Protocol::Tcp), Just(Protocol::Udp)];
    let what = (any::<bool>(), 0..=4_u8, any::<bool>(), protocol, 0..3_u8, any::<bool>());
    let cards = proptest::collection::vec((0..3_u8).prop_map(card), 0..3);
    (what, networks(), cards, ports(), ports()).prop_map(
        |((allow, priority, inward, protocol, mode, log), remote, macs, local, other)| Rule {
            name: String::new(),
            action: if allow { Action::Allow } else { Action::Deny },
            priority,
            direction: if inward { Direction::In } else { Direction::Out },
            protocol,
            remote,
            macs: if inward { macs } else { Vec::new() },
            local_ports: if protocol.has_ports() { local } else { Vec::new() },
            remote_ports: if protocol.has_ports() { other } else { Vec::new() },
            log,
            mode: [Mode::Off, Mode::Detect, Mode::Prevent][usize::from(mode)],
        },
    )
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (proptest::collection::vec(rule(), 0..8), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(mut rules, deny, out, prevent)| {
            for (at, rule) in rules.iter_mut().enumerate() {
                rule.name = format!("rule {at}");
            }
            Policy {
                mode: if prevent { Mode::Prevent } else { Mode::Detect },
                default_inbound: if deny { Action::Deny } else { Action::Allow },
                default_outbound: if out { Action::Deny } else { Action::Allow },
                rules,
                ..Policy::default()
            }
        },
    )
}

fn any_packet() -> impl Strategy<Value = Packet> {
    (any::<bool>(), any::<bool>(), 0..8_u8, 0..8_u8, any::<bool>(), 0..8_u16, 0..8_u16, 0..4_u8).prop_map(
        |(inward, v6, a, b, tcp, from, to, sender)| {
            let address = |host: u8| {
                if v6 {
                    IpAddr::V6((0xFD00_u128 << 112 | u128::from(host)).into())
                } else {
                    IpAddr::V4((0x0A00_0000 | u32::from(host)).into())
                }
            };
            Packet {
                hook: if inward { Hook::Input } else { Hook::Output },
                from_interface: None,
                to_interface: None,
                established: false,
                injected: false,
                card: (sender < 3).then(|| card(sender)),
                source: address(a),
                destination: address(b),
                protocol: if tcp { 6 } else { 17 },
                ports: Some((from, to)),
                icmp_type: None,
            }
        },
    )
}

/// The documentation's sentences as code that shares nothing with the plan.
fn drops(policy: &Policy, packet: &Packet) -> bool {
    let (source, destination) = packet.ports.unwrap();
    let inward = packet.hook == Hook::Input;
    let (remote, remote_port, local_port) =
        if inward { (packet.source, source, destination) } else { (packet.destination, destination, source) };
    let mut rules: Vec<&Rule> = policy.rules.iter().filter(|r| r.mode == Mode::Prevent).collect();
    rules.sort_by(|a, b| b.priority.cmp(&a.priority).then(a.action.cmp(&b.action)).then(a.name.cmp(&b.name)));
    let within = |ranges: &[PortRange], port| ranges.is_empty() || ranges.iter().any(|r| r.contains(port));
    let deciding = rules.into_iter().find(|rule| {
        (rule.direction == Direction::In) == inward
            && rule.protocol.number().is_none_or(|number| number == packet.protocol)
            && (rule.remote.is_empty() || rule.remote.iter().any(|network| network.contains(remote)))
            && (rule.macs.is_empty() || packet.card.is_some_and(|card| rule.macs.contains(&card)))
            && within(&rule.local_ports, local_port)
            && within(&rule.remote_ports, remote_port)
    });
    let action = deciding
        .map_or(if inward { policy.default_inbound } else { policy.default_outbound }, |rule| rule.action);
    policy.mode == Mode::Prevent && action == Action::Deny
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_plan_does_what_the_rules_say(policy in any_policy(), packets in proptest::collection::vec(any_packet(), 1..20)) {
        let plan = plan(&policy);
        for packet in packets {
            prop_assert_eq!(plan.judge(&packet).dropped, drops(&policy, &packet), "{:?}\n{}", packet, plan);
        }
    }

    /// A rule that is called unreachable can be taken out without a difference.
    #[test]
    fn rules_that_are_called_superfluous_are(policy in any_policy(), packets in proptest::collection::vec(any_packet(), 1..20)) {
        let found = compile(&policy).diagnostics;
        let idle: Vec<_> = found.iter().filter(|d| d.code == "F101" || d.code == "F102").map(|d| d.source.clone()).collect();
        let without = Policy {
            rules: policy.rules.iter().filter(|r| !idle.contains(&format!("firewall rule '{}'", r.name))).cloned().collect(),
            ..policy.clone()
        };
        for packet in packets {
            prop_assert_eq!(drops(&policy, &packet), drops(&without, &packet));
        }
    }

    #[test]
    fn the_same_rules_in_another_order_are_the_same_plan(policy in any_policy()) {
        let mut turned = policy.clone();
        turned.rules.reverse();
        prop_assert_eq!(plan(&policy), plan(&turned));
    }
}

#[test]
fn every_code_is_explained() {
    let page = include_str!("../../../docs/diagnostics/firewall.md");
    let source = include_str!("../src/check.rs");
    let codes = source.split('"').filter(|word| word.len() == 4 && word.starts_with('F'));
    assert!(codes.clone().count() > 10);
    codes.for_each(|code| assert!(page.contains(&format!("`{code}`")), "{code}"));
}

#[test]
fn a_rule_for_cards_matches_frames_from_them_alone() {
    let desk = Rule {
        macs: vec![card(9), card(1), card(9)],
        local_ports: vec![PortRange::single(22)],
        ..Rule::new("desk", Action::Allow, Direction::In, Protocol::Tcp)
    };
    let closed = Policy { default_inbound: Action::Deny, ..policy(vec![desk.clone()]) };
    let planned = plan(&closed);
    let text = planned.to_string();
    assert!(text.contains("from card { 02:00:5e:10:00:01 02:00:5e:10:00:09 } protocol 6"), "{text}");
    for source in ["203.0.113.9", "2001:db8::9"] {
        let ssh = to_here(source, 22);
        assert!(!planned.judge(&Packet { card: Some(card(1)), ..ssh }).dropped);
        assert!(planned.judge(&Packet { card: Some(card(2)), ..ssh }).dropped);
        assert!(planned.judge(&ssh).dropped, "a link without cards");
    }
    // A rule for fewer cards is covered by one for more of them, and none by one for some.
    let deny = |name: &str, macs| Rule { macs, action: Action::Deny, name: name.to_owned(), ..desk.clone() };
    let few = || deny("b", vec![card(1)]);
    assert_eq!(codes(&policy(vec![deny("a", vec![card(1), card(2)]), few()])).lines().count(), 1);
    assert_eq!(codes(&policy(vec![deny("a", vec![card(2)]), few()])), "");
    assert_eq!(codes(&policy(vec![few(), deny("c", Vec::new())])), "");
    let out = Rule { direction: Direction::Out, ..desk };
    assert!(codes(&policy(vec![out])).starts_with("F009 "));
}
