//! The firewall's plan in the real kernel: against the plan's own judgement, and what an operator relies on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sakimori_firewall::{
    Action, Among, DEFAULT_INBOUND, Direction, Fallback, Frame, Hook, Mac, Network, Packet, Plan, Policy,
    Protocol, Rule, Step, Then, compile,
};
use sakimori_kernel::nflog::{SampleReader, SampleSocket};
use sakimori_kernel::nftables::{Table, TablePlan};
use sakimori_model::{Mode, PortRange};

use crate::foreign;
use crate::support::{Namespace, PORT, apply, connect, echo, exchange, in_namespace, ip, plan, root};

pub(crate) const GROUP: u16 = 7_301;
pub(crate) const HOSTS: u8 = 4;

/// A protected host and another one, joined by a pair of interfaces; each with addresses .1 to .4 of its subnet.
pub(crate) struct Pair {
    pub(crate) here: Namespace,
    pub(crate) there: Namespace,
}

pub(crate) fn address(v6: bool, subnet: u8, host: u8) -> IpAddr {
    let text = if v6 { format!("fd77::{subnet}:{host}") } else { format!("10.78.{subnet}.{host}") };
    text.parse().unwrap()
}

pub(crate) fn pair() -> Pair {
    let pair = Pair { here: Namespace::new("fwh"), there: Namespace::new("fwt") };
    let (here, there) = (&pair.here.0, &pair.there.0);
    ip(&format!("-n {here} link add eth0 type veth peer name eth0 netns {there}"));
    ip(&format!("-n {there} link set eth0 address 02:00:5e:10:00:02"));
    for (namespace, subnet) in [(here, 1), (there, 2)] {
        for host in 1..=HOSTS {
            ip(&format!("-n {namespace} address add 10.78.{subnet}.{host}/16 dev eth0"));
            ip(&format!("-n {namespace} address add fd77::{subnet}:{host}/64 dev eth0 nodad"));
        }
        ip(&format!("-n {namespace} link set eth0 up"));
    }
    pair
}

/// The other host's card.
fn their_card() -> Mac {
    Mac::new([2, 0, 0x5e, 0x10, 0, 2])
}

pub(crate) fn firewall(policy: &Policy) -> TablePlan {
    let compiled = compile(policy);
    let firewall = compiled.plan.unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics));
    TablePlan { firewall, inspected_ports: Vec::new(), sample_group: Some(GROUP), ..plan() }
}

pub(crate) fn denying(rules: Vec<Rule>) -> Policy {
    Policy { mode: Mode::Prevent, default_inbound: Fallback::Deny, rules, ..Policy::default() }
}

fn allow_port(name: &str, remote: &[IpAddr]) -> Rule {
    Rule {
        local_ports: vec![PortRange::single(PORT)].into(),
        remote: remote.iter().map(|address| Network::single(*address)).collect::<Vec<_>>().into(),
        ..Rule::new(name, Action::Allow, Direction::In, Protocol::Tcp)
    }
}

#[test]
fn allowed_by_port_and_address_and_the_rest_dropped_counted_and_sampled() {
    if !root() {
        return;
    }
    let pair = pair();
    pair.here.run(|| {
        let mut reader = SampleReader::from_fd(SampleSocket::open(GROUP).unwrap().into_fd());
        assert!(SampleSocket::open(GROUP).is_err(), "a group has one listener");
        // Of several IPv6 addresses the kernel chooses one by its own rules.
        let allowed: Vec<_> = std::iter::once(address(false, 2, 1))
            .chain((1..=HOSTS).map(|host| address(true, 2, host)))
            .collect();
        let mut table = apply(&firewall(&denying(vec![allow_port("web", &allowed)])));
        for v6 in [false, true] {
            let here = address(v6, 1, 1);
            let server = echo(here, PORT, 1);
            let other = echo(here, PORT + 1, 1);
            pair.there.run(|| {
                exchange(&mut connect(here, PORT).unwrap(), b"allowed").unwrap();
                assert!(connect(here, PORT + 1).is_err(), "another port");
                let from_elsewhere = UdpSocket::bind((address(v6, 2, 2), 0)).unwrap();
                from_elsewhere.send_to(b"datagram", (here, PORT)).unwrap();
            });
            server.join().unwrap();
            drop(other);
        }
        let counters = table.read_firewall_counters().unwrap();
        assert_eq!(
            counters.iter().find(|(name, _)| name.starts_with("fw_web_")).unwrap().1.packets,
            2,
            "two SYNs"
        );
        assert!(counters[DEFAULT_INBOUND].packets >= 4, "{counters:?}");
        let mut seen = BTreeSet::new();
        while reader
            .read(|sample| {
                assert_eq!(sample.label, b"fw_default_inbound!");
                assert!(sample.in_ifindex > 0 && sample.packet.len() <= 256);
                let protocol = if sample.packet[0] >> 4 == 4 { sample.packet[9] } else { sample.packet[6] };
                seen.insert((sample.packet[0] >> 4, protocol));
            })
            .unwrap()
            > 0
        {}
        assert_eq!(seen, [(4, 6), (4, 17), (6, 6), (6, 17)].into(), "TCP and UDP over both");
        table.remove().unwrap();
    });
}

#[test]
fn allowed_by_the_card_that_sent_the_frame() {
    if !root() {
        return;
    }
    let pair = pair();
    pair.here.run(|| {
        let from =
            |macs: Vec<Mac>| firewall(&denying(vec![Rule { macs: macs.into(), ..allow_port("desk", &[]) }]));
        let many = (0..4_000_u32).map(|n| {
            let [_, a, b, c] = n.to_be_bytes();
            Mac::new([2, 1, 0, a, b, c])
        });
        let mut table = apply(&from(many.chain([their_card()]).collect()));
        for v6 in [false, true] {
            let here = address(v6, 1, 1);
            let server = echo(here, PORT, 1);
            pair.there.run(|| exchange(&mut connect(here, PORT).unwrap(), b"from that card").unwrap());
            server.join().unwrap();
        }
        table.apply(&from(vec![Mac::new([2, 0, 0x5e, 0x10, 0, 3])])).unwrap();
        for v6 in [false, true] {
            let here = address(v6, 1, 1);
            let server = echo(here, PORT, 1);
            assert!(pair.there.run(|| connect(here, PORT).is_err()), "another card");
            assert!(connect(here, PORT).is_ok(), "of the host itself nothing is asked");
            server.join().unwrap();
        }
        table.remove().unwrap();
    });
}

#[test]
fn a_deny_ends_no_connection_that_stands_and_a_swap_keeps_counters() {
    if !root() {
        return;
    }
    let pair = pair();
    pair.here.run(|| {
        let everything = |direction| Rule {
            priority: 4,
            ..Rule::new(format!("nothing {direction:?}"), Action::Deny, direction, Protocol::Any)
        };
        let mut table = apply(&firewall(&denying(vec![allow_port("web", &[])])));
        let here = address(false, 1, 1);
        let server = echo(here, PORT, 3);
        let mut session = pair.there.run(|| connect(here, PORT).unwrap());
        exchange(&mut session, b"before").unwrap();
        let of = |table: &mut Table, name: &str| {
            let counters = table.read_firewall_counters().unwrap();
            counters.iter().find(|(n, _)| n.starts_with(name)).map(|(_, count)| count.packets)
        };
        assert_eq!(of(&mut table, "fw_web_"), Some(1));

        // The manager's end is let through whatever the rules say.
        let manager = sakimori_firewall::Endpoint { address: address(false, 2, 3), port: 4443 };
        let listening = pair.there.run(|| echo(manager.address, manager.port, 1));
        let closed = Policy {
            always: vec![manager],
            ..denying(vec![allow_port("web", &[]), everything(Direction::In), everything(Direction::Out)])
        };
        table.apply(&firewall(&closed)).unwrap();
        exchange(&mut session, b"the session that stands").unwrap();
        assert!(pair.there.run(|| connect(here, PORT).is_err()), "a new one is refused");
        exchange(&mut connect(manager.address, manager.port).unwrap(), b"to the manager").unwrap();
        listening.join().unwrap();
        assert!(connect(manager.address, manager.port + 1).is_err(), "anything else is not");
        assert_eq!(of(&mut table, "fw_web_"), Some(1), "kept over the swap");
        let denied = of(&mut table, "fw_nothing_in_").unwrap();
        assert!(denied > 0);

        // Detect decides the same and drops nothing.
        table.apply(&firewall(&Policy { mode: Mode::Detect, ..closed })).unwrap();
        exchange(&mut pair.there.run(|| connect(here, PORT).unwrap()), b"detected").unwrap();
        assert_eq!(of(&mut table, "fw_nothing_in_"), Some(denied + 1));

        // A rule that is gone takes its counter with it; an idle firewall lets everything pass.
        table.apply(&TablePlan { firewall: Plan::default(), ..firewall(&denying(Vec::new())) }).unwrap();
        assert_eq!(table.read_firewall_counters().unwrap(), BTreeMap::new());
        exchange(&mut pair.there.run(|| connect(here, PORT).unwrap()), b"off").unwrap();
        drop(session);
        server.join().unwrap();
    });
}

/// Who answers for an address, and who may ask, is decided by rules of its own, in a table that goes with them.
#[test]
fn arp_is_filtered_by_address_and_card_in_a_table_of_its_own() {
    if !root() {
        return;
    }
    let pair = pair();
    pair.here.run(|| {
        let before = foreign::everything();
        let arp = |name: &str, action, direction| Rule {
            frame: Frame::Arp,
            log: true,
            ..Rule::new(name, action, direction, Protocol::Any)
        };
        let host = |host| vec![Network::single(address(false, 2, host))].into();
        let asks = Rule { remote: host(1), ..arp("asks", Action::Allow, Direction::In) };
        let not_them = |macs: Vec<Mac>| Rule {
            macs: Among { entries: macs, not: true },
            interfaces: vec!["eth*".parse().unwrap()].into(),
            ..arp("another card", Action::Deny, Direction::In)
        };
        let policy = |rules| Policy { mode: Mode::Prevent, rules, ..Policy::default() };
        let mut reader = SampleReader::from_fd(SampleSocket::open(GROUP).unwrap().into_fd());
        let mut table = apply(&firewall(&policy(vec![asks.clone(), not_them(vec![their_card()])])));
        let arrived = |from: u8| {
            let here = UdpSocket::bind((address(false, 1, 1), 0)).unwrap();
            here.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            pair.there.run(|| {
                ip(&format!("-n {} neigh flush all", pair.there.0));
                let socket = UdpSocket::bind((address(false, 2, from), 0)).unwrap();
                socket.send_to(b"who has you", here.local_addr().unwrap()).unwrap();
            });
            here.recv_from(&mut [0; 16]).is_ok()
        };
        assert!(arrived(1), "it may ask");
        assert!(!arrived(2), "no rule names that address");
        let count = |table: &mut Table, begin: &str| {
            let counters = table.read_firewall_counters().unwrap();
            counters.into_iter().find(|(name, _)| name.starts_with(begin)).map(|(_, count)| count.packets)
        };
        assert!(
            count(&mut table, "fw_asks_") >= Some(1) && count(&mut table, "fw_default_arp_in") >= Some(1)
        );
        assert_eq!(count(&mut table, "fw_another_card_"), Some(0));
        let mut told = BTreeSet::new();
        while reader
            .read(|sample| {
                told.insert((sample.label.to_vec(), sample.packet[17]));
            })
            .unwrap()
            > 0
        {}
        assert!(told.contains(&(b"fw_default_arp_in!".to_vec(), 2)), "{told:?}");
        let asked = count(&mut table, "fw_asks_");
        table.apply(&firewall(&policy(vec![asks, not_them(vec![Mac::new([2, 0, 0, 0, 0, 9])])]))).unwrap();
        assert_eq!(count(&mut table, "fw_asks_"), asked, "kept over the swap");
        assert!(!arrived(1), "from another card than that one");
        assert!(count(&mut table, "fw_another_card_") >= Some(1));
        table.apply(&firewall(&denying(vec![]))).unwrap();
        assert_eq!(table.read_firewall_counters().unwrap().len(), 1, "the table for ARP is gone");
        let out = Rule { remote: host(3), ..arp("no question", Action::Deny, Direction::Out) };
        table.apply(&firewall(&policy(vec![out]))).unwrap();
        ip(&format!("-n {} neigh flush all", pair.here.0));
        let socket = UdpSocket::bind((address(false, 1, 1), 0)).unwrap();
        let _nobody_answers = socket.send_to(b"where are you", (address(false, 2, 3), PORT));
        assert!(count(&mut table, "fw_no_question_") >= Some(1));
        table.remove().unwrap();
        assert_eq!(foreign::everything(), before, "nothing is left");
    });
}

/// Rules as servers have them: addresses, ports, some denied and sampled.
fn many(count: u32) -> Policy {
    let rules = (0..count).map(|number| {
        let networks = (0..number % 4).map(|host| IpAddr::V4((0x0B00_0000 + number * 64 + host * 2).into()));
        let rule = allow_port(&format!("rule {number}"), &networks.collect::<Vec<_>>());
        let port = u16::try_from(1_000 + number % 60_000).unwrap();
        Rule {
            action: if number % 4 == 0 { Action::Deny } else { Action::Allow },
            log: number % 4 == 0,
            local_ports: vec![PortRange { first: port, last: port + (number % 3) as u16 }].into(),
            ..rule
        }
    });
    denying(rules.collect())
}

#[test]
fn a_large_plan_is_applied_at_once_and_removal_leaves_nothing() {
    in_namespace("fwbig", || {
        foreign::create();
        let before = foreign::everything();
        for (count, most) in [(300, Duration::from_millis(500)), (10_000, Duration::from_secs(10))] {
            let policy = many(count);
            let began = Instant::now();
            let planned = firewall(&policy);
            let compiled = began.elapsed();
            let began = Instant::now();
            let mut table = apply(&planned);
            let applied = began.elapsed();
            let began = Instant::now();
            table.apply(&planned).unwrap();
            let again = began.elapsed();
            println!(
                "{count} rules: planned in {compiled:?}, applied in {applied:?}, in place of themselves in {again:?}"
            );
            assert!(compiled + again < most);
            assert_eq!(table.read_firewall_counters().unwrap().len(), count as usize + 1);
            let has_blocks =
                || String::from_utf8_lossy(&foreign::everything().concat()).contains("fw_in_1\0");
            assert!(has_blocks(), "many rules are put in blocks");
            table.apply(&firewall(&many(2))).unwrap();
            assert!(!has_blocks(), "of a plan that is no more nothing is left");
            table.remove().unwrap();
        }
        assert_eq!(foreign::everything(), before);
    });
}

/// The kernel refuses the last message of a long transaction: what was in force before is, whole.
#[test]
fn what_the_kernel_refuses_in_the_middle_changes_nothing() {
    in_namespace("fwhalf", || {
        let good = firewall(&many(20));
        let mut table = apply(&good);
        let listed = || foreign::everything();
        let before = listed();
        let mut broken = firewall(&many(300));
        // A jump to a chain that is not there, behind everything else.
        let chain = broken.firewall.chains.iter_mut().find(|chain| chain.name == "fw_input".into()).unwrap();
        let step = chain.steps.last().unwrap().clone();
        chain.steps.push(Step { then: Then::Jump("nowhere".into()), ..step });
        let refused = table.apply(&broken).unwrap_err();
        assert!(refused.to_string().contains("jump nowhere"), "the cause is named: {refused}");
        assert_eq!(listed(), before);
        assert_eq!(table.read_firewall_counters().unwrap().len(), 21);
    });
}

// === the kernel against the plan ===

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let ports = || {
        let range = (0..6_u16, 0..3_u16)
            .prop_map(|(first, more)| PortRange { first: PORT + first, last: PORT + first + more });
        proptest::collection::vec(range, 0..3)
    };
    let network = (any::<bool>(), 1..=HOSTS, 0..3_u8, 1..3_u8).prop_map(|(v6, host, wider, subnet)| {
        Network::new(address(v6, subnet, host), if v6 { 128 - wider } else { 32 - wider }).unwrap()
    });
    let remote = proptest::collection::vec(network, 0..4);
    let what = (any::<bool>(), 0..=4_u8, any::<bool>(), 0..3_u8, 0..5_u8, 0..6_u8);
    let rule = (what, remote, ports(), ports()).prop_map(
        |((allow, priority, inward, protocol, mode, card), remote, local, other)| {
            let protocol = [Protocol::Any, Protocol::Udp, Protocol::Udp][usize::from(protocol)];
            let elsewhere = Mac::new([2, 0, 0x5e, 0x10, 0, 3]);
            let macs = [vec![their_card(), elsewhere], vec![elsewhere]];
            Rule {
                priority,
                remote: remote.into(),
                macs: macs.get(usize::from(card)).filter(|_| inward).cloned().unwrap_or_default().into(),
                local_ports: if protocol.has_ports() { local.into() } else { Among::default() },
                remote_ports: if protocol.has_ports() { other.into() } else { Among::default() },
                log: allow,
                mode: [Mode::Off, Mode::Detect, Mode::Prevent, Mode::Prevent, Mode::Prevent]
                    [usize::from(mode)],
                ..Rule::new(
                    "",
                    if allow { Action::ForceAllow } else { Action::Deny },
                    if inward { Direction::In } else { Direction::Out },
                    protocol,
                )
            }
        },
    );
    proptest::collection::vec(rule, 1..8).prop_map(|mut rules| {
        for (at, rule) in rules.iter_mut().enumerate() {
            rule.name = format!("rule {at}");
        }
        rules
    })
}

type Datagram = (bool, bool, u8, u8, u16, u16);

fn datagram() -> impl Strategy<Value = Datagram> {
    (any::<bool>(), any::<bool>(), 1..=HOSTS, 1..=HOSTS, 0..8_u16, 0..8_u16)
}

/// Sockets of one host for all its addresses and ports.
fn sockets(subnet: u8) -> BTreeMap<SocketAddr, UdpSocket> {
    let ends =
        [false, true].into_iter().flat_map(|v6| (1..=HOSTS).map(move |host| address(v6, subnet, host)));
    ends.flat_map(|address| (0..8).map(move |port| SocketAddr::new(address, PORT + port)))
        .map(|end| {
            let socket = UdpSocket::bind(end).unwrap();
            socket.set_nonblocking(true).unwrap();
            (end, socket)
        })
        .collect()
}

fn received(sockets: &BTreeMap<SocketAddr, UdpSocket>, into: &mut BTreeSet<u64>) {
    for socket in sockets.values() {
        let mut bytes = [0; 8];
        while let Ok((8, _)) = socket.recv_from(&mut bytes) {
            into.insert(u64::from_be_bytes(bytes));
        }
    }
}

/// Random rule sets and packets: the kernel and the plan's own judgement never disagree, in fate and in counters.
#[test]
fn the_kernel_does_what_the_plan_says() {
    const SETS: usize = 200;
    if !root() {
        return;
    }
    let pair = pair();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let theirs = pair.there.run(|| sockets(2));
    pair.here.run(|| {
        let ours = sockets(1);
        let mut table = Table::open().unwrap();
        let (mut sent, mut dropped) = (0_u64, 0_u64);
        let (mut arrived, mut expected) = (BTreeSet::new(), BTreeSet::new());
        let set = (rules(), any::<bool>(), proptest::collection::vec(datagram(), 12..20));
        for number in 0..SETS {
            let (rules, deny, datagrams) = set.new_tree(&mut runner).unwrap().current();
            let policy = Policy {
                mode: if number % 5 == 0 { Mode::Detect } else { Mode::Prevent },
                default_inbound: if deny { Fallback::Deny } else { Fallback::Allow },
                rules,
                ..Policy::default()
            };
            let planned = firewall(&policy);
            // A fresh table: counters from nought.
            table.remove().unwrap();
            table.apply(&planned).unwrap();
            let mut counted: BTreeMap<String, u64> = BTreeMap::new();
            // One connection each: an answer would make what follows part of a connection that stands.
            let mut flows = BTreeSet::new();
            for (inward, v6, here, there, from, to) in datagrams {
                let (here, there) = (address(v6, 1, here), address(v6, 2, there));
                let (source, destination) = if inward { (there, here) } else { (here, there) };
                let (source, destination) =
                    (SocketAddr::new(source, PORT + from), SocketAddr::new(destination, PORT + to));
                if flows.contains(&(destination, source)) || !flows.insert((source, destination)) {
                    continue;
                }
                let hook = if inward { Hook::Input } else { Hook::Output };
                let judged = planned.firewall.judge(&Packet {
                    card: inward.then(their_card),
                    ports: Some((source.port(), destination.port())),
                    ..Packet::new(hook, source.ip(), destination.ip(), 17)
                });
                sent += 1;
                dropped += u64::from(judged.dropped);
                for name in &judged.counted {
                    *counted.entry(name.clone()).or_default() += 1;
                }
                if !judged.dropped {
                    expected.insert(sent);
                }
                let sockets = if inward { &theirs } else { &ours };
                // EPERM is how a sender learns of a drop at output.
                let _dropped_here = sockets[&source].send_to(&sent.to_be_bytes(), destination);
            }
            let give_up = Instant::now() + Duration::from_secs(2);
            loop {
                received(&ours, &mut arrived);
                received(&theirs, &mut arrived);
                if arrived.is_superset(&expected) || Instant::now() > give_up {
                    break;
                }
            }
            assert_eq!(arrived, expected, "set {number}: {policy:#?}\n{}", planned.firewall);
            let counters = table.read_firewall_counters().unwrap();
            let counters: BTreeMap<String, u64> = counters
                .into_iter()
                .filter(|(_, count)| count.packets > 0)
                .map(|(name, count)| (name, count.packets))
                .collect();
            assert_eq!(counters, counted, "set {number}: {policy:#?}");
            // Connections of this set must not be known to the next.
            flush_connections();
        }
        println!("{SETS} rule sets, {sent} packets, {dropped} dropped: no disagreement");
        assert!(dropped > sent / 10 && dropped < sent * 9 / 10, "{dropped} of {sent}");
    });
}

/// Forgets all tracked connections of the namespace: `IPCTNL_MSG_CT_DELETE` without a tuple.
pub(crate) fn flush_connections() {
    foreign::request(1 << 8 | 2, 0x5);
}
