//! The raw stream of one direction as the rule language sees it: a window over its newest bytes.
use crate::packet_view::Header;
use sakimori_signatures::{Buffer, Direction, Fact, FlowFacts, Inspected, Protocol, TransactionState};

/// Bytes kept behind the newest piece, so that a pattern cut by segments is still found.
/// 8 KiB: three times Suricata's default inspection chunk.
const WINDOW_BYTES: usize = 8 << 10;

/// The newest bytes of one direction.
#[derive(Debug, Default)]
pub(crate) struct StreamWindow {
    bytes: Vec<u8>,
    start: u64,
    pub(crate) rules: TransactionState,
}

/// A [`StreamWindow`] at the moment of inspection.
#[derive(Debug)]
pub(crate) struct StreamView<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) start: u64,
    pub(crate) direction: Direction,
    pub(crate) flow: &'a FlowFacts,
    pub(crate) segment_length: usize,
    /// The protocol that the flow is taken for.
    pub(crate) protocol: Option<Protocol>,
    /// Bytes of the streams to the server and to the client.
    pub(crate) lengths: [u64; 2],
    /// The header of the packet that brought the newest bytes.
    pub(crate) header: &'a Header,
}

// === impl StreamWindow ===

impl StreamWindow {
    /// Adds the next in-order bytes, letting go of those before the window.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        let surplus = self.bytes.len().saturating_sub(WINDOW_BYTES);
        self.bytes.drain(..surplus);
        self.start += surplus as u64;
        self.bytes.extend_from_slice(piece);
    }

    /// Bytes are missing: patterns do not match across the hole.
    pub(crate) fn gap(&mut self, bytes: u64) {
        self.start += self.bytes.len() as u64 + bytes;
        self.bytes.clear();
        self.rules = TransactionState::default();
    }

    /// What is kept, and where it begins in the stream.
    pub(crate) fn shown(&self) -> (&[u8], u64) {
        (&self.bytes, self.start)
    }

    /// The window and its rule memory, apart.
    pub(crate) fn split(&mut self) -> (&[u8], u64, &mut TransactionState) {
        (&self.bytes, self.start, &mut self.rules)
    }
}

impl Inspected for StreamView<'_> {
    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]> {
        (buffer == Buffer::Payload && direction == self.direction).then_some(self.bytes)
    }

    fn is_complete(&self, _buffer: Buffer, _direction: Direction) -> bool {
        true
    }

    fn start(&self, _buffer: Buffer, _direction: Direction) -> u64 {
        self.start
    }

    fn flow(&self) -> &FlowFacts {
        self.flow
    }

    fn segment_length(&self) -> usize {
        self.segment_length
    }

    fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    fn fact(&self, fact: Fact, _direction: Direction) -> Option<u64> {
        let [to_server, to_client] = self.lengths;
        match fact {
            Fact::StreamOfClient => Some(to_server),
            Fact::StreamOfServer => Some(to_client),
            fact => self.header.fact(fact),
        }
    }
}
