//! Policies: a tree of settings in which each value is inherited or set locally.
use crate::Patch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};
use uuid::Uuid;

/// How far a module or a rule may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Not evaluated.
    Off,
    /// Evaluated and reported.
    Detect,
    /// Evaluated, reported and stopped.
    Prevent,
}

/// What happens to traffic while nothing can judge it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FailureResponse {
    /// It passes uninspected and is counted.
    Open,
    /// It is dropped.
    Closed,
}

/// Settings of intrusion prevention, each with its value in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IntrusionPrevention {
    /// The module's mode: an upper bound of every rule's.
    pub mode: Mode,
    /// What happens to traffic while no worker can judge it.
    pub failure_response: FailureResponse,
    /// Ports inspected as plaintext HTTP: `80`, `8000-8090`.
    #[schema(max_items = 64, example = json!(["80", "8000-8090"]))]
    pub http_ports: Vec<String>,
    /// Whether a blocked HTTP request is answered with a page.
    pub answer_page: bool,
    /// Mode of a rule that `ruleModes` does not name.
    pub default_rule_mode: Mode,
    /// Mode by sid.
    pub rule_modes: BTreeMap<String, Mode>,
}

/// Local settings of intrusion prevention (merge patch): `null` inherits again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IntrusionPreventionPatch {
    /// The module's mode.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Mode>)]
    pub mode: Patch<Mode>,
    /// What happens to traffic while no worker can judge it.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<FailureResponse>)]
    pub failure_response: Patch<FailureResponse>,
    /// Ports inspected as plaintext HTTP.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Vec<String>>, max_items = 64)]
    pub http_ports: Patch<Vec<String>>,
    /// Whether a blocked HTTP request is answered with a page.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<bool>)]
    pub answer_page: Patch<bool>,
    /// Mode of a rule that `ruleModes` does not name.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Mode>)]
    pub default_rule_mode: Patch<Mode>,
    /// Mode by sid; a sid with `null` inherits again, `null` as a whole removes all local modes.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<BTreeMap<String, ModeOrNull>>)]
    pub rule_modes: Patch<BTreeMap<String, Option<Mode>>>,
}

/// How [`IntrusionPreventionPatch::rule_modes`] looks in the `OpenAPI` document: a mode or `null`.
#[derive(Clone, Copy, Debug)]
pub struct ModeOrNull;

impl utoipa::PartialSchema for ModeOrNull {
    fn schema() -> RefOr<Schema> {
        let null = ObjectBuilder::new().schema_type(SchemaType::new(Type::Null));
        AnyOfBuilder::new().item(Ref::from_schema_name("Mode")).item(null).into()
    }
}

impl ToSchema for ModeOrNull {}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The policy it inherits from.
    #[schema(required)]
    pub parent_id: Option<Uuid>,
    /// The settings in force.
    pub intrusion_prevention: IntrusionPrevention,
    /// The members of `intrusionPrevention` that this policy sets itself; the rest is inherited.
    pub overridden: Vec<String>,
    /// The sids whose mode this policy sets itself.
    pub overridden_rule_modes: Vec<String>,
    /// Whether it came with the product. It may be changed but not deleted.
    pub built_in: bool,
    /// Computers it is assigned to.
    pub computers: u64,
    /// When it was last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// For `If-Match`.
    pub etag: String,
}

/// Makes a policy.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPolicy {
    /// Name, not in use yet.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 1024)]
    pub description: String,
    /// The policy to inherit from; the built-in defaults where absent.
    #[serde(default)]
    pub parent_id: Option<Uuid>,
    /// Local settings.
    #[serde(default)]
    pub intrusion_prevention: IntrusionPreventionPatch,
}

/// Changes a policy (merge patch).
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyPatch {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// New description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// New parent; `null` makes it a root.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Uuid>)]
    pub parent_id: Patch<Uuid>,
    /// Local settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intrusion_prevention: Option<IntrusionPreventionPatch>,
}
