//! How agents are upgraded: a signed statement of a package goes down, how far it is comes back.
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How an agent was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Packaging {
    /// The package manager: `dpkg`.
    pub kind: String,
    /// Its word for the architecture: `amd64`.
    pub architecture: String,
}

/// A statement of what a package is, as its maker signed it. The manager only carries it: the agent verifies it with keys
/// of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedPackage {
    /// The exact bytes that were signed: JSON.
    pub statement: String,
    /// Base64 of the Ed25519 signature.
    pub signature: String,
}

/// How far an upgrade, or a way back, is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeReport {
    /// The order.
    pub order: Uuid,
    /// The version that was asked for.
    pub version: String,
    /// How far.
    pub step: UpgradeStep,
    /// Why, where it was refused, has failed or was rolled back.
    pub reason: Option<String>,
}

/// A step of an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradeStep {
    /// The package is on its way.
    Downloading,
    /// It is here, whole, and signed by a key that this computer trusts.
    Verified,
    /// It is being put in the place of the former one.
    Installing,
    /// The version that was asked for runs and is healthy: an end.
    Running,
    /// Nothing was changed: an end.
    Refused,
    /// The former version is back, because the new one was not healthy: an end.
    RolledBack,
    /// Neither the new version is healthy nor the former one back: an end, a person has to look.
    Failed,
    /// A step that this version does not know.
    #[serde(other)]
    Unknown,
}

impl UpgradeStep {
    /// Whether nothing more comes.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Running | Self::Refused | Self::RolledBack | Self::Failed)
    }
}
