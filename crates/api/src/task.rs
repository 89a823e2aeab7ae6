//! Scheduled tasks: what is done by the clock, and what came of it.
use crate::patch::Patch;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// Computers compare their watched files with the baseline.
    IntegrityScan,
    /// Computers look for malware in what their policies name; they say how far they are.
    MalwareScan,
    /// Computers look what is installed, and the rules that fit are recommended.
    RecommendationScan,
    /// The manager writes a backup into the folder `backups` of its data directory; the last seven are kept.
    Backup,
    /// The manager removes what is past its time: what became of alerts, runs of tasks.
    Retention,
    /// The manager writes the events of the last day, as CSV, into the folder `reports` of its data directory.
    Report,
    /// The manager looks whether there are newer rules where it was told to look, and puts them in force.
    ContentUpdate,
}

/// A scheduled task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: TaskKind,
    /// When: minute, hour, day of month, month, day of week, as cron has them.
    pub schedule: String,
    /// In which zone, as `Asia/Tokyo`.
    pub time_zone: String,
    /// Computers begin at some moment within this many seconds, so that not all of them work at once.
    pub jitter_secs: u32,
    /// A run that could not begin within this many seconds is left out; computers that were not reached by then too.
    pub window_secs: u32,
    /// Only computers with this policy; all of them where absent.
    pub policy_id: Option<Uuid>,
    /// Whether it is in force.
    pub enabled: bool,
    /// When it is due next.
    #[schema(format = DateTime)]
    pub next_at: Option<String>,
    /// Its newest run.
    pub last_run: Option<TaskRun>,
    /// When it was last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// For `If-Match`.
    pub etag: String,
}

/// Makes a task.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTask {
    /// Its name, not in use yet.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// What it does.
    pub kind: TaskKind,
    /// When: `30 2 * * sun`.
    #[schema(max_length = 256)]
    pub schedule: String,
    /// In which zone; `UTC` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub time_zone: Option<String>,
    /// Spread over so many seconds; ten minutes where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 86_400)]
    pub jitter_secs: Option<u32>,
    /// The maintenance window; four hours where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 604_800)]
    pub window_secs: Option<u32>,
    /// Only computers with this policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_id: Option<Uuid>,
    /// Whether it is in force; it is where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Changes a task (merge patch).
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskPatch {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// New schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 256)]
    pub schedule: Option<String>,
    /// New zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub time_zone: Option<String>,
    /// New spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 86_400)]
    pub jitter_secs: Option<u32>,
    /// New window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 604_800)]
    pub window_secs: Option<u32>,
    /// Only computers with this policy; `null` for all.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Uuid>)]
    pub policy_id: Patch<Uuid>,
    /// Whether it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskRunState {
    /// At work.
    Running,
    /// Done; with computers, by all of them.
    Succeeded,
    /// Not done, or not by all computers.
    Failed,
    /// Left out: no manager ran within its window.
    Missed,
}

/// One run of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskRun {
    /// Id.
    pub id: Uuid,
    /// Its task.
    pub task_id: Uuid,
    /// When it was due.
    #[schema(format = DateTime)]
    pub due_at: String,
    /// How far it is.
    pub state: TaskRunState,
    /// When it began.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// When it ended.
    #[schema(format = DateTime)]
    pub finished_at: Option<String>,
    /// Who asked for it, where it was not the schedule.
    pub asked_by: Option<String>,
    /// What came of it.
    pub message: String,
    /// Computers that still have to be told.
    pub waiting: u64,
    /// Computers that were told and have not answered.
    pub sent: u64,
    /// Computers that did it.
    pub done: u64,
    /// Computers that could not, or were not reached.
    pub failed: u64,
}

/// How far one computer is in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskRunComputer {
    /// The computer.
    pub computer_id: Uuid,
    /// Its name; absent where it has been deleted since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computer_name: Option<String>,
    /// `waiting`, `sent`, `done`, `failed` or `unreached`.
    pub state: String,
    /// When it came to that.
    #[schema(format = DateTime)]
    pub at: String,
    /// What it said.
    pub message: String,
}
