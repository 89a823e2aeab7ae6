//! Settings of one computer, above its policy.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, check_if_match};
use crate::app::App;
use crate::clock;
use crate::policy_tree::Tree;
use crate::problem::Refused;
use crate::settings;
use crate::store::{Change, ComputerSettingsRow};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{ComputerSettings, ComputerSettingsPatch, LocalSettingsView, SettingsInForce};
use std::sync::Arc;

fn etag(row: &ComputerSettingsRow) -> String {
    format!("\"{}\"", row.revision)
}

fn shown(tree: &Tree, row: &ComputerSettingsRow) -> Result<ComputerSettings, Refused> {
    let policy = tree.policy(row.policy).ok_or_else(|| Refused::not_found("policy"))?;
    let in_force = tree.in_force(policy, Some(row));
    Ok(ComputerSettings {
        computer_id: row.computer,
        computer_name: row.name.clone(),
        policy_id: row.policy,
        policy_name: policy.name.clone(),
        settings: SettingsInForce(in_force.values()),
        local: LocalSettingsView(row.settings.modules().clone()),
        origins: in_force.origins(),
        updated_at: clock::text(row.updated_at),
        etag: etag(row),
    })
}

fn with_etag(settings: &ComputerSettings) -> Response {
    let mut response = Json(settings).into_response();
    if let Ok(value) = HeaderValue::from_str(&settings.etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// The settings of one computer, with who set each value.
#[utoipa::path(get, path = "/computers/{id}/settings", tag = "computers", operation_id = "getComputerSettings",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = ComputerSettings)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let row = app.store.settings_of_computer(ctx, id).await?;
    let row = row.ok_or_else(|| Refused::not_found("computer"))?;
    let tree = Tree::read(&app.store, ctx).await?;
    Ok(with_etag(&shown(&tree, &row)?))
}

/// Changes what is set on one computer, above its policy. Merge patch; `null` follows the policy again.
#[utoipa::path(patch, path = "/computers/{id}/settings", tag = "computers",
    operation_id = "updateComputerSettings",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body(content = ComputerSettingsPatch, content_type = "application/json"),
    responses((status = 200, body = ComputerSettings)))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Message(patch): Message<ComputerSettingsPatch>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let now = app.clock.now();
    let mut write = app.store.begin(ctx, now).await?;
    let row = write.settings_of_computer(id).await?;
    let mut row = row.ok_or_else(|| Refused::not_found("computer"))?;
    check_if_match(&headers, &etag(&row))?;
    let tree = Tree::of(&mut write).await?;
    let lists = tree.lists();
    let before = serde_json::to_value(&row.settings)?;
    row.settings.patch(&patch.settings, &lists).map_err(Refused::fields)?;
    let policy = tree.policy(row.policy).ok_or_else(|| Refused::not_found("policy"))?;
    let errors = settings::check(&tree.in_force(policy, Some(&row)).modules, &lists);
    if !errors.is_empty() {
        return Err(Refused::fields(errors));
    }
    row.revision += 1;
    row.updated_at = now;
    write.put_computer_settings(&row).await?;
    write
        .audit(Change {
            action: "computer-settings.update",
            object_kind: "computer",
            object_id: id.to_string(),
            before: Some(before),
            after: Some(serde_json::to_value(&row.settings)?),
        })
        .await?;
    write.commit().await?;
    app.refresh_bundles(ctx.tenant).await?;
    app.rollout.wake_one(id);
    app.tell_computer(ctx.tenant, id).await;
    Ok(with_etag(&shown(&tree, &row)?))
}
