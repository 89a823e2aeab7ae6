//! Rule sets of the web application firewall, and exclusions that are made of events.
use sakimori_modules::web_application_firewall::Exclusion;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// A rule set of the web application firewall. It never changes: another version is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WafRuleSet {
    /// Id.
    pub id: Uuid,
    /// The name by which policies call it.
    pub name: String,
    /// The version of the Core Rule Set that it says it is; empty where it does not.
    pub version: String,
    /// How many rules it has.
    pub rules: u64,
    /// Names of its files, in the order of a configuration.
    pub files: Vec<String>,
    /// SHA-256 of its document.
    pub sha256: String,
    /// Bytes of its document.
    pub size: u64,
    /// What looks wrong in it.
    pub warnings: Vec<WafFinding>,
    /// Policies that use it.
    pub policies: Vec<String>,
    /// When it was imported.
    #[schema(format = DateTime)]
    pub imported_at: String,
}

/// Something that is or looks wrong in rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WafFinding {
    /// Stable code: `W041`.
    pub code: String,
    /// The file.
    pub file: String,
    /// Its line, 0 where it is the file as a whole.
    pub line: u32,
    /// What is wrong.
    pub title: String,
    /// What to write instead.
    pub help: String,
}

/// Asks for exclusions for what rules found in an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NewWafExclusion {
    /// Of this rule only; else of all that the event names.
    pub rule: Option<u64>,
    /// The policy that gets them; else the one of the event's computer.
    pub policy_id: Option<Uuid>,
    /// Only shows them and their effect.
    pub dry_run: bool,
}

/// Exclusions that were made of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WafExclusionMade {
    /// The policy that has or would get them.
    pub policy_id: Uuid,
    /// Its name.
    pub policy_name: String,
    /// The exclusions by name.
    pub exclusions: BTreeMap<String, Exclusion>,
    /// What they would have made of the last day's events.
    pub effect: WafEffect,
    /// Whether they are in the policy now.
    pub saved: bool,
}

/// Exclusions whose effect is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WafEffectQuestion {
    /// The exclusions by name.
    pub exclusions: BTreeMap<String, Exclusion>,
    /// Only events of computers with this policy.
    pub policy_id: Option<Uuid>,
}

/// What exclusions would have made of the last day's events, as far as those say what matched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WafEffect {
    /// Events that were looked at; at most 5,000, the newest.
    pub events: u64,
    /// Of those, requests that were or would have been blocked.
    pub blocked: u64,
    /// Of those, requests that would pass with the exclusions.
    pub passing: u64,
    /// Events that no rule would be left of.
    pub silenced: u64,
    /// Whether there were more events than were looked at.
    pub more: bool,
    /// Requests that would pass: the newest.
    pub examples: Vec<WafEffectExample>,
}

/// A request that would pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WafEffectExample {
    /// The event.
    pub event_id: Uuid,
    /// Who sent it.
    pub client: String,
    /// Its method and path.
    pub request: String,
    /// What was found in it.
    pub message: String,
}
