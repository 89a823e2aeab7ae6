//! DNS messages: questions and records, names with their compression undone.
//!
//! [`Message::parse`] reads a message; [`Framing`] cuts the stream of a TCP connection into messages.
//!
//! # Bounds
//! [`MOST_RECORDS`] records of a message are kept, [`MOST_NAME`] bytes of a name, and of all names together
//! [`MOST_NAMES`]; a message has at most 65,535 bytes.
//!
//! # Source
//! RFC 1035, RFC 3596 (AAAA), RFC 2782 (SRV), RFC 4255 (SSHFP)
use std::net::IpAddr;

mod framing;
mod read;
#[cfg(test)]
mod tests;

pub use framing::Framing;

/// Questions and records that are kept of a message.
pub const MOST_RECORDS: usize = 1024;
/// Bytes that are kept of a name: longer than any that servers take, which is 255.
pub const MOST_NAME: usize = 1025;
/// Bytes that are kept of all names of a message: compression lets few bytes stand for many.
pub const MOST_NAMES: usize = 256 << 10;

/// One oddity. None of them is an error: what could be read is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Anomaly {
    /// Lengths or counts do not fit into the message.
    Malformed,
    /// A pointer of a name leads into a circle, or from one to the next for too long.
    NameLoops,
    /// A name is longer than [`MOST_NAME`], or all are longer than [`MOST_NAMES`].
    NameTooLong,
    /// There are more records than [`MOST_RECORDS`].
    TooManyRecords,
}

/// A set of [`Anomaly`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anomalies(u8);

/// A name as text: labels with dots between them, bytes as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// It was longer.
    pub is_cut: bool,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Name.
    pub name: Name,
    /// Type of records: 1 is an address.
    pub kind: u16,
    /// Class: 1 is the Internet.
    pub class: u16,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Name.
    pub name: Name,
    /// Type.
    pub kind: u16,
    /// Class.
    pub class: u16,
    /// Seconds for which it holds.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nothing.
    Empty,
    /// A or AAAA.
    Address(IpAddr),
    /// CNAME, NS, PTR, MX.
    Name(Name),
    /// TXT: each of its strings.
    Text(Vec<Vec<u8>>),
    /// SOA.
    Authority(Box<Authority>),
    /// SRV.
    Service(Box<Service>),
    /// SSHFP.
    Fingerprint {
        /// Of the key.
        algorithm: u8,
        /// Of the digest.
        kind: u8,
        /// The digest.
        digest: Vec<u8>,
    },
    /// Any other.
    Other(Vec<u8>),
}

/// Start of authority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    /// Primary server.
    pub server: Name,
    /// Whoever is responsible.
    pub mailbox: Name,
    /// Serial number, refresh, retry, expire, minimum.
    pub numbers: [u32; 5],
}

/// Where a service is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Lowest first.
    pub priority: u16,
    /// Among those of a priority.
    pub weight: u16,
    /// Port.
    pub port: u16,
    /// Host.
    pub target: Name,
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What answers are known by.
    pub id: u16,
    /// Flags as sent.
    pub flags: u16,
    /// What is asked for.
    pub questions: Vec<Question>,
    /// What is answered.
    pub answers: Vec<Record>,
    /// Who knows more.
    pub authorities: Vec<Record>,
    /// What may be of use.
    pub additionals: Vec<Record>,
    /// What was odd.
    pub anomalies: Anomalies,
}

// === impl Anomalies ===

impl Anomalies {
    /// Adds one.
    pub const fn insert(&mut self, anomaly: Anomaly) {
        self.0 |= 1 << anomaly as u8;
    }

    /// Whether it is in the set.
    pub const fn contains(self, anomaly: Anomaly) -> bool {
        self.0 & (1 << anomaly as u8) != 0
    }

    /// Whether nothing was odd.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

// === impl Message ===

impl Message {
    /// Reads a message; none where there is not even a header.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        read::message(bytes)
    }

    /// Whether bytes are the beginning of a message: none where there are too few to say.
    ///
    /// Looked at are the counts, and the first question as far as it is there.
    pub fn may_begin(bytes: &[u8]) -> Option<bool> {
        read::may_begin(bytes)
    }

    /// Whether it is an answer.
    pub const fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// What kind of question: 0 is the usual one.
    pub const fn opcode(&self) -> u8 {
        (self.flags >> 11) as u8 & 15
    }

    /// What became of it: 3 is "no such name". With the upper bits that an OPT record adds.
    pub fn rcode(&self) -> u16 {
        let opt = self.additionals.iter().find(|record| record.kind == 41);
        let upper = opt.map_or(0, |record| u16::from((record.ttl >> 24) as u8));
        upper << 4 | self.flags & 15
    }

    /// The bit that has to be 0.
    pub const fn has_reserved_bit(&self) -> bool {
        self.flags & 0x0040 != 0
    }
}

/// The name of a type of records: `AAAA`.
///
/// # Source
/// <https://www.iana.org/assignments/dns-parameters>
pub const fn kind_name(kind: u16) -> Option<&'static str> {
    Some(match kind {
        1 => "A",
        2 => "NS",
        3 => "MD",
        4 => "MF",
        5 => "CNAME",
        6 => "SOA",
        7 => "MB",
        8 => "MG",
        9 => "MR",
        10 => "NULL",
        11 => "WKS",
        12 => "PTR",
        13 => "HINFO",
        14 => "MINFO",
        15 => "MX",
        16 => "TXT",
        17 => "RP",
        18 => "AFSDB",
        25 => "KEY",
        28 => "AAAA",
        29 => "LOC",
        33 => "SRV",
        35 => "NAPTR",
        36 => "KX",
        37 => "CERT",
        39 => "DNAME",
        41 => "OPT",
        42 => "APL",
        43 => "DS",
        44 => "SSHFP",
        45 => "IPSECKEY",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        49 => "DHCID",
        50 => "NSEC3",
        51 => "NSEC3PARAM",
        52 => "TLSA",
        55 => "HIP",
        59 => "CDS",
        60 => "CDNSKEY",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        249 => "TKEY",
        250 => "TSIG",
        251 => "IXFR",
        252 => "AXFR",
        253 => "MAILB",
        254 => "MAILA",
        255 => "ANY",
        256 => "URI",
        257 => "CAA",
        _ => return None,
    })
}

/// The name of what became of a question: `NXDOMAIN`.
pub const fn rcode_name(rcode: u16) -> Option<&'static str> {
    Some(match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        16 => "BADVERS",
        17 => "BADKEY",
        18 => "BADTIME",
        19 => "BADMODE",
        20 => "BADNAME",
        21 => "BADALG",
        22 => "BADTRUNC",
        _ => return None,
    })
}
