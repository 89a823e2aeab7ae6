//! `ModSecurity`'s `SecLang`: a web application firewall's rules → verdicts on HTTP transactions.
//!
//! `lex` and `parse` read directives, `compile` makes a [`Ruleset`] of them or says everything that is wrong, a [`Transaction`] is
//! fed with what goes over the wire and asked after each phase. Pure: files that rules name come from a [`Loader`],
//! the time and what is known of clients are handed in.
//!
//! # Speed
//! Values are transformed once for all rules that ask for it (`values`), run once through an automaton of the literals of
//! all patterns (`prefilter`), and only patterns that can match are tried. Patterns take linear time (`pattern`).
#![forbid(unsafe_code)]

pub mod body;
mod compile;
mod diagnose;
pub mod injection;
mod lex;
mod operator;
mod parse;
mod pattern;
mod prefilter;
pub mod profiles;
mod ruleset;
mod settings;
mod store;
mod template;
mod transaction;
mod transform;
mod values;
mod variable;
mod vectors;
mod verdict;

pub use compile::{Compiled, SourceFile, compile};
pub use ruleset::Ruleset;
pub use settings::{Beyond, Engine, Settings};
pub use store::{Address, Change, Memory, Store};
pub use transaction::{Opening, Transaction};
pub use transform::Transformation;
pub use variable::Variable;
pub use vectors::judge_value;
pub use verdict::{MATCHED, MATCHED_BYTES, Match, Matched, Verdict};

/// Settings and rules of the engine itself that go before a rule set: which body processor reads which type of content, and
/// what is refused as unreadable.
pub const RECOMMENDED: &str = include_str!("recommended.conf");

/// Gives files that rules name: lists of phrases, lists of addresses, other files of directives.
pub trait Loader {
    /// The content of the file called `name`, as it is written in the rule.
    fn load(&self, name: &str) -> Option<Vec<u8>>;
}

/// There are no files.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Loader for NoFiles {
    fn load(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}
