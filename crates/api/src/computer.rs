//! Protected machines.
use crate::{CloudFacts, Mode, Patch};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// How a computer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum ComputerStatus {
    /// In contact and doing what its policy says.
    Online,
    /// No contact for a while; it goes on enforcing what it has.
    Offline,
    /// In contact, but does less than its policy says; `statusReasons` say what.
    Degraded,
    /// Its identity is also used by another machine; a person has to decide.
    Clone,
    /// Activated, but was not in contact yet.
    Pending,
    /// Ephemeral and gone; it is cleaned up after a while, and gets its identity back where it returns before.
    Suspended,
    /// Without an identity: it was deactivated, and protects itself at most with its last policy.
    Unmanaged,
}

/// Why a computer's status is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusReason {
    /// Stable code: `no-contact`, `policy-refused`, `policy-pending`, `module-degraded`, `module-failed`, `clone`.
    pub code: String,
    /// Values for the sentence, by name.
    pub args: BTreeMap<String, String>,
}

/// A protected machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Computer {
    /// Id.
    pub id: Uuid,
    /// Name given to it, the host name until then.
    pub display_name: String,
    /// Its own host name.
    pub host_name: String,
    /// How it is.
    pub status: ComputerStatus,
    /// Why.
    pub status_reasons: Vec<StatusReason>,
    /// The policy it is assigned.
    pub policy_id: Uuid,
    /// That policy's name.
    pub policy_name: String,
    /// The group it is in.
    #[schema(required)]
    pub group_id: Option<Uuid>,
    /// That group's name.
    #[schema(required)]
    pub group_name: Option<String>,
    /// Its tags: key to value, the value empty where a tag has none.
    pub tags: BTreeMap<String, String>,
    /// How much it is worth, 1 to 100: events of what is worth more rank higher.
    pub asset_value: u32,
    /// Whether it comes and goes: suspended once it has gone, then cleaned up.
    pub ephemeral: bool,
    /// Whether it has an identity; false once it was deactivated.
    pub managed: bool,
    /// What the cloud says of it.
    #[schema(required)]
    pub cloud: Option<CloudFacts>,
    /// The address from which it was activated, empty where that is not known.
    pub source_address: String,
    /// The token that it was activated with.
    #[schema(required)]
    pub token_id: Option<Uuid>,
    /// Version of its agent.
    pub agent_version: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub operating_system: String,
    /// Kernel release.
    pub kernel: String,
    /// Addresses of its interfaces.
    pub addresses: Vec<String>,
    /// Kernel queue mechanism in use: `nft-queue`, `xt-nfqueue`, `none`; empty until it said.
    pub queue_mechanism: String,
    /// When it was last in contact.
    #[schema(format = DateTime, required)]
    pub last_seen: Option<String>,
    /// When it was activated.
    #[schema(format = DateTime)]
    pub activated_at: String,
    /// When its certificate ends; it is renewed by itself long before.
    #[schema(format = DateTime)]
    pub certificate_expires_at: String,
    /// Assigned and enforced settings.
    pub bundle: BundleState,
    /// Each module.
    pub modules: Vec<ComputerModule>,
    /// Each listening port.
    pub ports: Vec<ComputerPort>,
    /// The facts its identity is tied to.
    pub fingerprint: FingerprintState,
    /// For `If-Match`.
    pub etag: String,
}

/// Assigned and enforced settings of a computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BundleState {
    /// Name of the bundle that its policy resolves to.
    pub assigned: String,
    /// Name of the bundle that it enforces.
    #[schema(required)]
    pub enforced: Option<String>,
    /// Whether they are the same.
    pub up_to_date: bool,
    /// Why it could not apply the assigned bundle.
    #[schema(required)]
    pub refused: Option<String>,
}

/// How a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModuleState {
    /// Does what the policy says.
    Active,
    /// The policy says off.
    Off,
    /// Does less than the policy says.
    Degraded,
    /// Cannot work.
    Failed,
}

/// One module on one computer, as its agent last said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputerModule {
    /// Registered name: `intrusion-prevention`.
    pub module: String,
    /// How it is.
    pub state: ModuleState,
    /// The mode it enforces.
    pub mode: Mode,
    /// Why, by code.
    pub reasons: Vec<String>,
    /// Rules loaded.
    pub rules: u32,
    /// Counters since the agent's start.
    pub counters: BTreeMap<String, u64>,
}

/// A port that something listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputerPort {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Address it is bound to.
    pub address: String,
    /// Port number.
    pub port: u16,
    /// The listening program, empty if unknown.
    pub process: String,
    /// Whether its content is inspected.
    pub coverage: Coverage,
}

/// Whether a port's content is inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// Plaintext that the policy has inspected.
    Inspected,
    /// Encrypted: nothing looks inside.
    NotInspectedEncrypted,
    /// The policy does not name the port.
    NotInspectedPolicy,
    /// The module is off or has failed.
    NotInspectedModule,
}

/// The facts a computer's identity is tied to, without their values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FingerprintState {
    /// Whether the machine said its machine id.
    pub machine_id: bool,
    /// Whether the machine said its DMI UUID.
    pub dmi_uuid: bool,
    /// Whether the machine said its cloud instance id.
    pub cloud_instance: bool,
    /// Which facts another machine with this identity had different; empty without a clone.
    pub clone_differs_in: Vec<String>,
    /// When another machine last used this identity.
    #[schema(format = DateTime, required)]
    pub clone_seen: Option<String>,
}

/// Changes a computer (merge patch).
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComputerPatch {
    /// Assigns this policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_id: Option<Uuid>,
    /// Names it; `null` goes back to the host name.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<String>, max_length = 128)]
    pub display_name: Patch<String>,
    /// Moves it into this group; `null` takes it out of its group.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Uuid>)]
    pub group_id: Patch<Uuid>,
    /// Adds tags, or with `null` takes them away; those that are not named stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, Option<String>>>)]
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// How much it is worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub asset_value: Option<u32>,
    /// Whether it comes and goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<bool>,
    /// `false` says that a reported clone was looked into: the status goes back to what it else is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clone: Option<bool>,
}

/// By what computers are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CountComputersBy {
    /// By status.
    #[default]
    Status,
    /// By policy.
    Policy,
    /// By group; those in none are in the total alone.
    Group,
    /// By operating system.
    Platform,
    /// By the values of one tag; those without it are in the total alone.
    Tag,
}

/// How many computers there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputerCounts {
    /// All that were asked for.
    pub total: u64,
    /// Of each value, the most first.
    pub counts: Vec<ComputerCount>,
}

/// How many computers have a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputerCount {
    /// The value; the id of a policy or group.
    pub value: String,
    /// The name of that policy or group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many.
    pub count: u64,
}
