//! The engine: packets in, judgements and events out.
use crate::flow::InspectedFlow;
use crate::packet_view::{Header, Headers, Vlans};
use crate::packets::DatagramFlow;
use crate::record::Record;
use crate::shared::{Ports, Shared};
use crate::site::{Path, Sighting, WebReputation};
use crate::waf::{self, WebFirewall};
use crate::waf_report::WebAttack;
use sakimori_model::{Event, IntrusionPrevention, Mode, Now};
pub use sakimori_packet::Checksums;
use sakimori_packet::Oddities;
use sakimori_protocols::http1;
use sakimori_signatures::{self as signatures, Hosts, Place, RuleSet};
use sakimori_stream::{self as stream, DatagramTable, FlowTable, OverlapPolicy};
use std::sync::Arc;
use std::time::Duration;

/// Flows of datagrams that are forgotten at once.
const DATAGRAMS_AT_ONCE: usize = 2048;

/// What is known of a packet beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// How its checksums are looked at.
    pub checksums: Checksums,
    /// Where it was met.
    pub path: Path,
    /// The VLANs it is tagged with.
    pub vlans: Vlans,
    /// What was odd about it before it came here, by the names in rules.
    pub oddities: &'a [&'static str],
}

/// Bounds of the engine's memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Flows and reassembly.
    pub stream: stream::Limits,
    /// HTTP messages.
    pub http: http1::Limits,
    /// Flows of UDP, ICMP and all that is not TCP.
    pub datagram_flows: usize,
    /// How long such a flow is remembered while it is idle.
    pub datagram_timeout: Duration,
    /// Segments that cannot be verified are dropped in a path that prevents. Recordings let them pass: nobody sends them again.
    pub strict: bool,
    /// Events waiting to be drained; what comes on top is counted as lost.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stream: stream::Limits::default(),
            http: http1::Limits::default(),
            datagram_flows: 65_536,
            datagram_timeout: Duration::from_mins(5),
            strict: true,
            events: 4096,
        }
    }
}

/// What an engine is made from.
#[derive(Clone, Debug)]
pub struct Config {
    /// The policy's settings.
    pub settings: IntrusionPrevention,
    /// Memory bounds.
    pub limits: Limits,
    /// Secret of incident ids.
    pub incident_seed: u64,
    /// Secret of hash tables, against flooding.
    pub hash_seed: u64,
}

impl Config {
    /// A configuration with the default limits.
    pub fn new(settings: IntrusionPrevention, incident_seed: u64, hash_seed: u64) -> Self {
        Self { settings, limits: Limits::default(), incident_seed, hash_seed }
    }
}

/// What is to happen to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Accept,
    /// It is dropped.
    Drop,
}

/// What the kernel is to remember of the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowMark {
    /// Nothing: go on asking.
    None,
    /// Nothing can match any more: do not ask again.
    Done,
    /// Drop everything that follows.
    Blocked,
}

/// A packet to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// A whole IP packet.
    pub packet: Vec<u8>,
}

/// The judgement on one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What is to happen to it.
    pub verdict: Verdict,
    /// What the kernel is to remember of its flow.
    pub mark: FlowMark,
    /// Packets to send: resets, the answer page, a probe. At most a handful.
    pub inject: Vec<Injection>,
}

/// Counters that only grow, and the flow table's levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets judged.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets dropped.
    pub dropped: u64,
    /// Packets that do not decode, let through unjudged.
    pub not_inspected: u64,
    /// Packets with something odd in their headers.
    pub packet_anomalies: u64,
    /// Segments with something odd for their flow.
    pub stream_anomalies: u64,
    /// HTTP requests completed.
    pub http_requests: u64,
    /// HTTP requests with something odd.
    pub http_anomalies: u64,
    /// Lines on HTTP ports that were no start of a message, of ended flows.
    pub garbage_lines: u64,
    /// Matches that stopped a flow.
    pub matches_blocked: u64,
    /// Matches that were only reported.
    pub matches_detected: u64,
    /// Places with a bad reputation whose visit was stopped.
    pub sites_blocked: u64,
    /// Places with a bad reputation whose visit was only reported.
    pub sites_detected: u64,
    /// Requests that the web application firewall judged.
    pub waf_requests: u64,
    /// Requests and responses that it stopped.
    pub waf_blocked: u64,
    /// Those that it only reported.
    pub waf_detected: u64,
    /// Bodies that it could not look at whole for want of memory.
    pub waf_unread: u64,
    /// Events that found no room.
    pub events_lost: u64,
    /// The flow table's.
    pub stream: stream::Counters,
}

/// The pure pipeline from a packet to its verdict.
#[derive(Debug)]
pub struct Engine {
    pub(crate) flows: FlowTable<InspectedFlow>,
    pub(crate) datagrams: DatagramTable<DatagramFlow>,
    pub(crate) shared: Shared,
    /// Apart from the shared state, which is lent out while a new flow asks for them.
    pub(crate) ports: Ports,
}

// === impl Engine ===

impl Engine {
    /// An engine without flows.
    pub fn new(config: Config, rules: Arc<RuleSet>) -> Self {
        let Config { settings, limits, incident_seed, hash_seed } = config;
        let mut engine = Self {
            flows: FlowTable::new(limits.stream, OverlapPolicy::Linux, hash_seed),
            datagrams: DatagramTable::new(limits.datagram_flows, limits.datagram_timeout, hash_seed),
            ports: Ports { http: settings.http_ports.clone(), web: Vec::new() },
            shared: Shared {
                scratch: rules.new_scratch(),
                rules,
                settings,
                generation: 1,
                limits,
                now: Now::default(),
                hosts: Hosts::default(),
                header: Header::default(),
                headers: Headers::default(),
                oddities: Oddities::default(),
                judged: false,
                matches: Vec::new(),
                events: Vec::new(),
                counters: Counters::default(),
                incident_seed,
                incidents: 0,
                blocked: None,
                web: WebReputation::default(),
                sightings: Vec::new(),
                waf: waf::State::default(),
                records: None,
                expected: crate::expected::Expected::default(),
            },
        };
        engine.tell_flows();
        engine
    }

    /// Puts other settings and rules in force between two packets. Flows stay; what rules remembered of
    /// them is forgotten, and a request in progress is judged anew from its first byte.
    pub fn swap(&mut self, settings: IntrusionPrevention, rules: Arc<RuleSet>) {
        self.ports.http.clone_from(&settings.http_ports);
        self.shared.scratch = rules.new_scratch();
        self.shared.rules = rules;
        self.shared.settings = settings;
        self.shared.generation += 1;
        self.tell_flows();
    }

    /// Puts other lists in force for connections to the outside, between two packets. What was judged stays so.
    pub fn set_web_reputation(&mut self, web: WebReputation) {
        self.ports.web = if web.mode == Mode::Off { Vec::new() } else { web.ports.clone() };
        self.shared.web = web;
        self.tell_flows();
    }

    /// Puts another web application firewall in force between two packets, or none. What is known of clients stays.
    pub fn set_web_firewall(&mut self, web: Option<WebFirewall>) {
        self.shared.waf.web = web.filter(|web| web.mode != Mode::Off);
        self.tell_flows();
    }

    /// What the flow table has to know of the settings and rules.
    fn tell_flows(&mut self) {
        self.flows.set_server_ports(self.ports.http.iter().chain(&self.ports.web).copied().collect());
        self.flows.set_enforcing(self.shared.enforces() && self.shared.limits.strict);
        self.flows.set_responses(self.needs_responses());
        let packets = self.shared.rules.needs().packets && self.shared.settings.mode != Mode::Off;
        self.flows.set_packets(packets);
    }

    /// Judges one IP packet.
    ///
    /// `checksums` says what the kernel knows of it: [`Checksums::Ignore`] for a packet whose checksum the
    /// card or the kernel has verified or not computed yet. One that the server would throw away must
    /// not count as seen, or an attacker could show us bytes that the server never gets.
    pub fn inspect(&mut self, now: Now, bytes: &[u8], checksums: Checksums) -> Judgement {
        self.inspect_on(now, bytes, checksums, Path::Serving)
    }

    /// As [`Self::inspect`], and says where the packet was met.
    pub fn inspect_on(&mut self, now: Now, bytes: &[u8], checksums: Checksums, path: Path) -> Judgement {
        self.inspect_frame(now, bytes, &Frame { checksums, path, vlans: [None; 3], oddities: &[] })
    }

    /// Lets go of flows whose time is over, a bounded number at a time. Call it about once a second,
    /// and again soon where it says that there is more to do.
    pub fn expire(&mut self, now: Now) -> bool {
        self.shared.now = now;
        let shared = &mut self.shared;
        let more = self.flows.expire(now, shared);
        self.datagrams.expire(now, DATAGRAMS_AT_ONCE, |mut flow| flow.flow.over(shared)) || more
    }

    /// The events since the last call, oldest first.
    pub fn drain_events(&mut self) -> impl Iterator<Item = Event> + '_ {
        self.shared.events.drain(..)
    }

    /// The places with a bad reputation seen since the last call, oldest first.
    pub fn drain_sightings(&mut self) -> impl Iterator<Item = Sighting> + '_ {
        self.shared.sightings.drain(..)
    }

    /// The requests and responses since the last call that rules of the web application firewall matched, oldest first.
    pub fn drain_web_attacks(&mut self) -> impl Iterator<Item = WebAttack> + '_ {
        self.shared.waf.attacks.drain(..)
    }

    /// Keeps records of what is said from now on, to be drained after each packet; they have no bound of their own.
    pub fn keep_records(&mut self) {
        self.shared.records.get_or_insert_default();
        self.tell_flows();
    }

    /// What was said since the last call, oldest first.
    pub fn drain_records(&mut self) -> impl Iterator<Item = Record> + '_ {
        self.shared.records.iter_mut().flat_map(|records| records.drain(..))
    }

    /// Whether packets from server to client have to be shown with their payload.
    pub fn needs_responses(&self) -> bool {
        let needs = self.shared.rules.needs();
        let asked = self.shared.settings.mode != Mode::Off
            && (needs.response
                || needs.stream_to_client
                || self.shared.rules.asks(Place::Packet, signatures::Direction::ToClient));
        asked || self.shared.waf.needs_responses() || self.shared.records.is_some()
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        Counters { stream: self.flows.counters(), ..self.shared.counters }
    }

    /// Memory of flows and reassembly, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.flows.memory_bytes() + self.datagrams.memory_bytes()
    }
}
