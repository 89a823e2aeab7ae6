//! Policies.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, Query, check_if_match, limit, name, page};
use crate::app::App;
use crate::clock;
use crate::policy_tree::Tree;
use crate::problem::Refused;
use crate::settings::LocalSettings;
use crate::store::{Change, PolicyRow, TenantCtx, VersionNote, Write};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{LocalSettingsView, NewPolicy, Page, Patch, Policy, PolicyPatch, SettingsInForce};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

fn policy(tree: &Tree, row: &PolicyRow, used: &[(Uuid, u64)]) -> Policy {
    let in_force = tree.in_force(row, None);
    Policy {
        id: row.id,
        name: row.name.clone(),
        description: row.description.clone(),
        parent_id: row.parent,
        settings: SettingsInForce(in_force.values()),
        local: LocalSettingsView(row.settings.modules().clone()),
        origins: in_force.origins(),
        built_in: row.built_in,
        computers: used.iter().find(|(id, _)| *id == row.id).map_or(0, |(_, count)| *count),
        updated_at: clock::text(row.updated_at),
        etag: etag(row),
    }
}

pub(super) fn etag(row: &PolicyRow) -> String {
    format!("\"{}\"", row.revision)
}

pub(super) fn with_etag(status: StatusCode, policy: &Policy) -> Response {
    let mut response = (status, Json(policy)).into_response();
    if let Ok(value) = HeaderValue::from_str(&policy.etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

pub(super) fn description(pointer: &str, text: &str) -> Result<String, Refused> {
    if text.chars().count() > 1024 {
        return Err(Refused::field(pointer, "too-long", "At most 1024 characters."));
    }
    Ok(text.to_owned())
}

/// What an author says of a change.
pub(super) fn comment(text: Option<&str>) -> Result<String, Refused> {
    description("/comment", text.unwrap_or_default().trim())
}

/// A policy as it becomes by a patch.
pub(super) fn patched(tree: &Tree, row: &PolicyRow, patch: &PolicyPatch) -> Result<PolicyRow, Refused> {
    let mut row = row.clone();
    if let Some(text) = &patch.name {
        row.name = name("/name", text)?;
    }
    if let Some(text) = &patch.description {
        row.description = description("/description", text)?;
    }
    if let Patch::Set(parent) = patch.parent_id {
        tree.check_parent(row.id, Some(parent))?;
    }
    patch.parent_id.apply(&mut row.parent);
    if let Some(patch) = &patch.settings {
        row.settings.patch(patch, &tree.lists()).map_err(Refused::fields)?;
    }
    Ok(row)
}

/// Saves a changed policy, as a new version, in the audit trail, and only where everything below it is still right.
pub(super) async fn save(
    app: &App,
    ctx: &TenantCtx,
    mut write: Write,
    mut tree: Tree,
    mut row: PolicyRow,
    note: &VersionNote,
) -> Result<Policy, Refused> {
    let id = row.id;
    let used = app.store.policy_use(ctx).await?;
    let before = tree.policy(id).map(|kept| serde_json::to_value(policy(&tree, kept, &used))).transpose()?;
    if before.is_some() {
        write.update_policy(&mut row, note).await?;
    } else {
        write.insert_policy(&row, note).await?;
    }
    tree.put(row);
    tree.check_below(&BTreeSet::from([id]))?;
    let row = tree.policy(id).ok_or_else(|| Refused::not_found("policy"))?;
    let after = policy(&tree, row, &used);
    write
        .audit(Change {
            action: match note.action {
                "created" => "policy.create",
                "rolled-back" => "policy.roll-back",
                _ => "policy.update",
            },
            object_kind: "policy",
            object_id: id.to_string(),
            before,
            after: Some(serde_json::to_value(&after)?),
        })
        .await?;
    write.commit().await?;
    app.refresh_bundles(ctx.tenant).await?;
    Ok(after)
}

/// The policies, by name.
#[utoipa::path(get, path = "/policies", tag = "policies", operation_id = "listPolicies", params(super::ListQuery),
    responses((status = 200, body = Page<Policy>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<Policy>>, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Read)?;
    let limit = limit(query.limit)?;
    let tree = Tree::read(&app.store, ctx).await?;
    let used = app.store.policy_use(ctx).await?;
    let after = query.cursor.unwrap_or_default();
    let rows = tree.policies.iter().filter(|row| row.name > after).map(|row| policy(&tree, row, &used));
    let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    Ok(Json(page(rows.take(most).collect(), limit, |policy| policy.name.clone())))
}

/// Makes a policy.
#[utoipa::path(post, path = "/policies", tag = "policies", operation_id = "createPolicy", request_body = NewPolicy,
    responses((status = 201, body = Policy)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(new): Message<NewPolicy>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Write)?;
    let now = app.clock.now();
    let note = VersionNote::new("created", comment(new.comment.as_deref())?);
    let mut write = app.store.begin(ctx, now).await?;
    let tree = Tree::of(&mut write).await?;
    let mut row = PolicyRow {
        id: Uuid::now_v7(),
        name: name("/name", &new.name)?,
        description: description("/description", &new.description)?,
        parent: new.parent_id,
        settings: LocalSettings::default(),
        built_in: false,
        revision: 1,
        updated_at: now,
    };
    row.settings.patch(&new.settings, &tree.lists()).map_err(Refused::fields)?;
    tree.check_parent(row.id, row.parent)?;
    let created = save(&app, ctx, write, tree, row, &note).await?;
    Ok(with_etag(StatusCode::CREATED, &created))
}

/// One policy.
#[utoipa::path(get, path = "/policies/{id}", tag = "policies", operation_id = "getPolicy",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Policy)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Read)?;
    let tree = Tree::read(&app.store, ctx).await?;
    let used = app.store.policy_use(ctx).await?;
    let row = tree.policy(id).ok_or_else(|| Refused::not_found("policy"))?;
    Ok(with_etag(StatusCode::OK, &policy(&tree, row, &used)))
}

/// Changes a policy; its computers get it at once. Merge patch.
#[utoipa::path(patch, path = "/policies/{id}", tag = "policies", operation_id = "updatePolicy",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body(content = PolicyPatch, content_type = "application/json"),
    responses((status = 200, body = Policy)))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Message(patch): Message<PolicyPatch>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Write)?;
    let note = VersionNote::new("changed", comment(patch.comment.as_deref())?);
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let tree = Tree::of(&mut write).await?;
    let row = tree.policy(id).ok_or_else(|| Refused::not_found("policy"))?;
    check_if_match(&headers, &etag(row))?;
    let row = patched(&tree, row, &patch)?;
    let changed = save(&app, ctx, write, tree, row, &note).await?;
    Ok(with_etag(StatusCode::OK, &changed))
}

/// Deletes a policy that nothing uses.
#[utoipa::path(delete, path = "/policies/{id}", tag = "policies", operation_id = "deletePolicy",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let tree = Tree::of(&mut write).await?;
    let row = tree.policy(id).ok_or_else(|| Refused::not_found("policy"))?;
    check_if_match(&headers, &etag(row))?;
    if row.built_in {
        return Err(Refused::conflict(
            "built-in",
            "This policy came with the product and cannot be deleted.",
            "Change it, or make one of your own and assign that.",
        ));
    }
    write.delete_policy(id).await.map_err(|error| match error {
        crate::store::StoreError::InUse => Refused::conflict(
            "in-use",
            "The policy is still in use.",
            "Assign another policy to its computers and another parent to the policies below it first.",
        ),
        other => other.into(),
    })?;
    write
        .audit(Change {
            action: "policy.delete",
            object_kind: "policy",
            object_id: id.to_string(),
            before: Some(serde_json::to_value(policy(&tree, row, &[]))?),
            after: None,
        })
        .await?;
    write.commit().await?;
    app.refresh_bundles(ctx.tenant).await?;
    Ok(StatusCode::NO_CONTENT)
}
