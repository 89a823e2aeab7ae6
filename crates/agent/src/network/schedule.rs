//! When the firewall's plan is made anew because a rule begins or ends to count.
use super::translate;
use sakimori_kernel::clock;
use sakimori_model::Timestamp;
use sakimori_modules::firewall::Firewall;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// How late a rule may begin or end to count.
const EVERY: Duration = Duration::from_secs(1);
/// How long until a plan that could not be changed is tried again.
const AGAIN: Duration = Duration::from_mins(1);

/// Wall time for schedules, which can be set ahead so that a week is tested in a second.
#[derive(Clone, Debug, Default)]
pub(super) struct WallClock {
    ahead_micros: Arc<AtomicI64>,
}

/// Which scheduled rules count in the plan in force, and when that is next looked at.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    clock: WallClock,
    /// Each scheduled rule of the plan in force and whether it counts.
    in_force: Vec<(String, bool)>,
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

impl Schedule {
    /// The clock that it goes by.
    pub(super) fn clock(&self) -> WallClock {
        self.clock.clone()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Notes what counts in the plan that was put in force at `now`.
    pub(super) fn entered(&mut self, firewall: &Firewall, now: Timestamp) {
        self.in_force = translate::scheduled(firewall, now);
    }

    /// Whether a rule has begun or ended to count. Looked at once a second, and after a "yes" not before a minute, or
    /// the plan in force has followed.
    pub(super) fn has_changed(&mut self, firewall: &Firewall, monotonic: Duration) -> bool {
        if monotonic < self.next_look {
            return false;
        }
        let changed = translate::scheduled(firewall, self.clock.now()) != self.in_force;
        self.next_look = monotonic + if changed { AGAIN } else { EVERY };
        changed
    }

    /// The plan in force has followed: it may be looked at again at once.
    pub(super) const fn followed(&mut self) {
        self.next_look = Duration::ZERO;
    }
}
