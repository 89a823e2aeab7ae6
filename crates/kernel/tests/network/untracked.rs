//! What comes in is filtered without the kernel tracking connections: the host's own sockets say what stands.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use sakimori_firewall::{Action, DEFAULT_INBOUND, Direction, Policy, Protocol, Rule};
use sakimori_kernel::conntrack::learn_standing;
use sakimori_kernel::nftables::{Forwarding, Table, TablePlan};
use sakimori_model::PortRange;

use crate::firewall::{Pair, address, denying, firewall, pair};
use crate::support::{PORT, apply, connect, echo, exchange, root};

/// On a host that passes nothing on.
fn untracked(policy: &Policy) -> TablePlan {
    TablePlan { forwarding: Forwarding::None, ..firewall(policy) }
}

fn web() -> Rule {
    Rule {
        local_ports: vec![PortRange::single(PORT)].into(),
        ..Rule::new("web", Action::Allow, Direction::In, Protocol::Tcp)
    }
}

/// Connections that the kernel tracks in the thread's namespace.
fn tracked() -> usize {
    std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count").unwrap().trim().parse().unwrap()
}

fn denied(table: &mut Table) -> u64 {
    table.read_firewall_counters().unwrap()[DEFAULT_INBOUND].packets
}

fn socket(address: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    socket
}

/// Whether an echo request is answered within half a second.
fn ping(to: IpAddr) -> bool {
    let (version, number, request, reply, header) =
        if to.is_ipv4() { ("AF_INET", 1, 8, 0, 20) } else { ("AF_INET6", 58, 128, 129, 0) };
    let script = format!(
        "import socket,struct,sys,time\n\
         s=socket.socket(socket.{version},socket.SOCK_RAW,{number})\n\
         p=lambda c:struct.pack('!BBHHH',{request},0,c,4711,1)\n\
         s.sendto(p(65535-({request}*256+4711+1)%65535),('{to}',0))\n\
         s.settimeout(0.5)\n\
         try:\n\
         \x20while True:\n\
         \x20 d=s.recv(999)[{header}:]\n\
         \x20 if d[0]=={reply} and d[4:6]==struct.pack('!H',4711): sys.exit(0)\n\
         except socket.timeout: sys.exit(1)\n"
    );
    let status = Command::new("python3").args(["-c", &script]).status().unwrap();
    status.code().filter(|code| *code < 2).expect("the script works") == 0
}

/// With both IP versions.
fn in_pair(test: impl Fn(&Pair, bool, IpAddr, IpAddr)) {
    if !root() {
        return;
    }
    let pair = pair();
    for v6 in [false, true] {
        test(&pair, v6, address(v6, 1, 1), address(v6, 2, 1));
    }
}

#[test]
fn connections_in_and_out_pass_whole_and_nothing_is_tracked() {
    in_pair(|pair, _, here, there| {
        let mut table = pair.here.run(|| apply(&untracked(&denying(vec![web()]))));
        let server = pair.here.run(|| echo(here, PORT, 1));
        let other = pair.there.run(|| echo(there, PORT + 1, 1));
        let big = vec![7; 32 << 10];
        pair.there.run(|| {
            let mut stream = connect(here, PORT).unwrap();
            for _ in 0..40 {
                exchange(&mut stream, &big).unwrap();
            }
            assert!(connect(here, PORT + 1).is_err(), "another port");
        });
        pair.here.run(|| {
            let mut stream = connect(there, PORT + 1).unwrap();
            for _ in 0..40 {
                exchange(&mut stream, &big).unwrap();
            }
        });
        server.join().unwrap();
        other.join().unwrap();
        pair.here.run(|| {
            assert_eq!(tracked(), 0);
            let counters = table.read_firewall_counters().unwrap();
            let web = counters.iter().find(|(name, _)| name.starts_with("fw_web_")).unwrap().1;
            assert_eq!(web.packets, 1, "one SYN: {counters:?}");
            table.remove().unwrap();
        });
    });
}

/// The last segments of connections come when their sockets have almost gone.
#[test]
fn connections_end_without_a_segment_denied() {
    in_pair(|pair, _, here, there| {
        let mut table = pair.here.run(|| apply(&untracked(&denying(vec![web()]))));
        // Both sides close first, in turn.
        for _ in 0..20 {
            let server = pair.here.run(|| echo(here, PORT, 1));
            pair.there.run(|| exchange(&mut connect(here, PORT).unwrap(), b"they close").unwrap());
            server.join().unwrap();
            let server = pair.there.run(|| echo(there, PORT, 1));
            pair.here.run(|| exchange(&mut connect(there, PORT).unwrap(), b"we close").unwrap());
            server.join().unwrap();
        }
        pair.here.run(|| {
            assert_eq!(denied(&mut table), 0);
            table.remove().unwrap();
        });
    });
}

#[test]
fn a_session_that_stood_before_goes_on_untold() {
    in_pair(|pair, _, here, _| {
        let server = pair.here.run(|| echo(here, PORT + 2, 1));
        let mut stream = pair.there.run(|| connect(here, PORT + 2).unwrap());
        exchange(&mut stream, b"before").unwrap();
        let mut table = pair.here.run(|| apply(&untracked(&denying(Vec::new()))));
        exchange(&mut stream, b"under rules that deny everything").unwrap();
        // The host begins to route: from now on connections are tracked.
        pair.here.run(|| {
            assert!(learn_standing().unwrap() >= 1);
            table.apply(&firewall(&denying(Vec::new()))).unwrap();
        });
        exchange(&mut stream, b"tracked").unwrap();
        pair.here.run(|| {
            assert!(tracked() >= 1);
            table.apply(&untracked(&denying(Vec::new()))).unwrap();
        });
        exchange(&mut stream, b"and not").unwrap();
        drop(stream);
        server.join().unwrap();
        pair.here.run(|| table.remove().unwrap());
    });
}

#[test]
fn datagrams_are_answered_by_whom_they_were_sent_to() {
    in_pair(|pair, v6, here, there| {
        let mut table = pair.here.run(|| apply(&untracked(&denying(vec![web()]))));
        let (ours, theirs) = (pair.here.run(|| socket(here)), pair.there.run(|| socket(there)));
        let stranger = pair.there.run(|| socket(address(v6, 2, 2)));
        let mut buffer = [0; 64];
        theirs.send_to(b"unasked", ours.local_addr().unwrap()).unwrap();
        assert!(ours.recv_from(&mut buffer).is_err(), "nobody was asked");
        ours.send_to(b"question", theirs.local_addr().unwrap()).unwrap();
        theirs.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let (_, from) = theirs.recv_from(&mut buffer).unwrap();
        theirs.send_to(b"answer", from).unwrap();
        ours.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        assert_eq!(ours.recv_from(&mut buffer).unwrap().1, theirs.local_addr().unwrap());
        // A large one comes in fragments.
        let large = vec![9; 20_000];
        theirs.send_to(&large, from).unwrap();
        let mut room = vec![0; 32_000];
        assert_eq!(ours.recv_from(&mut room).unwrap().0, large.len());
        ours.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        stranger.send_to(b"me too", from).unwrap();
        assert!(ours.recv_from(&mut buffer).is_err(), "a stranger");
        let elsewhere = SocketAddr::new(here, PORT);
        let _listens = pair.here.run(|| UdpSocket::bind(elsewhere).unwrap());
        theirs.send_to(b"elsewhere", elsewhere).unwrap();
        pair.here.run(|| {
            assert!(denied(&mut table) >= 3, "unasked, a stranger, another port");
            assert_eq!(tracked(), 0);
            table.remove().unwrap();
        });
    });
}

#[test]
fn pings_are_answered_and_nobody_else_may_ping() {
    in_pair(|pair, _, here, there| {
        let mut table = pair.here.run(|| apply(&untracked(&denying(Vec::new()))));
        assert!(pair.here.run(|| ping(there)));
        assert!(!pair.there.run(|| ping(here)));
        pair.here.run(|| table.remove().unwrap());
    });
}

/// Without this an application waits for nothing until its patience ends.
#[test]
fn an_error_about_what_was_sent_comes_through() {
    in_pair(|pair, _, here, there| {
        let mut table = pair.here.run(|| apply(&untracked(&denying(Vec::new()))));
        let ours = pair.here.run(|| socket(here));
        ours.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        ours.connect((there, 9)).unwrap();
        ours.send(b"nobody listens there").unwrap();
        let error = ours.recv(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        pair.here.run(|| table.remove().unwrap());
    });
}

/// What opens nothing and belongs to nothing is new, as it is to connection tracking.
#[test]
fn a_segment_of_no_connection_is_asked_about() {
    in_pair(|pair, v6, here, there| {
        let mut table = pair.here.run(|| apply(&untracked(&denying(Vec::new()))));
        // A server at all addresses: its socket is found, and is none of a connection.
        let all: IpAddr = if v6 { "::".parse().unwrap() } else { "0.0.0.0".parse().unwrap() };
        let _server = pair.here.run(|| std::net::TcpListener::bind((all, PORT + 3)).unwrap());
        for port in [PORT + 3, PORT + 4] {
            let before = denied(&mut table);
            pair.there.run(|| stray(there, here, port));
            assert_eq!(denied(&mut table), before + 1, "port {port}");
        }
        pair.here.run(|| table.remove().unwrap());
    });
}

/// Sends one segment with ACK alone.
fn stray(from: IpAddr, to: IpAddr, port: u16) {
    let version = if from.is_ipv4() { "socket.AF_INET" } else { "socket.AF_INET6" };
    let script = format!(
        "import socket,struct\n\
         s=socket.socket({version},socket.SOCK_RAW,6)\n\
         s.bind(('{from}',0))\n\
         t=struct.pack('!HHIIBBHHH',40000,{port},1,1,0x50,0x10,1000,0,0)\n\
         f,d=[socket.inet_pton({version},a) for a in ('{from}','{to}')]\n\
         p=f+d+(struct.pack('!BBH',0,6,20) if len(f)==4 else struct.pack('!IHBB',20,0,0,6))+t\n\
         c=sum(struct.unpack('!%dH'%(len(p)//2),p))\n\
         while c>>16: c=(c&65535)+(c>>16)\n\
         s.sendto(t[:16]+struct.pack('!H',~c&65535)+t[18:],('{to}',0))\n"
    );
    assert!(Command::new("python3").args(["-c", &script]).status().unwrap().success());
    std::thread::sleep(Duration::from_millis(20));
}

/// Tracking is asked for by whatever needs it.
#[test]
fn what_needs_connection_tracking_has_it() {
    if !root() {
        return;
    }
    let pair = pair();
    pair.here.run(|| {
        let simple = denying(vec![web()]);
        assert!(!untracked(&simple).tracks_connections());
        assert!(firewall(&simple).tracks_connections(), "a host that routes");
        let inspected =
            TablePlan { inspected_ports: std::iter::once(80..=80).collect(), ..untracked(&simple) };
        assert!(inspected.tracks_connections(), "intrusion prevention marks connections");
        let out = Rule::new("out", Action::Deny, Direction::Out, Protocol::Udp);
        assert!(untracked(&denying(vec![web(), out])).tracks_connections(), "rules about what leaves");
        let bypass = Rule { action: Action::Bypass, ..web() };
        assert!(untracked(&denying(vec![bypass])).tracks_connections());
        assert!(!untracked(&Policy::default()).tracks_connections(), "nothing to do");
    });
}

/// The sets go with what needs them, and a table that stays says nothing of the former one.
#[test]
fn nothing_is_left_of_it_when_connections_are_tracked() {
    if !root() {
        return;
    }
    let pair = pair();
    pair.here.run(|| {
        let listing = || {
            let output = Command::new("nft").args(["list", "ruleset"]).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            // Chains come in the order in which they were made.
            let mut parts: Vec<_> =
                text.split("\n\n").map(|part| part.trim_matches(['\n', '}']).to_owned()).collect();
            parts.sort();
            parts.concat()
        };
        let mut table = apply(&untracked(&denying(vec![web()])));
        let before = listing();
        assert!(before.contains("fw_asked4") && !before.contains("ct state"), "{before}");
        table.apply(&firewall(&denying(vec![web()]))).unwrap();
        let tracked = listing();
        assert!(!tracked.contains("fw_asked4") && tracked.contains("ct state"), "{tracked}");
        table.apply(&untracked(&denying(vec![web()]))).unwrap();
        assert_eq!(listing(), before);
        table.remove().unwrap();
        assert_eq!(listing(), "");
    });
}
