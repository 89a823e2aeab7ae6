//! Traffic through this host: a client, a router with the table, a server, each in its own namespace.

use std::net::IpAddr;

use sakimori_kernel::nfqueue::{Hook, QueueOptions, Verdict};
use sakimori_kernel::nftables::{CounterKind, CounterPath, Forwarding, MARK_DONE, MARK_OUTGOING, TablePlan};

use crate::support::{Answerer, Namespace, PORT, QUEUE, apply, connect, echo, exchange, ip, plan, root};

struct Net {
    client: Namespace,
    router: Namespace,
    server: Namespace,
}

fn net() -> Net {
    let net =
        Net { client: Namespace::new("fc"), router: Namespace::new("fr"), server: Namespace::new("fs") };
    for namespace in [&net.client, &net.router, &net.server] {
        // Addresses are usable at once, link-local ones too.
        let write = || std::fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0").unwrap();
        namespace.run(write);
    }
    for (end, namespace, subnet) in [("c", &net.client, 1), ("s", &net.server, 2)] {
        let (router, other) = (&net.router.0, &namespace.0);
        ip(&format!("-n {router} link add to{end} type veth peer name eth0 netns {other}"));
        for (at, device, host) in [(router, format!("to{end}"), 1), (other, "eth0".to_owned(), 2)] {
            ip(&format!("-n {at} address add 10.77.{subnet}.{host}/24 dev {device}"));
            ip(&format!("-n {at} address add fd77:{subnet}::{host}/64 dev {device} nodad"));
            ip(&format!("-n {at} link set {device} up"));
        }
        ip(&format!("-n {other} route add default via 10.77.{subnet}.1"));
        ip(&format!("-n {other} route add default via fd77:{subnet}::1"));
    }
    net.router.run(|| {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
    });
    net
}

#[test]
fn forwarded_traffic_is_inspected_in_both_directions() {
    if !root() {
        return;
    }
    let net = net();
    for address in ["10.77.2.2", "fd77:2::2"] {
        let address: IpAddr = address.parse().unwrap();
        let seen = net.router.run(|| {
            let mut table = apply(&TablePlan { inspect_responses: true, ..plan() });
            let answerer = Answerer::start(QueueOptions::new(QUEUE), |packet| {
                (Verdict::Accept, (packet.data == b"last").then_some(packet.mark | MARK_DONE))
            });
            let server = net.server.run(|| echo(address, PORT, 1));
            net.client.run(|| {
                let mut stream = connect(address, PORT).unwrap_or_else(|error| panic!("{address}: {error}"));
                for data in [&b"first"[..], b"last", b"behind"] {
                    exchange(&mut stream, data).unwrap();
                }
            });
            server.join().unwrap();
            let seen = answerer.stop();
            let counters = table.read_counters().unwrap();
            let of = |kind, path| counters.0[&(kind, path)].packets;
            let (to_server, to_client) = (CounterPath::ForwardToServer, CounterPath::ForwardToClient);
            assert_eq!(
                of(CounterKind::Queued, to_server),
                seen.iter().filter(|p| p.to_server()).count() as u64
            );
            assert_eq!(
                of(CounterKind::Queued, to_client),
                seen.iter().filter(|p| !p.to_server()).count() as u64
            );
            assert!(of(CounterKind::Done, CounterPath::Forward) >= 4);
            assert_eq!(of(CounterKind::Queued, CounterPath::InputToServer), 0);
            table.remove().unwrap();
            seen
        });
        assert!(seen.iter().all(|p| p.hook == Hook::Forward && p.in_ifindex != p.out_ifindex), "{seen:?}");
        let data = |to_server| -> Vec<u8> {
            seen.iter().filter(|p| p.to_server() == to_server).flat_map(|p| p.data.clone()).collect()
        };
        assert_eq!(data(true), b"firstlast");
        assert_eq!(data(false), b"first");
    }
}

#[test]
fn forwarded_traffic_is_left_alone_when_the_plan_says_so() {
    if !root() {
        return;
    }
    let net = net();
    let address: IpAddr = "10.77.2.2".parse().unwrap();
    net.router.run(|| {
        let mut table = apply(&TablePlan { forwarding: Forwarding::LeftAlone, ..plan() });
        let answerer = Answerer::accepting();
        let server = net.server.run(|| echo(address, PORT, 1));
        net.client.run(|| exchange(&mut connect(address, PORT).unwrap(), b"through").unwrap());
        server.join().unwrap();
        assert_eq!(answerer.stop().len(), 0);
        assert_eq!(table.read_counters().unwrap().total(CounterKind::Queued).packets, 0);
    });
}

#[test]
fn connections_that_containers_open_are_queued_with_a_mark_until_they_are_done() {
    if !root() {
        return;
    }
    let net = net();
    for address in ["10.77.2.2", "fd77:2::2"] {
        let address: IpAddr = address.parse().unwrap();
        let plan = || TablePlan {
            inspected_ports: Vec::new(),
            outgoing_ports: std::iter::once(PORT..=PORT).collect(),
            ..plan()
        };
        let seen = net.router.run(|| {
            let mut table = apply(&plan());
            let answerer = Answerer::start(QueueOptions::new(QUEUE), |packet| {
                (Verdict::Accept, (packet.data == b"last").then_some(packet.mark | MARK_DONE))
            });
            let server = net.server.run(|| echo(address, PORT, 2));
            net.client.run(|| {
                let mut stream = connect(address, PORT).unwrap();
                for data in [&b"first"[..], b"last", b"behind"] {
                    exchange(&mut stream, data).unwrap();
                }
            });
            let counters = table.read_counters().unwrap();
            assert_eq!(counters.0[&(CounterKind::Queued, CounterPath::ForwardOutToServer)].packets, 3);
            assert_eq!(counters.0[&(CounterKind::Queued, CounterPath::ForwardOutToClient)].packets, 1);
            assert_eq!(counters.0[&(CounterKind::Queued, CounterPath::ForwardToServer)].packets, 0);
            // The agent's own way to its manager is never queued.
            let except = vec![std::net::SocketAddr::new(address, PORT)];
            table.apply(&TablePlan { outgoing_except: except, ..plan() }).unwrap();
            net.client.run(|| exchange(&mut connect(address, PORT).unwrap(), b"excepted").unwrap());
            let counters = table.read_counters().unwrap();
            assert_eq!(counters.0[&(CounterKind::Queued, CounterPath::ForwardOutToServer)].packets, 3);
            server.join().unwrap();
            // First: removing the table makes the kernel forget what waits for a verdict.
            let seen = answerer.stop();
            table.remove().unwrap();
            seen
        });
        assert!(seen.iter().all(|packet| packet.hook == Hook::Forward));
        let marked = |packet: &&crate::support::Seen| packet.mark & MARK_OUTGOING != 0;
        assert_eq!(
            seen.iter().filter(|packet| packet.to_server()).filter(marked).count(),
            3,
            "SYN, first, last"
        );
        assert_eq!(seen.iter().filter(|packet| !packet.to_server()).filter(marked).count(), 0);
    }
}
