//! How many packets events of the firewall stand for: the kernel's counters know, the worker saw samples of them.
//!
//! Of each rule that reports, the packets that were counted since its last event are spread over the events that come
//! now, by what was sampled of each; so all counts together are the rule's counter. What was counted and never sampled
//! is told in an event of its own, whose ends are not known. A sample that comes after its packet was told of has its
//! event all the same, for what it says of the packet; the rule's next event tells of so many less.

use sakimori_firewall::{Counter, Direction as Way, Outcome, Plan};
use sakimori_kernel::clock;
use sakimori_kernel::nftables::Table;
use sakimori_model::{Action, Severity, Timestamp};
use sakimori_modules::firewall::{self, Direction, FirewallEvent};
use sakimori_protocol::Event;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often it is looked for packets of which no sample came. Longer than it takes a sample to become an event.
pub(super) const EVERY: Duration = Duration::from_secs(5);
/// Events without a sample at a time; the others have their turn later.
const UNSEEN: usize = 32;

/// Shared by whoever puts plans in force and whoever hands events on.
#[derive(Clone, Default)]
pub(super) struct Accounts(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    table: Option<Table>,
    /// Counters of rules that report, by the rule's name in events and its direction.
    of_rule: BTreeMap<(String, bool), String>,
    counters: BTreeMap<String, Account>,
}

struct Account {
    rule: String,
    inward: bool,
    outcome: Outcome,
    /// Packets that events have told of.
    told: u64,
    /// Packets that were counted at the last look and that no event had told of.
    waiting: u64,
    /// When the last event told of it, by the wall clock.
    since: i64,
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accounts")
    }
}

/// A rule's name as events have it.
pub(super) fn name_of(counter: &Counter) -> String {
    counter.rule.clone().unwrap_or_else(|| counter.default_name().to_owned())
}

impl Accounts {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A plan is about to be put in force: what its counters have now was told of, or nobody will.
    pub(super) fn follow(&self, plan: &Plan) {
        let mut state = self.lock();
        let values = state.values();
        let now = clock::wall_micros();
        let reporting: BTreeMap<&str, Outcome> =
            plan.all_steps().filter_map(|step| Some((step.counter.as_deref()?, step.sample?))).collect();
        let mut before = std::mem::take(&mut state.counters);
        state.of_rule.clear();
        for counter in plan.all_counters() {
            let Some(outcome) = reporting.get(counter.name.as_str()) else { continue };
            let (rule, inward) = (name_of(counter), counter.direction == Way::In);
            let value = values.get(&counter.name).copied().unwrap_or_default();
            let known = before.remove(&counter.name);
            let account = Account {
                rule: rule.clone(),
                inward,
                outcome: *outcome,
                // A counter that began anew has less than was told.
                told: known.as_ref().map_or(value, |known| known.told.min(value)),
                waiting: known.as_ref().map_or(0, |known| known.waiting),
                since: known.map_or(now, |known| known.since),
            };
            state.of_rule.insert((rule, inward), counter.name.clone());
            state.counters.insert(counter.name.clone(), account);
        }
    }

    /// Has events tell of all packets that were counted of their rules.
    pub(super) fn settle(&self, events: &mut [Event]) {
        if events.iter().all(|event| event.module != firewall::MODULE.id) {
            return;
        }
        let mut state = self.lock();
        let values = state.values();
        let mut of_counter: BTreeMap<String, Vec<(&mut Event, FirewallEvent)>> = BTreeMap::new();
        for event in events.iter_mut().filter(|event| event.module == firewall::MODULE.id) {
            let Some(detail) = event.read::<FirewallEvent>() else { continue };
            let inward = detail.direction == Direction::In;
            let Some(counter) = state.of_rule.get(&(detail.rule.clone(), inward)) else { continue };
            of_counter.entry(counter.clone()).or_default().push((event, detail));
        }
        for (counter, told) in of_counter {
            let (Some(account), Some(value)) = (state.counters.get_mut(&counter), values.get(&counter))
            else {
                continue;
            };
            let samples: Vec<u64> = told.iter().map(|(_, detail)| detail.sampled).collect();
            let counts = spread(value.saturating_sub(account.told), &samples);
            account.told = account.told.saturating_add(counts.iter().sum());
            account.waiting = 0;
            account.since = clock::wall_micros();
            for ((event, mut detail), count) in told.into_iter().zip(counts) {
                detail.count = count;
                if let Ok(written) = serde_json::to_value(&detail) {
                    event.detail = written;
                }
            }
        }
    }

    /// Events about packets that were counted and not sampled. To be asked each [`EVERY`].
    pub(super) fn unseen(&self) -> Vec<Event> {
        let mut state = self.lock();
        if state.counters.is_empty() {
            return Vec::new();
        }
        let values = state.values();
        let now = clock::wall_micros();
        let mut events = Vec::new();
        for (name, account) in &mut state.counters {
            let value = values.get(name).copied().unwrap_or_default();
            // Samples of what waited at the last look would be here by now.
            let lost = account.waiting.min(value.saturating_sub(account.told));
            if lost > 0 && events.len() < UNSEEN {
                events.push(account.unseen(lost, now));
                account.told += lost;
                account.since = now;
            }
            account.waiting = value.saturating_sub(account.told);
        }
        events
    }
}

impl State {
    /// The kernel's counters; none where they cannot be read.
    fn values(&mut self) -> BTreeMap<String, u64> {
        if self.table.is_none() {
            self.table = Table::open().ok();
        }
        let read = self.table.as_mut().map(Table::read_firewall_counters);
        match read {
            Some(Ok(counters)) => counters.into_iter().map(|(name, count)| (name, count.packets)).collect(),
            Some(Err(error)) => {
                tracing::warn!(%error, "the firewall's counters cannot be read: events say how many packets were sampled");
                self.table = None;
                BTreeMap::new()
            }
            None => BTreeMap::new(),
        }
    }
}

impl Account {
    fn unseen(&self, count: u64, now: i64) -> Event {
        let (action, severity) = match self.outcome {
            Outcome::Dropped => (Action::Blocked, Severity::Low),
            Outcome::WouldDrop => (Action::Detected, Severity::Low),
            Outcome::Passed => (Action::Noted, Severity::Info),
        };
        let direction = if self.inward { Direction::In } else { Direction::Out };
        let detail = FirewallEvent {
            count,
            sampled: 0,
            ..FirewallEvent::of_several(self.rule.clone(), direction, self.since, now)
        };
        Event::new(Timestamp(now), firewall::MODULE.id, severity, action, &detail)
    }
}

/// Spreads packets over events by the samples of each. At least as many as were sampled: a counter that cannot be read,
/// or that was read too early, makes nothing smaller.
fn spread(packets: u64, samples: &[u64]) -> Vec<u64> {
    let all: u64 = samples.iter().fold(0, |sum, one| sum.saturating_add(*one));
    if packets <= all {
        return samples.to_vec();
    }
    let more = u128::from(packets - all);
    let (mut seen, mut given) = (0_u128, 0_u128);
    let share = |sample: &u64| {
        // By the running sum: the shares add up to all of it.
        seen += u128::from(*sample);
        let up_to = more * seen / u128::from(all.max(1));
        let share = up_to - given;
        given = up_to;
        sample.saturating_add(u64::try_from(share).unwrap_or(u64::MAX))
    };
    samples.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn packets_are_spread_as_they_were_sampled() {
        assert_eq!(spread(100, &[1, 3]), [25, 75]);
        assert_eq!(spread(1_000_000, &[40]), [1_000_000]);
        assert_eq!(spread(3, &[2, 2]), [2, 2], "not less than was seen");
        assert_eq!(spread(u64::MAX, &[1]), [u64::MAX]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_invented(packets in 0..u64::MAX / 2, samples in proptest::collection::vec(1..1000_u64, 1..50)) {
            let spread = spread(packets, &samples);
            let all: u64 = samples.iter().sum();
            prop_assert_eq!(spread.iter().sum::<u64>(), packets.max(all));
            prop_assert!(spread.iter().zip(&samples).all(|(count, sample)| count >= sample));
        }
    }
}
