//! The module's numbers: counted by the guard and the keeper, read by whoever asks for the status.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number.
#[derive(Debug, Default)]
pub(super) struct Number(AtomicU64);

/// All of them, since the agent's start.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Files looked at.
    pub(super) scanned: Number,
    /// Bytes looked at.
    pub(super) bytes: Number,
    /// Files with malware.
    pub(super) infected: Number,
    /// Files looked at in part.
    pub(super) partial: Number,
    /// Files that should have been looked at and were not.
    pub(super) unscanned: Number,
    /// Files that did not have to be looked at again.
    pub(super) cache_hits: Number,
    /// Openings that were denied because of malware.
    pub(super) denied: Number,
    /// Openings that got the failure response.
    pub(super) failure_responses: Number,
    /// Files moved to quarantine.
    pub(super) quarantined: Number,
    /// Files removed.
    pub(super) deleted: Number,
    /// Actions that could not be carried out.
    pub(super) failed: Number,
    /// Scanners that were lost.
    pub(super) restarts: Number,
    /// Scanners that are starting now: no sum.
    pub(super) starting: Number,
    /// Scanners that are missing now: no sum.
    pub(super) missing: Number,
}

// === impl Number ===

impl Number {
    pub(super) fn add(&self, n: u64) {
        let _before = self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, n: u64) {
        let _before =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(now.saturating_sub(n)));
    }

    pub(super) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Tally ===

impl Tally {
    /// The sums by name.
    pub(super) fn counters(&self) -> Vec<(String, u64)> {
        let all = [
            ("files-scanned", &self.scanned),
            ("bytes-scanned", &self.bytes),
            ("files-infected", &self.infected),
            ("files-partial", &self.partial),
            ("files-unscanned", &self.unscanned),
            ("cache-hits", &self.cache_hits),
            ("opens-denied", &self.denied),
            ("opens-failure-response", &self.failure_responses),
            ("files-quarantined", &self.quarantined),
            ("files-deleted", &self.deleted),
            ("actions-failed", &self.failed),
            ("worker-restarts", &self.restarts),
        ];
        all.into_iter().map(|(name, number)| (name.to_owned(), number.now())).collect()
    }
}
