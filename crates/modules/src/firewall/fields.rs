//! What the fields of a firewall rule are written as.
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

/// Protocols that have names, by number.
const PROTOCOLS: [(&str, u8); 9] = [
    ("icmp", 1),
    ("igmp", 2),
    ("tcp", 6),
    ("udp", 17),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("sctp", 132),
];
/// The names of TCP flags, from the lowest bit of the header's byte.
const FLAGS: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];

/// A protocol over IP, as it is written: `tcp`, `tcp-udp`, `89`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Whatever.
    #[default]
    Any,
    /// TCP and UDP.
    TcpUdp,
    /// This number.
    Number(u8),
}

/// What kind of packets a rule looks at: `ip`, `ipv4`, `ipv6`, `arp`, or frames of another `EtherType` by its number, `0x88cc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Frame {
    /// IPv4 and IPv6.
    #[default]
    Ip,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// ARP: who has which IPv4 address. Such a rule names addresses, MAC addresses and interfaces alone, and one that
    /// allows closes its direction to other ARP alone.
    Arp,
    /// Another `EtherType`. Such a rule names MAC addresses and interfaces alone, and one that allows closes its direction to
    /// other such frames alone.
    Number(u16),
}

/// The text is no kind of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseFrameError;

/// The text is no protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseProtocolError;

/// TCP flags that have to be set and such that must not be: `syn,!ack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcpFlags {
    /// The bits that are set.
    pub set: u8,
    /// The bits that are not.
    pub clear: u8,
}

/// The text names no TCP flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseFlagsError;

/// A type of ICMP message, with its code where only that one is meant: `8`, `3/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IcmpType {
    /// The type.
    pub kind: u8,
    /// The code.
    pub code: Option<u8>,
}

/// The text is no ICMP type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseIcmpError;

/// What is wrong with a text that is to name addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongAddresses {
    /// It is no address, network or range.
    Form,
    /// The range's ends belong to different versions of IP, or the first is above the last.
    Range,
}

// === impl Protocol ===

impl Protocol {
    /// TCP.
    pub const TCP: Self = Self::Number(6);
    /// UDP.
    pub const UDP: Self = Self::Number(17);
    /// ICMP of IPv4.
    pub const ICMP: Self = Self::Number(1);
    /// ICMP of IPv6.
    pub const ICMPV6: Self = Self::Number(58);

    /// Whether its packets have ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::TcpUdp | Self::Number(6 | 17 | 33 | 132 | 136))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::TcpUdp => f.write_str("tcp-udp"),
            Self::Number(number) => match PROTOCOLS.iter().find(|(_, known)| known == number) {
                Some((name, _)) => f.write_str(name),
                None => write!(f, "{number}"),
            },
        }
    }
}

impl fmt::Display for ParseProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "write any, tcp, udp, tcp-udp, icmp, icmpv6, igmp, gre, esp, ah, sctp or a protocol's number from 0 to 255",
        )
    }
}

impl std::error::Error for ParseProtocolError {}

impl FromStr for Protocol {
    type Err = ParseProtocolError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "any" => return Ok(Self::Any),
            "tcp-udp" => return Ok(Self::TcpUdp),
            _ => {}
        }
        let named = PROTOCOLS.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
        named.or_else(|| number(text)).map(Self::Number).ok_or(ParseProtocolError)
    }
}

// === impl Frame ===

/// Frames that have names, by `EtherType`.
const FRAMES: [(&str, Frame, u16); 3] =
    [("ipv4", Frame::Ipv4, 0x0800), ("ipv6", Frame::Ipv6, 0x86dd), ("arp", Frame::Arp, 0x0806)];
/// The lowest `EtherType`; a smaller number in its place is a length.
const LOWEST_ETHER_TYPE: u16 = 0x0600;

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, FRAMES.iter().find(|(_, known, _)| known == self)) {
            (Self::Number(number), _) => write!(f, "0x{number:04x}"),
            (_, Some((name, ..))) => f.write_str(name),
            (_, None) => f.write_str("ip"),
        }
    }
}

impl fmt::Display for ParseFrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "write ip, ipv4, ipv6, arp or an EtherType from 0x0600 to 0xffff, as 0x88cc or in decimal digits",
        )
    }
}

impl std::error::Error for ParseFrameError {}

impl FromStr for Frame {
    type Err = ParseFrameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "ip" {
            return Ok(Self::Ip);
        }
        if let Some((_, frame, _)) = FRAMES.iter().find(|(name, ..)| *name == text) {
            return Ok(*frame);
        }
        let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |digits| (digits, 16));
        let are_digits = (1..=5).contains(&digits.len()) && digits.chars().all(|c| c.is_digit(radix));
        let number = u16::from_str_radix(digits, radix).ok();
        let number = number.filter(|number| are_digits && *number >= LOWEST_ETHER_TYPE);
        let number = number.ok_or(ParseFrameError)?;
        // One that has a name is what the name says.
        let named = FRAMES.iter().find(|(.., known)| *known == number);
        Ok(named.map_or(Self::Number(number), |(_, frame, _)| *frame))
    }
}

/// A number without sign or blanks.
fn number(text: &str) -> Option<u8> {
    let digits = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

// === impl TcpFlags ===

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (bit, name) in FLAGS.iter().enumerate() {
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

impl fmt::Display for ParseFlagsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "write TCP flags with commas between, each once, '!' before those that must not be set: syn,!ack; there are \
             fin, syn, rst, psh, ack, urg, ece, cwr",
        )
    }
}

impl std::error::Error for ParseFlagsError {}

impl FromStr for TcpFlags {
    type Err = ParseFlagsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut flags = Self { set: 0, clear: 0 };
        for word in text.split(',').map(str::trim) {
            let (name, not) = word.strip_prefix('!').map_or((word, false), |name| (name, true));
            let bit = FLAGS.iter().position(|known| *known == name).map(|at| 1_u8 << at);
            let bit = bit.filter(|bit| (flags.set | flags.clear) & bit == 0).ok_or(ParseFlagsError)?;
            *(if not { &mut flags.clear } else { &mut flags.set }) |= bit;
        }
        Ok(flags)
    }
}

// === impl IcmpType ===

impl fmt::Display for IcmpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        self.code.map_or(Ok(()), |code| write!(f, "/{code}"))
    }
}

impl fmt::Display for ParseIcmpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write an ICMP type from 0 to 255, or a type and a code: 8, 3/4")
    }
}

impl std::error::Error for ParseIcmpError {}

impl FromStr for IcmpType {
    type Err = ParseIcmpError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, code) = text.split_once('/').map_or((text, None), |(kind, code)| (kind, Some(code)));
        let kind = number(kind).ok_or(ParseIcmpError)?;
        let code = code.map(|code| number(code).ok_or(ParseIcmpError)).transpose()?;
        Ok(Self { kind, code })
    }
}

// === impl WrongAddresses ===

impl WrongAddresses {
    /// The finding's code, and what to write instead.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Form => (
                "not-a-network",
                "Write an address, a network or a range: 192.0.2.7, 192.0.2.0/24, 192.0.2.1-192.0.2.9, 2001:db8::/32.",
            ),
            Self::Range => (
                "not-a-range",
                "Write the lower address of a range first, and both ends in one version of IP.",
            ),
        }
    }
}

// === on the wire ===

/// Written and read as a text, with what the API's document says of it.
macro_rules! text {
    ($type:ty, $description:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<Schema> {
                ObjectBuilder::new().schema_type(Type::String).description(Some($description)).into()
            }
        }

        impl ToSchema for $type {}
    };
}

text!(
    Protocol,
    "A protocol over IP: `any`, `tcp`, `udp`, `tcp-udp`, `icmp`, `icmpv6`, `igmp`, `gre`, `esp`, `ah`, `sctp`, or its \
     number. Of IPv6 it is what follows all extension headers."
);
text!(
    Frame,
    "What kind of packets a rule looks at: `ip` (IPv4 and IPv6), `ipv4`, `ipv6`, `arp`, or frames of another EtherType by its \
     number: `0x88cc`."
);
text!(TcpFlags, "TCP flags that have to be set, and with `!` such that must not be: `syn,!ack`.");
text!(IcmpType, "An ICMP type, with its code where only that one is meant: `8`, `3/4`.");

// === texts that stay texts ===

/// Whether a text is an IP address with or without a prefix length.
pub fn is_network(text: &str) -> bool {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let bits = if address.is_ipv4() { 32 } else { 128 };
    prefix.is_none_or(|prefix| {
        prefix.bytes().all(|b| b.is_ascii_digit()) && prefix.parse::<u8>().is_ok_and(|prefix| prefix <= bits)
    })
}

/// What is wrong with a text that is to name addresses: one, a network, or a range.
pub fn wrong_addresses(text: &str) -> Option<WrongAddresses> {
    let Some((first, last)) = text.split_once('-') else {
        return (!is_network(text)).then_some(WrongAddresses::Form);
    };
    let (Ok(first), Ok(last)) = (first.parse::<IpAddr>(), last.parse::<IpAddr>()) else {
        return Some(WrongAddresses::Form);
    };
    (first.is_ipv4() != last.is_ipv4() || first > last).then_some(WrongAddresses::Range)
}

/// Whether a text is an interface's name, or the beginning of such names with a `*` behind it.
pub fn is_interface(text: &str) -> bool {
    let name = text.strip_suffix('*').unwrap_or(text);
    let wrong = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | '*');
    (1..=15).contains(&name.len()) && !name.chars().any(wrong) && !matches!(name, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept<T: FromStr + ToString>(texts: &[&str]) {
        for text in texts {
            let read = text.parse::<T>().ok().map(|one| one.to_string());
            assert_eq!(read.as_deref(), Some(*text));
        }
    }

    #[test]
    fn fields_are_written_as_they_are_read() {
        kept::<Protocol>(&[
            "any", "tcp", "udp", "tcp-udp", "icmp", "icmpv6", "igmp", "gre", "esp", "ah", "sctp", "89", "0",
        ]);
        assert_eq!("17".parse::<Protocol>(), Ok(Protocol::UDP));
        for text in ["", "TCP", "256", "+6", "tcp udp", "0006"] {
            assert_eq!(text.parse::<Protocol>(), Err(ParseProtocolError), "{text}");
        }
        kept::<Frame>(&["ip", "ipv4", "ipv6", "arp", "0x88cc", "0x0600", "0xffff"]);
        assert_eq!("35020".parse::<Frame>(), Ok(Frame::Number(0x88cc)));
        assert_eq!("0x0806".parse::<Frame>(), Ok(Frame::Arp));
        for text in ["", "0x", "0x05ff", "1535", "65536", "0x10000", "+1536", "0x+600", "88cc", "IP"] {
            assert_eq!(text.parse::<Frame>(), Err(ParseFrameError), "{text}");
        }
        kept::<TcpFlags>(&["syn", "syn,!ack", "!fin,!syn,!rst,!psh,!ack,!urg", "fin,psh,urg"]);
        for text in ["", "syn,", "syn,syn", "syn,!syn", "!!syn", "push"] {
            assert_eq!(text.parse::<TcpFlags>(), Err(ParseFlagsError), "{text}");
        }
        kept::<IcmpType>(&["8", "3/4", "255/0"]);
        for text in ["", "256", "3/", "/4", "3/4/5", "echo"] {
            assert_eq!(text.parse::<IcmpType>(), Err(ParseIcmpError), "{text}");
        }
    }

    #[test]
    fn addresses_and_interfaces_are_read_strictly() {
        for text in ["192.0.2.7", "192.0.2.0/24", "192.0.2.1-192.0.2.9", "2001:db8::1-2001:db8::1"] {
            assert_eq!(wrong_addresses(text), None, "{text}");
        }
        for text in ["", "192.0.2.1-", "-", "192.0.2.0/24-192.0.3.0/24", "a-b"] {
            assert_eq!(wrong_addresses(text), Some(WrongAddresses::Form), "{text}");
        }
        for text in ["192.0.2.9-192.0.2.1", "192.0.2.9-2001:db8::"] {
            assert_eq!(wrong_addresses(text), Some(WrongAddresses::Range), "{text}");
        }
        assert!(["eth0", "eth*", "wg0.7"].into_iter().all(is_interface));
        assert!(!["", "*", "a*b", "a b", "0123456789abcdef", ".."].into_iter().any(is_interface));
    }
}
