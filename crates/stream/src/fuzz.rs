//! Drives a table with segments made from arbitrary bytes and checks what must hold whatever they are.
//!
//! For fuzz targets and for the tests that replay their findings: four lines around [`drive`].
use std::time::Duration;

use sakimori_model::{Now, Timestamp};
use sakimori_packet::build::Segment;
use sakimori_packet::{Flags, decode};

use crate::application::Application;
use crate::flow::{Direction, FlowInfo};
use crate::limits::Limits;
use crate::outcome::{Decision, End, Verdict};
use crate::policy::{OverlapPolicy, UrgentPolicy};
use crate::table::FlowTable;

/// Counts calls and refuses to be called after its end.
#[derive(Debug, Default)]
struct Probe {
    ended: bool,
}

impl Application for Probe {
    type Context = [u64; 2];

    fn data(&mut self, ctx: &mut [u64; 2], _: &FlowInfo, _: Direction, bytes: &[u8]) -> Decision {
        assert!(!self.ended, "A1: nothing is delivered after the end");
        assert!(!bytes.is_empty(), "A2: delivered pieces have bytes");
        ctx[0] += bytes.len() as u64;
        match bytes {
            [0xfe, 0xfe, 0xfe, ..] => Decision::Block,
            [0xfe, 0xfe, 0xfd, ..] => Decision::Done,
            [0xfe, 0xfe, 0xfc, ..] => Decision::DoneDirection(Direction::ToServer),
            [0xfe, 0xfe, 0xfb, ..] => Decision::DoneDirection(Direction::ToClient),
            _ => Decision::Continue,
        }
    }

    fn gap(&mut self, _: &mut [u64; 2], _: &FlowInfo, _: Direction, bytes: u64) -> Decision {
        assert!(!self.ended, "A3: no gap after the end");
        assert!(bytes > 0, "A4: a gap misses bytes");
        Decision::Continue
    }

    fn end(&mut self, ctx: &mut [u64; 2], _: &FlowInfo, _: End) {
        assert!(!self.ended, "A5: a flow ends once");
        self.ended = true;
        ctx[1] += 1;
    }
}

/// Reads `bytes` as settings and a sequence of segments of a few connections, and processes them.
///
/// # Bounds
/// At most 4,096 segments.
///
/// # Panics
/// When an invariant does not hold.
pub fn drive(bytes: &[u8]) {
    let Some((&[settings, seed], mut rest)) = bytes.split_first_chunk::<2>() else { return };
    let limits = Limits {
        flows: 6,
        half_open: 3,
        pending_per_direction: 1024,
        pending_total: 1500,
        pending_segments: 6,
        history_per_direction: 64,
        history_total: 200,
        urgent: match settings >> 6 {
            0 => UrgentPolicy::Drop,
            1 => UrgentPolicy::OutOfBand,
            _ => UrgentPolicy::Inline,
        },
        ..Limits::default()
    };
    let policies = [
        OverlapPolicy::First,
        OverlapPolicy::Last,
        OverlapPolicy::Bsd,
        OverlapPolicy::Linux,
        OverlapPolicy::Windows,
    ];
    let policy = policies.get(usize::from(settings >> 2) % policies.len()).copied().unwrap_or_default();
    let enforcing = settings & 1 == 0;
    let mut table = FlowTable::<Probe>::new(limits, policy, u64::from(seed));
    table.set_enforcing(enforcing);
    table.set_responses(settings & 2 == 0);
    let mut ctx = [0u64; 2];
    let mut now = Duration::from_secs(1);
    for _ in 0..4096 {
        let Some((&[head, flags, sequence, acknowledgement, length, time], after)) =
            rest.split_first_chunk::<6>()
        else {
            break;
        };
        now += Duration::from_millis(u64::from(time) * u64::from(time) * 8);
        let moment = Now { wall: Timestamp(0), monotonic: now };
        let (payload, after) = after.split_at_checked(usize::from(length % 48)).unwrap_or((after, &[]));
        rest = after;
        // Small numbers, so that segments meet each other; around the wrap on every second connection.
        let client = head & 7;
        let base = if client & 1 == 0 { 1000 } else { u32::MAX - 100 };
        let port = 1024 + u16::from(client);
        let to_server = head & 8 == 0;
        let (source, destination, source_port, destination_port) = if to_server {
            ([10, 0, 0, 2], [10, 0, 0, 1], port, 80)
        } else {
            ([10, 0, 0, 1], [10, 0, 0, 2], 80, port)
        };
        let packet = Segment {
            source: source.into(),
            destination: destination.into(),
            source_port,
            destination_port,
            sequence: base.wrapping_add(u32::from(sequence) << ((head >> 6) * 7)),
            acknowledgement: base.wrapping_add(u32::from(acknowledgement)),
            flags: Flags(flags & 0x3f),
            window: 65_535,
            timestamps: (head & 16 != 0).then_some((u32::from(time) + u32::from(sequence), 1)),
            payload,
        }
        .packet();
        let outcome = table.process(moment, &decode(&packet), &mut ctx, |_| Probe::default());
        assert!(
            enforcing || outcome.verdict == Verdict::Pass || outcome.decision == Decision::Block,
            "A6: nothing is dropped for an anomaly when not enforcing"
        );
        assert!(
            outcome.reset.is_none() || outcome.decision == Decision::Block,
            "A7: only a block breaks off"
        );
        if head & 32 != 0 {
            table.expire(moment, &mut ctx);
        }
        table.check_invariants();
    }
    let end = Now { wall: Timestamp(0), monotonic: now + Duration::from_hours(30) };
    while table.expire(end, &mut ctx) {}
    table.check_invariants();
    let counters = table.counters();
    assert_eq!(counters.flows, 0, "A8: everything times out");
    assert!(counters.bytes_delivered >= ctx[0], "A9: delivered bytes are counted");
}
