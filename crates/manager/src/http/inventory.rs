//! What is installed on a computer, and which rules that recommends.
use super::auth::{Access, Caller, Resource};
use super::extract::Id;
use crate::app::App;
use crate::problem::Refused;
use crate::recommendation::{Reason, Recommended};
use crate::store::{Change, ComputerRow, TenantCtx};
use crate::{clock, fleet, inventories};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sakimori_api as api;
use sakimori_modules::intrusion_prevention::{self, IntrusionPrevention};
use sakimori_modules::{Mode, recommendation};
use sakimori_protocol as wire;
use std::sync::Arc;
use uuid::Uuid;

/// What is installed and runs on a computer.
#[utoipa::path(get, path = "/computers/{id}/inventory", tag = "computers", operation_id = "getInventory",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = api::Inventory)))]
pub(super) async fn inventory(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<api::Inventory>, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let row = computer(&app, ctx, id).await?;
    let kept = app.store.inventory(ctx, id).await?.ok_or_else(|| {
        let detail = "Switch the module 'recommendation' on in its policy and wait for the computer to come into contact.";
        Refused::new(
            StatusCode::NOT_FOUND,
            "no-inventory",
            "The computer has not sent an inventory.",
            detail,
        )
    })?;
    let wire::Inventory { packages, applications, processes, cloud, incomplete } = kept.inventory;
    Ok(Json(api::Inventory {
        received_at: clock::text(kept.received_at),
        packages: packages.into_iter().map(package).collect(),
        applications: applications.into_iter().map(application).collect(),
        processes: processes
            .into_iter()
            .map(|wire::Process { name, program, user, count }| api::InventoryProcess {
                name,
                program,
                user,
                count,
            })
            .collect(),
        ports: row.ports.iter().map(super::computers::port).collect(),
        cloud: cloud.map(of_cloud),
        incomplete,
    }))
}

/// Which rules a computer needs, and why.
#[utoipa::path(get, path = "/computers/{id}/recommendations", tag = "computers",
    operation_id = "getRecommendations", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = api::Recommendations)))]
pub(super) async fn recommendations(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<api::Recommendations>, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let row = computer(&app, ctx, id).await?;
    let settings: IntrusionPrevention =
        inventories::settings_of(&app, ctx, &row, intrusion_prevention::MODULE.id).await?;
    let found = app.store.recommendation(ctx, id).await?.unwrap_or_default();
    let kept = app.store.inventory(ctx, id).await?;
    let requested = app.store.inventory_request(ctx, id).await?;
    let assigns_recommended = settings.assign_recommended;
    let settings = settings.with_recommended(&found.rules.iter().map(|rule| rule.sid).collect());
    Ok(Json(api::Recommendations {
        scanned_at: kept.as_ref().map(|kept| clock::text(kept.received_at)),
        scan_requested_at: requested.map(clock::text),
        incomplete: kept.map(|kept| kept.inventory.incomplete).unwrap_or_default(),
        assigns_recommended,
        rules: found.rules.into_iter().map(|rule| recommended(&app, &settings, rule)).collect(),
    }))
}

/// Asks a computer's agent for a new look at what is installed.
#[utoipa::path(post, path = "/computers/{id}/recommendations/scan", tag = "computers",
    operation_id = "scanForRecommendations", params(("id" = uuid::Uuid, Path)),
    responses((status = 202, body = api::ScanRequest)))]
pub(super) async fn scan(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<(StatusCode, Json<api::ScanRequest>), Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let row = computer(&app, ctx, id).await?;
    let settings: recommendation::Recommendation =
        inventories::settings_of(&app, ctx, &row, recommendation::MODULE.id).await?;
    if settings.mode == Mode::Off {
        return Err(Refused::conflict(
            "module-off",
            "The recommendation scan is off on this computer.",
            "Set the mode of the module 'recommendation' to detect in the computer's policy.",
        ));
    }
    let now = app.clock.now();
    let mut write = app.store.begin(ctx, now).await?;
    write.put_inventory_request(id).await?;
    write
        .audit(Change {
            action: "computer.scan",
            object_kind: "computer",
            object_id: id.to_string(),
            before: None,
            after: Some(serde_json::json!({"module": recommendation::MODULE.id})),
        })
        .await?;
    write.commit().await?;
    app.inventories.request(id);
    let online = app.presence(&row).is_some_and(|p| fleet::is_online(p.held, p.last_seen, now));
    let request = api::ScanRequest { requested_at: clock::text(now), online };
    Ok((StatusCode::ACCEPTED, Json(request)))
}

async fn computer(app: &App, ctx: &TenantCtx, id: Uuid) -> Result<ComputerRow, Refused> {
    app.store.computer(ctx, id).await?.ok_or_else(|| Refused::not_found("computer"))
}

fn package(package: wire::Package) -> api::InventoryPackage {
    let wire::Package { name, version, architecture, source, source_version } = package;
    api::InventoryPackage { name, version, architecture, source, source_version }
}

fn application(application: wire::Application) -> api::InventoryApplication {
    let wire::Application { kind, name, title, version, place } = application;
    api::InventoryApplication { kind, name, title, version, place }
}

fn of_cloud(cloud: wire::Cloud) -> api::InventoryCloud {
    api::InventoryCloud {
        provider: cloud.provider,
        instance: cloud.instance,
        name: cloud.name,
        region: cloud.region,
        zone: cloud.zone,
        account: cloud.account,
        resource_group: cloud.resource_group,
        scale_set: cloud.scale_set,
        image: cloud.image,
        size: cloud.size,
        tags: cloud.tags.into_iter().map(|(name, value)| api::InventoryTag { name, value }).collect(),
    }
}

fn recommended(app: &App, settings: &IntrusionPrevention, found: Recommended) -> api::RecommendedRule {
    let content = app.content.now();
    let rule = content.rules.iter().find(|rule| rule.sid == found.sid);
    api::RecommendedRule {
        module: intrusion_prevention::MODULE.id.to_owned(),
        sid: found.sid,
        title: rule.map_or_else(
            || api::Explanation { en: String::new(), ja: String::new() },
            |rule| rule.title.clone(),
        ),
        cves: rule.map(|rule| rule.cves.clone()).unwrap_or_default(),
        severity: rule.map(|rule| rule.severity.clone()).unwrap_or_default(),
        assigned: settings.assigns(found.sid),
        reasons: found.reasons.into_iter().map(reason).collect(),
    }
}

fn reason(reason: Reason) -> api::RecommendationReason {
    let Reason { code, kind, product, version, place, affected, maybe_backported, words } = reason;
    api::RecommendationReason {
        code,
        kind,
        product,
        version,
        place,
        affected,
        maybe_backported,
        explanation: words,
    }
}
