//! The time without a worker, and when to try the next.

use std::time::Duration;

/// A worker that ran this long before it was lost is a new misfortune, not the same one.
const CALM: Duration = Duration::from_secs(10);
/// Waits before the second, third, … try; the first is at once.
const BACKOFF_MS: [u64; 5] = [200, 500, 1_000, 2_000, 5_000];

/// A time without a worker. All points are monotonic time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outage {
    /// When the worker was lost.
    pub(super) since: Duration,
    /// When to try next.
    pub(super) next_try: Duration,
    /// Tries that failed.
    pub(super) attempts: u32,
}

impl Outage {
    /// A worker was lost; `former` is the outage that it had ended, if it did not even begin.
    pub(super) fn begin(now: Duration, former: Option<Self>) -> Self {
        match former {
            Some(former) if now.saturating_sub(former.next_try) < CALM => {
                let mut again = Self { since: now, ..former };
                again.failed(now);
                again
            }
            _ => Self { since: now, next_try: now, attempts: 0 },
        }
    }

    /// A try failed.
    pub(super) fn failed(&mut self, now: Duration) {
        let at = usize::try_from(self.attempts).unwrap_or(usize::MAX).min(BACKOFF_MS.len() - 1);
        let wait = BACKOFF_MS.get(at).copied().unwrap_or(5_000);
        self.attempts = self.attempts.saturating_add(1);
        self.next_try = now + Duration::from_millis(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_try_is_at_once_and_the_waits_grow_to_a_bound() {
        let now = Duration::from_secs(100);
        let mut outage = Outage::begin(now, None);
        assert_eq!(outage.next_try, now);
        let waits: Vec<u128> = (0..7)
            .map(|_| {
                outage.failed(now);
                outage.next_try.saturating_sub(now).as_millis()
            })
            .collect();
        assert_eq!(waits, [200, 500, 1_000, 2_000, 5_000, 5_000, 5_000]);
    }

    #[test]
    fn a_worker_lost_soon_after_another_waits() {
        let now = Duration::from_secs(100);
        let first = Outage::begin(now, None);
        let soon = Outage::begin(now + Duration::from_secs(1), Some(first.clone()));
        assert_eq!(soon.attempts, 1);
        assert_eq!(soon.next_try, now + Duration::from_millis(1_200));
        let late = Outage::begin(now + Duration::from_secs(20), Some(first));
        assert_eq!((late.attempts, late.next_try), (0, now + Duration::from_secs(20)));
    }
}
