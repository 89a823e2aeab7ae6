//! What is sent: an alert that something became of, or an event, with its facts in one form for all channels.
use crate::clock;
use sakimori_api::{Alert, Event, Explanation};
use serde::Serialize;

/// Something to send.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Item {
    /// Something became of an alert.
    #[serde(rename_all = "camelCase")]
    Alert {
        /// The same whenever this is sent.
        id: String,
        /// `raised`, `acknowledged`, `dismissed`, `reopened` or `resolved`; `test` of a test.
        what: String,
        /// When.
        at: String,
        /// The alert then.
        alert: Box<Alert>,
    },
    /// An event.
    #[serde(rename_all = "camelCase")]
    Event {
        /// The event's id.
        id: String,
        /// The event.
        event: Box<Event>,
    },
}

impl Item {
    /// An event.
    pub(crate) fn event(event: Event) -> Self {
        Self::Event { id: event.id.to_string(), event: Box::new(event) }
    }

    /// What tells it from all others.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Alert { id, .. } | Self::Event { id, .. } => id,
        }
    }

    /// When it happened (RFC 3339).
    pub(crate) fn at(&self) -> &str {
        match self {
            Self::Alert { at, .. } => at,
            Self::Event { event, .. } => &event.at,
        }
    }

    /// Microseconds since 1970 when it happened.
    pub(crate) fn micros(&self) -> i64 {
        clock::parse(self.at()).map_or(0, |at| at.0)
    }

    /// `info` to `critical`.
    pub(crate) fn severity(&self) -> &str {
        match self {
            Self::Alert { alert, .. } => &alert.severity,
            Self::Event { event, .. } => &event.severity,
        }
    }

    /// What kind of thing it is: `alert:computer-offline`, `intrusion`.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Alert { alert, .. } => format!("alert:{}", alert.condition_id),
            Self::Event { event, .. } => event.kind.clone(),
        }
    }

    /// In a few words.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Alert { what, alert, .. } => format!("{} ({what})", alert.title.en),
            Self::Event { event, .. } => format!("{} {}", event.kind, event.action),
        }
    }

    /// In a sentence.
    pub(crate) fn sentence(&self) -> &Explanation {
        match self {
            Self::Alert { alert, .. } => &alert.explanation,
            Self::Event { event, .. } => &event.explanation,
        }
    }

    /// The computer's name, empty where there is none.
    pub(crate) fn computer(&self) -> &str {
        match self {
            Self::Alert { alert, .. } => &alert.subject,
            Self::Event { event, .. } => &event.computer_name,
        }
    }

    /// What else there is to say, by name: of an event its kind's columns.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        match self {
            Self::Alert { what, alert, .. } => {
                facts.push(("alertId", alert.id.to_string()));
                facts.push(("change", what.clone()));
                facts.push(("count", alert.count.to_string()));
                facts.extend(alert.computer_id.map(|id| ("computerId", id.to_string())));
            }
            Self::Event { event, .. } => {
                facts.push(("module", event.module.clone()));
                facts.push(("action", event.action.clone()));
                facts.push(("computerId", event.computer_id.to_string()));
                let columns = sakimori_modules::event_kind(&event.kind).map_or(&[][..], |kind| kind.columns);
                facts.extend(columns.iter().map(|column| (column.name, event.detail.text(column.name))));
                if !event.tags.is_empty() {
                    facts.push(("tags", event.tags.join(",")));
                }
            }
        }
        facts.retain(|(_, value)| !value.is_empty());
        facts
    }
}
