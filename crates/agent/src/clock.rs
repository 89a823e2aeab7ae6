//! The one place of the control side that reads the clock.
use sakimori_model::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Wall time now; the epoch itself where the clock stands before 1970.
pub fn wall() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program's clock: everything else takes the time as an argument"
    )]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
