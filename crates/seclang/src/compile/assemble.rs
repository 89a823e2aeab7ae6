//! Drafts → rule set: actions resolved, jumps and batches planned, patterns put into shared automata.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Drafts, Item, LinkDraft, Meant, RuleDraft};
use crate::Loader;
use crate::diagnose::{Finding, Place, shown};
use crate::operator;
use crate::parse::actions::{Action, Control, Which};
use crate::parse::targets::{Target, What};
use crate::prefilter::{Filters, Needs};
use crate::ruleset::{BatchPlan, Disruptive, Effect, Link, Rule, Ruleset, TargetSet};
use crate::template::Template;
use crate::transform::Transformation;
use crate::variable::{Kind, Variable};

type Findings = Vec<(Place, Finding)>;

struct Assembly<'l> {
    loader: &'l dyn Loader,
    targets: Vec<TargetSet>,
    batches: Vec<BatchPlan>,
    /// What each filter of requests and of responses needs.
    needs: [Vec<Vec<Vec<u8>>>; 2],
    paths: Vec<String>,
    reads: Vec<bool>,
}

/// Makes the rule set.
pub(super) fn assemble(
    drafts: Drafts,
    names: &[String],
    loader: &dyn Loader,
    findings: &mut Findings,
) -> Ruleset {
    let mut assembly = Assembly {
        loader,
        targets: Vec::new(),
        batches: Vec::new(),
        needs: [Vec::new(), Vec::new()],
        paths: Vec::new(),
        reads: vec![false; Variable::COUNT],
    };
    check_ids(&drafts, findings);
    let removals = removals(&drafts);
    let (mut rules, mut phases) = (Vec::new(), <[Vec<usize>; 5]>::default());
    let mut markers: BTreeMap<&str, [usize; 5]> = BTreeMap::new();
    let mut jumps: Vec<(usize, Place, Jump)> = Vec::new();
    for item in &drafts.items {
        match item {
            Item::Marker(name) => {
                markers.insert(name, phases.each_ref().map(Vec::len));
            }
            Item::Rule(draft) => {
                let number = rules.len();
                let Some((rule, jump)) = assembly.rule(draft, names, &removals, findings) else {
                    continue;
                };
                if let Some(list) = phases.get_mut(usize::from(rule.phase) - 1) {
                    list.push(number);
                }
                if let Some(jump) = jump {
                    jumps.push((
                        number,
                        draft.links.first().map(|link| link.place).unwrap_or_default(),
                        jump,
                    ));
                }
                rules.push(rule);
            }
        }
    }
    for (number, place, jump) in jumps {
        let Some(rule) = rules.get_mut(number) else { continue };
        let rule: &mut Rule = rule;
        let phase = usize::from(rule.phase) - 1;
        let list = phases.get(phase).map(Vec::as_slice).unwrap_or_default();
        let own = list.iter().position(|other| *other == number).unwrap_or(0);
        rule.jump = Some(match jump {
            Jump::Over(count) => own.saturating_add(1).saturating_add(count),
            Jump::To(marker) => match markers.get(marker.as_str()).and_then(|places| places.get(phase)) {
                Some(at) if *at > own => *at,
                Some(_) => list.len(),
                None => {
                    findings.push((
                        place,
                        Finding::warning(
                            "W090",
                            format!(
                                "there is no marker {}: the rest of the phase is skipped",
                                shown(&marker)
                            ),
                            "add SecMarker with this name, or correct the name",
                        ),
                    ));
                    list.len()
                }
            },
        });
    }
    let Assembly { targets, batches, needs, paths, reads, .. } = assembly;
    let filters = needs.map(|needs| Filters::new(&needs));
    Ruleset { settings: drafts.settings, rules, phases, targets, batches, filters, paths, reads }
}

enum Jump {
    Over(usize),
    To(String),
}

fn check_ids(drafts: &Drafts, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for rule in drafts.rules() {
        let place = rule.links.first().map(|link| link.place).unwrap_or_default();
        match rule.id() {
            None => findings.push((
                place,
                Finding::error("W091", "a rule without an id", "add id:NUMBER to its actions"),
            )),
            Some(id) if !seen.insert(id) => findings.push((
                place,
                Finding::error(
                    "W092",
                    format!("the id {id} is taken by a rule before"),
                    "give each rule a number of its own",
                ),
            )),
            Some(_) => {}
        }
    }
}

/// For everything that `ctl` can name, the rules that it means.
fn removals(drafts: &Drafts) -> Vec<(Which, Vec<usize>)> {
    let mut found: Vec<(Which, Vec<usize>)> = Vec::new();
    let all = drafts.rules().flat_map(|rule| &rule.links).flat_map(|link| &link.actions);
    for action in all {
        let Action::Control(Control::Remove(which) | Control::RemoveTarget(which, _)) = action else {
            continue;
        };
        if !found.iter().any(|(known, _)| known == which) {
            let meant = Meant::from(which);
            let rules =
                drafts.rules().enumerate().filter(|(_, rule)| rule.is(&meant)).map(|(number, _)| number);
            found.push((which.clone(), rules.collect()));
        }
    }
    found
}

/// What the actions of a rule come to.
struct Resolved {
    disruptive: Disruptive,
    status: u16,
    log: bool,
    audit_log: Option<bool>,
}

fn resolved(draft: &RuleDraft) -> Resolved {
    let mut resolved = Resolved { disruptive: Disruptive::Pass, status: 403, log: false, audit_log: None };
    apply(&draft.defaults, &mut resolved);
    apply(draft.head(), &mut resolved);
    resolved
}

fn apply(actions: &[Action], resolved: &mut Resolved) {
    for action in actions {
        match action {
            Action::Pass => resolved.disruptive = Disruptive::Pass,
            Action::Deny => resolved.disruptive = Disruptive::Deny,
            Action::Drop => resolved.disruptive = Disruptive::Drop,
            Action::Allow(what) => resolved.disruptive = Disruptive::Allow(*what),
            Action::Redirect(url) => resolved.disruptive = Disruptive::Redirect(url.clone()),
            Action::Status(status) => resolved.status = *status,
            Action::Log(on) => resolved.log = *on,
            Action::AuditLog(on) => resolved.audit_log = Some(*on),
            _ => {}
        }
    }
}

impl Assembly<'_> {
    fn rule(
        &mut self,
        draft: &RuleDraft,
        names: &[String],
        removals: &[(Which, Vec<usize>)],
        findings: &mut Findings,
    ) -> Option<(Rule, Option<Jump>)> {
        let head = draft.links.first()?;
        let mut phase = 2;
        let mut jump = None;
        let (mut severity, mut tags, mut rev, mut ver) = (None, Vec::new(), String::new(), String::new());
        for action in draft.links.iter().flat_map(|link| &link.actions) {
            match action {
                Action::Skip(count) => jump = Some(Jump::Over(usize::try_from(*count).unwrap_or(usize::MAX))),
                Action::SkipAfter(marker) => jump = Some(Jump::To(marker.clone())),
                _ => {}
            }
        }
        for action in &head.actions {
            match action {
                Action::Phase(number) => phase = *number,
                Action::Severity(number) => severity = Some(*number),
                Action::Tag(tag) => {
                    self.read(tag);
                    tags.push(tag.clone());
                }
                Action::Rev(text) => rev.clone_from(text),
                Action::Ver(text) => ver.clone_from(text),
                _ => {}
            }
        }
        let Resolved { disruptive, status, log, audit_log } = resolved(draft);
        if let Disruptive::Redirect(url) = &disruptive {
            self.read(url);
        }
        let mut links = Vec::new();
        for link in &draft.links {
            match self.link(link, phase, &draft.defaults, removals) {
                Ok(made) => {
                    let remark = link.operator.as_ref().and_then(|text| operator::remark(&text.name));
                    findings.extend(remark.map(|remark| (link.place, remark)));
                    links.push(made);
                }
                Err(finding) => findings.push((link.place, finding)),
            }
        }
        let rule = Rule {
            id: draft.id().unwrap_or(0),
            phase,
            file: names.get(head.place.file).cloned().unwrap_or_default(),
            line: head.place.line,
            links,
            disruptive,
            status,
            log,
            audit_log: audit_log.unwrap_or(log),
            severity,
            tags,
            rev,
            ver,
            jump: None,
        };
        Some((rule, jump))
    }

    fn read(&mut self, template: &Template) {
        for variable in template.reads() {
            self.read_variable(variable);
        }
    }

    fn read_variable(&mut self, variable: Variable) {
        if let Some(slot) = self.reads.get_mut(variable as usize) {
            *slot = true;
        }
        match variable {
            Variable::FullRequest | Variable::FullRequestLength => {
                self.read_variable(Variable::RequestLine);
                self.read_variable(Variable::RequestHeaders);
            }
            Variable::ArgsCombinedSize => self.read_variable(Variable::Args),
            _ => {}
        }
        match variable.kind() {
            Kind::NamesOf(one) => self.read_variable(one),
            Kind::Both(one, two) | Kind::NamesOfBoth(one, two) => {
                self.read_variable(one);
                self.read_variable(two);
            }
            _ => {}
        }
    }

    fn link(
        &mut self,
        draft: &LinkDraft,
        phase: u8,
        defaults: &[Action],
        removals: &[(Which, Vec<usize>)],
    ) -> Result<Link, Finding> {
        let side = usize::from(phase > 2);
        let mut pipeline: Vec<Transformation> = Vec::new();
        for action in defaults.iter().chain(&draft.actions) {
            match action {
                Action::Transform(None) => pipeline.clear(),
                Action::Transform(Some(one)) => pipeline.push(*one),
                _ => {}
            }
        }
        let operator = match &draft.operator {
            Some(text) => Some(operator::compile(&text.name, &text.argument, self.loader)?),
            None => None,
        };
        if let Some(argument) = operator.as_ref().and_then(|operator| operator.argument()) {
            self.read(argument);
        }
        let negated = draft.operator.as_ref().is_some_and(|text| text.negated);
        let multi_match = draft.actions.contains(&Action::MultiMatch);
        let targets = self.target_set(&draft.targets);
        let stable = self.targets.get(targets).is_some_and(|set| set.stable);
        let mut batches = Vec::new();
        if stable && operator.is_some() {
            let first = if multi_match { 0 } else { pipeline.len() };
            for length in first..=pipeline.len() {
                batches.push(self.batch(targets, pipeline.get(..length).unwrap_or_default(), side));
            }
        }
        let needs = operator.as_ref().and_then(|operator| operator.needs());
        let filter = match needs {
            Some(Needs::Any(any)) if stable => self.needs.get_mut(side).map(|list| {
                list.push(any);
                list.len() - 1
            }),
            _ => None,
        };
        for batch in batches.iter().filter(|_| filter.is_some()) {
            if let Some(plan) = self.batches.get_mut(*batch) {
                plan.filtered = true;
            }
        }
        let mut link = Link {
            targets,
            batches,
            pipeline,
            multi_match,
            operator,
            negated,
            filter,
            capture: draft.actions.contains(&Action::Capture),
            effects: Vec::new(),
            msg: None,
            log_data: None,
        };
        for action in &draft.actions {
            self.effect(action, removals, &mut link);
        }
        Ok(link)
    }

    fn effect(&mut self, action: &Action, removals: &[(Which, Vec<usize>)], link: &mut Link) {
        let meant = |which: &Which| {
            removals
                .iter()
                .find(|(known, _)| known == which)
                .map(|(_, rules)| rules.clone())
                .unwrap_or_default()
        };
        let effect = match action {
            Action::Msg(text) => {
                self.read(text);
                link.msg = Some(text.clone());
                return;
            }
            Action::LogData(text) => {
                self.read(text);
                link.log_data = Some(text.clone());
                return;
            }
            Action::SetVar(set) => {
                self.read(&set.key);
                use crate::parse::actions::Change;
                if let Change::Set(value) | Change::Add(value) | Change::Subtract(value) = &set.change {
                    self.read(value);
                }
                Effect::SetVar(set.clone())
            }
            Action::SetEnv(name, value) => {
                self.read(value);
                Effect::SetEnv(name.clone(), value.clone())
            }
            Action::InitCol(collection, key) => {
                self.read(key);
                Effect::InitCol(*collection, key.clone())
            }
            Action::SetCollection(collection, key) => {
                self.read(key);
                Effect::SetCollection(*collection, key.clone())
            }
            Action::ExpireVar(collection, key, seconds) => {
                self.read(key);
                self.read(seconds);
                Effect::ExpireVar(*collection, key.clone(), seconds.clone())
            }
            Action::DeprecateVar(collection, key, amount, seconds) => {
                self.read(key);
                Effect::DeprecateVar(*collection, key.clone(), *amount, *seconds)
            }
            Action::Control(Control::Remove(which)) => Effect::Remove(meant(which)),
            Action::Control(Control::RemoveTarget(which, targets)) => {
                Effect::RemoveTarget(meant(which), targets.clone())
            }
            Action::Control(control) => Effect::Control(control.clone()),
            _ => return,
        };
        link.effects.push(effect);
    }

    fn target_set(&mut self, targets: &[Target]) -> usize {
        if let Some(at) = self.targets.iter().position(|set| set.targets == targets) {
            return at;
        }
        for target in targets {
            self.read_variable(target.variable);
            let path = match &target.what {
                What::Path(path) => path.clone(),
                _ if target.variable == Variable::Xml => "/*".to_owned(),
                _ => continue,
            };
            if !self.paths.contains(&path) {
                self.paths.push(path);
            }
        }
        let stable =
            targets.iter().all(|target| !matches!(target.variable.kind(), Kind::Volatile | Kind::Persistent));
        self.targets.push(TargetSet { targets: targets.to_vec(), stable });
        self.targets.len() - 1
    }

    fn batch(&mut self, targets: usize, pipeline: &[Transformation], side: usize) -> usize {
        let known = self
            .batches
            .iter()
            .position(|known| known.targets == targets && known.pipeline == pipeline && known.side == side);
        if let Some(at) = known {
            return at;
        }
        let plan = BatchPlan { targets, pipeline: pipeline.to_vec(), side, filtered: false };
        self.batches.push(plan);
        self.batches.len() - 1
    }
}
