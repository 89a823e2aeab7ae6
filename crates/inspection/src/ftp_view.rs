//! FTP over the seam of [`crate::dialogue`]: a command with its answer is a transaction.
use crate::dialogue::{Asking, Dialogue, Probe, RuleMemory, Spec, Step, Transaction};
use crate::expected::Transfer;
use crate::record::{Anomaly, Field, Said, Told, text};
use sakimori_protocols::Side;
use sakimori_protocols::ftp::{self, Command, Control, Reply};
use sakimori_signatures::{Buffer, Direction, EventName, Fact, Protocol, Stage};
use std::collections::VecDeque;
use std::net::IpAddr;

pub(crate) const SPEC: Spec =
    Spec { protocol: Protocol::Ftp, ports: &[], probe, make: || Box::<Ftp>::default() };

/// The oddities that are noticed.
pub(crate) const EVENTS: &[&str] =
    &["ftp.request_command_too_long", "ftp.response_command_too_long", "ftp.too_many_transactions"];

/// Commands that wait for their answer.
const WAITING: usize = 64;
/// Lines of an answer that are kept.
const REPLIES: usize = 64;
/// Verbs with which a client begins, and no other protocol of text does.
const VERBS: [&[u8]; 6] = [b"USER ", b"FEAT\r\n", b"SYST\r\n", b"AUTH TLS", b"AUTH SSL", b"OPTS UTF8"];

/// One control connection.
#[derive(Debug, Default)]
pub(crate) struct Ftp {
    control: Control,
    waiting: VecDeque<Exchange>,
    number: u64,
    /// Where the next data connection is waited for.
    data: Option<(IpAddr, u16)>,
    mode: Option<Mode>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Active,
    Passive,
}

/// A command with its answer.
#[derive(Debug, Default)]
struct Exchange {
    number: u64,
    command: Command,
    replies: Vec<Reply>,
    port: Option<u16>,
    mode: Option<Mode>,
    events: Vec<&'static str>,
    rules: RuleMemory,
}

fn probe(direction: Direction, bytes: &[u8]) -> Probe {
    match direction {
        Direction::ToServer => {
            let begin = |verb: &&[u8]| {
                let length = verb.len().min(bytes.len());
                bytes
                    .get(..length)
                    .is_some_and(|begin| verb.get(..length).is_some_and(|v| v.eq_ignore_ascii_case(begin)))
            };
            match VERBS.iter().find(|verb| begin(verb)) {
                Some(verb) if bytes.len() >= verb.len() => Probe::Yes,
                Some(_) => Probe::More,
                None => Probe::No,
            }
        }
        Direction::ToClient => {
            if !bytes.starts_with(b"220") {
                return if b"220".starts_with(bytes) { Probe::More } else { Probe::No };
            }
            let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let says = |word: &[u8]| line.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
            if says(b"SMTP") {
                Probe::No
            } else if says(b"FTP") {
                Probe::Yes
            } else {
                // others greet so too: the client tells
                Probe::More
            }
        }
    }
}

// === impl Ftp ===

impl Ftp {
    fn command(&mut self, asking: &mut Asking<'_>, command: Command) -> Step {
        let mut exchange = Exchange { number: self.number, ..Exchange::default() };
        self.number += 1;
        match command.verb.as_slice() {
            b"PORT" => {
                let address = ftp::address(&command.argument);
                exchange.port = address.map(|(_, port)| port);
                self.active(asking, exchange.port);
            }
            b"EPRT" => {
                exchange.port = ftp::extended_port(&command.argument);
                self.active(asking, exchange.port);
            }
            b"RETR" | b"STOR" | b"STOU" | b"APPE" => {
                if let Some(end) = self.data {
                    let name = command.argument.clone();
                    let transfer = Transfer { command: command.verb.clone(), name };
                    asking.shared.expected.announce(end, transfer);
                }
            }
            _ => {}
        }
        exchange.command = command;
        exchange.mode = self.mode;
        let mut rules = RuleMemory::default();
        let step = asking.judge(&FtpView(&exchange), exchange.number, &mut rules, Stage::RequestEnd).into();
        exchange.rules = rules;
        if self.waiting.len() < WAITING {
            self.waiting.push_back(exchange);
        } else {
            odd(asking, &mut exchange, Direction::ToServer, "ftp.too_many_transactions");
        }
        step
    }

    /// The server will connect to the client.
    fn active(&mut self, asking: &mut Asking<'_>, port: Option<u16>) {
        self.mode = Some(Mode::Active);
        self.data = port.map(|port| (asking.facts.client, port));
        self.announce(asking);
    }

    fn announce(&self, asking: &mut Asking<'_>) {
        if let Some(end) = self.data {
            asking.shared.expected.announce(end, Transfer::default());
        }
    }

    fn reply(&mut self, asking: &mut Asking<'_>, reply: Reply) -> Step {
        let greets = self.waiting.is_empty();
        if greets {
            self.waiting.push_back(Exchange { number: self.number, ..Exchange::default() });
        }
        let Some(exchange) = self.waiting.front_mut() else { return Step::Continue };
        let verb = exchange.command.verb.as_slice();
        let preliminary = reply.code.is_some_and(|code| code.starts_with(b"1"));
        let last = reply.is_last && !preliminary;
        let mut data = None;
        match (verb, reply.code) {
            (b"PASV", Some([b'2', ..])) => data = ftp::address(&reply.text).map(|(_, port)| port),
            (b"EPSV", Some([b'2', ..])) => data = ftp::extended_port(&reply.text),
            _ => {}
        }
        let encrypts = verb == b"AUTH" && reply.code == Some(*b"234") && last;
        if exchange.replies.len() < REPLIES {
            exchange.replies.push(reply);
        }
        if data.is_some() {
            (exchange.port, exchange.mode) = (data, Some(Mode::Passive));
        }
        let stage = if last { Stage::ResponseEnd } else { Stage::ResponseHeaders };
        let number = exchange.number;
        let mut rules = std::mem::take(&mut exchange.rules);
        let step = asking.judge(&FtpView(exchange), number, &mut rules, stage).into();
        exchange.rules = rules;
        if last {
            if !exchange.command.verb.is_empty() {
                let said = exchange.said();
                asking.record(Protocol::Ftp, Direction::ToServer, number, said);
            }
            self.waiting.pop_front();
        }
        if let Some(port) = data {
            self.mode = Some(Mode::Passive);
            self.data = Some((asking.facts.server, port));
            self.announce(asking);
        }
        if encrypts && step == Step::Continue { Step::Other } else { step }
    }
}

fn odd(asking: &mut Asking<'_>, exchange: &mut Exchange, direction: Direction, event: &'static str) {
    if !exchange.events.contains(&event) {
        exchange.events.push(event);
        asking.record(Protocol::Ftp, direction, exchange.number, Said::Anomaly(Anomaly::of_protocol(event)));
    }
}

impl Dialogue for Ftp {
    fn protocol(&self) -> Protocol {
        Protocol::Ftp
    }

    fn data(&mut self, asking: &mut Asking<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let side = if direction == Direction::ToServer { Side::Client } else { Side::Server };
        let mut said = Vec::new();
        self.control.feed(side, bytes, &mut said);
        for said in said {
            let step = match said {
                ftp::Said::Command(command) => self.command(asking, command),
                ftp::Said::Reply(reply) => self.reply(asking, reply),
                ftp::Said::LongLine(side) => {
                    let mut exchange = Exchange { number: self.number, ..Exchange::default() };
                    let (direction, event, stage) = match side {
                        Side::Client => {
                            (Direction::ToServer, "ftp.request_command_too_long", Stage::RequestHeaders)
                        }
                        Side::Server => {
                            (Direction::ToClient, "ftp.response_command_too_long", Stage::ResponseHeaders)
                        }
                    };
                    odd(asking, &mut exchange, direction, event);
                    let mut rules = RuleMemory::default();
                    asking.judge(&FtpView(&exchange), exchange.number, &mut rules, stage).into()
                }
            };
            if step != Step::Continue {
                return step;
            }
        }
        Step::Continue
    }

    fn end(&mut self, asking: &mut Asking<'_>, blocked: bool) {
        if !blocked {
            for exchange in self.waiting.drain(..) {
                asking.record(Protocol::Ftp, Direction::ToServer, exchange.number, exchange.said());
            }
        }
    }
}

impl Exchange {
    fn said(&self) -> Said {
        let mut fields = Vec::new();
        if !self.command.verb.is_empty() {
            fields.push(("command", Field::Text(text(&self.command.verb))));
        }
        if !self.command.argument.is_empty() {
            fields.push(("command_data", Field::Text(text(&self.command.argument))));
        }
        if !self.replies.is_empty() {
            let codes = self.replies.iter().filter_map(|reply| Some(Field::Text(text(reply.code.as_ref()?))));
            fields.push(("completion_code", Field::List(codes.collect())));
            let texts = self.replies.iter().map(|reply| Field::Text(text(&reply.text)));
            fields.push(("reply", Field::List(texts.collect())));
        }
        let answered = if self.replies.is_empty() { "no" } else { "yes" };
        fields.push(("reply_received", Field::Text(answered.to_owned())));
        if let Some(port) = self.port {
            fields.push(("dynamic_port", Field::Number(port.into())));
            if let Some(mode) = self.mode {
                let mode = if mode == Mode::Active { "active" } else { "passive" };
                fields.push(("mode", Field::Text(mode.to_owned())));
            }
        }
        Said::Told(Told { name: "ftp", fields })
    }
}

/// A command with its answer, offered to the rules by buffer name.
struct FtpView<'a>(&'a Exchange);

impl Transaction for FtpView<'_> {
    fn protocol(&self) -> Protocol {
        Protocol::Ftp
    }

    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]> {
        let command = &self.0.command;
        match buffer {
            Buffer::FtpCommand => Some(command.verb.as_slice()).filter(|verb| !verb.is_empty()),
            Buffer::FtpCommandData => {
                Some(command.argument.as_slice()).filter(|argument| !argument.is_empty())
            }
            Buffer::FtpReply | Buffer::FtpCompletionCode => self.instance(buffer, direction, 0),
            _ => None,
        }
    }

    fn instance(&self, buffer: Buffer, direction: Direction, index: usize) -> Option<&[u8]> {
        let replies = &self.0.replies;
        match buffer {
            Buffer::FtpReply if direction == Direction::ToClient => {
                replies.get(index).map(|reply| reply.text.as_slice())
            }
            Buffer::FtpCompletionCode if direction == Direction::ToClient => {
                replies.iter().filter_map(|reply| reply.code.as_ref()).nth(index).map(<[u8; 3]>::as_slice)
            }
            _ if index == 0 => self.buffer(buffer, direction),
            _ => None,
        }
    }

    fn fact(&self, fact: Fact, _direction: Direction) -> Option<u64> {
        match fact {
            Fact::FtpDynamicPort => self.0.port.map(u64::from),
            Fact::FtpReplyReceived => Some(u64::from(!self.0.replies.is_empty())),
            Fact::FtpMode => {
                self.0.port?;
                self.0.mode.map(|mode| if mode == Mode::Active { 1 } else { 2 })
            }
            _ => None,
        }
    }

    fn has_event(&self, event: EventName, _direction: Direction) -> bool {
        self.0.events.contains(&event.as_str())
    }

    fn said(&self) -> Option<Said> {
        Some(self.0.said())
    }
}
