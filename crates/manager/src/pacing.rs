//! What keeps a fleet from arriving all at once: changes are handed out at a rate, connections are taken at a rate, and
//! of each kind of call that agents make only so many are worked on, so that administrators always have their part.
//!
//! Steady state is cheap; it is mass change that breaks managers: a policy edit that concerns everybody, a restart, all
//! machines of a site coming up.
use crate::problem::Refused;
use axum::http::StatusCode;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

/// Whoever has waited so long for its turn is told to come again; agents wait a minute longer than they ask to be held.
const PATIENCE: Duration = Duration::from_secs(45);

/// Turns at an even rate, in the order in which they are asked for. What was not used lately, up to a tenth of a second's
/// worth, may be used at once.
#[derive(Debug)]
pub(crate) struct Pace {
    gap: Duration,
    burst: Duration,
    next: Mutex<Option<Instant>>,
}

/// Hands changes of bundles out: one computer's at once, everybody's at a pace.
#[derive(Debug)]
pub(crate) struct Rollout {
    pace: Pace,
    per_second: u32,
    calls: Mutex<HashMap<Uuid, watch::Sender<()>>>,
    /// Computers whose change is theirs alone.
    own: Mutex<HashSet<Uuid>>,
}

/// A check-in that can be woken.
#[derive(Debug)]
pub(crate) struct Call {
    rollout: Arc<Rollout>,
    computer: Uuid,
    woken: watch::Receiver<()>,
}

/// A kind of call: so many are worked on at once, so many more wait, in order.
#[derive(Debug)]
pub(crate) struct Class {
    at_once: Arc<Semaphore>,
    waiting: Semaphore,
    most: usize,
    patience: Duration,
}

/// What agents may ask of the manager at once.
///
/// Connections to the database are had in the order in which they are asked for: an administrator waits behind some dozens
/// of short calls at most, never behind thousands. Fewer places would leave the database idle between the steps of a call.
#[derive(Debug)]
pub(crate) struct Classes {
    /// Check-ins until they are held.
    pub(crate) check_ins: Class,
    /// Activations and renewals: they come on the listener that administrators use, so few wait there.
    pub(crate) activations: Class,
    /// Parts of bundles: each may be 64 MiB, on its way from the database.
    pub(crate) blobs: Class,
}

// === impl Pace ===

impl Pace {
    pub(crate) fn new(per_second: u32) -> Self {
        let gap = Duration::from_secs(1) / per_second.max(1);
        Self { gap, burst: Duration::from_millis(100).max(gap), next: Mutex::new(None) }
    }

    /// When the next turn is: it is taken.
    pub(crate) fn turn(&self, now: Instant) -> Instant {
        let (mut next, turn) = self.next(now);
        *next = Some(turn + self.gap);
        turn
    }

    /// Takes a turn where there is one now.
    pub(crate) fn try_turn(&self, now: Instant) -> bool {
        let (mut next, turn) = self.next(now);
        let there = turn <= now;
        if there {
            *next = Some(turn + self.gap);
        }
        there
    }

    /// How many turns are taken that have not come yet.
    pub(crate) fn ahead(&self, now: Instant) -> u64 {
        let (_next, turn) = self.next(now);
        let ahead = turn.saturating_duration_since(now);
        u64::try_from(ahead.as_nanos() / self.gap.as_nanos().max(1)).unwrap_or(u64::MAX)
    }

    fn next(&self, now: Instant) -> (MutexGuard<'_, Option<Instant>>, Instant) {
        let next = lock(&self.next);
        let earliest = now.checked_sub(self.burst).unwrap_or(now);
        let turn = next.map_or(earliest, |next| next.max(earliest));
        (next, turn)
    }
}

// === impl Rollout ===

impl Rollout {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { pace: Pace::new(per_second), per_second, calls: Mutex::default(), own: Mutex::default() }
    }

    /// Bundles handed out a second when a change concerns many.
    pub(crate) fn per_second(&self) -> u32 {
        self.per_second
    }

    /// When a change that concerns many may be handed to one of them.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// A check-in of this computer begins.
    pub(crate) fn attend(self: &Arc<Self>, computer: Uuid) -> Call {
        let mut calls = lock(&self.calls);
        let woken = calls.entry(computer).or_insert_with(|| watch::channel(()).0).subscribe();
        Call { rollout: Arc::clone(self), computer, woken }
    }

    /// Something that concerns this computer alone has changed: its check-in looks again, and does not wait for a turn.
    pub(crate) fn wake_one(&self, computer: Uuid) {
        lock(&self.own).insert(computer);
        self.wake(computer);
    }

    /// Makes the computer's check-in look again.
    pub(crate) fn wake(&self, computer: Uuid) {
        if let Some(call) = lock(&self.calls).get(&computer) {
            call.send_replace(());
        }
    }

    /// Whether the computer's change is its own.
    pub(crate) fn is_own(&self, computer: Uuid) -> bool {
        lock(&self.own).contains(&computer)
    }

    /// The computer has been handed what it should enforce, or has it.
    pub(crate) fn settled(&self, computer: Uuid) {
        lock(&self.own).remove(&computer);
    }
}

impl Call {
    /// Waits until something that concerns the computer has changed since this was asked last.
    pub(crate) async fn woken(&mut self) {
        if self.woken.changed().await.is_err() {
            // The sender is in the map as long as anybody listens.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut calls = lock(&self.rollout.calls);
        // This one and no other listens.
        if calls.get(&self.computer).is_some_and(|call| call.receiver_count() <= 1) {
            calls.remove(&self.computer);
        }
    }
}

// === impl Class ===

impl Class {
    fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(at_once)),
            waiting: Semaphore::new(waiting),
            most: waiting,
            patience: PATIENCE,
        }
    }

    /// Waits for a place; refuses as busy where too many wait already, or it takes too long.
    pub(crate) async fn enter(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let busy = || Refused::busy(StatusCode::SERVICE_UNAVAILABLE, 10);
        let _waiting = self.waiting.try_acquire().map_err(|_full| busy())?;
        match timeout(self.patience, Arc::clone(&self.at_once).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            // It is never closed.
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> u64 {
        u64::try_from(self.most.saturating_sub(self.waiting.available_permits())).unwrap_or(u64::MAX)
    }
}

impl Default for Classes {
    fn default() -> Self {
        Self {
            // As many as may be connected: to wait costs nothing but the connection, which is there anyhow.
            check_ins: Class::new(32, 30_000),
            activations: Class::new(8, 500),
            blobs: Class::new(4, 2_000),
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(20);

    #[test]
    fn turns_come_at_the_rate_after_what_was_saved_up() {
        let (pace, begun) = (Pace::new(500), Instant::now() + Duration::from_secs(1));
        let turns: Vec<Instant> = (0..5_000).map(|_| pace.turn(begun)).collect();
        assert_eq!(
            turns.iter().filter(|turn| **turn <= begun).count(),
            51,
            "a tenth of a second's worth, and one"
        );
        let last = *turns.last().unwrap() - begun;
        assert!(last > Duration::from_secs(9) && last < Duration::from_secs(10), "{last:?}");
        assert!(!pace.try_turn(begun) && pace.ahead(begun) > 4_900);
        let later = begun + Duration::from_secs(11);
        assert!(pace.try_turn(later) && pace.ahead(later) == 0);
        // Nothing more is saved up, however long nobody came.
        let much_later = begun + Duration::from_hours(1);
        assert_eq!((0..100).filter(|_| pace.try_turn(much_later)).count(), 51);
    }

    #[test]
    fn a_slow_pace_lets_the_first_go_at_once() {
        let (pace, begun) = (Pace::new(1), Instant::now() + Duration::from_secs(10));
        assert_eq!((0..10).filter(|_| pace.try_turn(begun)).count(), 2);
    }

    #[tokio::test]
    async fn one_computer_is_woken_and_forgotten_when_it_has_left() {
        let rollout = Arc::new(Rollout::new(500));
        let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
        let (mut call, mut not) = (rollout.attend(one), rollout.attend(other));
        rollout.wake_one(one);
        call.woken().await;
        assert!(timeout(MOMENT, not.woken()).await.is_err());
        assert!(rollout.is_own(one) && !rollout.is_own(other));
        // It comes again before the first call has ended.
        let second = rollout.attend(one);
        drop(call);
        assert_eq!(lock(&rollout.calls).len(), 2);
        drop((second, not));
        assert!(lock(&rollout.calls).is_empty());
        // Changed while it was away: it does not wait for a turn when it comes.
        rollout.wake_one(other);
        assert!(rollout.is_own(other));
        rollout.settled(other);
        assert!(!rollout.is_own(other));
    }

    #[tokio::test]
    async fn a_class_lets_in_keeps_waiting_and_refuses() {
        let class = Class { patience: MOMENT * 10, ..Class::new(1, 1) };
        let first = class.enter().await.unwrap();
        let mut waits = Box::pin(class.enter());
        assert!(timeout(MOMENT / 10, &mut waits).await.is_err());
        assert_eq!(class.waiting(), 1);
        let refused = class.enter().await.unwrap_err();
        assert_eq!((refused.code, refused.retry_after), ("busy", Some(10)));
        drop(first);
        let held = waits.await.unwrap();
        assert_eq!(class.enter().await.unwrap_err().code, "busy", "nobody waits for ever");
        drop(held);
        assert!(class.enter().await.is_ok());
    }
}
