//! One flow under inspection: what it speaks, its raw windows, and what the rules remember of it.
//!
//! Its bytes take these steps: web reputation looks where a connection to the outside goes; the protocol is found out;
//! rules look at the packet, then at the stream; at last the protocol's [`Dialogue`](crate::dialogue::Dialogue) takes them.
use crate::detection::{Found, Spoken};
use crate::dialogue::{Asking, Raw, Spec, Step};
use crate::judge::{Nothing, judge};
use crate::packet_view::PacketView;
use crate::shared::{Ports, Shared};
use crate::site::{self, Path, Visit};
use crate::stream_view::{StreamView, StreamWindow};
use sakimori_model::{Mode, PortRange};
use sakimori_signatures::{
    self as signatures, FlowFacts, FlowState, Memory, Protocol, Stage, TransactionState, Transport,
};
use sakimori_stream::{Application, Decision, Direction, End, FlowInfo};

/// A flow under inspection.
#[derive(Debug)]
pub(crate) struct InspectedFlow {
    facts: FlowFacts,
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
        info: &FlowInfo,
        ports: &Ports,
        generation: u64,
        (path, from_client): (Path, bool),
    ) -> Self {
        let within = |ports: &[PortRange]| ports.iter().any(|ports| ports.contains(info.server.port));
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
                client: info.client.address,
                client_port: info.client.port,
                server: info.server.address,
                server_port: info.server.port,
                established: true,
            },
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

    /// Whether any rule could still look at bytes of this direction.
    fn wanted(&self, shared: &Shared, direction: Direction) -> bool {
        let needs = shared.rules.needs();
        if direction == Direction::ToServer && self.visit.is_http() && shared.web.mode != Mode::Off {
            return true;
        }
        if shared.records.is_some() {
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
                    asked.contains(protocol) || protocol == Protocol::Ftp && asked.contains(Protocol::FtpData)
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
    fn find_out(&mut self, direction: Direction, bytes: &[u8]) -> Vec<(signatures::Direction, Vec<u8>)> {
        if !matches!(self.spoken, Spoken::Silent | Spoken::Held(_)) {
            return Vec::new();
        }
        let place = (Transport::Tcp, self.facts.server_port);
        match self.spoken.find(place, self.by_port, to_signatures(direction), bytes) {
            Found::Is(dialogue, held) => {
                self.spoken = Spoken::Is(dialogue);
                held.into_pieces()
            }
            Found::Wait | Found::Nothing => Vec::new(),
        }
    }

    /// The segment by itself, with its header.
    fn inspect_packet(&mut self, shared: &mut Shared, direction: Direction, bytes: &[u8]) -> Decision {
        if !shared.rules.needs().packets || !self.is_judged(shared) {
            return Decision::Continue;
        }
        let header = shared.header;
        let view = PacketView {
            header: &header,
            payload: bytes,
            flow: &self.facts,
            protocol: self.spoken.protocol(),
            lengths: self.lengths,
        };
        let stage = Stage::Packet(to_signatures(direction));
        let memory = Memory {
            scratch: &mut shared.scratch,
            flow: &mut self.rules,
            transaction: &mut TransactionState::default(),
            hosts: &mut shared.hosts,
            now: shared.now.monotonic,
        };
        shared.rules.inspect(memory, &view, stage, &mut shared.matches);
        judge(shared, &view, &Nothing)
    }

    fn inspect_stream(&mut self, shared: &mut Shared, direction: Direction, bytes: &[u8]) -> Decision {
        let needs = shared.rules.needs();
        let (slot, wanted, with_transactions) = match direction {
            Direction::ToServer => (0, needs.stream_to_server, needs.payload_of_requests),
            Direction::ToClient => (1, needs.stream_to_client, needs.payload_of_responses),
        };
        let kept = wanted || with_transactions && matches!(self.spoken, Spoken::Is(_) | Spoken::Held(_));
        let kept = kept && self.is_judged(shared);
        let protocol = self.spoken.protocol();
        let Some(window) = self.windows.get_mut(slot).filter(|_| kept) else { return Decision::Continue };
        let window = window.get_or_insert_default();
        window.push(bytes);
        if !wanted {
            return Decision::Continue;
        }
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
        segment_length: usize,
        take: impl FnOnce(&mut dyn crate::dialogue::Dialogue, &mut Asking<'_>) -> Step,
    ) -> Decision {
        let judged = self.is_judged(shared);
        let Self { spoken, facts, rules, windows, lengths, visit, .. } = self;
        let Spoken::Is(dialogue) = spoken else { return Decision::Continue };
        let [to_server, to_client] = windows;
        let mut asking = Asking {
            attacked: judged,
            visit: visit.is_http() && shared.web.mode != Mode::Off,
            facts,
            rules,
            raw: Raw {
                transport: Transport::Tcp,
                segment_length,
                datagram: None,
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

    fn data(
        &mut self,
        shared: &mut Shared,
        _info: &FlowInfo,
        direction: Direction,
        bytes: &[u8],
    ) -> Decision {
        if self.generation != shared.generation {
            self.generation = shared.generation;
            self.rules = FlowState::default();
            for window in self.windows.iter_mut().flatten() {
                window.rules = TransactionState::default();
            }
        }
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
        let before = self.find_out(direction, bytes);
        for step in [Self::inspect_packet, Self::inspect_stream] {
            match step(self, shared, direction, bytes) {
                Decision::Continue => {}
                decided => return decided,
            }
        }
        let now = std::iter::once((to_signatures(direction), bytes));
        let before = before.iter().map(|(direction, bytes)| (*direction, bytes.as_slice()));
        for (side, piece) in before.chain(now) {
            match self.speak(shared, bytes.len(), |dialogue, asking| dialogue.data(asking, side, piece)) {
                Decision::Continue => {}
                decided => return decided,
            }
        }
        Decision::Continue
    }

    fn gap(&mut self, shared: &mut Shared, _: &FlowInfo, direction: Direction, bytes: u64) -> Decision {
        let slot = usize::from(direction == Direction::ToClient);
        if let Some(window) = self.windows.get_mut(slot).and_then(Option::as_mut) {
            window.gap(bytes);
        }
        let side = to_signatures(direction);
        self.speak(shared, 0, |dialogue, asking| dialogue.gap(asking, side, bytes))
    }

    fn end(&mut self, shared: &mut Shared, _: &FlowInfo, how: End) {
        let _over = self.speak(shared, 0, |dialogue, asking| {
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
