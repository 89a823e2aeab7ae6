//! The flow table through its public face: whole packets in, verdicts and delivered bytes out.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod evasion;
mod floods;
mod lives;
mod order;
mod random;
mod resets;
mod support;
