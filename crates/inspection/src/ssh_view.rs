//! SSH over the seam of [`crate::dialogue`]: banners and offers, before both sides encrypt.
use crate::dcerpc_view::side;
use crate::dialogue::{Asking, Dialogue, Probe, RuleMemory, Spec, Step, Transaction};
use crate::record::{Anomaly, Field, Said, Told, text};
use sakimori_protocols::ssh::{self, Session};
use sakimori_signatures::{Buffer, Direction, EventName, Protocol, Stage};

pub(crate) const SPEC: Spec =
    Spec { protocol: Protocol::Ssh, ports: &[], probe, make: || Box::<Ssh>::default() };

/// The oddities that are noticed.
pub(crate) const EVENTS: &[&str] = &["ssh.invalid_banner", "ssh.long_banner", "ssh.invalid_record"];

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Ssh {
    session: Session,
    seen: Seen,
    rules: RuleMemory,
    recorded: bool,
}

/// What both sides have said.
#[derive(Debug, Default)]
struct Seen {
    sides: [Party; 2],
    events: Vec<&'static str>,
}

#[derive(Debug, Default)]
struct Party {
    version: Option<Vec<u8>>,
    software: Option<Vec<u8>>,
    offer: Option<(String, String)>,
}

fn probe(_direction: Direction, bytes: &[u8]) -> Probe {
    const BEGIN: &[u8] = b"SSH-";
    match bytes.get(..BEGIN.len()) {
        Some(begin) if begin == BEGIN => Probe::Yes,
        None if BEGIN.starts_with(bytes) => Probe::More,
        _ => Probe::No,
    }
}

// === impl Ssh ===

impl Ssh {
    fn record(&mut self, asking: &mut Asking<'_>) {
        let said = self.seen.sides.iter().any(|party| party.version.is_some());
        if said && asking.keeps_records() && !std::mem::replace(&mut self.recorded, true) {
            asking.record(Protocol::Ssh, Direction::ToServer, 0, self.seen.said());
        }
    }
}

impl Dialogue for Ssh {
    fn protocol(&self) -> Protocol {
        Protocol::Ssh
    }

    fn data(&mut self, asking: &mut Asking<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let slot = usize::from(direction == Direction::ToClient);
        let mut said = Vec::new();
        self.session.feed(side(direction), bytes, &mut said);
        for said in said {
            let Some(party) = self.seen.sides.get_mut(slot) else { return Step::Continue };
            let (mut end, mut odd) = (false, None);
            match said {
                ssh::Said::Banner(version, software) => {
                    (party.version, party.software) = (Some(version), Some(software));
                }
                ssh::Said::Offer(text, hash) => party.offer = Some((text, hash)),
                ssh::Said::Encrypted => end = true,
                ssh::Said::BrokenBanner => odd = Some("ssh.invalid_banner"),
                ssh::Said::LongBanner => odd = Some("ssh.long_banner"),
                ssh::Said::BrokenPacket => odd = Some("ssh.invalid_record"),
            }
            if let Some(event) = odd {
                self.seen.events.push(event);
                asking.record(Protocol::Ssh, direction, 0, Said::Anomaly(Anomaly::of_protocol(event)));
            }
            let stage = match (direction, end) {
                (Direction::ToServer, false) => Stage::RequestHeaders,
                (Direction::ToServer, true) => Stage::RequestEnd,
                (Direction::ToClient, false) => Stage::ResponseHeaders,
                (Direction::ToClient, true) => Stage::ResponseEnd,
            };
            match asking.judge(&SshView(&self.seen), 0, &mut self.rules, stage).into() {
                Step::Continue => {}
                step => return step,
            }
        }
        if self.session.is_over() {
            self.record(asking);
            return Step::Over;
        }
        Step::Continue
    }

    fn end(&mut self, asking: &mut Asking<'_>, blocked: bool) {
        if !blocked {
            self.record(asking);
        }
    }
}

impl Seen {
    fn said(&self) -> Said {
        let [client, server] = &self.sides;
        let group = |party: &Party| {
            let mut fields = Vec::new();
            if let Some(version) = &party.version {
                fields.push(("proto_version", Field::Text(text(version))));
            }
            if let Some(software) = &party.software {
                fields.push(("software_version", Field::Text(text(software))));
            }
            if let Some((string, hash)) = &party.offer {
                let parts = vec![
                    ("hash", Field::Text(hash.clone())),
                    ("string", Field::Text(text(string.as_bytes()))),
                ];
                fields.push(("hassh", Field::Group(parts)));
            }
            Field::Group(fields)
        };
        let fields = vec![("client", group(client)), ("server", group(server))];
        Said::Told(Told { name: "ssh", fields })
    }
}

/// What both sides have said, offered to the rules by buffer name.
struct SshView<'a>(&'a Seen);

impl Transaction for SshView<'_> {
    fn protocol(&self) -> Protocol {
        Protocol::Ssh
    }

    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]> {
        let [client, server] = &self.0.sides;
        let party = if direction == Direction::ToServer { client } else { server };
        let (string, hash) = match &party.offer {
            Some((string, hash)) => (Some(string.as_bytes()), Some(hash.as_bytes())),
            None => (None, None),
        };
        match (buffer, direction) {
            (Buffer::SshProto, _) => party.version.as_deref(),
            (Buffer::SshSoftware, _) => party.software.as_deref(),
            (Buffer::SshHassh, Direction::ToServer) | (Buffer::SshHasshServer, Direction::ToClient) => hash,
            (Buffer::SshHasshString, Direction::ToServer)
            | (Buffer::SshHasshServerString, Direction::ToClient) => string,
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
