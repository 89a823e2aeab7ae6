//! The Suricata rule language: parse, diagnose, compile, inspect.
//!
//! [`compile`] turns rule files into an immutable [`RuleSet`] and says of every rule that did not
//! load why, where and what to do about it. [`RuleSet::inspect`] is then asked at each
//! [`Stage`] of a transaction: a multi-pattern prefilter over each buffer names the few rules
//! whose rarest pattern is there, and only those are verified. What has to be remembered between
//! two calls lives in [`TransactionState`] and [`FlowState`], which the caller owns; so the same
//! rule set serves any number of flows and threads.
//!
//! Pure: bytes go in, matches come out. No clock, no I/O, no logging.
#![forbid(unsafe_code)]

pub mod address;
mod asn1;
mod base64;
pub mod buffer;
mod classes;
mod condition;
mod dataset;
mod diagnose;
mod draft;
pub mod event;
pub mod fact;
pub mod inspect;
pub mod parse;
mod pattern;
mod pcre;
mod prefilter;
pub mod protocol;
pub mod rule;
pub mod ruleset;
mod state;
mod transform;
mod verify;

pub use address::Variables;
pub use buffer::{Buffer, Direction, Directions, Place, Stage};
pub use event::EventName;
pub use fact::{Belongs, Fact};
pub use inspect::{FlowFacts, Inspected, Match, Memory, Scratch, TransactionState};
pub use protocol::{Protocol, Protocols, Transport};
pub use rule::{Action, RateFilter, RateKind, Reference, Rule, Tag, Track};
pub use ruleset::{Compiled, Needs, RuleSet, SourceFile, compile, compile_with};
pub use state::{FlowState, Hosts};
