//! SMB over the seam of [`crate::dialogue`]: a request with its answer is a transaction, and so is a file.
use crate::dcerpc_view::{CallView, side, stage};
use crate::dialogue::{Asking, Dialogue, Probe, RuleMemory, Spec, Step, Transaction};
use crate::file::File;
use crate::record::{Anomaly, Field, Said, Told};
use sakimori_protocols::dcerpc;
use sakimori_protocols::smb::{self, Data, FileId, Message, Session};
use sakimori_signatures::{Buffer, Direction, EventName, Fact, Protocol, Stage};
use std::collections::{BTreeMap, VecDeque};

pub(crate) const SPEC: Spec =
    Spec { protocol: Protocol::Smb, ports: &[], probe, make: || Box::<Smb>::default() };

/// The oddities that are noticed.
pub(crate) const EVENTS: &[&str] = &["smb.malformed_data", "smb.file_overlap"];

/// Requests that wait for their answer.
const WAITING: usize = 64;
/// Files and pipes that are followed at once.
const FILES: usize = 32;

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Smb {
    session: Session,
    number: u64,
    waiting: VecDeque<(u64, u64, RuleMemory)>,
    files: BTreeMap<(FileId, bool), Followed>,
    pipes: BTreeMap<FileId, dcerpc::Session>,
    said_broken: bool,
}

/// A file on its way.
#[derive(Debug, Default)]
struct Followed {
    file: File,
    number: u64,
    rules: RuleMemory,
    overlaps: bool,
    over: bool,
}

/// A message with what was found in it.
#[derive(Debug, Default)]
struct Seen {
    version: u8,
    share: Option<Vec<u8>>,
    pipe: Option<Vec<u8>>,
    user: Option<Vec<u8>>,
    domain: Option<Vec<u8>>,
    events: Vec<&'static str>,
}

fn probe(_direction: Direction, bytes: &[u8]) -> Probe {
    match Session::may_begin_with(bytes) {
        Some(true) => Probe::Yes,
        Some(false) => Probe::No,
        None => Probe::More,
    }
}

// === impl Smb ===

impl Smb {
    /// A message is whole.
    fn message(&mut self, asking: &mut Asking<'_>, message: Message, seen: &Seen) -> Step {
        let answered = |(id, ..): &(u64, u64, RuleMemory)| *id == message.id && message.is_response;
        let at = self.waiting.iter().position(answered);
        let asked = at.and_then(|at| self.waiting.remove(at));
        let (number, mut rules) = asked.map_or_else(
            || {
                self.number += 1;
                (self.number - 1, RuleMemory::default())
            },
            |(_, number, rules)| (number, rules),
        );
        let step = asking.judge(&SmbView(seen), number, &mut rules, stage(message.is_response)).into();
        if !message.is_response {
            if self.waiting.len() >= WAITING {
                self.waiting.pop_front();
            }
            self.waiting.push_back((message.id, number, rules));
        }
        step
    }

    /// A part of a file.
    fn part(&mut self, asking: &mut Asking<'_>, direction: Direction, data: &Data) -> Step {
        let key = (data.file, direction == Direction::ToServer);
        if !self.files.contains_key(&key) {
            if self.files.len() >= FILES {
                self.finish(asking, |_| true);
            }
            self.number += 1;
            let file =
                Followed { file: File::named(&data.name), number: self.number - 1, ..Followed::default() };
            self.files.insert(key, file);
        }
        let limit = asking.shared.limits.http.body_bytes;
        let Some(followed) = self.files.get_mut(&key) else { return Step::Continue };
        let size = followed.file.size();
        let kept = data.bytes.len() as u64;
        if data.offset < size {
            // what was written once is written again
            followed.overlaps = true;
            let event = "smb.file_overlap";
            asking.record(
                Protocol::Smb,
                direction,
                followed.number,
                Said::Anomaly(Anomaly::of_protocol(event)),
            );
            let fresh = usize::try_from(size - data.offset).ok().and_then(|from| data.bytes.get(from..));
            followed.file.push(fresh.unwrap_or_default(), limit);
        } else {
            if data.offset > size {
                followed.file.gap(data.offset - size);
            }
            followed.file.push(&data.bytes, limit);
            if kept < data.length {
                followed.file.gap(data.length - kept);
            }
        }
        let stage = if direction == Direction::ToServer { Stage::RequestBody } else { Stage::ResponseBody };
        followed.judge(asking, direction, stage)
    }

    /// Bytes through a pipe.
    fn pipe(&mut self, asking: &mut Asking<'_>, direction: Direction, file: FileId, bytes: &[u8]) -> Step {
        if self.pipes.len() >= FILES && !self.pipes.contains_key(&file) {
            self.pipes.clear();
        }
        let mut said = Vec::new();
        self.pipes.entry(file).or_default().feed(side(direction), bytes, &mut said);
        for said in said {
            let dcerpc::Said::Call(call) = said else { continue };
            self.number += 1;
            let mut rules = RuleMemory::default();
            for protocol in [Protocol::Smb, Protocol::Dcerpc] {
                let view = CallView { call: &call, protocol };
                match asking.judge(&view, self.number - 1, &mut rules, stage(call.is_response)).into() {
                    Step::Continue => {}
                    step => return step,
                }
                // rules of both protocols match once
                rules.next_file();
            }
        }
        Step::Continue
    }

    /// Files that are over.
    fn finish(&mut self, asking: &mut Asking<'_>, which: impl Fn(&FileId) -> bool) -> Step {
        let keys: Vec<_> = self.files.keys().filter(|(file, _)| which(file)).copied().collect();
        let mut blocks = Step::Continue;
        for key in keys {
            let Some(mut followed) = self.files.remove(&key) else { continue };
            let (direction, stage) = if key.1 {
                (Direction::ToServer, Stage::RequestEnd)
            } else {
                (Direction::ToClient, Stage::ResponseEnd)
            };
            followed.over = true;
            let step = followed.judge(asking, direction, stage);
            if step != Step::Continue {
                blocks = step;
            }
            if asking.keeps_records() {
                let said = followed.file.said(None, true);
                asking.record(Protocol::Smb, direction, followed.number, said);
            }
        }
        blocks
    }
}

impl Followed {
    fn judge(&mut self, asking: &mut Asking<'_>, direction: Direction, stage: Stage) -> Step {
        let mut rules = std::mem::take(&mut self.rules);
        let limit = asking.shared.limits.http.body_bytes;
        let view = FileView { followed: self, direction, limit };
        let step = asking.judge(&view, self.number, &mut rules, stage).into();
        self.rules = rules;
        step
    }
}

impl Dialogue for Smb {
    fn protocol(&self) -> Protocol {
        Protocol::Smb
    }

    fn data(&mut self, asking: &mut Asking<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let mut said = Vec::new();
        self.session.feed(side(direction), bytes, &mut said);
        let mut at_hand: Option<(Message, Seen)> = None;
        for said in said {
            let step = match said {
                smb::Said::Message(message) => {
                    let seen = Seen { version: message.version, ..Seen::default() };
                    match at_hand.replace((message, seen)) {
                        Some((message, seen)) => self.message(asking, message, &seen),
                        None => Step::Continue,
                    }
                }
                smb::Said::Share(path, is_pipe) => {
                    if let Some((_, seen)) = &mut at_hand {
                        let place = if is_pipe { &mut seen.pipe } else { &mut seen.share };
                        *place = Some(path);
                    }
                    Step::Continue
                }
                smb::Said::Login(user, domain) => {
                    if let Some((_, seen)) = &mut at_hand {
                        (seen.user, seen.domain) = (Some(user), Some(domain));
                    }
                    Step::Continue
                }
                smb::Said::Data(data) => self.part(asking, direction, &data),
                smb::Said::Pipe(file, bytes) => self.pipe(asking, direction, file, &bytes),
                smb::Said::Close(file) => {
                    self.pipes.remove(&file);
                    self.finish(asking, |other| *other == file)
                }
                smb::Said::Broken => {
                    let event = "smb.malformed_data";
                    let (_, seen) = at_hand.get_or_insert_with(|| {
                        let message = Message {
                            version: 0,
                            id: u64::MAX,
                            is_response: direction == Direction::ToClient,
                            command: 0,
                        };
                        (message, Seen::default())
                    });
                    seen.events.push(event);
                    if !std::mem::replace(&mut self.said_broken, true) {
                        let odd = Said::Anomaly(Anomaly::of_protocol(event));
                        asking.record(Protocol::Smb, direction, self.number, odd);
                    }
                    Step::Continue
                }
            };
            if step != Step::Continue {
                return step;
            }
        }
        match at_hand {
            Some((message, seen)) => self.message(asking, message, &seen),
            None => Step::Continue,
        }
    }

    fn gap(&mut self, _asking: &mut Asking<'_>, direction: Direction, bytes: u64) -> Step {
        if self.session.gap(side(direction), bytes) { Step::Continue } else { Step::Over }
    }

    fn end(&mut self, asking: &mut Asking<'_>, blocked: bool) {
        if !blocked {
            let _too_late = self.finish(asking, |_| true);
        }
    }
}

/// A message, offered to the rules by buffer name.
struct SmbView<'a>(&'a Seen);

impl Transaction for SmbView<'_> {
    fn protocol(&self) -> Protocol {
        Protocol::Smb
    }

    fn buffer(&self, buffer: Buffer, _direction: Direction) -> Option<&[u8]> {
        match buffer {
            Buffer::SmbNamedPipe => self.0.pipe.as_deref(),
            Buffer::SmbShare => self.0.share.as_deref(),
            Buffer::SmbNtlmsspUser => self.0.user.as_deref(),
            Buffer::SmbNtlmsspDomain => self.0.domain.as_deref(),
            _ => None,
        }
    }

    fn fact(&self, fact: Fact, _direction: Direction) -> Option<u64> {
        (fact == Fact::SmbVersion && self.0.version > 0).then(|| self.0.version.into())
    }

    fn has_event(&self, event: EventName, _direction: Direction) -> bool {
        self.0.events.contains(&event.as_str())
    }

    fn said(&self) -> Option<Said> {
        Some(Said::Told(Told {
            name: "smb",
            fields: vec![("version", Field::Number(self.0.version.into()))],
        }))
    }
}

/// A file, offered to the rules by buffer name.
struct FileView<'a> {
    followed: &'a Followed,
    direction: Direction,
    limit: usize,
}

impl Transaction for FileView<'_> {
    fn protocol(&self) -> Protocol {
        Protocol::Smb
    }

    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]> {
        match buffer {
            Buffer::FileData if direction == self.direction => self.followed.file.bytes(),
            Buffer::FileName => Some(self.followed.file.name.as_slice()).filter(|name| !name.is_empty()),
            _ => None,
        }
    }

    fn is_complete(&self, _buffer: Buffer, _direction: Direction) -> bool {
        self.followed.over || self.followed.file.is_full(self.limit)
    }

    fn fact(&self, fact: Fact, _direction: Direction) -> Option<u64> {
        (fact == Fact::FileSize && self.followed.over).then(|| self.followed.file.size())
    }

    fn has_event(&self, event: EventName, _direction: Direction) -> bool {
        event.as_str() == "smb.file_overlap" && self.followed.overlaps
    }

    fn said(&self) -> Option<Said> {
        let files = self.followed.file.field(self.followed.over);
        Some(Said::Parts("smb", vec![("files", Field::List(vec![files]))]))
    }
}
