//! Rules as their author means them.
use sakimori_model::{Mode, PortRange};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// What a rule does with a packet that matches.
///
/// Room is left between the two: bypass, force-allow and log-only take their places in the order of
/// [`Action::rank`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// It vanishes.
    Deny,
    /// It passes.
    Allow,
}

impl Action {
    /// Place inside a priority: the lower is asked first.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Deny => 3,
            Self::Allow => 4,
        }
    }

    /// The word used in policies and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }
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

/// Which packets a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// All of them.
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP of IPv4.
    Icmp,
    /// ICMP of IPv6.
    IcmpV6,
}

impl Protocol {
    /// The IP protocol number; `None` for all.
    pub const fn number(self) -> Option<u8> {
        match self {
            Self::Any => None,
            Self::Tcp => Some(6),
            Self::Udp => Some(17),
            Self::Icmp => Some(1),
            Self::IcmpV6 => Some(58),
        }
    }

    /// Whether its packets have ports.
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp)
    }
}

/// An address with the number of its leading bits that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text is no address and no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseNetworkError(String);

impl fmt::Display for ParseNetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is no address: expected one like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32", self.0)
    }
}

impl std::error::Error for ParseNetworkError {}

impl Network {
    /// The network of `address` with `prefix` bits. `None` when the address has fewer bits.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= width(address)).then_some(Self { address, prefix })
    }

    /// One address.
    pub fn single(address: IpAddr) -> Self {
        Self { address, prefix: width(address) }
    }

    /// Whether it is of IPv4.
    pub const fn is_v4(self) -> bool {
        self.address.is_ipv4()
    }

    /// The first and the last address as numbers, with the network's bits only.
    pub(crate) fn bounds(self) -> (u128, u128) {
        let (value, width) = number(self.address);
        let host = u32::from(width - self.prefix.min(width));
        let mask = if host >= 128 { u128::MAX } else { (1 << host) - 1 };
        (value & !mask, value | mask)
    }

    /// Whether bits behind the prefix are set.
    pub(crate) fn has_host_bits(self) -> bool {
        number(self.address).0 != self.bounds().0
    }

    /// Whether the address is one of it.
    pub fn contains(self, address: IpAddr) -> bool {
        let (first, last) = self.bounds();
        self.is_v4() == address.is_ipv4() && (first..=last).contains(&number(address).0)
    }
}

/// The address as a number, and its width in bits.
pub(crate) fn number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    }
}

fn width(address: IpAddr) -> u8 {
    number(address).1
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParseNetworkError(text.chars().take(64).collect());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_not_one| refused())?;
        let Some(prefix) = prefix else { return Ok(Self::single(address)) };
        let digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|_| digits).ok_or_else(refused)?;
        Self::new(address, prefix).ok_or_else(refused)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == width(self.address) {
            return write!(f, "{}", self.address);
        }
        let first = self.bounds().0;
        let address = match self.address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(first).unwrap_or(0))),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(first)),
        };
        write!(f, "{address}/{}", self.prefix)
    }
}

/// The MAC address of a card, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(u64);

impl Mac {
    /// Of six bytes as they are in a frame.
    pub fn new(bytes: [u8; 6]) -> Self {
        Self(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// As it is in a frame.
    pub const fn bytes(self) -> [u8; 6] {
        let [_, _, bytes @ ..] = self.0.to_be_bytes();
        bytes
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.bytes().iter().enumerate() {
            write!(f, "{}{byte:02x}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What its author calls it; one of its kind in a policy. At most [`Rule::NAME_CHARS`] characters.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// 0 to 4; the higher is asked first.
    pub priority: u8,
    /// Which way.
    pub direction: Direction,
    /// Which protocol.
    pub protocol: Protocol,
    /// The other end's addresses; empty means all.
    pub remote: Vec<Network>,
    /// The cards that frames come from; empty means all. Only for [`Direction::In`].
    pub macs: Vec<Mac>,
    /// Ports at the protected end; empty means all.
    pub local_ports: Vec<PortRange>,
    /// Ports at the other end; empty means all.
    pub remote_ports: Vec<PortRange>,
    /// Whether samples of its packets become events.
    pub log: bool,
    /// The rule's own mode.
    pub mode: Mode,
}

impl Rule {
    /// Bound of a name: it stands in events and listings.
    pub const NAME_CHARS: usize = 100;
    /// The highest priority.
    pub const TOP: u8 = 4;

    /// An enforced rule of priority 0 for all addresses and ports, without samples.
    pub fn new(name: impl Into<String>, action: Action, direction: Direction, protocol: Protocol) -> Self {
        Self {
            name: name.into(),
            action,
            priority: 0,
            direction,
            protocol,
            remote: Vec::new(),
            macs: Vec::new(),
            local_ports: Vec::new(),
            remote_ports: Vec::new(),
            log: false,
            mode: Mode::Prevent,
        }
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
    pub default_inbound: Action,
    /// What happens to outgoing packets that no rule decides.
    pub default_outbound: Action,
    /// Whether samples of what the defaults drop become events.
    pub log_default: bool,
    /// The rules, in any order.
    pub rules: Vec<Rule>,
    /// TCP endpoints that this computer may always connect to.
    pub always: Vec<Endpoint>,
}

impl Policy {
    /// Bound of the rules: a transaction of some megabytes.
    pub const RULES: usize = 10_000;
    /// Bound of the addresses, of the cards and of the port ranges of one rule.
    pub const ENTRIES: usize = 10_000;

    /// The rules that are on, in the order in which they are asked.
    pub fn ordered(&self) -> Vec<&Rule> {
        let mut rules: Vec<&Rule> = self.rules.iter().filter(|rule| rule.mode != Mode::Off).collect();
        rules.sort_by_key(|rule| (u8::MAX - rule.priority, rule.action.rank(), rule.name.as_str()));
        rules
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Off,
            default_inbound: Action::Allow,
            default_outbound: Action::Allow,
            log_default: true,
            rules: Vec::new(),
            always: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_strictly_and_shown_without_host_bits() {
        let shown = |text: &str| text.parse::<Network>().map(|n| n.to_string());
        assert_eq!(shown("192.0.2.7/24").unwrap(), "192.0.2.0/24");
        assert_eq!(shown("192.0.2.7").unwrap(), "192.0.2.7");
        assert_eq!(shown("0.0.0.0/0").unwrap(), "0.0.0.0/0");
        assert_eq!(shown("2001:db8::1/32").unwrap(), "2001:db8::/32");
        assert_eq!(shown("::/0").unwrap(), "::/0");
        for wrong in ["", "/", "192.0.2.0/33", "::/129", "1.2.3", "192.0.2.0/+8", "192.0.2.0/", "a.example"] {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_network_contains_its_bounds_and_nothing_of_the_other_family() {
        let net: Network = "10.0.0.0/8".parse().unwrap();
        assert!(net.contains("10.255.255.255".parse().unwrap()));
        assert!(!net.contains("11.0.0.0".parse().unwrap()));
        assert!(!net.contains("::a00:1".parse().unwrap()));
        assert!("::/0".parse::<Network>().unwrap().contains("ffff::1".parse().unwrap()));
    }
}
