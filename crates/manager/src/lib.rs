//! The manager of the fleet: one binary that keeps the record, serves console and REST, and talks to agents.
//!
//! Two listeners. *Public* (server-authenticated TLS): console, REST, deployment script, enrolment, renewal,
//! blobs, packages. *Gateway* (mutual TLS): check-ins and events. [`Manager`] is the whole thing; everything
//! below it is handed what it needs and reads neither clock nor environment.
#![forbid(unsafe_code)]

pub mod authority;
pub mod backup;
pub mod bundles;
pub mod clock;
pub mod content;
pub mod disk;
pub mod event_based_tasks;
pub mod events;
pub mod fingerprint;
mod firewall_orders;
pub mod fleet;
pub mod inventories;
pub mod recommendation;
pub mod secrets;
pub mod settings;
pub mod store;

mod alerts;
mod api_docs;
mod app;
mod console;
mod coverage;
mod delivery;
mod deploy;
mod ephemeral;
mod gateway;
mod http;
mod limits;
mod listener;
mod live;
mod manager;
mod metrics;
mod network;
mod nodes;
mod notices;
mod outgoing;
mod pacing;
mod packages;
mod policy_tree;
mod problem;
mod reactions;
mod tasks;
mod upgrades;
mod vault;

pub use content::update::Source as ContentSource;
pub use http::openapi_json;
pub use limits::RateLimits;
pub use manager::{FirstStart, Manager, Options, StartError};
