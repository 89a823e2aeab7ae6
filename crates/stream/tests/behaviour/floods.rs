//! Floods stay within stated numbers.
use std::net::Ipv4Addr;
use std::time::Duration;

use sakimori_packet::build::Segment;
use sakimori_packet::{Flags, decode};
use sakimori_stream::{Limits, OverlapPolicy};

use crate::support::{App, World};

/// A SYN from the `n`th spoofed address.
fn syn(world: &mut World, n: u32) {
    let base = world.segment(sakimori_stream::Direction::ToServer, Flags::SYN, n, 0, b"");
    let packet = Segment { source: Ipv4Addr::from_bits(0x0a00_0000 + n).into(), ..base }.packet();
    let now = world.moment();
    world.table.process(now, &decode(&packet), &mut world.record, |_| App);
}

#[test]
fn a_hundred_thousand_half_open_flows() {
    // All of them held: what one costs.
    let limits = Limits { half_open: 100_000, flows: 100_000, ..Limits::default() };
    let mut world = World::with(limits, OverlapPolicy::Linux);
    let empty = world.table.memory_bytes();
    for n in 0..100_000 {
        syn(&mut world, n);
    }
    assert_eq!(world.table.counters().half_open, 100_000);
    let each = (world.table.memory_bytes() - empty) / 100_000;
    assert!(each <= 300, "{each} bytes a flow");
    assert!(world.table.memory_bytes() <= 32 << 20, "{}", world.table.memory_bytes());
    assert_eq!(world.record.made, 0);
    world.table.check_invariants();
}

#[test]
fn a_flood_displaces_itself_and_not_live_flows() {
    let mut world = World::new();
    world.handshake();
    world.client(0, b"x");
    world.now += Duration::from_secs(1);
    for n in 0..100_000 {
        syn(&mut world, n);
    }
    let counters = world.table.counters();
    assert_eq!(counters.half_open, 32_768);
    assert_eq!(counters.half_open_evicted, 100_000 - 32_768);
    assert_eq!(counters.flows_evicted, 0);
    assert!(world.table.memory_bytes() <= 14 << 20, "{}", world.table.memory_bytes());
    world.client(1, b"y");
    assert!(!world.flow().midstream);
    // They all go in time, a bounded number at once.
    world.now += Duration::from_secs(61);
    let now = world.moment();
    let mut calls = 1;
    while world.table.expire(now, &mut world.record) {
        calls += 1;
    }
    assert!(calls > 10);
    assert_eq!(world.table.counters().half_open, 0);
    world.table.check_invariants();
}

#[test]
fn delivered_bytes_of_all_flows_stay_within_the_total() {
    let limits = Limits { history_total: 256 << 10, ..Limits::default() };
    let mut world = World::with(limits, OverlapPolicy::Linux);
    for port in 0..200 {
        world.port = 10_000 + port;
        world.handshake();
        world.client(0, &vec![1; 40_000]);
    }
    assert!(world.table.counters().history_evicted >= 190);
}

#[test]
fn waiting_bytes_of_all_flows_stay_within_the_total() {
    let limits = Limits { pending_total: 100_000, ..Limits::default() };
    let mut world = World::with(limits, OverlapPolicy::Linux);
    let empty = world.table.memory_bytes();
    for port in 0..200 {
        world.port = 10_000 + port;
        world.handshake();
        world.client(1, &[1; 4_000]);
    }
    assert_eq!(world.table.counters().dropped_pending_full, 200 - 24);
    assert!(world.table.memory_bytes() - empty < 100_000 + 200 * 600);
}

#[test]
fn one_byte_segments_do_not_make_a_long_list() {
    let mut world = World::new();
    world.handshake();
    for n in 0..3000 {
        world.client(2 + n * 2, b"x");
    }
    let counters = world.table.counters();
    assert_eq!(counters.segments_held, 1024);
    assert_eq!(counters.dropped_pending_full, 3000 - 1024);
}
