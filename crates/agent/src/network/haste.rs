//! The two threads that packets wait for run before ordinary programs, as long as they take little of a processor.
//!
//! On a server whose processors are busy each packet would otherwise wait twice, for the judge and for the verdict writer,
//! until some program's turn is over: milliseconds, where the work takes microseconds. What the kernel does for a
//! packet has no turn either.
//!
//! What goes first can starve the rest. So the guard looks how much each of them takes: where it is more than
//! [`MOST`] (a flood, a defect, a worker that was taken over), both are ordinary threads for a while, and share the
//! processors with everybody. Until then the kernel keeps back a twentieth for ordinary programs. Without
//! the right to put threads first they stay ordinary.

use sakimori_kernel::priority;
use std::time::Duration;

/// Share of a processor that a thread in a hurry may take, as a divisor.
const MOST: u32 = 2;
/// How long both are ordinary after one took more.
const CALM: Duration = Duration::from_secs(10);
/// How long a thread is watched before its share is judged.
const SPAN: Duration = Duration::from_millis(400);

/// A thread: its process and its number.
type Thread = (u32, u32);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Haste {
    threads: [Thread; 2],
    used: [Duration; 2],
    looked: Duration,
    /// Ordinary until then.
    calm_until: Duration,
    first: bool,
}

impl Haste {
    /// Looks at judge and verdict writer; called now and then.
    pub(super) fn look(&mut self, now: Duration, threads: [Thread; 2]) {
        let known = self.threads == threads;
        if threads.iter().any(|(_, thread)| *thread == 0) || known && now.saturating_sub(self.looked) < SPAN {
            return;
        }
        let used = threads.map(|(process, thread)| priority::used(process, thread).unwrap_or_default());
        let lasted = now.saturating_sub(self.looked);
        let greedy = known && takes_too_much(self.used, used, lasted);
        (self.threads, self.used, self.looked) = (threads, used, now);
        if greedy {
            self.calm_until = now + CALM;
        }
        let first = now >= self.calm_until;
        if known && first == self.first {
            return;
        }
        self.first = first;
        if greedy {
            tracing::warn!(
                "judging packets takes much of a processor: it no longer goes before other programs"
            );
        }
        for (_, thread) in threads {
            if let Err(error) = priority::set_first(thread, first) {
                tracing::debug!(%error, thread, "the threads that packets wait for stay ordinary");
            }
        }
    }
}

/// Whether one of the threads took more than its share of the time between two looks.
fn takes_too_much(before: [Duration; 2], after: [Duration; 2], lasted: Duration) -> bool {
    before.iter().zip(after).any(|(before, after)| after.saturating_sub(*before) > lasted / MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_takes_more_than_half_a_processor_is_too_much() {
        let [none, little, much] = [0, 200, 300].map(Duration::from_millis);
        let lasted = Duration::from_millis(500);
        assert!(!takes_too_much([none, none], [little, little], lasted));
        assert!(takes_too_much([none, none], [little, much], lasted));
        assert!(takes_too_much([none, none], [much, none], lasted));
        assert!(!takes_too_much([much, much], [much, much], lasted));
        assert!(!takes_too_much([much, much], [none, none], lasted), "a new thread under an old number");
    }
}
