//! DCE/RPC over the seam of [`crate::dialogue`]: over TCP of its own, and through the pipes of SMB.
use crate::dialogue::{Asking, Dialogue, Probe, RuleMemory, Spec, Step, Transaction};
use crate::record::{Field, Said, Told, text};
use sakimori_protocols::Side;
use sakimori_protocols::dcerpc::{self, Call, Session};
use sakimori_signatures::{Buffer, Direction, EventName, Fact, Protocol, Stage};

pub(crate) const SPEC: Spec =
    Spec { protocol: Protocol::Dcerpc, ports: &[], probe, make: || Box::<Dcerpc>::default() };

/// Calls that wait for their answer.
const WAITING: usize = 64;

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Dcerpc {
    session: Session,
    waiting: Vec<(u32, u64, RuleMemory)>,
    number: u64,
}

fn probe(_direction: Direction, bytes: &[u8]) -> Probe {
    match Session::may_begin_with(bytes) {
        Some(true) => Probe::Yes,
        Some(false) => Probe::No,
        None => Probe::More,
    }
}

impl Dialogue for Dcerpc {
    fn protocol(&self) -> Protocol {
        Protocol::Dcerpc
    }

    fn data(&mut self, asking: &mut Asking<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let mut said = Vec::new();
        self.session.feed(side(direction), bytes, &mut said);
        for said in said {
            let dcerpc::Said::Call(call) = said else { continue };
            let at = self.waiting.iter().position(|(id, ..)| *id == call.id).filter(|_| call.is_response);
            let (number, mut rules) = at.map_or_else(
                || (self.number, RuleMemory::default()),
                |at| {
                    let (_, number, rules) = self.waiting.swap_remove(at);
                    (number, rules)
                },
            );
            let view = CallView { call: &call, protocol: Protocol::Dcerpc };
            let step = asking.judge(&view, number, &mut rules, stage(call.is_response)).into();
            if !call.is_response {
                self.number += 1;
                if self.waiting.len() < WAITING {
                    self.waiting.push((call.id, number, rules));
                }
            } else if asking.keeps_records() {
                asking.record(Protocol::Dcerpc, Direction::ToServer, number, told(&call));
            }
            if step != Step::Continue {
                return step;
            }
        }
        Step::Continue
    }

    fn gap(&mut self, _asking: &mut Asking<'_>, _direction: Direction, _bytes: u64) -> Step {
        self.session.gap();
        Step::Continue
    }
}

pub(crate) const fn side(direction: Direction) -> Side {
    match direction {
        Direction::ToServer => Side::Client,
        Direction::ToClient => Side::Server,
    }
}

pub(crate) const fn stage(is_response: bool) -> Stage {
    if is_response { Stage::ResponseEnd } else { Stage::RequestEnd }
}

fn told(call: &Call) -> Said {
    let mut fields = vec![("call_id", Field::Number(call.id.into()))];
    if let Some(interface) = &call.interface {
        fields.push(("interface", Field::Text(text(interface.as_bytes()))));
    }
    Said::Told(Told { name: "dcerpc", fields })
}

/// A call, or its answer, offered to the rules by buffer name: as one of DCE/RPC, or of SMB that carries it.
pub(crate) struct CallView<'a> {
    pub(crate) call: &'a Call,
    pub(crate) protocol: Protocol,
}

impl Transaction for CallView<'_> {
    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn buffer(&self, buffer: Buffer, _direction: Direction) -> Option<&[u8]> {
        match buffer {
            Buffer::DcerpcStubData => Some(self.call.stub.as_slice()).filter(|stub| !stub.is_empty()),
            Buffer::DcerpcInterface => self.call.interface.as_deref().map(str::as_bytes),
            _ => None,
        }
    }

    fn fact(&self, fact: Fact, _direction: Direction) -> Option<u64> {
        match fact {
            Fact::DcerpcOperation => self.call.operation.map(u64::from),
            _ => None,
        }
    }

    fn is_little_endian(&self) -> bool {
        self.call.is_little
    }

    fn has_event(&self, _event: EventName, _direction: Direction) -> bool {
        false
    }

    fn said(&self) -> Option<Said> {
        Some(told(self.call))
    }
}
