//! The clocks of the host, for programs: engines take time as an argument.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Time since the host started, suspended time included not; never goes back.
pub fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Microseconds since 1970-01-01T00:00:00Z. May jump.
pub fn wall_micros() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000)
}

/// Lets `span` pass.
#[expect(clippy::disallowed_methods, reason = "the named place for a program's waiting")]
pub fn sleep(span: Duration) {
    std::thread::sleep(span);
}
