//! Inspection: stages in, matches out.
//!
//! Each call does three things. New bytes of each buffer go through its prefilter, which names
//! candidates. Candidates whose buffers changed are verified, each buffer on its own; a candidate
//! all of whose buffers hold and whose flowbits agree is a match. What is left waits in
//! [`TransactionState`]. A growing buffer is scanned once, and its candidates are verified again
//! only while that stays proportional to its length.
use crate::buffer::{Buffer, Direction, Place, Stage};
use crate::event::EventName;
use crate::fact::Fact;
use crate::protocol::{Protocol, Transport};
use crate::ruleset::{RuleSet, Slot};
use crate::state::{FlowState, Hosts};
use sakimori_model::Sid;
use std::net::IpAddr;
use std::time::Duration;

mod call;
mod checks;

use call::Call;

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

    /// One of the instances of a buffer that comes [several](Buffer::is_several) times, counted from 0.
    ///
    /// Those that were there once stay; more may follow.
    fn instance(&self, buffer: Buffer, direction: Direction, index: usize) -> Option<&[u8]> {
        if index == 0 { self.buffer(buffer, direction) } else { None }
    }

    /// The flow.
    fn flow(&self) -> &FlowFacts;

    /// Payload length of the segment that brought the newest bytes, for `dsize`.
    fn segment_length(&self) -> usize;

    /// The protocol of the transaction, or the one that was found out for the flow.
    fn protocol(&self) -> Option<Protocol>;

    /// What carries it.
    fn transport(&self) -> Transport {
        Transport::Tcp
    }

    /// A number; none where it is not there or not known.
    fn fact(&self, _fact: Fact, _direction: Direction) -> Option<u64> {
        None
    }

    /// One of the numbers of a kind that there are several of, counted from 0.
    fn fact_at(&self, fact: Fact, direction: Direction, index: usize) -> Option<u64> {
        if index == 0 { self.fact(fact, direction) } else { None }
    }

    /// Whether numbers in the message stand with their lowest byte first, where the message says so itself.
    fn is_little_endian(&self, _direction: Direction) -> bool {
        true
    }

    /// Whether something odd was seen.
    fn has_event(&self, _event: EventName, _direction: Direction) -> bool {
        false
    }

    /// Whether only rules about oddities are asked: the headers do not decode, or the oddity was seen behind the others' turn.
    fn is_odd_only(&self) -> bool {
        false
    }

    /// Whether only rules that let pass are asked: before what others look at is there.
    fn is_pass_only(&self) -> bool {
        false
    }

    /// What is known of an address in a category: 0 to 127.
    fn reputation(&self, _address: IpAddr, _category: &str) -> Option<u8> {
        None
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
    /// Whether it is to be reported; a rule may ask for fewer reports than there are matches.
    pub reported: bool,
}

/// Buffers that are reused between calls; one for each thread.
#[derive(Debug, Default)]
pub struct Scratch {
    slots: Vec<Prepared>,
    lower: Vec<u8>,
    spare: Vec<u8>,
    /// An instance as it is transformed, and in lower case.
    instance: [Vec<u8>; 2],
    /// Counts calls: what was prepared in another one is of no use.
    call: u64,
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
    call: u64,
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
    /// The slots of the section that are about this flow, by their place in it.
    slots: Vec<SlotState>,
    opened: bool,
    candidates: Vec<Candidate>,
    /// Rules that are or were candidates, sorted.
    seen: Vec<u32>,
    bare: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct SlotState {
    /// Place in the section.
    local: u32,
    seen: bool,
    /// Instances that were shown to the prefilter.
    instances: u32,
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
    program: u32,
    /// A bit for each group that holds.
    met: u32,
    fresh: bool,
    evidence: (usize, usize),
}

impl TransactionState {
    /// Another file follows in the same transaction: rules that have not matched yet look at it from its beginning.
    pub fn next_file(&mut self) {
        self.sides = <[Side; 2]>::default();
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
    /// That of everything the engine inspects.
    pub hosts: &'a mut Hosts,
    /// Time since any fixed point; never goes back.
    pub now: Duration,
}

impl RuleSet {
    /// Evaluates the rules that can be decided with what has come since the last call, and adds those that match.
    ///
    /// A rule is reported at most once for a transaction, and one that counts its matches at most once for each time
    /// that its pattern comes on a stream. State of another rule set is forgotten:
    /// after a change of rules a transaction is looked at from its beginning.
    pub fn inspect<T: Inspected>(&self, memory: Memory<'_>, subject: &T, stage: Stage, out: &mut Vec<Match>) {
        let Memory { scratch, flow, transaction, hosts, now } = memory;
        if transaction.fingerprint != self.fingerprint {
            *transaction = TransactionState { fingerprint: self.fingerprint, ..TransactionState::default() };
        }
        if flow.fingerprint != self.fingerprint {
            *flow = FlowState::of(self.fingerprint);
        }
        hosts.belong_to(self.fingerprint);
        if transaction.passed || flow.passed {
            return;
        }
        let place = match stage {
            Stage::Stream(_) => Place::Stream,
            Stage::Packet(_) => Place::Packet,
            _ => match subject.protocol() {
                Some(protocol) => Place::Transaction(protocol),
                None => return,
            },
        };
        let Some(section) = self.sections.get(&(place, stage.direction())) else { return };
        scratch.slots.resize_with(self.slots.len(), Prepared::default);
        scratch.call += 1;
        let direction = stage.direction();
        let TransactionState { sides, matched, passed, .. } = transaction;
        let [to_server, to_client] = sides;
        let side = match direction {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        };
        let mut call = Call {
            rules: self,
            section,
            subject,
            stage,
            direction,
            scratch,
            flow,
            hosts,
            now,
            side,
            matched,
        };
        call.prefilter();
        if call.verify(out) {
            *passed = true;
        }
        if stage.is_packet()
            && !subject.is_odd_only()
            && !subject.is_pass_only()
            && let Some(addressed) = flow.addressed.get_mut(direction.index())
        {
            *addressed = true;
        }
    }
}

/// Applies the transformations of a slot.
fn transform(slot: &Slot, bytes: &[u8], out: &mut Vec<u8>, spare: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(bytes);
    for transform in &slot.target.transforms {
        transform.apply(out, spare);
        std::mem::swap(out, spare);
    }
}
