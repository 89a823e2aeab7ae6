//! TLS over the seam of [`crate::dialogue`]: what the client says first.
use crate::dialogue::{Asking, Dialogue, Probe, RuleMemory, Spec, Step, Transaction};
use sakimori_protocols::tls::{ClientHello, Greeting};
use sakimori_signatures::{Buffer, Direction, Protocol, Stage};

pub(crate) const SPEC: Spec =
    Spec { protocol: Protocol::Tls, ports: &[], probe, make: || Box::<Tls>::default() };

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    greeting: Greeting,
}

fn probe(direction: Direction, bytes: &[u8]) -> Probe {
    match (direction, bytes) {
        (Direction::ToServer, [first, ..]) if Greeting::may_begin_with(*first) => Probe::Yes,
        _ => Probe::No,
    }
}

impl Dialogue for Tls {
    fn protocol(&self) -> Protocol {
        Protocol::Tls
    }

    fn data(&mut self, asking: &mut Asking<'_>, direction: Direction, bytes: &[u8]) -> Step {
        if direction == Direction::ToClient {
            return Step::Continue;
        }
        let Some(hello) = self.greeting.feed(bytes) else { return Step::Continue };
        let name = hello.server_name.as_ref().map(|name| name.to_ascii_lowercase());
        let view = TlsView { hello: &hello, name: name.as_deref() };
        match asking.judge(&view, 0, &mut RuleMemory::default(), Stage::RequestEnd).into() {
            // what follows is encrypted
            Step::Continue => Step::Over,
            step => step,
        }
    }
}

/// A client's greeting, offered to the rules by buffer name.
#[derive(Debug)]
struct TlsView<'a> {
    hello: &'a ClientHello,
    /// The server's name in lower case.
    name: Option<&'a [u8]>,
}

impl Transaction for TlsView<'_> {
    fn protocol(&self) -> Protocol {
        Protocol::Tls
    }

    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]> {
        match (buffer, direction) {
            (Buffer::TlsSni, Direction::ToServer) => self.name,
            _ => self.instance(buffer, direction, 0),
        }
    }

    fn instance(&self, buffer: Buffer, direction: Direction, index: usize) -> Option<&[u8]> {
        match (buffer, direction) {
            (Buffer::TlsSni, Direction::ToServer) if index == 0 => self.name,
            (Buffer::TlsAlpn, Direction::ToServer) => self.hello.alpn.get(index).map(Vec::as_slice),
            _ => None,
        }
    }
}
