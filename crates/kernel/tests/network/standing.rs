//! Sessions that stood before the first table came.

use std::net::TcpStream;
use std::thread::JoinHandle;

use sakimori_kernel::conntrack::learn_standing;

use crate::firewall::{Pair, address, denying, firewall, pair};
use crate::support::{PORT, apply, connect, echo, exchange, root};

type Servers = Vec<JoinHandle<Vec<Vec<u8>>>>;

/// Sessions that a visitor opened to this host, of both IP versions, and one that this host opened; all have been used.
fn sessions(pair: &Pair) -> (Vec<TcpStream>, TcpStream, Servers) {
    let mut servers = Vec::new();
    let incoming = [false, true].map(|v6| {
        servers.push(pair.here.run(|| echo(address(v6, 1, 1), PORT, 1)));
        pair.there.run(|| connect(address(v6, 1, 1), PORT).unwrap())
    });
    servers.push(pair.there.run(|| echo(address(false, 2, 1), PORT, 1)));
    let mut outgoing = pair.here.run(|| connect(address(false, 2, 1), PORT).unwrap());
    let mut incoming = Vec::from(incoming);
    for stream in incoming.iter_mut().chain([&mut outgoing]) {
        exchange(stream, b"before").unwrap();
    }
    (incoming, outgoing, servers)
}

#[test]
fn a_session_that_stood_before_goes_on_under_rules_that_deny_everything() {
    if !root() {
        return;
    }
    let pair = pair();
    let (mut incoming, mut outgoing, servers) = sessions(&pair);
    let mut table = pair.here.run(|| {
        assert_eq!(learn_standing().unwrap(), 3, "three sessions, seen from here");
        assert_eq!(learn_standing().unwrap(), 0, "they are known now");
        let mut policy = denying(Vec::new());
        policy.default_outbound = sakimori_firewall::Fallback::Deny;
        apply(&firewall(&policy))
    });
    for _ in 0..3 {
        // The visitor speaks first: that is what a rule would take for something new.
        for stream in &mut incoming {
            exchange(stream, b"whoami").unwrap();
        }
        exchange(&mut outgoing, b"and from here").unwrap();
    }
    pair.there.run(|| assert!(connect(address(false, 1, 1), PORT).is_err(), "nobody new"));
    let big = vec![7; 1 << 20];
    for stream in &mut incoming {
        for part in big.chunks(32 << 10) {
            exchange(stream, part).unwrap();
        }
    }
    drop((incoming, outgoing));
    for server in servers {
        server.join().unwrap();
    }
    pair.here.run(|| table.remove().unwrap());
}

/// What the session above is saved from.
#[test]
fn without_that_the_next_packet_of_a_session_looks_like_a_new_one() {
    if !root() {
        return;
    }
    let pair = pair();
    let (mut incoming, _outgoing, _servers) = sessions(&pair);
    let mut table = pair.here.run(|| apply(&firewall(&denying(Vec::new()))));
    assert!(exchange(&mut incoming[0], b"whoami").is_err());
    pair.here.run(|| table.remove().unwrap());
}
