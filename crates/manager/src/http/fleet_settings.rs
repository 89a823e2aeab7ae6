//! What becomes of ephemeral computers that have gone.
use super::auth::{Access, Caller, Resource};
use super::extract::{Message, check_if_match};
use crate::app::App;
use crate::clock;
use crate::ephemeral::{Rules, SETTING};
use crate::problem::Refused;
use crate::store::Change;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{FleetBrake, FleetSettings, FleetSettingsPatch};
use sakimori_model::Timestamp;
use std::sync::Arc;

/// One year.
const LONGEST_SECS: u64 = 31_536_000;

fn shown(rules: &Rules) -> FleetSettings {
    FleetSettings {
        suspend_after_secs: rules.suspend_after_secs,
        clean_up_after_secs: rules.clean_up_after_secs,
        brake_percent: rules.brake_percent,
        brake_count: rules.brake_count,
        brake_window_secs: rules.brake_window_secs,
        brake: rules.brake.map(|brake| FleetBrake {
            since: clock::text(Timestamp(brake.since)),
            lost: brake.lost,
            of: brake.of,
        }),
        etag: format!("\"{}\"", rules.revision),
    }
}

fn with_etag(settings: &FleetSettings) -> Response {
    let mut response = Json(settings).into_response();
    if let Ok(value) = HeaderValue::from_str(&settings.etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// The settings, and whether the brake is on.
#[utoipa::path(get, path = "/fleet-settings", tag = "fleet", operation_id = "getFleetSettings",
    responses((status = 200, body = FleetSettings)))]
pub(super) async fn get(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let rules = Rules::of(app.store.setting(ctx, SETTING).await?.as_deref())?;
    Ok(with_etag(&shown(&rules)))
}

/// Changes the settings. Merge patch.
#[utoipa::path(patch, path = "/fleet-settings", tag = "fleet", operation_id = "updateFleetSettings",
    params(("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body(content = FleetSettingsPatch, content_type = "application/json"),
    responses((status = 200, body = FleetSettings)))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Message(patch): Message<FleetSettingsPatch>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let mut rules = Rules::of(write.setting(SETTING).await?.as_deref())?;
    check_if_match(&headers, &shown(&rules).etag)?;
    let before = shown(&rules);
    let within = |pointer: &str, value: u64, from: u64, to: u64| {
        if (from..=to).contains(&value) {
            return Ok(value);
        }
        Err(Refused::field(pointer, "out-of-range", &format!("Between {from} and {to}.")))
    };
    if let Some(secs) = patch.suspend_after_secs {
        rules.suspend_after_secs = within("/suspendAfterSecs", secs, 60, LONGEST_SECS)?;
    }
    if let Some(secs) = patch.clean_up_after_secs {
        rules.clean_up_after_secs = within("/cleanUpAfterSecs", secs, 1, LONGEST_SECS)?;
    }
    if let Some(secs) = patch.brake_window_secs {
        rules.brake_window_secs = within("/brakeWindowSecs", secs, 60, LONGEST_SECS)?;
    }
    if let Some(percent) = patch.brake_percent {
        within("/brakePercent", u64::from(percent), 1, 100)?;
        rules.brake_percent = percent;
    }
    if let Some(count) = patch.brake_count {
        within("/brakeCount", u64::from(count), 1, 1_000_000)?;
        rules.brake_count = count;
    }
    rules.revision += 1;
    write.put_setting(SETTING, &rules.text()?).await?;
    let after = shown(&rules);
    write.audit(change("fleet-settings.update", &before, &after)?).await?;
    write.commit().await?;
    Ok(with_etag(&after))
}

fn change(
    action: &'static str,
    before: &FleetSettings,
    after: &FleetSettings,
) -> Result<Change<'static>, Refused> {
    Ok(Change {
        action,
        object_kind: "fleet-settings",
        object_id: "fleet".to_owned(),
        before: Some(serde_json::to_value(before)?),
        after: Some(serde_json::to_value(after)?),
    })
}

/// Takes the brake off: what has gone until now is no loss, and is suspended and cleaned up as any other.
#[utoipa::path(post, path = "/fleet-settings/release-brake", tag = "fleet", operation_id = "releaseFleetBrake",
    responses((status = 200, body = FleetSettings)))]
pub(super) async fn release(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let now = app.clock.now();
    let mut write = app.store.begin(ctx, now).await?;
    let mut rules = Rules::of(write.setting(SETTING).await?.as_deref())?;
    let before = shown(&rules);
    rules.brake = None;
    rules.released_at = now.0;
    rules.revision += 1;
    write.put_setting(SETTING, &rules.text()?).await?;
    let after = shown(&rules);
    write.audit(change("fleet-settings.release-brake", &before, &after)?).await?;
    write.commit().await?;
    Ok(with_etag(&after))
}
