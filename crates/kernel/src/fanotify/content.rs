//! Groups that hand over opened files: what was written, and permission to open.
//!
//! Two groups, because a reader that is behind with written files must not let openers wait: [`Written`] may be left
//! unread for a while (its queue is bounded by memory alone), [`Permission`] never.
//!
//! # Source
//! fanotify(7); `fs/notify/fanotify/fanotify_user.c`: files in events are opened without raising events themselves.

use super::{Extent, Group, InitError, OVERFLOW, RawEvent};
use rustix::fs::Stat;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Flags of files in events. Not blocking: a file with a lease that is to be broken must not stop the reader.
const FILE_FLAGS: i32 = libc::O_RDONLY | libc::O_LARGEFILE | libc::O_NOATIME | libc::O_NONBLOCK;

/// Tells of each regular file that was open for writing and is closed by its last user.
#[derive(Debug)]
pub struct Written(Group);

/// Asks before each regular file is opened; everybody who opens one waits for the answer.
#[derive(Debug)]
pub struct Permission(Group);

/// A file that something happened to.
#[derive(Debug)]
pub struct FileEvent {
    /// The file, open for reading; reading it raises no event.
    pub file: OwnedFd,
    /// The process that did it; 0 if it is outside this process's PID namespace.
    pub pid: i32,
}

/// What waited.
#[derive(Debug, Default)]
pub struct Batch {
    /// The files, in order.
    pub events: Vec<FileEvent>,
    /// Events were lost before these.
    pub overflow: bool,
    /// Files that the kernel could not open for us; who asked for permission was denied by it.
    pub unopened: u32,
}

/// The answer to a request for permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The file is opened.
    Allow,
    /// The opener gets `EPERM`.
    Deny,
}

/// Which content of which file: changes whenever the content is changed through system calls.
///
/// A store through a shared mapping changes the times only when it makes a page dirty. What was judged must
/// therefore be forgotten when [`Written`] tells of the file as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The file.
    pub file: FileKey,
    /// Nanoseconds since 1970 of the last change of content or attributes.
    pub changed: i128,
    /// Nanoseconds since 1970 of the last change of content.
    pub modified: i128,
    /// Bytes.
    pub size: u64,
}

/// Which file, whatever is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileKey {
    /// Device number of its file system.
    pub device: u64,
    /// Number within it.
    pub inode: u64,
}

// === impl Written ===

impl Written {
    /// A group without marks. Needs `CAP_SYS_ADMIN`.
    pub fn open() -> Result<Self, InitError> {
        Group::init(libc::FAN_CLASS_NOTIF | libc::FAN_UNLIMITED_QUEUE | libc::FAN_UNLIMITED_MARKS, FILE_FLAGS)
            .map(Self)
    }

    /// Adds the whole file system on which `path` lies.
    pub fn watch(&self, path: &Path) -> io::Result<()> {
        self.0.mark(Extent::FileSystem, libc::FAN_CLOSE_WRITE, path)
    }

    /// Takes what waits; at most as many events as `buffer` has room for, 24 bytes each.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<Batch> {
        read(&self.0, buffer)
    }
}

impl AsFd for Written {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

// === impl Permission ===

impl Permission {
    /// A group without marks. Needs `CAP_SYS_ADMIN`.
    pub fn open() -> Result<Self, InitError> {
        Group::init(
            libc::FAN_CLASS_CONTENT | libc::FAN_UNLIMITED_QUEUE | libc::FAN_UNLIMITED_MARKS,
            FILE_FLAGS,
        )
        .map(Self)
    }

    /// Asks for each file on the whole file system on which `path` lies, from now on. Covers execution too.
    pub fn guard(&self, path: &Path) -> io::Result<()> {
        self.0.mark(Extent::FileSystem, libc::FAN_OPEN_PERM, path)
    }

    /// Asks no more. What was asked must still be answered.
    pub fn release(&self) -> io::Result<()> {
        self.0.flush(Extent::FileSystem)
    }

    /// Takes what waits; at most as many events as `buffer` has room for, 24 bytes each. Each wants an [`answer`](Self::answer).
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<Batch> {
        read(&self.0, buffer)
    }

    /// Answers the request for permission that came with `file`.
    pub fn answer(&self, file: BorrowedFd<'_>, answer: Answer) -> io::Result<()> {
        let word = match answer {
            Answer::Allow => libc::FAN_ALLOW,
            Answer::Deny => libc::FAN_DENY,
        };
        let mut response = [0; 8];
        let (number, verdict) = response.split_at_mut(4);
        number.copy_from_slice(&file.as_raw_fd().to_ne_bytes());
        verdict.copy_from_slice(&word.to_ne_bytes());
        rustix::io::write(&self.0, &response)?;
        Ok(())
    }
}

impl AsFd for Permission {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn read(group: &Group, buffer: &mut [u8]) -> io::Result<Batch> {
    let mut raw = Vec::new();
    group.read(buffer, &mut raw)?;
    let mut batch = Batch::default();
    for RawEvent { mask, pid, file, .. } in raw {
        match file {
            _ if mask & OVERFLOW != 0 => batch.overflow = true,
            Some(file) => batch.events.push(FileEvent { file, pid }),
            None => batch.unopened += 1,
        }
    }
    Ok(batch)
}

// === impl Identity ===

impl Identity {
    /// What is in this file now; nothing if it is no regular file.
    pub fn of(file: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        let stat = rustix::fs::fstat(file)?;
        let regular = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
        Ok(regular.then(|| Self::from_stat(&stat)))
    }

    fn from_stat(stat: &Stat) -> Self {
        Self {
            file: FileKey::from_stat(stat),
            changed: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
            modified: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
            size: u64::try_from(stat.st_size).unwrap_or(0),
        }
    }
}

impl FileKey {
    /// The file that these attributes are of.
    pub fn from_stat(stat: &Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }
}

fn nanoseconds(seconds: i64, rest: impl TryInto<i64>) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(rest.try_into().unwrap_or(0))
}

/// Where an open file lies now, as this process sees it: the name that it was opened by, after renames.
///
/// In another mount namespace the path may mean another file here: compare [`FileKey`]s before anything is done by it.
/// A file without a name any more ends in ` (deleted)`.
pub fn path_of(file: BorrowedFd<'_>) -> io::Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    let link = rustix::fs::readlink(format!("/proc/self/fd/{}", file.as_raw_fd()), Vec::new())?;
    Ok(PathBuf::from(std::ffi::OsString::from_vec(link.into_bytes())))
}
