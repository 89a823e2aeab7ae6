//! Computers.
use super::auth::{Access, Caller, Resource};
use super::computer_search::SeenComputer;
use super::event_search::parse_of;
use super::extract::{Id, Message, Query, check_if_match, check_tag, limit, name, page};
use super::groups::check_group;
use crate::app::App;
use crate::clock;
use crate::fleet::{self, Presence};
use crate::problem::Refused;
use crate::reactions::{self, cloud_facts};
use crate::store::{
    Change, ComputerRow, ComputerSort, ComputersWanted, GroupRow, Life, TenantCtx, with_descendants,
};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as Base64UrlUnpadded;
use sakimori_api::{
    BundleState, Computer, ComputerModule, ComputerPatch, ComputerPort, ComputerStatus, Coverage,
    FingerprintState, ModuleState, Page, Patch, SearchSubject, StatusReason,
};
use sakimori_model::Timestamp;
use sakimori_protocol as wire;
use sakimori_query::Filter;
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
    } else if row.life == Life::Suspended {
        ComputerStatus::Suspended
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
    policies: HashMap<Uuid, String>,
    groups: Vec<GroupRow>,
}

impl Names {
    pub(crate) async fn read(app: &App, ctx: &TenantCtx) -> Result<Self, Refused> {
        let policies = app.store.policies(ctx).await?.into_iter().map(|row| (row.id, row.name)).collect();
        Ok(Self { policies, groups: app.store.groups(ctx).await? })
    }

    fn group(&self, id: Uuid) -> Option<String> {
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

/// In which order computers are listed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SortComputersBy {
    /// By activation.
    #[default]
    ActivatedAt,
    /// By name, in any case of ASCII letters.
    DisplayName,
    /// By last contact, which is written down every half minute.
    LastSeen,
    /// By what they are worth.
    AssetValue,
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
    /// Only computers in this group or in one below it.
    pub(super) group_id: Option<Uuid>,
    /// Only computers with this tag: `key`, or `key=value`.
    pub(super) tag: Option<String>,
    /// Only computers with this policy.
    pub(super) policy_id: Option<Uuid>,
    /// Only computers whose operating system contains this text.
    pub(super) platform: Option<String>,
    /// Only computers of which this module is in `moduleState`.
    pub(super) module: Option<String>,
    /// See `module`.
    pub(super) module_state: Option<ModuleState>,
    /// Only computers that this filter finds: `status = offline AND tags.role = web`.
    pub(super) filter: Option<String>,
    /// Only computers of this smart folder: a saved search of computers.
    pub(super) search_id: Option<Uuid>,
    /// In which order.
    #[param(inline)]
    pub(super) sort: Option<SortComputersBy>,
    /// The other way round.
    pub(super) descending: Option<bool>,
    /// At most so many, 1 to 500; 100 where absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u32>,
    /// The `nextCursor` of the part before.
    pub(super) cursor: Option<String>,
}

/// What of a query the database does not know: it takes what is in memory.
struct Beyond {
    status: Option<ComputerStatus>,
    module: Option<(String, ModuleState)>,
    filters: Vec<Filter>,
}

impl Beyond {
    fn finds(&self, computer: &Computer, names: &Names) -> bool {
        let in_state = |(id, state): &(String, ModuleState)| {
            computer.modules.iter().any(|module| module.module == *id && module.state == *state)
        };
        self.status.is_none_or(|status| status == computer.status)
            && self.module.as_ref().is_none_or(in_state)
            && (self.filters.is_empty() || {
                let seen = SeenComputer::new(computer, &names.groups);
                self.filters.iter().all(|filter| filter.matches(&seen))
            })
    }
}

async fn beyond(app: &App, ctx: &TenantCtx, query: &ComputerQuery) -> Result<Beyond, Refused> {
    let now = app.clock.now();
    let mut filters = Vec::new();
    if let Some(text) = &query.filter {
        filters.push(parse_of(SearchSubject::Computers, "/filter", text, now)?);
    }
    if let Some(id) = query.search_id {
        let row = app.store.saved_search(ctx, id).await?;
        let row = row.filter(|row| row.subject == SearchSubject::Computers);
        let row = row.ok_or_else(|| {
            Refused::field("/searchId", "no-such-search", "There is no such saved search of computers.")
        })?;
        filters.push(parse_of(SearchSubject::Computers, "/searchId", &row.filter, now)?);
    }
    let module = match (&query.module, query.module_state) {
        (Some(module), Some(state)) => Some((module.clone(), state)),
        (None, None) => None,
        _ => return Err(Refused::invalid("module and moduleState come together.")),
    };
    Ok(Beyond { status: query.status, module, filters })
}

fn wanted(query: ComputerQuery, names: &Names) -> Result<ComputersWanted, Refused> {
    let groups = match query.group_id {
        None => None,
        Some(id) => {
            check_group("/groupId", id, &names.groups)?;
            Some(with_descendants(id, &names.groups))
        }
    };
    Ok(ComputersWanted {
        text: query.q,
        groups,
        tag: query.tag.map(|tag| match tag.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (tag, None),
        }),
        policy: query.policy_id,
        platform: query.platform,
        sort: match query.sort.unwrap_or_default() {
            SortComputersBy::ActivatedAt => ComputerSort::Activated,
            SortComputersBy::DisplayName => ComputerSort::Name,
            SortComputersBy::LastSeen => ComputerSort::LastSeen,
            SortComputersBy::AssetValue => ComputerSort::AssetValue,
        },
        descending: query.descending.unwrap_or_default(),
    })
}

/// Id and place, so that a cursor is one word: the id has no `~`.
fn cursor((place, id): &(String, String)) -> String {
    if place.is_empty() { id.clone() } else { format!("{id}~{}", Base64UrlUnpadded.encode(place)) }
}

fn place(cursor: &str) -> Result<(String, String), Refused> {
    let Some((id, place)) = cursor.split_once('~') else { return Ok((String::new(), cursor.to_owned())) };
    let place = Base64UrlUnpadded.decode(place).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let place = place.ok_or_else(|| Refused::invalid("cursor is not one that was given."))?;
    Ok((place, id.to_owned()))
}

/// The computers, oldest activation first unless said otherwise.
#[utoipa::path(get, path = "/computers", tag = "computers", operation_id = "listComputers", params(ComputerQuery),
    responses((status = 200, body = Page<Computer>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ComputerQuery>,
) -> Result<Json<Page<Computer>>, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let limit = limit(query.limit)?;
    let names = Names::read(&app, ctx).await?;
    let beyond = beyond(&app, ctx, &query).await?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    let mut after = query.cursor.as_deref().map(place).transpose()?;
    let wanted = wanted(query, &names)?;
    let mut found = Vec::new();
    // What is in memory only is not known to the database, so rows are read until enough of them fit.
    loop {
        let rows = app.store.computers(ctx, &wanted, after.as_ref(), 500).await?;
        let ended = rows.len() < 500;
        after = rows.last().map(|(_, place)| place.clone());
        for (row, place) in rows {
            let computer = shown(&app, &row, &names, app.presence(&row).as_ref());
            if beyond.finds(&computer, &names) {
                found.push((computer, place));
            }
        }
        if ended || found.len() >= most {
            break;
        }
    }
    found.truncate(most);
    let page = page(found, limit, |(_, place)| cursor(place));
    let items = page.items.into_iter().map(|(computer, _)| computer).collect();
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
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
