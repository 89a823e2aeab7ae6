//! Bytes in order, out of order, again, and missing.
use std::time::Duration;

use sakimori_packet::{Flags, decode};
use sakimori_stream::{Anomaly, Decision, Direction, End, GapPolicy, Limits, OverlapPolicy, Verdict};

use crate::support::{App, CLIENT, SERVER, World, dropped, passed};

#[test]
fn in_order_bytes_come_at_once_and_once() {
    let mut world = World::new();
    world.handshake();
    passed(&world.client(0, b"GET / HT"));
    passed(&world.client(8, b"TP/1.1\r\n"));
    assert_eq!(world.record.to_server, b"GET / HTTP/1.1\r\n");
    assert_eq!((world.record.calls, world.record.made), (2, 1));
    world.client(0, b"GET / HT");
    let flow = world.flow();
    assert_eq!(flow.client_next, CLIENT.wrapping_add(17));
    assert_eq!(flow.server_next, SERVER + 1);
    assert_eq!(flow.to_server.packets, 4);
    assert!(!flow.midstream);
    assert_eq!(world.record.to_server.len(), 16);
}

#[test]
fn bytes_in_order_are_not_copied() {
    let mut world = World::new();
    world.handshake();
    let segment =
        world.segment(Direction::ToServer, Flags::ACK, CLIENT.wrapping_add(1), SERVER + 1, b"hello");
    let bytes = segment.packet();
    let now = world.moment();
    world.table.process(now, &decode(&bytes), &mut world.record, |_| App);
    assert_eq!(
        world.record.last_address,
        bytes.as_ptr().addr() + 40,
        "the packet's own slice was handed over"
    );
}

#[test]
fn no_application_before_the_first_byte() {
    let mut world = World::new();
    world.handshake();
    assert_eq!(world.record.made, 0);
    assert_eq!(world.table.counters().half_open, 1);
    world.client(0, b"x");
    assert_eq!(world.record.made, 1);
    assert_eq!(world.table.counters().half_open, 0);
}

#[test]
fn holes_are_waited_for() {
    let mut world = World::new();
    world.handshake();
    passed(&world.client(4, b"EFGH"));
    passed(&world.client(12, b"MN"));
    passed(&world.client(8, b"IJKL"));
    assert_eq!(world.record.to_server, b"");
    passed(&world.client(0, b"ABCD"));
    assert_eq!(world.record.to_server, b"ABCDEFGHIJKLMN");
    assert_eq!(world.table.counters().segments_held, 3);
}

#[test]
fn a_retransmission_cut_anew_is_the_same_bytes() {
    let mut world = World::new();
    world.handshake();
    world.client(0, b"ABCD");
    world.client(4, b"EFGH");
    passed(&world.client(2, b"CDEF"));
    passed(&world.client(6, b"GHIJ"));
    passed(&world.client(0, b"ABCDEFGHIJKL"));
    assert_eq!(world.record.to_server, b"ABCDEFGHIJKL");
}

#[test]
fn one_packet_out_of_offload_can_be_compared_whole() {
    let mut world = World::new();
    world.handshake();
    let big: Vec<u8> = (0..65_000u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
    passed(&world.client(0, &big));
    passed(&world.client(0, &big));
    let mut other = big.clone();
    other[7] ^= 1;
    dropped(&world.client(0, &other), Anomaly::InconsistentRetransmission);
    for (n, part) in big.chunks(1448).enumerate() {
        passed(&world.client(u32::try_from(n * 1448).unwrap(), part));
    }
    assert_eq!(world.record.to_server, big);
}

#[test]
fn full_space_drops_in_line_and_the_sender_comes_again() {
    let limits = Limits { pending_per_direction: 400, start_grace: Duration::ZERO, ..Limits::default() };
    let mut world = World::with(limits, OverlapPolicy::Linux);
    world.handshake();
    passed(&world.client(100, &[b'b'; 100]));
    passed(&world.client(200, &[b'c'; 100]));
    dropped(&world.client(300, &[b'd'; 100]), Anomaly::PendingFull);
    passed(&world.client(0, &[b'a'; 100]));
    assert_eq!(world.record.to_server.len(), 300);
    passed(&world.client(300, &[b'd'; 100]));
    assert_eq!(world.record.to_server.len(), 400);
    assert!(world.record.gaps.is_empty());
}

#[test]
fn full_space_is_a_gap_where_nothing_can_be_dropped() {
    let limits = Limits { pending_per_direction: 400, start_grace: Duration::ZERO, ..Limits::default() };
    let mut world = World::with(limits, OverlapPolicy::Linux);
    world.table.set_enforcing(false);
    world.handshake();
    world.client(100, &[b'b'; 100]);
    world.client(200, &[b'c'; 100]);
    let outcome = world.client(300, &[b'd'; 100]);
    assert!(outcome.anomalies.contains(Anomaly::Gap));
    assert_eq!(outcome.verdict, Verdict::Pass);
    assert_eq!(world.record.gaps, [100]);
    assert_eq!(world.record.to_server.len(), 300);
}

#[test]
fn what_the_server_acknowledged_unseen_is_a_gap_and_stays_closed() {
    let mut world = World::new();
    world.handshake();
    world.client(0, b"ABCD");
    // The kernel let 4..8 by while the queue was full; the server has it.
    world.server(Flags::ACK, 0, 8, b"hello");
    let outcome = world.client(8, b"IJKL");
    assert!(outcome.anomalies.contains(Anomaly::Gap));
    assert_eq!(outcome.verdict, Verdict::Pass);
    assert_eq!(world.record.to_server, b"ABCDIJKL");
    assert_eq!(world.record.gaps, [4]);
    // Nobody ever inspected these, so nobody gets them through later.
    dropped(&world.client(4, b"EFGH"), Anomaly::UnverifiableRetransmission);
}

#[test]
fn a_hole_that_stands_too_long_is_a_gap_and_stays_closed() {
    let mut world = World::new();
    world.handshake();
    passed(&world.client(4, b"EFGH"));
    world.now += Duration::from_secs(9);
    passed(&world.client(8, b"IJKL"));
    world.now += Duration::from_secs(2);
    assert!(world.client(12, b"MNOP").anomalies.contains(Anomaly::Gap));
    assert_eq!(world.record.to_server, b"EFGHIJKLMNOP");
    dropped(&world.client(0, b"ABCD"), Anomaly::UnverifiableRetransmission);
}

#[test]
fn a_gap_can_block() {
    let limits = Limits { gap: GapPolicy::Block, start_grace: Duration::ZERO, ..Limits::default() };
    let mut world = World::with(limits, OverlapPolicy::Linux);
    world.handshake();
    world.client(0, b"ABCD");
    world.server(Flags::ACK, 0, 8, b"hello");
    let outcome = world.client(8, b"IJKL");
    assert_eq!((outcome.verdict, outcome.decision), (Verdict::Drop, Decision::Block));
    assert_eq!(world.record.ends, [End::Blocked]);
}

#[test]
fn both_directions_are_delivered_when_both_are_shown() {
    let mut world = World::new();
    world.handshake();
    world.client(0, b"question");
    world.server(Flags::ACK, 3, 8, b"wer");
    world.server(Flags::ACK, 0, 8, b"ans");
    assert_eq!(world.record.to_client, b"answer");
    world.table.set_responses(false);
    passed(&world.server(Flags::ACK, 6, 8, b"more"));
    assert_eq!(world.record.to_client, b"answer");
}

#[test]
fn data_on_the_syn_is_inspected_and_held_against_what_follows() {
    let mut world = World::new();
    let syn = world.segment(Direction::ToServer, Flags::SYN, CLIENT, 0, b"GET ");
    let outcome = world.feed(&syn);
    assert_eq!(outcome.verdict, Verdict::Pass);
    assert!(outcome.anomalies.contains(Anomaly::DataOnSyn));
    assert_eq!(world.record.to_server, b"GET ");
    // A server without Fast Open acknowledges the SYN alone, and the data comes again: the same passes, else not.
    let syn_ack = Flags::SYN.with(Flags::ACK);
    let answer = world.segment(Direction::ToClient, syn_ack, SERVER, CLIENT.wrapping_add(1), b"");
    passed(&world.feed(&answer));
    dropped(&world.client(0, b"POST"), Anomaly::InconsistentRetransmission);
    passed(&world.client(0, b"GET /"));
    assert_eq!(world.record.to_server, b"GET /");
}
