//! Recorded traffic through the inspection pipeline: what would these rules have said yesterday?
//!
//! [`frames`] reads a capture (pcap, pcapng), [`ip`] takes the link layer off, [`Replay`] shows the packets to an
//! [`Engine`](sakimori_inspection::Engine) under the capture's own clock and writes what it says as EVE JSON, the form that
//! Suricata's users and their tools know.
//!
//! Captures are hostile bytes: what does not decode is counted, never an end, unless the file itself is broken.
#![forbid(unsafe_code)]

mod capture;
mod eve;
mod eve_dns;
mod flows;
mod layers;
mod link;
mod replay;

pub use capture::{CaptureError, Frame, Link, frames};
pub use link::{Stripped, ip, strip};
pub use replay::{Options, Replay, Statistics};
