//! What a plan does to one packet, and why.
use crate::plan::{Condition, Hook, Interface, Plan, Side, Step, Then};
use crate::rule::Mac;
use std::net::IpAddr;

/// A packet as the firewall sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it is looked at.
    pub hook: Hook,
    /// The kind of interface it came in by, where it matters.
    pub from_interface: Option<Interface>,
    /// The kind of interface it leaves by, where it matters.
    pub to_interface: Option<Interface>,
    /// It belongs to an established connection or is related to one.
    pub established: bool,
    /// The product has sent it.
    pub injected: bool,
    /// The card that sent the Ethernet frame which brought it.
    pub card: Option<Mac>,
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes to; of the same family.
    pub destination: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Source and destination port, for TCP and UDP.
    pub ports: Option<(u16, u16)>,
    /// The ICMP type, for ICMP.
    pub icmp_type: Option<u8>,
}

/// What becomes of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// It is dropped.
    pub dropped: bool,
    /// The counters it is counted in, in their order; the last one is the deciding rule's.
    pub counted: Vec<String>,
}

enum End {
    Passed,
    Returned,
    Dropped,
}

impl Plan {
    /// What the plan does to a packet.
    pub fn judge(&self, packet: &Packet) -> Judged {
        let mut judged = Judged::default();
        for chain in self.chains.iter().filter(|chain| chain.hook == Some(packet.hook)) {
            judged.dropped |= matches!(self.walk(&chain.steps, packet, &mut judged.counted, 0), End::Dropped);
        }
        judged
    }

    fn walk(&self, steps: &[Step], packet: &Packet, counted: &mut Vec<String>, depth: usize) -> End {
        for step in steps {
            if !step.conditions.iter().all(|condition| met(condition, packet)) {
                continue;
            }
            counted.extend(step.counter.clone());
            match step.then {
                Then::Next => {}
                Then::Accept => return End::Passed,
                Then::Drop => return End::Dropped,
                Then::Return => return End::Returned,
                Then::Jump(name) => {
                    let target = self.chains.iter().find(|chain| chain.name == name);
                    // Two levels are planned; a bound keeps a plan made by hand from running in circles.
                    let Some(target) = target.filter(|_| depth < 8) else { continue };
                    match self.walk(&target.steps, packet, counted, depth + 1) {
                        End::Returned => {}
                        decided => return decided,
                    }
                }
            }
        }
        End::Returned
    }
}

fn met(condition: &Condition, packet: &Packet) -> bool {
    match condition {
        Condition::Injected => packet.injected,
        Condition::Established => packet.established,
        Condition::Interface(Side::Source, kind) => packet.from_interface == Some(*kind),
        Condition::Interface(Side::Destination, kind) => packet.to_interface == Some(*kind),
        Condition::FromCard(macs) => packet.card.is_some_and(|card| macs.contains(&card)),
        Condition::Protocol(number) => packet.protocol == *number,
        Condition::Address(Side::Source, ranges) => ranges.contains(packet.source),
        Condition::Address(Side::Destination, ranges) => ranges.contains(packet.destination),
        Condition::Port(side, ranges) => packet.ports.is_some_and(|(source, destination)| {
            let port = if *side == Side::Source { source } else { destination };
            ranges.iter().any(|range| range.contains(&port))
        }),
        Condition::IcmpType(types) => packet.icmp_type.is_some_and(|kind| types.contains(&kind)),
    }
}
