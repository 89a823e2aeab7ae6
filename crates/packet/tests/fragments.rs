//! Fragments become packets again, or nothing.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use sakimori_packet::build::Segment;
use sakimori_packet::fragment::{Counters, Fragmented, Limits};
use sakimori_packet::{Anomaly, Checksums, Defragmenter, Flags, decode, decode_with};

const NOW: Duration = Duration::from_secs(5);

fn packet(v6: bool, payload: &[u8]) -> Vec<u8> {
    let (source, destination) = if v6 { ("2001:db8::1", "2001:db8::2") } else { ("192.0.2.1", "192.0.2.2") };
    Segment {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        source_port: 1,
        destination_port: 80,
        sequence: 1,
        acknowledgement: 2,
        flags: Flags::ACK,
        window: 3,
        timestamps: None,
        payload,
    }
    .packet()
}

/// A fragment of a packet: `begin..end` of what follows its IP header.
fn cut(whole: &[u8], id: u8, begin: usize, end: usize) -> Vec<u8> {
    let v6 = whole[0] >> 4 == 6;
    let header = if v6 { 40 } else { 20 };
    let upper = &whole[header..];
    let more = end < upper.len();
    let mut bytes = whole[..header].to_vec();
    let length = u16::try_from(end - begin).unwrap();
    if v6 {
        bytes[4..6].copy_from_slice(&(length + 8).to_be_bytes());
        bytes[6] = 44;
        let word = u16::try_from(begin).unwrap() | u16::from(more);
        bytes.extend([6, 0]);
        bytes.extend(word.to_be_bytes());
        bytes.extend([0, 0, 0, id]);
    } else {
        bytes[2..4].copy_from_slice(&(length + 20).to_be_bytes());
        bytes[5] = id;
        let word = u16::try_from(begin / 8).unwrap() | if more { 0x2000 } else { 0 };
        bytes[6..8].copy_from_slice(&word.to_be_bytes());
    }
    bytes.extend(&upper[begin..end]);
    bytes
}

#[test]
fn any_order_makes_the_packet() {
    for v6 in [false, true] {
        let payload: Vec<u8> = (0..100).collect();
        let whole = packet(v6, &payload);
        let parts = [(0, 24), (24, 64), (64, 120)];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1], [2, 0, 1], [1, 0, 2]] {
            let mut defragmenter = Defragmenter::new(Limits::default());
            for (n, index) in order.iter().enumerate() {
                let (begin, end) = parts[*index];
                let fragment = cut(&whole, 7, begin, end);
                let result = defragmenter.process(NOW, &decode(&fragment));
                if n < 2 {
                    assert_eq!(result, Fragmented::Held);
                    // A copy changes nothing.
                    assert_eq!(defragmenter.process(NOW, &decode(&fragment)), Fragmented::Held);
                } else {
                    let Fragmented::Whole(bytes) = result else { panic!("{result:?}") };
                    let packet = decode_with(&bytes, Checksums::Verify);
                    assert!(packet.anomalies.is_empty(), "{packet:?}");
                    assert_eq!(packet.payload(), payload);
                }
            }
            assert_eq!(defragmenter.memory_bytes(), 0);
        }
    }
}

#[test]
fn what_is_no_fragment_is_left_alone() {
    let whole = packet(false, b"x");
    assert_eq!(Defragmenter::new(Limits::default()).process(NOW, &decode(&whole)), Fragmented::Not);
}

#[test]
fn overlap_throws_the_packet_away() {
    for v6 in [false, true] {
        let whole = packet(v6, &[9; 100]);
        for overlap in [(16, 40), (0, 16), (0, 32), (8, 16)] {
            let mut defragmenter = Defragmenter::new(Limits::default());
            defragmenter.process(NOW, &decode(&cut(&whole, 1, 0, 24)));
            let fragment = cut(&whole, 1, overlap.0, overlap.1);
            let Fragmented::Refused(why) = defragmenter.process(NOW, &decode(&fragment)) else { panic!() };
            assert!(why.contains(Anomaly::FragmentOverlap));
            // And it stays away: the rest cannot complete what a stack has thrown away.
            for (begin, end) in [(0, 24), (24, 120)] {
                let fragment = cut(&whole, 1, begin, end);
                let result = defragmenter.process(NOW, &decode(&fragment));
                assert!(matches!(result, Fragmented::Refused(_)), "{result:?}");
            }
        }
    }
}

#[test]
fn two_ends_are_an_overlap() {
    let whole = packet(false, &[9; 100]);
    let shorter = packet(false, &[9; 60]);
    let mut defragmenter = Defragmenter::new(Limits::default());
    defragmenter.process(NOW, &decode(&cut(&whole, 1, 64, 120)));
    let result = defragmenter.process(NOW, &decode(&cut(&shorter, 1, 64, 80)));
    assert!(matches!(result, Fragmented::Refused(_)));
}

#[test]
fn count_bytes_parts_and_time_are_bounded() {
    let whole = packet(false, &[9; 1000]);
    let mut defragmenter = Defragmenter::new(Limits { packets: 4, ..Limits::default() });
    for id in 0..10 {
        defragmenter.process(NOW, &decode(&cut(&whole, id, 0, 24)));
    }
    assert_eq!(defragmenter.counters(), Counters { evicted: 6, ..Counters::default() });
    defragmenter.expire(NOW + Duration::from_secs(31));
    assert_eq!(defragmenter.counters().timed_out, 4);
    assert_eq!(defragmenter.memory_bytes(), 0);

    let mut defragmenter = Defragmenter::new(Limits { bytes: 3000, ..Limits::default() });
    for id in 0..10 {
        defragmenter.process(NOW, &decode(&cut(&whole, id, 0, 1000)));
        assert!(defragmenter.memory_bytes() <= 3000);
    }

    let mut defragmenter = Defragmenter::new(Limits { fragments: 3, ..Limits::default() });
    let mut results = Vec::new();
    for n in 0..5 {
        results.push(defragmenter.process(NOW, &decode(&cut(&whole, 1, n * 16, n * 16 + 8))));
    }
    assert!(matches!(results[2], Fragmented::Held));
    assert!(matches!(results[3], Fragmented::Refused(_)));
}

#[test]
fn the_ping_of_death_is_refused() {
    let mut bytes = cut(&packet(false, &[9; 100]), 1, 0, 24);
    bytes[6..8].copy_from_slice(&[0x1f, 0xff]);
    let Fragmented::Refused(why) = Defragmenter::new(Limits::default()).process(NOW, &decode(&bytes)) else {
        panic!()
    };
    assert!(why.contains(Anomaly::FragmentTooLong));
}
