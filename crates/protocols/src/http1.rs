//! HTTP/1.x and 0.9, leniently (RFC 9112, and what servers accept beyond it).
//!
//! A [`Connection`] is fed the in-order bytes of both directions, or of the client's alone, and
//! tells a [`Sink`] how its current [`Transaction`] grows. A [`Message`] keeps the raw head with
//! header order and duplicates, because rules judge those, and offers normalised views of it that
//! are made when first asked for.
//!
//! The parser never gives up on a connection: what does not look like a request is skipped line by
//! line and named as an [`Anomaly`], so garbage in front of a request cannot switch inspection off.

mod anomaly;
mod body;
mod coding;
mod connection;
mod framing;
mod head;
mod lenient;
mod message;
mod uri;

pub use anomaly::{Anomalies, Anomaly};
pub use connection::{Connection, Control, Direction, Limits, Sink, Stage, Transaction};
pub use message::{Header, Message};
pub use uri::normalise as normalise_uri;

#[cfg(test)]
mod tests;
