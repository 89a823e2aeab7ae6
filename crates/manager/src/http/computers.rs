//! Computers.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, Query, check_if_match, limit, name, page};
use crate::app::App;
use crate::clock;
use crate::fleet::{self, Presence};
use crate::problem::Refused;
use crate::store::{Change, ComputerRow, TenantCtx};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{
    BundleState, Computer, ComputerModule, ComputerPatch, ComputerPort, ComputerStatus, Coverage,
    FingerprintState, ModuleState, Page, Patch, StatusReason,
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

fn module(status: &wire::ModuleStatus) -> ComputerModule {
    ComputerModule {
        module: status.module.clone(),
        state: match status.state {
            wire::ModuleState::Active => ModuleState::Active,
            wire::ModuleState::Off => ModuleState::Off,
            wire::ModuleState::Degraded => ModuleState::Degraded,
            wire::ModuleState::Failed => ModuleState::Failed,
        },
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

fn port(port: &wire::ListeningPort) -> ComputerPort {
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
    let Some(seen) = seen else {
        reasons.push(reason("no-contact-yet", &[]));
        let status = if row.clone.is_some() { ComputerStatus::Clone } else { ComputerStatus::Pending };
        return (status, reasons);
    };
    if !online {
        reasons.push(reason("no-contact", &[("since", &clock::text(seen))]));
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
    let status = if row.clone.is_some() {
        ComputerStatus::Clone
    } else if !online {
        ComputerStatus::Offline
    } else if degraded {
        ComputerStatus::Degraded
    } else {
        ComputerStatus::Online
    };
    (status, reasons)
}

/// A computer as the API shows it: its row with what it said since the last flush laid over.
fn computer(app: &App, row: &ComputerRow, policy_name: String, presence: Option<&Presence>) -> Computer {
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
        policy_name,
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

async fn policy_names(app: &App, ctx: &TenantCtx) -> Result<HashMap<Uuid, String>, Refused> {
    Ok(app.store.policies(ctx).await?.into_iter().map(|row| (row.id, row.name)).collect())
}

/// One computer as the API shows it.
pub(crate) async fn load(app: &App, ctx: &TenantCtx, id: Uuid) -> Result<Computer, Refused> {
    let row = app.store.computer(ctx, id).await?.ok_or_else(|| Refused::not_found("computer"))?;
    let policy = policy_names(app, ctx).await?.remove(&row.policy).unwrap_or_default();
    Ok(computer(app, &row, policy, app.fleet.presence(id).as_ref()))
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
        "clone": row.clone.is_some(),
    })
}

/// Filter of a list of computers.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ComputerQuery {
    /// Only computers in this status.
    pub(super) status: Option<ComputerStatus>,
    /// Only computers whose name, host name or address contains this text.
    pub(super) q: Option<String>,
    /// At most so many, 1 to 500; 100 where absent.
    pub(super) limit: Option<u32>,
    /// The `nextCursor` of the part before.
    pub(super) cursor: Option<String>,
}

/// The computers, oldest activation first.
#[utoipa::path(get, path = "/computers", tag = "computers", operation_id = "listComputers", params(ComputerQuery),
    responses((status = 200, body = Page<Computer>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ComputerQuery>,
) -> Result<Json<Page<Computer>>, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let limit = limit(query.limit)?;
    let names = policy_names(&app, ctx).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    let mut after = query.cursor.unwrap_or_default();
    let mut found = Vec::new();
    // The status is known only with what is in memory, so rows are read until enough of them fit.
    loop {
        let rows = app.store.computers(ctx, query.q.as_deref(), &after, 500).await?;
        let last = rows.last().map(|row| row.id.to_string());
        let ended = rows.len() < 500;
        for row in &rows {
            let name = names.get(&row.policy).cloned().unwrap_or_default();
            let shown = computer(&app, row, name, app.fleet.presence(row.id).as_ref());
            if query.status.is_none_or(|status| status == shown.status) {
                found.push(shown);
            }
        }
        match last {
            Some(last) if !ended && found.len() < wanted => after = last,
            _ => break,
        }
    }
    found.truncate(wanted);
    Ok(Json(page(found, limit, |computer| computer.id.to_string())))
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
        row.policy = policy;
    }
    match patch.display_name {
        Patch::Keep => {}
        Patch::Clear => row.display_name = None,
        Patch::Set(text) => row.display_name = Some(name("/displayName", &text)?),
    }
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
    if app.bundles.is_behind(ctx.tenant, id, row.policy) {
        app.refresh_bundles(ctx.tenant).await?;
    }
    app.bundles.wake();
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
    app.bundles.wake();
    Ok(StatusCode::NO_CONTENT)
}
