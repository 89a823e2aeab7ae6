//! TLS as far as it is said openly: greetings, versions, certificates.
//!
//! [`Session`] follows both sides of a connection up to where it becomes encrypted. [`Greeting`] is for those who want no
//! more than the client's first message: it is fed a client's bytes as they come, cut anywhere; it gives the server name and the application
//! protocols as soon as the message is whole. Nothing after it is looked at.
//!
//! # Bounds
//! [`MOST_BYTES`] of the message are kept; a longer one is judged by its beginning.
//!
//! # Source
//! RFC 8446 §4.1.2 and §5.1 (messages may be spread over records), RFC 6066 §3 (server name), RFC 7301 (ALPN)

mod certificate;
mod fingerprint;
mod server;
mod session;
#[cfg(test)]
mod tests;

pub use certificate::Certificate;
pub use fingerprint::{digest, ja3, ja3s, ja4};
pub use server::ServerHello;
pub use session::{Said, Session};

/// What is kept of a message: key shares that resist quantum computers make some 2 KiB, sessions to be resumed a few
/// more.
pub const MOST_BYTES: usize = 32 << 10;
/// Protocols that are kept of a list.
const MOST_PROTOCOLS: usize = 16;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const GROUPS: u16 = 10;
const FORMATS: u16 = 11;
const SIGNATURES: u16 = 13;
const ALPN: u16 = 16;
const VERSIONS: u16 = 43;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xFE0D;
/// Longest record: 2¹⁴ and what encryption may add.
const RECORD_BYTES: usize = (1 << 14) + 2048;

/// One oddity. None of them is an error: what could be read is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Anomaly {
    /// Not a TLS handshake.
    NotTls,
    /// The message is longer than [`MOST_BYTES`]; its beginning was read.
    TooLong,
    /// A record of another type, or of no bytes, came before the message was whole.
    Interrupted,
    /// Lengths inside the message do not fit into each other.
    Malformed,
    /// The server name is spread over more than one entry; the first counts, as servers do it.
    SeveralNames,
    /// The true name is encrypted; the visible one is a cover.
    EncryptedHello,
}

/// A set of [`Anomaly`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anomalies(u8);

/// What the client said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The server's name as sent; at most 65,535 bytes, in practice 255.
    pub server_name: Option<Vec<u8>>,
    /// Application protocols in the client's order: `h2`, `http/1.1`.
    pub alpn: Vec<Vec<u8>>,
    /// The version of the message: 0x0303 from TLS 1.2 on.
    pub version: u16,
    /// The versions that are offered in the extension for them.
    pub versions: Vec<u16>,
    /// The 32 bytes that the client has chosen.
    pub random: Vec<u8>,
    /// Session that the client would resume.
    pub session: Vec<u8>,
    /// Cipher suites in the client's order.
    pub suites: Vec<u16>,
    /// Extensions in the client's order.
    pub extensions: Vec<u16>,
    /// Groups of key exchange.
    pub groups: Vec<u16>,
    /// Forms of points of curves.
    pub formats: Vec<u8>,
    /// Signature algorithms.
    pub signatures: Vec<u16>,
    /// What was odd.
    pub anomalies: Anomalies,
}

/// Reads the first message.
#[derive(Clone, Debug, Default)]
pub struct Greeting {
    /// The handshake message as far as it has come, records taken off.
    message: Vec<u8>,
    /// The record at hand: its header as far as it has come, and how many of its bytes are still to come.
    header: Vec<u8>,
    left: usize,
    done: bool,
}

// === impl Anomalies ===

impl Anomalies {
    /// Adds one.
    pub fn insert(&mut self, anomaly: Anomaly) {
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

// === impl Greeting ===

impl Greeting {
    /// Whether a connection that begins with this byte may be TLS.
    pub const fn may_begin_with(byte: u8) -> bool {
        byte == HANDSHAKE
    }

    /// Takes the next bytes of the client. Gives the message once, when it is whole or can never be.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Option<ClientHello> {
        while !self.done && !bytes.is_empty() {
            if self.left == 0 {
                let wanted = 5 - self.header.len();
                let (now, rest) = bytes.split_at(wanted.min(bytes.len()));
                self.header.extend_from_slice(now);
                bytes = rest;
                // The first bytes decide: who does not speak TLS is not waited for.
                match *self.header.as_slice() {
                    [kind, ..] if kind != HANDSHAKE => return Some(self.end(self.broken())),
                    [_, major, ..] if major != 3 => return Some(self.end(self.broken())),
                    [_, _, _, high, low] => {
                        self.left = usize::from(u16::from_be_bytes([high, low]));
                        self.header.clear();
                        if self.left == 0 || self.left > RECORD_BYTES {
                            return Some(self.end(self.broken()));
                        }
                    }
                    _ => {}
                }
                continue;
            }
            let (now, rest) = bytes.split_at(self.left.min(bytes.len()));
            self.left -= now.len();
            bytes = rest;
            let room = MOST_BYTES - self.message.len();
            self.message.extend_from_slice(now.get(..room).unwrap_or(now));
            match *self.message.as_slice() {
                [kind, ..] if kind != CLIENT_HELLO => return Some(self.end(Anomaly::NotTls)),
                [_, a, b, c, ref body @ ..] => {
                    let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
                    if let Some(body) = body.get(..length) {
                        let hello = read(body);
                        self.finish();
                        return Some(hello);
                    }
                    if self.message.len() >= MOST_BYTES {
                        return Some(self.end(Anomaly::TooLong));
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Bytes of memory held.
    pub fn memory_bytes(&self) -> usize {
        self.message.capacity() + self.header.capacity()
    }

    const fn broken(&self) -> Anomaly {
        if self.message.is_empty() { Anomaly::NotTls } else { Anomaly::Interrupted }
    }

    /// What can be read of a message that will not be whole.
    fn end(&mut self, why: Anomaly) -> ClientHello {
        let mut hello = match why {
            Anomaly::NotTls => ClientHello::default(),
            _ => read(self.message.get(4..).unwrap_or_default()),
        };
        hello.anomalies.insert(why);
        self.finish();
        hello
    }

    fn finish(&mut self) {
        self.done = true;
        self.message = Vec::new();
        self.header = Vec::new();
    }
}

/// # Shape
/// version 2, random 32, session id (1), cipher suites (2), compression methods (1), extensions (2): each of the
/// latter a length of that many bytes and its content.
pub(crate) fn read(body: &[u8]) -> ClientHello {
    let mut hello = ClientHello::default();
    if extensions(body, &mut hello).is_none() {
        hello.anomalies.insert(Anomaly::Malformed);
    }
    hello
}

/// `None` when lengths do not fit; what was read before that is in `hello`.
fn extensions(body: &[u8], hello: &mut ClientHello) -> Option<()> {
    let (version, rest) = body.split_first_chunk::<2>()?;
    hello.version = u16::from_be_bytes(*version);
    let (random, mut rest) = rest.split_at_checked(32)?;
    hello.random = random.to_vec();
    hello.session = take8(&mut rest)?.to_vec();
    hello.suites = numbers(take16(&mut rest)?);
    let _compression = take8(&mut rest)?;
    if rest.is_empty() {
        // No extensions at all: an old client, and well-formed.
        return Some(());
    }
    let (length, all) = rest.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let whole = all.len() >= length;
    // Of a message that was cut, what is there is read.
    let mut list = all.get(..length).unwrap_or(all);
    while !list.is_empty() {
        let (kind, after) = list.split_first_chunk::<2>()?;
        list = after;
        let content = take16(&mut list)?;
        let kind = u16::from_be_bytes(*kind);
        hello.extensions.push(kind);
        match kind {
            SERVER_NAME => server_name(content, hello)?,
            ALPN => protocols(content, hello)?,
            GROUPS => hello.groups = numbers(take16(&mut { content })?),
            FORMATS => hello.formats = take8(&mut { content })?.to_vec(),
            SIGNATURES => hello.signatures = numbers(take16(&mut { content })?),
            VERSIONS => hello.versions = numbers(take8(&mut { content })?),
            ENCRYPTED_CLIENT_HELLO => hello.anomalies.insert(Anomaly::EncryptedHello),
            _ => {}
        }
    }
    whole.then_some(())
}

fn server_name(mut content: &[u8], hello: &mut ClientHello) -> Option<()> {
    let mut list = take16(&mut content)?;
    while let Some((kind, after)) = list.split_first() {
        list = after;
        let name = take16(&mut list)?;
        if *kind != 0 {
            continue;
        }
        if hello.server_name.is_some() {
            hello.anomalies.insert(Anomaly::SeveralNames);
        } else {
            hello.server_name = Some(name.to_vec());
        }
    }
    Some(())
}

fn protocols(mut content: &[u8], hello: &mut ClientHello) -> Option<()> {
    let mut list = take16(&mut content)?;
    while !list.is_empty() {
        let name = take8(&mut list)?;
        if hello.alpn.len() < MOST_PROTOCOLS {
            hello.alpn.push(name.to_vec());
        }
    }
    Some(())
}

/// Numbers of two bytes each; half a one at the end is left out.
fn numbers(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?))).collect()
}

fn take8<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first()?;
    let (taken, after) = after.split_at_checked(usize::from(*length))?;
    *rest = after;
    Some(taken)
}

fn take16<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<2>()?;
    let (taken, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *rest = after;
    Some(taken)
}
