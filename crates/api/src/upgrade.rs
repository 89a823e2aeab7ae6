//! Agent packages, and their roll-out in rings.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// An agent package in the manager's packages folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentPackage {
    /// Its file name.
    pub file: String,
    /// Its version.
    pub version: String,
    /// Its architecture, in Debian's word.
    pub architecture: String,
    /// The hash of its bytes.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was put there.
    #[schema(format = DateTime)]
    pub added_at: String,
    /// Why it is not rolled out: it has no signature, or one that this manager does not trust.
    pub refused: Option<String>,
}

/// A ring: some of the computers. One of `percent`, `tag` and `groupId`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewUpgradeRing {
    /// With those of the rings before, this share of the computers, chosen by lot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub percent: Option<u32>,
    /// Computers with this tag, `KEY` or `KEY=VALUE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 400)]
    pub tag: Option<String>,
    /// Computers of this group and of those below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<Uuid>,
}

/// When computers may be told: a window opens at these times and stays open for so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpgradeWindow {
    /// When it opens: minute, hour, day of month, month, day of week, as cron has them.
    #[schema(max_length = 256)]
    pub schedule: String,
    /// In which zone, as `Asia/Tokyo`.
    #[schema(max_length = 64)]
    pub time_zone: String,
    /// How long it stays open.
    #[schema(minimum = 60, maximum = 604_800)]
    pub duration_secs: u32,
}

/// Which computers are upgraded, in which rings, and what has to hold for the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpgradePlan {
    /// Only computers with this policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_id: Option<Uuid>,
    /// Only computers of this group and of those below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<Uuid>,
    /// Only computers of this smart folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_id: Option<Uuid>,
    /// Only computers that this filter finds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub filter: Option<String>,
    /// The rings, in their order; 1, 10 and 100 percent where absent.
    #[serde(default = "rings")]
    #[schema(min_items = 1, max_items = 20)]
    pub rings: Vec<NewUpgradeRing>,
    /// The new version has so long to become healthy on a computer, which goes back by itself otherwise; ten minutes where
    /// absent.
    #[serde(default = "healthy_within")]
    #[schema(minimum = 10, maximum = 86_400)]
    pub healthy_within_secs: u32,
    /// A ring is watched for so long before the next one begins; an hour where absent.
    #[serde(default = "wait")]
    #[schema(maximum = 2_592_000)]
    pub wait_secs: u32,
    /// A computer that is not in contact is waited for so long; a day where absent.
    #[serde(default = "reach_within")]
    #[schema(minimum = 60, maximum = 2_592_000)]
    pub reach_within_secs: u32,
    /// The roll-out halts when more than this share of a ring's computers fail; 10 where absent, 0 for none may.
    #[serde(default = "halt_above")]
    #[schema(maximum = 100)]
    pub halt_above_percent: u32,
    /// At most so many computers are at it at once; 50 where absent.
    #[serde(default = "at_once")]
    #[schema(minimum = 1, maximum = 5_000)]
    pub at_once: u32,
    /// A ring that was halted goes back by itself.
    #[serde(default)]
    pub roll_back_on_halt: bool,
    /// The maintenance window; always open where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<UpgradeWindow>,
}

fn rings() -> Vec<NewUpgradeRing> {
    [1, 10, 100]
        .map(|percent| NewUpgradeRing { percent: Some(percent), ..NewUpgradeRing::default() })
        .to_vec()
}

const fn healthy_within() -> u32 {
    600
}

const fn wait() -> u32 {
    3_600
}

const fn reach_within() -> u32 {
    86_400
}

const fn halt_above() -> u32 {
    10
}

const fn at_once() -> u32 {
    50
}

impl Default for UpgradePlan {
    fn default() -> Self {
        Self {
            policy_id: None,
            group_id: None,
            search_id: None,
            filter: None,
            rings: rings(),
            healthy_within_secs: healthy_within(),
            wait_secs: wait(),
            reach_within_secs: reach_within(),
            halt_above_percent: halt_above(),
            at_once: at_once(),
            roll_back_on_halt: false,
            window: None,
        }
    }
}

/// Begins a roll-out.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewUpgrade {
    /// Its name, not in use yet.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// The version, of which there is a package that is not refused.
    #[schema(min_length = 1, max_length = 64)]
    pub version: String,
    /// How.
    #[serde(default)]
    pub plan: UpgradePlan,
}

/// How a roll-out is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradeState {
    /// At work.
    Running,
    /// Nobody new is told until it is resumed.
    Paused,
    /// Too many failed: it waits for a person.
    Halted,
    /// Computers go back to the version before.
    GoingBack,
    /// Every ring is through.
    Succeeded,
    /// A person has ended it.
    Aborted,
    /// Computers went back.
    RolledBack,
}

/// A ring and how far its computers are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeRing {
    /// Its share, where it was made by lot.
    pub percent: Option<u32>,
    /// Its tag.
    pub tag: Option<String>,
    /// Its group.
    pub group_id: Option<Uuid>,
    /// Computers that were not told yet.
    pub waiting: u64,
    /// Computers that are at it.
    pub at_work: u64,
    /// Computers that are healthy with the new version.
    pub healthy: u64,
    /// Computers on which it failed; most have gone back by themselves.
    pub failed: u64,
    /// Computers that were not in contact in time.
    pub unreached: u64,
    /// Computers that cannot be upgraded so, or were left out.
    pub skipped: u64,
    /// Computers that went back because the roll-out did.
    pub returned: u64,
    /// Computers that could not go back.
    pub stuck: u64,
}

/// A roll-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upgrade {
    /// Id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The version.
    pub version: String,
    /// How it is.
    pub state: UpgradeState,
    /// Why, in words; empty where the state says it.
    pub reason: String,
    /// What was decided.
    pub plan: UpgradePlan,
    /// The rings.
    pub rings: Vec<UpgradeRing>,
    /// The ring that is at work, from 0.
    pub ring: u32,
    /// Since when.
    #[schema(format = DateTime)]
    pub ring_since: String,
    /// When all its computers had an end: it is watched from then on.
    #[schema(format = DateTime)]
    pub ring_done: Option<String>,
    /// Computers that are meant but in none of the rings.
    pub left_out: u32,
    /// Who began it.
    pub created_by: String,
    /// When.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it ended.
    #[schema(format = DateTime)]
    pub finished_at: Option<String>,
    /// For `If-Match`.
    pub etag: String,
}

/// Lets computers go back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpgradeRollBack {
    /// Those of every ring; only those of the ring that is at work where absent.
    #[serde(default)]
    pub all: bool,
}

/// How far one computer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeComputer {
    /// The computer.
    pub computer_id: Uuid,
    /// Its name; nothing once it was deleted.
    pub computer_name: Option<String>,
    /// Its ring, from 0.
    pub ring: u32,
    /// `waiting`, `ordered`, `healthy`, `failed`, `unreached`, `skipped`, `returning`, `returned` or `stuck`.
    pub state: String,
    /// Its agent's own word: `downloading`, `verified`, `installing`, `running`, `refused`, `rolled-back` or `failed`.
    pub step: Option<String>,
    /// Since when it is in its state.
    #[schema(format = DateTime)]
    pub since: String,
    /// The version before.
    pub from_version: String,
    /// Its agent's version now.
    pub version: String,
    /// Why.
    pub message: String,
}
