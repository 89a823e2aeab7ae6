//! Several managers on one `PostgreSQL`: each hears of the others' changes of what it holds in memory, and sees which
//! computers the others hold.
//!
//! A change is noted in its transaction ([`crate::store::Shared`]) and notified by it; what is notified is only that
//! there is something to read. A notification may be lost (its connection broke, the server was restarted): the
//! tenants' generations are compared every few seconds anyhow. Whoever is so far behind that changes are gone already
//! reads everything anew. What a change says is never taken from it: it names what is to be read again, so that an old
//! one does no harm, and taking one twice changes nothing.
use crate::app::{App, stopped};
use crate::content::update;
use crate::fleet::{self, Presence};
use crate::problem::Refused;
use crate::store::{ChangeRow, ComputerRow, Life, NodeRow, Shared, Store, StoreError, TenantCtx};
use sakimori_model::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Notify;
use uuid::Uuid;

/// Changes taken one by one; more at once are read as a whole.
const MOST: u32 = 1_000;
/// So many beats without a word, and a manager counts as gone.
const MISSED_BEATS: u32 = 3;
/// Old changes are forgotten this often.
const EXPIRE: Duration = Duration::from_mins(1);
/// After the database refused to be listened to, this must pass.
const RETRY: Duration = Duration::from_secs(1);

/// The other managers of the database that are there.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    others: RwLock<HashMap<Uuid, Node>>,
}

/// Another manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    started_at: Timestamp,
}

/// Where a computer was last in contact, if that was with another manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    /// When.
    pub(crate) last_seen: Timestamp,
    /// Whether its check-in is held there.
    pub(crate) held: bool,
}

impl Elsewhere {
    /// Whether it counts as in contact.
    pub(crate) fn online(self, now: Timestamp) -> bool {
        fleet::is_online(u32::from(self.held), self.last_seen, now)
    }
}

impl Nodes {
    /// Whether another manager is there.
    pub(crate) fn any(&self) -> bool {
        !self.others.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// How many other managers are there.
    pub(crate) fn count(&self) -> usize {
        self.others.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether this is another manager that is there.
    fn is_there(&self, id: Option<Uuid>) -> bool {
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        id.is_some_and(|id| others.contains_key(&id))
    }

    /// Since when some other manager has been there.
    pub(crate) fn there_since(&self) -> Option<Timestamp> {
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        others.values().map(|node| node.started_at).min()
    }

    /// What the database says of a computer's contact, where another manager knows more than this one.
    pub(crate) fn elsewhere(
        &self,
        here: Option<&Presence>,
        last_seen: Option<Timestamp>,
        held_by: Option<Uuid>,
    ) -> Option<Elsewhere> {
        let last_seen = last_seen?;
        let held = self.is_there(held_by);
        let newer = match here {
            Some(here) => here.held == 0 && (held || last_seen > here.last_seen),
            None => held,
        };
        newer.then_some(Elsewhere { last_seen, held })
    }

    fn set(&self, others: HashMap<Uuid, Node>) {
        *self.others.write().unwrap_or_else(PoisonError::into_inner) = others;
    }
}

impl App {
    /// Where a computer was last in contact, if that was with another manager.
    pub(crate) fn elsewhere(&self, row: &ComputerRow) -> Option<Elsewhere> {
        if !self.nodes.any() {
            return None;
        }
        let here = self.fleet.presence(row.id);
        self.nodes.elsewhere(here.as_ref(), row.last_seen, row.held_by)
    }

    /// A computer as it last said, to whichever manager that was; nothing where all that is known is in its row.
    pub(crate) fn presence(&self, row: &ComputerRow) -> Option<Presence> {
        let here = self.fleet.presence(row.id);
        match self.nodes.elsewhere(here.as_ref(), row.last_seen, row.held_by) {
            Some(elsewhere) => Some(Presence::elsewhere(row, elsewhere)),
            None => here,
        }
    }
}

/// Names the keys that a manager signs with.
fn keys(app: &App) -> String {
    format!("{} {} {}", app.authority.ca_pin(), app.authority.bundle_key(), app.vault.name())
}

fn patience(beat: Duration) -> Duration {
    beat.saturating_mul(MISSED_BEATS)
}

/// The other managers that are there with other keys than `keys`: agents could not work with both.
pub(crate) async fn with_other_keys(app: &App, beat: Duration) -> Result<Option<String>, StoreError> {
    if !app.store.may_be_shared() {
        return Ok(None);
    }
    let mine = keys(app);
    let differs = |node: &NodeRow| node.keys != mine && node.silent_for < patience(beat);
    Ok(app.store.nodes().await?.into_iter().find(differs).map(|node| node.name))
}

/// Says that this manager is there and looks who else is; those that were killed are forgotten.
pub(crate) async fn beat(app: &App, beat: Duration) -> Result<(), StoreError> {
    let host = app.public_hosts.first().map_or("localhost", String::as_str);
    let name = crate::app::authority_of(host, app.public_port);
    app.store.node_beat(&name, &keys(app), app.started_at).await?;
    let mut others = HashMap::new();
    for node in app.store.nodes().await? {
        if node.id == app.instance {
            continue;
        }
        if node.silent_for < patience(beat) {
            others.insert(node.id, Node { started_at: node.started_at });
            continue;
        }
        let silent = i64::try_from(node.silent_for.as_micros()).unwrap_or(i64::MAX);
        let until = Timestamp(app.clock.now().0.saturating_sub(silent));
        app.store.node_end(node.id, until).await?;
        tracing::warn!(node = node.name, "another manager has gone");
    }
    app.nodes.set(others);
    Ok(())
}

/// Hears of other managers until this one ends. `known` is how far what was read at the start goes.
pub(crate) async fn run(app: Arc<App>, beat_every: Duration, mut known: HashMap<Uuid, i64>) {
    if !app.store.may_be_shared() {
        return;
    }
    let mut stopping = app.stopping.clone();
    let news = Arc::new(Notify::new());
    let listener = tokio::spawn(listen(app.store.clone(), Arc::clone(&news)));
    let mut beats = tokio::time::interval(beat_every);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut expire = tokio::time::interval(EXPIRE);
    expire.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let result = tokio::select! {
            _ = beats.tick() => look(&app, beat_every, &mut known).await,
            () = news.notified() => catch_up(&app, &mut known).await,
            _ = expire.tick() => app.store.changes_expire(app.clock.now()).await.map_err(Refused::from),
            () = stopped(&mut stopping) => break,
        };
        if let Err(refused) = result {
            tracing::error!(title = %refused.title, "other managers' changes could not be read; they are read again");
        }
    }
    listener.abort();
    if let Err(error) = app.store.node_end(app.instance, app.clock.now()).await {
        tracing::warn!(%error, "that this manager has ended was not written down: the others notice");
    }
}

/// Says that this manager is there, and looks whether anything was missed.
async fn look(app: &Arc<App>, beat_every: Duration, known: &mut HashMap<Uuid, i64>) -> Result<(), Refused> {
    beat(app, beat_every).await?;
    catch_up(app, known).await
}

/// Passes notifications on; one more each time the connection broke, for what was missed.
async fn pass_on(store: &Store, news: &Notify) -> Result<(), sqlx::Error> {
    let Some(mut listener) = store.listener().await? else { return Ok(()) };
    loop {
        news.notify_one();
        if listener.try_recv().await?.is_none() {
            tracing::info!("the connection that hears of other managers broke and is there again");
        }
    }
}

/// Hears of changes as long as the database is there.
async fn listen(store: Store, news: Arc<Notify>) {
    loop {
        match pass_on(&store, &news).await {
            // The pool is closed: this manager ends.
            Ok(()) | Err(sqlx::Error::PoolClosed) => return,
            Err(error) => {
                tracing::warn!(%error, "other managers cannot be heard; their changes are looked for");
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Takes what has changed since `known`.
async fn catch_up(app: &Arc<App>, known: &mut HashMap<Uuid, i64>) -> Result<(), Refused> {
    for (tenant, newest) in app.store.generations().await? {
        let at = known.get(&tenant).copied().unwrap_or_default();
        if newest == at {
            continue;
        }
        let ctx = TenantCtx::system(tenant);
        let changes = app.store.changes(&ctx, at, MOST).await?;
        let last = changes.last().map(|change| change.sequence);
        let whole = changes.first().map(|change| change.sequence) == Some(at + 1);
        match last {
            // Each is there, up to the newest that was committed.
            Some(last) if whole && last >= newest => {
                take(app, &ctx, &changes).await?;
                known.insert(tenant, last);
            }
            _ => {
                take_all(app, &ctx).await?;
                known.insert(tenant, newest);
            }
        }
    }
    Ok(())
}

async fn take(app: &Arc<App>, ctx: &TenantCtx, changes: &[ChangeRow]) -> Result<(), Refused> {
    let others = |what: Shared| {
        let of = move |change: &&ChangeRow| change.what == Some(what) && change.origin != app.instance;
        changes.iter().filter(of).map(|change| change.subject).collect::<BTreeSet<Uuid>>()
    };
    if !others(Shared::AutoTags).is_empty() {
        app.refresh_auto_tags(ctx.tenant).await?;
    }
    if !others(Shared::Content).is_empty() {
        update::read(app).await?;
    }
    let policies = !others(Shared::Policies).is_empty();
    if policies {
        app.refresh_bundles(ctx.tenant).await?;
    }
    for computer in others(Shared::InventoryRequest) {
        if app.store.inventory_request(ctx, computer).await?.is_some() {
            app.inventories.request(computer);
        } else {
            app.inventories.take_request(computer);
        }
    }
    let recommended = others(Shared::Recommendation);
    // What was read with the policies has it already.
    for computer in recommended.iter().filter(|_| !policies) {
        let row = app.store.recommendation(ctx, *computer).await?.unwrap_or_default();
        app.bundles.set_recommended(ctx.tenant, *computer, row.sids());
    }
    // Those of its own too: an assignment that was read here before may have come to memory after a newer one.
    let own = changes.iter().filter(|change| change.what == Some(Shared::Computer));
    let computers: BTreeSet<Uuid> = own.map(|change| change.subject).collect();
    for computer in &computers {
        read_computer(app, *computer).await?;
    }
    for computer in computers.union(&recommended) {
        if app.fleet.presence(*computer).is_some_and(|here| here.held > 0) {
            app.rollout.wake_one(*computer);
        } else {
            app.rollout.wake(*computer);
        }
        app.tell_computer(ctx.tenant, *computer).await;
    }
    Ok(())
}

/// Reads everything anew that managers hold in memory of a tenant.
async fn take_all(app: &Arc<App>, ctx: &TenantCtx) -> Result<(), Refused> {
    app.refresh_auto_tags(ctx.tenant).await?;
    if ctx.tenant == app.tenant {
        update::read(app).await?;
    }
    app.refresh_bundles(ctx.tenant).await?;
    app.inventories.load(&app.store).await?;
    for computer in app.fleet.computers() {
        read_computer(app, computer).await?;
    }
    app.bundles.wake();
    Ok(())
}

/// Takes from the database which policy a computer has, and whether it has an identity.
async fn read_computer(app: &App, id: Uuid) -> Result<(), StoreError> {
    match app.store.computer_anywhere(id).await? {
        Some(row) if row.life != Life::Unmanaged => app.fleet.assign(id, row.policy),
        _ => app.fleet.remove(id),
    }
    Ok(())
}
