//! Whether a new program is healthy: a pure judgement over what it answers.
use super::Before;
use sakimori_protocol::ModuleState;
use std::collections::BTreeSet;
use std::time::Duration;

/// Healthy for this long without a break is healthy.
const SETTLE: Duration = Duration::from_secs(10);
/// No answer for this long: a service manager has started it again long before.
const SILENCE: Duration = Duration::from_mins(1);
/// So many processes in the window are a loop of crashes: the one that was there, one that a person restarted, and one more.
const PROCESSES: usize = 3;

/// What was seen of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Whether the manager answers it.
    pub connected: bool,
    /// Its modules.
    pub modules: Vec<(String, ModuleState)>,
}

/// The judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not yet.
    Undecided,
    /// It is as it should be.
    Healthy,
    /// It is not, and why.
    Sick(String),
}

/// A program under watch.
#[derive(Clone, Debug)]
pub struct Watch<'a> {
    version: &'a str,
    before: &'a Before,
    window: Duration,
    processes: BTreeSet<u32>,
    healthy_since: Option<Duration>,
    silent_since: Option<Duration>,
}

impl<'a> Watch<'a> {
    /// Of a program that should be of this version and no worse than before, within the window.
    pub const fn new(version: &'a str, before: &'a Before, window: Duration) -> Self {
        Self { version, before, window, processes: BTreeSet::new(), healthy_since: None, silent_since: None }
    }

    /// Judges what is seen `at` so long after the beginning; nothing where the program does not answer.
    pub fn see(&mut self, seen: Option<&Seen>, at: Duration) -> Verdict {
        let complaint = match seen {
            None => {
                let silent = at.saturating_sub(*self.silent_since.get_or_insert(at));
                if silent >= SILENCE.min(self.window) {
                    return Verdict::Sick(format!("it has not answered for {} seconds", silent.as_secs()));
                }
                Some("it does not answer".to_owned())
            }
            Some(seen) => {
                self.silent_since = None;
                self.processes.insert(seen.pid);
                if self.processes.len() > PROCESSES {
                    return Verdict::Sick(format!(
                        "it crashes in a loop: {} processes in {} seconds",
                        self.processes.len(),
                        at.as_secs()
                    ));
                }
                self.complaint(seen)
            }
        };
        let Some(complaint) = complaint else {
            let since = *self.healthy_since.get_or_insert(at);
            // A window shorter than that is the asker's wish.
            let settled = at.saturating_sub(since) >= SETTLE.min(self.window / 3);
            return if settled { Verdict::Healthy } else { Verdict::Undecided };
        };
        self.healthy_since = None;
        if at >= self.window {
            return Verdict::Sick(format!("{complaint}, {} seconds after it was installed", at.as_secs()));
        }
        Verdict::Undecided
    }

    fn complaint(&self, seen: &Seen) -> Option<String> {
        if seen.version != self.version {
            return Some(format!("version {} still runs", seen.version));
        }
        if self.before.connected && !seen.connected {
            return Some("it is not in contact with the manager, which answered before".to_owned());
        }
        let worse = self.before.modules.iter().find_map(|(module, before)| {
            let now = seen.modules.iter().find(|(name, _)| name == module).map(|(_, state)| *state)?;
            (rank(now) > rank(*before)).then(|| format!("{module} is {now:?} and was {before:?} before"))
        });
        worse.map(|words| words.to_lowercase())
    }
}

/// How bad a state is; off and active are both as wished for.
const fn rank(state: ModuleState) -> u8 {
    match state {
        ModuleState::Active | ModuleState::Off => 0,
        ModuleState::Degraded => 1,
        ModuleState::Failed => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_mins(2);

    fn before() -> Before {
        Before { connected: true, modules: vec![("firewall".to_owned(), ModuleState::Active)] }
    }

    fn well(pid: u32) -> Seen {
        Seen { pid, version: "2".to_owned(), connected: true, modules: before().modules }
    }

    /// The first verdict that decides, and when; one look a second.
    fn judge(seen: impl Fn(u64) -> Option<Seen>) -> (Verdict, u64) {
        let before = before();
        let mut watch = Watch::new("2", &before, WINDOW);
        for second in 0..1_000 {
            match watch.see(seen(second).as_ref(), Duration::from_secs(second)) {
                Verdict::Undecided => {}
                verdict => return (verdict, second),
            }
        }
        panic!("no verdict");
    }

    fn sick(seen: impl Fn(u64) -> Option<Seen>) -> (String, u64) {
        match judge(seen) {
            (Verdict::Sick(reason), second) => (reason, second),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_that_is_well_without_a_break_is_healthy() {
        assert_eq!(judge(|_| Some(well(1))), (Verdict::Healthy, 10));
        // It takes its time to start, then wavers.
        let wavers = |second| (second > 30 && second != 36).then(|| well(2));
        assert_eq!(judge(wavers), (Verdict::Healthy, 47));
    }

    #[test]
    fn one_that_is_not_well_in_time_is_sick_and_why() {
        let away = |_| Some(Seen { connected: false, ..well(1) });
        let (reason, second) = sick(away);
        assert!(reason.contains("not in contact") && second == 120, "{reason} {second}");
        let old = |_| Some(Seen { version: "1".to_owned(), ..well(1) });
        assert!(sick(old).0.contains("version 1 still runs"));
        let failed =
            |_| Some(Seen { modules: vec![("firewall".to_owned(), ModuleState::Failed)], ..well(1) });
        assert!(sick(failed).0.contains("firewall is failed and was active"));
        // A module that the new version does not have, or has more, is no harm.
        let other = |_| Some(Seen { modules: vec![("new".to_owned(), ModuleState::Failed)], ..well(1) });
        assert_eq!(judge(other).0, Verdict::Healthy);
    }

    #[test]
    fn one_that_is_gone_or_crashes_in_a_loop_is_sick_sooner() {
        assert_eq!(
            sick(|second| (second < 5).then(|| well(1))),
            ("it has not answered for 60 seconds".to_owned(), 65)
        );
        let (reason, second) = sick(|second| (second % 3 == 0).then(|| well(u32::try_from(second).unwrap())));
        assert!(reason.contains("crashes in a loop") && second == 9, "{reason} {second}");
    }

    #[test]
    fn what_was_bad_before_may_stay_so() {
        let before = Before { connected: false, modules: vec![("a".to_owned(), ModuleState::Degraded)] };
        let mut watch = Watch::new("2", &before, WINDOW);
        let seen = Seen { connected: false, modules: before.modules.clone(), ..well(1) };
        assert_eq!(watch.see(Some(&seen), Duration::ZERO), Verdict::Undecided);
        assert_eq!(watch.see(Some(&seen), Duration::from_secs(10)), Verdict::Healthy);
    }
}
