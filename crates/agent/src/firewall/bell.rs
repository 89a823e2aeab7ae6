//! Has the keeper of the firewall's changes look.
use super::lock;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rung: bool,
    ending: bool,
}

impl Bell {
    /// There is something to look at.
    pub(super) fn ring(&self) {
        lock(&self.state).rung = true;
        self.changed.notify_all();
    }

    /// Nothing is to be looked at any more.
    pub(super) fn end(&self) {
        lock(&self.state).ending = true;
        self.changed.notify_all();
    }

    /// Waits so long, or until it is rung; gives whether the end has come.
    pub(super) fn wait(&self, longest: Duration) -> bool {
        let quiet = |state: &mut State| !state.rung && !state.ending;
        let waited = self.changed.wait_timeout_while(lock(&self.state), longest, quiet);
        let (mut state, _timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
        state.rung = false;
        state.ending
    }
}
