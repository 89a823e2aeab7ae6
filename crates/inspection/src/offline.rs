//! "What would these rules have done to this request?": a connection played to an [`Engine`] without a network.
use crate::{Checksums, Config, Engine, FlowMark, Judgement, Path, Verdict};
use sakimori_model::{Event, IntrusionPrevention, Now, Timestamp};
use sakimori_packet::Flags;
use sakimori_packet::build::Segment;
use sakimori_signatures::RuleSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// What became of a played connection.
#[derive(Debug)]
pub struct Played {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// Whether the connection was blocked.
    pub blocked: bool,
    /// Bytes of the client that a server would have got.
    pub passed: Vec<u8>,
    /// Packets that would have been sent.
    pub injected: Vec<Vec<u8>>,
}

/// Plays one client's bytes to the first HTTP port of the settings, cut into segments of at most `segment` bytes.
///
/// # Bounds
/// As many packets as `bytes.len() / segment`, one at a time.
pub fn play(rules: &Arc<RuleSet>, settings: &IntrusionPrevention, bytes: &[u8], segment: usize) -> Played {
    let mut engine = Engine::new(Config::new(settings.clone(), 1, 2), Arc::clone(rules));
    let mut connection = Conversation::new(settings.http_ports.first().map_or(80, |ports| ports.first));
    let mut played = Played { events: Vec::new(), blocked: false, passed: Vec::new(), injected: Vec::new() };
    connection.open(&mut engine);
    for piece in bytes.chunks(segment.max(1)) {
        let judgement = connection.send(&mut engine, piece);
        played.blocked |= judgement.mark == FlowMark::Blocked;
        played.injected.extend(judgement.inject.into_iter().map(|i| i.packet));
        played.events.extend(engine.drain_events());
        if judgement.verdict == Verdict::Accept {
            played.passed.extend_from_slice(piece);
        }
    }
    played
}

/// One TCP connection, as a client's side of it is shown to the engine.
#[derive(Debug)]
pub struct Conversation {
    port: u16,
    sequence: u32,
    /// Bytes of the server so far.
    answered: u32,
    packets: u64,
    path: Path,
}

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
const CLIENT_PORT: u16 = 40_000;
const SERVER_SEQUENCE: u32 = 9000;

// === impl Conversation ===

impl Conversation {
    /// A connection to a server port, not yet opened.
    pub const fn new(port: u16) -> Self {
        Self { port, sequence: 1000, answered: 0, packets: 0, path: Path::Serving }
    }

    /// The same, met somewhere else.
    #[must_use]
    pub const fn on(self, path: Path) -> Self {
        Self { path, ..self }
    }

    /// The three-way handshake's first two segments.
    pub fn open(&mut self, engine: &mut Engine) {
        let syn = Segment { flags: Flags::SYN, acknowledgement: 0, ..self.segment(&[]) }.packet();
        let now = self.now();
        engine.inspect_on(now, &syn, Checksums::Verify, self.path);
        let answer = Segment {
            source: SERVER,
            destination: CLIENT,
            source_port: self.port,
            destination_port: CLIENT_PORT,
            sequence: SERVER_SEQUENCE - 1,
            acknowledgement: self.sequence.wrapping_add(1),
            flags: Flags::SYN.with(Flags::ACK),
            ..self.segment(&[])
        };
        engine.inspect_on(now, &answer.packet(), Checksums::Verify, self.path);
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// The next bytes of the client.
    pub fn send(&mut self, engine: &mut Engine, payload: &[u8]) -> Judgement {
        let packet = Segment { flags: Flags::ACK.with(Flags::PSH), ..self.segment(payload) }.packet();
        self.sequence = self.sequence.wrapping_add(u32::try_from(payload.len()).unwrap_or(0));
        let now = self.now();
        engine.inspect_on(now, &packet, Checksums::Ignore, self.path)
    }

    /// The next bytes of the server.
    pub fn answer(&mut self, engine: &mut Engine, payload: &[u8]) -> Judgement {
        let packet = Segment {
            source: SERVER,
            destination: CLIENT,
            source_port: self.port,
            destination_port: CLIENT_PORT,
            sequence: SERVER_SEQUENCE.wrapping_add(self.answered),
            acknowledgement: self.sequence,
            flags: Flags::ACK.with(Flags::PSH),
            ..self.segment(payload)
        }
        .packet();
        self.answered = self.answered.wrapping_add(u32::try_from(payload.len()).unwrap_or(0));
        let now = self.now();
        engine.inspect_on(now, &packet, Checksums::Ignore, self.path)
    }

    fn segment<'a>(&self, payload: &'a [u8]) -> Segment<'a> {
        Segment {
            source: CLIENT,
            destination: SERVER,
            source_port: CLIENT_PORT,
            destination_port: self.port,
            sequence: self.sequence,
            acknowledgement: SERVER_SEQUENCE.wrapping_add(self.answered),
            flags: Flags::ACK,
            window: 512,
            timestamps: None,
            payload,
        }
    }

    fn now(&mut self) -> Now {
        self.packets += 1;
        Now { wall: Timestamp(0), monotonic: Duration::from_micros(self.packets) }
    }
}
