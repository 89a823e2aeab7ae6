//! An event as a filter sees it, and the tags that rules give to events as they arrive.
use super::StoredEvent;
use sakimori_model::{Severity, Timestamp};
use sakimori_query::{Measure, Record, Scalar, TextField, TimeField};
use serde_json::Value;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use uuid::Uuid;

/// Most tags of one event: what has more is sorted by something else.
pub const MAX_TAGS: usize = 32;

/// An event under a filter; its detail is read at most once.
#[derive(Debug)]
pub struct Seen<'a> {
    stored: &'a StoredEvent,
    detail: OnceCell<Value>,
}

impl<'a> Seen<'a> {
    /// Looks at an event.
    pub fn new(stored: &'a StoredEvent) -> Self {
        Self { stored, detail: OnceCell::new() }
    }
}

impl Record for Seen<'_> {
    fn time(&self, field: TimeField) -> i64 {
        match field {
            TimeField::At => self.stored.event.at.0,
            TimeField::Received => self.stored.received_at.0,
        }
    }

    fn severity(&self) -> Option<Severity> {
        self.stored.event.severity.parse().ok()
    }

    fn measure(&self, measure: Measure) -> Option<f64> {
        Some(f64::from(match measure {
            Measure::AssetValue => self.stored.asset_value,
            Measure::Rank => self.stored.rank,
        }))
    }

    fn texts(&self, field: &TextField) -> Vec<Scalar> {
        let stored = self.stored;
        match field {
            TextField::Module => vec![Scalar::text(&stored.event.module)],
            TextField::Kind => vec![Scalar::text(&stored.event.kind)],
            TextField::Action => vec![Scalar::text(&stored.event.action)],
            TextField::Computer => vec![Scalar::text(&stored.computer_name)],
            TextField::ComputerId => vec![Scalar::text(stored.computer.to_string())],
            TextField::Tag => stored.tags.iter().map(Scalar::text).collect(),
            TextField::Detail(path) => {
                let detail = self
                    .detail
                    .get_or_init(|| serde_json::from_str(&stored.event.detail).unwrap_or_default());
                scalars(detail, path)
            }
        }
    }

    fn words(&self) -> String {
        format!("{} {}", self.stored.event.detail, self.stored.computer_name)
    }
}

/// What a document has at this path: of a list its elements, and nothing of objects and null.
pub(crate) fn scalars(document: &Value, path: &[String]) -> Vec<Scalar> {
    match path.iter().try_fold(document, |value, member| value.as_object()?.get(member)) {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().filter_map(scalar).collect(),
        Some(value) => scalar(value).into_iter().collect(),
    }
}

fn scalar(value: &Value) -> Option<Scalar> {
    match value {
        Value::String(text) => Some(Scalar::text(text)),
        Value::Bool(truth) => Some(Scalar::text(truth.to_string())),
        Value::Number(number) => Some(Scalar { text: number.to_string(), number: number.as_f64() }),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The rules in force that tag events as they arrive: filter and tag, by tenant.
#[derive(Debug, Default)]
pub struct AutoTags {
    rules: RwLock<HashMap<Uuid, Vec<(String, String)>>>,
}

impl AutoTags {
    /// Sets a tenant's rules.
    pub fn set(&self, tenant: Uuid, rules: Vec<(String, String)>) {
        self.rules.write().unwrap_or_else(PoisonError::into_inner).insert(tenant, rules);
    }

    /// Gives new events of a tenant their tags.
    pub(super) fn apply(&self, tenant: Uuid, now: Timestamp, events: &mut [StoredEvent]) {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        for (filter, tag) in rules.get(&tenant).into_iter().flatten() {
            // Read anew each time, because `-24h` counts from now; one that does not parse was refused when it was made.
            let Ok(filter) = sakimori_query::parse(filter, now.0) else { continue };
            for stored in &mut *events {
                if stored.tags.len() < MAX_TAGS
                    && !stored.tags.contains(tag)
                    && filter.matches(&Seen::new(stored))
                {
                    stored.tags.push(tag.clone());
                }
            }
        }
    }
}
