//! Benchmarks of the running product: what protection costs under load, and at rest.

mod firewall;
mod inline;
mod rest;

pub use firewall::firewall;
pub use inline::{inline, requests, upload};
pub use rest::rest;
