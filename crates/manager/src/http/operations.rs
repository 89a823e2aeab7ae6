//! Operations: begun by a request that is answered with 202, looked at until they have ended.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, Query, limit, page};
use super::{event_export, event_search};
use crate::app::App;
use crate::clock;
use crate::problem::Refused;
use crate::store::{Change, OperationRow, TenantCtx};
use crate::tasks::operations::{AT_ONCE, KEPT, kind, results};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{NewEventExport, Operation, OperationKind, OperationState, Page};
use std::path::Path;
use std::sync::Arc;
use tokio_util::io::ReaderStream;
use uuid::Uuid;

fn shown(row: OperationRow) -> Option<Operation> {
    Some(Operation {
        id: row.id,
        kind: kind(&row.kind)?,
        state: match row.state.as_str() {
            "succeeded" => OperationState::Succeeded,
            "failed" => OperationState::Failed,
            _ => OperationState::Running,
        },
        done: row.done,
        total: row.total,
        message: row.message,
        result: row.result.map(|_file| format!("/api/v1/operations/{}/result", row.id)),
        asked_by: row.asked_by,
        created_at: clock::text(row.created_at),
        finished_at: row.finished_at.map(clock::text),
        expires_at: row.finished_at.map(|at| clock::text(at.plus(KEPT))),
    })
}

/// Begins an operation, in the audit trail, and says where to look.
async fn begin(
    app: &App,
    ctx: &TenantCtx,
    (word, kind): (&str, OperationKind),
    asked: serde_json::Value,
) -> Result<Response, Refused> {
    let now = app.clock.now();
    let row = OperationRow {
        id: Uuid::now_v7(),
        kind: word.to_owned(),
        state: "running".to_owned(),
        asked: asked.to_string(),
        asked_by: ctx.actor.name.clone(),
        done: 0,
        total: None,
        message: String::new(),
        result: None,
        created_at: now,
        finished_at: None,
    };
    let mut write = app.store.begin(ctx, now).await?;
    if !write.insert_operation(&row, AT_ONCE).await? {
        let title = "Too many operations are at work.";
        return Err(Refused::conflict("too-many", title, "Wait until one of them has ended."));
    }
    write
        .audit(Change {
            action: "operation.create",
            object_kind: "operation",
            object_id: row.id.to_string(),
            before: None,
            after: Some(serde_json::json!({"kind": kind, "asked": asked})),
        })
        .await?;
    write.commit().await?;
    let at = format!("/api/v1/operations/{}", row.id);
    let mut response = (StatusCode::ACCEPTED, Json(shown(row))).into_response();
    if let Ok(value) = HeaderValue::from_str(&at) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    Ok(response)
}

/// The operations, newest first.
#[utoipa::path(get, path = "/operations", tag = "operations", operation_id = "listOperations",
    params(super::ListQuery), responses((status = 200, body = Page<Operation>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<Operation>>, Refused> {
    let ctx = caller.may(Resource::Operations, Access::Read)?;
    let limit = limit(query.limit)?;
    let rows = app.store.operations(ctx, query.cursor.as_deref().unwrap_or("~"), limit + 1).await?;
    let operations = rows.into_iter().filter_map(shown).collect();
    Ok(Json(page(operations, limit, |operation: &Operation| operation.id.to_string())))
}

/// How far an operation is.
#[utoipa::path(get, path = "/operations/{id}", tag = "operations", operation_id = "getOperation",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Operation)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Operation>, Refused> {
    let ctx = caller.may(Resource::Operations, Access::Read)?;
    let row = app.store.operation(ctx, id).await?.and_then(shown);
    row.map(Json).ok_or_else(|| Refused::not_found("operation"))
}

/// The file that an operation made.
#[utoipa::path(get, path = "/operations/{id}/result", tag = "operations", operation_id = "getOperationResult",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, content((String = "text/csv"), (String = "application/x-ndjson")))))]
pub(super) async fn result(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Operations, Access::Read)?;
    // Files of events alone are given out.
    caller.may(Resource::Events, Access::Read)?;
    let row = app.store.operation(ctx, id).await?.ok_or_else(|| Refused::not_found("operation"))?;
    let Some(name) = row.result else {
        let title = "The operation has no result to fetch.";
        return Err(Refused::conflict("no-result", title, "Look at its state and its message."));
    };
    let file = tokio::fs::File::open(results(&app, ctx.tenant).join(&name)).await.map_err(|_gone| {
        let title = "The file is not with this manager.";
        Refused::conflict(
            "result-elsewhere",
            title,
            "Ask the manager that made it, or begin the operation again.",
        )
    })?;
    let csv = Path::new(&name).extension().is_some_and(|ending| ending == "csv");
    let kind = if csv { "text/csv; charset=utf-8" } else { "application/x-ndjson" };
    let disposition = format!("attachment; filename=\"events.{}\"", if csv { "csv" } else { "jsonl" });
    let body = Body::from_stream(ReaderStream::new(file));
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)], body)
        .into_response())
}

/// Writes events to a file.
#[utoipa::path(post, path = "/events/exports", tag = "events", operation_id = "startEventExport",
    request_body = NewEventExport, responses((status = 202, body = Operation)))]
pub(super) async fn export_events(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(new): Message<NewEventExport>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Events, Access::Read)?;
    if new.limit.is_some_and(|limit| !(1..=event_export::MOST).contains(&limit)) {
        return Err(Refused::field("/limit", "out-of-range", "1 to 1000000000, or left out for all."));
    }
    event_search::of_export(&new, app.clock.now())?;
    begin(&app, ctx, ("event-export", OperationKind::EventExport), serde_json::to_value(&new)?).await
}

/// Writes everything that the manager keeps to a file beside its data.
#[utoipa::path(post, path = "/backups", tag = "operations", operation_id = "startBackup",
    responses((status = 202, body = Operation)))]
pub(super) async fn back_up(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Tasks, Access::Write)?;
    begin(&app, ctx, ("backup", OperationKind::Backup), serde_json::json!({})).await
}

/// Asks all computers what is installed on them, where the recommendation scan is on.
#[utoipa::path(post, path = "/recommendation-scans", tag = "computers", operation_id = "startRecommendationScan",
    responses((status = 202, body = Operation)))]
pub(super) async fn scan(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let kind = ("recommendation-scan", OperationKind::RecommendationScan);
    begin(&app, ctx, kind, serde_json::json!({})).await
}
