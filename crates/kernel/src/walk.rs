//! Walking a tree that may change, or be laid as a trap, while it is walked.
//!
//! Every step is taken from the folder that was just opened, by name, and follows no symbolic link: a link swapped in
//! on the way leads nowhere else. Pseudo and network file systems are not entered ([`is_walkable`]). The order is that
//! of the names' bytes, so two walks of one tree see the same.

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, StatxFlags, fstatfs, openat, openat2, readlinkat,
    statx,
};
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Most names of one folder that are looked at; of more, the folder counts as unread.
pub const NAMES: usize = 1 << 20;
/// Deepest folder that is entered: each level holds one descriptor.
pub const DEPTH: usize = 128;

/// What an entity is like, without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// File, folder, link, …
    pub kind: FileType,
    /// The lower twelve bits of its mode.
    pub mode: u16,
    /// Numeric user.
    pub user: u32,
    /// Numeric group.
    pub group: u32,
    /// Bytes.
    pub size: u64,
    /// Content last changed, nanoseconds since 1970.
    pub modified: i64,
    /// Inode last changed, nanoseconds since 1970.
    pub changed: i64,
    /// Inode number.
    pub inode: u64,
    /// Device number of its file system.
    pub device: (u32, u32),
}

/// An entity on the way.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Relative to where the walk began; empty there.
    pub path: &'a [u8],
    /// Its own name.
    pub name: &'a [u8],
    /// What it is like.
    pub facts: Facts,
    parent: BorrowedFd<'a>,
    own_name: &'a CStr,
}

/// What to do after an entity.
#[derive(Debug)]
pub enum Step<S> {
    /// Look into the folder; what lies in it is visited with this state.
    Enter(S),
    /// Go on beside it.
    Pass,
    /// End the walk.
    Stop,
}

/// Who is told of entities.
pub trait Visitor {
    /// Handed down from a folder to what lies in it.
    type State;
    /// An entity. `parent` is nothing where the walk began.
    fn visit(&mut self, parent: Option<&Self::State>, entry: &Entry<'_>) -> Step<Self::State>;
    /// A folder is looked into, the first on its file system on this way.
    fn file_system(&mut self, _folder: BorrowedFd<'_>) {}
    /// A folder could not be looked into (to the end), or lies on a file system that is not entered: what is below it
    /// was not visited.
    fn unread(&mut self, path: &[u8], reason: &io::Error);
}

/// Where walks begin.
#[derive(Debug)]
pub struct Base {
    parent: OwnedFd,
    name: CString,
}

struct Level<S> {
    folder: OwnedFd,
    names: std::vec::IntoIter<CString>,
    path_length: usize,
    device: (u32, u32),
    state: S,
}

// === impl Base ===

impl Base {
    /// An absolute path. Its folders may be links, since they are the operator's own words; it itself is not followed.
    ///
    /// # Errors
    /// The kernel's, where the folder above it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (parent, name) = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => (parent, name.as_bytes()),
            _ => (Path::new("/"), &b"."[..]),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = rustix::fs::open(parent, flags, Mode::empty())?;
        Ok(Self { parent, name: CString::new(name)? })
    }

    /// Walks from `start`, relative to the base (empty: the base itself), downwards.
    ///
    /// # Errors
    /// Where nothing is at `start` (`NotFound`), or the way to it cannot be taken.
    pub fn walk<V: Visitor>(
        &self,
        start: &[u8],
        visitor: &mut V,
        parent: Option<&V::State>,
    ) -> io::Result<()> {
        let (folder, name) = self.locate(start)?;
        walk(folder.as_ref().map_or_else(|| self.parent.as_fd(), AsFd::as_fd), &name, start, visitor, parent)
    }

    /// What is at a path relative to the base, without looking below it.
    pub fn facts(&self, path: &[u8]) -> io::Result<Facts> {
        let (folder, name) = self.locate(path)?;
        facts(folder.as_ref().map_or_else(|| self.parent.as_fd(), AsFd::as_fd), &name)
    }

    /// The base itself, as a folder.
    pub fn folder(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.parent, &self.name, flags, Mode::empty())?)
    }

    /// The folder above the base.
    pub fn parent(&self) -> BorrowedFd<'_> {
        self.parent.as_fd()
    }

    /// The folder that a path lies in (nothing: the base's own) and its name there.
    fn locate(&self, path: &[u8]) -> io::Result<(Option<OwnedFd>, CString)> {
        if path.is_empty() {
            return Ok((None, self.name.clone()));
        }
        let base = self.folder()?;
        let (above, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()),
            None => (&b""[..], path),
        };
        let name = CString::new(name)?;
        if above.is_empty() {
            return Ok((Some(base), name));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        Ok((Some(openat2(&base, above, flags, Mode::empty(), resolve)?), name))
    }
}

// === impl Entry ===

impl Entry<'_> {
    /// Opens a regular file for reading; never waits, never follows.
    ///
    /// # Errors
    /// The kernel's; `InvalidData` where something else has taken its place meanwhile.
    pub fn open(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        // Without touching the time of last reading where we may.
        let opened = openat(self.parent, self.own_name, flags | OFlags::NOATIME, Mode::empty())
            .or_else(|_not_ours| openat(self.parent, self.own_name, flags, Mode::empty()))?;
        let stat = rustix::fs::fstat(&opened)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_ino != self.facts.inode {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(opened)
    }

    /// Where a link points.
    pub fn target(&self) -> io::Result<Vec<u8>> {
        Ok(readlinkat(self.parent, self.own_name, Vec::new())?.into_bytes())
    }
}

fn walk<V: Visitor>(
    parent: BorrowedFd<'_>,
    name: &CStr,
    start: &[u8],
    visitor: &mut V,
    state: Option<&V::State>,
) -> io::Result<()> {
    let mut path = start.to_vec();
    let found = facts(parent, name)?;
    let mut levels: Vec<Level<V::State>> = Vec::new();
    match step(parent, name, &path, found, state, visitor) {
        Step::Enter(state) => {
            levels.extend(level(parent, name, &path, found, None, visitor).map(|l| l.with(state)));
        }
        Step::Pass | Step::Stop => return Ok(()),
    }
    loop {
        let depth = levels.len();
        let Some(above) = levels.last_mut() else { return Ok(()) };
        let Some(name) = above.names.next() else {
            let _done = levels.pop();
            continue;
        };
        path.truncate(above.path_length);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.to_bytes());
        // What has gone since the folder was read is gone: the next walk, or an event, says so.
        let Ok(found) = facts(above.folder.as_fd(), &name) else { continue };
        match step(above.folder.as_fd(), &name, &path, found, Some(&above.state), visitor) {
            Step::Enter(_) if depth >= DEPTH => {
                visitor.unread(&path, &io::Error::other("folders are nested too deeply"));
            }
            Step::Enter(state) => {
                let opened = level(above.folder.as_fd(), &name, &path, found, Some(above.device), visitor);
                levels.extend(opened.map(|level| level.with(state)));
            }
            Step::Pass => (),
            Step::Stop => return Ok(()),
        }
    }
}

fn step<V: Visitor>(
    parent: BorrowedFd<'_>,
    name: &CStr,
    path: &[u8],
    facts: Facts,
    state: Option<&V::State>,
    visitor: &mut V,
) -> Step<V::State> {
    let entry = Entry { path, name: name.to_bytes(), facts, parent, own_name: name };
    match visitor.visit(state, &entry) {
        Step::Enter(_) if facts.kind != FileType::Directory => Step::Pass,
        step => step,
    }
}

/// Opens a folder, unless it must not be looked into.
fn level<V: Visitor>(
    parent: BorrowedFd<'_>,
    name: &CStr,
    path: &[u8],
    found: Facts,
    device: Option<(u32, u32)>,
    visitor: &mut V,
) -> Option<Level<()>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(parent, name, flags, Mode::empty()).map_err(io::Error::from).and_then(|folder| {
        if device != Some(found.device) {
            if !is_walkable(folder.as_fd())? {
                return Err(io::Error::other("a pseudo or network file system"));
            }
            visitor.file_system(folder.as_fd());
        }
        let names = names(&folder)?;
        Ok((folder, names))
    });
    match opened {
        Ok((folder, names)) => {
            let names = names.into_iter();
            Some(Level { folder, names, path_length: path.len(), device: found.device, state: () })
        }
        Err(error) => {
            visitor.unread(path, &error);
            None
        }
    }
}

impl Level<()> {
    fn with<S>(self, state: S) -> Level<S> {
        let Self { folder, names, path_length, device, state: () } = self;
        Level { folder, names, path_length, device, state }
    }
}

fn names(folder: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
        if names.len() > NAMES {
            return Err(io::Error::other("a folder has too many entries"));
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn facts(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<Facts> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let stat = statx(parent, name, flags, StatxFlags::BASIC_STATS)?;
    let instant = |at: rustix::fs::StatxTimestamp| {
        at.tv_sec.saturating_mul(1_000_000_000).saturating_add(i64::from(at.tv_nsec))
    };
    Ok(Facts {
        kind: FileType::from_raw_mode(stat.stx_mode.into()),
        mode: stat.stx_mode & 0o7777,
        user: stat.stx_uid,
        group: stat.stx_gid,
        size: stat.stx_size,
        modified: instant(stat.stx_mtime),
        changed: instant(stat.stx_ctime),
        inode: stat.stx_ino,
        device: (stat.stx_dev_major, stat.stx_dev_minor),
    })
}

/// Whether a file system keeps files on a disk or in memory: not the kernel's own views (reading some of their files
/// never ends), and not somebody else's computer.
///
/// # Source
/// `linux/magic.h`; statfs(2).
pub fn is_walkable(folder: BorrowedFd<'_>) -> io::Result<bool> {
    const NOT: &[u32] = &[
        0x9fa0,      // proc
        0x6265_6572, // sysfs
        0x0027_e0eb, // cgroup
        0x6367_7270, // cgroup2
        0x1cd1,      // devpts
        0x6462_6720, // debugfs
        0x7472_6163, // tracefs
        0xcafe_4a11, // bpf
        0x7363_6673, // securityfs
        0xf97c_ff8c, // selinuxfs
        0x4249_4e4d, // binfmt_misc
        0x1980_0202, // mqueue
        0x9584_58f6, // hugetlbfs
        0x6165_676c, // pstore
        0xde5e_81e4, // efivarfs
        0x6e73_6673, // nsfs
        0x6462_6567, // configfs
        0x0187,      // autofs
        0x6573_5546, // fuse: somebody's program answers, or does not
        0x6969,      // nfs
        0xff53_4d42, // cifs
        0xfe53_4d42, // smb2
        0x517b,      // smb
        0x5346_414f, // afs
        0x00c3_6400, // ceph
        0x0102_1997, // 9p
    ];
    let kind = fstatfs(folder)?.f_type;
    let kind = u32::try_from(kind & 0xffff_ffff).unwrap_or(0);
    Ok(!NOT.contains(&kind))
}
