//! Where a rule is evaluated: on packets, on the stream, or on transactions of which protocols.
use super::{Aim, Builder, Directions, Draft, Finding, Place, Step, Target};
use crate::buffer::{Buffer, Direction};
use crate::condition::Check;
use crate::fact::Belongs;
use crate::protocol::{Protocol, Transport};

/// What a rule is seen to look at.
#[derive(Debug, Default)]
struct Seen {
    /// Something of a transaction; of which protocols, where that is known.
    transaction: bool,
    protocols: Option<Vec<Protocol>>,
    /// A field of a packet's header.
    packet: bool,
    payload: bool,
}

impl Seen {
    /// Takes protocols, of which a transaction has to be one. False where none is left.
    fn of(&mut self, protocols: &[Protocol]) -> bool {
        self.transaction = true;
        let left: Vec<Protocol> = match &self.protocols {
            Some(before) => before.iter().copied().filter(|p| protocols.contains(p)).collect(),
            None => protocols.to_vec(),
        };
        let some = !left.is_empty();
        self.protocols = Some(left);
        some
    }
}

impl Builder<'_> {
    /// The places of a rule; a finding where it looks at what is never there together.
    pub(super) fn places(
        &mut self,
        groups: &[(Target, Vec<Step>)],
        protocol: Option<Protocol>,
        end: usize,
    ) -> Vec<Place> {
        let mut seen = Seen::default();
        let mut never = None;
        for (target, _) in groups {
            match target.buffer {
                Buffer::Payload => seen.payload = true,
                buffer if buffer.is_header() => seen.packet = true,
                buffer => {
                    if !seen.of(buffer.protocols()) {
                        never = never.or_else(|| Some(buffer.name()));
                    }
                }
            }
        }
        for check in &self.checks {
            match check {
                Check::Number { fact, .. } | Check::Bits { fact, .. } | Check::Numbers { fact, .. } => {
                    match fact.belongs() {
                        Belongs::Packet => seen.packet = true,
                        Belongs::Flow => {}
                        Belongs::Transaction => {
                            if !seen.of(fact.protocols()) {
                                never = never.or_else(|| Some(fact.name()));
                            }
                        }
                    }
                }
                Check::Segment(_) => seen.packet = true,
                Check::Event(event) => {
                    let protocol = crate::event::EventName::named(event.as_str()).and_then(|(_, p)| p);
                    match protocol {
                        Some(protocol) => {
                            if !seen.of(&[protocol]) {
                                never = never.or_else(|| Some(event.as_str()));
                            }
                        }
                        None => seen.packet = true,
                    }
                }
                Check::StreamSize { .. }
                | Check::Application { .. }
                | Check::SameAddress
                | Check::Any(_)
                | Check::Reputation { .. } => {}
            }
        }
        let Some(protocol) = protocol else { return Vec::new() };
        if seen.transaction && protocol.is_application() && !seen.of(&[protocol]) {
            never = never.or_else(|| Some(protocol.name()));
        }
        if let Some(name) = never {
            self.findings.push(Finding::error(
                "S041",
                end,
                format!("{name} and what else the rule looks at belong to different protocols"),
                "a rule looks at one protocol; join two rules with flowbits",
            ));
            return Vec::new();
        }
        if let (true, Some(protocols)) = (seen.transaction, seen.protocols) {
            return protocols.into_iter().map(Place::Transaction).collect();
        }
        if self.hooked {
            return vec![Place::Transaction(protocol)];
        }
        // what is spoken is known once something was said
        let said = self.checks.iter().any(|check| matches!(check, Check::Application { .. }));
        let bytes = seen.payload || !groups.is_empty() || said;
        place_without_transaction(protocol, seen.packet, bytes, self.flow.stream)
    }

    /// The directions in which everything the rule looks at exists.
    pub(super) fn directions(&mut self, groups: &[(Target, Vec<Step>)], end: usize) -> Directions {
        let mut directions = match self.flow.direction {
            Some(Direction::ToServer) => Directions::TO_SERVER,
            Some(Direction::ToClient) => Directions::TO_CLIENT,
            None => Directions::BOTH,
        };
        for (target, _) in groups {
            let next = directions.intersection(target.buffer.directions());
            if next.is_empty() {
                let other = groups
                    .iter()
                    .find(|(t, _)| t.buffer.directions().intersection(target.buffer.directions()).is_empty());
                let title = match other {
                    Some((other, _)) => {
                        format!("{} and {} never exist at the same time", other.buffer, target.buffer)
                    }
                    None => format!("{} does not exist in the direction that flow names", target.buffer),
                };
                self.findings.push(Finding::error(
                    "S041",
                    end,
                    title,
                    "a rule looks at the request or at the response; join two rules with flowbits",
                ));
                return directions;
            }
            directions = next;
        }
        for check in &self.checks {
            if let Check::Number { fact, .. } | Check::Bits { fact, .. } | Check::Numbers { fact, .. } = check
            {
                let next = directions.intersection(fact.directions());
                if next.is_empty() {
                    self.findings.push(Finding::error(
                        "S041",
                        end,
                        format!("{fact} does not exist in the direction of the rule"),
                        "a rule looks at the request or at the response; join two rules with flowbits",
                    ));
                    return directions;
                }
                directions = next;
            }
        }
        directions
    }
}

fn place_without_transaction(
    protocol: Protocol,
    packet: bool,
    bytes: bool,
    stream: Option<bool>,
) -> Vec<Place> {
    match (protocol, stream) {
        (Protocol::TcpStream, _) | (Protocol::Tcp | Protocol::Ip, Some(true)) => vec![Place::Stream],
        (Protocol::TcpPacket | Protocol::PacketHeader, _) | (_, Some(false)) => vec![Place::Packet],
        // addresses, ports and the state of the flow: any packet tells, with payload or without
        _ if packet || !bytes => vec![Place::Packet],
        (protocol, _) => {
            let mut places = Vec::new();
            if protocol.has_stream() {
                places.push(Place::Stream);
            }
            if protocol.has_datagrams() && protocol.transport() != Transport::Tcp {
                places.push(Place::Packet);
            }
            places
        }
    }
}

impl Draft {
    /// Whether the rule looks at the payload beside transactions.
    pub(crate) fn looks_at_payload(&self) -> bool {
        self.groups.iter().any(|(target, _)| target.buffer == Buffer::Payload)
    }
}

impl Aim {
    /// The target, once all modifiers are read; none for what is decoded.
    pub(super) fn target(self) -> Option<Target> {
        match self {
            Self::Open => Some(Target { buffer: Buffer::Payload, transforms: Vec::new() }),
            Self::At(target) => Some(target),
            Self::Decoded | Self::Address(_) => None,
        }
    }
}
