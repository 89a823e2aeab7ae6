//! What was said over a connection, for those who keep records of traffic: transactions, files, and matches.
use crate::judge::About;
use sakimori_model::{Action, Detail, Event, Intrusion};
use sakimori_protocols::dns;
use sakimori_signatures::{Direction, FlowFacts, Inspected, Match, Protocol};

/// Bytes of a text in a record.
const TEXT_BYTES: usize = 4096;

/// Something that was said, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose it is.
    pub flow: FlowFacts,
    /// Number of the IP protocol below.
    pub carried_by: u8,
    /// Which way it went; of a request with its answer: to the server.
    pub direction: Direction,
    /// The protocol in which it was said.
    pub protocol: Option<Protocol>,
    /// Which transaction of the flow, from 0.
    pub number: u64,
    /// What.
    pub said: Said,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A request with its answer, where one came.
    Http(HttpRecord),
    /// A DNS message.
    Dns(Box<dns::Message>),
    /// A body.
    File(FileRecord),
    /// A rule matched.
    Match(Box<MatchRecord>),
    /// A transaction of another protocol.
    Told(Told),
    /// One that is told in several parts: the kind of record, and each part by its name.
    Parts(&'static str, Vec<(&'static str, Field)>),
    /// Something odd was seen.
    Anomaly(Anomaly),
    /// Nothing yet; the protocol of the flow was found out.
    Spoken,
    /// Nothing; the flow is over, and a rule had let all of it pass.
    Passed,
    /// Nothing; the packet is dropped for this reason, which is no rule.
    Refused(&'static str),
    /// Something is odd about a packet or a stream, by the name that rules have for it.
    Oddity(&'static str),
}

/// A transaction by the names that its fields have in records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// That of the protocol.
    pub name: &'static str,
    /// What is known.
    pub fields: Vec<(&'static str, Field)>,
}

/// A value in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A text, cut.
    Text(String),
    /// A number.
    Number(u64),
    /// Whether something is so.
    Flag(bool),
    /// A moment: seconds since 1970.
    Second(i64),
    /// Several values.
    List(Vec<Self>),
    /// Values by name.
    Group(Vec<(&'static str, Self)>),
}

/// Something odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Its name, without that of the protocol.
    pub event: &'static str,
    /// Where it was noticed: `proto_parser`, `proto_detect`.
    pub layer: &'static str,
}

impl Anomaly {
    /// One that the parser of a protocol has noticed; named as rules name it.
    pub(crate) fn of_protocol(event: &'static str) -> Self {
        let event = event.split_once('.').map_or(event, |(_, name)| name);
        Self { event, layer: "proto_parser" }
    }
}

/// A request with its answer. Texts are cut, and bytes that are no UTF-8 replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRecord {
    /// As sent.
    pub method: String,
    /// The host in lower case, without port.
    pub host: String,
    /// The target as sent.
    pub target: String,
    /// Version of the request.
    pub protocol: String,
    /// Its header.
    pub user_agent: String,
    /// Its header.
    pub referer: String,
    /// Code of the answer.
    pub status: Option<u16>,
    /// Where the answer sends to.
    pub location: String,
    /// Kind of the answer's body, without parameters.
    pub content_type: String,
    /// Length of the answer's body, as sent.
    pub length: u64,
}

/// A body as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord {
    /// The transaction that it is of.
    pub within: Option<Box<Said>>,
    /// What the sender calls it, else the path.
    pub name: String,
    /// Length, codings undone as far as they are.
    pub size: u64,
    /// Whether all of it came.
    pub whole: bool,
    /// Digest of a file that is whole.
    pub md5: Option<[u8; 16]>,
    /// Whether bytes in between are missing.
    pub gaps: bool,
}

/// A match, with the transaction that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchRecord {
    /// What matched.
    pub found: Intrusion,
    /// Whether it was stopped.
    pub action: Action,
    /// The transaction as far as it was known.
    pub within: Option<Said>,
}

impl Record {
    /// The record of a match.
    pub(crate) fn of_match<T: Inspected>(
        event: &Event,
        found: &Match,
        subject: &T,
        about: &impl About,
    ) -> Option<Self> {
        let Detail::Intrusion(intrusion) = &event.detail else { return None };
        let (number, within) = about.transaction().map_or((0, None), |(number, said)| (number, Some(said)));
        Some(Self {
            flow: *subject.flow(),
            carried_by: intrusion.protocol,
            direction: found.direction,
            protocol: subject.protocol(),
            number,
            said: Said::Match(Box::new(MatchRecord {
                found: (**intrusion).clone(),
                action: event.action,
                within,
            })),
        })
    }
}

/// Text for a record: cut, and what is no UTF-8 replaced.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..TEXT_BYTES).unwrap_or(bytes)).into_owned()
}
