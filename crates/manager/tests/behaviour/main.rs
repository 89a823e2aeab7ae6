//! Behaviour of the whole manager over real TLS listeners on loopback.
#![expect(clippy::disallowed_methods, reason = "tests run the real program and read its files")]

mod access;
mod events;
mod fleet;
mod life;
mod policies;
mod support;
