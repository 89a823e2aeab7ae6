//! Directives → drafts of rules, in the order in which they change each other.

use std::collections::BTreeMap;

use crate::diagnose::{Finding, Place, shown};
use crate::lex::Directive;
use crate::parse::actions::{self, Action, Which};
use crate::parse::targets::{self, Target};
use crate::parse::{self, OperatorText};
use crate::settings::Settings;
use crate::template::Template;

/// One rule of a chain, as written.
#[derive(Debug)]
pub(super) struct LinkDraft {
    pub(super) place: Place,
    pub(super) targets: Vec<Target>,
    pub(super) operator: Option<OperatorText>,
    pub(super) actions: Vec<Action>,
}

/// A rule with its chain, as written.
#[derive(Debug)]
pub(super) struct RuleDraft {
    pub(super) links: Vec<LinkDraft>,
    /// Defaults of its phase where it stands.
    pub(super) defaults: Vec<Action>,
}

#[derive(Debug)]
pub(super) enum Item {
    Rule(RuleDraft),
    Marker(String),
}

/// All that was read.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    pub(super) settings: Settings,
    pub(super) items: Vec<Item>,
    defaults: BTreeMap<u8, Vec<Action>>,
    /// The last rule says that the next one belongs to it.
    open_chain: bool,
    /// The rule is wrong, and so are those that are chained to it.
    broken_chain: bool,
}

impl RuleDraft {
    pub(super) fn id(&self) -> Option<u64> {
        self.head().iter().find_map(|action| if let Action::Id(id) = action { Some(*id) } else { None })
    }

    pub(super) fn head(&self) -> &[Action] {
        self.links.first().map(|link| link.actions.as_slice()).unwrap_or_default()
    }

    /// Whether it is one of those.
    pub(super) fn is(&self, which: &Meant<'_>) -> bool {
        let text = |template: &Template| template.constant().map(<[u8]>::to_vec).unwrap_or_default();
        match which {
            Meant::Ids(ranges) => {
                self.id().is_some_and(|id| ranges.iter().any(|(from, to)| (*from..=*to).contains(&id)))
            }
            Meant::Tag(tag) => self.head().iter().any(|action| match action {
                Action::Tag(own) => tag.is_in(&text(own)),
                _ => false,
            }),
            Meant::Msg(msg) => self.head().iter().any(|action| match action {
                Action::Msg(own) => msg.is_in(&text(own)),
                _ => false,
            }),
        }
    }
}

/// Which rules are meant, ready to be compared.
pub(super) enum Meant<'w> {
    Ids(&'w [(u64, u64)]),
    Tag(Named<'w>),
    Msg(Named<'w>),
}

/// Tags and messages are named by patterns; what is none is a text that has to be the same.
pub(super) struct Named<'w> {
    text: &'w str,
    pattern: Option<sakimori_expressions::Expression>,
}

impl<'w> Named<'w> {
    fn new(text: &'w str) -> Self {
        Self { text, pattern: crate::pattern::compile(text, true).ok() }
    }

    fn is_in(&self, text: &[u8]) -> bool {
        let pattern = self.pattern.as_ref().map(|pattern| pattern.is_match(text).unwrap_or(false));
        pattern.unwrap_or_else(|| text == self.text.as_bytes())
    }
}

impl<'w> From<&'w Which> for Meant<'w> {
    fn from(which: &'w Which) -> Self {
        match which {
            Which::Ids(ids) => Self::Ids(ids),
            Which::Tag(tag) => Self::Tag(Named::new(tag)),
            Which::Msg(msg) => Self::Msg(Named::new(msg)),
        }
    }
}

impl Drafts {
    pub(super) fn rules(&self) -> impl Iterator<Item = &RuleDraft> {
        self.items.iter().filter_map(|item| match item {
            Item::Rule(rule) => Some(rule),
            Item::Marker(_) => None,
        })
    }

    fn rules_mut(&mut self) -> impl Iterator<Item = &mut RuleDraft> {
        self.items.iter_mut().filter_map(|item| match item {
            Item::Rule(rule) => Some(rule),
            Item::Marker(_) => None,
        })
    }

    /// Takes a directive.
    pub(super) fn take(&mut self, place: Place, directive: &Directive, findings: &mut Vec<(Place, Finding)>) {
        let words = &directive.words;
        let word = |at: usize| words.get(at).map(String::as_str);
        let result = match directive.name.to_ascii_lowercase().as_str() {
            "secrule" => match (word(0), word(1)) {
                (Some(targets), Some(operator)) => {
                    let read = targets::targets(targets).and_then(|targets| Ok((targets, Some(parse::operator(operator)?))));
                    self.rule(place, read, word(2).unwrap_or_default(), findings);
                    Ok(())
                }
                _ => Err(Finding::error(
                    "W080",
                    "a rule needs a variable and an operator",
                    "write SecRule VARIABLES \"@operator argument\" \"actions\"",
                )),
            },
            "secaction" => {
                self.rule(place, Ok((Vec::new(), None)), word(0).unwrap_or_default(), findings);
                Ok(())
            }
            "secmarker" => self.marker(word(0)),
            "secdefaultaction" => self.default_action(place, word(0).unwrap_or_default(), findings),
            "secruleremovebyid" => {
                words.iter().map(|word| actions::ids(word)).collect::<Result<Vec<_>, _>>().map(|ids| {
                    self.remove(&Which::Ids(ids.concat()));
                })
            }
            "secruleremovebytag" => needed(word(0)).map(|tag| self.remove(&Which::Tag(tag.to_owned()))),
            "secruleremovebymsg" => needed(word(0)).map(|msg| self.remove(&Which::Msg(msg.to_owned()))),
            "secruleupdatetargetbyid" => needed(word(0))
                .and_then(actions::ids)
                .and_then(|ids| self.update_target(&Which::Ids(ids), word(1), word(2))),
            "secruleupdatetargetbytag" => needed(word(0))
                .and_then(|tag| self.update_target(&Which::Tag(tag.to_owned()), word(1), word(2))),
            "secruleupdatetargetbymsg" => needed(word(0))
                .and_then(|msg| self.update_target(&Which::Msg(msg.to_owned()), word(1), word(2))),
            "secruleupdateactionbyid" => self.update_actions(place, word(0), word(1), findings),
            _ => self.settings.take(&directive.name, words).and_then(|taken| {
                if taken {
                    return Ok(());
                }
                Err(Finding::error(
                    "W081",
                    format!("unknown directive {}", shown(&directive.name)),
                    "the names are those of ModSecurity's reference, such as SecRule, SecAction, SecRuleEngine",
                ))
            }),
        };
        if let Err(finding) = result {
            findings.push((place, finding));
        }
    }

    /// Says what is unfinished at the end.
    pub(super) fn finish(&mut self, findings: &mut Vec<(Place, Finding)>) {
        if self.open_chain && !self.broken_chain {
            let last = self.rules().last().and_then(|rule| rule.links.last());
            let place = last.map(|link| link.place).unwrap_or_default();
            findings.push((
                place,
                Finding::error(
                    "W082",
                    "a chain ends without its last rule",
                    "remove the action chain, or add the rule",
                ),
            ));
        }
    }

    fn rule(
        &mut self,
        place: Place,
        read: Result<(Vec<Target>, Option<OperatorText>), Finding>,
        actions: &str,
        findings: &mut Vec<(Place, Finding)>,
    ) {
        let (actions, wrong) = actions::actions(actions);
        findings.extend(wrong.into_iter().map(|finding| (place, finding)));
        let continues = std::mem::replace(&mut self.open_chain, actions.contains(&Action::Chain));
        let (targets, operator) = match read {
            Ok(read) => read,
            Err(finding) => {
                findings.push((place, finding));
                self.broken_chain = self.open_chain;
                return;
            }
        };
        let link = LinkDraft { place, targets, operator, actions };
        if continues {
            if self.broken_chain {
                self.broken_chain = self.open_chain;
                return;
            }
            if let Some(rule) = self.rules_mut().last() {
                rule.links.push(link);
            }
            return;
        }
        self.broken_chain = false;
        let phase = link.actions.iter().find_map(|action| match action {
            Action::Phase(phase) => Some(*phase),
            _ => None,
        });
        let defaults = self.defaults.get(&phase.unwrap_or(2)).cloned().unwrap_or_default();
        self.items.push(Item::Rule(RuleDraft { links: vec![link], defaults }));
    }

    fn marker(&mut self, name: Option<&str>) -> Result<(), Finding> {
        self.items.push(Item::Marker(needed(name)?.to_owned()));
        Ok(())
    }

    fn default_action(
        &mut self,
        place: Place,
        text: &str,
        findings: &mut Vec<(Place, Finding)>,
    ) -> Result<(), Finding> {
        let (actions, wrong) = actions::actions(text);
        findings.extend(wrong.into_iter().map(|finding| (place, finding)));
        let phase = actions.iter().find_map(|action| match action {
            Action::Phase(phase) => Some(*phase),
            _ => None,
        });
        let phase = phase.ok_or_else(|| {
            Finding::error("W083", "SecDefaultAction without a phase", "begin it with phase:1 to phase:5")
        })?;
        self.defaults.insert(phase, actions);
        Ok(())
    }

    fn remove(&mut self, which: &Which) {
        let which = &Meant::from(which);
        self.items.retain(|item| !matches!(item, Item::Rule(rule) if rule.is(which)));
    }

    fn update_target(
        &mut self,
        which: &Which,
        listed: Option<&str>,
        replaced: Option<&str>,
    ) -> Result<(), Finding> {
        let new = targets::targets(needed(listed)?)?;
        let replaced = replaced.map(targets::targets).transpose()?.unwrap_or_default();
        let which = &Meant::from(which);
        for rule in self.rules_mut().filter(|rule| rule.is(which)) {
            if let Some(link) = rule.links.first_mut() {
                link.targets.retain(|target| !replaced.contains(target));
                link.targets.extend(new.iter().cloned());
            }
        }
        Ok(())
    }

    /// `SecRuleUpdateActionById 1:2 "…"`: the second rule of the chain.
    fn update_actions(
        &mut self,
        place: Place,
        which: Option<&str>,
        listed: Option<&str>,
        findings: &mut Vec<(Place, Finding)>,
    ) -> Result<(), Finding> {
        let (ids, link) = match needed(which)?.split_once(':') {
            Some((ids, link)) => (ids, link.trim().parse().unwrap_or(0)),
            None => (needed(which)?, 0),
        };
        let which = Which::Ids(actions::ids(ids)?);
        let (new, wrong) = actions::actions(needed(listed)?);
        findings.extend(wrong.into_iter().map(|finding| (place, finding)));
        if new.iter().any(|action| matches!(action, Action::Id(_) | Action::Chain | Action::Phase(_))) {
            return Err(Finding::error(
                "W084",
                "id, phase and chain of a rule cannot be changed",
                "remove the rule with SecRuleRemoveById and write another one",
            ));
        }
        let which = Meant::from(&which);
        let transforms = new.iter().any(|action| matches!(action, Action::Transform(_)));
        for rule in self.rules_mut().filter(|rule| rule.is(&which)) {
            if let Some(link) = rule.links.get_mut(link) {
                link.actions.retain(|old| !(transforms && matches!(old, Action::Transform(_))));
                link.actions.extend(new.iter().cloned());
            }
        }
        Ok(())
    }
}

fn needed(word: Option<&str>) -> Result<&str, Finding> {
    word.filter(|word| !word.is_empty()).ok_or_else(|| {
        Finding::error("W085", "the directive lacks an argument", "write all of its arguments")
    })
}
