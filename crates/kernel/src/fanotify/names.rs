//! Names that come, go and change: events with the folder and the name instead of an opened file.
//!
//! A group of this kind covers whole file systems with one mark each, has no races with new folders, and says who it
//! was. It cannot be asked for permission. The folder is a file handle; [`Folders`] makes paths of them.
//!
//! # Source
//! fanotify(7), `FAN_REPORT_DFID_NAME`, Linux 5.9.

use super::{Extent, Group, InitError, OVERFLOW};
use rustix::fs::{fstatvfs, readlink};
use sakimori_kernel_sys::handle::open_by_handle;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

/// What such a group is told of: everything that can change an entity or bring one.
const MASK: u64 = libc::FAN_CREATE
    | libc::FAN_DELETE
    | libc::FAN_MOVED_FROM
    | libc::FAN_MOVED_TO
    | libc::FAN_CLOSE_WRITE
    | libc::FAN_ATTRIB
    | libc::FAN_ONDIR;
/// Record that carries a folder's handle and a name.
const FOLDER_AND_NAME: u8 = 2;
/// Record that carries a folder's handle alone: something happened to the folder itself.
const FOLDER: u8 = 3;
/// Header, file system, length and kind of a handle.
const FIXED: usize = 20;
/// Folders whose paths are remembered; all are forgotten when there are more.
const REMEMBERED: usize = 16_384;

/// A group that is told of names.
#[derive(Debug)]
pub struct Names(Group);

/// Something happened to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameEvent {
    /// The folder that the name stands in.
    pub folder: Handle,
    /// The name; empty where it is the folder itself that something happened to.
    pub name: Vec<u8>,
    /// The process that did it; 0 outside of our PID namespace.
    pub pid: i32,
    /// It is a folder that was moved: paths of the folders below it are not what they were. A new folder has a handle
    /// of its own, and one that is gone has no path that could be wrong.
    pub moves_folder: bool,
}

/// A file by file system and the file system's own handle.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    file_system: [u8; 8],
    kind: i32,
    bytes: Vec<u8>,
}

/// What was read at once.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// In the order in which the kernel queued them.
    pub events: Vec<NameEvent>,
    /// The kernel's queue was full, and events are lost.
    pub overflow: bool,
}

/// Makes paths of handles, through the mounts that it was given.
#[derive(Debug, Default)]
pub struct Folders {
    mounts: Vec<Mount>,
    remembered: HashMap<Handle, Vec<Vec<u8>>>,
}

#[derive(Debug)]
struct Mount {
    file_system: [u8; 8],
    id: u64,
    folder: OwnedFd,
}

// === impl Names ===

impl Names {
    /// Makes a group. `unlimited`: the kernel's queue takes what the memory takes, 200 bytes an event, instead of
    /// `fs.fanotify.max_queued_events` (16,384).
    pub fn open(unlimited: bool) -> Result<Self, InitError> {
        let queue = if unlimited { libc::FAN_UNLIMITED_QUEUE } else { 0 };
        let flags = libc::FAN_CLASS_NOTIF | libc::FAN_REPORT_DIR_FID | libc::FAN_REPORT_NAME | queue;
        Group::init(flags, libc::O_RDONLY).map(Self)
    }

    /// Covers the file system that a folder lies on.
    ///
    /// # Errors
    /// `EXDEV`, `ENODEV`, `EOPNOTSUPP` on file systems that have no handles: some overlays and network file systems.
    pub fn watch(&self, folder: BorrowedFd<'_>) -> io::Result<()> {
        // By its path under /proc: a descriptor of O_PATH cannot be marked by itself.
        let path = format!("/proc/thread-self/fd/{}", folder.as_raw_fd());
        self.0.mark(Extent::FileSystem, MASK, Path::new(&path))
    }

    /// Covers nothing any more.
    pub fn forget(&self) -> io::Result<()> {
        self.0.flush(Extent::FileSystem)
    }

    /// Takes what waits.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<Batch> {
        let mut raw = Vec::new();
        self.0.read(buffer, &mut raw)?;
        let mut batch = Batch::default();
        for event in raw {
            batch.overflow |= event.mask & OVERFLOW != 0;
            if let Some((folder, name)) = parse(&event.info) {
                let moves = libc::FAN_MOVED_FROM | libc::FAN_MOVED_TO;
                let moves_folder = event.mask & libc::FAN_ONDIR != 0 && event.mask & moves != 0;
                batch.events.push(NameEvent { folder, name, pid: event.pid, moves_folder });
            }
        }
        Ok(batch)
    }
}

impl AsFd for Names {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The first folder of an event's records.
///
/// # Shape
/// Type, padding, length (2); file system (8); length of the handle (4), its kind (4), the handle; the name, ended by
/// a zero byte and filled up with more.
fn parse(mut records: &[u8]) -> Option<(Handle, Vec<u8>)> {
    loop {
        let length = usize::from(u16::from_ne_bytes(array(records, 2)?)).max(4);
        let (record, rest) = records.split_at_checked(length)?;
        records = rest;
        if !matches!(record.first(), Some(&FOLDER_AND_NAME | &FOLDER)) {
            continue;
        }
        let handle_length = usize::try_from(u32::from_ne_bytes(array(record, 12)?)).ok()?;
        let (handle, name) = record.get(FIXED..)?.split_at_checked(handle_length)?;
        let name = if record.first() == Some(&FOLDER_AND_NAME) { name } else { b"" };
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = if name == b"." { b"" } else { name };
        let folder = Handle {
            file_system: array(record, 4)?,
            kind: i32::from_ne_bytes(array(record, 16)?),
            bytes: handle.to_vec(),
        };
        return Some((folder, name.to_vec()));
    }
}

fn array<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..at + N)?.try_into().ok()
}

// === impl Folders ===

impl Folders {
    /// Paths are looked for through this folder's mount too.
    pub fn add(&mut self, folder: BorrowedFd<'_>) -> io::Result<()> {
        use rustix::fs::{AtFlags, StatxFlags, statx};
        let stat = statx(folder, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
        let file_system = file_system(folder)?;
        if self.mounts.iter().any(|mount| mount.id == stat.stx_mnt_id && mount.file_system == file_system) {
            return Ok(());
        }
        // Handles are opened through a real descriptor; one of O_PATH is refused.
        let path = format!("/proc/thread-self/fd/{}", folder.as_raw_fd());
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC | rustix::fs::OFlags::NONBLOCK;
        let folder = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
        self.mounts.push(Mount { file_system, id: stat.stx_mnt_id, folder });
        self.remembered.clear();
        Ok(())
    }

    /// The paths that a folder has through the known mounts; none where it is gone or out of their sight.
    pub fn paths(&mut self, handle: &Handle) -> &[Vec<u8>] {
        if !self.remembered.contains_key(handle) {
            if self.remembered.len() >= REMEMBERED {
                self.remembered.clear();
            }
            let paths = self.look_up(handle);
            let _none = self.remembered.insert(handle.clone(), paths);
        }
        self.remembered.get(handle).map_or(&[], Vec::as_slice)
    }

    /// A folder was moved: no remembered path is sure.
    pub fn forget_paths(&mut self) {
        self.remembered.clear();
    }

    fn look_up(&self, handle: &Handle) -> Vec<Vec<u8>> {
        let through = self.mounts.iter().filter(|mount| mount.file_system == handle.file_system);
        let mut paths: Vec<Vec<u8>> = through
            .filter_map(|mount| {
                let folder = open_by_handle(mount.folder.as_fd(), handle.kind, &handle.bytes).ok()?;
                let link = format!("/proc/thread-self/fd/{}", folder.as_raw_fd());
                let path = readlink(link, Vec::new()).ok()?.into_bytes();
                // Removed, or not below the root of this mount: the kernel says so behind the path.
                (path.first() == Some(&b'/') && !path.ends_with(b" (deleted)")).then_some(path)
            })
            .collect();
        paths.sort();
        paths.dedup();
        paths
    }
}

/// The file system's number as events carry it: two words.
fn file_system(folder: BorrowedFd<'_>) -> io::Result<[u8; 8]> {
    let words = fstatvfs(folder)?.f_fsid;
    let mut number = [0; 8];
    let (first, second) = number.split_at_mut(4);
    let word = |shift: u32| u32::try_from((words >> shift) & 0xffff_ffff).unwrap_or(0).to_ne_bytes();
    first.copy_from_slice(&word(0));
    second.copy_from_slice(&word(32));
    Ok(number)
}

/// What a process is, as far as it can still be told: its program, and its user.
pub fn process(pid: i32) -> Option<(Vec<u8>, u32)> {
    let link = readlink(format!("/proc/{pid}/exe"), Vec::new()).ok()?.into_bytes();
    let stat = rustix::fs::stat(format!("/proc/{pid}")).ok()?;
    Some((link, stat.st_uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, handle: &[u8], name: &[u8]) -> Vec<u8> {
        let length = u16::try_from(FIXED + handle.len() + name.len()).unwrap();
        let mut record = vec![kind, 0];
        record.extend(length.to_ne_bytes());
        record.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        record.extend(u32::try_from(handle.len()).unwrap().to_ne_bytes());
        record.extend(1_i32.to_ne_bytes());
        record.extend(handle);
        record.extend(name);
        record
    }

    #[test]
    fn the_folder_and_the_name_are_taken_from_their_record() {
        let mut records = record(1, b"own", b"");
        records.extend(record(FOLDER_AND_NAME, b"handle", b"name\n\xff\0\0\0"));
        let (folder, name) = parse(&records).unwrap();
        assert_eq!((folder.bytes.as_slice(), folder.kind), (&b"handle"[..], 1));
        assert_eq!(name, b"name\n\xff");
        assert_eq!(parse(&record(FOLDER_AND_NAME, b"h", b".\0")).unwrap().1, b"");
        assert_eq!(parse(&record(FOLDER, b"h", b"\0\0")).unwrap().1, b"");
        for cut in 0..records.len() {
            let _no_panic = parse(records.get(..cut).unwrap());
        }
        assert_eq!(parse(&record(1, b"own", b"")), None);
    }
}
