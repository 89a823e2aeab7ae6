//! What of the rule language the pipeline feeds today: a rule may be loaded, and yet look at traffic that nobody shows it.
use sakimori_signatures::{Buffer, Fact, Place, Protocol, Rule, Transport};

/// Whether the pipeline shows the rule everything that it looks at, at one place at least.
pub fn is_fed(rule: &Rule) -> bool {
    !rule.asks_reputation && rule.places.iter().any(|place| is_fed_at(rule, *place))
}

fn is_fed_at(rule: &Rule, place: Place) -> bool {
    let tcp = matches!(rule.protocol.transport(), Transport::Tcp | Transport::TcpOrUdp | Transport::Any);
    let spoken = !rule.protocol.is_application() || matches!(rule.protocol, Protocol::Http | Protocol::Tls);
    let there = match place {
        Place::Transaction(Protocol::Http) => {
            rule.events.iter().all(|event| event.as_str().starts_with("http."))
        }
        Place::Transaction(Protocol::Tls) => {
            rule.events.is_empty() && rule.directions.contains(sakimori_signatures::Direction::ToServer)
        }
        Place::Transaction(_) => false,
        // packets are those of TCP connections to inspected ports
        Place::Stream | Place::Packet => rule.events.is_empty(),
    };
    there
        && tcp
        && spoken
        && rule.buffers.iter().all(|buffer| shows(place, *buffer))
        && rule.facts.iter().all(|fact| tells(place, *fact))
}

fn shows(place: Place, buffer: Buffer) -> bool {
    match place {
        Place::Transaction(Protocol::Http) => {
            matches!(buffer, Buffer::Payload)
                || buffer.protocols().contains(&Protocol::Http)
                    && !matches!(buffer, Buffer::FileName | Buffer::Http2HeaderName)
        }
        Place::Transaction(Protocol::Tls) => matches!(buffer, Buffer::TlsSni | Buffer::TlsAlpn),
        Place::Stream | Place::Packet => buffer == Buffer::Payload,
        Place::Transaction(_) => false,
    }
}

fn tells(place: Place, fact: Fact) -> bool {
    match fact {
        Fact::Ttl
        | Fact::Tos
        | Fact::IpProtocol
        | Fact::TcpFlags
        | Fact::TcpSequence
        | Fact::TcpAcknowledgement
        | Fact::TcpWindow
        | Fact::TcpMss
        | Fact::TcpWindowScale
        | Fact::StreamOfClient
        | Fact::StreamOfServer => true,
        Fact::HttpContentLength => place == Place::Transaction(Protocol::Http),
        _ => false,
    }
}
