//! Rules over values.

use super::{Gathered, Held, Hit, Transaction};
use crate::operator::{Context, Operator};
use crate::parse::actions::Allow;
use crate::parse::targets::What;
use crate::ruleset::{Disruptive, Link, Rule};
use crate::settings::Engine;
use crate::variable::Variable;
use crate::verdict::{MATCHED, MATCHED_BYTES, Match, Matched, Verdict};

/// Patterns that may be given up for their steps back before those that go back are not tried any more.
const GIVEN_UP: u32 = 8;

/// What says in `TX` that patterns were given up, as in `ModSecurity`.
const LIMITS_EXCEEDED: &[u8] = b"msc_pcre_limits_exceeded";

impl Transaction<'_> {
    /// Runs the rules of a phase. A request that a pattern was given up on is refused behind its last rule: what takes
    /// that many steps was written to, and the pattern may have matched.
    pub(super) fn run(&mut self, phase: u8) {
        self.rules_of(phase);
        if phase <= 2 && self.given_up.get() > 0 && self.engine != Engine::Off {
            self.refuse(403);
        }
    }

    /// Refuses for a limit of the engine.
    pub(super) fn refuse(&mut self, status: u16) {
        let deny = Verdict::Deny { status, rule: 0 };
        if self.would == Verdict::Pass {
            self.would = deny.clone();
        }
        if self.engine == Engine::On && self.verdict == Verdict::Pass {
            self.verdict = deny;
        }
    }

    fn rules_of(&mut self, phase: u8) {
        let blocked = self.verdict != Verdict::Pass;
        let passed_on = (self.allowed || (self.allowed_request && phase <= 2)) && phase < 5;
        if self.engine == Engine::Off || (blocked && phase < 5) || passed_on {
            return;
        }
        self.phase = phase;
        let rules = self.rules;
        let Some(list) = rules.phases.get(usize::from(phase) - 1) else { return };
        let mut at = 0;
        while let Some(number) = list.get(at) {
            let Some(rule) = rules.rules.get(*number) else { return };
            at += 1;
            if self.removed.has(*number) || !self.evaluate(*number, rule) {
                continue;
            }
            if let Some(jump) = rule.jump {
                at = jump.max(at);
            }
            match &rule.disruptive {
                Disruptive::Allow(what) if self.engine == Engine::On => {
                    self.allowed |= *what == Allow::Transaction;
                    self.allowed_request |= *what == Allow::Request;
                    return;
                }
                _ => {}
            }
            if self.engine == Engine::Off || (self.verdict != Verdict::Pass && phase < 5) {
                return;
            }
        }
    }

    /// Whether the rule and its chain match; then what it says is done.
    fn evaluate(&mut self, number: usize, rule: &Rule) -> bool {
        self.rule = number;
        self.before.clear();
        let mut found = Match {
            rule: rule.id,
            phase: rule.phase,
            file: String::new(),
            line: rule.line,
            log: rule.log,
            audit_log: false,
            message: Vec::new(),
            data: Vec::new(),
            severity: rule.severity,
            tags: Vec::new(),
            ver: String::new(),
            rev: String::new(),
            matched: Vec::new(),
            disruptive: false,
        };
        let single = rule.links.len() == 1;
        for link in &rule.links {
            self.hits.clear();
            let given_up = self.given_up.get();
            let matched = self.link(number, link, single.then_some(&mut found));
            if self.given_up.get() != given_up {
                self.tx.insert(LIMITS_EXCEEDED.to_vec(), b"1".to_vec());
            }
            if !matched {
                return false;
            }
            let hits = std::mem::take(&mut self.hits);
            if !hits.is_empty() {
                self.tell(&hits, &mut found);
                self.before = hits;
            }
        }
        self.conclude(rule, found);
        true
    }

    /// Notes values that matched, as far as they are told.
    fn tell(&self, hits: &[Hit], found: &mut Match) {
        for hit in hits.iter().take(MATCHED.saturating_sub(found.matched.len())) {
            let value = self.held(&hit.value);
            found.matched.push(Matched {
                variable: self.full_name(hit),
                value: value.get(..MATCHED_BYTES).unwrap_or(value).to_vec(),
            });
        }
    }

    fn conclude(&mut self, rule: &Rule, mut found: Match) {
        if let Some(severity) = rule.severity.filter(|_| rule.log) {
            self.highest_severity = self.highest_severity.min(severity);
        }
        self.decide(rule, &mut found);
        if !rule.log && !found.disruptive {
            return;
        }
        let link = |pick: fn(&Link) -> Option<&crate::template::Template>| rule.links.iter().find_map(pick);
        if let Some(message) = link(|link| link.msg.as_ref()) {
            found.message = self.expand(message);
        }
        if let (true, Some(data)) = (found.data.is_empty(), link(|link| link.log_data.as_ref())) {
            found.data.push(self.expand(data));
        }
        found.file.clone_from(&rule.file);
        found.audit_log = rule.audit_log && self.audit;
        found.ver.clone_from(&rule.ver);
        found.rev.clone_from(&rule.rev);
        found.tags = rule.tags.iter().map(|tag| self.expand(tag)).collect();
        self.matches.push(found);
    }

    fn decide(&mut self, rule: &Rule, found: &mut Match) {
        let verdict = match &rule.disruptive {
            Disruptive::Pass | Disruptive::Allow(_) => return,
            Disruptive::Deny => Verdict::Deny { status: rule.status, rule: rule.id },
            Disruptive::Drop => Verdict::Drop { rule: rule.id },
            Disruptive::Redirect(url) => {
                let status = if (300..400).contains(&rule.status) { rule.status } else { 302 };
                Verdict::Redirect { status, url: self.expand(url), rule: rule.id }
            }
        };
        found.disruptive = true;
        if self.would == Verdict::Pass {
            self.would = verdict.clone();
        }
        if self.engine == Engine::On && self.verdict == Verdict::Pass && self.phase < 5 {
            self.verdict = verdict;
        }
    }

    /// Whether one rule of a chain matches; what it does beside is done for each value.
    fn link(&mut self, number: usize, link: &Link, mut found: Option<&mut Match>) -> bool {
        let Some(operator) = &link.operator else {
            self.apply(number, link);
            return true;
        };
        let mut matched = false;
        if let Some(matched) = self.variable_of_rules(number, link, operator.as_ref(), &mut found) {
            return matched;
        }
        if link.batches.is_empty() {
            for target in self.gather_volatile(link.targets) {
                let name = target.name.as_ref().map_or(&b""[..], |name| self.held(name));
                if !self.removed_targets.is_empty() && self.is_removed_by_name(number, target.variable, name)
                {
                    continue;
                }
                matched |= self.volatile_target(number, link, operator.as_ref(), &target, &mut found);
            }
            return matched;
        }
        let side = usize::from(self.phase > 2);
        let mut seen = Vec::new();
        for (step, batch) in link.batches.iter().enumerate() {
            self.refresh(*batch);
            let Some(current) = self.batches.get_mut(*batch) else { continue };
            let none_passed = link.filter.is_some_and(|filter| !current.passed.has(filter));
            if none_passed && !link.multi_match && !link.negated {
                continue;
            }
            let targets = std::mem::take(&mut current.targets);
            for (at, target) in targets.iter().enumerate() {
                if link.multi_match {
                    // a step that changed nothing is not looked at again
                    if step == 0 {
                        seen.push(target.value);
                    } else if let Some(before) = seen.get_mut(at) {
                        if *before == target.value {
                            continue;
                        }
                        *before = target.value;
                    }
                }
                let possible = link.filter.is_none_or(|filter| {
                    self.values.passed(target.value, side).is_some_and(|passed| passed.has(filter))
                });
                if possible {
                    matched |= self.target(number, link, Some(operator.as_ref()), *target, &mut found);
                } else if link.negated {
                    matched |= self.target(number, link, None, *target, &mut found);
                }
            }
            if let Some(current) = self.batches.get_mut(*batch) {
                current.targets = targets;
            }
        }
        matched
    }

    /// One variable of `TX` as it is, or whether it is there: what most rules that steer others ask for. `None` where the
    /// rule asks for something else.
    fn variable_of_rules(
        &mut self,
        number: usize,
        link: &Link,
        operator: &dyn Operator,
        found: &mut Option<&mut Match>,
    ) -> Option<bool> {
        let rules = self.rules;
        let [target] = rules.targets.get(link.targets)?.targets.as_slice() else { return None };
        let What::Name(name) = &target.what else { return None };
        if target.variable != Variable::Tx || !link.pipeline.is_empty() || !self.removed_targets.is_empty() {
            return None;
        }
        let value = match (self.tx.get(name), target.counted) {
            (None, false) => return Some(false),
            (None, true) => &b"0"[..],
            (Some(_), true) => b"1",
            (Some(value), false) => value,
        };
        let Some(captured) = self.matches_value(link, operator, value) else { return Some(false) };
        let hit = Hit {
            variable: Variable::Tx,
            name: (!target.counted).then(|| Held::Own(name.clone())),
            value: Held::Own(value.to_vec()),
        };
        self.hit(number, link, hit, captured, found);
        Some(true)
    }

    /// Whether a value matches; without an operator it is known to.
    fn target(
        &mut self,
        number: usize,
        link: &Link,
        operator: Option<&dyn Operator>,
        target: Gathered,
        found: &mut Option<&mut Match>,
    ) -> bool {
        if !self.removed_targets.is_empty() && self.is_removed(number, target.variable, target.name) {
            return false;
        }
        let captured = match operator {
            Some(operator) => self.matches_value(link, operator, self.values.bytes(target.value)),
            None => Some(Vec::new()),
        };
        let Some(captured) = captured else { return false };
        let hit = Hit {
            variable: target.variable,
            name: target.name.map(Held::Kept),
            value: Held::Kept(target.value),
        };
        self.hit(number, link, hit, captured, found);
        true
    }

    fn volatile_target(
        &mut self,
        number: usize,
        link: &Link,
        operator: &dyn Operator,
        target: &Hit,
        found: &mut Option<&mut Match>,
    ) -> bool {
        let mut matched = false;
        let first = if link.multi_match { 0 } else { link.pipeline.len() };
        let mut before: Option<Vec<u8>> = None;
        for length in first..=link.pipeline.len() {
            let value = self.transformed(&target.value, link.pipeline.get(..length).unwrap_or_default());
            let bytes = self.held(&value);
            if before.as_deref() == Some(bytes) {
                continue;
            }
            let captured = self.matches_value(link, operator, bytes);
            if link.multi_match {
                before = Some(bytes.to_vec());
            }
            if let Some(captured) = captured {
                matched = true;
                let hit = Hit { variable: target.variable, name: target.name.clone(), value };
                self.hit(number, link, hit, captured, found);
            }
        }
        matched
    }

    /// What was captured, where the value matches.
    fn matches_value(&self, link: &Link, operator: &dyn Operator, value: &[u8]) -> Option<Vec<Vec<u8>>> {
        let expand = |template: &crate::template::Template| self.expand(template);
        let capture = link.capture && !link.negated;
        let tired = self.given_up.get() >= GIVEN_UP;
        let mut context = Context { expand: &expand, capture, captured: Vec::new(), tired, exhausted: false };
        let matched = operator.matches(value, &mut context);
        if context.exhausted {
            // neither a match nor its absence is known
            self.given_up.set(self.given_up.get() + 1);
            return None;
        }
        (matched != link.negated).then_some(context.captured)
    }

    fn hit(
        &mut self,
        number: usize,
        link: &Link,
        hit: Hit,
        captured: Vec<Vec<u8>>,
        found: &mut Option<&mut Match>,
    ) {
        self.hits.push(hit);
        if link.capture && !link.negated {
            let mut captured = captured.into_iter();
            for digit in b'0'..=b'9' {
                match captured.next() {
                    Some(group) => drop(self.tx.insert(vec![digit], group)),
                    None => drop(self.tx.remove([digit].as_slice())),
                }
            }
        }
        self.apply(number, link);
        if let (Some(found), Some(data)) = (found, &link.log_data)
            && found.log
            && found.data.len() < MATCHED
        {
            found.data.push(self.expand(data));
        }
    }
}
