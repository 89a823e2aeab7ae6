//! Groups of computers.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, Query, check_if_match, limit, name, page};
use super::policies::description;
use crate::app::App;
use crate::clock;
use crate::problem::Refused;
use crate::store::{Change, GroupRow, with_descendants};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{ComputerGroup, ComputerGroupPatch, NewComputerGroup, Page, Patch};
use std::sync::Arc;
use uuid::Uuid;

/// Most groups of a tenant: they are read whole.
const GROUPS: usize = 5_000;

fn shown(row: &GroupRow, computers: u64) -> ComputerGroup {
    ComputerGroup {
        id: row.id,
        name: row.name.clone(),
        description: row.description.clone(),
        parent_id: row.parent,
        computers,
        updated_at: clock::text(row.updated_at),
        etag: format!("\"{}\"", row.revision),
    }
}

fn with_etag(status: StatusCode, group: &ComputerGroup) -> Response {
    let mut response = (status, Json(group)).into_response();
    if let Ok(value) = HeaderValue::from_str(&group.etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

fn audited(row: &GroupRow) -> serde_json::Value {
    serde_json::json!({"name": row.name, "description": row.description, "parentId": row.parent})
}

fn change(
    action: &str,
    id: Uuid,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
) -> Change<'_> {
    Change { action, object_kind: "computer-group", object_id: id.to_string(), before, after }
}

fn no_such(pointer: &str) -> Refused {
    Refused::field(pointer, "no-such-group", "There is no such group; read the list again.")
}

/// Whether a group may be named here.
pub(super) fn check_group(pointer: &str, id: Uuid, all: &[GroupRow]) -> Result<(), Refused> {
    if all.iter().any(|row| row.id == id) { Ok(()) } else { Err(no_such(pointer)) }
}

/// The groups.
#[utoipa::path(get, path = "/computer-groups", tag = "computer-groups", operation_id = "listComputerGroups",
    params(super::ListQuery), responses((status = 200, body = Page<ComputerGroup>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<ComputerGroup>>, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let limit = limit(query.limit)?;
    let after = query.cursor.unwrap_or_default();
    let counts = app.store.group_counts(ctx).await?;
    let groups = app.store.groups(ctx).await?;
    let shown = groups
        .iter()
        .filter(|row| row.id.to_string() > after)
        .map(|row| shown(row, counts.get(&row.id).copied().unwrap_or_default()))
        .take(usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1));
    Ok(Json(page(shown.collect(), limit, |group| group.id.to_string())))
}

/// Makes a group.
#[utoipa::path(post, path = "/computer-groups", tag = "computer-groups", operation_id = "createComputerGroup",
    request_body = NewComputerGroup, responses((status = 201, body = ComputerGroup)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(new): Message<NewComputerGroup>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let now = app.clock.now();
    let row = GroupRow {
        id: Uuid::now_v7(),
        name: name("/name", &new.name)?,
        description: description("/description", &new.description)?,
        parent: new.parent_id,
        revision: 1,
        updated_at: now,
    };
    let mut write = app.store.begin(ctx, now).await?;
    let all = write.groups().await?;
    if let Some(parent) = row.parent {
        check_group("/parentId", parent, &all)?;
    }
    if all.len() >= GROUPS {
        let title = "There are as many groups as there may be.";
        return Err(Refused::conflict("too-many", title, "Delete groups that are no longer used."));
    }
    write.insert_group(&row).await?;
    write.audit(change("computer-group.create", row.id, None, Some(audited(&row)))).await?;
    write.commit().await?;
    Ok(with_etag(StatusCode::CREATED, &shown(&row, 0)))
}

async fn load(app: &App, ctx: &crate::store::TenantCtx, id: Uuid) -> Result<ComputerGroup, Refused> {
    let row = app.store.groups(ctx).await?.into_iter().find(|row| row.id == id);
    let row = row.ok_or_else(|| Refused::not_found("group of computers"))?;
    let counts = app.store.group_counts(ctx).await?;
    Ok(shown(&row, counts.get(&id).copied().unwrap_or_default()))
}

/// One group.
#[utoipa::path(get, path = "/computer-groups/{id}", tag = "computer-groups", operation_id = "getComputerGroup",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = ComputerGroup)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    Ok(with_etag(StatusCode::OK, &load(&app, ctx, id).await?))
}

/// Changes or moves a group. Merge patch.
#[utoipa::path(patch, path = "/computer-groups/{id}", tag = "computer-groups", operation_id = "updateComputerGroup",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body(content = ComputerGroupPatch, content_type = "application/json"),
    responses((status = 200, body = ComputerGroup)))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Message(patch): Message<ComputerGroupPatch>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let all = write.groups().await?;
    let mut row = all
        .iter()
        .find(|row| row.id == id)
        .cloned()
        .ok_or_else(|| Refused::not_found("group of computers"))?;
    check_if_match(&headers, &shown(&row, 0).etag)?;
    let before = audited(&row);
    if let Some(text) = patch.name {
        row.name = name("/name", &text)?;
    }
    if let Some(text) = patch.description {
        row.description = description("/description", &text)?;
    }
    match patch.parent_id {
        Patch::Keep => {}
        Patch::Clear => row.parent = None,
        Patch::Set(parent) => {
            check_group("/parentId", parent, &all)?;
            if with_descendants(id, &all).contains(&parent) {
                let message = "A group cannot be moved into itself or into one below it.";
                return Err(Refused::field("/parentId", "cycle", message));
            }
            row.parent = Some(parent);
        }
    }
    write.update_group(&row).await?;
    write.audit(change("computer-group.update", id, Some(before), Some(audited(&row)))).await?;
    write.commit().await?;
    Ok(with_etag(StatusCode::OK, &load(&app, ctx, id).await?))
}

/// Deletes a group that holds neither computers nor groups, and that no usable token names.
#[utoipa::path(delete, path = "/computer-groups/{id}", tag = "computer-groups",
    operation_id = "deleteComputerGroup", params(("id" = uuid::Uuid, Path)), responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let row = write.groups().await?.into_iter().find(|row| row.id == id);
    let row = row.ok_or_else(|| Refused::not_found("group of computers"))?;
    write.delete_group(id).await?;
    write.audit(change("computer-group.delete", id, Some(audited(&row)), None)).await?;
    write.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
