//! What of the rule language the pipeline feeds today: a rule may be loaded, and yet look at traffic that nobody shows it.
use crate::{ftp_view, http_view, smtp_view, tls_view};
use sakimori_signatures::{Buffer, EventName, Fact, Place, Protocol, Rule, Transport};

/// Whether the pipeline shows the rule everything that it looks at, at one place at least.
pub fn is_fed(rule: &Rule) -> bool {
    !rule.asks_reputation && rule.places.iter().any(|place| is_fed_at(rule, *place))
}

fn is_fed_at(rule: &Rule, place: Place) -> bool {
    // packets are those of TCP connections to inspected ports
    let tcp = matches!(rule.protocol.transport(), Transport::Tcp | Transport::TcpOrUdp | Transport::Any);
    let spoken = !rule.protocol.is_application() || events(rule.protocol).is_some();
    let there = match place {
        Place::Transaction(protocol) => {
            events(protocol).is_some_and(|events| rule.events.iter().all(|event| notices(events, *event)))
        }
        Place::Stream | Place::Packet => rule.events.is_empty(),
    };
    there
        && tcp
        && spoken
        && rule.buffers.iter().all(|buffer| shows(place, *buffer))
        && rule.facts.iter().all(|fact| tells(place, *fact))
}

/// The oddities that are noticed of a protocol; none where it is not spoken here.
const fn events(protocol: Protocol) -> Option<&'static [&'static str]> {
    Some(match protocol {
        Protocol::Http => http_view::EVENTS,
        Protocol::Tls => tls_view::EVENTS,
        Protocol::Ftp => ftp_view::EVENTS,
        Protocol::FtpData => &[],
        Protocol::Smtp => smtp_view::EVENTS,
        _ => return None,
    })
}

fn notices(events: &[&str], event: EventName) -> bool {
    events.contains(&event.as_str())
}

fn shows(place: Place, buffer: Buffer) -> bool {
    match place {
        Place::Stream | Place::Packet => buffer == Buffer::Payload,
        Place::Transaction(protocol) => {
            buffer == Buffer::Payload
                || buffer.protocols().contains(&protocol)
                    && !matches!(
                        (protocol, buffer),
                        (Protocol::Http, Buffer::FileName | Buffer::Http2HeaderName)
                    )
        }
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
        Fact::FileSize => matches!(place, Place::Transaction(Protocol::FtpData | Protocol::Smtp)),
        fact => match place {
            Place::Transaction(protocol @ (Protocol::Tls | Protocol::Ftp)) => {
                fact.protocols().contains(&protocol)
            }
            _ => false,
        },
    }
}
