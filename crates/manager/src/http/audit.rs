//! The audit trail.
use super::auth::{Access, Caller, Resource};
use super::extract::{Query, limit, page};
use crate::app::App;
use crate::problem::Refused;
use axum::Json;
use axum::extract::State;
use sakimori_api::{AuditRecord, Page};
use std::sync::Arc;

/// The changes, newest first.
#[utoipa::path(get, path = "/audit-records", tag = "audit-records", operation_id = "listAuditRecords",
    params(super::ListQuery), responses((status = 200, body = Page<AuditRecord>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<AuditRecord>>, Refused> {
    let ctx = caller.may(Resource::Audit, Access::Read)?;
    let limit = limit(query.limit)?;
    let before = match query.cursor.as_deref().map(str::parse::<u64>) {
        None => u64::MAX,
        Some(Ok(before)) => before,
        Some(Err(_)) => return Err(Refused::invalid("cursor is not one that this list gave.")),
    };
    let rows = app.store.audit_records(ctx, before, limit + 1).await?;
    Ok(Json(page(rows, limit, |record| record.sequence.to_string())))
}
