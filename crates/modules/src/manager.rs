//! The manager itself: what it did with computers by rule, in the kind of the agent's notices.
use crate::Module;
use crate::words::Text;

/// The registration. It has no settings in policies, and its events are [`crate::agent::Notice`]s.
pub static MODULE: Module = Module {
    id: "manager",
    title: Text { en: "Manager", ja: "マネージャー" },
    settings: None,
    rules: None,
    events: &[],
    reasons: &[],
};
