//! Channels and how far they are.
use super::db::{Row, query};
use super::{Store, StoreError, Write, json, to_json, uuid};
use crate::store::TenantCtx;
use sakimori_api::ChannelTarget;
use sakimori_model::Timestamp;
use uuid::Uuid;

/// A channel's secrets as the database has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(pub String);

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRow {
    /// Id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Where, and how.
    pub target: ChannelTarget,
    /// What only the receiver shall know.
    pub secrets: Sealed,
    /// Whether it sends.
    pub enabled: bool,
    /// The least severity of alerts; none are sent where there is none.
    pub alerts: Option<String>,
    /// The filter of events; none are sent where there is none.
    pub events: Option<String>,
    /// How far it is.
    pub progress: Progress,
    /// Counts its changes by people.
    pub revision: i64,
    /// When it was last changed by people.
    pub updated_at: Timestamp,
}

/// How far a channel is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What became of alerts was sent up to this place.
    pub alerts: i64,
    /// Events were sent up to this one.
    pub events: Uuid,
    /// Attempts that failed in a row.
    pub attempts: u32,
    /// Nothing is tried before this time.
    pub next_attempt: Timestamp,
    /// Since when attempts fail.
    pub failing_since: Option<Timestamp>,
    /// Why the last one did.
    pub last_error: Option<String>,
    /// When something was last sent.
    pub last_delivered: Option<Timestamp>,
    /// How many were sent.
    pub delivered: i64,
    /// How many alerts were gone before they were sent.
    pub lost: i64,
    /// Events that arrived between these times were gone before they were sent.
    pub events_lost: Option<(Timestamp, Timestamp)>,
}

const COLUMNS: &str = "SELECT id, name, target, secrets, enabled, alerts, events, alert_position, event_position, \
     attempts, next_attempt, failing_since, last_error, last_delivered, delivered, lost, events_lost_from, events_lost_until, \
     revision, updated_at FROM channel";

fn channel(row: &Row) -> Result<ChannelRow, StoreError> {
    let time = |column: &str| -> Result<Option<Timestamp>, StoreError> {
        Ok(row.get::<Option<i64>>(column)?.map(Timestamp))
    };
    Ok(ChannelRow {
        id: uuid(&row.get::<String>("id")?),
        name: row.get("name")?,
        target: json("channel.target", &row.get::<String>("target")?)?,
        secrets: Sealed(row.get("secrets")?),
        enabled: row.get::<i64>("enabled")? != 0,
        alerts: row.get("alerts")?,
        events: row.get("events")?,
        progress: Progress {
            alerts: row.get("alert_position")?,
            events: uuid(&row.get::<String>("event_position")?),
            attempts: u32::try_from(row.get::<i64>("attempts")?).unwrap_or(u32::MAX),
            next_attempt: Timestamp(row.get("next_attempt")?),
            failing_since: time("failing_since")?,
            last_error: row.get("last_error")?,
            last_delivered: time("last_delivered")?,
            delivered: row.get("delivered")?,
            lost: row.get("lost")?,
            events_lost: time("events_lost_from")?.zip(time("events_lost_until")?),
        },
        revision: row.get("revision")?,
        updated_at: Timestamp(row.get("updated_at")?),
    })
}

impl Store {
    /// The channels, by id after `after`.
    pub async fn channels(
        &self,
        ctx: &TenantCtx,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ChannelRow>, StoreError> {
        let mut query = query(COLUMNS);
        query.push(" WHERE tenant_id = ").push_bind(ctx.tenant).push(" AND id > ").push_bind(after);
        query.push(" ORDER BY id LIMIT ").push_bind(limit);
        query.rows(self.read(ctx)).await?.iter().map(channel).collect()
    }

    /// A channel.
    pub async fn channel(&self, ctx: &TenantCtx, id: Uuid) -> Result<Option<ChannelRow>, StoreError> {
        let mut query = query(COLUMNS);
        query.push(" WHERE tenant_id = ").push_bind(ctx.tenant).push(" AND id = ").push_bind(id);
        query.rows(self.read(ctx)).await?.first().map(channel).transpose()
    }

    /// Writes a channel's secrets in another form, if they are still `before`.
    pub async fn channel_sealed(
        &self,
        tenant: Uuid,
        id: Uuid,
        before: &Sealed,
        now: &Sealed,
    ) -> Result<(), StoreError> {
        query("UPDATE channel SET secrets = ? WHERE tenant_id = ? AND id = ? AND secrets = ?")
            .bind(&now.0)
            .bind(tenant)
            .bind(id)
            .bind(&before.0)
            .execute(super::db::On::Write(&self.db, super::db::Scope::Tenant(tenant)))
            .await?;
        Ok(())
    }

    /// Notes how far a channel is, if it is still where `before` says; `false` where somebody else has gone on.
    pub async fn channel_progress(
        &self,
        tenant: Uuid,
        id: Uuid,
        before: &Progress,
        now: &Progress,
    ) -> Result<bool, StoreError> {
        let scope = super::db::On::Write(&self.db, super::db::Scope::Tenant(tenant));
        let changed = query(
            "UPDATE channel SET alert_position = ?, event_position = ?, attempts = ?, next_attempt = ?, failing_since = ?, \
             last_error = ?, last_delivered = ?, delivered = ?, lost = ?, events_lost_from = ?, events_lost_until = ? WHERE tenant_id = ? AND id = ? AND \
             alert_position = ? AND event_position = ?",
        )
        .bind(now.alerts)
        .bind(now.events)
        .bind(now.attempts)
        .bind(now.next_attempt.0)
        .bind(now.failing_since.map(|at| at.0))
        .bind(&now.last_error)
        .bind(now.last_delivered.map(|at| at.0))
        .bind(now.delivered)
        .bind(now.lost)
        .bind(now.events_lost.map(|(from, _)| from.0))
        .bind(now.events_lost.map(|(_, until)| until.0))
        .bind(tenant)
        .bind(id)
        .bind(before.alerts)
        .bind(before.events)
        .execute(scope)
        .await?;
        Ok(changed > 0)
    }
}

impl Write {
    /// A channel as this transaction sees it.
    pub async fn channel(&mut self, id: Uuid) -> Result<Option<ChannelRow>, StoreError> {
        let mut query = query(COLUMNS);
        query.push(" WHERE tenant_id = ").push_bind(self.tenant()).push(" AND id = ").push_bind(id);
        query.rows(&mut self.tx).await?.first().map(channel).transpose()
    }

    /// How many channels there are.
    pub async fn count_channels(&mut self) -> Result<u64, StoreError> {
        let row: Option<(i64,)> = query("SELECT count(*) FROM channel WHERE tenant_id = ?")
            .bind(self.tenant())
            .fetch_optional(&mut self.tx)
            .await?;
        Ok(row.and_then(|(count,)| u64::try_from(count).ok()).unwrap_or_default())
    }

    /// Makes a channel.
    pub async fn insert_channel(&mut self, row: &ChannelRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO channel (tenant_id, id, name, target, secrets, enabled, alerts, events, alert_position, \
             event_position, revision, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(row.id)
        .bind(&row.name)
        .bind(to_json("channel.target", &row.target)?)
        .bind(&row.secrets.0)
        .bind(row.enabled)
        .bind(&row.alerts)
        .bind(&row.events)
        .bind(row.progress.alerts)
        .bind(row.progress.events)
        .bind(row.revision)
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Writes back what people changed of a channel; its revision goes up, and it is tried at once.
    pub async fn update_channel(&mut self, row: &ChannelRow) -> Result<(), StoreError> {
        query(
            "UPDATE channel SET name = ?, target = ?, secrets = ?, enabled = ?, alerts = ?, events = ?, alert_position = ?, \
             event_position = ?, next_attempt = 0, revision = revision + 1, updated_at = ? WHERE tenant_id = ? AND id = ?",
        )
        .bind(&row.name)
        .bind(to_json("channel.target", &row.target)?)
        .bind(&row.secrets.0)
        .bind(row.enabled)
        .bind(&row.alerts)
        .bind(&row.events)
        .bind(row.progress.alerts)
        .bind(row.progress.events)
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(row.id)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Deletes a channel.
    pub async fn delete_channel(&mut self, id: Uuid) -> Result<(), StoreError> {
        query("DELETE FROM channel WHERE tenant_id = ? AND id = ?")
            .bind(self.tenant())
            .bind(id)
            .execute(&mut self.tx)
            .await?;
        Ok(())
    }
}
