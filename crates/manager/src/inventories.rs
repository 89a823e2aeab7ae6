//! Inventories as they come: kept, judged, told, and put into the computer's bundle.
use crate::app::{App, News};
use crate::events::{AppendError, Batch, EventStore as _, NewEvent};
use crate::policy_tree::Tree;
use crate::problem::Refused;
use crate::recommendation::{Considered, consider};
use crate::store::{ComputerRow, RecommendationRow, Store, StoreError, TenantCtx};
use sakimori_model::{Action, Severity};
use sakimori_modules::intrusion_prevention::{self, IntrusionPrevention};
use sakimori_modules::{EventDetail as _, Settings, recommendation};
use sakimori_protocol::{Event, Hash, Inventory};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use uuid::Uuid;

/// Inventories taken at once: each is up to 4 MiB, and judging it takes a processor.
const AT_ONCE: usize = 16;
/// Computers whose recommendations are derived anew between two looks at the end.
const PART: u32 = 100;

/// Which inventories are here, and which are waited for.
#[derive(Debug)]
pub struct Inventories {
    state: Mutex<State>,
    /// Changes when somebody asks.
    requested: watch::Sender<u64>,
    slots: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    /// By computer, as far as it was looked up.
    here: HashMap<Uuid, Hash>,
    /// Computers of which somebody waits for an inventory and that were not told yet.
    requests: HashSet<Uuid>,
}

impl Default for Inventories {
    fn default() -> Self {
        Self { state: Mutex::default(), requested: watch::Sender::new(0), slots: Semaphore::new(AT_ONCE) }
    }
}

impl Inventories {
    /// Remembers the requests of before the start.
    pub(crate) async fn load(&self, store: &Store) -> Result<(), StoreError> {
        let requests = store.inventory_requests().await?;
        self.lock().requests.extend(requests);
        Ok(())
    }

    /// Whether the inventory of this name is kept.
    pub(crate) fn is_here(&self, computer: Uuid, hash: Hash) -> bool {
        self.lock().here.get(&computer) == Some(&hash)
    }

    /// Notes which inventory is kept.
    pub(crate) fn note(&self, computer: Uuid, hash: Hash) {
        self.lock().here.insert(computer, hash);
    }

    /// Somebody waits for a new inventory of a computer.
    pub(crate) fn request(&self, computer: Uuid) {
        self.lock().requests.insert(computer);
        self.requested.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Whether a computer has to be told that somebody waits; it is told once.
    pub(crate) fn take_request(&self, computer: Uuid) -> bool {
        self.lock().requests.remove(&computer)
    }

    /// Waits until the computer has to be told, and takes that.
    pub(crate) async fn asked(&self, computer: Uuid) {
        let mut requested = self.requested.subscribe();
        while !self.take_request(computer) {
            if requested.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// A place for one that comes; none while too many are taken.
    pub(crate) fn slot(&self) -> Option<SemaphorePermit<'_>> {
        self.slots.try_acquire().ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps an inventory and makes what it recommends count.
pub(crate) async fn arrived(
    app: &Arc<App>,
    row: &ComputerRow,
    hash: Hash,
    inventory: Inventory,
) -> Result<(), Refused> {
    let ctx = TenantCtx::computer(row.tenant, row.id, row.name());
    let changed = judge(app, row, &ctx, inventory, Some(hash)).await?;
    app.inventories.note(row.id, hash);
    if changed {
        app.rollout.wake_one(row.id);
    }
    app.tell_computer(row.tenant, row.id).await;
    Ok(())
}

/// Judges an inventory and keeps what comes of it; with `arrived` the inventory too. Whether anything is recommended
/// now that was not, or the other way round.
async fn judge(
    app: &Arc<App>,
    row: &ComputerRow,
    ctx: &TenantCtx,
    inventory: Inventory,
    arrived: Option<Hash>,
) -> Result<bool, Refused> {
    let before = app.store.recommendation(ctx, row.id).await?.unwrap_or_default();
    let looked = {
        let (app, rules) = (Arc::clone(app), before.rules.clone());
        tokio::task::spawn_blocking(move || {
            let considered = consider(&inventory, &app.content.now(), &rules);
            (inventory, considered)
        })
    };
    let (inventory, considered) = looked.await?;
    let module = intrusion_prevention::MODULE.id;
    let settings: IntrusionPrevention = settings_of(app, ctx, row, module).await?;
    let by_policy = |sid: u32| settings.assign_recommended && !settings.assigned.contains_key(&sid);
    let event = considered.event(module, by_policy);
    let mut revision = before.revision;
    if let Some(detail) = event {
        revision = revision.saturating_add(1);
        // A rule that is needed and not assigned is somebody's work; the rest is told for the record.
        let open = detail.recommended.len() > detail.assigned.len() && !settings.assign_all;
        let severity = if open { Severity::Medium } else { Severity::Info };
        let module = recommendation::MODULE.id;
        let event = Event::new(app.clock.now(), module, severity, Action::Noted, &detail);
        // Before the row that counts it: told again after a failure between the two, it has the same number.
        tell(app, row, &event, revision).await?;
    }
    let Considered { rules, .. } = considered;
    let content_hash = app.content.now().facts_hash().to_string();
    let after = RecommendationRow { content_hash, rules, revision };
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    if let Some(hash) = arrived {
        write.put_inventory(row.id, hash, &inventory).await?;
    }
    write.put_recommendation(row.id, &after).await?;
    write.commit().await?;
    app.bundles.set_recommended(row.tenant, row.id, after.sids());
    app.prepare_bundle(row.tenant, row.id, row.policy).await?;
    Ok(revision != before.revision)
}

/// A module's settings as the policy of a computer comes to them.
pub(crate) async fn settings_of<S: Settings>(
    app: &App,
    ctx: &TenantCtx,
    computer: &ComputerRow,
    module: &str,
) -> Result<S, Refused> {
    settings_in(&Tree::read(&app.store, ctx).await?, computer, module)
}

/// The same, of a tree that was read.
pub(crate) fn settings_in<S: Settings>(
    tree: &Tree,
    computer: &ComputerRow,
    module: &str,
) -> Result<S, Refused> {
    let Some(policy) = tree.policy(computer.policy) else { return Ok(S::default()) };
    let own = tree.computers.iter().find(|own| own.computer == computer.id);
    let mut in_force = tree.in_force(policy, own).expanded(&tree.lists());
    let values = in_force.modules.remove(module).unwrap_or_default().values;
    Ok(S::deserialize(&Value::Object(values))?)
}

/// Keeps an event of the manager about a computer.
async fn tell(app: &App, row: &ComputerRow, event: &Event, number: i64) -> Result<(), Refused> {
    let new = NewEvent {
        at: sakimori_model::Timestamp(event.at),
        module: event.module.clone(),
        severity: event.severity.clone(),
        action: event.action.clone(),
        kind: event.kind.clone(),
        detail: event.detail.to_string(),
    };
    let batch = |first_sequence: u64| Batch {
        tenant: row.tenant,
        computer: row.id,
        computer_name: row.name().to_owned(),
        asset_value: row.asset_value,
        epoch: stream(row.id),
        first_sequence,
        events: vec![new.clone()],
    };
    let first = u64::try_from(number).unwrap_or(1).max(1);
    let appended = match app.events.append(batch(first)).await {
        // The events are older than the recommendations: restored from a backup.
        Err(AppendError::Gap { acknowledged, .. }) => {
            app.events.append(batch(acknowledged.saturating_add(1))).await?
        }
        other => other?,
    };
    for stored in appended.new {
        let tenant = stored.tenant;
        let data = serde_json::to_string(&crate::http::events::shown(stored))?;
        app.tell(News { tenant, kind: "event", data });
    }
    Ok(())
}

/// The stream of the manager's own events about what is recommended to a computer: no agent's, whose are random.
fn stream(computer: Uuid) -> Uuid {
    let name = format!("{} {computer}", recommendation::RecommendationEvent::KIND);
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(Hash::of(name.as_bytes()).as_bytes()) {
        *to = *from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Derives anew what was derived with other content, from the inventories that are kept. Ends when all is done, or with
/// the manager; doing it twice changes nothing.
pub(crate) async fn consider_new_content(app: Arc<App>) {
    let mut stopping = app.stopping.clone();
    tokio::select! {
        done = consider_all(&app) => if let Err(refused) = done {
            tracing::error!(title = refused.title, "recommendations could not be derived with the new content");
        },
        () = crate::app::stopped(&mut stopping) => (),
    }
}

async fn consider_all(app: &Arc<App>) -> Result<(), Refused> {
    let content = app.content.now().facts_hash().to_string();
    for tenant in app.store.tenants().await? {
        let ctx = TenantCtx::system(tenant);
        loop {
            let outdated = app.store.recommendations_outdated(&ctx, &content, PART).await?;
            let Some(_some) = outdated.first() else { break };
            let mut changed = false;
            for computer in outdated {
                let row = app.store.computer(&ctx, computer).await?;
                let kept = app.store.inventory(&ctx, computer).await?;
                let (Some(row), Some(kept)) = (row, kept) else { return Ok(()) };
                changed |= judge(app, &row, &ctx, kept.inventory, None).await?;
            }
            if changed {
                app.bundles.wake();
            }
        }
    }
    Ok(())
}
