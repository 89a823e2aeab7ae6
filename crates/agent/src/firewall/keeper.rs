//! The thread that looks after the firewall's changes: trials and releases end, the manager is followed where it moves.
use super::kept::{self, Kept, Why};
use super::{Inner, PATIENCE, lock, probe, released};
use crate::clock;
use sakimori_kernel::clock::monotonic;
use sakimori_modules::Mode;
use std::time::Duration;

/// The manager is looked for this often while a change is on trial.
pub(super) const AGAIN: Duration = Duration::from_secs(1);
/// A change whose trial was interrupted is begun again once the manager is reached, which is looked for this often.
pub(super) const ANEW: Duration = Duration::from_secs(10);
/// The manager's name is resolved this often: where it moves to is let through as well.
const RESOLVE: Duration = Duration::from_mins(5);
/// Addresses of the manager and the proxy that are let through, at most.
const WAYS: usize = 32;

impl Inner {
    pub(super) fn keep(&self) {
        loop {
            let wait = self.step();
            if self.bell.wait(wait) {
                return;
            }
        }
    }

    /// Does what is due; gives how long nothing more is.
    fn step(&self) -> Duration {
        if lock(&self.wanted).is_none() {
            return RESOLVE;
        }
        let kept = lock(&self.kept).clone();
        self.ends_of(&kept);
        if let Some(release) = &kept.release {
            if !release.told {
                self.tell_release();
            }
            let Some(left) = self.left(release.until) else {
                if let Err(reason) = self.restore("ended") {
                    tracing::error!("the firewall's release has ended, and it is not in force yet: {reason}");
                    return ANEW;
                }
                return Duration::ZERO;
            };
            return left;
        }
        if let Some(trial) = &kept.trial {
            return self.watch(trial.number, trial.manager_until, trial.operator_until);
        }
        if let Some((hours, until)) = kept.hours_on_trial() {
            return self.watch_hours(hours.number, until);
        }
        if !self.network.hours().asked().is_empty() {
            return self.try_hours();
        }
        if let Some(wait) = kept.hours_reverted().and_then(|hours| self.hours_taken_back(hours)) {
            return wait;
        }
        if kept.reverted.as_ref().is_some_and(kept::Reverted::is_worth_a_try) {
            if probe::reaches_manager(&self.state_dir, PATIENCE)
                && let Err(reason) = self.retry(None)
            {
                tracing::error!("a change of the firewall could not be tried again: {reason}");
            }
            return ANEW;
        }
        self.follow_manager();
        RESOLVE
    }

    /// Looks how a trial goes.
    fn watch(&self, number: u64, manager: Option<i64>, operator: Option<i64>) -> Duration {
        let over = |until: Option<i64>| until.is_some_and(|until| self.left(until).is_none());
        let patience = manager.and_then(|until| self.left(until)).map(|left| left.min(PATIENCE));
        if patience.is_some_and(|patience| probe::reaches_manager(&self.state_dir, patience)) {
            let _turn = lock(&self.turn);
            let before = lock(&self.kept).clone();
            let mut kept = before.clone();
            if let Some(trial) = kept.trial.as_mut().filter(|trial| trial.number == number) {
                trial.manager_until = None;
                let told = self.settled(&mut kept);
                self.settle(&before, kept, &told);
            }
            return Duration::ZERO;
        }
        let why = if over(manager) {
            Why::ManagerUnreachable
        } else if over(operator) {
            Why::NotConfirmed
        } else {
            let next = manager.or(operator).and_then(|until| self.left(until)).unwrap_or(AGAIN);
            return if manager.is_some() { next.min(AGAIN) } else { next };
        };
        if let Err(refusal) = self.take_back(number, why) {
            tracing::error!("the firewall's former rules are not back yet: {}", refusal.reason);
            return AGAIN;
        }
        Duration::ZERO
    }

    /// An event tells of what was released while no agent ran.
    fn tell_release(&self) {
        let _turn = lock(&self.turn);
        let before = lock(&self.kept).clone();
        let mut kept = before.clone();
        let Some(release) = kept.release.as_mut() else { return };
        release.told = true;
        let told = vec![released(release)];
        self.settle(&before, kept, &told);
    }

    /// Lets through where the manager has moved to; the addresses of before stay.
    fn follow_manager(&self) {
        let rules = lock(&self.in_force).clone();
        let has_ways = rules.firewall.always_allow_manager && !rules.ways.is_empty();
        if rules.firewall.mode != Mode::Prevent || !has_ways {
            return;
        }
        let Ok(mut new) = self.network.ways_out(&rules.firewall) else { return };
        let _turn = lock(&self.turn);
        let mut now = lock(&self.in_force).clone();
        new.retain(|end| !now.ways.contains(end));
        if new.is_empty() || now.ways.len() + new.len() > WAYS || now.firewall.mode != Mode::Prevent {
            return;
        }
        tracing::info!(?new, "the manager has another address: the firewall lets it through");
        now.ways.append(&mut new);
        if let Err(refusal) = self.set(now) {
            tracing::error!("the manager's new address is not let through yet: {}", refusal.reason);
        }
    }

    /// Notes by monotonic time when what is kept ends.
    fn ends_of(&self, kept: &Kept) {
        let trial = kept.trial.as_ref();
        let ends: Vec<i64> = [
            kept.release.as_ref().map(|release| release.until),
            trial.and_then(|trial| trial.manager_until),
            trial.and_then(|trial| trial.operator_until),
            kept.hours.as_ref().and_then(|hours| hours.until),
        ]
        .into_iter()
        .flatten()
        .collect();
        let (wall, monotonic) = (clock::wall().0, monotonic());
        let mut known = lock(&self.ends);
        known.retain(|end, _at| ends.contains(end));
        for end in ends {
            let left = u64::try_from(end.saturating_sub(wall)).unwrap_or_default();
            known.entry(end).or_insert_with(|| monotonic + Duration::from_micros(left));
        }
    }

    /// How long until a moment; nothing once it is over.
    pub(super) fn left(&self, until: i64) -> Option<Duration> {
        let wall = u64::try_from(until.saturating_sub(clock::wall().0)).unwrap_or_default();
        let noted = lock(&self.ends).get(&until).map(|end| end.saturating_sub(monotonic()));
        let left = noted.unwrap_or(Duration::MAX).min(Duration::from_micros(wall));
        (left > Duration::ZERO).then_some(left)
    }
}
