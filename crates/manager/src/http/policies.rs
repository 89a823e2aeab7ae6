//! Policies.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, Query, check_if_match, limit, name, page};
use crate::app::App;
use crate::bundles::lineage;
use crate::clock;
use crate::problem::Refused;
use crate::settings::{self, LocalSettings};
use crate::store::{Change, PolicyRow};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{LocalSettingsView, NewPolicy, Page, Patch, Policy, PolicyPatch, SettingsInForce};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// Policies are nested at most this deep: a person has to understand what is inherited.
const DEPTH: usize = 8;

fn policy(row: &PolicyRow, all: &[PolicyRow], used: &[(Uuid, u64)]) -> Policy {
    let line = lineage(row, all);
    let layers: Vec<&LocalSettings> = line.iter().map(|row| &row.settings).collect();
    let mut in_force = BTreeMap::new();
    let mut origins = BTreeMap::new();
    for (module, effective) in settings::resolve(&layers) {
        in_force.insert(module.to_owned(), effective.values);
        let from = effective.origins.into_iter().filter_map(|(at, layer)| Some((at, line.get(layer)?.id)));
        origins.insert(module.to_owned(), from.collect());
    }
    Policy {
        id: row.id,
        name: row.name.clone(),
        description: row.description.clone(),
        parent_id: row.parent,
        settings: SettingsInForce(in_force),
        local: LocalSettingsView(row.settings.modules().clone()),
        origins,
        built_in: row.built_in,
        computers: used.iter().find(|(id, _)| *id == row.id).map_or(0, |(_, count)| *count),
        updated_at: clock::text(row.updated_at),
        etag: etag(row),
    }
}

/// A policy below which settings would be wrong is told as a member of the change above it.
fn check_below(changed: Uuid, all: &[PolicyRow]) -> Result<(), Refused> {
    for row in all {
        let line = lineage(row, all);
        if !line.iter().any(|above| above.id == changed) {
            continue;
        }
        let layers: Vec<&LocalSettings> = line.iter().map(|row| &row.settings).collect();
        let mut errors = settings::check(&settings::resolve(&layers));
        for error in &mut errors {
            error.args.insert("policy".to_owned(), row.name.clone());
        }
        if !errors.is_empty() {
            return Err(Refused::fields(errors));
        }
    }
    Ok(())
}

fn etag(row: &PolicyRow) -> String {
    format!("\"{}\"", row.revision)
}

fn with_etag(status: StatusCode, policy: &Policy) -> Response {
    let mut response = (status, Json(policy)).into_response();
    if let Ok(value) = HeaderValue::from_str(&policy.etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// Whether a policy may hang below `parent`: it is there, is not below the policy itself, and not too deep.
fn check_parent(id: Uuid, parent: Uuid, all: &[PolicyRow]) -> Result<(), Refused> {
    let mut next = Some(parent);
    for _ in 0..DEPTH {
        let Some(at) = next else { return Ok(()) };
        if at == id {
            let message = "A policy cannot inherit from itself or from a policy below it.";
            return Err(Refused::field("/parentId", "cycle", message));
        }
        let Some(row) = all.iter().find(|row| row.id == at) else {
            return Err(Refused::field("/parentId", "no-such-policy", "There is no such policy."));
        };
        next = row.parent;
    }
    Err(Refused::field("/parentId", "too-deep", "Policies are nested at most eight deep."))
}

fn description(text: &str) -> Result<String, Refused> {
    if text.chars().count() > 1024 {
        return Err(Refused::field("/description", "too-long", "A description has at most 1024 characters."));
    }
    Ok(text.to_owned())
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
    let all = app.store.policies(ctx).await?;
    let used = app.store.policy_use(ctx).await?;
    let after = query.cursor.unwrap_or_default();
    let rows = all.iter().filter(|row| row.name > after).map(|row| policy(row, &all, &used));
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
    let mut local = LocalSettings::default();
    local.patch(&new.settings).map_err(Refused::fields)?;
    let row = PolicyRow {
        id: Uuid::now_v7(),
        name: name("/name", &new.name)?,
        description: description(&new.description)?,
        parent: new.parent_id,
        settings: local,
        built_in: false,
        revision: 1,
        updated_at: now,
    };
    let mut write = app.store.begin(ctx, now).await?;
    let mut all = write.policies().await?;
    if let Some(parent) = row.parent {
        check_parent(row.id, parent, &all)?;
    }
    write.insert_policy(&row).await?;
    all.push(row.clone());
    check_below(row.id, &all)?;
    let created = policy(&row, &all, &[]);
    write
        .audit(Change {
            action: "policy.create",
            object_kind: "policy",
            object_id: row.id.to_string(),
            before: None,
            after: Some(serde_json::to_value(&created)?),
        })
        .await?;
    write.commit().await?;
    app.refresh_bundles(ctx.tenant).await?;
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
    let all = app.store.policies(ctx).await?;
    let used = app.store.policy_use(ctx).await?;
    let row = all.iter().find(|row| row.id == id).ok_or_else(|| Refused::not_found("policy"))?;
    Ok(with_etag(StatusCode::OK, &policy(row, &all, &used)))
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
    let now = app.clock.now();
    let used = app.store.policy_use(ctx).await?;
    let mut write = app.store.begin(ctx, now).await?;
    let mut all = write.policies().await?;
    let mut row = all.iter().find(|row| row.id == id).cloned().ok_or_else(|| Refused::not_found("policy"))?;
    check_if_match(&headers, &etag(&row))?;
    let before = serde_json::to_value(policy(&row, &all, &used))?;
    if let Some(text) = patch.name {
        row.name = name("/name", &text)?;
    }
    if let Some(text) = patch.description {
        row.description = description(&text)?;
    }
    if let Patch::Set(parent) = patch.parent_id {
        check_parent(id, parent, &all)?;
    }
    patch.parent_id.apply(&mut row.parent);
    if let Some(patch) = patch.settings {
        row.settings.patch(&patch).map_err(Refused::fields)?;
    }
    write.update_policy(&row).await?;
    row.revision += 1;
    row.updated_at = now;
    for kept in all.iter_mut().filter(|kept| kept.id == id) {
        kept.clone_from(&row);
    }
    check_below(id, &all)?;
    let after = policy(&row, &all, &used);
    write
        .audit(Change {
            action: "policy.update",
            object_kind: "policy",
            object_id: id.to_string(),
            before: Some(before),
            after: Some(serde_json::to_value(&after)?),
        })
        .await?;
    write.commit().await?;
    app.refresh_bundles(ctx.tenant).await?;
    Ok(with_etag(StatusCode::OK, &after))
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
    let all = write.policies().await?;
    let row = all.iter().find(|row| row.id == id).ok_or_else(|| Refused::not_found("policy"))?;
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
            before: Some(serde_json::to_value(policy(row, &all, &[]))?),
            after: None,
        })
        .await?;
    write.commit().await?;
    app.refresh_bundles(ctx.tenant).await?;
    Ok(StatusCode::NO_CONTENT)
}
