//! How much a flow table may hold, and for how long.
use std::time::Duration;

use crate::policy::{GapPolicy, MidstreamPolicy, UrgentPolicy};

/// Bounds and policies of a [`FlowTable`](crate::FlowTable).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Flows in all, half-open ones included. The oldest closed, then half-open, then idle one goes when one more comes.
    pub flows: usize,
    /// Flows whose client has sent nothing but its SYN. The oldest goes first: a flood displaces itself.
    pub half_open: usize,
    /// Out-of-order bytes held for one direction, [`SEGMENT_OVERHEAD`] per segment
    /// included.
    pub pending_per_direction: usize,
    /// Out-of-order bytes held for all flows.
    pub pending_total: usize,
    /// Out-of-order segments held for one direction: one-byte segments must not make a long list.
    pub pending_segments: usize,
    /// Delivered bytes kept for one direction, to compare retransmissions with.
    pub history_per_direction: usize,
    /// Delivered bytes kept for all flows; the flows longest idle lose theirs first.
    pub history_total: usize,
    /// How long a flow without client data is kept.
    pub half_open_timeout: Duration,
    /// How long an idle flow is kept.
    pub idle_timeout: Duration,
    /// How long a closed, finished or blocked flow is kept, so that late segments are known for what they are.
    pub closed_timeout: Duration,
    /// How long an idle flow keeps delivered bytes. A sender's longest retransmission time is 120 s (RFC 6298, Linux).
    pub history_timeout: Duration,
    /// How long a hole may stand before it counts as a gap.
    pub gap_timeout: Duration,
    /// After the table's first packet: for so long, old bytes of flows met in their middle pass unverified, because
    /// flows that were under way at our start have honest retransmissions that we cannot know.
    pub start_grace: Duration,
    /// What follows on a gap.
    pub gap: GapPolicy,
    /// What happens to flows met in their middle.
    pub midstream: MidstreamPolicy,
    /// What the urgent byte becomes.
    pub urgent: UrgentPolicy,
}

/// What a held out-of-order segment costs besides its bytes: list entry and allocator.
pub const SEGMENT_OVERHEAD: usize = 64;

impl Default for Limits {
    fn default() -> Self {
        Self {
            flows: 262_144,
            half_open: 32_768,
            pending_per_direction: 1 << 20,
            pending_total: 64 << 20,
            pending_segments: 1024,
            // One packet out of receive offload, so that any single one can be compared whole.
            history_per_direction: 64 << 10,
            history_total: 64 << 20,
            half_open_timeout: Duration::from_mins(1),
            idle_timeout: Duration::from_hours(1),
            closed_timeout: Duration::from_mins(1),
            history_timeout: Duration::from_mins(2),
            gap_timeout: Duration::from_secs(10),
            start_grace: Duration::from_secs(10),
            gap: GapPolicy::Continue,
            midstream: MidstreamPolicy::Inspect,
            urgent: UrgentPolicy::Drop,
        }
    }
}
