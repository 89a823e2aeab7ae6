//! The one place where the manager reads the clock, and times as text.
//!
//! A [`Clock`] can be set ahead, so that expiry is tested without waiting.
use sakimori_model::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Tells the time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead_micros: Arc<AtomicI64>,
}

impl Clock {
    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "the manager's one reading of the wall clock")]
    pub fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Timestamp(micros.saturating_add(self.ahead_micros.load(Ordering::Relaxed)))
    }

    /// Goes ahead of the system's clock by this much more.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.ahead_micros.fetch_add(micros, Ordering::Relaxed);
    }
}

impl rustls::time_provider::TimeProvider for Clock {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        let secs = u64::try_from(self.now().0.div_euclid(1_000_000)).ok()?;
        Some(rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(secs)))
    }
}

/// As a date and time of the calendar; the calendar's first moment where it has none.
pub fn date_time(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// RFC 3339 in UTC.
pub fn text(at: Timestamp) -> String {
    date_time(at).format(&Rfc3339).unwrap_or_default()
}

/// Reads RFC 3339.
pub fn parse(text: &str) -> Option<Timestamp> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos().div_euclid(1000)).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_their_text() {
        let at = Timestamp(1_795_000_000_123_456);
        assert_eq!(parse(&text(at)), Some(at));
        assert_eq!(parse("2026-11-22T22:40:00+09:00"), parse("2026-11-22T13:40:00Z"));
        assert_eq!(parse("yesterday"), None);
    }
}
