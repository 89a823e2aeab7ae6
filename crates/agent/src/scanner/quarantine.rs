//! Where infected files are kept: out of reach of whoever might run them, and able to come back.
//!
//! # Shape
//! A directory for each file, named by an id: `meta.json` ([`Entry`]) and `blob`, the content with each byte changed, so
//! that no other scanner takes it for malware and nothing can run it. `allowed.json` beside them lists the sums of
//! files that a person took out again.
//!
//! Files are named by descriptors, not by paths: a path that means another file by the time it is used is seen
//! (same device and inode or nothing is removed), and symbolic links on the way are refused.

use crate::state;
use ring::digest::{Context, SHA256};
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Timestamps, Uid, fchmod, fchown, fstat,
    futimens, openat, openat2, renameat_with, statat, unlinkat,
};
use sakimori_kernel::fanotify::content::{FileKey, path_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Longest file that is taken, in bytes.
const FILE_BYTES: u64 = 1 << 30;
/// Bytes kept in all; a full quarantine takes nothing more, and says so.
const ALL_BYTES: u64 = 8 << 30;
/// Bytes copied at once.
const CHUNK: usize = 1 << 20;
/// Most sums of files that were taken out again.
const ALLOWED: usize = 10_000;

/// The kept files of a computer.
#[derive(Clone, Debug)]
pub struct Quarantine {
    dir: PathBuf,
}

/// A kept file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its id.
    pub id: Uuid,
    /// Where it lay.
    pub path: PathBuf,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permission bits, with set-user-id and its like.
    pub mode: u32,
    /// Time of its last change, in nanoseconds since 1970.
    pub modified: i64,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of its content, in hexadecimal digits.
    pub sha256: String,
    /// What was found in it.
    pub signature: String,
    /// When it was taken, in microseconds since 1970.
    pub taken_at: i64,
    /// Further names of the same file that were not removed.
    pub other_links: u64,
}

/// A file could not be taken, given back or removed.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// Reading or writing failed.
    #[error("{action} failed")]
    File {
        /// What was done.
        action: &'static str,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// A state file.
    #[error(transparent)]
    State(#[from] state::StateError),
    /// The path means another file now, or none that can be reached from here (another mount namespace).
    #[error("{0} is not that file any more: nothing was removed")]
    Moved(PathBuf),
    /// Too long.
    #[error("the file is longer than {} MiB", FILE_BYTES >> 20)]
    TooLong,
    /// No room.
    #[error("the quarantine holds {} GiB: delete entries that are not needed", ALL_BYTES >> 30)]
    Full,
    /// No such entry.
    #[error("no file with the id {0} is in quarantine: see 'sakimori-agent quarantine list'")]
    Unknown(Uuid),
    /// Something is there.
    #[error("{0} exists: move it away first")]
    Exists(PathBuf),
    /// The kept content is not what was taken.
    #[error("the kept content of {0} is damaged")]
    Damaged(Uuid),
}

// === impl Quarantine ===

impl Quarantine {
    /// In the agent's state directory.
    pub fn in_dir(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("quarantine") }
    }

    /// Moves an open file here: copies it, and then removes its name.
    pub fn take(&self, file: BorrowedFd<'_>, signature: &str, now: i64) -> Result<Entry, QuarantineError> {
        let stat = fstat(file).map_err(failed("looking at the file"))?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if size > FILE_BYTES {
            return Err(QuarantineError::TooLong);
        }
        if self.bytes() + size > ALL_BYTES {
            return Err(QuarantineError::Full);
        }
        let path = named(path_of(file).map_err(io_failed("finding the file's path"))?, stat.st_nlink);
        let entry = Entry {
            id: Uuid::now_v7(),
            path,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: stat.st_mode & 0o7777,
            modified: i64::try_from(
                i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
            )
            .unwrap_or(0),
            size,
            sha256: String::new(),
            signature: signature.to_owned(),
            taken_at: now,
            other_links: stat.st_nlink.saturating_sub(1),
        };
        state::make_private_dir(&self.dir)?;
        let place = self.dir.join(format!("{}.new", entry.id));
        state::make_private_dir(&place)?;
        let taken = Self::keep(file, &place, entry).and_then(|entry| {
            fs::rename(&place, self.place(entry.id)).map_err(io_failed("keeping the file"))?;
            state::sync_parent(&place)?;
            remove_name(file, &entry.path).inspect_err(|_error| {
                let _left_for_the_next_cleaning = fs::remove_dir_all(self.place(entry.id));
            })?;
            Ok(entry)
        });
        if taken.is_err() {
            let _left_for_the_next_cleaning = fs::remove_dir_all(&place);
        }
        taken
    }

    fn keep(file: BorrowedFd<'_>, place: &Path, entry: Entry) -> Result<Entry, QuarantineError> {
        let mut blob = private_file(&place.join("blob"))?;
        let (size, sha256) = copy(entry.id, Reader::Open(file), &mut blob)?;
        blob.sync_all().map_err(io_failed("keeping the file"))?;
        let entry = Entry { size, sha256, ..entry };
        state::write_json(&place.join("meta.json"), &entry)?;
        Ok(entry)
    }

    /// Everything that is kept, oldest first.
    pub fn list(&self) -> Result<Vec<Entry>, QuarantineError> {
        let mut entries = Vec::new();
        let dir = match fs::read_dir(&self.dir) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(entries),
            Err(error) => return Err(io_failed("reading the quarantine")(error)),
        };
        for place in dir.flatten() {
            let id = place.file_name().to_str().and_then(|name| Uuid::parse_str(name).ok());
            if let Some(id) = id
                && let Some(entry) = state::read_json(&self.place(id).join("meta.json"))?
            {
                entries.push(entry);
            }
        }
        entries.sort_by_key(|entry: &Entry| entry.id);
        Ok(entries)
    }

    /// One kept file.
    pub fn show(&self, id: Uuid) -> Result<Entry, QuarantineError> {
        state::read_json(&self.place(id).join("meta.json"))?.ok_or(QuarantineError::Unknown(id))
    }

    /// Puts a file back where it lay, with its owner, permissions and time, and allows its content from now on.
    /// What lies there now is not replaced.
    pub fn restore(&self, id: Uuid) -> Result<Entry, QuarantineError> {
        let entry = self.show(id)?;
        self.allow(&entry.sha256)?;
        let (parent, name) = split(&entry.path)?;
        let temporary = format!(".sakimori-{id}");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let _left_by_a_crash = unlinkat(&parent, &temporary, AtFlags::empty());
        let file = openat(&parent, &temporary, flags, Mode::RUSR).map_err(failed("making the file"))?;
        let put = self.put_back(&entry, file).and_then(|()| {
            renameat_with(&parent, &temporary, &parent, name, RenameFlags::NOREPLACE).map_err(|errno| {
                match errno {
                    rustix::io::Errno::EXIST => QuarantineError::Exists(entry.path.clone()),
                    other => failed("naming the file")(other),
                }
            })
        });
        if let Err(error) = put {
            let _not_there = unlinkat(&parent, &temporary, AtFlags::empty());
            return Err(error);
        }
        self.delete(id)?;
        Ok(entry)
    }

    fn put_back(&self, entry: &Entry, file: OwnedFd) -> Result<(), QuarantineError> {
        let mut file = File::from(file);
        let blob =
            File::open(self.place(entry.id).join("blob")).map_err(io_failed("reading the kept file"))?;
        let (_, kept) = copy(entry.id, Reader::Kept(blob.as_fd()), &mut file)?;
        if kept != entry.sha256 {
            return Err(QuarantineError::Damaged(entry.id));
        }
        // Owner first: changing it takes set-user-id away.
        fchown(&file, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))
            .and_then(|()| fchmod(&file, Mode::from_raw_mode(entry.mode)))
            .map_err(failed("giving the file its owner and permissions"))?;
        let time = rustix::fs::Timespec {
            tv_sec: entry.modified.div_euclid(1_000_000_000),
            tv_nsec: entry.modified.rem_euclid(1_000_000_000),
        };
        futimens(&file, &Timestamps { last_access: time, last_modification: time })
            .map_err(failed("giving the file its time"))?;
        file.sync_all().map_err(io_failed("writing the file"))
    }

    /// Removes a kept file for good.
    pub fn delete(&self, id: Uuid) -> Result<(), QuarantineError> {
        let place = self.place(id);
        if !place.exists() {
            return Err(QuarantineError::Unknown(id));
        }
        fs::remove_dir_all(&place).map_err(io_failed("removing the kept file"))
    }

    /// Sums of files that a person took out again.
    pub fn allowed(&self) -> Result<BTreeSet<String>, QuarantineError> {
        Ok(state::read_json(&self.dir.join("allowed.json"))?.unwrap_or_default())
    }

    fn allow(&self, sha256: &str) -> Result<(), QuarantineError> {
        let mut allowed = self.allowed()?;
        if allowed.len() < ALLOWED && allowed.insert(sha256.to_owned()) {
            state::write_json(&self.dir.join("allowed.json"), &allowed)?;
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.list().unwrap_or_default().iter().map(|entry| entry.size).sum()
    }

    fn place(&self, id: Uuid) -> PathBuf {
        self.dir.join(id.to_string())
    }
}

/// Removes the name of an open file, if the path still means that file.
pub(super) fn remove_name(file: BorrowedFd<'_>, path: &Path) -> Result<(), QuarantineError> {
    let stat = fstat(file).map_err(failed("looking at the file"))?;
    if stat.st_nlink == 0 {
        return Ok(());
    }
    let moved = |_errno| QuarantineError::Moved(path.to_owned());
    let (parent, name) = split(path).map_err(|_error| QuarantineError::Moved(path.to_owned()))?;
    let there = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(moved)?;
    if FileKey::from_stat(&there) != FileKey::from_stat(&stat) {
        return Err(QuarantineError::Moved(path.to_owned()));
    }
    // Whoever swaps the name between these two lines could remove that other file himself.
    unlinkat(&parent, name, AtFlags::empty()).map_err(failed("removing the file"))
}

/// The path without the kernel's remark on files that have no name any more.
pub(super) fn named(path: PathBuf, links: u64) -> PathBuf {
    match path.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
        Some(text) if links == 0 => PathBuf::from(text),
        _ => path,
    }
}

/// The directory of a path, reached without symbolic links, and the name in it.
fn split(path: &Path) -> Result<(OwnedFd, &std::ffi::OsStr), QuarantineError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(QuarantineError::Moved(path.to_owned()));
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = openat2(CWD, parent, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
        .map_err(failed("opening the file's directory"))?;
    Ok((parent, name))
}

/// What [`copy`] reads.
#[derive(Clone, Copy)]
enum Reader<'a> {
    /// An infected file.
    Open(BorrowedFd<'a>),
    /// A kept one.
    Kept(BorrowedFd<'a>),
}

/// Copies, changing each byte; gives length and sum of the plain content.
fn copy(id: Uuid, from: Reader<'_>, to: &mut File) -> Result<(u64, String), QuarantineError> {
    let (file, kept) = match from {
        Reader::Open(file) => (file, false),
        Reader::Kept(file) => (file, true),
    };
    let key = id.as_bytes();
    let mut sum = Context::new(&SHA256);
    let mut chunk = vec![0; CHUNK];
    let mut at = 0;
    loop {
        let length = match rustix::io::pread(file, &mut chunk[..], at) {
            Ok(0) => break,
            Ok(length) => length,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(failed("reading the file")(error)),
        };
        let bytes = chunk.get_mut(..length).unwrap_or_default();
        if !kept {
            sum.update(bytes);
        }
        for (place, byte) in (at..).zip(bytes.iter_mut()) {
            let turn = usize::try_from(place % 16).unwrap_or(0);
            // Never zero: no byte stays as it is.
            *byte ^= key.get(turn).copied().unwrap_or(0) | 0x80;
        }
        if kept {
            sum.update(bytes);
        }
        at += u64::try_from(length).unwrap_or(0);
        if at > FILE_BYTES {
            return Err(QuarantineError::TooLong);
        }
        to.write_all(bytes).map_err(io_failed("writing the file"))?;
    }
    Ok((at, sakimori_antimalware::hexadecimal(sum.finish().as_ref())))
}

fn private_file(path: &Path) -> Result<File, QuarantineError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600).open(path).map_err(io_failed("keeping the file"))
}

fn failed(action: &'static str) -> impl FnOnce(rustix::io::Errno) -> QuarantineError {
    move |source| QuarantineError::File { action, source: source.into() }
}

fn io_failed(action: &'static str) -> impl FnOnce(io::Error) -> QuarantineError {
    move |source| QuarantineError::File { action, source }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads its own small files")]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    struct Place {
        dir: tempfile::TempDir,
        quarantine: Quarantine,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let quarantine = Quarantine::in_dir(&dir.path().join("state"));
            Self { dir, quarantine }
        }

        fn file(&self, name: &str, content: &[u8]) -> (PathBuf, File) {
            let path = self.dir.path().canonicalize().unwrap().join(name);
            fs::write(&path, content).unwrap();
            (path.clone(), File::open(path).unwrap())
        }
    }

    #[test]
    fn a_file_goes_in_unreadable_and_comes_back_as_it_was() {
        let place = Place::new();
        let (path, file) = place.file("bad.php", b"<?php malicious(); ?>");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let before = fs::metadata(&path).unwrap();
        let entry = place.quarantine.take(file.as_fd(), "Test", 5).unwrap();
        assert!(!path.exists());
        assert_eq!(place.quarantine.list().unwrap(), std::slice::from_ref(&entry));
        let blob = place.dir.path().join("state/quarantine").join(entry.id.to_string()).join("blob");
        let kept = fs::read(&blob).unwrap();
        assert!(kept.iter().zip(b"<?php malicious(); ?>").all(|(kept, plain)| kept != plain));
        assert_eq!(fs::metadata(&blob).unwrap().permissions().mode() & 0o777, 0o600);

        let back = place.quarantine.restore(entry.id).unwrap();
        assert_eq!(back.path, path);
        let after = fs::metadata(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"<?php malicious(); ?>");
        assert_eq!((after.mode(), after.uid(), after.mtime()), (before.mode(), before.uid(), before.mtime()));
        assert!(place.quarantine.allowed().unwrap().contains(&entry.sha256));
        assert!(place.quarantine.list().unwrap().is_empty());
    }

    #[test]
    fn a_name_that_means_another_file_by_now_is_left_alone() {
        let place = Place::new();
        let (path, file) = place.file("bad", b"malicious");
        fs::remove_file(&path).unwrap();
        let hold = place.dir.path().canonicalize().unwrap().join("hold");
        fs::write(&hold, b"malicious").unwrap();
        let held = File::open(&hold).unwrap();
        let innocent = place.dir.path().join("innocent");
        fs::write(&innocent, b"innocent").unwrap();
        fs::rename(&innocent, &hold).unwrap();
        // Gone already: kept, and nothing else is removed.
        let _entry = place.quarantine.take(file.as_fd(), "Test", 5).unwrap();
        let _entry = place.quarantine.take(held.as_fd(), "Test", 5).unwrap();
        assert_eq!(fs::read(&hold).unwrap(), b"innocent");
        assert!(matches!(
            remove_name(File::open("/etc/passwd").unwrap().as_fd(), &hold),
            Err(QuarantineError::Moved(_))
        ));
        assert_eq!(fs::read(&hold).unwrap(), b"innocent");
    }

    #[test]
    fn symbolic_links_on_the_way_are_not_followed() {
        let place = Place::new();
        let root = place.dir.path().canonicalize().unwrap();
        fs::create_dir(root.join("real")).unwrap();
        symlink(root.join("real"), root.join("link")).unwrap();
        let (_, file) = place.file("real/bad", b"malicious");
        assert!(remove_name(file.as_fd(), &root.join("link/bad")).is_err());
        assert!(root.join("real/bad").exists());
    }

    #[test]
    fn nothing_is_replaced_by_a_file_that_comes_back() {
        let place = Place::new();
        let (path, file) = place.file("bad", b"malicious");
        let entry = place.quarantine.take(file.as_fd(), "Test", 5).unwrap();
        fs::write(&path, b"new").unwrap();
        assert!(matches!(place.quarantine.restore(entry.id), Err(QuarantineError::Exists(_))));
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 2, "no temporary file stays");
        place.quarantine.delete(entry.id).unwrap();
        assert!(matches!(place.quarantine.show(entry.id), Err(QuarantineError::Unknown(_))));
    }

    #[test]
    fn damaged_content_does_not_come_back() {
        let place = Place::new();
        let (path, file) = place.file("bad", b"malicious");
        let entry = place.quarantine.take(file.as_fd(), "Test", 5).unwrap();
        fs::write(place.dir.path().join("state/quarantine").join(entry.id.to_string()).join("blob"), b"x")
            .unwrap();
        assert!(matches!(place.quarantine.restore(entry.id), Err(QuarantineError::Damaged(_))));
        assert!(!path.exists());
    }
}
