//! Drafts to a rule set: what is the same is put together, and each rule is filed where it will be found.
use super::compile::{Lists, Loaded};
use super::describe::describe;
use super::fast_pattern::fast_pattern;
use super::{Body, Known, Needs, Program, RuleSet, Slot};
use crate::address::{Ports, Set};
use crate::buffer::{Buffer, Direction, Place};
use crate::classes::{self, Classes};
use crate::condition::{Check, IntOperation, IntValue, Memory};
use crate::dataset::{Dataset, Values};
use crate::draft::{Draft, FlowConditions, Target};
use crate::pattern::Step;
use crate::prefilter::Prefilter;
use crate::protocol::Protocol;
use crate::rule::Action;
use crate::state::{AddressSet, HostBit, Integer, Operand};
use crate::verify::Conditions;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};

/// What tells slots apart: place, direction, what is looked at, and the server's ports for which.
type SlotKey = (Place, Direction, Target, Set<Ports>);

/// Rules that let pass come first, and those that remember something before those that ask for it.
fn order(draft: &Draft) -> (bool, u8, Action) {
    let changes = draft.remembered.iter().any(|r| !r.what.asks());
    let asks = draft.remembered.iter().any(|r| r.what.asks());
    let rank = match (changes, asks) {
        (true, false) => 0,
        (true, true) => 1,
        (false, false) => 2,
        (false, true) => 3,
    };
    (draft.action != Action::Pass, rank, draft.action)
}

pub(super) fn assemble(mut loaded: Vec<Loaded>, lists: &Lists<'_>) -> RuleSet {
    loaded.sort_by_key(|l| order(&l.draft));
    let classes = Classes::with(lists.get(classes::FILE).copied());
    let mut work = Work {
        set: RuleSet::default(),
        slots: BTreeMap::new(),
        patterns: Vec::new(),
        names: Names { lists: Some(lists), ..Names::default() },
        classes: &classes,
    };
    for (number, loaded) in (0_u32..).zip(loaded) {
        work.rule(number, loaded);
    }
    let Work { mut set, patterns, names, .. } = work;
    set.sets = names.values;
    let mut hasher = std::hash::DefaultHasher::new();
    set.rules.iter().for_each(|rule| rule.text.hash(&mut hasher));
    // 0 is the state that no rule set has touched
    set.fingerprint = hasher.finish() | 1;
    for (slot, patterns) in set.slots.iter_mut().zip(patterns) {
        let (prefilter, mut without) = Prefilter::new(patterns);
        slot.prefilter = prefilter;
        slot.unfiltered.append(&mut without);
        slot.unfiltered.shrink_to_fit();
    }
    set.rules.shrink_to_fit();
    set.bodies.shrink_to_fit();
    set.programs.shrink_to_fit();
    set
}

struct Work<'l> {
    set: RuleSet,
    slots: BTreeMap<SlotKey, (u32, u32)>,
    patterns: Vec<BTreeMap<Vec<u8>, Vec<u32>>>,
    names: Names<'l>,
    classes: &'l Classes,
}

/// Names of what is remembered, by number.
#[derive(Default)]
struct Names<'l> {
    lists: Option<&'l Lists<'l>>,
    sets: HashMap<String, u32>,
    values: Vec<Values>,
    flow_bits: HashMap<String, u32>,
    flow_numbers: HashMap<String, u32>,
    host_bits: HashMap<String, u32>,
}

impl Work<'_> {
    fn rule(&mut self, number: u32, loaded: Loaded) {
        let Loaded { mut draft, file, line, text } = loaded;
        for step in draft.groups.iter_mut().flat_map(|(_, steps)| steps) {
            if let Step::Dataset(set) = step {
                self.names.set(set);
            }
        }
        let rule = describe(&draft, self.classes, (file, line), text);
        note_needs(&mut self.set.needs, &draft);
        let fast = fast_pattern(&draft);
        let evidence = fast.as_ref().map_or(0, |(group, _)| *group);
        for &place in &draft.places {
            for direction in [Direction::ToServer, Direction::ToClient] {
                if draft.directions.contains(direction) {
                    self.program(number, (place, direction), &draft, fast.as_ref());
                }
            }
        }
        let known = draft.remembered.iter().map(|r| self.names.known(&r.what)).collect();
        let passes_flow = rule.action == Action::Pass
            && draft.protocol.has_stream()
            && draft.flow.established != Some(false)
            && (draft.checks.is_empty() || !draft.places.contains(&Place::Packet));
        let addresses_alone = draft.groups.is_empty()
            && draft.checks.is_empty()
            && draft.flow == FlowConditions::default()
            && draft.remembered.iter().all(|r| !r.what.asks())
            && rule.rate.is_none()
            && !draft.protocol.is_application()
            && draft
                .headers
                .iter()
                .all(|header| header.source_ports == Set::Any && header.destination_ports == Set::Any);
        self.set.bodies.push(Body {
            protocol: draft.protocol,
            headers: draft.headers,
            flow: draft.flow,
            also_stream: draft.places.contains(&Place::Stream),
            checks: draft.checks,
            known,
            groups: draft.groups.into_iter().map(|(_, steps)| Conditions::new(steps)).collect(),
            evidence,
            rate: rule.rate,
            reports: rule.reports,
            passes_flow,
            addresses_alone,
            stops: matches!(rule.action, Action::Drop | Action::Reject),
            pass: rule.action == Action::Pass,
            tells_pass: draft.meta.alert,
        });
        self.set.rules.push(rule);
    }

    fn program(
        &mut self,
        rule: u32,
        (place, direction): (Place, Direction),
        draft: &Draft,
        fast: Option<&(usize, Vec<u8>)>,
    ) {
        let number = u32::try_from(self.set.programs.len()).unwrap_or(u32::MAX);
        // what may never come is nothing to wait for
        let present = draft
            .groups
            .iter()
            .position(|(_, steps)| !steps.iter().any(|step| matches!(step, Step::Absent { .. })));
        let ports = server_ports(draft, direction);
        let targets = draft.groups.iter().map(|(target, _)| target);
        let slots: Vec<(u32, u32)> =
            targets.map(|target| self.slot(place, direction, target, ports.as_ref())).collect();
        if let Some((slot, pattern)) = fast.and_then(|(group, pattern)| slots.get(*group).zip(Some(pattern)))
        {
            if let Some(patterns) = self.patterns.get_mut(slot.0 as usize) {
                patterns.entry(pattern.clone()).or_default().push(number);
            }
        } else if let Some((slot, _)) = present.and_then(|group| slots.get(group)) {
            if let Some(slot) = self.set.slots.get_mut(*slot as usize) {
                slot.unfiltered.push(number);
            }
        } else {
            let section = self.set.sections.entry((place, direction)).or_default();
            section.bare.insert(&draft.headers, number);
        }
        let slots = slots.into_iter().map(|(_, local)| local).collect();
        self.set.programs.push(Program { rule, place, slots });
    }

    /// The slot of a target, and its place in its section.
    fn slot(
        &mut self,
        place: Place,
        direction: Direction,
        target: &Target,
        ports: Option<&Set<Ports>>,
    ) -> (u32, u32) {
        // buffers of a protocol are rare enough; raw bytes are there on every port
        let raw = target.buffer == Buffer::Payload && !matches!(place, Place::Transaction(_));
        let ports = ports.filter(|ports| raw && ports.is_narrow());
        let ports = ports.cloned().unwrap_or(Set::Any);
        let key = (place, direction, target.clone(), ports);
        if let Some(slot) = self.slots.get(&key) {
            return *slot;
        }
        let number = u32::try_from(self.set.slots.len()).unwrap_or(u32::MAX);
        let section = self.set.sections.entry((place, direction)).or_default();
        let local = u32::try_from(section.slots.len()).unwrap_or(u32::MAX);
        section.slots.push(number);
        self.set.slots.push(Slot {
            target: target.clone(),
            ports: key.3.clone(),
            prefilter: Prefilter::default(),
            unfiltered: Vec::new(),
        });
        self.patterns.push(BTreeMap::new());
        self.slots.insert(key, (number, local));
        (number, local)
    }
}

/// The ports of the server for which a rule is about the bytes of a direction, where its header says so.
fn server_ports(draft: &Draft, direction: Direction) -> Option<Set<Ports>> {
    let [header] = draft.headers.as_slice() else { return None };
    if header.both_ways {
        return None;
    }
    Some(match direction {
        Direction::ToServer => header.destination_ports.clone(),
        Direction::ToClient => header.source_ports.clone(),
    })
}

impl Names<'_> {
    /// Gives a set its number, and its values where it is named for the first time.
    fn set(&mut self, set: &mut Dataset) {
        let next = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        set.number = *self.sets.entry(set.name.clone()).or_insert(next);
        if set.number == next {
            let mut values = Values::new(set.kind);
            let file = set.load.as_ref().and_then(|file| self.lists?.get(file.as_str()));
            // that it can be read was found out when the rule was
            let _read = file.map(|text| values.read(text));
            self.values.push(values);
        }
    }

    fn known(&mut self, what: &Memory) -> Known {
        match what {
            Memory::FlowBits { operation, names } => Known::FlowBits {
                operation: *operation,
                bits: names.iter().map(|name| number(&mut self.flow_bits, name)).collect(),
            },
            Memory::HostBits { operation, name, tracks, expires } => Known::HostBits(HostBit {
                operation: *operation,
                bit: number(&mut self.host_bits, name),
                tracks: tracks.clone(),
                expires: *expires,
            }),
            Memory::FlowInt { name, operation } => {
                let numbers = &mut self.flow_numbers;
                let name = number(numbers, name);
                let mut operand = |value: &IntValue| match value {
                    IntValue::Is(value) => Operand::Is(*value),
                    IntValue::Of(other) => Operand::Of(number(numbers, other)),
                };
                let operation = match operation {
                    IntOperation::Add(value) => Integer::Add(operand(value)),
                    IntOperation::Subtract(value) => Integer::Subtract(operand(value)),
                    IntOperation::Assign(value) => Integer::Assign(operand(value)),
                    IntOperation::Compare(ordering, value) => Integer::Compare(*ordering, operand(value)),
                    IntOperation::IsSet => Integer::IsSet,
                    IntOperation::IsNotSet => Integer::IsNotSet,
                };
                Known::FlowInt { name, operation }
            }
            Memory::Addresses { set, whose } => {
                let mut set = set.clone();
                self.set(&mut set);
                Known::Addresses(AddressSet { set, whose: *whose })
            }
        }
    }
}

fn number(names: &mut HashMap<String, u32>, name: &str) -> u32 {
    let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
    *names.entry(name.to_owned()).or_insert(next)
}

fn note_needs(needs: &mut Needs, draft: &Draft) {
    let to_server = draft.directions.contains(Direction::ToServer);
    let to_client = draft.directions.contains(Direction::ToClient);
    if draft.places.contains(&Place::Stream) {
        needs.stream_to_server |= to_server;
        needs.stream_to_client |= to_client;
    }
    needs.packets |= draft.places.contains(&Place::Packet);
    needs.passes |= draft.places.contains(&Place::Packet) && draft.action == Action::Pass;
    needs.oddities |= draft.places.contains(&Place::Packet)
        && draft.checks.iter().any(|check| matches!(check, Check::Event(_)));
    needs.headers |= draft.groups.iter().any(|(target, _)| target.buffer.is_header());
    for place in &draft.places {
        if let Place::Transaction(protocol) = place {
            if to_server {
                needs.of_requests.insert(*protocol);
            }
            if to_client {
                needs.of_responses.insert(*protocol);
            }
            let payload = draft.looks_at_payload();
            needs.payload_of_requests |= payload && to_server;
            needs.payload_of_responses |= payload && to_client;
        }
    }
    if draft.places.contains(&Place::Transaction(Protocol::Http)) {
        needs.request |= to_server;
        needs.response |= to_client;
        let body = draft.groups.iter().any(|(t, _)| t.buffer.grows() && t.buffer != Buffer::Payload);
        needs.request_body |= body && to_server;
        needs.response_body |= body && to_client;
    }
}
