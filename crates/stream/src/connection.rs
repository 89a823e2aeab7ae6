//! A TCP connection as a tracker in the path knows it: handshake, both directions, FIN, RST, reuse of ports.
//!
//! Rules that differ from an endpoint's, each against a way to part our view from the server's:
//! - a RST ends the flow only with exactly the next sequence number (RFC 5961); after it, data of its sender is
//!   dropped, so that a RST that the server ignored gains nothing;
//! - a SYN on a live flow changes nothing until the server answers it with a SYN/ACK that acknowledges it;
//! - which of several SYNs counts is said by the server's SYN/ACK;
//! - data with an old timestamp (PAWS) or without ACK is not delivered, as Linux would not.
use sakimori_packet::{Flags, Tcp};

use crate::anomaly::{Anomalies, Anomaly};
use crate::flow::Direction;
use crate::half::{Data, Deliver, Env, Half, Judged, MAX_WINDOW, Marks};
use crate::outcome::{Decision, End, Verdict};
use crate::policy::UrgentPolicy;
use crate::sequence::Sequence;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing but the handshake was seen.
    HalfOpen,
    /// The client has shown that it is there.
    Open,
    /// Both sides have sent FIN.
    Closed,
    /// One side has reset it.
    Reset,
    /// The application is done with it.
    Done,
    /// The application has blocked it.
    Blocked,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) state: State,
    pub(crate) client: Half,
    pub(crate) server: Half,
    /// A SYN came on the live connection: from whom, and with what initial sequence number.
    reuse: Option<(Direction, Sequence)>,
}

/// What a segment did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) verdict: Verdict,
    pub(crate) anomalies: Anomalies,
    pub(crate) probe: bool,
    pub(crate) then: Then,
}

/// What follows for the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It lives on.
    Nothing,
    /// It ends so; the entry stays to know late segments.
    End(End),
    /// A new connection has the same ports: end this one and begin anew with the packet at hand, a SYN, or the SYN/ACK
    /// to a SYN with this initial sequence number.
    Replace(Option<Sequence>),
}

/// A first segment from the client may acknowledge so much of the server's data that we did not see; a forged one
/// hits that range with a chance of 1 to 4,096.
const UNSEEN_GREETING: i64 = 1 << 20;

// === impl Step ===

impl Step {
    pub(crate) const fn pass() -> Self {
        Self { verdict: Verdict::Pass, anomalies: Anomalies::NONE, probe: false, then: Then::Nothing }
    }

    fn note(anomaly: Anomaly) -> Self {
        Self { anomalies: anomaly.into(), ..Self::pass() }
    }

    pub(crate) fn refuse(env: &mut Env<'_>, why: Anomaly) -> Self {
        let judged = Judged::refuse(env, why);
        if judged.verdict == Verdict::Drop {
            env.counters.dropped_invalid += 1;
        }
        Self { verdict: judged.verdict, anomalies: judged.anomalies, ..Self::pass() }
    }

    const fn then(then: Then) -> Self {
        Self { then, ..Self::pass() }
    }
}

// === impl Connection ===

impl Connection {
    pub(crate) fn new() -> Self {
        Self {
            state: State::HalfOpen,
            client: Half::new(Direction::ToServer),
            server: Half::new(Direction::ToClient),
            reuse: None,
        }
    }

    /// Sender and receiver of a direction.
    pub(crate) const fn pair(&mut self, direction: Direction) -> (&mut Half, &mut Half) {
        match direction {
            Direction::ToServer => (&mut self.client, &mut self.server),
            Direction::ToClient => (&mut self.server, &mut self.client),
        }
    }

    /// A connection met in its middle: all that is known comes from the segments themselves.
    pub(crate) const fn pick_up(&mut self) {
        self.state = State::Open;
    }

    /// Takes a segment.
    pub(crate) fn segment<D: Deliver>(
        &mut self,
        env: &mut Env<'_>,
        to: &mut D,
        direction: Direction,
        tcp: &Tcp<'_>,
    ) -> Step {
        if tcp.flags.syn() {
            return if tcp.flags.ack() {
                self.syn_ack(env, direction, tcp)
            } else {
                self.syn(env, to, direction, tcp)
            };
        }
        match self.state {
            State::Blocked => {
                env.counters.dropped_blocked += 1;
                return Step { verdict: Verdict::Drop, ..Step::pass() };
            }
            State::Reset if !tcp.payload.is_empty() => return Step::refuse(env, Anomaly::DataAfterReset),
            State::Done | State::Reset => return Step::pass(),
            State::HalfOpen | State::Open | State::Closed => {}
        }
        if tcp.flags.rst() {
            return self.reset(env, direction, tcp);
        }
        self.data(env, to, direction, tcp)
    }

    /// A SYN without ACK.
    fn syn<D: Deliver>(
        &mut self,
        env: &mut Env<'_>,
        to: &mut D,
        direction: Direction,
        tcp: &Tcp<'_>,
    ) -> Step {
        let first = Sequence(tcp.sequence);
        let fresh = matches!(direction, Direction::ToServer)
            && !self.client.marks.has(Marks::SYN)
            && !self.client.marks.has(Marks::KNOWN);
        let again = matches!(direction, Direction::ToServer)
            && self.client.marks.has(Marks::SYN)
            && self.client.first == first;
        match self.state {
            State::Closed | State::Reset | State::Done if !again => {
                return Step::then(Then::Replace(None));
            }
            State::Blocked => {
                if again || direction == Direction::ToClient {
                    env.counters.dropped_blocked += 1;
                    return Step { verdict: Verdict::Drop, ..Step::pass() };
                }
                return Step::then(Then::Replace(None));
            }
            State::Closed | State::Reset | State::Done => return Step::pass(),
            State::HalfOpen | State::Open => {}
        }
        if direction == Direction::ToClient {
            // Both sides calling each other at once, or the server's port used for a call of its own.
            if self.state == State::HalfOpen {
                return Step::refuse(env, Anomaly::BadHandshake);
            }
            self.reuse = Some((direction, first));
            return Step::note(Anomaly::SynOnLiveFlow);
        }
        let untouched = self.state == State::HalfOpen
            && !self.server.marks.has(Marks::SYN)
            && !self.client.marks.has(Marks::DATA);
        if fresh || (untouched && !again) {
            self.client.begin(first);
            remember_options(&mut self.client, tcp);
        } else if !again {
            self.reuse = Some((direction, first));
            if !tcp.payload.is_empty() {
                // Its data belongs to a connection that is not there yet; the client sends it again.
                return Step::refuse(env, Anomaly::SynOnLiveFlow);
            }
            return Step::note(Anomaly::SynOnLiveFlow);
        }
        if tcp.payload.is_empty() {
            return Step::pass();
        }
        // A server with Fast Open hands this to its program at once, one without ignores it and gets it again: it is
        // inspected now, and held against what comes later.
        let data = Data { sequence: first.plus(1), bytes: tcp.payload, acknowledged: None };
        let judged = self.client.accept(env, to, &data);
        let mut step = self.conclude(env, judged);
        step.anomalies.insert(Anomaly::DataOnSyn);
        step
    }

    fn syn_ack(&mut self, env: &mut Env<'_>, direction: Direction, tcp: &Tcp<'_>) -> Step {
        let acknowledged = Sequence(tcp.acknowledgement);
        if let Some((caller, first)) = self.reuse
            && caller == direction.opposite()
            && acknowledged == first.plus(1)
        {
            return Step::then(Then::Replace(Some(first)));
        }
        match self.state {
            State::Blocked => {
                env.counters.dropped_blocked += 1;
                return Step { verdict: Verdict::Drop, ..Step::pass() };
            }
            State::Closed | State::Reset | State::Done => return Step::pass(),
            State::HalfOpen | State::Open => {}
        }
        if direction == Direction::ToServer {
            return Step::refuse(env, Anomaly::BadHandshake);
        }
        let first = Sequence(tcp.sequence);
        if self.server.marks.has(Marks::SYN) && self.server.first == first {
            return Step::pass(); // sent again
        }
        let client = &mut self.client;
        let known = client.marks.has(Marks::SYN);
        let begins = client.first.plus(1);
        let within = acknowledged.ahead_of(begins) >= 0 && acknowledged.ahead_of(client.sent()) <= 0;
        let spoken = self.server.marks.has(Marks::DATA);
        if self.state == State::Open || spoken || (known && client.marks.has(Marks::DATA) && !within) {
            return Step::note(Anomaly::BadHandshake);
        }
        if !known || !within {
            // Another SYN of the same client got through: the server says which.
            client.begin(Sequence(tcp.acknowledgement.wrapping_sub(1)));
        }
        self.server.begin(first);
        self.server.ack = acknowledged;
        self.server.marks.set(Marks::ACK);
        remember_options(&mut self.server, tcp);
        Step::pass()
    }

    fn reset(&mut self, env: &mut Env<'_>, direction: Direction, tcp: &Tcp<'_>) -> Step {
        if self.state == State::Closed {
            return Step::pass();
        }
        let half_open = self.state == State::HalfOpen;
        let (sender, receiver) = self.pair(direction);
        let sequence = Sequence(tcp.sequence);
        let refused = half_open
            && direction == Direction::ToClient
            && tcp.flags.ack()
            && Sequence(tcp.acknowledgement) == receiver.sent();
        // What we never saw of a sender cannot be asked for: its own word counts, within a window.
        let unseen = !sender.marks.has(Marks::DATA)
            && direction == Direction::ToClient
            && (0..=MAX_WINDOW).contains(&sequence.ahead_of(sender.next));
        let unknown = !sender.marks.has(Marks::KNOWN);
        let exact = sequence == sender.expected() || sequence == sender.sent();
        if refused || unseen || exact || (unknown && direction == Direction::ToClient) {
            self.state = State::Reset;
            return Step::then(Then::End(End::Rst));
        }
        if unknown || sequence.ahead_of(sender.expected()).abs() <= MAX_WINDOW {
            // The receiver answers with a challenge (RFC 5961); a true sender then sends the exact number.
            return Step::note(Anomaly::BadReset);
        }
        Step::refuse(env, Anomaly::BadReset)
    }

    /// A segment without SYN and RST.
    fn data<D: Deliver>(
        &mut self,
        env: &mut Env<'_>,
        to: &mut D,
        direction: Direction,
        tcp: &Tcp<'_>,
    ) -> Step {
        let sequence = Sequence(tcp.sequence);
        let acknowledged = Sequence(tcp.acknowledgement);
        let matters = !tcp.payload.is_empty() || tcp.flags.fin();
        if matters && !tcp.flags.ack() {
            return Step::refuse(env, Anomaly::DataWithoutAck);
        }
        let negotiated = self.client.marks.has(Marks::TIMESTAMPS) && self.server.marks.has(Marks::TIMESTAMPS);
        let state = self.state;
        let (sender, receiver) = self.pair(direction);

        // PAWS (RFC 7323 §5.3), with the slack of one tick that Linux gives.
        let is_old = tcp.options.timestamps.is_some_and(|(value, _)| {
            negotiated
                && sender.marks.has(Marks::TIMESTAMP)
                && value.wrapping_sub(sender.timestamp).cast_signed() < -1
        });
        if is_old && matters {
            return Step::refuse(env, Anomaly::OldTimestamp);
        }

        let mut anomalies = Anomalies::NONE;
        if is_old {
            anomalies.insert(Anomaly::OldTimestamp);
        }
        if tcp.flags.has(Flags::URG) {
            anomalies.insert(Anomaly::Urgent);
            match env.limits.urgent {
                UrgentPolicy::Drop if env.enforcing => return Step::refuse(env, Anomaly::Urgent),
                UrgentPolicy::Inline => {}
                UrgentPolicy::Drop | UrgentPolicy::OutOfBand => {
                    let at = sequence.plus(usize::from(tcp.urgent.saturating_sub(1)));
                    if !tcp.payload.is_empty() {
                        sender.urgent(env.budget, at);
                    }
                }
            }
        }

        if !sender.marks.has(Marks::KNOWN) {
            // Met in its middle. What the peer has acknowledged is older than this segment; this segment is the start.
            sender.learn(sequence, false);
        }
        let ahead = sequence.ahead_of(sender.next);
        let blind = direction == Direction::ToClient && (!env.responses || !matters);
        let mut judged = Judged::pass();
        if blind {
            let end = sequence.plus(tcp.payload.len());
            if (0..=MAX_WINDOW).contains(&end.ahead_of(sender.next)) && !sender.marks.has(Marks::FIN) {
                let loose = matters || sender.marks.has(Marks::LOOSE) || ahead > 0;
                if !env.responses || !sender.marks.has(Marks::DATA) {
                    sender.learn(end, loose);
                }
            }
        } else if !tcp.payload.is_empty() {
            if ahead > window(sender, receiver) {
                return Step::refuse(env, Anomaly::OutOfWindow);
            }
            let peer = receiver.marks.has(Marks::ACK) && direction == Direction::ToServer;
            let acknowledged = peer.then_some(receiver.ack);
            judged = sender.accept(env, to, &Data { sequence, bytes: tcp.payload, acknowledged });
        }
        judged.anomalies = judged.anomalies.union(anomalies);
        if judged.verdict == Verdict::Drop {
            return self.conclude(env, judged);
        }

        // From here on the segment counts.
        let (sender, receiver) = self.pair(direction);
        if tcp.flags.ack() {
            if !sender.marks.has(Marks::ACK) || (0..=MAX_WINDOW).contains(&acknowledged.ahead_of(sender.ack))
            {
                sender.ack = acknowledged;
                sender.marks.set(Marks::ACK);
            }
            let unseen = !receiver.marks.has(Marks::DATA) && !receiver.marks.has(Marks::FIN);
            if !receiver.marks.has(Marks::KNOWN) {
                receiver.learn(acknowledged, direction == Direction::ToServer);
            } else if direction == Direction::ToServer
                && unseen
                && (1..=MAX_WINDOW).contains(&acknowledged.ahead_of(receiver.next))
            {
                receiver.learn(acknowledged, true);
            }
        }
        if let Some((value, echo)) = tcp.options.timestamps {
            let newer = value.wrapping_sub(sender.timestamp).cast_signed() >= 0;
            if !sender.marks.has(Marks::TIMESTAMP) || (ahead <= 0 && newer) {
                sender.timestamp = value;
                sender.echo = echo;
                sender.marks.set(Marks::TIMESTAMP);
            }
        }
        if tcp.flags.fin() {
            let fin = sequence.plus(tcp.payload.len());
            let ahead = fin.ahead_of(sender.next);
            let moved = sender.marks.has(Marks::FIN) && sender.fin != fin;
            if moved || !(0..=MAX_WINDOW).contains(&ahead) {
                judged = Judged { decision: judged.decision, ..Judged::refuse(env, Anomaly::DataAfterFin) };
                if judged.verdict == Verdict::Drop {
                    env.counters.dropped_invalid += 1;
                }
            } else {
                sender.fin = fin;
                sender.marks.set(Marks::FIN);
                let unseen = direction == Direction::ToClient && !sender.marks.has(Marks::DATA);
                if unseen || blind || sender.marks.has(Marks::LOOSE) || sender.marks.has(Marks::DONE) {
                    sender.learn(fin, false);
                }
            }
        }
        for half in [&mut self.client, &mut self.server] {
            half.finish(env.budget);
        }
        if state == State::HalfOpen && direction == Direction::ToServer && self.client_is_there(tcp) {
            self.state = State::Open;
        }
        self.conclude(env, judged)
    }

    /// Whether a segment of a half-open connection's client shows that it got the server's SYN/ACK.
    fn client_is_there(&self, tcp: &Tcp<'_>) -> bool {
        let acknowledged = Sequence(tcp.acknowledgement).ahead_of(self.server.first);
        tcp.flags.ack()
            && (!self.server.marks.has(Marks::SYN) || (1..=UNSEEN_GREETING).contains(&acknowledged))
    }

    /// Draws the consequences of what the application said and of two FINs.
    /// The packet at hand is not to pass, nor anything behind it.
    pub(crate) fn block(&mut self, env: &mut Env<'_>) -> Step {
        self.conclude(env, Judged { decision: Decision::Block, ..Judged::pass() })
    }

    fn conclude(&mut self, env: &mut Env<'_>, mut judged: Judged) -> Step {
        if let Some(direction) = judged.done {
            self.pair(direction).0.marks.set(Marks::DONE);
        }
        for half in [&mut self.client, &mut self.server] {
            if half.marks.has(Marks::DONE) {
                half.release(env.budget);
            }
        }
        if judged.decision == Decision::Continue
            && self.client.marks.has(Marks::DONE)
            && self.server.marks.has(Marks::DONE)
        {
            judged.decision = Decision::Done;
        }
        let finished = self.client.marks.has(Marks::FIN_DONE) && self.server.marks.has(Marks::FIN_DONE);
        let then = match judged.decision {
            Decision::Block => {
                self.state = State::Blocked;
                judged.verdict = Verdict::Drop;
                env.counters.blocked += 1;
                Then::End(End::Blocked)
            }
            Decision::Done => {
                self.state = State::Done;
                Then::End(End::Done)
            }
            _ if finished && self.state != State::Closed => {
                self.state = State::Closed;
                Then::End(End::Fin)
            }
            _ => Then::Nothing,
        };
        Step { verdict: judged.verdict, anomalies: judged.anomalies, probe: judged.probe, then }
    }
}

fn remember_options(half: &mut Half, tcp: &Tcp<'_>) {
    half.mss = tcp.options.mss.unwrap_or(0);
    half.scale = tcp.options.window_scale.unwrap_or(0).min(14);
    half.marks.unset(Marks::SCALE);
    half.marks.unset(Marks::TIMESTAMPS);
    half.marks.unset(Marks::TIMESTAMP);
    if tcp.options.window_scale.is_some() {
        half.marks.set(Marks::SCALE);
    }
    if let Some((value, echo)) = tcp.options.timestamps {
        half.marks.set(Marks::TIMESTAMPS);
        half.marks.set(Marks::TIMESTAMP);
        half.timestamp = value;
        half.echo = echo;
    }
}

/// How far ahead of the next byte the receiver's window can reach at most. Its real window is not seen.
fn window(sender: &Half, receiver: &Half) -> i64 {
    let both = sender.marks.has(Marks::SYN) && receiver.marks.has(Marks::SYN);
    if !both {
        return MAX_WINDOW;
    }
    let scaled = sender.marks.has(Marks::SCALE) && receiver.marks.has(Marks::SCALE);
    // The window counts from what the receiver has acknowledged, so at most so far from what we expect.
    65_535i64 << if scaled { receiver.scale } else { 0 }
}
