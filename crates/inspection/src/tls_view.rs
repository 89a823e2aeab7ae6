//! What a client says to a TLS server first, as the rule language sees it.
use crate::packet_view::Header;
use sakimori_protocols::tls::ClientHello;
use sakimori_signatures::{Buffer, Direction, Fact, FlowFacts, Inspected, Protocol};

/// A client's greeting, offered to the rules by buffer name.
#[derive(Debug)]
pub(crate) struct TlsView<'a> {
    pub(crate) hello: &'a ClientHello,
    /// The server's name in lower case.
    pub(crate) name: Option<&'a [u8]>,
    pub(crate) flow: &'a FlowFacts,
    pub(crate) segment_length: usize,
    pub(crate) lengths: [u64; 2],
    pub(crate) header: &'a Header,
}

impl Inspected for TlsView<'_> {
    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]> {
        match (buffer, direction) {
            (Buffer::TlsSni, Direction::ToServer) => self.name,
            _ => self.instance(buffer, direction, 0),
        }
    }

    fn instance(&self, buffer: Buffer, direction: Direction, index: usize) -> Option<&[u8]> {
        match (buffer, direction) {
            (Buffer::TlsAlpn, Direction::ToServer) => self.hello.alpn.get(index).map(Vec::as_slice),
            _ => None,
        }
    }

    fn is_complete(&self, _buffer: Buffer, _direction: Direction) -> bool {
        true
    }

    fn flow(&self) -> &FlowFacts {
        self.flow
    }

    fn segment_length(&self) -> usize {
        self.segment_length
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Tls)
    }

    fn fact(&self, fact: Fact, _direction: Direction) -> Option<u64> {
        let [to_server, to_client] = self.lengths;
        match fact {
            Fact::StreamOfClient => Some(to_server),
            Fact::StreamOfServer => Some(to_client),
            fact => self.header.fact(fact),
        }
    }
}
