//! Addresses, cards and interfaces, as ranges of numbers.
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Addresses of one family, from a first to a last one: a network, or any range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    v4: bool,
    first: u128,
    last: u128,
    /// It was written with bits behind its prefix.
    host_bits: bool,
}

/// The text names no addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseNetworkError {
    /// It is no address, no network and no range.
    Form(String),
    /// The range's first address is above its last one.
    Inverted(String),
    /// The range's ends are of different IP versions.
    Families(String),
}

impl fmt::Display for ParseNetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(text) => write!(
                f,
                "'{text}' is no address: expected one like 192.0.2.7, 192.0.2.0/24, 192.0.2.1-192.0.2.9 or \
                 2001:db8::/32"
            ),
            Self::Inverted(text) => {
                write!(f, "the address range '{text}' is turned around: write the lower address first")
            }
            Self::Families(text) => {
                write!(f, "the address range '{text}' begins with one IP version and ends with the other")
            }
        }
    }
}

impl std::error::Error for ParseNetworkError {}

impl Network {
    /// The network of `address` with `prefix` bits. `None` when the address has fewer bits.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let (value, width) = number(address);
        let host = u32::from(width.checked_sub(prefix)?);
        let mask = if host >= 128 { u128::MAX } else { (1 << host) - 1 };
        let (first, last) = (value & !mask, value | mask);
        Some(Self { v4: address.is_ipv4(), first, last, host_bits: value != first })
    }

    /// One address.
    pub fn single(address: IpAddr) -> Self {
        let value = number(address).0;
        Self { v4: address.is_ipv4(), first: value, last: value, host_bits: false }
    }

    /// From one address to another. `None` where they are of different families, or turned around.
    pub fn range(first: IpAddr, last: IpAddr) -> Option<Self> {
        let (from, to) = (number(first).0, number(last).0);
        let is_one = first.is_ipv4() == last.is_ipv4() && from <= to;
        is_one.then_some(Self { v4: first.is_ipv4(), first: from, last: to, host_bits: false })
    }

    /// Whether it is of IPv4.
    pub const fn is_v4(self) -> bool {
        self.v4
    }

    /// The first and the last address as numbers.
    pub(crate) const fn bounds(self) -> (u128, u128) {
        (self.first, self.last)
    }

    /// Whether it was written with bits behind the prefix.
    pub(crate) const fn has_host_bits(self) -> bool {
        self.host_bits
    }

    /// Whether the address is one of them.
    pub fn contains(self, address: IpAddr) -> bool {
        self.v4 == address.is_ipv4() && (self.first..=self.last).contains(&number(address).0)
    }

    /// The length of the prefix where it is a network.
    fn prefix(self) -> Option<u32> {
        let width = if self.v4 { 32 } else { 128 };
        let host = (self.last - self.first).checked_add(1).map_or(128, u128::trailing_zeros);
        let mask = if host >= 128 { u128::MAX } else { (1 << host) - 1 };
        (self.first & mask == 0 && self.last == self.first | mask).then(|| width - host.min(width))
    }
}

/// The address as a number, and its width in bits.
pub(crate) fn number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let short = || text.chars().take(64).collect::<String>();
        let refused = || ParseNetworkError::Form(short());
        let address = |text: &str| text.parse::<IpAddr>().map_err(|_not_one| refused());
        if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (address(first)?, address(last)?);
            if first.is_ipv4() != last.is_ipv4() {
                return Err(ParseNetworkError::Families(short()));
            }
            return Self::range(first, last).ok_or_else(|| ParseNetworkError::Inverted(short()));
        }
        let Some((one, prefix)) = text.split_once('/') else { return Ok(Self::single(address(text)?)) };
        let digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|_| digits).ok_or_else(refused)?;
        Self::new(address(one)?, prefix).ok_or_else(refused)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = |value: u128| match u32::try_from(value) {
            Ok(value) if self.v4 => IpAddr::V4(Ipv4Addr::from(value)),
            _ => IpAddr::V6(Ipv6Addr::from(value)),
        };
        write!(f, "{}", address(self.first))?;
        match self.prefix() {
            _ if self.first == self.last => Ok(()),
            Some(prefix) => write!(f, "/{prefix}"),
            None => write!(f, "-{}", address(self.last)),
        }
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

/// The name of an interface, or the beginning of such names: `eth0`, `eth*`.
///
/// # Shape
/// Names are compared as numbers of 16 bytes, filled up with zeros: what begins alike is a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName {
    first: u128,
    last: u128,
}

/// The text is no interface's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseInterfaceError(String);

impl fmt::Display for ParseInterfaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is no interface: a name has 1 to 15 characters without blanks and '/', and a '*' stands only at \
             its end",
            self.0
        )
    }
}

impl std::error::Error for ParseInterfaceError {}

impl InterfaceName {
    /// Bytes that the kernel keeps of a name, with its end.
    const BYTES: usize = 16;

    /// The bounds as numbers.
    pub(crate) const fn bounds(self) -> (u128, u128) {
        (self.first, self.last)
    }

    /// Whether it is one name, not all that begin alike.
    pub const fn is_exact(self) -> bool {
        self.first == self.last
    }

    /// Whether an interface of exactly this name is meant as well.
    pub const fn covers(self, exact: Self) -> bool {
        self.first <= exact.first && exact.last <= self.last
    }
}

impl FromStr for InterfaceName {
    type Err = ParseInterfaceError;

    /// # Source
    /// `dev_valid_name` in Linux' `net/core/dev.c`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParseInterfaceError(text.chars().take(32).collect());
        let (name, all) = text.strip_suffix('*').map_or((text, false), |name| (name, true));
        let wrong = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | '*');
        if name.is_empty()
            || name.len() >= Self::BYTES
            || name.chars().any(wrong)
            || matches!(name, "." | "..")
        {
            return Err(refused());
        }
        let fill = |with: u8| {
            let mut bytes = [with; Self::BYTES];
            bytes.iter_mut().zip(name.bytes()).for_each(|(place, byte)| *place = byte);
            u128::from_be_bytes(bytes)
        };
        let first = fill(0);
        Ok(Self { first, last: if all { fill(0xFF) } else { first } })
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_interfaces(self.first, self.last))
    }
}

/// A range of names as it is written.
pub(crate) fn show_interfaces(first: u128, last: u128) -> String {
    let bytes = first.to_be_bytes();
    let text = |bytes: &[u8]| {
        let name: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
        String::from_utf8_lossy(&name).into_owned()
    };
    let name = text(&bytes);
    if first == last {
        return name;
    }
    let rest = 128_usize.saturating_sub(name.len() * 8);
    let mask = if rest >= 128 { u128::MAX } else { (1 << rest) - 1 };
    if last == first | mask { format!("{name}*") } else { format!("{first:032x}-{last:032x}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_strictly_and_shown_without_host_bits() {
        let shown = |text: &str| text.parse::<Network>().map(|n| n.to_string());
        for (text, as_shown) in [
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("192.0.2.7", "192.0.2.7"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("192.0.2.1-192.0.2.9", "192.0.2.1-192.0.2.9"),
            ("192.0.2.0-192.0.2.255", "192.0.2.0/24"),
            ("192.0.2.4-192.0.2.4", "192.0.2.4"),
            ("2001:db8::1-2001:db8::f", "2001:db8::1-2001:db8::f"),
            ("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(as_shown), "{text}");
        }
        for wrong in [
            "",
            "/",
            "192.0.2.0/33",
            "::/129",
            "1.2.3",
            "192.0.2.0/+8",
            "192.0.2.0/",
            "a.example",
            "1.2.3.4-",
        ] {
            assert!(matches!(shown(wrong), Err(ParseNetworkError::Form(_))), "{wrong}");
        }
        assert!(matches!(shown("192.0.2.9-192.0.2.1"), Err(ParseNetworkError::Inverted(_))));
        assert!(matches!(shown("192.0.2.9-2001:db8::"), Err(ParseNetworkError::Families(_))));
    }

    #[test]
    fn a_network_contains_its_bounds_and_nothing_of_the_other_family() {
        let net: Network = "10.0.0.0/8".parse().unwrap();
        assert!(net.contains("10.255.255.255".parse().unwrap()));
        assert!(!net.contains("11.0.0.0".parse().unwrap()));
        assert!(!net.contains("::a00:1".parse().unwrap()));
        assert!("::/0".parse::<Network>().unwrap().contains("ffff::1".parse().unwrap()));
        let range: Network = "10.0.0.3-10.0.1.2".parse().unwrap();
        assert!(
            range.contains("10.0.0.255".parse().unwrap()) && !range.contains("10.0.1.3".parse().unwrap())
        );
    }

    #[test]
    fn interfaces_that_begin_alike_are_one_range() {
        let of = |text: &str| text.parse::<InterfaceName>().unwrap();
        for text in ["eth0", "eth*", "a", "br-0123456789ab", "wg0.7"] {
            assert_eq!(of(text).to_string(), text);
        }
        assert!(of("eth*").covers(of("eth0")) && of("eth*").covers(of("eth")));
        assert!(!of("eth*").covers(of("et")) && !of("eth0").covers(of("eth01")));
        for wrong in ["", "*", "eth*0", "a b", "a/b", ".", "0123456789abcdef", "a:1"] {
            assert!(wrong.parse::<InterfaceName>().is_err(), "{wrong}");
        }
    }
}
