//! The long-poll: says what is enforced, hears what should be.
use crate::bundle::{self, BundleError, VerifiedBundle};
use crate::connection::{CallError, Connection, ConnectionError, explain};
use crate::control::{Control, Link};
use crate::enforcement::{Ordered, Progress, Refusal};
use crate::firewall::HERE;
use crate::host;
use crate::identity::KeyedIdentity;
use crate::upgrade::{self, Asked, package};
use sakimori_protocol::pace::{Backoff, jitter};
use sakimori_protocol::{
    CheckIn, CheckInAnswer, Command, FullStatus, Hash, Leaving, OrderDone, RefusalCode, SignedBundle, paths,
};
use sakimori_trust::Trust;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Interval of the full status, where nothing changes.
const FULL_EVERY: Duration = Duration::from_mins(10);
/// A machine that shuts down waits this long for the manager to hear of it.
const GOODBYE: Duration = Duration::from_secs(3);
/// The least time between two check-ins that a change of state brings about: changes come in bursts.
const CHANGE_SETTLE: Duration = Duration::from_millis(500);
/// How far an order is, is said this often: well within what the manager waits before it gives the order again.
const PROGRESS_EVERY: Duration = Duration::from_secs(30);
/// Whether it has ended is looked at this often.
const PROGRESS_LOOK: Duration = Duration::from_millis(500);

/// The gateway's connection of this identity.
pub fn gateway(keyed: &KeyedIdentity) -> Result<Connection, ConnectionError> {
    let trust = Trust::Authorities(keyed.identity.authorities.clone());
    let config = sakimori_trust::client_config(&trust, Some(keyed.client_identity()?))?;
    Connection::new(&keyed.identity.gateway, config, keyed.identity.proxy.as_deref())
}

/// Says good-bye, so that the manager need not wait to find out. Where it does not get there, it will.
pub async fn goodbye(control: &Control, leaving: Leaving) {
    let keyed = control.identity().borrow().clone();
    let Some(keyed) = keyed else { return };
    let Ok(gateway) = gateway(&keyed) else { return };
    let message = CheckIn {
        agent_version: package::version().to_owned(),
        fingerprint: host::fingerprint(),
        boot: String::new(),
        bundle: control.state().enforced.map(|enforced| enforced.hash),
        refused: None,
        modules: Vec::new(),
        inventory: None,
        full: None,
        hold_secs: 0,
        leaving: Some(leaving),
        packaging: None,
        upgrade: None,
    };
    let said = gateway.poll::<_, CheckInAnswer>(paths::CHECK_IN, &message, Duration::ZERO);
    match tokio::time::timeout(GOODBYE, said).await {
        Ok(Ok(_answer)) => tracing::debug!("said good-bye to the manager"),
        Ok(Err(error)) => tracing::debug!("no good-bye: {}", explain(&error)),
        Err(_late) => tracing::debug!("no good-bye: the manager did not answer in time"),
    }
}

/// Says what came of an order, or how far it is.
async fn say(gateway: &Connection, message: &OrderDone) -> Result<(), CallError> {
    let taken: Option<serde_json::Value> = gateway.poll(paths::ORDERS, message, Duration::ZERO).await?;
    tracing::debug!("order of a task answered: {taken:?}");
    Ok(())
}

/// Says how far an order is until it has ended and the manager knows that.
async fn report(gateway: &Connection, run: Uuid, progress: &Progress) {
    loop {
        let (words, ended) = progress.look();
        let goes_on = ended.is_none();
        let error = ended.and_then(Result::err);
        match say(gateway, &OrderDone { run, error, goes_on, words }).await {
            Ok(()) if !goes_on => return,
            Ok(()) => {}
            Err(error) => tracing::debug!("how far an order is was not heard: {}", explain(&error)),
        }
        let said = Instant::now();
        while said.elapsed() < PROGRESS_EVERY && (!goes_on || progress.look().1.is_none()) {
            sleep(PROGRESS_LOOK).await;
        }
    }
}

/// What one conversation with the manager remembers.
#[derive(Debug)]
struct Conversation {
    control: Arc<Control>,
    keyed: KeyedIdentity,
    gateway: Connection,
    boot: String,
    /// When the last full status was answered.
    full_sent: Option<Instant>,
    /// What was said last, so that a change is seen.
    said: Option<FullStatus>,
    /// Ask for an answer at once, because the last one failed or none came yet.
    unsure: bool,
    /// Orders that go on, and who says how far they are.
    told: HashSet<Uuid>,
    reports: JoinSet<Uuid>,
}

/// Checks in with this identity for ever.
pub async fn run(control: Arc<Control>, keyed: KeyedIdentity, boot: Uuid) {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(10));
    let gateway = loop {
        match gateway(&keyed) {
            Ok(gateway) => break gateway,
            Err(error) => {
                control.update(|state| state.link = Link::Unreachable(explain(&error)));
                sleep(backoff.failed(None)).await;
            }
        }
    };
    let mut conversation = Conversation {
        control,
        keyed,
        gateway,
        boot: boot.to_string(),
        full_sent: None,
        said: None,
        unsure: true,
        told: HashSet::new(),
        reports: JoinSet::new(),
    };
    loop {
        let control = Arc::clone(&conversation.control);
        // A change of state ends a held check-in: the next one carries it.
        let outcome = tokio::select! {
            outcome = conversation.once() => Some(outcome),
            () = control.touched() => None,
        };
        match outcome {
            None => sleep(CHANGE_SETTLE).await,
            Some(Ok(())) => backoff.succeeded(),
            Some(Err(error)) => {
                conversation.unsure = true;
                conversation.note(&error);
                let wait = backoff.failed(error.retry_after());
                // News wait as well: a manager in trouble is not asked sooner because something changed here.
                sleep(wait).await;
            }
        }
    }
}

/// A check-in failed, or what it brought cannot be used and came again.
#[derive(Debug, thiserror::Error)]
enum CheckInError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("the manager sent bundle {0} again, which this computer refused")]
    Again(Hash),
}

// === impl CheckInError ===

impl CheckInError {
    const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Call(error) => error.retry_after(),
            Self::Connection(_) | Self::Again(_) => None,
        }
    }
}

// === impl Conversation ===

impl Conversation {
    async fn once(&mut self) -> Result<(), CheckInError> {
        if self.control.inventory_awaited() {
            self.send_inventory().await?;
        }
        let message = self.message();
        let hold = Duration::from_secs(message.hold_secs);
        let answer: Option<CheckInAnswer> = self.gateway.poll(paths::CHECK_IN, &message, hold).await?;
        if let Some(full) = message.full {
            self.full_sent = Some(Instant::now());
            self.said = Some(full);
        }
        if self.unsure {
            tracing::info!("connected to the manager at {}", self.gateway.base());
            self.unsure = false;
            self.control.reconnected();
        }
        self.control.update(|state| state.link = Link::Connected);
        let Some(answer) = answer else { return Ok(()) };
        let mut send_inventory = false;
        for command in answer.commands {
            match command {
                Command::SendFullStatus => self.full_sent = None,
                Command::SendInventory => send_inventory = true,
                Command::TakeInventory => self.control.take_inventory(),
                Command::ReEnrol => self.must_enrol_anew(),
                Command::Order { run, order } => self.carry_out(run, order).await?,
                Command::Upgrade { order, package, healthy_within_secs } => {
                    self.upgrade(order, Asked::Forward(package), healthy_within_secs);
                }
                Command::RollBack { order, version, healthy_within_secs } => {
                    self.upgrade(order, Asked::Back(version), healthy_within_secs);
                }
                Command::Unknown => {
                    tracing::warn!("the manager gave an order that this version does not know");
                }
            }
        }
        if let Some(signed) = answer.bundle {
            self.take(signed).await?;
        }
        // After the bundle: an inventory that does not get through must not keep a policy from being enforced.
        if send_inventory { self.send_inventory().await } else { Ok(()) }
    }

    /// Begins to become another version; the conversation goes on meanwhile.
    fn upgrade(&self, order: Uuid, asked: Asked, healthy_within_secs: u32) {
        let (control, gateway) = (Arc::clone(&self.control), self.gateway.clone());
        tokio::spawn(upgrade::carry_out(control, gateway, (order, asked), healthy_within_secs));
    }

    /// Does what a scheduled task asks for, and says what came of it. Twice is as once: scans begin only where none runs.
    async fn carry_out(&mut self, run: Uuid, order: String) -> Result<(), CheckInError> {
        while let Some(Ok(ended)) = self.reports.try_join_next() {
            self.told.remove(&ended);
        }
        if self.told.contains(&run) {
            return Ok(());
        }
        let control = Arc::clone(&self.control);
        let begun = tokio::task::spawn_blocking(move || {
            if order.starts_with(HERE) {
                return Err("only a person at the computer can give this order".to_owned());
            }
            control.order(&order)
        });
        let begun = begun.await;
        let error = match begun.unwrap_or_else(|panic| Err(panic.to_string())) {
            Ok(Ordered::Done) => None,
            Ok(Ordered::Goes(progress)) => {
                self.told.insert(run);
                let gateway = gateway(&self.keyed)?;
                self.reports.spawn(async move {
                    report(&gateway, run, &progress).await;
                    run
                });
                return Ok(());
            }
            Err(error) => Some(error),
        };
        Ok(say(&self.gateway, &OrderDone { run, error, ..OrderDone::default() }).await?)
    }

    /// Sends what is installed here; the manager has only its name.
    async fn send_inventory(&self) -> Result<(), CheckInError> {
        let Some((hash, inventory)) = self.control.inventory() else { return Ok(()) };
        let _no_content: Option<serde_json::Value> =
            self.gateway.poll(paths::INVENTORY, &*inventory, Duration::ZERO).await?;
        self.control.inventory_sent();
        tracing::debug!("inventory {hash} sent");
        Ok(())
    }

    fn message(&self) -> CheckIn {
        let state = self.control.state();
        let full = self.full();
        let due = self.full_sent.is_none_or(|sent| sent.elapsed() >= FULL_EVERY)
            || self.said.as_ref() != Some(&full);
        let hold = if self.unsure {
            0
        } else {
            // Up to half a minute less, so that a fleet's polls do not end together.
            paths::HOLD_MAX_SECS - jitter(Duration::from_secs(30)).as_secs()
        };
        CheckIn {
            agent_version: package::version().to_owned(),
            fingerprint: host::fingerprint(),
            boot: self.boot.clone(),
            bundle: state.enforced.map(|enforced| enforced.hash),
            refused: state.refused.map(|refused| (refused.hash, refused.refusal.reason)),
            modules: self.control.modules(),
            inventory: self.control.inventory().map(|(hash, _inventory)| hash),
            full: due.then_some(full),
            hold_secs: hold,
            leaving: None,
            packaging: self.control.upgrades.packaging(),
            upgrade: self.control.upgrades.report(),
        }
    }

    fn full(&self) -> FullStatus {
        let facts = host::facts();
        FullStatus {
            host_name: facts.name,
            operating_system: facts.operating_system,
            kernel: facts.kernel,
            addresses: facts.addresses,
            queue_mechanism: self.control.queue_mechanism(),
            ports: self.control.state().ports,
            cloud: self.control.inventory().and_then(|(_hash, inventory)| inventory.cloud.clone()),
        }
    }

    /// Puts a bundle in force, or keeps the old one and says why.
    async fn take(&self, signed: SignedBundle) -> Result<(), CheckInError> {
        let hash = Hash::of(signed.bundle.as_bytes());
        let again = self.control.state().refused.is_some_and(|refused| refused.hash == hash);
        let refused = match self.fetch(signed).await {
            Ok(bundle) => {
                let control = Arc::clone(&self.control);
                // Compiling rules blocks for a while; the loops go on.
                let done = tokio::task::spawn_blocking(move || control.enforce(&bundle)).await;
                done.unwrap_or_else(|panic| Err(Refusal::passing(panic.to_string()))).is_err()
            }
            // The way to the part is broken, not the line: told as a refusal, and tried again later.
            Err(FetchError::Call(error @ CallError::Malformed { .. })) => {
                self.control.refuse("", hash, Refusal::passing(format!("bundle-blob: {}", explain(&error))));
                true
            }
            Err(FetchError::Call(error)) => return Err(error.into()),
            Err(FetchError::Bundle(error)) => {
                self.control.refuse("", hash, Refusal::lasting(explain(&error)));
                true
            }
        };
        if refused && again { Err(CheckInError::Again(hash)) } else { Ok(()) }
    }

    /// Verifies a bundle and fetches the parts that are not here yet.
    async fn fetch(&self, signed: SignedBundle) -> Result<VerifiedBundle, FetchError> {
        let bundle = bundle::verify(signed, &self.keyed.identity.bundle_key)?;
        for reference in bundle.blobs() {
            if self.control.blobs.load(reference.hash).map_err(BundleError::from)?.is_some() {
                continue;
            }
            let most = usize::try_from(reference.size).unwrap_or(paths::BLOB_BYTES).min(paths::BLOB_BYTES);
            let bytes = self.gateway.blob(reference.hash, most).await?;
            bundle::check_size(reference, &bytes)?;
            self.control.blobs.store(&bytes).map_err(BundleError::from)?;
        }
        Ok(bundle)
    }

    /// Says in the status what the failure means.
    fn note(&self, error: &CheckInError) {
        let words = explain(error);
        tracing::warn!("{words}");
        let code = match error {
            CheckInError::Call(call) => call.code(),
            CheckInError::Connection(_) | CheckInError::Again(_) => return,
        };
        if code == Some(RefusalCode::Clone) {
            self.must_enrol_anew();
        }
        let link = match code {
            Some(RefusalCode::Busy | RefusalCode::Other) | None => Link::Unreachable(words),
            Some(_) => Link::Refused(words),
        };
        self.control.update(|state| state.link = link);
    }

    /// The identity is another machine's too: kept in the file, so that the next activation makes a new key.
    fn must_enrol_anew(&self) {
        if self.keyed.identity.must_enrol_anew {
            return;
        }
        tracing::error!(
            "another machine uses this computer's identity: activate this computer again with 'sakimori-agent activate'; \
             until then it goes on enforcing its last policy"
        );
        let mut identity = self.keyed.identity.clone();
        identity.must_enrol_anew = true;
        if let Err(error) = self.control.files.store_public(&identity) {
            tracing::error!("{}", explain(&error));
        }
        self.control.reload_identity();
    }
}

/// A bundle's parts could not be had, or it is refused.
#[derive(Debug)]
enum FetchError {
    Call(CallError),
    Bundle(BundleError),
}

impl From<CallError> for FetchError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<BundleError> for FetchError {
    fn from(error: BundleError) -> Self {
        Self::Bundle(error)
    }
}
