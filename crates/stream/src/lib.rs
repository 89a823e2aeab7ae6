//! Flow table and TCP reassembly for a tracker that stands in the path.
//!
//! [`FlowTable::process`] takes a decoded packet, finds its flow, puts the bytes in order and hands each byte once to
//! the flow's [`Application`]; what comes back says whether the packet may go on. It needs neither pure
//! acknowledgements nor the server's data, keeps every buffer within [`Limits`], and decides so that an attacker who
//! makes us and the server see different bytes gets his segment dropped instead (see [`history`] and
//! [`policy`]). No clock, no randomness: time and the hash seed are arguments.
#![forbid(unsafe_code)]

pub mod anomaly;
pub mod application;
mod connection;
mod datagrams;
pub mod flow;
pub mod fuzz;
mod half;
pub mod history;
pub mod limits;
mod list;
pub mod outcome;
mod pending;
pub mod policy;
pub mod sequence;
mod slab;
mod table;

pub use anomaly::{Anomalies, Anomaly};
pub use application::Application;
pub use datagrams::{Datagram, DatagramTable, Exchange};
pub use flow::{Direction, Endpoint, FlowInfo, Traffic};
pub use limits::Limits;
pub use outcome::{Counters, Decision, End, Outcome, Reset, Verdict};
pub use policy::{GapPolicy, MidstreamPolicy, OverlapPolicy, UrgentPolicy};
pub use table::FlowTable;
