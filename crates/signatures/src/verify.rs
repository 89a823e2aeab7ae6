//! Whether a group of conditions holds of a buffer, with Suricata's going back.
//!
//! Conditions that stand alone are checked first. The others form chains: each relative condition
//! is searched behind the match of the one before it, and where it is not found the one before it is
//! searched further on. Going back only happens where a later match could help, and a budget bounds it.
use crate::dataset::Dataset;
use crate::pattern::{Content, DataAt, Pcre, Step, VARIABLES, Values};
use crate::state::Sets;
use memchr::memmem;
use std::net::IpAddr;

mod nested;
mod number;

/// Work for one group of one rule, in bytes looked at, beyond [`BUDGET_FACTOR`] times the buffer.
const BUDGET: usize = 1 << 20;
/// How often a chain may look at each byte.
const BUDGET_FACTOR: usize = 16;
/// What starting a search costs, in bytes.
const ATTEMPT: usize = 32;

/// The conditions of one group, prepared.
#[derive(Debug)]
pub(crate) struct Conditions {
    alone: Box<[Prepared]>,
    chains: Box<[Box<[Prepared]>]>,
    /// Whether an answer of yes is only final when the buffer is complete.
    pub(crate) needs_end: bool,
    /// Whether the lower-cased bytes are looked at.
    pub(crate) needs_lower: bool,
    /// Whether the buffer has to be absent, or may be.
    pub(crate) absence: Option<Absence>,
    /// Sets of which the whole buffer is a value; asked, and changed, last.
    sets: Box<[Dataset]>,
}

/// What the absence of a buffer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// The conditions hold then only.
    Wanted,
    /// The conditions hold then too.
    Allowed,
}

#[derive(Debug)]
struct Prepared {
    step: Step,
    /// Whether a later match of this step could help the steps behind it.
    retry: bool,
    /// Whether this is what the match is shown as.
    evidence: bool,
    /// What is looked for in the bytes that this step decodes.
    nested: Option<Box<Conditions>>,
}

/// A buffer and its lower-cased copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) lower: &'a [u8],
    /// Who sent them.
    pub(crate) sender: IpAddr,
    /// Whether the message says that the lowest byte of numbers comes first.
    pub(crate) little: bool,
}

/// What verifying came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All conditions hold; where the decisive match is.
    Holds(Option<(usize, usize)>),
    Fails,
    /// The budget ended first.
    Exhausted,
}

impl Conditions {
    pub(crate) fn new(steps: Vec<Step>) -> Self {
        let needs_end = steps.iter().any(Step::needs_end);
        let needs_lower = steps.iter().any(|s| matches!(s, Step::Content(c) if c.nocase));
        let evidence = steps
            .iter()
            .position(|s| matches!(s, Step::Content(c) if c.fast))
            .or_else(|| steps.iter().position(|s| matches!(s, Step::Content(c) if !c.negated)))
            .or_else(|| steps.iter().position(Step::moves));
        // with variables the order in which they get their values counts: then all is one chain
        let variables = steps.iter().any(Step::has_variable);
        let mut alone = Vec::new();
        let (mut sets, mut absence) = (Vec::new(), None);
        let mut chains: Vec<Vec<Prepared>> = Vec::new();
        for (index, step) in steps.into_iter().enumerate() {
            let step = match step {
                Step::Dataset(set) => {
                    sets.push(set);
                    continue;
                }
                Step::Absent { or_else } => {
                    absence = Some(if or_else { Absence::Allowed } else { Absence::Wanted });
                    continue;
                }
                step => step,
            };
            let (step, nested) = nested::split(step);
            let prepared = Prepared { retry: false, evidence: evidence == Some(index), nested, step };
            if !variables && !prepared.step.is_relative() && !prepared.step.moves() {
                alone.push(prepared);
            } else {
                match chains.last_mut() {
                    Some(chain) if variables || prepared.step.is_relative() => chain.push(prepared),
                    _ => chains.push(vec![prepared]),
                }
            }
        }
        for chain in &mut chains {
            for index in 0..chain.len() {
                let later_helps =
                    chain.get(index + 1..).is_some_and(|rest| !rest.is_empty() && !prefers_early(rest));
                if let Some(prepared) = chain.get_mut(index) {
                    prepared.retry = later_helps;
                }
            }
        }
        // of many thousand rules the room that growing lists leave free is half of the memory
        let chains = chains.into_iter().map(Vec::into_boxed_slice).collect();
        Self {
            alone: alone.into_boxed_slice(),
            chains,
            needs_end,
            needs_lower,
            absence,
            sets: sets.into_boxed_slice(),
        }
    }

    pub(crate) fn verify(&self, view: View<'_>, sets: &mut Sets<'_>) -> Outcome {
        let mut run = Run {
            view,
            budget: BUDGET + BUDGET_FACTOR * view.bytes.len(),
            exhausted: false,
            evidence: None,
            values: [0; VARIABLES],
            sets,
        };
        let holds = self.alone.iter().all(|p| run.chain(std::slice::from_ref(p), 0))
            && self.chains.iter().all(|chain| run.chain(chain, 0))
            && self.sets.iter().all(|set| run.sets.holds(set, view.bytes));
        match (holds, run.exhausted) {
            (true, _) => Outcome::Holds(run.evidence),
            (false, true) => Outcome::Exhausted,
            (false, false) => Outcome::Fails,
        }
    }
}

/// Whether these steps, if they hold behind one position, hold behind every earlier one too.
fn prefers_early(steps: &[Prepared]) -> bool {
    match steps.split_first() {
        None => true,
        Some((first, rest)) => match &first.step {
            Step::Content(c) => !c.negated && c.within.is_none(),
            Step::DataAt(d) => !d.negated && prefers_early(rest),
            Step::Pcre(p) => !p.negated && !p.looks && !p.anchored && rest.is_empty(),
            Step::ByteTest(_)
            | Step::ByteJump(_)
            | Step::ByteExtract(_)
            | Step::ByteMath(_)
            | Step::Decode(_)
            | Step::Asn1(_)
            | Step::FtpBounce
            | Step::Present
            | Step::Absent { .. }
            | Step::Entropy(_)
            | Step::Dataset(_)
            | Step::Size(_) => false,
        },
    }
}

struct Run<'a, 's> {
    view: View<'a>,
    budget: usize,
    exhausted: bool,
    evidence: Option<(usize, usize)>,
    values: Values,
    sets: &'a mut Sets<'s>,
}

impl Run<'_, '_> {
    /// Takes work off the budget; false when nothing is left.
    fn spend(&mut self, bytes: usize) -> bool {
        let rest = self.budget.checked_sub(bytes + ATTEMPT);
        self.budget = rest.unwrap_or(0);
        self.exhausted |= rest.is_none();
        rest.is_some()
    }

    fn chain(&mut self, steps: &[Prepared], cursor: usize) -> bool {
        let Some((first, rest)) = steps.split_first() else { return true };
        match &first.step {
            Step::Content(content) => self.content(first, content, rest, cursor),
            Step::Pcre(pcre) => self.pcre(first, pcre, rest, cursor),
            Step::DataAt(data_at) => self.data_at(*data_at, cursor) && self.chain(rest, cursor),
            Step::ByteTest(test) => self.byte_test(*test, cursor) && self.chain(rest, cursor),
            Step::ByteJump(jump) => match self.byte_jump(*jump, cursor) {
                Some(cursor) => self.chain(rest, cursor),
                None => false,
            },
            Step::ByteExtract(extract) => match self.byte_extract(*extract, cursor) {
                Some(cursor) => self.chain(rest, cursor),
                None => false,
            },
            Step::ByteMath(math) => match self.byte_math(*math, cursor) {
                Some(cursor) => self.chain(rest, cursor),
                None => false,
            },
            Step::Decode(decode) => {
                self.decode(decode, first.nested.as_deref(), cursor) && self.chain(rest, cursor)
            }
            Step::Asn1(asn1) => self.asn1(*asn1, cursor) && self.chain(rest, cursor),
            Step::FtpBounce => self.ftp_bounce() && self.chain(rest, cursor),
            Step::Entropy(entropy) => {
                self.spend(self.view.bytes.len())
                    && entropy.holds(self.view.bytes)
                    && self.chain(rest, cursor)
            }
            // these two stand apart
            Step::Present | Step::Absent { .. } | Step::Dataset(_) => self.chain(rest, cursor),
            Step::Size(range) => range.contains(self.view.bytes.len() as u64) && self.chain(rest, cursor),
        }
    }

    fn content(&mut self, prepared: &Prepared, content: &Content, rest: &[Prepared], cursor: usize) -> bool {
        let hay = if content.nocase { self.view.lower } else { self.view.bytes };
        let length = content.bytes.len();
        let window = window(content, cursor, hay.len(), &self.values);
        if content.negated {
            let found = window.is_some_and(|(low, high)| {
                if content.endswith {
                    high == hay.len() && high >= low + length && hay.ends_with(&content.bytes)
                } else {
                    self.spend(high - low)
                        && hay.get(low..high).is_some_and(|h| memmem::find(h, &content.bytes).is_some())
                }
            });
            return !found && !self.exhausted && self.chain(rest, cursor);
        }
        let Some((mut low, high)) = window else { return false };
        if content.endswith {
            if high != hay.len() || high < low + length {
                return false;
            }
            low = high - length;
        }
        loop {
            let Some(position) = hay.get(low..high).and_then(|h| memmem::find(h, &content.bytes)) else {
                return false;
            };
            let begin = low + position;
            if !self.spend(position + length) {
                return false;
            }
            if self.chain(rest, begin + length) {
                if prepared.evidence {
                    self.evidence = Some((begin, length));
                }
                return true;
            }
            if !prepared.retry || self.exhausted {
                return false;
            }
            low = begin + 1;
        }
    }

    fn pcre(&mut self, prepared: &Prepared, pcre: &Pcre, rest: &[Prepared], cursor: usize) -> bool {
        let from = if pcre.relative { cursor } else { 0 };
        let mut low = from;
        loop {
            let Some(hay) = self.view.bytes.get(low..) else {
                return pcre.negated && self.chain(rest, cursor);
            };
            let cost = match (pcre.anchored, pcre.expression.backtracks()) {
                (true, _) => hay.len().min(256),
                (false, false) => hay.len(),
                (false, true) => hay.len().saturating_mul(8),
            };
            if !self.spend(cost) {
                return false;
            }
            let Ok(found) = pcre.expression.find(hay) else {
                self.exhausted = true;
                return false;
            };
            if pcre.negated {
                return found.is_none() && self.chain(rest, cursor);
            }
            let Some((begin, end)) = found else { return false };
            if self.chain(rest, low + end) {
                if prepared.evidence {
                    self.evidence = Some((low + begin, end - begin));
                }
                return true;
            }
            // an anchored expression begins here or nowhere: a search further on would anchor elsewhere
            if !prepared.retry || pcre.anchored || self.exhausted {
                return false;
            }
            low += begin + 1;
        }
    }

    fn data_at(&self, data_at: DataAt, cursor: usize) -> bool {
        let position = data_at.position.value(&self.values);
        let from = if data_at.relative { cursor } else { 0 };
        let there = i64::try_from(from)
            .ok()
            .and_then(|from| usize::try_from(from.checked_add(position)?).ok())
            .is_some_and(|at| {
                if data_at.relative { at <= self.view.bytes.len() } else { at < self.view.bytes.len() }
            });
        there != data_at.negated
    }
}

/// Where a content may stand: from `.0`, ending at most at `.1`. None where there is no room.
fn window(content: &Content, cursor: usize, length: usize, values: &Values) -> Option<(usize, usize)> {
    let (low, high) = if content.is_relative() {
        let distance = content.distance.map_or(0, |distance| distance.value(values));
        let base = i64::try_from(cursor).ok()?.checked_add(distance)?;
        let high = content.within.map_or(i64::MAX, |within| base.saturating_add(within.value(values)));
        (usize::try_from(base.max(0)).ok()?, usize::try_from(high.max(0)).ok()?.min(length))
    } else {
        let low = usize::try_from(content.offset.map_or(0, |offset| offset.value(values))).ok()?;
        let depth = if content.startswith {
            Some(content.bytes.len())
        } else {
            content.depth.map(|depth| usize::try_from(depth.value(values)).unwrap_or(0))
        };
        (low, depth.map_or(length, |depth| low.saturating_add(depth).min(length)))
    };
    (low <= high && high - low >= content.bytes.len()).then_some((low, high))
}
