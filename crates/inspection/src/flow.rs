//! One flow under inspection: its HTTP connection, its raw windows, and what the rules remember of it.
use crate::answer::Why;
use crate::engine::{Counters, Limits};
use crate::http_view::{HttpView, Stream};
use crate::packet_view::{Header, PacketView};
use crate::record::{Record, Recorder};
use crate::report::{self, Occasion};
use crate::site::{self, Path, Sighting, Step, Visit, WebReputation};
use crate::stream_view::{StreamView, StreamWindow};
use crate::tls_view::TlsView;
use sakimori_model::{Action, Event, IncidentId, IntrusionPrevention, Mode, Now, PortRange};
use sakimori_protocols::http1;
use sakimori_protocols::tls::Greeting;
use sakimori_signatures::{
    self as signatures, FlowFacts, FlowState, Hosts, Inspected, Match, Memory, Protocol, RuleSet, Scratch,
    Stage, TransactionState,
};
use sakimori_stream::{Application, Decision, Direction, End, FlowInfo};
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
    pub(crate) matches: Vec<Match>,
    pub(crate) events: Vec<Event>,
    pub(crate) counters: Counters,
    pub(crate) incident_seed: u64,
    pub(crate) incidents: u64,
    /// The incident that blocked the flow at hand.
    pub(crate) blocked: Option<Blocked>,
    pub(crate) web: WebReputation,
    pub(crate) sightings: Vec<Sighting>,
    /// Where records are kept, what was said and not drained yet.
    pub(crate) records: Option<Vec<Record>>,
}

/// The incident that blocked a flow, and the page that its client gets instead of a reset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocked {
    pub(crate) incident: IncidentId,
    pub(crate) page: Option<Why>,
}

/// A flow under inspection.
#[derive(Debug)]
pub(crate) struct InspectedFlow {
    facts: FlowFacts,
    generation: u64,
    rules: FlowState,
    http: Option<Box<http1::Connection<RuleMemory>>>,
    /// Whether intrusion prevention looks at it: a connection to a server here or behind here.
    attacked: bool,
    visit: Visit,
    windows: [Option<Box<StreamWindow>>; 2],
    /// Bytes to the server and to the client.
    lengths: [u64; 2],
    greeting: Hello,
    recorder: Recorder,
}

/// What a client says first, where it may be TLS.
#[derive(Debug, Default)]
enum Hello {
    /// Nothing was said yet.
    #[default]
    Silent,
    /// It has begun.
    Begun(Box<Greeting>),
    /// It was whole, or can never be.
    Over,
    /// Something else was said.
    None,
}

/// What the rules remember of one transaction, and of which rule set.
#[derive(Debug, Default)]
pub(crate) struct RuleMemory {
    state: TransactionState,
    generation: u64,
    /// Whether the reputation of what it asks for was looked up.
    asked: bool,
}

// === impl Shared ===

impl Shared {
    pub(crate) fn next_incident(&mut self) -> IncidentId {
        let incident = IncidentId(mix(self.incident_seed, self.incidents));
        self.incidents += 1;
        incident
    }
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
        let is_http = attacked && within(&ports.http);
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
            http: is_http.then(Box::default),
            attacked,
            visit,
            windows: [None, None],
            lengths: [0, 0],
            greeting: Hello::Silent,
            recorder: Recorder::default(),
        }
    }

    /// The protocol that it is taken for.
    fn protocol(&self) -> Option<Protocol> {
        match self.greeting {
            Hello::Begun(_) | Hello::Over => Some(Protocol::Tls),
            Hello::Silent | Hello::None => self.http.is_some().then_some(Protocol::Http),
        }
    }

    /// Whether any rule could still look at bytes of this direction.
    fn wanted(&self, shared: &Shared, direction: Direction) -> bool {
        let needs = shared.rules.needs();
        if direction == Direction::ToServer && self.visit.is_http() && shared.web.mode != Mode::Off {
            return true;
        }
        if shared.records.is_some() && self.http.is_some() {
            return true;
        }
        if shared.settings.mode == Mode::Off || !self.attacked {
            return false;
        }
        match direction {
            Direction::ToServer => {
                (self.http.is_some() && needs.request)
                    || needs.stream_to_server
                    || needs.packets
                    || needs.greeting && !matches!(self.greeting, Hello::Over | Hello::None)
            }
            Direction::ToClient => {
                (self.http.is_some() && needs.response) || needs.stream_to_client || needs.packets
            }
        }
    }

    fn inspect_stream(&mut self, shared: &mut Shared, direction: Direction, bytes: &[u8]) -> Decision {
        let needs = shared.rules.needs();
        let (slot, wanted, with_http) = match direction {
            Direction::ToServer => (0, needs.stream_to_server, needs.payload_of_requests),
            Direction::ToClient => (1, needs.stream_to_client, needs.payload_of_responses),
        };
        let kept = wanted || with_http && self.http.is_some();
        let kept = kept && self.attacked && shared.settings.mode != Mode::Off;
        let protocol = self.protocol();
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
        judge(shared, &view, None)
    }

    /// The segment by itself, with its header.
    fn inspect_packet(&mut self, shared: &mut Shared, direction: Direction, bytes: &[u8]) -> Decision {
        if !shared.rules.needs().packets || !self.attacked || shared.settings.mode == Mode::Off {
            return Decision::Continue;
        }
        let header = shared.header;
        let view = PacketView {
            header: &header,
            payload: bytes,
            flow: &self.facts,
            protocol: self.protocol(),
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
        judge(shared, &view, None)
    }

    /// The greeting of a client that speaks TLS.
    fn inspect_greeting(&mut self, shared: &mut Shared, direction: Direction, bytes: &[u8]) -> Decision {
        if direction == Direction::ToClient || !self.attacked {
            return Decision::Continue;
        }
        if matches!(self.greeting, Hello::Silent) {
            let begins = bytes.first().is_some_and(|first| Greeting::may_begin_with(*first));
            self.greeting = if begins { Hello::Begun(Box::default()) } else { Hello::None };
        }
        let Hello::Begun(greeting) = &mut self.greeting else { return Decision::Continue };
        let Some(hello) = greeting.feed(bytes) else { return Decision::Continue };
        self.greeting = Hello::Over;
        if !shared.rules.needs().greeting || shared.settings.mode == Mode::Off {
            return Decision::Continue;
        }
        let name = hello.server_name.as_ref().map(|name| name.to_ascii_lowercase());
        let header = shared.header;
        let view = TlsView {
            hello: &hello,
            name: name.as_deref(),
            flow: &self.facts,
            segment_length: bytes.len(),
            lengths: self.lengths,
            header: &header,
        };
        let memory = Memory {
            scratch: &mut shared.scratch,
            flow: &mut self.rules,
            transaction: &mut TransactionState::default(),
            hosts: &mut shared.hosts,
            now: shared.now.monotonic,
        };
        shared.rules.inspect(memory, &view, Stage::RequestEnd, &mut shared.matches);
        judge(shared, &view, None)
    }

    fn inspect_http(&mut self, shared: &mut Shared, direction: Direction, bytes: &[u8]) -> Decision {
        if matches!(self.protocol(), Some(Protocol::Tls)) {
            return Decision::Continue;
        }
        let (slot, side) = match direction {
            Direction::ToServer => (0, http1::Direction::ToServer),
            Direction::ToClient => (1, http1::Direction::ToClient),
        };
        let limits = shared.limits.http;
        let Some((connection, mut sink)) = self.http_sink(shared, slot, bytes.len()) else {
            return Decision::Continue;
        };
        let control = connection.feed(side, bytes, &limits, &mut sink);
        let tunnel = sink.tunnel;
        match control {
            http1::Control::Stop => Decision::Block,
            http1::Control::Continue if tunnel => self.leave_be(),
            http1::Control::Continue => Decision::Continue,
        }
    }

    /// The HTTP connection and who is told of its steps.
    fn http_sink<'a>(
        &'a mut self,
        shared: &'a mut Shared,
        slot: usize,
        segment_length: usize,
    ) -> Option<(&'a mut http1::Connection<RuleMemory>, HttpSink<'a>)> {
        let window = self.windows.get(slot).and_then(Option::as_deref);
        let sink = HttpSink {
            attacked: self.attacked && shared.settings.mode != Mode::Off,
            visit: self.visit.is_http() && shared.web.mode != Mode::Off,
            shared,
            facts: &self.facts,
            rules: &mut self.rules,
            segment_length,
            window,
            lengths: self.lengths,
            tunnel: false,
            recorder: &mut self.recorder,
        };
        Some((self.http.as_deref_mut()?, sink))
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
            Step::Block => Decision::Block,
            Step::Over => self.leave_be(),
            Step::Watch => {
                if self.visit.is_http() {
                    let _http = self.http.get_or_insert_default();
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
        let steps = [Self::inspect_greeting, Self::inspect_packet, Self::inspect_stream, Self::inspect_http];
        for step in steps {
            match step(self, shared, direction, bytes) {
                Decision::Continue => {}
                decided => return decided,
            }
        }
        Decision::Continue
    }

    fn gap(&mut self, _: &mut Shared, _: &FlowInfo, direction: Direction, bytes: u64) -> Decision {
        let (slot, http_direction) = match direction {
            Direction::ToServer => (0, http1::Direction::ToServer),
            Direction::ToClient => (1, http1::Direction::ToClient),
        };
        if let Some(window) = self.windows.get_mut(slot).and_then(Option::as_mut) {
            window.gap(bytes);
        }
        if let Some(http) = &mut self.http {
            http.gap(http_direction, bytes);
        }
        Decision::Continue
    }

    fn end(&mut self, shared: &mut Shared, _: &FlowInfo, how: End) {
        let limits = shared.limits.http;
        if how != End::Blocked
            && let Some((connection, mut sink)) = self.http_sink(shared, 1, 0)
        {
            // Too late to stop anything: what lasts until the end of its connection is told of.
            let _over = connection.close(&limits, &mut sink);
        }
        if let Some(records) = &mut shared.records {
            self.recorder.end(records);
        }
        if let Some(http) = &self.http {
            shared.counters.garbage_lines += http.garbage_lines();
        }
    }
}

/// Asks the rules about each step of an HTTP message.
struct HttpSink<'a> {
    shared: &'a mut Shared,
    facts: &'a FlowFacts,
    rules: &'a mut FlowState,
    segment_length: usize,
    /// The raw bytes of the direction that is fed.
    window: Option<&'a StreamWindow>,
    lengths: [u64; 2],
    /// Whether the rules of intrusion prevention are asked.
    attacked: bool,
    /// Whether requests are looked up in the reputation lists.
    visit: bool,
    /// A request opened a tunnel.
    tunnel: bool,
    recorder: &'a mut Recorder,
}

impl http1::Sink<RuleMemory> for HttpSink<'_> {
    fn progress(
        &mut self,
        direction: http1::Direction,
        transaction: &mut http1::Transaction<RuleMemory>,
        stage: http1::Stage,
    ) -> http1::Control {
        let shared = &mut *self.shared;
        let (side, stage) = match (direction, stage) {
            (http1::Direction::ToServer, http1::Stage::Headers) => {
                (signatures::Direction::ToServer, Stage::RequestHeaders)
            }
            (http1::Direction::ToServer, http1::Stage::Body) => {
                (signatures::Direction::ToServer, Stage::RequestBody)
            }
            (http1::Direction::ToServer, http1::Stage::End) => {
                shared.counters.http_requests += 1;
                (signatures::Direction::ToServer, Stage::RequestEnd)
            }
            (http1::Direction::ToClient, http1::Stage::Headers) => {
                (signatures::Direction::ToClient, Stage::ResponseHeaders)
            }
            (http1::Direction::ToClient, http1::Stage::Body) => {
                (signatures::Direction::ToClient, Stage::ResponseBody)
            }
            (http1::Direction::ToClient, http1::Stage::End) => {
                (signatures::Direction::ToClient, Stage::ResponseEnd)
            }
        };
        if let Some(records) = &mut shared.records {
            match stage {
                Stage::RequestEnd => self.recorder.request(self.facts, &transaction.message, records),
                Stage::ResponseEnd => self.recorder.answer(self.facts, &transaction.message, records),
                _ => {}
            }
        }
        if stage == Stage::RequestEnd && !transaction.message.anomalies().is_empty() {
            shared.counters.http_anomalies += 1;
        }
        if self.visit && direction == http1::Direction::ToServer && !transaction.state.asked {
            transaction.state.asked = true;
            match site::judge_request(shared, self.facts, &transaction.message) {
                Decision::Block => return http1::Control::Stop,
                Decision::Done => self.tunnel = true,
                _ => {}
            }
        }
        if !self.attacked {
            return http1::Control::Continue;
        }
        if transaction.state.generation != shared.generation {
            let asked = transaction.state.asked;
            transaction.state =
                RuleMemory { state: TransactionState::default(), generation: shared.generation, asked };
        }
        let body_limit = shared.limits.http.body_bytes;
        let header = shared.header;
        let stream =
            Stream { shown: self.window.map(StreamWindow::shown), lengths: self.lengths, header: &header };
        let view =
            HttpView::new(&transaction.message, side, self.facts, self.segment_length, body_limit, stream);
        let memory = Memory {
            scratch: &mut shared.scratch,
            flow: self.rules,
            transaction: &mut transaction.state.state,
            hosts: &mut shared.hosts,
            now: shared.now.monotonic,
        };
        shared.rules.inspect(memory, &view, stage, &mut shared.matches);
        let request = (side == signatures::Direction::ToServer).then_some(&transaction.message);
        match judge(shared, &view, request) {
            Decision::Block => http1::Control::Stop,
            _ => http1::Control::Continue,
        }
    }
}

/// Turns the matches at hand into events and a decision, by the policy's modes.
pub(crate) fn judge<T: Inspected>(
    shared: &mut Shared,
    subject: &T,
    request: Option<&http1::Message>,
) -> Decision {
    if shared.matches.is_empty() {
        return Decision::Continue;
    }
    let matches = std::mem::take(&mut shared.matches);
    let rules = Arc::clone(&shared.rules);
    let mode_of = |found: &Match| {
        let rule = rules.rules().get(found.rule)?;
        Some((rule, shared.settings.rule_mode(found.sid))).filter(|(_, mode)| *mode != Mode::Off)
    };
    let judged: Vec<_> =
        matches.iter().filter_map(|m| mode_of(m).map(|(rule, mode)| (m, rule, mode))).collect();
    let block = judged.iter().any(|(_, _, mode)| *mode == Mode::Prevent);
    let incident = IncidentId(mix(shared.incident_seed, shared.incidents));
    let count = u64::from(!judged.is_empty());
    let occasion = Occasion { at: shared.now.wall, incident, http: request.map(report::summary) };
    for (found, rule, mode) in judged {
        // what stops traffic is always told
        if !rule.reports || !found.reported && mode != Mode::Prevent {
            continue;
        }
        let action = if mode == Mode::Prevent { Action::Blocked } else { Action::Detected };
        match action {
            Action::Blocked => shared.counters.matches_blocked += 1,
            _ => shared.counters.matches_detected += 1,
        }
        if shared.events.len() < shared.limits.events {
            shared.events.push(report::event(&occasion, action, rule, found, subject));
        } else {
            shared.counters.events_lost += 1;
        }
    }
    shared.incidents += count;
    shared.matches = matches;
    shared.matches.clear();
    if block {
        let page = request.is_some() && shared.settings.answer_page;
        shared.blocked = Some(Blocked { incident, page: page.then_some(Why::Attack) });
        return Decision::Block;
    }
    Decision::Continue
}

/// Server ports by what is looked for on them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ports {
    /// Intrusion prevention.
    pub(crate) http: Vec<PortRange>,
    /// Web reputation.
    pub(crate) web: Vec<PortRange>,
}

const fn to_signatures(direction: Direction) -> signatures::Direction {
    match direction {
        Direction::ToServer => signatures::Direction::ToServer,
        Direction::ToClient => signatures::Direction::ToClient,
    }
}

/// Incident ids that nobody can count up: the finaliser of `SplitMix64` over the seed and a counter.
const fn mix(seed: u64, count: u64) -> u64 {
    let mut z = seed.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
