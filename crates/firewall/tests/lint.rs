//! What is noticed about rules before they are enforced, and what is said of one packet.
#![expect(clippy::unwrap_used, reason = "a test ends where its own input is wrong")]
#![expect(clippy::disallowed_methods, reason = "how long many rules take is real time")]

use proptest::prelude::*;
use sakimori_firewall::{
    Action, Answer, Decider, Direction, Endpoint, Fallback, Finding, Frame, Hook, Looking, Network, Packet,
    Policy, Protocol, Rule, compile, lint,
};
use sakimori_model::{Mode, PortRange};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

fn rule(name: &str, action: Action, remote: &[&str], ports: &[(u16, u16)]) -> Rule {
    let mut rule = Rule::new(name, action, Direction::In, Protocol::Tcp);
    rule.remote = remote.iter().map(|text| text.parse::<Network>().unwrap()).collect::<Vec<_>>().into();
    rule.local_ports =
        ports.iter().map(|(first, last)| PortRange { first: *first, last: *last }).collect::<Vec<_>>().into();
    rule
}

fn policy(rules: Vec<Rule>) -> Policy {
    Policy { mode: Mode::Prevent, default_inbound: Fallback::Deny, rules, ..Policy::default() }
}

fn looked(policy: &Policy, operator: Option<&str>, conditional: &[&str]) -> Vec<Finding> {
    let conditional: BTreeSet<&str> = conditional.iter().copied().collect();
    let operator = operator.map(|text| text.parse().unwrap());
    lint(policy, &Looking { conditional: &conditional, operator, management_port: 22 })
}

fn codes(policy: &Policy) -> Vec<(&'static str, Option<String>, Vec<String>)> {
    looked(policy, None, &[]).into_iter().map(|f| (f.code, f.rule, f.about)).collect()
}

fn found(code: &'static str, rule: &str, about: &[&str]) -> (&'static str, Option<String>, Vec<String>) {
    (code, Some(rule.to_owned()), about.iter().map(|text| (*text).to_owned()).collect())
}

fn ssh() -> Rule {
    Rule { priority: 4, ..rule("z ssh", Action::ForceAllow, &[], &[(22, 22)]) }
}

#[test]
fn a_rule_that_several_others_cover_together_is_found() {
    let halves = |action| {
        vec![
            ssh(),
            Rule { priority: 2, ..rule("low", action, &["10.0.0.0/9"], &[(80, 89)]) },
            Rule { priority: 3, ..rule("high", action, &["10.128.0.0/9"], &[(70, 85)]) },
            Rule { priority: 1, ..rule("rest", action, &["10.128.0.0/9"], &[(86, 200)]) },
            rule("web", Action::Allow, &["10.0.0.0/8"], &[(80, 89)]),
        ]
    };
    assert_eq!(codes(&policy(halves(Action::ForceAllow))), [found("F101", "web", &["high", "low", "rest"])]);
    let denied = codes(&policy(halves(Action::Deny)));
    assert_eq!(denied, [found("F102", "web", &["high", "low", "rest"])]);
    let mut gap = halves(Action::ForceAllow);
    gap[3].local_ports.entries[0].first = 87;
    assert_eq!(codes(&policy(gap)), [], "port 86 of the upper half is asked about");
    let mut trying = halves(Action::ForceAllow);
    trying[1].mode = Mode::Detect;
    assert_eq!(codes(&policy(trying)), [], "a rule in Detect decides nothing");
    let now_and_then = looked(&policy(halves(Action::ForceAllow)), None, &["rest"]);
    assert_eq!(now_and_then, [], "nobody can rely on a rule that does not always count");
}

#[test]
fn rules_of_one_priority_that_say_the_opposite_contradict_each_other() {
    let deny = rule("no web", Action::Deny, &[], &[(80, 80)]);
    let allow = rule("web", Action::ForceAllow, &["192.0.2.0/24", "2001:db8::/32"], &[(80, 80)]);
    let mut policy = policy(vec![ssh(), deny, allow]);
    // Force Allow is asked before Deny: here the Deny rule decides the rest, and both have something to say.
    assert_eq!(codes(&policy), [found("F112", "no web", &[])]);
    policy.rules[2].action = Action::Allow;
    assert_eq!(codes(&policy), [found("F110", "web", &["no web"])]);
    policy.rules[1].priority = 1;
    assert_eq!(codes(&policy), [found("F102", "web", &["no web"])]);
}

#[test]
fn a_rule_without_effect_is_found() {
    let open = |rules| Policy { default_inbound: Fallback::Allow, ..policy(rules) };
    assert_eq!(
        codes(&open(vec![rule("web", Action::ForceAllow, &[], &[(80, 80)])])),
        [found("F112", "web", &[])]
    );
    let needed = vec![
        Rule { priority: 1, ..rule("web", Action::ForceAllow, &["10.0.0.0/8"], &[(80, 80)]) },
        rule("no web", Action::Deny, &["0.0.0.0/0"], &[(80, 80)]),
    ];
    assert_eq!(codes(&open(needed)), []);
    let mut dns = Rule::new("no names", Action::Deny, Direction::Out, Protocol::Udp);
    dns.remote_ports = vec![PortRange::single(53)].into();
    assert_eq!(codes(&open(vec![dns])), [found("F111", "no names", &[])]);
}

#[test]
fn who_locks_oneself_out_is_told() {
    let locked =
        |code, about: &[&str]| (code, None, about.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    assert_eq!(codes(&policy(vec![])), [locked("F113", &["22"])]);
    assert_eq!(codes(&policy(vec![ssh()])), []);
    let shadowed = vec![
        Rule { priority: 4, ..rule("shut", Action::Deny, &[], &[]) },
        rule("a", Action::Allow, &[], &[(22, 22)]),
    ];
    let codes_of_shadowed = codes(&policy(shadowed));
    assert!(codes_of_shadowed.contains(&locked("F113", &["22"])), "{codes_of_shadowed:?}");
    let from_there = policy(vec![rule("admins", Action::Allow, &["198.51.100.0/24"], &[(22, 22)])]);
    assert_eq!(looked(&from_there, Some("198.51.100.9"), &[]), []);
    let findings = looked(&from_there, Some("203.0.113.9"), &[]);
    assert_eq!((findings[0].code, findings.len()), ("F114", 1));
    assert!(
        findings[0].title.contains("203.0.113.9") && findings[0].title.contains("the default"),
        "{findings:?}"
    );
    // Only while it counts: still a way in.
    assert_eq!(looked(&from_there, None, &["admins"]), []);
}

#[test]
fn ten_thousand_rules_are_looked_at_at_once() {
    // A third denies networks at all ports, a third allows networks at one port, the rest allows ports from anywhere.
    let mut rules: Vec<Rule> = (0..6000_u16)
        .map(|n| {
            let network = format!("{}.{}.0.0/16", 1 + n / 256, n % 256);
            if n < 3000 {
                let name = format!("not from {n}");
                Rule { priority: 4, ..rule(&name, Action::Deny, &[&network], &[]) }
            } else {
                rule(&format!("from {n}"), Action::ForceAllow, &[&network], &[(443, 443)])
            }
        })
        .collect();
    rules.extend(
        (0..3990_u16).map(|n| rule(&format!("port {n}"), Action::ForceAllow, &[], &[(1000 + n, 1000 + n)])),
    );
    rules.push(ssh());
    let policy = policy(rules);
    let began = std::time::Instant::now();
    let findings = looked(&policy, Some("203.0.113.9"), &[]);
    let took = began.elapsed();
    assert_eq!(findings, []);
    assert!(took.as_secs() < 5, "{took:?}");
    eprintln!("10,000 rules: {took:?}, {} findings", findings.len());
}

fn packet(source: [u8; 4], port: u16) -> Packet {
    let mut packet =
        Packet::new(Hook::Input, Ipv4Addr::from(source).into(), Ipv4Addr::new(192, 0, 2, 1).into(), 6);
    packet.ports = Some((40_000, port));
    packet.tcp_flags = Some(2);
    packet
}

#[test]
fn each_rule_says_why_it_did_not_decide() {
    let trial = Rule { priority: 3, mode: Mode::Detect, ..rule("trial", Action::Deny, &[], &[(80, 80)]) };
    let rules = vec![
        trial,
        rule("web", Action::ForceAllow, &["10.0.0.0/8"], &[(80, 80)]),
        rule("other port", Action::ForceAllow, &[], &[(81, 81)]),
        rule("shut", Action::Deny, &["10.1.0.0/16"], &[]),
        rule("ipv6", Action::ForceAllow, &["2001:db8::/32"], &[(80, 80)]),
    ];
    let plan = compile(&policy(rules)).plan.unwrap();
    let explained = plan.explain(&packet([10, 1, 2, 3], 80), &BTreeSet::new());
    assert!(!explained.dropped && !explained.would_drop);
    let answer = |name: &str| {
        let of = explained.asked.iter().find(|asked| asked.counter.rule.as_deref() == Some(name)).unwrap();
        match &of.answer {
            Answer::Unmet(conditions) => {
                conditions.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            }
            other => format!("{other:?}"),
        }
    };
    assert_eq!(answer("trial"), "Counted");
    assert_eq!(answer("web"), "Decided");
    assert_eq!(answer("other port"), "to port { 81 }");
    assert_eq!(answer("shut"), "TooLate");
    assert!(answer("ipv6").starts_with("from { 2001:db8::"), "{}", answer("ipv6"));
    let default = explained.asked.last().unwrap();
    assert_eq!((default.counter.rule.as_ref(), &default.answer), (None, &Answer::TooLate));
    let web = explained.asked.iter().find(|asked| asked.counter.rule.as_deref() == Some("web")).unwrap();
    let without: BTreeSet<&str> = [web.counter.name.as_str()].into();
    let explained = plan.explain(&packet([10, 1, 2, 3], 80), &without);
    assert!(explained.dropped);
    assert!(
        matches!(explained.deciders[..], [Decider::Counter(c)] if c.rule.as_deref() == Some("shut")),
        "{explained:?}"
    );
}

#[test]
fn the_default_and_what_is_always_open_decide_by_name() {
    let base = Policy {
        always: vec![Endpoint { address: "198.51.100.7".parse().unwrap(), port: 443 }],
        ..policy(vec![Rule::new("out", Action::Deny, Direction::Out, Protocol::Any)])
    };
    let plan = compile(&base).plan.unwrap();
    let nothing = BTreeSet::new();
    let by_default = plan.explain(&packet([203, 0, 113, 9], 22), &nothing);
    assert!(by_default.dropped);
    assert!(matches!(by_default.deciders[..], [Decider::Counter(c)] if c.rule.is_none()));
    let manager = Packet {
        hook: Hook::Output,
        destination: IpAddr::from([198, 51, 100, 7]),
        ..packet([192, 0, 2, 1], 443)
    };
    let open = plan.explain(&manager, &nothing);
    assert!(!open.dropped && matches!(open.deciders[..], [Decider::AlwaysOpen(_)]), "{open:?}");
    let plan = compile(&Policy { default_inbound: Fallback::Allow, ..base }).plan.unwrap();
    let open = plan.explain(&packet([203, 0, 113, 9], 22), &nothing);
    assert!(!open.dropped && open.deciders.len() <= 1);
    let detecting = compile(&Policy { mode: Mode::Detect, ..policy(vec![]) }).plan.unwrap();
    let would = detecting.explain(&packet([203, 0, 113, 9], 22), &nothing);
    assert!(!would.dropped && would.would_drop);
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let networks = ["10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16", "0.0.0.0/0", "2001:db8::/32"];
    let remote = proptest::collection::vec(proptest::sample::select(networks.to_vec()), 0..3);
    let ports = proptest::collection::vec((20_u16..26, 0_u16..3), 0..3);
    let action = proptest::sample::select(Action::ALL.to_vec());
    (action, 0_u8..5, remote, ports, any::<bool>(), 0..4_u8).prop_map(
        |(action, priority, remote, ports, tcp, mode)| {
            let ports: Vec<_> = ports.into_iter().map(|(first, more)| (first, first + more)).collect();
            let mut made = rule("", action, &remote, &ports);
            if !tcp {
                made.protocol = Protocol::TcpUdp;
            }
            made.priority = action.only_priority().unwrap_or(priority);
            made.mode = if mode == 0 { Mode::Detect } else { Mode::Prevent };
            made
        },
    )
}

proptest! {
    /// What is called dead never decides any packet, and what is called useless changes none by its absence.
    #[test]
    fn findings_hold_for_every_packet(rules in proptest::collection::vec(any_rule(), 1..9), closed in any::<bool>()) {
        let rules: Vec<Rule> = rules.into_iter().enumerate().map(|(n, rule)| Rule { name: format!("r{n}"), ..rule }).collect();
        let default_inbound = if closed { Fallback::Deny } else { Fallback::Allow };
        let policy = Policy { default_inbound, ..policy(rules) };
        let Some(plan) = compile(&policy).plan else { return Ok(()) };
        let sources: [IpAddr; 6] = ["10.0.0.1", "10.1.2.3", "10.200.0.1", "192.0.2.9", "2001:db8::9", "2001:db9::9"].map(|text| text.parse().unwrap());
        for finding in looked(&policy, None, &[]) {
            let Some(name) = &finding.rule else { continue };
            let without = Policy { rules: policy.rules.iter().filter(|rule| rule.name != *name).cloned().collect(), ..policy.clone() };
            let without = compile(&without).plan.unwrap();
            for source in sources {
                for port in 18..30 {
                    for protocol in [6, 17, 1] {
                        let mut packet = packet([0, 0, 0, 0], port);
                        packet.source = source;
                        packet.protocol = protocol;
                        if source.is_ipv6() { packet.destination = "2001:db8::1".parse().unwrap(); }
                        if protocol != 6 { packet.tcp_flags = None; }
                        if protocol == 1 { packet.ports = None; }
                        prop_assert_eq!(plan.judge(&packet).dropped, without.judge(&packet).dropped, "{:?} {:?}", finding, packet);
                        if matches!(finding.code, "F101" | "F102" | "F110") {
                            let decided = plan.explain(&packet, &BTreeSet::new());
                            let by_it = decided.deciders.iter().any(|d| matches!(d, Decider::Counter(c) if c.rule.as_ref() == Some(name)));
                            prop_assert!(!by_it, "{:?}", finding);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn rules_for_arp_and_for_frames_by_number_are_looked_at_among_themselves() {
    let arp = |name: &str, action, hosts: &[&str]| Rule {
        frame: Frame::Arp,
        remote: hosts.iter().map(|host| host.parse().unwrap()).collect::<Vec<_>>().into(),
        ..Rule::new(name, action, Direction::In, Protocol::Any)
    };
    let frame = |name: &str, action, number| Rule {
        frame: Frame::Number(number),
        ..Rule::new(name, action, Direction::Out, Protocol::Any)
    };
    let found = |rules: Vec<Rule>| {
        let policy = Policy { mode: Mode::Prevent, rules, ..Policy::default() };
        let none = BTreeSet::new();
        let looking = Looking { conditional: &none, operator: None, management_port: 22 };
        lint(&policy, &looking).into_iter().map(|f| (f.code, f.rule.unwrap_or_default())).collect::<Vec<_>>()
    };
    let of = |code, rule: &str| (code, rule.to_owned());
    assert_eq!(
        found(vec![
            arp("net", Action::Deny, &["192.0.2.0/24"]),
            arp("one of it", Action::Deny, &["192.0.2.7"]),
            arp("let in", Action::Allow, &["192.0.2.9"]),
        ]),
        [of("F101", "one of it"), of("F110", "let in")]
    );
    assert_eq!(
        found(vec![
            frame("once", Action::Deny, 0x88cc),
            frame("open anyhow", Action::ForceAllow, 0x88b5),
            frame("twice", Action::Deny, 0x88cc),
        ]),
        [of("F101", "twice"), of("F112", "open anyhow")]
    );
    let closed = vec![frame("lldp", Action::Allow, 0x88cc), frame("no lacp", Action::Deny, 0x8809)];
    assert_eq!(found(closed), [], "LACP would pass without it");
}
