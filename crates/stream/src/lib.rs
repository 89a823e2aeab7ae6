//! Flow table and TCP reassembly for a tracker that stands in the path.
//!
//! [`FlowTable::process`] takes a decoded packet, finds its flow, puts the bytes in order and hands each byte once to
//! the flow's [`Application`]; what comes back says whether the packet may go on. It needs neither pure
//! acknowledgements nor the server's data, keeps every buffer within [`Limits`], and decides so that an attacker who
//! makes us and the server see different bytes gets his segment dropped instead (see `docs` of [`history`] and
//! [`policy`]). No clock, no randomness: time and the hash seed are arguments.
#![forbid(unsafe_code)]

pub mod anomaly;
pub mod application;
pub mod flow;
pub mod limits;
pub mod outcome;
pub mod policy;
pub mod sequence;

pub use anomaly::{Anomalies, Anomaly};
pub use application::Application;
pub use flow::{Direction, Endpoint, FlowInfo, Traffic};
pub use limits::Limits;
pub use outcome::{Counters, Decision, End, Outcome, Reset, Verdict};
pub use policy::{GapPolicy, MidstreamPolicy, OverlapPolicy, UrgentPolicy};
