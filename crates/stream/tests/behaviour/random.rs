//! Random cuts, orders and copies give the same bytes; random garbage gives nothing bad.
use proptest::prelude::*;
use sakimori_stream::{FlowTable, Limits, OverlapPolicy, Verdict, fuzz};

use crate::support::{App, World};

/// A stream, and segments of it: (begin, length), in any order, overlapping, covering it all.
fn segmented() -> impl Strategy<Value = (Vec<u8>, Vec<(usize, usize)>)> {
    (prop::collection::vec(any::<u8>(), 1..600), prop::collection::vec(1..90usize, 1..20), any::<u64>())
        .prop_map(|(bytes, sizes, seed)| {
            let mut pieces = Vec::new();
            let mut at = 0;
            for size in sizes.iter().cycle() {
                if at >= bytes.len() {
                    break;
                }
                let length = (*size).min(bytes.len() - at);
                pieces.push((at, length));
                at += length;
            }
            // Copies that are cut elsewhere, then a shuffle of our own: the order is part of the case.
            let mut state = seed | 1;
            let mut next = move |below: usize| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                usize::try_from(state >> 33).unwrap() % below
            };
            for _ in 0..next(12) {
                let begin = next(bytes.len());
                pieces.push((begin, 1 + next((bytes.len() - begin).min(200))));
            }
            for n in (1..pieces.len()).rev() {
                pieces.swap(n, next(n + 1));
            }
            (bytes, pieces)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_segmentation_delivers_the_stream((bytes, pieces) in segmented()) {
        for passive in [false, true] {
            let mut world = if passive { World::passive(OverlapPolicy::Last) } else { World::new() };
            world.handshake();
            for (begin, length) in &pieces {
                let outcome = world.client(u32::try_from(*begin).unwrap(), &bytes[*begin..begin + length]);
                prop_assert_eq!(outcome.verdict, Verdict::Pass);
                prop_assert!(outcome.anomalies.is_empty(), "{:?}", outcome.anomalies);
                prop_assert!(bytes.starts_with(&world.record.to_server));
            }
            prop_assert_eq!(&world.record.to_server, &bytes);
        }
    }

    /// Whatever copies with other bytes come in between: what a server puts together from the segments that pass,
    /// by any policy, is what was inspected.
    #[test]
    fn in_line_no_server_reads_what_was_not_inspected(
        (bytes, pieces) in segmented(), lies in prop::collection::vec((any::<usize>(), any::<usize>(), 1..=255u8), 0..20),
    ) {
        let mut segments: Vec<(usize, Vec<u8>)> =
            pieces.iter().map(|(begin, length)| (*begin, bytes[*begin..begin + length].to_vec())).collect();
        for (which, at, flip) in lies {
            let (begin, mut lie) = segments[which % segments.len()].clone();
            let length = lie.len();
            lie[at % length] ^= flip;
            segments.insert(at % (segments.len() + 1), (begin, lie));
        }
        let mut world = World::new();
        world.handshake();
        let mut first: Vec<Option<u8>> = vec![None; bytes.len()];
        let mut last = first.clone();
        for (begin, segment) in &segments {
            if world.client(u32::try_from(*begin).unwrap(), segment).verdict == Verdict::Pass {
                for (offset, byte) in segment.iter().enumerate() {
                    first[begin + offset].get_or_insert(*byte);
                    last[begin + offset] = Some(*byte);
                }
            }
        }
        prop_assert_eq!(&first, &last, "no byte passed with two contents");
        let read: Vec<u8> = first.iter().map_while(|byte| *byte).collect();
        prop_assert_eq!(read, world.record.to_server);
    }

    #[test]
    fn any_segments_keep_the_invariants(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        fuzz::drive(&bytes);
    }
}

#[test]
fn garbage_packets_do_no_harm() {
    let mut table = FlowTable::<App>::new(Limits::default(), OverlapPolicy::Linux, 7);
    let mut world = World::new();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut bytes = Vec::new();
    for round in 0..20_000usize {
        bytes.clear();
        for _ in 0..round % 90 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.push(state.to_le_bytes()[3]);
        }
        // Most of them far enough along to reach the TCP code.
        if let [first, ..] = bytes.as_mut_slice() {
            *first = if round % 3 == 0 { 0x60 } else { 0x45 };
        }
        if let Some(protocol) = bytes.get_mut(if round % 3 == 0 { 6 } else { 9 }) {
            *protocol = 6;
        }
        if round % 2 == 0
            && let Some(length) = bytes.get_mut(2..4)
        {
            length.copy_from_slice(&u16::try_from(round % 90).unwrap().to_be_bytes());
        }
        table.process(world.moment(), &sakimori_packet::decode(&bytes), &mut world.record, |_| App);
    }
    table.check_invariants();
}
