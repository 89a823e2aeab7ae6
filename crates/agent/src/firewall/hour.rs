//! Rules that begin or end to count by their schedules and contexts are on trial at their hour, as a changed policy is: the
//! manager has to be reached anew, or they go back to what they were until their hour is over. An operator is not asked: who
//! wrote the schedule has been, and may be asleep.
use super::keeper::{AGAIN, ANEW};
use super::kept::{Decision, HourTrial, Kept, Why, micros, same};
use super::{Inner, PATIENCE, lock, probe};
use crate::clock;
use crate::connection::explain;
use crate::enforcement::Refusal;
use crate::network::hours::Counting;
use sakimori_model::Severity;
use sakimori_modules::firewall::{ChangeStep, Firewall, FirewallChange};
use std::time::Duration;

type Told = Vec<(FirewallChange, Severity)>;

/// An event names rules up to so many characters.
const NAMES: usize = 200;

impl Kept {
    /// Rules that are on trial at their hour, and until when.
    pub(super) fn hours_on_trial(&self) -> Option<(&HourTrial, i64)> {
        self.hours.as_ref().and_then(|hours| Some((hours, hours.until?)))
    }

    /// Rules that were taken back at their hour.
    pub(super) fn hours_reverted(&self) -> Option<&HourTrial> {
        self.hours.as_ref().filter(|hours| hours.until.is_none())
    }

    /// What becomes of it when a policy is put in force.
    pub(super) fn hours_under(&mut self, decision: &Decision, wanted: &Firewall, now: i64, told: &mut Told) {
        if *decision == Decision::Nothing {
            return;
        }
        if *decision == Decision::Plain && !same(&self.former(), wanted) {
            (self.hours, self.proven) = (None, None);
        }
        let of_former = |hours: &HourTrial| same(&hours.settings, &self.former());
        if self.trial.is_some() || self.hours.as_ref().is_some_and(|hours| !of_former(hours)) {
            self.hours = None;
        }
        // The agent was not there when its time was over.
        if let Some(hours) = self.hours.as_mut().filter(|hours| hours.until.is_some_and(|until| until <= now))
        {
            hours.take_back(Why::Interrupted);
            told.push(event(ChangeStep::Reverted, Why::Interrupted.code(), Severity::High, hours));
        }
    }

    /// What was on trial stays.
    pub(super) fn confirm_hours(&mut self, told: &mut Told) {
        let Some(hours) = self.hours.take() else { return };
        told.push(event(ChangeStep::Confirmed, "", Severity::Info, &hours));
        self.proven.get_or_insert_default().extend(hours.rules);
    }
}

impl HourTrial {
    const fn take_back(&mut self, why: Why) {
        self.until = None;
        self.why = Some(why);
    }

    /// The rules by name.
    fn names(&self) -> String {
        let names: Vec<&str> = self.rules.keys().map(String::as_str).collect();
        let names = names.join(", ");
        let end = names.char_indices().nth(NAMES).map(|(end, _)| end);
        end.and_then(|end| names.get(..end)).map_or_else(|| names.clone(), |first| format!("{first}…"))
    }
}

fn event(step: ChangeStep, why: &str, severity: Severity, hours: &HourTrial) -> (FirewallChange, Severity) {
    (FirewallChange { note: hours.names(), ..FirewallChange::new(step, hours.number, why) }, severity)
}

impl Inner {
    /// Before rules come in force for what is kept: how those count that do not always. What is on trial whole begins as
    /// it is.
    pub(super) fn hold_hours(&self, kept: &Kept) {
        let hours = self.network.hours();
        if kept.trial.is_some() {
            hours.hold(Counting::new());
            return;
        }
        hours.hold(kept.proven.clone().unwrap_or_default());
        match &kept.hours {
            Some(trial) if trial.until.is_some() => hours.let_go(&trial.rules),
            Some(trial) => hours.refuse(&trial.rules),
            None => {}
        }
    }

    /// Lets rules begin or end to count, on trial.
    pub(super) fn try_hours(&self) -> Duration {
        let reachable = probe::reaches_manager(&self.state_dir, PATIENCE);
        let _turn = lock(&self.turn);
        let rules = self.network.hours().asked();
        let before = lock(&self.kept).clone();
        let firewall = lock(&self.in_force).firewall.clone();
        let busy = before.trial.is_some() || before.release.is_some() || before.hours_on_trial().is_some();
        if rules.is_empty() || busy || !same(&before.former(), &firewall) {
            return AGAIN;
        }
        let mut kept = before.clone();
        kept.number = kept.number.saturating_add(1);
        let again =
            before.hours.as_ref().filter(|hours| hours.rules == rules).map_or(0, |hours| hours.attempt);
        let window = micros(Duration::from_secs(firewall.confirm_within_secs.into()));
        let trial = HourTrial {
            number: kept.number,
            settings: firewall.clone(),
            rules: rules.clone(),
            attempt: again.saturating_add(1),
            until: Some(clock::wall().0.saturating_add(window)),
            why: None,
        };
        let mut told = Told::new();
        if reachable {
            kept.hours = Some(trial);
        } else {
            // Nothing can be found out, and what the rules say goes.
            told.push(event(ChangeStep::Unverified, "", Severity::Medium, &trial));
            kept.hours = None;
            kept.proven.get_or_insert_default().extend(rules.clone());
        }
        // On disk before it is in force, as with a policy.
        if let Err(error) = kept.store(&self.state_dir) {
            tracing::error!("rules do not begin to count yet: {}", explain(&error));
            return AGAIN;
        }
        let hours = self.network.hours();
        hours.let_go(&rules);
        let asked_at = clock::wall().0;
        if let Err(refusal) = self.put(firewall) {
            tracing::error!("rules do not begin to count yet: {}", refusal.reason);
            if let Err(error) = before.store(&self.state_dir) {
                tracing::error!("{}", explain(&error));
            }
            self.hold_hours(&before);
            return ANEW;
        }
        if let Some(trial) = &mut kept.hours {
            // Its time begins now.
            let late = clock::wall().0.saturating_sub(asked_at).max(0);
            trial.until = trial.until.map(|until| until.saturating_add(late));
        }
        self.settle(&before, kept, &told);
        Duration::ZERO
    }

    /// Looks how rules on trial go.
    pub(super) fn watch_hours(&self, number: u64, until: i64) -> Duration {
        let Some(left) = self.left(until) else {
            if let Err(refusal) = self.take_hours_back(number, Why::ManagerUnreachable) {
                tracing::error!("rules have not ended to count yet: {}", refusal.reason);
                return AGAIN;
            }
            return Duration::ZERO;
        };
        if probe::reaches_manager(&self.state_dir, left.min(PATIENCE)) {
            return self.confirm_hours(number).map_or(AGAIN, |()| Duration::ZERO);
        }
        left.min(AGAIN)
    }

    /// Rules that are on trial at their hour stay, where they are these.
    pub(super) fn confirm_hours(&self, number: u64) -> Option<()> {
        let _turn = lock(&self.turn);
        let before = lock(&self.kept).clone();
        before.hours_on_trial().filter(|(hours, _)| hours.number == number)?;
        let (mut kept, mut told) = (before.clone(), Told::new());
        kept.confirm_hours(&mut told);
        self.settle(&before, kept, &told);
        Some(())
    }

    /// The rules go back to what they were.
    pub(super) fn take_hours_back(&self, number: u64, why: Why) -> Result<(), Refusal> {
        let _turn = lock(&self.turn);
        let before = lock(&self.kept).clone();
        let mut kept = before.clone();
        let on_trial = kept.hours.as_mut().filter(|hours| hours.until.is_some() && hours.number == number);
        let Some(trial) = on_trial else { return Ok(()) };
        trial.take_back(why);
        let told = vec![event(ChangeStep::Reverted, why.code(), Severity::High, trial)];
        self.network.hours().refuse(&trial.rules);
        let firewall = lock(&self.in_force).firewall.clone();
        self.put(firewall)?;
        self.settle(&before, kept, &told);
        Ok(())
    }

    /// What is due with rules that were taken back at their hour.
    pub(super) fn hours_taken_back(&self, hours: &HourTrial) -> Option<Duration> {
        if !self.network.hours().refuses() {
            // Their hour is over, or they are asked for again.
            if self.network.hours().asked().is_empty() {
                let _turn = lock(&self.turn);
                let before = lock(&self.kept).clone();
                if before.hours.as_ref() == Some(hours) {
                    self.settle(&before, Kept { hours: None, ..before.clone() }, &[]);
                }
            }
            return None;
        }
        if !hours.is_worth_a_try() {
            return None;
        }
        if probe::reaches_manager(&self.state_dir, PATIENCE) {
            self.network.hours().ask_again();
        }
        Some(ANEW)
    }

    /// Rules that were taken back at their hour are tried again, where they are meant; whether there are such.
    pub(super) fn hours_again(&self, number: Option<&str>) -> bool {
        let _turn = lock(&self.turn);
        let kept = lock(&self.kept).clone();
        let taken_back = kept.hours_reverted().filter(|_| kept.reverted.is_none());
        let is_meant = |hours: &&HourTrial| number.is_none_or(|number| hours.number.to_string() == number);
        if !taken_back.as_ref().is_some_and(is_meant) {
            return false;
        }
        self.network.hours().ask_again();
        self.bell.ring();
        true
    }
}
