//! Operations: work that takes longer than a request. A request that begins one is answered with 202 and where to look.
use crate::SortEventsBy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKind {
    /// Events are written to a file.
    EventExport,
    /// Everything that the manager keeps is written to a file beside its data.
    Backup,
    /// All computers are asked what is installed on them.
    RecommendationScan,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OperationState {
    /// At work, or about to be.
    Running,
    /// Done.
    Succeeded,
    /// Not done: `message` says why.
    Failed,
}

/// Work that takes longer than a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Id.
    pub id: Uuid,
    /// What is done.
    pub kind: OperationKind,
    /// How far it is.
    pub state: OperationState,
    /// How much is done: events written, computers asked.
    pub done: u64,
    /// How much there is to do, where that is known.
    #[schema(required)]
    pub total: Option<u64>,
    /// What came of it, or what went wrong and what to do; empty while it is at work.
    pub message: String,
    /// Path of the result, where there is one to fetch.
    #[schema(required)]
    pub result: Option<String>,
    /// Who asked for it.
    pub asked_by: String,
    /// When it was asked for.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it ended.
    #[schema(format = DateTime, required)]
    pub finished_at: Option<String>,
    /// When it and its result are deleted, once it has ended.
    #[schema(format = DateTime, required)]
    pub expires_at: Option<String>,
}

/// Form of a file of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// RFC 4180, for spreadsheets. A text that a spreadsheet would take for a formula begins with `'`.
    Csv,
    /// One event a line, in the form of the list.
    Jsonl,
}

/// Writes events to a file, newest first or highest rank first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewEventExport {
    /// Form of the file.
    pub format: ExportFormat,
    /// Only events that this filter finds.
    #[serde(default)]
    #[schema(max_length = 4096)]
    pub filter: Option<String>,
    /// Only at or after this time.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub from: Option<String>,
    /// Only before this time.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub to: Option<String>,
    /// In which order; `received`, the newest first, when absent.
    #[serde(default)]
    #[schema(inline)]
    pub sort: Option<SortEventsBy>,
    /// At most so many, the first in this order; all when absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub limit: Option<u32>,
}
