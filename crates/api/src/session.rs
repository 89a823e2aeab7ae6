//! Who is asking: sessions of the console, keys of scripts, users.
use crate::Scope;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What a user or key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Administrator,
    /// Computers, policies and tokens, but neither users nor keys.
    Operator,
    /// Reads everything, changes nothing.
    Auditor,
}

/// Logs in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credentials {
    /// User name.
    #[schema(max_length = 64)]
    pub user: String,
    /// Password.
    #[schema(max_length = 1024)]
    pub password: String,
}

/// A session of the console. The cookie is the session; `csrf_token` goes with every change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Whose session it is.
    pub user: SessionUser,
    /// For the header `X-CSRF-Token` of every request that changes something.
    pub csrf_token: String,
    /// When it ends at the latest.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionUser {
    /// Id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// Role.
    pub role: Role,
}

/// Changes one's own password; ends all other sessions of the user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasswordChange {
    /// The password until now.
    #[schema(max_length = 1024)]
    pub current_password: String,
    /// The new password: at least 12 characters.
    #[schema(min_length = 12, max_length = 1024)]
    pub new_password: String,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Id.
    pub id: Uuid,
    /// Name to log in with.
    pub name: String,
    /// Role.
    pub role: Role,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it last logged in.
    #[schema(format = DateTime, required)]
    pub last_log_in: Option<String>,
}

/// Makes a key for scripts.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewApiKey {
    /// What it is for.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// What it may do; at most what its maker may do.
    pub role: Role,
    /// Seconds until it expires; never when absent.
    #[serde(default)]
    #[schema(minimum = 60, maximum = 315_360_000)]
    pub expires_in_secs: Option<u64>,
    /// Only this much of what the role allows; all of it when absent.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 64)]
    pub scopes: Option<Vec<Scope>>,
    /// Only from these addresses and networks, as `192.0.2.7` or `2001:db8::/32`; from anywhere when absent.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 64)]
    pub sources: Option<Vec<String>>,
}

/// A key for scripts, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Id.
    pub id: Uuid,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Only this much of what the role allows; all of it where `null`.
    #[schema(required)]
    pub scopes: Option<Vec<Scope>>,
    /// Only from these addresses and networks; from anywhere where `null`.
    #[schema(required)]
    pub sources: Option<Vec<String>>,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it expires.
    #[schema(format = DateTime, required)]
    pub expires_at: Option<String>,
    /// When it was last used, to the minute.
    #[schema(format = DateTime, required)]
    pub last_used: Option<String>,
}

/// A key for scripts with its secret, which is shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedApiKey {
    /// The key.
    pub api_key: ApiKey,
    /// For `Authorization: Bearer …`: `sak_<id>_<secret>`.
    pub secret: String,
}
