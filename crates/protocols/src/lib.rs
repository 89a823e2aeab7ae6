//! Application protocols: bytes of a connection in, transactions and their buffers out.
//!
//! One folder a protocol. Parsers are pure and lenient: they accept what real servers accept, name
//! what is odd as an anomaly, never fail, never panic and never keep more than their limits say.
#![forbid(unsafe_code)]

pub mod dcerpc;
pub mod dns;
pub mod ftp;
pub mod http1;
pub mod lines;
pub mod smb;
pub mod smtp;
pub mod ssh;
pub mod tls;

/// Who says something: the side that opened the connection, or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It opened the connection.
    Client,
    /// The other.
    Server,
}
