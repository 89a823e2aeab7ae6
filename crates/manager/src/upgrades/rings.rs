//! What a roll-out does next: a pure function of how it stands, of what is seen of its computers, and of the time.
//!
//! A ring is entered when the one before is *done* (each of its computers has an end) and has been watched for the wait.
//! In a ring computers are told a few at once, as long as they are in contact and the maintenance window is open. When the
//! share of failures is passed, nothing more is begun and a person decides, or the ring goes back by itself.
//!
//! The steps are idempotent: whoever decides again over what some of them have left comes to the rest.
use sakimori_model::Timestamp;
use sakimori_protocol::UpgradeStep;
use std::time::Duration;
use uuid::Uuid;

/// Beyond the computer's own window, for the package to come and be installed: a slow line and a busy package manager.
const GRACE: Duration = Duration::from_mins(30);
/// A share of failures means something from so many computers on; in smaller rings it is of the ring.
const SAMPLE: u64 = 20;

/// What people decided.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) version: String,
    pub(crate) rings: u32,
    pub(crate) healthy_within: Duration,
    pub(crate) wait: Duration,
    pub(crate) reach_within: Duration,
    pub(crate) halt_above_percent: u32,
    pub(crate) at_once: usize,
    pub(crate) roll_back_on_halt: bool,
}

/// How a roll-out stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Paused,
    Halted,
    GoingBack,
    Succeeded,
    Aborted,
    RolledBack,
}

/// Where a roll-out is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: State,
    pub(crate) ring: u32,
    pub(crate) ring_since: Timestamp,
    pub(crate) ring_done: Option<Timestamp>,
    pub(crate) back_from: u32,
}

/// How a computer stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Member {
    Waiting,
    Ordered,
    Healthy,
    Failed,
    Unreached,
    Skipped,
    Returning,
    Returned,
    Stuck,
}

/// A computer of the roll-out, and what is seen of it.
#[derive(Clone, Debug)]
pub(crate) struct Computer {
    pub(crate) id: Uuid,
    pub(crate) ring: u32,
    pub(crate) state: Member,
    pub(crate) since: Timestamp,
    pub(crate) from: String,
    /// Nothing where it was deleted.
    pub(crate) seen: Option<Seen>,
}

/// What is seen of a computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) online: bool,
    /// Its last contact.
    pub(crate) last_contact: Timestamp,
    pub(crate) version: String,
    /// A module that is worse than before, in words.
    pub(crate) worse: Option<String>,
    /// What it said of its newest order, and why.
    pub(crate) step: Option<(UpgradeStep, String)>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The computer is told to upgrade.
    Order(Uuid),
    /// The computer is told to go back.
    Return(Uuid),
    /// The computer has come to this.
    Mark(Uuid, Member, String),
    /// The ring is done; it is watched from now on.
    RingDone,
    /// The next ring begins.
    EnterRing(u32),
    /// Too many failed.
    Halt { failed: u64, of: u64 },
    /// The computers of this ring and of later ones go back.
    GoBack { from: u32 },
    /// It has ended.
    End(State),
}

/// Decides what is next.
pub(crate) fn decide(
    plan: &Plan,
    standing: &Standing,
    computers: &[Computer],
    window_open: bool,
    now: Timestamp,
) -> Vec<Act> {
    let mut acts = Vec::new();
    // As they are once what was seen of them is written down.
    let mut after: Vec<(&Computer, Member)> = Vec::with_capacity(computers.len());
    for computer in computers {
        let judged = judge(plan, standing, computer, now);
        after.push((computer, judged.as_ref().map_or(computer.state, |(state, _)| *state)));
        acts.extend(judged.map(|(state, words)| Act::Mark(computer.id, state, words)));
    }
    match standing.state {
        State::Running => go_on(plan, standing, &after, window_open, now, &mut acts),
        State::GoingBack => go_back(plan, standing, &after, &mut acts),
        State::Paused | State::Halted | State::Succeeded | State::Aborted | State::RolledBack => {}
    }
    acts
}

/// What a computer has come to, and why.
fn judge(plan: &Plan, standing: &Standing, computer: &Computer, now: Timestamp) -> Option<(Member, String)> {
    let Some(seen) = &computer.seen else {
        let ended = matches!(computer.state, Member::Skipped | Member::Unreached | Member::Stuck);
        return (!ended).then(|| (Member::Skipped, "It was deleted.".to_owned()));
    };
    let is_new = seen.online && seen.version == plan.version;
    let is_back = seen.online && seen.version == computer.from;
    let late = now > computer.since.plus(plan.healthy_within).plus(GRACE);
    match computer.state {
        Member::Waiting if standing.state == State::Running && computer.ring == standing.ring => {
            if is_new {
                return Some((Member::Healthy, "It had this version already.".to_owned()));
            }
            let given_up =
                !seen.online && now > standing.ring_since.max(seen.last_contact).plus(plan.reach_within);
            given_up.then(|| (Member::Unreached, "It was not in contact in time.".to_owned()))
        }
        Member::Ordered => match &seen.step {
            Some((UpgradeStep::Refused | UpgradeStep::RolledBack | UpgradeStep::Failed, why)) => {
                Some((Member::Failed, why.clone()))
            }
            Some((UpgradeStep::Running, _)) if is_new => Some(match &seen.worse {
                None => (Member::Healthy, String::new()),
                Some(words) => (Member::Failed, words.clone()),
            }),
            _ if late => Some((Member::Failed, "It did not become healthy in time.".to_owned())),
            _ => None,
        },
        // As long as its ring is watched.
        Member::Healthy
            if standing.state == State::Running && computer.ring == standing.ring && seen.online =>
        {
            if seen.version != plan.version {
                return Some((Member::Failed, format!("It runs version {} again.", seen.version)));
            }
            seen.worse.clone().map(|words| (Member::Failed, words))
        }
        Member::Returning => match &seen.step {
            Some((UpgradeStep::Running, _)) if is_back => Some((Member::Returned, String::new())),
            Some((UpgradeStep::Refused | UpgradeStep::Failed | UpgradeStep::RolledBack, why)) => {
                Some((Member::Stuck, why.clone()))
            }
            _ if late => Some((Member::Stuck, "It did not go back in time.".to_owned())),
            _ => None,
        },
        Member::Healthy | Member::Failed if goes_back(standing, computer) => {
            if is_back {
                return Some((Member::Returned, String::new()));
            }
            let given_up =
                !seen.online && now > standing.ring_since.max(seen.last_contact).plus(plan.reach_within);
            given_up.then(|| (Member::Stuck, "It was not in contact in time.".to_owned()))
        }
        _ => None,
    }
}

fn goes_back(standing: &Standing, computer: &Computer) -> bool {
    standing.state == State::GoingBack && computer.ring >= standing.back_from
}

fn go_on(
    plan: &Plan,
    standing: &Standing,
    after: &[(&Computer, Member)],
    window_open: bool,
    now: Timestamp,
    acts: &mut Vec<Act>,
) {
    let ring = || after.iter().filter(|(computer, _)| computer.ring == standing.ring);
    let count = |wanted: &[Member]| {
        u64::try_from(ring().filter(|(_, state)| wanted.contains(state)).count()).unwrap_or(u64::MAX)
    };
    let failed = count(&[Member::Failed]);
    let decided = failed + count(&[Member::Healthy]);
    let reachable = decided + count(&[Member::Waiting, Member::Ordered]);
    let of = decided.max(reachable.min(SAMPLE));
    if failed > 0 && failed.saturating_mul(100) > of.saturating_mul(u64::from(plan.halt_above_percent)) {
        acts.push(Act::Halt { failed, of });
        if plan.roll_back_on_halt {
            acts.push(Act::GoBack { from: standing.ring });
        }
        return;
    }
    let waiting = count(&[Member::Waiting]);
    if waiting + count(&[Member::Ordered]) > 0 {
        if window_open {
            let at_work = after.iter().filter(|(_, state)| *state == Member::Ordered).count();
            let next = ring().filter(|(computer, state)| {
                *state == Member::Waiting && computer.seen.as_ref().is_some_and(|seen| seen.online)
            });
            let free = plan.at_once.saturating_sub(at_work);
            acts.extend(next.take(free).map(|(computer, _)| Act::Order(computer.id)));
        }
        return;
    }
    let last = standing.ring + 1 >= plan.rings;
    let wait = if decided == 0 { Duration::ZERO } else { plan.wait };
    match standing.ring_done {
        None if !last => acts.push(Act::RingDone),
        Some(done) if !last && now >= done.plus(wait) => acts.push(Act::EnterRing(standing.ring + 1)),
        _ if last => acts.push(Act::End(State::Succeeded)),
        _ => {}
    }
}

fn go_back(plan: &Plan, standing: &Standing, after: &[(&Computer, Member)], acts: &mut Vec<Act>) {
    let concerned = || after.iter().filter(|(computer, _)| goes_back(standing, computer));
    let at_work = concerned().filter(|(_, state)| *state == Member::Returning).count();
    let open = |state: Member| {
        matches!(state, Member::Ordered | Member::Healthy | Member::Failed | Member::Returning)
    };
    if !concerned().any(|(_, state)| open(*state)) {
        acts.push(Act::End(State::RolledBack));
        return;
    }
    // One that is still at its upgrade is left alone until that has an end.
    let next = concerned().filter(|(computer, state)| {
        matches!(state, Member::Healthy | Member::Failed)
            && computer.seen.as_ref().is_some_and(|seen| seen.online && seen.version != computer.from)
    });
    let free = plan.at_once.saturating_sub(at_work);
    acts.extend(next.take(free).map(|(computer, _)| Act::Return(computer.id)));
}

#[cfg(test)]
mod tests;
