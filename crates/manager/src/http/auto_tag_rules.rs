//! Rules that tag events as they arrive.
use super::auth::{Access, Caller, Resource};
use super::event_notes::tag_name;
use super::extract::{Id, Message, Query, check_if_match, limit, page, with_etag};
use crate::app::App;
use crate::clock;
use crate::problem::Refused;
use crate::store::{AutoTagRuleRow, Change, KeptFilter};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sakimori_api::{AutoTagRule, AutoTagRulePatch, NewAutoTagRule, Page, SearchSubject};
use std::sync::Arc;
use uuid::Uuid;

/// Most rules of a tenant: each is asked of each event.
const RULES: u64 = 100;

fn shown(row: &AutoTagRuleRow) -> AutoTagRule {
    AutoTagRule {
        id: row.kept.id,
        name: row.kept.name.clone(),
        filter: row.kept.filter.clone(),
        tag: row.tag.clone(),
        enabled: row.enabled,
        updated_at: clock::text(row.kept.updated_at),
        etag: row.kept.etag(),
    }
}

fn change<'a>(
    action: &'a str,
    id: Uuid,
    before: Option<&AutoTagRuleRow>,
    after: Option<&AutoTagRuleRow>,
) -> Change<'a> {
    let audited = |row: &AutoTagRuleRow| serde_json::json!({"name": row.kept.name, "filter": row.kept.filter, "tag": row.tag, "enabled": row.enabled});
    Change {
        action,
        object_kind: "auto-tag-rule",
        object_id: id.to_string(),
        before: before.map(audited),
        after: after.map(audited),
    }
}

/// The rules.
#[utoipa::path(get, path = "/auto-tag-rules", tag = "auto-tag-rules", operation_id = "listAutoTagRules",
    params(super::ListQuery), responses((status = 200, body = Page<AutoTagRule>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<AutoTagRule>>, Refused> {
    let ctx = caller.may(Resource::Events, Access::Read)?;
    let limit = limit(query.limit)?;
    let rows = app.store.auto_tag_rules(ctx, query.cursor.as_deref().unwrap_or_default(), limit + 1).await?;
    Ok(Json(page(rows.iter().map(shown).collect(), limit, |rule| rule.id.to_string())))
}

/// Makes a rule. It tags what arrives from now on.
#[utoipa::path(post, path = "/auto-tag-rules", tag = "auto-tag-rules", operation_id = "createAutoTagRule",
    request_body = NewAutoTagRule, responses((status = 201, body = AutoTagRule)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(new): Message<NewAutoTagRule>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Events, Access::Write)?;
    let now = app.clock.now();
    let row = AutoTagRuleRow {
        kept: KeptFilter::new(SearchSubject::Events, &new.name, new.filter, now)?,
        tag: tag_name("/tag", &new.tag)?,
        enabled: new.enabled.unwrap_or(true),
    };
    let mut write = app.store.begin(ctx, now).await?;
    if write.count_auto_tag_rules().await? >= RULES {
        return Err(Refused::conflict(
            "too-many",
            "There are as many rules as there may be.",
            "Join some with OR.",
        ));
    }
    write.insert_auto_tag_rule(&row).await?;
    write.audit(change("auto-tag-rule.create", row.kept.id, None, Some(&row))).await?;
    write.commit().await?;
    app.refresh_auto_tags(ctx.tenant).await?;
    Ok(with_etag(StatusCode::CREATED, &row.kept.etag(), &shown(&row)))
}

/// One rule.
#[utoipa::path(get, path = "/auto-tag-rules/{id}", tag = "auto-tag-rules", operation_id = "getAutoTagRule",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = AutoTagRule)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Events, Access::Read)?;
    let row = app.store.auto_tag_rule(ctx, id).await?.ok_or_else(|| Refused::not_found("rule"))?;
    Ok(with_etag(StatusCode::OK, &row.kept.etag(), &shown(&row)))
}

/// Changes a rule. Merge patch.
#[utoipa::path(patch, path = "/auto-tag-rules/{id}", tag = "auto-tag-rules", operation_id = "updateAutoTagRule",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body(content = AutoTagRulePatch, content_type = "application/json"),
    responses((status = 200, body = AutoTagRule)))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Message(patch): Message<AutoTagRulePatch>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Events, Access::Write)?;
    let now = app.clock.now();
    let mut write = app.store.begin(ctx, now).await?;
    let mut row = write.auto_tag_rule(id).await?.ok_or_else(|| Refused::not_found("rule"))?;
    check_if_match(&headers, &row.kept.etag())?;
    let before = row.clone();
    row.kept.change(SearchSubject::Events, patch.name, patch.filter, now)?;
    if let Some(tag) = patch.tag {
        row.tag = tag_name("/tag", &tag)?;
    }
    row.enabled = patch.enabled.unwrap_or(row.enabled);
    write.update_auto_tag_rule(&row).await?;
    write.audit(change("auto-tag-rule.update", id, Some(&before), Some(&row))).await?;
    write.commit().await?;
    app.refresh_auto_tags(ctx.tenant).await?;
    row.kept.changed(now);
    Ok(with_etag(StatusCode::OK, &row.kept.etag(), &shown(&row)))
}

/// Deletes a rule. Events keep the tags that it gave.
#[utoipa::path(delete, path = "/auto-tag-rules/{id}", tag = "auto-tag-rules", operation_id = "deleteAutoTagRule",
    params(("id" = uuid::Uuid, Path)), responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Events, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let row = write.auto_tag_rule(id).await?.ok_or_else(|| Refused::not_found("rule"))?;
    write.delete_auto_tag_rule(id).await?;
    write.audit(change("auto-tag-rule.delete", id, Some(&row), None)).await?;
    write.commit().await?;
    app.refresh_auto_tags(ctx.tenant).await?;
    Ok(StatusCode::NO_CONTENT)
}
