//! History of policies, what differs between two of them, what a change would do, and settings of one computer.
use crate::firewall::FirewallFinding;
use crate::policy::{LocalSettingsView, SettingsInForce, SettingsPatch};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// A version of a policy: what one change left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyVersion {
    /// Its number; the newest has the number in the policy's `etag`.
    pub version: u64,
    /// When it was made.
    #[schema(format = DateTime)]
    pub at: String,
    /// `user`, `api-key` or `system`.
    pub author_kind: String,
    /// Who made it.
    pub author: String,
    /// What was done: `created`, `changed`, `rolled-back`, `applied`; `kept` is the state before versions were kept.
    pub action: String,
    /// What the author said of it.
    pub comment: String,
    /// The policy's name then.
    pub name: String,
}

/// A version of a policy with all that it set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyVersionDetail {
    /// Which one, and whose.
    pub version: PolicyVersion,
    /// What the policy was for.
    pub description: String,
    /// The policy it inherited from.
    #[schema(required)]
    pub parent_id: Option<Uuid>,
    /// What it set itself.
    pub local: LocalSettingsView,
}

/// Makes a policy what it was; this is a new version.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollBack {
    /// The version to go back to.
    #[schema(minimum = 1)]
    pub version: u64,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub comment: Option<String>,
}

/// Who set a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OriginKind {
    /// Nobody: it is the product's default.
    Default,
    /// A policy.
    Policy,
    /// The computer itself.
    Computer,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValueOrigin {
    /// Who set it.
    pub kind: OriginKind,
    /// Which one.
    #[schema(required)]
    pub id: Option<Uuid>,
    /// Its name.
    pub name: String,
}

/// How a value differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is only in the second.
    Added,
    /// It is only in the first.
    Removed,
    /// It is another.
    Changed,
    /// It is the same, but set somewhere else.
    Moved,
}

/// One property, or one entry of a keyed property, that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettingChange {
    /// The module; `policy` for the policy's own name, description and parent.
    pub module: String,
    /// JSON pointer from the module's settings: `/mode`, `/rules/ssh`.
    pub pointer: String,
    /// How it differs.
    pub change: ChangeKind,
    /// The value in the first; `null` where there is none.
    #[schema(required)]
    pub before: Option<Value>,
    /// The value in the second; `null` where there is none.
    #[schema(required)]
    pub after: Option<Value>,
    /// Who set the first.
    pub before_origin: ValueOrigin,
    /// Who set the second.
    pub after_origin: ValueOrigin,
}

/// One of the two that are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffSide {
    /// The policy.
    pub policy_id: Uuid,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u64,
}

/// What differs between two policies, or between two versions of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyDiff {
    /// The first.
    pub before: DiffSide,
    /// The second.
    pub after: DiffSide,
    /// What differs, by module; the first 2000.
    pub changes: Vec<SettingChange>,
    /// How many there are in all.
    pub total: u64,
}

/// What a change would do, had it been made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRun {
    /// How many computers would enforce something else.
    pub computers: u64,
    /// Computers for which the same changes, those with most computers first; the first 200.
    pub groups: Vec<DryRunGroup>,
    /// What is noticed about the firewall rules as they would be; empty where they stay as they are, and
    /// for a document of policies.
    #[serde(default)]
    pub firewall: Vec<FirewallFinding>,
}

/// Computers for which the same would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRunGroup {
    /// The policy they are assigned.
    pub policy_id: Uuid,
    /// Its name.
    pub policy_name: String,
    /// How many they are.
    pub computers: u64,
    /// The first 50 of them.
    pub examples: Vec<NamedComputer>,
    /// By module, how many members change.
    pub modules: Vec<ModuleChanges>,
    /// What changes, with lists as their items; the first 2000.
    pub changes: Vec<SettingChange>,
}

/// A computer by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamedComputer {
    /// Id.
    pub id: Uuid,
    /// Name.
    pub name: String,
}

/// How much changes in a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleChanges {
    /// The module.
    pub module: String,
    /// Properties with another value.
    pub properties: u64,
    /// Rules and other entries that come.
    pub added: u64,
    /// Those that go.
    pub removed: u64,
    /// Those that become others.
    pub changed: u64,
}

/// The settings of one computer: its policy's, with what is set on the computer itself above them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputerSettings {
    /// The computer.
    pub computer_id: Uuid,
    /// Its name.
    pub computer_name: String,
    /// The policy it is assigned.
    pub policy_id: Uuid,
    /// That policy's name.
    pub policy_name: String,
    /// The settings in force.
    pub settings: SettingsInForce,
    /// What is set on the computer itself; the rest is its policy's.
    pub local: LocalSettingsView,
    /// By module, who set each value that is not a default, by JSON pointer: a policy or this computer.
    pub origins: BTreeMap<String, BTreeMap<String, Uuid>>,
    /// When its own settings were last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// For `If-Match`.
    pub etag: String,
}

/// Changes the settings of one computer (merge patch).
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComputerSettingsPatch {
    /// Its own settings.
    pub settings: SettingsPatch,
}

/// What is to be tried of one computer.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComputerDryRun {
    /// With this policy; the one it has where absent.
    #[serde(default)]
    pub policy_id: Option<Uuid>,
    /// With this change of its own settings, as a change of them takes it.
    #[serde(default)]
    pub settings: SettingsPatch,
}
