//! Events as they are spooled and sent.
use sakimori_model as model;
use sakimori_modules::agent::{Gap, Notice};
use sakimori_modules::intrusion_prevention::Intrusion;
use sakimori_modules::{EventDetail, agent};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One event on the wire and in the spool: a line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Microseconds since 1970, by the computer's clock.
    pub at: i64,
    /// Registered module name.
    pub module: String,
    /// `info`, `low`, `medium`, `high`, `critical`.
    pub severity: String,
    /// `detected`, `blocked`, `noted`.
    pub action: String,
    /// Registered name of the kind: it says which form `detail` has.
    pub kind: String,
    /// The kind's columns: a [`EventDetail`] of `sakimori-modules`.
    pub detail: Value,
}

/// What of a batch is durable now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventsAnswer {
    /// Everything up to and including this sequence number is committed.
    pub acknowledged: u64,
}

// === impl Event ===

impl Event {
    /// An event of a module.
    pub fn new<E: EventDetail>(
        at: model::Timestamp,
        module: &str,
        severity: model::Severity,
        action: model::Action,
        detail: &E,
    ) -> Self {
        Self {
            at: at.0,
            module: module.to_owned(),
            severity: severity.as_str().to_owned(),
            action: action.as_str().to_owned(),
            kind: E::KIND.to_owned(),
            // A detail is a struct of texts and numbers: it always has a JSON form.
            detail: serde_json::to_value(detail).unwrap_or_default(),
        }
    }

    /// A notice of the agent about itself.
    pub fn notice(
        at: model::Timestamp,
        severity: model::Severity,
        code: &str,
        args: &[(&str, &str)],
    ) -> Self {
        Self::new(at, agent::MODULE.id, severity, model::Action::Noted, &Notice::new(code, args))
    }

    /// The columns, where the event is of this kind.
    pub fn read<E: EventDetail>(&self) -> Option<E> {
        (self.kind == E::KIND).then(|| E::deserialize(&self.detail).ok()).flatten()
    }
}

impl From<model::Event> for Event {
    fn from(event: model::Event) -> Self {
        let model::Event { at, module, severity, action, detail } = event;
        let module = module.as_str();
        match detail {
            model::Detail::Intrusion(i) => Self::new(at, module, severity, action, &Intrusion::from(*i)),
            model::Detail::Gap(g) => {
                let gap = Gap { what: g.what, count: g.count, reason: g.reason };
                Self::new(at, module, severity, action, &gap)
            }
            model::Detail::Notice(n) => {
                let args: Vec<(&str, &str)> = n.args.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                Self::new(at, module, severity, action, &Notice::new(&n.code, &args))
            }
        }
    }
}
