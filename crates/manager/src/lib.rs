//! The manager of the fleet.
#![forbid(unsafe_code)]

pub mod http;
