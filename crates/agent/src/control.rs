//! The supervisor's state: what is enforced, who we are, how the manager is reached.
//!
//! Shared by the loops of [`crate::supervisor`]. Everything that changes what the manager should know calls
//! [`Control::touch`], which makes the check-in loop speak at once.
use crate::blobs::BlobStore;
use crate::bundle::{BundleError, EnforcedFile, VerifiedBundle};
use crate::clock;
use crate::enforcement::{Enforcement, Refusal, failed_status};
use crate::identity::{IdentityFiles, KeyedIdentity};
use crate::spool::{Spool, notice};
use crate::state::StateError;
use sakimori_model::{PortRange, Severity};
use sakimori_protocol::{Hash, ListeningPort, ModuleState, ModuleStatus};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Starts the enforcing part.
pub type Starter = Box<dyn Fn() -> Result<Box<dyn Enforcement>, String> + Send + Sync>;

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
    enforced_file: EnforcedFile,
    state_dir: PathBuf,
    starter: Starter,
    enforcement: Mutex<Option<Box<dyn Enforcement>>>,
    state: Mutex<State>,
    touched: Notify,
    reconnected: Notify,
    identity: watch::Sender<Option<KeyedIdentity>>,
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
    /// Why the enforcing part did not start.
    pub start_failure: Option<String>,
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
    pub fn new(state_dir: &Path, spool: Arc<Spool>, starter: Starter) -> Result<Self, StateError> {
        Ok(Self {
            spool,
            blobs: BlobStore::open(state_dir)?,
            files: IdentityFiles::in_dir(state_dir),
            enforced_file: EnforcedFile::in_dir(state_dir),
            state_dir: state_dir.to_owned(),
            starter,
            enforcement: Mutex::new(None),
            state: Mutex::new(State {
                enforced: None,
                refused: None,
                told: None,
                start_failure: None,
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
        &self.state_dir
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

    /// The enforcing part's state.
    pub fn module(&self) -> ModuleStatus {
        match &*self.enforcement() {
            Some(enforcement) => {
                let mut status = enforcement.status();
                // A refused bundle means that the module does less than the policy says.
                if self.lock().refused.is_some()
                    && matches!(status.state, ModuleState::Active | ModuleState::Off)
                {
                    status.state = ModuleState::Degraded;
                    status.reasons.push("rules-refused".to_owned());
                }
                status
            }
            None => failed_status("queue-unavailable"),
        }
    }

    /// The kernel's queue mechanism in use.
    pub fn queue_mechanism(&self) -> String {
        self.enforcement().as_ref().map_or_else(|| "none".to_owned(), |part| part.queue_mechanism())
    }

    /// The ports inspected now.
    pub fn inspected_ports(&self) -> Vec<PortRange> {
        self.enforcement().as_ref().map_or_else(Vec::new, |part| part.inspected_ports())
    }

    /// Uses an enforcing part that was taken over from the program before this one.
    pub fn take_over(&self, part: Box<dyn Enforcement>) {
        *self.enforcement() = Some(part);
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
        self.record(notice(clock::wall(), Severity::Info, "policy-applied", &args));
        Ok(())
    }

    /// A bundle cannot be put in force. What was in force stays; the first refusal of each bundle is an event.
    pub fn refuse(&self, policy: &str, hash: Hash, refusal: Refusal) {
        tracing::error!("bundle {hash} is refused, the former stays in force: {}", refusal.reason);
        let name = hash.to_string();
        let args = [("policy", policy), ("bundle", name.as_str()), ("reason", refusal.reason.as_str())];
        let event = notice(clock::wall(), Severity::High, "policy-refused", &args);
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
    pub fn record(&self, event: sakimori_protocol::Event) {
        if let Err(error) = self.spool.append(&[event]) {
            tracing::error!("an event could not be spooled: {}", crate::connection::explain(&error));
        }
    }

    /// Ends enforcement and forgets the identity, the bundle and the events.
    pub fn deactivate(&self) -> Result<(), BundleError> {
        if let Some(part) = self.enforcement().take() {
            part.stop();
        }
        self.enforced_file.remove()?;
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

    /// Ends enforcement: the agent is stopped.
    pub fn stop(&self) {
        if let Some(part) = self.enforcement().take() {
            part.stop();
        }
    }

    /// Leaves enforcement in place for the program that replaces this one.
    pub fn hand_over(&self) -> Result<Option<OsString>, String> {
        self.enforcement().take().map(<dyn Enforcement>::hand_over).transpose()
    }

    fn put_in_force(&self, bundle: &VerifiedBundle) -> Result<u32, Refusal> {
        let plan =
            bundle.plan(&self.blobs).map_err(|error| Refusal::lasting(crate::connection::explain(&error)))?;
        let mut slot = self.enforcement();
        let part = match &mut *slot {
            Some(part) => part,
            none => match (self.starter)() {
                Ok(started) => {
                    self.update(|state| state.start_failure = None);
                    none.insert(started)
                }
                Err(reason) => {
                    self.update(|state| state.start_failure = Some(reason.clone()));
                    return Err(Refusal::passing(format!("queue-unavailable: {reason}")));
                }
            },
        };
        let rules = part.apply(plan)?;
        drop(slot);
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

    fn enforcement(&self) -> MutexGuard<'_, Option<Box<dyn Enforcement>>> {
        self.enforcement.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("state", &self.state()).finish_non_exhaustive()
    }
}
