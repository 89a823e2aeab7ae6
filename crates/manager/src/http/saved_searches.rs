//! Searches that people keep: one's own, and those that others share.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, Query, check_if_match, limit, page, with_etag};
use crate::app::App;
use crate::clock;
use crate::problem::Refused;
use crate::store::{Change, KeptFilter, SavedSearchRow, TenantCtx, owner_key};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sakimori_api::{NewSavedSearch, Page, Role, SavedSearch, SavedSearchPatch};
use std::sync::Arc;
use uuid::Uuid;

fn shown(row: &SavedSearchRow, ctx: &TenantCtx) -> SavedSearch {
    SavedSearch {
        id: row.kept.id,
        name: row.kept.name.clone(),
        subject: row.subject,
        filter: row.kept.filter.clone(),
        owner_name: row.owner_name.clone(),
        own: row.owner == owner_key(&ctx.actor),
        shared: row.shared,
        updated_at: clock::text(row.kept.updated_at),
        etag: row.kept.etag(),
    }
}

fn audited(row: &SavedSearchRow) -> serde_json::Value {
    serde_json::json!({"name": row.kept.name, "subject": row.subject, "filter": row.kept.filter, "shared": row.shared})
}

/// What others see is theirs to rely on: sharing, and changing what is shared, takes more than reading.
fn may_change(caller: &Caller, ctx: &TenantCtx, row: &SavedSearchRow) -> Result<(), Refused> {
    if row.owner == owner_key(&ctx.actor) || caller.role == Role::Administrator {
        return Ok(());
    }
    Err(Refused::forbidden(
        "Only who keeps a search, or an administrator, changes it: keep a copy of your own.",
    ))
}

/// The searches that the caller keeps, and those that others share.
#[utoipa::path(get, path = "/saved-searches", tag = "saved-searches", operation_id = "listSavedSearches",
    params(super::ListQuery), responses((status = 200, body = Page<SavedSearch>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<SavedSearch>>, Refused> {
    let ctx = caller.may(Resource::Events, Access::Read)?;
    let limit = limit(query.limit)?;
    let rows = app.store.saved_searches(ctx, query.cursor.as_deref().unwrap_or_default(), limit + 1).await?;
    Ok(Json(page(rows.iter().map(|row| shown(row, ctx)).collect(), limit, |search| search.id.to_string())))
}

/// Keeps a search.
#[utoipa::path(post, path = "/saved-searches", tag = "saved-searches", operation_id = "createSavedSearch",
    request_body = NewSavedSearch, responses((status = 201, body = SavedSearch)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(new): Message<NewSavedSearch>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Events, Access::Read)?;
    if new.shared {
        caller.may(Resource::Events, Access::Write)?;
    }
    let now = app.clock.now();
    let row = SavedSearchRow {
        kept: KeptFilter::new(new.subject, &new.name, new.filter, now)?,
        subject: new.subject,
        owner: owner_key(&ctx.actor),
        owner_name: ctx.actor.name.clone(),
        shared: new.shared,
    };
    let mut write = app.store.begin(ctx, now).await?;
    write.insert_saved_search(&row).await?;
    write.audit(change("saved-search.create", row.kept.id, None, Some(audited(&row)))).await?;
    write.commit().await?;
    Ok(with_etag(StatusCode::CREATED, &row.kept.etag(), &shown(&row, ctx)))
}

fn change(
    action: &str,
    id: Uuid,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
) -> Change<'_> {
    Change { action, object_kind: "saved-search", object_id: id.to_string(), before, after }
}

/// One search.
#[utoipa::path(get, path = "/saved-searches/{id}", tag = "saved-searches", operation_id = "getSavedSearch",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = SavedSearch)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Events, Access::Read)?;
    let row = app.store.saved_search(ctx, id).await?.ok_or_else(|| Refused::not_found("saved search"))?;
    Ok(with_etag(StatusCode::OK, &row.kept.etag(), &shown(&row, ctx)))
}

/// Changes a search. Merge patch.
#[utoipa::path(patch, path = "/saved-searches/{id}", tag = "saved-searches", operation_id = "updateSavedSearch",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body(content = SavedSearchPatch, content_type = "application/json"),
    responses((status = 200, body = SavedSearch)))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Message(patch): Message<SavedSearchPatch>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Events, Access::Read)?;
    let now = app.clock.now();
    let mut write = app.store.begin(ctx, now).await?;
    let mut row = write.saved_search(id).await?.ok_or_else(|| Refused::not_found("saved search"))?;
    may_change(&caller, ctx, &row)?;
    check_if_match(&headers, &row.kept.etag())?;
    let before = audited(&row);
    row.kept.change(row.subject, patch.name, patch.filter, now)?;
    if let Some(shared) = patch.shared {
        if shared {
            caller.may(Resource::Events, Access::Write)?;
        }
        row.shared = shared;
    }
    write.update_saved_search(&row).await?;
    write.audit(change("saved-search.update", id, Some(before), Some(audited(&row)))).await?;
    write.commit().await?;
    row.kept.changed(now);
    Ok(with_etag(StatusCode::OK, &row.kept.etag(), &shown(&row, ctx)))
}

/// Forgets a search.
#[utoipa::path(delete, path = "/saved-searches/{id}", tag = "saved-searches", operation_id = "deleteSavedSearch",
    params(("id" = uuid::Uuid, Path)), responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Events, Access::Read)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let row = write.saved_search(id).await?.ok_or_else(|| Refused::not_found("saved search"))?;
    may_change(&caller, ctx, &row)?;
    write.delete_saved_search(id).await?;
    write.audit(change("saved-search.delete", id, Some(audited(&row)), None)).await?;
    write.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
