//! Scheduled tasks, their runs, and how far computers are in them.
use super::db::{On, Row, Scope, query};
use super::{Store, StoreError, Write, uuid};
use crate::store::TenantCtx;
use sakimori_model::Timestamp;
use uuid::Uuid;

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// Id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What it does, by its word.
    pub kind: String,
    /// Five fields of cron.
    pub schedule: String,
    /// The name of a zone.
    pub time_zone: String,
    /// Over how long a time computers begin.
    pub jitter_secs: u32,
    /// How long after it was due a run may begin, and computers be told.
    pub window_secs: u32,
    /// Only computers with this policy.
    pub policy: Option<Uuid>,
    /// Whether it is in force.
    pub enabled: bool,
    /// When it is due.
    pub next_at: Option<Timestamp>,
    /// Counts its changes by people.
    pub revision: i64,
    /// When it was last changed by people.
    pub updated_at: Timestamp,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRunRow {
    /// Id.
    pub id: Uuid,
    /// Its task.
    pub task: Uuid,
    /// When it was due.
    pub due_at: Timestamp,
    /// `running`, `succeeded`, `failed` or `missed`.
    pub state: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Computers are told until then.
    pub ends_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Who asked for it; empty where the schedule did.
    pub asked_by: String,
    /// What came of it.
    pub message: String,
    /// How many computers are waiting, sent, done, and failed or unreached.
    pub computers: [i64; 4],
}

/// A computer in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRunComputerRow {
    /// The run.
    pub run: Uuid,
    /// The computer.
    pub computer: Uuid,
    /// `waiting`, `sent`, `done`, `failed` or `unreached`.
    pub state: String,
    /// When it came to that.
    pub at: Timestamp,
    /// What it said.
    pub message: String,
}

const TASKS: &str = "SELECT id, name, kind, schedule, time_zone, jitter_secs, window_secs, policy_id, enabled, next_at, \
     revision, updated_at FROM task";
const RUNS: &str = "SELECT id, task_id, due_at, state, started_at, ends_at, finished_at, asked_by, message, \
     (SELECT count(*) FROM task_run_computer c WHERE c.tenant_id = r.tenant_id AND c.run_id = r.id AND c.state = \
     'waiting') AS waiting, \
     (SELECT count(*) FROM task_run_computer c WHERE c.tenant_id = r.tenant_id AND c.run_id = r.id AND c.state = 'sent') \
     AS sent, \
     (SELECT count(*) FROM task_run_computer c WHERE c.tenant_id = r.tenant_id AND c.run_id = r.id AND c.state = 'done') \
     AS done, \
     (SELECT count(*) FROM task_run_computer c WHERE c.tenant_id = r.tenant_id AND c.run_id = r.id AND c.state IN \
     ('failed', 'unreached')) AS failed FROM task_run r";

fn task(row: &Row) -> Result<TaskRow, StoreError> {
    let small = |column: &str| -> Result<u32, StoreError> {
        Ok(u32::try_from(row.get::<i64>(column)?).unwrap_or_default())
    };
    Ok(TaskRow {
        id: uuid(&row.get::<String>("id")?),
        name: row.get("name")?,
        kind: row.get("kind")?,
        schedule: row.get("schedule")?,
        time_zone: row.get("time_zone")?,
        jitter_secs: small("jitter_secs")?,
        window_secs: small("window_secs")?,
        policy: row.get::<Option<String>>("policy_id")?.map(|id| uuid(&id)),
        enabled: row.get::<i64>("enabled")? != 0,
        next_at: row.get::<Option<i64>>("next_at")?.map(Timestamp),
        revision: row.get("revision")?,
        updated_at: Timestamp(row.get("updated_at")?),
    })
}

fn run(row: &Row) -> Result<TaskRunRow, StoreError> {
    Ok(TaskRunRow {
        id: uuid(&row.get::<String>("id")?),
        task: uuid(&row.get::<String>("task_id")?),
        due_at: Timestamp(row.get("due_at")?),
        state: row.get("state")?,
        started_at: Timestamp(row.get("started_at")?),
        ends_at: Timestamp(row.get("ends_at")?),
        finished_at: row.get::<Option<i64>>("finished_at")?.map(Timestamp),
        asked_by: row.get("asked_by")?,
        message: row.get("message")?,
        computers: [row.get("waiting")?, row.get("sent")?, row.get("done")?, row.get("failed")?],
    })
}

impl Store {
    /// The tasks, by id after `after`.
    pub async fn tasks(&self, ctx: &TenantCtx, after: &str, limit: u32) -> Result<Vec<TaskRow>, StoreError> {
        let mut query = query(TASKS);
        query.push(" WHERE tenant_id = ").push_bind(ctx.tenant).push(" AND id > ").push_bind(after);
        query.push(" ORDER BY id LIMIT ").push_bind(limit);
        query.rows(self.read(ctx)).await?.iter().map(task).collect()
    }

    /// A task.
    pub async fn task(&self, ctx: &TenantCtx, id: Uuid) -> Result<Option<TaskRow>, StoreError> {
        let mut query = query(TASKS);
        query.push(" WHERE tenant_id = ").push_bind(ctx.tenant).push(" AND id = ").push_bind(id);
        query.rows(self.read(ctx)).await?.first().map(task).transpose()
    }

    /// Runs of a task, newest first, older than `before`.
    pub async fn task_runs(
        &self,
        ctx: &TenantCtx,
        task: Uuid,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<TaskRunRow>, StoreError> {
        let mut query = query(RUNS);
        query.push(" WHERE r.tenant_id = ").push_bind(ctx.tenant).push(" AND r.task_id = ").push_bind(task);
        if let Some(before) = before {
            query.push(" AND r.id < ").push_bind(before);
        }
        query.push(" ORDER BY r.id DESC LIMIT ").push_bind(limit);
        query.rows(self.read(ctx)).await?.iter().map(run).collect()
    }

    /// The runs at work.
    pub async fn task_runs_running(&self, ctx: &TenantCtx) -> Result<Vec<TaskRunRow>, StoreError> {
        let mut query = query(RUNS);
        query.push(" WHERE r.tenant_id = ").push_bind(ctx.tenant).push(" AND r.state = 'running'");
        query.rows(self.read(ctx)).await?.iter().map(run).collect()
    }

    /// Computers of a run, by id after `after`.
    pub async fn task_run_computers(
        &self,
        ctx: &TenantCtx,
        run: Uuid,
        after: &str,
        limit: u32,
    ) -> Result<Vec<(TaskRunComputerRow, Option<String>)>, StoreError> {
        let rows: Vec<(String, String, i64, String, Option<String>)> = query(
            "SELECT computer_id, state, at, message, (SELECT coalesce(c.display_name, c.host_name) FROM computer c WHERE \
             c.tenant_id = r.tenant_id AND c.id = r.computer_id) FROM task_run_computer r WHERE tenant_id = ? AND \
             run_id = ? AND computer_id > ? ORDER BY computer_id LIMIT ?",
        )
        .bind(ctx.tenant)
        .bind(run)
        .bind(after)
        .bind(limit)
        .fetch_all(self.read(ctx))
        .await?;
        let row = |(computer, state, at, message, name): (String, String, i64, String, Option<String>)| {
            let row =
                TaskRunComputerRow { run, computer: uuid(&computer), state, at: Timestamp(at), message };
            (row, name)
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Computers that are to be told now, or were told before `again` and have not answered: with run and kind of task.
    pub async fn task_orders(
        &self,
        ctx: &TenantCtx,
        now: Timestamp,
        again: Timestamp,
        limit: u32,
    ) -> Result<Vec<(Uuid, Uuid, String)>, StoreError> {
        let rows: Vec<(String, String, String)> = query(
            "SELECT c.computer_id, c.run_id, t.kind FROM task_run_computer c JOIN task_run r ON r.tenant_id = c.tenant_id \
             AND r.id = c.run_id JOIN task t ON t.tenant_id = r.tenant_id AND t.id = r.task_id WHERE c.tenant_id = ? AND \
             r.state = 'running' AND ((c.state = 'waiting' AND c.not_before <= ?) OR (c.state = 'sent' AND c.at < ?)) \
             ORDER BY c.not_before LIMIT ?",
        )
        .bind(ctx.tenant)
        .bind(now.0)
        .bind(again.0)
        .bind(limit)
        .fetch_all(self.read(ctx))
        .await?;
        Ok(rows.into_iter().map(|(computer, run, kind)| (uuid(&computer), uuid(&run), kind)).collect())
    }

    /// Notes how far a computer is in a run that is still at work; what has an end stays as it is.
    pub async fn task_computer_state(
        &self,
        tenant: Uuid,
        (run, computer): (Uuid, Uuid),
        state: &str,
        message: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = query(
            "UPDATE task_run_computer SET state = ?, message = ?, at = ? WHERE tenant_id = ? AND run_id = ? AND \
             computer_id = ? AND state IN ('waiting', 'sent')",
        )
        .bind(state)
        .bind(message)
        .bind(now.0)
        .bind(tenant)
        .bind(run)
        .bind(computer)
        .execute(On::Write(&self.db, Scope::Tenant(tenant)))
        .await?;
        Ok(changed > 0)
    }
}

impl Write {
    /// A task as this transaction sees it.
    pub async fn task(&mut self, id: Uuid) -> Result<Option<TaskRow>, StoreError> {
        let mut query = query(TASKS);
        query.push(" WHERE tenant_id = ").push_bind(self.tenant()).push(" AND id = ").push_bind(id);
        query.rows(&mut self.tx).await?.first().map(task).transpose()
    }

    /// How many tasks there are.
    pub async fn count_tasks(&mut self) -> Result<u64, StoreError> {
        let row: Option<(i64,)> = query("SELECT count(*) FROM task WHERE tenant_id = ?")
            .bind(self.tenant())
            .fetch_optional(&mut self.tx)
            .await?;
        Ok(row.and_then(|(count,)| u64::try_from(count).ok()).unwrap_or_default())
    }

    /// Makes a task, or writes it back; its revision goes up.
    pub async fn put_task(&mut self, row: &TaskRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO task (tenant_id, id, name, kind, schedule, time_zone, jitter_secs, window_secs, policy_id, \
             enabled, next_at, revision, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT \
             (tenant_id, id) DO UPDATE SET name = excluded.name, schedule = excluded.schedule, time_zone = \
             excluded.time_zone, jitter_secs = excluded.jitter_secs, window_secs = excluded.window_secs, policy_id = \
             excluded.policy_id, enabled = excluded.enabled, next_at = excluded.next_at, revision = task.revision + 1, \
             updated_at = excluded.updated_at",
        )
        .bind(self.tenant())
        .bind(row.id)
        .bind(&row.name)
        .bind(&row.kind)
        .bind(&row.schedule)
        .bind(&row.time_zone)
        .bind(row.jitter_secs)
        .bind(row.window_secs)
        .bind(row.policy)
        .bind(row.enabled)
        .bind(row.next_at.map(|at| at.0))
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Notes when a task is due next, if it is due when `due` says.
    pub async fn move_task(
        &mut self,
        id: Uuid,
        due: Timestamp,
        next: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let changed = query("UPDATE task SET next_at = ? WHERE tenant_id = ? AND id = ? AND next_at = ?")
            .bind(next.map(|at| at.0))
            .bind(self.tenant())
            .bind(id)
            .bind(due.0)
            .execute(&mut self.tx)
            .await?;
        Ok(changed > 0)
    }

    /// Deletes a task with its runs.
    pub async fn delete_task(&mut self, id: Uuid) -> Result<(), StoreError> {
        query("DELETE FROM task WHERE tenant_id = ? AND id = ?")
            .bind(self.tenant())
            .bind(id)
            .execute(&mut self.tx)
            .await?;
        Ok(())
    }

    /// Begins a run.
    pub async fn insert_task_run(&mut self, row: &TaskRunRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO task_run (tenant_id, id, task_id, due_at, state, started_at, ends_at, finished_at, asked_by, \
             message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(row.id)
        .bind(row.task)
        .bind(row.due_at.0)
        .bind(&row.state)
        .bind(row.started_at.0)
        .bind(row.ends_at.0)
        .bind(row.finished_at.map(|at| at.0))
        .bind(&row.asked_by)
        .bind(&row.message)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Adds a computer to a run.
    pub async fn insert_task_computer(
        &mut self,
        run: Uuid,
        computer: Uuid,
        not_before: Timestamp,
    ) -> Result<(), StoreError> {
        query(
            "INSERT INTO task_run_computer (tenant_id, run_id, computer_id, state, not_before, at, message) VALUES \
             (?, ?, ?, 'waiting', ?, ?, '')",
        )
        .bind(self.tenant())
        .bind(run)
        .bind(computer)
        .bind(not_before.0)
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await?;
        Ok(())
    }

    /// Ends a run, if it is at work; computers without an answer were not reached.
    pub async fn end_task_run(&mut self, run: Uuid, state: &str, message: &str) -> Result<bool, StoreError> {
        let changed = query(
            "UPDATE task_run SET state = ?, message = ?, finished_at = ? WHERE tenant_id = ? AND id = ? AND state = \
             'running'",
        )
        .bind(state)
        .bind(message)
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(run)
        .execute(&mut self.tx)
        .await?;
        query(
            "UPDATE task_run_computer SET state = 'unreached', at = ? WHERE tenant_id = ? AND run_id = ? AND state IN \
             ('waiting', 'sent')",
        )
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(run)
        .execute(&mut self.tx)
        .await?;
        Ok(changed > 0)
    }

    /// Removes what became of alerts and runs of tasks before a time; the newest stay.
    pub async fn retire(&mut self, before: Timestamp) -> Result<(u64, u64), StoreError> {
        let changes = query(
            "DELETE FROM alert_change WHERE tenant_id = ? AND at < ? AND sequence < (SELECT max(sequence) FROM \
             alert_change WHERE tenant_id = ?)",
        )
        .bind(self.tenant())
        .bind(before.0)
        .bind(self.tenant())
        .execute(&mut self.tx)
        .await?;
        let runs = query("DELETE FROM task_run WHERE tenant_id = ? AND finished_at < ?")
            .bind(self.tenant())
            .bind(before.0)
            .execute(&mut self.tx)
            .await?;
        Ok((changes, runs))
    }
}
