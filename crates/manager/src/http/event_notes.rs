//! What people add to events: tags and comments.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message};
use crate::app::App;
use crate::clock;
use crate::events::{Comment, EventStore as _, MAX_TAGS, StoredEvent};
use crate::problem::Refused;
use crate::store::{Change, TenantCtx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sakimori_api::{EventComment, NewEventComment, Page};
use std::sync::Arc;
use uuid::Uuid;

/// Longest tag, in characters.
const TAG_CHARS: usize = 64;
/// Most comments on one event.
const COMMENTS: usize = 200;
/// Longest comment, in characters.
const COMMENT_CHARS: usize = 4096;

/// A tag as it is kept, or why it is none.
pub(super) fn tag_name(pointer: &str, text: &str) -> Result<String, Refused> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
    if text.is_empty() || text.chars().count() > TAG_CHARS || !text.chars().all(fits) {
        let message = "A tag has 1 to 64 characters: letters, digits and -_.:/";
        return Err(Refused::field(pointer, "not-a-tag", message));
    }
    Ok(text.to_owned())
}

async fn event(app: &App, ctx: &TenantCtx, id: Uuid) -> Result<StoredEvent, Refused> {
    app.events.get(ctx.tenant, id).await?.ok_or_else(|| Refused::not_found("event"))
}

async fn audit(
    app: &App,
    ctx: &TenantCtx,
    id: Uuid,
    action: &str,
    what: serde_json::Value,
) -> Result<(), Refused> {
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let removed = action == "event.untag";
    let (before, after) = if removed { (Some(what), None) } else { (None, Some(what)) };
    write.audit(Change { action, object_kind: "event", object_id: id.to_string(), before, after }).await?;
    Ok(write.commit().await?)
}

/// Gives an event a tag. Twice is as once.
#[utoipa::path(put, path = "/events/{id}/tags/{tag}", tag = "events", operation_id = "tagEvent",
    params(("id" = uuid::Uuid, Path), ("tag" = String, Path)), responses((status = 204)))]
pub(super) async fn tag(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id((id, tag)): Id<(Uuid, String)>,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Events, Access::Write)?;
    let tag = tag_name("/tag", &tag)?;
    let event = event(&app, ctx, id).await?;
    if event.tags.contains(&tag) {
        return Ok(StatusCode::NO_CONTENT);
    }
    if event.tags.len() >= MAX_TAGS {
        return Err(Refused::conflict(
            "too-many",
            "The event has as many tags as it may.",
            "Take another one away.",
        ));
    }
    app.events.tag(ctx.tenant, id, &tag).await?;
    audit(&app, ctx, id, "event.tag", serde_json::json!({"tag": tag})).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a tag from an event.
#[utoipa::path(delete, path = "/events/{id}/tags/{tag}", tag = "events", operation_id = "untagEvent",
    params(("id" = uuid::Uuid, Path), ("tag" = String, Path)), responses((status = 204)))]
pub(super) async fn untag(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id((id, tag)): Id<(Uuid, String)>,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Events, Access::Write)?;
    event(&app, ctx, id).await?;
    if !app.events.untag(ctx.tenant, id, &tag).await? {
        return Err(Refused::not_found("tag"));
    }
    audit(&app, ctx, id, "event.untag", serde_json::json!({"tag": tag})).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(comment: Comment) -> EventComment {
    EventComment { id: comment.id, at: clock::text(comment.at), author: comment.author, text: comment.text }
}

/// The comments on an event, oldest first.
#[utoipa::path(get, path = "/events/{id}/comments", tag = "events", operation_id = "listEventComments",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Page<EventComment>)))]
pub(super) async fn comments(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Page<EventComment>>, Refused> {
    let ctx = caller.may(Resource::Events, Access::Read)?;
    event(&app, ctx, id).await?;
    let comments = app.events.comments(ctx.tenant, id).await?;
    Ok(Json(Page { items: comments.into_iter().map(shown).collect(), next_cursor: None }))
}

/// Writes about an event.
#[utoipa::path(post, path = "/events/{id}/comments", tag = "events", operation_id = "commentEvent",
    params(("id" = uuid::Uuid, Path)), request_body = NewEventComment,
    responses((status = 201, body = EventComment)))]
pub(super) async fn comment(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    Message(new): Message<NewEventComment>,
) -> Result<(StatusCode, Json<EventComment>), Refused> {
    let ctx = caller.may(Resource::Events, Access::Write)?;
    let text = new.text.trim().to_owned();
    if text.is_empty() || text.chars().count() > COMMENT_CHARS {
        return Err(Refused::field("/text", "out-of-range", "A comment has 1 to 4096 characters."));
    }
    event(&app, ctx, id).await?;
    if app.events.comments(ctx.tenant, id).await?.len() >= COMMENTS {
        return Err(Refused::conflict(
            "too-many",
            "The event has as many comments as it may.",
            "Use a ticket.",
        ));
    }
    let comment = Comment { id: Uuid::now_v7(), at: app.clock.now(), author: ctx.actor.name.clone(), text };
    app.events.comment(ctx.tenant, id, &comment).await?;
    audit(&app, ctx, id, "event.comment", serde_json::json!({"text": comment.text})).await?;
    Ok((StatusCode::CREATED, Json(shown(comment))))
}
