//! Addresses, ports and the variables that stand for them.
use crate::diagnose::{Finding, shown};
use crate::parse::Word;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Variables of Suricata's default configuration that stand for addresses.
const ADDRESS_VARIABLES: &[&str] = &[
    "HOME_NET",
    "EXTERNAL_NET",
    "HTTP_SERVERS",
    "SMTP_SERVERS",
    "SQL_SERVERS",
    "DNS_SERVERS",
    "TELNET_SERVERS",
    "AIM_SERVERS",
    "DC_SERVERS",
    "DNP3_SERVER",
    "DNP3_CLIENT",
    "MODBUS_CLIENT",
    "MODBUS_SERVER",
    "ENIP_CLIENT",
    "ENIP_SERVER",
    "SSH_SERVERS",
    "SIP_SERVERS",
    "FTP_SERVERS",
];

/// Variables of Suricata's default configuration that stand for ports.
const PORT_VARIABLES: &[&str] = &[
    "HTTP_PORTS",
    "SHELLCODE_PORTS",
    "ORACLE_PORTS",
    "SSH_PORTS",
    "DNP3_PORTS",
    "MODBUS_PORTS",
    "FILE_DATA_PORTS",
    "FTP_PORTS",
    "GENEVE_PORTS",
    "VXLAN_PORTS",
    "TEREDO_PORTS",
    "SIP_PORTS",
];

/// Widest range of ports that is a service and not a part of all ports.
const NARROW: u16 = 16;

/// Deepest nesting of lists and variables.
const DEPTH: usize = 16;

/// Values of `$HOME_NET`, `$HTTP_PORTS` and the like, as Suricata's `vars` section writes them.
///
/// A variable of Suricata's default configuration that is not set stands for `any`: a host protects
/// itself whatever its address is. Where such a variable of ports is excluded (`!$HTTP_PORTS`), it stands for the ports of
/// that configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    values: BTreeMap<String, String>,
}

impl Variables {
    /// Sets a variable (`HOME_NET`) to a text of the rule language: `[10.0.0.0/8,!10.1.0.0/16]`.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), value.into());
    }

    /// The text of a variable, where it was set.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

/// What a set is made of.
pub(crate) trait Item: Copy + Sized {
    type Value: Copy;
    const CODE: &'static str;
    const WHAT: &'static str;
    const HELP: &'static str;
    fn variables() -> &'static [&'static str];
    /// What a variable that is not set stands for where it is excluded.
    fn excluded(_name: &str) -> Option<&'static str> {
        None
    }
    fn parse(text: &str) -> Option<Self>;
    fn contains(self, value: Self::Value) -> bool;
}

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Network {
    address: u128,
    mask: u128,
    v6: bool,
}

impl Item for Network {
    type Value = IpAddr;
    const CODE: &'static str = "S007";
    const WHAT: &'static str = "address";
    const HELP: &'static str = "write any, 192.0.2.1, 192.0.2.0/24, 2001:db8::/32, $HOME_NET, [a,b,!c]";

    fn variables() -> &'static [&'static str] {
        ADDRESS_VARIABLES
    }

    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv6() { 128 } else { 32 };
        let bits = match bits {
            None => width,
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse::<u32>().ok()?,
            // a dotted netmask must be ones, then zeros
            Some(mask) => {
                let mask = u32::from(mask.parse::<std::net::Ipv4Addr>().ok()?);
                if address.is_ipv6() || mask.leading_ones() + mask.trailing_zeros() < 32 {
                    return None;
                }
                mask.leading_ones()
            }
        };
        if bits > width {
            return None;
        }
        let mask = u128::MAX.checked_shl(width - bits).unwrap_or(0);
        let address_bits = number(address);
        Some(Self { address: address_bits & mask, mask, v6: address.is_ipv6() })
    }

    fn contains(self, value: IpAddr) -> bool {
        value.is_ipv6() == self.v6 && number(value) & self.mask == self.address
    }
}

impl Network {
    /// What it has in common with the others of its size: family and mask.
    pub(crate) const fn size(self) -> (bool, u128) {
        (self.v6, self.mask)
    }

    /// Its first address as a number.
    pub(crate) const fn first(self) -> u128 {
        self.address
    }
}

impl Set<Ports> {
    /// Whether it names a few ports: then looking at them apart spares all others.
    pub(crate) fn is_narrow(&self) -> bool {
        match self {
            Self::Any => false,
            Self::One(ports) => ports.last - ports.first < NARROW,
            Self::Group(include, exclude) => {
                !include.is_empty() && exclude.is_empty() && include.iter().all(Self::is_narrow)
            }
        }
    }
}

impl Set<Network> {
    /// The blocks in which every address of the set lies; none where they are not known or too many.
    pub(crate) fn blocks(&self) -> Option<Vec<Network>> {
        match self {
            Self::Any => None,
            Self::One(network) => Some(vec![*network]),
            Self::Group(include, _) if include.is_empty() => None,
            Self::Group(include, _) => {
                let mut blocks = Vec::new();
                for set in include {
                    blocks.append(&mut set.blocks()?);
                }
                Some(blocks)
            }
        }
    }
}

pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(u32::from(a)),
        IpAddr::V6(a) => u128::from(a),
    }
}

/// Ports `first..=last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ports {
    first: u16,
    last: u16,
}

impl Item for Ports {
    type Value = u16;
    const CODE: &'static str = "S008";
    const WHAT: &'static str = "port";
    const HELP: &'static str = "write any, 80, 1024:, :1023, 8000:8090, $HTTP_PORTS, [80,81,!8080]";

    fn variables() -> &'static [&'static str] {
        PORT_VARIABLES
    }

    /// # Source
    /// Suricata's default configuration.
    fn excluded(name: &str) -> Option<&'static str> {
        Some(match name {
            "HTTP_PORTS" => "80",
            "SSH_PORTS" => "22",
            "FTP_PORTS" => "21",
            "ORACLE_PORTS" => "1521",
            "SIP_PORTS" => "[5060,5061]",
            _ => return None,
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let one = |text: &str| -> Option<u16> {
            let text = text.trim_ascii();
            if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
        };
        let (first, last) = match text.split_once(':') {
            None => (one(text)?, one(text)?),
            Some(("", "")) => return None,
            Some((first, "")) => (one(first)?, u16::MAX),
            Some(("", last)) => (0, one(last)?),
            Some((first, last)) => (one(first)?, one(last)?),
        };
        (first <= last).then_some(Self { first, last })
    }

    fn contains(self, value: u16) -> bool {
        self.first <= value && value <= self.last
    }
}

/// A set as the header writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Set<T> {
    Any,
    One(T),
    /// In some of the first (or the first is empty) and in none of the second.
    Group(Vec<Self>, Vec<Self>),
}

impl<T: Item> Set<T> {
    pub(crate) fn contains(&self, value: T::Value) -> bool {
        match self {
            Self::Any => true,
            Self::One(item) => item.contains(value),
            Self::Group(include, exclude) => {
                (include.is_empty() || include.iter().any(|s| s.contains(value)))
                    && !exclude.iter().any(|s| s.contains(value))
            }
        }
    }

    /// Whether `any` is excluded, so that nothing is left.
    fn is_nothing(&self) -> bool {
        matches!(self, Self::Group(include, exclude)
            if exclude.iter().any(Self::is_everything) || (!include.is_empty() && include.iter().all(Self::is_nothing)))
    }

    fn is_everything(&self) -> bool {
        match self {
            Self::Any => true,
            Self::One(_) => false,
            Self::Group(include, exclude) => {
                exclude.is_empty() && (include.is_empty() || include.iter().any(Self::is_everything))
            }
        }
    }

    pub(crate) fn parse(word: Word<'_>, variables: &Variables) -> Result<Self, Finding> {
        let set = Self::parse_nested(word.text, word.at, variables, 0)?;
        if set.is_nothing() {
            return Err(Finding::error(
                T::CODE,
                word.at,
                format!("no {} is left: {}", T::WHAT, shown(word.text)),
                "a variable that stands for any cannot be negated; set it to the networks it means",
            ));
        }
        Ok(set)
    }

    fn parse_nested(text: &str, at: usize, variables: &Variables, depth: usize) -> Result<Self, Finding> {
        let bad = |why: String| Finding::error(T::CODE, at, why, T::HELP);
        let text = text.trim_ascii();
        if depth > DEPTH {
            return Err(bad(format!(
                "lists or variables are nested deeper than {DEPTH}, or a variable names itself"
            )));
        }
        if let Some(rest) = text.strip_prefix('!') {
            let name = rest.trim_ascii().strip_prefix('$');
            let unset = name.filter(|name| variables.value(name).is_none()).and_then(T::excluded);
            let inner = Self::parse_nested(unset.unwrap_or(rest), at + 1, variables, depth + 1)?;
            return Ok(Self::Group(Vec::new(), vec![inner]));
        }
        if text.eq_ignore_ascii_case("any") {
            return Ok(Self::Any);
        }
        if let Some(name) = text.strip_prefix('$') {
            return match variables.value(name) {
                Some(value) => Self::parse_nested(value, at, variables, depth + 1),
                None if T::variables().contains(&name) => Ok(Self::Any),
                None => Err(bad(format!("the {} variable ${} is not set", T::WHAT, shown(name)))),
            };
        }
        if let Some(open) = text.strip_prefix('[') {
            let Some(list) = open.strip_suffix(']') else {
                return Err(bad(format!("the list is not closed: {}", shown(text))));
            };
            let (mut include, mut exclude) = (Vec::new(), Vec::new());
            for (offset, part) in list_items(list) {
                if part.trim_ascii().is_empty() {
                    return Err(bad(format!("the list has an empty entry: {}", shown(text))));
                }
                match Self::parse_nested(part, at + 1 + offset, variables, depth + 1)? {
                    Self::Group(inner, mut negated) if inner.is_empty() => exclude.append(&mut negated),
                    set => include.push(set),
                }
            }
            return Ok(Self::Group(include, exclude));
        }
        T::parse(text).map(Self::One).ok_or_else(|| bad(format!("not a valid {}: {}", T::WHAT, shown(text))))
    }
}

/// Splits at commas outside brackets.
fn list_items(list: &str) -> Vec<(usize, &str)> {
    let mut items = Vec::new();
    let (mut depth, mut from) = (0_usize, 0_usize);
    for (at, c) in list.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                items.push((from, list.get(from..at).unwrap_or_default()));
                from = at + 1;
            }
            _ => {}
        }
    }
    items.push((from, list.get(from..).unwrap_or_default()));
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Result<Set<Network>, String> {
        let mut variables = Variables::default();
        variables.set("HOME_NET", "[10.0.0.0/8,!10.9.0.0/16]");
        variables.set("LOOP", "$LOOP");
        Set::parse(Word { text, at: 0 }, &variables).map_err(|f| f.title)
    }

    #[test]
    fn groups_negation_and_variables() {
        let inside = |text: &str, ip: &str| addresses(text).unwrap().contains(ip.parse().unwrap());
        assert!(inside("any", "2001:db8::1"));
        assert!(inside("$HOME_NET", "10.1.2.3"));
        assert!(!inside("$HOME_NET", "10.9.2.3"));
        assert!(inside("!$HOME_NET", "10.9.2.3"));
        assert!(!inside("!$HOME_NET", "10.1.2.3"));
        assert!(inside("[192.0.2.0/255.255.255.0,![192.0.2.1,192.0.2.2]]", "192.0.2.3"));
        assert!(!inside("[192.0.2.0/24,![192.0.2.1,192.0.2.2]]", "192.0.2.2"));
        assert!(inside("2001:db8::/32", "2001:db8:1::5"));
        assert!(!inside("0.0.0.0/0", "2001:db8:1::5"));
        assert!(inside("![10.0.0.1]", "10.0.0.2"));
        for bad in [
            "",
            "[",
            "[10.0.0.1",
            "[10.0.0.1,]",
            "10.0.0.0/33",
            "$NOPE",
            "$LOOP",
            "!any",
            "![any]",
            "10.0.0.0/255.0.255.0",
        ] {
            assert!(addresses(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn port_ranges() {
        let ports = |text: &str| Set::<Ports>::parse(Word { text, at: 0 }, &Variables::default());
        assert!(ports("[80,8000:8090,!8080]").unwrap().contains(8081));
        assert!(!ports("[80,8000:8090,!8080]").unwrap().contains(8080));
        assert!(ports("1024:").unwrap().contains(65535));
        assert!(ports(":1023").unwrap().contains(0));
        assert!(ports("$HTTP_PORTS").unwrap().contains(81));
        assert!(!ports("!$HTTP_PORTS").unwrap().contains(80));
        assert!(ports("[1024:,!$HTTP_PORTS]").unwrap().contains(8080));
        for bad in ["80:79", ":", "65536", "+80", "$HOME_NET", "!any"] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }
}
