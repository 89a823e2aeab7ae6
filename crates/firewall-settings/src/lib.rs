//! From the firewall module's settings to its engine: for the agent that enforces, and for the manager that is asked.
#![forbid(unsafe_code)]

mod translate;

pub use translate::compile;
