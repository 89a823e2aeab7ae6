//! One packet as the rule language sees it, and the fields of its header.
use sakimori_packet::{Packet, Transport, protocol};
use sakimori_signatures::{
    self as signatures, Buffer, Direction, EventName, Fact, FlowFacts, Inspected, Protocol,
};
use sakimori_stream::Traffic;

/// What rules compare of a packet's header.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Header {
    ttl: u8,
    traffic_class: u8,
    protocol: u8,
    /// Identification, and the word with flags and offset; IPv4 alone.
    fragment: Option<(u16, u16)>,
    options: u16,
    tcp: Option<TcpFields>,
    icmp: Option<(u8, u8)>,
    echo: Option<(u16, u16)>,
    mtu: Option<u32>,
    vlans: Vlans,
}

/// VLANs that a packet is tagged with, the outermost first.
pub type Vlans = [Option<u16>; 3];

#[derive(Clone, Copy, Debug)]
struct TcpFields {
    flags: u8,
    sequence: u32,
    acknowledgement: u32,
    window: u16,
    mss: Option<u16>,
    scale: Option<u8>,
}

/// The bytes of the headers of the packet at hand: of IP, and of what it carries. Kept only while rules look at them.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    ip: Vec<u8>,
    transport: Vec<u8>,
}

/// A packet that is looked at by itself.
#[derive(Debug)]
pub(crate) struct PacketView<'a> {
    pub(crate) header: &'a Header,
    pub(crate) headers: &'a Headers,
    pub(crate) payload: &'a [u8],
    pub(crate) flow: &'a FlowFacts,
    /// The protocol that its flow is taken for.
    pub(crate) protocol: Option<Protocol>,
    /// Bytes of the streams to the server and to the client.
    pub(crate) lengths: [u64; 2],
    /// What is odd about it, by the names in rules.
    pub(crate) oddities: &'a [&'static str],
    /// Only rules about oddities are asked.
    pub(crate) odd_only: bool,
    /// Only rules that let pass are asked.
    pub(crate) pass_only: bool,
    pub(crate) counts: Counts,
}

/// What was counted of its flow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) seconds: u64,
    /// To the server and to the client.
    pub(crate) packets: [u64; 2],
    pub(crate) bytes: [u64; 2],
}

/// What surrounds a packet that is judged by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    pub(crate) flow: &'a FlowFacts,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) lengths: [u64; 2],
    pub(crate) odd_only: bool,
    pub(crate) pass_only: bool,
    pub(crate) counts: Counts,
}

// === impl Counts ===

impl Counts {
    pub(crate) const fn of(seconds: u64, to_server: &Traffic, to_client: &Traffic) -> Self {
        Self {
            seconds,
            packets: [to_server.packets, to_client.packets],
            bytes: [to_server.bytes, to_client.bytes],
        }
    }
}

// === impl Header ===

impl Header {
    pub(crate) fn of(packet: &Packet<'_>, vlans: Vlans) -> Self {
        let tcp = packet.tcp().map(|tcp| TcpFields {
            flags: tcp.flags.0,
            sequence: tcp.sequence,
            acknowledgement: tcp.acknowledgement,
            window: tcp.window,
            mss: tcp.options.mss,
            scale: tcp.options.window_scale,
        });
        let (icmp, echo, mtu) = match packet.transport {
            Transport::Icmp(icmp) => {
                // identifier and sequence number follow the checksum
                let (echo, mtu) = match icmp.payload {
                    [a, b, c, d, ..] if matches!(icmp.kind, 0 | 8 | 13..=18 | 128 | 129) => {
                        (Some((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))), None)
                    }
                    [a, b, c, d, ..] if icmp.kind == 2 && packet.protocol == protocol::ICMPV6 => {
                        (None, Some(u32::from_be_bytes([*a, *b, *c, *d])))
                    }
                    _ => (None, None),
                };
                (Some((icmp.kind, icmp.code)), echo, mtu)
            }
            _ => (None, None, None),
        };
        let fragment = match packet.bytes {
            [first, _, _, _, a, b, c, d, ..] if first >> 4 == 4 => {
                Some((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])))
            }
            _ => None,
        };
        Self {
            ttl: packet.ttl,
            traffic_class: packet.traffic_class,
            protocol: packet.protocol,
            fragment,
            options: options(packet.bytes),
            tcp,
            icmp,
            echo,
            mtu,
            vlans,
        }
    }

    pub(crate) fn fact(&self, fact: Fact) -> Option<u64> {
        Some(match fact {
            Fact::Ttl => self.ttl.into(),
            Fact::Tos => self.traffic_class.into(),
            Fact::IpProtocol => self.protocol.into(),
            Fact::IpId => self.fragment?.0.into(),
            Fact::FragmentOffset => (self.fragment?.1 & 0x1fff).into(),
            Fact::FragmentBits => (self.fragment?.1 >> 13).into(),
            Fact::IpOptions => Some(self.options).filter(|options| *options > 0)?.into(),
            Fact::TcpFlags => self.tcp?.flags.into(),
            Fact::TcpSequence => self.tcp?.sequence.into(),
            Fact::TcpAcknowledgement => self.tcp?.acknowledgement.into(),
            Fact::TcpWindow => self.tcp?.window.into(),
            Fact::TcpMss => self.tcp?.mss?.into(),
            Fact::TcpWindowScale => self.tcp?.scale?.into(),
            Fact::IcmpType => self.icmp?.0.into(),
            Fact::IcmpCode => self.icmp?.1.into(),
            Fact::IcmpId => self.echo?.0.into(),
            Fact::IcmpSequence => self.echo?.1.into(),
            Fact::Icmpv6Mtu => self.mtu?.into(),
            Fact::VlanId => self.vlan(0)?,
            Fact::VlanLayers => self.vlans.iter().flatten().count() as u64,
            _ => return None,
        })
    }

    pub(crate) fn vlan(&self, index: usize) -> Option<u64> {
        self.vlans.get(index).copied().flatten().map(u64::from)
    }

    /// Number of the transport protocol.
    pub(crate) const fn protocol(&self) -> u8 {
        self.protocol
    }

    fn transport(&self) -> signatures::Transport {
        match self.protocol {
            6 => signatures::Transport::Tcp,
            17 => signatures::Transport::Udp,
            1 | 58 => signatures::Transport::Icmp,
            132 => signatures::Transport::Sctp,
            _ => signatures::Transport::Any,
        }
    }
}

/// The options of an IPv4 header as the set that `ipopts` has words for.
fn options(packet: &[u8]) -> u16 {
    let length =
        packet.first().filter(|first| *first >> 4 == 4).map_or(0, |first| usize::from(first & 15) * 4);
    let mut rest = packet.get(20..length).unwrap_or_default();
    let mut set = 0;
    while let [kind, after @ ..] = rest {
        let skip = match kind {
            0 => {
                set |= 4;
                break;
            }
            1 => {
                set |= 8;
                1
            }
            kind => {
                set |= match kind {
                    7 => 1,
                    131 => 2,
                    68 => 16,
                    130 => 32,
                    133 => 64,
                    137 => 128,
                    136 => 256,
                    _ => 512,
                };
                after.first().map_or(0, |length| usize::from(*length)).max(2)
            }
        };
        rest = rest.get(skip..).unwrap_or_default();
    }
    set
}

// === impl Headers ===

impl Headers {
    pub(crate) fn fill(&mut self, packet: &Packet<'_>) {
        self.ip.clear();
        self.transport.clear();
        let carried = match packet.transport {
            Transport::Tcp(tcp) => tcp.payload.len(),
            Transport::Udp(udp) => udp.payload.len(),
            Transport::Icmp(icmp) => icmp.payload.len().saturating_sub(4),
            Transport::Fragment(bytes) | Transport::Other(bytes) | Transport::Undecodable(bytes) => {
                bytes.len()
            }
        };
        let headers = packet.bytes.len().saturating_sub(carried);
        let headers = packet.bytes.get(..headers).unwrap_or_default();
        let of_transport = match packet.transport {
            // from the bytes themselves: how long its header is stands in the segment
            Transport::Tcp(_) => transport_length(headers, packet),
            Transport::Udp(_) | Transport::Icmp(_) => 8,
            _ => 0,
        };
        let (ip, transport) = headers.split_at(headers.len().saturating_sub(of_transport));
        self.ip.extend_from_slice(ip);
        self.transport.extend_from_slice(transport);
    }
}

/// Length of a TCP header that ends the headers of a packet.
fn transport_length(headers: &[u8], packet: &Packet<'_>) -> usize {
    let Some(tcp) = packet.tcp() else { return 0 };
    let ports = [tcp.source_port.to_be_bytes(), tcp.destination_port.to_be_bytes()].concat();
    (5..=15)
        .map(|words: usize| words * 4)
        .find(|length| {
            let header = headers.len().checked_sub(*length).and_then(|at| headers.get(at..));
            header.is_some_and(|header| {
                header.starts_with(&ports) && header.get(12).map(|b| usize::from(b >> 4) * 4) == Some(*length)
            })
        })
        .unwrap_or(20)
}

// === impl PacketView ===

impl Inspected for PacketView<'_> {
    fn buffer(&self, buffer: Buffer, _direction: Direction) -> Option<&[u8]> {
        let v4 = self.flow.client.is_ipv4();
        let there = match buffer {
            Buffer::Payload => return Some(self.payload),
            Buffer::Ipv4Header if v4 => &self.headers.ip,
            Buffer::Ipv6Header if !v4 => &self.headers.ip,
            Buffer::TcpHeader if self.header.protocol == protocol::TCP => &self.headers.transport,
            Buffer::UdpHeader if self.header.protocol == protocol::UDP => &self.headers.transport,
            Buffer::Icmpv4Header if self.header.protocol == protocol::ICMP => &self.headers.transport,
            Buffer::Icmpv6Header if self.header.protocol == protocol::ICMPV6 => &self.headers.transport,
            _ => return None,
        };
        (!there.is_empty()).then_some(there)
    }

    fn is_complete(&self, _buffer: Buffer, _direction: Direction) -> bool {
        true
    }

    fn flow(&self) -> &FlowFacts {
        self.flow
    }

    fn segment_length(&self) -> usize {
        self.payload.len()
    }

    fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    fn transport(&self) -> signatures::Transport {
        self.header.transport()
    }

    fn fact(&self, fact: Fact, _direction: Direction) -> Option<u64> {
        let [to_server, to_client] = self.lengths;
        let Counts { seconds, packets: [packets_in, packets_out], bytes: [bytes_in, bytes_out] } =
            self.counts;
        match fact {
            Fact::StreamOfClient => Some(to_server),
            Fact::StreamOfServer => Some(to_client),
            Fact::FlowAge => Some(seconds),
            Fact::FlowPacketsToServer => Some(packets_in),
            Fact::FlowPacketsToClient => Some(packets_out),
            Fact::FlowBytesToServer => Some(bytes_in),
            Fact::FlowBytesToClient => Some(bytes_out),
            fact => self.header.fact(fact),
        }
    }

    fn fact_at(&self, fact: Fact, direction: Direction, index: usize) -> Option<u64> {
        match fact {
            Fact::VlanId => self.header.vlan(index),
            _ if index == 0 => self.fact(fact, direction),
            _ => None,
        }
    }

    fn has_event(&self, event: EventName, _direction: Direction) -> bool {
        self.oddities.contains(&event.as_str())
    }

    fn is_odd_only(&self) -> bool {
        self.odd_only
    }

    fn is_pass_only(&self) -> bool {
        self.pass_only
    }
}
