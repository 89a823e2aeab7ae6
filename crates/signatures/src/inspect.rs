//! Inspection: stages in, matches out.
use crate::{Buffer, Direction, RuleSet, Stage};
use sakimori_model::Sid;
use std::net::IpAddr;

/// What is known about the flow a transaction belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowFacts {
    /// The side that opened the connection.
    pub client: IpAddr,
    /// Its port.
    pub client_port: u16,
    /// The other side.
    pub server: IpAddr,
    /// Its port.
    pub server_port: u16,
    /// Whether the TCP handshake was seen.
    pub established: bool,
}

/// A transaction or stream that rules are asked about.
pub trait Inspected {
    /// The bytes of a buffer as far as they are there.
    ///
    /// `None`: not there yet or not part of this transaction (a header field that was not sent).
    /// Of a buffer that [grows](Buffer::grows) all bytes from [`Inspected::start`] on; what was shown
    /// once does not change.
    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]>;

    /// Whether nothing will be added to the buffer: it ended, or the limit up to which it is kept is reached.
    ///
    /// Rules that say something is absent, or where something ends, wait for this.
    /// For [`Buffer::Payload`] say true when the shown bytes are to be judged as they are.
    fn is_complete(&self, buffer: Buffer, direction: Direction) -> bool;

    /// Where in the whole buffer the first byte of [`Inspected::buffer`] stands; 0 unless old bytes
    /// of a stream have been let go.
    fn start(&self, _buffer: Buffer, _direction: Direction) -> u64 {
        0
    }

    /// The flow.
    fn flow(&self) -> &FlowFacts;

    /// Payload length of the segment that brought the newest bytes, for `dsize`.
    fn segment_length(&self) -> usize;
}

/// One rule matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Index into [`RuleSet::rules`].
    pub rule: usize,
    /// The rule's id.
    pub sid: Sid,
    /// The buffer its decisive pattern stood in.
    pub buffer: Buffer,
    /// The direction of that buffer.
    pub direction: Direction,
    /// Where in the shown bytes of the buffer it begins. For a transformed buffer: 0.
    pub offset: usize,
    /// Its length in bytes. For a transformed buffer: that of the buffer.
    pub length: usize,
}

/// Buffers that are reused between calls; one for each thread.
#[derive(Debug, Default)]
pub struct Scratch {}

/// What is remembered about one transaction (or about one flow's raw stream).
#[derive(Debug, Default)]
pub struct TransactionState {}

/// What is remembered about one flow: its flowbits.
#[derive(Debug, Default)]
pub struct FlowState {}

/// The memory an inspection works with.
#[derive(Debug)]
pub struct Memory<'a> {
    /// The thread's.
    pub scratch: &'a mut Scratch,
    /// The flow's.
    pub flow: &'a mut FlowState,
    /// The transaction's.
    pub transaction: &'a mut TransactionState,
}

impl RuleSet {
    /// Evaluates the rules that can be decided with what has come since the last call, and adds those that match.
    ///
    /// A rule is reported at most once for a transaction.
    pub fn inspect<T: Inspected>(&self, _memory: Memory<'_>, _subject: &T, _stage: Stage, _out: &mut Vec<Match>) {}
}
