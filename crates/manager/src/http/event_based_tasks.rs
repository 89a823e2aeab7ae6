//! Event-based tasks: what is done with a computer when something happens to it.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, Query, check_if_match, check_tag, limit, name, page};
use super::groups::check_group;
use crate::app::App;
use crate::clock;
use crate::event_based_tasks::{Facts, MAX_TASKS, Rule, check};
use crate::problem::Refused;
use crate::reactions;
use crate::store::{Change, EventBasedTaskRow, GroupRow, PolicyRow, TenantCtx, Write, names_upwards};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{
    EventBasedTask, EventBasedTaskPatch, NewEventBasedTask, Page, TaskAction, TaskActionKind, TaskTrial,
    TaskVerdict, Trigger,
};
use std::sync::Arc;
use uuid::Uuid;

/// Highest place.
const POSITIONS: u32 = 1_000_000;

fn shown(row: &EventBasedTaskRow) -> EventBasedTask {
    EventBasedTask {
        id: row.id,
        name: row.name.clone(),
        position: row.position,
        enabled: row.enabled,
        triggers: row.rule.triggers.clone(),
        conditions: row.rule.conditions.clone(),
        actions: row.rule.actions.clone(),
        updated_at: clock::text(row.updated_at),
        etag: format!("\"{}\"", row.revision),
    }
}

fn with_etag(status: StatusCode, task: &EventBasedTask) -> Response {
    let mut response = (status, Json(task)).into_response();
    if let Ok(value) = HeaderValue::from_str(&task.etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

fn change<'a>(
    action: &'a str,
    id: Uuid,
    before: Option<&EventBasedTaskRow>,
    after: Option<&EventBasedTaskRow>,
) -> Change<'a> {
    let audited = |row: &EventBasedTaskRow| {
        serde_json::json!({
            "name": row.name, "position": row.position, "enabled": row.enabled, "triggers": row.rule.triggers,
            "conditions": row.rule.conditions, "actions": row.rule.actions,
        })
    };
    Change {
        action,
        object_kind: "event-based-task",
        object_id: id.to_string(),
        before: before.map(audited),
        after: after.map(audited),
    }
}

fn check_rule(rule: &Rule, policies: &[PolicyRow], groups: &[GroupRow]) -> Result<(), Refused> {
    let mut triggers: Vec<Trigger> = Vec::new();
    for trigger in &rule.triggers {
        if triggers.contains(trigger) {
            return Err(Refused::field("/triggers", "twice", "Name each trigger once."));
        }
        triggers.push(*trigger);
    }
    if triggers.is_empty() {
        return Err(Refused::field("/triggers", "out-of-range", "Name at least one trigger."));
    }
    if rule.conditions.len() > 32 {
        return Err(Refused::field("/conditions", "out-of-range", "At most 32 conditions."));
    }
    for (at, condition) in rule.conditions.iter().enumerate() {
        let pointer = format!("/conditions/{at}/value");
        if condition.value.chars().count() > 256
            || condition.key.as_ref().is_some_and(|key| key.chars().count() > 128)
        {
            return Err(Refused::field(
                &pointer,
                "out-of-range",
                "A value has at most 256 characters, a key 128.",
            ));
        }
        check(condition).map_err(|why| Refused::field(&pointer, "not-a-pattern", &why.to_string()))?;
    }
    if rule.actions.is_empty() || rule.actions.len() > 16 {
        return Err(Refused::field("/actions", "out-of-range", "Between 1 and 16 actions."));
    }
    for (at, action) in rule.actions.iter().enumerate() {
        check_action(&format!("/actions/{at}"), action, policies, groups)?;
    }
    Ok(())
}

fn check_action(
    pointer: &str,
    action: &TaskAction,
    policies: &[PolicyRow],
    groups: &[GroupRow],
) -> Result<(), Refused> {
    let takes = |kind: TaskActionKind| action.action == kind;
    let wrong = |member: &str, message: &str| {
        Err(Refused::field(&format!("{pointer}/{member}"), "not-for-this-action", message))
    };
    match (action.policy_id, takes(TaskActionKind::AssignPolicy)) {
        (Some(id), true) if policies.iter().any(|row| row.id == id) => {}
        (Some(_), true) => {
            let message = "There is no such policy; read the list again.";
            return Err(Refused::field(&format!("{pointer}/policyId"), "no-such-policy", message));
        }
        (None, false) => {}
        _ => return wrong("policyId", "assign-policy, and nothing else, takes a policyId."),
    }
    match (action.group_id, takes(TaskActionKind::AssignGroup)) {
        (Some(id), true) => check_group(&format!("{pointer}/groupId"), id, groups)?,
        (None, false) => {}
        _ => return wrong("groupId", "assign-group, and nothing else, takes a groupId."),
    }
    match (&action.tags, takes(TaskActionKind::AddTags)) {
        (Some(tags), true) if !tags.is_empty() && tags.len() <= reactions::MAX_TAGS => {
            for (key, value) in tags {
                check_tag(&format!("{pointer}/tags"), key, value)?;
            }
            Ok(())
        }
        (None, false) => Ok(()),
        _ => wrong("tags", "add-tags, and nothing else, takes 1 to 64 tags."),
    }
}

async fn check_against(write: &mut Write, rule: &Rule) -> Result<(), Refused> {
    let policies = write.policies().await?;
    let groups = write.groups().await?;
    check_rule(rule, &policies, &groups)
}

fn check_position(position: u32) -> Result<u32, Refused> {
    if position > POSITIONS {
        return Err(Refused::field("/position", "out-of-range", "Between 0 and 1000000."));
    }
    Ok(position)
}

/// The tasks, in the order in which they are asked.
#[utoipa::path(get, path = "/event-based-tasks", tag = "event-based-tasks", operation_id = "listEventBasedTasks",
    params(super::ListQuery), responses((status = 200, body = Page<EventBasedTask>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<EventBasedTask>>, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let limit = limit(query.limit)?;
    let key = |row: &EventBasedTaskRow| format!("{:07}{}", row.position, row.name);
    let after = query.cursor.unwrap_or_default();
    let rows = app.store.event_based_tasks(ctx).await?;
    let rows: Vec<EventBasedTaskRow> = rows
        .into_iter()
        .filter(|row| key(row) > after)
        .take(usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1))
        .collect();
    let page = page(rows, limit, key);
    Ok(Json(Page { items: page.items.iter().map(shown).collect(), next_cursor: page.next_cursor }))
}

/// Makes a task.
#[utoipa::path(post, path = "/event-based-tasks", tag = "event-based-tasks",
    operation_id = "createEventBasedTask", request_body = NewEventBasedTask,
    responses((status = 201, body = EventBasedTask)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(new): Message<NewEventBasedTask>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let now = app.clock.now();
    let mut write = app.store.begin(ctx, now).await?;
    let all = write.event_based_tasks().await?;
    if all.len() >= MAX_TASKS {
        let title = "There are as many event-based tasks as there may be.";
        return Err(Refused::conflict("too-many", title, "Delete those that are no longer used."));
    }
    let last = all.last().map_or(0, |row| row.position);
    let row = EventBasedTaskRow {
        id: Uuid::now_v7(),
        name: name("/name", &new.name)?,
        position: check_position(new.position.unwrap_or_else(|| last.saturating_add(10).min(POSITIONS)))?,
        enabled: new.enabled.unwrap_or(true),
        rule: Rule { triggers: new.triggers, conditions: new.conditions, actions: new.actions },
        revision: 1,
        updated_at: now,
    };
    check_against(&mut write, &row.rule).await?;
    write.insert_event_based_task(&row).await?;
    write.audit(change("event-based-task.create", row.id, None, Some(&row))).await?;
    write.commit().await?;
    Ok(with_etag(StatusCode::CREATED, &shown(&row)))
}

/// One task.
#[utoipa::path(get, path = "/event-based-tasks/{id}", tag = "event-based-tasks",
    operation_id = "getEventBasedTask", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = EventBasedTask)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let row = app.store.event_based_tasks(ctx).await?.into_iter().find(|row| row.id == id);
    let row = row.ok_or_else(|| Refused::not_found("event-based task"))?;
    Ok(with_etag(StatusCode::OK, &shown(&row)))
}

/// Changes a task. Merge patch.
#[utoipa::path(patch, path = "/event-based-tasks/{id}", tag = "event-based-tasks",
    operation_id = "updateEventBasedTask",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body(content = EventBasedTaskPatch, content_type = "application/json"),
    responses((status = 200, body = EventBasedTask)))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Message(patch): Message<EventBasedTaskPatch>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let now = app.clock.now();
    let mut write = app.store.begin(ctx, now).await?;
    let row = write.event_based_tasks().await?.into_iter().find(|row| row.id == id);
    let mut row = row.ok_or_else(|| Refused::not_found("event-based task"))?;
    check_if_match(&headers, &shown(&row).etag)?;
    let before = row.clone();
    if let Some(text) = patch.name {
        row.name = name("/name", &text)?;
    }
    if let Some(position) = patch.position {
        row.position = check_position(position)?;
    }
    row.enabled = patch.enabled.unwrap_or(row.enabled);
    row.rule.triggers = patch.triggers.unwrap_or(row.rule.triggers);
    row.rule.conditions = patch.conditions.unwrap_or(row.rule.conditions);
    row.rule.actions = patch.actions.unwrap_or(row.rule.actions);
    check_against(&mut write, &row.rule).await?;
    write.update_event_based_task(&row).await?;
    write.audit(change("event-based-task.update", id, Some(&before), Some(&row))).await?;
    write.commit().await?;
    row.revision += 1;
    row.updated_at = now;
    Ok(with_etag(StatusCode::OK, &shown(&row)))
}

/// Deletes a task. What it did stays.
#[utoipa::path(delete, path = "/event-based-tasks/{id}", tag = "event-based-tasks",
    operation_id = "deleteEventBasedTask", params(("id" = uuid::Uuid, Path)), responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let row = write.event_based_tasks().await?.into_iter().find(|row| row.id == id);
    let row = row.ok_or_else(|| Refused::not_found("event-based task"))?;
    write.delete_event_based_task(id).await?;
    write.audit(change("event-based-task.delete", id, Some(&row), None)).await?;
    write.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which tasks would fit a computer, why, and what would come of it. Nothing is done.
#[utoipa::path(post, path = "/event-based-tasks/test", tag = "event-based-tasks",
    operation_id = "testEventBasedTasks", request_body = TaskTrial,
    responses((status = 200, body = TaskVerdict)))]
pub(super) async fn test(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(trial): Message<TaskTrial>,
) -> Result<Json<TaskVerdict>, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let facts = facts(&app, ctx, &trial).await?;
    let tasks = app.store.event_based_tasks(ctx).await?;
    Ok(Json(reactions::judge(&tasks, trial.trigger, &facts)))
}

async fn facts(app: &App, ctx: &TenantCtx, trial: &TaskTrial) -> Result<Facts, Refused> {
    let groups = app.store.groups(ctx).await?;
    let mut facts = match trial.computer_id {
        None => Facts::default(),
        Some(id) => {
            let row = app.store.computer(ctx, id).await?.ok_or_else(|| {
                Refused::field(
                    "/computerId",
                    "no-such-computer",
                    "There is no such computer; read the list again.",
                )
            })?;
            reactions::facts(&row, &groups)
        }
    };
    let said = trial.facts.clone();
    facts.host_name = said.host_name.unwrap_or(facts.host_name);
    facts.tags = said.tags.unwrap_or(facts.tags);
    facts.platform = said.platform.unwrap_or(facts.platform);
    facts.cloud = said.cloud.or(facts.cloud);
    facts.addresses = said.addresses.unwrap_or(facts.addresses);
    facts.source = said.source_address.unwrap_or(facts.source);
    if let Some(group) = said.group_id {
        check_group("/facts/groupId", group, &groups)?;
        facts.groups = names_upwards(Some(group), &groups);
    }
    if let Some(id) = said.token_id {
        facts.token = vec![id.to_string()];
    }
    // A task may name the token by its name.
    if let Some(id) = facts.token.first().and_then(|id| id.parse().ok())
        && let Some(token) = app.store.activation_token(id).await?.filter(|token| token.tenant == ctx.tenant)
    {
        facts.token.push(token.name);
    }
    Ok(facts)
}
