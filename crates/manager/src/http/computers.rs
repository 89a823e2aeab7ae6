//! Computers.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, check_if_match, check_tag, name};
use super::groups::check_group;
use crate::app::App;
use crate::clock;
use crate::fleet::{self, Presence};
use crate::problem::Refused;
use crate::reactions::{self, cloud_facts};
use crate::store::{Change, ComputerRow, GroupRow, Life, TenantCtx};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{
    BundleState, Computer, ComputerModule, ComputerPatch, ComputerPort, ComputerStatus, Coverage,
    FingerprintState, ModuleState, Patch, StatusReason,
};
use sakimori_model::Timestamp;
use sakimori_protocol as wire;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

fn etag(row: &ComputerRow) -> String {
    format!("\"{}\"", row.revision)
}

fn reason(code: &str, args: &[(&str, &str)]) -> StatusReason {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    StatusReason { code: code.to_owned(), args }
}

pub(super) const fn api_state(state: wire::ModuleState) -> ModuleState {
    match state {
        wire::ModuleState::Active => ModuleState::Active,
        wire::ModuleState::Off => ModuleState::Off,
        wire::ModuleState::Degraded => ModuleState::Degraded,
        wire::ModuleState::Failed => ModuleState::Failed,
    }
}

fn module(status: &wire::ModuleStatus) -> ComputerModule {
    ComputerModule {
        module: status.module.clone(),
        state: api_state(status.state),
        mode: match status.mode {
            wire::Mode::Off => sakimori_api::Mode::Off,
            wire::Mode::Detect => sakimori_api::Mode::Detect,
            wire::Mode::Prevent => sakimori_api::Mode::Prevent,
        },
        reasons: status.reasons.clone(),
        rules: status.rules,
        counters: status.counters.iter().cloned().collect(),
    }
}

pub(super) fn port(port: &wire::ListeningPort) -> ComputerPort {
    ComputerPort {
        protocol: port.protocol.clone(),
        address: port.address.clone(),
        port: port.port,
        process: port.process.clone(),
        coverage: match port.coverage {
            wire::PortCoverage::Inspected => Coverage::Inspected,
            wire::PortCoverage::NotInspectedEncrypted => Coverage::NotInspectedEncrypted,
            wire::PortCoverage::NotInspectedPolicy => Coverage::NotInspectedPolicy,
            wire::PortCoverage::NotInspectedModule => Coverage::NotInspectedModule,
        },
    }
}

/// How a computer is, and why: the gravest finding is the status, all findings are reasons.
fn status(
    row: &ComputerRow,
    online: bool,
    seen: Option<Timestamp>,
    modules: &[ComputerModule],
    bundle: &BundleState,
) -> (ComputerStatus, Vec<StatusReason>) {
    let mut reasons = Vec::new();
    if let Some(sighting) = &row.clone {
        reasons.push(reason("clone", &[("differsIn", &sighting.differs_in.join(", "))]));
    }
    let since = row.life_since.map(clock::text).unwrap_or_default();
    match row.life {
        Life::Managed => {}
        Life::Suspended => {
            reasons.push(reason("suspended", &[("since", &since), ("reason", &row.life_reason)]));
        }
        Life::Unmanaged => {
            reasons.push(reason("unmanaged", &[("since", &since), ("reason", &row.life_reason)]));
            return (ComputerStatus::Unmanaged, reasons);
        }
    }
    match seen {
        None => reasons.push(reason("no-contact-yet", &[])),
        Some(seen) if !online => reasons.push(reason("no-contact", &[("since", &clock::text(seen))])),
        Some(_) => {}
    }
    if seen.is_none() {
        return (gravest(row.life, row.clone.is_some(), None, false), reasons);
    }
    let mut degraded = false;
    if let Some(why) = &bundle.refused {
        degraded = true;
        reasons.push(reason("policy-refused", &[("reason", why)]));
    } else if !bundle.up_to_date {
        reasons.push(reason("policy-pending", &[]));
    }
    for module in modules {
        let code = match module.state {
            ModuleState::Degraded => "module-degraded",
            ModuleState::Failed => "module-failed",
            ModuleState::Active | ModuleState::Off => continue,
        };
        degraded = true;
        reasons.push(reason(code, &[("module", &module.module), ("reasons", &module.reasons.join(", "))]));
    }
    (gravest(row.life, row.clone.is_some(), Some(online), degraded), reasons)
}

/// The status of a computer that is in contact or not (`None`: it never was), and has something that does not work.
pub(super) const fn gravest(
    life: Life,
    is_cloned: bool,
    online: Option<bool>,
    is_degraded: bool,
) -> ComputerStatus {
    match (life, is_cloned, online) {
        (Life::Unmanaged, _, _) => ComputerStatus::Unmanaged,
        (_, true, _) => ComputerStatus::Clone,
        (_, false, None) => ComputerStatus::Pending,
        (Life::Suspended, false, _) => ComputerStatus::Suspended,
        (_, false, Some(false)) => ComputerStatus::Offline,
        _ if is_degraded => ComputerStatus::Degraded,
        _ => ComputerStatus::Online,
    }
}

/// A computer as the API shows it: its row with what it said since the last flush laid over.
pub(crate) fn shown(app: &App, row: &ComputerRow, names: &Names, presence: Option<&Presence>) -> Computer {
    let now = app.clock.now();
    let last_seen = presence.map_or(row.last_seen, |p| Some(p.last_seen));
    let held = presence.map_or(0, |p| p.held);
    let online = last_seen.is_some_and(|seen| fleet::is_online(held, seen, now));
    let modules: Vec<ComputerModule> =
        presence.map_or(&row.modules, |p| &p.modules).iter().map(module).collect();
    let enforced = presence.map_or(&row.bundle_enforced, |p| &p.bundle).clone();
    let refused = presence.map_or(&row.bundle_refused, |p| &p.refused).clone();
    let assigned =
        app.bundles.of(row.tenant, row.id, row.policy).map(|b| b.hash.to_string()).unwrap_or_default();
    let bundle = BundleState {
        up_to_date: enforced.as_ref() == Some(&assigned),
        refused: refused.filter(|(hash, _)| *hash == assigned).map(|(_, why)| why),
        assigned,
        enforced,
    };
    let (status, status_reasons) = status(row, online, last_seen, &modules, &bundle);
    Computer {
        id: row.id,
        display_name: row.name().to_owned(),
        host_name: row.host_name.clone(),
        status,
        status_reasons,
        policy_id: row.policy,
        policy_name: names.policies.get(&row.policy).cloned().unwrap_or_default(),
        group_id: row.group,
        group_name: row.group.and_then(|id| names.group(id)),
        tags: row.tags.clone(),
        asset_value: row.asset_value,
        ephemeral: row.ephemeral,
        managed: row.life != Life::Unmanaged,
        cloud: row.cloud.as_ref().map(cloud_facts),
        source_address: row.source.clone(),
        token_id: row.token,
        agent_version: presence.map_or(&row.agent_version, |p| &p.agent_version).clone(),
        operating_system: row.operating_system.clone(),
        kernel: row.kernel.clone(),
        addresses: row.addresses.clone(),
        queue_mechanism: row.queue_mechanism.clone(),
        last_seen: last_seen.map(clock::text),
        activated_at: clock::text(row.activated_at),
        certificate_expires_at: clock::text(row.certificate_expires_at),
        bundle,
        modules,
        ports: row.ports.iter().map(port).collect(),
        fingerprint: FingerprintState {
            machine_id: !row.fingerprint.machine_id.is_empty(),
            dmi_uuid: !row.fingerprint.dmi_uuid.is_empty(),
            cloud_instance: !row.fingerprint.cloud_instance.is_empty(),
            clone_differs_in: row.clone.as_ref().map(|c| c.differs_in.clone()).unwrap_or_default(),
            clone_seen: row.clone.as_ref().map(|c| clock::text(Timestamp(c.seen))),
        },
        etag: etag(row),
    }
}

/// The names of policies and groups.
#[derive(Debug)]
pub(crate) struct Names {
    pub(super) policies: HashMap<Uuid, String>,
    pub(super) groups: Vec<GroupRow>,
}

impl Names {
    pub(crate) async fn read(app: &App, ctx: &TenantCtx) -> Result<Self, Refused> {
        let policies = app.store.policies(ctx).await?.into_iter().map(|row| (row.id, row.name)).collect();
        Ok(Self { policies, groups: app.store.groups(ctx).await? })
    }

    pub(super) fn group(&self, id: Uuid) -> Option<String> {
        self.groups.iter().find(|row| row.id == id).map(|row| row.name.clone())
    }
}

/// One computer as the API shows it.
pub(crate) async fn load(app: &App, ctx: &TenantCtx, id: Uuid) -> Result<Computer, Refused> {
    let row = app.store.computer(ctx, id).await?.ok_or_else(|| Refused::not_found("computer"))?;
    let names = Names::read(app, ctx).await?;
    Ok(shown(app, &row, &names, app.presence(&row).as_ref()))
}

fn with_etag(computer: &Computer) -> Response {
    let mut response = Json(computer).into_response();
    if let Ok(value) = HeaderValue::from_str(&computer.etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// What of a computer people decide, for the audit trail.
fn audited(row: &ComputerRow) -> serde_json::Value {
    serde_json::json!({
        "displayName": row.display_name, "hostName": row.host_name, "policyId": row.policy,
        "clone": row.clone.is_some(), "groupId": row.group, "tags": row.tags, "assetValue": row.asset_value,
        "ephemeral": row.ephemeral,
    })
}

/// One computer.
#[utoipa::path(get, path = "/computers/{id}", tag = "computers", operation_id = "getComputer",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Computer)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    Ok(with_etag(&load(&app, ctx, id).await?))
}

/// Assigns a policy, names the computer, or settles a clone. Merge patch.
#[utoipa::path(patch, path = "/computers/{id}", tag = "computers", operation_id = "updateComputer",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body(content = ComputerPatch, content_type = "application/json"),
    responses((status = 200, body = Computer)))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Message(patch): Message<ComputerPatch>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let mut row = write.computer(id).await?.ok_or_else(|| Refused::not_found("computer"))?;
    check_if_match(&headers, &etag(&row))?;
    let before = audited(&row);
    if let Some(policy) = patch.policy_id {
        if !write.policies().await?.iter().any(|row| row.id == policy) {
            let message = "There is no such policy; read the list again.";
            return Err(Refused::field("/policyId", "no-such-policy", message));
        }
        super::computer_settings::check_with_policy(&mut write, id, policy).await?;
        row.policy = policy;
    }
    match patch.display_name {
        Patch::Keep => {}
        Patch::Clear => row.display_name = None,
        Patch::Set(text) => row.display_name = Some(name("/displayName", &text)?),
    }
    match patch.group_id {
        Patch::Keep => {}
        Patch::Clear => row.group = None,
        Patch::Set(group) => {
            check_group("/groupId", group, &write.groups().await?)?;
            row.group = Some(group);
        }
    }
    for (key, value) in patch.tags.into_iter().flatten() {
        match value {
            None => {
                row.tags.remove(&key);
            }
            Some(value) => {
                check_tag("/tags", &key, &value)?;
                row.tags.insert(key, value);
            }
        }
    }
    if row.tags.len() > reactions::MAX_TAGS {
        return Err(Refused::field("/tags", "too-many", "A computer has at most 64 tags."));
    }
    if let Some(value) = patch.asset_value {
        if !(1..=100).contains(&value) {
            return Err(Refused::field("/assetValue", "out-of-range", "Between 1 and 100."));
        }
        row.asset_value = value;
    }
    row.ephemeral = patch.ephemeral.unwrap_or(row.ephemeral);
    match patch.clone {
        None => {}
        Some(false) => row.clone = None,
        Some(true) => {
            let message = "Only a check-in can report a clone; false says that it was looked into.";
            return Err(Refused::field("/clone", "not-settable", message));
        }
    }
    write.update_computer(&row).await?;
    write
        .audit(Change {
            action: "computer.update",
            object_kind: "computer",
            object_id: id.to_string(),
            before: Some(before),
            after: Some(audited(&row)),
        })
        .await?;
    write.commit().await?;
    app.fleet.assign(id, row.policy);
    app.prepare_bundle(ctx.tenant, id, row.policy).await?;
    app.rollout.wake_one(id);
    app.tell_computer(ctx.tenant, id).await;
    Ok(with_etag(&load(&app, ctx, id).await?))
}

/// Deletes a computer: its certificate counts no more. Its events stay.
#[utoipa::path(delete, path = "/computers/{id}", tag = "computers", operation_id = "deleteComputer",
    params(("id" = uuid::Uuid, Path)), responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let row = write.computer(id).await?.ok_or_else(|| Refused::not_found("computer"))?;
    write.delete_computer(id).await?;
    write
        .audit(Change {
            action: "computer.delete",
            object_kind: "computer",
            object_id: id.to_string(),
            before: Some(audited(&row)),
            after: None,
        })
        .await?;
    write.commit().await?;
    app.fleet.remove(id);
    app.rollout.wake(id);
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a computer's identity away: its certificate counts no more. What is known of it stays.
#[utoipa::path(post, path = "/computers/{id}/deactivate", tag = "computers", operation_id = "deactivateComputer",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Computer)))]
pub(super) async fn deactivate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    live(&app, &caller, id, Life::Unmanaged, "by-a-person").await
}

/// Gives a computer that was deactivated or suspended its identity back: an agent that still has its key is let in.
#[utoipa::path(post, path = "/computers/{id}/reactivate", tag = "computers", operation_id = "reactivateComputer",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Computer)))]
pub(super) async fn reactivate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    live(&app, &caller, id, Life::Managed, "by-a-person").await
}

async fn live(app: &Arc<App>, caller: &Caller, id: Uuid, life: Life, why: &str) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let row = write.computer(id).await?.ok_or_else(|| Refused::not_found("computer"))?;
    if row.life != life {
        reactions::set_life(&mut write, &row, life, why).await?;
        write.commit().await?;
        if life == Life::Unmanaged {
            app.fleet.remove(id);
        } else {
            app.fleet.welcome(id);
        }
        app.rollout.wake(id);
        app.tell_computer(ctx.tenant, id).await;
    }
    Ok(with_etag(&load(app, ctx, id).await?))
}
