//! Alerts: their conditions, themselves, and what became of them in order.
use super::db::{Row, query};
use super::{Store, StoreError, Write, json, to_json, uuid};
use crate::store::TenantCtx;
use sakimori_model::Timestamp;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A condition of people's own, or what people changed of one of the product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionRow {
    /// A UUID, or the word of a condition of the product.
    pub id: String,
    /// Its name; that of the product's is its word.
    pub name: String,
    /// Whether it is in force.
    pub enabled: bool,
    /// How much its alerts matter.
    pub severity: String,
    /// How much it takes, in the condition's unit.
    pub threshold: Option<u32>,
    /// In how long a time, in seconds.
    pub window_secs: Option<u32>,
    /// Which events count.
    pub filter: Option<String>,
    /// `computer`, or empty for all together.
    pub group_by: String,
    /// Counts its changes.
    pub revision: i64,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRow {
    /// Id, in the order of being raised.
    pub id: Uuid,
    /// Its condition.
    pub condition: String,
    /// The condition's name when it was raised.
    pub condition_name: String,
    /// What of many things under the condition it is about.
    pub group: String,
    /// The same for people.
    pub subject: String,
    /// The computer it is about.
    pub computer: Option<Uuid>,
    /// `info` to `critical`.
    pub severity: String,
    /// `open`, `acknowledged`, `dismissed` or `resolved`.
    pub state: String,
    /// Whether it stands for its condition and group.
    pub active: bool,
    /// How often the cause was seen.
    pub count: i64,
    /// When first.
    pub first_at: Timestamp,
    /// When last.
    pub last_at: Timestamp,
    /// When the cause had gone.
    pub resolved_at: Option<Timestamp>,
    /// Values for the sentences.
    pub args: BTreeMap<String, String>,
    /// What somebody wrote about it.
    pub comment: String,
    /// Who set the state.
    pub state_by: String,
    /// When.
    pub state_at: Option<Timestamp>,
    /// Counts its changes.
    pub revision: i64,
}

/// Something that became of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertChangeRow {
    /// Its place in the order.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// `raised`, `acknowledged`, `dismissed`, `reopened` or `resolved`.
    pub what: String,
    /// The alert then, as the API shows it, in JSON.
    pub alert: String,
}

/// Which alerts of a list.
#[derive(Clone, Debug, Default)]
pub struct AlertsWanted<'a> {
    /// In this state.
    pub state: Option<&'a str>,
    /// Of this condition.
    pub condition: Option<&'a str>,
    /// About this computer.
    pub computer: Option<Uuid>,
    /// Older than this one.
    pub before: Option<Uuid>,
}

const CONDITIONS: &str = "SELECT id, name, enabled, severity, threshold, window_secs, filter, group_by, revision, \
     updated_at FROM alert_condition";
const ALERTS: &str = "SELECT id, condition_id, condition_name, group_key, subject, computer_id, severity, state, \
     active, count, first_at, last_at, resolved_at, args, comment, state_by, state_at, revision FROM alert";

fn condition(row: &Row) -> Result<ConditionRow, StoreError> {
    let small = |column: &str| -> Result<Option<u32>, StoreError> {
        Ok(row.get::<Option<i64>>(column)?.and_then(|number| u32::try_from(number).ok()))
    };
    Ok(ConditionRow {
        id: row.get("id")?,
        name: row.get("name")?,
        enabled: row.get::<i64>("enabled")? != 0,
        severity: row.get("severity")?,
        threshold: small("threshold")?,
        window_secs: small("window_secs")?,
        filter: row.get("filter")?,
        group_by: row.get("group_by")?,
        revision: row.get("revision")?,
        updated_at: Timestamp(row.get("updated_at")?),
    })
}

fn alert(row: &Row) -> Result<AlertRow, StoreError> {
    Ok(AlertRow {
        id: uuid(&row.get::<String>("id")?),
        condition: row.get("condition_id")?,
        condition_name: row.get("condition_name")?,
        group: row.get("group_key")?,
        subject: row.get("subject")?,
        computer: row.get::<Option<String>>("computer_id")?.map(|id| uuid(&id)),
        severity: row.get("severity")?,
        state: row.get("state")?,
        active: row.get::<i64>("active")? != 0,
        count: row.get("count")?,
        first_at: Timestamp(row.get("first_at")?),
        last_at: Timestamp(row.get("last_at")?),
        resolved_at: row.get::<Option<i64>>("resolved_at")?.map(Timestamp),
        args: json("alert.args", &row.get::<String>("args")?)?,
        comment: row.get("comment")?,
        state_by: row.get("state_by")?,
        state_at: row.get::<Option<i64>>("state_at")?.map(Timestamp),
        revision: row.get("revision")?,
    })
}

impl Store {
    /// The conditions that have a row.
    pub async fn alert_conditions(&self, ctx: &TenantCtx) -> Result<Vec<ConditionRow>, StoreError> {
        let mut query = query(CONDITIONS);
        query.push(" WHERE tenant_id = ").push_bind(ctx.tenant).push(" ORDER BY id");
        query.rows(self.read(ctx)).await?.iter().map(condition).collect()
    }

    /// Alerts, newest first.
    pub async fn alerts(
        &self,
        ctx: &TenantCtx,
        wanted: &AlertsWanted<'_>,
        limit: u32,
    ) -> Result<Vec<AlertRow>, StoreError> {
        let mut query = query(ALERTS);
        query.push(" WHERE tenant_id = ").push_bind(ctx.tenant);
        if let Some(state) = wanted.state {
            query.push(" AND state = ").push_bind(state);
        }
        if let Some(condition) = wanted.condition {
            query.push(" AND condition_id = ").push_bind(condition);
        }
        if let Some(computer) = wanted.computer {
            query.push(" AND computer_id = ").push_bind(computer);
        }
        if let Some(before) = wanted.before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
        query.rows(self.read(ctx)).await?.iter().map(alert).collect()
    }

    /// The alerts that stand for their condition and group.
    pub async fn alerts_active(&self, ctx: &TenantCtx) -> Result<Vec<AlertRow>, StoreError> {
        let mut query = query(ALERTS);
        query.push(" WHERE tenant_id = ").push_bind(ctx.tenant).push(" AND active = 1");
        query.rows(self.read(ctx)).await?.iter().map(alert).collect()
    }

    /// An alert.
    pub async fn alert(&self, ctx: &TenantCtx, id: Uuid) -> Result<Option<AlertRow>, StoreError> {
        let mut query = query(ALERTS);
        query.push(" WHERE tenant_id = ").push_bind(ctx.tenant).push(" AND id = ").push_bind(id);
        query.rows(self.read(ctx)).await?.first().map(alert).transpose()
    }

    /// How many alerts there are of each state and severity.
    pub async fn alert_counts(&self, ctx: &TenantCtx) -> Result<Vec<(String, String, i64)>, StoreError> {
        Ok(query(
            "SELECT state, severity, count(*) FROM alert WHERE tenant_id = ? AND state IN ('open', 'acknowledged') \
             GROUP BY state, severity",
        )
        .bind(ctx.tenant)
        .fetch_all(self.read(ctx))
        .await?)
    }

    /// What became of alerts after the place `after`, in order.
    pub async fn alert_changes(
        &self,
        tenant: Uuid,
        after: i64,
        limit: u32,
    ) -> Result<Vec<AlertChangeRow>, StoreError> {
        let rows: Vec<(i64, i64, String, String)> = query(
            "SELECT sequence, at, what, alert FROM alert_change WHERE tenant_id = ? AND sequence > ? ORDER BY \
             sequence LIMIT ?",
        )
        .bind(tenant)
        .bind(after)
        .bind(limit)
        .fetch_all(self.of(tenant))
        .await?;
        let change =
            |(sequence, at, what, alert)| AlertChangeRow { sequence, at: Timestamp(at), what, alert };
        Ok(rows.into_iter().map(change).collect())
    }

    /// The last place in the order of what became of alerts; 0 before the first.
    pub async fn alert_changes_end(&self, tenant: Uuid) -> Result<i64, StoreError> {
        let row: Option<(i64,)> =
            query("SELECT coalesce(max(sequence), 0) FROM alert_change WHERE tenant_id = ?")
                .bind(tenant)
                .fetch_optional(self.of(tenant))
                .await?;
        Ok(row.map_or(0, |(last,)| last))
    }
}

impl Write {
    /// A condition's row as this transaction sees it.
    pub async fn alert_condition(&mut self, id: &str) -> Result<Option<ConditionRow>, StoreError> {
        let mut query = query(CONDITIONS);
        query.push(" WHERE tenant_id = ").push_bind(self.tenant()).push(" AND id = ").push_bind(id);
        query.rows(&mut self.tx).await?.first().map(condition).transpose()
    }

    /// How many conditions have a row.
    pub async fn count_alert_conditions(&mut self) -> Result<u64, StoreError> {
        let row: Option<(i64,)> = query("SELECT count(*) FROM alert_condition WHERE tenant_id = ?")
            .bind(self.tenant())
            .fetch_optional(&mut self.tx)
            .await?;
        Ok(row.and_then(|(count,)| u64::try_from(count).ok()).unwrap_or_default())
    }

    /// Writes a condition's row; its revision goes up.
    pub async fn put_alert_condition(&mut self, row: &ConditionRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO alert_condition (tenant_id, id, name, enabled, severity, threshold, window_secs, filter, \
             group_by, revision, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT (tenant_id, id) DO \
             UPDATE SET name = excluded.name, enabled = excluded.enabled, severity = excluded.severity, threshold = \
             excluded.threshold, window_secs = excluded.window_secs, filter = excluded.filter, group_by = \
             excluded.group_by, revision = alert_condition.revision + 1, updated_at = excluded.updated_at",
        )
        .bind(self.tenant())
        .bind(&row.id)
        .bind(&row.name)
        .bind(row.enabled)
        .bind(&row.severity)
        .bind(row.threshold)
        .bind(row.window_secs)
        .bind(&row.filter)
        .bind(&row.group_by)
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Deletes a condition's row.
    pub async fn delete_alert_condition(&mut self, id: &str) -> Result<(), StoreError> {
        query("DELETE FROM alert_condition WHERE tenant_id = ? AND id = ?")
            .bind(self.tenant())
            .bind(id)
            .execute(&mut self.tx)
            .await?;
        Ok(())
    }

    /// An alert as this transaction sees it.
    pub async fn alert(&mut self, id: Uuid) -> Result<Option<AlertRow>, StoreError> {
        let mut query = query(ALERTS);
        query.push(" WHERE tenant_id = ").push_bind(self.tenant()).push(" AND id = ").push_bind(id);
        query.rows(&mut self.tx).await?.first().map(alert).transpose()
    }

    /// The alerts that stand for their condition and group, as this transaction sees them.
    pub async fn alerts_active(&mut self) -> Result<Vec<AlertRow>, StoreError> {
        let mut query = query(ALERTS);
        query.push(" WHERE tenant_id = ").push_bind(self.tenant()).push(" AND active = 1");
        query.rows(&mut self.tx).await?.iter().map(alert).collect()
    }

    /// Raises an alert.
    pub async fn insert_alert(&mut self, row: &AlertRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO alert (tenant_id, id, condition_id, condition_name, group_key, subject, computer_id, severity, \
             state, active, count, first_at, last_at, resolved_at, args, comment, state_by, state_at, revision) VALUES \
             (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
        )
        .bind(self.tenant())
        .bind(row.id)
        .bind(&row.condition)
        .bind(&row.condition_name)
        .bind(&row.group)
        .bind(&row.subject)
        .bind(row.computer)
        .bind(&row.severity)
        .bind(&row.state)
        .bind(row.active)
        .bind(row.count)
        .bind(row.first_at.0)
        .bind(row.last_at.0)
        .bind(row.resolved_at.map(|at| at.0))
        .bind(to_json("alert.args", &row.args)?)
        .bind(&row.comment)
        .bind(&row.state_by)
        .bind(row.state_at.map(|at| at.0))
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Writes an alert back; its revision goes up.
    pub async fn update_alert(&mut self, row: &AlertRow) -> Result<(), StoreError> {
        query(
            "UPDATE alert SET subject = ?, severity = ?, state = ?, active = ?, count = ?, last_at = ?, resolved_at = ?, \
             args = ?, comment = ?, state_by = ?, state_at = ?, revision = revision + 1 WHERE tenant_id = ? AND id = ?",
        )
        .bind(&row.subject)
        .bind(&row.severity)
        .bind(&row.state)
        .bind(row.active)
        .bind(row.count)
        .bind(row.last_at.0)
        .bind(row.resolved_at.map(|at| at.0))
        .bind(to_json("alert.args", &row.args)?)
        .bind(&row.comment)
        .bind(&row.state_by)
        .bind(row.state_at.map(|at| at.0))
        .bind(self.tenant())
        .bind(row.id)
        .execute(&mut self.tx)
        .await?;
        Ok(())
    }

    /// Notes what became of an alert, for the channels.
    pub async fn insert_alert_change(&mut self, what: &str, alert: &str) -> Result<(), StoreError> {
        // One writer a tenant: nobody else takes the same place.
        query(
            "INSERT INTO alert_change (tenant_id, sequence, at, what, alert) SELECT ?, coalesce(max(sequence), 0) + 1, \
             ?, ?, ? FROM alert_change WHERE tenant_id = ?",
        )
        .bind(self.tenant())
        .bind(self.now.0)
        .bind(what)
        .bind(alert)
        .bind(self.tenant())
        .execute(&mut self.tx)
        .await?;
        Ok(())
    }
}
