//! Where in each file the next line begins, kept over restarts.
//!
//! A file is known by its inode and by a fingerprint of its first bytes: an inode number is given again after a file is
//! deleted, and `copytruncate` keeps the inode but not the bytes.

use crate::state::{self, StateError};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Bytes of a fingerprint: the first line of most logs, with its time.
pub(super) const PRINT_BYTES: usize = 256;
/// Positions kept of files that are no longer there.
const KEPT: usize = 1_024;

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Position {
    pub(super) device: u64,
    pub(super) inode: u64,
    /// Everything before it is judged and reported.
    pub(super) offset: u64,
    /// It lies inside a line that is too long and was judged already.
    pub(super) cut: bool,
    /// The fingerprint, and of how many bytes it is.
    pub(super) print: String,
    pub(super) print_bytes: u32,
}

/// All positions, as they are on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Positions {
    /// Patterns that were looked for before: a file of theirs that is new is read from its beginning.
    pub(super) sources: BTreeSet<String>,
    /// By path.
    pub(super) files: BTreeMap<PathBuf, Position>,
    /// Files that were renamed and not read to their end: by their former path.
    pub(super) renamed: Vec<(PathBuf, Position)>,
}

impl Position {
    /// Takes the fingerprint of a file's beginning, once there is more of it than before.
    pub(super) fn take_print(&mut self, beginning: &[u8]) {
        let beginning = beginning.get(..PRINT_BYTES).unwrap_or(beginning);
        let Ok(bytes) = u32::try_from(beginning.len()) else { return };
        if bytes > self.print_bytes {
            self.print = print(beginning);
            self.print_bytes = bytes;
        }
    }

    /// Whether a file that begins so is the one that this was taken of.
    pub(super) fn is_of(&self, inode: u64, beginning: &[u8]) -> bool {
        let bytes = usize::try_from(self.print_bytes).unwrap_or(usize::MAX);
        let same_beginning =
            bytes == 0 || beginning.get(..bytes).is_some_and(|taken| print(taken) == self.print);
        self.inode == inode && same_beginning
    }
}

fn print(bytes: &[u8]) -> String {
    let hash = digest(&SHA256, bytes);
    hash.as_ref().iter().take(16).fold(String::with_capacity(32), |mut out, byte| {
        let _infallible = write!(out, "{byte:02x}");
        out
    })
}

impl Positions {
    /// Reads them; none where the file is not there or damaged. Then files are read from their end, and that is said.
    pub(super) fn load(file: &Path) -> Self {
        match state::read_json(file) {
            Ok(positions) => positions.unwrap_or_default(),
            Err(error) => {
                tracing::error!("the positions in the logs are lost, reading begins at their ends: {error}");
                Self::default()
            }
        }
    }

    pub(super) fn save(&mut self, file: &Path) -> Result<(), StateError> {
        while self.files.len() > KEPT {
            let _gone = self.files.pop_first();
        }
        state::write_json(file, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_inode_and_beginning() {
        let mut position = Position { inode: 7, ..Position::default() };
        position.take_print(b"first line\n");
        assert!(position.is_of(7, b"first line\nsecond"));
        assert!(!position.is_of(8, b"first line\nsecond"));
        assert!(!position.is_of(7, b"other line\nsecond"));
        assert!(!position.is_of(7, b"first"));
        // An empty file's fingerprint says nothing: the inode alone decides.
        assert!(Position { inode: 7, ..Position::default() }.is_of(7, b"x"));
    }
}
