//! The fleet as a whole: ephemeral computers and what is protected.
use crate::{ComputerStatus, Mode};
use sakimori_modules::Explanation;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// What becomes of ephemeral computers that have gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetSettings {
    /// Seconds without contact after which an ephemeral computer is suspended. One that says good-bye is at once.
    pub suspend_after_secs: u64,
    /// Seconds after which a suspended computer is cleaned up.
    pub clean_up_after_secs: u64,
    /// The brake: nothing is suspended or cleaned up once more than this share of the fleet has gone within the window…
    pub brake_percent: u32,
    /// … and at least so many computers.
    pub brake_count: u32,
    /// The brake's window, in seconds.
    pub brake_window_secs: u64,
    /// Why nothing is cleaned up now.
    #[schema(required)]
    pub brake: Option<FleetBrake>,
    /// For `If-Match`.
    pub etag: String,
}

/// The brake is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetBrake {
    /// Since when.
    #[schema(format = DateTime)]
    pub since: String,
    /// Computers that had gone then without a good-bye.
    pub lost: u64,
    /// Of so many.
    pub of: u64,
}

/// Changes what becomes of ephemeral computers (merge patch).
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FleetSettingsPatch {
    /// Seconds without contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 31_536_000)]
    pub suspend_after_secs: Option<u64>,
    /// Seconds that a computer stays suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 31_536_000)]
    pub clean_up_after_secs: Option<u64>,
    /// Share of the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub brake_percent: Option<u32>,
    /// Number of computers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub brake_count: Option<u32>,
    /// Window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 31_536_000)]
    pub brake_window_secs: Option<u64>,
}

/// How much of what a module protects is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CoverageState {
    /// Nothing.
    None,
    /// Nobody knows: the agent has not said, or is not in contact.
    Unknown,
    /// Not everything; the findings say what not.
    Partial,
    /// Everything that the policy wants protected.
    Full,
}

/// Why something is not protected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoverageFinding {
    /// Stable code: `module-off`, `rules-out-of-date`, a reason of the module.
    pub code: String,
    /// What it means and what to do.
    pub text: Explanation,
}

/// What of a computer is protected by one module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleCoverage {
    /// Registered name.
    pub module: String,
    /// How much.
    pub state: CoverageState,
    /// The mode that it enforces, where it has said so.
    #[schema(required)]
    pub mode: Option<Mode>,
    /// What is not, and why.
    pub findings: Vec<CoverageFinding>,
}

/// What of a computer is protected, and why the rest is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputerCoverage {
    /// The computer.
    pub computer_id: Uuid,
    /// Its name.
    pub display_name: String,
    /// How it is.
    pub status: ComputerStatus,
    /// Each module that protects.
    pub modules: Vec<ModuleCoverage>,
}

/// What of the fleet is protected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetCoverage {
    /// Computers that were looked at: all but suspended and unmanaged ones.
    pub computers: u64,
    /// All computers by how they are; a status that none has is absent.
    pub statuses: BTreeMap<ComputerStatus, u64>,
    /// Each module.
    pub modules: Vec<FleetModuleCoverage>,
}

/// What of the fleet is protected by one module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetModuleCoverage {
    /// Registered name.
    pub module: String,
    /// Computers that it protects as the policy wants.
    pub full: u64,
    /// In part.
    pub partial: u64,
    /// Not at all.
    pub none: u64,
    /// Nobody knows.
    pub unknown: u64,
    /// Why, the most frequent first.
    pub findings: Vec<FleetFinding>,
}

/// Why something is not protected on some computers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetFinding {
    /// Stable code.
    pub code: String,
    /// What it means and what to do.
    pub text: Explanation,
    /// On how many computers.
    pub computers: u64,
}
