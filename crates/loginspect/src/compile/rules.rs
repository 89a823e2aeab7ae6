//! Rules: from elements to a forest.

mod draft;

use super::decoders::CompiledDecoders;
use super::{Dialect, Parsed};
use crate::decoder::Category;
use crate::diagnose::Findings;
use crate::fields::{FieldId, Names};
use crate::limits;
use crate::rule::Rule;
use crate::xml::Element;
use draft::{Draft, Parent, Past};
use sakimori_model::Diagnostic;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Default)]
pub(super) struct CompiledRules {
    pub(super) rules: Vec<Rule>,
    pub(super) roots: [Vec<usize>; Category::COUNT],
    pub(super) lists: Vec<Arc<str>>,
    pub(super) compared: BTreeSet<FieldId>,
    pub(super) refused: usize,
    by_id: BTreeMap<u32, usize>,
    /// Groups as one text: the language looks for a group's name anywhere in it.
    group_texts: Vec<String>,
    depths: Vec<usize>,
    /// Rules that begin and are no category's root.
    orphans: Vec<usize>,
}

/// Ids below this are the roots of categories.
const FIRST_ORDINARY_ID: u32 = 10;

pub(super) fn compile(
    files: &[Parsed],
    dialect: Dialect,
    decoders: &CompiledDecoders,
    names: &mut Names,
    list: &mut Vec<Diagnostic>,
) -> CompiledRules {
    let mut done = CompiledRules::default();
    let mut waiting = Vec::new();
    for file in files {
        let mut findings = Findings::new(&file.name, list);
        walk(&file.roots, "", &mut |element, groups| {
            if waiting.len() >= limits::RULES {
                findings.error("L012", element.line, "there are too many rules", "use fewer files");
                done.refused += 1;
                return;
            }
            match draft::draft(element, groups, dialect, decoders, names, &mut findings) {
                Some(rule) => waiting.push((file, element.line, rule)),
                None => done.refused += 1,
            }
        });
    }
    // In the order of the files; a rule that refers to a later one waits for it.
    loop {
        let before = waiting.len();
        let mut later = Vec::new();
        for (file, line, rule) in waiting {
            if done.knows_all_of(&rule) {
                done.add_or_refuse(rule, line, &mut Findings::new(&file.name, list));
            } else {
                later.push((file, line, rule));
            }
        }
        waiting = later;
        if waiting.is_empty() || waiting.len() == before {
            break;
        }
    }
    for (file, line, rule) in waiting {
        done.add_or_refuse(rule, line, &mut Findings::new(&file.name, list));
    }
    done.finish();
    done
}

/// Calls `each` for every rule with its group's names.
fn walk(elements: &[Element], groups: &str, each: &mut impl FnMut(&Element, &str)) {
    for element in elements {
        match element.name.as_str() {
            "rule" => each(element, groups),
            "group" => walk(&element.children, element.attribute("name").unwrap_or_default(), each),
            "root" | "ossec_config" | "rules" => walk(&element.children, groups, each),
            _ => {}
        }
    }
}

impl CompiledRules {
    /// Whether every rule that this one names is loaded.
    fn knows_all_of(&self, draft: &Draft) -> bool {
        let parents = match &draft.parent {
            Parent::Rules(ids) => ids.iter().all(|id| self.by_id.contains_key(id)),
            Parent::Group(group) => (0..self.rules.len()).any(|index| self.in_group(index, group)),
            Parent::Category | Parent::Level(_) => true,
        };
        let past = match &draft.past {
            Some(Past::Rule(id)) => self.by_id.contains_key(id),
            Some(Past::Group(_)) | None => true,
        };
        parents && past && (!draft.overwrite || self.by_id.contains_key(&draft.rule.info.id))
    }

    fn add_or_refuse(&mut self, draft: Draft, line: u32, findings: &mut Findings<'_>) {
        if self.add(draft, line, findings).is_none() {
            self.refused += 1;
        }
    }

    fn add(&mut self, draft: Draft, line: u32, findings: &mut Findings<'_>) -> Option<()> {
        let Draft { mut rule, parent, past, overwrite } = draft;
        let id = rule.info.id;
        let existing = self.by_id.get(&id).copied();
        if existing.is_some() && !overwrite {
            findings.error("L006", line, format!("the id {id} is used already"), "give it another id");
            return None;
        }
        if let (Some(past), Some(counting)) = (&past, &mut rule.counting) {
            counting.list = self.list(past);
            self.compared.extend(counting.alike.iter().map(|alike| alike.field));
            if let Past::Rule(sid) = past {
                let Some(counted) = self.by_id.get(sid).and_then(|index| self.rules.get(*index)) else {
                    let title = format!("it counts the rule {sid}, which is not there");
                    findings.error("L007", line, title, "name a rule above this one");
                    return None;
                };
                if counted.info.level == 0 {
                    let title = format!("it counts the rule {sid}, whose level is 0");
                    findings.warning(
                        "L011",
                        line,
                        title,
                        "lines of level 0 are not remembered: raise it to 1",
                    );
                }
            }
        }
        if let Some(existing) = existing {
            // The place in the forest stays.
            if let Some(old) = self.rules.get_mut(existing) {
                rule.children = std::mem::take(&mut old.children);
                *old = rule;
            }
            return Some(());
        }
        let parents = self.parents(&parent, line, findings)?;
        let depth = 1 + parents.iter().filter_map(|p| self.depths.get(*p)).max().copied().unwrap_or(0);
        if depth > limits::RULE_DEPTH {
            findings.error(
                "L012",
                line,
                "rules refer to each other too deeply",
                "refer to a rule nearer the root",
            );
            return None;
        }
        let index = self.rules.len();
        if matches!(parent, Parent::Category) {
            if id < FIRST_ORDINARY_ID {
                self.root_list(rule.category).push(index);
            } else {
                self.orphans.push(index);
            }
        }
        let _none = self.by_id.insert(id, index);
        self.group_texts.push(rule.info.groups.join(",").to_ascii_lowercase());
        self.depths.push(depth);
        self.rules.push(rule);
        for parent in parents {
            if let Some(parent) = self.rules.get_mut(parent) {
                parent.children.push(index);
            }
        }
        Some(())
    }

    fn root_list(&mut self, category: Category) -> &mut Vec<usize> {
        let [syslog, firewall, ids, web, squid, windows, ossec, host] = &mut self.roots;
        match category {
            Category::Syslog => syslog,
            Category::Firewall => firewall,
            Category::Ids => ids,
            Category::WebLog => web,
            Category::Squid => squid,
            Category::Windows => windows,
            Category::Ossec => ossec,
            Category::HostInformation => host,
        }
    }

    /// The rules that one goes under.
    fn parents(&self, parent: &Parent, line: u32, findings: &mut Findings<'_>) -> Option<Vec<usize>> {
        let found = match parent {
            Parent::Category => return Some(Vec::new()),
            Parent::Rules(ids) => {
                let (known, unknown): (Vec<u32>, Vec<u32>) =
                    ids.iter().partition(|id| self.by_id.contains_key(id));
                if let (Some(missing), false) = (unknown.first(), known.is_empty()) {
                    let title = format!("if_sid names the rule {missing}, which is not there");
                    findings.warning("L007", line, title, "name rules above this one");
                }
                known.iter().filter_map(|id| self.by_id.get(id).copied()).collect()
            }
            Parent::Level(level) => {
                self.all(|index| self.rules.get(index).is_some_and(|rule| rule.info.level >= *level))
            }
            Parent::Group(group) => self.all(|index| self.in_group(index, group)),
        };
        if found.is_empty() {
            let title = format!("it is for lines of {parent}, which no rule above is");
            findings.error("L007", line, title, "refer to a rule above this one");
            return None;
        }
        Some(found)
    }

    fn all(&self, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.rules.len()).filter(|index| wanted(*index)).collect()
    }

    fn in_group(&self, index: usize, group: &str) -> bool {
        self.group_texts.get(index).is_some_and(|text| group.split('|').any(|word| text.contains(word)))
    }

    /// The number of a list of past events.
    fn list(&mut self, past: &Past) -> usize {
        let name = past.to_string();
        if let Some(known) = self.lists.iter().position(|list| **list == *name) {
            return known;
        }
        self.lists.push(name.into());
        self.lists.len() - 1
    }

    fn finish(&mut self) {
        // Rules that begin stand below their category's root, where there is one.
        for orphan in std::mem::take(&mut self.orphans) {
            let Some(category) = self.rules.get(orphan).map(|rule| rule.category) else { continue };
            let begins = self.root_list(category).clone();
            let roots: Vec<usize> = begins
                .into_iter()
                .filter(|root| self.rules.get(*root).is_some_and(|rule| rule.info.id < FIRST_ORDINARY_ID))
                .collect();
            if roots.is_empty() {
                self.root_list(category).push(orphan);
            }
            for root in roots {
                if let Some(root) = self.rules.get_mut(root) {
                    root.children.push(orphan);
                }
            }
        }
        // Level 0 first, then the highest; among equals as loaded.
        let rank: Vec<Reverse<u8>> = self
            .rules
            .iter()
            .map(|rule| Reverse(if rule.info.level == 0 { u8::MAX } else { rule.info.level }))
            .collect();
        let key = |index: &usize| (rank.get(*index).copied(), *index);
        for rule in &mut self.rules {
            rule.children.sort_by_key(key);
            rule.conditions.sort_by_key(crate::rule::Condition::cost);
        }
        for roots in &mut self.roots {
            roots.sort_by_key(key);
        }
        self.feed();
    }

    /// Which lists each rule's events go to.
    fn feed(&mut self) {
        for (number, list) in self.lists.iter().enumerate() {
            let wanted: Vec<usize> = match list.split_once(':') {
                Some(("sid", id)) => {
                    id.parse().ok().and_then(|id: u32| self.by_id.get(&id)).copied().into_iter().collect()
                }
                Some((_, group)) => self.all(|index| self.in_group(index, group)),
                None => Vec::new(),
            };
            for index in wanted {
                if let Some(rule) = self.rules.get_mut(index) {
                    rule.feeds.push(number);
                }
            }
        }
    }
}
