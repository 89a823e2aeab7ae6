//! Events in one `SQLite` file for each day of arrival (UTC): retention is to remove a file.
//!
//! One task writes: it takes all batches that wait and commits them together (`synchronous=FULL`). The
//! watermark of a stream is written in the same transaction and the same file as its events, so a crash
//! leaves either both or neither. A stream that goes on past midnight finds its watermark in an older file
//! when the manager starts; before an old file is removed its watermarks are carried into the newest one.
use super::queue::{Ids, Queue, Sink, accept, id_time};
use super::search::{CountBy, Dialect};
use super::{
    AppendError, Appended, AutoTags, Batch, Comment, Count, EventStore, Followed, RankedPlace, StoredEvent,
    stored,
};
use crate::clock::{self, Clock};
use crate::store::db::{Db, On, Scope, sqlite_pool};
use sakimori_model::Timestamp;
use sakimori_query::{Filter, TimeField};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Rows in one statement: 13 columns each, under `SQLite`'s limit of 32,766 values.
const ROWS: usize = 100;

type Watermarks = HashMap<(Uuid, Uuid), u64>;

/// Events in one file a day.
#[derive(Debug)]
pub struct DayFiles {
    days: Arc<Days>,
    queue: Queue,
}

#[derive(Debug)]
struct Days {
    dir: PathBuf,
    /// By day, as `2026-11-22`.
    pools: Mutex<BTreeMap<String, SqlitePool>>,
}

impl DayFiles {
    /// Opens the files in `dir`, removing those older than `keep_days`.
    pub async fn open(
        dir: &Path,
        keep_days: u32,
        clock: &Clock,
        tags: &Arc<AutoTags>,
    ) -> Result<Self, sqlx::Error> {
        std::fs::create_dir_all(dir).map_err(sqlx::Error::Io)?;
        let days = Arc::new(Days { dir: dir.to_owned(), pools: Mutex::default() });
        for day in files(dir).map_err(sqlx::Error::Io)? {
            let pool = days.connect(&day).await?;
            days.insert(&day, pool);
        }
        let writer = Writer {
            days: Arc::clone(&days),
            clock: clock.clone(),
            keep_days,
            tags: Arc::clone(tags),
            watermarks: days.watermarks().await?,
            ids: Ids::default(),
            today: String::new(),
        };
        Ok(Self { days, queue: Queue::new(writer) })
    }

    /// The file of an event's day.
    fn day(&self, event: Uuid) -> Option<Db> {
        self.days.pool(&day_of(id_time(event))).map(|pool| Db::Sqlite { read: pool.clone(), write: pool })
    }
}

/// Tenants are told apart by the statements alone here.
fn on(day: &Db) -> On<'_> {
    On::Write(day, Scope::Anywhere)
}

impl EventStore for DayFiles {
    async fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        self.queue.append(batch).await
    }

    async fn search(
        &self,
        tenant: Uuid,
        filter: &Filter,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, sqlx::Error> {
        let newest = before.map(|id| day_of(id_time(id)));
        let mut found = Vec::new();
        for (day, pool) in self.days.from(filter) {
            let missing = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            if missing == 0 {
                break;
            }
            if newest.as_ref().is_some_and(|newest| day > *newest) {
                continue;
            }
            let day = Db::Sqlite { read: pool.clone(), write: pool };
            for row in Dialect::Sqlite.search(tenant, filter, before, missing).rows(on(&day)).await? {
                found.push(stored(&row)?);
            }
        }
        Ok(found)
    }

    async fn ranked(
        &self,
        tenant: Uuid,
        filter: &Filter,
        after: Option<RankedPlace>,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, sqlx::Error> {
        let mut found: Vec<StoredEvent> = Vec::new();
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        for (_, pool) in self.days.from(filter) {
            let day = Db::Sqlite { read: pool.clone(), write: pool };
            for row in Dialect::Sqlite.ranked(tenant, filter, after, limit).rows(on(&day)).await? {
                found.push(stored(&row)?);
            }
            // Any day may have the highest; what is kept is one day's worth.
            found.sort_unstable_by_key(|one| std::cmp::Reverse(one.ranked_place()));
            found.truncate(most);
        }
        Ok(found)
    }

    async fn follow(
        &self,
        tenant: Uuid,
        filter: &Filter,
        after: Uuid,
        limit: u32,
    ) -> Result<Followed, sqlx::Error> {
        let days = self.days.newest_first();
        // One task writes, in the order of ids: what is committed is all there is before it.
        let mut through = after;
        for (_, pool) in &days {
            let newest: (Option<String>,) = sqlx::query_as("SELECT max(id) FROM event WHERE tenant_id = ?")
                .bind(tenant.to_string())
                .fetch_one(pool)
                .await?;
            if let Some(newest) = newest.0 {
                through = through.max(Uuid::parse_str(&newest).unwrap_or_default());
                break;
            }
        }
        let mut events = Vec::new();
        let oldest = day_of(id_time(after));
        for (_, pool) in days.into_iter().rev().filter(|(day, _)| *day >= oldest) {
            let missing = limit.saturating_sub(u32::try_from(events.len()).unwrap_or(u32::MAX));
            if missing == 0 || through == after {
                break;
            }
            let day = Db::Sqlite { read: pool.clone(), write: pool };
            let query = Dialect::Sqlite.follow(tenant, filter, (after, through), missing);
            for row in query.rows(on(&day)).await? {
                events.push(stored(&row)?);
            }
        }
        if events.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            through = events.last().map_or(through, |last| last.id);
        }
        Ok(Followed { events, through })
    }

    async fn get(&self, tenant: Uuid, id: Uuid) -> Result<Option<StoredEvent>, sqlx::Error> {
        let Some(day) = self.day(id) else { return Ok(None) };
        Dialect::Sqlite.one(tenant, id).rows(on(&day)).await?.first().map(stored).transpose()
    }

    async fn count_over_time(
        &self,
        tenant: Uuid,
        filter: &Filter,
        width: Duration,
        by: Option<CountBy>,
    ) -> Result<Vec<Count>, sqlx::Error> {
        let width = i64::try_from(width.as_micros()).unwrap_or(i64::MAX);
        let mut sums: BTreeMap<(i64, String), i64> = BTreeMap::new();
        for (_, pool) in self.days.from(filter) {
            let day = Db::Sqlite { read: pool.clone(), write: pool };
            let rows: Vec<(i64, String, i64)> =
                Dialect::Sqlite.counts(tenant, filter, width, by).fetch_all(on(&day)).await?;
            for (interval, key, count) in rows {
                *sums.entry((interval, key)).or_default() += count;
            }
        }
        Ok(sums
            .into_iter()
            .map(|((interval, key), count)| Count::of((interval, key, count), width))
            .collect())
    }

    async fn tag(&self, tenant: Uuid, event: Uuid, tag: &str) -> Result<(), sqlx::Error> {
        let Some(day) = self.day(event) else { return Ok(()) };
        Dialect::Sqlite.tag(tenant, event, tag).execute(on(&day)).await?;
        Ok(())
    }

    async fn untag(&self, tenant: Uuid, event: Uuid, tag: &str) -> Result<bool, sqlx::Error> {
        let Some(day) = self.day(event) else { return Ok(false) };
        Ok(Dialect::Sqlite.untag(tenant, event, tag).execute(on(&day)).await? > 0)
    }

    async fn comment(&self, tenant: Uuid, event: Uuid, comment: &Comment) -> Result<(), sqlx::Error> {
        let Some(day) = self.day(event) else { return Ok(()) };
        Dialect::Sqlite.comment(tenant, event, comment).execute(on(&day)).await?;
        Ok(())
    }

    async fn comments(&self, tenant: Uuid, event: Uuid) -> Result<Vec<Comment>, sqlx::Error> {
        let Some(day) = self.day(event) else { return Ok(Vec::new()) };
        let rows: Vec<(String, i64, String, String)> =
            Dialect::Sqlite.comments(tenant, event).fetch_all(on(&day)).await?;
        Ok(rows.into_iter().map(Comment::of).collect())
    }

    async fn close(&self) {
        self.queue.close().await;
        for (_, pool) in self.days.newest_first() {
            pool.close().await;
        }
    }
}

/// `2026-11-22`.
fn day_of(at: Timestamp) -> String {
    clock::text(at).chars().take(10).collect()
}

/// The days that have a file.
fn files(dir: &Path) -> Result<Vec<String>, std::io::Error> {
    let mut days = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let day = name.strip_prefix("events-").and_then(|rest| rest.strip_suffix(".db"));
        days.extend(day.filter(|day| day.len() == 10).map(str::to_owned));
    }
    Ok(days)
}

impl Days {
    fn path(&self, day: &str) -> PathBuf {
        self.dir.join(format!("events-{day}.db"))
    }

    fn insert(&self, day: &str, pool: SqlitePool) {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).insert(day.to_owned(), pool);
    }

    fn pool(&self, day: &str) -> Option<SqlitePool> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).get(day).cloned()
    }

    fn newest_first(&self) -> Vec<(String, SqlitePool)> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.iter().rev().map(|(day, pool)| (day.clone(), pool.clone())).collect()
    }

    /// The days on which something that the filter finds can have arrived, newest first.
    fn from(&self, filter: &Filter) -> Vec<(String, SqlitePool)> {
        // What happened at a time cannot have arrived on an earlier day, but for clocks that are ahead.
        let oldest =
            filter.earliest(TimeField::At).map(|at| day_of(Timestamp(at.saturating_sub(86_400_000_000))));
        let mut days = self.newest_first();
        days.retain(|(day, _)| oldest.as_ref().is_none_or(|oldest| day >= oldest));
        days
    }

    /// Opens a day's file, making it and its tables where they are missing.
    async fn connect(&self, day: &str) -> Result<SqlitePool, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(self.path(day))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        let pool = sqlite_pool().max_connections(3).connect_with(options).await?;
        sqlx::raw_sql(
            "CREATE TABLE IF NOT EXISTS event (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, computer_id TEXT \
             NOT NULL, computer_name TEXT NOT NULL, received_at INTEGER NOT NULL, at INTEGER NOT NULL, module TEXT \
             NOT NULL, severity TEXT NOT NULL, action TEXT NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL, \
             asset_value INTEGER NOT NULL DEFAULT 0, rank INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID; \
             CREATE INDEX IF NOT EXISTS event_tenant ON event (tenant_id, id); \
             CREATE INDEX IF NOT EXISTS event_computer ON event (tenant_id, computer_id, id); \
             CREATE TABLE IF NOT EXISTS event_tag (tenant_id TEXT NOT NULL, event_id TEXT NOT NULL, tag TEXT NOT NULL, \
             PRIMARY KEY (tenant_id, event_id, tag)) STRICT, WITHOUT ROWID; \
             CREATE TABLE IF NOT EXISTS event_comment (tenant_id TEXT NOT NULL, event_id TEXT NOT NULL, id TEXT NOT \
             NULL, at INTEGER NOT NULL, author TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (tenant_id, event_id, \
             id)) STRICT, WITHOUT ROWID; \
             CREATE TABLE IF NOT EXISTS watermark (computer_id TEXT NOT NULL, epoch TEXT NOT NULL, \
             sequence INTEGER NOT NULL, PRIMARY KEY (computer_id, epoch)) STRICT, WITHOUT ROWID;",
        )
        .execute(&pool)
        .await?;
        add_rank(&pool).await?;
        Ok(pool)
    }

    /// The highest watermark of each stream over all days.
    async fn watermarks(&self) -> Result<Watermarks, sqlx::Error> {
        let mut all = Watermarks::new();
        for (_, pool) in self.newest_first() {
            let rows: Vec<(String, String, i64)> =
                sqlx::query_as("SELECT computer_id, epoch, sequence FROM watermark").fetch_all(&pool).await?;
            for (computer, epoch, sequence) in rows {
                let key = (
                    Uuid::parse_str(&computer).unwrap_or_default(),
                    Uuid::parse_str(&epoch).unwrap_or_default(),
                );
                let sequence = u64::try_from(sequence).unwrap_or_default();
                let known = all.entry(key).or_default();
                *known = sequence.max(*known);
            }
        }
        Ok(all)
    }
}

#[derive(Debug)]
struct Writer {
    days: Arc<Days>,
    clock: Clock,
    keep_days: u32,
    tags: Arc<AutoTags>,
    watermarks: Watermarks,
    ids: Ids,
    today: String,
}

impl Sink for Writer {
    async fn write(&mut self, group: Vec<Batch>) -> Result<Vec<Result<Appended, AppendError>>, sqlx::Error> {
        let now = self.ids.now(self.clock.now());
        let pool = self.pool_of(&day_of(now)).await?;
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        // Watermarks move in memory only after the commit.
        let mut moved = Watermarks::new();
        let mut results = Vec::with_capacity(group.len());
        for batch in group {
            let key = (batch.computer, batch.epoch);
            let known = moved.get(&key).or_else(|| self.watermarks.get(&key)).copied();
            let result = accept(batch, known, now, &mut self.ids, &self.tags);
            if let Ok(appended) = &result {
                insert(&mut tx, &appended.new).await?;
                put_watermark(&mut tx, key, appended.acknowledged).await?;
                moved.insert(key, appended.acknowledged);
            }
            results.push(result);
        }
        tx.commit().await?;
        self.watermarks.extend(moved);
        Ok(results)
    }
}

impl Writer {
    async fn pool_of(&mut self, day: &str) -> Result<SqlitePool, sqlx::Error> {
        if let Some(pool) = self.days.pool(day) {
            if self.today != day {
                day.clone_into(&mut self.today);
                self.retire(&pool).await?;
            }
            return Ok(pool);
        }
        let pool = self.days.connect(day).await?;
        self.days.insert(day, pool.clone());
        day.clone_into(&mut self.today);
        self.retire(&pool).await?;
        Ok(pool)
    }

    /// Carries all watermarks into the newest file, then removes files past their time.
    async fn retire(&mut self, newest: &SqlitePool) -> Result<(), sqlx::Error> {
        let keep = Duration::from_secs(u64::from(self.keep_days) * 86_400);
        let micros = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
        let oldest = day_of(Timestamp(self.clock.now().0.saturating_sub(micros)));
        let past: Vec<_> = self.days.newest_first().into_iter().filter(|(day, _)| *day < oldest).collect();
        if past.is_empty() {
            return Ok(());
        }
        let mut tx = newest.begin_with("BEGIN IMMEDIATE").await?;
        for (key, sequence) in &self.watermarks {
            put_watermark(&mut tx, *key, *sequence).await?;
        }
        tx.commit().await?;
        for (day, pool) in past {
            self.days.pools.lock().unwrap_or_else(PoisonError::into_inner).remove(&day);
            pool.close().await;
            for suffix in ["", "-wal", "-shm"] {
                let path = self.days.dir.join(format!("events-{day}.db{suffix}"));
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        tracing::warn!(%error, path = %path.display(), "an old event file could not be removed");
                    }
                    _ => {}
                }
            }
            tracing::info!(%day, "events past their time were removed");
        }
        Ok(())
    }
}

/// Files of earlier versions have no ranks: their events get 0, as it is not known what their computers were worth.
async fn add_rank(day: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut tx = day.begin_with("BEGIN IMMEDIATE").await?;
    for (name, add) in [
        ("asset_value", "ALTER TABLE event ADD COLUMN asset_value INTEGER NOT NULL DEFAULT 0"),
        ("rank", "ALTER TABLE event ADD COLUMN rank INTEGER NOT NULL DEFAULT 0"),
    ] {
        let there: (i64,) = sqlx::query_as("SELECT count(*) FROM pragma_table_info('event') WHERE name = ?")
            .bind(name)
            .fetch_one(&mut *tx)
            .await?;
        if there.0 == 0 {
            sqlx::raw_sql(add).execute(&mut *tx).await?;
        }
    }
    sqlx::raw_sql("CREATE INDEX IF NOT EXISTS event_rank ON event (tenant_id, rank, id)")
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

async fn insert(tx: &mut Transaction<'_, Sqlite>, events: &[StoredEvent]) -> Result<(), sqlx::Error> {
    for rows in events.chunks(ROWS) {
        let mut query = sqlx::QueryBuilder::<Sqlite>::new(
            "INSERT INTO event (id, tenant_id, computer_id, computer_name, received_at, at, module, severity, \
             action, kind, detail, asset_value, rank) ",
        );
        query.push_values(rows, |mut row, stored| {
            row.push_bind(stored.id.to_string())
                .push_bind(stored.tenant.to_string())
                .push_bind(stored.computer.to_string())
                .push_bind(stored.computer_name.clone())
                .push_bind(stored.received_at.0)
                .push_bind(stored.event.at.0)
                .push_bind(stored.event.module.clone())
                .push_bind(stored.event.severity.clone())
                .push_bind(stored.event.action.clone())
                .push_bind(stored.event.kind.clone())
                .push_bind(stored.event.detail.clone())
                .push_bind(stored.asset_value)
                .push_bind(stored.rank);
        });
        query.build().execute(&mut **tx).await?;
    }
    for stored in events {
        for tag in &stored.tags {
            sqlx::query("INSERT INTO event_tag (tenant_id, event_id, tag) VALUES (?, ?, ?)")
                .bind(stored.tenant.to_string())
                .bind(stored.id.to_string())
                .bind(tag)
                .execute(&mut **tx)
                .await?;
        }
    }
    Ok(())
}

async fn put_watermark(
    tx: &mut Transaction<'_, Sqlite>,
    (computer, epoch): (Uuid, Uuid),
    sequence: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO watermark (computer_id, epoch, sequence) VALUES (?, ?, ?) \
         ON CONFLICT (computer_id, epoch) DO UPDATE SET sequence = max(sequence, excluded.sequence)",
    )
    .bind(computer.to_string())
    .bind(epoch.to_string())
    .bind(i64::try_from(sequence).unwrap_or(i64::MAX))
    .execute(&mut **tx)
    .await?;
    Ok(())
}
