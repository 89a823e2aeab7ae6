//! Activation tokens: how machines get in.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// Makes an activation token.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewActivationToken {
    /// What it is for.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// The policy of computers activated with it; then no other may be asked for. `Base`, and any, where absent.
    #[serde(default)]
    pub policy_id: Option<Uuid>,
    /// The group of computers activated with it.
    #[serde(default)]
    pub group_id: Option<Uuid>,
    /// Tags of computers activated with it: key to value, the value empty where a tag has none.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Whether computers activated with it come and go.
    #[serde(default)]
    pub ephemeral: bool,
    /// Activates only computers that an event-based task lets in.
    #[serde(default)]
    pub needs_task: bool,
    /// Seconds until it expires: one hour where absent.
    #[serde(default)]
    #[schema(minimum = 60, maximum = 31_536_000)]
    pub expires_in_secs: Option<u64>,
    /// How many computers it may activate; any number where absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub max_uses: Option<u32>,
}

/// An activation token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivationToken {
    /// Id.
    pub id: Uuid,
    /// What it is for.
    pub name: String,
    /// The policy of computers activated with it.
    #[schema(required)]
    pub policy_id: Option<Uuid>,
    /// The group of computers activated with it.
    #[schema(required)]
    pub group_id: Option<Uuid>,
    /// Tags of computers activated with it.
    pub tags: BTreeMap<String, String>,
    /// Whether computers activated with it come and go.
    pub ephemeral: bool,
    /// Whether it activates only computers that an event-based task lets in.
    pub needs_task: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it expires.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// How many computers it may activate.
    #[schema(required)]
    pub max_uses: Option<u32>,
    /// How many it has activated.
    pub uses: u32,
    /// Whether it still activates computers.
    pub usable: bool,
}

/// An activation token with its secret, which is shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedActivationToken {
    /// The token.
    pub activation_token: ActivationToken,
    /// `id.secret`, for the agent.
    pub token: String,
    /// One line to run as root on the machine to be protected.
    pub deployment_line: String,
}
