//! What an attacker is answered waits until the event that tells of the attack is durable.
//!
//! So an attack that was seen to be stopped has been told of, whoever kills the agent in the next moment. Nothing is held up but
//! the answer to a connection that is blocked already: its verdict and all other packets go their way. Where the disk
//! takes its time, or too many answers wait, they are sent without.

use std::collections::VecDeque;
use std::time::Duration;

/// How long an answer waits at most: whoever is behind the connection is not left hanging because of our disk.
const PATIENCE: Duration = Duration::from_secs(1);
/// Answers that wait at most, of some 1,500 bytes each.
const MOST: usize = 1024;

/// Packets that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Withheld(VecDeque<Waiting>);

#[derive(Debug)]
struct Waiting {
    packet: Vec<u8>,
    /// Position in the event ring up to which events must be durable.
    after: u64,
    until: Duration,
}

impl Withheld {
    /// Keeps `packet` until events up to position `after` are durable.
    pub(super) fn hold(&mut self, now: Duration, packet: Vec<u8>, after: u64) {
        self.0.push_back(Waiting { packet, after, until: now + PATIENCE });
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the next packet that is to be sent, in the order they came; nothing while the oldest has to wait.
    pub(super) fn next(&mut self, now: Duration, durable: impl Fn(u64) -> bool) -> Option<Vec<u8>> {
        let many = self.0.len() > MOST;
        self.0.pop_front_if(|oldest| many || now >= oldest.until || durable(oldest.after)).map(|w| w.packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_waits_for_its_event_and_keeps_its_place() {
        let mut withheld = Withheld::default();
        withheld.hold(Duration::ZERO, vec![1], 10);
        withheld.hold(Duration::ZERO, vec![2], 20);
        assert_eq!(withheld.next(Duration::ZERO, |after| after <= 9), None);
        assert_eq!(withheld.next(Duration::ZERO, |after| after <= 10), Some(vec![1]));
        assert_eq!(withheld.next(Duration::ZERO, |after| after <= 10), None);
        assert!(!withheld.is_empty());
        assert_eq!(withheld.next(Duration::ZERO, |after| after <= 20), Some(vec![2]));
        assert!(withheld.is_empty());
    }

    #[test]
    fn a_disk_that_stands_still_and_a_flood_of_attacks_hold_up_nobody_for_long() {
        let mut withheld = Withheld::default();
        withheld.hold(Duration::ZERO, vec![1], 10);
        assert_eq!(withheld.next(PATIENCE / 2, |_| false), None);
        assert_eq!(withheld.next(PATIENCE, |_| false), Some(vec![1]));
        for _ in 0..=MOST {
            withheld.hold(PATIENCE, vec![2], 10);
        }
        assert_eq!(withheld.next(PATIENCE, |_| false), Some(vec![2]));
        assert_eq!(withheld.next(PATIENCE, |_| false), None, "as many as there is room for wait");
    }
}
