//! Rules that nobody shows what they look at.
use super::RuleSet;
use crate::rule::Rule;
use sakimori_model::{Diagnostic, Level};
use std::collections::BTreeMap;

impl RuleSet {
    /// A warning for each protocol with rules that are not shown what they look at: such rules load, and never match.
    ///
    /// `files` are the names of the files that the set was compiled from, in their order.
    pub fn unseen(&self, files: &[String], is_shown: impl Fn(&Rule) -> bool) -> Vec<Diagnostic> {
        let mut unseen: BTreeMap<&str, (usize, &Rule)> = BTreeMap::new();
        for rule in self.rules.iter().filter(|rule| !is_shown(rule)) {
            unseen.entry(rule.protocol.name()).or_insert((0, rule)).0 += 1;
        }
        let warning = |(protocol, (count, first)): (&str, (usize, &Rule))| Diagnostic {
            code: "S059",
            level: Level::Warning,
            title: format!(
                "{count} rules of {protocol} look at traffic that is not inspected yet: they never match"
            ),
            source: files.get(first.file).cloned().unwrap_or_default(),
            line: first.line,
            column: 1,
            help: "they do no harm; the place is that of the first one".into(),
        };
        unseen.into_iter().map(warning).collect()
    }
}
