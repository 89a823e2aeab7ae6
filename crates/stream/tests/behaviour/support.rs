//! One table with a client and a server that speak to it in whole packets.
use std::time::Duration;

use sakimori_model::{Now, PortRange, Timestamp};
use sakimori_packet::build::Segment;
use sakimori_packet::{Flags, decode};
use sakimori_stream::{
    Anomaly, Application, Decision, Direction, End, Endpoint, FlowInfo, FlowTable, Limits, Outcome,
    OverlapPolicy, Verdict,
};

/// Client's and server's initial sequence numbers: the client's wraps.
pub(crate) const CLIENT: u32 = u32::MAX - 5;
pub(crate) const SERVER: u32 = 70_000;

/// What applications were told.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) to_server: Vec<u8>,
    pub(crate) to_client: Vec<u8>,
    pub(crate) calls: usize,
    /// Where the latest delivered bytes lay.
    pub(crate) last_address: usize,
    pub(crate) gaps: Vec<u64>,
    pub(crate) ends: Vec<End>,
    pub(crate) made: usize,
    /// What to answer when the bytes to the server contain this.
    pub(crate) on: Option<(Vec<u8>, Decision)>,
}

#[derive(Debug)]
pub(crate) struct App;

impl Application for App {
    type Context = Record;

    fn data(&mut self, ctx: &mut Record, _: &FlowInfo, direction: Direction, bytes: &[u8]) -> Decision {
        ctx.calls += 1;
        ctx.last_address = bytes.as_ptr().addr();
        match direction {
            Direction::ToServer => ctx.to_server.extend(bytes),
            Direction::ToClient => ctx.to_client.extend(bytes),
        }
        match &ctx.on {
            Some((needle, decision)) if ctx.to_server.windows(needle.len()).any(|w| w == needle) => *decision,
            _ => Decision::Continue,
        }
    }

    fn gap(&mut self, ctx: &mut Record, _: &FlowInfo, _: Direction, bytes: u64) -> Decision {
        ctx.gaps.push(bytes);
        Decision::Continue
    }

    fn end(&mut self, ctx: &mut Record, _: &FlowInfo, how: End) {
        ctx.ends.push(how);
    }
}

pub(crate) struct World {
    pub(crate) table: FlowTable<App>,
    pub(crate) record: Record,
    pub(crate) now: Duration,
    pub(crate) port: u16,
    pub(crate) timestamps: Option<(u32, u32)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Limits { start_grace: Duration::ZERO, ..Limits::default() }, OverlapPolicy::Linux)
    }

    pub(crate) fn passive(policy: OverlapPolicy) -> Self {
        let mut world = Self::with(Limits { start_grace: Duration::ZERO, ..Limits::default() }, policy);
        world.table.set_enforcing(false);
        world
    }

    pub(crate) fn with(limits: Limits, policy: OverlapPolicy) -> Self {
        let mut table = FlowTable::new(limits, policy, 42);
        table.set_server_ports(vec![PortRange::single(80)]);
        let now = Duration::from_secs(1000);
        Self { table, record: Record::default(), now, port: 50_000, timestamps: None }
    }

    pub(crate) fn moment(&self) -> Now {
        Now { wall: Timestamp(0), monotonic: self.now }
    }

    pub(crate) fn segment<'a>(
        &self,
        direction: Direction,
        flags: Flags,
        seq: u32,
        ack: u32,
        payload: &'a [u8],
    ) -> Segment<'a> {
        let (client, server) = ("192.0.2.7".parse().unwrap(), "198.51.100.1".parse().unwrap());
        let (source, destination, source_port, destination_port) = match direction {
            Direction::ToServer => (client, server, self.port, 80),
            Direction::ToClient => (server, client, 80, self.port),
        };
        Segment {
            source,
            destination,
            source_port,
            destination_port,
            sequence: seq,
            acknowledgement: ack,
            flags,
            window: 65_535,
            timestamps: self.timestamps,
            payload,
        }
    }

    pub(crate) fn feed(&mut self, segment: &Segment<'_>) -> Outcome {
        let bytes = segment.packet();
        let now = self.moment();
        let mut count = 0;
        let outcome = self.table.process(now, &decode(&bytes), &mut self.record, |_| {
            count += 1;
            App
        });
        self.record.made += count;
        self.table.check_invariants();
        outcome
    }

    /// The flow, as it is known now.
    pub(crate) fn flow(&self) -> FlowInfo {
        let segment = self.segment(Direction::ToServer, Flags::ACK, 0, 0, b"");
        let client = Endpoint { address: segment.source, port: segment.source_port };
        let server = Endpoint { address: segment.destination, port: segment.destination_port };
        *self.table.flow(client, server).unwrap()
    }

    /// SYN and SYN/ACK; as in the kernel queue, the client's ACK is not seen.
    pub(crate) fn handshake(&mut self) {
        let syn = self.segment(Direction::ToServer, Flags::SYN, CLIENT, 0, b"");
        assert_eq!(self.feed(&syn).verdict, Verdict::Pass);
        let flags = Flags::SYN.with(Flags::ACK);
        let syn_ack = self.segment(Direction::ToClient, flags, SERVER, CLIENT.wrapping_add(1), b"");
        assert_eq!(self.feed(&syn_ack).verdict, Verdict::Pass);
    }

    /// Client data, `at` bytes into its stream.
    pub(crate) fn client(&mut self, at: u32, payload: &[u8]) -> Outcome {
        self.client_with(Flags::ACK.with(Flags::PSH), at, payload)
    }

    pub(crate) fn client_with(&mut self, flags: Flags, at: u32, payload: &[u8]) -> Outcome {
        let segment = self.segment(
            Direction::ToServer,
            flags,
            CLIENT.wrapping_add(1).wrapping_add(at),
            SERVER + 1,
            payload,
        );
        self.feed(&segment)
    }

    /// Server data, `at` bytes into its stream, having read `read` bytes of the client's.
    pub(crate) fn server(&mut self, flags: Flags, at: u32, read: u32, payload: &[u8]) -> Outcome {
        let ack = CLIENT.wrapping_add(1).wrapping_add(read);
        let segment = self.segment(Direction::ToClient, flags, SERVER + 1 + at, ack, payload);
        self.feed(&segment)
    }
}

#[track_caller]
pub(crate) fn passed(outcome: &Outcome) {
    assert_eq!(outcome.verdict, Verdict::Pass, "{outcome:?}");
    assert!(outcome.anomalies.is_empty(), "{outcome:?}");
}

#[track_caller]
pub(crate) fn dropped(outcome: &Outcome, why: Anomaly) {
    assert_eq!(outcome.verdict, Verdict::Drop, "{outcome:?}");
    assert!(outcome.anomalies.contains(why), "{outcome:?}");
}
