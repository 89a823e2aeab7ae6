//! Judging lines.

use crate::decoder::Decoder;
use crate::fields::{FieldId, Fields, Names};
use crate::history::History;
use crate::limits;
use crate::predecode::{Header, predecode};
use crate::rule::{RuleInfo, View};
use crate::ruleset::RuleSet;
use std::sync::Arc;

/// A line to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Its bytes, without the line's end. What is past [`limits::LINE_BYTES`] is not looked at.
    pub bytes: &'a [u8],
    /// Where it comes from: a file's path.
    pub location: &'a str,
    /// Whether it may begin with time, host and program.
    pub header: bool,
}

/// When a line is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Seconds of a clock that does not go back.
    pub seconds: u64,
    /// Minutes since midnight, local.
    pub minute: u16,
    /// 0 is Sunday, local.
    pub weekday: u8,
}

/// What came of a line.
#[derive(Debug)]
pub struct Judgement<'a> {
    names: &'a Names,
    fields: &'a Fields,
    line: &'a [u8],
    header: Header,
    decoder: Option<&'a Decoder>,
    rule: Option<&'a RuleInfo>,
    count: u32,
    cut: bool,
}

/// Judges lines with a rule set and remembers what its composite rules need.
#[derive(Debug)]
pub struct Engine {
    rules: Arc<RuleSet>,
    history: History,
    /// By rule: when it matched last and is quiet since; 0 is never.
    quiet: Vec<u64>,
    fields: Fields,
    /// By rule: the line for which it was last tried without success.
    tried: Vec<u64>,
    lines: u64,
}

// === impl Engine ===

impl Engine {
    /// An engine that remembers nothing.
    pub fn new(rules: Arc<RuleSet>) -> Self {
        let mut history = History::default();
        history.swap(&rules.lists, true);
        let (quiet, tried) = (vec![0; rules.rules.len()], vec![0; rules.rules.len()]);
        Self { rules, history, quiet, fields: Fields::default(), tried, lines: 0 }
    }

    /// Puts another rule set in force. What composite rules of both remember is kept, unless fields of the files' own are
    /// compared.
    pub fn swap(&mut self, rules: Arc<RuleSet>) {
        let own = |rules: &RuleSet| rules.compared.iter().all(|field| field.0 < 15);
        let keep = own(&self.rules) && own(&rules);
        self.history.swap(&rules.lists, keep);
        let old = std::mem::replace(&mut self.rules, rules);
        let quiet: std::collections::BTreeMap<u32, u64> =
            old.rules.iter().map(|rule| rule.info.id).zip(std::mem::take(&mut self.quiet)).collect();
        self.quiet =
            self.rules.rules.iter().map(|rule| quiet.get(&rule.info.id).copied().unwrap_or(0)).collect();
        self.tried = vec![0; self.rules.rules.len()];
    }

    /// The rule set in force.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Past events that were forgotten for want of room.
    pub fn forgotten(&self) -> u64 {
        self.history.forgotten()
    }

    /// Decodes and judges a line.
    pub fn judge<'a>(&'a mut self, line: Line<'a>, now: Moment) -> Judgement<'a> {
        // Moments begin at one, so that zero can mean never.
        let seconds = now.seconds.saturating_add(1);
        self.lines += 1;
        let cut = line.bytes.len() > limits::LINE_BYTES;
        let bytes = line.bytes.get(..limits::LINE_BYTES).unwrap_or(line.bytes);
        let header = if line.header { predecode(bytes) } else { Header::default() };
        let part = |range: &Option<std::ops::Range<usize>>| range.clone().and_then(|r| bytes.get(r));
        let (hostname, program) = (part(&header.host), part(&header.program));
        let log = bytes.get(header.message..).unwrap_or_default();
        let rules = &*self.rules;
        self.fields.clear();
        let known = |name: &str| rules.names.find(name);
        let decoder = rules.decoders.decode(program, log, &known, &mut self.fields);
        if let Some(location) = rules.names.find("location")
            && rules.compared.contains(&location)
        {
            self.fields.set(location, line.location.as_bytes());
        }
        let view = View {
            log,
            size: bytes.len(),
            program,
            hostname,
            location: line.location.as_bytes(),
            decoder: decoder.map(|decoder| decoder.id),
            fields: &self.fields,
            minute: now.minute,
            weekday: now.weekday,
        };
        let mut walk = Walk {
            rules,
            history: &self.history,
            tried: &mut self.tried,
            line: self.lines,
            seconds,
            view,
            counted: 0,
        };
        let category = decoder.map(|decoder| decoder.category).unwrap_or_default();
        let roots = rules.roots.get(category as usize).map(Vec::as_slice).unwrap_or_default();
        let mut found = roots.iter().find_map(|root| walk.try_rule(*root, None));
        let counted = walk.counted;
        if let Some((matched, parent)) = found
            && let (Some(rule), Some(quiet)) = (rules.rules.get(matched), self.quiet.get_mut(matched))
            && rule.info.level > 0
            && rule.ignore > 0
        {
            if *quiet != 0 && seconds.saturating_sub(*quiet) < u64::from(rule.ignore) {
                // Quiet for a while: the line is its parent's.
                found = parent.map(|parent| (parent, None));
            } else {
                *quiet = seconds;
            }
        }
        let rule = found.and_then(|(matched, _)| rules.rules.get(matched));
        if let Some(rule) = rule.filter(|rule| rule.info.level > 0) {
            let used = if rule.counting.is_some() { rule.info.level } else { 0 };
            self.history.remember(&rule.feeds, seconds, &self.fields, &rules.compared, used);
        }
        Judgement {
            names: &rules.names,
            fields: &self.fields,
            line: bytes,
            header,
            decoder,
            rule: rule.map(|rule| &rule.info),
            count: if rule.is_some_and(|rule| rule.counting.is_some()) { counted } else { 0 },
            cut,
        }
    }
}

struct Walk<'a> {
    rules: &'a RuleSet,
    history: &'a History,
    tried: &'a mut [u64],
    line: u64,
    seconds: u64,
    view: View<'a>,
    counted: u32,
}

impl Walk<'_> {
    /// The rule at or below this one that a line is for, and that rule's parent. The depth is bounded when rules are
    /// loaded; a rule that several others lead to is tried once.
    fn try_rule(&mut self, index: usize, parent: Option<usize>) -> Option<(usize, Option<usize>)> {
        let rule = self.rules.rules.get(index)?;
        let tried = self.tried.get_mut(index)?;
        if *tried == self.line {
            return None;
        }
        *tried = self.line;
        if !rule.fits(&self.view) {
            return None;
        }
        let mut counted = 0;
        if let Some(counting) = &rule.counting {
            counted = self.history.count(counting, rule.info.level, self.seconds, self.view.fields)?;
        }
        if let Some(found) = rule.children.iter().find_map(|child| self.try_rule(*child, Some(index))) {
            return Some(found);
        }
        if rule.no_alert {
            return None;
        }
        self.counted = counted;
        Some((index, parent))
    }
}

// === impl Judgement ===

impl<'a> Judgement<'a> {
    /// The decoder's name as rules call it.
    pub fn decoder(&self) -> Option<&'a str> {
        self.decoder.map(|decoder| &*decoder.name)
    }

    /// The rule, if one matched.
    pub fn rule(&self) -> Option<&'a RuleInfo> {
        self.rule
    }

    /// For a rule that counts: how many events it counted, this one included. Else 0.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether the line was longer than what was looked at.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// What was looked at.
    pub fn line(&self) -> &'a [u8] {
        self.line
    }

    /// The host in the line's header.
    pub fn host(&self) -> Option<&'a [u8]> {
        self.header.host.clone().and_then(|range| self.line.get(range))
    }

    /// The program in the line's header.
    pub fn program(&self) -> Option<&'a [u8]> {
        self.header.program.clone().and_then(|range| self.line.get(range))
    }

    /// The source address that was decoded.
    pub fn source_ip(&self) -> Option<&'a [u8]> {
        self.fields.value(crate::fields::SRCIP)
    }

    /// The user that was decoded: the one acted on, or else the one who acts.
    pub fn user(&self) -> Option<&'a [u8]> {
        self.fields.value(crate::fields::DSTUSER).or_else(|| self.fields.value(crate::fields::SRCUSER))
    }

    /// All fields by name.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let names = self.names;
        self.fields.iter().map(move |(id, value): (FieldId, &[u8])| (names.name(id), value))
    }

    /// The rule's description with fields put in for `$(name)`.
    pub fn description(&self) -> String {
        let Some(rule) = self.rule else { return String::new() };
        let mut out = String::new();
        let mut rest = rule.description.as_str();
        while let Some((before, after)) = rest.split_once("$(") {
            out.push_str(before);
            let Some((name, after)) = after.split_once(')') else {
                out.push_str("$(");
                rest = after;
                break;
            };
            let value = self.names.find(name).and_then(|id| self.fields.value(id)).unwrap_or_default();
            let value = String::from_utf8_lossy(value.get(..256).unwrap_or(value));
            out.extend(value.chars().filter(|c| !c.is_control()));
            rest = after;
        }
        out.push_str(rest);
        out
    }
}
