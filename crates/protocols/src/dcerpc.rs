//! DCE/RPC: calls of interfaces, as they come over TCP or through the pipes of SMB (C706, chapter 12).
//!
//! # Bounds
//! [`STUB_BYTES`] of a call are kept, [`FRAGMENT_BYTES`] of a fragment that is not whole yet, [`CONTEXTS`] bound interfaces.
use crate::Side;
use std::fmt::Write as _;

/// What is kept of a call's arguments.
pub const STUB_BYTES: usize = 64 << 10;
/// Longest fragment: its length has 16 bits.
const FRAGMENT_BYTES: usize = 64 << 10;
/// Interfaces that are kept.
const CONTEXTS: usize = 64;
const HEADER: usize = 16;

/// A call or its answer, with all its fragments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The number of the call.
    pub id: u32,
    /// Whether it is the answer.
    pub is_response: bool,
    /// The interface: `367abb81-9844-35f1-ad32-98f038001003`.
    pub interface: Option<String>,
    /// The number of the operation; of a call only.
    pub operation: Option<u16>,
    /// Arguments or results.
    pub stub: Vec<u8>,
    /// Whether numbers stand with their lowest byte first.
    pub is_little: bool,
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A call, or an answer.
    Call(Call),
    /// An interface is asked for, or that is answered.
    Bind {
        /// The number of the call.
        id: u32,
        /// Whether it is the answer.
        is_response: bool,
    },
    /// What came is no message.
    Broken,
}

/// A conversation.
#[derive(Clone, Debug, Default)]
pub struct Session {
    halves: [Half; 2],
    contexts: Vec<Context>,
    /// Those of the bind that was not answered yet.
    offered: Vec<u16>,
    /// Contexts and operations of calls that wait for their answer.
    calls: Vec<(u32, u16)>,
}

#[derive(Clone, Debug, Default)]
struct Half {
    fragment: Vec<u8>,
    call: Option<Call>,
    broken: bool,
}

#[derive(Clone, Debug)]
struct Context {
    id: u16,
    interface: String,
    refused: bool,
}

impl Session {
    /// Whether bytes may begin a conversation; none while there are too few.
    pub fn may_begin_with(bytes: &[u8]) -> Option<bool> {
        const BEGIN: [u8; 2] = [5, 0];
        match *bytes {
            [5, 0, kind, flags, order, 0, 0 | 1, 0, a, b, ..] => {
                let length =
                    if order == 0x10 { u16::from_le_bytes([a, b]) } else { u16::from_be_bytes([a, b]) };
                Some(kind <= 19 && flags < 0xc0 && matches!(order, 0 | 0x10) && length >= 16)
            }
            _ if bytes.len() < 10 && bytes.iter().zip(BEGIN).all(|(byte, begin)| *byte == begin) => None,
            _ => Some(false),
        }
    }

    /// Takes the next bytes of a side; what is said is added.
    pub fn feed(&mut self, side: Side, mut bytes: &[u8], said: &mut Vec<Said>) {
        let slot = usize::from(side == Side::Server);
        while !bytes.is_empty() {
            let Some(half) = self.halves.get_mut(slot).filter(|half| !half.broken) else { return };
            let wanted = length(&half.fragment).unwrap_or(HEADER);
            let (now, rest) = bytes.split_at((wanted - half.fragment.len().min(wanted)).min(bytes.len()));
            half.fragment.extend_from_slice(now);
            bytes = rest;
            if half.fragment.len() == HEADER && !half.fragment.starts_with(&[5]) {
                half.broken = true;
                half.fragment = Vec::new();
                said.push(Said::Broken);
                return;
            }
            if length(&half.fragment).is_some_and(|length| half.fragment.len() >= length) {
                let fragment = std::mem::take(&mut half.fragment);
                if self.fragment(slot, &fragment, said).is_none() {
                    said.push(Said::Broken);
                }
            }
        }
    }

    /// Bytes are missing: the fragment at hand will not be whole.
    pub fn gap(&mut self) {
        self.halves = <[Half; 2]>::default();
    }

    fn fragment(&mut self, slot: usize, bytes: &[u8], said: &mut Vec<Said>) -> Option<()> {
        let [_, _, kind, flags, order, ..] = *bytes else { return None };
        let read = Reader { bytes, is_little: order & 0x10 != 0 };
        let id = read.u32(12)?;
        let authentication = usize::from(read.u16(10)?);
        let trailer = if authentication > 0 { authentication + 8 } else { 0 };
        let end = bytes.len().checked_sub(trailer)?;
        match kind {
            11 | 14 if flags & 1 != 0 => {
                self.bind(&read)?;
                said.push(Said::Bind { id, is_response: false });
            }
            12 | 15 => {
                self.answer_bind(&read)?;
                said.push(Said::Bind { id, is_response: true });
            }
            0 | 2 => {
                let context = read.u16(20)?;
                let is_response = kind == 2;
                let object = if flags & 0x80 != 0 && !is_response { 16 } else { 0 };
                let stub = bytes.get(24 + object..end)?;
                let context = if is_response {
                    let at = self.calls.iter().position(|(call, _)| *call == id);
                    at.map_or(context, |at| self.calls.swap_remove(at).1)
                } else {
                    if self.calls.len() < CONTEXTS && flags & 1 != 0 {
                        self.calls.push((id, context));
                    }
                    context
                };
                let interface = self.interface(context);
                let half = self.halves.get_mut(slot)?;
                let call = match half.call.take() {
                    Some(call) if call.id == id && flags & 1 == 0 => half.call.insert(call),
                    _ => half.call.insert(Call {
                        id,
                        is_response,
                        interface,
                        operation: if is_response { None } else { Some(read.u16(22)?) },
                        stub: Vec::new(),
                        is_little: read.is_little,
                    }),
                };
                let room = STUB_BYTES - call.stub.len().min(STUB_BYTES);
                call.stub.extend_from_slice(stub.get(..room).unwrap_or(stub));
                if flags & 2 != 0 {
                    said.extend(half.call.take().map(Said::Call));
                }
            }
            _ => {}
        }
        Some(())
    }

    fn interface(&self, context: u16) -> Option<String> {
        let known = self.contexts.iter().rev().find(|known| known.id == context && !known.refused)?;
        Some(known.interface.clone())
    }

    fn bind(&mut self, read: &Reader<'_>) -> Option<()> {
        let count = *read.bytes.get(24)?;
        let mut at = 28;
        self.offered.clear();
        for _ in 0..count {
            let id = read.u16(at)?;
            let syntaxes = usize::from(*read.bytes.get(at + 2)?);
            let interface = read.uuid(at + 4)?;
            self.contexts.retain(|known| known.id != id);
            if self.contexts.len() >= CONTEXTS {
                break;
            }
            self.offered.push(id);
            self.contexts.push(Context { id, interface, refused: false });
            at += 24 + 20 * syntaxes;
        }
        Some(())
    }

    fn answer_bind(&mut self, read: &Reader<'_>) -> Option<()> {
        let address = usize::from(read.u16(24)?);
        let at = (26 + address).next_multiple_of(4);
        let count = usize::from(*read.bytes.get(at)?);
        for (index, id) in self.offered.drain(..).enumerate().take(count) {
            let result = read.u16(at + 4 + 24 * index)?;
            for known in self.contexts.iter_mut().filter(|known| known.id == id) {
                known.refused = result != 0;
            }
        }
        Some(())
    }
}

/// The length of a fragment, where its header is there.
fn length(fragment: &[u8]) -> Option<usize> {
    let (order, a, b) = (*fragment.get(4)?, *fragment.get(8)?, *fragment.get(9)?);
    let _header = fragment.get(..HEADER)?;
    let length = if order & 0x10 != 0 { u16::from_le_bytes([a, b]) } else { u16::from_be_bytes([a, b]) };
    Some(usize::from(length).clamp(HEADER, FRAGMENT_BYTES))
}

struct Reader<'a> {
    bytes: &'a [u8],
    is_little: bool,
}

impl Reader<'_> {
    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk::<2>()?;
        Some(if self.is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk::<4>()?;
        Some(if self.is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn uuid(&self, at: usize) -> Option<String> {
        let (a, b, c) = (self.u32(at)?, self.u16(at + 4)?, self.u16(at + 6)?);
        let mut out = format!("{a:08x}-{b:04x}-{c:04x}-");
        for (index, byte) in self.bytes.get(at + 8..at + 16)?.iter().enumerate() {
            // writing to a string cannot fail
            let _written = write!(out, "{}{byte:02x}", if index == 2 { "-" } else { "" });
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(16 + body.len()).unwrap().to_le_bytes();
        [&[5, 0, kind, flags, 0x10, 0, 0, 0], &length[..], &[0, 0, 7, 0, 0, 0], body].concat()
    }

    fn conversation() -> Vec<u8> {
        let uuid = [0x81, 0xbb, 0x7a, 0x36, 0x44, 0x98, 0xf1, 0x35, 0xad, 0x32, 0x98, 0xf0, 0x38, 0, 0x10, 3];
        let context = [&[3, 0, 1, 0], &uuid[..], &[2, 0, 0, 0], &[0; 20]].concat();
        let bind = message(11, 3, &[&[0; 8][..], &[1, 0, 0, 0], &context].concat());
        let first = message(0, 1, &[0, 0, 0, 0, 3, 0, 15, 0, b'a', b'b']);
        let last = message(0, 2, &[0, 0, 0, 0, 3, 0, 15, 0, b'c']);
        [bind, first, last].concat()
    }

    #[test]
    fn calls_are_put_together() {
        let (mut session, mut said) = (Session::default(), Vec::new());
        session.feed(Side::Client, &conversation(), &mut said);
        let call = Call {
            id: 7,
            is_response: false,
            interface: Some("367abb81-9844-35f1-ad32-98f038001003".to_owned()),
            operation: Some(15),
            stub: b"abc".to_vec(),
            is_little: true,
        };
        assert_eq!(said, [Said::Bind { id: 7, is_response: false }, Said::Call(call)]);
    }

    #[test]
    fn an_interface_that_is_refused_is_none() {
        let (mut session, mut said) = (Session::default(), Vec::new());
        session.feed(Side::Client, &conversation(), &mut said);
        let answer = [&[0; 8][..], &[0, 0, 0, 0], &[1, 0, 0, 0], &[2, 0, 1, 0], &[0; 20]].concat();
        session.feed(Side::Server, &message(12, 3, &answer), &mut said);
        said.clear();
        session.feed(Side::Client, &message(0, 3, &[0, 0, 0, 0, 3, 0, 1, 0]), &mut said);
        assert!(matches!(said.as_slice(), [Said::Call(call)] if call.interface.is_none()), "{said:?}");
    }

    proptest! {
            #[test]
            fn how_bytes_are_cut_changes_nothing(cut in 1_usize..60, change in prop::option::of((0_usize..140, any::<u8>()))) {
                let mut bytes = conversation();
                if let Some((at, byte)) = change
                    && let Some(place) = bytes.get_mut(at)
                {
                    *place = byte;
                }
                let all = |pieces: &[&[u8]]| {
                    let (mut session, mut said) = (Session::default(), Vec::new());
                    for piece in pieces {
    session.feed(Side::Client, piece, &mut said);
    }
                    said
                };
                let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
                prop_assert_eq!(all(&pieces), all(&[&bytes]));
            }
        }
}
