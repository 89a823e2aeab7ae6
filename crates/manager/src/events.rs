//! Events: durable once acknowledged, never twice, searched newest first.
//!
//! Behind [`EventStore`], so that a site that outgrows `SQLite` moves its events, and only them, elsewhere.
mod day_files;

pub use day_files::DayFiles;

use sakimori_model::Timestamp;
use std::future::Future;
use uuid::Uuid;

/// A batch as an agent sent it.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Whose.
    pub tenant: Uuid,
    /// The computer.
    pub computer: Uuid,
    /// The computer's name now.
    pub computer_name: String,
    /// The spool's epoch.
    pub epoch: Uuid,
    /// Sequence number of the first event; the others follow without gaps.
    pub first_sequence: u64,
    /// The events.
    pub events: Vec<NewEvent>,
}

/// An event as it came.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// When, by the computer's clock.
    pub at: Timestamp,
    /// Module.
    pub module: String,
    /// Severity.
    pub severity: String,
    /// Action.
    pub action: String,
    /// Kind.
    pub kind: String,
    /// The kind's fields, as JSON.
    pub detail: String,
}

/// An event as it is kept.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// Id, in the order of arrival.
    pub id: Uuid,
    /// Whose.
    pub tenant: Uuid,
    /// The computer.
    pub computer: Uuid,
    /// Its name at arrival.
    pub computer_name: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The event.
    pub event: NewEvent,
}

/// What of a stream is durable.
#[derive(Clone, Debug)]
pub struct Appended {
    /// Everything up to and including this sequence number is committed.
    pub acknowledged: u64,
    /// The events that were new.
    pub new: Vec<StoredEvent>,
}

/// A batch was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Too much at once.
    #[error("too many batches wait to be written")]
    Busy,
    /// The batch begins after the next expected number.
    #[error("the batch begins with {first}, but {acknowledged} is the last number committed")]
    Gap {
        /// The last number committed.
        acknowledged: u64,
        /// The batch's first number.
        first: u64,
    },
    /// The database failed; nothing of the batch is promised.
    #[error("events could not be written: {0}")]
    Failed(String),
}

/// What to look for. Every member narrows.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of this computer.
    pub computer: Option<Uuid>,
    /// Of this module.
    pub module: Option<String>,
    /// Of this severity.
    pub severity: Option<String>,
    /// With this action.
    pub action: Option<String>,
    /// Containing this text, in any case of letters.
    pub text: Option<String>,
    /// At or after this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
}

/// Where events are kept.
pub trait EventStore: Send + Sync + 'static {
    /// Keeps a batch; when it returns, what it acknowledges survives a loss of power.
    fn append(&self, batch: Batch) -> impl Future<Output = Result<Appended, AppendError>> + Send;
    /// Finds events of a tenant, newest first, older than `before`.
    fn search(
        &self,
        tenant: Uuid,
        filter: &EventFilter,
        before: Option<Uuid>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<StoredEvent>, sqlx::Error>> + Send;
    /// One event of a tenant.
    fn get(
        &self,
        tenant: Uuid,
        id: Uuid,
    ) -> impl Future<Output = Result<Option<StoredEvent>, sqlx::Error>> + Send;
    /// Finishes what was begun; after it nothing is taken.
    fn close(&self) -> impl Future<Output = ()> + Send;
}
