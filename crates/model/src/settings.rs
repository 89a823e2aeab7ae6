//! The settings of each module as a policy resolves them for one computer.
use crate::{Mode, Sid};
use std::collections::BTreeMap;

/// What happens to traffic while nothing can judge it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureResponse {
    /// Traffic passes uninspected and is counted.
    Open,
    /// Traffic is dropped.
    Closed,
}

impl FailureResponse {
    /// The word used in policies and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// Ports `first..=last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// The highest port; not below `first`.
    pub last: u16,
}

impl PortRange {
    /// One port.
    pub const fn single(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// Whether the port is one of them.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

/// Settings of intrusion prevention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntrusionPrevention {
    /// The module's own mode: an upper bound of every rule's.
    pub mode: Mode,
    /// What happens to traffic while no worker can judge it.
    pub failure_response: FailureResponse,
    /// The server ports whose traffic is inspected as plaintext HTTP.
    pub http_ports: Vec<PortRange>,
    /// Whether a blocked HTTP request is answered with a page that carries the incident id.
    pub answer_page: bool,
    /// The mode of a rule that `rule_modes` does not name.
    pub default_rule_mode: Mode,
    /// Each rule's own mode.
    pub rule_modes: BTreeMap<Sid, Mode>,
}

impl IntrusionPrevention {
    /// The effective mode of one rule.
    pub fn rule_mode(&self, sid: Sid) -> Mode {
        self.rule_modes.get(&sid).copied().unwrap_or(self.default_rule_mode).within(self.mode)
    }
}

impl Default for IntrusionPrevention {
    fn default() -> Self {
        Self {
            mode: Mode::Off,
            failure_response: FailureResponse::Open,
            http_ports: [80, 8000, 8080, 8081, 8888].map(PortRange::single).to_vec(),
            answer_page: true,
            default_rule_mode: Mode::Detect,
            rule_modes: BTreeMap::new(),
        }
    }
}
