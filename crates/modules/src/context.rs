//! Contexts: where a computer is, as it can see for itself, so that a rule counts only there.
use crate::firewall::is_network;
use crate::settings::Finding;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// Most contexts of one rule: each is asked every second.
pub(crate) const MOST_OF_A_RULE: usize = 64;
/// Most different hosts and names that all contexts of a module ask for: each has a thread that asks it.
pub(crate) const PROBES: usize = 16;
/// Most conditions of one context.
const CONDITIONS: usize = 16;
/// Longest name of an interface in the kernel.
const INTERFACE_CHARS: usize = 15;
/// Longest name of a host (RFC 1035 §2.3.4, as text).
const HOST_CHARS: usize = 253;

/// Where a computer is: conditions that all have to be met, as `interface eth* and not reachable manager`.
///
/// What a list gives has the list's name before it: `office: address 192.0.2.0/24`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Context {
    /// The name by which it is told; its text where absent.
    name: Option<String>,
    conditions: Vec<Condition>,
}

/// One condition of a context.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Condition {
    not: bool,
    fact: Fact,
}

/// Something that a computer finds out about its network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// An interface is up whose name is this; `*` stands for any characters, `?` for one.
    Interface(String),
    /// The computer has an address of this network.
    Address(String),
    /// The manager, or the proxy before it, takes a connection.
    Manager,
    /// This host takes a connection at this TCP port.
    Reachable(String, u16),
    /// This name resolves to an address.
    Resolves(String),
}

/// The text is no context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseContextError {
    /// A condition is not one of those that there are.
    Condition(String),
    /// It has none, or more than there may be.
    Count,
}

impl fmt::Display for ParseContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Condition(text) => write!(
                f,
                "'{text}' is no condition: write 'interface eth*', 'address 192.0.2.0/24', 'reachable manager', \
                 'reachable intranet.example:443' or 'resolves intranet.example', each with 'not' before it if it must \
                 not hold, and 'and' between them"
            ),
            Self::Count => write!(f, "a context has 1 to {CONDITIONS} conditions"),
        }
    }
}

impl std::error::Error for ParseContextError {}

// === impl Fact ===

impl Fact {
    /// Whether others have to be asked: it takes time and is not known at once.
    pub const fn asks_others(&self) -> bool {
        matches!(self, Self::Manager | Self::Reachable(..) | Self::Resolves(_))
    }
}

// === impl Context ===

impl Context {
    /// The name by which it is told.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.to_string())
    }

    /// Whether it has a name before its conditions.
    pub const fn is_named(&self) -> bool {
        self.name.is_some()
    }

    /// Whether it holds. What is not known yet (`None`) meets no condition, whichever way that is asked.
    pub fn holds(&self, seen: impl Fn(&Fact) -> Option<bool>) -> bool {
        self.conditions.iter().all(|condition| seen(&condition.fact) == Some(!condition.not))
    }

    /// What it asks for.
    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.conditions.iter().map(|condition| &condition.fact)
    }
}

/// What is wrong where contexts of a module ask for too much of others.
pub(crate) fn too_many_asked<'a>(at: &str, contexts: impl Iterator<Item = &'a Context>) -> Option<Finding> {
    let asked: BTreeSet<&Fact> =
        contexts.flat_map(Context::facts).filter(|fact| fact.asks_others()).collect();
    let message = format!("All contexts together ask for at most {PROBES} hosts and names.");
    (asked.len() > PROBES).then(|| Finding::at(at, "too-many", message, &asked.len().to_string()))
}

impl FromStr for Context {
    type Err = ParseContextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // No condition has a colon and a blank in it, so the last one ends the name.
        let (name, text) = match text.rsplit_once(": ") {
            Some((name, text)) => (Some(name.to_owned()), text),
            None => (None, text),
        };
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        if words.is_empty() {
            return Err(ParseContextError::Count);
        }
        let conditions: Result<Vec<Condition>, ParseContextError> =
            words.split(|word| word.eq_ignore_ascii_case("and")).map(condition).collect();
        let conditions = conditions?;
        if conditions.len() > CONDITIONS {
            return Err(ParseContextError::Count);
        }
        Ok(Self { name, conditions })
    }
}

fn condition(words: &[&str]) -> Result<Condition, ParseContextError> {
    let (not, rest) = match words.split_first() {
        Some((first, rest)) if first.eq_ignore_ascii_case("not") => (true, rest),
        _ => (false, words),
    };
    let fact = match rest {
        [what, value] => fact(&what.to_ascii_lowercase(), value),
        _ => None,
    };
    let wrong = || ParseContextError::Condition(words.join(" ").chars().take(64).collect());
    fact.map(|fact| Condition { not, fact }).ok_or_else(wrong)
}

fn fact(what: &str, value: &str) -> Option<Fact> {
    match what {
        "interface" => {
            let fits = value.chars().count() <= INTERFACE_CHARS && !value.contains('/');
            fits.then(|| Fact::Interface(value.to_owned()))
        }
        "address" => is_network(value).then(|| Fact::Address(value.to_ascii_lowercase())),
        "reachable" if value.eq_ignore_ascii_case("manager") => Some(Fact::Manager),
        "reachable" => {
            let (host, port) = value.rsplit_once(':')?;
            let port = port.parse().ok().filter(|port: &u16| *port > 0 && !value.ends_with('+'))?;
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let host = match bare {
                Some(v6) => v6.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
                None => host_name(host)?,
            };
            Some(Fact::Reachable(host, port))
        }
        "resolves" => host_name(value).map(Fact::Resolves),
        _ => None,
    }
}

fn host_name(text: &str) -> Option<String> {
    let fits = !text.is_empty()
        && text.len() <= HOST_CHARS
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    fits.then(|| text.to_ascii_lowercase())
}

/// Whether a name is of a pattern in which `*` stands for any characters and `?` for one.
///
/// # Bounds
/// Both are names of interfaces: what is tried again behind a `*` stays in the tens of thousands.
pub fn matches_pattern(pattern: &str, name: &str) -> bool {
    let Some(wanted) = pattern.chars().next() else { return name.is_empty() };
    let rest = pattern.get(wanted.len_utf8()..).unwrap_or_default();
    let mut behind = name.chars();
    match (wanted, behind.next()) {
        ('*', None) => matches_pattern(rest, name),
        ('*', Some(_)) => matches_pattern(rest, name) || matches_pattern(pattern, behind.as_str()),
        (_, None) => false,
        (wanted, Some(c)) => (wanted == '?' || wanted == c) && matches_pattern(rest, behind.as_str()),
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}: ")?;
        }
        for (index, Condition { not, fact }) in self.conditions.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " and " })?;
            f.write_str(if *not { "not " } else { "" })?;
            match fact {
                Fact::Interface(pattern) => write!(f, "interface {pattern}")?,
                Fact::Address(network) => write!(f, "address {network}")?,
                Fact::Manager => f.write_str("reachable manager")?,
                Fact::Reachable(host, port) if host.contains(':') => write!(f, "reachable [{host}]:{port}")?,
                Fact::Reachable(host, port) => write!(f, "reachable {host}:{port}")?,
                Fact::Resolves(host) => write!(f, "resolves {host}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Context {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Context {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::schema::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some(
                "Where the computer is: `interface eth* and not reachable manager`; or a context: `list:NAME`.",
            ))
            .into()
    }
}

impl ToSchema for Context {}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(text: &str) -> Context {
        text.parse().unwrap()
    }

    #[test]
    fn contexts_are_read_and_written_in_one_form() {
        for text in [
            "interface eth* and address 192.0.2.0/24",
            "not reachable manager",
            "reachable intranet.example:443 and not resolves intranet.example",
            "reachable [2001:db8::7]:22",
            "the office: at noon: address 2001:db8::/32",
        ] {
            assert_eq!(context(text).to_string(), text);
        }
        assert_eq!(
            context("NOT  Interface wg0 AND Reachable Manager and resolves A.Example").to_string(),
            "not interface wg0 and reachable manager and resolves a.example"
        );
        assert_eq!(context("the office: at noon: address 2001:db8::/32").label(), "the office: at noon");
        for text in [
            "",
            "office: ",
            "and",
            "interface",
            "interface eth0 and",
            "interface eth0 or wg0",
            "address eth0",
            "reachable",
            "reachable host",
            "reachable host:0",
            "reachable host:70000",
            "reachable -host:80",
            "reachable 2001:db8::7:80:",
            "resolves a/b",
            "not not interface eth0",
            "interface much-too-long-a-name",
        ] {
            assert!(text.parse::<Context>().is_err(), "{text}");
        }
        assert_eq!(["interface e"; 17].join(" and ").parse::<Context>(), Err(ParseContextError::Count));
    }

    #[test]
    fn all_conditions_have_to_be_met_and_the_unknown_meets_none() {
        let office = context("interface eth* and not reachable manager");
        let seen = |interface, manager| {
            office.holds(|fact| match fact {
                Fact::Interface(_) => interface,
                _ => manager,
            })
        };
        assert!(seen(Some(true), Some(false)));
        assert!(!seen(Some(true), Some(true)) && !seen(Some(false), Some(false)));
        assert!(!seen(Some(true), None), "not known yet");
    }

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, fits) in [
            ("eth0", "eth0", true),
            ("eth0", "eth01", false),
            ("eth*", "eth", true),
            ("eth*", "eth12", true),
            ("*", "", true),
            ("?", "", false),
            ("wl?s*0", "wlps30", true),
            ("wl?s*0", "wlps3", false),
            ("**0**", "en0", true),
        ] {
            assert_eq!(matches_pattern(pattern, name), fits, "{pattern} {name}");
        }
    }
}
