//! Both sides of a connection, up to where it becomes encrypted.
//!
//! # Bounds
//! [`MESSAGE_BYTES`] of one message of each side are held; a longer one is passed over.
//!
//! # Source
//! RFC 8446, RFC 5246; RFC 6101 appendix E.1 for the greeting in the form of SSL 2.
use super::{ClientHello, RECORD_BYTES, ServerHello, read, server};
use crate::Side;

/// What is held of one message: chains of certificates are the longest.
pub(super) const MESSAGE_BYTES: usize = 64 << 10;
/// Certificates that are looked at.
const CHAIN: usize = 32;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
const HEARTBEAT: u8 = 24;

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// By the client.
    ClientHello(ClientHello),
    /// By the server.
    ServerHello(ServerHello),
    /// The chain of a side, the leaf first, as DER.
    Certificates(Vec<Vec<u8>>),
    /// The side's part of the key exchange.
    KeyExchange,
    /// The server has said what it says first.
    ServerDone,
    /// What the side says from here on is encrypted.
    Encrypted,
    /// An alert, openly: level and description.
    Alert(u8, u8),
    /// A heartbeat.
    Heartbeat,
    /// What came is no record, or of a version that there is not: nothing that follows is understood.
    BrokenRecord,
    /// Lengths of a message do not fit.
    BrokenMessage,
}

/// A connection.
#[derive(Clone, Debug, Default)]
pub struct Session {
    client: Half,
    server: Half,
}

#[derive(Clone, Debug, Default)]
struct Half {
    /// The header of the record at hand as far as it has come.
    header: Vec<u8>,
    kind: u8,
    left: usize,
    /// The message at hand, with its header.
    message: Vec<u8>,
    /// Bytes of a message too long to be held that are still to come.
    passing: usize,
    began: bool,
    over: bool,
}

// === impl Session ===

impl Session {
    /// Whether a side's first bytes may be TLS; none while there are too few.
    pub fn may_begin_with(side: Side, bytes: &[u8]) -> Option<bool> {
        match *bytes {
            [HANDSHAKE | ALERT, 3, minor, ..] if minor > 4 => Some(false),
            [HANDSHAKE, 3, _, _, _, kind, ..] => Some(kind == if side == Side::Client { 1 } else { 2 }),
            [ALERT, 3, _, 0, 2, ..] => Some(side == Side::Server),
            [HANDSHAKE]
            | [HANDSHAKE, 3]
            | [HANDSHAKE, 3, _]
            | [HANDSHAKE, 3, _, _]
            | [HANDSHAKE, 3, _, _, _] => None,
            [first, _, 1, 0 | 3, minor, ..] if side == Side::Client => Some(first >= 0x80 && minor <= 4),
            [first, ..] if first >= 0x80 && side == Side::Client && bytes.len() < 5 => None,
            _ => Some(false),
        }
    }

    /// Takes the next bytes of a side; what is said is added.
    pub fn feed(&mut self, side: Side, bytes: &[u8], said: &mut Vec<Said>) {
        let half = match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        half.feed(side, bytes, said);
    }

    /// Whether nothing more is understood of either side.
    pub const fn is_over(&self) -> bool {
        self.client.over && self.server.over
    }

    /// Bytes of memory held.
    pub fn memory_bytes(&self) -> usize {
        [&self.client, &self.server].iter().map(|half| half.message.capacity() + half.header.capacity()).sum()
    }
}

impl Half {
    fn feed(&mut self, side: Side, mut bytes: &[u8], said: &mut Vec<Said>) {
        while !self.over && !bytes.is_empty() {
            if self.left == 0 {
                let (now, rest) = bytes.split_at((5 - self.header.len()).min(bytes.len()));
                self.header.extend_from_slice(now);
                bytes = rest;
                self.head(side, said);
                continue;
            }
            let (now, rest) = bytes.split_at(self.left.min(bytes.len()));
            self.left -= now.len();
            bytes = rest;
            match self.kind {
                HANDSHAKE => self.handshake(side, now, said),
                ALERT => self.alert(now, said),
                SSL2 => self.ssl2(side, now, said),
                // the contents of the others are of no interest
                _ => {}
            }
        }
    }

    /// The header of a record, where it is whole.
    fn head(&mut self, side: Side, said: &mut Vec<Said>) {
        let [kind, major, minor, high, low] = *self.header.as_slice() else { return };
        if !self.began && kind >= 0x80 && (minor_is_hello(side, minor)) {
            // of this form: length (2), then the message, of which three bytes were read
            self.kind = SSL2;
            let length = usize::from(u16::from_be_bytes([kind & 0x7f, major]));
            self.message = vec![minor, high, low];
            self.header.clear();
            self.began = true;
            match length.checked_sub(3).filter(|left| *left > 0) {
                Some(left) => self.left = left,
                None => self.broken(said),
            }
            return;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        if major != 3 || !(CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(&kind) || length > RECORD_BYTES {
            self.broken(said);
            return;
        }
        self.header.clear();
        self.began = true;
        self.kind = kind;
        self.left = length;
        match kind {
            CHANGE_CIPHER_SPEC | DATA => {
                said.push(Said::Encrypted);
                self.end();
            }
            HEARTBEAT => said.push(Said::Heartbeat),
            // a message inside may have been cut short
            HANDSHAKE => {}
            _ => self.message.clear(),
        }
    }

    fn broken(&mut self, said: &mut Vec<Said>) {
        said.push(Said::BrokenRecord);
        self.end();
    }

    fn end(&mut self) {
        *self = Self { over: true, began: true, ..Self::default() };
    }

    fn alert(&mut self, bytes: &[u8], said: &mut Vec<Said>) {
        self.message.extend_from_slice(bytes.get(..2 - self.message.len().min(2)).unwrap_or(bytes));
        if let [level, description] = *self.message.as_slice()
            && self.left == 0
        {
            self.message.clear();
            said.push(Said::Alert(level, description));
        }
    }

    fn handshake(&mut self, side: Side, mut bytes: &[u8], said: &mut Vec<Said>) {
        while !bytes.is_empty() {
            if self.passing > 0 {
                let (now, rest) = bytes.split_at(self.passing.min(bytes.len()));
                self.passing -= now.len();
                bytes = rest;
                continue;
            }
            let wanted = match *self.message.as_slice() {
                [_, a, b, c, ..] => {
                    4 + usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX)
                }
                _ => 4,
            };
            let (now, rest) = bytes.split_at((wanted - self.message.len().min(wanted)).min(bytes.len()));
            self.message.extend_from_slice(now);
            bytes = rest;
            let [kind, a, b, c, ref body @ ..] = *self.message.as_slice() else { continue };
            let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
            if body.len() == length {
                message(side, kind, body, said);
                self.message.clear();
            } else if length > MESSAGE_BYTES {
                self.passing = length - body.len();
                self.message = Vec::new();
                said.push(Said::BrokenMessage);
            }
        }
    }

    fn ssl2(&mut self, side: Side, bytes: &[u8], said: &mut Vec<Said>) {
        self.message.extend_from_slice(bytes);
        if self.left > 0 {
            return;
        }
        let message = std::mem::take(&mut self.message);
        match side {
            Side::Client => said.push(Said::ClientHello(old_hello(&message))),
            Side::Server => {
                if let Some((hello, certificate)) = old_answer(&message) {
                    said.push(Said::ServerHello(hello));
                    said.push(Said::Certificates(vec![certificate]));
                }
                said.push(Said::Encrypted);
                self.end();
            }
        }
    }
}

/// A record in the form of SSL 2; no type of a record of later versions.
const SSL2: u8 = 0xff;

/// Whether the third byte is a greeting's in the form of SSL 2.
const fn minor_is_hello(side: Side, kind: u8) -> bool {
    match side {
        Side::Client => kind == 1,
        Side::Server => kind == 4,
    }
}

fn message(side: Side, kind: u8, body: &[u8], said: &mut Vec<Said>) {
    match (side, kind) {
        (Side::Client, 1) => said.push(Said::ClientHello(read(body))),
        (Side::Server, 2) => said.push(Said::ServerHello(server::read(body))),
        (_, 11) => match certificates(body) {
            Some(chain) => said.push(Said::Certificates(chain)),
            None => said.push(Said::BrokenMessage),
        },
        (Side::Server, 12) | (Side::Client, 16) => said.push(Said::KeyExchange),
        (Side::Server, 14) => said.push(Said::ServerDone),
        _ => {}
    }
}

fn certificates(body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut list = take24(&mut { body })?;
    let mut chain = Vec::new();
    while !list.is_empty() && chain.len() < CHAIN {
        chain.push(take24(&mut list)?.to_vec());
    }
    Some(chain)
}

fn take24<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let ([a, b, c], after) = rest.split_first_chunk::<3>()?;
    let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).ok()?;
    let (taken, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

/// kind (1), version (2), lengths of suites of three bytes, session and challenge (2 each), and these.
fn old_hello(message: &[u8]) -> ClientHello {
    let mut hello = ClientHello::default();
    if let [_, major, minor, high, low, _, _, _, _, ref rest @ ..] = *message {
        hello.version = u16::from_be_bytes([major, minor]);
        let suites = rest.get(..usize::from(u16::from_be_bytes([high, low]))).unwrap_or(rest);
        hello.suites = suites
            .chunks_exact(3)
            .filter_map(|suite| match *suite {
                [0, high, low] => Some(u16::from_be_bytes([high, low])),
                _ => None,
            })
            .collect();
    }
    hello
}

/// kind (1), session hit (1), kind of certificate (1), version (2), lengths (2 each), certificate.
fn old_answer(message: &[u8]) -> Option<(ServerHello, Vec<u8>)> {
    let [_, _, _, major, minor, high, low, _, _, _, _, rest @ ..] = message else { return None };
    let certificate = rest.get(..usize::from(u16::from_be_bytes([*high, *low])))?;
    let version = u16::from_be_bytes([*major, *minor]);
    let hello = ServerHello { version, message_version: version, ..ServerHello::default() };
    Some((hello, certificate.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind, 3, 3][..], &length, body].concat()
    }

    fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind][..], &length[1..], body].concat()
    }

    fn server() -> Vec<u8> {
        let extensions = [0, 43, 0, 2, 3, 4, 0, 16, 0, 5, 0, 3, 2, b'h', b'2'];
        let body = [
            &[3, 3][..],
            &[9; 32],
            &[0, 0x13, 1, 0],
            &[0, u8::try_from(extensions.len()).unwrap()],
            &extensions,
        ]
        .concat();
        let certificate = [0, 0, 5, 0, 0, 2, 7, 8];
        let messages = [handshake(2, &body), handshake(11, &certificate), handshake(14, &[])].concat();
        let (first, second) = messages.split_at(20);
        [record(HANDSHAKE, first), record(HANDSHAKE, second), record(CHANGE_CIPHER_SPEC, &[1])].concat()
    }

    fn all(side: Side, pieces: &[&[u8]]) -> Vec<Said> {
        let (mut session, mut said) = (Session::default(), Vec::new());
        for piece in pieces {
            session.feed(side, piece, &mut said);
        }
        said
    }

    #[test]
    fn a_server_is_followed_until_it_encrypts() {
        let said = all(Side::Server, &[&server()]);
        let [Said::ServerHello(hello), Said::Certificates(chain), Said::ServerDone, Said::Encrypted] =
            said.as_slice()
        else {
            panic!("{said:?}")
        };
        assert_eq!((hello.version, hello.message_version, hello.suite), (0x304, 0x303, 0x1301));
        assert_eq!(hello.alpn.as_deref(), Some(&b"h2"[..]));
        assert_eq!(chain, &[vec![7, 8]]);
        assert_eq!(super::super::ja3s(hello), "771,4865,43-16");
    }

    #[test]
    fn a_greeting_in_the_form_of_ssl2() {
        let hello = [0x80, 15, 1, 3, 1, 0, 6, 0, 0, 0, 0, 0, 0, 4, 7, 0, 0xc0];
        let said = all(Side::Client, &[&hello[..4], &hello[4..]]);
        let [Said::ClientHello(hello)] = said.as_slice() else { panic!("{said:?}") };
        assert_eq!((hello.version, hello.suites.as_slice()), (0x301, &[4][..]));
    }

    #[test]
    fn what_is_no_tls_ends_it() {
        assert_eq!(all(Side::Client, &[b"GET / HTTP/1.1\r\n"]), [Said::BrokenRecord]);
        assert_eq!(all(Side::Server, &[&record(ALERT, &[2, 40])]), [Said::Alert(2, 40)]);
        for (bytes, may) in [
            (&b"\x16\x03\x01"[..], None),
            (b"\x16\x03\x01\x00\x05\x01", Some(true)),
            (b"\x16\x03\x01\x00\x05\x02", Some(false)),
            (b"\x80\x2e\x01\x00\x02", Some(true)),
            (b"GET /", Some(false)),
        ] {
            assert_eq!(Session::may_begin_with(Side::Client, bytes), may, "{bytes:?}");
        }
    }

    proptest! {
            #[test]
            fn how_bytes_are_cut_changes_nothing(cuts in prop::collection::vec(1_usize..40, 0..20)) {
                let bytes = server();
                let mut rest = bytes.as_slice();
                let mut pieces = Vec::new();
                for cut in cuts {
                    let (piece, after) = rest.split_at(cut.min(rest.len()));
                    pieces.push(piece);
                    rest = after;
                }
                pieces.push(rest);
                prop_assert_eq!(all(Side::Server, &pieces), all(Side::Server, &[&bytes]));
            }

            #[test]
            fn anything_is_taken(bytes in prop::collection::vec(any::<u8>(), 0..400), client in any::<bool>(), begin in any::<bool>()) {
                let side = if client { Side::Client } else { Side::Server };
                let bytes = if begin { [&[22, 3, 3, 1, 0][..], &bytes].concat() } else { bytes };
                let (mut session, mut said) = (Session::default(), Vec::new());
                session.feed(side, &bytes, &mut said);
                prop_assert!(session.memory_bytes() <= 2 * (MESSAGE_BYTES + 64));
                for said in said {
                    if let Said::Certificates(chain) = said {
                        for der in chain {
    drop(super::super::Certificate::read(&der));
    }
                    }
                }
            }
        }
}
