//! A compiled set of decoders and rules.

use crate::decoder::{Category, Decoders};
use crate::fields::{FieldId, Names};
use crate::rule::{Rule, RuleInfo};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Decoders and rules, compiled.
#[derive(Debug, Default)]
pub struct RuleSet {
    pub(crate) names: Names,
    pub(crate) decoders: Decoders,
    pub(crate) rules: Vec<Rule>,
    /// The rules that begin, by category.
    pub(crate) roots: [Vec<usize>; Category::COUNT],
    /// What each list of past events is for: the same words in another set mean the same list.
    pub(crate) lists: Vec<Arc<str>>,
    /// The fields that rules compare with past events.
    pub(crate) compared: BTreeSet<FieldId>,
}

impl RuleSet {
    /// How many rules it has.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many decoders it has.
    pub fn decoders(&self) -> usize {
        self.decoders.all.len()
    }

    /// What is said of each rule, in the order of the files.
    pub fn rules(&self) -> impl Iterator<Item = &RuleInfo> {
        self.rules.iter().map(|rule| &rule.info)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}
