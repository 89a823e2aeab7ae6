//! The agent on each server: the supervisor that holds the policy, talks to the manager and keeps the events.
//!
//! [`network`] puts the policy in force and starts the sandboxed worker; everything else here is the
//! supervisor's control side. It never looks at hostile bytes: what it parses comes from the manager
//! (authenticated), from its own state directory, or from the kernel.
//!
//! The order of a start is the promise of the product: the last verified bundle is enforced from disk
//! *before* the first word to the manager ([`supervisor`]), events are durable in the [`spool`] before
//! they are acknowledged to whoever made them, and a bundle that cannot be verified or applied leaves the
//! old one in force ([`bundle`]).
#![forbid(unsafe_code)]

pub mod activation;
pub mod blobs;
pub mod bundle;
pub mod check_in;
pub mod clock;
pub mod commands;
pub mod connection;
pub mod control;
pub mod coverage;
pub mod enforcement;
pub mod firewall;
pub mod host;
pub mod identity;
pub mod integrity;
pub mod inventory;
pub mod logs;
pub mod network;
pub mod parts;
mod pipe;
pub mod renewal;
pub mod scanner;
pub mod sender;
pub mod service;
pub mod spool;
pub mod state;
pub mod status;
pub mod supervisor;
pub mod upgrade;
