//! The compiled rule set and how it is made.
use crate::address::{Ports, Set};
use crate::buffer::{Direction, Place};
use crate::condition::{BitOperation, Check};
use crate::dataset::Values;
use crate::draft::{FlowConditions, Header, Target};
use crate::inspect::Scratch;
use crate::prefilter::Prefilter;
use crate::protocol::{Protocol, Protocols};
use crate::rule::{RateFilter, Rule};
use crate::state::{AddressSet, HostBit, Integer};
use crate::verify::Conditions;
use sakimori_model::{Diagnostic, Sid};
use std::collections::BTreeMap;
use std::net::IpAddr;

mod assemble;
mod bare;
mod compile;
mod describe;
mod fast_pattern;
mod unseen;

pub(crate) use bare::Bare;
pub use compile::{compile, compile_with};

/// One rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// What diagnostics call it.
    pub name: String,
    /// Its bytes; lines that are not UTF-8 are diagnosed.
    pub text: Vec<u8>,
}

/// What came of rule files.
#[derive(Debug)]
pub struct Compiled {
    /// The rules that loaded.
    pub rules: RuleSet,
    /// How many loaded. Rules that differ in nothing but addresses and ports count each, and are one of [`RuleSet::rules`].
    pub loaded: usize,
    /// How many active rules did not load.
    pub refused: usize,
    /// How many stand in the files again, word for word or in an older revision.
    pub repeated: usize,
    /// Everything that was found, in file and line order.
    pub diagnostics: Vec<Diagnostic>,
}

/// What a rule set wants to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked for by name")]
pub struct Needs {
    /// Some rule looks at requests.
    pub request: bool,
    /// Some rule looks at request bodies.
    pub request_body: bool,
    /// Some rule looks at responses: server-to-client traffic has to be queued.
    pub response: bool,
    /// Some rule looks at response bodies.
    pub response_body: bool,
    /// Some rule looks at the raw bytes to the server.
    pub stream_to_server: bool,
    /// Some rule looks at the raw bytes to the client.
    pub stream_to_client: bool,
    /// Some rule looks at requests and at the raw bytes that they came in.
    pub payload_of_requests: bool,
    /// Some rule looks at responses and at the raw bytes that they came in.
    pub payload_of_responses: bool,
    /// Some rule looks at packets one by one.
    pub packets: bool,
    /// Some of these lets traffic pass.
    pub passes: bool,
    /// Some rule asks for an oddity of packets or streams.
    pub oddities: bool,
    /// Some rule looks at the bytes of a header.
    pub headers: bool,
    /// Protocols with rules about what clients say.
    pub of_requests: Protocols,
    /// Protocols with rules about what servers say.
    pub of_responses: Protocols,
}

impl Needs {
    /// Protocols with rules about what is said in a direction.
    pub const fn transactions(&self, direction: Direction) -> Protocols {
        match direction {
            Direction::ToServer => self.of_requests,
            Direction::ToClient => self.of_responses,
        }
    }
}

/// A compiled, immutable set of rules.
#[derive(Debug, Default)]
pub struct RuleSet {
    pub(crate) rules: Vec<Rule>,
    /// What is evaluated of each rule.
    pub(crate) bodies: Vec<Body>,
    pub(crate) programs: Vec<Program>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) sections: BTreeMap<(Place, Direction), Section>,
    pub(crate) needs: Needs,
    /// Sets of values, as files give them.
    pub(crate) sets: Vec<Values>,
    /// Tells state of this rule set from state of another.
    pub(crate) fingerprint: u64,
}

/// What is asked of the bytes of one direction at one place.
#[derive(Debug, Default)]
pub(crate) struct Section {
    pub(crate) slots: Vec<u32>,
    pub(crate) bare: Bare,
}

/// A buffer with its transformations, and the rules that wait for it.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) target: Target,
    /// The ports of servers for which it is looked at.
    pub(crate) ports: Set<Ports>,
    pub(crate) prefilter: Prefilter,
    /// Programs without a fast pattern that look at this buffer first.
    pub(crate) unfiltered: Vec<u32>,
}

/// A rule at one place, in one direction.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) rule: u32,
    pub(crate) place: Place,
    /// For each group of the rule the slot's place in the section.
    pub(crate) slots: Box<[u32]>,
}

/// What is evaluated of a rule, wherever.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked for by name")]
pub(crate) struct Body {
    pub(crate) protocol: Protocol,
    pub(crate) headers: Vec<Header>,
    pub(crate) flow: FlowConditions,
    /// It is evaluated on streams too: TCP packets are left to these.
    pub(crate) also_stream: bool,
    pub(crate) checks: Vec<Check>,
    pub(crate) known: Vec<Known>,
    pub(crate) groups: Vec<Conditions>,
    /// The group whose match is shown.
    pub(crate) evidence: usize,
    pub(crate) rate: Option<RateFilter>,
    pub(crate) reports: bool,
    /// A match lets all of a flow pass, not only what matched.
    pub(crate) passes_flow: bool,
    /// It looks at addresses alone: each direction of a flow is asked about once.
    pub(crate) addresses_alone: bool,
    /// It stops traffic by its own word, reported or not.
    pub(crate) stops: bool,
    pub(crate) pass: bool,
    /// That it lets pass is to be reported.
    pub(crate) tells_pass: bool,
}

/// What is remembered, its names by number.
#[derive(Debug)]
pub(crate) enum Known {
    FlowBits { operation: BitOperation, bits: Vec<u32> },
    HostBits(HostBit),
    FlowInt { name: u32, operation: Integer },
    Addresses(AddressSet),
}

impl Header {
    /// Whether it is about these ends.
    pub(crate) fn fits(&self, source: (IpAddr, u16), destination: (IpAddr, u16)) -> bool {
        self.source_ports.contains(source.1)
            && self.destination_ports.contains(destination.1)
            && self.source.contains(source.0)
            && self.destination.contains(destination.0)
    }
}

impl RuleSet {
    /// The loaded rules, in the order in which they are evaluated.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The index of a rule.
    pub fn find(&self, sid: Sid) -> Option<usize> {
        self.rules.iter().position(|r| r.sid == sid)
    }

    /// Whether some rule is evaluated there.
    pub fn asks(&self, place: Place, direction: Direction) -> bool {
        self.sections.contains_key(&(place, direction))
    }

    /// How many matchers look at the bytes of a direction on a connection to a port: the fewer, the faster.
    pub fn matchers(&self, place: Place, direction: Direction, server_port: u16) -> usize {
        let slots = self.sections.get(&(place, direction)).into_iter().flat_map(|section| &section.slots);
        slots
            .filter_map(|slot| self.slots.get(*slot as usize))
            .filter(|slot| slot.ports.contains(server_port))
            .count()
    }

    /// What the rules want to be shown.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Buffers for [`RuleSet::inspect`], to be reused: after a few calls inspecting allocates nothing.
    pub fn new_scratch(&self) -> Scratch {
        Scratch::default()
    }
}
