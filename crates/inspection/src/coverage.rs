//! What of the rule language the pipeline feeds today: a rule may be loaded, and yet look at traffic that nobody shows it.
use crate::packets::STREAM_ODDITIES;
use crate::{dns_view, ftp_view, http_view, smb_view, smtp_view, ssh_view, tls_view};
use sakimori_signatures::{Belongs, Buffer, EventName, Fact, Place, Protocol, Rule, Transport};

/// Whether the pipeline shows the rule everything that it looks at, at one place at least.
pub fn is_fed(rule: &Rule) -> bool {
    !rule.asks_reputation && rule.places.iter().any(|place| is_fed_at(rule, *place))
}

/// The same of a pipeline in the way of traffic: the kernel queues TCP alone.
pub fn is_fed_inline(rule: &Rule) -> bool {
    let tcp = matches!(rule.protocol.transport(), Transport::Tcp | Transport::TcpOrUdp | Transport::Any);
    tcp && is_fed(rule)
}

fn is_fed_at(rule: &Rule, place: Place) -> bool {
    let spoken = !rule.protocol.is_application() || events(rule.protocol).is_some();
    let there = match place {
        Place::Transaction(protocol) => events(protocol).is_some(),
        Place::Stream | Place::Packet => true,
    };
    there
        && spoken
        && rule.events.iter().all(|event| notices(place, *event))
        && rule.buffers.iter().all(|buffer| shows(place, *buffer))
        && rule.facts.iter().all(|fact| tells(place, *fact))
}

/// The oddities that are noticed of a protocol; none where it is not spoken here.
const fn events(protocol: Protocol) -> Option<&'static [&'static str]> {
    Some(match protocol {
        Protocol::Http => http_view::EVENTS,
        Protocol::Tls => tls_view::EVENTS,
        Protocol::Dns => dns_view::EVENTS,
        Protocol::Ftp => ftp_view::EVENTS,
        Protocol::FtpData | Protocol::Dcerpc => &[],
        Protocol::Smtp => smtp_view::EVENTS,
        Protocol::Smb => smb_view::EVENTS,
        Protocol::Ssh => ssh_view::EVENTS,
        _ => return None,
    })
}

fn notices(place: Place, event: EventName) -> bool {
    let name = event.as_str();
    match place {
        Place::Transaction(protocol) => events(protocol).is_some_and(|events| events.contains(&name)),
        Place::Packet if name.starts_with("stream.") => {
            STREAM_ODDITIES.iter().any(|(_, known)| *known == name)
        }
        // those of fragments are noticed in recordings alone: before a server the kernel puts fragments together
        Place::Packet => ["ipv4.", "ipv6.", "tcp.", "udp.", "icmpv4.", "icmpv6."]
            .iter()
            .any(|layer| name.starts_with(layer)),
        Place::Stream => false,
    }
}

fn shows(place: Place, buffer: Buffer) -> bool {
    match place {
        Place::Stream => buffer == Buffer::Payload,
        Place::Packet => buffer == Buffer::Payload || buffer.is_header(),
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
        Fact::StreamOfClient | Fact::StreamOfServer => true,
        Fact::HttpContentLength => place == Place::Transaction(Protocol::Http),
        Fact::FileSize => {
            matches!(place, Place::Transaction(Protocol::FtpData | Protocol::Smtp | Protocol::Smb))
        }
        Fact::IgmpType
        | Fact::Ipv4Checksum
        | Fact::Tcpv4Checksum
        | Fact::Tcpv6Checksum
        | Fact::Udpv4Checksum
        | Fact::Udpv6Checksum
        | Fact::Icmpv4Checksum
        | Fact::Icmpv6Checksum => false,
        fact => match (fact.belongs(), place) {
            (Belongs::Packet, _) | (Belongs::Flow, Place::Packet) => true,
            (
                Belongs::Transaction,
                Place::Transaction(
                    protocol @ (Protocol::Tls
                    | Protocol::Ftp
                    | Protocol::Dns
                    | Protocol::Smb
                    | Protocol::Dcerpc),
                ),
            ) => fact.protocols().contains(&protocol),
            _ => false,
        },
    }
}
