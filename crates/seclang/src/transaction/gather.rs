//! Targets of rules → values.

use std::borrow::Cow;

use super::{Batch, Gathered, Held, Hit, Transaction};
use crate::parse::targets::{Target, What};
use crate::prefilter::Bits;
use crate::values::ValueId;
use crate::variable::{Kind, Variable};

impl What {
    pub(super) fn takes(&self, name: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Name(wanted) => wanted.eq_ignore_ascii_case(name),
            Self::Pattern(pattern) => pattern.is_match(name).unwrap_or(false),
            Self::Path(_) => false,
        }
    }
}

impl Transaction<'_> {
    /// Brings a batch up to date.
    pub(super) fn refresh(&mut self, batch: usize) {
        let rules = self.rules;
        let Some(plan) = rules.batches.get(batch) else { return };
        if self.batches.get(batch).is_none_or(|known| known.generation == self.generation) {
            return;
        }
        self.gather(plan.targets);
        let Some(filters) = rules.filters.get(plan.side) else { return };
        let mut passed: Option<Bits> = None;
        let mut targets = Vec::new();
        if let Some((_, gathered)) = self.gathered.get(plan.targets) {
            targets.clone_from(gathered);
        }
        for target in &mut targets {
            target.value = self.values.transformed(target.value, &plan.pipeline);
            if !plan.filtered {
                continue;
            }
            self.values.filter(target.value, plan.side, filters);
            if let Some(bits) = self.values.passed(target.value, plan.side) {
                match &mut passed {
                    Some(passed) => passed.add(bits),
                    None => passed = Some(bits.clone()),
                }
            }
        }
        if let Some(slot) = self.batches.get_mut(batch) {
            *slot = Batch { generation: self.generation, targets, passed: passed.unwrap_or_default() };
        }
    }

    /// Brings the values of a set of targets up to date, where nothing in it is volatile.
    fn gather(&mut self, set: usize) {
        let rules = self.rules;
        let Some(targets) = rules.targets.get(set) else { return };
        if self.gathered.get(set).is_none_or(|(generation, _)| *generation == self.generation) {
            return;
        }
        let mut found = Vec::new();
        for target in targets.targets.iter().filter(|target| !target.excluded) {
            let start = found.len();
            self.stable(target, &mut found);
            let excluded: Vec<&Target> = targets
                .targets
                .iter()
                .filter(|other| other.excluded && other.variable == target.variable)
                .collect();
            if !excluded.is_empty() {
                let values = &self.values;
                let mut at = 0;
                found.retain(|gathered: &Gathered| {
                    at += 1;
                    let name = gathered.name.map(|name| values.bytes(name)).unwrap_or_default();
                    at <= start || !excluded.iter().any(|target| target.what.takes(name))
                });
            }
            if target.counted {
                let count = found.len() - start;
                found.truncate(start);
                let value = self.values.add(count.to_string().into_bytes());
                found.push(Gathered { variable: target.variable, name: None, value });
            }
        }
        if let Some(slot) = self.gathered.get_mut(set) {
            *slot = (self.generation, found);
        }
    }

    fn stable(&self, target: &Target, found: &mut Vec<Gathered>) {
        let variable = target.variable;
        if variable == Variable::Xml {
            let path = match &target.what {
                What::Path(path) => path.as_str(),
                _ => "/*",
            };
            let selected = self.rules.paths.iter().zip(&self.paths).find(|(known, _)| *known == path);
            for value in selected.into_iter().flat_map(|(_, list)| list) {
                found.push(Gathered { variable, name: None, value: *value });
            }
            return;
        }
        match variable.kind() {
            Kind::Single => {
                for entry in self.entries(variable) {
                    found.push(Gathered { variable, name: None, value: entry.value });
                }
            }
            Kind::Named => self.named(target, variable, false, found),
            Kind::NamesOf(of) => self.named(target, of, true, found),
            Kind::Both(one, two) => {
                self.named(target, one, false, found);
                self.named(target, two, false, found);
            }
            Kind::NamesOfBoth(one, two) => {
                self.named(target, one, true, found);
                self.named(target, two, true, found);
            }
            Kind::Volatile | Kind::Persistent | Kind::Never => {}
        }
    }

    fn named(&self, target: &Target, of: Variable, names: bool, found: &mut Vec<Gathered>) {
        for entry in self.entries(of) {
            if matches!(target.what, What::All) || target.what.takes(self.values.bytes(entry.name)) {
                let value = if names { entry.name } else { entry.value };
                found.push(Gathered { variable: target.variable, name: Some(entry.name), value });
            }
        }
    }

    /// The values of a set of targets of which some are volatile.
    pub(super) fn gather_volatile(&mut self, set: usize) -> Vec<Hit> {
        let rules = self.rules;
        let mut found = Vec::new();
        let Some(targets) = rules.targets.get(set) else { return found };
        for target in targets.targets.iter().filter(|target| !target.excluded) {
            let start = found.len();
            self.volatile(target, &mut found);
            for other in
                targets.targets.iter().filter(|other| other.excluded && other.variable == target.variable)
            {
                let mut at = 0;
                found.retain(|hit| {
                    at += 1;
                    at <= start
                        || !other.what.takes(hit.name.as_ref().map_or(&b""[..], |name| self.held(name)))
                });
            }
            if target.counted {
                let count = found.len() - start;
                found.truncate(start);
                let value = Held::Own(count.to_string().into_bytes());
                found.push(Hit { variable: target.variable, name: None, value });
            }
        }
        found
    }

    fn volatile(&self, target: &Target, found: &mut Vec<Hit>) {
        let variable = target.variable;
        let mut add = |name: Option<Held>, value: Held| found.push(Hit { variable, name, value });
        let own = |bytes: &[u8]| Held::Own(bytes.to_vec());
        match variable {
            Variable::Tx | Variable::Env => {
                let map = if variable == Variable::Tx { &self.tx } else { &self.env };
                if let What::Name(name) = &target.what {
                    if let Some(value) = map.get(name) {
                        add(Some(own(name)), own(value));
                    }
                } else {
                    for (name, value) in map.iter().filter(|(name, _)| target.what.takes(name)) {
                        add(Some(own(name)), own(value));
                    }
                }
            }
            Variable::MatchedVars => {
                for hit in &self.before {
                    let full = self.full_name(hit);
                    if target.what.takes(&full) {
                        add(Some(Held::Own(full)), hit.value.clone());
                    }
                }
            }
            Variable::MatchedVarsNames => {
                for hit in &self.before {
                    let full = self.full_name(hit);
                    if target.what.takes(&full) {
                        add(Some(Held::Own(full.clone())), Held::Own(full));
                    }
                }
            }
            _ if matches!(variable.kind(), Kind::Persistent) => {
                let Some(at) = self.persistent.iter().find(|at| at.collection == variable) else { return };
                for (name, value) in self.store.all(at, self.now) {
                    if target.what.takes(&name) {
                        add(Some(Held::Own(name)), Held::Own(value));
                    }
                }
            }
            _ if matches!(variable.kind(), Kind::Volatile) => {
                let key = match &target.what {
                    What::Name(name) => Some(name.as_slice()),
                    _ => None,
                };
                if let Some(value) = self.lookup(variable, key) {
                    add(key.map(own), Held::Own(value.into_owned()));
                }
            }
            _ => {
                let mut stable = Vec::new();
                self.stable(target, &mut stable);
                for gathered in stable {
                    add(gathered.name.map(Held::Kept), Held::Kept(gathered.value));
                }
            }
        }
    }

    /// `ARGS:id`.
    pub(super) fn full_name(&self, hit: &Hit) -> Vec<u8> {
        let mut full = hit.variable.name().as_bytes().to_vec();
        let already = matches!(hit.variable, Variable::MatchedVars | Variable::MatchedVarsNames);
        if let Some(name) = &hit.name {
            if already {
                full.clear();
            } else {
                full.push(b':');
            }
            full.extend_from_slice(self.held(name));
        }
        full
    }

    /// The value after transformations, where it is not kept.
    pub(super) fn transformed(
        &mut self,
        value: &Held,
        pipeline: &[crate::transform::Transformation],
    ) -> Held {
        match value {
            Held::Kept(id) => Held::Kept(self.values.transformed(*id, pipeline)),
            Held::Own(bytes) => {
                let mut current: Cow<'_, [u8]> = Cow::Borrowed(bytes);
                for step in pipeline {
                    if let Some(made) = step.apply(&current) {
                        current = Cow::Owned(made);
                    }
                }
                Held::Own(current.into_owned())
            }
        }
    }

    /// Whether a rule leaves a value out by a `ctl` of this transaction.
    pub(super) fn is_removed(&self, rule: usize, variable: Variable, name: Option<ValueId>) -> bool {
        let name = name.map(|name| self.values.bytes(name)).unwrap_or_default();
        self.is_removed_by_name(rule, variable, name)
    }

    pub(super) fn is_removed_by_name(&self, rule: usize, variable: Variable, name: &[u8]) -> bool {
        self.removed_targets.iter().any(|(rules, targets)| {
            rules.has(rule)
                && targets.iter().any(|target| {
                    target.variable == variable
                        && (target.what.takes(name) || matches!(target.what, What::Path(_)))
                })
        })
    }
}
