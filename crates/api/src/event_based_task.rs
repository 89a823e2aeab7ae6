//! Event-based tasks: what is done with a computer when something happens to it.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// What has happened to a computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// It shows an activation token.
    Activated,
    /// It is in contact again after it had gone, or was suspended.
    Returned,
    /// Addresses of its interfaces changed.
    AddressChanged,
    /// What the cloud says of it changed.
    CloudChanged,
}

/// What of a computer a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskField {
    /// Its host name.
    HostName,
    /// The value of its tag `key`; a tag without a value has the empty one.
    Tag,
    /// Its operating system.
    Platform,
    /// The name of the group it is in, or of any group above.
    Group,
    /// The cloud: `azure`, `aws`.
    CloudProvider,
    /// Its subscription or account.
    CloudAccount,
    /// Its region.
    CloudRegion,
    /// Its name in the cloud.
    CloudName,
    /// Its scale set or auto-scaling group.
    CloudScaleSet,
    /// The image it was made from.
    CloudImage,
    /// The value of its tag `key` in the cloud.
    CloudTag,
    /// Any address of its interfaces.
    Address,
    /// The address from which it reached the manager.
    SourceAddress,
    /// Id or name of the activation token.
    Token,
}

/// How a pattern is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskPattern {
    /// `*` stands for any characters, `?` for one; letters in any case.
    #[default]
    Glob,
    /// A regular expression that finds anywhere; without look-around and back-references, so that it takes linear time.
    Regex,
    /// An address or a network: `10.0.0.0/8`. For addresses only.
    Network,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskCondition {
    /// What it looks at.
    pub field: TaskField,
    /// Which tag, for `tag` and `cloud-tag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub key: Option<String>,
    /// How `value` is read; `glob` where absent.
    #[serde(default)]
    pub pattern: TaskPattern,
    /// The pattern.
    #[schema(max_length = 256)]
    pub value: String,
    /// Met where the pattern does not fit.
    #[serde(default)]
    pub negate: bool,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskActionKind {
    /// Assigns `policyId`.
    AssignPolicy,
    /// Moves it into `groupId`.
    AssignGroup,
    /// Adds `tags`.
    AddTags,
    /// Marks it as ephemeral.
    MarkEphemeral,
    /// Lets it in, where its token needs a task that does.
    Activate,
    /// Does not let it in, or takes its identity away.
    Deactivate,
    /// Does not let it in, or deletes it.
    Delete,
}

/// An action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskAction {
    /// What is done.
    pub action: TaskActionKind,
    /// For `assign-policy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_id: Option<Uuid>,
    /// For `assign-group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<Uuid>,
    /// For `add-tags`: key to value, the value empty where a tag has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// An event-based task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventBasedTask {
    /// Id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its place: tasks are asked from the lowest on, those of one place by their names.
    pub position: u32,
    /// Whether it is in force.
    pub enabled: bool,
    /// What it waits for, any of these.
    pub triggers: Vec<Trigger>,
    /// Conditions, all of which have to be met; without any it fits every computer.
    pub conditions: Vec<TaskCondition>,
    /// What is done.
    pub actions: Vec<TaskAction>,
    /// When it was last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// For `If-Match`.
    pub etag: String,
}

/// Makes an event-based task.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewEventBasedTask {
    /// Its name, not in use yet.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// Its place; after all others where absent.
    #[serde(default)]
    #[schema(maximum = 1_000_000)]
    pub position: Option<u32>,
    /// Whether it is in force; it is where absent.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// What it waits for, any of these.
    #[schema(value_type = BTreeSet<Trigger>, min_items = 1, max_items = 4)]
    pub triggers: Vec<Trigger>,
    /// Conditions, all of which have to be met.
    #[serde(default)]
    #[schema(max_items = 32)]
    pub conditions: Vec<TaskCondition>,
    /// What is done.
    #[schema(min_items = 1, max_items = 16)]
    pub actions: Vec<TaskAction>,
}

/// Changes an event-based task (merge patch; lists are replaced whole).
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventBasedTaskPatch {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// New place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1_000_000)]
    pub position: Option<u32>,
    /// Whether it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeSet<Trigger>>, min_items = 1, max_items = 4)]
    pub triggers: Option<Vec<Trigger>>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 32)]
    pub conditions: Option<Vec<TaskCondition>>,
    /// What is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 16)]
    pub actions: Option<Vec<TaskAction>>,
}

/// Asks which tasks would fit. Nothing is done.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskTrial {
    /// As if this had happened.
    pub trigger: Trigger,
    /// To this computer; what `facts` names is laid over.
    #[serde(default)]
    pub computer_id: Option<Uuid>,
    /// A computer that is not there, or what would be different.
    #[serde(default)]
    pub facts: TaskFacts,
}

/// What conditions look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskFacts {
    /// Host name.
    #[serde(default)]
    #[schema(max_length = 256)]
    pub host_name: Option<String>,
    /// Tags.
    #[serde(default)]
    pub tags: Option<BTreeMap<String, String>>,
    /// Operating system.
    #[serde(default)]
    #[schema(max_length = 256)]
    pub platform: Option<String>,
    /// The group it is in.
    #[serde(default)]
    pub group_id: Option<Uuid>,
    /// What the cloud says.
    #[serde(default)]
    pub cloud: Option<CloudFacts>,
    /// Addresses of its interfaces.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub addresses: Option<Vec<String>>,
    /// The address from which it reached the manager.
    #[serde(default)]
    #[schema(max_length = 64)]
    pub source_address: Option<String>,
    /// The activation token.
    #[serde(default)]
    pub token_id: Option<Uuid>,
}

/// What the cloud says of a computer; empty where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CloudFacts {
    /// `azure` or `aws`.
    pub provider: String,
    /// The instance's id.
    pub instance: String,
    /// Its name in the cloud.
    pub name: String,
    /// Region.
    pub region: String,
    /// Availability zone.
    pub zone: String,
    /// Subscription or account.
    pub account: String,
    /// Resource group.
    pub resource_group: String,
    /// Scale set or auto-scaling group.
    pub scale_set: String,
    /// Image it was made from.
    pub image: String,
    /// Its kind of hardware.
    pub size: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// Which tasks would fit a computer, and what would come of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskVerdict {
    /// Every task in force that waits for the trigger, in the order in which they are asked.
    pub tasks: Vec<TaskTried>,
    /// What they come to together: of each thing the first task that decides it.
    pub outcome: TaskOutcome,
}

/// One task that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskTried {
    /// The task.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Whether all conditions are met.
    pub fits: bool,
    /// Each condition.
    pub conditions: Vec<ConditionTried>,
    /// What it decides.
    pub decides: Vec<TaskActionKind>,
    /// What it would have decided, had no task before it.
    pub overruled: Vec<TaskActionKind>,
}

/// One condition that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConditionTried {
    /// The condition.
    pub condition: TaskCondition,
    /// Whether it is met.
    pub met: bool,
    /// What was looked at; empty where the computer does not say.
    pub values: Vec<String>,
}

/// What tasks come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskOutcome {
    /// The policy to assign.
    #[schema(required)]
    pub policy_id: Option<Uuid>,
    /// The group to move it into.
    #[schema(required)]
    pub group_id: Option<Uuid>,
    /// Tags to add.
    pub tags: BTreeMap<String, String>,
    /// Whether it is ephemeral from now on.
    pub ephemeral: bool,
    /// `activate`, `deactivate` or `delete`, where a task says so.
    #[schema(required)]
    pub identity: Option<TaskActionKind>,
}
