//! One call of [`RuleSet::inspect`]: candidates by the prefilters, then their conditions.
use super::{Candidate, Inspected, Match, Prepared, Scratch, Side, SlotState, transform};
use crate::buffer::{Buffer, Direction, Place, Stage};
use crate::condition::Check;
use crate::protocol::{Protocol, Transport};
use crate::ruleset::{Body, Known, Program, RuleSet, Section, Slot};
use crate::state::{Ends, FlowState, Hosts, Sets, Told};
use crate::verify::{Absence, Conditions, Outcome, View};
use sakimori_model::Sid;
use std::time::Duration;

/// Bytes of one growing buffer that may be verified again before only geometric growth counts.
const VERIFY_FREELY: u64 = 1 << 20;
/// Instances of one buffer that are looked at: a DNS message with more names than this is made up.
const INSTANCES: u32 = 256;

pub(super) struct Call<'a, T> {
    pub(super) rules: &'a RuleSet,
    pub(super) section: &'a Section,
    pub(super) subject: &'a T,
    pub(super) stage: Stage,
    pub(super) direction: Direction,
    pub(super) scratch: &'a mut Scratch,
    pub(super) flow: &'a mut FlowState,
    pub(super) hosts: &'a mut Hosts,
    pub(super) now: Duration,
    pub(super) side: &'a mut Side,
    pub(super) matched: &'a mut Vec<u32>,
}

enum Decision {
    /// Not decided yet.
    Wait,
    /// Cannot match any more.
    Never,
    Match(Told),
}

impl<T: Inspected> Call<'_, T> {
    /// Shows new bytes to the prefilters and collects candidates.
    pub(super) fn prefilter(&mut self) {
        let (rules, section) = (self.rules, self.section);
        if !std::mem::replace(&mut self.side.opened, true) {
            let port = self.subject.flow().server_port;
            let open = (0_u32..).zip(&section.slots).filter(|(_, slot)| {
                rules.slots.get(**slot as usize).is_some_and(|slot| slot.ports.contains(port))
            });
            self.side.slots = open.map(|(local, _)| SlotState { local, ..SlotState::default() }).collect();
        }
        if !self.stage.is_first_line() && !std::mem::replace(&mut self.side.bare, true) {
            let ends = self.ends();
            section.bare.find(ends.source.0, ends.destination.0, |program| self.add(program));
        }
        for index in 0..self.side.slots.len() {
            let Some(state) = self.side.slots.get(index).copied().filter(|state| !state.complete) else {
                continue;
            };
            let Some(number) = section.slots.get(state.local as usize).map(|slot| *slot as usize) else {
                continue;
            };
            let Some(slot) = rules.slots.get(number) else { continue };
            let state = if slot.target.buffer.is_several() {
                self.instances(slot, state)
            } else {
                self.slot(number, slot, state)
            };
            if let Some(place) = self.side.slots.get_mut(index) {
                *place = state;
            }
        }
    }

    /// A buffer that is there once.
    fn slot(&mut self, number: usize, slot: &Slot, mut state: SlotState) -> SlotState {
        let subject = self.subject;
        let buffer = slot.target.buffer;
        let Some(bytes) = subject.buffer(buffer, self.direction) else { return state };
        let complete = !buffer.grows() || self.stage.is_end() || subject.is_complete(buffer, self.direction);
        let transformed = !slot.target.transforms.is_empty();
        if transformed && !complete {
            return state;
        }
        let start = subject.start(buffer, self.direction);
        let end = start.saturating_add(bytes.len() as u64);
        let grown = end > state.scanned || !state.seen;
        if !state.seen {
            state.seen = true;
            for &program in &slot.unfiltered {
                self.add(program);
            }
        }
        if grown && !slot.prefilter.is_empty() {
            let mut lower = std::mem::take(&mut self.scratch.lower);
            lower.clear();
            let call = self.scratch.call;
            let Scratch { slots, spare, .. } = &mut *self.scratch;
            // what was there before is shown once more as far as a pattern can reach into it
            let mut again = 0;
            let fresh = if transformed {
                slots.get_mut(number).map_or(bytes, |p| p.of(call).bytes(slot, bytes, spare))
            } else {
                let overlap = slot.prefilter.overlap() as u64;
                let from = state.scanned.saturating_sub(overlap).saturating_sub(start);
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                again = usize::try_from(state.scanned.saturating_sub(start))
                    .unwrap_or(usize::MAX)
                    .saturating_sub(from);
                bytes.get(from..).unwrap_or_default()
            };
            lower.extend(fresh.iter().map(u8::to_ascii_lowercase));
            slot.prefilter.scan(&lower, again, |program| self.add(program));
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
        state
    }

    /// A buffer that comes several times: what has come since.
    fn instances(&mut self, slot: &Slot, mut state: SlotState) -> SlotState {
        let buffer = slot.target.buffer;
        let before = state.instances;
        while state.instances < INSTANCES {
            let index = state.instances as usize;
            let Some(bytes) = self.subject.instance(buffer, self.direction, index) else { break };
            state.instances += 1;
            if !std::mem::replace(&mut state.seen, true) {
                for &program in &slot.unfiltered {
                    self.add(program);
                }
            }
            if slot.prefilter.is_empty() {
                continue;
            }
            let mut lower = std::mem::take(&mut self.scratch.lower);
            lower.clear();
            if slot.target.transforms.is_empty() {
                lower.extend(bytes.iter().map(u8::to_ascii_lowercase));
            } else {
                transform(slot, bytes, &mut lower, &mut self.scratch.spare);
                lower.make_ascii_lowercase();
            }
            slot.prefilter.scan(&lower, 0, |program| self.add(program));
            self.scratch.lower = lower;
        }
        state.due = state.instances > before;
        state.complete = self.stage.is_end() || state.instances >= INSTANCES;
        state
    }

    /// Makes a rule a candidate, if it is about this flow.
    fn add(&mut self, program: u32) {
        let Err(at) = self.side.seen.binary_search(&program) else { return };
        self.side.seen.insert(at, program);
        let Some((rule, body)) = self.body(program) else { return };
        if self.matched.binary_search(&rule).is_ok() || !self.concerns(body) {
            return;
        }
        let at = self.side.candidates.partition_point(|c| c.program < program);
        self.side.candidates.insert(at, Candidate { program, met: 0, fresh: true, evidence: (0, 0) });
    }

    fn body(&self, program: u32) -> Option<(u32, &'_ Body)> {
        let program = self.rules.programs.get(program as usize)?;
        self.rules.bodies.get(program.rule as usize).map(|body| (program.rule, body))
    }

    /// Source and destination of what is looked at.
    pub(super) fn ends(&self) -> Ends {
        let flow = self.subject.flow();
        let (client, server) = ((flow.client, flow.client_port), (flow.server, flow.server_port));
        let (source, destination) = match self.direction {
            Direction::ToServer => (client, server),
            Direction::ToClient => (server, client),
        };
        Ends { source, destination }
    }

    fn concerns(&self, body: &Body) -> bool {
        let Ends { source, destination } = self.ends();
        let transport = self.subject.transport();
        let carried = match body.protocol.transport() {
            // what of it is TCP is looked at as a stream
            Transport::Any => !(body.also_stream && self.stage.is_packet() && transport == Transport::Tcp),
            Transport::TcpOrUdp => matches!(transport, Transport::Tcp | Transport::Udp),
            wanted => wanted == transport,
        };
        let family = match body.protocol {
            Protocol::Ipv4 | Protocol::Icmpv4 => source.0.is_ipv4(),
            Protocol::Ipv6 | Protocol::Icmpv6 => source.0.is_ipv6(),
            _ => true,
        };
        let odd = !self.subject.is_odd_only() || body.checks.iter().any(|c| matches!(c, Check::Event(_)));
        let again = body.addresses_alone
            && self.stage.is_packet()
            && self.flow.addressed.get(self.direction.index()) == Some(&true);
        !again
            && (body.pass || !self.subject.is_pass_only())
            && odd
            && carried
            && family
            && body.flow.established.is_none_or(|e| e == self.subject.flow().established)
            && body.headers.iter().any(|header| {
                header.fits(source, destination) || header.both_ways && header.fits(destination, source)
            })
    }

    /// Verifies candidates. True when a rule says to let the transaction pass.
    pub(super) fn verify(&mut self, out: &mut Vec<Match>) -> bool {
        let rules = self.rules;
        let mut candidates = std::mem::take(&mut self.side.candidates);
        let mut passes = false;
        let before = out.len();
        candidates.retain_mut(|candidate| {
            let Some(program) = rules.programs.get(candidate.program as usize) else { return false };
            let Some(body) = rules.bodies.get(program.rule as usize) else { return false };
            if passes || self.matched.binary_search(&program.rule).is_ok() {
                return false;
            }
            let told = match self.candidate(program, body, candidate) {
                Decision::Wait => return true,
                Decision::Never => return false,
                Decision::Match(told) => told,
            };
            if body.rate.is_some() && program.place == Place::Stream {
                // each time that its pattern comes is counted
                if let Ok(at) = self.side.seen.binary_search(&candidate.program) {
                    self.side.seen.remove(at);
                }
            } else if let Err(at) = self.matched.binary_search(&program.rule) {
                self.matched.insert(at, program.rule);
            }
            if told != Told::Not {
                passes = body.pass;
                self.flow.passed |= body.passes_flow;
                if body.pass {
                    out.truncate(before);
                }
                if body.stops || body.reports && (!body.pass || body.tells_pass) {
                    out.push(self.found(program, body, candidate, told));
                }
            }
            false
        });
        for state in &mut self.side.slots {
            state.due = false;
        }
        self.side.candidates = candidates;
        passes
    }

    fn state(&self, local: u32) -> Option<SlotState> {
        let at = self.side.slots.binary_search_by_key(&local, |state| state.local).ok()?;
        self.side.slots.get(at).copied()
    }

    fn candidate(&mut self, program: &Program, body: &Body, candidate: &mut Candidate) -> Decision {
        let rules = self.rules;
        let fresh = std::mem::replace(&mut candidate.fresh, false);
        for (group, (conditions, local)) in body.groups.iter().zip(&program.slots).enumerate() {
            let bit = 1_u32 << group.min(31);
            if candidate.met & bit != 0 {
                continue;
            }
            let Some(state) = self.state(*local) else { return Decision::Never };
            if !state.seen {
                // a buffer that will not come any more
                if self.stage.is_end() {
                    if conditions.absence.is_none() {
                        return Decision::Never;
                    }
                    candidate.met |= bit;
                }
                continue;
            }
            if conditions.absence == Some(Absence::Wanted) {
                return Decision::Never;
            }
            let Some(number) = self.section.slots.get(*local as usize).map(|slot| *slot as usize) else {
                return Decision::Never;
            };
            let Some(slot) = rules.slots.get(number) else { return Decision::Never };
            let several = slot.target.buffer.is_several();
            let final_now =
                several || state.complete || slot.target.buffer == Buffer::Payload && self.is_complete(slot);
            if !(fresh || state.due) || conditions.needs_end && !final_now {
                continue;
            }
            let outcome = if several {
                self.any_instance(slot, state, conditions)
            } else {
                self.conditions(number, slot, conditions)
            };
            match outcome {
                Outcome::Holds(evidence) => {
                    candidate.met |= bit;
                    if group == body.evidence {
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
        let all = body.groups.len().min(32);
        let wanted = if all == 32 { u32::MAX } else { (1_u32 << all) - 1 };
        let spoken = !body.protocol.is_application() || self.subject.protocol() == Some(body.protocol);
        if candidate.met != wanted
            || !spoken
            || !body.checks.iter().all(|check| self.check(check))
            || !body.known.iter().all(|known| self.agrees(known))
        {
            return if self.stage.is_end() { Decision::Never } else { Decision::Wait };
        }
        for known in &body.known {
            self.apply(known);
        }
        let ends = self.ends();
        let told = match &body.rate {
            Some(rate) => self.hosts.count(self.now, ends, program.rule, rate),
            None => Told::Aloud,
        };
        Decision::Match(told)
    }

    fn agrees(&mut self, known: &Known) -> bool {
        match known {
            Known::FlowBits { operation, bits } => self.flow.agrees(*operation, bits),
            Known::HostBits(bit) => {
                let ends = self.ends();
                self.hosts.agrees(self.now, ends, bit)
            }
            Known::FlowInt { name, operation } => self.flow.number_agrees(*name, *operation),
            Known::Addresses(set) => {
                let ends = self.ends();
                !set.set.operation.asks() || set.holds(ends, &mut self.sets())
            }
        }
    }

    fn apply(&mut self, known: &Known) {
        match known {
            Known::FlowBits { operation, bits } => self.flow.apply(*operation, bits),
            Known::HostBits(bit) => {
                let ends = self.ends();
                self.hosts.apply(self.now, ends, bit);
            }
            Known::FlowInt { name, operation } => self.flow.number_apply(*name, *operation),
            Known::Addresses(set) => {
                let ends = self.ends();
                if !set.set.operation.asks() {
                    set.holds(ends, &mut self.sets());
                }
            }
        }
    }

    fn sets(&mut self) -> Sets<'_> {
        Sets { loaded: &self.rules.sets, hosts: self.hosts, now: self.now }
    }

    fn is_complete(&self, slot: &Slot) -> bool {
        self.stage.is_end() || self.subject.is_complete(slot.target.buffer, self.direction)
    }

    fn conditions(&mut self, number: usize, slot: &Slot, conditions: &Conditions) -> Outcome {
        let Some(shown) = self.subject.buffer(slot.target.buffer, self.direction) else {
            return Outcome::Fails;
        };
        let sender = self.ends().source.0;
        let call = self.scratch.call;
        let Scratch { slots, spare, .. } = &mut *self.scratch;
        let Some(prepared) = slots.get_mut(number) else { return Outcome::Fails };
        let prepared = prepared.of(call);
        let mut lower = std::mem::take(&mut prepared.lower);
        let lowered = prepared.has_lower || conditions.needs_lower;
        let had_lower = std::mem::replace(&mut prepared.has_lower, lowered);
        let bytes = prepared.bytes(slot, shown, spare);
        if conditions.needs_lower && !had_lower {
            lower.clear();
            lower.extend(bytes.iter().map(u8::to_ascii_lowercase));
        }
        let little = self.subject.is_little_endian(self.direction);
        let mut sets = Sets { loaded: &self.rules.sets, hosts: self.hosts, now: self.now };
        let outcome = conditions.verify(View { bytes, lower: &lower, sender, little }, &mut sets);
        if let Some(prepared) = slots.get_mut(number) {
            prepared.lower = lower;
        }
        outcome
    }

    /// Whether the conditions hold of one of a buffer's instances.
    fn any_instance(&mut self, slot: &Slot, state: SlotState, conditions: &Conditions) -> Outcome {
        let sender = self.ends().source.0;
        let little = self.subject.is_little_endian(self.direction);
        let [mut bytes, mut lower] = std::mem::take(&mut self.scratch.instance);
        let mut outcome = Outcome::Fails;
        for index in 0..state.instances as usize {
            let Some(shown) = self.subject.instance(slot.target.buffer, self.direction, index) else { break };
            let shown = if slot.target.transforms.is_empty() {
                shown
            } else {
                transform(slot, shown, &mut bytes, &mut self.scratch.spare);
                &bytes
            };
            lower.clear();
            if conditions.needs_lower {
                lower.extend(shown.iter().map(u8::to_ascii_lowercase));
            }
            let mut sets = Sets { loaded: &self.rules.sets, hosts: self.hosts, now: self.now };
            match conditions.verify(View { bytes: shown, lower: &lower, sender, little }, &mut sets) {
                Outcome::Fails => {}
                decided => outcome = decided,
            }
            if matches!(outcome, Outcome::Holds(_)) {
                break;
            }
        }
        self.scratch.instance = [bytes, lower];
        outcome
    }

    fn found(&self, program: &Program, body: &Body, candidate: &Candidate, told: Told) -> Match {
        let rule = program.rule as usize;
        let slot = program
            .slots
            .get(body.evidence)
            .and_then(|local| self.section.slots.get(*local as usize))
            .and_then(|slot| self.rules.slots.get(*slot as usize));
        let buffer = slot.map_or(Buffer::Payload, |s| s.target.buffer);
        let (offset, length) = match slot {
            Some(s) if !s.target.transforms.is_empty() => {
                (0, self.subject.buffer(buffer, self.direction).map_or(0, <[u8]>::len))
            }
            _ => candidate.evidence,
        };
        let sid = self.rules.rules.get(rule).map_or(Sid(0), |r| r.sid);
        Match { rule, sid, buffer, direction: self.direction, offset, length, reported: told == Told::Aloud }
    }
}

impl Prepared {
    /// What was prepared in this call.
    fn of(&mut self, call: u64) -> &mut Self {
        if self.call != call {
            (self.call, self.has_transformed, self.has_lower) = (call, false, false);
        }
        self
    }
}
