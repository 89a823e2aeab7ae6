//! What is known of the firewall's changes, on disk: which rules were confirmed, which are on trial, which were taken
//! back. What follows from it is decided here, without a clock and without touching anything.
use crate::network::hours::Counting;
use crate::state::{self, StateError};
use sakimori_modules::Mode;
use sakimori_modules::firewall::Firewall;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Trials of one change that may be interrupted before it is taken back for good.
const ATTEMPTS: u8 = 2;

/// The firewall's changes on this computer. All times are microseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Kept {
    /// The number of the last change.
    pub(super) number: u64,
    /// What comes back where a change is not confirmed; nothing before the first: then no firewall is.
    pub(super) confirmed: Option<Firewall>,
    /// What is in force on trial.
    pub(super) trial: Option<Trial>,
    /// What was taken back, and is not tried again by itself.
    pub(super) reverted: Option<Reverted>,
    /// What a person at the computer has emptied.
    pub(super) release: Option<Release>,
    /// Rules that began or ended to count at their hours or places: on trial, or taken back.
    pub(super) hours: Option<HourTrial>,
    /// Which of the confirmed rules counted, of those that do not always, when the manager was last reached with them;
    /// nothing where that is not known.
    pub(super) proven: Option<Counting>,
}

/// Rules of a policy that is in force, which began or ended to count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HourTrial {
    pub(super) number: u64,
    /// Of which policy they are.
    pub(super) settings: Firewall,
    /// What they have become, or were to become.
    pub(super) rules: Counting,
    /// How often they were tried.
    pub(super) attempt: u8,
    /// By when the manager has to be reached; nothing once they were taken back.
    pub(super) until: Option<i64>,
    /// Why they were taken back, once they were.
    pub(super) why: Option<Why>,
}

/// A change that is in force until it is confirmed or taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trial {
    pub(super) number: u64,
    pub(super) settings: Firewall,
    /// How often it was begun.
    pub(super) attempt: u8,
    /// By when the manager has to be reached; nothing once it was.
    pub(super) manager_until: Option<i64>,
    /// By when an operator has to confirm; nothing once one did, or where none has to.
    pub(super) operator_until: Option<i64>,
}

/// A change that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reverted {
    pub(super) number: u64,
    pub(super) settings: Firewall,
    pub(super) why: Why,
    /// How often it was tried.
    pub(super) attempt: u8,
}

/// Why a change was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Why {
    ManagerUnreachable,
    NotConfirmed,
    ByOperator,
    Interrupted,
}

/// The firewall lets everything pass, because a person at the computer says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Release {
    /// Until when.
    pub(super) until: i64,
    /// Who.
    pub(super) who: String,
    /// Why, in their words.
    #[serde(default)]
    pub(super) note: String,
    /// Whether an event tells of it.
    #[serde(default)]
    pub(super) told: bool,
    /// What the policy said then: a policy that says something else ends the release.
    #[serde(default)]
    pub(super) policy: Option<Firewall>,
}

/// What to put in force for a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// What it says: that is confirmed, or cannot close anything.
    Plain,
    /// What it says, on trial from now on.
    Try,
    /// What it says, in the trial that goes on.
    GoOn,
    /// The rules of before: this was tried, and taken back.
    Former,
    /// The rules of before: the trial's time was over while the agent did not run.
    Interrupted,
    /// Nothing: a person has released it.
    Nothing,
}

impl Why {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::ManagerUnreachable => "manager-unreachable",
            Self::NotConfirmed => "not-confirmed",
            Self::ByOperator => "by-operator",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Reverted {
    /// Whether it may be tried again by itself once the manager is reached: it was only interrupted.
    pub(super) const fn is_worth_a_try(&self) -> bool {
        matches!(self.why, Why::Interrupted) && self.attempt < ATTEMPTS && !self.settings.operator_confirms
    }
}

/// Where it is kept.
pub(super) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("firewall.json")
}

/// Whether two settings give the same rules: how a change is confirmed is none of them.
pub(super) fn same(one: &Firewall, other: &Firewall) -> bool {
    let rules_alone = |settings: &Firewall| Firewall {
        confirm_within_secs: 0,
        operator_confirms: false,
        operator_within_secs: 0,
        ..settings.clone()
    };
    let off = one.mode == Mode::Off && other.mode == Mode::Off;
    off || rules_alone(one) == rules_alone(other)
}

pub(super) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

// === impl HourTrial ===

impl HourTrial {
    /// Whether they may be tried again by themselves once the manager is reached: they were only interrupted.
    pub(super) fn is_worth_a_try(&self) -> bool {
        self.why == Some(Why::Interrupted) && self.attempt < ATTEMPTS
    }
}

// === impl Kept ===

impl Kept {
    pub(super) fn load(state_dir: &Path) -> Result<Self, StateError> {
        Ok(state::read_json(&path(state_dir))?.unwrap_or_default())
    }

    /// Durable when it returns.
    pub(super) fn store(&self, state_dir: &Path) -> Result<(), StateError> {
        state::write_json(&path(state_dir), self)
    }

    /// What comes back where a change is not confirmed.
    pub(super) fn former(&self) -> Firewall {
        self.confirmed.clone().unwrap_or_default()
    }

    /// What to put in force for what a policy says now. What the policy's word ends, ends here.
    pub(super) fn decide(&mut self, wanted: &Firewall, now: i64) -> Decision {
        if let Some(release) = &self.release {
            if release.policy.as_ref().is_none_or(|policy| same(policy, wanted)) {
                return Decision::Nothing;
            }
            self.release = None;
        }
        if same(&self.former(), wanted) {
            (self.trial, self.reverted) = (None, None);
            return Decision::Plain;
        }
        if let Some(trial) = self.trial.as_ref().filter(|trial| same(&trial.settings, wanted)) {
            let over = |until: Option<i64>| until.is_some_and(|until| until <= now);
            if !over(trial.manager_until) && !over(trial.operator_until) {
                return Decision::GoOn;
            }
            return Decision::Interrupted;
        }
        if self.reverted.as_ref().is_some_and(|reverted| same(&reverted.settings, wanted)) {
            self.trial = None;
            return Decision::Former;
        }
        self.reverted = None;
        // Where a trial goes on, its place is taken by the new one. What denies nothing cuts nobody off.
        if wanted.mode == Mode::Prevent { Decision::Try } else { Decision::Plain }
    }

    /// Begins a trial; gives whether anything has to be waited for.
    pub(super) fn begin(&mut self, wanted: &Firewall, reachable: bool, now: i64) -> bool {
        let attempt = self.reverted.take().map_or(1, |reverted| reverted.attempt.saturating_add(1));
        self.number = self.number.saturating_add(1);
        let until = |secs: u32| now.saturating_add(i64::from(secs).saturating_mul(1_000_000));
        let trial = Trial {
            number: self.number,
            settings: wanted.clone(),
            attempt,
            manager_until: reachable.then(|| until(wanted.confirm_within_secs)),
            operator_until: wanted.operator_confirms.then(|| until(wanted.operator_within_secs)),
        };
        let waits = trial.manager_until.is_some() || trial.operator_until.is_some();
        self.trial = Some(trial);
        waits
    }

    /// The policy's rules stay.
    pub(super) fn confirm(&mut self, settings: &Firewall) {
        self.confirmed = Some(settings.clone());
        (self.trial, self.reverted) = (None, None);
    }

    /// The trial is over, and the rules of before are to come back.
    pub(super) fn take_back(&mut self, why: Why) {
        if let Some(Trial { number, settings, attempt, .. }) = self.trial.take() {
            self.reverted = Some(Reverted { number, settings, why, attempt });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn firewall(json: serde_json::Value) -> Firewall {
        serde_json::from_value(json).unwrap()
    }

    fn closed() -> Firewall {
        firewall(serde_json::json!({"mode": "prevent", "defaultInbound": "deny"}))
    }

    fn interactive() -> Firewall {
        Firewall { operator_confirms: true, ..closed() }
    }

    #[test]
    fn only_what_denies_is_tried() {
        let mut kept = Kept::default();
        assert_eq!(kept.decide(&Firewall::default(), 0), Decision::Plain, "off before and after");
        let watching = Firewall { mode: Mode::Detect, ..closed() };
        assert_eq!(kept.decide(&watching, 0), Decision::Plain);
        assert_eq!(kept.decide(&closed(), 0), Decision::Try);
    }

    #[test]
    fn a_confirmed_change_is_plain_from_then_on_and_how_it_is_confirmed_is_no_change() {
        let mut kept = Kept::default();
        assert!(kept.begin(&closed(), true, 0));
        assert_eq!(kept.decide(&closed(), 29 * SECOND), Decision::GoOn);
        kept.confirm(&closed());
        assert_eq!(kept.decide(&closed(), 99 * SECOND), Decision::Plain);
        assert_eq!(kept.decide(&interactive(), 99 * SECOND), Decision::Plain);
        let other = Firewall { always_allow_manager: false, ..closed() };
        assert_eq!(kept.decide(&other, 99 * SECOND), Decision::Try);
    }

    #[test]
    fn what_was_taken_back_is_not_tried_again_until_it_changes() {
        let mut kept = Kept::default();
        kept.begin(&closed(), true, 0);
        kept.take_back(Why::ManagerUnreachable);
        assert_eq!(kept.former(), Firewall::default());
        assert_eq!(kept.decide(&closed(), 0), Decision::Former);
        assert_eq!(kept.decide(&interactive(), 0), Decision::Former, "the rules are the same");
        let other = firewall(serde_json::json!({"mode": "prevent", "defaultOutbound": "deny"}));
        assert_eq!(kept.decide(&other, 0), Decision::Try);
        assert_eq!(kept.reverted, None);
    }

    #[test]
    fn a_trial_that_ended_while_nobody_watched_is_taken_back() {
        let mut kept = Kept::default();
        kept.begin(&closed(), true, 0);
        assert_eq!(kept.decide(&closed(), 30 * SECOND), Decision::Interrupted);
        kept.take_back(Why::Interrupted);
        assert!(kept.reverted.as_ref().unwrap().is_worth_a_try());
        kept.begin(&closed(), true, 60 * SECOND);
        kept.take_back(Why::Interrupted);
        assert!(!kept.reverted.as_ref().unwrap().is_worth_a_try(), "not for ever");
    }

    #[test]
    fn an_unreachable_manager_is_not_waited_for_but_the_operator_is() {
        let mut kept = Kept::default();
        assert!(!kept.begin(&closed(), false, 0));
        assert!(kept.begin(&interactive(), false, 0));
        assert_eq!(kept.trial.as_ref().unwrap().operator_until, Some(120 * SECOND));
    }

    #[test]
    fn a_release_holds_until_the_policy_says_something_else() {
        let mut kept = Kept::default();
        kept.confirm(&closed());
        kept.release = Some(Release {
            until: 10,
            who: "root".to_owned(),
            note: String::new(),
            told: true,
            policy: Some(closed()),
        });
        assert_eq!(kept.decide(&closed(), 0), Decision::Nothing);
        let other = firewall(serde_json::json!({"mode": "prevent"}));
        assert_eq!(kept.decide(&other, 0), Decision::Try);
        assert_eq!(kept.release, None);
    }

    #[test]
    fn it_survives_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Kept::load(dir.path()).unwrap(), Kept::default());
        let mut kept = Kept::default();
        kept.confirm(&Firewall::default());
        kept.begin(&interactive(), true, 5);
        kept.store(dir.path()).unwrap();
        assert_eq!(Kept::load(dir.path()).unwrap(), kept);
    }
}
