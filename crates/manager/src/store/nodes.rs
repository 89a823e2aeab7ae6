//! Several managers on one database: who is there, and what each has to hear of the others' changes.
//!
//! A change of what managers hold in memory ([`Shared`]) is noted by the store's own methods in the transaction that
//! makes it, numbered by the tenant's *generation*: writers of a tenant come one after the other, so numbers have no
//! gaps and their order is that of the commits. The transaction's end notifies those who listen; whoever misses that
//! sees the generation. On `SQLite` there is one manager, and nothing of this is written.
use super::db::{Db, Tx, query};
use super::{Store, StoreError, TenantCtx, Write, uuid};
use sakimori_model::Timestamp;
use sqlx::postgres::PgListener;
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// Where changes are notified.
const CHANNEL: &str = "sakimori_changes";
/// Changes are kept for so long: whoever is further behind reads everything anew.
const KEPT: Duration = Duration::from_mins(10);
/// The database's time in microseconds since 1970: clocks of several managers differ.
const DATABASE_NOW: &str = "(extract(epoch from clock_timestamp()) * 1000000)::bigint";

/// Name of the setting that says which content is in force.
pub(crate) const CONTENT: &str = "content";

/// What managers hold in memory and hear of from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shared {
    /// What policies come to: themselves, settings of computers, lists, schedules.
    Policies,
    /// The policy of a computer, and whether it has an identity.
    Computer,
    /// What is recommended to a computer.
    Recommendation,
    /// Whether somebody waits for an inventory of a computer.
    InventoryRequest,
    /// Rules that tag events.
    AutoTags,
    /// The rules in force.
    Content,
}

/// A change that a manager hears of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// Its number.
    pub sequence: i64,
    /// The manager that made it.
    pub origin: Uuid,
    /// What has changed; nothing where a newer manager knows more.
    pub what: Option<Shared>,
    /// Of which computer, or nil.
    pub subject: Uuid,
}

/// A manager that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// Which one, since its start.
    pub id: Uuid,
    /// Where it is reached.
    pub name: String,
    /// Names the keys that it signs with.
    pub keys: String,
    /// When it started, by its own clock.
    pub started_at: Timestamp,
    /// So long ago it was heard of, by the database's clock.
    pub silent_for: Duration,
}

impl Shared {
    const ALL: [Self; 6] = [
        Self::Policies,
        Self::Computer,
        Self::Recommendation,
        Self::InventoryRequest,
        Self::AutoTags,
        Self::Content,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Policies => "policies",
            Self::Computer => "computer",
            Self::Recommendation => "recommendation",
            Self::InventoryRequest => "inventory-request",
            Self::AutoTags => "auto-tags",
            Self::Content => "content",
        }
    }
}

impl Store {
    /// This manager among several, since its start.
    pub const fn node(&self) -> Uuid {
        self.node
    }

    /// Whether other managers may use the same database.
    pub(crate) const fn may_be_shared(&self) -> bool {
        matches!(self.db, Db::Postgres(_))
    }

    /// Hears of changes as they are committed; nothing on `SQLite`.
    pub(crate) async fn listener(&self) -> Result<Option<PgListener>, sqlx::Error> {
        let Db::Postgres(pool) = &self.db else { return Ok(None) };
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(Some(listener))
    }

    /// Says that this manager is there, and under which name and keys.
    pub async fn node_beat(&self, name: &str, keys: &str, started_at: Timestamp) -> Result<(), StoreError> {
        let mut statement = query("INSERT INTO node (id, name, keys, started_at, beat_at) VALUES (");
        statement.push_bind(self.node).push(", ").push_bind(name).push(", ").push_bind(keys).push(", ");
        statement.push_bind(started_at.0).push(", ").push(DATABASE_NOW);
        statement.push(") ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at");
        statement.execute(self.write_anywhere()).await?;
        Ok(())
    }

    /// All managers that have not ended, longest there first.
    pub async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        let mut statement = query("SELECT id, name, keys, started_at, ");
        statement.push(DATABASE_NOW).push(" - beat_at FROM node ORDER BY id");
        let rows: Vec<(String, String, String, i64, i64)> = statement.fetch_all(self.anywhere()).await?;
        let node = |(id, name, keys, started_at, silent): (String, String, String, i64, i64)| NodeRow {
            id: uuid(&id),
            name,
            keys,
            started_at: Timestamp(started_at),
            silent_for: Duration::from_micros(u64::try_from(silent).unwrap_or_default()),
        };
        Ok(rows.into_iter().map(node).collect())
    }

    /// Forgets a manager that has ended or was killed; what it held it holds no more, and was there until `until`.
    pub async fn node_end(&self, id: Uuid, until: Timestamp) -> Result<(), StoreError> {
        query(
            "UPDATE computer SET held_by = NULL, last_seen = CASE WHEN last_seen > ? THEN last_seen ELSE ? END \
             WHERE held_by = ?",
        )
        .bind(until.0)
        .bind(until.0)
        .bind(id)
        .execute(self.write_anywhere())
        .await?;
        query("DELETE FROM node WHERE id = ?").bind(id).execute(self.write_anywhere()).await?;
        Ok(())
    }

    /// The number of each tenant's newest change.
    pub async fn generations(&self) -> Result<HashMap<Uuid, i64>, StoreError> {
        let rows: Vec<(String, i64)> =
            query("SELECT tenant_id, value FROM generation").fetch_all(self.anywhere()).await?;
        Ok(rows.into_iter().map(|(tenant, value)| (uuid(&tenant), value)).collect())
    }

    /// A tenant's changes after `sequence`, at most `limit`.
    pub async fn changes(
        &self,
        ctx: &TenantCtx,
        sequence: i64,
        limit: u32,
    ) -> Result<Vec<ChangeRow>, StoreError> {
        let rows: Vec<(i64, String, String, String)> = query(
            "SELECT sequence, origin, what, subject FROM node_change WHERE tenant_id = ? AND sequence > ? \
             ORDER BY sequence LIMIT ?",
        )
        .bind(ctx.tenant)
        .bind(sequence)
        .bind(limit)
        .fetch_all(self.read(ctx))
        .await?;
        let change = |(sequence, origin, what, subject): (i64, String, String, String)| ChangeRow {
            sequence,
            origin: uuid(&origin),
            what: Shared::ALL.into_iter().find(|known| known.as_str() == what),
            subject: uuid(&subject),
        };
        Ok(rows.into_iter().map(change).collect())
    }

    /// Forgets old changes.
    pub async fn changes_expire(&self, now: Timestamp) -> Result<(), StoreError> {
        let kept = i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX);
        query("DELETE FROM node_change WHERE at < ?")
            .bind(now.0.saturating_sub(kept))
            .execute(self.write_anywhere())
            .await?;
        Ok(())
    }
}

impl Write {
    /// Keeps which content is in force.
    pub async fn put_content(&mut self, value: &str) -> Result<(), StoreError> {
        self.put_setting(CONTENT, value).await?;
        self.share(Shared::Content, Uuid::nil());
        Ok(())
    }

    /// Notes that other managers have to hear of this change.
    pub(super) fn share(&mut self, what: Shared, subject: Uuid) {
        let change = (what, subject.to_string());
        if !self.shared.contains(&change) {
            self.shared.push(change);
        }
    }

    /// Writes what was noted into the transaction, and notifies those who listen once it is committed.
    pub(super) async fn tell_nodes(&mut self) -> Result<(), StoreError> {
        let shared = std::mem::take(&mut self.shared);
        if shared.is_empty() || matches!(self.tx, Tx::Sqlite(_)) {
            return Ok(());
        }
        let count = i64::try_from(shared.len()).unwrap_or(i64::MAX);
        let last: Option<(i64,)> = query(
            "INSERT INTO generation (tenant_id, value) VALUES (?, ?) ON CONFLICT (tenant_id) DO UPDATE SET \
             value = generation.value + excluded.value RETURNING value",
        )
        .bind(self.tenant())
        .bind(count)
        .fetch_optional(&mut self.tx)
        .await?;
        let first = last.map_or(1, |(last,)| last - count + 1);
        for (sequence, (what, subject)) in (first..).zip(shared) {
            query(
                "INSERT INTO node_change (tenant_id, sequence, at, origin, what, subject) VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(self.tenant())
            .bind(sequence)
            .bind(self.now.0)
            .bind(self.node)
            .bind(what.as_str())
            .bind(subject)
            .execute(&mut self.tx)
            .await?;
        }
        // One for each tenant and transaction: a notification takes a lock of the whole server when it is committed.
        query("SELECT pg_notify(?, ?)").bind(CHANNEL).bind(self.tenant()).rows(&mut self.tx).await?;
        Ok(())
    }
}
