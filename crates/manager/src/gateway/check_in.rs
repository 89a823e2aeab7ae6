//! The long-poll: presence and state come in; it is answered when what the computer enforces should change.
use super::{Peer, Refuse, check_machine, note_clone, tidy, tidy_cloud};
use crate::app::{App, stopped};
use crate::bundles::Compiled;
use crate::fleet::{self, Before};
use crate::http::Message;
use crate::metrics::count;
use crate::pacing::Call;
use crate::reactions::{self, Aftermath};
use crate::store::{ComputerRow, Life, TenantCtx};
use axum::Json;
use axum::extract::{FromRequest as _, FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use sakimori_api::Trigger;
use sakimori_model::Timestamp;
use sakimori_protocol::pace::jitter;
use sakimori_protocol::{CheckIn, CheckInAnswer, Command, FullStatus, Hash, OrderDone, paths};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

/// Holds that are at least so long end up to a tenth earlier.
const JITTERED: Duration = Duration::from_mins(1);

/// A place among the check-ins that are worked on: taken before the first question to the database.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl FromRequestParts<Arc<App>> for Place {
    type Rejection = Refuse;

    async fn from_request_parts(_parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refuse> {
        Ok(Self { _permit: app.classes.check_ins.enter().await? })
    }
}

/// Notes that a held check-in has ended, however it ended.
struct Held {
    app: Arc<App>,
    computer: Uuid,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.app.fleet.left(self.computer, self.app.clock.now());
    }
}

/// A check-in that waits for something to change: all that is kept of it meanwhile, as there may be ten thousands.
struct Waiting {
    tenant: Uuid,
    computer: Uuid,
    enforced: Option<Hash>,
    refused: Option<Hash>,
    hold: Duration,
    commands: Vec<Command>,
    call: Call,
    changes: watch::Receiver<u64>,
    _held: Held,
}

/// Takes a check-in and holds it until something should change.
pub(crate) async fn check_in(
    State(app): State<Arc<App>>,
    place: Place,
    Peer(row): Peer,
    request: Request,
) -> Result<Response, Refuse> {
    // On the heap, and gone before the wait begins.
    let waiting = Box::pin(async {
        let Message(said) = Message::from_request(request, &app).await?;
        begin(&app, *row, said).await
    });
    let waiting = waiting.await?;
    drop(place);
    match waiting {
        Some(waiting) => waiting.hold(&app).await,
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// Notes what a computer says of itself; nothing is waited for where it says good-bye.
async fn begin(app: &Arc<App>, row: ComputerRow, said: CheckIn) -> Result<Option<Waiting>, Refuse> {
    check(&said)?;
    let now = app.clock.now();
    check_machine(app, &row, &said.fingerprint, now).await?;
    if let Some(leaving) = said.leaving {
        let after = reactions::left(app, &row, leaving, now).await?;
        after.tell(app, row.tenant, row.id).await;
        return Ok(None);
    }
    let (changes, call) = (app.bundles.subscribe(), app.rollout.attend(row.id));
    let elsewhere = app.elsewhere(&row);
    let noted = app.fleet.arrived(&row, &said, elsewhere, now);
    let held = Held { app: Arc::clone(app), computer: row.id };
    if noted.second_machine {
        note_clone(app, &row, vec!["boot".to_owned()], &said.fingerprint, now).await?;
    }
    let full_changed = match &said.full {
        Some(full) => keep_full(app, &row, full, now).await?,
        None => Aftermath::default(),
    };
    full_changed.tell(app, row.tenant, row.id).await;
    let back = match noted.before {
        Before::There => false,
        Before::Away => true,
        Before::Unknown => was_away(app, &row),
    };
    if back || row.life == Life::Suspended {
        let after = reactions::returned(app, &row, now).await?;
        after.tell(app, row.tenant, row.id).await;
    } else if noted.changed {
        app.tell_computer(row.tenant, row.id).await;
    }
    app.fleet.settled(row.id);
    count(&app.metrics.check_ins, 1);
    let mut commands = Vec::new();
    if said.full.is_none() && row.kernel.is_empty() {
        commands.push(Command::SendFullStatus);
    }
    commands.extend(inventory_commands(app, &row, &said).await?);
    let asked = Duration::from_secs(said.hold_secs.min(paths::HOLD_MAX_SECS));
    Ok(Some(Waiting {
        tenant: row.tenant,
        computer: row.id,
        enforced: said.bundle,
        refused: said.refused.as_ref().map(|(hash, _)| *hash),
        // Calls that came together do not all end together.
        hold: if asked >= JITTERED { asked.saturating_sub(jitter(asked / 10)) } else { asked },
        commands,
        call,
        changes,
        _held: held,
    }))
}

impl Waiting {
    /// Holds the check-in until something should change.
    async fn hold(mut self, app: &Arc<App>) -> Result<Response, Refuse> {
        let (tenant, computer) = (self.tenant, self.computer);
        let mut commands = std::mem::take(&mut self.commands);
        let mut told = Vec::new();
        let mut stopping = app.stopping.clone();
        let end = Instant::now() + self.hold;
        let mut turn = None;
        let bundle = loop {
            told.extend(app.orders.take(computer));
            commands.extend(app.upgrades.take(computer));
            let order = app.firewall_orders.take(computer);
            commands.extend(order.map(|(run, order)| Command::Order { run, order }));
            commands.extend(told.iter().map(|(run, kind)| crate::tasks::command(*run, *kind).0));
            let Some(policy) = app.fleet.policy(computer) else { return Err(Refuse::unknown_computer()) };
            Box::pin(app.prepare_bundle(tenant, computer, policy)).await?;
            let current = app.bundles.of(tenant, computer, policy);
            let wanted = current.filter(|c| differs(c, self.enforced, self.refused));
            let now = Instant::now();
            let answer_now = !commands.is_empty() || now >= end;
            if wanted.is_none() {
                turn = None;
                app.rollout.settled(computer);
            } else if self.is_due(app, &mut turn, answer_now, now) {
                app.rollout.settled(computer);
                break wanted;
            }
            if answer_now {
                break None;
            }
            tokio::select! {
                () = sleep_until(turn.unwrap_or(end).min(end)) => {},
                () = stopped(&mut stopping) => break None,
                () = app.inventories.asked(computer) => commands.push(Command::TakeInventory),
                () = self.call.woken() => {},
                changed = self.changes.changed() => if changed.is_err() { break None },
            }
        };
        drop(self);
        for (run, kind) in told {
            let state = if crate::tasks::command(run, kind).1 { "sent" } else { "done" };
            let done = app.store.task_computer_state(tenant, (run, computer), state, "", app.clock.now());
            Box::pin(done).await?;
        }
        if bundle.is_none() && commands.is_empty() {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        count(&app.metrics.bundles_sent, usize::from(bundle.is_some()));
        let answer = CheckInAnswer { bundle: bundle.map(|c| c.signed.clone()), commands };
        Ok(Json(answer).into_response())
    }

    /// Whether a bundle may be handed out now. A computer's first one, and what was changed for it alone, may at once; what
    /// concerns many has its turn. Who is answered at once takes none that is still to come: it is back in a moment.
    fn is_due(&self, app: &App, turn: &mut Option<Instant>, answer_now: bool, now: Instant) -> bool {
        if self.enforced.is_none() || app.rollout.is_own(self.computer) {
            return true;
        }
        match *turn {
            Some(at) => at <= now,
            None if answer_now => app.rollout.pace().try_turn(now),
            None => *turn.insert(app.rollout.pace().turn(now)) <= now,
        }
    }
}

/// Whether a computer that is in contact for the first time since the manager's start had gone before: others were
/// in contact when it was not.
fn was_away(app: &App, row: &ComputerRow) -> bool {
    let Some(seen) = row.last_seen else { return false };
    let there = app.was_there_until.get(&row.tenant).copied().unwrap_or_default();
    // Another manager was there all the time, or this one since it was in contact with another.
    let others = app.nodes.there_since().is_some_and(|since| since.min(app.started_at) <= seen);
    there.max(if others { app.clock.now() } else { there }) > seen.plus(fleet::OFFLINE_AFTER)
}

/// What to ask of the computer's inventory: one that is not here, or a new one that somebody waits for.
async fn inventory_commands(app: &App, row: &ComputerRow, said: &CheckIn) -> Result<Vec<Command>, Refuse> {
    if app.inventories.take_request(row.id) {
        return Ok(vec![Command::TakeInventory]);
    }
    let Some(named) = said.inventory.filter(|named| !app.inventories.is_here(row.id, *named)) else {
        return Ok(Vec::new());
    };
    // Another manager of the same database may have it.
    let kept = app.store.inventory_hash(&TenantCtx::system(row.tenant), row.id).await?;
    if kept == Some(named) {
        app.inventories.note(row.id, named);
        return Ok(Vec::new());
    }
    Ok(vec![Command::SendInventory])
}

/// Whether the computer should have another bundle. One that it refused is not sent again and again.
fn differs(current: &Compiled, enforced: Option<Hash>, refused: Option<Hash>) -> bool {
    enforced != Some(current.hash) && refused != Some(current.hash)
}

/// Bounds of what a computer may say; the rest of the message is bounded by its size.
fn check(said: &CheckIn) -> Result<(), Refuse> {
    let ports = said.full.as_ref().map_or(0, |full| full.ports.len());
    let addresses = said.full.as_ref().map_or(0, |full| full.addresses.len());
    if said.modules.len() > 32 || ports > 10_000 || addresses > 4096 || said.boot.len() > 128 {
        return Err(Refuse::invalid(
            "At most 32 modules, 10000 ports, 4096 addresses and 128 characters of boot are taken.",
        ));
    }
    let long = |text: &str, most: usize| text.len() > most;
    if said.packaging.as_ref().is_some_and(|p| long(&p.kind, 64) || long(&p.architecture, 64))
        || said.upgrade.as_ref().is_some_and(|u| long(&u.version, 128))
    {
        return Err(Refuse::invalid(
            "How an agent was installed takes at most 64 bytes a word, a version 128.",
        ));
    }
    if said.modules.iter().any(|m| m.counters.len() > 256 || m.reasons.len() > 64 || m.module.len() > 64) {
        return Err(Refuse::invalid("A module has at most 256 counters and 64 reasons."));
    }
    Ok(())
}

/// Keeps a full status where it says something new, and runs the event-based tasks that wait for that.
async fn keep_full(
    app: &App,
    row: &ComputerRow,
    full: &FullStatus,
    now: Timestamp,
) -> Result<Aftermath, Refuse> {
    let full = FullStatus {
        host_name: tidy(&full.host_name, 253),
        operating_system: tidy(&full.operating_system, 128),
        kernel: tidy(&full.kernel, 128),
        addresses: full.addresses.iter().map(|address| tidy(address, 64)).collect(),
        queue_mechanism: tidy(&full.queue_mechanism, 32),
        ports: full.ports.clone(),
        cloud: full.cloud.as_ref().map(tidy_cloud),
    };
    let cloud_changed = full.cloud.is_some() && full.cloud != row.cloud;
    // The first addresses that are heard of are no change.
    let addresses_changed = row.addresses != full.addresses && !row.kernel.is_empty();
    let same = row.host_name == full.host_name
        && row.operating_system == full.operating_system
        && row.kernel == full.kernel
        && row.addresses == full.addresses
        && row.queue_mechanism == full.queue_mechanism
        && row.ports == full.ports
        && !cloud_changed;
    if same {
        return Ok(Aftermath::default());
    }
    let ctx = TenantCtx::computer(row.tenant, row.id, row.name());
    let mut write = app.store.begin(&ctx, now).await?;
    write.set_full_status(row.id, &full).await?;
    let mut after = Aftermath::seen();
    for (changed, trigger) in
        [(addresses_changed, Trigger::AddressChanged), (cloud_changed, Trigger::CloudChanged)]
    {
        if changed && !after.gone() {
            after = after.then(reactions::react(&mut write, row.id, trigger).await?);
        }
    }
    write.commit().await?;
    Ok(after)
}

/// Takes what came of an order.
pub(crate) async fn order_done(
    State(app): State<Arc<App>>,
    Peer(row): Peer,
    message: Result<Message<OrderDone>, crate::problem::Refused>,
) -> Result<StatusCode, Refuse> {
    let Message(done) = message?;
    if !app.store.firewall_order_end(row.tenant, row.id, done.run).await? {
        crate::tasks::answered(&app, row.tenant, row.id, &done).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what an asynchronous function of four arguments makes.
    fn bytes_of<A, B, C, D, F>(_function: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_held_check_in_is_small() {
        let bytes = bytes_of(check_in);
        assert!(bytes <= 2048, "{bytes} bytes for each computer that waits");
    }
}
