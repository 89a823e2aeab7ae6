//! Searches over events: kept, counted, and as rules that tag.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What a search looks through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SearchSubject {
    /// Events.
    #[default]
    Events,
    /// Computers: the search is a smart folder.
    Computers,
}

/// A search that somebody keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavedSearch {
    /// Id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What it looks through.
    pub subject: SearchSubject,
    /// The filter: `severity >= high AND module = intrusion-prevention`, `status = offline AND group = Web`.
    pub filter: String,
    /// Who keeps it.
    pub owner_name: String,
    /// Whether the caller keeps it.
    pub own: bool,
    /// Whether others see it.
    pub shared: bool,
    /// When it was last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// For `If-Match`.
    pub etag: String,
}

/// Keeps a search.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSavedSearch {
    /// Its name, not in use among the caller's.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// What it looks through; events where absent.
    #[serde(default)]
    pub subject: SearchSubject,
    /// The filter.
    #[schema(max_length = 4096)]
    pub filter: String,
    /// Whether others see it.
    #[serde(default)]
    pub shared: bool,
}

/// Changes a search (merge patch).
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedSearchPatch {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// New filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub filter: Option<String>,
    /// Whether others see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
}

/// A rule that tags events as they arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoTagRule {
    /// Id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The filter.
    pub filter: String,
    /// The tag that events get which it finds.
    pub tag: String,
    /// Whether it is in force.
    pub enabled: bool,
    /// When it was last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// For `If-Match`.
    pub etag: String,
}

/// Makes a rule.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAutoTagRule {
    /// Its name, not in use yet.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// The filter.
    #[schema(max_length = 4096)]
    pub filter: String,
    /// The tag.
    #[schema(min_length = 1, max_length = 64)]
    pub tag: String,
    /// Whether it is in force; it is where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Changes a rule (merge patch). Events that have arrived keep their tags.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AutoTagRulePatch {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// New filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub filter: Option<String>,
    /// New tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 64)]
    pub tag: Option<String>,
    /// Whether it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// In which order events are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SortEventsBy {
    /// By arrival, the newest first.
    #[default]
    Received,
    /// By rank, the highest first; of one rank the newest first.
    Rank,
}

/// What events are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CountBy {
    /// Severity.
    Severity,
    /// Module.
    Module,
    /// Computer, by its name when the event arrived.
    Computer,
    /// Rule, as `kind:rule`: `intrusion:9000001`, `firewall:ssh`. Events that no rule, signature, set or category
    /// brought about are left out, and the rarest where there are more than 20,000.
    Rule,
    /// Address that something came from. Events without one are left out, and the rarest where there are more than
    /// 20,000.
    Source,
}

/// Events counted over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventCounts {
    /// When the time looked at begins.
    #[schema(format = DateTime)]
    pub from: String,
    /// When it ends.
    #[schema(format = DateTime)]
    pub to: String,
    /// Length of an interval.
    pub interval_secs: u64,
    /// The intervals that have events, earliest first.
    pub counts: Vec<EventCount>,
}

/// How many events fell into an interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventCount {
    /// When the interval begins.
    #[schema(format = DateTime)]
    pub from: String,
    /// The severity, module, computer, rule or address; empty where all are counted together, `*` for those beyond the 50 most frequent.
    pub key: String,
    /// How many.
    pub count: u64,
}

/// What somebody wrote about an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventComment {
    /// Id.
    pub id: Uuid,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Who.
    pub author: String,
    /// The text.
    pub text: String,
}

/// Writes about an event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewEventComment {
    /// The text.
    #[schema(min_length = 1, max_length = 4096)]
    pub text: String,
}
