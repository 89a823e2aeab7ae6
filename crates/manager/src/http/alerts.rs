//! Alerts: looked at, acknowledged, dismissed.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, Query, check_if_match, limit, page};
use crate::alerts::{note, shown, tell};
use crate::app::App;
use crate::problem::Refused;
use crate::store::{AlertsWanted, Change};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{Alert, AlertPatch, AlertState, AlertSummary, Page};
use std::sync::Arc;
use uuid::Uuid;

/// Longest comment, in characters.
const COMMENT_CHARS: usize = 4096;

fn word(state: AlertState) -> &'static str {
    match state {
        AlertState::Open => "open",
        AlertState::Acknowledged => "acknowledged",
        AlertState::Dismissed => "dismissed",
        AlertState::Resolved => "resolved",
    }
}

fn with_etag(alert: &Alert) -> Response {
    let mut response = Json(alert).into_response();
    if let Ok(value) = HeaderValue::from_str(&alert.etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// Which alerts.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AlertQuery {
    /// Only in this state.
    #[param(inline)]
    pub(super) state: Option<AlertState>,
    /// Only of this condition.
    pub(super) condition_id: Option<String>,
    /// Only about this computer.
    pub(super) computer_id: Option<Uuid>,
    /// At most so many, 1 to 500; 100 where absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u32>,
    /// The `nextCursor` of the part before.
    pub(super) cursor: Option<String>,
}

/// The alerts, newest first.
#[utoipa::path(get, path = "/alerts", tag = "alerts", operation_id = "listAlerts", params(AlertQuery),
    responses((status = 200, body = Page<Alert>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<AlertQuery>,
) -> Result<Json<Page<Alert>>, Refused> {
    let ctx = caller.may(Resource::Alerts, Access::Read)?;
    let limit = limit(query.limit)?;
    let before = match query.cursor.as_deref().map(Uuid::parse_str) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Err(Refused::invalid("cursor is not one that this list gave.")),
    };
    let wanted = AlertsWanted {
        state: query.state.map(word),
        condition: query.condition_id.as_deref(),
        computer: query.computer_id,
        before,
    };
    let rows = app.store.alerts(ctx, &wanted, limit + 1).await?;
    Ok(Json(page(rows.iter().map(shown).collect(), limit, |alert| alert.id.to_string())))
}

/// How many alerts wait for somebody.
#[utoipa::path(get, path = "/alerts/summary", tag = "alerts", operation_id = "summarizeAlerts",
    responses((status = 200, body = AlertSummary)))]
pub(super) async fn summary(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<AlertSummary>, Refused> {
    let ctx = caller.may(Resource::Alerts, Access::Read)?;
    let mut summary = AlertSummary::default();
    for (state, severity, count) in app.store.alert_counts(ctx).await? {
        let count = u64::try_from(count).unwrap_or_default();
        if state == "open" {
            summary.open += count;
            *summary.by_severity.entry(severity).or_default() += count;
        } else {
            summary.acknowledged += count;
        }
    }
    Ok(Json(summary))
}

/// One alert.
#[utoipa::path(get, path = "/alerts/{id}", tag = "alerts", operation_id = "getAlert",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Alert)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Alerts, Access::Read)?;
    let row = app.store.alert(ctx, id).await?.ok_or_else(|| Refused::not_found("alert"))?;
    Ok(with_etag(&shown(&row)))
}

/// Acknowledges, dismisses or opens an alert again, with a comment. Merge patch.
///
/// A dismissed alert on a state (a computer out of contact) stands until its cause has gone: the same cause raises no
/// other one. After a dismissed alert on events, the next events raise a new one.
#[utoipa::path(patch, path = "/alerts/{id}", tag = "alerts", operation_id = "updateAlert",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body(content = AlertPatch, content_type = "application/json"),
    responses((status = 200, body = Alert)))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Message(patch): Message<AlertPatch>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Alerts, Access::Write)?;
    if patch.comment.as_ref().is_some_and(|comment| comment.chars().count() > COMMENT_CHARS) {
        return Err(Refused::field("/comment", "too-long", "A comment has at most 4096 characters."));
    }
    let now = app.clock.now();
    let mut write = app.store.begin(ctx, now).await?;
    let mut row = write.alert(id).await?.ok_or_else(|| Refused::not_found("alert"))?;
    check_if_match(&headers, &shown(&row).etag)?;
    let audited = |state: &str, comment: &str| serde_json::json!({"state": state, "comment": comment});
    let before = audited(&row.state, &row.comment);
    let rows = app.store.alert_conditions(ctx).await?;
    let on_events = crate::alerts::conditions::on_events(&row.condition, &rows);
    let mut what = None;
    if let Some(state) = patch.state {
        if row.state == "resolved" || state == AlertState::Resolved {
            return Err(Refused::conflict(
                "resolved",
                "An alert is resolved when its cause has gone, and by nothing else.",
                "Acknowledge or dismiss alerts that are not resolved.",
            ));
        }
        if state == AlertState::Open && !row.active {
            return Err(Refused::conflict("over", "The alert is over.", "The next events raise a new one."));
        }
        what = (word(state) != row.state).then(|| match state {
            AlertState::Open | AlertState::Resolved => "reopened",
            state => word(state),
        });
        word(state).clone_into(&mut row.state);
        row.active = row.active && !(on_events && state == AlertState::Dismissed);
        row.state_by.clone_from(&ctx.actor.name);
        row.state_at = Some(now);
    }
    if let Some(comment) = patch.comment {
        row.comment = comment;
    }
    write.update_alert(&row).await?;
    row.revision += 1;
    if let Some(what) = what {
        note(&mut write, what, &row).await?;
    }
    let after = audited(&row.state, &row.comment);
    write
        .audit(Change {
            action: "alert.update",
            object_kind: "alert",
            object_id: id.to_string(),
            before: Some(before),
            after: Some(after),
        })
        .await?;
    write.commit().await?;
    tell(&app, ctx.tenant);
    Ok(with_etag(&shown(&row)))
}

/// For the conditions: they answer in the same way.
pub(super) fn tagged(status: StatusCode, body: &sakimori_api::AlertCondition) -> Response {
    let mut response = (status, Json(body)).into_response();
    if let Ok(value) = HeaderValue::from_str(&body.etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}
