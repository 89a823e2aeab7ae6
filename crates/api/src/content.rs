//! The content in force.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The rules in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContentInForce {
    /// Name of the pack; empty where the rules are of none.
    pub name: String,
    /// Counts up with every release.
    pub version: u64,
    /// Day of the release: `2026-11-22`.
    pub date: String,
    /// How many rules there are.
    pub rules: u64,
    /// When an update put them in force; nothing where they came with the manager.
    #[schema(required, format = DateTime)]
    pub updated_at: Option<String>,
    /// Whether the manager was told where newer ones come from.
    pub source: bool,
}
