//! The audit trail.
use sakimori_api::{AuditRecord, Page};

/// The changes, newest first.
#[utoipa::path(get, path = "/audit-records", tag = "audit-records", operation_id = "listAuditRecords",
    params(super::ListQuery), responses((status = 200, body = Page<AuditRecord>)))]
pub(super) async fn list() {}
