//! Settings of one computer, above its policy.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, check_if_match, with_etag};
use super::firewall;
use super::policy_dry_run::answer;
use crate::app::App;
use crate::clock;
use crate::policy_tree::Tree;
use crate::problem::Refused;
use crate::settings;
use crate::store::{Change, ComputerSettingsRow, Write};
use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sakimori_api::{
    ComputerDryRun, ComputerSettings, ComputerSettingsPatch, DryRun, LocalSettingsView, SettingsInForce,
    SettingsPatch,
};
use std::net::SocketAddr;
use std::sync::Arc;
use uuid::Uuid;

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
    Ok(with_etag(StatusCode::OK, &etag(&row), &shown(&tree, &row)?))
}

/// Changes what is set on one computer, and checks what that comes to with its policy.
pub(super) fn patched(
    tree: &Tree,
    row: &mut ComputerSettingsRow,
    patch: &SettingsPatch,
) -> Result<(), Refused> {
    let lists = tree.lists();
    row.settings.patch(patch, &lists).map_err(Refused::fields)?;
    let policy = tree.policy(row.policy).ok_or_else(|| Refused::not_found("policy"))?;
    let errors = settings::check(&tree.in_force(policy, Some(row)).modules, &lists);
    if errors.is_empty() { Ok(()) } else { Err(Refused::fields(errors)) }
}

/// Whether what is set on a computer goes with a policy that it is about to have.
pub(super) async fn check_with_policy(write: &mut Write, id: Uuid, policy: Uuid) -> Result<(), Refused> {
    let own = write.settings_of_computer(id).await?;
    let Some(mut own) = own.filter(|own| !own.settings.is_empty() && own.policy != policy) else {
        return Ok(());
    };
    let tree = Tree::of(write).await?;
    own.policy = policy;
    patched(&tree, &mut own, &SettingsPatch::default())
}

/// What one computer would enforce with other settings of its own, or another policy: how it differs from what it
/// enforces now. Nothing is saved; what would be refused is refused.
#[utoipa::path(post, path = "/computers/{id}/dry-run", tag = "computers", operation_id = "dryRunComputer",
    params(("id" = uuid::Uuid, Path)), request_body = ComputerDryRun, responses((status = 200, body = DryRun)))]
pub(super) async fn dry_run(
    State(app): State<Arc<App>>,
    caller: Caller,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Id(id): Id,
    Message(tried): Message<ComputerDryRun>,
) -> Result<Json<DryRun>, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let own = app.store.settings_of_computer(ctx, id).await?;
    let own = own.ok_or_else(|| Refused::not_found("computer"))?;
    let tree = Tree::read(&app.store, ctx).await?;
    let mut after = own.clone();
    if let Some(policy) = tried.policy_id {
        if tree.policy(policy).is_none() {
            let message = "There is no such policy; read the list again.";
            return Err(Refused::field("/policyId", "no-such-policy", message));
        }
        after.policy = policy;
    }
    patched(&tree, &mut after, &tried.settings)?;
    let reach = tree.reach_of(&own, &after).filter(|reach| !reach.changes.is_empty());
    let mut answer = answer(reach.as_slice());
    if let (Some(before), Some(policy)) = (tree.policy(own.policy), tree.policy(after.policy)) {
        let old = firewall::firewall_of(tree.in_force(before, Some(&own)), &tree)?;
        let new = firewall::firewall_of(tree.in_force(policy, Some(&after)), &tree)?;
        answer.firewall = firewall::findings_of_change(&app, old, new, peer).await?;
    }
    Ok(Json(answer))
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
    let before = serde_json::to_value(&row.settings)?;
    patched(&tree, &mut row, &patch.settings)?;
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
    Ok(with_etag(StatusCode::OK, &etag(&row), &shown(&tree, &row)?))
}
