//! From the firewall module's settings to its engine: for the agent that enforces, and for the manager that is asked.
//!
//! What the engine says of a packet, and what it notices about rules, comes back with words for people in both languages.
#![forbid(unsafe_code)]

mod advice;
mod answer;
mod stateful;
mod translate;
mod watch;
mod words;

pub use advice::{Advice, advise};
pub use answer::{Answered, By, Question, RuleAnswer, Verdict, Whoever, explain};
pub use translate::compile;
pub use watch::{probe, sensitivity};
