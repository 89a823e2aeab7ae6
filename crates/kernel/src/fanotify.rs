//! What happens to files, told by the kernel while it happens.
//!
//! A [`Group`] is a queue of events with marks that say where they come from. Two kinds are of use and cannot be
//! one: *content* groups hand over the opened file and may be asked for permission ([`content`]); groups that report
//! file handles and names cannot do either.
//!
//! Three rules for whoever reads a group, each from an accident:
//! a thread that answers permission events opens no file on a marked file system, or it waits for itself;
//! a reader that stops (not ends) stops everybody who opens a marked file; and a reader without free descriptors
//! makes the kernel deny what it cannot hand over.

pub mod content;
pub mod names;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

pub use sakimori_kernel_sys::fanotify::RawEvent;

/// The queue overflowed: events are lost. [`RawEvent::mask`] has this bit and no file.
pub const OVERFLOW: u64 = libc::FAN_Q_OVERFLOW;

/// What a mark covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The file or directory itself (with [`libc::FAN_EVENT_ON_CHILD`] in the mask: what lies directly in it).
    Inode,
    /// Everything that is reached through this mount.
    Mount,
    /// The whole file system, through whichever mount, in whichever mount namespace.
    FileSystem,
}

/// The kernel gives no group.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Not as root, or in a user namespace.
    #[error("fanotify needs CAP_SYS_ADMIN in the first user namespace: run as root, outside of containers")]
    Permission(#[source] io::Error),
    /// The kernel lacks it, or the asked combination.
    #[error("this kernel's fanotify lacks what is asked of it")]
    Unsupported(#[source] io::Error),
    /// Something else, such as a bound of groups for each user.
    #[error("fanotify refused")]
    Other(#[source] io::Error),
}

/// A queue of events and its marks. Never blocks: wait for it with `poll`.
#[derive(Debug)]
pub struct Group(sakimori_kernel_sys::fanotify::Group);

// === impl Group ===

impl Group {
    /// Makes a group of `fanotify_init(2)` with these `FAN_*` flags (`FAN_CLOEXEC` and `FAN_NONBLOCK` are added) and
    /// `O_*` flags of the files in its events.
    pub fn init(flags: u32, file_flags: i32) -> Result<Self, InitError> {
        sakimori_kernel_sys::fanotify::Group::init(flags, file_flags).map(Self).map_err(|error| {
            match error.raw_os_error() {
                Some(libc::EPERM) => InitError::Permission(error),
                Some(libc::EINVAL | libc::ENOSYS) => InitError::Unsupported(error),
                _ => InitError::Other(error),
            }
        })
    }

    /// Adds events to those that come from `path`.
    pub fn mark(&self, extent: Extent, mask: u64, path: &Path) -> io::Result<()> {
        self.0.mark(libc::FAN_MARK_ADD | extent.flag(), mask, &terminated(path)?)
    }

    /// As [`Self::mark`], for an open file or directory: no path that could mean another one by now.
    pub fn mark_file(&self, extent: Extent, mask: u64, file: BorrowedFd<'_>) -> io::Result<()> {
        self.0.mark_file(libc::FAN_MARK_ADD | extent.flag(), mask, file)
    }

    /// Takes events away from those that come from `path`.
    pub fn unmark(&self, extent: Extent, mask: u64, path: &Path) -> io::Result<()> {
        self.0.mark(libc::FAN_MARK_REMOVE | extent.flag(), mask, &terminated(path)?)
    }

    /// Removes all marks of one extent.
    pub fn flush(&self, extent: Extent) -> io::Result<()> {
        self.0.mark(libc::FAN_MARK_FLUSH | extent.flag(), 0, c"/")
    }

    /// Takes what waits, none is no error. `buffer` bounds how many files are opened by one call: 24 bytes for each.
    pub fn read(&self, buffer: &mut [u8], events: &mut Vec<RawEvent>) -> io::Result<()> {
        self.0.read(buffer, events)
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Extent {
    const fn flag(self) -> u32 {
        match self {
            Self::Inode => libc::FAN_MARK_INODE,
            Self::Mount => libc::FAN_MARK_MOUNT,
            Self::FileSystem => libc::FAN_MARK_FILESYSTEM,
        }
    }
}

fn terminated(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_nul| io::ErrorKind::InvalidInput.into())
}
