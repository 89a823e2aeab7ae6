//! Who changed what.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// One change, chained to the one before by its hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// Position in the tenant's chain, from 1 without gaps.
    pub sequence: u64,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Kind of actor: `user`, `api-key`, `computer`, `system`.
    pub actor_kind: String,
    /// Which one.
    #[schema(required)]
    pub actor_id: Option<Uuid>,
    /// Its name at that time.
    pub actor_name: String,
    /// What was done: `policy.update`.
    pub action: String,
    /// Kind of object: `policy`.
    pub object_kind: String,
    /// Which one.
    pub object_id: String,
    /// The object before, where it was there.
    #[schema(value_type = Option<Object>, required)]
    pub before: Option<serde_json::Value>,
    /// The object after, where it is there.
    #[schema(value_type = Option<Object>, required)]
    pub after: Option<serde_json::Value>,
    /// SHA-256 over the hash of the record before and this record, 64 hexadecimal digits.
    pub hash: String,
}
