//! What a plan does to one packet, and why.
use crate::address::{InterfaceName, Mac};
use crate::plan::{Condition, Hook, Interface, Plan, Side, Step, Then};
use crate::ranges::holds;
use crate::stateful::{Effect, Fragment};
use std::cell::Cell;
use std::net::IpAddr;

/// A packet as the firewall sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it is looked at.
    pub hook: Hook,
    /// The interface that it came in by; `None` where it begins here.
    pub from: Option<Link>,
    /// The interface that it leaves by; `None` where it ends here.
    pub to: Option<Link>,
    /// It belongs to an established connection or is related to one.
    pub established: bool,
    /// The product has sent it.
    pub injected: bool,
    /// The card that sent the Ethernet frame which brought it.
    pub card: Option<Mac>,
    /// Where it comes from; the sender's address of an ARP message.
    pub source: IpAddr,
    /// Where it goes to, of the same family; the target's address of an ARP message.
    pub destination: IpAddr,
    /// IP protocol number, of no matter for ARP; of IPv6 the one behind all extension headers, AH included.
    pub protocol: u8,
    /// Source and destination port, where the protocol has them.
    pub ports: Option<(u16, u16)>,
    /// The flags of a TCP header.
    pub tcp_flags: Option<u8>,
    /// Type and code, for ICMP.
    pub icmp: Option<(u8, u8)>,
    /// The frame's number, where it is neither IP nor ARP; then it has no addresses and no protocol.
    pub ether_type: Option<u16>,
    /// What it says of being a fragment; `None` for a whole packet.
    pub fragment: Option<Fragment>,
}

/// An interface as a packet sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: InterfaceName,
    /// Its kind, where it matters.
    pub kind: Option<Interface>,
}

/// What becomes of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// It is dropped.
    pub dropped: bool,
    /// It passes, and nothing else of the product looks at it.
    pub bypassed: bool,
    /// The counters it is counted in, in their order; the last one is the deciding rule's, where one decides.
    pub counted: Vec<String>,
}

/// Hears of each step that is come to, and whether all its conditions are met; says whether it is taken.
type Taken<'s, 'p> = &'s mut dyn FnMut(&'p Step, bool) -> bool;

/// Where stateful checks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before all rules.
    Before,
    /// Behind them.
    Behind,
}

enum End {
    Passed,
    Returned,
    Dropped,
}

// === impl Packet ===

impl Packet {
    /// A packet that begins something, of which nothing more is known.
    pub const fn new(hook: Hook, source: IpAddr, destination: IpAddr, protocol: u8) -> Self {
        Self {
            hook,
            from: None,
            to: None,
            established: false,
            injected: false,
            card: None,
            source,
            destination,
            protocol,
            ports: None,
            tcp_flags: None,
            icmp: None,
            ether_type: None,
            fragment: None,
        }
    }
}

// === impl Plan ===

impl Plan {
    /// What the plan does to a packet.
    pub fn judge(&self, packet: &Packet) -> Judged {
        let mut judged = Judged::default();
        let bypassed = Cell::new(false);
        let mut taken = |step: &Step, met: bool| {
            if met {
                judged.counted.extend(step.counter.clone());
                bypassed.set(bypassed.get() || step.then == Then::Bypass);
            }
            met
        };
        let dropped = self.follow_state(Stage::Before, packet, &mut taken)
            || self.follow(packet, &mut taken)
            || !bypassed.get() && self.follow_state(Stage::Behind, packet, &mut taken);
        Judged { dropped, bypassed: bypassed.get() && !dropped, ..judged }
    }

    /// How many steps look at a packet.
    pub fn steps_of(&self, packet: &Packet) -> usize {
        let mut steps = 0;
        self.follow(packet, &mut |_, met| {
            steps += 1;
            met
        });
        steps
    }

    /// Takes a packet through the chains of its hook; whether it is dropped.
    pub(crate) fn follow<'p>(&'p self, packet: &Packet, taken: Taken<'_, 'p>) -> bool {
        let mut chains = self.chains.iter().filter(|chain| chain.hook == Some(packet.hook));
        chains.any(|chain| matches!(self.walk(&chain.steps, packet, taken, 0), End::Dropped))
    }

    /// Takes a packet through the stateful checks before the rules or behind them; whether it is dropped. What a rule takes
    /// out of all inspection is not to be asked about behind them.
    pub(crate) fn follow_state<'p>(&'p self, stage: Stage, packet: &Packet, taken: Taken<'_, 'p>) -> bool {
        if packet.ether_type.is_some() {
            return false;
        }
        let hook = match (stage, packet.hook) {
            (Stage::Before, Hook::Input | Hook::Forward) => Hook::Arriving,
            (Stage::Behind, Hook::Input) => Hook::InputState,
            (Stage::Behind, Hook::Forward) => Hook::ForwardState,
            (Stage::Behind, Hook::Output) => Hook::OutputState,
            _ => return false,
        };
        self.follow(&Packet { hook, ..*packet }, taken)
    }

    fn walk<'p>(&'p self, steps: &'p [Step], packet: &Packet, taken: Taken<'_, 'p>, depth: usize) -> End {
        for step in steps {
            if !taken(step, step.conditions.iter().all(|condition| condition.is_met(packet))) {
                continue;
            }
            match step.then {
                Then::Accept | Then::Bypass | Then::Effect(Effect::SynCookie) => return End::Passed,
                Then::Next | Then::Effect(_) => {}
                Then::Drop => return End::Dropped,
                Then::Jump(name) => {
                    let target = self.chains.iter().find(|chain| chain.name == name);
                    // As the kernel's (NFT_JUMP_STACK_SIZE); it keeps a plan made by hand from running in circles.
                    let Some(target) = target.filter(|_| depth < 16) else { continue };
                    match self.walk(&target.steps, packet, taken, depth + 1) {
                        End::Returned => {}
                        decided => return decided,
                    }
                }
            }
        }
        End::Returned
    }
}

// === impl Condition ===

impl Condition {
    /// Whether a packet meets it.
    pub fn is_met(&self, packet: &Packet) -> bool {
        let link = |side: &Side| if *side == Side::Source { packet.from } else { packet.to };
        match self {
            Self::Watch(watch) => watch.is_met(packet),
            Self::Injected => packet.injected,
            Self::Established => packet.established,
            Self::Interface(side, kind) => link(side).is_some_and(|link| link.kind == Some(*kind)),
            Self::InterfaceName(side, names) => {
                link(side).is_some_and(|link| holds(names, &link.name.bounds().0))
            }
            Self::Family { v4 } => packet.source.is_ipv4() == *v4,
            Self::FromCard { macs, not } => {
                packet.card.is_some_and(|card| macs.binary_search(&card).is_ok() != *not)
            }
            Self::Protocol(numbers) => numbers.contains(&packet.protocol),
            Self::Address(Side::Source, ranges) => ranges.contains(packet.source),
            Self::Address(Side::Destination, ranges) => ranges.contains(packet.destination),
            Self::Port(side, ranges) => packet.ports.is_some_and(|(source, destination)| {
                let port = if *side == Side::Source { source } else { destination };
                holds(ranges, &port)
            }),
            Self::TcpFlags { any, not } => {
                packet.tcp_flags.is_some_and(|flags| any.iter().any(|wanted| wanted.fits(flags)) != *not)
            }
            Self::EtherType(ranges) => packet.ether_type.is_some_and(|number| holds(ranges, &number)),
            Self::Icmp(ranges) => {
                packet.icmp.is_some_and(|(kind, code)| holds(ranges, &u16::from_be_bytes([kind, code])))
            }
        }
    }
}
