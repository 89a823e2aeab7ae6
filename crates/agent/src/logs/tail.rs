//! One file that is followed, over renames, truncation and replacement.

use super::position::{PRINT_BYTES, Position};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::pread;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes that are read at once.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;
/// A renamed file is closed when nothing has come for so long: its writer has the new one by then.
const QUIET: Duration = Duration::from_secs(10);

/// A followed file.
#[derive(Debug)]
pub(super) struct Tail {
    /// Its path; its former path once it is renamed.
    pub(super) path: PathBuf,
    /// Whether its lines may begin with a syslog header.
    pub(super) header: bool,
    pub(super) position: Position,
    file: OwnedFd,
    /// Since when it no longer lies at its path, and when it last grew.
    renamed: Option<Duration>,
    /// Its size when it was last looked at without a whole line to be found.
    waiting_at: Option<u64>,
}

/// What there is to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Bytes at the position.
    Bytes(Vec<u8>),
    /// The bytes after which nothing comes any more.
    Last(Vec<u8>),
    /// Nothing now.
    Nothing,
    /// Nothing any more.
    Done,
}

/// Why a path is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotFollowed {
    /// It is a symbolic link: whoever may write in its folder could point it at any file of the computer.
    Link,
    /// It is no file.
    NoFile,
    /// The system refused.
    Refused,
}

// === impl Tail ===

impl Tail {
    /// Opens a file at its beginning.
    pub(super) fn open(path: &Path, header: bool) -> Result<Self, NotFollowed> {
        // NONBLOCK: opening a pipe without a writer would wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = open(path, flags, Mode::empty()).map_err(|error| match error {
            rustix::io::Errno::LOOP => NotFollowed::Link,
            _ => NotFollowed::Refused,
        })?;
        let stat = fstat(&file).map_err(|_refused| NotFollowed::Refused)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(NotFollowed::NoFile);
        }
        #[expect(clippy::useless_conversion, reason = "the types differ between architectures")]
        let position =
            Position { device: u64::from(stat.st_dev), inode: u64::from(stat.st_ino), ..Position::default() };
        Ok(Self { path: path.to_owned(), header, position, file, renamed: None, waiting_at: None })
    }

    /// Goes on where a position says, if it is of this file.
    pub(super) fn resume(&mut self, position: &Position) -> bool {
        let size = self.size();
        let same = position.is_of(self.position.inode, &self.beginning()) && position.offset <= size;
        if same {
            self.position = Position { device: self.position.device, ..position.clone() };
        }
        same
    }

    /// Goes on at the end: what is there already is history.
    pub(super) fn skip_to_end(&mut self) {
        let size = self.size();
        // Not in the middle of a line: from the last line's beginning on, if one is being written.
        let from = size.saturating_sub(4_096);
        let mut bytes = vec![0; usize::try_from(size - from).unwrap_or(0)];
        let read = pread(&self.file, &mut bytes, from).unwrap_or(0);
        let tail = bytes.get(..read).unwrap_or_default();
        let partial = tail.iter().rev().take_while(|byte| **byte != b'\n').count();
        self.position.offset = if partial == tail.len() { size } else { size - partial as u64 };
        let beginning = self.beginning();
        self.position.take_print(&beginning);
    }

    pub(super) fn size(&self) -> u64 {
        fstat(&self.file).map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0))
    }

    pub(super) fn inode(&self) -> u64 {
        self.position.inode
    }

    /// Whether this is the file that lies at its path now.
    pub(super) fn lies_at_its_path(&self) -> bool {
        let found = rustix::fs::lstat(&self.path);
        #[expect(clippy::useless_conversion, reason = "the types differ between architectures")]
        found.is_ok_and(|stat| {
            u64::from(stat.st_ino) == self.position.inode && u64::from(stat.st_dev) == self.position.device
        })
    }

    pub(super) fn is_renamed(&self) -> bool {
        self.renamed.is_some()
    }

    /// It no longer lies at its path: read it to its end.
    pub(super) fn rename(&mut self, now: Duration) {
        self.renamed.get_or_insert(now);
    }

    /// Bytes that were not read.
    pub(super) fn behind(&self) -> u64 {
        self.size().saturating_sub(self.position.offset)
    }

    /// The next bytes, `most` of them. Begins anew where the file did.
    pub(super) fn read(&mut self, now: Duration, most: usize) -> io::Result<Read> {
        let size = self.size();
        if size < self.position.offset {
            tracing::info!(path = %self.path.display(), "the log was truncated; reading from its beginning");
            self.begin_anew();
        }
        if size == self.position.offset || self.waiting_at == Some(size) {
            return Ok(self.at_end(now, size));
        }
        if self.position.print_bytes > 0 && !self.position.is_of(self.position.inode, &self.beginning()) {
            tracing::info!(path = %self.path.display(), "the log was rewritten; reading from its beginning");
            self.begin_anew();
        }
        self.waiting_at = None;
        if self.renamed.is_some() {
            self.renamed = Some(now);
        }
        let mut bytes = vec![0; most.min(CHUNK_BYTES)];
        let read = pread(&self.file, &mut bytes, self.position.offset)?;
        bytes.truncate(read);
        Ok(if bytes.is_empty() { Read::Nothing } else { Read::Bytes(bytes) })
    }

    fn at_end(&self, now: Duration, size: u64) -> Read {
        match self.renamed {
            Some(since) if now.saturating_sub(since) >= QUIET => {
                if size <= self.position.offset {
                    return Read::Done;
                }
                // A line that nobody will end any more.
                let mut bytes = vec![0; CHUNK_BYTES];
                let read = pread(&self.file, &mut bytes, self.position.offset).unwrap_or(0);
                bytes.truncate(read);
                if bytes.is_empty() { Read::Done } else { Read::Last(bytes) }
            }
            _ => Read::Nothing,
        }
    }

    /// The bytes before are judged and what they say is in the spool.
    pub(super) fn advance(&mut self, bytes: u64, cut: bool) {
        self.position.offset += bytes;
        self.position.cut = cut;
        self.waiting_at = None;
        if usize::try_from(self.position.print_bytes).is_ok_and(|bytes| bytes < PRINT_BYTES) {
            let beginning = self.beginning();
            let judged = usize::try_from(self.position.offset).unwrap_or(usize::MAX);
            self.position.take_print(beginning.get(..judged).unwrap_or(&beginning));
        }
    }

    /// There is no whole line until the file grows.
    pub(super) fn wait_for_more(&mut self) {
        self.waiting_at = Some(self.size());
    }

    fn begin_anew(&mut self) {
        let Position { device, inode, .. } = self.position;
        self.position = Position { device, inode, ..Position::default() };
        self.waiting_at = None;
    }

    fn beginning(&self) -> Vec<u8> {
        let mut bytes = vec![0; PRINT_BYTES];
        let read = pread(&self.file, &mut bytes, 0).unwrap_or(0);
        bytes.truncate(read);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write as _;

    fn append(path: &Path, text: &str) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn next(tail: &mut Tail, seconds: u64) -> Read {
        let read = tail.read(Duration::from_secs(seconds), CHUNK_BYTES).unwrap();
        if let Read::Bytes(bytes) = &read {
            match bytes.iter().rposition(|byte| *byte == b'\n') {
                Some(end) => tail.advance(end as u64 + 1, false),
                None => tail.wait_for_more(),
            }
        }
        read
    }

    fn bytes(text: &str) -> Read {
        Read::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn a_file_is_followed_and_a_line_without_end_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        append(&path, "one\ntw");
        let mut tail = Tail::open(&path, true).unwrap();
        assert_eq!(next(&mut tail, 0), bytes("one\ntw"));
        assert_eq!(next(&mut tail, 0), bytes("tw"));
        assert_eq!(next(&mut tail, 0), Read::Nothing);
        append(&path, "o\n");
        assert_eq!(next(&mut tail, 0), bytes("two\n"));
        assert_eq!(tail.behind(), 0);
    }

    #[test]
    fn truncation_is_seen_even_when_the_file_grew_past_the_position() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        append(&path, "one\n");
        let mut tail = Tail::open(&path, true).unwrap();
        assert_eq!(next(&mut tail, 0), bytes("one\n"));
        fs::write(&path, "x\n").unwrap();
        assert_eq!(next(&mut tail, 0), bytes("x\n"));
        fs::write(&path, "another and longer\n").unwrap();
        assert_eq!(next(&mut tail, 0), bytes("another and longer\n"));
    }

    #[test]
    fn a_renamed_file_is_read_to_its_end_and_its_last_line_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        append(&path, "one\n");
        let mut tail = Tail::open(&path, true).unwrap();
        assert_eq!(next(&mut tail, 0), bytes("one\n"));
        let renamed = dir.path().join("a.log.1");
        fs::rename(&path, &renamed).unwrap();
        append(&path, "new\n");
        assert!(!tail.lies_at_its_path());
        tail.rename(Duration::ZERO);
        append(&renamed, "two\nthr");
        assert_eq!(next(&mut tail, 1), bytes("two\nthr"));
        assert_eq!(next(&mut tail, 2), bytes("thr"));
        assert_eq!(next(&mut tail, 3), Read::Nothing);
        assert_eq!(next(&mut tail, 20), Read::Last(b"thr".to_vec()));
        tail.advance(3, false);
        assert_eq!(next(&mut tail, 20), Read::Done);
    }

    #[test]
    fn a_position_is_resumed_only_in_its_own_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        append(&path, "one\ntwo\n");
        let mut tail = Tail::open(&path, true).unwrap();
        let _first = next(&mut tail, 0);
        let position = tail.position.clone();
        append(&path, "three\n");
        let mut again = Tail::open(&path, true).unwrap();
        assert!(again.resume(&position));
        assert_eq!(next(&mut again, 0), bytes("three\n"));
        fs::write(&path, "other file with the same inode\n").unwrap();
        let mut other = Tail::open(&path, true).unwrap();
        assert!(!other.resume(&position));
        assert_eq!(other.position.offset, 0);
    }

    #[test]
    fn only_plain_files_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        append(&path, "one\n");
        let link = dir.path().join("link.log");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(Tail::open(&link, true).err(), Some(NotFollowed::Link));
        assert_eq!(Tail::open(dir.path(), true).err(), Some(NotFollowed::NoFile));
        let pipe = dir.path().join("pipe.log");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert_eq!(Tail::open(&pipe, true).err(), Some(NotFollowed::NoFile));
        assert_eq!(Tail::open(&dir.path().join("none"), true).err(), Some(NotFollowed::Refused));
    }

    #[test]
    fn history_is_passed_over_but_not_a_line_that_is_being_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        append(&path, "old\nold\nhal");
        let mut tail = Tail::open(&path, true).unwrap();
        tail.skip_to_end();
        append(&path, "f\n");
        assert_eq!(next(&mut tail, 0), bytes("half\n"));
    }
}
