//! The engine: packets in, judgements and events out.
use crate::answer;
use crate::flow::InspectedFlow;
use crate::judge::{Nothing, judge};
use crate::packet_view::{Header, PacketView};
use crate::record::Record;
use crate::shared::{Ports, Shared};
use crate::site::{Path, Sighting, WebReputation};
use sakimori_model::{Event, IntrusionPrevention, Mode, Now};
pub use sakimori_packet::Checksums;
use sakimori_packet::{self as packet, Transport};
use sakimori_protocols::http1;
use sakimori_signatures::{
    self as signatures, FlowFacts, FlowState, Hosts, Memory, Place, RuleSet, Stage, TransactionState,
};
use sakimori_stream::{self as stream, Decision, FlowTable, OverlapPolicy};
use std::sync::Arc;

/// Bounds of the engine's memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Flows and reassembly.
    pub stream: stream::Limits,
    /// HTTP messages.
    pub http: http1::Limits,
    /// Events waiting to be drained; what comes on top is counted as lost.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { stream: stream::Limits::default(), http: http1::Limits::default(), events: 4096 }
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
    /// Packets that are not TCP or not whole, let through unjudged.
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
    /// Events that found no room.
    pub events_lost: u64,
    /// The flow table's.
    pub stream: stream::Counters,
}

/// The pure pipeline from a packet to its verdict.
#[derive(Debug)]
pub struct Engine {
    flows: FlowTable<InspectedFlow>,
    shared: Shared,
    /// Apart from the shared state, which is lent out while a new flow asks for them.
    ports: Ports,
}

// === impl Engine ===

impl Engine {
    /// An engine without flows.
    pub fn new(config: Config, rules: Arc<RuleSet>) -> Self {
        let Config { settings, limits, incident_seed, hash_seed } = config;
        let mut engine = Self {
            flows: FlowTable::new(limits.stream, OverlapPolicy::Linux, hash_seed),
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
                matches: Vec::new(),
                events: Vec::new(),
                counters: Counters::default(),
                incident_seed,
                incidents: 0,
                blocked: None,
                web: WebReputation::default(),
                sightings: Vec::new(),
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

    /// What the flow table has to know of the settings and rules.
    fn tell_flows(&mut self) {
        self.flows.set_server_ports(self.ports.http.iter().chain(&self.ports.web).copied().collect());
        self.flows.set_enforcing(self.shared.settings.mode == Mode::Prevent);
        self.flows.set_responses(self.needs_responses());
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
        let counters = &mut self.shared.counters;
        counters.packets += 1;
        counters.bytes += bytes.len() as u64;
        self.shared.now = now;
        let packet = packet::decode_with(bytes, checksums);
        if !packet.anomalies.is_empty() {
            counters.packet_anomalies += 1;
        }
        if !matches!(packet.transport, Transport::Tcp(_)) {
            counters.not_inspected += 1;
            return Judgement { verdict: Verdict::Accept, mark: FlowMark::None, inject: Vec::new() };
        }
        self.shared.header = Header::of(&packet);
        if let Some(judgement) = self.opening(&packet, path) {
            return judgement;
        }
        let outcome = {
            let ports = &self.ports;
            let generation = self.shared.generation;
            let sender = (packet.source, packet.tcp().map(|tcp| tcp.source_port));
            self.flows.process(now, &packet, &mut self.shared, |info| {
                let from_client = sender == (info.client.address, Some(info.client.port));
                InspectedFlow::new(info, ports, generation, (path, from_client))
            })
        };
        if !outcome.anomalies.is_empty() {
            self.shared.counters.stream_anomalies += 1;
        }
        let mut inject = Vec::new();
        if let Some(reset) = outcome.reset {
            let blocked = self.shared.blocked.take();
            inject.push(Injection { packet: reset.reset_to_server() });
            match blocked.and_then(|blocked| Some((blocked.incident, blocked.page?))) {
                Some((incident, why)) => {
                    let page = answer::page(incident, why);
                    inject.extend(reset.answer(&page).into_iter().map(|packet| Injection { packet }));
                }
                None => inject.push(Injection { packet: reset.reset_to_client() }),
            }
        }
        if let Some(probe) = outcome.probe {
            inject.push(Injection { packet: probe.probe() });
        }
        let verdict = match outcome.verdict {
            stream::Verdict::Pass => Verdict::Accept,
            // Nothing is dropped by an engine that only detects; a blocked visit is the other module's doing.
            stream::Verdict::Drop
                if self.shared.settings.mode != Mode::Prevent && outcome.decision != Decision::Block =>
            {
                Verdict::Accept
            }
            stream::Verdict::Drop => {
                self.shared.counters.dropped += 1;
                Verdict::Drop
            }
        };
        let mark = match outcome.decision {
            Decision::Continue | Decision::DoneDirection(_) => FlowMark::None,
            Decision::Done => FlowMark::Done,
            Decision::Block => FlowMark::Blocked,
        };
        Judgement { verdict, mark, inject }
    }

    /// Judges the packet that opens a connection, before there is a flow: rules about headers look at it. None where it
    /// goes on.
    fn opening(&mut self, packet: &packet::Packet<'_>, path: Path) -> Option<Judgement> {
        let shared = &mut self.shared;
        let tcp = packet.tcp().filter(|tcp| tcp.flags.syn() && !tcp.flags.ack())?;
        let served = match path {
            Path::Serving => true,
            Path::Leaving => false,
            Path::FromContainer => self.ports.http.iter().any(|ports| ports.contains(tcp.destination_port)),
        };
        if !served || !shared.rules.needs().packets || shared.settings.mode == Mode::Off {
            return None;
        }
        let facts = FlowFacts {
            client: packet.source,
            client_port: tcp.source_port,
            server: packet.destination,
            server_port: tcp.destination_port,
            established: false,
        };
        let header = shared.header;
        let view = PacketView {
            header: &header,
            payload: tcp.payload,
            flow: &facts,
            protocol: None,
            lengths: [0, 0],
        };
        let memory = Memory {
            scratch: &mut shared.scratch,
            flow: &mut FlowState::default(),
            transaction: &mut TransactionState::default(),
            hosts: &mut shared.hosts,
            now: shared.now.monotonic,
        };
        let stage = Stage::Packet(signatures::Direction::ToServer);
        shared.rules.inspect(memory, &view, stage, &mut shared.matches);
        let blocked = judge(shared, &view, &Nothing) == Decision::Block;
        blocked.then(|| {
            shared.blocked = None;
            shared.counters.dropped += 1;
            Judgement { verdict: Verdict::Drop, mark: FlowMark::None, inject: Vec::new() }
        })
    }

    /// Lets go of flows whose time is over, a bounded number at a time. Call it about once a second,
    /// and again soon where it says that there is more to do.
    pub fn expire(&mut self, now: Now) -> bool {
        self.shared.now = now;
        self.flows.expire(now, &mut self.shared)
    }

    /// The events since the last call, oldest first.
    pub fn drain_events(&mut self) -> impl Iterator<Item = Event> + '_ {
        self.shared.events.drain(..)
    }

    /// The places with a bad reputation seen since the last call, oldest first.
    pub fn drain_sightings(&mut self) -> impl Iterator<Item = Sighting> + '_ {
        self.shared.sightings.drain(..)
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
        asked || self.shared.records.is_some()
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        Counters { stream: self.flows.counters(), ..self.shared.counters }
    }

    /// Memory of flows and reassembly, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.flows.memory_bytes()
    }
}
