//! A compiled rule set: what transactions are judged by.

use crate::operator::Operator;
use crate::parse::actions::{Allow, Control, SetVar};
use crate::parse::targets::Target;
use crate::prefilter::Filters;
use crate::settings::Settings;
use crate::template::Template;
use crate::transform::Transformation;
use crate::variable::Variable;

/// A compiled rule set; swaps whole or not at all.
#[derive(Debug)]
pub struct Ruleset {
    pub(crate) settings: Settings,
    pub(crate) rules: Vec<Rule>,
    /// For each phase its rules in their order; numbers of [`Self::rules`].
    pub(crate) phases: [Vec<usize>; 5],
    /// Sets of targets.
    pub(crate) targets: Vec<TargetSet>,
    /// What is looked at together: targets after transformations.
    pub(crate) batches: Vec<BatchPlan>,
    /// Filters of rules for requests and of rules for responses.
    pub(crate) filters: [Filters; 2],
    /// `XPath`s that rules use.
    pub(crate) paths: Vec<String>,
    /// Variables that anything reads.
    pub(crate) reads: Vec<bool>,
}

/// Targets that are looked at together.
#[derive(Debug)]
pub(crate) struct TargetSet {
    pub(crate) targets: Vec<Target>,
    /// Nothing in it changes within a phase.
    pub(crate) stable: bool,
}

/// Targets after transformations.
#[derive(Debug)]
pub(crate) struct BatchPlan {
    pub(crate) targets: usize,
    pub(crate) pipeline: Vec<Transformation>,
    /// Which filters: of requests (0) or of responses (1).
    pub(crate) side: usize,
    /// Whether any rule asks which filters the values pass.
    pub(crate) filtered: bool,
}

/// A rule with its chain.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: u64,
    pub(crate) phase: u8,
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) links: Vec<Link>,
    pub(crate) disruptive: Disruptive,
    pub(crate) status: u16,
    pub(crate) log: bool,
    pub(crate) audit_log: bool,
    pub(crate) severity: Option<u8>,
    pub(crate) tags: Vec<Template>,
    pub(crate) rev: String,
    pub(crate) ver: String,
    /// Where evaluation goes on after a match: a place in its phase.
    pub(crate) jump: Option<usize>,
}

/// One rule of a chain.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) targets: usize,
    /// Batches, where its targets are stable: one, or one for each step with `multiMatch`.
    pub(crate) batches: Vec<usize>,
    pub(crate) pipeline: Vec<Transformation>,
    pub(crate) multi_match: bool,
    pub(crate) operator: Option<Box<dyn Operator>>,
    pub(crate) negated: bool,
    /// Its number among the filters of its side: what does not pass it cannot match the operator, so that a negated one matches.
    pub(crate) filter: Option<usize>,
    pub(crate) capture: bool,
    pub(crate) effects: Vec<Effect>,
    pub(crate) msg: Option<Template>,
    pub(crate) log_data: Option<Template>,
}

/// What becomes of a transaction that a rule matches.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Disruptive {
    Pass,
    Deny,
    Drop,
    Allow(Allow),
    Redirect(Template),
}

/// What a matching rule does beside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    SetVar(SetVar),
    SetEnv(String, Template),
    InitCol(Variable, Template),
    SetCollection(Variable, Template),
    ExpireVar(Variable, Template, Template),
    DeprecateVar(Variable, Template, u64, u64),
    Control(Control),
    /// Numbers of rules that are left out.
    Remove(Vec<usize>),
    /// Targets that rules with these numbers leave out.
    RemoveTarget(Vec<usize>, Vec<Target>),
}

impl Ruleset {
    /// How many rules there are; a chain is one.
    pub fn rules(&self) -> usize {
        self.rules.len()
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The same with other settings, for example for a route.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    pub(crate) fn reads(&self, variable: Variable) -> bool {
        self.reads.get(variable as usize).copied().unwrap_or(false)
    }
}
