//! One packet as the rule language sees it, and the fields of its header.
use sakimori_packet::{Packet, Transport};
use sakimori_signatures::{self as signatures, Buffer, Direction, Fact, FlowFacts, Inspected, Protocol};

/// What rules compare of a packet's header.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Header {
    ttl: u8,
    traffic_class: u8,
    protocol: u8,
    tcp: Option<TcpFields>,
    icmp: Option<(u8, u8)>,
    echo: Option<(u16, u16)>,
}

#[derive(Clone, Copy, Debug)]
struct TcpFields {
    flags: u8,
    sequence: u32,
    acknowledgement: u32,
    window: u16,
    mss: Option<u16>,
    scale: Option<u8>,
}

/// A packet that is looked at by itself.
#[derive(Debug)]
pub(crate) struct PacketView<'a> {
    pub(crate) header: &'a Header,
    pub(crate) payload: &'a [u8],
    pub(crate) flow: &'a FlowFacts,
    /// The protocol that its flow is taken for.
    pub(crate) protocol: Option<Protocol>,
    /// Bytes of the streams to the server and to the client.
    pub(crate) lengths: [u64; 2],
}

// === impl Header ===

impl Header {
    pub(crate) fn of(packet: &Packet<'_>) -> Self {
        let tcp = packet.tcp().map(|tcp| TcpFields {
            flags: tcp.flags.0,
            sequence: tcp.sequence,
            acknowledgement: tcp.acknowledgement,
            window: tcp.window,
            mss: tcp.options.mss,
            scale: tcp.options.window_scale,
        });
        let (icmp, echo) = match packet.transport {
            Transport::Icmp(icmp) => {
                // identifier and sequence number follow the checksum
                let echo = match icmp.payload {
                    [a, b, c, d, ..] if matches!(icmp.kind, 0 | 8 | 128 | 129) => {
                        Some((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])))
                    }
                    _ => None,
                };
                (Some((icmp.kind, icmp.code)), echo)
            }
            _ => (None, None),
        };
        Self {
            ttl: packet.ttl,
            traffic_class: packet.traffic_class,
            protocol: packet.protocol,
            tcp,
            icmp,
            echo,
        }
    }

    pub(crate) fn fact(&self, fact: Fact) -> Option<u64> {
        Some(match fact {
            Fact::Ttl => self.ttl.into(),
            Fact::Tos => self.traffic_class.into(),
            Fact::IpProtocol => self.protocol.into(),
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
            _ => return None,
        })
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

impl Inspected for PacketView<'_> {
    fn buffer(&self, buffer: Buffer, _direction: Direction) -> Option<&[u8]> {
        (buffer == Buffer::Payload).then_some(self.payload)
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
        match fact {
            Fact::StreamOfClient => Some(to_server),
            Fact::StreamOfServer => Some(to_client),
            fact => self.header.fact(fact),
        }
    }
}
