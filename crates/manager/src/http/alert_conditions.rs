//! Under which conditions alerts are raised.
use super::alerts::tagged;
use super::auth::{Access, Caller, Resource};
use super::event_search::parse;
use super::extract::{Id, Message, check_if_match, name};
use crate::alerts::{Condition, WINDOW_SECS, conditions};
use crate::app::App;
use crate::clock;
use crate::problem::Refused;
use crate::store::{Change, ConditionRow};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sakimori_api::{
    AlertCondition, AlertConditionPatch, Explanation, NewAlertCondition, Page, Patch, ThresholdUnit,
};
use sakimori_model::{Severity, Timestamp};
use std::sync::Arc;
use uuid::Uuid;

/// Most conditions of people's own: each is asked of each event.
const CONDITIONS: u64 = 100;

fn shown(condition: &Condition) -> AlertCondition {
    let row = &condition.row;
    let (title, remedy) = if let Some(of_product) = condition.built_in {
        (of_product.title.into(), of_product.remedy.into())
    } else {
        let title = Explanation::new(row.name.clone(), row.name.clone());
        (title, conditions::explain_own(&row.name, "", 0).1)
    };
    let on_events = row.filter.is_some();
    AlertCondition {
        id: condition.id.clone(),
        title,
        remedy,
        built_in: condition.built_in.is_some(),
        enabled: row.enabled,
        severity: row.severity.clone(),
        threshold: row.threshold,
        threshold_unit: condition.unit(),
        window_secs: row.window_secs.or_else(|| on_events.then_some(WINDOW_SECS)),
        filter: row.filter.clone(),
        by_computer: row.group_by == "computer",
        updated_at: (row.updated_at > Timestamp(0)).then(|| clock::text(row.updated_at)),
        etag: format!("\"{}\"", row.revision),
    }
}

fn audited(row: &ConditionRow) -> serde_json::Value {
    serde_json::json!({
        "name": row.name, "enabled": row.enabled, "severity": row.severity, "threshold": row.threshold,
        "windowSecs": row.window_secs, "filter": row.filter, "groupBy": row.group_by,
    })
}

fn change<'a>(action: &'a str, before: Option<&ConditionRow>, after: Option<&ConditionRow>) -> Change<'a> {
    let id = before.or(after).map(|row| row.id.clone()).unwrap_or_default();
    Change {
        action,
        object_kind: "alert-condition",
        object_id: id,
        before: before.map(audited),
        after: after.map(audited),
    }
}

fn severity(text: &str) -> Result<String, Refused> {
    let known: Result<Severity, _> = text.parse();
    known
        .map(|severity| severity.to_string())
        .map_err(|_e| Refused::field("/severity", "unknown", "One of info, low, medium, high and critical."))
}

fn within(pointer: &str, number: u32, most: u32) -> Result<u32, Refused> {
    if (1..=most).contains(&number) {
        return Ok(number);
    }
    Err(Refused::field(pointer, "out-of-range", &format!("A number from 1 to {most}.")))
}

/// The conditions: the product's, then people's own.
#[utoipa::path(get, path = "/alert-conditions", tag = "alerts", operation_id = "listAlertConditions",
    responses((status = 200, body = Page<AlertCondition>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<Page<AlertCondition>>, Refused> {
    let ctx = caller.may(Resource::Alerts, Access::Read)?;
    let rows = app.store.alert_conditions(ctx).await?;
    let items = Condition::all(&rows).iter().map(shown).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

/// Makes a condition: so many events that a filter finds, within so long a time.
#[utoipa::path(post, path = "/alert-conditions", tag = "alerts", operation_id = "createAlertCondition",
    request_body = NewAlertCondition, responses((status = 201, body = AlertCondition)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(new): Message<NewAlertCondition>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Alerts, Access::Write)?;
    let now = app.clock.now();
    parse("/filter", &new.filter, now)?;
    let row = ConditionRow {
        id: Uuid::now_v7().to_string(),
        name: name("/name", &new.name)?,
        enabled: new.enabled.unwrap_or(true),
        severity: severity(new.severity.as_deref().unwrap_or("medium"))?,
        threshold: Some(within("/threshold", new.threshold.unwrap_or(1), 10_000)?),
        window_secs: Some(within("/windowSecs", new.window_secs.unwrap_or(WINDOW_SECS), 86_400)?),
        filter: Some(new.filter),
        group_by: if new.by_computer.unwrap_or(true) { "computer" } else { "" }.to_owned(),
        revision: 1,
        updated_at: now,
    };
    if conditions::built_in(&row.name).is_some() {
        return Err(Refused::conflict(
            "name-taken",
            "The name is taken.",
            "Choose a name that is not in use.",
        ));
    }
    let mut write = app.store.begin(ctx, now).await?;
    if write.count_alert_conditions().await? >= CONDITIONS {
        return Err(Refused::conflict(
            "too-many",
            "There are as many conditions as there may be.",
            "Join some with OR.",
        ));
    }
    write.put_alert_condition(&row).await?;
    write.audit(change("alert-condition.create", None, Some(&row))).await?;
    write.commit().await?;
    let made = Condition { id: row.id.clone(), built_in: None, row };
    Ok(tagged(StatusCode::CREATED, &shown(&made)))
}

/// One condition.
#[utoipa::path(get, path = "/alert-conditions/{id}", tag = "alerts", operation_id = "getAlertCondition",
    params(("id" = String, Path)), responses((status = 200, body = AlertCondition)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<String>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Alerts, Access::Read)?;
    let rows = app.store.alert_conditions(ctx).await?;
    let condition = Condition::of(&id, rows.iter().find(|row| row.id == id));
    let condition = condition.ok_or_else(|| Refused::not_found("condition"))?;
    Ok(tagged(StatusCode::OK, &shown(&condition)))
}

/// Changes a condition. Merge patch.
#[utoipa::path(patch, path = "/alert-conditions/{id}", tag = "alerts", operation_id = "updateAlertCondition",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body(content = AlertConditionPatch, content_type = "application/json"),
    responses((status = 200, body = AlertCondition)))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<String>,
    headers: HeaderMap,
    Message(patch): Message<AlertConditionPatch>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Alerts, Access::Write)?;
    let now = app.clock.now();
    let mut write = app.store.begin(ctx, now).await?;
    let row = write.alert_condition(&id).await?;
    let mut condition = Condition::of(&id, row.as_ref()).ok_or_else(|| Refused::not_found("condition"))?;
    check_if_match(&headers, &shown(&condition).etag)?;
    let before = condition.row.clone();
    let row = &mut condition.row;
    if let Some(built_in) = condition.built_in {
        let fixed = patch.name.is_some()
            || patch.filter.is_some()
            || patch.window_secs.is_some()
            || patch.by_computer.is_some();
        if fixed || (built_in.threshold.is_none() && !patch.threshold.is_keep()) {
            return Err(Refused::invalid(
                "Of this condition severity, whether it is in force, and a threshold that it has can be changed.",
            ));
        }
        match patch.threshold {
            Patch::Keep => {}
            Patch::Clear => row.threshold = built_in.threshold.map(|(threshold, _)| threshold),
            Patch::Set(number) => {
                let most = match built_in.threshold {
                    Some((_, ThresholdUnit::Percent)) => 100,
                    _ => 10_000,
                };
                row.threshold = Some(within("/threshold", number, most)?);
            }
        }
    } else {
        if let Some(text) = patch.name {
            row.name = name("/name", &text)?;
        }
        if let Some(filter) = patch.filter {
            parse("/filter", &filter, now)?;
            row.filter = Some(filter);
        }
        if let Patch::Set(number) = patch.threshold {
            row.threshold = Some(within("/threshold", number, 10_000)?);
        }
        if let Some(secs) = patch.window_secs {
            row.window_secs = Some(within("/windowSecs", secs, 86_400)?);
        }
        if let Some(by_computer) = patch.by_computer {
            if by_computer { "computer" } else { "" }.clone_into(&mut row.group_by);
        }
    }
    if let Some(text) = patch.severity {
        row.severity = severity(&text)?;
    }
    row.enabled = patch.enabled.unwrap_or(row.enabled);
    write.put_alert_condition(row).await?;
    write.audit(change("alert-condition.update", Some(&before), Some(row))).await?;
    write.commit().await?;
    row.revision += 1;
    row.updated_at = now;
    Ok(tagged(StatusCode::OK, &shown(&condition)))
}

/// Deletes a condition of people's own; its alerts are resolved. One of the product's is as it came again.
#[utoipa::path(delete, path = "/alert-conditions/{id}", tag = "alerts", operation_id = "deleteAlertCondition",
    params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<String>,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Alerts, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let row = write.alert_condition(&id).await?.ok_or_else(|| Refused::not_found("condition"))?;
    write.delete_alert_condition(&id).await?;
    write.audit(change("alert-condition.delete", Some(&row), None)).await?;
    write.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
