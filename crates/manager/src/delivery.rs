//! Delivery: alerts and events go to receivers by mail, webhook, syslog and OpenTelemetry.
//!
//! A channel's queue is a *position over what is stored*: what became of alerts has its order, events have that of their
//! arrival. Nothing is queued a second time, so a receiver may be away for as long as things are kept. A batch is sent,
//! the receiver answers, then the position moves; killed in between, a manager sends the batch again, and items carry
//! ids by which a receiver knows them. Each channel is served by one manager at a time, by lease; moving a position
//! asks that it still is where it was.
mod format;
mod item;
mod send;

use crate::app::{App, stopped};
use crate::events::{self, EventStore as _, Followed};
use crate::http::events::shown;
use crate::problem::Refused;
use crate::store::{ChannelRow, Progress, TenantCtx};
use item::Item;
use sakimori_api::{Alert, ChannelTarget, ChannelTest, SyslogTransport};
use sakimori_model::{Severity, Timestamp};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Channels are looked after this often.
const TICK: Duration = Duration::from_secs(1);
/// A manager that was killed is replaced after this long: more than a batch may take.
const LEASE: Duration = Duration::from_mins(1);
/// Channels served at once.
const AT_ONCE: usize = 16;
/// Batches in a row, before it is asked anew what the channel is like.
const BATCHES: u32 = 50;
/// First and longest wait after a failure.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(5));

/// Serves the channels until the manager ends.
pub(crate) async fn run(app: Arc<App>) {
    let mut stopping = app.stopping.clone();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut busy: HashSet<Uuid> = HashSet::new();
    let mut serving: JoinSet<Uuid> = JoinSet::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(done) = serving.join_next(), if !serving.is_empty() => {
                match done {
                    Ok(channel) => { busy.remove(&channel); }
                    Err(error) => {
                        tracing::error!(%error, "a channel's delivery ended by a fault");
                        busy.clear();
                        serving.abort_all();
                    }
                }
                continue;
            }
            () = stopped(&mut stopping) => break,
        }
        let waiting = match waiting(&app).await {
            Ok(waiting) => waiting,
            Err(refused) => {
                tracing::error!(title = %refused.title, "channels could not be read");
                continue;
            }
        };
        for (tenant, row) in waiting {
            if busy.insert(row.id) {
                let (app, slots) = (Arc::clone(&app), Arc::clone(&slots));
                serving.spawn(async move {
                    let id = row.id;
                    let Ok(_slot) = slots.acquire().await else { return id };
                    if let Err(refused) = serve(&app, tenant, row).await {
                        tracing::error!(title = %refused.title, %id, "a channel could not be served");
                    }
                    id
                });
            }
        }
    }
    // What is being sent is finished, so that it is not sent again; nothing new is begun.
    while serving.join_next().await.is_some() {}
}

/// The channels that may be tried now.
async fn waiting(app: &App) -> Result<Vec<(Uuid, ChannelRow)>, Refused> {
    let now = app.clock.now();
    let mut waiting = Vec::new();
    for tenant in app.store.tenants().await? {
        let rows = app.store.channels(&TenantCtx::system(tenant), "", 1_000).await?;
        let rows = rows.into_iter().filter(|row| row.enabled && row.progress.next_attempt <= now);
        waiting.extend(rows.map(|row| (tenant, row)));
    }
    Ok(waiting)
}

/// Sends what waits, until nothing does or the receiver does not take it.
async fn serve(app: &App, tenant: Uuid, mut row: ChannelRow) -> Result<(), Refused> {
    for _ in 0..BATCHES {
        let now = app.clock.now();
        if *app.stopping.borrow()
            || !app.store.lease(&format!("channel {}", row.id), app.instance, LEASE, now).await?
        {
            return Ok(());
        }
        let (items, mut next) = gather(app, tenant, &row).await?;
        if items.is_empty() {
            if next != row.progress {
                app.store.channel_progress(tenant, row.id, &row.progress, &next).await?;
            }
            return Ok(());
        }
        let batch = send::Batch { items: &items, host: host(app), now };
        let result = match app.vault.unseal(tenant, row.id, &row.secrets) {
            Ok(secrets) => send::send(&row.target, &secrets, batch).await,
            Err(error) => Err(error.to_string()),
        };
        let now = app.clock.now();
        match &result {
            Ok(()) => {
                next.attempts = 0;
                next.failing_since = None;
                next.last_error = None;
                next.next_attempt = Timestamp(0);
                next.last_delivered = Some(now);
                next.delivered += i64::try_from(items.len()).unwrap_or_default();
            }
            Err(why) => {
                next = Progress { events_lost: next.events_lost, ..row.progress.clone() };
                next.attempts = next.attempts.saturating_add(1);
                next.failing_since = next.failing_since.or(Some(now));
                next.last_error = Some(why.clone());
                next.next_attempt = now.plus(wait(next.attempts));
            }
        }
        let moved = app.store.channel_progress(tenant, row.id, &row.progress, &next).await?;
        if !moved || result.is_err() {
            return Ok(());
        }
        row.progress = next;
    }
    Ok(())
}

/// Twice as long each time, and not all channels at the same time.
fn wait(attempts: u32) -> Duration {
    let doubled = BACK_OFF.0.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    let jitter = crate::secrets::random::<2>().map(u16::from_be_bytes).unwrap_or_default() % 250;
    doubled.min(BACK_OFF.1).mul_f64(0.875 + f64::from(jitter) / 1000.0)
}

fn host(app: &App) -> &str {
    app.public_hosts.first().map_or("localhost", String::as_str)
}

/// How many items go out in one piece.
fn size(target: &ChannelTarget) -> u32 {
    match target {
        ChannelTarget::Email(_) => 50,
        ChannelTarget::Syslog(target) if target.transport == SyslogTransport::Udp => 100,
        _ => 200,
    }
}

/// What goes out next, and where the channel is once it has: alerts before events.
async fn gather(app: &App, tenant: Uuid, row: &ChannelRow) -> Result<(Vec<Item>, Progress), Refused> {
    let mut next = row.progress.clone();
    let mut items = Vec::new();
    if let Some(least) = row.alerts.as_deref().and_then(|least| least.parse::<Severity>().ok()) {
        let changes = app.store.alert_changes(tenant, next.alerts, size(&row.target)).await?;
        for change in changes {
            // The order has no gaps but those of retention.
            next.lost += change.sequence - next.alerts - 1;
            next.alerts = change.sequence;
            let Ok(alert) = serde_json::from_str::<Alert>(&change.alert) else { continue };
            if alert.severity.parse::<Severity>().is_ok_and(|severity| severity >= least) {
                items.push(Item::Alert {
                    id: format!("{}-{}", alert.id, change.sequence),
                    what: change.what,
                    at: crate::clock::text(change.at),
                    alert: Box::new(alert),
                });
            }
        }
    }
    if items.is_empty()
        && let Some(text) = &row.events
        && let Ok(filter) = sakimori_query::parse(text, app.clock.now().0)
    {
        let Followed { events: found, through } =
            app.events.follow(tenant, &filter, next.events, size(&row.target)).await?;
        let kept = app.events_kept_since();
        let reached = found.first().map_or(through, |event| event.id);
        let was = events::id_time(next.events);
        if was < kept && was > Timestamp(0) && events::id_time(reached) >= kept {
            let from = next.events_lost.map_or(was, |(from, _)| from);
            next.events_lost = Some((from, kept));
        }
        items.extend(found.into_iter().map(shown).map(Item::event));
        // A position that merely moves on is not worth a write each second.
        let moved = events::id_time(through).0 - was.0;
        if !items.is_empty() || moved > 60_000_000 {
            next.events = through;
        }
    }
    Ok((items, next))
}

/// Sends one made-up alert, at once and beside the queue.
pub(crate) async fn test(app: &App, tenant: Uuid, row: &ChannelRow) -> ChannelTest {
    let now = app.clock.now();
    let alert = crate::alerts::example(now);
    let item = Item::Alert {
        id: alert.id.to_string(),
        what: "test".to_owned(),
        at: crate::clock::text(now),
        alert: Box::new(alert),
    };
    let batch = send::Batch { items: &[item], host: host(app), now };
    let error = match app.vault.unseal(tenant, row.id, &row.secrets) {
        Ok(secrets) => send::send(&row.target, &secrets, batch).await.err(),
        Err(error) => Some(error.to_string()),
    };
    ChannelTest { delivered: error.is_none(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_at_five_minutes() {
        assert!(wait(1) <= Duration::from_secs(3));
        assert!(wait(5) > wait(1));
        assert!(wait(1_000) <= BACK_OFF.1.mul_f64(1.125));
    }
}
