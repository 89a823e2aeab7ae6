//! The kernel against the plan's own judgement: random rule sets, random packets, what counted and what passed.
//!
//! `SAKIMORI_FIREWALL_SETS` is how many rule sets are tried, `SAKIMORI_FIREWALL_SEED` where the dice begin. A host is in
//! the middle: packets come to it, go through it and leave it, over interfaces of every kind that the plan tells apart.
//! Behind the firewall's chains a foreign table tells of each packet that got so far, whether it bears the mark of a
//! bypass, and then drops it, so that nothing answers and no connection begins.

mod dice;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dice::Dice;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use sakimori_firewall::{
    Action, Direction, Fallback, Hook, Interface, Link, Packet, Policy, Stateful, compile,
};
use sakimori_kernel::nflog::{SampleReader, SampleSocket};
use sakimori_kernel::nftables::{Forwarding, MARK_BYPASS, MARK_MASK, Table, TablePlan};

use crate::support::{Namespace, ip, plan, root};

const GROUP: u16 = 7_302;
/// Rule sets of an everyday run, and packets of each.
const SETS: usize = 400;
const PACKETS: usize = 60;
const HOSTS: u8 = 4;
/// Tells our packets from those that the kernel sends by itself; one less where they are forwarded.
const HOP_LIMIT: u8 = 77;
/// The numbers of packets that make a connection stand begin here.
const ASKED: u16 = 60_000;
/// Both ports of the connections that stand.
const STANDING: u16 = 9_007;

/// A way that packets take: where they go to says which.
#[derive(Clone, Copy, Debug)]
struct Way {
    hook: Hook,
    from: Option<(&'static str, Option<Interface>)>,
    to: Option<(&'static str, Option<Interface>)>,
    subnet: u8,
}

const VETH: Option<Interface> = Some(Interface::Veth);
const ETH0: Option<(&str, Option<Interface>)> = Some(("eth0", VETH));
const OTHER: Option<(&str, Option<Interface>)> = Some(("eth0.5", None));
const WAYS: [Way; 10] = [
    Way { hook: Hook::Input, from: ETH0, to: None, subnet: 1 },
    Way { hook: Hook::Input, from: OTHER, to: None, subnet: 5 },
    Way { hook: Hook::Forward, from: ETH0, to: Some(("c0", VETH)), subnet: 3 },
    Way { hook: Hook::Forward, from: OTHER, to: Some(("dummy0", None)), subnet: 4 },
    Way { hook: Hook::Forward, from: OTHER, to: Some(("c0", VETH)), subnet: 6 },
    Way { hook: Hook::Forward, from: ETH0, to: Some(("dummy0", None)), subnet: 7 },
    Way { hook: Hook::Forward, from: OTHER, to: Some(("br0", Some(Interface::Bridge))), subnet: 9 },
    Way { hook: Hook::Output, from: None, to: ETH0, subnet: 2 },
    Way { hook: Hook::Output, from: None, to: Some(("dummy0", None)), subnet: 8 },
    Way { hook: Hook::Output, from: None, to: Some(("lo", Some(Interface::Loopback))), subnet: 1 },
];

fn address(v6: bool, subnet: u8, host: u8) -> IpAddr {
    let text = if v6 { format!("fd77:0:0:{subnet}::{host}") } else { format!("10.78.{subnet}.{host}") };
    text.parse().unwrap()
}

/// The protected host and the one that packets come from, joined by a pair of interfaces, each with a second one on it.
struct Net {
    here: Namespace,
    there: Namespace,
}

const CARDS: [[u8; 6]; 2] = [[2, 0, 0x5e, 0x10, 0, 2], [2, 0, 0x5e, 0x10, 0, 5]];
const OUR_CARD: &str = "02:00:5e:10:00:01";
const OUR_OTHER_CARD: &str = "02:00:5e:10:00:06";

fn net() -> Net {
    let net = Net { here: Namespace::new("fmh"), there: Namespace::new("fmt") };
    let (here, there) = (&net.here.0, &net.there.0);
    for namespace in [&net.here, &net.there] {
        namespace.run(|| {
            let set =
                |name: &str, value: &str| std::fs::write(format!("/proc/sys/net/{name}"), value).unwrap();
            for scope in ["all", "default"] {
                set(&format!("ipv4/conf/{scope}/rp_filter"), "0");
                set(&format!("ipv6/conf/{scope}/accept_dad"), "0");
                set(&format!("ipv6/conf/{scope}/router_solicitations"), "0");
            }
            set("ipv4/ip_forward", "1");
            set("ipv6/conf/all/forwarding", "1");
        });
    }
    ip(&format!("-n {here} link add eth0 address {OUR_CARD} type veth peer name eth0 netns {there}"));
    ip(&format!("-n {there} link set eth0 address 02:00:5e:10:00:02"));
    ip(&format!("-n {here} link add c0 type veth peer name c1"));
    ip(&format!("-n {here} link add dummy0 type ifb"));
    ip(&format!("-n {here} link add br0 type bridge"));
    for (namespace, card) in [(here, OUR_OTHER_CARD), (there, "02:00:5e:10:00:05")] {
        ip(&format!("-n {namespace} link set eth0 up"));
        ip(&format!("-n {namespace} link add link eth0 name eth0.5 address {card} type macvlan"));
    }
    for (namespace, device) in
        [(here, "eth0.5"), (there, "eth0.5"), (here, "c1"), (here, "c0"), (here, "dummy0"), (here, "br0")]
    {
        ip(&format!("-n {namespace} link set {device} up"));
    }
    for (namespace, subnet, device) in [(here, 1, "eth0"), (here, 5, "eth0.5"), (there, 2, "eth0")] {
        for host in 1..=HOSTS {
            for v6 in [false, true] {
                let (address, bits) = (address(v6, subnet, host), if v6 { "128 nodad" } else { "32" });
                ip(&format!("-n {namespace} address add {address}/{bits} dev {device}"));
            }
        }
    }
    for v6 in [false, true] {
        let (length, via) = if v6 { (64, "fe80::99") } else { (24, "10.78.99.1") };
        for (device, card) in [("eth0", OUR_CARD), ("eth0.5", OUR_OTHER_CARD)] {
            ip(&format!("-n {there} neigh add {via} lladdr {card} dev {device} nud permanent"));
        }
        let net = |subnet| format!("{}/{length}", address(v6, subnet, 0));
        for way in WAYS.iter().filter(|way| way.hook != Hook::Output) {
            let device = way.from.unwrap().0;
            ip(&format!("-n {there} route add {} via {via} dev {device} onlink", net(way.subnet)));
        }
        for way in WAYS.iter().filter(|way| way.hook != Hook::Input && way.subnet > 2) {
            ip(&format!("-n {here} route add {} dev {}", net(way.subnet), way.to.unwrap().0));
        }
        let back = if v6 { "fe80::98" } else { "10.78.98.1" };
        ip(&format!("-n {here} neigh add {back} lladdr 02:00:5e:10:00:02 dev eth0 nud permanent"));
        ip(&format!("-n {here} route add {} via {back} dev eth0 onlink", net(2)));
    }
    net
}

/// Both ends of connections that stand while rules come and go.
fn connect_all(net: &Net) {
    for (v6, host) in [false, true].into_iter().flat_map(|v6| (1..=HOSTS).map(move |host| (v6, host))) {
        let (here, there) = (address(v6, 1, host), address(v6, 2, host));
        let bind = |address| {
            let socket = UdpSocket::bind((address, STANDING)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            socket
        };
        let (ours, theirs) = (net.here.run(|| bind(here)), net.there.run(|| bind(there)));
        for _ in 0..2 {
            theirs.send_to(b"there", (here, STANDING)).unwrap();
            ours.recv_from(&mut [0; 8]).unwrap();
            ours.send_to(b"here", (there, STANDING)).unwrap();
            theirs.recv_from(&mut [0; 8]).unwrap();
        }
    }
}

/// The foreign table behind the firewall's chains.
fn probe(dropping: bool) {
    let mut script =
        String::from("table inet probe\ndelete table inet probe\ntable inet probe {\n counter marked {}\n");
    // What the kernel sends by itself would be counted as well.
    let hops = format!("{{ {}, {HOP_LIMIT} }}", HOP_LIMIT - 1);
    let own = format!("ip ttl != {hops} drop; ip6 hoplimit != {hops} drop;");
    for hook in ["input", "forward", "output"] {
        let chains = format!(
            " chain begin_{hook} {{ type filter hook {hook} priority 0; {} }}\n \
             chain tell_{hook} {{ type filter hook {hook} priority 9; \
             meta mark & {MARK_BYPASS} == {MARK_BYPASS} log prefix \"b\" group {GROUP} snaplen 64 queue-threshold 1 accept; \
             log prefix \"p\" group {GROUP} snaplen 64 queue-threshold 1; }}\n \
             chain end_{hook} {{ type filter hook {hook} priority 100; ct state invalid counter; \
             meta mark & {MARK_MASK} != 0 counter name marked; {} }}\n",
            if dropping { &own } else { "" },
            if dropping { "drop;" } else { "" }
        );
        script.push_str(&chains);
    }
    script += "}\n";
    let mut nft =
        Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().expect("`nft` of nftables");
    nft.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(nft.wait().unwrap().success());
}

fn marked() -> u64 {
    let output = Command::new("nft").args(["list", "counter", "inet", "probe", "marked"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split("packets ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
}

/// Sockets that send whole packets.
pub(crate) struct Raw {
    v4: OwnedFd,
    v6: OwnedFd,
}

impl Raw {
    pub(crate) fn open() -> Self {
        let open = |family| {
            let raw = Some(rustix::net::ipproto::RAW);
            rustix::net::socket_with(family, SocketType::RAW, SocketFlags::NONBLOCK, raw).unwrap()
        };
        Self { v4: open(AddressFamily::INET), v6: open(AddressFamily::INET6) }
    }

    /// `false` where a table of this host has dropped it.
    pub(crate) fn send(&self, packet: &[u8], to: IpAddr) -> bool {
        let sent = match to {
            IpAddr::V4(v4) => {
                rustix::net::sendto(&self.v4, packet, SendFlags::empty(), &SocketAddrV4::new(v4, 0))
            }
            IpAddr::V6(v6) => {
                rustix::net::sendto(&self.v6, packet, SendFlags::empty(), &SocketAddrV6::new(v6, 0, 0, 0))
            }
        };
        match sent {
            Ok(_) => true,
            Err(rustix::io::Errno::PERM) => false,
            Err(error) => panic!("{error} to {to}"),
        }
    }
}

/// A packet as bytes; its number stands where no hook changes it.
fn bytes(packet: &Packet, number: u16) -> Vec<u8> {
    let (source, destination) = packet.ports.unwrap_or_default();
    let mut carried = Vec::new();
    match packet.protocol {
        1 | 58 => {
            let (kind, code) = packet.icmp.unwrap();
            carried.extend([kind, code, 0, 0, 0, 1, 0, 1]);
        }
        protocol => {
            if packet.ports.is_some() {
                carried.extend(source.to_be_bytes());
                carried.extend(destination.to_be_bytes());
            }
            match protocol {
                6 => carried.extend([
                    0,
                    0,
                    0,
                    1,
                    0,
                    0,
                    0,
                    1,
                    5 << 4,
                    packet.tcp_flags.unwrap(),
                    0,
                    9,
                    0,
                    0,
                    0,
                    0,
                ]),
                17 => carried.extend([0, 8, 0, 0]),
                _ => carried.extend([0; 16]),
            }
        }
    }
    let mut bytes = Vec::new();
    match (packet.source, packet.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            bytes.extend([0x45, 0]);
            bytes.extend((20 + carried.len() as u16).to_be_bytes());
            bytes.extend(number.to_be_bytes());
            bytes.extend([0x40, 0, HOP_LIMIT, packet.protocol, 0, 0]);
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            bytes.extend([0x60, 0]);
            bytes.extend(number.to_be_bytes());
            bytes.extend((carried.len() as u16).to_be_bytes());
            bytes.extend([packet.protocol, HOP_LIMIT]);
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
        }
        _ => panic!("one family"),
    }
    bytes.extend(carried);
    bytes
}

/// A random packet, as the model sees it.
fn packet(dice: &mut Dice) -> Packet {
    let way = dice.one(&WAYS);
    let v6 = dice.chance(45);
    let (a, b) = (dice.host(), dice.host());
    let near = matches!(way.hook, Hook::Output);
    let mut host = (a, b);
    let mut protocol = dice.one(&[6, 6, 6, 17, 17, 17, 1, 58, 2, 47, 50, 132, 89]);
    if (protocol == 58 && !v6 || protocol == 1 && v6) && !dice.chance(5) {
        protocol = if v6 { 58 } else { 1 };
    }
    let mut ports = (9_000 + dice.below(8) as u16, 9_000 + dice.below(8) as u16);
    let standing = way.subnet <= 2 && way.to.is_none_or(|(name, _)| name == "eth0");
    if standing && dice.chance(15) {
        (protocol, ports, host) = (17, (STANDING, STANDING), (a, a));
    }
    let link = |end: Option<(&str, Option<Interface>)>| {
        end.map(|(name, kind)| Link { name: name.parse().unwrap(), kind })
    };
    let card = way.from.map(|(name, _)| sakimori_firewall::Mac::new(CARDS[usize::from(name != "eth0")]));
    let source = address(v6, if near { 1 } else { 2 }, host.0);
    let destination = address(v6, way.subnet, host.1);
    let is_tcp = protocol == 6;
    Packet {
        from: link(way.from),
        to: link(way.to),
        established: standing && protocol == 17 && ports == (STANDING, STANDING) && host.0 == host.1,
        card,
        ports: matches!(protocol, 6 | 17 | 132).then_some(ports),
        tcp_flags: is_tcp.then(|| dice.one(&[2, 2, 16, 18, 4, 17, 0, 41, 24, 63, 0x42, 0x90])),
        icmp: matches!(protocol, 1 | 58)
            .then(|| (dice.one(&[8, 0, 3, 128, 129, 1, 135, 143]), dice.below(3) as u8)),
        ..Packet::new(way.hook, source, destination, protocol)
    }
}

fn number_from_environment(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Says once more what keeps the connections standing, for a table that knows of them by what is sent.
fn ask_again(from_here: &Raw) {
    for (at, (v6, host)) in
        [false, true].into_iter().flat_map(|v6| (1..=HOSTS).map(move |host| (v6, host))).enumerate()
    {
        let (here, there) = (address(v6, 1, host), address(v6, 2, host));
        let packet =
            Packet { ports: Some((STANDING, STANDING)), ..Packet::new(Hook::Output, here, there, 17) };
        let _dropped_behind_the_firewall = from_here.send(&bytes(&packet, ASKED + at as u16), there);
    }
}

/// Reads what the probe tells until the last packet of a set came by.
fn told(reader: &mut SampleReader, last: u16) -> BTreeMap<u16, bool> {
    let mut seen = BTreeMap::new();
    let give_up = Instant::now() + Duration::from_secs(10);
    while !seen.contains_key(&last) {
        assert!(Instant::now() < give_up, "the last packet of a set does not come");
        let read = reader.read(|sample| {
            let packet = sample.packet;
            let (hops, at) = if packet[0] >> 4 == 4 { (packet[8], 4) } else { (packet[7], 2) };
            if hops == HOP_LIMIT || hops == HOP_LIMIT - 1 {
                let number = u16::from_be_bytes([packet[at], packet[at + 1]]);
                assert_eq!(seen.insert(number, sample.label == b"b"), None, "told twice");
            }
        });
        if read.unwrap() == 0 {
            std::thread::yield_now();
        }
    }
    seen.remove(&last);
    seen
}

#[test]
fn the_kernel_does_what_the_model_says() {
    if !root() {
        return;
    }
    let sets = number_from_environment("SAKIMORI_FIREWALL_SETS", SETS);
    let seed = number_from_environment("SAKIMORI_FIREWALL_SEED", 7);
    let net = net();
    let from_there = net.there.run(Raw::open);
    net.here.run(|| {
        // Packets of one processor stay in their order.
        let mut one = rustix::thread::CpuSet::new();
        let before = rustix::thread::sched_getaffinity(None).unwrap();
        one.set((0..1024).find(|at| before.is_set(*at)).unwrap());
        rustix::thread::sched_setaffinity(None, &one).unwrap();
        let set = |name: &str, value: &str| {
            std::fs::write(format!("/proc/sys/net/netfilter/{name}"), value).unwrap();
        };
        probe(false);
        set("nf_conntrack_checksum", "0");
        set("nf_conntrack_udp_timeout_stream", "100000");
        connect_all(&net);
        probe(true);
        run(sets, seed, &from_there, &Raw::open());
        assert_eq!(marked(), 0, "no mark of a bypass is left behind the queue's chains");
    });
}

fn run(sets: usize, seed: usize, from_there: &Raw, from_here: &Raw) {
    let mut reader = SampleReader::from_fd(SampleSocket::open(GROUP).unwrap().into_fd());
    let mut table = Table::open().unwrap();
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    let (mut sent, mut dropped, mut bypassed, mut standing, mut in_blocks) = (0_u64, 0_u64, 0_u64, 0_u64, 0);
    let mut without_tracking = 0;
    let (mut checking, mut checked) = (0_u64, 0_u64);
    let mut applying = Duration::ZERO;
    let base = TablePlan { inspected_ports: Vec::new(), sample_group: Some(GROUP + 1), ..plan() };
    // It always passes: an answer to the DHCP client.
    let sentinel = Packet {
        ports: Some((67, 68)),
        ..Packet::new(Hook::Input, address(false, 2, 1), address(false, 1, 1), 17)
    };
    for number in 0..sets {
        let mut dice = Dice::new(seed as u64, number as u64);
        let mut policy: Policy = rules::policy(&mut dice);
        let routes = number % 3 > 0;
        if !routes {
            // Of such rules alone a host needs no connection tracking.
            policy.rules.retain(|rule| rule.direction == Direction::In && rule.action != Action::Bypass);
            policy.default_outbound = Fallback::Allow;
            policy.stateful = Stateful::default();
        }
        let compiled = compile(&policy);
        let firewall = compiled.plan.unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics));
        let checks = policy.stateful != Stateful::default();
        checking += u64::from(checks);
        in_blocks += u64::from(firewall.in_blocks() != firewall);
        let planned = TablePlan {
            firewall,
            forwarding: if routes { Forwarding::Inspected } else { Forwarding::None },
            ..base.clone()
        };
        let began = Instant::now();
        table.apply(&planned).unwrap();
        applying += began.elapsed();
        let filters = planned.firewall.chains.iter().any(|chain| !chain.steps.is_empty());
        let untracked = filters && !planned.tracks_connections();
        without_tracking += u64::from(untracked);
        if untracked {
            ask_again(from_here);
        }
        // What a rule of this name had counted before is kept.
        let names: BTreeSet<&String> =
            planned.firewall.counters.iter().map(|counter| &counter.name).collect();
        expected.retain(|name, _| names.contains(name));
        for name in names {
            expected.entry(name.clone()).or_default();
        }
        let mut passing = BTreeMap::new();
        let mut packets = Vec::new();
        for at in 1..=PACKETS as u16 {
            // What leaves makes something that comes an answer: the model is told of no packet what went before it.
            let comes = |packet: &Packet| !untracked || packet.hook == Hook::Input;
            let mut packet = std::iter::repeat_with(|| packet(&mut dice)).find(comes).unwrap();
            // What tracking says of SCTP lies in its chunks, of which these packets have none.
            if checks && packet.protocol == 132 {
                (packet.protocol, packet.ports) = (89, None);
            }
            let judged = planned.firewall.judge(&packet);
            sent += 1;
            dropped += u64::from(judged.dropped);
            bypassed += u64::from(judged.bypassed);
            standing += u64::from(packet.established);
            let of_check = |name: &&String| {
                planned.firewall.counters.iter().any(|one| one.name == **name && one.check.is_some())
            };
            checked += judged.counted.iter().filter(of_check).count() as u64;
            judged.counted.iter().for_each(|name| *expected.get_mut(name).unwrap() += 1);
            if !judged.dropped {
                passing.insert(at, judged.bypassed);
            }
            let raw = if packet.hook == Hook::Output { from_here } else { from_there };
            let _dropped_at_output = raw.send(&bytes(&packet, at), packet.destination);
            packets.push(packet);
        }
        let last = PACKETS as u16 + 1;
        from_there.send(&bytes(&sentinel, last), sentinel.destination);
        let mut seen = told(&mut reader, last);
        seen.retain(|number, _| *number < ASKED);
        let differing: Vec<_> = (1..=PACKETS as u16)
            .filter(|at| seen.get(at) != passing.get(at))
            .map(|at| (&packets[usize::from(at) - 1], seen.get(&at), passing.get(&at)))
            .collect();
        let whole = || format!("set {number} of seed {seed}:\n{policy:#?}\n{}", planned.firewall);
        assert!(
            differing.is_empty(),
            "(packet, bypassed in the kernel, in the model): {differing:#?}\n{}",
            whole()
        );
        let counters = table.read_firewall_counters().unwrap();
        let counters: BTreeMap<String, u64> =
            counters.into_iter().map(|(name, count)| (name, count.packets)).collect();
        let differing: Vec<_> =
            expected.iter().filter(|(name, count)| counters.get(*name) != Some(count)).collect();
        let same = differing.is_empty() && counters.len() == expected.len();
        assert!(same, "{differing:?} against {counters:?}\n{}\n{packets:#?}", whole());
    }
    println!(
        "{sets} rule sets (seed {seed}), {sent} packets: {dropped} dropped, {bypassed} bypassed, {standing} of connections \
         that stand: 0 disagreements; {in_blocks} sets were put in blocks, {without_tracking} did without connection \
         tracking, {checking} had stateful checks, which found {checked}; a table was put in force in {:?} on average",
        applying / u32::try_from(sets.max(1)).unwrap()
    );
    assert!(dropped > sent / 20 && dropped < sent * 9 / 10, "{dropped} of {sent}");
    assert!(checking > sets as u64 / 5 && checked > sent / 100, "{checking} of {sets}, {checked} of {sent}");
    assert!(bypassed > sent / 100, "{bypassed} of {sent}");
    assert!(in_blocks > sets as u64 / 20, "{in_blocks} of {sets}");
    assert!(without_tracking > sets as u64 / 5, "{without_tracking} of {sets}");
}
