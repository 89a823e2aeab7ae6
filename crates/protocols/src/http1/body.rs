//! The kept part of a body.

use super::coding::{Decoded, Decoder};

/// Keeps the first bytes of a body for inspection, codings undone, and counts the rest.
#[derive(Debug, Default)]
pub(crate) struct Body {
    kept: Vec<u8>,
    /// As it was sent.
    len: u64,
    decoder: Option<Box<Decoder>>,
}

impl Body {
    /// What comes is decoded so.
    pub(crate) fn set_decoder(&mut self, decoder: Option<Decoder>) {
        self.decoder = decoder.map(Box::new);
    }

    /// Takes bytes; `false` if some were not kept because of the limit.
    pub(crate) fn push(&mut self, bytes: &[u8], limit: usize) -> bool {
        let room = limit.saturating_sub(self.kept.len());
        self.len += bytes.len() as u64;
        if let Some(decoder) = &mut self.decoder {
            // Where there is no room nothing is decoded: a bomb costs what is kept of it.
            return room > 0 && decoder.push(bytes, &mut self.kept, limit) == Decoded::Whole;
        }
        match bytes.get(..room) {
            Some(head) if head.len() < bytes.len() => {
                self.kept.extend_from_slice(head);
                false
            }
            _ => {
                self.kept.extend_from_slice(bytes);
                true
            }
        }
    }

    /// Counts bytes that were never seen.
    pub(crate) fn skip(&mut self, bytes: u64) {
        self.len += bytes;
    }

    pub(crate) fn kept(&self) -> &[u8] {
        &self.kept
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.kept.capacity() + self.decoder.as_ref().map_or(0, |decoder| decoder.memory_bytes())
    }

    /// Forgets the body and gives its memory back: most requests have none.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
