//! Alerts: what somebody should look at, and under which conditions.
use crate::Explanation;
use crate::patch::Patch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// How far an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Somebody should look at it.
    Open,
    /// Somebody does.
    Acknowledged,
    /// Somebody has decided that it needs nothing (more).
    Dismissed,
    /// Its cause has gone.
    Resolved,
}

/// An alert: one for a condition and what it is about, however often the cause comes again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// Id.
    pub id: Uuid,
    /// Its condition: the word of one of the product's, or the id of one of people's own.
    pub condition_id: String,
    /// What the condition is called.
    pub title: Explanation,
    /// What is the matter.
    pub explanation: Explanation,
    /// What to do about it.
    pub remedy: Explanation,
    /// `info` to `critical`.
    pub severity: String,
    /// How far it is.
    pub state: AlertState,
    /// Whether it still stands: what comes counts into it and raises no other one.
    pub active: bool,
    /// What it is about: a computer, a channel; empty where it is about all.
    pub subject: String,
    /// The computer, where it is about one.
    pub computer_id: Option<Uuid>,
    /// How often the cause was seen.
    pub count: u64,
    /// When it was first seen.
    #[schema(format = DateTime)]
    pub first_at: String,
    /// When it was last seen.
    #[schema(format = DateTime)]
    pub last_at: String,
    /// When the cause had gone.
    #[schema(format = DateTime)]
    pub resolved_at: Option<String>,
    /// What somebody wrote about it.
    pub comment: String,
    /// Who set the state, where somebody did.
    pub state_by: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    pub state_at: Option<String>,
    /// The values in the sentences.
    pub args: BTreeMap<String, String>,
    /// For `If-Match`.
    pub etag: String,
}

/// Acknowledges, dismisses or opens an alert again (merge patch).
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlertPatch {
    /// `open`, `acknowledged` or `dismissed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AlertState>,
    /// What there is to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub comment: Option<String>,
}

/// How many alerts wait for somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertSummary {
    /// Open ones.
    pub open: u64,
    /// Acknowledged ones.
    pub acknowledged: u64,
    /// Open ones by severity.
    pub by_severity: BTreeMap<String, u64>,
}

/// The unit of a condition's threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ThresholdUnit {
    /// Minutes.
    Minutes,
    /// Days.
    Days,
    /// Percent.
    Percent,
    /// Events within the window.
    Events,
}

/// Under which condition an alert is raised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertCondition {
    /// The word of one of the product's, the id of one of people's own.
    pub id: String,
    /// Its name.
    pub title: Explanation,
    /// What to do when it raises an alert.
    pub remedy: Explanation,
    /// Whether it came with the product: such a one is changed or switched off, not deleted.
    pub built_in: bool,
    /// Whether it is in force.
    pub enabled: bool,
    /// How much its alerts matter.
    pub severity: String,
    /// How much it takes; nothing where it takes one occurrence.
    pub threshold: Option<u32>,
    /// The threshold's unit.
    pub threshold_unit: Option<ThresholdUnit>,
    /// In how long a time events are counted.
    pub window_secs: Option<u32>,
    /// Which events count, where it is about events.
    pub filter: Option<String>,
    /// Whether each computer's events are counted by themselves.
    pub by_computer: bool,
    /// When it was last changed, where it was.
    #[schema(format = DateTime)]
    pub updated_at: Option<String>,
    /// For `If-Match`.
    pub etag: String,
}

/// Makes a condition of one's own: so many events that a filter finds, within so long a time.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAlertCondition {
    /// Its name, not in use yet.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// Which events count.
    #[schema(max_length = 4096)]
    pub filter: String,
    /// So many events; one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10_000)]
    pub threshold: Option<u32>,
    /// Within so many seconds; five minutes where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86_400)]
    pub window_secs: Option<u32>,
    /// Whether each computer's events are counted by themselves; they are where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_computer: Option<bool>,
    /// `info` to `critical`; `medium` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(info|low|medium|high|critical)$")]
    pub severity: Option<String>,
    /// Whether it is in force; it is where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Changes a condition (merge patch). Name, filter, window and grouping of the product's own are fixed.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlertConditionPatch {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// New filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub filter: Option<String>,
    /// New threshold; `null` for the product's own.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    pub threshold: Patch<u32>,
    /// New window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86_400)]
    pub window_secs: Option<u32>,
    /// Whether each computer's events are counted by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_computer: Option<bool>,
    /// New severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(info|low|medium|high|critical)$")]
    pub severity: Option<String>,
    /// Whether it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}
