//! The flow table: finds a packet's flow, keeps all flows within limits, ends them in time.
pub(crate) mod key;
mod lifecycle;

use std::time::Duration;

use hashbrown::HashTable;
use sakimori_model::{Now, PortRange};
use sakimori_packet::{Packet, Tcp, Transport, protocol};
use siphasher::sip::SipHasher13;

use crate::anomaly::{Anomalies, Anomaly};
use crate::application::Application;
use crate::connection::{Connection, State, Step, Then};
use crate::flow::{Direction, Endpoint, FlowInfo, Traffic};
use crate::half::{BUFFERS_BYTES, Budget, Deliver, Env, Half, Marks};
use crate::limits::Limits;
use crate::list::{Lane, List};
use crate::outcome::{Counters, Decision, End, Outcome, Reset, Verdict};
use crate::policy::{MidstreamPolicy, OverlapPolicy};
use crate::sequence::Sequence;
use crate::slab::Slab;

/// Flows and their applications.
#[derive(Debug)]
pub struct FlowTable<A: Application> {
    limits: Limits,
    policy: OverlapPolicy,
    enforcing: bool,
    responses: bool,
    packets: bool,
    server_ports: Vec<PortRange>,
    hasher: SipHasher13,
    index: HashTable<u32>,
    flows: Slab<Flow<A>>,
    lists: Lists,
    budget: Budget,
    applications: usize,
    counters: Counters,
    /// When the first packet came.
    began: Option<Duration>,
}

/// A flow: its facts, its connection, its application.
#[derive(Debug)]
struct Flow<A> {
    info: FlowInfo,
    connection: Connection,
    application: Option<Box<A>>,
    /// Monotonic microseconds of the last packet.
    last_seen: u64,
    place: Place,
    /// In the list of flows with buffers.
    buffered: bool,
    /// The application has been told the end: none is made again.
    ended: bool,
}

/// The list that a flow is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    HalfOpen,
    Live,
    Over,
}

#[derive(Debug)]
struct Lists {
    half_open: List,
    live: List,
    over: List,
    buffers: List,
}

impl Lists {
    const fn of(&mut self, place: Place) -> &mut List {
        match place {
            Place::HalfOpen => &mut self.half_open,
            Place::Live => &mut self.live,
            Place::Over => &mut self.over,
        }
    }
}

/// The path from a connection to its application.
struct Sink<'a, A: Application, F> {
    application: &'a mut Option<Box<A>>,
    make: &'a mut Option<F>,
    made: &'a mut usize,
    info: &'a mut FlowInfo,
    ctx: &'a mut A::Context,
}

impl<A: Application, F: FnOnce(&FlowInfo) -> A> Sink<'_, A, F> {
    fn application(&mut self, direction: Direction, next: Sequence) -> Option<&mut A> {
        match direction {
            Direction::ToServer => self.info.client_next = next.0,
            Direction::ToClient => self.info.server_next = next.0,
        }
        if self.application.is_none()
            && let Some(make) = self.make.take()
        {
            *self.application = Some(Box::new(make(self.info)));
            *self.made += 1;
        }
        self.application.as_deref_mut()
    }

    fn packet(&mut self, direction: Direction, established: bool, payload: &[u8]) -> Decision {
        if self.application.is_none()
            && let Some(make) = self.make.take()
        {
            *self.application = Some(Box::new(make(self.info)));
            *self.made += 1;
        }
        match self.application.as_deref_mut() {
            Some(application) => application.packet(self.ctx, self.info, direction, established, payload),
            None => Decision::Continue,
        }
    }
}

impl<A: Application, F: FnOnce(&FlowInfo) -> A> Deliver for Sink<'_, A, F> {
    fn data(&mut self, direction: Direction, next: Sequence, bytes: &[u8]) -> Decision {
        self.application(direction, next);
        match self.application.as_deref_mut() {
            Some(application) => application.data(self.ctx, self.info, direction, bytes),
            None => Decision::Continue,
        }
    }

    fn gap(&mut self, direction: Direction, next: Sequence, bytes: u64) -> Decision {
        self.application(direction, next);
        match self.application.as_deref_mut() {
            Some(application) => application.gap(self.ctx, self.info, direction, bytes),
            None => Decision::Continue,
        }
    }
}

// === impl FlowTable ===

impl<A: Application> FlowTable<A> {
    /// An empty table that enforces, expects responses, and takes no port for a server's.
    ///
    /// `hash_seed` must come from a source of randomness: with it unknown, nobody can make flows collide (`SipHash`).
    pub fn new(limits: Limits, policy: OverlapPolicy, hash_seed: u64) -> Self {
        Self {
            policy,
            enforcing: true,
            responses: true,
            packets: false,
            server_ports: Vec::new(),
            hasher: SipHasher13::new_with_keys(hash_seed, hash_seed.rotate_left(32) ^ 0x736f_6d65_7073_6575),
            // Small enough for the processor's cache. Growing from here to a million entries hashes each anew six times, the
            // last time in some tens of milliseconds.
            index: HashTable::with_capacity(limits.flows.min(1 << 14)),
            flows: Slab::new(),
            lists: Lists {
                half_open: List::new(Lane::State),
                live: List::new(Lane::State),
                over: List::new(Lane::State),
                buffers: List::new(Lane::Buffers),
            },
            budget: Budget::default(),
            applications: 0,
            counters: Counters::default(),
            began: None,
            limits,
        }
    }

    /// Whether verdicts of `Drop` are carried out. Where they are not (detection, captures) ambiguous bytes are
    /// settled by the [`OverlapPolicy`], and missing ones become gaps as soon as space runs out.
    pub const fn set_enforcing(&mut self, enforcing: bool) {
        self.enforcing = enforcing;
    }

    /// Whether the server's data is shown to us and wanted. If not, [`Application::data`] is called for the direction
    /// to the server only.
    pub const fn set_responses(&mut self, responses: bool) {
        self.responses = responses;
    }

    /// Whether [`Application::packet`] is called.
    pub const fn set_packets(&mut self, packets: bool) {
        self.packets = packets;
    }

    /// Ports that servers listen on: they tell who is the client in flows met in their middle.
    pub fn set_server_ports(&mut self, ports: Vec<PortRange>) {
        self.server_ports = ports;
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        Counters {
            flows: self.flows.used() as u64,
            half_open: self.lists.half_open.length() as u64,
            ..self.counters
        }
    }

    /// Bytes of memory held, without what applications hold on the heap themselves.
    pub fn memory_bytes(&self) -> usize {
        self.flows.memory_bytes()
            + self.index.allocation_size()
            + self.budget.buffers * BUFFERS_BYTES
            + self.budget.history
            + self.budget.pending
            + self.applications * size_of::<A>()
    }

    /// Takes a packet. `make` is called when the first byte of a new flow is delivered.
    ///
    /// Packets that are not TCP pass. Fragments of TCP are refused: put them together first.
    pub fn process(
        &mut self,
        now: Now,
        packet: &Packet<'_>,
        ctx: &mut A::Context,
        make: impl FnOnce(&FlowInfo) -> A,
    ) -> Outcome {
        self.began.get_or_insert(now.monotonic);
        let Some(tcp) = packet.tcp().copied().filter(|_| !unfit(packet)) else {
            return self.undecodable(packet);
        };
        let source = Endpoint { address: packet.source, port: tcp.source_port };
        let destination = Endpoint { address: packet.destination, port: tcp.destination_port };
        let mut make = Some(make);

        let Some(index) = self.find(source, destination) else {
            return self.first(now, (source, destination), &tcp, ctx, make);
        };
        let direction = match self.flows.get(index) {
            Some(flow) if flow.info.client == source => Direction::ToServer,
            _ => Direction::ToClient,
        };
        let (outcome, then) = self.segment(now, (index, direction), &tcp, ctx, &mut make);
        if let Then::Replace(first) = then {
            self.end(index, End::Replaced, now, ctx);
            self.remove(index);
            // The caller sent this packet (a SYN), or its SYN is answered by it (a SYN/ACK).
            let (client, server) =
                if tcp.flags.ack() { (destination, source) } else { (source, destination) };
            let index = self.begin(now, client, server, false, ctx);
            if let (Some(first), Some(flow)) = (first, self.flows.get_mut(index)) {
                flow.connection.client.begin(first);
            }
            let direction = if tcp.flags.ack() { Direction::ToClient } else { Direction::ToServer };
            return self.segment(now, (index, direction), &tcp, ctx, &mut make).0;
        }
        outcome
    }

    /// The flow between two ends, whichever of them is the client.
    pub fn flow(&self, one: Endpoint, other: Endpoint) -> Option<&FlowInfo> {
        self.flows.get(self.find(one, other)?).map(|flow| &flow.info)
    }

    fn find(&self, one: Endpoint, other: Endpoint) -> Option<u32> {
        let hash = key::hash(&self.hasher, one, other);
        let same = |index: &u32| self.flows.get(*index).is_some_and(|flow| key::same(&flow.info, one, other));
        self.index.find(hash, same).copied()
    }

    /// Ends what was idle for too long and gives up old buffers; a bounded number of flows at a time.
    ///
    /// Returns whether there is more to do right away.
    pub fn expire(&mut self, now: Now, ctx: &mut A::Context) -> bool {
        /// So many that a call stays well below a millisecond or two.
        const AT_ONCE: usize = 2048;
        let mut left = AT_ONCE;
        for (place, timeout) in [
            (Place::HalfOpen, self.limits.half_open_timeout),
            (Place::Live, self.limits.idle_timeout),
            (Place::Over, self.limits.closed_timeout),
        ] {
            while let Some(index) = self.lists.of(place).oldest() {
                if !self.is_older(index, now, timeout) {
                    break;
                }
                if left == 0 {
                    return true;
                }
                left -= 1;
                if place != Place::Over {
                    self.counters.timed_out += 1;
                }
                self.end(index, End::Timeout, now, ctx);
                self.remove(index);
            }
        }
        while let Some(index) = self.lists.buffers.oldest() {
            if !self.is_older(index, now, self.limits.history_timeout) {
                break;
            }
            if left == 0 {
                return true;
            }
            left -= 1;
            self.retire_buffers(index, now, ctx);
        }
        false
    }

    /// A packet that cannot be looked into.
    fn undecodable(&mut self, packet: &Packet<'_>) -> Outcome {
        let tcp =
            packet.protocol == protocol::TCP || packet.fragment.is_some_and(|f| f.protocol == protocol::TCP);
        let mut outcome = nothing();
        if tcp || matches!(packet.transport, Transport::Undecodable(_)) {
            outcome.anomalies.insert(Anomaly::Undecodable);
            if self.enforcing {
                outcome.verdict = Verdict::Drop;
                self.counters.dropped_invalid += 1;
            }
        }
        outcome
    }

    /// A packet of no known flow.
    fn first(
        &mut self,
        now: Now,
        (source, destination): (Endpoint, Endpoint),
        tcp: &Tcp<'_>,
        ctx: &mut A::Context,
        make: Option<impl FnOnce(&FlowInfo) -> A>,
    ) -> Outcome {
        let mut make = make;
        if tcp.flags.syn() {
            let (client, server, direction) = if tcp.flags.ack() {
                (destination, source, Direction::ToClient)
            } else {
                (source, destination, Direction::ToServer)
            };
            let index = self.begin(now, client, server, false, ctx);
            return self.segment(now, (index, direction), tcp, ctx, &mut make).0;
        }
        if tcp.payload.is_empty() || tcp.flags.rst() {
            return nothing();
        }
        let policy = if self.is_starting(now) && self.limits.midstream == MidstreamPolicy::Drop {
            MidstreamPolicy::Inspect
        } else {
            self.limits.midstream
        };
        let mut outcome = nothing();
        outcome.anomalies.insert(Anomaly::Midstream);
        self.counters.midstream += 1;
        if policy == MidstreamPolicy::Pass {
            return outcome;
        }
        if !tcp.flags.ack() || policy == MidstreamPolicy::Drop {
            if !tcp.flags.ack() {
                outcome.anomalies.insert(Anomaly::DataWithoutAck);
            }
            if self.enforcing {
                outcome.verdict = Verdict::Drop;
                self.counters.dropped_invalid += 1;
            }
            return outcome;
        }
        let (client, server, direction) = if self.is_server(destination, source) {
            (source, destination, Direction::ToServer)
        } else {
            (destination, source, Direction::ToClient)
        };
        let index = self.begin(now, client, server, true, ctx);
        let mut outcome = self.segment(now, (index, direction), tcp, ctx, &mut make).0;
        outcome.anomalies.insert(Anomaly::Midstream);
        outcome
    }

    /// Whether flows that were under way at our start may still have honest old bytes.
    fn is_starting(&self, now: Now) -> bool {
        self.began.is_some_and(|began| now.monotonic.saturating_sub(began) < self.limits.start_grace)
    }

    /// Whether `one` is the server's end, against `other`.
    fn is_server(&self, one: Endpoint, other: Endpoint) -> bool {
        let known = |end: Endpoint| self.server_ports.iter().any(|range| range.contains(end.port));
        match (known(one), known(other)) {
            (true, false) => true,
            (false, true) => false,
            _ => one.port <= other.port,
        }
    }

    /// Gives a segment to its flow.
    fn segment<F: FnOnce(&FlowInfo) -> A>(
        &mut self,
        now: Now,
        (index, direction): (u32, Direction),
        tcp: &Tcp<'_>,
        ctx: &mut A::Context,
        make: &mut Option<F>,
    ) -> (Outcome, Then) {
        let starting = self.is_starting(now);
        let Some(flow) = self.flows.get_mut(index) else { return (nothing(), Then::Nothing) };
        let traffic = match direction {
            Direction::ToServer => &mut flow.info.to_server,
            Direction::ToClient => &mut flow.info.to_client,
        };
        traffic.packets += 1;
        traffic.bytes += tcp.payload.len() as u64;
        let mut env = Env {
            limits: &self.limits,
            policy: self.policy,
            enforcing: self.enforcing,
            responses: self.responses,
            grace: starting && flow.info.midstream,
            now: now.monotonic,
            counters: &mut self.counters,
            budget: &mut self.budget,
        };
        let mut nobody = None;
        let mut sink = Sink {
            application: &mut flow.application,
            make: if flow.ended { &mut nobody } else { make },
            made: &mut self.applications,
            info: &mut flow.info,
            ctx,
        };
        let expected = (flow.connection.client.expected(), flow.connection.server.expected());
        let mut step: Step = flow.connection.segment(&mut env, &mut sink, direction, tcp);
        if self.packets
            && step.verdict == Verdict::Pass
            && !flow.ended
            && !matches!(step.then, Then::Replace(_))
        {
            let known = |half: &Half| half.marks.has(Marks::SYN);
            let shown = !tcp.flags.syn() && known(&flow.connection.client) && known(&flow.connection.server);
            let established = shown || flow.connection.state != State::HalfOpen;
            if sink.packet(direction, established, tcp.payload) == Decision::Block {
                step = flow.connection.block(&mut env);
            }
        }
        let (client, server) = (&flow.connection.client, &flow.connection.server);
        flow.info.client_next = client.expected().0;
        flow.info.server_next = server.expected().0;
        flow.info.client_mss = client.mss;
        flow.info.server_mss = server.mss;

        let mut outcome = Outcome {
            verdict: step.verdict,
            decision: match flow.connection.state {
                State::Blocked => Decision::Block,
                State::Done => Decision::Done,
                _ => Decision::Continue,
            },
            direction,
            anomalies: step.anomalies,
            reset: None,
            probe: None,
        };
        let then = step.then;
        if then == Then::End(End::Blocked) || step.probe {
            let info = Box::new(how_to_speak(flow, expected, direction, then == Then::End(End::Blocked)));
            if step.probe {
                outcome.probe = Some(info);
            } else {
                outcome.reset = Some(info);
            }
        }
        if matches!(then, Then::Replace(_)) {
            return (outcome, then);
        }
        if let Then::End(how) = then {
            self.end(index, how, now, ctx);
        }
        self.settle(index, now, step.verdict == Verdict::Pass);
        (outcome, then)
    }
}

/// What a packet says that cannot belong to a good segment.
fn unfit(packet: &Packet<'_>) -> bool {
    use sakimori_packet::Anomaly as Odd;
    [Odd::Truncated, Odd::BadChecksum, Odd::BadFlags, Odd::Land]
        .iter()
        .any(|anomaly| packet.anomalies.contains(*anomaly))
}

const fn nothing() -> Outcome {
    Outcome {
        verdict: Verdict::Pass,
        decision: Decision::Continue,
        direction: Direction::ToServer,
        anomalies: Anomalies::NONE,
        reset: None,
        probe: None,
    }
}

fn micros(now: Now) -> u64 {
    u64::try_from(now.monotonic.as_micros()).unwrap_or(u64::MAX)
}

/// Sequence numbers with which each side takes a segment in the other's name. `expected` is what client and server
/// were expected to send before the packet at hand, which the receiver never gets.
fn how_to_speak<A>(
    flow: &Flow<A>,
    expected: (Sequence, Sequence),
    direction: Direction,
    taken: bool,
) -> Reset {
    let (client, server) = (&flow.connection.client, &flow.connection.server);
    let acknowledged = if client.marks.has(Marks::ACK) { client.ack } else { server.expected() };
    let (to_client_sequence, to_client_acknowledgement) = match direction {
        Direction::ToServer => (acknowledged, if taken { client.sent() } else { expected.0 }),
        Direction::ToClient => (expected.1, client.sent()),
    };
    let timestamps = client.marks.has(Marks::TIMESTAMP)
        && (server.marks.has(Marks::TIMESTAMPS) || !server.marks.has(Marks::SYN));
    Reset {
        client: flow.info.client,
        server: flow.info.server,
        to_server_sequence: expected.0.0,
        to_server_acknowledgement: acknowledged.0,
        to_client_sequence: to_client_sequence.0,
        to_client_acknowledgement: to_client_acknowledgement.0,
        client_mss: match flow.info.client_mss {
            0 => Reset::default_mss(flow.info.client.address),
            mss => mss,
        },
        to_client_timestamps: timestamps.then_some((client.echo, client.timestamp)),
        direction,
    }
}
