//! One direction of a connection: what is expected, what was delivered, what waits.
use std::time::Duration;

use crate::anomaly::{Anomalies, Anomaly};
use crate::flow::Direction;
use crate::history::{Compared, History};
use crate::limits::{Limits, SEGMENT_OVERHEAD};
use crate::outcome::{Counters, Decision, Verdict};
use crate::pending::Pending;
use crate::policy::{GapPolicy, OverlapPolicy};
use crate::sequence::Sequence;

/// What all flows share while one packet is processed.
pub(crate) struct Env<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) policy: OverlapPolicy,
    pub(crate) enforcing: bool,
    pub(crate) responses: bool,
    /// Old bytes of this flow pass unverified: it was under way when we started.
    pub(crate) grace: bool,
    pub(crate) now: Duration,
    pub(crate) counters: &'a mut Counters,
    pub(crate) budget: &'a mut Budget,
}

/// What the buffers of all flows hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    pub(crate) pending: usize,
    pub(crate) history: usize,
    /// Directions that have buffers.
    pub(crate) buffers: usize,
}

/// Where delivered bytes go.
pub(crate) trait Deliver {
    /// Bytes in order; `next` is the sequence number after them.
    fn data(&mut self, direction: Direction, next: Sequence, bytes: &[u8]) -> Decision;
    /// Bytes that are missing; `next` is the sequence number after them.
    fn gap(&mut self, direction: Direction, next: Sequence, bytes: u64) -> Decision;
}

/// A segment's bytes and what is known about them.
pub(crate) struct Data<'a> {
    pub(crate) sequence: Sequence,
    pub(crate) bytes: &'a [u8],
    /// How far the peer has acknowledged, if it was seen.
    pub(crate) acknowledged: Option<Sequence>,
}

/// What became of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) anomalies: Anomalies,
    pub(crate) probe: bool,
    pub(crate) decision: Decision,
    /// The other direction, when `DoneDirection` came for it.
    pub(crate) done: Option<Direction>,
}

/// Facts about a direction, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks(u16);

impl Marks {
    /// `next` is known.
    pub(crate) const KNOWN: u16 = 1;
    /// `next` is a lower bound only: the first data sets it.
    pub(crate) const LOOSE: u16 = 1 << 1;
    /// `ack` is known.
    pub(crate) const ACK: u16 = 1 << 2;
    /// `fin` is known.
    pub(crate) const FIN: u16 = 1 << 3;
    /// All bytes up to the FIN are delivered.
    pub(crate) const FIN_DONE: u16 = 1 << 4;
    /// The SYN offered timestamps.
    pub(crate) const TIMESTAMPS: u16 = 1 << 5;
    /// `timestamp` is known.
    pub(crate) const TIMESTAMP: u16 = 1 << 6;
    /// The application wants no more of this direction.
    pub(crate) const DONE: u16 = 1 << 7;
    /// Payload was seen.
    pub(crate) const DATA: u16 = 1 << 8;
    /// The SYN was seen: `first` is its initial sequence number.
    pub(crate) const SYN: u16 = 1 << 9;
    /// The SYN offered window scaling.
    pub(crate) const SCALE: u16 = 1 << 10;

    pub(crate) const fn has(self, mark: u16) -> bool {
        self.0 & mark != 0
    }

    pub(crate) const fn set(&mut self, mark: u16) {
        self.0 |= mark;
    }

    pub(crate) const fn unset(&mut self, mark: u16) {
        self.0 &= !mark;
    }
}

#[derive(Debug, Default)]
struct Buffers {
    history: History,
    pending: Pending,
    /// Since when the first hole stands.
    hole_since: Duration,
    /// The urgent byte, which is not delivered.
    urgent: Option<Sequence>,
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Half {
    pub(crate) direction: Direction,
    pub(crate) marks: Marks,
    /// The next expected byte.
    pub(crate) next: Sequence,
    /// The initial sequence number.
    pub(crate) first: Sequence,
    pub(crate) fin: Sequence,
    /// The latest acknowledgement that this side sent.
    pub(crate) ack: Sequence,
    /// The latest timestamp in order, and the latest echo.
    pub(crate) timestamp: u32,
    pub(crate) echo: u32,
    pub(crate) mss: u16,
    pub(crate) scale: u8,
    buffers: Option<Box<Buffers>>,
}

/// No receiver's window is larger (RFC 7323 §2.3), and sequence arithmetic is right within it.
pub(crate) const MAX_WINDOW: i64 = 1 << 30;

// === impl Judged ===

impl Judged {
    pub(crate) const fn pass() -> Self {
        Self {
            verdict: Verdict::Pass,
            anomalies: Anomalies::NONE,
            probe: false,
            decision: Decision::Continue,
            done: None,
        }
    }

    /// A refusal: dropped when enforcing, else just not looked at.
    pub(crate) fn refuse(env: &Env<'_>, why: Anomaly) -> Self {
        Self {
            verdict: if env.enforcing { Verdict::Drop } else { Verdict::Pass },
            anomalies: why.into(),
            ..Self::pass()
        }
    }

    fn decide(&mut self, half: &mut Half, decision: Decision) {
        match decision {
            Decision::DoneDirection(direction) if direction == half.direction => half.marks.set(Marks::DONE),
            Decision::DoneDirection(other) => self.done = Some(other),
            Decision::Done if self.decision == Decision::Continue => {
                half.marks.set(Marks::DONE);
                self.decision = Decision::Done;
            }
            Decision::Continue | Decision::Done => {}
            Decision::Block => self.decision = Decision::Block,
        }
    }
}

// === impl Half ===

impl Half {
    pub(crate) fn new(direction: Direction) -> Self {
        Self {
            direction,
            marks: Marks::default(),
            next: Sequence(0),
            first: Sequence(0),
            fin: Sequence(0),
            ack: Sequence(0),
            timestamp: 0,
            echo: 0,
            mss: 0,
            scale: 0,
            buffers: None,
        }
    }

    /// The sequence number that the receiver expects next, the FIN counted.
    pub(crate) fn expected(&self) -> Sequence {
        self.next.plus(usize::from(self.marks.has(Marks::FIN_DONE)))
    }

    /// The sequence number after all that the sender has sent, as far as we took it.
    pub(crate) fn sent(&self) -> Sequence {
        let held = self.buffers.as_ref().and_then(|b| b.pending.end());
        let end = held.unwrap_or(self.next).later(self.expected());
        if self.marks.has(Marks::FIN) { end.later(self.fin.plus(1)) } else { end }
    }

    pub(crate) fn has_buffers(&self) -> bool {
        self.buffers.is_some()
    }

    /// Whether bytes wait behind a hole.
    pub(crate) fn is_waiting(&self) -> bool {
        self.buffers.as_ref().is_some_and(|b| !b.pending.is_empty())
    }

    /// Begins with an initial sequence number; what came before under another one is void.
    pub(crate) fn begin(&mut self, first: Sequence) {
        self.first = first;
        self.marks.set(Marks::SYN);
        self.marks.unset(Marks::FIN);
        self.marks.unset(Marks::FIN_DONE);
        self.learn(first.plus(1), false);
    }

    /// Sets the next expected byte from what somebody else told.
    pub(crate) fn learn(&mut self, next: Sequence, loose: bool) {
        self.next = next;
        self.marks.set(Marks::KNOWN);
        if loose {
            self.marks.set(Marks::LOOSE);
        } else {
            self.marks.unset(Marks::LOOSE);
        }
    }

    /// Takes a segment's bytes; `data.bytes` is not empty and `next` is known.
    pub(crate) fn accept<D: Deliver>(&mut self, env: &mut Env<'_>, to: &mut D, data: &Data<'_>) -> Judged {
        let length = i64::try_from(data.bytes.len()).unwrap_or(i64::MAX);
        if self.marks.has(Marks::DONE) {
            if !self.marks.has(Marks::FIN) {
                self.next = self.next.later(data.sequence.plus(data.bytes.len()));
            }
            return Judged::pass();
        }
        if self.marks.has(Marks::LOOSE) {
            self.marks.unset(Marks::LOOSE);
            self.next = data.sequence;
        }
        self.marks.set(Marks::DATA);
        let ahead = data.sequence.ahead_of(self.next);
        if ahead > MAX_WINDOW || ahead + length < -MAX_WINDOW {
            return Judged::refuse(env, Anomaly::OutOfWindow);
        }
        let end = data.sequence.plus(data.bytes.len());
        let mut judged = Judged::pass();
        if self.marks.has(Marks::FIN) && end.ahead_of(self.fin) > 0 {
            if env.enforcing || self.marks.has(Marks::FIN_DONE) {
                return Judged::refuse(env, Anomaly::DataAfterFin);
            }
            // The FIN came from nowhere: data goes on past it.
            self.marks.unset(Marks::FIN);
            judged.anomalies.insert(Anomaly::DataAfterFin);
        }

        let old = usize::try_from((-ahead).clamp(0, length)).unwrap_or(0);
        let (again, new) = data.bytes.split_at_checked(old).unwrap_or((data.bytes, &[]));
        if !again.is_empty() {
            let back = usize::try_from(-ahead).unwrap_or(usize::MAX);
            let compared =
                self.buffers.as_ref().map_or(Compared::Unknown, |b| b.history.compare(back, again));
            let one_below = again.len() == 1 && back == 1 && new.is_empty();
            match compared {
                Compared::Same => {}
                // The probe answers for the receiver, so the old stack's keep-alive works without its byte.
                Compared::Different if one_below => {
                    return Judged { probe: env.enforcing, ..Judged::refuse(env, Anomaly::KeepAlive) };
                }
                Compared::Different => {
                    judged.anomalies.insert(Anomaly::InconsistentRetransmission);
                    if env.enforcing {
                        env.counters.dropped_inconsistent += 1;
                        return Judged { verdict: Verdict::Drop, ..judged };
                    }
                }
                Compared::Unknown if env.grace => {}
                Compared::Unknown => {
                    judged.anomalies.insert(Anomaly::UnverifiableRetransmission);
                    if env.enforcing {
                        env.counters.dropped_unverifiable += 1;
                        return Judged { verdict: Verdict::Drop, probe: true, ..judged };
                    }
                }
            }
        }
        if new.is_empty() {
            return judged;
        }
        let new = Data { sequence: data.sequence.plus(old), bytes: new, acknowledged: data.acknowledged };
        self.take(env, to, &mut judged, &new);
        judged
    }

    /// Takes bytes at or beyond the next expected one.
    fn take<D: Deliver>(&mut self, env: &mut Env<'_>, to: &mut D, judged: &mut Judged, new: &Data<'_>) {
        // The hot path: in order, nothing waits.
        let Some(buffers) = self.buffers.as_ref().filter(|b| !b.pending.is_empty()) else {
            if new.sequence == self.next {
                self.deliver(env, to, judged, new.bytes);
                return;
            }
            self.wait(env, to, judged, new);
            return;
        };
        let (overlaps, differs) = buffers.pending.overlap(new.sequence, new.bytes);
        if differs {
            judged.anomalies.insert(Anomaly::InconsistentOverlap);
            if env.enforcing {
                env.counters.dropped_inconsistent += 1;
                judged.verdict = Verdict::Drop;
                return;
            }
        }
        if new.sequence != self.next {
            self.wait(env, to, judged, new);
            return;
        }
        if overlaps && differs {
            self.hold(env, new.sequence, new.bytes);
        } else {
            self.deliver(env, to, judged, new.bytes);
        }
        self.drain(env, to, judged);
    }

    /// Out of order: closes a hole that will not be filled, or holds the bytes.
    fn wait<D: Deliver>(&mut self, env: &mut Env<'_>, to: &mut D, judged: &mut Judged, new: &Data<'_>) {
        let waiting = self.buffers.as_ref().filter(|b| !b.pending.is_empty());
        let first = waiting.and_then(|b| b.pending.first()).unwrap_or(new.sequence);
        let first = if first.ahead_of(new.sequence) < 0 { first } else { new.sequence };
        let cost = new.bytes.len() + SEGMENT_OVERHEAD;
        let full = waiting.is_some_and(|b| b.pending.segments() >= env.limits.pending_segments)
            || waiting.map_or(0, |b| b.pending.cost()) + cost > env.limits.pending_per_direction
            || env.budget.pending + cost > env.limits.pending_total;
        let too_long =
            waiting.is_some_and(|b| env.now.saturating_sub(b.hole_since) >= env.limits.gap_timeout);
        // The receiver has what we miss: the kernel let it by. Its own acknowledgement is proof, but only so far.
        let proven = new.acknowledged.filter(|ack| ack.ahead_of(self.next) > 0);

        let until = match proven {
            Some(ack) if ack.ahead_of(first) < 0 => Some(ack),
            Some(_) => Some(first),
            // Nobody can be asked to send again where packets cannot be dropped.
            None if too_long || (full && !env.enforcing) => Some(first),
            None => None,
        };
        if let Some(until) = until {
            self.gap(env, to, judged, until);
            self.drain(env, to, judged);
            if judged.decision == Decision::Block {
                return;
            }
            // What came behind the hole is now old, next, or behind another hole; each turn closes one of them.
            let ahead = new.sequence.ahead_of(self.next);
            if ahead <= 0 {
                let skip = usize::try_from(-ahead).unwrap_or(usize::MAX);
                if let Some(rest) = new.bytes.get(skip..).filter(|rest| !rest.is_empty()) {
                    self.deliver(env, to, judged, rest);
                    self.drain(env, to, judged);
                }
                return;
            }
            self.wait(env, to, judged, &Data { acknowledged: None, ..*new });
            return;
        }
        if full {
            judged.anomalies.insert(Anomaly::PendingFull);
            judged.verdict = Verdict::Drop;
            env.counters.dropped_pending_full += 1;
            return;
        }
        self.hold(env, new.sequence, new.bytes);
    }

    fn hold(&mut self, env: &mut Env<'_>, sequence: Sequence, new: &[u8]) {
        let buffers = buffers(&mut self.buffers, env.budget);
        if buffers.pending.is_empty() {
            buffers.hole_since = env.now;
        }
        let before = buffers.pending.cost();
        buffers.pending.insert(sequence, new, env.policy);
        env.budget.pending = env.budget.pending + buffers.pending.cost() - before;
        env.counters.segments_held += 1;
    }

    /// Delivers the bytes at `next`.
    fn deliver<D: Deliver>(&mut self, env: &mut Env<'_>, to: &mut D, judged: &mut Judged, bytes: &[u8]) {
        let begin = self.next;
        self.next = begin.plus(bytes.len());
        if !self.marks.has(Marks::DONE) && judged.decision != Decision::Block {
            let urgent = self.buffers.as_ref().and_then(|b| b.urgent).map(|urgent| urgent.ahead_of(begin));
            let cut = urgent.and_then(|at| usize::try_from(at).ok()).filter(|at| *at < bytes.len());
            env.counters.bytes_delivered += bytes.len() as u64;
            let decision = match cut {
                None => to.data(self.direction, self.next, bytes),
                Some(at) => {
                    let first = bytes.get(..at).filter(|part| !part.is_empty());
                    let decision = first
                        .map_or(Decision::Continue, |part| to.data(self.direction, begin.plus(at), part));
                    judged.decide(self, decision);
                    match bytes.get(at + 1..).filter(|part| !part.is_empty()) {
                        Some(part)
                            if judged.decision == Decision::Continue && !self.marks.has(Marks::DONE) =>
                        {
                            to.data(self.direction, self.next, part)
                        }
                        _ => Decision::Continue,
                    }
                }
            };
            judged.decide(self, decision);
        }
        let buffers = buffers(&mut self.buffers, env.budget);
        let before = buffers.history.memory_bytes();
        buffers.history.push(bytes, env.limits.history_per_direction);
        env.budget.history = env.budget.history + buffers.history.memory_bytes() - before;
    }

    /// Delivers what waits at `next`.
    fn drain<D: Deliver>(&mut self, env: &mut Env<'_>, to: &mut D, judged: &mut Judged) {
        loop {
            let Some(buffers) = self.buffers.as_mut() else { return };
            let before = buffers.pending.cost();
            let Some((bytes, skip)) = buffers.pending.take(self.next) else { return };
            env.budget.pending = env.budget.pending + buffers.pending.cost() - before;
            // A hole behind this piece is a new one.
            buffers.hole_since = env.now;
            if let Some(rest) = bytes.get(skip..).filter(|rest| !rest.is_empty()) {
                self.deliver(env, to, judged, rest);
            }
        }
    }

    /// Gives up the bytes before `until`.
    fn gap<D: Deliver>(&mut self, env: &mut Env<'_>, to: &mut D, judged: &mut Judged, until: Sequence) {
        let missing = u64::try_from(until.ahead_of(self.next)).unwrap_or(0);
        self.next = until;
        judged.anomalies.insert(Anomaly::Gap);
        env.counters.gaps += 1;
        env.counters.gap_bytes += missing;
        // From here on nobody can send the missing bytes: nothing before the gap can be verified any more.
        self.forget_history(env.budget);
        let decision = if self.marks.has(Marks::DONE) {
            Decision::Continue
        } else {
            to.gap(self.direction, self.next, missing)
        };
        judged.decide(self, decision);
        if env.limits.gap == GapPolicy::Block {
            judged.decision = Decision::Block;
        }
    }

    /// The flow is over and nothing can be dropped: delivers what waits behind holes.
    pub(crate) fn flush<D: Deliver>(&mut self, env: &mut Env<'_>, to: &mut D) -> Judged {
        let mut judged = Judged::pass();
        while judged.decision == Decision::Continue
            && let Some(first) = self.buffers.as_ref().and_then(|b| b.pending.first())
        {
            self.gap(env, to, &mut judged, first);
            self.drain(env, to, &mut judged);
        }
        judged
    }

    /// Closes the direction once all bytes up to its FIN are delivered; what was held beyond it never was part of it.
    pub(crate) fn finish(&mut self, budget: &mut Budget) {
        if !self.marks.has(Marks::FIN) || self.next != self.fin {
            return;
        }
        self.marks.set(Marks::FIN_DONE);
        if let Some(buffers) = self.buffers.as_mut() {
            budget.pending -= buffers.pending.cost();
            buffers.pending = Pending::default();
        }
    }

    /// Remembers the urgent byte.
    pub(crate) fn urgent(&mut self, budget: &mut Budget, at: Sequence) {
        buffers(&mut self.buffers, budget).urgent = Some(at);
    }

    /// Forgets delivered bytes: what comes again is unverifiable from now on.
    pub(crate) fn forget_history(&mut self, budget: &mut Budget) {
        if let Some(buffers) = self.buffers.as_mut() {
            budget.history -= buffers.history.memory_bytes();
            buffers.history.clear();
            if buffers.pending.is_empty() && buffers.urgent.is_none() {
                self.release(budget);
            }
        }
    }

    /// Gives all buffers back.
    pub(crate) fn release(&mut self, budget: &mut Budget) {
        if let Some(buffers) = self.buffers.take() {
            budget.history -= buffers.history.memory_bytes();
            budget.pending -= buffers.pending.cost();
            budget.buffers -= 1;
        }
    }

    /// Bytes of delivered data and of waiting data held.
    pub(crate) fn held(&self) -> (usize, usize) {
        self.buffers.as_ref().map_or((0, 0), |b| (b.history.memory_bytes(), b.pending.cost()))
    }

    /// Panics where the structure is broken. For tests and fuzzing.
    pub(crate) fn check_invariants(&self, limits: &Limits) {
        if let Some(buffers) = self.buffers.as_ref() {
            buffers.pending.check_invariants(self.next);
            assert!(
                buffers.pending.cost() <= limits.pending_per_direction.saturating_add(OVERLAP_SLACK),
                "H1: waiting data is bounded"
            );
            assert!(
                buffers.history.memory_bytes() <= limits.history_per_direction,
                "H2: delivered data is bounded"
            );
        }
        if self.marks.has(Marks::FIN_DONE) {
            assert_eq!(self.next, self.fin, "H3: nothing is delivered past the FIN");
        }
    }
}

/// A new segment that fills several holes becomes several pieces, each with its overhead.
const OVERLAP_SLACK: usize = 1 << 17;

/// The memory that one direction's buffers take besides their bytes.
pub(crate) const BUFFERS_BYTES: usize = size_of::<Buffers>();

fn buffers<'a>(slot: &'a mut Option<Box<Buffers>>, budget: &mut Budget) -> &'a mut Buffers {
    slot.get_or_insert_with(|| {
        budget.buffers += 1;
        Box::default()
    })
}
