//! DNS over the seam of [`crate::dialogue`]: over UDP a message a datagram, over TCP each behind its length.
use crate::dialogue::{Asking, Dialogue, Probe, RuleMemory, Spec, Step, Transaction};
use crate::record::Said;
use sakimori_protocols::dns::{Anomaly, Data, Framing, Message, Record};
use sakimori_signatures::{Buffer, Direction, EventName, Fact, Protocol, Stage, Transport};

pub(crate) const SPEC: Spec =
    Spec { protocol: Protocol::Dns, ports: &[53], probe, make: || Box::<Dns>::default() };

/// The oddities that are noticed.
pub(crate) const EVENTS: &[&str] = &[
    "dns.malformed_data",
    "dns.not_a_request",
    "dns.not_a_response",
    "dns.z_flag_set",
    "dns.invalid_opcode",
    "dns.infinite_loop",
    "dns.name_too_long",
];

/// One flow.
#[derive(Debug, Default)]
pub(crate) struct Dns {
    framing: [Framing; 2],
    count: u64,
}

fn probe(_direction: Direction, bytes: &[u8]) -> Probe {
    // over TCP a length comes first, which hardly is a message's identification with a question behind it
    let told = [Some(bytes), bytes.get(2..)].into_iter().flatten().map(Message::may_begin);
    let mut more = false;
    for told in told {
        match told {
            Some(true) => return Probe::Yes,
            Some(false) => {}
            None => more = true,
        }
    }
    if more || bytes.len() < 2 { Probe::More } else { Probe::No }
}

impl Dns {
    fn message(&mut self, asking: &mut Asking<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let Some(message) = Message::parse(bytes) else { return Step::Continue };
        let number = self.count;
        self.count += 1;
        let stage = match direction {
            Direction::ToServer => Stage::RequestEnd,
            Direction::ToClient => Stage::ResponseEnd,
        };
        let view = DnsView::new(&message);
        if asking.keeps_records() {
            for event in EVENTS.iter().filter(|event| view.notices(event, direction)) {
                let odd = Said::Anomaly(crate::record::Anomaly::of_protocol(event));
                asking.record(Protocol::Dns, direction, number, odd);
            }
        }
        let decision = asking.judge(&view, number, &mut RuleMemory::default(), stage);
        if asking.keeps_records() {
            asking.record(Protocol::Dns, direction, number, Said::Dns(Box::new(message)));
        }
        decision.into()
    }
}

impl Dialogue for Dns {
    fn protocol(&self) -> Protocol {
        Protocol::Dns
    }

    fn data(&mut self, asking: &mut Asking<'_>, direction: Direction, bytes: &[u8]) -> Step {
        if asking.raw.transport == Transport::Udp {
            return self.message(asking, direction, bytes);
        }
        let [to_server, to_client] = &mut self.framing;
        let framing = match direction {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        };
        let mut messages = Vec::new();
        framing.feed(bytes, |message| messages.push(message.to_vec()));
        for message in messages {
            match self.message(asking, direction, &message) {
                Step::Continue => {}
                step => return step,
            }
        }
        Step::Continue
    }

    fn gap(&mut self, _asking: &mut Asking<'_>, direction: Direction, _bytes: u64) -> Step {
        let [to_server, to_client] = &mut self.framing;
        match direction {
            Direction::ToServer => to_server.gap(),
            Direction::ToClient => to_client.gap(),
        }
        Step::Continue
    }
}

/// A message, offered to the rules by buffer name.
struct DnsView<'a> {
    message: &'a Message,
    /// Names of all records, and those that they say.
    names: Vec<&'a [u8]>,
}

impl<'a> DnsView<'a> {
    fn new(message: &'a Message) -> Self {
        let questions = message.questions.iter().map(|question| &question.name);
        let records = message.answers.iter().chain(&message.authorities).chain(&message.additionals);
        let named = records.flat_map(|record| {
            let said = match &record.data {
                Data::Name(name) => Some(name),
                Data::Authority(authority) => Some(&authority.server),
                Data::Service(service) => Some(&service.target),
                _ => None,
            };
            std::iter::once(&record.name).chain(said)
        });
        let names = if message.is_response() {
            questions.chain(named).map(|name| name.bytes.as_slice()).collect()
        } else {
            Vec::new()
        };
        Self { message, names }
    }

    /// Whether something odd is there, by the name that rules give it.
    fn notices(&self, event: &str, direction: Direction) -> bool {
        let message = self.message;
        match event {
            "dns.malformed_data" => message.anomalies.contains(Anomaly::Malformed),
            "dns.not_a_request" => direction == Direction::ToServer && message.is_response(),
            "dns.not_a_response" => direction == Direction::ToClient && !message.is_response(),
            "dns.z_flag_set" => message.has_reserved_bit(),
            "dns.invalid_opcode" => message.opcode() >= 7,
            "dns.infinite_loop" => message.anomalies.contains(Anomaly::NameLoops),
            "dns.name_too_long" => message.anomalies.contains(Anomaly::NameTooLong),
            _ => false,
        }
    }
}

fn name(records: &[Record], index: usize) -> Option<&[u8]> {
    records.get(index).map(|record| record.name.bytes.as_slice())
}

impl Transaction for DnsView<'_> {
    fn protocol(&self) -> Protocol {
        Protocol::Dns
    }

    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]> {
        self.instance(buffer, direction, 0)
    }

    fn instance(&self, buffer: Buffer, direction: Direction, index: usize) -> Option<&[u8]> {
        let message = self.message;
        match buffer {
            // answers repeat the question
            Buffer::DnsQuery if direction == Direction::ToServer => {
                Some(message.questions.get(index)?.name.bytes.as_slice())
            }
            Buffer::DnsAnswerName => name(&message.answers, index),
            Buffer::DnsAuthorities => name(&message.authorities, index),
            Buffer::DnsAdditionals => name(&message.additionals, index),
            Buffer::DnsResponse if direction == Direction::ToClient => self.names.get(index).copied(),
            _ => None,
        }
    }

    fn fact(&self, fact: Fact, _direction: Direction) -> Option<u64> {
        match fact {
            Fact::DnsOpcode => Some(self.message.opcode().into()),
            Fact::DnsRcode => Some(self.message.rcode().into()),
            Fact::DnsRecordType => Some(self.message.questions.first()?.kind.into()),
            _ => None,
        }
    }

    fn has_event(&self, event: EventName, direction: Direction) -> bool {
        self.notices(event.as_str(), direction)
    }

    fn said(&self) -> Option<Said> {
        Some(Said::Dns(Box::new(self.message.clone())))
    }
}
