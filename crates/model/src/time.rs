//! Time as a value: engines take [`Now`], and only programs ask a clock.
use std::time::Duration;

/// A point of wall-clock time.
///
/// # Units
/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The point `span` later; stops at the end of the range.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// The moment an engine is asked: wall time for what people read, monotonic time for timeouts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For events. May jump.
    pub wall: Timestamp,
    /// For timeouts: time since any fixed point; never goes back.
    pub monotonic: Duration,
}
