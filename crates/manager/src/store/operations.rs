//! Operations: work that takes longer than a request.
use super::db::{Row, query};
use super::{Store, StoreError, TenantCtx, Write, uuid};
use sakimori_model::Timestamp;
use uuid::Uuid;

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationRow {
    /// Id.
    pub id: Uuid,
    /// The word of its kind.
    pub kind: String,
    /// `running`, `succeeded` or `failed`.
    pub state: String,
    /// What was asked, as JSON.
    pub asked: String,
    /// Who asked.
    pub asked_by: String,
    /// How much is done.
    pub done: u64,
    /// Of how much.
    pub total: Option<u64>,
    /// What came of it.
    pub message: String,
    /// Name of the file with the result.
    pub result: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationEnd {
    /// Whether it was done.
    pub succeeded: bool,
    /// What came of it.
    pub message: String,
    /// Name of the file with the result.
    pub result: Option<String>,
}

const OPERATIONS: &str = "SELECT id, kind, state, asked, asked_by, done, total, message, result, created_at, finished_at \
     FROM operation";

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn operation(row: &Row) -> Result<OperationRow, StoreError> {
    Ok(OperationRow {
        id: uuid(&row.get::<String>("id")?),
        kind: row.get("kind")?,
        state: row.get("state")?,
        asked: row.get("asked")?,
        asked_by: row.get("asked_by")?,
        done: u64::try_from(row.get::<i64>("done")?).unwrap_or_default(),
        total: row.get::<Option<i64>>("total")?.and_then(|total| u64::try_from(total).ok()),
        message: row.get("message")?,
        result: row.get("result")?,
        created_at: Timestamp(row.get("created_at")?),
        finished_at: row.get::<Option<i64>>("finished_at")?.map(Timestamp),
    })
}

impl Store {
    /// The operations before `before`, newest first.
    pub async fn operations(
        &self,
        ctx: &TenantCtx,
        before: &str,
        limit: u32,
    ) -> Result<Vec<OperationRow>, StoreError> {
        let mut query = query(OPERATIONS);
        query.push(" WHERE tenant_id = ").push_bind(ctx.tenant).push(" AND id < ").push_bind(before);
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
        query.rows(self.read(ctx)).await?.iter().map(operation).collect()
    }

    /// An operation.
    pub async fn operation(&self, ctx: &TenantCtx, id: Uuid) -> Result<Option<OperationRow>, StoreError> {
        let mut query = query(OPERATIONS);
        query.push(" WHERE tenant_id = ").push_bind(ctx.tenant).push(" AND id = ").push_bind(id);
        query.rows(self.read(ctx)).await?.first().map(operation).transpose()
    }

    /// The operations at work, oldest first.
    pub async fn operations_running(&self, ctx: &TenantCtx) -> Result<Vec<OperationRow>, StoreError> {
        let mut query = query(OPERATIONS);
        query.push(" WHERE tenant_id = ").push_bind(ctx.tenant).push(" AND state = 'running' ORDER BY id");
        query.rows(self.read(ctx)).await?.iter().map(operation).collect()
    }
}

impl Write {
    /// Asks for an operation; `false` where `most` are at work already.
    pub async fn insert_operation(&mut self, row: &OperationRow, most: i64) -> Result<bool, StoreError> {
        let running: Option<(i64,)> =
            query("SELECT COUNT(*) FROM operation WHERE tenant_id = ? AND state = 'running'")
                .bind(self.tenant())
                .fetch_optional(&mut self.tx)
                .await?;
        if running.is_some_and(|(running,)| running >= most) {
            return Ok(false);
        }
        query(
            "INSERT INTO operation (tenant_id, id, kind, state, asked, asked_by, done, message, created_at) \
             VALUES (?, ?, ?, 'running', ?, ?, 0, '', ?)",
        )
        .bind(self.tenant())
        .bind(row.id)
        .bind(&row.kind)
        .bind(&row.asked)
        .bind(&row.asked_by)
        .bind(row.created_at.0)
        .execute(&mut self.tx)
        .await?;
        Ok(true)
    }

    /// How far an operation is.
    pub async fn operation_progress(
        &mut self,
        id: Uuid,
        done: u64,
        total: Option<u64>,
    ) -> Result<(), StoreError> {
        query(
            "UPDATE operation SET done = ?, total = ? WHERE tenant_id = ? AND id = ? AND state = 'running'",
        )
        .bind(number(done))
        .bind(total.map(number))
        .bind(self.tenant())
        .bind(id)
        .execute(&mut self.tx)
        .await?;
        Ok(())
    }

    /// Ends an operation.
    pub async fn end_operation(&mut self, id: Uuid, end: &OperationEnd) -> Result<(), StoreError> {
        query(
            "UPDATE operation SET state = ?, message = ?, result = ?, finished_at = ? \
             WHERE tenant_id = ? AND id = ? AND state = 'running'",
        )
        .bind(if end.succeeded { "succeeded" } else { "failed" })
        .bind(&end.message)
        .bind(end.result.as_deref())
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(id)
        .execute(&mut self.tx)
        .await?;
        Ok(())
    }

    /// Deletes operations that ended before a time: the names of their files.
    pub async fn delete_operations(&mut self, before: Timestamp) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(Option<String>,)> =
            query("DELETE FROM operation WHERE tenant_id = ? AND finished_at < ? RETURNING result")
                .bind(self.tenant())
                .bind(before.0)
                .fetch_all(&mut self.tx)
                .await?;
        Ok(rows.into_iter().filter_map(|(result,)| result).collect())
    }
}
