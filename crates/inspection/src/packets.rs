//! A packet's way through the engine: decoded, given to its flow, judged.
use crate::answer;
use crate::engine::{Engine, FlowMark, Frame, Injection, Judgement, Verdict};
use crate::flow::InspectedFlow;
use crate::judge::{Nothing, judge};
use crate::packet_view::{About, Counts, Header};
use crate::record::{Record, Said};
use crate::site::Path;
use crate::stream_view::StreamView;
use sakimori_model::{Mode, Now};
use sakimori_packet::{self as packet, Oddities, Packet, Tcp, Transport};
use sakimori_signatures::{self as signatures, FlowFacts, FlowState, Memory, Stage, TransactionState};
use sakimori_stream::{self as stream, Datagram, Decision, Endpoint, MidstreamPolicy};

/// A flow of datagrams.
#[derive(Debug)]
pub(crate) struct DatagramFlow {
    pub(crate) flow: InspectedFlow,
    /// Nothing of it passes any more.
    blocked: bool,
}

/// What the stream engine notices, by the names in rules.
pub(crate) const STREAM_ODDITIES: [(stream::Anomaly, &str); 8] = [
    (stream::Anomaly::InconsistentOverlap, "stream.reassembly_overlap_different_data"),
    (stream::Anomaly::InconsistentRetransmission, "stream.reassembly_overlap_different_data"),
    (stream::Anomaly::Gap, "stream.reassembly_seq_gap"),
    (stream::Anomaly::OldTimestamp, "stream.pkt_invalid_timestamp"),
    (stream::Anomaly::OutOfWindow, "stream.est_packet_out_of_window"),
    (stream::Anomaly::BadReset, "stream.suspected_rst_inject"),
    (stream::Anomaly::SynOnLiveFlow, "stream.est_syn_resend_diff_seq"),
    (stream::Anomaly::UnverifiableRetransmission, "stream.pkt_retransmission"),
];

const PASS: Judgement = Judgement { verdict: Verdict::Accept, mark: FlowMark::None, inject: Vec::new() };

impl Engine {
    /// As [`Self::inspect`], with all that is known of the packet.
    pub fn inspect_frame(&mut self, now: Now, bytes: &[u8], frame: &Frame<'_>) -> Judgement {
        let counters = &mut self.shared.counters;
        counters.packets += 1;
        counters.bytes += bytes.len() as u64;
        self.shared.now = now;
        let packet = packet::decode_with(bytes, frame.checksums);
        if !packet.anomalies.is_empty() {
            counters.packet_anomalies += 1;
        }
        self.begin(&packet, bytes, frame);
        match packet.transport {
            Transport::Tcp(tcp) => self.tcp(now, &packet, &tcp, frame.path),
            Transport::Udp(_) | Transport::Icmp(_) | Transport::Other(_) => {
                self.datagram(now, &packet, packet.ports().unwrap_or_default(), frame.path)
            }
            Transport::Fragment(_) | Transport::Undecodable(_) => {
                self.shared.counters.not_inspected += 1;
                let odd_only = matches!(packet.transport, Transport::Undecodable(_));
                let facts = facts(&packet, (0, 0));
                if self.is_served(frame.path, None)
                    && self.alone(signatures::Direction::ToServer, &packet, &facts, odd_only)
                {
                    return self.dropped();
                }
                PASS
            }
        }
    }

    /// What all looks at the packet have in common.
    fn begin(&mut self, packet: &Packet<'_>, bytes: &[u8], frame: &Frame<'_>) {
        let shared = &mut self.shared;
        shared.header = Header::of(packet, frame.vlans);
        shared.judged = false;
        let needs = shared.rules.needs();
        if needs.headers {
            shared.headers.fill(packet);
        }
        if needs.oddities || shared.records.is_some() {
            shared.oddities = Oddities::of(bytes);
            for name in frame.oddities {
                shared.oddities.insert(name);
            }
            let names: Vec<&'static str> = shared.oddities.names().to_vec();
            self.tell_oddities(packet, &names);
        }
    }

    fn tell_oddities(&mut self, packet: &Packet<'_>, names: &[&'static str]) {
        let Some(records) = &mut self.shared.records else { return };
        records.extend(names.iter().map(|name| Record {
            flow: facts(packet, packet.ports().unwrap_or_default()),
            carried_by: packet.protocol,
            direction: signatures::Direction::ToServer,
            protocol: None,
            number: 0,
            said: Said::Oddity(name),
        }));
    }

    /// Whether intrusion prevention looks at packets met there, where they belong to no flow yet.
    fn is_served(&self, path: Path, server_port: Option<u16>) -> bool {
        self.shared.settings.mode != Mode::Off
            && match path {
                Path::Serving => true,
                Path::Leaving => false,
                Path::FromContainer => {
                    server_port.is_some_and(|port| self.ports.http.iter().any(|ports| ports.contains(port)))
                }
            }
    }

    /// Asks the rules about a packet without its flow; whether it is to be dropped.
    fn alone(
        &mut self,
        direction: signatures::Direction,
        packet: &Packet<'_>,
        facts: &FlowFacts,
        odd_only: bool,
    ) -> bool {
        let needs = self.shared.rules.needs();
        if !needs.packets || odd_only && (!needs.oddities || self.shared.oddities.names().is_empty()) {
            return false;
        }
        let about = About {
            flow: facts,
            protocol: None,
            lengths: [0, 0],
            odd_only,
            pass_only: false,
            counts: Counts::default(),
        };
        let payload = packet.payload();
        let decision = self.shared.judge_packet(direction, payload, about, &mut FlowState::default());
        decision == Decision::Block
    }

    /// Asks the rules on streams about the payload of a segment that belongs to none.
    fn stray(&mut self, direction: signatures::Direction, tcp: &Tcp<'_>, facts: &FlowFacts) -> bool {
        let shared = &mut self.shared;
        let needs = shared.rules.needs();
        if tcp.payload.is_empty() || !(needs.stream_to_server || needs.stream_to_client) {
            return false;
        }
        let header = shared.header;
        let view = StreamView {
            bytes: tcp.payload,
            start: 0,
            direction,
            flow: facts,
            segment_length: tcp.payload.len(),
            protocol: None,
            lengths: [0, 0],
            header: &header,
        };
        let memory = Memory {
            scratch: &mut shared.scratch,
            flow: &mut FlowState::default(),
            transaction: &mut TransactionState::default(),
            hosts: &mut shared.hosts,
            now: shared.now.monotonic,
        };
        shared.rules.inspect(memory, &view, Stage::Stream(direction), &mut shared.matches);
        judge(shared, &view, &Nothing) == Decision::Block
    }

    fn dropped(&mut self) -> Judgement {
        self.shared.blocked = None;
        self.shared.counters.dropped += 1;
        Judgement { verdict: Verdict::Drop, ..PASS }
    }

    /// A packet that stands alone.
    fn datagram(&mut self, now: Now, packet: &Packet<'_>, (from, to): (u16, u16), path: Path) -> Judgement {
        if !self.is_served(path, Some(to)) {
            return PASS;
        }
        let Self { datagrams, shared, ports, .. } = self;
        let generation = shared.generation;
        let transport = match packet.transport {
            Transport::Udp(_) => signatures::Transport::Udp,
            Transport::Icmp(_) => signatures::Transport::Icmp,
            Transport::Other(_) if packet.protocol == packet::protocol::SCTP => signatures::Transport::Sctp,
            _ => signatures::Transport::Any,
        };
        let payload = packet.payload();
        // flows that make room are over
        let mut gone = Vec::new();
        let taken = datagrams.take(
            now,
            Datagram {
                protocol: packet.protocol,
                source: Endpoint { address: packet.source, port: from },
                destination: Endpoint { address: packet.destination, port: to },
                length: payload.len(),
            },
            |exchange| DatagramFlow {
                flow: InspectedFlow::new(
                    (transport, exchange.client, exchange.server),
                    ports,
                    generation,
                    (path, true),
                ),
                blocked: false,
            },
            |flow| gone.push(flow),
        );
        let Some((entry, exchange, direction)) = taken else { return PASS };
        let exchange = *exchange;
        let blocked =
            entry.blocked || entry.flow.datagram(shared, &exchange, direction, payload) == Decision::Block;
        entry.blocked = blocked;
        for entry in &mut gone {
            entry.flow.over(shared);
        }
        if blocked { Judgement { mark: FlowMark::Blocked, ..self.dropped() } } else { PASS }
    }

    fn tcp(&mut self, now: Now, packet: &Packet<'_>, tcp: &Tcp<'_>, path: Path) -> Judgement {
        let outcome = {
            let ports = &self.ports;
            let generation = self.shared.generation;
            let sender = (packet.source, tcp.source_port);
            self.flows.process(now, packet, &mut self.shared, |info| {
                let from_client = sender == (info.client.address, info.client.port);
                let ends = (signatures::Transport::Tcp, info.client, info.server);
                InspectedFlow::new(ends, ports, generation, (path, from_client))
            })
        };
        if !outcome.anomalies.is_empty() {
            self.shared.counters.stream_anomalies += 1;
        }
        if self.is_refused(packet, tcp, path, &outcome) {
            if let Some(records) = &mut self.shared.records {
                records.push(Record {
                    flow: facts(packet, (tcp.source_port, tcp.destination_port)),
                    carried_by: packet.protocol,
                    direction: signatures::Direction::ToServer,
                    protocol: None,
                    number: 0,
                    said: Said::Refused("stream midstream"),
                });
            }
            return self.dropped();
        }
        let behind = self.behind(packet, tcp, path, &outcome);
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
            stream::Verdict::Pass if behind => {
                self.shared.counters.dropped += 1;
                Verdict::Drop
            }
            stream::Verdict::Pass => Verdict::Accept,
            // Nothing is dropped by an engine that only detects; a blocked visit is the other module's doing.
            stream::Verdict::Drop if !self.shared.enforces() && outcome.decision != Decision::Block => {
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

    /// Whether a segment of a connection whose beginning was not seen is dropped although nothing else is that cannot be verified.
    fn is_refused(&self, packet: &Packet<'_>, tcp: &Tcp<'_>, path: Path, outcome: &stream::Outcome) -> bool {
        let limits = &self.shared.limits;
        let source = Endpoint { address: packet.source, port: tcp.source_port };
        let destination = Endpoint { address: packet.destination, port: tcp.destination_port };
        !limits.strict
            && self.shared.settings.mode == Mode::Prevent
            && limits.stream.midstream == MidstreamPolicy::Drop
            && tcp.flags.ack()
            && !tcp.flags.syn()
            && !tcp.flags.rst()
            && outcome.verdict == stream::Verdict::Pass
            && self.is_served(path, None)
            && self.flows.flow(source, destination).is_none()
    }

    /// What is asked once the stream engine has seen a segment: about one whose flow is not inspected, and about what was odd
    /// for the stream. True where it is to be dropped.
    fn behind(&mut self, packet: &Packet<'_>, tcp: &Tcp<'_>, path: Path, outcome: &stream::Outcome) -> bool {
        let needs = self.shared.rules.needs();
        let records = self.shared.records.is_some();
        let streams = needs.stream_to_server || needs.stream_to_client;
        if !needs.packets && !streams && !records || self.shared.judged && outcome.anomalies.is_empty() {
            return false;
        }
        if !self.is_served(path, None) || outcome.decision == Decision::Block {
            return false;
        }
        let source = Endpoint { address: packet.source, port: tcp.source_port };
        let destination = Endpoint { address: packet.destination, port: tcp.destination_port };
        let (client, server) = match self.flows.flow(source, destination) {
            Some(info) => (info.client, info.server),
            None => (source, destination),
        };
        let facts = FlowFacts {
            client: client.address,
            client_port: client.port,
            server: server.address,
            server_port: server.port,
            established: false,
        };
        let direction = match source {
            _ if client == source => signatures::Direction::ToServer,
            _ => signatures::Direction::ToClient,
        };
        let mut block = false;
        if !self.shared.judged {
            block |= self.stray(direction, tcp, &facts) || self.alone(direction, packet, &facts, false);
        }
        if !outcome.anomalies.is_empty() && (needs.oddities || records) {
            let known = STREAM_ODDITIES.iter().filter(|(anomaly, _)| outcome.anomalies.contains(*anomaly));
            let names: Vec<&'static str> = known.map(|(_, name)| *name).collect();
            self.shared.oddities = Oddities::default();
            for name in &names {
                self.shared.oddities.insert(name);
            }
            self.tell_oddities(packet, &names);
            block |= self.alone(direction, packet, &facts, true);
        }
        block
    }
}

const fn facts(packet: &Packet<'_>, (client_port, server_port): (u16, u16)) -> FlowFacts {
    FlowFacts {
        client: packet.source,
        client_port,
        server: packet.destination,
        server_port,
        established: false,
    }
}
