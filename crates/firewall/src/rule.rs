//! Rules as their author means them.
use crate::address::{InterfaceName, Mac, Network};
use crate::stateful::Stateful;
use sakimori_model::{Mode, PortRange};
use std::fmt;
use std::net::IpAddr;

/// What a rule does with a packet that matches. In the order in which rules of one priority are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// It passes, and nothing of the product looks at it any more. One way, and each packet for itself.
    Bypass,
    /// It is reported, and the next rules are asked.
    LogOnly,
    /// It passes, whatever rules of lower rank say.
    ForceAllow,
    /// It vanishes.
    Deny,
    /// It passes, and what no rule names in this direction does not.
    Allow,
}

impl Action {
    /// All, in their order.
    pub const ALL: [Self; 5] = [Self::Bypass, Self::LogOnly, Self::ForceAllow, Self::Deny, Self::Allow];

    /// Place inside a priority: the lower is asked first.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Bypass => 0,
            Self::LogOnly => 1,
            Self::ForceAllow => 2,
            Self::Deny => 3,
            Self::Allow => 4,
        }
    }

    /// The word used in policies and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::LogOnly => "log-only",
            Self::ForceAllow => "force-allow",
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }

    /// The only priority that a rule of this action may have, where there is one.
    pub const fn only_priority(self) -> Option<u8> {
        match self {
            Self::Allow => Some(0),
            Self::LogOnly => Some(Rule::TOP),
            Self::Bypass | Self::ForceAllow | Self::Deny => None,
        }
    }
}

/// What happens to packets that no rule decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fallback {
    /// They vanish where an Allow rule of their direction is on, and pass otherwise.
    #[default]
    Auto,
    /// They pass.
    Allow,
    /// They vanish.
    Deny,
}

/// As seen from the protected computer or container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To it.
    In,
    /// From it.
    Out,
}

impl Direction {
    /// The word used in policies and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// What kind of packets a rule looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Frame {
    /// IPv4 and IPv6.
    #[default]
    Ip,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// ARP over Ethernet and IPv4: who has which address. Addresses are those that its sender and its target say of
    /// themselves.
    Arp,
    /// Frames of this `EtherType`, which is neither IP's nor ARP's.
    Number(u16),
}

impl Frame {
    /// Whether it is about IP packets.
    pub const fn is_ip(self) -> bool {
        matches!(self, Self::Ip | Self::V4 | Self::V6)
    }
}

/// Which packets a rule looks at. Of IPv6 the number is that behind all extension headers, AH included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// All of them.
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// TCP and UDP.
    TcpUdp,
    /// ICMP of IPv4.
    Icmp,
    /// ICMP of IPv6.
    IcmpV6,
    /// Another IP protocol number.
    Number(u8),
}

impl Protocol {
    /// The protocol with this number.
    pub const fn of(number: u8) -> Self {
        match number {
            1 => Self::Icmp,
            6 => Self::Tcp,
            17 => Self::Udp,
            58 => Self::IcmpV6,
            other => Self::Number(other),
        }
    }

    /// The IP protocol numbers, ascending; none for all.
    pub fn numbers(self) -> Vec<u8> {
        match self {
            Self::Any => Vec::new(),
            Self::Tcp => vec![6],
            Self::Udp => vec![17],
            Self::TcpUdp => vec![6, 17],
            Self::Icmp => vec![1],
            Self::IcmpV6 => vec![58],
            Self::Number(number) => vec![number],
        }
    }

    /// Whether its packets have ports in their first four bytes: TCP, UDP, DCCP, SCTP, UDP-Lite.
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp | Self::TcpUdp | Self::Number(33 | 132 | 136))
    }
}

/// TCP flags that have to be set and that must not be, by their bits in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcpFlags {
    /// All of these are set.
    pub set: u8,
    /// None of these is.
    pub clear: u8,
}

impl TcpFlags {
    /// The names of the bits, from the lowest.
    pub const NAMES: [&'static str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];

    /// Whether a header's flags are so.
    pub const fn fits(self, flags: u8) -> bool {
        flags & self.set == self.set && flags & self.clear == 0
    }
}

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (bit, name) in Self::NAMES.iter().enumerate() {
            for (bits, sign) in [(self.set, ""), (self.clear, "!")] {
                if bits >> bit & 1 == 1 {
                    write!(f, "{between}{sign}{name}")?;
                    between = ",";
                }
            }
        }
        Ok(())
    }
}

/// A type of ICMP message, with its code where only that one is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IcmpType {
    /// The type.
    pub kind: u8,
    /// The code; `None` for all.
    pub code: Option<u8>,
}

impl IcmpType {
    /// Type and code as one number, lowest and highest.
    pub(crate) fn bounds(self) -> (u128, u128) {
        let of = |code: u8| u128::from(u16::from_be_bytes([self.kind, code]));
        (of(self.code.unwrap_or(0)), of(self.code.unwrap_or(u8::MAX)))
    }
}

/// What a rule names: one of the entries, or (`not`) none of them. Without entries it is all there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Among<T> {
    /// Order, repetitions and overlaps do not matter.
    pub entries: Vec<T>,
    /// Everything but the entries is meant.
    pub not: bool,
}

impl<T> Among<T> {
    /// Whether nothing is said.
    pub const fn is_all(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<T> Default for Among<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), not: false }
    }
}

impl<T> From<Vec<T>> for Among<T> {
    fn from(entries: Vec<T>) -> Self {
        Self { entries, not: false }
    }
}

/// One rule. Everything that it names has to be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What its author calls it; one of its kind in a policy. At most [`Rule::NAME_CHARS`] characters.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// 0 to 4; the higher is asked first. See [`Action::only_priority`].
    pub priority: u8,
    /// Which way.
    pub direction: Direction,
    /// Which kind of packets.
    pub frame: Frame,
    /// Which protocol.
    pub protocol: Protocol,
    /// The other end's addresses.
    pub remote: Among<Network>,
    /// Addresses of the protected end.
    pub local: Among<Network>,
    /// The cards that frames come from. Only for [`Direction::In`].
    pub macs: Among<Mac>,
    /// The interface that the packet came in by ([`Direction::In`]) or leaves by.
    pub interfaces: Among<InterfaceName>,
    /// Ports at the protected end.
    pub local_ports: Among<PortRange>,
    /// Ports at the other end.
    pub remote_ports: Among<PortRange>,
    /// TCP flags; one of the entries. Only for [`Protocol::Tcp`].
    pub tcp_flags: Among<TcpFlags>,
    /// ICMP types. Only for [`Protocol::Icmp`] and [`Protocol::IcmpV6`].
    pub icmp: Among<IcmpType>,
    /// Whether samples of its packets become events.
    pub log: bool,
    /// The rule's own mode.
    pub mode: Mode,
    /// Whether it counts at this moment: a rule outside of its times or places is not asked, but an Allow rule still
    /// closes its direction ([`Fallback::Auto`]).
    pub counts: bool,
}

impl Rule {
    /// Bound of a name: it stands in events and listings.
    pub const NAME_CHARS: usize = 100;
    /// The highest priority.
    pub const TOP: u8 = 4;

    /// An enforced rule for all addresses and ports, without samples, of the lowest priority that its action may have.
    pub fn new(name: impl Into<String>, action: Action, direction: Direction, protocol: Protocol) -> Self {
        Self {
            name: name.into(),
            action,
            priority: action.only_priority().unwrap_or(0),
            direction,
            frame: Frame::Ip,
            protocol,
            remote: Among::default(),
            local: Among::default(),
            macs: Among::default(),
            interfaces: Among::default(),
            local_ports: Among::default(),
            remote_ports: Among::default(),
            tcp_flags: Among::default(),
            icmp: Among::default(),
            log: false,
            mode: Mode::Prevent,
            counts: true,
        }
    }
}

impl Rule {
    /// Whether it closes its direction to what no rule names.
    fn allows(&self, direction: Direction) -> bool {
        self.action == Action::Allow && self.direction == direction && self.mode == Mode::Prevent
    }
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// The TCP port.
    pub port: u16,
}

/// Everything the firewall has to enforce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The module's mode: an upper bound of every rule's.
    pub mode: Mode,
    /// What happens to incoming packets that no rule decides.
    pub default_inbound: Fallback,
    /// What happens to outgoing packets that no rule decides.
    pub default_outbound: Fallback,
    /// Whether samples of what the defaults drop become events.
    pub log_default: bool,
    /// The rules, in any order.
    pub rules: Vec<Rule>,
    /// TCP endpoints that this computer may always connect to.
    pub always: Vec<Endpoint>,
    /// What is looked at beside the rules.
    pub stateful: Stateful,
}

impl Policy {
    /// Bound of the rules: a transaction of some megabytes.
    pub const RULES: usize = 10_000;
    /// Bound of the entries of each list of one rule.
    pub const ENTRIES: usize = 10_000;

    /// The rules that are on and count now, in the order in which they are asked.
    pub fn ordered(&self) -> Vec<&Rule> {
        let on = |rule: &&Rule| rule.mode != Mode::Off && rule.counts;
        let mut rules: Vec<&Rule> = self.rules.iter().filter(on).collect();
        rules.sort_by_key(|rule| (u8::MAX - rule.priority, rule.action.rank(), rule.name.as_str()));
        rules
    }

    /// Whether ARP messages of a direction that no rule decides are denied: where an Allow rule for ARP is on. What is said
    /// of IP is not said of them.
    pub fn closes_arp(&self, direction: Direction) -> bool {
        self.rules.iter().any(|rule| rule.frame == Frame::Arp && rule.allows(direction))
    }

    /// Whether frames of a direction that are neither IP nor ARP are denied where no rule decides: where an Allow rule for
    /// such frames is on.
    pub fn closes_frames(&self, direction: Direction) -> bool {
        self.rules.iter().any(|rule| matches!(rule.frame, Frame::Number(_)) && rule.allows(direction))
    }

    /// Whether IP packets of a direction that no rule decides are denied.
    ///
    /// [`Fallback::Auto`] looks at Allow rules that are on and in Prevent, also at those that do not count now: what
    /// they close must not open when an hour is over. A rule in Detect only says what it would do, and closes nothing.
    pub fn closes(&self, direction: Direction) -> bool {
        let fallback = if direction == Direction::In { self.default_inbound } else { self.default_outbound };
        let allows = |rule: &Rule| rule.frame.is_ip() && rule.allows(direction);
        match fallback {
            Fallback::Allow => false,
            Fallback::Deny => true,
            Fallback::Auto => self.rules.iter().any(allows),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Off,
            default_inbound: Fallback::Auto,
            default_outbound: Fallback::Auto,
            log_default: true,
            rules: Vec::new(),
            always: Vec::new(),
            stateful: Stateful::default(),
        }
    }
}
