//! How many events may leave: a token bucket.

use std::time::Duration;

#[derive(Debug)]
pub(super) struct Bucket {
    per_second: u32,
    most: u32,
    /// Thousandths of an event.
    level: u64,
    filled: Duration,
}

impl Bucket {
    pub(super) fn new(per_second: u32, most: u32, now: Duration) -> Self {
        Self { per_second, most, level: u64::from(most) * 1_000, filled: now }
    }

    /// Whether one more may leave.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        let passed = u64::try_from(now.saturating_sub(self.filled).as_millis()).unwrap_or(u64::MAX);
        let gained = passed.saturating_mul(u64::from(self.per_second));
        if gained > 0 {
            self.level = self.level.saturating_add(gained).min(u64::from(self.most) * 1_000);
            self.filled = now;
        }
        let enough = self.level >= 1_000;
        if enough {
            self.level -= 1_000;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut bucket = Bucket::new(10, 5, Duration::ZERO);
        let taken =
            |bucket: &mut Bucket, now| (0..20).filter(|_| bucket.take(Duration::from_millis(now))).count();
        assert_eq!(taken(&mut bucket, 0), 5);
        assert_eq!(taken(&mut bucket, 200), 2);
        assert_eq!(taken(&mut bucket, 100_000), 5);
    }
}
