//! Waiting for the world, with a bound.

use std::time::{Duration, Instant};

use anyhow::bail;

use crate::interrupt;
use crate::process::Ended;

/// How often a condition is looked at.
const PERIOD: Duration = Duration::from_millis(20);

/// Waits until `condition` gives a value; its last error, or `what`, is told when `limit` has passed.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let start = Instant::now();
    loop {
        interrupt::check()?;
        let last = match condition() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => None,
            Err(error) if error.is::<Ended>() => return Err(error.context(format!("waiting for {what}"))),
            Err(error) => Some(error),
        };
        if start.elapsed() > limit {
            match last {
                Some(error) => return Err(error.context(format!("waited {limit:?} for {what}"))),
                None => bail!("waited {limit:?} in vain for {what}"),
            }
        }
        std::thread::sleep(PERIOD);
    }
}

/// Sleeps `time`, but not past Ctrl-C.
pub fn pause(time: Duration) -> anyhow::Result<()> {
    let start = Instant::now();
    while start.elapsed() < time {
        interrupt::check()?;
        std::thread::sleep(PERIOD.min(time.saturating_sub(start.elapsed())));
    }
    Ok(())
}
