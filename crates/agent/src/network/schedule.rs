//! When the plan is made anew because a rule begins or ends to count: at a time of the week, or where the
//! computer comes to a place or leaves it.
use super::context::{Observer, Seen};
use super::hours::{Counting, Hours};
use super::{NetworkPlan, translate};
use sakimori_kernel::clock;
use sakimori_model::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// How late a rule may begin or end to count, beside the time that it takes to ask others.
const EVERY: Duration = Duration::from_secs(1);
/// How long until a plan that could not be changed is tried again.
const AGAIN: Duration = Duration::from_mins(1);

/// Wall time for schedules, which can be set ahead so that a week is tested in a second.
#[derive(Clone, Debug, Default)]
pub(super) struct WallClock {
    ahead_micros: Arc<AtomicI64>,
}

/// When and where the computer is.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment {
    /// The time.
    pub(super) at: Timestamp,
    /// The place.
    pub(super) seen: Seen,
    /// Rules of the firewall that are held at what they are, wherever and whenever.
    pub(super) held: Counting,
}

/// Which rules count in the plan in force, and when that is next looked at.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    clock: WallClock,
    observer: Observer,
    hours: Hours,
    /// Each rule of the plan in force that does not always count, and whether it counts.
    in_force: Vec<(String, bool)>,
    /// Each context of the plan in force, and whether it holds.
    contexts: BTreeMap<String, bool>,
    next_look: Duration,
}

impl WallClock {
    pub(super) fn now(&self) -> Timestamp {
        Timestamp(clock::wall_micros().saturating_add(self.ahead_micros.load(Ordering::Relaxed)))
    }

    pub(super) fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.ahead_micros.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Drop for Schedule {
    /// Nobody is asked any more.
    fn drop(&mut self) {
        self.observer.only(None);
    }
}

impl Schedule {
    /// The clock that it goes by.
    pub(super) fn clock(&self) -> WallClock {
        self.clock.clone()
    }

    /// Who finds out where the computer is.
    pub(super) fn observer(&self) -> Observer {
        self.observer.clone()
    }

    /// Who says whether rules may change.
    pub(super) fn hours(&self) -> Hours {
        self.hours.clone()
    }

    /// Now and here, as far as this plan asks for it.
    pub(super) fn moment(&self, plan: &NetworkPlan) -> Moment {
        let asks = plan.contexts().next().is_some();
        let seen = if asks { self.observer.look() } else { Seen::default() };
        Moment { at: self.clock.now(), seen, held: self.hours.held() }
    }

    /// Notes what counts in the plan that was put in force at a moment.
    pub(super) fn entered(&mut self, plan: &NetworkPlan, moment: &Moment) {
        self.in_force = translate::conditional(plan, moment);
        self.hours.entered(translate::firewall_counting(plan, moment));
        self.observer.only(Some(plan));
    }

    /// No plan is in force any more.
    pub(super) fn left(&mut self) {
        self.in_force.clear();
        self.hours.entered(Counting::new());
        self.contexts.clear();
        self.observer.only(None);
    }

    /// Whether a rule has begun or ended to count. Looked at once a second, and after a "yes" not before a minute, or
    /// the plan in force has followed.
    pub(super) fn has_changed(&mut self, plan: &NetworkPlan, monotonic: Duration) -> bool {
        if monotonic < self.next_look {
            return false;
        }
        let mut moment = self.moment(plan);
        if plan.firewall.mode == sakimori_modules::Mode::Prevent {
            moment.held.clear();
            let now = translate::firewall_counting(plan, &moment);
            self.hours.want(&now);
            moment.held = self.hours.held();
        }
        let changed = translate::conditional(plan, &moment) != self.in_force
            || translate::contexts(plan, &moment) != self.contexts;
        self.next_look = monotonic + if changed { AGAIN } else { EVERY };
        changed
    }

    /// The plan in force has followed: it may be looked at again at once.
    pub(super) const fn followed(&mut self) {
        self.next_look = Duration::ZERO;
    }

    /// Which contexts of the plan in force hold, by name.
    pub(super) const fn contexts(&self) -> &BTreeMap<String, bool> {
        &self.contexts
    }

    /// Looks which contexts hold; gives those that have begun or ended to, and of new ones those that hold.
    pub(super) fn changed_contexts(&mut self, plan: &NetworkPlan, moment: &Moment) -> Vec<(String, bool)> {
        let now = translate::contexts(plan, moment);
        let before = std::mem::replace(&mut self.contexts, now);
        let known = |name: &String| before.get(name).copied().unwrap_or_default();
        let changed = self.contexts.iter().filter(|(name, holds)| known(name) != **holds);
        changed.map(|(name, holds)| (name.clone(), *holds)).collect()
    }
}
