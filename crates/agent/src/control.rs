//! The supervisor's state: what is enforced, who we are, how the manager is reached.
//!
//! Shared by the loops of [`crate::supervisor`]. Everything that changes what the manager should know calls
//! [`Control::touch`], which makes the check-in loop speak at once.
use crate::blobs::BlobStore;
use crate::bundle::{BundleError, EnforcedFile, VerifiedBundle};
use crate::clock;
use crate::enforcement::{Enforcement, Ordered, Plan, Refusal, plain_status};
use crate::firewall;
use crate::identity::{IdentityFiles, KeyedIdentity};
use crate::parts::{Part, Surroundings};
use crate::spool::Spool;
use crate::state::StateError;
use crate::upgrade::Upgrades;
use sakimori_model::{PortRange, Severity};
use sakimori_protocol::{Event, Hash, Inventory, ListeningPort, ModuleState, ModuleStatus};
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How it stands with the manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// No identity yet.
    NotActivated,
    /// No answer yet since the start.
    Connecting,
    /// The last check-in was answered.
    Connected,
    /// The last check-in was not answered.
    Unreachable(String),
    /// The manager says no.
    Refused(String),
}

/// Everything the supervisor knows.
pub struct Control {
    /// Where events go.
    pub spool: Arc<Spool>,
    /// Parts of bundles.
    pub blobs: BlobStore,
    /// Where the identity lies.
    pub files: IdentityFiles,
    /// Upgrades of the agent itself.
    pub upgrades: Upgrades,
    enforced_file: EnforcedFile,
    with: Surroundings,
    slots: Vec<Slot>,
    state: Mutex<State>,
    touched: Notify,
    reconnected: Notify,
    identity: watch::Sender<Option<KeyedIdentity>>,
}

/// A place for an enforcing part.
struct Slot {
    part: Part,
    enforcing: Mutex<Enforcing>,
}

/// How it stands with an enforcing part.
#[derive(Default)]
struct Enforcing {
    /// The part, once a bundle asked for it.
    running: Option<Box<dyn Enforcement>>,
    /// Why it could not be started.
    failure: Option<String>,
    /// Whether it refused what the newest bundle asks for.
    refused: bool,
}

/// What a look at the supervisor shows.
#[derive(Clone, Debug)]
pub struct State {
    /// The bundle in force.
    pub enforced: Option<Enforced>,
    /// The bundle that could not be put in force.
    pub refused: Option<RefusedBundle>,
    /// The refused bundle that an event told of: once is enough, however often it is tried.
    pub told: Option<Hash>,
    /// How it stands with the manager.
    pub link: Link,
    /// Listening ports as last judged.
    pub ports: Vec<ListeningPort>,
    /// When the certificate was last renewed by this process.
    pub renewed: Option<Instant>,
}

/// A bundle that is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedBundle {
    /// Its name.
    pub hash: Hash,
    /// Why it is not in force.
    pub refusal: Refusal,
}

/// The bundle in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enforced {
    /// Its name.
    pub hash: Hash,
    /// The policy's name.
    pub policy: String,
    /// Milliseconds since 1970.
    pub compiled_at: i64,
}

// === impl Control ===

impl Control {
    /// Over a state directory that exists. Nothing is enforced yet.
    pub fn new(with: Surroundings, parts: Vec<Part>) -> Result<Self, StateError> {
        let slots = parts.into_iter().map(|part| Slot { part, enforcing: Mutex::default() });
        Ok(Self {
            spool: Arc::clone(&with.spool),
            blobs: BlobStore::open(&with.state_dir)?,
            files: IdentityFiles::in_dir(&with.state_dir),
            upgrades: Upgrades::new(&with.state_dir, &with.run_dir),
            enforced_file: EnforcedFile::in_dir(&with.state_dir),
            with,
            slots: slots.collect(),
            state: Mutex::new(State {
                enforced: None,
                refused: None,
                told: None,
                link: Link::NotActivated,
                ports: Vec::new(),
                renewed: None,
            }),
            touched: Notify::new(),
            reconnected: Notify::new(),
            identity: watch::Sender::new(None),
        })
    }

    /// The state directory.
    pub fn state_dir(&self) -> &Path {
        &self.with.state_dir
    }

    /// What is installed here, and its name.
    pub fn inventory(&self) -> Option<(Hash, Arc<Inventory>)> {
        self.with.inventory.get()
    }

    /// Somebody waits for a new inventory.
    pub fn take_inventory(&self) {
        self.with.inventory.ask();
    }

    /// Whether the inventory that somebody waits for was taken and has to be sent.
    pub fn inventory_awaited(&self) -> bool {
        self.with.inventory.is_awaited()
    }

    /// The inventory was sent.
    pub fn inventory_sent(&self) {
        self.with.inventory.sent();
    }

    /// Waits until an inventory was taken.
    pub async fn inventory_taken(&self) {
        self.with.inventory.taken().await;
    }

    /// Waits until a part has news.
    pub async fn news(&self) {
        self.with.news.notified().await;
    }

    /// Steps of an upgrade become events, and the manager hears of them now.
    pub fn tell_upgrade(&self) {
        self.upgrades.tell(|event| self.record(event));
        self.touch();
    }

    /// Hands an order to the part that knows it.
    pub fn order(&self, order: &str) -> Result<Ordered, String> {
        let known = self.slots.iter().find_map(|slot| slot.lock().running.as_ref()?.order(order));
        known.unwrap_or_else(|| Err("no module that is on knows this order".to_owned()))
    }

    /// A copy of the state.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    /// Changes the state.
    pub fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
    }

    /// Something changed that the manager should know.
    pub fn touch(&self) {
        self.touched.notify_one();
    }

    /// Waits for [`Self::touch`].
    pub async fn touched(&self) {
        self.touched.notified().await;
    }

    /// The manager answers again: events that wait need not wait longer.
    pub fn reconnected(&self) {
        self.reconnected.notify_waiters();
    }

    /// Waits for [`Self::reconnected`].
    pub async fn until_reconnected(&self) {
        self.reconnected.notified().await;
    }

    /// The identity, and its changes.
    pub fn identity(&self) -> watch::Receiver<Option<KeyedIdentity>> {
        self.identity.subscribe()
    }

    /// Takes the identity as it lies on disk; a damaged one is reported and the one in use stays.
    pub fn reload_identity(&self) {
        match self.files.load() {
            Ok(found) => {
                self.identity.send_if_modified(|current| {
                    let same = match (&*current, &found) {
                        (None, None) => true,
                        (Some(a), Some(b)) => a.identity == b.identity,
                        _ => false,
                    };
                    if !same {
                        current.clone_from(&found);
                    }
                    !same
                });
                self.update(|state| match (&found, &state.link) {
                    (None, _) => state.link = Link::NotActivated,
                    (Some(_), Link::NotActivated) => state.link = Link::Connecting,
                    _ => (),
                });
            }
            Err(error) => tracing::error!("{}", crate::connection::explain(&error)),
        }
    }

    /// How each module is.
    pub fn modules(&self) -> Vec<ModuleStatus> {
        let bundle_refused = self.lock().refused.is_some();
        let mut all = Vec::new();
        let mut any_part_refused = false;
        for slot in &self.slots {
            let enforcing = slot.lock();
            any_part_refused |= enforcing.refused;
            let states = match (&enforcing.running, &enforcing.failure) {
                (Some(running), _) => running.status(),
                (None, Some(_)) => slot.plain(ModuleState::Failed, &[slot.part.unavailable]),
                (None, None) => slot.plain(ModuleState::Off, &[]),
            };
            all.extend(states.into_iter().map(|status| (status, enforcing.refused)));
        }
        // A refused bundle means that modules do less than the policy says: those of the part that refused, or all,
        // where the bundle as a whole cannot be used.
        let judged = all.into_iter().map(|(mut status, refused)| {
            let less = bundle_refused && (refused || !any_part_refused);
            if less && matches!(status.state, ModuleState::Active | ModuleState::Off) {
                status.state = ModuleState::Degraded;
                status.reasons.push("rules-refused".to_owned());
            }
            status
        });
        judged.collect()
    }

    /// The kernel's queue mechanism in use.
    pub fn queue_mechanism(&self) -> String {
        let found = self.slots.iter().find_map(|slot| slot.lock().running.as_ref()?.queue_mechanism());
        found.unwrap_or_else(|| "none".to_owned())
    }

    /// The ports inspected now.
    pub fn inspected_ports(&self) -> Vec<PortRange> {
        let each = self.slots.iter().map(|slot| {
            slot.lock().running.as_ref().map_or_else(Vec::new, |running| running.inspected_ports())
        });
        each.flatten().collect()
    }

    /// The parts that could not be started, with the reason of each.
    pub fn failures(&self) -> Vec<(&'static str, String)> {
        let each = self.slots.iter().map(|slot| Some((slot.part.name, slot.lock().failure.clone()?)));
        each.flatten().collect()
    }

    /// Goes on with what the program before this one left in force: `handed_over` by the names of parts' variables.
    pub fn resume(&self, mut handed_over: impl FnMut(&str) -> Option<OsString>) {
        for slot in &self.slots {
            let (Some(resume), Some(value)) = (&slot.part.resume, handed_over(&slot.part.variable())) else {
                continue;
            };
            match resume(&self.with, &value) {
                Ok(running) => slot.lock().running = Some(running),
                Err(reason) => {
                    let name = slot.part.name;
                    tracing::error!("the former program's {name} part could not be taken over: {reason}");
                }
            }
        }
    }

    /// Puts the last enforced bundle in force again, from disk alone. Called before the first word to the manager.
    pub fn enforce_last(&self) {
        let key = match self.identity.borrow().as_ref() {
            Some(keyed) => keyed.identity.bundle_key.clone(),
            None => return,
        };
        match self.enforced_file.load(&key) {
            Ok(Some(bundle)) => {
                if let Err(refusal) = self.put_in_force(&bundle) {
                    self.refuse(&bundle.bundle.policy_name, bundle.hash, refusal);
                }
            }
            Ok(None) => tracing::info!("no bundle yet: waiting for the manager's first"),
            Err(error) => {
                tracing::error!("the last bundle cannot be enforced: {}", crate::connection::explain(&error));
            }
        }
    }

    /// Puts a bundle in force, whose parts are in the store; blocks while rules compile. On refusal the old one stays.
    pub fn enforce(&self, bundle: &VerifiedBundle) -> Result<(), Refusal> {
        let policy = bundle.bundle.policy_name.as_str();
        let rules = match self.put_in_force(bundle) {
            Ok(rules) => rules.to_string(),
            Err(refusal) => {
                self.refuse(policy, bundle.hash, refusal.clone());
                return Err(refusal);
            }
        };
        // Kept only now: what lies on disk is what was in force once.
        let kept = self
            .enforced_file
            .store(bundle)
            .and_then(|()| Ok(self.blobs.keep_only(&bundle.blob_hashes())?));
        if let Err(error) = kept {
            tracing::error!("the bundle is in force but not kept: {}", crate::connection::explain(&error));
        }
        let hash = bundle.hash.to_string();
        let args = [("policy", policy), ("bundle", hash.as_str()), ("rules", rules.as_str())];
        self.record(Event::notice(clock::wall(), Severity::Info, "policy-applied", &args));
        Ok(())
    }

    /// A bundle cannot be put in force. What was in force stays; the first refusal of each bundle is an event.
    pub fn refuse(&self, policy: &str, hash: Hash, refusal: Refusal) {
        tracing::error!("bundle {hash} is refused, the former stays in force: {}", refusal.reason);
        let name = hash.to_string();
        let args = [("policy", policy), ("bundle", name.as_str()), ("reason", refusal.reason.as_str())];
        let event = Event::notice(clock::wall(), Severity::High, "policy-refused", &args);
        let mut news = false;
        self.update(|state| {
            news = state.told != Some(hash);
            state.told = Some(hash);
            state.refused = Some(RefusedBundle { hash, refusal });
        });
        if news {
            self.record(event);
        }
    }

    /// Tries again what was refused for a reason that may have passed: from disk while nothing is in force, else by
    /// letting the manager send it again. Blocks while rules compile.
    pub fn retry(&self) {
        let state = self.state();
        if state.refused.is_none_or(|refused| refused.refusal.lasting) {
            return;
        }
        self.update(|state| state.refused = None);
        if state.enforced.is_none() {
            self.enforce_last();
        }
        self.touch();
    }

    /// Spools an event of the agent itself.
    pub fn record(&self, event: Event) {
        if let Err(error) = self.spool.append(&[event]) {
            tracing::error!("an event could not be spooled: {}", crate::connection::explain(&error));
        }
    }

    /// Ends enforcement and forgets the identity, the bundle and the events.
    pub fn deactivate(&self) -> Result<(), BundleError> {
        self.stop();
        self.enforced_file.remove()?;
        firewall::forget(self.state_dir())?;
        if let Err(error) = self.files.remove() {
            tracing::error!("{}", crate::connection::explain(&error));
        }
        self.spool.discard()?;
        self.blobs.keep_only(&std::collections::BTreeSet::new())?;
        self.update(|state| {
            state.enforced = None;
            state.refused = None;
            state.ports = Vec::new();
        });
        self.reload_identity();
        Ok(())
    }

    /// Ends enforcement.
    pub fn stop(&self) {
        for slot in &self.slots {
            let enforcing = std::mem::take(&mut *slot.lock());
            if let Some(running) = enforcing.running {
                running.stop();
            }
        }
    }

    /// Leaves enforcement in place for the program that replaces this one: variables for its environment.
    pub fn hand_over(&self) -> Result<Vec<(String, OsString)>, String> {
        let mut told = Vec::new();
        // Parts that end take their time; those that stay in force come last, because their packets wait from then on.
        let (staying, ending): (Vec<_>, Vec<_>) =
            self.slots.iter().partition(|slot| slot.part.resume.is_some());
        for slot in ending.into_iter().chain(staying) {
            let Some(running) = slot.lock().running.take() else { continue };
            if let Some(value) = running.hand_over()? {
                told.push((slot.part.variable(), value));
            }
        }
        Ok(told)
    }

    /// Puts every module in force. Each part takes its modules whole or not at all; the others are in force even so,
    /// and the bundle counts as enforced only where no part refused.
    fn put_in_force(&self, bundle: &VerifiedBundle) -> Result<u32, Refusal> {
        let plan =
            bundle.plan(&self.blobs).map_err(|error| Refusal::lasting(crate::connection::explain(&error)))?;
        let mut rules = 0_u32;
        let mut refusals = Vec::new();
        for slot in &self.slots {
            let mut enforcing = slot.lock();
            match slot.put_in_force(&mut enforcing, &plan, &self.with) {
                Ok(applied) => rules = rules.saturating_add(applied),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if !refusals.is_empty() {
            let reasons: Vec<&str> = refusals.iter().map(|refusal| refusal.reason.as_str()).collect();
            let lasting = refusals.iter().all(|refusal| refusal.lasting);
            return Err(Refusal { reason: reasons.join("\n"), lasting });
        }
        tracing::info!(
            "policy '{}' is in force: {rules} rules, bundle {}",
            bundle.bundle.policy_name,
            bundle.hash
        );
        self.update(|state| {
            state.enforced = Some(Enforced {
                hash: bundle.hash,
                policy: bundle.bundle.policy_name.clone(),
                compiled_at: bundle.bundle.compiled_at,
            });
            state.refused = None;
            state.told = None;
        });
        Ok(rules)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Slot ===

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Enforcing> {
        self.enforcing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plain(&self, state: ModuleState, reasons: &[&str]) -> Vec<ModuleStatus> {
        self.part.modules.iter().map(|module| plain_status(module, state, reasons)).collect()
    }

    /// Starts the part where the plan asks for it and it does not run yet, and puts its modules in force.
    fn put_in_force(
        &self,
        enforcing: &mut Enforcing,
        plan: &Plan,
        with: &Surroundings,
    ) -> Result<u32, Refusal> {
        let running = match &mut enforcing.running {
            Some(running) => running,
            None if !plan.asks_for(self.part.modules) => {
                enforcing.refused = false;
                enforcing.failure = None;
                return Ok(0);
            }
            none => match (self.part.start)(with) {
                Ok(started) => {
                    enforcing.failure = None;
                    none.insert(started)
                }
                Err(reason) => {
                    enforcing.failure = Some(reason.clone());
                    enforcing.refused = true;
                    return Err(Refusal::passing(format!("{}: {reason}", self.part.unavailable)));
                }
            },
        };
        let applied = running.apply(plan.only(self.part.modules));
        enforcing.refused = applied.is_err();
        applied
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("state", &self.state()).finish_non_exhaustive()
    }
}
