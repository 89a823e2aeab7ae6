//! Messages over TCP: each behind its length.

/// One direction of a connection.
///
/// # Bounds
/// One message is held: 65,537 bytes.
#[derive(Clone, Debug, Default)]
pub struct Framing {
    held: Vec<u8>,
}

impl Framing {
    /// Takes the next bytes, and gives each message that they make whole.
    pub fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            let wanted = match *self.held.as_slice() {
                [high, low, ..] => 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => 2,
            };
            let missing = wanted.saturating_sub(self.held.len());
            let (now, rest) = bytes.split_at(missing.min(bytes.len()));
            self.held.extend_from_slice(now);
            bytes = rest;
            let [high, low, message @ ..] = self.held.as_slice() else { continue };
            if message.len() == usize::from(u16::from_be_bytes([*high, *low])) {
                if !message.is_empty() {
                    each(message);
                }
                self.held.clear();
            }
        }
    }

    /// Bytes are missing: what is held will not become whole. The next bytes are taken for the beginning of a message.
    pub fn gap(&mut self) {
        self.held.clear();
    }
}
