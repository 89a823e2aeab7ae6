//! A file as it comes: what is kept of it for rules, and what is said of it.
use crate::record::{Field, FileRecord, Said, text};
use md5::{Digest as _, Md5};

/// A file that is carried by a protocol.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) name: Vec<u8>,
    kept: Vec<u8>,
    size: u64,
    gaps: bool,
}

// === impl File ===

impl File {
    pub(crate) fn named(name: &[u8]) -> Self {
        Self { name: name.to_vec(), ..Self::default() }
    }

    /// Takes the next bytes; whether rules may see something new.
    pub(crate) fn push(&mut self, bytes: &[u8], limit: usize) -> bool {
        self.size = self.size.saturating_add(bytes.len() as u64);
        let room = limit - self.kept.len().min(limit);
        let now = bytes.get(..room).unwrap_or(bytes);
        if !self.gaps {
            self.kept.extend_from_slice(now);
        }
        !now.is_empty() && !self.gaps
    }

    /// Bytes are missing: what is behind them is counted and not kept.
    pub(crate) fn gap(&mut self, bytes: u64) {
        self.gaps = true;
        self.size = self.size.saturating_add(bytes);
    }

    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        Some(self.kept.as_slice()).filter(|kept| !kept.is_empty())
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Whether no more of it will be kept.
    pub(crate) fn is_full(&self, limit: usize) -> bool {
        self.gaps || self.kept.len() >= limit
    }

    /// What an alert says of it.
    pub(crate) fn field(&self, over: bool) -> Field {
        let state = match (over, self.gaps) {
            (false, _) => "UNKNOWN",
            (true, false) => "CLOSED",
            (true, true) => "TRUNCATED",
        };
        Field::Group(vec![
            ("filename", Field::Text(text(&self.name))),
            ("gaps", Field::Flag(self.gaps)),
            ("state", Field::Text(state.to_owned())),
            ("size", Field::Number(self.size)),
        ])
    }

    pub(crate) fn said(&self, within: Option<Said>, whole: bool) -> Said {
        Said::File(FileRecord {
            within: within.map(Box::new),
            name: text(&self.name),
            size: self.size,
            whole: whole && !self.gaps,
            gaps: self.gaps,
            md5: (whole && !self.gaps && self.kept.len() as u64 == self.size)
                .then(|| Md5::digest(&self.kept).into()),
        })
    }
}
