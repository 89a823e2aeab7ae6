//! What happened on a computer, as engines and the agent report it.
use crate::{IncidentId, Sid, Timestamp};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For the record. The first to be dropped when a spool is full.
    Info,
    /// Worth a look in a quiet hour.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// A successful attack would take over the computer.
    Critical,
}

impl Severity {
    /// The word used on the wire and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = ParseSeverityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "info" => Ok(Self::Info),
            "low" => Ok(Self::Low),
            "medium" => Ok(Self::Medium),
            "high" => Ok(Self::High),
            "critical" => Ok(Self::Critical),
            _ => Err(ParseSeverityError),
        }
    }
}

/// The text is none of the five severities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a severity: expected info, low, medium, high or critical")]
pub struct ParseSeverityError;

/// The module an event or a setting belongs to, by its registered name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(Cow<'static, str>);

impl ModuleId {
    /// The agent itself: life cycle, gaps, degradations.
    pub const AGENT: Self = Self(Cow::Borrowed("agent"));
    /// Intrusion prevention: signatures over network traffic.
    pub const INTRUSION_PREVENTION: Self = Self(Cow::Borrowed("intrusion-prevention"));

    /// A module by a name that came from outside.
    pub fn named(name: impl Into<String>) -> Self {
        Self(Cow::Owned(name.into()))
    }

    /// The registered name, kebab-case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Reported only; in a detecting mode this is what would have been blocked.
    Detected,
    /// The traffic was stopped.
    Blocked,
    /// Nothing to stop: a fact about the agent.
    Noted,
}

impl Action {
    /// The word used on the wire and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Detected => "detected",
            Self::Blocked => "blocked",
            Self::Noted => "noted",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, by the computer's own clock.
    pub at: Timestamp,
    /// Whose event it is.
    pub module: ModuleId,
    /// How much it matters.
    pub severity: Severity,
    /// What was done.
    pub action: Action,
    /// The kind's own columns.
    pub detail: Detail,
}

/// The columns of each kind of event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// A signature matched traffic.
    Intrusion(Box<Intrusion>),
    /// Events or packets were lost, and how many.
    Gap(Gap),
    /// Something about the agent itself, by code and arguments so that it can be said in any language.
    Notice(Notice),
}

/// A signature matched traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intrusion {
    /// What the visitor was shown and the operator searches for.
    pub incident: IncidentId,
    /// The signature.
    pub sid: Sid,
    /// Its revision.
    pub revision: u32,
    /// Its message.
    pub message: String,
    /// Its class, empty where it has none.
    pub classtype: String,
    /// The CVE numbers it names, as `CVE-2017-1001000`.
    pub cves: Vec<String>,
    /// The address that opened the connection.
    pub client: IpAddr,
    /// The port that opened the connection.
    pub client_port: u16,
    /// The address that was connected to.
    pub server: IpAddr,
    /// The port that was connected to.
    pub server_port: u16,
    /// IP protocol number: 6 for TCP.
    pub protocol: u8,
    /// The buffer the decisive pattern stood in, by its rule-language name: `http.uri`.
    pub buffer: String,
    /// Where in the buffer the match begins, in bytes.
    pub offset: u32,
    /// Length of the match, in bytes.
    pub length: u32,
    /// The bytes around the match, at most [`Intrusion::EXCERPT_BYTES`].
    pub excerpt: Vec<u8>,
    /// Where in `excerpt` the match begins, in bytes.
    pub excerpt_offset: u32,
    /// The HTTP request, where it was one.
    pub http: Option<HttpSummary>,
}

impl Intrusion {
    /// Bound of `excerpt`: enough to see the attack and its surroundings, small enough to be sent for each event.
    pub const EXCERPT_BYTES: usize = 256;
}

/// An HTTP request in one line. Each text is cut at [`HttpSummary::TEXT_BYTES`] and made printable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpSummary {
    /// Method as sent.
    pub method: String,
    /// Host header.
    pub host: String,
    /// Request target as sent.
    pub target: String,
    /// User-Agent header.
    pub user_agent: String,
}

impl HttpSummary {
    /// Bound of each text: a screen's worth; the whole request is not an event's business.
    pub const TEXT_BYTES: usize = 512;
}

/// Something was lost, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// What was lost: `events` or `packets-uninspected`.
    pub what: String,
    /// How many.
    pub count: u64,
    /// Why, by code: `spool-full`, `worker-restart`, `queue-overflow`.
    pub reason: String,
}

/// Something about the agent itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Stable code: `agent-started`, `policy-applied`, `worker-restarted`.
    pub code: String,
    /// Values for the sentence, by name.
    pub args: Vec<(String, String)>,
}
