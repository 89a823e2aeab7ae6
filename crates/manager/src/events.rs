//! Events: durable once acknowledged, never twice, searched newest first.
//!
//! Behind [`EventStore`], so that a site that outgrows one database moves its events, and only them, elsewhere.
//! [`DayFiles`] keeps them beside `SQLite`, [`Partitions`] in `PostgreSQL`.
mod day_files;
mod partitions;
mod queue;
mod rank;
mod record;
mod search;

pub use day_files::DayFiles;
pub use partitions::Partitions;
pub(crate) use record::scalars;
pub use record::{AutoTags, MAX_TAGS, Seen};
pub use search::CountBy;

use crate::clock::Clock;
use crate::store::db::Row;
use crate::store::{Store, Trouble};
use sakimori_model::Timestamp;
use sakimori_query::Filter;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
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
    /// What the computer is worth now.
    pub asset_value: u32,
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
    /// What the computer was worth at arrival; 0 where events were not ranked yet.
    pub asset_value: u32,
    /// That times its severity's value; 0 where events were not ranked yet.
    pub rank: u32,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A place among events by rank: what follows has a lower rank, or this one and is older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RankedPlace {
    /// The rank.
    pub rank: u32,
    /// The event.
    pub id: Uuid,
}

/// What somebody wrote about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who, by name.
    pub author: String,
    /// The text.
    pub text: String,
}

/// How many events fell into an interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// When the interval begins.
    pub from: Timestamp,
    /// What was counted by; empty where by nothing.
    pub key: String,
    /// How many.
    pub count: u64,
}

/// A piece of all events in the order of arrival.
#[derive(Clone, Debug)]
pub struct Followed {
    /// Those that were asked for, oldest first.
    pub events: Vec<StoredEvent>,
    /// Everything up to this id was looked at: nothing that arrives later comes before it.
    pub through: Uuid,
}

/// No event that arrived at this time or later has an id before this one.
pub fn position_at(at: Timestamp) -> Uuid {
    let millis = u128::try_from(at.as_millis()).unwrap_or_default() & 0xffff_ffff_ffff;
    Uuid::from_u128(millis << 80)
}

/// When the event with this id arrived, to the millisecond.
pub fn id_time(id: Uuid) -> Timestamp {
    queue::id_time(id)
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
    #[error("events could not be written: {why}")]
    Failed {
        /// What the database said.
        why: String,
        /// What is the matter with it, where that is known.
        trouble: Option<Trouble>,
    },
}

/// Where events are kept.
pub trait EventStore: Send + Sync + 'static {
    /// Keeps a batch; when it returns, what it acknowledges survives a loss of power.
    fn append(&self, batch: Batch) -> impl Future<Output = Result<Appended, AppendError>> + Send;
    /// Finds events of a tenant, newest first, older than `before`.
    fn search(
        &self,
        tenant: Uuid,
        filter: &Filter,
        before: Option<Uuid>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<StoredEvent>, sqlx::Error>> + Send;
    /// Finds events of a tenant, highest rank first and of one rank the newest, after a place.
    fn ranked(
        &self,
        tenant: Uuid,
        filter: &Filter,
        after: Option<RankedPlace>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<StoredEvent>, sqlx::Error>> + Send;
    /// Finds events of a tenant in the order of arrival, after the id `after`. Called again with what came of it, it
    /// leaves none out and gives none twice.
    fn follow(
        &self,
        tenant: Uuid,
        filter: &Filter,
        after: Uuid,
        limit: u32,
    ) -> impl Future<Output = Result<Followed, sqlx::Error>> + Send;
    /// One event of a tenant.
    fn get(
        &self,
        tenant: Uuid,
        id: Uuid,
    ) -> impl Future<Output = Result<Option<StoredEvent>, sqlx::Error>> + Send;
    /// How many events of a tenant a filter finds in each interval of `width`, those without any left out, earliest
    /// first.
    fn count_over_time(
        &self,
        tenant: Uuid,
        filter: &Filter,
        width: Duration,
        by: Option<CountBy>,
    ) -> impl Future<Output = Result<Vec<Count>, sqlx::Error>> + Send;
    /// Gives an event a tag; nothing where it has it.
    fn tag(
        &self,
        tenant: Uuid,
        event: Uuid,
        tag: &str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
    /// Takes a tag from an event; `false` where it does not have it.
    fn untag(
        &self,
        tenant: Uuid,
        event: Uuid,
        tag: &str,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;
    /// Adds a comment to an event.
    fn comment(
        &self,
        tenant: Uuid,
        event: Uuid,
        comment: &Comment,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
    /// The comments on an event, oldest first.
    fn comments(
        &self,
        tenant: Uuid,
        event: Uuid,
    ) -> impl Future<Output = Result<Vec<Comment>, sqlx::Error>> + Send;
    /// Finishes what was begun; after it nothing is taken.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// The events of a manager, wherever it keeps them.
#[derive(Debug)]
pub enum Events {
    /// Beside `SQLite`.
    DayFiles(DayFiles),
    /// In `PostgreSQL`.
    Partitions(Partitions),
}

impl Events {
    /// Opens them where the system of record is: in its database, or in `dir` beside the file.
    pub async fn open(
        store: &Store,
        dir: &Path,
        keep_days: u32,
        clock: &Clock,
        tags: &Arc<AutoTags>,
    ) -> Result<Self, sqlx::Error> {
        match Partitions::open(store.db(), keep_days, clock, tags) {
            Some(partitions) => Ok(Self::Partitions(partitions)),
            None => Ok(Self::DayFiles(DayFiles::open(dir, keep_days, clock, tags).await?)),
        }
    }
}

macro_rules! on_either {
    ($self:ident, $events:ident => $call:expr) => {
        match $self {
            Self::DayFiles($events) => $call.await,
            Self::Partitions($events) => $call.await,
        }
    };
}

impl EventStore for Events {
    async fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        on_either!(self, events => events.append(batch))
    }

    async fn search(
        &self,
        tenant: Uuid,
        filter: &Filter,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, sqlx::Error> {
        on_either!(self, events => events.search(tenant, filter, before, limit))
    }

    async fn ranked(
        &self,
        tenant: Uuid,
        filter: &Filter,
        after: Option<RankedPlace>,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, sqlx::Error> {
        on_either!(self, events => events.ranked(tenant, filter, after, limit))
    }

    async fn follow(
        &self,
        tenant: Uuid,
        filter: &Filter,
        after: Uuid,
        limit: u32,
    ) -> Result<Followed, sqlx::Error> {
        on_either!(self, events => events.follow(tenant, filter, after, limit))
    }

    async fn get(&self, tenant: Uuid, id: Uuid) -> Result<Option<StoredEvent>, sqlx::Error> {
        on_either!(self, events => events.get(tenant, id))
    }

    async fn count_over_time(
        &self,
        tenant: Uuid,
        filter: &Filter,
        width: Duration,
        by: Option<CountBy>,
    ) -> Result<Vec<Count>, sqlx::Error> {
        on_either!(self, events => events.count_over_time(tenant, filter, width, by))
    }

    async fn tag(&self, tenant: Uuid, event: Uuid, tag: &str) -> Result<(), sqlx::Error> {
        on_either!(self, events => events.tag(tenant, event, tag))
    }

    async fn untag(&self, tenant: Uuid, event: Uuid, tag: &str) -> Result<bool, sqlx::Error> {
        on_either!(self, events => events.untag(tenant, event, tag))
    }

    async fn comment(&self, tenant: Uuid, event: Uuid, comment: &Comment) -> Result<(), sqlx::Error> {
        on_either!(self, events => events.comment(tenant, event, comment))
    }

    async fn comments(&self, tenant: Uuid, event: Uuid) -> Result<Vec<Comment>, sqlx::Error> {
        on_either!(self, events => events.comments(tenant, event))
    }

    async fn close(&self) {
        on_either!(self, events => events.close());
    }
}

impl StoredEvent {
    /// Where it stands among events by rank.
    pub fn ranked_place(&self) -> RankedPlace {
        RankedPlace { rank: self.rank, id: self.id }
    }
}

impl Comment {
    fn of((id, at, author, text): (String, i64, String, String)) -> Self {
        Self { id: Uuid::parse_str(&id).unwrap_or_default(), at: Timestamp(at), author, text }
    }
}

impl Count {
    fn of((interval, key, count): (i64, String, i64), width: i64) -> Self {
        let from = Timestamp(interval.saturating_mul(width));
        Self { from, key, count: u64::try_from(count).unwrap_or_default() }
    }
}

/// An event from a row of a search.
fn stored(row: &Row) -> Result<StoredEvent, sqlx::Error> {
    let uuid = |column: &str| -> Result<Uuid, sqlx::Error> {
        Ok(Uuid::parse_str(&row.get::<String>(column)?).unwrap_or_default())
    };
    let number = |column: &str| -> Result<u32, sqlx::Error> {
        Ok(u32::try_from(row.get::<i64>(column)?).unwrap_or_default())
    };
    let tags: Option<String> = row.get("tags")?;
    let mut tags: Vec<String> = tags.unwrap_or_default().lines().map(str::to_owned).collect();
    tags.sort();
    Ok(StoredEvent {
        id: uuid("id")?,
        tenant: uuid("tenant_id")?,
        computer: uuid("computer_id")?,
        computer_name: row.get("computer_name")?,
        received_at: Timestamp(row.get("received_at")?),
        event: NewEvent {
            at: Timestamp(row.get("at")?),
            module: row.get("module")?,
            severity: row.get("severity")?,
            action: row.get("action")?,
            kind: row.get("kind")?,
            detail: row.get("detail")?,
        },
        asset_value: number("asset_value")?,
        rank: number("rank")?,
        tags,
    })
}
