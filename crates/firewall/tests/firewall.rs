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
    Action, Among, DEFAULT_ARP, DEFAULT_INBOUND, Direction, Endpoint, Fallback, Frame, Hook, IcmpType,
    Interface, InterfaceName, Link, Mac, Network, Packet, Plan, Policy, Protocol, Rule, TcpFlags, compile,
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
        remote: remote.iter().map(|text| net(text)).collect::<Vec<_>>().into(),
        local_ports: vec![PortRange::single(22)].into(),
        ..Rule::new("ssh", Action::Allow, Direction::In, Protocol::Tcp)
    }
}

fn web() -> Rule {
    Rule {
        local_ports: vec![PortRange { first: 8000, last: 8090 }, PortRange::single(80)].into(),
        ..Rule::new("Web server", Action::Allow, Direction::In, Protocol::Tcp)
    }
}

fn no_smtp() -> Rule {
    Rule {
        remote_ports: vec![PortRange::single(25)].into(),
        log: true,
        ..Rule::new("no mail", Action::Deny, Direction::Out, Protocol::Tcp)
    }
}

fn policy(rules: Vec<Rule>) -> Policy {
    Policy { mode: Mode::Prevent, default_inbound: Fallback::Deny, rules, ..Policy::default() }
}

fn plan(policy: &Policy) -> Plan {
    let compiled = compile(policy);
    compiled.plan.unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics))
}

fn to_here(source: &str, port: u16) -> Packet {
    let here = if source.contains(':') { ip("2001:db8::1") } else { ip("192.0.2.1") };
    Packet { ports: Some((40_000, port)), ..Packet::new(Hook::Input, ip(source), here, 6) }
}

fn link(name: &str, kind: Option<Interface>) -> Link {
    Link { name: name.parse().unwrap(), kind }
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
        fw_bypass_in
        fw_in
          protocol 6 to port { 80 8000-8090 } count fw_web_server_75fa91fc5c601440 accept
          protocol 6 from { 10.0.0.0-10.255.255.255 } to port { 22 } count fw_ssh_825d7f195cfee6f1 accept
          protocol 6 from { 2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff } to port { 22 } count fw_ssh_825d7f195cfee6f1 accept
          count fw_default_inbound sample! drop
        fw_bypass_out
        fw_out
          protocol 6 to port { 25 } count fw_no_mail_feeb6e4fd520bc6d sample! drop
        fw_input at Input
          established accept
          injected accept
          from interface Loopback accept
          protocol 17 from port { 67 } to port { 68 } accept
          protocol 17 from port { 547 } to port { 546 } accept
          protocol 58 type { 130/0-137/255 143/0-143/255 } accept
          jump fw_in
        fw_forward at Forward
          established accept
          injected accept
          to interface Bridge jump fw_in
          to interface Veth jump fw_in
        fw_forward_out at Forward
          established accept
          injected accept
          from interface Bridge jump fw_out
          from interface Veth jump fw_out
        fw_output at Output
          established accept
          injected accept
          to interface Loopback accept
          protocol 17 from port { 68 } to port { 67 } accept
          protocol 17 from port { 546 } to port { 547 } accept
          protocol 6 or 17 to port { 53 } accept
          protocol 58 type { 130/0-137/255 143/0-143/255 } accept
          protocol 6 to { 198.51.100.7 } to port { 4443 } accept
          jump fw_out
    "]].assert_eq(&plan(&policy).to_string());
}

#[test]
fn rules_by_the_thousand_are_a_few_steps_for_each_packet() {
    let shut = |at: u16| Rule {
        remote: vec![net(&format!("10.{}.{}.0/24", at / 250, at % 250))].into(),
        ..Rule::new(format!("shut {at:05}"), Action::Deny, Direction::In, Protocol::Any)
    };
    let open = |at: u16| Rule {
        local_ports: vec![PortRange::single(10_000 + at)].into(),
        ..Rule::new(format!("open {at:05}"), Action::Allow, Direction::In, Protocol::Tcp)
    };
    let flat = plan(&policy((0..5_000).map(shut).chain((0..5_000).map(open)).collect()));
    let in_blocks = flat.in_blocks();
    for (source, port, dropped) in
        [("10.3.7.9", 14_999, true), ("10.77.0.1", 14_999, false), ("10.77.0.1", 9, true)]
    {
        let packet = to_here(source, port);
        let judged = in_blocks.judge(&packet);
        assert_eq!(judged.dropped, dropped);
        assert_eq!(judged, flat.judge(&packet));
        let looked_at = in_blocks.steps_of(&packet);
        assert!(looked_at < 150, "{looked_at} steps for port {port} from {source}");
    }
    let arp = |at: u16| Rule { frame: Frame::Arp, protocol: Protocol::Any, ..shut(at) };
    let arp = plan(&policy((0..40).map(arp).collect()));
    assert_eq!(arp.in_blocks(), arp, "another table's chains stay as they are");
    let few = plan(&policy(vec![web(), no_smtp()]));
    assert_eq!(few.in_blocks(), few, "few rules stay as they are");
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
    assert!(!plan.judge(&Packet { from: Some(link("lo", Some(Interface::Loopback))), ..ssh }).dropped);
    assert!(!plan.judge(&Packet { injected: true, ..ssh }).dropped);
    let out =
        |to: &str, port| Packet { hook: Hook::Output, destination: ip(to), ports: Some((5, port)), ..ssh };
    assert!(!plan.judge(&out("198.51.100.7", 4443)).dropped, "the manager");
    assert!(plan.judge(&out("198.51.100.7", 443)).dropped);
    assert!(plan.judge(&out("198.51.100.8", 4443)).dropped);
    assert!(!plan.judge(&out("192.0.2.53", 53)).dropped, "a name has to be resolved first");
    let icmp6 = Packet { protocol: 58, ports: None, ..to_here("2001:db8::9", 0) };
    assert!(!plan.judge(&Packet { icmp: Some((135, 0)), ..icmp6 }).dropped, "neighbour discovery");
    assert!(plan.judge(&Packet { icmp: Some((128, 0)), ..icmp6 }).dropped, "ping");
}

#[test]
fn priority_decides_first_then_deny_then_the_name() {
    let deny = Rule {
        local_ports: vec![PortRange::single(80)].into(),
        ..Rule::new("b", Action::Deny, Direction::In, Protocol::Tcp)
    };
    assert!(plan(&policy(vec![web(), deny.clone()])).judge(&to_here("203.0.113.9", 80)).dropped);
    let above = Rule { priority: 1, action: Action::ForceAllow, ..web() };
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
    let forwarded = |from: Option<Interface>, to: Option<Interface>, port| {
        let end = |name, kind: Option<Interface>| Some(link(name, kind));
        plan.judge(&Packet {
            hook: Hook::Forward,
            from: end("a0", from),
            to: end("b0", to),
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
    let idle = plan(&Policy { default_inbound: Fallback::Auto, ..policy(Vec::new()) });
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
        remote: vec![net("2001:db8::/32")].into(),
        local_ports: vec![PortRange { first: 9, last: 8 }].into(),
        ..web()
    };
    check(
        &policy(vec![broken.clone()]),
        expect![[r"
            F001 firewall: a rule's name has 1 to 100 characters, and no control characters
            F006 firewall: priority 5 is above 4
            F003 firewall: the port range 9-8 is turned around and matches nothing
            F004 firewall: the rule names ports, but its protocol has none
            F005 firewall: the protocol, the frame type and the addresses belong to different IP versions: no packet matches
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
        local_ports: Among::default(),
        ..ssh_from(&["10.1.0.0/8"])
    };
    check(
        &policy(vec![ssh_from(&["10.7.0.0/16"]), wide]),
        expect![[r"
            F103 firewall rule 'all of 10': an address has bits behind its prefix; 10.0.0.0/8 is meant
            F110 firewall rule 'ssh': it contradicts 'all of 10': with the same priority, all that it matches is decided there first
        "]],
    );
    let again = Rule { name: "web again".into(), local_ports: vec![PortRange::single(8001)].into(), ..web() };
    check(
        &policy(vec![web(), again]),
        expect![[r"
        F101 firewall rule 'web again': everything it matches is decided by the rule 'Web server' already
    "]],
    );
    check(
        &Policy { default_inbound: Fallback::Allow, ..policy(Vec::new()) },
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

fn among<T: Clone + std::fmt::Debug + 'static>(
    entries: impl Strategy<Value = Vec<T>>,
) -> impl Strategy<Value = Among<T>> {
    (entries, any::<bool>()).prop_map(|(entries, not)| Among { not: not && !entries.is_empty(), entries })
}

const NAMES: [&str; 5] = ["eth0", "eth1", "eth*", "wg0", "wg*"];
const PROTOCOLS: [Protocol; 8] = [
    Protocol::Any,
    Protocol::Tcp,
    Protocol::Udp,
    Protocol::TcpUdp,
    Protocol::Icmp,
    Protocol::IcmpV6,
    Protocol::Number(47),
    Protocol::Number(132),
];

fn rule() -> impl Strategy<Value = Rule> {
    let what =
        (0..5_usize, 0..=4_u8, any::<bool>(), 0..4_usize, 0..PROTOCOLS.len(), 0..4_usize, any::<bool>());
    let cards = proptest::collection::vec((0..3_u8).prop_map(card), 0..3);
    let names = proptest::collection::vec(
        (0..5_usize).prop_map(|at| NAMES[at].parse::<InterfaceName>().unwrap()),
        0..2,
    );
    let flags = (0..4_u8, 0..8_u8).prop_map(|(set, clear)| TcpFlags { set, clear: clear & !set | 16 });
    let types = (0..4_u8, any::<bool>(), 0..2_u8)
        .prop_map(|(kind, of, code)| IcmpType { kind, code: of.then_some(code) });
    let few = (among(proptest::collection::vec(flags, 0..3)), among(proptest::collection::vec(types, 0..3)));
    let ends = (among(networks()), among(networks()), among(ports()), among(ports()));
    (what, ends, among(cards), among(names), few, any::<bool>()).prop_map(
        |(
            (action, priority, inward, frame, protocol, mode, log),
            ends,
            macs,
            interfaces,
            (flags, icmp),
            counts,
        )| {
            let (action, protocol) = (Action::ALL[action], PROTOCOLS[protocol]);
            let (remote, local, local_ports, remote_ports) = ends;
            fn when<T>(keep: bool, among: Among<T>) -> Among<T> {
                if keep { among } else { Among::default() }
            }
            let icmp_of = matches!(protocol, Protocol::Icmp | Protocol::IcmpV6);
            Rule {
                name: String::new(),
                action,
                priority: action.only_priority().unwrap_or(priority),
                direction: if inward { Direction::In } else { Direction::Out },
                frame: [Frame::Ip, Frame::V4, Frame::V6, Frame::Arp][frame],
                protocol,
                remote,
                local,
                macs: when(inward, macs),
                interfaces,
                local_ports: when(protocol.has_ports(), local_ports),
                remote_ports: when(protocol.has_ports(), remote_ports),
                tcp_flags: when(protocol == Protocol::Tcp, flags),
                icmp: when(icmp_of, icmp),
                log,
                mode: [Mode::Off, Mode::Detect, Mode::Prevent, Mode::Prevent][mode],
                counts: counts || !log,
            }
        },
    )
}

const FALLBACKS: [Fallback; 3] = [Fallback::Auto, Fallback::Allow, Fallback::Deny];

/// Policies without errors: of rules that contradict themselves there is no plan.
fn any_policy() -> impl Strategy<Value = Policy> {
    let rules = proptest::collection::vec(rule(), 0..8);
    (rules, 0..3_usize, 0..3_usize, any::<bool>()).prop_map(|(rules, inbound, outbound, prevent)| {
        let mut policy = Policy { mode: Mode::Prevent, ..Policy::default() };
        for (at, rule) in rules.into_iter().enumerate() {
            let alone = Policy { rules: vec![Rule { name: format!("rule {at}"), ..rule }], ..policy.clone() };
            if compile(&alone).plan.is_some() {
                policy.rules.extend(alone.rules);
            }
        }
        Policy {
            mode: if prevent { Mode::Prevent } else { Mode::Detect },
            default_inbound: FALLBACKS[inbound],
            default_outbound: FALLBACKS[outbound],
            ..policy
        }
    })
}

/// So many rules that they are put in blocks.
fn crowded_policy() -> impl Strategy<Value = Policy> {
    let rules = proptest::collection::vec((rule(), networks(), ports(), 0..8_u8), 17..90);
    (any_policy(), rules, any::<bool>()).prop_map(|(mut policy, rules, by_address)| {
        for (at, (rule, networks, ports, kind)) in rules.into_iter().enumerate() {
            let mut rule = Rule { name: format!("crowd {at}"), ..rule };
            match kind {
                0 => {}
                _ if by_address => rule.remote = networks.into(),
                _ if rule.protocol.has_ports() => rule.local_ports = ports.into(),
                _ => continue,
            }
            let alone = Policy { rules: vec![rule], ..policy.clone() };
            if compile(&alone).plan.is_some() {
                policy.rules.extend(alone.rules);
            }
        }
        policy
    })
}

fn any_packet() -> impl Strategy<Value = Packet> {
    let ends = (any::<bool>(), any::<bool>(), 0..8_u8, 0..8_u8);
    let carried = (0..6_usize, 0..8_u16, 0..8_u16, 0..32_u8, 0..4_u8, 0..3_u8);
    (ends, carried, 0..4_u8, 0..3_usize, 0..4_u8).prop_map(|(ends, carried, sender, name, state)| {
        let (inward, v6, a, b) = ends;
        let (protocol, from, to, flags, kind, code) = carried;
        let protocol = [6, 17, 1, 58, 47, 132][protocol];
        let address = |host: u8| {
            if v6 {
                IpAddr::V6((0xFD00_u128 << 112 | u128::from(host)).into())
            } else {
                IpAddr::V4((0x0A00_0000 | u32::from(host)).into())
            }
        };
        let link = Some(link(["eth0", "eth1", "wg1"][name], None));
        let hook = if inward { Hook::Input } else { Hook::Output };
        Packet {
            from: link.filter(|_| inward),
            to: link.filter(|_| !inward),
            established: state == 0,
            card: (sender < 3).then(|| card(sender)).filter(|_| inward),
            ports: matches!(protocol, 6 | 17 | 132).then_some((from, to)),
            tcp_flags: (protocol == 6).then_some(flags),
            icmp: matches!(protocol, 1 | 58).then_some((kind, code)),
            ..Packet::new(hook, address(a), address(b), protocol)
        }
    })
}

/// One of the entries, or none of them; anything where there are none.
fn says<T>(among: &Among<T>, is: impl Fn(&T) -> bool) -> bool {
    among.entries.is_empty() || among.entries.iter().any(is) != among.not
}

fn matches(rule: &Rule, packet: &Packet) -> bool {
    let inward = packet.hook == Hook::Input;
    let (source, destination) = packet.ports.unwrap_or_default();
    let (remote, local, remote_port, local_port) = if inward {
        (packet.source, packet.destination, source, destination)
    } else {
        (packet.destination, packet.source, destination, source)
    };
    let link = if inward { packet.from } else { packet.to }.unwrap();
    (rule.direction == Direction::In) == inward
        && match rule.frame {
            Frame::Ip => true,
            Frame::V4 => packet.source.is_ipv4(),
            Frame::V6 => packet.source.is_ipv6(),
            Frame::Arp | Frame::Number(_) => false,
        }
        && (rule.protocol == Protocol::Any || rule.protocol.numbers().contains(&packet.protocol))
        && says(&rule.remote, |network| network.contains(remote))
        && says(&rule.local, |network| network.contains(local))
        && says(&rule.interfaces, |name| name.covers(link.name))
        && (rule.macs.is_all() || packet.card.is_some_and(|card| says(&rule.macs, |one| *one == card)))
        && says(&rule.remote_ports, |range| range.contains(remote_port))
        && says(&rule.local_ports, |range| range.contains(local_port))
        && says(&rule.tcp_flags, |flags| flags.fits(packet.tcp_flags.unwrap_or_default()))
        && says(&rule.icmp, |of| {
            packet.icmp.is_some_and(|(kind, code)| kind == of.kind && of.code.is_none_or(|one| one == code))
        })
}

/// Rules that decide, in their order.
fn deciding(policy: &Policy) -> Vec<&Rule> {
    let decides = |rule: &&Rule| rule.mode == Mode::Prevent && rule.counts && rule.action != Action::LogOnly;
    let mut rules: Vec<&Rule> = policy.rules.iter().filter(decides).collect();
    let place = |action| Action::ALL.iter().position(|one| *one == action);
    rules.sort_by_key(|rule| (4 - rule.priority, place(rule.action), rule.name.clone()));
    rules
}

/// The documentation's sentences as code that shares nothing with the plan: whether it is dropped, whether it is taken
/// out of inspection.
fn fate(policy: &Policy, packet: &Packet, closed: [bool; 2]) -> (bool, bool) {
    let prevent = policy.mode == Mode::Prevent;
    let rules = deciding(policy);
    let bypass = |rule: &&&Rule| rule.action == Action::Bypass && matches(rule, packet);
    if packet.established {
        return (false, prevent && rules.iter().any(|rule| bypass(&rule)));
    }
    let found = rules.into_iter().find(|rule| matches(rule, packet));
    let closed = closed[usize::from(packet.hook == Hook::Output)];
    let action = found.map_or(if closed { Action::Deny } else { Action::Allow }, |rule| rule.action);
    (prevent && action == Action::Deny, prevent && action == Action::Bypass)
}

/// Whether what no rule names is denied, inward and outward.
fn closed(policy: &Policy) -> [bool; 2] {
    let of = |fallback, direction| match fallback {
        Fallback::Deny => true,
        Fallback::Allow => false,
        Fallback::Auto => policy.rules.iter().any(|rule| {
            rule.mode == Mode::Prevent
                && rule.action == Action::Allow
                && rule.direction == direction
                && rule.frame != Frame::Arp
        }),
    };
    [of(policy.default_inbound, Direction::In), of(policy.default_outbound, Direction::Out)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_plan_does_what_the_rules_say(policy in any_policy(), packets in proptest::collection::vec(any_packet(), 1..20)) {
        let plan = plan(&policy);
        for packet in packets {
            let judged = plan.judge(&packet);
            let fate = fate(&policy, &packet, closed(&policy));
            prop_assert_eq!((judged.dropped, judged.bypassed), fate, "{:?}\n{}", packet, plan);
            let counters: std::collections::BTreeSet<&String> = judged.counted.iter().collect();
            prop_assert_eq!(counters.len(), judged.counted.len(), "counted twice: {:?}\n{}", judged, plan);
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
            let closed = closed(&policy);
            prop_assert_eq!(fate(&policy, &packet, closed), fate(&without, &packet, closed), "{:?}", idle);
        }
    }

    #[test]
    fn blocks_change_nothing_but_the_time(policy in crowded_policy(), packets in proptest::collection::vec(any_packet(), 1..20)) {
        let plan = plan(&policy);
        let in_blocks = plan.in_blocks();
        for packet in packets {
            prop_assert_eq!(plan.judge(&packet), in_blocks.judge(&packet), "{:?}\n{}", packet, in_blocks);
        }
        prop_assert_eq!(&in_blocks.counters, &plan.counters);
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
        macs: vec![card(9), card(1), card(9)].into(),
        local_ports: vec![PortRange::single(22)].into(),
        ..Rule::new("desk", Action::Allow, Direction::In, Protocol::Tcp)
    };
    let closed = Policy { default_inbound: Fallback::Deny, ..policy(vec![desk.clone()]) };
    let planned = plan(&closed);
    let text = planned.to_string();
    assert!(text.contains("from card { 02:00:5e:10:00:01 02:00:5e:10:00:09 } count"), "{text}");
    for source in ["203.0.113.9", "2001:db8::9"] {
        let ssh = to_here(source, 22);
        assert!(!planned.judge(&Packet { card: Some(card(1)), ..ssh }).dropped);
        assert!(planned.judge(&Packet { card: Some(card(2)), ..ssh }).dropped);
        assert!(planned.judge(&ssh).dropped, "a link without cards");
    }
    // A rule for fewer cards is covered by one for more of them, and none by one for some.
    let deny = |name: &str, macs: Vec<Mac>| Rule {
        macs: macs.into(),
        action: Action::Deny,
        name: name.to_owned(),
        ..desk.clone()
    };
    let few = || deny("b", vec![card(1)]);
    assert_eq!(codes(&policy(vec![deny("a", vec![card(1), card(2)]), few()])).lines().count(), 1);
    assert_eq!(codes(&policy(vec![deny("a", vec![card(2)]), few()])), "");
    assert_eq!(codes(&policy(vec![few(), deny("c", Vec::new())])), "");
    let out = Rule { direction: Direction::Out, ..desk };
    assert!(codes(&policy(vec![out])).starts_with("F009 "));
}

// === actions ===

fn of_all(name: &str, action: Action, direction: Direction) -> Rule {
    Rule::new(name, action, direction, Protocol::Any)
}

#[test]
fn what_no_rule_names_is_denied_where_a_rule_allows_at_whatever_time() {
    let of = |rules: Vec<Rule>| Policy { mode: Mode::Prevent, rules, ..Policy::default() };
    let ssh = to_here("203.0.113.9", 22);
    let dropped = |policy: &Policy| plan(policy).judge(&ssh).dropped;
    assert!(!dropped(&of(vec![no_smtp()])), "nothing is allowed, so all is");
    assert!(dropped(&of(vec![web()])));
    assert!(dropped(&of(vec![Rule { counts: false, ..web() }])), "outside of its hours too");
    assert!(!dropped(&of(vec![Rule { mode: Mode::Off, ..web() }])));
    assert!(!dropped(&of(vec![Rule { mode: Mode::Detect, ..web() }])), "it only says what it would do");
    let other_way = of_all("out", Action::Allow, Direction::Out);
    assert!(!dropped(&of(vec![other_way])), "the other direction");
    let forced = Rule { action: Action::ForceAllow, ..web() };
    assert!(!dropped(&of(vec![forced])), "force-allow closes nothing");
    assert!(!dropped(&Policy { default_inbound: Fallback::Allow, ..of(vec![web()]) }));
    let outside = of(vec![Rule { counts: false, ..web() }]);
    assert!(plan(&outside).judge(&to_here("203.0.113.9", 80)).dropped, "it is not asked itself");
}

#[test]
fn inside_a_priority_bypass_and_force_allow_come_before_deny() {
    let ssh = to_here("203.0.113.9", 22);
    let deny = of_all("deny", Action::Deny, Direction::In);
    let judge = |first: Rule| plan(&policy(vec![deny.clone(), first])).judge(&ssh);
    let forced = judge(of_all("force", Action::ForceAllow, Direction::In));
    assert_eq!((forced.dropped, forced.bypassed), (false, false), "it passes and is inspected");
    let bypassed = judge(of_all("bypass", Action::Bypass, Direction::In));
    assert_eq!((bypassed.dropped, bypassed.bypassed), (false, true));
    assert!(judge(of_all("allow", Action::Allow, Direction::In)).dropped);
    let logged = judge(of_all("log", Action::LogOnly, Direction::In));
    assert!(logged.dropped);
    assert_eq!(logged.counted.len(), 2, "both rules: {logged:?}");
    let above = Rule { priority: 3, ..deny.clone() };
    assert!(
        plan(&policy(vec![above, of_all("force", Action::ForceAllow, Direction::In)])).judge(&ssh).dropped
    );
}

#[test]
fn bypass_is_one_way_and_about_every_packet() {
    let bypass = Rule {
        local_ports: vec![PortRange::single(80)].into(),
        ..Rule::new("b", Action::Bypass, Direction::In, Protocol::Tcp)
    };
    let planned = plan(&policy(vec![bypass.clone()]));
    let web = Packet { established: true, ..to_here("203.0.113.9", 80) };
    let judged = planned.judge(&web);
    assert_eq!((judged.bypassed, judged.counted.len()), (true, 1), "of a connection that stands");
    assert!(
        planned
            .judge(&Packet { from: Some(link("lo", Some(Interface::Loopback))), established: false, ..web })
            .bypassed
    );
    assert!(!planned.judge(&Packet { ports: Some((80, 22)), ..to_here("203.0.113.9", 22) }).bypassed);
    let reply = Packet {
        hook: Hook::Output,
        ports: Some((80, 40_000)),
        source: web.destination,
        destination: web.source,
        ..web
    };
    assert!(!planned.judge(&reply).bypassed);
    let back = Rule { name: "back".into(), direction: Direction::Out, ..bypass.clone() };
    assert!(plan(&policy(vec![bypass.clone(), back])).judge(&reply).bypassed);
    let detecting = plan(&Policy { mode: Mode::Detect, ..policy(vec![bypass]) });
    assert!(!detecting.bypasses(), "what is only detected changes nothing");
    // To a container, through a rule for containers that it is for.
    let forwarded = Packet {
        hook: Hook::Forward,
        from: Some(link("eth0", None)),
        to: Some(link("br0", Some(Interface::Bridge))),
        ..web
    };
    assert!(planned.judge(&forwarded).bypassed);
    assert!(!planned.judge(&Packet { to: Some(link("eth1", None)), ..forwarded }).bypassed, "only routed");
}

#[test]
fn wrong_rules_are_each_named_with_their_cause() {
    let check = |rule: Rule| {
        codes(&policy(vec![rule]))
            .lines()
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let tcp = || Rule::new("r", Action::Deny, Direction::In, Protocol::Tcp);
    let not = |entries: Vec<PortRange>| Among { entries, not: true };
    assert_eq!(check(Rule { priority: 2, ..web() }), ["F010"]);
    assert_eq!(check(Rule { priority: 3, ..of_all("l", Action::LogOnly, Direction::In) }), ["F010"]);
    assert_eq!(check(Rule { local_ports: not(vec![]), ..tcp() }), ["F011"]);
    assert_eq!(
        check(Rule { local_ports: not(vec![PortRange { first: 0, last: 65535 }]), ..tcp() }),
        ["F012"]
    );
    let all = vec![net("0.0.0.0/0"), net("::/0")];
    assert_eq!(check(Rule { remote: Among { entries: all, not: true }, ..tcp() }), ["F012"]);
    assert_eq!(check(Rule { tcp_flags: vec![TcpFlags { set: 2, clear: 2 }].into(), ..tcp() }), ["F013"]);
    assert_eq!(
        check(Rule {
            tcp_flags: vec![TcpFlags { set: 2, clear: 0 }].into(),
            protocol: Protocol::TcpUdp,
            ..tcp()
        }),
        ["F013"]
    );
    assert_eq!(check(Rule { icmp: vec![IcmpType { kind: 8, code: None }].into(), ..tcp() }), ["F014"]);
    assert_eq!(check(Rule { frame: Frame::V6, remote: vec![net("192.0.2.1")].into(), ..tcp() }), ["F005"]);
    assert_eq!(
        check(Rule {
            local: vec![net("2001:db8::1")].into(),
            remote: vec![net("192.0.2.1")].into(),
            ..tcp()
        }),
        ["F005"]
    );
    assert_eq!(
        check(Rule { remote: vec![net("192.0.2.0/24"), net("192.0.2.9-192.0.3.1")].into(), ..tcp() }),
        ["F105"]
    );
    assert_eq!(
        check(Rule { remote: vec![net("192.0.2.0/24"), net("192.0.3.0/24")].into(), ..tcp() }),
        [""; 0]
    );
}

#[test]
fn arp_has_rules_of_its_own_and_ip_closes_it_not() {
    let arp = |from: &str| Packet {
        card: Some(card(1)),
        ..Packet::new(Hook::ArpInput, ip(from), ip("192.0.2.1"), 0)
    };
    let closed = policy(vec![web(), of_all("nothing", Action::Deny, Direction::In)]);
    assert!(!plan(&closed).has_arp() && !plan(&closed).judge(&arp("192.0.2.7")).dropped);
    let answer = Rule {
        frame: Frame::Arp,
        remote: vec![net("192.0.2.0/29")].into(),
        macs: Among { entries: vec![card(2)], not: true },
        ..of_all("neighbours", Action::Allow, Direction::In)
    };
    let planned = plan(&policy(vec![web(), answer.clone()]));
    assert!(planned.has_arp() && !planned.judge(&arp("192.0.2.7")).dropped);
    let denied = planned.judge(&arp("192.0.2.8"));
    assert_eq!((denied.dropped, denied.counted), (true, vec![DEFAULT_ARP[0].to_owned()]));
    assert!(planned.judge(&Packet { card: Some(card(2)), ..arp("192.0.2.7") }).dropped);
    assert!(!planned.judge(&Packet { hook: Hook::ArpOutput, ..arp("192.0.2.8") }).dropped, "the other way");
    assert!(planned.judge(&to_here("192.0.2.7", 22)).dropped, "IP by its own rules");
    let alone = Policy { default_inbound: Fallback::Auto, ..policy(vec![answer.clone()]) };
    assert!(!plan(&alone).judge(&to_here("192.0.2.7", 22)).dropped, "and the other way round");
    let wrong = |rule: Rule| codes(&policy(vec![rule])).split(' ').next().unwrap().to_owned();
    assert_eq!(wrong(Rule { protocol: Protocol::Tcp, ..answer.clone() }), "F016");
    assert_eq!(wrong(Rule { remote: vec![net("2001:db8::/32")].into(), ..answer }), "F005");
}

#[test]
fn frames_by_number_have_a_plan_of_their_own() {
    let frame = |name: &str, action, number| Rule {
        frame: Frame::Number(number),
        ..Rule::new(name, action, Direction::In, Protocol::Any)
    };
    let policy = |rules| Policy { mode: Mode::Prevent, rules, ..Policy::default() };
    let rules = vec![frame("lldp", Action::Allow, 0x88cc), frame("no lacp", Action::Deny, 0x8809)];
    let plan = compile(&policy(rules)).plan.unwrap();
    assert!(plan.chains.iter().all(|chain| chain.steps.is_empty()), "IP is left alone: {plan}");
    expect![[r"
        frames in
          frame { 0x8809 } count fw_no_lacp_f1428c43dad2e6a6 drop
          frame { 0x88cc } count fw_lldp_ea8653ad81c56ef9 accept
          frame { 0x0600-0x07ff 0x0801-0x0805 0x0807-0x80ff 0x8101-0x86dc 0x86de-0x8808 0x880a-0x8862 0x8865-0x888d 0x888f-0x88a7 0x88a9-0x88e4 0x88e6-0xffff } count fw_default_frame_in sample! drop
    "]]
    .assert_eq(&format!("{plan}").split_inclusive('\n').skip_while(|line| !line.starts_with("frames")).collect::<String>());
    for (wrong, code) in [
        (frame("ip", Action::Deny, 0x0800), "F017"),
        (frame("a length", Action::Deny, 0x05ff), "F017"),
        (Rule { protocol: Protocol::Tcp, ..frame("tcp", Action::Deny, 0x88cc) }, "F017"),
        (
            Rule { remote: vec!["192.0.2.7".parse().unwrap()].into(), ..frame("to", Action::Deny, 0x88cc) },
            "F017",
        ),
    ] {
        let compiled = compile(&policy(vec![wrong]));
        assert!(compiled.plan.is_none());
        assert_eq!(compiled.diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), [code]);
    }
}
