//! Names of oddities that rules ask for: `app-layer-event`, `decode-event`, `stream-event`.
//!
//! Which of them the pipeline notices is its own matter: a rule that waits for another loads, and is said to see nothing.
use crate::protocol::Protocol;

mod table;

use table::EVENTS;

/// An oddity of a packet, a stream or a transaction, by the name that rules give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(&'static str);

impl EventName {
    /// The oddity that a name stands for, with the protocol that it belongs to.
    pub fn named(text: &str) -> Option<(Self, Option<Protocol>)> {
        EVENTS.iter().find_map(|(protocol, names)| {
            names.iter().find(|name| **name == text).map(|name| (Self(name), *protocol))
        })
    }

    /// Its name: `http.request_auth_unrecognized`.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}
