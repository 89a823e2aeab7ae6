//! The audit trail: one chain of records a tenant, each with the hash of the one before.
//!
//! A record is written in the transaction of the change it tells of, so neither is there without the other.
use super::db::query;
use super::{Store, StoreError, Write, json, to_json, uuid};
use crate::clock;
use crate::secrets;
use crate::store::TenantCtx;
use sakimori_api::AuditRecord;
use sakimori_model::Timestamp;
use serde_json::Value;

/// What was changed.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// `policy.update`.
    pub action: &'a str,
    /// `policy`.
    pub object_kind: &'a str,
    /// Which one.
    pub object_id: String,
    /// As it was, without secrets.
    pub before: Option<Value>,
    /// As it is now, without secrets.
    pub after: Option<Value>,
}

type Row = (
    i64,
    i64,
    String,
    Option<String>,
    String,
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    String,
);

const COLUMNS: &str = "SELECT sequence, at, actor_kind, actor_id, actor_name, action, object_kind, object_id, \
     before, after, hash FROM audit_record";

fn record(row: Row) -> Result<AuditRecord, StoreError> {
    let (sequence, at, actor_kind, actor_id, actor_name, action, object_kind, object_id, before, after, hash) =
        row;
    Ok(AuditRecord {
        sequence: u64::try_from(sequence).unwrap_or_default(),
        at: clock::text(Timestamp(at)),
        actor_kind,
        actor_id: actor_id.map(|id| uuid(&id)),
        actor_name,
        action,
        object_kind,
        object_id,
        before: before.map(|text| json("audit_record.before", &text)).transpose()?,
        after: after.map(|text| json("audit_record.after", &text)).transpose()?,
        hash,
    })
}

/// The hash of a record that follows one with the hash `previous`.
fn chained(previous: &str, record: &AuditRecord) -> Result<String, StoreError> {
    let mut unhashed = record.clone();
    unhashed.hash = String::new();
    Ok(secrets::digest(&format!("{previous}\n{}", to_json("audit_record", &unhashed)?)))
}

/// The first record, by its place, that does not follow from those before it. Records oldest first.
pub fn verify_chain(records: &[AuditRecord]) -> Result<Option<u64>, StoreError> {
    let mut previous = String::new();
    for (expected, record) in (1..).zip(records) {
        if record.sequence != expected || chained(&previous, record)? != record.hash {
            return Ok(Some(expected));
        }
        previous.clone_from(&record.hash);
    }
    Ok(None)
}

impl Store {
    /// The records, newest first, before the place `before`.
    pub async fn audit_records(
        &self,
        ctx: &TenantCtx,
        before: u64,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let mut query = query(COLUMNS);
        query
            .push(" WHERE tenant_id = ")
            .push_bind(ctx.tenant.to_string())
            .push(" AND sequence < ")
            .push_bind(i64::try_from(before).unwrap_or(i64::MAX))
            .push(" ORDER BY sequence DESC LIMIT ")
            .push_bind(limit);
        let rows: Vec<Row> = query.fetch_all(self.read(ctx)).await?;
        rows.into_iter().map(record).collect()
    }
}

impl Write {
    /// Adds what this transaction does to the audit trail.
    pub async fn audit(&mut self, change: Change<'_>) -> Result<(), StoreError> {
        let last: Option<(i64, String)> = query(
            "SELECT sequence, hash FROM audit_record WHERE tenant_id = ? ORDER BY sequence DESC LIMIT 1",
        )
        .bind(self.tenant())
        .fetch_optional(&mut self.tx)
        .await?;
        let (sequence, previous) = last.unwrap_or_default();
        let mut record = AuditRecord {
            sequence: u64::try_from(sequence + 1).unwrap_or_default(),
            at: clock::text(self.now),
            actor_kind: self.ctx.actor.kind.to_owned(),
            actor_id: self.ctx.actor.id,
            actor_name: self.ctx.actor.name.clone(),
            action: change.action.to_owned(),
            object_kind: change.object_kind.to_owned(),
            object_id: change.object_id,
            before: change.before,
            after: change.after,
            hash: String::new(),
        };
        record.hash = chained(&previous, &record)?;
        let text = |value: &Option<Value>| value.as_ref().map(ToString::to_string);
        query(
            "INSERT INTO audit_record (tenant_id, sequence, at, actor_kind, actor_id, actor_name, action, \
             object_kind, object_id, before, after, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(sequence + 1)
        .bind(self.now.0)
        .bind(&record.actor_kind)
        .bind(record.actor_id.map(|id| id.to_string()))
        .bind(&record.actor_name)
        .bind(&record.action)
        .bind(&record.object_kind)
        .bind(&record.object_id)
        .bind(text(&record.before))
        .bind(text(&record.after))
        .bind(&record.hash)
        .execute(&mut self.tx)
        .await?;
        Ok(())
    }
}
