//! What flows there were: counted for the events of kind `flow`, apart from what the engine remembers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use sakimori_inspection::Vlans;
use sakimori_model::Timestamp;
use sakimori_packet::{Packet, Transport};
use sakimori_signatures::{FlowFacts, Protocol};

use crate::link::Stripped;

/// Flows that are counted; packets of others are in no flow event.
const MOST: usize = 1 << 20;

/// Protocol and both ends, the lower one first.
type Key = (u8, (IpAddr, u16), (IpAddr, u16), Vlans, usize);

/// One flow.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each told by its name")]
pub(crate) struct Flow {
    /// Its number, different for each.
    pub(crate) id: u64,
    pub(crate) protocol: u8,
    /// Who sent the first packet that was seen.
    pub(crate) client: (IpAddr, u16),
    pub(crate) server: (IpAddr, u16),
    pub(crate) start: Timestamp,
    pub(crate) last: Timestamp,
    /// To the server, to the client.
    pub(crate) packets: [u64; 2],
    pub(crate) bytes: [u64; 2],
    /// TCP flags that each side has sent.
    pub(crate) flags: [u8; 2],
    pub(crate) vlans: Vlans,
    /// Addresses of the link: of the client's side, of the server's.
    pub(crate) macs: Option<([u8; 6], [u8; 6])>,
    /// The protocol that was found out.
    pub(crate) spoken: Option<Protocol>,
    pub(crate) alerted: bool,
    /// It was stopped.
    pub(crate) dropped: bool,
    /// It was met in its middle.
    pub(crate) midstream: bool,
    /// A rule let all of it pass.
    pub(crate) passed: bool,
    /// Somebody was told that it is over, or it was stopped.
    pub(crate) closed: bool,
}

/// How a packet was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Its bytes, with those of its link.
    pub(crate) length: usize,
    /// In how many other packets it came.
    pub(crate) depth: usize,
    pub(crate) dropped: bool,
}

/// All flows of a capture.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    by_ends: BTreeMap<Key, Flow>,
    /// Those whose ends were used again.
    ended: Vec<Flow>,
    made: u64,
}

const ESP: u8 = 50;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

// === impl Flows ===

impl Flows {
    /// Counts a packet; gives its flow and whether it goes to the server.
    pub(crate) fn count(
        &mut self,
        at: Timestamp,
        packet: &Packet<'_>,
        link: &Stripped<'_>,
        seen: Seen,
    ) -> Option<(&mut Flow, bool)> {
        let flags = packet.tcp().map_or(0, |tcp| tcp.flags.0);
        let (source_port, destination_port) = match packet.transport {
            // an echo is a flow by its identifier, what is told of errors by its kind
            Transport::Icmp(icmp) => match icmp.payload {
                [a, b, ..] if matches!(icmp.kind, 0 | 8 | 128 | 129) => {
                    let id = u16::from_be_bytes([*a, *b]);
                    (id, id)
                }
                _ => (icmp.kind.into(), icmp.kind.into()),
            },
            // of the rest ESP alone has something like connections
            _ => match packet.ports() {
                Some(ports) => ports,
                None if packet.protocol == ESP && matches!(packet.transport, Transport::Other(_)) => (0, 0),
                None => return None,
            },
        };
        let source = (packet.source, source_port);
        let destination = (packet.destination, destination_port);
        let key = (packet.protocol, source.min(destination), source.max(destination), link.vlans, seen.depth);
        let opens = flags & (SYN | ACK) == SYN;
        if opens && self.by_ends.get(&key).is_some_and(|flow| flow.closed) {
            self.ended.extend(self.by_ends.remove(&key));
        }
        if !self.by_ends.contains_key(&key) {
            if self.by_ends.len() + self.ended.len() >= MOST {
                return None;
            }
            self.made += 1;
            // A server's answer may be the first thing that is seen.
            let turned = flags & (SYN | ACK) == SYN | ACK;
            let (client, server) = if turned { (destination, source) } else { (source, destination) };
            let flow = Flow {
                id: self.made.wrapping_mul(0x0005_DEEC_E66D) & 0x001F_FFFF_FFFF_FFFF,
                protocol: packet.protocol,
                client,
                server,
                start: at,
                last: at,
                packets: [0; 2],
                bytes: [0; 2],
                flags: [0; 2],
                vlans: link.vlans,
                macs: link.macs,
                spoken: None,
                alerted: false,
                dropped: false,
                midstream: packet.tcp().is_some() && flags & SYN == 0,
                passed: false,
                closed: false,
            };
            self.by_ends.insert(key, flow);
        }
        let flow = self.by_ends.get_mut(&key)?;
        let to_server = source == flow.client;
        let answered = flow.packets.iter().any(|packets| *packets > 0);
        let [packets_in, packets_out] = &mut flow.packets;
        let [bytes_in, bytes_out] = &mut flow.bytes;
        let [flags_in, flags_out] = &mut flow.flags;
        let (packets, bytes, sent) =
            if to_server { (packets_in, bytes_in, flags_in) } else { (packets_out, bytes_out, flags_out) };
        let first = *packets == 0 && !answered;
        *packets += 1;
        *bytes += seen.length as u64;
        // what is dropped reaches nobody
        let flags = if seen.dropped && !first { 0 } else { flags };
        *sent |= flags;
        flow.last = flow.last.max(at);
        flow.closed |= flags & RST != 0 || flow.flags.iter().all(|flags| flags & FIN != 0);
        Some((flow, to_server))
    }

    /// The rules have let a flow pass.
    pub(crate) fn let_pass(&mut self, facts: &FlowFacts) {
        let ends = ((facts.client, facts.client_port), (facts.server, facts.server_port));
        let all = self.by_ends.values_mut().chain(&mut self.ended);
        all.filter(|flow| (flow.client, flow.server) == ends).for_each(|flow| flow.passed = true);
    }

    /// All flows, by the time of their first packet.
    pub(crate) fn all(self) -> Vec<Flow> {
        let mut all: Vec<Flow> = self.by_ends.into_values().chain(self.ended).collect();
        all.sort_by_key(|flow| (flow.start, flow.id));
        all
    }
}

// === impl Flow ===

impl Flow {
    /// The state of its connection, of those whose names are known.
    pub(crate) fn tcp_state(&self) -> &'static str {
        let [to_server, to_client] = self.flags;
        let fin = |flags: u8| flags & FIN != 0;
        match (to_server, to_client) {
            _ if (to_server | to_client) & RST != 0 => "closed",
            _ if fin(to_server) && fin(to_client) => "closed",
            _ if fin(to_server) => "fin_wait1",
            _ if fin(to_client) => "close_wait",
            _ if to_client & (SYN | ACK) == SYN | ACK && to_server & ACK != 0 => "established",
            _ if to_client & SYN != 0 => "syn_recv",
            _ if to_server & SYN != 0 => "syn_sent",
            _ => "established",
        }
    }

    /// How far its handshake, or its conversation, came.
    pub(crate) fn state(&self) -> &'static str {
        let [to_server, to_client] = self.flags;
        match self.protocol {
            6 if self.closed => "closed",
            6 if to_client & (SYN | ACK) == SYN | ACK && to_server & ACK != 0 => "established",
            6 => "new",
            _ if self.packets.iter().all(|packets| *packets > 0) => "established",
            _ => "new",
        }
    }
}
