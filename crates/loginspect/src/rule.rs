//! Rules: what a line must be for one to match.

use crate::decoder::Category;
use crate::fields::{DSTUSER, FieldId, Fields, SRCUSER};
use crate::pattern::Pattern;
use std::net::IpAddr;

/// What is said of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its id.
    pub id: u32,
    /// 0 to 16; 0 never makes an event.
    pub level: u8,
    /// What it reports. `$(name)` stands for a field.
    pub description: String,
    /// Its own groups and its file's.
    pub groups: Vec<String>,
    /// CVE numbers of its `info` and `cve` elements.
    pub cve: Vec<String>,
    /// How many lines it takes, for a rule that counts; else 0.
    pub frequency: u32,
    /// In how many seconds.
    pub timeframe: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) info: RuleInfo,
    pub(crate) category: Category,
    pub(crate) no_alert: bool,
    /// A line must have this many bytes.
    pub(crate) min_size: usize,
    /// Seconds for which it is quiet after it has matched.
    pub(crate) ignore: u32,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) counting: Option<Counting>,
    /// Tried in this order when it matches.
    pub(crate) children: Vec<usize>,
    /// The lists of past events that its events go to.
    pub(crate) feeds: Vec<usize>,
}

/// A rule that looks back.
#[derive(Clone, Debug)]
pub(crate) struct Counting {
    /// The list of past events that it looks through.
    pub(crate) list: usize,
    /// Past events that must fit before the one that decides.
    pub(crate) before: u32,
    pub(crate) timeframe: u32,
    pub(crate) alike: Vec<Alike>,
}

/// How a past event must compare with this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alike {
    pub(crate) field: FieldId,
    pub(crate) same: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Condition {
    DecodedAs(u32),
    Text(Target, Pattern),
    Address(FieldId, Vec<Network>),
    Time {
        from: u16,
        to: u16,
        negated: bool,
    },
    /// Bit 0 is Sunday.
    Weekday(u8),
}

/// What a pattern looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The message without its header.
    Log,
    Program,
    Hostname,
    Location,
    /// The user acted on, or else the user who acts.
    User,
    Field(FieldId),
}

/// An address or network, perhaps one that must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) negated: bool,
    pub(crate) address: IpAddr,
    pub(crate) bits: u8,
}

/// A line as rules see it.
pub(crate) struct View<'a> {
    pub(crate) log: &'a [u8],
    pub(crate) size: usize,
    pub(crate) program: Option<&'a [u8]>,
    pub(crate) hostname: Option<&'a [u8]>,
    pub(crate) location: &'a [u8],
    pub(crate) decoder: Option<u32>,
    pub(crate) fields: &'a Fields,
    pub(crate) minute: u16,
    pub(crate) weekday: u8,
}

impl Rule {
    /// Whether everything but counting fits.
    pub(crate) fn fits(&self, view: &View<'_>) -> bool {
        view.size >= self.min_size && self.conditions.iter().all(|condition| condition.fits(view))
    }
}

impl Condition {
    /// How much work it is to look: cheap ones go first.
    pub(crate) fn cost(&self) -> u8 {
        match self {
            Self::DecodedAs(_) => 0,
            Self::Time { .. } | Self::Weekday(_) => 1,
            Self::Address(..) => 2,
            Self::Text(Target::Log, _) => 4,
            Self::Text(..) => 3,
        }
    }

    fn fits(&self, view: &View<'_>) -> bool {
        match self {
            Self::DecodedAs(decoder) => view.decoder == Some(*decoder),
            Self::Text(target, pattern) => target.value(view).is_some_and(|value| pattern.is_match(value)),
            Self::Address(field, networks) => view
                .fields
                .value(*field)
                .and_then(|value| std::str::from_utf8(value).ok()?.parse().ok())
                .is_some_and(|address| any_network(networks, address)),
            Self::Time { from, to, negated } => {
                let within = if from <= to {
                    (*from..=*to).contains(&view.minute)
                } else {
                    view.minute >= *from || view.minute <= *to
                };
                within != *negated
            }
            Self::Weekday(days) => days & (1 << (view.weekday % 7)) != 0,
        }
    }
}

impl Target {
    fn value<'a>(self, view: &View<'a>) -> Option<&'a [u8]> {
        match self {
            Self::Log => Some(view.log),
            Self::Program => view.program,
            Self::Hostname => view.hostname,
            Self::Location => Some(view.location),
            Self::User => view.fields.value(DSTUSER).or_else(|| view.fields.value(SRCUSER)),
            Self::Field(field) => view.fields.value(field),
        }
    }
}

/// An address fits if it is in a network that is asked for and in none that must not be; with only the latter, if
/// it is in none.
fn any_network(networks: &[Network], address: IpAddr) -> bool {
    if networks.iter().any(|network| network.negated && network.contains(address)) {
        return false;
    }
    let mut asked = networks.iter().filter(|network| !network.negated).peekable();
    asked.peek().is_none() || asked.any(|network| network.contains(address))
}

impl Network {
    /// `10.0.0.0/8`, `::1`, `!192.168.1.1`, `192.168.`, `any`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negated, text) = match text.trim().strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, text.trim()),
        };
        if text == "any" {
            return Some(Self { negated, address: IpAddr::from([0; 4]), bits: 0 });
        }
        if let Some(prefix) = text.strip_suffix('.') {
            let mut octets = [0_u8; 4];
            let mut count = 0;
            for (octet, part) in octets.iter_mut().zip(prefix.split('.')) {
                *octet = part.parse().ok()?;
                count += 1;
            }
            return (prefix.split('.').count() == count && count < 4).then_some(Self {
                negated,
                address: IpAddr::from(octets),
                bits: u8::try_from(count).ok()? * 8,
            });
        }
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => match bits.parse::<u8>() {
                Ok(bits) => bits,
                // 255.255.255.0
                Err(_no_number) => {
                    let mask: std::net::Ipv4Addr = bits.parse().ok()?;
                    u8::try_from(mask.to_bits().leading_ones()).ok()?
                }
            },
        };
        (bits <= most).then_some(Self { negated, address, bits })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let mapped = match address {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        };
        match (self.address, mapped) {
            (IpAddr::V4(net), IpAddr::V4(given)) => {
                let shift = 32 - u32::from(self.bits.min(32));
                (u64::from(net.to_bits()) >> shift) == (u64::from(given.to_bits()) >> shift)
            }
            (IpAddr::V6(net), IpAddr::V6(given)) => {
                let shift = 128 - u32::from(self.bits.min(128));
                net.to_bits().checked_shr(shift) == given.to_bits().checked_shr(shift)
            }
            // `any` is written as an IPv4 network of no bits.
            (IpAddr::V4(_), IpAddr::V6(_)) => self.bits == 0,
            (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let contains = |network: &str, address: &str| {
            any_network(&[Network::parse(network).unwrap()], address.parse().unwrap())
        };
        assert!(contains("10.0.0.0/8", "10.1.2.3"));
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!contains("10.0.0.0/8", "11.1.2.3"));
        assert!(contains("!10.0.0.1", "10.0.0.2"));
        assert!(!contains("!10.0.0.1", "10.0.0.1"));
        assert!(contains("192.168.", "192.168.7.7"));
        assert!(contains("10.1.0.0/255.255.0.0", "10.1.9.9"));
        assert!(contains("fe80::/10", "fe80::1"));
        assert!(contains("any", "::1"));
        assert_eq!(Network::parse("10.0.0.0/40"), None);
        assert_eq!(Network::parse("host"), None);
    }
}
