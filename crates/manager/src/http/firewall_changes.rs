//! The firewall's changes on a computer: how the last one stands, and an operator's word on it.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message};
use crate::app::App;
use crate::problem::Refused;
use crate::store::{Change, ComputerRow};
use crate::{clock, fleet};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sakimori_api::{FirewallChangeRef, FirewallChangeState, FirewallOrder, FirewallSource, FirewallStanding};
use sakimori_model::Timestamp;
use sakimori_modules::firewall;
use sakimori_protocol::ModuleStatus;
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

/// How the last change of a computer's firewall stands.
#[utoipa::path(get, path = "/computers/{id}/firewall", tag = "computers", operation_id = "getFirewallState",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = FirewallChangeState)))]
pub(super) async fn state(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<FirewallChangeState>, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let row = app.store.computer(ctx, id).await?.ok_or_else(|| Refused::not_found("computer"))?;
    Ok(Json(of(&app, &row)))
}

/// Confirms a change of a computer's firewall that waits for it: then it stays.
#[utoipa::path(post, path = "/computers/{id}/firewall/confirm", tag = "computers",
    operation_id = "confirmFirewallChange", params(("id" = uuid::Uuid, Path)), request_body = FirewallChangeRef,
    responses((status = 202, body = FirewallOrder)))]
pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    Message(change): Message<FirewallChangeRef>,
) -> Result<(StatusCode, Json<FirewallOrder>), Refused> {
    order(&app, &caller, id, "confirm", Some(change.number)).await
}

/// Takes back a change of a computer's firewall that is on trial.
#[utoipa::path(post, path = "/computers/{id}/firewall/revert", tag = "computers",
    operation_id = "revertFirewallChange", params(("id" = uuid::Uuid, Path)), request_body = FirewallChangeRef,
    responses((status = 202, body = FirewallOrder)))]
pub(super) async fn revert(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    Message(change): Message<FirewallChangeRef>,
) -> Result<(StatusCode, Json<FirewallOrder>), Refused> {
    order(&app, &caller, id, "revert", Some(change.number)).await
}

/// Has a computer try again the change of its firewall that was taken back.
#[utoipa::path(post, path = "/computers/{id}/firewall/retry", tag = "computers",
    operation_id = "retryFirewallChange", params(("id" = uuid::Uuid, Path)),
    responses((status = 202, body = FirewallOrder)))]
pub(super) async fn retry(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<(StatusCode, Json<FirewallOrder>), Refused> {
    order(&app, &caller, id, "retry", None).await
}

/// Lets a source in again that a computer keeps out because it looked for ways in.
#[utoipa::path(post, path = "/computers/{id}/firewall/let-in", tag = "computers",
    operation_id = "letSourceIn", params(("id" = uuid::Uuid, Path)), request_body = FirewallSource,
    responses((status = 202, body = FirewallOrder)))]
pub(super) async fn let_in(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    Message(FirewallSource { source }): Message<FirewallSource>,
) -> Result<(StatusCode, Json<FirewallOrder>), Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let row = app.store.computer(ctx, id).await?.ok_or_else(|| Refused::not_found("computer"))?;
    // Of an IPv6 network its first address stands for all of it.
    let source: IpAddr = source.strip_suffix("/64").unwrap_or(&source).parse().map_err(|_not_one| {
        Refused::invalid(
            "source: not an address: write one as 203.0.113.9 or 2001:db8::9, or 2001:db8::/64 for the network of one",
        )
    })?;
    // One word at a time: the one that waits may be about a change that is on trial.
    if app.store.firewall_orders(ctx).await?.iter().any(|order| order.computer == id) {
        return Err(Refused::conflict(
            "order-waiting",
            "The computer has not been told yet what was said before.",
            "It is told as soon as it is in contact. Try again then.",
        ));
    }
    let now = app.clock.now();
    let mut write = app.store.begin(ctx, now).await?;
    write.put_firewall_order(id, Uuid::now_v7(), &format!("firewall-let-in {source}")).await?;
    write
        .audit(Change {
            action: "computer.firewall-let-in",
            object_kind: "computer",
            object_id: id.to_string(),
            before: None,
            after: Some(serde_json::json!({"source": source.to_string()})),
        })
        .await?;
    write.commit().await?;
    Ok(accepted(&app, &row, now))
}

/// It is said; the computer is told when it is in contact.
fn accepted(app: &App, row: &ComputerRow, now: Timestamp) -> (StatusCode, Json<FirewallOrder>) {
    let online = app.presence(row).is_some_and(|p| fleet::is_online(p.held, p.last_seen, now));
    (StatusCode::ACCEPTED, Json(FirewallOrder { requested_at: clock::text(now), online }))
}

async fn order(
    app: &App,
    caller: &Caller,
    id: Uuid,
    word: &'static str,
    number: Option<u64>,
) -> Result<(StatusCode, Json<FirewallOrder>), Refused> {
    let ctx = caller.may(Resource::Computers, Access::Write)?;
    let row = app.store.computer(ctx, id).await?.ok_or_else(|| Refused::not_found("computer"))?;
    let state = of(app, &row);
    let (wanted, title) = match number {
        Some(_) => {
            (FirewallStanding::OnTrial, "No such change of the firewall is on trial on this computer.")
        }
        None => (FirewallStanding::Reverted, "No change of the firewall was taken back on this computer."),
    };
    if state.standing != wanted || number.is_some_and(|number| state.number != Some(number)) {
        let detail =
            "Read how its last change stands: it may have been confirmed, taken back or changed again.";
        return Err(Refused::conflict("no-such-change", title, detail));
    }
    let now = app.clock.now();
    // With the number of the change also where nobody named it: told twice, it is done once.
    let words = match state.number {
        Some(number) => format!("firewall-{word} {number}"),
        None => format!("firewall-{word}"),
    };
    let mut write = app.store.begin(ctx, now).await?;
    write.put_firewall_order(id, Uuid::now_v7(), &words).await?;
    write
        .audit(Change {
            action: match word {
                "confirm" => "computer.firewall-confirm",
                "revert" => "computer.firewall-revert",
                _ => "computer.firewall-retry",
            },
            object_kind: "computer",
            object_id: id.to_string(),
            before: None,
            after: Some(serde_json::json!({"number": state.number})),
        })
        .await?;
    write.commit().await?;
    Ok(accepted(app, &row, now))
}

/// As the computer last said.
fn of(app: &App, row: &ComputerRow) -> FirewallChangeState {
    let presence = app.presence(row);
    let modules: &[ModuleStatus] = presence.as_ref().map_or(&row.modules, |presence| &presence.modules);
    let status = modules.iter().find(|status| status.module == firewall::MODULE.id);
    let counter = |name: &str| {
        let mut counters = status.into_iter().flat_map(|status| &status.counters);
        counters.find(|(known, _)| known == name).map(|(_, value)| *value)
    };
    let moment = |name: &str| {
        let seconds = i64::try_from(counter(name)?).ok()?;
        Some(clock::text(Timestamp(seconds.saturating_mul(1_000_000))))
    };
    let says = |code: &str| status.is_some_and(|status| status.reasons.iter().any(|reason| reason == code));
    let standing = if says("released-by-hand") {
        FirewallStanding::Released
    } else if says("unconfirmed") {
        FirewallStanding::OnTrial
    } else if says("reverted") {
        FirewallStanding::Reverted
    } else {
        FirewallStanding::Settled
    };
    FirewallChangeState {
        standing,
        number: counter("change-number"),
        manager_until: moment("change-manager-until"),
        operator_until: moment("change-operator-until"),
        released_until: moment("released-until"),
    }
}
