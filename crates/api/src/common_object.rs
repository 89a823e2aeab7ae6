//! Common objects: lists that settings refer to by name.
use crate::policy_model::OriginKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use sakimori_modules::ObjectKind;

/// A list that settings refer to as `list:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommonObject {
    /// Id.
    pub id: Uuid,
    /// What it is a list of.
    pub kind: ObjectKind,
    /// The name by which settings refer to it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its items.
    pub items: Vec<String>,
    /// Who refers to it.
    pub used_by: Vec<ObjectUse>,
    /// When it was last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// For `If-Match`.
    pub etag: String,
}

/// A setting that refers to a common object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectUse {
    /// A policy or a computer.
    pub kind: OriginKind,
    /// Which one.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Where: `/firewall/rules/ssh/remote/0`.
    pub pointer: String,
}

/// Makes a common object.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewCommonObject {
    /// What it is a list of.
    pub kind: ObjectKind,
    /// Name, not in use yet for this kind.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 1024)]
    pub description: String,
    /// Its items.
    #[schema(min_items = 1, max_items = 4096)]
    pub items: Vec<String>,
}

/// Changes a common object (merge patch); every policy that refers to it follows.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommonObjectPatch {
    /// New name; only while nothing refers to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// New description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// All its items anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 4096)]
    pub items: Option<Vec<String>>,
}
