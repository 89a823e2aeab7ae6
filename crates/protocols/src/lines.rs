//! Lines of a protocol in text.

/// Collects lines.
///
/// # Bounds
/// `most` bytes of a line are kept; what is behind them is left out and said.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    line: Vec<u8>,
    long: bool,
}

/// A line without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its bytes, cut where it is too long.
    pub bytes: &'a [u8],
    /// Whether it was cut.
    pub is_cut: bool,
}

impl Lines {
    /// Takes bytes up to the end of a line: how many, and the line where it ends.
    ///
    /// Call [`Self::clear`] before the next one.
    pub fn take(&mut self, bytes: &[u8], most: usize) -> (usize, Option<Line<'_>>) {
        let end = memchr::memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |at| at + 1);
        let now = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes);
        let room = most - self.line.len().min(most);
        self.long |= now.len() > room;
        self.line.extend_from_slice(now.get(..room).unwrap_or(now));
        if end.is_none() {
            return (taken, None);
        }
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        (taken, Some(Line { bytes: line, is_cut: self.long }))
    }

    /// Begins the next line.
    pub fn clear(&mut self) {
        self.line.clear();
        self.long = false;
    }

    /// What has come of a line.
    pub fn begun(&self) -> &[u8] {
        &self.line
    }
}
