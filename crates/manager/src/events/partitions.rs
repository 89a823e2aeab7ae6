//! Events in `PostgreSQL`: a partition for each day of arrival (UTC), so that retention is to drop a table.
//!
//! A group of batches is one transaction: the streams' rows are locked, what is new is inserted by one statement over
//! arrays, and the watermarks move. So several managers may take batches of the same agent, and a crash of either
//! side leaves events and watermark together or neither. Searches run as the tenants' role.
use super::queue::{Ids, Queue, Sink, accept};
use super::search::{CountBy, Dialect};
use super::{
    AppendError, Appended, AutoTags, Batch, Comment, Count, EventStore, Followed, RankedPlace, StoredEvent,
    position_at, stored,
};
use crate::clock::{self, Clock};
use crate::store::db::{Db, On, Scope, without_nul};
use sakimori_model::Timestamp;
use sakimori_query::Filter;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Transactions that write at once: with two, one waits for the disk while the other one's rows are made.
const WRITERS: u64 = 2;
/// Events are followed up to so long ago: more than the clocks of several managers differ, in microseconds.
const SETTLED: i64 = 2_000_000;
/// Held, shared, by every transaction that writes events, before it takes their time.
const WRITING: &str = "SELECT pg_advisory_xact_lock_shared(hashtext('sakimori events are written')::bigint)";
/// The transactions that write events now. A key of 64 bits is shown as two of 32.
const WRITERS_NOW: &str = "SELECT DISTINCT virtualtransaction FROM pg_locks WHERE locktype = 'advisory' AND granted AND \
     database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND \
     (classid::bigint << 32) | objid::bigint = hashtext('sakimori events are written')::bigint";
const DAY: i64 = 86_400_000_000;

/// Events in `PostgreSQL`.
#[derive(Debug)]
pub struct Partitions {
    db: Db,
    pool: PgPool,
    clock: Clock,
    queues: Vec<Queue>,
}

#[derive(Debug)]
struct Writer {
    pool: PgPool,
    clock: Clock,
    keep_days: u32,
    tags: Arc<AutoTags>,
    ids: Ids,
    /// Days since 1970 that are prepared for.
    today: Option<i64>,
}

impl Partitions {
    /// Takes events into a database whose schema is this version's.
    pub(crate) fn open(db: &Db, keep_days: u32, clock: &Clock, tags: &Arc<AutoTags>) -> Option<Self> {
        let Db::Postgres(pool) = db else { return None };
        let writer = || Writer {
            pool: pool.clone(),
            clock: clock.clone(),
            keep_days,
            tags: Arc::clone(tags),
            ids: Ids::default(),
            today: None,
        };
        let queues = (0..WRITERS).map(|_| Queue::new(writer())).collect();
        Some(Self { db: db.clone(), pool: pool.clone(), clock: clock.clone(), queues })
    }

    /// The day, since 1970, of a partition by its name; nothing where it is another table's name.
    pub(crate) fn day_of(name: &str) -> Option<i64> {
        let date = name.strip_prefix("event_")?.replace('_', "-");
        Some(clock::parse(&format!("{date}T00:00:00Z"))?.0.div_euclid(DAY))
    }

    /// Makes the partitions of these days.
    pub(crate) async fn make(pool: &PgPool, days: &[i64]) -> Result<(), sqlx::Error> {
        for day in days {
            sqlx::raw_sql(AssertSqlSafe(create(*day))).execute(pool).await?;
        }
        Ok(())
    }

    /// Before this id nothing arrives any more. Ids are made before their transaction commits, and by several writers:
    /// those that write now are waited for, and what begins later takes a later time.
    async fn settled(&self) -> Result<Uuid, sqlx::Error> {
        let until = Timestamp(self.clock.now().0.saturating_sub(SETTLED));
        let now: Vec<(String,)> = sqlx::query_as(WRITERS_NOW).fetch_all(&self.pool).await?;
        let mut waiting = now;
        while !waiting.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let still: Vec<(String,)> = sqlx::query_as(WRITERS_NOW).fetch_all(&self.pool).await?;
            waiting.retain(|one| still.contains(one));
        }
        Ok(Uuid::from_u128(position_at(until).as_u128().saturating_sub(1)))
    }

    fn read(&self, tenant: Uuid) -> On<'_> {
        On::Read(&self.db, Scope::Tenant(tenant))
    }

    fn write(&self, tenant: Uuid) -> On<'_> {
        On::Write(&self.db, Scope::Tenant(tenant))
    }
}

impl EventStore for Partitions {
    async fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        // One computer's batches always go to the same writer, so writers never wait for each other.
        let mut hasher = DefaultHasher::new();
        batch.computer.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % WRITERS).unwrap_or_default();
        match self.queues.get(at) {
            Some(queue) => queue.append(batch).await,
            None => Err(AppendError::Busy),
        }
    }

    async fn search(
        &self,
        tenant: Uuid,
        filter: &Filter,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, sqlx::Error> {
        let found = Dialect::Postgres.search(tenant, filter, before, limit).rows(self.read(tenant)).await?;
        found.iter().map(stored).collect()
    }

    async fn ranked(
        &self,
        tenant: Uuid,
        filter: &Filter,
        after: Option<RankedPlace>,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, sqlx::Error> {
        let found = Dialect::Postgres.ranked(tenant, filter, after, limit).rows(self.read(tenant)).await?;
        found.iter().map(stored).collect()
    }

    async fn follow(
        &self,
        tenant: Uuid,
        filter: &Filter,
        after: Uuid,
        limit: u32,
    ) -> Result<Followed, sqlx::Error> {
        let mut through = self.settled().await?.max(after);
        let mut events = Vec::new();
        if through > after {
            let query = Dialect::Postgres.follow(tenant, filter, (after, through), limit);
            for row in query.rows(self.read(tenant)).await? {
                events.push(stored(&row)?);
            }
        }
        if events.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            through = events.last().map_or(through, |last| last.id);
        }
        Ok(Followed { events, through })
    }

    async fn get(&self, tenant: Uuid, id: Uuid) -> Result<Option<StoredEvent>, sqlx::Error> {
        Dialect::Postgres.one(tenant, id).rows(self.read(tenant)).await?.first().map(stored).transpose()
    }

    async fn count_over_time(
        &self,
        tenant: Uuid,
        filter: &Filter,
        width: Duration,
        by: Option<CountBy>,
    ) -> Result<Vec<Count>, sqlx::Error> {
        let width = i64::try_from(width.as_micros()).unwrap_or(i64::MAX);
        let rows: Vec<(i64, String, i64)> =
            Dialect::Postgres.counts(tenant, filter, width, by).fetch_all(self.read(tenant)).await?;
        Ok(rows.into_iter().map(|row| Count::of(row, width)).collect())
    }

    async fn tag(&self, tenant: Uuid, event: Uuid, tag: &str) -> Result<(), sqlx::Error> {
        Dialect::Postgres.tag(tenant, event, tag).execute(self.write(tenant)).await?;
        Ok(())
    }

    async fn untag(&self, tenant: Uuid, event: Uuid, tag: &str) -> Result<bool, sqlx::Error> {
        Ok(Dialect::Postgres.untag(tenant, event, tag).execute(self.write(tenant)).await? > 0)
    }

    async fn comment(&self, tenant: Uuid, event: Uuid, comment: &Comment) -> Result<(), sqlx::Error> {
        Dialect::Postgres.comment(tenant, event, comment).execute(self.write(tenant)).await?;
        Ok(())
    }

    async fn comments(&self, tenant: Uuid, event: Uuid) -> Result<Vec<Comment>, sqlx::Error> {
        let rows: Vec<(String, i64, String, String)> =
            Dialect::Postgres.comments(tenant, event).fetch_all(self.read(tenant)).await?;
        Ok(rows.into_iter().map(Comment::of).collect())
    }

    async fn close(&self) {
        for queue in &self.queues {
            queue.close().await;
        }
    }
}

impl Sink for Writer {
    async fn write(&mut self, group: Vec<Batch>) -> Result<Vec<Result<Appended, AppendError>>, sqlx::Error> {
        let now = self.ids.now(self.clock.now());
        let day = now.0.div_euclid(DAY);
        if self.today != Some(day) {
            self.prepare(day).await?;
            self.today = Some(day);
        }
        let mut tx = self.pool.begin().await?;
        sqlx::raw_sql(WRITING).execute(&mut *tx).await?;
        // Once more, under the lock: what is followed up to a time waits for those who took theirs before it.
        let now = self.ids.now(self.clock.now());
        let mut known = watermarks(&mut tx, &group).await?;
        let mut results = Vec::with_capacity(group.len());
        for batch in group {
            let key = (batch.tenant, batch.computer, batch.epoch);
            let result = accept(batch, known.get(&key).copied(), now, &mut self.ids, &self.tags);
            if let Ok(appended) = &result {
                known.insert(key, appended.acknowledged);
            }
            results.push(result);
        }
        let new: Vec<&StoredEvent> = results.iter().flatten().flat_map(|appended| &appended.new).collect();
        insert(&mut tx, &new).await?;
        put_watermarks(&mut tx, &known).await?;
        tx.commit().await?;
        Ok(results)
    }
}

// === impl Writer ===

impl Writer {
    /// Makes the partitions of a day and the next one, and drops those past their time.
    async fn prepare(&self, day: i64) -> Result<(), sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        sqlx::raw_sql("SELECT pg_advisory_xact_lock(hashtext('sakimori event days'))")
            .execute(&mut *tx)
            .await?;
        let there: Vec<(String,)> = sqlx::query_as(
            "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = \
             'event'::regclass",
        )
        .fetch_all(&mut *tx)
        .await?;
        for day in [day, day + 1] {
            let name = partition(day);
            if there.iter().any(|(there,)| *there == name) {
                continue;
            }
            sqlx::raw_sql(AssertSqlSafe(create(day))).execute(&mut *tx).await?;
        }
        let oldest = day - i64::from(self.keep_days);
        let mut dropped = false;
        for (name,) in there.iter().filter(|(name,)| name.starts_with("event_2") && *name < partition(oldest))
        {
            // As found in the catalogue, and of the form that this program gives.
            if !name.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'_') {
                continue;
            }
            sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE {name}"))).execute(&mut *tx).await?;
            tracing::info!(%name, "events past their time were removed");
            dropped = true;
        }
        if dropped {
            for sql in
                ["DELETE FROM event_tag WHERE event_id < $1", "DELETE FROM event_comment WHERE event_id < $1"]
            {
                sqlx::query(sql).bind(first_id(oldest)).execute(&mut *tx).await?;
            }
        }
        tx.commit().await
    }
}

/// The statement that makes a day's partition. Names and bounds are made of digits.
fn create(day: i64) -> String {
    let (name, from, to) = (partition(day), first_id(day), first_id(day + 1));
    format!("CREATE TABLE IF NOT EXISTS {name} PARTITION OF event FOR VALUES FROM ('{from}') TO ('{to}')")
}

/// `event_2026_11_22`.
fn partition(day: i64) -> String {
    let text: String = clock::text(Timestamp(day.saturating_mul(DAY))).chars().take(10).collect();
    format!("event_{}", text.replace('-', "_"))
}

/// No id of this day is less, none of the day before is as great.
fn first_id(day: i64) -> Uuid {
    let millis = u128::try_from(day.saturating_mul(DAY / 1000)).unwrap_or_default();
    Uuid::from_u128(millis << 80)
}

type Watermarks = HashMap<(Uuid, Uuid, Uuid), u64>;

/// Locks the rows of the group's streams, making those that are missing: the last number committed of each.
async fn watermarks(tx: &mut Transaction<'_, Postgres>, group: &[Batch]) -> Result<Watermarks, sqlx::Error> {
    let mut keys: Vec<(Uuid, Uuid, Uuid)> =
        group.iter().map(|batch| (batch.computer, batch.epoch, batch.tenant)).collect();
    keys.sort_unstable();
    keys.dedup();
    let column = |of: fn(&(Uuid, Uuid, Uuid)) -> Uuid| keys.iter().map(of).collect::<Vec<_>>();
    let (computers, epochs, tenants) = (column(|k| k.0), column(|k| k.1), column(|k| k.2));
    let lock = "SELECT s.tenant_id, s.computer_id, s.epoch, s.sequence FROM event_stream s JOIN unnest($1::uuid[], \
         $2::uuid[]) k (computer_id, epoch) USING (computer_id, epoch) ORDER BY s.computer_id, s.epoch FOR UPDATE OF s";
    let mut rows: Vec<(Uuid, Uuid, Uuid, Option<i64>)> =
        sqlx::query_as(lock).bind(&computers).bind(&epochs).fetch_all(&mut **tx).await?;
    if rows.len() < keys.len() {
        sqlx::query(
            "INSERT INTO event_stream (tenant_id, computer_id, epoch) SELECT * FROM unnest($1::uuid[], $2::uuid[], \
             $3::uuid[]) ON CONFLICT DO NOTHING",
        )
        .bind(&tenants)
        .bind(&computers)
        .bind(&epochs)
        .execute(&mut **tx)
        .await?;
        rows = sqlx::query_as(lock).bind(&computers).bind(&epochs).fetch_all(&mut **tx).await?;
    }
    Ok(rows
        .into_iter()
        .filter_map(|(tenant, computer, epoch, sequence)| {
            Some(((tenant, computer, epoch), u64::try_from(sequence?).ok()?))
        })
        .collect())
}

async fn put_watermarks(tx: &mut Transaction<'_, Postgres>, known: &Watermarks) -> Result<(), sqlx::Error> {
    let mut computers = Vec::with_capacity(known.len());
    let mut epochs = Vec::with_capacity(known.len());
    let mut sequences = Vec::with_capacity(known.len());
    for ((_, computer, epoch), sequence) in known {
        computers.push(*computer);
        epochs.push(*epoch);
        sequences.push(i64::try_from(*sequence).unwrap_or(i64::MAX));
    }
    sqlx::query(
        "UPDATE event_stream s SET sequence = k.sequence FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) k \
         (computer_id, epoch, sequence) WHERE s.computer_id = k.computer_id AND s.epoch = k.epoch",
    )
    .bind(&computers)
    .bind(&epochs)
    .bind(&sequences)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn insert(tx: &mut Transaction<'_, Postgres>, events: &[&StoredEvent]) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    fn column<'a, T>(events: &[&'a StoredEvent], of: impl Fn(&'a StoredEvent) -> T) -> Vec<T> {
        events.iter().map(|event| of(event)).collect()
    }
    let text = |of: fn(&StoredEvent) -> &String| column(events, |e| without_nul(of(e).clone()));
    sqlx::query(
        "INSERT INTO event (id, tenant_id, computer_id, computer_name, received_at, at, module, severity, action, kind, \
         detail, asset_value, rank) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], \
         $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bigint[])",
    )
    .bind(column(events, |e| e.id))
    .bind(column(events, |e| e.tenant))
    .bind(column(events, |e| e.computer))
    .bind(text(|e| &e.computer_name))
    .bind(column(events, |e| e.received_at.0))
    .bind(column(events, |e| e.event.at.0))
    .bind(text(|e| &e.event.module))
    .bind(text(|e| &e.event.severity))
    .bind(text(|e| &e.event.action))
    .bind(text(|e| &e.event.kind))
    .bind(column(events, |e| detail_without_nul(&e.event.detail)))
    .bind(column(events, |e| i64::from(e.asset_value)))
    .bind(column(events, |e| i64::from(e.rank)))
    .execute(&mut **tx)
    .await?;
    let tags: Vec<(&StoredEvent, &String)> =
        events.iter().flat_map(|event| event.tags.iter().map(move |tag| (*event, tag))).collect();
    if !tags.is_empty() {
        sqlx::query(
            "INSERT INTO event_tag (tenant_id, event_id, tag) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[]) \
             ON CONFLICT DO NOTHING",
        )
        .bind(tags.iter().map(|(event, _)| event.tenant).collect::<Vec<_>>())
        .bind(tags.iter().map(|(event, _)| event.id).collect::<Vec<_>>())
        .bind(tags.iter().map(|(_, tag)| (*tag).clone()).collect::<Vec<_>>())
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// JSON whose texts hold no NUL: `PostgreSQL` could keep it, but not look into it.
fn detail_without_nul(detail: &str) -> String {
    fn clean(value: &mut Value) {
        match value {
            Value::String(text) => *text = without_nul(std::mem::take(text)),
            Value::Array(items) => items.iter_mut().for_each(clean),
            Value::Object(members) => {
                let old = std::mem::take(members);
                members.extend(old.into_iter().map(|(name, mut value)| {
                    clean(&mut value);
                    (without_nul(name), value)
                }));
            }
            _ => {}
        }
    }
    if !detail.contains("\\u0000") {
        return detail.to_owned();
    }
    let mut value: Value = serde_json::from_str(detail).unwrap_or_default();
    clean(&mut value);
    value.to_string()
}
