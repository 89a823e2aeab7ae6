//! SMTP over the seam of [`crate::dialogue`]: all that belongs to one mail is a transaction.
use crate::dialogue::{Asking, Dialogue, Probe, RuleMemory, Spec, Step, Transaction};
use crate::file::File;
use crate::record::{Anomaly, Field, Said, text};
use sakimori_protocols::Side;
use sakimori_protocols::smtp::mime::{Found, Reader};
use sakimori_protocols::smtp::{self, Session};
use sakimori_signatures::{Buffer, Direction, EventName, Fact, Protocol, Stage};

pub(crate) const SPEC: Spec =
    Spec { protocol: Protocol::Smtp, ports: &[], probe, make: || Box::<Smtp>::default() };

/// The oddities that are noticed.
pub(crate) const EVENTS: &[&str] = &[
    "smtp.invalid_reply",
    "smtp.max_command_line_len_exceeded",
    "smtp.max_reply_line_len_exceeded",
    "smtp.tls_rejected",
    "smtp.data_command_rejected",
    "smtp.no_server_welcome_message",
];

/// Receivers and header fields that are kept of a mail.
const MOST: usize = 256;

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Smtp {
    session: Session,
    helo: Vec<u8>,
    mail: Mail,
    number: u64,
    reader: Option<Reader>,
    last: Last,
    welcomed: bool,
}

/// The command that the server has not answered yet, where its answer matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Other,
    StartTls,
    Data,
    /// The mail itself.
    Mail,
}

/// A mail as far as it has come.
#[derive(Debug, Default)]
struct Mail {
    begun: bool,
    from: Option<Vec<u8>>,
    to: Vec<Vec<u8>>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    file: Option<File>,
    file_over: bool,
    files: u64,
    events: Vec<&'static str>,
    rules: RuleMemory,
}

fn probe(direction: Direction, bytes: &[u8]) -> Probe {
    if direction == Direction::ToClient {
        if !bytes.starts_with(b"220") {
            return if b"220".starts_with(bytes) { Probe::More } else { Probe::No };
        }
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let says = |word: &[u8]| line.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
        // others greet so too: the client tells
        return if says(b"SMTP") { Probe::Yes } else { Probe::More };
    }
    const VERBS: [&[u8]; 3] = [b"EHLO ", b"HELO ", b"MAIL FROM:"];
    let begins = |verb: &&&[u8]| {
        let length = verb.len().min(bytes.len());
        let pair = bytes.get(..length).zip(verb.get(..length));
        pair.is_some_and(|(begin, verb)| verb.eq_ignore_ascii_case(begin))
    };
    match VERBS.iter().find(begins) {
        Some(verb) if bytes.len() >= verb.len() => Probe::Yes,
        Some(_) => Probe::More,
        None => Probe::No,
    }
}

// === impl Smtp ===

impl Smtp {
    fn judge(&mut self, asking: &mut Asking<'_>, stage: Stage) -> Step {
        let mut rules = std::mem::take(&mut self.mail.rules);
        let limit = asking.shared.limits.http.body_bytes;
        let view = SmtpView { helo: &self.helo, mail: &self.mail, limit };
        let step = asking.judge(&view, self.number, &mut rules, stage).into();
        self.mail.rules = rules;
        step
    }

    fn event(&mut self, asking: &mut Asking<'_>, direction: Direction, event: &'static str) -> Step {
        if self.mail.events.contains(&event) {
            return Step::Continue;
        }
        self.mail.events.push(event);
        asking.record(Protocol::Smtp, direction, self.number, Said::Anomaly(Anomaly::of_protocol(event)));
        let to_server = direction == Direction::ToServer;
        self.judge(asking, if to_server { Stage::RequestHeaders } else { Stage::ResponseHeaders })
    }

    fn command(&mut self, asking: &mut Asking<'_>, verb: &[u8], argument: Vec<u8>) -> Step {
        if !std::mem::replace(&mut self.welcomed, true) {
            match self.event(asking, Direction::ToServer, "smtp.no_server_welcome_message") {
                Step::Continue => {}
                step => return step,
            }
        }
        self.last = Last::Other;
        let after = |argument: &[u8]| {
            let colon = argument.iter().position(|byte| *byte == b':').map_or(0, |at| at + 1);
            argument.get(colon..).unwrap_or_default().trim_ascii().to_vec()
        };
        match verb {
            b"EHLO" | b"HELO" => self.helo = argument,
            b"MAIL" => {
                self.mail.begun = true;
                self.mail.from = Some(after(&argument));
            }
            b"RCPT" if self.mail.to.len() < MOST => self.mail.to.push(after(&argument)),
            b"DATA" | b"BDAT" => {
                self.last = Last::Data;
                self.reader.get_or_insert_default();
            }
            b"STARTTLS" => self.last = Last::StartTls,
            b"RSET" => return self.over(asking),
            _ => {}
        }
        self.judge(asking, Stage::RequestHeaders)
    }

    fn reply(&mut self, asking: &mut Asking<'_>, [class, ..]: [u8; 3]) -> Step {
        self.welcomed = true;
        match std::mem::take(&mut self.last) {
            Last::StartTls if class == b'2' => return Step::Other,
            Last::StartTls => return self.event(asking, Direction::ToClient, "smtp.tls_rejected"),
            Last::Data if !matches!(class, b'2' | b'3') => {
                self.reader = None;
                return self.event(asking, Direction::ToClient, "smtp.data_command_rejected");
            }
            Last::Mail => {
                let step = self.judge(asking, Stage::ResponseEnd);
                let next = self.over(asking);
                return if step == Step::Continue { next } else { step };
            }
            _ => {}
        }
        self.judge(asking, Stage::ResponseHeaders)
    }

    fn line(&mut self, asking: &mut Asking<'_>, line: &[u8]) -> Step {
        let Some(reader) = &mut self.reader else { return Step::Continue };
        let mut found = Vec::new();
        reader.line(line, &mut found);
        self.found(asking, found)
    }

    fn found(&mut self, asking: &mut Asking<'_>, found: Vec<Found>) -> Step {
        let limit = asking.shared.limits.http.body_bytes;
        for found in found {
            let step = match found {
                Found::Field(name, value) => {
                    if self.mail.fields.len() < MOST {
                        self.mail.fields.push((name, value));
                    }
                    Step::Continue
                }
                Found::FileBegin(name) => {
                    if self.mail.files > 0 {
                        self.mail.rules.next_file();
                    }
                    self.mail.files += 1;
                    self.mail.file = Some(File::named(&name));
                    self.mail.file_over = false;
                    self.judge(asking, Stage::RequestHeaders)
                }
                Found::FileData(bytes) => {
                    let grew = self.mail.file.as_mut().is_some_and(|file| file.push(&bytes, limit));
                    if grew { self.judge(asking, Stage::RequestBody) } else { Step::Continue }
                }
                Found::FileEnd => self.file_end(asking),
            };
            if step != Step::Continue {
                return step;
            }
        }
        Step::Continue
    }

    fn file_end(&mut self, asking: &mut Asking<'_>) -> Step {
        self.mail.file_over = true;
        let step = self.judge(asking, Stage::RequestBody);
        if asking.keeps_records()
            && let Some(file) = &self.mail.file
        {
            let said = file.said(Some(self.mail.said(&self.helo)), true);
            asking.record(Protocol::Smtp, Direction::ToServer, self.number, said);
        }
        step
    }

    /// The text of the mail is over.
    fn mail_end(&mut self, asking: &mut Asking<'_>) -> Step {
        self.last = Last::Mail;
        if let Some(mut reader) = self.reader.take() {
            let mut found = Vec::new();
            reader.end(&mut found);
            match self.found(asking, found) {
                Step::Continue => {}
                step => return step,
            }
        }
        self.judge(asking, Stage::RequestEnd)
    }

    /// The next mail may follow.
    fn over(&mut self, asking: &mut Asking<'_>) -> Step {
        self.record(asking);
        self.mail = Mail::default();
        self.reader = None;
        self.number += 1;
        Step::Continue
    }

    fn record(&self, asking: &mut Asking<'_>) {
        if asking.keeps_records() {
            asking.record(Protocol::Smtp, Direction::ToServer, self.number, self.mail.said(&self.helo));
        }
    }
}

impl Dialogue for Smtp {
    fn protocol(&self) -> Protocol {
        Protocol::Smtp
    }

    fn data(&mut self, asking: &mut Asking<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let side = if direction == Direction::ToServer { Side::Client } else { Side::Server };
        let mut said = Vec::new();
        self.session.feed(side, bytes, &mut said);
        for said in said {
            let step = match said {
                smtp::Said::Command(verb, argument) => self.command(asking, &verb, argument),
                smtp::Said::Reply(code, _, true) => self.reply(asking, code),
                smtp::Said::Reply(..) => Step::Continue,
                smtp::Said::Line(line) => self.line(asking, &line),
                smtp::Said::MailEnd => self.mail_end(asking),
                smtp::Said::LongLine(Side::Client) => {
                    self.event(asking, direction, "smtp.max_command_line_len_exceeded")
                }
                smtp::Said::LongLine(Side::Server) => {
                    self.event(asking, direction, "smtp.max_reply_line_len_exceeded")
                }
                smtp::Said::BrokenReply => self.event(asking, direction, "smtp.invalid_reply"),
            };
            if step != Step::Continue {
                return step;
            }
        }
        Step::Continue
    }

    fn end(&mut self, asking: &mut Asking<'_>, blocked: bool) {
        if blocked {
            return;
        }
        if let Some(mut reader) = self.reader.take() {
            let mut found = Vec::new();
            reader.end(&mut found);
            let _too_late = self.found(asking, found);
        }
        let _too_late = self.judge(asking, Stage::RequestEnd);
        if self.mail.begun || self.number == 0 {
            self.record(asking);
        }
    }
}

// === impl Mail ===

impl Mail {
    fn field(&self, name: &str) -> Option<&[u8]> {
        self.field_at(name, 0)
    }

    fn field_at(&self, name: &str, index: usize) -> Option<&[u8]> {
        let named = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| value.as_slice()).nth(index)
    }

    fn said(&self, helo: &[u8]) -> Said {
        let mut smtp = Vec::new();
        if !helo.is_empty() {
            smtp.push(("helo", Field::Text(text(helo))));
        }
        if let Some(from) = &self.from {
            smtp.push(("mail_from", Field::Text(text(from))));
        }
        if !self.to.is_empty() {
            smtp.push(("rcpt_to", Field::List(self.to.iter().map(|to| Field::Text(text(to))).collect())));
        }
        let mut email = Vec::new();
        if let Some(from) = self.field("from") {
            email.push(("from", Field::Text(text(from))));
        }
        for name in ["to", "cc"] {
            if let Some(all) = self.field(name) {
                let all = all.split(|byte| *byte == b',').map(|one| Field::Text(text(one.trim_ascii())));
                email.push((name, Field::List(all.collect())));
            }
        }
        for (name, header) in [("subject", "subject"), ("date", "date"), ("message_id", "message-id")] {
            if let Some(value) = self.field(header) {
                email.push((name, Field::Text(text(value))));
            }
        }
        let mut parts = vec![("smtp", Field::Group(smtp))];
        if !email.is_empty() {
            parts.push(("email", Field::Group(email)));
        }
        Said::Parts("smtp", parts)
    }
}

/// A mail, offered to the rules by buffer name.
struct SmtpView<'a> {
    helo: &'a [u8],
    mail: &'a Mail,
    limit: usize,
}

impl Transaction for SmtpView<'_> {
    fn protocol(&self) -> Protocol {
        Protocol::Smtp
    }

    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]> {
        if direction == Direction::ToClient {
            return None;
        }
        match buffer {
            Buffer::SmtpHelo => Some(self.helo).filter(|helo| !helo.is_empty()),
            Buffer::SmtpMailFrom => self.mail.from.as_deref(),
            Buffer::EmailFrom => self.mail.field("from"),
            Buffer::EmailTo => self.mail.field("to"),
            Buffer::EmailCc => self.mail.field("cc"),
            Buffer::EmailSubject => self.mail.field("subject"),
            Buffer::EmailDate => self.mail.field("date"),
            Buffer::EmailMessageId => self.mail.field("message-id"),
            Buffer::EmailXMailer => self.mail.field("x-mailer"),
            Buffer::FileData => self.mail.file.as_ref()?.bytes(),
            Buffer::FileName => Some(self.mail.file.as_ref()?.name.as_slice()),
            Buffer::SmtpRcptTo | Buffer::EmailReceived => self.instance(buffer, direction, 0),
            _ => None,
        }
    }

    fn instance(&self, buffer: Buffer, direction: Direction, index: usize) -> Option<&[u8]> {
        match (buffer, direction) {
            (Buffer::SmtpRcptTo, Direction::ToServer) => self.mail.to.get(index).map(Vec::as_slice),
            (Buffer::EmailReceived, Direction::ToServer) => self.mail.field_at("received", index),
            _ if index == 0 => self.buffer(buffer, direction),
            _ => None,
        }
    }

    fn is_complete(&self, _buffer: Buffer, _direction: Direction) -> bool {
        self.mail.file_over || self.mail.file.as_ref().is_some_and(|file| file.is_full(self.limit))
    }

    fn fact(&self, fact: Fact, _direction: Direction) -> Option<u64> {
        let file = self.mail.file.as_ref().filter(|_| self.mail.file_over)?;
        (fact == Fact::FileSize).then(|| file.size())
    }

    fn has_event(&self, event: EventName, _direction: Direction) -> bool {
        self.mail.events.contains(&event.as_str())
    }

    fn said(&self) -> Option<Said> {
        let Said::Parts(kind, mut parts) = self.mail.said(self.helo) else { return None };
        if let Some(file) = &self.mail.file {
            parts.push(("files", Field::List(vec![file.field(self.mail.file_over)])));
        }
        Some(Said::Parts(kind, parts))
    }
}
