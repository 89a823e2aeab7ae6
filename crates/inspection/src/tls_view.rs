//! TLS over the seam of [`crate::dialogue`]: what both sides say before they encrypt.
use crate::dialogue::{Asking, Dialogue, Probe, RuleMemory, Spec, Step, Transaction};
use crate::record::{Anomaly, Field, Said, Told, text};
use sakimori_protocols::Side;
use sakimori_protocols::tls::{self, Certificate, ClientHello, ServerHello, Session, digest, ja3, ja3s, ja4};
use sakimori_signatures::{Buffer, Direction, EventName, Fact, Protocol, Stage};
use std::cell::OnceCell;

pub(crate) const SPEC: Spec =
    Spec { protocol: Protocol::Tls, ports: &[], probe, make: || Box::<Tls>::default() };

/// The oddities that are noticed.
pub(crate) const EVENTS: &[&str] = &[
    "tls.invalid_tls_header",
    "tls.invalid_handshake_message",
    "tls.invalid_certificate",
    "tls.error_message_encountered",
    "tls.heartbeat_message",
    "tls.multiple_sni_extensions",
];

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    session: Session,
    seen: Seen,
    rules: RuleMemory,
    ended: [bool; 2],
    recorded: bool,
}

/// What was said so far.
#[derive(Debug, Default)]
struct Seen {
    hello: Option<ClientHello>,
    /// The server's name in lower case.
    name: Option<Vec<u8>>,
    answer: Option<ServerHello>,
    /// Of the client and of the server.
    chains: [Vec<Vec<u8>>; 2],
    leaves: [Option<Certificate>; 2],
    /// A bit for each kind of message, as `ssl_state` has them.
    state: u64,
    events: Vec<&'static str>,
    fingerprints: OnceCell<Fingerprints>,
    /// Second since 1970 at which it is looked at.
    now: i64,
}

/// Fingerprints, made when they are asked for: texts of JA3 and JA3S with their digests, and JA4.
#[derive(Debug, Default)]
struct Fingerprints {
    client: Option<(String, String)>,
    server: Option<(String, String)>,
    ja4: Option<String>,
}

fn probe(direction: Direction, bytes: &[u8]) -> Probe {
    match Session::may_begin_with(side(direction), bytes) {
        Some(true) => Probe::Yes,
        Some(false) => Probe::No,
        None => Probe::More,
    }
}

const fn side(direction: Direction) -> Side {
    match direction {
        Direction::ToServer => Side::Client,
        Direction::ToClient => Side::Server,
    }
}

// === impl Tls ===

impl Tls {
    fn judge(&mut self, asking: &mut Asking<'_>, direction: Direction, end: bool) -> Step {
        let slot = usize::from(direction == Direction::ToClient);
        let ended = self.ended.get_mut(slot).is_some_and(|ended| std::mem::replace(ended, end || *ended));
        if ended && end {
            return Step::Continue;
        }
        let stage = match (direction, end) {
            (Direction::ToServer, false) => Stage::RequestHeaders,
            (Direction::ToServer, true) => Stage::RequestEnd,
            (Direction::ToClient, false) => Stage::ResponseHeaders,
            (Direction::ToClient, true) => Stage::ResponseEnd,
        };
        self.seen.now = asking.shared.now.wall.0.div_euclid(1_000_000);
        asking.judge(&TlsView(&self.seen), 0, &mut self.rules, stage).into()
    }

    fn event(&mut self, asking: &mut Asking<'_>, direction: Direction, event: &'static str) {
        if !self.seen.events.contains(&event) {
            self.seen.events.push(event);
            asking.record(Protocol::Tls, direction, 0, Said::Anomaly(Anomaly::of_protocol(event)));
        }
    }

    /// Takes what was said; what of it has to be asked about follows.
    fn take(&mut self, asking: &mut Asking<'_>, direction: Direction, said: tls::Said) -> Step {
        let slot = usize::from(direction == Direction::ToClient);
        match said {
            tls::Said::ClientHello(hello) => {
                self.seen.state |= 1;
                if hello.anomalies.contains(tls::Anomaly::SeveralNames) {
                    self.event(asking, direction, "tls.multiple_sni_extensions");
                }
                if hello.anomalies.contains(tls::Anomaly::Malformed) {
                    self.event(asking, direction, "tls.invalid_handshake_message");
                }
                if self.seen.hello.is_none() {
                    self.seen.name = hello.server_name.as_ref().map(|name| name.to_ascii_lowercase());
                    self.seen.hello = Some(hello);
                }
            }
            tls::Said::ServerHello(hello) => {
                self.seen.state |= 2;
                if hello.is_malformed {
                    self.event(asking, direction, "tls.invalid_handshake_message");
                }
                // fingerprints of the client alone may have been made
                self.seen.fingerprints = OnceCell::new();
                self.seen.answer.get_or_insert(hello);
            }
            tls::Said::Certificates(chain) => {
                if let Some(der) = chain.first() {
                    let leaf = Certificate::read(der);
                    if leaf.is_malformed {
                        self.event(asking, direction, "tls.invalid_certificate");
                    }
                    if let (Some(place), Some(kept)) =
                        (self.seen.leaves.get_mut(slot), self.seen.chains.get_mut(slot))
                    {
                        (*place, *kept) = (Some(leaf), chain);
                    }
                }
            }
            tls::Said::KeyExchange => {
                self.seen.state |= if direction == Direction::ToServer { 4 } else { 8 };
                return Step::Continue;
            }
            tls::Said::ServerDone | tls::Said::Encrypted => {
                let step = self.judge(asking, direction, true);
                if direction == Direction::ToClient || self.session.is_over() {
                    self.record(asking);
                }
                return step;
            }
            tls::Said::Alert(..) => self.event(asking, direction, "tls.error_message_encountered"),
            tls::Said::Heartbeat => self.event(asking, direction, "tls.heartbeat_message"),
            tls::Said::BrokenMessage => self.event(asking, direction, "tls.invalid_handshake_message"),
            tls::Said::BrokenRecord => {
                self.event(asking, direction, "tls.invalid_tls_header");
                let step = self.judge(asking, direction, true);
                return if step == Step::Continue { Step::Over } else { step };
            }
        }
        self.judge(asking, direction, false)
    }

    fn record(&mut self, asking: &mut Asking<'_>) {
        if asking.keeps_records() && !std::mem::replace(&mut self.recorded, true) && !self.seen.is_empty() {
            let said = Said::Told(self.seen.told());
            asking.record(Protocol::Tls, Direction::ToServer, 0, said);
        }
    }
}

impl Dialogue for Tls {
    fn protocol(&self) -> Protocol {
        Protocol::Tls
    }

    fn data(&mut self, asking: &mut Asking<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let mut said = Vec::new();
        self.session.feed(side(direction), bytes, &mut said);
        for said in said {
            match self.take(asking, direction, said) {
                Step::Continue => {}
                step => {
                    if step == Step::Over {
                        self.record(asking);
                    }
                    return step;
                }
            }
        }
        if self.session.is_over() { Step::Over } else { Step::Continue }
    }

    fn end(&mut self, asking: &mut Asking<'_>, blocked: bool) {
        if !blocked {
            self.record(asking);
        }
    }
}

// === impl Seen ===

impl Seen {
    const fn is_empty(&self) -> bool {
        self.hello.is_none() && self.answer.is_none()
    }

    fn fingerprints(&self) -> &Fingerprints {
        self.fingerprints.get_or_init(|| {
            let with_digest = |text: String| {
                let digest = digest(&text);
                (text, digest)
            };
            Fingerprints {
                client: self.hello.as_ref().map(|hello| with_digest(ja3(hello))),
                server: self.answer.as_ref().map(|hello| with_digest(ja3s(hello))),
                ja4: self.hello.as_ref().map(|hello| ja4(hello, 't')),
            }
        })
    }

    /// The hello of a side.
    fn random(&self, direction: Direction) -> Option<&[u8]> {
        let random = match direction {
            Direction::ToServer => &self.hello.as_ref()?.random,
            Direction::ToClient => &self.answer.as_ref()?.random,
        };
        Some(random).filter(|random| !random.is_empty()).map(Vec::as_slice)
    }

    fn version(&self) -> Option<u16> {
        let client = self.hello.as_ref().map(|hello| hello.version);
        self.answer.as_ref().map(|answer| answer.version).or(client)
    }

    fn leaf(&self, direction: Direction) -> Option<&Certificate> {
        let [client, server] = &self.leaves;
        if direction == Direction::ToServer { client.as_ref() } else { server.as_ref() }
    }

    fn chain(&self, direction: Direction) -> &[Vec<u8>] {
        let [client, server] = &self.chains;
        if direction == Direction::ToServer { client } else { server }
    }

    fn told(&self) -> Told {
        let mut fields = Vec::new();
        if let Some(leaf) = self.leaf(Direction::ToClient) {
            certificate(leaf, &mut fields);
        }
        if let Some(leaf) = self.leaf(Direction::ToServer) {
            let mut client = Vec::new();
            certificate(leaf, &mut client);
            fields.push(("client", Field::Group(client)));
        }
        if let Some(name) = &self.name {
            fields.push(("sni", Field::Text(text(name))));
        }
        if let Some(version) = self.version() {
            fields.push(("version", Field::Text(version_name(version))));
        }
        let list =
            |names: &[Vec<u8>]| Field::List(names.iter().map(|name| Field::Text(text(name))).collect());
        if let Some(hello) = self.hello.as_ref().filter(|hello| !hello.alpn.is_empty()) {
            fields.push(("client_alpns", list(&hello.alpn)));
        }
        if let Some(alpn) = self.answer.as_ref().and_then(|answer| answer.alpn.as_ref()) {
            fields.push(("server_alpns", list(std::slice::from_ref(alpn))));
        }
        let Fingerprints { client, server, ja4 } = self.fingerprints();
        for (name, print) in [("ja3", client), ("ja3s", server)] {
            if let Some((text, hash)) = print {
                let group = vec![("hash", Field::Text(hash.clone())), ("string", Field::Text(text.clone()))];
                fields.push((name, Field::Group(group)));
            }
        }
        if let Some(ja4) = ja4 {
            fields.push(("ja4", Field::Text(ja4.clone())));
        }
        Told { name: "tls", fields }
    }
}

fn certificate(leaf: &Certificate, fields: &mut Vec<(&'static str, Field)>) {
    let texts = [
        ("subject", &leaf.subject),
        ("issuerdn", &leaf.issuer),
        ("serial", &leaf.serial),
        ("fingerprint", &Some(leaf.fingerprint.clone())),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            fields.push((name, Field::Text(text(value.as_bytes()))));
        }
    }
    if let Some((begin, end)) = leaf.validity {
        fields.push(("notbefore", Field::Second(begin)));
        fields.push(("notafter", Field::Second(end)));
    }
    if !leaf.names.is_empty() {
        let names = leaf.names.iter().map(|name| Field::Text(text(name.as_bytes()))).collect();
        fields.push(("subjectaltname", Field::List(names)));
    }
}

fn version_name(version: u16) -> String {
    match version {
        0x0002 => "SSLv2".to_owned(),
        0x0300 => "SSLv3".to_owned(),
        0x0301 => "TLSv1".to_owned(),
        0x0302..=0x0304 => format!("TLS 1.{}", version - 0x0301),
        0x7f00..=0x7fff => format!("TLS 1.3 draft-{}", version & 0xff),
        _ => "UNDETERMINED".to_owned(),
    }
}

/// What both sides have said, offered to the rules by buffer name.
struct TlsView<'a>(&'a Seen);

impl Transaction for TlsView<'_> {
    fn protocol(&self) -> Protocol {
        Protocol::Tls
    }

    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]> {
        let seen = self.0;
        let leaf = || seen.leaf(direction);
        match buffer {
            Buffer::TlsSni if direction == Direction::ToServer => seen.name.as_deref(),
            Buffer::TlsRandom => seen.random(direction),
            Buffer::TlsRandomTime => seen.random(direction)?.get(..4),
            Buffer::TlsRandomBytes => seen.random(direction)?.get(4..),
            Buffer::TlsCertSubject => leaf()?.subject.as_deref().map(str::as_bytes),
            Buffer::TlsCertIssuer => leaf()?.issuer.as_deref().map(str::as_bytes),
            Buffer::TlsCertSerial => leaf()?.serial.as_deref().map(str::as_bytes),
            Buffer::TlsCertFingerprint => Some(leaf()?.fingerprint.as_bytes()),
            Buffer::Ja3String if direction == Direction::ToServer => {
                seen.fingerprints().client.as_ref().map(|(text, _)| text.as_bytes())
            }
            Buffer::Ja3Hash if direction == Direction::ToServer => {
                seen.fingerprints().client.as_ref().map(|(_, hash)| hash.as_bytes())
            }
            Buffer::Ja3sString if direction == Direction::ToClient => {
                seen.fingerprints().server.as_ref().map(|(text, _)| text.as_bytes())
            }
            Buffer::Ja3sHash if direction == Direction::ToClient => {
                seen.fingerprints().server.as_ref().map(|(_, hash)| hash.as_bytes())
            }
            Buffer::Ja4Hash if direction == Direction::ToServer => {
                seen.fingerprints().ja4.as_deref().map(str::as_bytes)
            }
            Buffer::TlsAlpn | Buffer::TlsCerts | Buffer::TlsSubjectAltName => {
                self.instance(buffer, direction, 0)
            }
            _ => None,
        }
    }

    fn instance(&self, buffer: Buffer, direction: Direction, index: usize) -> Option<&[u8]> {
        let seen = self.0;
        match (buffer, direction) {
            (Buffer::TlsAlpn, Direction::ToServer) => seen.hello.as_ref()?.alpn.get(index).map(Vec::as_slice),
            (Buffer::TlsAlpn, Direction::ToClient) => {
                seen.answer.as_ref()?.alpn.as_deref().filter(|_| index == 0)
            }
            (Buffer::TlsCerts, _) => seen.chain(direction).get(index).map(Vec::as_slice),
            (Buffer::TlsSubjectAltName, _) => seen.leaf(direction)?.names.get(index).map(String::as_bytes),
            _ if index == 0 => self.buffer(buffer, direction),
            _ => None,
        }
    }

    fn fact(&self, fact: Fact, direction: Direction) -> Option<u64> {
        let seen = self.0;
        let validity = || seen.leaf(direction)?.validity;
        let second = |second: i64| u64::try_from(second).unwrap_or(0);
        match fact {
            Fact::TlsVersion | Fact::SslVersion => seen.version().map(u64::from),
            Fact::SslState => Some(seen.state),
            Fact::TlsChainLength => Some(seen.chain(direction).len() as u64).filter(|length| *length > 0),
            Fact::TlsNotBefore => validity().map(|(begin, _)| second(begin)),
            Fact::TlsNotAfter => validity().map(|(_, end)| second(end)),
            Fact::TlsExpired => validity().map(|(begin, end)| {
                if seen.now > end {
                    1
                } else if seen.now < begin {
                    2
                } else {
                    0
                }
            }),
            _ => None,
        }
    }

    fn has_event(&self, event: EventName, _direction: Direction) -> bool {
        self.0.events.contains(&event.as_str())
    }

    fn said(&self) -> Option<Said> {
        Some(Said::Told(self.0.told()))
    }
}
