//! What comes back from the table: verdict, decision, and what is needed to break a flow off.
use std::net::IpAddr;

use sakimori_packet::Flags;
use sakimori_packet::build::{Segment, answer};

use crate::anomaly::Anomalies;
use crate::flow::{Direction, Endpoint};

/// What an application decides about its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Continue,
    /// Nothing can match in this direction any more; its bytes are no longer wanted.
    DoneDirection(Direction),
    /// Nothing can match any more: the flow needs no inspection.
    Done,
    /// The flow is to be broken off; the packet at hand is dropped, and all that follow.
    Block,
}

/// What is to happen to the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Pass,
    /// It is dropped.
    Drop,
}

/// Why a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Both sides have sent FIN.
    Fin,
    /// One side has reset it.
    Rst,
    /// It was idle for too long.
    Timeout,
    /// It had to make room.
    Evicted,
    /// The same ports were used for a new connection.
    Replaced,
    /// The application said `Done`.
    Done,
    /// The application said `Block`.
    Blocked,
}

/// The outcome of one packet. Small, since there is one for each: what is rare lies elsewhere.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What is to happen to the packet.
    pub verdict: Verdict,
    /// The state of the flow after it: `Done` and `Block` stay. `DoneDirection` never comes out here.
    pub decision: Decision,
    /// Which way the packet went in the flow.
    pub direction: Direction,
    /// What was odd.
    pub anomalies: Anomalies,
    /// Set on the packet that made the flow blocked, and on that one only: how to break it off.
    pub reset: Option<Box<Reset>>,
    /// Set when an unverifiable retransmission was dropped: send [`Reset::probe`] to the receiver, which answers with
    /// its true acknowledgement, so that an honest sender whose acknowledgements got lost goes on.
    pub probe: Option<Box<Reset>>,
}

/// All that is needed to speak for either side of a flow once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// The client.
    pub client: Endpoint,
    /// The server.
    pub server: Endpoint,
    /// The next sequence number that the server expects from the client. The blocked packet is not counted: the
    /// server never gets it.
    pub to_server_sequence: u32,
    /// What the client has acknowledged to the server.
    pub to_server_acknowledgement: u32,
    /// The next sequence number that the client expects from the server.
    pub to_client_sequence: u32,
    /// Everything that the client has sent, the blocked packet included, so that it does not send it again.
    pub to_client_acknowledgement: u32,
    /// The largest segment that the client takes.
    pub client_mss: u16,
    /// Timestamps for segments to the client, where the flow uses them: the server's clock as the client echoed it,
    /// and the client's.
    pub to_client_timestamps: Option<(u32, u32)>,
    /// Which way the packet at hand went.
    pub direction: Direction,
}

// === impl Reset ===

impl Reset {
    /// A RST to the server, in the client's name: a whole IP packet.
    pub fn reset_to_server(&self) -> Vec<u8> {
        Segment { flags: Flags::RST.with(Flags::ACK), ..self.as_client() }.packet()
    }

    /// A RST to the client, in the server's name: a whole IP packet.
    ///
    /// Not after an [`answer`](Self::answer): a stack that gets a RST throws away what its program has not read yet.
    pub fn reset_to_client(&self) -> Vec<u8> {
        Segment { flags: Flags::RST.with(Flags::ACK), ..self.as_server() }.packet()
    }

    /// An answer to the client, in the server's name, with FIN on the last segment: whole IP packets.
    pub fn answer(&self, payload: &[u8]) -> Vec<Vec<u8>> {
        answer(&self.as_server(), payload, self.client_mss)
    }

    /// An empty segment just below what the receiver of the packet at hand expects, in its peer's name: the receiver
    /// answers it with an acknowledgement (RFC 9293 §3.10.7.4), as it does a keep-alive.
    pub fn probe(&self) -> Vec<u8> {
        let base = match self.direction {
            Direction::ToServer => self.as_client(),
            Direction::ToClient => self.as_server(),
        };
        Segment { sequence: base.sequence.wrapping_sub(1), ..base }.packet()
    }

    fn as_client(&self) -> Segment<'static> {
        Segment {
            sequence: self.to_server_sequence,
            acknowledgement: self.to_server_acknowledgement,
            timestamps: None,
            ..segment(self.client, self.server)
        }
    }

    fn as_server(&self) -> Segment<'static> {
        Segment {
            sequence: self.to_client_sequence,
            acknowledgement: self.to_client_acknowledgement,
            timestamps: self.to_client_timestamps,
            ..segment(self.server, self.client)
        }
    }

    /// The MSS of who named none (RFC 9293 §3.7.1).
    pub(crate) const fn default_mss(address: IpAddr) -> u16 {
        if address.is_ipv6() { 1220 } else { 536 }
    }
}

const fn segment(from: Endpoint, to: Endpoint) -> Segment<'static> {
    Segment {
        source: from.address,
        destination: to.address,
        source_port: from.port,
        destination_port: to.port,
        sequence: 0,
        acknowledgement: 0,
        flags: Flags::ACK,
        window: 512,
        timestamps: None,
        payload: &[],
    }
}

/// Counters that only grow, and two levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Flows now in the table.
    pub flows: u64,
    /// Half-open flows now in the table.
    pub half_open: u64,
    /// Flows begun.
    pub flows_started: u64,
    /// Flows met in their middle.
    pub midstream: u64,
    /// Half-open flows that had to make room.
    pub half_open_evicted: u64,
    /// Other flows that had to make room.
    pub flows_evicted: u64,
    /// Flows ended by time.
    pub timed_out: u64,
    /// Payload bytes handed to applications.
    pub bytes_delivered: u64,
    /// Out-of-order segments held.
    pub segments_held: u64,
    /// Gaps, and bytes missing in them.
    pub gaps: u64,
    /// Bytes missing in gaps.
    pub gap_bytes: u64,
    /// Flows blocked by a decision.
    pub blocked: u64,
    /// Packets dropped because their flow is blocked.
    pub dropped_blocked: u64,
    /// Packets dropped for an inconsistent retransmission or overlap.
    pub dropped_inconsistent: u64,
    /// Packets dropped because their bytes could not be verified.
    pub dropped_unverifiable: u64,
    /// Packets dropped because out-of-order space was full.
    pub dropped_pending_full: u64,
    /// Packets dropped for another anomaly (window, timestamp, flags, after the end).
    pub dropped_invalid: u64,
    /// Flows whose history was given up for the total limit.
    pub history_evicted: u64,
}
