//! Event-based tasks, and what the manager has to say of their outcome.
use super::db::query;
use super::{Store, StoreError, Write, json, to_json, uuid};
use crate::event_based_tasks::Rule;
use crate::store::TenantCtx;
use sakimori_model::Timestamp;
use uuid::Uuid;

/// An event-based task.
#[derive(Clone, Debug)]
pub struct EventBasedTaskRow {
    /// Id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its place.
    pub position: u32,
    /// Whether it is in force.
    pub enabled: bool,
    /// Triggers, conditions, actions.
    pub rule: Rule,
    /// Counts its changes.
    pub revision: i64,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Something that the manager has to say itself, as an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeRow {
    /// Id; the stream epoch of its event, so that it is never among the events twice.
    pub id: Uuid,
    /// The computer; the nil id for the fleet.
    pub computer: Uuid,
    /// Its name.
    pub computer_name: String,
    /// When.
    pub at: Timestamp,
    /// Severity.
    pub severity: String,
    /// The notice's code.
    pub code: String,
    /// Values for its sentence.
    pub args: Vec<(String, String)>,
}

type Row = (String, String, i64, i64, String, i64, i64);
type NoticeTuple = (String, String, String, i64, String, String, String);

const ALL: &str = "SELECT id, name, position, enabled, rule, revision, updated_at FROM event_based_task \
     WHERE tenant_id = ? ORDER BY position, name";

fn task(
    (id, name, position, enabled, rule, revision, updated_at): Row,
) -> Result<EventBasedTaskRow, StoreError> {
    Ok(EventBasedTaskRow {
        id: uuid(&id),
        name,
        position: u32::try_from(position).unwrap_or(u32::MAX),
        enabled: enabled != 0,
        rule: json("event_based_task.rule", &rule)?,
        revision,
        updated_at: Timestamp(updated_at),
    })
}

fn notice(
    (id, computer, computer_name, at, severity, code, args): NoticeTuple,
) -> Result<NoticeRow, StoreError> {
    Ok(NoticeRow {
        id: uuid(&id),
        computer: uuid(&computer),
        computer_name,
        at: Timestamp(at),
        severity,
        code,
        args: json("manager_notice.args", &args)?,
    })
}

impl Store {
    /// The tasks, in the order in which they are asked.
    pub async fn event_based_tasks(&self, ctx: &TenantCtx) -> Result<Vec<EventBasedTaskRow>, StoreError> {
        let rows: Vec<Row> = query(ALL).bind(ctx.tenant).fetch_all(self.read(ctx)).await?;
        rows.into_iter().map(task).collect()
    }

    /// What is not among the events yet, oldest first.
    pub async fn manager_notices(&self, ctx: &TenantCtx, limit: u32) -> Result<Vec<NoticeRow>, StoreError> {
        let rows: Vec<NoticeTuple> = query(
            "SELECT id, computer_id, computer_name, at, severity, code, args FROM manager_notice \
             WHERE tenant_id = ? ORDER BY id LIMIT ?",
        )
        .bind(ctx.tenant)
        .bind(limit)
        .fetch_all(self.read(ctx))
        .await?;
        rows.into_iter().map(notice).collect()
    }

    /// Forgets a notice that is among the events.
    pub async fn manager_notice_done(&self, ctx: &TenantCtx, id: Uuid) -> Result<(), StoreError> {
        query("DELETE FROM manager_notice WHERE tenant_id = ? AND id = ?")
            .bind(ctx.tenant)
            .bind(id)
            .execute(super::db::On::Write(&self.db, super::db::Scope::Tenant(ctx.tenant)))
            .await?;
        Ok(())
    }

    /// A setting of the tenant.
    pub async fn setting(&self, ctx: &TenantCtx, name: &str) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = query("SELECT value FROM setting WHERE tenant_id = ? AND name = ?")
            .bind(ctx.tenant)
            .bind(name)
            .fetch_optional(self.read(ctx))
            .await?;
        Ok(row.map(|(value,)| value))
    }
}

impl Write {
    /// The tasks as this transaction sees them, in the order in which they are asked.
    pub async fn event_based_tasks(&mut self) -> Result<Vec<EventBasedTaskRow>, StoreError> {
        let rows: Vec<Row> = query(ALL).bind(self.tenant()).fetch_all(&mut self.tx).await?;
        rows.into_iter().map(task).collect()
    }

    /// Makes a task.
    pub async fn insert_event_based_task(&mut self, row: &EventBasedTaskRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO event_based_task (tenant_id, id, name, position, enabled, rule, revision, updated_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(row.id)
        .bind(&row.name)
        .bind(row.position)
        .bind(row.enabled)
        .bind(to_json("event_based_task.rule", &row.rule)?)
        .bind(row.revision)
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Writes a task back; its revision goes up.
    pub async fn update_event_based_task(&mut self, row: &EventBasedTaskRow) -> Result<(), StoreError> {
        query(
            "UPDATE event_based_task SET name = ?, position = ?, enabled = ?, rule = ?, revision = revision + 1, \
             updated_at = ? WHERE tenant_id = ? AND id = ?",
        )
        .bind(&row.name)
        .bind(row.position)
        .bind(row.enabled)
        .bind(to_json("event_based_task.rule", &row.rule)?)
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(row.id)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Deletes a task.
    pub async fn delete_event_based_task(&mut self, id: Uuid) -> Result<(), StoreError> {
        query("DELETE FROM event_based_task WHERE tenant_id = ? AND id = ?")
            .bind(self.tenant())
            .bind(id)
            .execute(&mut self.tx)
            .await?;
        Ok(())
    }

    /// Says something as the manager: it is among the events once this transaction has been committed, also after
    /// `kill -9`.
    pub async fn notice(
        &mut self,
        computer: Uuid,
        computer_name: &str,
        severity: &str,
        code: &str,
        args: &[(&str, String)],
    ) -> Result<(), StoreError> {
        query(
            "INSERT INTO manager_notice (tenant_id, id, computer_id, computer_name, at, severity, code, args) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(Uuid::now_v7())
        .bind(computer)
        .bind(computer_name)
        .bind(self.now.0)
        .bind(severity)
        .bind(code)
        .bind(to_json("manager_notice.args", &args)?)
        .execute(&mut self.tx)
        .await?;
        Ok(())
    }

    /// A setting as this transaction sees it.
    pub async fn setting(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = query("SELECT value FROM setting WHERE tenant_id = ? AND name = ?")
            .bind(self.tenant())
            .bind(name)
            .fetch_optional(&mut self.tx)
            .await?;
        Ok(row.map(|(value,)| value))
    }

    /// Keeps a setting.
    pub async fn put_setting(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        query(
            "INSERT INTO setting (tenant_id, name, value) VALUES (?, ?, ?) \
             ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value",
        )
        .bind(self.tenant())
        .bind(name)
        .bind(value)
        .execute(&mut self.tx)
        .await?;
        Ok(())
    }
}
