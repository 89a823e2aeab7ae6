//! How flows begin, end and are forgotten.
use std::time::Duration;

use sakimori_packet::Flags;
use sakimori_stream::{Decision, Direction, End, Limits, OverlapPolicy, Verdict};

use crate::support::{CLIENT, SERVER, World, dropped, passed};

const FIN: Flags = Flags(0x11);

#[test]
fn two_fins_end_a_flow_though_the_response_was_never_seen() {
    let mut world = World::new();
    world.table.set_responses(false);
    world.handshake();
    world.client(0, b"GET /");
    passed(&world.server(FIN, 12_345, 5, b""));
    assert!(world.record.ends.is_empty());
    passed(&world.client_with(FIN, 5, b""));
    assert_eq!(world.record.ends, [End::Fin]);
    // The last segments may be lost and come again.
    passed(&world.client_with(FIN, 5, b""));
    passed(&world.client(0, b"GET /"));
    assert_eq!(world.client(0, b"PUT /").verdict, Verdict::Drop);
}

#[test]
fn a_fin_waits_for_the_bytes_before_it() {
    let mut world = World::new();
    world.handshake();
    passed(&world.client_with(FIN, 4, b"data"));
    passed(&world.server(FIN, 0, 0, b""));
    assert!(world.record.ends.is_empty());
    passed(&world.client(0, b"some"));
    assert_eq!(world.record.to_server, b"somedata");
    assert_eq!(world.record.ends, [End::Fin]);
}

#[test]
fn the_same_port_again_is_a_new_flow() {
    let mut world = World::new();
    world.handshake();
    world.client_with(FIN, 0, b"one");
    world.server(FIN, 0, 4, b"");
    let syn = world.segment(Direction::ToServer, Flags::SYN, 1, 0, b"");
    passed(&world.feed(&syn));
    let data = world.segment(Direction::ToServer, Flags::ACK, 2, SERVER, b"two");
    assert_eq!(world.feed(&data).verdict, Verdict::Pass);
    assert_eq!(world.record.to_server, b"onetwo");
    assert_eq!((world.record.made, world.table.counters().flows), (2, 1));
}

#[test]
fn a_refused_connection_ends() {
    let mut world = World::new();
    let syn = world.segment(Direction::ToServer, Flags::SYN, CLIENT, 0, b"");
    world.feed(&syn);
    let rst = world.segment(Direction::ToClient, Flags::RST.with(Flags::ACK), 0, CLIENT.wrapping_add(1), b"");
    passed(&world.feed(&rst));
    assert_eq!(world.table.counters().half_open, 0);
}

#[test]
fn the_servers_reset_ends_a_flow_though_its_data_was_never_seen() {
    let mut world = World::new();
    world.handshake();
    world.client(0, b"x");
    passed(&world.server(Flags::RST, 4000, 1, b""));
    assert_eq!(world.record.ends, [End::Rst]);
}

#[test]
fn done_means_no_more_calls() {
    let mut world = World::new();
    world.record.on = Some((b"CONNECT".to_vec(), Decision::Done));
    world.handshake();
    let outcome = world.client(0, b"CONNECT");
    assert_eq!((outcome.verdict, outcome.decision), (Verdict::Pass, Decision::Done));
    assert_eq!(world.record.ends, [End::Done]);
    let outcome = world.client(500, b"anything");
    assert_eq!((outcome.verdict, outcome.decision), (Verdict::Pass, Decision::Done));
    assert_eq!(world.record.calls, 1);
    assert_eq!(world.record.ends.len(), 1);
}

#[test]
fn one_direction_can_be_done_alone() {
    let mut world = World::new();
    world.record.on = Some((b"POST".to_vec(), Decision::DoneDirection(Direction::ToServer)));
    world.handshake();
    assert_eq!(world.client(0, b"POST").decision, Decision::Continue);
    passed(&world.client(4, b"body"));
    assert_eq!(world.record.to_server, b"POST");
    world.record.on = Some((b"POST".to_vec(), Decision::DoneDirection(Direction::ToClient)));
    assert_eq!(world.server(Flags::ACK, 0, 8, b"200").decision, Decision::Done);
    assert_eq!(world.record.to_client, b"200");
    assert_eq!(world.record.ends, [End::Done]);
}

#[test]
fn idle_flows_time_out() {
    let mut world = World::new();
    world.handshake();
    world.port += 1;
    world.handshake();
    world.client(0, b"x");
    world.now += Duration::from_secs(61);
    let now = world.moment();
    assert!(!world.table.expire(now, &mut world.record));
    assert_eq!(world.table.counters().flows, 1, "the half-open one is gone");
    world.now += Duration::from_hours(1);
    let now = world.moment();
    world.table.expire(now, &mut world.record);
    assert_eq!(world.table.counters().flows, 0);
    assert_eq!(world.record.ends, [End::Timeout]);
    world.table.check_invariants();
}

#[test]
fn an_idle_flow_costs_little_and_old_bytes_stay_refused() {
    let mut world = World::new();
    world.handshake();
    let before = world.table.memory_bytes();
    world.client(0, &[7; 5000]);
    assert!(world.table.memory_bytes() >= before + 5000);
    world.now += Duration::from_secs(121);
    let now = world.moment();
    world.table.expire(now, &mut world.record);
    world.table.check_invariants();
    assert_eq!(world.table.memory_bytes(), before, "delivered bytes were given back");
    dropped(&world.client(0, &[7; 5000]), sakimori_stream::Anomaly::UnverifiableRetransmission);
    passed(&world.client(5000, b"on"));
}

#[test]
fn bytes_behind_a_hole_never_outlive_their_copy() {
    let mut world = World::new();
    world.handshake();
    passed(&world.client(4, b"evil"));
    world.now += Duration::from_secs(121);
    let now = world.moment();
    world.table.expire(now, &mut world.record);
    world.table.check_invariants();
    dropped(&world.client(0, b"more"), sakimori_stream::Anomaly::DataAfterReset);
}

#[test]
fn a_capture_that_misses_bytes_still_gives_the_rest() {
    let mut world = World::passive(OverlapPolicy::Linux);
    world.handshake();
    world.client(0, b"ab");
    world.client(4, b"ef");
    world.client_with(Flags::RST, 6, b"");
    assert_eq!(world.record.to_server, b"abef");
    assert_eq!(world.record.gaps, [2]);
    assert_eq!(world.record.ends, [End::Rst]);
}

#[test]
fn a_full_table_drops_the_oldest_idle_flow() {
    let limits = Limits { flows: 3, start_grace: Duration::ZERO, ..Limits::default() };
    let mut world = World::with(limits, OverlapPolicy::Linux);
    for port in 0..5 {
        world.port = 50_000 + port;
        world.handshake();
        world.client(0, b"x");
    }
    let counters = world.table.counters();
    assert_eq!((counters.flows, counters.flows_evicted), (3, 2));
    assert_eq!(world.record.ends, [End::Evicted; 2]);
    world.port = 50_004;
    passed(&world.client(1, b"y"));
    world.port = 50_000;
    world.client(1, b"y");
    assert!(world.flow().midstream);
}

#[test]
fn bytes_held_beyond_a_fin_are_no_part_of_the_stream() {
    for passive in [false, true] {
        let mut world = if passive { World::passive(OverlapPolicy::Linux) } else { World::new() };
        world.handshake();
        world.client(8, b"beyond");
        world.client_with(FIN, 4, b"");
        world.client(0, b"data");
        world.server(FIN, 0, 5, b"");
        assert_eq!(world.record.to_server, b"data");
        assert_eq!(world.record.ends, [End::Fin]);
        assert!(world.record.gaps.is_empty());
    }
}

#[test]
fn a_server_that_begins_anew_is_followed() {
    let mut world = World::new();
    world.handshake();
    world.server(FIN, 0, 0, b"");
    let flags = Flags::SYN.with(Flags::ACK);
    let syn_ack = world.segment(Direction::ToClient, flags, SERVER + 5000, CLIENT.wrapping_add(1), b"");
    world.feed(&syn_ack);
    assert_eq!(world.flow().server_next, SERVER + 5001);
}
