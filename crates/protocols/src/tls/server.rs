//! What the server answers.
use super::{ALPN, VERSIONS, take8, take16};

/// What the server said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// The version that is spoken.
    pub version: u16,
    /// The version of the message: 0x0303 from TLS 1.2 on.
    pub message_version: u16,
    /// The 32 bytes that the server has chosen.
    pub random: Vec<u8>,
    /// The session; that of the client where it is resumed.
    pub session: Vec<u8>,
    /// The cipher suite.
    pub suite: u16,
    /// Extensions in the server's order.
    pub extensions: Vec<u16>,
    /// The application protocol that the server chose.
    pub alpn: Option<Vec<u8>>,
    /// Whether lengths inside the message do not fit into each other.
    pub is_malformed: bool,
}

/// # Source
/// RFC 8446 §4.1.3, RFC 5246 §7.4.1.3
pub(super) fn read(body: &[u8]) -> ServerHello {
    let mut hello = ServerHello::default();
    hello.is_malformed = fields(body, &mut hello).is_none();
    hello
}

fn fields(body: &[u8], hello: &mut ServerHello) -> Option<()> {
    let (version, rest) = body.split_first_chunk::<2>()?;
    hello.version = u16::from_be_bytes(*version);
    hello.message_version = hello.version;
    let (random, mut rest) = rest.split_at_checked(32)?;
    hello.random = random.to_vec();
    hello.session = take8(&mut rest)?.to_vec();
    let (suite, rest) = rest.split_first_chunk::<2>()?;
    hello.suite = u16::from_be_bytes(*suite);
    let (_compression, mut rest) = rest.split_first()?;
    if rest.is_empty() {
        return Some(());
    }
    let mut list = take16(&mut rest)?;
    while !list.is_empty() {
        let (kind, after) = list.split_first_chunk::<2>()?;
        list = after;
        let mut content = take16(&mut list)?;
        let kind = u16::from_be_bytes(*kind);
        hello.extensions.push(kind);
        match kind {
            VERSIONS => hello.version = u16::from_be_bytes(*content.first_chunk::<2>()?),
            ALPN => hello.alpn = Some(take8(&mut take16(&mut content)?)?.to_vec()),
            _ => {}
        }
    }
    Some(())
}
