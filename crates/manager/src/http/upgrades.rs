//! Roll-outs of agent versions in rings.
use super::auth::{Access, Caller, Resource};
use super::computer_list::{ComputerQuery, chosen};
use super::extract::{Id, Message, Query, check_if_match, check_tag, limit, name, page};
use super::groups::check_group;
use crate::app::App;
use crate::clock;
use crate::problem::{Refused, field_error};
use crate::store::{
    GroupRow, TenantCtx, UpgradeComputersWanted, UpgradeCount, UpgradeRow, Write, with_descendants,
};
use crate::tasks::schedule::Schedule;
use crate::upgrades::{change, go_back, tell};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{
    Computer, FieldError, NewUpgrade, NewUpgradeRing, Page, Upgrade, UpgradeComputer, UpgradePlan,
    UpgradeRing, UpgradeRollBack, UpgradeState,
};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// Most roll-outs of a tenant that are remembered.
const UPGRADES: u64 = 1_000;
/// Most rings.
const RINGS: usize = 20;

fn shown(row: &UpgradeRow, counts: &[UpgradeCount]) -> Upgrade {
    let ring = |(number, ring): (usize, &NewUpgradeRing)| {
        let count = |states: &[&str]| {
            let of_ring = counts.iter().filter(|one| {
                one.upgrade == row.id
                    && usize::try_from(one.ring).ok() == Some(number)
                    && states.contains(&one.state.as_str())
            });
            of_ring.map(|one| one.computers).sum()
        };
        UpgradeRing {
            percent: ring.percent,
            tag: ring.tag.clone(),
            group_id: ring.group_id,
            waiting: count(&["waiting"]),
            at_work: count(&["ordered", "returning"]),
            healthy: count(&["healthy"]),
            failed: count(&["failed"]),
            unreached: count(&["unreached"]),
            skipped: count(&["skipped"]),
            returned: count(&["returned"]),
            stuck: count(&["stuck"]),
        }
    };
    let state = serde_json::from_value(serde_json::Value::String(row.state.clone()));
    Upgrade {
        id: row.id,
        name: row.name.clone(),
        version: row.version.clone(),
        state: state.unwrap_or(UpgradeState::Halted),
        reason: row.reason.clone(),
        rings: row.plan.rings.iter().enumerate().map(ring).collect(),
        plan: row.plan.clone(),
        ring: row.ring,
        ring_since: clock::text(row.ring_since),
        ring_done: row.ring_done.map(clock::text),
        left_out: row.left_out,
        created_by: row.created_by.clone(),
        created_at: clock::text(row.created_at),
        finished_at: row.finished_at.map(clock::text),
        etag: etag(row),
    }
}

fn etag(row: &UpgradeRow) -> String {
    format!("\"{}\"", row.revision)
}

async fn answer(app: &App, ctx: &TenantCtx, status: StatusCode, id: Uuid) -> Result<Response, Refused> {
    let row = app.store.upgrade(ctx, id).await?.ok_or_else(|| Refused::not_found("roll-out"))?;
    let counts = app.store.upgrade_counts(ctx, &[id]).await?;
    let upgrade = shown(&row, &counts);
    let mut response = (status, Json(&upgrade)).into_response();
    if let Ok(value) = HeaderValue::from_str(&upgrade.etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    Ok(response)
}

/// What is wrong with a plan, all of it.
fn check(plan: &UpgradePlan, groups: &[GroupRow]) -> Result<(), Refused> {
    let mut errors = Vec::new();
    for (member, value, least, most) in [
        ("healthyWithinSecs", plan.healthy_within_secs, 10, 86_400),
        ("waitSecs", plan.wait_secs, 0, 2_592_000),
        ("reachWithinSecs", plan.reach_within_secs, 60, 2_592_000),
        ("haltAbovePercent", plan.halt_above_percent, 0, 100),
        ("atOnce", plan.at_once, 1, 5_000),
    ] {
        range(&mut errors, &format!("/plan/{member}"), value, (least, most));
    }
    if let Some(window) = &plan.window {
        range(&mut errors, "/plan/window/durationSecs", window.duration_secs, (60, 604_800));
        if let Err(wrong) = Schedule::parse(&window.schedule, &window.time_zone) {
            errors.push(field_error(&format!("/plan/window/{}", wrong.member), "invalid", &wrong.message));
        }
    }
    if plan.rings.is_empty() || plan.rings.len() > RINGS {
        errors.push(field_error("/plan/rings", "out-of-range", "From 1 to 20 rings."));
    }
    let mut share = 0;
    for (number, ring) in plan.rings.iter().take(RINGS).enumerate() {
        let at = format!("/plan/rings/{number}");
        let wrong = match (ring.percent, &ring.tag, ring.group_id) {
            (Some(percent), None, None) => {
                range(&mut errors, &format!("{at}/percent"), percent, (1, 100));
                if percent <= share {
                    let message =
                        "A ring's percent is with those of the rings before it, so it is higher than theirs.";
                    errors.push(field_error(&format!("{at}/percent"), "out-of-range", message));
                }
                share = percent;
                Ok(())
            }
            (None, Some(tag), None) => {
                let (key, value) = tag.split_once('=').unwrap_or((tag, ""));
                check_tag(&format!("{at}/tag"), key, value)
            }
            (None, None, Some(group)) => check_group(&format!("{at}/groupId"), group, groups),
            _ => Err(Refused::field(&at, "invalid", "One of percent, tag and groupId.")),
        };
        errors.extend(wrong.err().into_iter().flat_map(|refused| refused.errors));
    }
    if errors.is_empty() { Ok(()) } else { Err(Refused::fields(errors)) }
}

fn range(errors: &mut Vec<FieldError>, pointer: &str, value: u32, (least, most): (u32, u32)) {
    if !(least..=most).contains(&value) {
        errors.push(field_error(pointer, "out-of-range", &format!("From {least} to {most}.")));
    }
}

/// Puts each computer into its ring; the number of those that are in none.
fn rings_of(
    id: Uuid,
    plan: &UpgradePlan,
    computers: &[Computer],
    groups: &[GroupRow],
) -> (Vec<(usize, u32)>, u32) {
    // By lot, but the same for everybody who draws it.
    let (high, low) = id.as_u64_pair();
    let lot = |computer: &Computer| {
        let (a, b) = computer.id.as_u64_pair();
        (a ^ b ^ high ^ low)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9)
    };
    let mut order: Vec<usize> = (0..computers.len()).collect();
    order.sort_by_key(|n| computers.get(*n).map(lot));
    let mut placed = Vec::with_capacity(computers.len());
    let mut left = order;
    for (number, ring) in (0_u32..).zip(&plan.rings) {
        let below = ring.group_id.map(|group| with_descendants(group, groups));
        let share = ring.percent.map(|percent| {
            // At least one, so that the first ring of a small fleet is not empty.
            (computers.len() * usize::try_from(percent).unwrap_or(100)).div_ceil(100)
        });
        let by_share = share.map(|share| share.saturating_sub(placed.len()));
        let mut taken = 0;
        left.retain(|n| {
            let Some(computer) = computers.get(*n) else { return false };
            let fits = match (&ring.tag, &below, by_share) {
                (Some(tag), _, _) => match tag.split_once('=') {
                    Some((key, value)) => computer.tags.get(key).is_some_and(|found| found == value),
                    None => computer.tags.contains_key(tag),
                },
                (_, Some(groups), _) => computer.group_id.is_some_and(|group| groups.contains(&group)),
                (_, _, Some(most)) => taken < most,
                _ => false,
            };
            if fits {
                taken += 1;
                placed.push((*n, number));
            }
            !fits
        });
    }
    (placed, u32::try_from(left.len()).unwrap_or(u32::MAX))
}

/// The roll-outs, newest first.
#[utoipa::path(get, path = "/upgrades", tag = "upgrades", operation_id = "listUpgrades",
    params(super::ListQuery), responses((status = 200, body = Page<Upgrade>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<Upgrade>>, Refused> {
    let ctx = caller.may(Resource::Upgrades, Access::Read)?;
    let limit = limit(query.limit)?;
    let before = match query.cursor.as_deref().map(Uuid::parse_str) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Err(Refused::invalid("cursor is not one that this list gave.")),
    };
    let rows = app.store.upgrades(ctx, before, limit + 1).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let counts = app.store.upgrade_counts(ctx, &ids).await?;
    let items = rows.iter().map(|row| shown(row, &counts)).collect();
    Ok(Json(page(items, limit, |upgrade: &Upgrade| upgrade.id.to_string())))
}

/// Begins a roll-out with the computers that fit now. One at a time is under way.
#[utoipa::path(post, path = "/upgrades", tag = "upgrades", operation_id = "createUpgrade",
    request_body = NewUpgrade, responses((status = 201, body = Upgrade)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(new): Message<NewUpgrade>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Upgrades, Access::Write)?;
    let now = app.clock.now();
    let groups = app.store.groups(ctx).await?;
    let upgrade_name = name("/name", &new.name)?;
    check(&new.plan, &groups)?;
    let packages = app.agent_packages.look().await;
    let of_version = || packages.iter().filter(|package| package.version == new.version);
    if !of_version().any(|package| package.signed.is_ok()) {
        let (code, message) = match of_version().find_map(|package| package.signed.as_ref().err()) {
            Some(why) => ("package-refused", format!("Its package is refused: {why}.")),
            None => (
                "no-package",
                "There is no package of this version; the list of agent packages shows them.".to_owned(),
            ),
        };
        return Err(Refused::field("/version", code, &message));
    }
    let by = ComputerQuery {
        policy_id: new.plan.policy_id,
        group_id: new.plan.group_id,
        search_id: new.plan.search_id,
        filter: new.plan.filter.clone(),
        ..ComputerQuery::default()
    };
    let computers = chosen(&app, ctx, by).await.map_err(|mut refused| {
        for error in &mut refused.errors {
            error.pointer.insert_str(0, "/plan");
        }
        refused
    })?;
    let computers: Vec<Computer> = computers.into_iter().filter(|computer| computer.managed).collect();
    if computers.is_empty() {
        return Err(Refused::field("/plan", "no-computers", "No computer fits."));
    }
    let id = Uuid::now_v7();
    let (placed, left_out) = rings_of(id, &new.plan, &computers, &groups);
    let row = UpgradeRow {
        id,
        name: upgrade_name,
        version: new.version,
        plan: new.plan,
        state: "running".to_owned(),
        ring: 0,
        ring_since: now,
        ring_done: None,
        back_from: 0,
        reason: String::new(),
        left_out,
        created_by: ctx.actor.name.clone(),
        created_at: now,
        finished_at: None,
        revision: 1,
    };
    let mut write = app.store.begin(ctx, now).await?;
    if let Some(open) = write.upgrade_open().await? {
        let detail = format!("'{open}' is under way: wait for its end, or abort it.");
        return Err(Refused::conflict("under-way", "One roll-out at a time.", detail));
    }
    if write.count_upgrades().await? >= UPGRADES {
        let detail = "Delete some that have ended.";
        return Err(Refused::conflict("too-many", "There are as many roll-outs as there may be.", detail));
    }
    write.insert_upgrade(&row).await?;
    for (n, ring) in placed {
        if let Some(computer) = computers.get(n) {
            write.insert_upgrade_computer(id, computer.id, ring, &computer.agent_version).await?;
        }
    }
    write.audit(change("upgrade.create", None, Some(&row))).await?;
    tell(&mut write, &row, "info", "upgrade-started", &[("by", row.created_by.clone())]).await?;
    write.commit().await?;
    answer(&app, ctx, StatusCode::CREATED, id).await
}

/// One roll-out with its rings.
#[utoipa::path(get, path = "/upgrades/{id}", tag = "upgrades", operation_id = "getUpgrade",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Upgrade)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Upgrades, Access::Read)?;
    answer(&app, ctx, StatusCode::OK, id).await
}

/// Deletes a roll-out that has ended.
#[utoipa::path(delete, path = "/upgrades/{id}", tag = "upgrades", operation_id = "deleteUpgrade",
    params(("id" = uuid::Uuid, Path)), responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Upgrades, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let row = write.upgrade(id).await?.ok_or_else(|| Refused::not_found("roll-out"))?;
    if row.finished_at.is_none() {
        return Err(wrong_state(&row, "Abort it first."));
    }
    write.delete_upgrade(id).await?;
    write.audit(change("upgrade.delete", Some(&row), None)).await?;
    write.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn wrong_state(row: &UpgradeRow, detail: &str) -> Refused {
    Refused::conflict("wrong-state", &format!("The roll-out is {}.", row.state), detail)
}

/// A person's decision: from one of these states, another.
struct Decision {
    action: &'static str,
    from: &'static [&'static str],
    otherwise: &'static str,
}

/// Reads the row that a person decides about, if it is in a state in which they may.
async fn decide(
    app: &App,
    caller: &Caller,
    id: Uuid,
    headers: &HeaderMap,
    decision: &Decision,
) -> Result<(Write, UpgradeRow), Refused> {
    let ctx = caller.may(Resource::Upgrades, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let row = write.upgrade(id).await?.ok_or_else(|| Refused::not_found("roll-out"))?;
    check_if_match(headers, &etag(&row))?;
    if !decision.from.contains(&row.state.as_str()) {
        return Err(wrong_state(&row, decision.otherwise));
    }
    Ok((write, row))
}

async fn decided(
    app: &App,
    caller: &Caller,
    mut write: Write,
    (before, after): (UpgradeRow, UpgradeRow),
    action: &'static str,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Upgrades, Access::Write)?;
    write.put_upgrade(&after).await?;
    write.audit(change(action, Some(&before), Some(&after))).await?;
    write.commit().await?;
    answer(app, ctx, StatusCode::OK, after.id).await
}

/// Nobody new is told; those that are at it go on.
#[utoipa::path(post, path = "/upgrades/{id}/pause", tag = "upgrades", operation_id = "pauseUpgrade",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    responses((status = 200, body = Upgrade)))]
pub(super) async fn pause(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let decision =
        Decision { action: "upgrade.pause", from: &["running"], otherwise: "Only one that runs is paused." };
    let (write, before) = decide(&app, &caller, id, &headers, &decision).await?;
    let after = UpgradeRow { state: "paused".to_owned(), ..before.clone() };
    decided(&app, &caller, write, (before, after), decision.action).await
}

/// It goes on where it was. One that was halted goes on with what has failed as it is, so it halts again unless the limit
/// is no longer passed.
#[utoipa::path(post, path = "/upgrades/{id}/resume", tag = "upgrades", operation_id = "resumeUpgrade",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    responses((status = 200, body = Upgrade)))]
pub(super) async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let decision = Decision {
        action: "upgrade.resume",
        from: &["paused"],
        otherwise: "Only one that is paused is resumed. One that was halted has failed: roll it back, or abort it.",
    };
    let (write, before) = decide(&app, &caller, id, &headers, &decision).await?;
    let after = UpgradeRow { state: "running".to_owned(), reason: String::new(), ..before.clone() };
    decided(&app, &caller, write, (before, after), decision.action).await
}

/// Ends it where it is: computers keep the version that they have.
#[utoipa::path(post, path = "/upgrades/{id}/abort", tag = "upgrades", operation_id = "abortUpgrade",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    responses((status = 200, body = Upgrade)))]
pub(super) async fn abort(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let decision = Decision {
        action: "upgrade.abort",
        from: &["running", "paused", "halted", "going-back"],
        otherwise: "It has ended already.",
    };
    let (mut write, before) = decide(&app, &caller, id, &headers, &decision).await?;
    let now = app.clock.now();
    let after = UpgradeRow { state: "aborted".to_owned(), finished_at: Some(now), ..before.clone() };
    write.upgrade_skip_waiting(id).await?;
    tell(&mut write, &after, "info", "upgrade-ended", &[("state", after.state.clone())]).await?;
    decided(&app, &caller, write, (before, after), decision.action).await
}

/// Computers go back to the version before: those of the ring that is at work, or all.
#[utoipa::path(post, path = "/upgrades/{id}/roll-back", tag = "upgrades", operation_id = "rollBackUpgrade",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body = UpgradeRollBack, responses((status = 200, body = Upgrade)))]
pub(super) async fn roll_back(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Message(how): Message<UpgradeRollBack>,
) -> Result<Response, Refused> {
    let decision = Decision {
        action: "upgrade.roll-back",
        from: &["running", "paused", "halted", "succeeded", "aborted"],
        otherwise: "It goes back, or has gone back, already.",
    };
    let (mut write, before) = decide(&app, &caller, id, &headers, &decision).await?;
    let open = write.upgrade_open().await?;
    if before.finished_at.is_some()
        && let Some(open) = open
    {
        let detail = format!("'{open}' is under way: wait for its end, or abort it.");
        return Err(Refused::conflict("under-way", "One roll-out at a time.", detail));
    }
    let mut after = before.clone();
    let from = if how.all { 0 } else { before.ring };
    go_back(&mut write, &mut after, from, app.clock.now()).await?;
    decided(&app, &caller, write, (before, after), decision.action).await
}

/// Where a list of computers begins, and of which ring.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ComputersQuery {
    /// Only computers of this ring, from 0.
    ring: Option<u32>,
    /// At most so many, 1 to 500; 100 where absent.
    limit: Option<u32>,
    /// The `nextCursor` of the part before.
    cursor: Option<String>,
}

/// How far each computer is.
#[utoipa::path(get, path = "/upgrades/{id}/computers", tag = "upgrades", operation_id = "listUpgradeComputers",
    params(("id" = uuid::Uuid, Path), ComputersQuery), responses((status = 200, body = Page<UpgradeComputer>)))]
pub(super) async fn computers(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    Query(query): Query<ComputersQuery>,
) -> Result<Json<Page<UpgradeComputer>>, Refused> {
    let ctx = caller.may(Resource::Upgrades, Access::Read)?;
    caller.may(Resource::Computers, Access::Read)?;
    let limit = limit(query.limit)?;
    app.store.upgrade(ctx, id).await?.ok_or_else(|| Refused::not_found("roll-out"))?;
    let after = query.cursor.as_deref().unwrap_or_default();
    let wanted = UpgradeComputersWanted::Page { after, ring: query.ring, limit: limit + 1 };
    let rows = app.store.upgrade_computers(ctx, id, wanted).await?;
    let versions: HashMap<Uuid, String> = rows
        .iter()
        .filter_map(|row| Some((row.computer, app.fleet.presence(row.computer)?.agent_version)))
        .collect();
    let items = rows.into_iter().map(|row| UpgradeComputer {
        version: versions.get(&row.computer).unwrap_or(&row.version).clone(),
        computer_id: row.computer,
        computer_name: row.name,
        ring: row.ring,
        state: row.state,
        step: row.step,
        since: clock::text(row.since),
        from_version: row.from,
        message: row.message,
    });
    Ok(Json(page(items.collect(), limit, |row: &UpgradeComputer| row.computer_id.to_string())))
}
