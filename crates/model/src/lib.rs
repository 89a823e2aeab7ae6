//! The words that every part of Sakimori uses: ids, modes, severities, events, settings, diagnostics.
//!
//! Plain values without I/O, clocks or wire formats. How they look on a wire is said by
//! `sakimori-protocol` (agent and manager) and `sakimori-api` (REST) alone.
#![forbid(unsafe_code)]

pub mod diagnostic;
pub mod event;
pub mod id;
pub mod mode;
pub mod settings;
pub mod time;

pub use diagnostic::{Diagnostic, Level};
pub use event::{Action, Detail, Event, Gap, HttpSummary, Intrusion, ModuleId, Notice, Severity};
pub use id::{ComputerId, IncidentId, PolicyId, Sid, TenantId, TokenId, UserId};
pub use mode::Mode;
pub use settings::{FailureResponse, IntrusionPrevention, PortRange};
pub use time::{Now, Timestamp};
