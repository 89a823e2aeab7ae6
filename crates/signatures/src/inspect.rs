//! Inspection: stages in, matches out.
//!
//! Each call does three things. New bytes of each buffer go through its prefilter, which names
//! candidates. Candidates whose buffers changed are verified, each buffer on its own; a candidate
//! all of whose buffers hold and whose flowbits agree is a match. What is left waits in
//! [`TransactionState`]. A growing buffer is scanned once, and its candidates are verified again
//! only while that stays proportional to its length.
use crate::buffer::{Buffer, Direction, Stage};
use crate::draft::BitOperation;
use crate::rule::Protocol;
use crate::ruleset::{Program, RuleSet, Slot};
use crate::verify::{Outcome, View};
use sakimori_model::Sid;
use std::net::IpAddr;

/// Bytes of one growing buffer that may be verified again before only geometric growth counts.
const VERIFY_FREELY: u64 = 1 << 20;

/// What is known about the flow a transaction belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowFacts {
    /// The side that opened the connection.
    pub client: IpAddr,
    /// Its port.
    pub client_port: u16,
    /// The other side.
    pub server: IpAddr,
    /// Its port.
    pub server_port: u16,
    /// Whether the TCP handshake was seen.
    pub established: bool,
}

/// A transaction or stream that rules are asked about.
pub trait Inspected {
    /// The bytes of a buffer as far as they are there.
    ///
    /// `None`: not there yet or not part of this transaction (a header field that was not sent).
    /// Of a buffer that [grows](Buffer::grows) all bytes from [`Inspected::start`] on; what was shown
    /// once does not change.
    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]>;

    /// Whether nothing will be added to the buffer: it ended, or the limit up to which it is kept is reached.
    ///
    /// Rules that say something is absent, or where something ends, wait for this.
    /// For [`Buffer::Payload`] say true when the shown bytes are to be judged as they are.
    fn is_complete(&self, buffer: Buffer, direction: Direction) -> bool;

    /// Where in the whole buffer the first byte of [`Inspected::buffer`] stands; 0 unless old bytes
    /// of a stream have been let go.
    fn start(&self, _buffer: Buffer, _direction: Direction) -> u64 {
        0
    }

    /// The flow.
    fn flow(&self) -> &FlowFacts;

    /// Payload length of the segment that brought the newest bytes, for `dsize`.
    fn segment_length(&self) -> usize;

    /// Whether the flow carries HTTP: `alert http` rules over the raw stream ask.
    fn is_http(&self) -> bool {
        true
    }
}

/// One rule matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Index into [`RuleSet::rules`].
    pub rule: usize,
    /// The rule's id.
    pub sid: Sid,
    /// The buffer its decisive pattern stood in.
    pub buffer: Buffer,
    /// The direction of that buffer.
    pub direction: Direction,
    /// Where in the shown bytes of the buffer it begins. For a transformed buffer: 0.
    pub offset: usize,
    /// Its length in bytes. For a transformed buffer: that of the buffer.
    pub length: usize,
}

/// Buffers that are reused between calls; one for each thread.
#[derive(Debug, Default)]
pub struct Scratch {
    slots: Vec<Prepared>,
    lower: Vec<u8>,
    spare: Vec<u8>,
    exhausted: u64,
}

impl Scratch {
    /// How often a rule's verification was cut short because its budget ended: an input made for that.
    pub fn exhausted(&self) -> u64 {
        self.exhausted
    }
}

/// A buffer as this call has prepared it.
#[derive(Debug, Default)]
struct Prepared {
    transformed: Vec<u8>,
    has_transformed: bool,
    lower: Vec<u8>,
    has_lower: bool,
}

impl Prepared {
    /// The bytes as the slot's rules see them.
    fn bytes<'a>(&'a mut self, slot: &Slot, shown: &'a [u8], spare: &mut Vec<u8>) -> &'a [u8] {
        if slot.target.transforms.is_empty() {
            return shown;
        }
        if !std::mem::replace(&mut self.has_transformed, true) {
            transform(slot, shown, &mut self.transformed, spare);
        }
        &self.transformed
    }
}

/// What is remembered about one transaction (or about one flow's raw stream).
///
/// # Bounds
/// A few bytes for each buffer of the rule set and each rule that became a candidate.
#[derive(Debug, Default)]
pub struct TransactionState {
    fingerprint: u64,
    sides: [Side; 2],
    /// Rules that matched, sorted.
    matched: Vec<u32>,
    passed: bool,
}

#[derive(Debug, Default)]
struct Side {
    slots: Vec<SlotState>,
    candidates: Vec<Candidate>,
    /// Rules that are or were candidates, sorted.
    seen: Vec<u32>,
    bare: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct SlotState {
    seen: bool,
    complete: bool,
    /// End of what the prefilter has seen, in bytes of the whole buffer.
    scanned: u64,
    /// End of what candidates were verified with.
    verified: u64,
    spent: u64,
    /// This call: candidates are to be verified.
    due: bool,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    rule: u32,
    /// A bit for each group that holds.
    met: u32,
    fresh: bool,
    evidence: (usize, usize),
}

/// What is remembered about one flow: its flowbits.
#[derive(Debug, Default)]
pub struct FlowState {
    fingerprint: u64,
    bits: Vec<u32>,
}

impl FlowState {
    fn apply(&mut self, operation: BitOperation, bits: &[u32]) {
        for &bit in bits {
            match (operation, self.bits.binary_search(&bit)) {
                (BitOperation::Set | BitOperation::Toggle, Err(at)) => self.bits.insert(at, bit),
                (BitOperation::Unset | BitOperation::Toggle, Ok(at)) => {
                    self.bits.remove(at);
                }
                _ => {}
            }
        }
    }

    fn agrees(&self, operation: BitOperation, bits: &[u32]) -> bool {
        let any = || bits.iter().any(|b| self.bits.binary_search(b).is_ok());
        match operation {
            BitOperation::IsSet => any(),
            BitOperation::IsNotSet => !any(),
            _ => true,
        }
    }
}

/// The memory an inspection works with.
#[derive(Debug)]
pub struct Memory<'a> {
    /// The thread's.
    pub scratch: &'a mut Scratch,
    /// The flow's.
    pub flow: &'a mut FlowState,
    /// The transaction's.
    pub transaction: &'a mut TransactionState,
}

impl RuleSet {
    /// Evaluates the rules that can be decided with what has come since the last call, and adds those that match.
    ///
    /// A rule is reported at most once for a transaction. State of another rule set is forgotten:
    /// after a change of rules a transaction is looked at from its beginning.
    pub fn inspect<T: Inspected>(&self, memory: Memory<'_>, subject: &T, stage: Stage, out: &mut Vec<Match>) {
        let Memory { scratch, flow, transaction } = memory;
        if transaction.fingerprint != self.fingerprint {
            *transaction = TransactionState { fingerprint: self.fingerprint, ..TransactionState::default() };
        }
        if flow.fingerprint != self.fingerprint {
            *flow = FlowState { fingerprint: self.fingerprint, bits: Vec::new() };
        }
        if transaction.passed {
            return;
        }
        scratch.slots.resize_with(self.slots.len(), Prepared::default);
        for prepared in &mut scratch.slots {
            prepared.has_transformed = false;
            prepared.has_lower = false;
        }
        let direction = stage.direction();
        let TransactionState { sides, matched, passed, .. } = transaction;
        let [to_server, to_client] = sides;
        let side = match direction {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        };
        side.slots.resize(self.slots.len(), SlotState::default());
        let mut call = Call { rules: self, subject, stage, direction, scratch, flow, side, matched };
        call.prefilter();
        let begin = out.len();
        if call.verify(out) {
            *passed = true;
            out.truncate(begin);
        }
    }
}

/// One call of [`RuleSet::inspect`].
struct Call<'a, T> {
    rules: &'a RuleSet,
    subject: &'a T,
    stage: Stage,
    direction: Direction,
    scratch: &'a mut Scratch,
    flow: &'a mut FlowState,
    side: &'a mut Side,
    matched: &'a mut Vec<u32>,
}

impl<T: Inspected> Call<'_, T> {
    /// Shows new bytes to the prefilters and collects candidates.
    fn prefilter(&mut self) {
        let rules = self.rules;
        let ready = self.stage.is_stream() || !matches!(self.stage, Stage::RequestLine | Stage::ResponseLine);
        if ready && !std::mem::replace(&mut self.side.bare, true) {
            let [transaction, streams] = &rules.bare;
            for &rule in if self.stage.is_stream() { streams } else { transaction } {
                self.add(rule);
            }
        }
        for (index, slot) in rules.slots.iter().enumerate() {
            let applies = slot.stream == self.stage.is_stream()
                && slot.target.buffer.directions().contains(self.direction)
                && self.side.slots.get(index).is_some_and(|s| !s.complete);
            if applies {
                self.slot(index, slot);
            }
        }
    }

    fn slot(&mut self, index: usize, slot: &Slot) {
        let (rules, subject) = (self.rules, self.subject);
        let Some(mut state) = self.side.slots.get(index).copied() else { return };
        let buffer = slot.target.buffer;
        let Some(bytes) = subject.buffer(buffer, self.direction) else { return };
        let complete = !buffer.grows() || self.stage.is_end() || subject.is_complete(buffer, self.direction);
        let transformed = !slot.target.transforms.is_empty();
        if transformed && !complete {
            return;
        }
        let start = subject.start(buffer, self.direction);
        let end = start.saturating_add(bytes.len() as u64);
        let grown = end > state.scanned || !state.seen;
        if !state.seen {
            state.seen = true;
            for &rule in &slot.unfiltered {
                self.add(rule);
            }
        }
        if grown && !slot.prefilter.is_empty() {
            let mut lower = std::mem::take(&mut self.scratch.lower);
            lower.clear();
            let Scratch { slots, spare, .. } = &mut *self.scratch;
            let fresh = if transformed {
                slots.get_mut(index).map_or(bytes, |p| p.bytes(slot, bytes, spare))
            } else {
                let from =
                    state.scanned.saturating_sub(slot.prefilter.overlap() as u64).saturating_sub(start);
                bytes.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default()
            };
            lower.extend(fresh.iter().map(u8::to_ascii_lowercase));
            rules.slots.get(index).into_iter().for_each(|s| s.prefilter.scan(&lower, |rule| self.add(rule)));
            self.scratch.lower = lower;
        }
        state.scanned = state.scanned.max(end);
        if buffer != Buffer::Payload {
            state.complete = complete;
        }
        let freely = state.spent.saturating_add(bytes.len() as u64) <= VERIFY_FREELY;
        state.due = complete && (grown || buffer != Buffer::Payload)
            || grown && (freely || end >= state.verified.saturating_add(state.verified / 4));
        if state.due {
            state.verified = end;
            let waiting = self.side.candidates.len().max(1) as u64;
            state.spent = state.spent.saturating_add(waiting.saturating_mul(bytes.len() as u64));
        }
        if let Some(place) = self.side.slots.get_mut(index) {
            *place = state;
        }
    }

    /// Makes a rule a candidate, if it is about this flow and this direction.
    fn add(&mut self, rule: u32) {
        let Err(at) = self.side.seen.binary_search(&rule) else { return };
        self.side.seen.insert(at, rule);
        let Some(program) = self.rules.programs.get(rule as usize) else { return };
        if self.matched.binary_search(&rule).is_ok() || !self.concerns(program) {
            return;
        }
        let at = self.side.candidates.partition_point(|c| c.rule < rule);
        self.side.candidates.insert(at, Candidate { rule, met: 0, fresh: true, evidence: (0, 0) });
    }

    fn concerns(&self, program: &Program) -> bool {
        let flow = self.subject.flow();
        let (client, server) = ((flow.client, flow.client_port), (flow.server, flow.server_port));
        let (source, destination) = match self.direction {
            Direction::ToServer => (client, server),
            Direction::ToClient => (server, client),
        };
        let header = &program.header;
        let fits = |source: (IpAddr, u16), destination: (IpAddr, u16)| {
            header.source_ports.contains(source.1)
                && header.destination_ports.contains(destination.1)
                && header.source.contains(source.0)
                && header.destination.contains(destination.0)
        };
        program.directions.contains(self.direction)
            && program.flow.established.is_none_or(|e| e == flow.established)
            && (program.protocol != Protocol::Http || !self.stage.is_stream() || self.subject.is_http())
            && (fits(source, destination) || header.both_ways && fits(destination, source))
    }

    /// Verifies candidates. True when a rule says to let the transaction pass.
    fn verify(&mut self, out: &mut Vec<Match>) -> bool {
        let mut candidates = std::mem::take(&mut self.side.candidates);
        let mut passes = false;
        candidates.retain_mut(|candidate| {
            let Some(program) = self.rules.programs.get(candidate.rule as usize) else { return false };
            if passes {
                return false;
            }
            match self.candidate(program, candidate) {
                Decision::Wait => true,
                Decision::Never => false,
                Decision::Match => {
                    if let Err(at) = self.matched.binary_search(&candidate.rule) {
                        self.matched.insert(at, candidate.rule);
                    }
                    passes = program.pass;
                    if program.reports && !program.pass {
                        out.push(self.found(program, candidate));
                    }
                    false
                }
            }
        });
        for state in &mut self.side.slots {
            state.due = false;
        }
        self.side.candidates = candidates;
        passes
    }

    fn candidate(&mut self, program: &Program, candidate: &mut Candidate) -> Decision {
        let fresh = std::mem::replace(&mut candidate.fresh, false);
        for (number, group) in program.groups.iter().enumerate() {
            let bit = 1_u32 << number.min(31);
            if candidate.met & bit != 0 {
                continue;
            }
            let Some(state) = self.side.slots.get(group.slot).copied() else { return Decision::Never };
            if !state.seen {
                // a buffer that will not come any more
                if self.stage.is_end() {
                    return Decision::Never;
                }
                continue;
            }
            let Some(slot) = self.rules.slots.get(group.slot) else { return Decision::Never };
            let final_now = state.complete || slot.target.buffer == Buffer::Payload && self.is_complete(slot);
            if !(fresh || state.due) || group.conditions.needs_end && !final_now {
                continue;
            }
            match self.conditions(group.slot, slot, &group.conditions) {
                Outcome::Holds(evidence) => {
                    candidate.met |= bit;
                    if number == program.evidence {
                        candidate.evidence = evidence.unwrap_or((0, 0));
                    }
                }
                outcome => {
                    if outcome == Outcome::Exhausted {
                        self.scratch.exhausted = self.scratch.exhausted.saturating_add(1);
                    }
                    if state.complete {
                        return Decision::Never;
                    }
                }
            }
        }
        let all = program.groups.len().min(32);
        let wanted = if all == 32 { u32::MAX } else { (1_u32 << all) - 1 };
        let segment =
            program.segment.is_none_or(|range| range.contains(self.subject.segment_length() as u64));
        if candidate.met != wanted
            || !segment
            || !program.bits.iter().all(|b| self.flow.agrees(b.operation, &b.bits))
        {
            return if self.stage.is_end() { Decision::Never } else { Decision::Wait };
        }
        for bits in &program.bits {
            self.flow.apply(bits.operation, &bits.bits);
        }
        Decision::Match
    }

    fn is_complete(&self, slot: &Slot) -> bool {
        self.stage.is_end() || self.subject.is_complete(slot.target.buffer, self.direction)
    }

    fn conditions(&mut self, index: usize, slot: &Slot, conditions: &crate::verify::Conditions) -> Outcome {
        let Some(shown) = self.subject.buffer(slot.target.buffer, self.direction) else {
            return Outcome::Fails;
        };
        let Scratch { slots, spare, .. } = &mut *self.scratch;
        let Some(prepared) = slots.get_mut(index) else { return Outcome::Fails };
        let mut lower = std::mem::take(&mut prepared.lower);
        let lowered = prepared.has_lower || conditions.needs_lower;
        let had_lower = std::mem::replace(&mut prepared.has_lower, lowered);
        let bytes = prepared.bytes(slot, shown, spare);
        if conditions.needs_lower && !had_lower {
            lower.clear();
            lower.extend(bytes.iter().map(u8::to_ascii_lowercase));
        }
        let outcome = conditions.verify(View { bytes, lower: &lower });
        if let Some(prepared) = slots.get_mut(index) {
            prepared.lower = lower;
        }
        outcome
    }

    fn found(&self, program: &Program, candidate: &Candidate) -> Match {
        let rule = candidate.rule as usize;
        let slot = program.groups.get(program.evidence).and_then(|g| self.rules.slots.get(g.slot));
        let buffer = slot.map_or(Buffer::Payload, |s| s.target.buffer);
        let (offset, length) = match slot {
            Some(s) if !s.target.transforms.is_empty() => {
                (0, self.subject.buffer(buffer, self.direction).map_or(0, <[u8]>::len))
            }
            _ => candidate.evidence,
        };
        let sid = self.rules.rules.get(rule).map_or(Sid(0), |r| r.sid);
        Match { rule, sid, buffer, direction: self.direction, offset, length }
    }
}

enum Decision {
    /// Not decided yet.
    Wait,
    /// Cannot match any more.
    Never,
    Match,
}

fn transform(slot: &Slot, bytes: &[u8], out: &mut Vec<u8>, spare: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(bytes);
    for transform in &slot.target.transforms {
        transform.apply(out, spare);
        std::mem::swap(out, spare);
    }
}
