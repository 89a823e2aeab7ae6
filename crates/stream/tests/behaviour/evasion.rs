//! Ways to show an inspector one stream and the server another. Each is either read as the server does, or dropped.
use std::time::Duration;

use sakimori_packet::{Checksums, Flags, decode, decode_with};
use sakimori_stream::{
    Anomaly, Decision, Direction, End, Limits, MidstreamPolicy, OverlapPolicy, UrgentPolicy, Verdict,
};

use crate::support::{App, CLIENT, SERVER, World, dropped, passed};

const DATA: Flags = Flags::ACK;

#[test]
fn other_bytes_for_what_went_by() {
    let mut world = World::new();
    world.handshake();
    world.client(0, b"GET /index");
    dropped(&world.client(5, b"admin"), Anomaly::InconsistentRetransmission);
    // With new bytes behind: nothing of it may pass.
    dropped(&world.client(5, b"admin HTTP"), Anomaly::InconsistentRetransmission);
    passed(&world.client(5, b"index HTTP"));
    assert_eq!(world.record.to_server, b"GET /index HTTP");
    assert_eq!(world.table.counters().dropped_inconsistent, 2);
}

#[test]
fn other_bytes_for_what_waits() {
    let mut world = World::new();
    world.handshake();
    world.client(4, b"EFGH");
    dropped(&world.client(6, b"XX"), Anomaly::InconsistentOverlap);
    dropped(&world.client(0, b"ABCDX"), Anomaly::InconsistentOverlap);
    passed(&world.client(2, b"CDEFGHIJ"));
    passed(&world.client(0, b"AB"));
    assert_eq!(world.record.to_server, b"ABCDEFGHIJ");
}

#[test]
fn policies_settle_what_waits_when_nothing_can_be_dropped() {
    for (policy, want) in [
        (OverlapPolicy::First, &b"aBBBBB"[..]),
        (OverlapPolicy::Last, b"aCCCCB"),
        (OverlapPolicy::Bsd, b"aBBBBB"),
        (OverlapPolicy::Windows, b"aBBBBB"),
        (OverlapPolicy::Linux, b"aBBBBB"),
    ] {
        let mut world = World::passive(policy);
        world.handshake();
        world.client(1, b"BBBBB");
        let outcome = world.client(1, b"CCCC");
        assert_eq!(outcome.verdict, Verdict::Pass);
        assert!(outcome.anomalies.contains(Anomaly::InconsistentOverlap));
        world.client(0, b"a");
        assert_eq!(world.record.to_server, want, "{policy:?}");
    }
    // The segment that fills the hole reaches into what waits.
    for (policy, want) in [
        (OverlapPolicy::First, &b"DBBB"[..]),
        (OverlapPolicy::Last, b"DDBB"),
        (OverlapPolicy::Bsd, b"DDBB"),
        (OverlapPolicy::Linux, b"DDBB"),
    ] {
        let mut world = World::passive(policy);
        world.handshake();
        world.client(1, b"BBB");
        world.client(0, b"DD");
        assert_eq!(world.record.to_server, want, "{policy:?}");
    }
}

#[test]
fn old_bytes_beyond_what_is_known_are_dropped_and_the_server_is_probed() {
    let limits = Limits { history_per_direction: 8, start_grace: Duration::ZERO, ..Limits::default() };
    let mut world = World::with(limits, OverlapPolicy::Linux);
    world.handshake();
    world.client(0, b"0123456789abcdef");
    passed(&world.client(8, b"89abcdef"));
    let outcome = world.client(0, b"0123");
    dropped(&outcome, Anomaly::UnverifiableRetransmission);
    let probe = outcome.probe.unwrap().probe();
    let packet = decode_with(&probe, Checksums::Verify);
    assert!(packet.anomalies.is_empty());
    let tcp = packet.tcp().unwrap();
    // One below what the server expects: it answers with its true acknowledgement.
    assert_eq!(tcp.sequence, CLIENT.wrapping_add(1 + 15));
    assert_eq!(tcp.destination_port, 80);
    assert!(tcp.payload.is_empty());
}

#[test]
fn a_keep_alive_with_a_garbage_byte_is_answered_by_a_probe() {
    let mut world = World::new();
    world.handshake();
    world.client(0, b"hello");
    let outcome = world.client(4, b"\0");
    dropped(&outcome, Anomaly::KeepAlive);
    assert!(outcome.probe.is_some());
}

#[test]
fn a_forged_reset_does_not_end_a_flow() {
    let mut world = World::new();
    world.handshake();
    world.client(0, b"hello");
    for off in [1u32, 100, 60_000, u32::MAX] {
        let outcome = world.client_with(Flags::RST, 5u32.wrapping_add(off), b"");
        assert!(outcome.anomalies.contains(Anomaly::BadReset), "{outcome:?}");
    }
    passed(&world.client(5, b" world"));
    assert_eq!(world.record.to_server, b"hello world");
    assert!(world.record.ends.is_empty());
}

#[test]
fn after_a_reset_its_sender_is_silent() {
    let mut world = World::new();
    world.handshake();
    world.client(0, b"hello");
    passed(&world.client_with(Flags::RST, 5, b""));
    assert_eq!(world.record.ends, [End::Rst]);
    dropped(&world.client(5, b" world"), Anomaly::DataAfterReset);
    assert_eq!(world.record.ends, [End::Rst]);
}

#[test]
fn a_forged_fin_does_not_end_a_direction() {
    let mut world = World::new();
    world.handshake();
    world.client(0, b"hello");
    dropped(&world.client_with(DATA.with(Flags::FIN), 2, b""), Anomaly::DataAfterFin);
    passed(&world.client(5, b" world"));
    passed(&world.client_with(DATA.with(Flags::FIN), 11, b""));
    dropped(&world.client(11, b"!"), Anomaly::DataAfterFin);
    dropped(&world.client_with(DATA.with(Flags::FIN), 12, b""), Anomaly::DataAfterFin);
}

#[test]
fn an_old_timestamp_is_not_read() {
    let mut world = World::new();
    world.timestamps = Some((1000, 0));
    world.handshake();
    world.timestamps = Some((1010, 1000));
    passed(&world.client(0, b"GET /"));
    world.timestamps = Some((1005, 1000));
    dropped(&world.client(5, b"harmless"), Anomaly::OldTimestamp);
    world.timestamps = Some((1011, 1000));
    passed(&world.client(5, b"evil"));
    assert_eq!(world.record.to_server, b"GET /evil");
}

#[test]
fn timestamps_that_were_not_agreed_do_not_count() {
    let mut world = World::new();
    world.handshake();
    world.timestamps = Some((1010, 1000));
    passed(&world.client(0, b"GET /"));
    world.timestamps = Some((5, 1000));
    passed(&world.client(5, b"evil"));
    assert_eq!(world.record.to_server, b"GET /evil");
}

#[test]
fn data_without_ack_is_not_read() {
    let mut world = World::new();
    world.handshake();
    dropped(&world.client_with(Flags::PSH, 0, b"harmless"), Anomaly::DataWithoutAck);
    passed(&world.client(0, b"evil"));
    assert_eq!(world.record.to_server, b"evil");
}

#[test]
fn a_wrong_checksum_is_not_read() {
    let mut world = World::new();
    world.handshake();
    let segment = world.segment(Direction::ToServer, DATA, CLIENT.wrapping_add(1), SERVER + 1, b"harmless");
    let mut bytes = segment.packet();
    bytes[37] ^= 1;
    let now = world.moment();
    let packet = decode_with(&bytes, Checksums::VerifyUnlessOffloaded);
    let outcome = world.table.process(now, &packet, &mut world.record, |_| App);
    dropped(&outcome, Anomaly::Undecodable);
    passed(&world.client(0, b"evil"));
    assert_eq!(world.record.to_server, b"evil");
}

#[test]
fn far_out_of_the_window() {
    let mut world = World::new();
    world.handshake();
    // No window scaling was agreed: 64 KiB is all there can be.
    dropped(&world.client(70_000, b"x"), Anomaly::OutOfWindow);
    dropped(&world.client(0x7000_0000, b"x"), Anomaly::OutOfWindow);
    dropped(&world.client(0x9000_0000, b"x"), Anomaly::OutOfWindow);
    passed(&world.client(0, b"x"));
}

#[test]
fn urgent_bytes_by_policy() {
    let urgent = |policy, enforcing| {
        let limits = Limits { urgent: policy, start_grace: Duration::ZERO, ..Limits::default() };
        let mut world = World::with(limits, OverlapPolicy::Linux);
        world.table.set_enforcing(enforcing);
        world.handshake();
        let flags = DATA.with(Flags::URG);
        let segment =
            world.segment(Direction::ToServer, flags, CLIENT.wrapping_add(1), SERVER + 1, b"GEXT /");
        let mut bytes = segment.packet();
        bytes[39] = 3; // the pointer is behind the byte; the builder leaves checksums of such packets to nobody
        let now = world.moment();
        let outcome = world.table.process(now, &decode(&bytes), &mut world.record, |_| App);
        assert!(outcome.anomalies.contains(Anomaly::Urgent));
        (outcome.verdict, String::from_utf8(world.record.to_server).unwrap())
    };
    assert_eq!(urgent(UrgentPolicy::Drop, true), (Verdict::Drop, String::new()));
    assert_eq!(urgent(UrgentPolicy::Drop, false), (Verdict::Pass, "GET /".into()));
    assert_eq!(urgent(UrgentPolicy::OutOfBand, true), (Verdict::Pass, "GET /".into()));
    assert_eq!(urgent(UrgentPolicy::Inline, true), (Verdict::Pass, "GEXT /".into()));
}

#[test]
fn a_second_syn_counts_only_when_the_server_says_so() {
    let mut world = World::new();
    world.handshake();
    world.client(0, b"hello");
    let other = CLIENT.wrapping_add(0x1000_0000);
    let syn = world.segment(Direction::ToServer, Flags::SYN, other, 0, b"");
    assert!(world.feed(&syn).anomalies.contains(Anomaly::SynOnLiveFlow));
    passed(&world.client(5, b" world"));
    assert_eq!(world.record.to_server, b"hello world");
    let syn_ack = Flags::SYN.with(Flags::ACK);
    let answer = world.segment(Direction::ToClient, syn_ack, SERVER + 999, other.wrapping_add(1), b"");
    passed(&world.feed(&answer));
    assert_eq!(world.record.ends, [End::Replaced]);
    let data = world.segment(Direction::ToServer, DATA, other.wrapping_add(1), SERVER + 1000, b"new");
    passed(&world.feed(&data));
    assert_eq!(world.record.to_server, b"hello worldnew");
}

#[test]
fn of_two_syns_the_server_chooses() {
    let mut world = World::new();
    for first in [CLIENT, 5_000_000] {
        let syn = world.segment(Direction::ToServer, Flags::SYN, first, 0, b"");
        world.feed(&syn);
    }
    let syn_ack = Flags::SYN.with(Flags::ACK);
    let answer = world.segment(Direction::ToClient, syn_ack, SERVER, CLIENT.wrapping_add(1), b"");
    passed(&world.feed(&answer));
    passed(&world.client(0, b"real"));
    let decoy = world.segment(Direction::ToServer, DATA, 5_000_001, SERVER + 1, b"decoy");
    assert_eq!(world.feed(&decoy).verdict, Verdict::Drop);
    assert_eq!(world.record.to_server, b"real");
}

#[test]
fn met_in_the_middle_only_what_follows_is_trusted() {
    let mut world = World::new();
    let outcome = world.client(100, b"second");
    assert_eq!(outcome.verdict, Verdict::Pass);
    assert!(outcome.anomalies.contains(Anomaly::Midstream));
    assert!(world.flow().midstream);
    assert_eq!(world.flow().client.port, 50_000);
    dropped(&world.client(95, b"first"), Anomaly::UnverifiableRetransmission);
    passed(&world.client(106, b" third"));
    assert_eq!(world.record.to_server, b"second third");
}

#[test]
fn met_in_the_middle_right_after_our_start_old_bytes_pass() {
    let mut world = World::with(Limits::default(), OverlapPolicy::Linux);
    world.client(100, b"second");
    assert_eq!(world.client(95, b"first").verdict, Verdict::Pass);
    world.now += Duration::from_secs(11);
    assert_eq!(world.client(95, b"first").verdict, Verdict::Drop);
    assert_eq!(world.record.to_server, b"second");
}

#[test]
fn met_in_the_middle_by_policy() {
    for (policy, verdict, made) in [
        (MidstreamPolicy::Drop, Verdict::Drop, 0),
        (MidstreamPolicy::Pass, Verdict::Pass, 0),
        (MidstreamPolicy::Inspect, Verdict::Pass, 1),
    ] {
        let limits = Limits { midstream: policy, start_grace: Duration::ZERO, ..Limits::default() };
        let mut world = World::with(limits, OverlapPolicy::Linux);
        assert_eq!(world.client(0, b"x").verdict, verdict);
        assert_eq!(world.record.made, made);
    }
}

#[test]
fn fragments_and_broken_headers_do_not_slip_by() {
    let mut world = World::new();
    let segment = world.segment(Direction::ToServer, DATA, 1, 1, b"data");
    let bytes = segment.packet();
    let mut fragment = bytes.clone();
    fragment[6] = 0x20;
    let mut header = bytes.clone();
    header[32] = 0xf0;
    let mut flags = bytes.clone();
    flags[33] = 0x03; // SYN and FIN
    for bad in [&fragment, &header, &flags, &bytes[..30].to_vec(), &vec![]] {
        let now = world.moment();
        let outcome = world.table.process(now, &decode(bad), &mut world.record, |_| App);
        dropped(&outcome, Anomaly::Undecodable);
    }
    assert_eq!(world.table.counters().flows, 0);
}

#[test]
fn a_block_stays_whatever_comes() {
    let mut world = World::new();
    world.record.on = Some((b"evil".to_vec(), Decision::Block));
    world.handshake();
    passed(&world.client(2, b"il"));
    assert_eq!(world.client(0, b"ev").verdict, Verdict::Drop);
    for at in [0, 2, 4] {
        assert_eq!(world.client(at, b"ev").verdict, Verdict::Drop);
    }
    assert_eq!(world.server(DATA, 0, 0, b"x").verdict, Verdict::Drop);
    let again = world.segment(Direction::ToServer, Flags::SYN, CLIENT, 0, b"");
    assert_eq!(world.feed(&again).verdict, Verdict::Drop);
    assert_eq!(world.record.ends, [End::Blocked]);
    // A new connection from the same port is a new one; the old bytes do not fit it.
    let syn = world.segment(Direction::ToServer, Flags::SYN, 9_000_000, 0, b"");
    passed(&world.feed(&syn));
    assert_eq!(world.client(0, b"ev").verdict, Verdict::Drop);
}
