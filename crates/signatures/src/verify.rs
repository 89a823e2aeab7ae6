//! Whether a group of conditions holds of a buffer, with Suricata's going back.
//!
//! Conditions that stand alone are checked first. The others form chains: each relative condition
//! is searched behind the match of the one before it, and where it is not found the one before it is
//! searched further on. Going back only happens where a later match could help, and a budget bounds it.
use crate::pattern::{ByteJump, ByteTest, Comparison, Content, DataAt, From, Number, Pcre, Step, TEXT_BYTES};
use memchr::memmem;

/// Work for one group of one rule, in bytes looked at, beyond [`BUDGET_FACTOR`] times the buffer.
const BUDGET: usize = 1 << 20;
/// How often a chain may look at each byte.
const BUDGET_FACTOR: usize = 16;
/// What starting a search costs, in bytes.
const ATTEMPT: usize = 32;

/// The conditions of one group, prepared.
#[derive(Debug)]
pub(crate) struct Conditions {
    alone: Vec<Prepared>,
    chains: Vec<Vec<Prepared>>,
    /// Whether an answer of yes is only final when the buffer is complete.
    pub(crate) needs_end: bool,
    /// Whether the lower-cased bytes are looked at.
    pub(crate) needs_lower: bool,
}

#[derive(Debug)]
struct Prepared {
    step: Step,
    finder: Option<memmem::Finder<'static>>,
    /// Whether a later match of this step could help the steps behind it.
    retry: bool,
    /// Whether this is what the match is shown as.
    evidence: bool,
}

/// A buffer and its lower-cased copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) lower: &'a [u8],
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
        let mut alone = Vec::new();
        let mut chains: Vec<Vec<Prepared>> = Vec::new();
        for (index, step) in steps.into_iter().enumerate() {
            let finder = match &step {
                Step::Content(content) => Some(memmem::Finder::new(&content.bytes).into_owned()),
                _ => None,
            };
            let prepared = Prepared { finder, retry: false, evidence: evidence == Some(index), step };
            if !prepared.step.is_relative() && !prepared.step.moves() {
                alone.push(prepared);
            } else {
                match chains.last_mut() {
                    Some(chain) if prepared.step.is_relative() => chain.push(prepared),
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
        Self { alone, chains, needs_end, needs_lower }
    }

    pub(crate) fn verify(&self, view: View<'_>) -> Outcome {
        let mut run =
            Run { view, budget: BUDGET + BUDGET_FACTOR * view.bytes.len(), exhausted: false, evidence: None };
        let holds = self.alone.iter().all(|p| run.chain(std::slice::from_ref(p), 0))
            && self.chains.iter().all(|chain| run.chain(chain, 0));
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
            Step::ByteTest(_) | Step::ByteJump(_) | Step::Size(_) => false,
        },
    }
}

struct Run<'a> {
    view: View<'a>,
    budget: usize,
    exhausted: bool,
    evidence: Option<(usize, usize)>,
}

impl Run<'_> {
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
            Step::Size(range) => range.contains(self.view.bytes.len() as u64) && self.chain(rest, cursor),
        }
    }

    fn content(&mut self, prepared: &Prepared, content: &Content, rest: &[Prepared], cursor: usize) -> bool {
        let hay = if content.nocase { self.view.lower } else { self.view.bytes };
        let length = content.bytes.len();
        let window = window(content, cursor, hay.len());
        let Some(finder) = &prepared.finder else { return false };
        if content.negated {
            let found = window.is_some_and(|(low, high)| {
                if content.endswith {
                    high == hay.len() && high >= low + length && hay.ends_with(&content.bytes)
                } else {
                    self.spend(high - low) && hay.get(low..high).is_some_and(|h| finder.find(h).is_some())
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
            let Some(position) = hay.get(low..high).and_then(|h| finder.find(h)) else { return false };
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
            let cost = if pcre.anchored { hay.len().min(256) } else { hay.len() };
            if !self.spend(cost) {
                return false;
            }
            let found = pcre.regex.find(hay);
            if pcre.negated {
                return found.is_none() && self.chain(rest, cursor);
            }
            let Some(found) = found else { return false };
            if self.chain(rest, low + found.end()) {
                if prepared.evidence {
                    self.evidence = Some((low + found.start(), found.len()));
                }
                return true;
            }
            // an anchored expression begins here or nowhere: a search further on would anchor elsewhere
            if !prepared.retry || pcre.anchored || self.exhausted {
                return false;
            }
            low += found.start() + 1;
        }
    }

    fn data_at(&self, data_at: DataAt, cursor: usize) -> bool {
        let position = data_at.position as usize;
        let length = self.view.bytes.len();
        let there = if data_at.relative { cursor + position <= length } else { position < length };
        there != data_at.negated
    }

    fn byte_test(&self, test: ByteTest, cursor: usize) -> bool {
        let Some((value, _)) = self.number(test.number, test.bytes, cursor) else { return false };
        let holds = match test.operator {
            Comparison::Less => value < test.value,
            Comparison::LessOrEqual => value <= test.value,
            Comparison::Greater => value > test.value,
            Comparison::GreaterOrEqual => value >= test.value,
            Comparison::Equal => value == test.value,
            Comparison::And => value & test.value != 0,
            Comparison::Or => value ^ test.value != 0,
        };
        holds != test.negated
    }

    /// The position a jump leads to; none where it leads out of the buffer.
    fn byte_jump(&self, jump: ByteJump, cursor: usize) -> Option<usize> {
        let (value, behind) = self.number(jump.number, jump.bytes, cursor)?;
        let mut distance = value.checked_mul(u64::from(jump.multiplier))?;
        if jump.align {
            distance = distance.checked_next_multiple_of(4)?;
        }
        let base = match jump.from {
            From::Here => behind,
            From::Beginning => 0,
            From::End => self.view.bytes.len(),
        };
        let target = i64::try_from(base).ok()?.checked_add(i64::try_from(distance).ok()?)?;
        let target = usize::try_from(target.checked_add(i64::from(jump.post_offset))?).ok()?;
        (target <= self.view.bytes.len()).then_some(target)
    }

    /// The number at a place, and the position behind it.
    fn number(&self, number: Number, count: u8, cursor: usize) -> Option<(u64, usize)> {
        let base = if number.relative { i64::try_from(cursor).ok()? } else { 0 };
        let at = usize::try_from(base + i64::from(number.offset)).ok()?;
        let bytes = match count {
            0 => self.view.bytes.get(at..(at + usize::from(TEXT_BYTES)).min(self.view.bytes.len()))?,
            count => self.view.bytes.get(at..at.checked_add(usize::from(count))?)?,
        };
        let mut behind = at + bytes.len();
        let mut value = match number.base {
            Some(base) => {
                let blank = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
                let digits = bytes.get(blank..)?;
                let digits = match digits {
                    [b'0', b'x' | b'X', rest @ ..] if base == 16 => rest,
                    _ => digits,
                };
                let length = digits.iter().take_while(|b| char::from(**b).is_digit(base)).count();
                let text = std::str::from_utf8(digits.get(..length)?).ok()?;
                behind -= digits.len() - length;
                u64::from_str_radix(text, base).ok()?
            }
            None if number.little => bytes.iter().rev().fold(0, |value, b| value << 8 | u64::from(*b)),
            None => bytes.iter().fold(0, |value, b| value << 8 | u64::from(*b)),
        };
        if let Some(mask) = number.bitmask {
            value = (value & u64::from(mask)) >> mask.trailing_zeros();
        }
        Some((value, behind))
    }
}

/// Where a content may stand: from `.0`, ending at most at `.1`. None where there is no room.
fn window(content: &Content, cursor: usize, length: usize) -> Option<(usize, usize)> {
    let (low, high) = if content.is_relative() {
        let base = i64::try_from(cursor).ok()? + i64::from(content.distance.unwrap_or(0));
        let high = content.within.map_or(i64::MAX, |within| base + i64::from(within));
        (usize::try_from(base.max(0)).ok()?, usize::try_from(high.max(0)).ok()?.min(length))
    } else {
        let low = content.offset.unwrap_or(0) as usize;
        let depth =
            if content.startswith { Some(content.bytes.len()) } else { content.depth.map(|d| d as usize) };
        (low, depth.map_or(length, |depth| (low + depth).min(length)))
    };
    (low <= high && high - low >= content.bytes.len()).then_some((low, high))
}
