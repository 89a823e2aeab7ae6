//! Events in one `SQLite` file for each day of arrival (UTC): retention is to remove a file.
//!
//! One task writes: it takes all batches that wait and commits them together (`synchronous=FULL`). The
//! watermark of a stream is written in the same transaction and the same file as its events, so a crash
//! leaves either both or neither. A stream that goes on past midnight finds its watermark in an older file
//! when the manager starts; before an old file is removed its watermarks are carried into the newest one.
use super::{AppendError, Appended, Batch, EventFilter, EventStore, NewEvent, StoredEvent};
use crate::clock::{self, Clock};
use crate::secrets;
use sakimori_model::Timestamp;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Row as _, Sqlite, SqlitePool, Transaction};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Batches that may wait; more are refused as busy.
const WAITING: usize = 128;
/// Most events in one transaction, except that a batch is never split.
const GROUP: usize = 8_000;
/// Rows in one statement: 11 columns each, under `SQLite`'s limit of 32,766 values.
const ROWS: usize = 100;
/// What is read of an event, in the order that `stored` takes it apart.
const COLUMNS: &str = "SELECT id, tenant_id, computer_id, computer_name, received_at, at, module, severity, action, \
     kind, detail FROM event";

type Reply = oneshot::Sender<Result<Appended, AppendError>>;
type Watermarks = HashMap<(Uuid, Uuid), u64>;

/// Events in one file a day.
#[derive(Debug)]
pub struct DayFiles {
    days: std::sync::Arc<Days>,
    sender: Mutex<Option<mpsc::Sender<(Batch, Reply)>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Days {
    dir: PathBuf,
    /// By day, as `2026-11-22`.
    pools: Mutex<BTreeMap<String, SqlitePool>>,
}

impl DayFiles {
    /// Opens the files in `dir`, removing those older than `keep_days`.
    pub async fn open(dir: &Path, keep_days: u32, clock: Clock) -> Result<Self, sqlx::Error> {
        std::fs::create_dir_all(dir).map_err(sqlx::Error::Io)?;
        let days = std::sync::Arc::new(Days { dir: dir.to_owned(), pools: Mutex::default() });
        for day in files(dir).map_err(sqlx::Error::Io)? {
            let pool = days.connect(&day).await?;
            days.insert(&day, pool);
        }
        let watermarks = days.watermarks().await?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let writer = Writer {
            days: std::sync::Arc::clone(&days),
            clock,
            keep_days,
            watermarks,
            last_id: 0,
            today: String::new(),
        };
        let task = tokio::spawn(writer.run(receiver));
        Ok(Self { days, sender: Mutex::new(Some(sender)), writer: Mutex::new(Some(task)) })
    }
}

impl EventStore for DayFiles {
    async fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        let (reply, answer) = oneshot::channel();
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sender = sender.ok_or(AppendError::Busy)?;
        sender.try_send((batch, reply)).map_err(|_full| AppendError::Busy)?;
        drop(sender);
        answer.await.unwrap_or_else(|_gone| Err(AppendError::Failed("the writer has ended".to_owned())))
    }

    async fn search(
        &self,
        tenant: Uuid,
        filter: &EventFilter,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, sqlx::Error> {
        let newest = before.map(|id| day_of(id_time(id)));
        // What happened at `from` cannot have arrived on an earlier day, but for clocks that are ahead.
        let oldest = filter.from.map(|from| day_of(Timestamp(from.0 - 86_400_000_000)));
        let mut found = Vec::new();
        for (day, pool) in self.days.newest_first() {
            let missing = usize::try_from(limit).unwrap_or(usize::MAX) - found.len();
            if missing == 0 || oldest.as_ref().is_some_and(|oldest| day < *oldest) {
                break;
            }
            if newest.as_ref().is_some_and(|newest| day > *newest) {
                continue;
            }
            let mut query = sqlx::QueryBuilder::<Sqlite>::new(COLUMNS);
            query.push(" WHERE tenant_id = ").push_bind(tenant.to_string());
            if let Some(before) = before {
                query.push(" AND id < ").push_bind(before.to_string());
            }
            if let Some(computer) = filter.computer {
                query.push(" AND computer_id = ").push_bind(computer.to_string());
            }
            for (column, value) in
                [("module", &filter.module), ("severity", &filter.severity), ("action", &filter.action)]
            {
                if let Some(value) = value {
                    query.push(" AND ").push(column).push(" = ").push_bind(value.clone());
                }
            }
            if let Some(text) = &filter.text {
                query.push(" AND instr(lower(detail || ' ' || computer_name), ");
                query.push_bind(text.to_lowercase()).push(") > 0");
            }
            if let Some(from) = filter.from {
                query.push(" AND at >= ").push_bind(from.0);
            }
            if let Some(to) = filter.to {
                query.push(" AND at < ").push_bind(to.0);
            }
            query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::try_from(missing).unwrap_or(i64::MAX));
            for row in &query.build().fetch_all(&pool).await? {
                found.push(stored(row)?);
            }
        }
        Ok(found)
    }

    async fn get(&self, tenant: Uuid, id: Uuid) -> Result<Option<StoredEvent>, sqlx::Error> {
        let Some(pool) = self.days.pool(&day_of(id_time(id))) else { return Ok(None) };
        let mut query = sqlx::QueryBuilder::<Sqlite>::new(COLUMNS);
        query.push(" WHERE tenant_id = ").push_bind(tenant.to_string());
        query.push(" AND id = ").push_bind(id.to_string());
        query.build().fetch_optional(&pool).await?.as_ref().map(stored).transpose()
    }

    async fn close(&self) {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && writer.await.is_err()
        {
            tracing::error!("the event writer ended by a fault");
        }
        for (_, pool) in self.days.newest_first() {
            pool.close().await;
        }
    }
}

fn stored(row: &SqliteRow) -> Result<StoredEvent, sqlx::Error> {
    let uuid = |column: &str| -> Result<Uuid, sqlx::Error> {
        let text: String = row.try_get(column)?;
        Ok(Uuid::parse_str(&text).unwrap_or_default())
    };
    Ok(StoredEvent {
        id: uuid("id")?,
        tenant: uuid("tenant_id")?,
        computer: uuid("computer_id")?,
        computer_name: row.try_get("computer_name")?,
        received_at: Timestamp(row.try_get("received_at")?),
        event: NewEvent {
            at: Timestamp(row.try_get("at")?),
            module: row.try_get("module")?,
            severity: row.try_get("severity")?,
            action: row.try_get("action")?,
            kind: row.try_get("kind")?,
            detail: row.try_get("detail")?,
        },
    })
}

/// `2026-11-22`.
fn day_of(at: Timestamp) -> String {
    clock::text(at).chars().take(10).collect()
}

/// The time inside a version 7 UUID.
fn id_time(id: Uuid) -> Timestamp {
    let millis = i64::try_from(id.as_u128() >> 80).unwrap_or_default();
    Timestamp(millis.saturating_mul(1000))
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

    /// Opens a day's file, making it and its tables where they are missing.
    async fn connect(&self, day: &str) -> Result<SqlitePool, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(self.path(day))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        let pool = SqlitePoolOptions::new().max_connections(3).connect_with(options).await?;
        sqlx::raw_sql(
            "CREATE TABLE IF NOT EXISTS event (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, computer_id TEXT \
             NOT NULL, computer_name TEXT NOT NULL, received_at INTEGER NOT NULL, at INTEGER NOT NULL, module TEXT \
             NOT NULL, severity TEXT NOT NULL, action TEXT NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL) \
             STRICT, WITHOUT ROWID; \
             CREATE INDEX IF NOT EXISTS event_tenant ON event (tenant_id, id); \
             CREATE INDEX IF NOT EXISTS event_computer ON event (tenant_id, computer_id, id); \
             CREATE TABLE IF NOT EXISTS watermark (computer_id TEXT NOT NULL, epoch TEXT NOT NULL, \
             sequence INTEGER NOT NULL, PRIMARY KEY (computer_id, epoch)) STRICT, WITHOUT ROWID;",
        )
        .execute(&pool)
        .await?;
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
    days: std::sync::Arc<Days>,
    clock: Clock,
    keep_days: u32,
    watermarks: Watermarks,
    last_id: u128,
    today: String,
}

impl Writer {
    async fn run(mut self, mut batches: mpsc::Receiver<(Batch, Reply)>) {
        while let Some(first) = batches.recv().await {
            let mut size = first.0.events.len();
            let mut group = vec![first];
            while size < GROUP
                && let Ok(next) = batches.try_recv()
            {
                size += next.0.events.len();
                group.push(next);
            }
            let (group, replies): (Vec<Batch>, Vec<Reply>) = group.into_iter().unzip();
            let results = match self.write(group).await {
                Ok(results) => results,
                Err(error) => {
                    tracing::error!(%error, "events could not be written");
                    let failed = || Err(AppendError::Failed(error.to_string()));
                    replies.iter().map(|_| failed()).collect()
                }
            };
            for (reply, result) in replies.into_iter().zip(results) {
                // The sender may have gone; it will ask again and be told the same.
                let _gone = reply.send(result);
            }
        }
    }

    async fn write(&mut self, group: Vec<Batch>) -> Result<Vec<Result<Appended, AppendError>>, sqlx::Error> {
        // Never back: the day in an event's id is the day of its file, also when the clock was set back.
        let now = self.clock.now().max(id_time(Uuid::from_u128(self.last_id)));
        let pool = self.pool_of(&day_of(now)).await?;
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        // Watermarks move in memory only after the commit.
        let mut moved = Watermarks::new();
        let mut results = Vec::with_capacity(group.len());
        for batch in group {
            let key = (batch.computer, batch.epoch);
            let known = moved.get(&key).or_else(|| self.watermarks.get(&key)).copied();
            let first = batch.first_sequence;
            // A stream that is not known may begin anywhere: its beginning was lost with an older database.
            let acknowledged = known.unwrap_or_else(|| first.saturating_sub(1));
            if first > acknowledged.saturating_add(1) {
                results.push(Err(AppendError::Gap { acknowledged, first }));
                continue;
            }
            let seen = usize::try_from(acknowledged + 1 - first).unwrap_or(usize::MAX);
            let mut new = Vec::new();
            for event in batch.events.into_iter().skip(seen) {
                let id = self.next_id(now);
                new.push(StoredEvent {
                    id,
                    tenant: batch.tenant,
                    computer: batch.computer,
                    computer_name: batch.computer_name.clone(),
                    received_at: now,
                    event,
                });
            }
            let acknowledged = acknowledged + u64::try_from(new.len()).unwrap_or_default();
            insert(&mut tx, &new).await?;
            put_watermark(&mut tx, key, acknowledged).await?;
            moved.insert(key, acknowledged);
            results.push(Ok(Appended { acknowledged, new }));
        }
        tx.commit().await?;
        self.watermarks.extend(moved);
        Ok(results)
    }

    /// A version 7 UUID greater than all before.
    fn next_id(&mut self, now: Timestamp) -> Uuid {
        let millis = u128::try_from(now.as_millis()).unwrap_or_default() & 0xffff_ffff_ffff;
        let random = secrets::random::<8>().map(u64::from_be_bytes).unwrap_or_default();
        // The 74 free bits: 12 above the variant begin at zero so that there is room to count up.
        let fresh = (millis << 80) | (0x7 << 76) | (0b10 << 62) | u128::from(random >> 2);
        let id = if fresh > self.last_id { fresh } else { successor(self.last_id) };
        self.last_id = id;
        Uuid::from_u128(id)
    }

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

/// The next version 7 UUID, with version and variant in place.
fn successor(id: u128) -> u128 {
    const LOW: u128 = (1 << 62) - 1;
    if id & LOW < LOW {
        return id + 1;
    }
    let middle = (id >> 64) & 0xfff;
    if middle < 0xfff {
        return (id & !(LOW | (0xfff << 64))) | ((middle + 1) << 64);
    }
    (((id >> 80) + 1) << 80) | (0x7 << 76) | (0b10 << 62)
}

async fn insert(tx: &mut Transaction<'_, Sqlite>, events: &[StoredEvent]) -> Result<(), sqlx::Error> {
    for rows in events.chunks(ROWS) {
        let mut query = sqlx::QueryBuilder::<Sqlite>::new(
            "INSERT INTO event (id, tenant_id, computer_id, computer_name, received_at, at, module, severity, \
             action, kind, detail) ",
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
                .push_bind(stored.event.detail.clone());
        });
        query.build().execute(&mut **tx).await?;
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
