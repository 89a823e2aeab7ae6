//! Under load packets are gathered for a moment before they are read: one wake-up then serves many of them.
//!
//! Each wake-up of the judge and of the verdict writer costs several times what judging a small request does, and at tens
//! of thousands of requests a second it is the server's processor that pays. As network cards
//! do with their interrupts, the judge therefore pauses between two reads: only while many packets come, only while the
//! pauses do gather several, and never where a read was full. A few clients that wait for each answer are not worth a
//! pause, and are found out within one window.

use std::time::Duration;

/// How long packets are gathered: an eighth of what a busy server takes for an answer.
const PAUSE: Duration = Duration::from_micros(200);
/// How long is looked before it is decided anew.
const WINDOW: Duration = Duration::from_millis(2);
/// Packets of a window that are a load.
const LOAD: u32 = 16;
/// Packets of a read, on average, that are worth the pauses before them.
const WORTH: u32 = 3;
/// How long pauses that were not worth it are left alone.
const PATIENCE: Duration = Duration::from_millis(50);

/// What was seen in the current window, and what follows from the last.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    began: Duration,
    packets: u32,
    reads: u32,
    pausing: bool,
    not_before: Duration,
}

impl Gathering {
    /// How long to pause after a read of `packets` at `now`, with room for `room`.
    pub(super) fn pause(&mut self, now: Duration, packets: usize, room: usize) -> Option<Duration> {
        self.packets = self.packets.saturating_add(u32::try_from(packets).unwrap_or(u32::MAX));
        self.reads = self.reads.saturating_add(1);
        let lasted = now.saturating_sub(self.began);
        if lasted >= WINDOW {
            // A window that ended late, since nothing came, was no load.
            let load = self.packets >= LOAD && lasted < WINDOW * 2;
            if self.pausing && load && self.packets < WORTH.saturating_mul(self.reads) {
                self.pausing = false;
                self.not_before = now + PATIENCE;
            } else {
                self.pausing = load && now >= self.not_before;
            }
            (self.began, self.packets, self.reads) = (now, 0, 0);
        }
        (self.pausing && packets < room).then_some(PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `each` packets every `every` microseconds, pauses counted in, for 40 milliseconds; how often it paused.
    fn pauses(gathering: &mut Gathering, from: Duration, every: u64, each: usize) -> usize {
        let mut now = from;
        let mut count = 0;
        while now < from + Duration::from_millis(40) {
            count += usize::from(gathering.pause(now, each, 32).is_some());
            now += Duration::from_micros(every);
        }
        count
    }

    const START: Duration = Duration::from_secs(1000);

    #[test]
    fn a_load_of_many_clients_is_gathered() {
        let mut gathering = Gathering::default();
        assert!(pauses(&mut gathering, START, 20, 1) > 0, "50,000 a second, one by one, is tried");
        let mut gathering = Gathering::default();
        let reads = 40_000 / 200;
        let paused = pauses(&mut gathering, START, 200, 8);
        assert!(paused > reads * 8 / 10, "{paused} of {reads}");
        assert_eq!(pauses(&mut gathering, START + Duration::from_secs(1), 200, 32), 0, "full reads");
    }

    #[test]
    fn clients_that_wait_for_each_answer_are_left_alone() {
        let mut gathering = Gathering::default();
        assert_eq!(pauses(&mut gathering, START, 200, 1), 0, "5,000 a second are no load");
        // Pauses that gather two are tried for a window at a time.
        let reads = 40_000 / 200;
        let paused = pauses(&mut gathering, START + Duration::from_secs(1), 200, 2);
        assert!(paused > 0 && paused < reads / 10, "{paused} of {reads}");
    }

    #[test]
    fn a_load_that_has_gone_is_forgotten() {
        let mut gathering = Gathering::default();
        assert!(pauses(&mut gathering, START, 200, 8) > 0);
        let later = START + Duration::from_mins(1);
        assert_eq!(gathering.pause(later, 1, 32), None);
        assert_eq!(pauses(&mut gathering, later, 1000, 1), 0);
    }
}
