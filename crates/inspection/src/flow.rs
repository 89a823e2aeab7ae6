//! One flow under inspection: what it speaks, its raw windows, and what the rules remember of it.
//!
//! Its bytes take these steps: web reputation looks where a connection to the outside goes; the protocol is found out, and its
//! [`Dialogue`](crate::dialogue::Dialogue) takes them; rules look at the stream, and at last at the packet by itself.
use crate::detection::{Found, Spoken};
use crate::dialogue::{Asking, Raw, Spec, Step};
use crate::judge::{Nothing, judge};
use crate::packet_view::{About, Counts};
use crate::record::{Record, Said};
use crate::shared::{Ports, Shared};
use crate::site::{self, Path, Visit};
use crate::stream_view::{StreamView, StreamWindow};
use sakimori_model::{Mode, PortRange};
use sakimori_signatures::{
    self as signatures, FlowFacts, FlowState, Memory, Protocol, Stage, TransactionState, Transport,
};
use sakimori_stream::{Application, Decision, Direction, End, Endpoint, Exchange, FlowInfo};

/// A flow under inspection.
#[derive(Debug)]
pub(crate) struct InspectedFlow {
    facts: FlowFacts,
    transport: Transport,
    generation: u64,
    rules: FlowState,
    spoken: Spoken,
    /// What the settings say of the server's port.
    by_port: Option<Protocol>,
    /// Whether intrusion prevention looks at it: a connection to a server here or behind here.
    attacked: bool,
    visit: Visit,
    windows: [Option<Box<StreamWindow>>; 2],
    /// Bytes to the server and to the client.
    lengths: [u64; 2],
}

// === impl InspectedFlow ===

impl InspectedFlow {
    /// `path` and `from_client` say of the packet that makes the flow where it was met and who sent it.
    pub(crate) fn new(
        (transport, client, server): (Transport, Endpoint, Endpoint),
        ports: &Ports,
        generation: u64,
        (path, from_client): (Path, bool),
    ) -> Self {
        let within = |ports: &[PortRange]| ports.iter().any(|ports| ports.contains(server.port));
        let to_outside = match path {
            Path::Serving => false,
            // The answers of servers here leave as well.
            Path::Leaving => from_client,
            Path::FromContainer => true,
        };
        let attacked = match path {
            Path::Leaving => !from_client,
            // Of containers' connections only those that intrusion prevention asks for.
            Path::FromContainer => within(&ports.http),
            Path::Serving => true,
        };
        let visit = if to_outside && within(&ports.web) { Visit::Silent } else { Visit::None };
        Self {
            facts: FlowFacts {
                client: client.address,
                client_port: client.port,
                server: server.address,
                server_port: server.port,
                established: transport == Transport::Tcp,
            },
            transport,
            generation,
            rules: FlowState::default(),
            spoken: Spoken::default(),
            by_port: (attacked && within(&ports.http)).then_some(Protocol::Http),
            attacked,
            visit,
            windows: [None, None],
            lengths: [0, 0],
        }
    }

    /// Whether the rules of intrusion prevention are asked about it.
    fn is_judged(&self, shared: &Shared) -> bool {
        self.attacked && shared.settings.mode != Mode::Off
    }

    /// Whether the web application firewall looks at bytes of this direction.
    fn is_shown_to_waf(&self, shared: &Shared, direction: Direction) -> bool {
        let spoken = match &self.spoken {
            Spoken::Is(dialogue) => dialogue.protocol() == Protocol::Http,
            Spoken::Silent | Spoken::Held(_) => true,
            Spoken::Over(_) | Spoken::Unknown => false,
        };
        let looks = direction == Direction::ToServer || shared.waf.needs_responses();
        self.attacked && shared.waf.is_on() && spoken && looks
    }

    /// Whether any rule could still look at bytes of this direction.
    fn wanted(&self, shared: &Shared, direction: Direction) -> bool {
        let needs = shared.rules.needs();
        if direction == Direction::ToServer && self.visit.is_http() && shared.web.mode != Mode::Off {
            return true;
        }
        if shared.records.is_some() {
            return true;
        }
        if self.is_shown_to_waf(shared, direction) {
            return true;
        }
        if !self.is_judged(shared) {
            return false;
        }
        let side = to_signatures(direction);
        let (stream, other) = match side {
            signatures::Direction::ToServer => (needs.stream_to_server, signatures::Direction::ToClient),
            signatures::Direction::ToClient => (needs.stream_to_client, signatures::Direction::ToServer),
        };
        let spoken = match &self.spoken {
            // what is asked decides how an answer is read
            Spoken::Is(dialogue) => {
                let protocol = dialogue.protocol();
                let asks = |side| {
                    let asked = needs.transactions(side);
                    // what is said of files is known by the connection that announces them
                    asked.contains(protocol)
                        || protocol == Protocol::Ftp && asked.contains(Protocol::FtpData)
                        || protocol == Protocol::Smb && asked.contains(Protocol::Dcerpc)
                };
                asks(side) || direction == Direction::ToServer && asks(other)
            }
            Spoken::Silent | Spoken::Held(_) => {
                !(needs.transactions(side).is_empty() && needs.transactions(other).is_empty())
            }
            Spoken::Over(_) | Spoken::Unknown => false,
        };
        stream || needs.packets || spoken
    }

    /// Finds out what is spoken; gives what was said before that was known.
    fn find_out(
        &mut self,
        shared: &mut Shared,
        direction: Direction,
        bytes: &[u8],
    ) -> Vec<(signatures::Direction, Vec<u8>)> {
        if !matches!(self.spoken, Spoken::Silent | Spoken::Held(_)) {
            return Vec::new();
        }
        let place = (self.transport, self.facts.server_port);
        match self.spoken.find(place, self.by_port, to_signatures(direction), bytes) {
            Found::Is(dialogue, held) => {
                if let Some(records) = &mut shared.records {
                    records.push(Record {
                        flow: self.facts,
                        carried_by: shared.header.protocol(),
                        direction: to_signatures(direction),
                        protocol: Some(dialogue.protocol()),
                        number: 0,
                        said: Said::Spoken,
                    });
                }
                self.spoken = Spoken::Is(dialogue);
                held.into_pieces()
            }
            Found::Wait | Found::Nothing => Vec::new(),
        }
    }

    /// The segment by itself, with its header.
    fn inspect_packet(
        &mut self,
        shared: &mut Shared,
        direction: Direction,
        bytes: &[u8],
        counts: Counts,
    ) -> Decision {
        shared.judged = true;
        if !shared.rules.needs().packets || !self.is_judged(shared) {
            return Decision::Continue;
        }
        let about = About {
            flow: &self.facts,
            protocol: self.spoken.protocol(),
            lengths: self.lengths,
            odd_only: false,
            pass_only: false,
            counts,
        };
        shared.judge_packet(to_signatures(direction), bytes, about, &mut self.rules)
    }

    /// Rules on packets that let pass come before all others, and before what the others look at is there.
    fn let_pass(&mut self, shared: &mut Shared, direction: Direction, bytes: &[u8]) {
        if !shared.rules.needs().passes || !self.is_judged(shared) || self.rules.is_passed() {
            return;
        }
        let about = About {
            flow: &self.facts,
            protocol: self.spoken.protocol(),
            lengths: self.lengths,
            odd_only: false,
            pass_only: true,
            counts: Counts::default(),
        };
        let _passes = shared.judge_packet(to_signatures(direction), bytes, about, &mut self.rules);
    }

    /// A datagram, or another packet that stands alone.
    pub(crate) fn datagram(
        &mut self,
        shared: &mut Shared,
        exchange: &Exchange,
        direction: Direction,
        payload: &[u8],
    ) -> Decision {
        self.renew(shared);
        self.facts.established = exchange.to_server.packets > 0 && exchange.to_client.packets > 0;
        let before = if self.transport == Transport::Udp && self.wanted(shared, direction) {
            self.find_out(shared, direction, payload)
        } else {
            Vec::new()
        };
        debug_assert!(before.is_empty(), "a datagram tells or does not");
        let seconds = shared.now.monotonic.saturating_sub(exchange.began).as_secs();
        let counts = Counts::of(seconds, &exchange.to_server, &exchange.to_client);
        let side = to_signatures(direction);
        match self.speak(shared, payload, |dialogue, asking| dialogue.data(asking, side, payload)) {
            Decision::Continue => self.inspect_packet(shared, direction, payload, counts),
            decided => decided,
        }
    }

    /// The end of a flow of datagrams.
    pub(crate) fn over(&mut self, shared: &mut Shared) {
        self.tell_passed(shared);
        let _over = self.speak(shared, &[], |dialogue, asking| {
            dialogue.end(asking, false);
            Step::Continue
        });
    }

    /// A rule has let all of it pass: that is told at its end.
    fn tell_passed(&self, shared: &mut Shared) {
        if let Some(records) = shared.records.as_mut().filter(|_| self.rules.is_passed()) {
            records.push(Record {
                flow: self.facts,
                carried_by: if self.transport == Transport::Tcp { 6 } else { 17 },
                direction: signatures::Direction::ToServer,
                protocol: self.spoken.protocol(),
                number: 0,
                said: Said::Passed,
            });
        }
    }

    /// What rules remember is forgotten with a new rule set.
    fn renew(&mut self, shared: &Shared) {
        if self.generation != shared.generation {
            self.generation = shared.generation;
            self.rules = FlowState::default();
            for window in self.windows.iter_mut().flatten() {
                window.rules = TransactionState::default();
            }
        }
    }

    /// Keeps the newest bytes of a direction, where rules look at them.
    fn keep(&mut self, shared: &Shared, direction: Direction, bytes: &[u8]) {
        let needs = shared.rules.needs();
        let (slot, wanted, with_transactions) = match direction {
            Direction::ToServer => (0, needs.stream_to_server, needs.payload_of_requests),
            Direction::ToClient => (1, needs.stream_to_client, needs.payload_of_responses),
        };
        let kept = wanted || with_transactions && matches!(self.spoken, Spoken::Is(_) | Spoken::Held(_));
        if kept
            && self.is_judged(shared)
            && let Some(window) = self.windows.get_mut(slot)
        {
            window.get_or_insert_default().push(bytes);
        }
    }

    fn inspect_stream(&mut self, shared: &mut Shared, direction: Direction, bytes: &[u8]) -> Decision {
        let needs = shared.rules.needs();
        let (slot, wanted) = match direction {
            Direction::ToServer => (0, needs.stream_to_server),
            Direction::ToClient => (1, needs.stream_to_client),
        };
        if !wanted || !self.is_judged(shared) {
            return Decision::Continue;
        }
        let protocol = self.spoken.protocol();
        let Some(window) = self.windows.get_mut(slot).and_then(Option::as_deref_mut) else {
            return Decision::Continue;
        };
        let (shown, start, state) = window.split();
        let side = to_signatures(direction);
        let header = shared.header;
        let view = StreamView {
            bytes: shown,
            start,
            direction: side,
            flow: &self.facts,
            segment_length: bytes.len(),
            protocol,
            lengths: self.lengths,
            header: &header,
        };
        let memory = Memory {
            scratch: &mut shared.scratch,
            flow: &mut self.rules,
            transaction: state,
            hosts: &mut shared.hosts,
            now: shared.now.monotonic,
        };
        shared.rules.inspect(memory, &view, Stage::Stream(side), &mut shared.matches);
        judge(shared, &view, &Nothing)
    }

    /// Lets the protocol at hand take something.
    fn speak(
        &mut self,
        shared: &mut Shared,
        piece: &[u8],
        take: impl FnOnce(&mut dyn crate::dialogue::Dialogue, &mut Asking<'_>) -> Step,
    ) -> Decision {
        let (judged, served) = (self.is_judged(shared), self.attacked);
        let Self { spoken, facts, transport, rules, windows, lengths, visit, .. } = self;
        let Spoken::Is(dialogue) = spoken else { return Decision::Continue };
        let [to_server, to_client] = windows;
        let mut asking = Asking {
            attacked: judged,
            served,
            visit: visit.is_http() && shared.web.mode != Mode::Off,
            facts,
            rules,
            raw: Raw {
                transport: *transport,
                segment_length: piece.len(),
                datagram: (*transport == Transport::Udp).then_some(piece),
                windows: [to_server.as_deref(), to_client.as_deref()],
                lengths: *lengths,
            },
            shared,
        };
        match take(&mut **dialogue, &mut asking) {
            Step::Continue => Decision::Continue,
            Step::Block => Decision::Block,
            Step::Over => {
                self.spoken = Spoken::Over(dialogue.protocol());
                Decision::Continue
            }
            Step::Other => {
                self.spoken = Spoken::Silent;
                self.by_port = None;
                self.leave_be()
            }
        }
    }

    /// Nothing more is looked up for this flow; the kernel may forget it unless somebody else looks at it.
    fn leave_be(&mut self) -> Decision {
        self.visit = Visit::None;
        if self.attacked { Decision::Continue } else { Decision::Done }
    }

    /// What the client asks for, where this is a connection to the outside.
    fn visit(&mut self, shared: &mut Shared, bytes: &[u8]) -> Decision {
        if matches!(self.visit, Visit::None) || shared.web.mode == Mode::Off {
            return Decision::Continue;
        }
        match self.visit.feed(shared, &self.facts, bytes) {
            site::Step::Block => Decision::Block,
            site::Step::Over => self.leave_be(),
            site::Step::Watch => {
                if self.visit.is_http()
                    && matches!(self.spoken, Spoken::Silent)
                    && let Some(http) = Spec::of(Protocol::Http)
                {
                    self.spoken = Spoken::Is((http.make)());
                }
                Decision::Continue
            }
        }
    }
}

impl Application for InspectedFlow {
    type Context = Shared;

    fn packet(
        &mut self,
        shared: &mut Shared,
        info: &FlowInfo,
        direction: Direction,
        established: bool,
        payload: &[u8],
    ) -> Decision {
        self.renew(shared);
        self.facts.established = established;
        let seconds = (shared.now.wall.0 - info.started.0).max(0) / 1_000_000;
        let counts = Counts::of(u64::try_from(seconds).unwrap_or(0), &info.to_server, &info.to_client);
        self.inspect_packet(shared, direction, payload, counts)
    }

    fn data(
        &mut self,
        shared: &mut Shared,
        _info: &FlowInfo,
        direction: Direction,
        bytes: &[u8],
    ) -> Decision {
        self.renew(shared);
        shared.judged = true;
        if let Some(length) = self.lengths.get_mut(usize::from(direction == Direction::ToClient)) {
            *length = length.saturating_add(bytes.len() as u64);
        }
        if direction == Direction::ToServer {
            match self.visit(shared, bytes) {
                Decision::Continue => {}
                decided => return decided,
            }
        }
        if !self.wanted(shared, direction) {
            // Not `Done`: the next rule set may want what this one does not.
            return Decision::Continue;
        }
        if matches!(self.spoken, Spoken::Silent)
            && shared.expected.get((self.facts.server, self.facts.server_port)).is_some()
            && let Some(data) = Spec::of(Protocol::FtpData)
        {
            self.spoken = Spoken::Is((data.make)());
        }
        let before = self.find_out(shared, direction, bytes);
        self.let_pass(shared, direction, bytes);
        self.keep(shared, direction, bytes);
        let now = std::iter::once((to_signatures(direction), bytes));
        let before = before.iter().map(|(direction, bytes)| (*direction, bytes.as_slice()));
        for (side, piece) in before.chain(now) {
            match self.speak(shared, bytes, |dialogue, asking| dialogue.data(asking, side, piece)) {
                Decision::Continue => {}
                decided => return decided,
            }
        }
        // last, so that a transaction's rule that lets the flow pass comes before those on raw bytes
        self.inspect_stream(shared, direction, bytes)
    }

    fn gap(&mut self, shared: &mut Shared, _: &FlowInfo, direction: Direction, bytes: u64) -> Decision {
        let slot = usize::from(direction == Direction::ToClient);
        if let Some(window) = self.windows.get_mut(slot).and_then(Option::as_mut) {
            window.gap(bytes);
        }
        let side = to_signatures(direction);
        self.speak(shared, &[], |dialogue, asking| dialogue.gap(asking, side, bytes))
    }

    fn end(&mut self, shared: &mut Shared, _: &FlowInfo, how: End) {
        self.tell_passed(shared);
        let _over = self.speak(shared, &[], |dialogue, asking| {
            dialogue.end(asking, how == End::Blocked);
            Step::Continue
        });
    }
}

const fn to_signatures(direction: Direction) -> signatures::Direction {
    match direction {
        Direction::ToServer => signatures::Direction::ToServer,
        Direction::ToClient => signatures::Direction::ToClient,
    }
}
