//! Log inspection: one line in, a decoder, a rule and a level out.
//!
//! The language is OSSEC's: XML *decoders* cut fields out of a line, XML *rules* form a tree that is walked from
//! its roots, and *composite* rules look back at what matched before. Two dialects count differently and have
//! different words for patterns ([`Dialect`]).
//!
//! [`compile`] takes files and gives a [`RuleSet`] with all findings; [`Engine`] judges lines with it. Lines are
//! hostile: any bytes give a judgement, in time linear in the line for each rule, and in bounded memory
//! ([`limits`]). The engine has no clock: the moment is an argument.
//!
//! # Source
//! The documented behaviour of OSSEC 2.x to 4.x and Wazuh 4.x; what is left out gives a diagnostic, never a rule
//! that silently does not match.
#![forbid(unsafe_code)]

mod compile;
mod decoder;
mod diagnose;
mod engine;
mod fields;
mod history;
mod json;
pub mod limits;
mod pattern;
mod predecode;
mod rule;
mod ruleset;
mod xml;

pub use compile::{Compiled, Dialect, SourceFile, compile};
pub use engine::{Engine, Judgement, Line, Moment};
pub use fields::Fields;
pub use predecode::{Header, predecode};
pub use rule::RuleInfo;
pub use ruleset::RuleSet;
