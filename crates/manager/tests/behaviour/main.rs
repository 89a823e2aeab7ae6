//! Behaviour of the whole manager over real TLS listeners on loopback.
#![expect(clippy::disallowed_methods, reason = "tests run the real program and read its files")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do: by a panic that says where"
)]

mod access;
mod alerts;
mod autoscale;
mod bad_input;
mod computer_list;
mod content;
mod delivery;
mod events;
mod firewall;
mod firewall_changes;
mod fleet;
mod groups;
mod inventory;
mod killed;
mod life;
mod mail;
mod operations;
mod pacing;
mod policies;
mod policy_editing;
mod policy_model;
mod ranking;
mod requests;
mod rsyslog;
mod searches;
pub(crate) mod support;
mod tasks;
mod upgrades;
mod waf;
