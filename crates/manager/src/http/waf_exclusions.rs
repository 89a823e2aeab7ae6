//! From an event of the web application firewall to narrow exclusions, and what exclusions would have made of events.
use super::auth::{Access, Caller, Resource};
use super::event_search::{between, is};
use super::extract::{Id, Message};
use super::policies::{patched, save};
use crate::app::App;
use crate::events::{EventStore as _, StoredEvent};
use crate::policy_tree::Tree;
use crate::problem::Refused;
use crate::store::{TenantCtx, VersionNote};
use axum::Json;
use axum::extract::State;
use sakimori_api::{
    NewWafExclusion, PolicyPatch, SettingsPatch, WafEffect, WafEffectExample, WafEffectQuestion,
    WafExclusionMade,
};
use sakimori_model::Timestamp;
use sakimori_modules::EventDetail as _;
use sakimori_modules::web_application_firewall::{self, Exclusion, WebApplicationFirewall, WebAttack};
use sakimori_modules::{Settings as _, settings};
use sakimori_query::TextField;
use sakimori_waf::{left, propose};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// Events that are looked at.
const EVENTS: usize = 5000;
/// Events of one reading.
const PART: u32 = 500;
/// How far back events are looked at.
const DAY_MICROS: i64 = 86_400_000_000;
/// Events that are named.
const EXAMPLES: usize = 20;

/// Makes narrow exclusions of an event: each rule that it names leaves out the variable in which it found something, on
/// the event's path. They are put into the policy of the event's computer, or another one; with `dryRun` they and their
/// effect on the last day's events are only shown.
#[utoipa::path(post, path = "/events/{id}/waf-exclusions", tag = "waf", operation_id = "excludeWafEvent",
    params(("id" = uuid::Uuid, Path)), request_body = NewWafExclusion, responses((status = 200, body = WafExclusionMade)))]
pub(super) async fn of_event(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    Message(asked): Message<NewWafExclusion>,
) -> Result<Json<WafExclusionMade>, Refused> {
    caller.may(Resource::Events, Access::Read)?;
    let access = if asked.dry_run { Access::Read } else { Access::Write };
    let ctx = caller.may(Resource::Policies, access)?;
    let stored = app.events.get(ctx.tenant, id).await?.ok_or_else(|| Refused::not_found("event"))?;
    let event = attack(&stored).ok_or_else(|| {
        Refused::conflict(
            "not-a-web-attack",
            "The event is not one of the web application firewall.",
            "Exclusions are made of events of the kind web-attack.",
        )
    })?;
    let exclusions = propose(&event, asked.rule);
    if exclusions.is_empty() {
        let detail =
            "It names no rule, or not the one that was asked for: a limit of the policy may have decided.";
        return Err(Refused::conflict("no-rule", "There is no rule to exclude in this event.", detail));
    }
    let assigned = app.store.assignments(ctx).await?;
    let own = assigned.iter().find(|row| row.computer == stored.computer).map(|row| row.policy);
    let policy = asked.policy_id.or(own).ok_or_else(|| {
        Refused::conflict(
            "no-policy",
            "The event's computer has no policy any more.",
            "Name the policy that is to get the exclusions.",
        )
    })?;
    let effect = effect_of(&app, ctx, &exclusions, Some(policy)).await?;
    let now = app.clock.now();
    let mut write = app.store.begin(ctx, now).await?;
    let tree = Tree::of(&mut write).await?;
    let row = tree.policy(policy).ok_or_else(|| {
        Refused::field("/policyId", "no-such-policy", "There is no such policy; read the list again.")
    })?;
    let policy_name = row.name.clone();
    let made = |saved| WafExclusionMade {
        policy_id: policy,
        policy_name,
        exclusions: exclusions.clone(),
        effect,
        saved,
    };
    let module = web_application_firewall::MODULE.id;
    let patch: SettingsPatch =
        serde_json::from_value(serde_json::json!({module: {"exclusions": &exclusions}}))?;
    let patch = PolicyPatch { settings: Some(patch), ..PolicyPatch::default() };
    let row = patched(&tree, row, &patch)?;
    if asked.dry_run {
        return Ok(Json(made(false)));
    }
    let note = VersionNote::new("changed", format!("Excluded after {}", event.incident));
    save(&app, ctx, write, tree, row, &note).await?;
    Ok(Json(made(true)))
}

/// What exclusions would have made of the last day's events.
#[utoipa::path(post, path = "/waf-exclusions/effect", tag = "waf", operation_id = "tryWafExclusions",
    request_body = WafEffectQuestion, responses((status = 200, body = WafEffect)))]
pub(super) async fn effect(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(asked): Message<WafEffectQuestion>,
) -> Result<Json<WafEffect>, Refused> {
    caller.may(Resource::Policies, Access::Read)?;
    let ctx = caller.may(Resource::Events, Access::Read)?;
    let tried = WebApplicationFirewall { exclusions: asked.exclusions, ..WebApplicationFirewall::default() };
    let wrong = tried.check().into_iter().map(|finding: settings::Finding| sakimori_api::FieldError {
        pointer: finding.pointer,
        code: finding.code.to_owned(),
        message: finding.message,
        args: BTreeMap::from([("value".to_owned(), finding.value)]),
    });
    let wrong: Vec<_> = wrong.collect();
    if !wrong.is_empty() {
        return Err(Refused::fields(wrong));
    }
    Ok(Json(effect_of(&app, ctx, &tried.exclusions, asked.policy_id).await?))
}

fn attack(stored: &StoredEvent) -> Option<WebAttack> {
    let known = stored.event.kind == WebAttack::KIND;
    known.then(|| serde_json::from_str(&stored.event.detail).ok()).flatten()
}

/// Reads the last day's events part by part; of each its rules are tried.
async fn effect_of(
    app: &App,
    ctx: &TenantCtx,
    exclusions: &BTreeMap<String, Exclusion>,
    policy: Option<Uuid>,
) -> Result<WafEffect, Refused> {
    let exclusions: Vec<&Exclusion> = exclusions.values().collect();
    let assigned = app.store.assignments(ctx).await?;
    let computers: Option<BTreeSet<Uuid>> = policy
        .map(|policy| assigned.iter().filter(|row| row.policy == policy).map(|row| row.computer).collect());
    let since = Timestamp(app.clock.now().0.saturating_sub(DAY_MICROS));
    let module = web_application_firewall::MODULE.id.to_owned();
    let filter = between(Some(since), None).and(is(TextField::Module, module));
    let mut effect = WafEffect::default();
    let (mut before, mut read) = (None, 0);
    loop {
        let part = app.events.search(ctx.tenant, &filter, before, PART).await?;
        let full = part.len() >= usize::try_from(PART).unwrap_or(usize::MAX);
        read += part.len();
        before = part.last().map(|stored| stored.id);
        let of_policy =
            |stored: &&StoredEvent| computers.as_ref().is_none_or(|these| these.contains(&stored.computer));
        for stored in part.iter().filter(of_policy) {
            add(&mut effect, stored, &exclusions);
        }
        if !full {
            return Ok(effect);
        }
        if read >= EVENTS {
            effect.more = true;
            return Ok(effect);
        }
    }
}

fn add(effect: &mut WafEffect, stored: &StoredEvent, exclusions: &[&Exclusion]) {
    let Some(event) = attack(stored) else { return };
    let left = left(&event, exclusions);
    effect.events += 1;
    effect.blocked += u64::from(event.would_block);
    effect.silenced += u64::from(left.rules == 0);
    if !event.would_block || left.would_block {
        return;
    }
    effect.passing += 1;
    if effect.examples.len() < EXAMPLES {
        effect.examples.push(WafEffectExample {
            event_id: stored.id,
            client: event.client.clone(),
            request: format!("{} {}", event.http.method, event.path),
            message: event.message.clone(),
        });
    }
}
