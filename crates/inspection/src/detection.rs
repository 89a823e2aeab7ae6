//! Which protocol a flow speaks: by what is said first, and by the server's port where that does not tell.
use crate::dialogue::{Dialogue, PROTOCOLS, Probe, Spec};
use sakimori_signatures::{Direction, Protocol, Transport};

/// First bytes of both directions that are kept until they tell: longer than any greeting that is told apart.
const MOST_BYTES: usize = 1 << 10;

/// What is known of a flow's protocol.
#[derive(Debug, Default)]
pub(crate) enum Spoken {
    /// Nothing was said yet.
    #[default]
    Silent,
    /// Too little was said.
    Held(Box<Held>),
    /// It is known, and followed.
    Is(Box<dyn Dialogue>),
    /// It is known, and nothing more of it can be understood.
    Over(Protocol),
    /// None that is spoken here.
    Unknown,
}

/// What was said before it told anything.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// In the order of their coming.
    pieces: Vec<(Direction, Vec<u8>)>,
    bytes: usize,
    /// The directions whose first bytes are in no protocol that is spoken here; the other's may still be.
    failed: [bool; 2],
}

/// What a flow has turned out to be.
pub(crate) enum Found {
    /// What was said before is to be fed to it first.
    Is(Box<dyn Dialogue>, Box<Held>),
    /// Not yet.
    Wait,
    Nothing,
}

// === impl Spoken ===

impl Spoken {
    pub(crate) fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Is(dialogue) => Some(dialogue.protocol()),
            Self::Over(protocol) => Some(*protocol),
            Self::Silent | Self::Held(_) | Self::Unknown => None,
        }
    }

    /// Takes the next bytes of a flow whose protocol is not known; `by_port` is what the settings say of the port.
    pub(crate) fn find(
        &mut self,
        (transport, server_port): (Transport, u16),
        by_port: Option<Protocol>,
        direction: Direction,
        bytes: &[u8],
    ) -> Found {
        let mut held = match std::mem::take(self) {
            Self::Held(held) => held,
            _ => Box::default(),
        };
        let side = usize::from(direction == Direction::ToClient);
        let failed = held.failed.get(side).is_some_and(|failed| *failed);
        let mut more = failed;
        if !failed {
            let first = held.first(direction);
            let joined;
            let shown = if first.is_empty() {
                bytes
            } else {
                joined = [first.as_slice(), bytes].concat();
                &joined
            };
            for spec in PROTOCOLS.iter().filter(|spec| spec.is_tried(transport, server_port)) {
                match (spec.probe)(direction, shown) {
                    Probe::Yes => return Found::Is((spec.make)(), held),
                    Probe::No => {}
                    Probe::More => more = true,
                }
            }
        }
        let datagram = transport == Transport::Udp;
        let room = held.bytes + bytes.len() <= MOST_BYTES;
        if !more || !room && !datagram {
            if let Some(spec) = by_port.and_then(Spec::of) {
                return Found::Is((spec.make)(), held);
            }
            if let Some(failed) = held.failed.get_mut(side) {
                *failed = true;
            }
        }
        if held.failed == [true; 2] || !room && !datagram {
            *self = Self::Unknown;
            return Found::Nothing;
        }
        if !datagram {
            held.bytes += bytes.len();
            held.pieces.push((direction, bytes.to_vec()));
        }
        *self = Self::Held(held);
        Found::Wait
    }
}

// === impl Held ===

impl Held {
    /// What was said, in the order of its coming.
    pub(crate) fn into_pieces(self) -> Vec<(Direction, Vec<u8>)> {
        self.pieces
    }

    fn first(&self, direction: Direction) -> Vec<u8> {
        self.pieces.iter().filter(|(of, _)| *of == direction).flat_map(|(_, bytes)| bytes).copied().collect()
    }
}
