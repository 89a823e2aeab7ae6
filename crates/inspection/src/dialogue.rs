//! The seam at which application protocols plug in.
//!
//! A protocol is a file `<protocol>_view.rs` with three things, and a row of [`PROTOCOLS`]:
//! - a *probe*: whether the first bytes of a direction are in the protocol;
//! - a [`Dialogue`]: takes the bytes of both directions as they come (pieces of a TCP stream in order, or whole UDP
//!   datagrams), hands them to its parser in `sakimori_protocols`, and for each step of a transaction calls
//!   [`Asking::judge`] with a view of it, its [`RuleMemory`] and the stage, and [`Asking::record`] once it is over;
//! - a *view*: a [`Transaction`] that answers for the protocol's buffers, numbers and events. All that every protocol has (the
//!   flow, raw bytes, header fields, lengths) is answered here.
//!
//! What rules may ask of the protocol then belongs into `coverage.rs`, what is written down of it into `record.rs` and, as
//! EVE, into `recordings`.
use crate::judge::{About, judge};
use crate::packet_view::Header;
use crate::record::{Record, Said};
use crate::shared::Shared;
use crate::stream_view::StreamWindow;
use crate::{dcerpc_view, dns_view, ftp_data_view, ftp_view, http, smb_view, smtp_view, ssh_view, tls_view};
use sakimori_model::HttpSummary;
use sakimori_signatures::{
    Buffer, Direction, EventName, Fact, FlowFacts, FlowState, Inspected, Memory, Protocol, Stage,
    TransactionState, Transport,
};
use sakimori_stream::Decision;
use std::fmt::Debug;

/// How a protocol is found out, and who speaks it.
pub(crate) struct Spec {
    pub(crate) protocol: Protocol,
    /// Ports of servers on which the probe is asked; on all where there are none. For protocols whose first bytes say little.
    pub(crate) ports: &'static [u16],
    pub(crate) probe: fn(Direction, &[u8]) -> Probe,
    pub(crate) make: fn() -> Box<dyn Dialogue>,
}

/// All protocols that are spoken here, in the order in which they are tried.
pub(crate) const PROTOCOLS: &[Spec] = &[
    http::SPEC,
    tls_view::SPEC,
    dns_view::SPEC,
    ftp_view::SPEC,
    ftp_data_view::SPEC,
    smtp_view::SPEC,
    smb_view::SPEC,
    ssh_view::SPEC,
    dcerpc_view::SPEC,
];

/// What the first bytes of a direction say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// They are in the protocol.
    Yes,
    /// They are not.
    No,
    /// There are too few of them.
    More,
}

/// What the two ends of a flow say to each other in one protocol.
pub(crate) trait Dialogue: Debug + Send {
    fn protocol(&self) -> Protocol;

    /// Takes the next bytes of a direction, or a datagram.
    fn data(&mut self, asking: &mut Asking<'_>, direction: Direction, bytes: &[u8]) -> Step;

    /// Bytes of a direction are missing.
    fn gap(&mut self, _asking: &mut Asking<'_>, _direction: Direction, _bytes: u64) -> Step {
        Step::Over
    }

    /// The flow is over, or was stopped: what lasts until then is told of. Nothing can be stopped any more.
    fn end(&mut self, _asking: &mut Asking<'_>, _blocked: bool) {}
}

/// What follows from a piece of a dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It goes on.
    Continue,
    /// The flow is to be stopped.
    Block,
    /// Nothing that follows can be understood: encrypted, or broken.
    Over,
    /// Another protocol follows with the next bytes, which say which: a tunnel, an upgrade.
    Other,
}

impl From<Decision> for Step {
    fn from(decision: Decision) -> Self {
        if decision == Decision::Block { Self::Block } else { Self::Continue }
    }
}

/// A step of a transaction as rules look at it. What is not answered does not exist.
pub(crate) trait Transaction {
    fn protocol(&self) -> Protocol;

    /// The bytes of a buffer as far as they are there: see [`Inspected::buffer`].
    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]>;

    /// One of the instances of a buffer that comes several times.
    fn instance(&self, buffer: Buffer, direction: Direction, index: usize) -> Option<&[u8]> {
        if index == 0 { self.buffer(buffer, direction) } else { None }
    }

    /// Whether nothing will be added to a buffer.
    fn is_complete(&self, _buffer: Buffer, _direction: Direction) -> bool {
        true
    }

    /// A number of the protocol.
    fn fact(&self, _fact: Fact, _direction: Direction) -> Option<u64> {
        None
    }

    /// Whether the message says that its numbers stand with their lowest byte first.
    fn is_little_endian(&self) -> bool {
        true
    }

    /// Whether something odd was seen.
    fn has_event(&self, _event: EventName, _direction: Direction) -> bool {
        false
    }

    /// The request in one line, where it is one of HTTP.
    fn request(&self) -> Option<HttpSummary> {
        None
    }

    /// What is told with a match where records are kept: the transaction as far as it is known.
    fn said(&self) -> Option<Said> {
        None
    }
}

/// What the rules remember of one transaction. A new rule set looks at it from its beginning.
#[derive(Debug, Default)]
pub(crate) struct RuleMemory {
    state: TransactionState,
    generation: u64,
}

// === impl RuleMemory ===

impl RuleMemory {
    /// Another file follows in the transaction.
    pub(crate) fn next_file(&mut self) {
        self.state.next_file();
    }
}

/// The flow whose bytes are fed, as its dialogue may ask about it.
pub(crate) struct Asking<'a> {
    pub(crate) shared: &'a mut Shared,
    pub(crate) facts: &'a FlowFacts,
    pub(crate) rules: &'a mut FlowState,
    pub(crate) raw: Raw<'a>,
    /// Whether the rules of intrusion prevention are asked.
    pub(crate) attacked: bool,
    /// Whether it is a connection to a server here or behind here.
    pub(crate) served: bool,
    /// Whether requests are looked up in the reputation lists.
    pub(crate) visit: bool,
}

/// The raw bytes that a step came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) transport: Transport,
    /// Length of the newest piece.
    pub(crate) segment_length: usize,
    /// A datagram by itself.
    pub(crate) datagram: Option<&'a [u8]>,
    /// Of a stream, its newest bytes to the server and to the client, where they are kept.
    pub(crate) windows: [Option<&'a StreamWindow>; 2],
    /// Bytes of the streams to the server and to the client.
    pub(crate) lengths: [u64; 2],
}

// === impl Spec ===

impl Spec {
    pub(crate) fn of(protocol: Protocol) -> Option<&'static Self> {
        PROTOCOLS.iter().find(|spec| spec.protocol == protocol)
    }

    /// Whether it may be spoken there.
    pub(crate) fn is_tried(&self, transport: Transport, server_port: u16) -> bool {
        let carried = match self.protocol.transport() {
            Transport::TcpOrUdp => matches!(transport, Transport::Tcp | Transport::Udp),
            wanted => wanted == transport,
        };
        carried && (self.ports.is_empty() || self.ports.contains(&server_port))
    }
}

// === impl Asking ===

impl Asking<'_> {
    /// Asks the rules about a step of a transaction.
    ///
    /// `number` counts the transactions of the flow, from 0.
    pub(crate) fn judge<T: Transaction>(
        &mut self,
        view: &T,
        number: u64,
        memory: &mut RuleMemory,
        stage: Stage,
    ) -> Decision {
        if !self.attacked {
            return Decision::Continue;
        }
        if memory.generation != self.shared.generation {
            *memory = RuleMemory { state: TransactionState::default(), generation: self.shared.generation };
        }
        let header = self.shared.header;
        let subject = Subject { view, number, facts: self.facts, raw: self.raw, header: &header };
        let memory = Memory {
            scratch: &mut self.shared.scratch,
            flow: self.rules,
            transaction: &mut memory.state,
            hosts: &mut self.shared.hosts,
            now: self.shared.now.monotonic,
        };
        let rules = &self.shared.rules;
        rules.inspect(memory, &subject, stage, &mut self.shared.matches);
        judge(self.shared, &subject, &subject)
    }

    pub(crate) const fn keeps_records(&self) -> bool {
        self.shared.records.is_some()
    }

    /// Keeps what was said, where records are kept.
    pub(crate) fn record(&mut self, protocol: Protocol, direction: Direction, number: u64, said: Said) {
        let (flow, carried_by) = (*self.facts, self.shared.header.protocol());
        if let Some(records) = &mut self.shared.records {
            records.push(Record { flow, carried_by, direction, protocol: Some(protocol), number, said });
        }
    }
}

/// A transaction with what surrounds it.
struct Subject<'a, T> {
    view: &'a T,
    number: u64,
    facts: &'a FlowFacts,
    raw: Raw<'a>,
    header: &'a Header,
}

impl<T> Subject<'_, T> {
    fn window(&self, direction: Direction) -> Option<&StreamWindow> {
        let [to_server, to_client] = self.raw.windows;
        match direction {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }
}

impl<T: Transaction> Inspected for Subject<'_, T> {
    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]> {
        match buffer {
            Buffer::Payload => self.raw.datagram.or_else(|| Some(self.window(direction)?.shown().0)),
            buffer => self.view.buffer(buffer, direction),
        }
    }

    fn is_complete(&self, buffer: Buffer, direction: Direction) -> bool {
        buffer == Buffer::Payload || !buffer.grows() || self.view.is_complete(buffer, direction)
    }

    fn start(&self, buffer: Buffer, direction: Direction) -> u64 {
        match buffer {
            Buffer::Payload => self.window(direction).map_or(0, |window| window.shown().1),
            _ => 0,
        }
    }

    fn instance(&self, buffer: Buffer, direction: Direction, index: usize) -> Option<&[u8]> {
        self.view.instance(buffer, direction, index)
    }

    fn flow(&self) -> &FlowFacts {
        self.facts
    }

    fn segment_length(&self) -> usize {
        self.raw.segment_length
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(self.view.protocol())
    }

    fn transport(&self) -> Transport {
        self.raw.transport
    }

    fn fact(&self, fact: Fact, direction: Direction) -> Option<u64> {
        let [to_server, to_client] = self.raw.lengths;
        match fact {
            Fact::StreamOfClient => Some(to_server),
            Fact::StreamOfServer => Some(to_client),
            fact => self.view.fact(fact, direction).or_else(|| self.header.fact(fact)),
        }
    }

    fn is_little_endian(&self, _direction: Direction) -> bool {
        self.view.is_little_endian()
    }

    fn has_event(&self, event: EventName, direction: Direction) -> bool {
        self.view.has_event(event, direction)
    }
}

impl<T: Transaction> About for Subject<'_, T> {
    fn request(&self) -> Option<HttpSummary> {
        self.view.request()
    }

    fn transaction(&self) -> Option<(u64, Said)> {
        Some((self.number, self.view.said()?))
    }
}
