//! What is sent to break a flow off: both stacks must take it.
use sakimori_packet::{Checksums, Flags, Packet, decode_with};
use sakimori_stream::{Decision, Direction, Reset, Verdict};

use crate::support::{CLIENT, SERVER, World};

fn blocked(world: &mut World, at: u32, payload: &[u8]) -> Reset {
    let outcome = world.client(at, payload);
    assert_eq!((outcome.verdict, outcome.decision), (Verdict::Drop, Decision::Block));
    *outcome.reset.unwrap()
}

fn check(bytes: &[u8], check: impl FnOnce(&Packet<'_>)) {
    let packet = decode_with(bytes, Checksums::Verify);
    assert!(packet.anomalies.is_empty(), "{packet:?}");
    check(&packet);
}

#[test]
fn numbers_are_those_that_each_side_expects() {
    let mut world = World::new();
    world.record.on = Some((b"evil".to_vec(), Decision::Block));
    world.handshake();
    world.client(0, b"GET /");
    // The response went by unseen; the client acknowledges 500 bytes of it with its next request.
    let flags = Flags::ACK.with(Flags::PSH);
    let request =
        world.segment(Direction::ToServer, flags, CLIENT.wrapping_add(6), SERVER + 501, b"GET /evil");
    let outcome = world.feed(&request);
    let reset = outcome.reset.unwrap();
    check(&reset.reset_to_server(), |packet| {
        let tcp = packet.tcp().unwrap();
        assert!(tcp.flags.rst());
        assert_eq!(tcp.sequence, CLIENT.wrapping_add(6), "the server never got the blocked request");
        assert_eq!(tcp.acknowledgement, SERVER + 501);
        assert_eq!((tcp.source_port, tcp.destination_port), (50_000, 80));
    });
    check(&reset.reset_to_client(), |packet| {
        let tcp = packet.tcp().unwrap();
        assert!(tcp.flags.rst());
        assert_eq!(tcp.sequence, SERVER + 501);
        assert_eq!(
            tcp.acknowledgement,
            CLIENT.wrapping_add(15),
            "the client need not send the request again"
        );
        assert_eq!((tcp.source_port, tcp.destination_port), (80, 50_000));
    });
}

#[test]
fn a_block_on_a_filled_hole_counts_what_the_client_sent() {
    let mut world = World::new();
    world.record.on = Some((b"evil".to_vec(), Decision::Block));
    world.handshake();
    world.client(0, b"GET /");
    world.client(7, b"il HTTP/1.1\r\n");
    let reset = blocked(&mut world, 5, b"ev");
    assert_eq!(reset.to_server_sequence, CLIENT.wrapping_add(6));
    assert_eq!(reset.to_client_acknowledgement, CLIENT.wrapping_add(1 + 20));
}

#[test]
fn a_fin_on_the_blocked_segment_is_acknowledged() {
    let mut world = World::new();
    world.record.on = Some((b"evil".to_vec(), Decision::Block));
    world.handshake();
    let outcome = world.client_with(Flags::ACK.with(Flags::FIN), 0, b"evil");
    let reset = outcome.reset.unwrap();
    assert_eq!(reset.to_server_sequence, CLIENT.wrapping_add(1));
    assert_eq!(reset.to_client_acknowledgement, CLIENT.wrapping_add(1 + 4 + 1));
}

#[test]
fn a_fin_behind_a_hole_is_acknowledged_too() {
    let mut world = World::new();
    world.record.on = Some((b"evil".to_vec(), Decision::Block));
    world.handshake();
    world.client_with(Flags::ACK.with(Flags::FIN), 9, b"");
    let reset = blocked(&mut world, 0, b"evil");
    assert_eq!(reset.to_client_acknowledgement, CLIENT.wrapping_add(1 + 9 + 1));
}

#[test]
fn the_answer_fits_the_client() {
    for timestamps in [None, Some((3000, 0))] {
        let mut world = World::new();
        world.record.on = Some((b"evil".to_vec(), Decision::Block));
        world.timestamps = timestamps;
        world.handshake();
        world.timestamps = timestamps.map(|(value, _)| (value + 5, 777));
        let reset = blocked(&mut world, 0, b"evil");
        assert_eq!(reset.client_mss, 536, "the client named none");
        let page = vec![b'p'; 2000];
        let mut got: Vec<u8> = Vec::new();
        let mut next = SERVER + 1;
        let packets = reset.answer(&page);
        for (n, bytes) in packets.iter().enumerate() {
            check(bytes, |packet| {
                let tcp = packet.tcp().unwrap();
                assert_eq!(tcp.sequence, next);
                assert_eq!(tcp.acknowledgement, CLIENT.wrapping_add(5));
                // The server's clock as the client knows it, so that the client's own check passes.
                assert_eq!(tcp.options.timestamps, timestamps.map(|(value, _)| (777, value + 5)));
                assert!(tcp.payload.len() <= 536);
                assert_eq!(tcp.flags.fin(), n + 1 == packets.len());
                next += u32::try_from(tcp.payload.len()).unwrap();
                got.extend(tcp.payload);
            });
        }
        assert_eq!(got, page);
    }
}

#[test]
fn a_response_can_be_blocked_too() {
    let mut world = World::new();
    world.record.on = Some((b"q".to_vec(), Decision::Continue));
    world.handshake();
    world.client(0, b"q");
    world.server(Flags::ACK, 0, 1, b"fine");
    world.record.on = Some((b"q".to_vec(), Decision::Block));
    let reset = world.server(Flags::ACK, 4, 1, b"secret").reset.unwrap();
    assert_eq!(reset.to_client_sequence, SERVER + 5, "the client never got the blocked part");
    assert_eq!(reset.to_client_acknowledgement, CLIENT.wrapping_add(2));
    assert_eq!(reset.to_server_sequence, CLIENT.wrapping_add(2));
}
