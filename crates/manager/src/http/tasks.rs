//! Scheduled tasks, their runs, and how far computers are in them.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, Query, check_if_match, limit, name, page};
use crate::app::App;
use crate::clock;
use crate::problem::Refused;
use crate::store::{Change, TaskRow, TaskRunRow, TenantCtx};
use crate::tasks::{begin, kind, next, schedule::Schedule, word};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{NewTask, Page, Patch, Task, TaskKind, TaskPatch, TaskRun, TaskRunComputer, TaskRunState};
use std::sync::Arc;
use uuid::Uuid;

/// Most tasks of a tenant.
const TASKS: u64 = 200;

fn shown_run(row: &TaskRunRow) -> TaskRun {
    let [waiting, sent, done, failed] = row.computers.map(|n| u64::try_from(n).unwrap_or_default());
    TaskRun {
        id: row.id,
        task_id: row.task,
        due_at: clock::text(row.due_at),
        state: match row.state.as_str() {
            "succeeded" => TaskRunState::Succeeded,
            "failed" => TaskRunState::Failed,
            "missed" => TaskRunState::Missed,
            _ => TaskRunState::Running,
        },
        started_at: clock::text(row.started_at),
        finished_at: row.finished_at.map(clock::text),
        asked_by: (!row.asked_by.is_empty()).then(|| row.asked_by.clone()),
        message: row.message.clone(),
        waiting,
        sent,
        done,
        failed,
    }
}

async fn shown(app: &App, ctx: &TenantCtx, row: &TaskRow) -> Result<Task, Refused> {
    let last = app.store.task_runs(ctx, row.id, None, 1).await?;
    Ok(Task {
        id: row.id,
        name: row.name.clone(),
        kind: kind(&row.kind).unwrap_or(TaskKind::Retention),
        schedule: row.schedule.clone(),
        time_zone: row.time_zone.clone(),
        jitter_secs: row.jitter_secs,
        window_secs: row.window_secs,
        policy_id: row.policy,
        enabled: row.enabled,
        next_at: row.next_at.filter(|_| row.enabled).map(clock::text),
        last_run: last.first().map(shown_run),
        updated_at: clock::text(row.updated_at),
        etag: etag(row),
    })
}

fn etag(row: &TaskRow) -> String {
    format!("\"{}\"", row.revision)
}

fn with_etag(status: StatusCode, task: &Task) -> Response {
    let mut response = (status, Json(task)).into_response();
    if let Ok(value) = HeaderValue::from_str(&task.etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

fn audited(row: &TaskRow) -> serde_json::Value {
    serde_json::json!({
        "name": row.name, "kind": row.kind, "schedule": row.schedule, "timeZone": row.time_zone,
        "jitterSecs": row.jitter_secs, "windowSecs": row.window_secs, "policyId": row.policy, "enabled": row.enabled,
    })
}

fn change<'a>(action: &'a str, before: Option<&TaskRow>, after: Option<&TaskRow>) -> Change<'a> {
    let id = before.or(after).map(|row| row.id.to_string()).unwrap_or_default();
    Change {
        action,
        object_kind: "task",
        object_id: id,
        before: before.map(audited),
        after: after.map(audited),
    }
}

/// What is wrong with a task, whoever wrote it.
async fn check(app: &App, ctx: &TenantCtx, row: &TaskRow) -> Result<(), Refused> {
    if let Err(wrong) = Schedule::parse(&row.schedule, &row.time_zone) {
        return Err(Refused::field(&format!("/{}", wrong.member), "invalid", &wrong.message));
    }
    if row.jitter_secs > 86_400 {
        return Err(Refused::field("/jitterSecs", "out-of-range", "At most 86400: a day."));
    }
    if !(60..=604_800).contains(&row.window_secs) || row.window_secs < row.jitter_secs {
        return Err(Refused::field(
            "/windowSecs",
            "out-of-range",
            "From 60 to 604800, and not less than jitterSecs.",
        ));
    }
    if let Some(policy) = row.policy
        && !app.store.policies(ctx).await?.iter().any(|one| one.id == policy)
    {
        return Err(Refused::field("/policyId", "unknown", "There is no such policy."));
    }
    if row.kind == "backup" && ctx.tenant != app.tenant {
        return Err(Refused::field(
            "/kind",
            "forbidden",
            "A backup holds every tenant's rows: the first tenant makes it.",
        ));
    }
    if row.kind == "content-update" && ctx.tenant != app.tenant {
        return Err(Refused::field(
            "/kind",
            "forbidden",
            "The rules are the same for every tenant: the first tenant updates them.",
        ));
    }
    Ok(())
}

/// The tasks.
#[utoipa::path(get, path = "/tasks", tag = "tasks", operation_id = "listTasks",
    params(super::ListQuery), responses((status = 200, body = Page<Task>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<Task>>, Refused> {
    let ctx = caller.may(Resource::Tasks, Access::Read)?;
    let limit = limit(query.limit)?;
    let rows = app.store.tasks(ctx, query.cursor.as_deref().unwrap_or_default(), limit + 1).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        items.push(shown(&app, ctx, row).await?);
    }
    Ok(Json(page(items, limit, |task| task.id.to_string())))
}

/// Makes a task.
#[utoipa::path(post, path = "/tasks", tag = "tasks", operation_id = "createTask",
    request_body = NewTask, responses((status = 201, body = Task)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(new): Message<NewTask>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Tasks, Access::Write)?;
    let now = app.clock.now();
    let mut row = TaskRow {
        id: Uuid::now_v7(),
        name: name("/name", &new.name)?,
        kind: word(new.kind).to_owned(),
        schedule: new.schedule,
        time_zone: new.time_zone.unwrap_or_else(|| "UTC".to_owned()),
        jitter_secs: new.jitter_secs.unwrap_or(600),
        window_secs: new.window_secs.unwrap_or(4 * 3_600),
        policy: new.policy_id,
        enabled: new.enabled.unwrap_or(true),
        next_at: None,
        revision: 1,
        updated_at: now,
    };
    check(&app, ctx, &row).await?;
    row.next_at = next(&row, now);
    let mut write = app.store.begin(ctx, now).await?;
    if write.count_tasks().await? >= TASKS {
        return Err(Refused::conflict(
            "too-many",
            "There are as many tasks as there may be.",
            "Delete one that is not used.",
        ));
    }
    write.put_task(&row).await?;
    write.audit(change("task.create", None, Some(&row))).await?;
    write.commit().await?;
    Ok(with_etag(StatusCode::CREATED, &shown(&app, ctx, &row).await?))
}

/// One task.
#[utoipa::path(get, path = "/tasks/{id}", tag = "tasks", operation_id = "getTask",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Task)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Tasks, Access::Read)?;
    let row = app.store.task(ctx, id).await?.ok_or_else(|| Refused::not_found("task"))?;
    Ok(with_etag(StatusCode::OK, &shown(&app, ctx, &row).await?))
}

/// Changes a task. Merge patch. A run at work goes on as it began.
#[utoipa::path(patch, path = "/tasks/{id}", tag = "tasks", operation_id = "updateTask",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body(content = TaskPatch, content_type = "application/json"),
    responses((status = 200, body = Task)))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Message(patch): Message<TaskPatch>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Tasks, Access::Write)?;
    let now = app.clock.now();
    let mut write = app.store.begin(ctx, now).await?;
    let mut row = write.task(id).await?.ok_or_else(|| Refused::not_found("task"))?;
    check_if_match(&headers, &etag(&row))?;
    let before = row.clone();
    if let Some(text) = patch.name {
        row.name = name("/name", &text)?;
    }
    row.schedule = patch.schedule.unwrap_or(row.schedule);
    row.time_zone = patch.time_zone.unwrap_or(row.time_zone);
    row.jitter_secs = patch.jitter_secs.unwrap_or(row.jitter_secs);
    row.window_secs = patch.window_secs.unwrap_or(row.window_secs);
    row.enabled = patch.enabled.unwrap_or(row.enabled);
    match patch.policy_id {
        Patch::Keep => {}
        Patch::Clear => row.policy = None,
        Patch::Set(policy) => row.policy = Some(policy),
    }
    check(&app, ctx, &row).await?;
    row.next_at = next(&row, now);
    write.put_task(&row).await?;
    write.audit(change("task.update", Some(&before), Some(&row))).await?;
    write.commit().await?;
    row.revision += 1;
    row.updated_at = now;
    Ok(with_etag(StatusCode::OK, &shown(&app, ctx, &row).await?))
}

/// Deletes a task with its runs.
#[utoipa::path(delete, path = "/tasks/{id}", tag = "tasks", operation_id = "deleteTask",
    params(("id" = uuid::Uuid, Path)), responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Tasks, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let row = write.task(id).await?.ok_or_else(|| Refused::not_found("task"))?;
    write.delete_task(id).await?;
    write.audit(change("task.delete", Some(&row), None)).await?;
    write.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Runs of a task, newest first.
#[utoipa::path(get, path = "/tasks/{id}/runs", tag = "tasks", operation_id = "listTaskRuns",
    params(("id" = uuid::Uuid, Path), super::ListQuery), responses((status = 200, body = Page<TaskRun>)))]
pub(super) async fn runs(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<TaskRun>>, Refused> {
    let ctx = caller.may(Resource::Tasks, Access::Read)?;
    let limit = limit(query.limit)?;
    let before = match query.cursor.as_deref().map(Uuid::parse_str) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Err(Refused::invalid("cursor is not one that this list gave.")),
    };
    app.store.task(ctx, id).await?.ok_or_else(|| Refused::not_found("task"))?;
    let rows = app.store.task_runs(ctx, id, before, limit + 1).await?;
    Ok(Json(page(rows.iter().map(shown_run).collect(), limit, |run| run.id.to_string())))
}

/// Runs a task now, whatever its schedule says and even if it is not in force.
#[utoipa::path(post, path = "/tasks/{id}/runs", tag = "tasks", operation_id = "runTask",
    params(("id" = uuid::Uuid, Path)), responses((status = 202, body = TaskRun)))]
pub(super) async fn run(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Tasks, Access::Write)?;
    let now = app.clock.now();
    let running = app.store.task_runs_running(ctx).await?.iter().any(|run| run.task == id);
    let mut write = app.store.begin(ctx, now).await?;
    let row = write.task(id).await?.ok_or_else(|| Refused::not_found("task"))?;
    if running {
        return Err(Refused::conflict("running", "The task is at work.", "Wait for its end."));
    }
    let run = begin(&mut write, &app, ctx, &row, (now, &ctx.actor.name)).await?;
    let after = serde_json::json!({"run": run.id});
    let change = Change {
        action: "task.run",
        object_kind: "task",
        object_id: id.to_string(),
        before: None,
        after: Some(after),
    };
    write.audit(change).await?;
    write.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(shown_run(&run))).into_response())
}

/// How far each computer is in a run.
#[utoipa::path(get, path = "/task-runs/{id}/computers", tag = "tasks", operation_id = "listTaskRunComputers",
    params(("id" = uuid::Uuid, Path), super::ListQuery), responses((status = 200, body = Page<TaskRunComputer>)))]
pub(super) async fn computers(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<TaskRunComputer>>, Refused> {
    let ctx = caller.may(Resource::Tasks, Access::Read)?;
    caller.may(Resource::Computers, Access::Read)?;
    let limit = limit(query.limit)?;
    let after = query.cursor.as_deref().unwrap_or_default();
    let rows = app.store.task_run_computers(ctx, id, after, limit + 1).await?;
    let items = rows
        .into_iter()
        .map(|(row, computer_name)| TaskRunComputer {
            computer_id: row.computer,
            computer_name,
            state: row.state,
            at: clock::text(row.at),
            message: row.message,
        })
        .collect();
    Ok(Json(page(items, limit, |row: &TaskRunComputer| row.computer_id.to_string())))
}
