//! What all flows share while packets are inspected.
use crate::answer::Why;
use crate::engine::{Counters, Limits};
use crate::expected::Expected;
use crate::judge::{Nothing, judge};
use crate::packet_view::{About, Header, Headers, PacketView};
use crate::record::Record;
use crate::site::{Sighting, WebReputation};
use crate::waf;
use sakimori_model::{Event, IncidentId, IntrusionPrevention, Mode, Now, PortRange};
use sakimori_packet::Oddities;
use sakimori_signatures::{
    Direction, FlowState, Hosts, Match, Memory, RuleSet, Scratch, Stage, TransactionState,
};
use sakimori_stream::Decision;
use std::sync::Arc;

/// What all flows share while packets are inspected.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: IntrusionPrevention,
    pub(crate) rules: Arc<RuleSet>,
    /// Counts rule sets: memory that a flow has of an older one is forgotten.
    pub(crate) generation: u64,
    pub(crate) limits: Limits,
    pub(crate) now: Now,
    pub(crate) scratch: Scratch,
    /// What the rules remember across flows.
    pub(crate) hosts: Hosts,
    /// The header of the packet at hand.
    pub(crate) header: Header,
    /// Its headers' bytes, where rules look at them.
    pub(crate) headers: Headers,
    /// What is odd about it, where rules ask for that.
    pub(crate) oddities: Oddities,
    /// It was judged by itself, in its flow.
    pub(crate) judged: bool,
    pub(crate) matches: Vec<Match>,
    pub(crate) events: Vec<Event>,
    pub(crate) counters: Counters,
    pub(crate) incident_seed: u64,
    pub(crate) incidents: u64,
    /// The incident that blocked the flow at hand.
    pub(crate) blocked: Option<Blocked>,
    pub(crate) web: WebReputation,
    pub(crate) sightings: Vec<Sighting>,
    pub(crate) waf: waf::State,
    /// Where records are kept, what was said and not drained yet.
    pub(crate) records: Option<Vec<Record>>,
    /// Connections that others have announced.
    pub(crate) expected: Expected,
}

/// The incident that blocked a flow, and the page that its client gets instead of a reset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocked {
    pub(crate) incident: IncidentId,
    pub(crate) page: Option<Why>,
}

/// Server ports by what is looked for on them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ports {
    /// Intrusion prevention.
    pub(crate) http: Vec<PortRange>,
    /// Web reputation.
    pub(crate) web: Vec<PortRange>,
}

// === impl Shared ===

impl Shared {
    /// Whether anything may be stopped at all.
    pub(crate) fn enforces(&self) -> bool {
        self.settings.mode == Mode::Prevent || self.waf.enforces()
    }

    pub(crate) fn next_incident(&mut self) -> IncidentId {
        let incident = self.incident();
        self.incidents += 1;
        incident
    }

    /// Asks the rules about the packet at hand by itself.
    pub(crate) fn judge_packet(
        &mut self,
        direction: Direction,
        payload: &[u8],
        about: About<'_>,
        memory: &mut FlowState,
    ) -> Decision {
        let header = self.header;
        let (headers, oddities) = (std::mem::take(&mut self.headers), std::mem::take(&mut self.oddities));
        let About { flow, protocol, lengths, odd_only, pass_only, counts } = about;
        let view = PacketView {
            header: &header,
            headers: &headers,
            payload,
            flow,
            protocol,
            lengths,
            oddities: oddities.names(),
            odd_only,
            pass_only,
            counts,
        };
        let memory = Memory {
            scratch: &mut self.scratch,
            flow: memory,
            transaction: &mut TransactionState::default(),
            hosts: &mut self.hosts,
            now: self.now.monotonic,
        };
        self.rules.inspect(memory, &view, Stage::Packet(direction), &mut self.matches);
        let decision = judge(self, &view, &Nothing);
        (self.headers, self.oddities) = (headers, oddities);
        decision
    }

    /// The number of the incident at hand.
    pub(crate) const fn incident(&self) -> IncidentId {
        IncidentId(mix(self.incident_seed, self.incidents))
    }
}

/// Incident ids that nobody can count up: the finaliser of `SplitMix64` over the seed and a counter.
const fn mix(seed: u64, count: u64) -> u64 {
    let mut z = seed.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
