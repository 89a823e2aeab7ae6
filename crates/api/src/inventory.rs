//! What is installed and runs on a computer, and which rules that recommends.
use crate::{ComputerPort, Explanation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is installed and runs on a computer, as its agent last said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// When it came.
    #[schema(format = DateTime)]
    pub received_at: String,
    /// Packages of the distribution.
    pub packages: Vec<InventoryPackage>,
    /// Applications, plugins and libraries that lie on disk without a package.
    pub applications: Vec<InventoryApplication>,
    /// Programs that run.
    pub processes: Vec<InventoryProcess>,
    /// Each listening port.
    pub ports: Vec<ComputerPort>,
    /// What the cloud says, where it is one.
    #[schema(required)]
    pub cloud: Option<InventoryCloud>,
    /// Kinds of software that were not looked for, or not to the end: `package`, or a kind of application.
    pub incomplete: Vec<String>,
}

/// A package of the distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Architecture.
    pub architecture: String,
    /// The source package that it was built from.
    pub source: String,
    /// The source package's version.
    pub source_version: String,
}

/// Something on disk that says its name and version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryApplication {
    /// `application`, `wordpress-plugin`, `wordpress-theme`, `composer` or `java`.
    pub kind: String,
    /// Its name as its kind counts names.
    pub name: String,
    /// Its name for people, empty where it has no other.
    pub title: String,
    /// Its version, empty where it says none.
    pub version: String,
    /// Where it lies.
    pub place: String,
}

/// A program that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryProcess {
    /// Its name.
    pub name: String,
    /// Its file, empty where it has none.
    pub program: String,
    /// The user that it runs as, by number.
    pub user: u32,
    /// How many there are.
    pub count: u32,
}

/// What the cloud says of a computer. Texts are empty where it does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryCloud {
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
    /// Tags, in the order of their names.
    pub tags: Vec<InventoryTag>,
}

/// A tag of a cloud's instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryTag {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// Which rules a computer needs, by what is installed on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recommendations {
    /// When the inventory came that they are derived from; nothing before the first.
    #[schema(format = DateTime, required)]
    pub scanned_at: Option<String>,
    /// When somebody asked for a new scan that did not come yet.
    #[schema(format = DateTime, required)]
    pub scan_requested_at: Option<String>,
    /// Kinds of software that were not looked for, or not to the end.
    pub incomplete: Vec<String>,
    /// Whether the policy assigns what is recommended.
    pub assigns_recommended: bool,
    /// The rules, by number.
    pub rules: Vec<RecommendedRule>,
}

/// A rule that a computer needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecommendedRule {
    /// The module of the rule.
    pub module: String,
    /// The rule.
    pub sid: u32,
    /// The rule's name.
    pub title: Explanation,
    /// The holes that it closes.
    pub cves: Vec<String>,
    /// `info`, `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// Whether the computer's policy assigns it.
    pub assigned: bool,
    /// Why it is needed: at least one, at most 16.
    pub reasons: Vec<RecommendationReason>,
}

/// Why a rule is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecommendationReason {
    /// `affected`: a version with the hole is installed; `version-unknown`: it does not say its version.
    pub code: String,
    /// Kind of product: `package` or a kind of application.
    pub kind: String,
    /// The product.
    pub product: String,
    /// The version found, empty where it says none.
    pub version: String,
    /// Where it lies, empty for packages.
    pub place: String,
    /// Versions with the hole.
    pub affected: String,
    /// The distribution may have closed the hole without changing the version.
    pub maybe_backported: bool,
    /// In words.
    pub explanation: Explanation,
}

/// A scan that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanRequest {
    /// When it was asked for.
    #[schema(format = DateTime)]
    pub requested_at: String,
    /// Whether the computer is in contact: else it scans when it comes back.
    pub online: bool,
}
