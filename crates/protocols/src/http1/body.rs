//! The kept part of a body.

/// Keeps the first bytes of a body for inspection and counts the rest.
#[derive(Debug, Default)]
pub(crate) struct Body {
    kept: Vec<u8>,
    len: u64,
}

impl Body {
    /// Takes bytes; `false` if some were not kept because of the limit.
    pub(crate) fn push(&mut self, bytes: &[u8], limit: usize) -> bool {
        let room = limit.saturating_sub(self.kept.len());
        self.len += bytes.len() as u64;
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
        self.kept.capacity()
    }

    /// Forgets the body and gives its memory back: most requests have none.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
