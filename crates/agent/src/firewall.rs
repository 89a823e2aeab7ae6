//! The network part with a firewall that nobody can cut themselves off by.
//!
//! A policy that changes what the firewall denies is on trial until the manager was reached anew, by a connection made
//! for that, and, where the policy says so, until an operator has confirmed it. Otherwise the rules of before come
//! back, the firewall's alone, and the change is not tried again until it changes or somebody asks for it. What is on
//! trial lies on disk before it is in force, so a computer that was switched off in the middle finds it there.
//!
//! A person at the computer can empty the firewall for a time ([`release`]).

mod bell;
mod hour;
mod keeper;
mod kept;
mod probe;
pub mod release;

use crate::clock;
use crate::connection::explain;
use crate::enforcement::{Enforcement, Ordered, Plan, Refusal};
use crate::network::Network;
use crate::parts::Surroundings;
use crate::supervisor::events_into;
use bell::Bell;
use jiff::Timestamp as Moment;
use kept::{Decision, Kept, Release, Trial, Why, micros};
use release::{LetIn, Wish};
use sakimori_model::{Action, PortRange, Severity};
use sakimori_modules::Mode;
use sakimori_modules::firewall::{self, ChangeStep, Firewall, FirewallChange};
use sakimori_protocol::{Event, ModuleState, ModuleStatus};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Notify;

/// How long name, proxy, TCP, TLS and an answer of the manager may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The reason codes of the module's status.
const UNCONFIRMED: &str = "unconfirmed";
const REVERTED: &str = "reverted";
const RELEASED: &str = "released-by-hand";

/// What an order of a person at the computer begins with: the manager cannot give one.
pub const HERE: &str = "here ";
/// Empties the firewall; a [`Wish`] follows.
pub const RELEASE: &str = "here firewall-release ";
/// Ends that.
pub const RESTORE: &str = "here firewall-restore";
/// Tries again what was taken back; its number may follow, then only that is meant.
pub const RETRY: &str = "firewall-retry";
/// Lets a source in again that is kept out; a [`LetIn`] follows.
pub const LET_IN: &str = "here firewall-let-in ";
/// The same by an operator; the source's address follows.
const LET_IN_FROM_AFAR: &str = "firewall-let-in ";
/// An operator confirms a change; its number follows.
const CONFIRM: &str = "firewall-confirm ";
/// An operator takes a change back; its number follows.
const REVERT: &str = "firewall-revert ";

/// See the module.
#[derive(Debug)]
pub struct SafeNetwork {
    inner: Arc<Inner>,
    keeper: Option<JoinHandle<()>>,
}

/// Takes events: they are durable on return.
type Sink = Box<dyn FnMut(&[Event]) + Send>;

struct Inner {
    network: Network,
    state_dir: PathBuf,
    /// Held by whoever changes rules.
    turn: Mutex<()>,
    kept: Mutex<Kept>,
    /// What the policy says; nothing until it was put in force: before that nothing is decided here.
    wanted: Mutex<Option<Firewall>>,
    in_force: Mutex<InForce>,
    /// Ends that were seen, by monotonic time: a clock that is set back keeps no trial going.
    ends: Mutex<BTreeMap<i64, Duration>>,
    /// Has the keeper look.
    bell: Arc<Bell>,
    events: Mutex<Sink>,
    news: Arc<Notify>,
}

/// The rules in force, and the ways to the manager that they let through.
#[derive(Clone, Debug, Default)]
struct InForce {
    firewall: Firewall,
    ways: Vec<SocketAddr>,
}

/// Why rules are put in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    /// The policy says so.
    Policy,
    /// Somebody asks for what was taken back.
    Again,
    /// A release is over, for this reason.
    Restore(&'static str),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets all changes, with the identity of the computer.
pub fn forget(state_dir: &Path) -> Result<(), crate::state::StateError> {
    crate::state::remove(&kept::path(state_dir))
}

/// A moment for people and programs.
fn text(micros: i64) -> String {
    Moment::from_second(micros.div_euclid(1_000_000)).map_or_else(|_far| String::new(), |at| at.to_string())
}

/// Seconds since 1970 for people.
pub fn moment(seconds: u64) -> String {
    text(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000))
}

fn seconds(micros: i64) -> u64 {
    u64::try_from(micros.div_euclid(1_000_000)).unwrap_or_default()
}

// === impl SafeNetwork ===

impl SafeNetwork {
    /// Over the network part, which enforces nothing yet or what the program before this one left.
    pub fn over(network: Network, with: &Surroundings) -> Result<Self, String> {
        let kept = Kept::load(&with.state_dir).unwrap_or_else(|error| {
            tracing::error!("the firewall's changes are begun anew: {}", explain(&error));
            Kept::default()
        });
        let inner = Arc::new(Inner {
            network,
            state_dir: with.state_dir.clone(),
            turn: Mutex::default(),
            kept: Mutex::new(kept),
            wanted: Mutex::default(),
            in_force: Mutex::default(),
            ends: Mutex::default(),
            bell: Arc::default(),
            events: Mutex::new(Box::new(events_into(Arc::clone(&with.spool)))),
            news: Arc::clone(&with.news),
        });
        let bell = Arc::clone(&inner.bell);
        inner.network.hours().look_after(move || bell.ring());
        let keeping = Arc::clone(&inner);
        let keeper = std::thread::Builder::new().name("firewall".into()).spawn(move || keeping.keep());
        Ok(Self { inner, keeper: Some(keeper.map_err(|error| error.to_string())?) })
    }

    /// Ends the keeper; gives the network part.
    fn end(mut self) -> Option<Network> {
        self.inner.bell.end();
        if let Some(keeper) = self.keeper.take() {
            let _panicked = keeper.join();
        }
        Arc::into_inner(self.inner).map(|inner| inner.network)
    }
}

impl Enforcement for SafeNetwork {
    fn apply(&self, plan: Plan) -> Result<u32, Refusal> {
        let (wanted, _no_files) = plan.module::<Firewall>(firewall::MODULE.id)?;
        let network = &self.inner.network;
        self.inner.enforce(&wanted, Occasion::Policy, |firewall| {
            let ways = network.ways_out(&firewall)?;
            let rules = network.put(&plan, firewall.clone(), ways.clone())?;
            *lock(&self.inner.in_force) = InForce { firewall, ways };
            Ok(rules)
        })
    }

    fn status(&self) -> Vec<ModuleStatus> {
        self.inner.statuses()
    }

    fn queue_mechanism(&self) -> Option<String> {
        Some(self.inner.network.queue_mechanism())
    }

    fn inspected_ports(&self) -> Vec<PortRange> {
        self.inner.network.inspected_ports()
    }

    fn order(&self, order: &str) -> Option<Result<Ordered, String>> {
        let done = match order {
            RETRY => self.inner.retry(None),
            RESTORE => self.inner.restore("by-hand"),
            _ => {
                if let Some(number) = order.strip_prefix(RETRY) {
                    self.inner.retry(Some(number.trim_start()))
                } else if let Some(number) = order.strip_prefix(CONFIRM) {
                    self.inner.confirm(number)
                } else if let Some(number) = order.strip_prefix(REVERT) {
                    self.inner.revert(number)
                } else if let Some(wish) = order.strip_prefix(LET_IN) {
                    self.inner.let_in_here(wish)
                } else if let Some(source) = order.strip_prefix(LET_IN_FROM_AFAR) {
                    self.inner.let_in_from_afar(source)
                } else {
                    self.inner.release(order.strip_prefix(RELEASE)?)
                }
            }
        };
        Some(done.map(|()| Ordered::Done))
    }

    fn stop(self: Box<Self>) {
        if let Some(network) = self.end() {
            network.stop();
        }
    }

    fn hand_over(self: Box<Self>) -> Result<Option<OsString>, String> {
        let network = self.end().ok_or("the firewall's keeper has not ended")?;
        network.hand_over().map(Some).map_err(|error| explain(&error))
    }
}

// === impl Inner ===

impl Inner {
    /// Puts what a policy says in force as far as it may be, by `put`.
    fn enforce<T>(
        &self,
        wanted: &Firewall,
        occasion: Occasion,
        put: impl FnOnce(Firewall) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let _turn = lock(&self.turn);
        let before = lock(&self.kept).clone();
        let mut kept = before.clone();
        let mut told = Vec::new();
        if let Occasion::Restore(reason) = occasion {
            kept.release = None;
            told.push((FirewallChange::new(ChangeStep::Restored, 0, reason), Severity::Info));
        }
        let decision = match kept.decide(wanted, clock::wall().0) {
            Decision::Former if occasion == Occasion::Again => Decision::Try,
            decision => decision,
        };
        if told.is_empty() && before.release.is_some() && kept.release.is_none() {
            told.push((FirewallChange::new(ChangeStep::Restored, 0, "policy-changed"), Severity::Info));
        }
        let firewall = match decision {
            Decision::Plain | Decision::GoOn => wanted.clone(),
            Decision::Nothing => Firewall::default(),
            Decision::Former => kept.former(),
            Decision::Interrupted => {
                kept.take_back(Why::Interrupted);
                told.extend(taken_back(&kept));
                kept.former()
            }
            Decision::Try => {
                // A change whose trial goes on may be what keeps the manager from being reached: it was before that.
                let going_on = kept.trial.as_ref().is_some_and(|trial| trial.manager_until.is_some());
                let reachable = going_on || probe::reaches_manager(&self.state_dir, PATIENCE);
                if !kept.begin(wanted, reachable, clock::wall().0) {
                    let change = FirewallChange::new(ChangeStep::Unverified, kept.number, "");
                    told.push((change, Severity::Medium));
                }
                // On disk before it is in force: whoever is killed in between finds it on trial.
                kept.store(&self.state_dir).map_err(|error| {
                    let words = format!("state-unwritable: {}", explain(&error));
                    Refusal::passing(words)
                })?;
                wanted.clone()
            }
        };
        kept.hours_under(&decision, wanted, clock::wall().0, &mut told);
        self.hold_hours(&kept);
        let before_put = clock::wall().0;
        let result = match put(firewall) {
            Ok(result) => result,
            Err(refusal) => {
                self.hold_hours(&before);
                if decision == Decision::Try
                    && let Err(error) = before.store(&self.state_dir)
                {
                    tracing::error!("{}", explain(&error));
                }
                return Err(refusal);
            }
        };
        match (&decision, &mut kept.trial) {
            (Decision::Plain, _) => {
                kept.confirm(wanted);
                if wanted.mode == Mode::Prevent {
                    kept.proven.get_or_insert_with(|| self.network.hours().in_force());
                }
            }
            (Decision::Try, Some(trial)) => {
                // Its time begins now: compiling rules may have taken a while.
                let late = clock::wall().0.saturating_sub(before_put).max(0);
                for until in [&mut trial.manager_until, &mut trial.operator_until].into_iter().flatten() {
                    *until = until.saturating_add(late);
                }
                if let Some(until) = trial.operator_until {
                    let change = FirewallChange::new(ChangeStep::Applied, trial.number, "");
                    told.push((FirewallChange { until: text(until), ..change }, Severity::Medium));
                } else if trial.manager_until.is_none() {
                    self.proven(&mut kept, wanted);
                }
            }
            _ => {}
        }
        *lock(&self.wanted) = Some(wanted.clone());
        self.settle(&before, kept, &told);
        Ok(result)
    }

    /// Tells, keeps, and has the keeper look.
    fn settle(&self, before: &Kept, kept: Kept, told: &[(FirewallChange, Severity)]) {
        for (change, severity) in told {
            tracing::warn!(step = ?change.step, number = change.number, reason = change.reason, "the firewall");
            let (at, module) = (clock::wall(), firewall::MODULE.id);
            let event = Event::new(at, module, *severity, Action::Noted, change);
            (lock(&self.events))(&[event]);
        }
        if *before != kept {
            if let Err(error) = kept.store(&self.state_dir) {
                tracing::error!("how the firewall's change stands is not kept: {}", explain(&error));
            }
            *lock(&self.kept) = kept;
            self.news.notify_one();
        }
        self.bell.ring();
    }

    /// Puts the firewall in force with everything else as it is.
    fn put(&self, firewall: Firewall) -> Result<(), Refusal> {
        // Not resolved anew: where names do not resolve now, that takes its time.
        let ways = lock(&self.in_force).ways.clone();
        self.set(InForce { firewall, ways })
    }

    fn set(&self, rules: InForce) -> Result<(), Refusal> {
        let set = self.network.set_firewall(rules.firewall.clone(), rules.ways.clone());
        set.map_err(|error| Refusal::passing(explain(&error)))?;
        *lock(&self.in_force) = rules;
        Ok(())
    }

    // === orders ===

    fn retry(&self, number: Option<&str>) -> Result<(), String> {
        if self.hours_again(number) {
            return Ok(());
        }
        let reverted = lock(&self.kept).reverted.as_ref().map(|reverted| reverted.number.to_string());
        match (reverted, number) {
            (None, _) => Err("no change of the firewall was taken back".to_owned()),
            (Some(reverted), Some(number)) if reverted != number => {
                Err(format!("change {number} of the firewall is not the one that was taken back last"))
            }
            (Some(_), _) => self.anew(Occasion::Again),
        }
    }

    /// Puts what the policy says in force with everything else as it is.
    fn anew(&self, occasion: Occasion) -> Result<(), String> {
        let wanted = lock(&self.wanted).clone().ok_or("no policy is in force yet")?;
        self.enforce(&wanted, occasion, |firewall| self.put(firewall)).map_err(|refusal| refusal.reason)
    }

    fn confirm(&self, number: &str) -> Result<(), String> {
        if number.parse().is_ok_and(|number| self.confirm_hours(number).is_some()) {
            return Ok(());
        }
        let _turn = lock(&self.turn);
        let before = lock(&self.kept).clone();
        let mut kept = before.clone();
        let trial = kept.trial.as_mut().filter(|trial| trial.number.to_string() == number);
        let Some(trial) = trial else { return Err(not_on_trial(number)) };
        trial.operator_until = None;
        let told = self.settled(&mut kept);
        self.settle(&before, kept, &told);
        Ok(())
    }

    fn revert(&self, number: &str) -> Result<(), String> {
        let (on_trial, hours) = {
            let kept = lock(&self.kept);
            let hours = kept.hours_on_trial().map(|(hours, _until)| hours.number);
            (kept.trial.as_ref().map(|trial| trial.number), hours)
        };
        if let Some(hours) = hours.filter(|hours| hours.to_string() == number) {
            return self.take_hours_back(hours, Why::ByOperator).map_err(|refusal| refusal.reason);
        }
        match on_trial.filter(|on_trial| on_trial.to_string() == number) {
            Some(number) => self.take_back(number, Why::ByOperator).map_err(|refusal| refusal.reason),
            None => Err(not_on_trial(number)),
        }
    }

    fn release(&self, wish: &str) -> Result<(), String> {
        let Wish { for_secs, who, note } =
            serde_json::from_str(wish).map_err(|error| format!("not an order: {error}"))?;
        let wanted = lock(&self.wanted).clone();
        let _turn = lock(&self.turn);
        // First of all: who asks for this is in need of it.
        self.put(Firewall::default()).map_err(|refusal| refusal.reason)?;
        let before = lock(&self.kept).clone();
        let until = clock::wall().0.saturating_add(micros(Duration::from_secs(for_secs)));
        let release = Release { until, who, note, told: true, policy: wanted };
        let told = vec![released(&release)];
        let hours = before.hours_reverted().cloned();
        let kept = Kept { trial: None, release: Some(release), hours, ..before.clone() };
        self.settle(&before, kept, &told);
        Ok(())
    }

    /// A person at the computer lets a source in again that looked for ways in.
    fn let_in_here(&self, wish: &str) -> Result<(), String> {
        let LetIn { source, who } =
            serde_json::from_str(wish).map_err(|error| format!("not an order: {error}"))?;
        if self.let_in(source, who, "by-hand")? {
            return Ok(());
        }
        Err(format!("{source} is not blocked: 'sakimori-agent firewall blocked' shows who is"))
    }

    /// An operator does. Where it has ended meanwhile, or the order comes twice, there is nothing to do.
    fn let_in_from_afar(&self, source: &str) -> Result<(), String> {
        let source = source.parse().map_err(|_not_one| format!("'{source}' is no address"))?;
        self.let_in(source, String::new(), "by-operator").map(drop)
    }

    /// Lets a source in again, and tells; whether it was blocked.
    fn let_in(&self, source: IpAddr, who: String, reason: &str) -> Result<bool, String> {
        let was = self.network.let_in(source)?;
        if was {
            let note = source.to_string();
            let change = FirewallChange { who, note, ..FirewallChange::new(ChangeStep::LetIn, 0, reason) };
            let (at, module) = (clock::wall(), firewall::MODULE.id);
            (lock(&self.events))(&[Event::new(at, module, Severity::Info, Action::Noted, &change)]);
            self.news.notify_one();
        }
        Ok(was)
    }

    fn restore(&self, reason: &'static str) -> Result<(), String> {
        if lock(&self.kept).release.is_none() {
            return Err("the firewall is not released".to_owned());
        }
        self.anew(Occasion::Restore(reason))
    }

    /// The rules of before come back.
    fn take_back(&self, number: u64, why: Why) -> Result<(), Refusal> {
        let _turn = lock(&self.turn);
        let before = lock(&self.kept).clone();
        if before.trial.as_ref().is_none_or(|trial| trial.number != number) {
            return Ok(());
        }
        let mut kept = before.clone();
        kept.take_back(why);
        self.hold_hours(&kept);
        self.put(kept.former())?;
        let told: Vec<_> = taken_back(&kept).into_iter().collect();
        self.settle(&before, kept, &told);
        Ok(())
    }

    /// Where nothing is waited for any more, the change stays.
    fn settled(&self, kept: &mut Kept) -> Vec<(FirewallChange, Severity)> {
        let waits = |trial: &Trial| trial.manager_until.is_some() || trial.operator_until.is_some();
        let Some(trial) = kept.trial.clone().filter(|trial| !waits(trial)) else { return Vec::new() };
        self.proven(kept, &trial.settings);
        vec![(FirewallChange::new(ChangeStep::Confirmed, trial.number, ""), Severity::Info)]
    }

    /// The policy's rules stay, and those that do not always count as they count now.
    fn proven(&self, kept: &mut Kept, settings: &Firewall) {
        kept.confirm(settings);
        kept.proven = Some(self.network.hours().in_force());
    }

    // === status ===

    fn statuses(&self) -> Vec<ModuleStatus> {
        let kept = lock(&self.kept).clone();
        let mut statuses = self.network.statuses();
        if let Some(status) = statuses.iter_mut().find(|status| status.module == firewall::MODULE.id) {
            amend(status, &kept);
        }
        statuses
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("kept", &self.kept).finish_non_exhaustive()
    }
}

/// Says in the module's status how its change stands.
fn amend(status: &mut ModuleStatus, kept: &Kept) {
    // In front of those of the rules, of which there may be more than the manager is told.
    let mut count = |name: &str, value: u64| status.counters.insert(0, (name.to_owned(), value));
    let mut less = false;
    if let Some(trial) = &kept.trial {
        count("change-number", trial.number);
        for (name, until) in
            [("change-manager-until", trial.manager_until), ("change-operator-until", trial.operator_until)]
        {
            if let Some(until) = until {
                count(name, seconds(until));
            }
        }
        status.reasons.push(UNCONFIRMED.to_owned());
    } else if let Some((hours, until)) = kept.hours_on_trial() {
        count("change-number", hours.number);
        count("change-manager-until", seconds(until));
        status.reasons.push(UNCONFIRMED.to_owned());
    }
    if let Some(release) = &kept.release {
        count("released-until", seconds(release.until));
        status.reasons.push(RELEASED.to_owned());
        less = true;
    } else if let Some(reverted) = &kept.reverted {
        count("change-number", reverted.number);
        status.reasons.push(REVERTED.to_owned());
        less = true;
    } else if let Some(hours) = kept.hours_reverted() {
        count("change-number", hours.number);
        status.reasons.push(REVERTED.to_owned());
        less = true;
    }
    if less && matches!(status.state, ModuleState::Active | ModuleState::Off) {
        status.state = ModuleState::Degraded;
    }
}

fn not_on_trial(number: &str) -> String {
    format!(
        "change {number} of the firewall does not wait for a word: it was confirmed, taken back or changed again"
    )
}

fn taken_back(kept: &Kept) -> Option<(FirewallChange, Severity)> {
    let reverted = kept.reverted.as_ref()?;
    let change = FirewallChange::new(ChangeStep::Reverted, reverted.number, reverted.why.code());
    Some((change, Severity::High))
}

fn released(release: &Release) -> (FirewallChange, Severity) {
    let change = FirewallChange {
        who: release.who.clone(),
        note: release.note.clone(),
        until: text(release.until),
        ..FirewallChange::new(ChangeStep::Released, 0, "by-hand")
    };
    (change, Severity::High)
}
