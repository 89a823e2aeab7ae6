//! The pure pipeline from a packet to its verdict.
//!
//! [`Engine`] puts the parts together: `packet` decodes, `stream` reassembles flows, `protocols` makes
//! HTTP transactions of them, `signatures` judges those, and the policy's modes decide whether a match
//! is only reported or stops the flow. What goes in is packets and the time; what comes out is a
//! [`Judgement`] for each and events to be drained. No I/O and no clock, so that the same engine runs
//! inline, over recorded traffic ([`offline`]) and in a fuzz target.
//!
//! Connections to the outside are judged by what they ask for ([`WebReputation`]): HTTP requests by host and URL,
//! TLS by the name in its greeting.
//!
//! Key decision: a match is judged on the packet whose bytes complete it. Earlier segments of the same
//! request have been let through by then, but no server acts on a request whose decisive bytes never arrive.
#![forbid(unsafe_code)]

mod answer;
pub mod coverage;
mod dcerpc_view;
mod detection;
mod dialogue;
mod dns_view;
mod engine;
mod expected;
mod file;
mod flow;
mod ftp_data_view;
mod ftp_view;
mod http;
mod http_recorder;
mod http_view;
mod judge;
pub mod offline;
mod packet_view;
mod packets;
mod record;
mod report;
mod shared;
mod site;
mod smb_view;
mod smtp_view;
mod ssh_view;
mod stream_view;
mod tls_view;
mod waf;
mod waf_report;
mod waf_response;

pub use engine::{
    Checksums, Config, Counters, Engine, FlowMark, Frame, Injection, Judgement, Limits, Verdict,
};
pub use packet_view::Vlans;
pub use record::{Anomaly, Field, FileRecord, HttpRecord, MatchRecord, Record, Said, Told};
pub use site::{Path, SeenIn, Sighting, WebReputation};
pub use waf::{BodyLimits, WebFirewall};
pub use waf_report::{WebAttack, WebRule};
