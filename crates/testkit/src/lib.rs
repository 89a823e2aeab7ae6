//! Laboratories for the demo, the benchmarks and the end-to-end tests.
//!
//! A [`Lab`] is a small network of its own: namespaces for attacker, visitor, server and manager
//! on one bridge, which no packet leaves. The programs under test run in it as they would on real
//! machines; the server and the manager have private mounts, so that a package can really be
//! installed there and nothing of it stays. Everything is removed on drop, and what a killed run
//! left behind is removed by the next one.
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    reason = "a test harness measures real time, waits for real processes and starts them"
)]
#![expect(clippy::print_stdout, reason = "the demo, the drills and the benchmarks report on the terminal")]

pub mod agent;
pub mod attack;
pub mod bench;
pub mod beside;
pub mod blog;
pub mod command_line;
pub mod debian;
pub mod fleet;
pub mod forward;
pub mod host;
pub mod http;
pub mod interrupt;
pub mod lab;
pub mod lockout;
pub mod manager;
pub mod nginx;
pub mod numbered;
pub mod package;
pub mod peer;
pub mod postgres;
pub mod process;
pub mod programs;
pub mod python;
pub mod report;
pub mod rest;
pub mod story;
pub mod stub;
pub mod wait;
pub mod wordpress;

pub use host::Host;
pub use lab::{Lab, Role};
pub use process::Process;
pub use programs::Programs;
