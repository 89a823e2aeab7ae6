//! When to call again: exponential backoff with full jitter, so that a fleet does not come back in step. Part of what both
//! sides agree on: the manager counts on it when it is started anew.
use ring::rand::{SecureRandom as _, SystemRandom};
use std::time::Duration;

/// A backoff: each failure doubles the span that the next wait is drawn from.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

/// The wait drawn never falls under this: a manager that refuses at once must not be asked in a tight loop.
const LEAST: Duration = Duration::from_millis(200);

// === impl Backoff ===

impl Backoff {
    /// Spans from `first` (after the first failure) to `most`.
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// The manager answered: the next failure begins at `first` again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// One more failure. Gives how long to wait, drawn evenly from zero to the span; a `Retry-After` is
    /// the least, with jitter added on top so that a fleet that was told the same second spreads out.
    pub fn failed(&mut self, retry_after: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let doubled = self.first.saturating_mul(1_u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX));
        let span = doubled.min(self.most);
        match retry_after {
            Some(least) => least.min(self.most) + jitter(least.min(self.most) / 4),
            None => jitter(span).max(LEAST),
        }
    }
}

/// A span drawn evenly from zero to `span`; `span` itself where the system has no randomness to give.
pub fn jitter(span: Duration) -> Duration {
    let mut bytes = [0; 4];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        return span;
    }
    let part = f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX);
    span.mul_f64(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound_and_start_again() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(10));
        for _ in 0..50 {
            let wait = backoff.failed(None);
            assert!(wait >= LEAST && wait <= Duration::from_mins(10), "{wait:?}");
        }
        backoff.succeeded();
        assert!(backoff.failed(None) <= Duration::from_secs(1));
    }

    #[test]
    fn retry_after_is_the_least() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(10));
        for _ in 0..20 {
            let wait = backoff.failed(Some(Duration::from_secs(30)));
            assert!(wait >= Duration::from_secs(30) && wait <= Duration::from_secs(38), "{wait:?}");
        }
        assert!(backoff.failed(Some(Duration::from_secs(1_000_000))) <= Duration::from_secs(750), "bounded");
    }
}
