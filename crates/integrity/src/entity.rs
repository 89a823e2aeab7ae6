//! What a file, a folder or a link is like at one moment.
use crate::attribute::Attribute;
use crate::printable::printable;
use std::fmt::Write as _;

/// What sort of entity it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A regular file.
    #[default]
    File,
    /// A folder.
    Folder,
    /// A symbolic link; never followed.
    Link,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
}

impl Kind {
    /// All of them; the position is the number in a snapshot.
    pub const ALL: [Self; 7] = [
        Self::File,
        Self::Folder,
        Self::Link,
        Self::Pipe,
        Self::Socket,
        Self::CharacterDevice,
        Self::BlockDevice,
    ];

    /// The word used in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Link => "link",
            Self::Pipe => "pipe",
            Self::Socket => "socket",
            Self::CharacterDevice => "character-device",
            Self::BlockDevice => "block-device",
        }
    }
}

/// What an entity is like.
///
/// # Bounds
/// 104 bytes and the link's target; with its path, in a [`Baseline`](crate::Baseline), 250 bytes on average.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entity {
    /// What it is.
    pub kind: Kind,
    /// Permission bits: the lower twelve of `st_mode`.
    pub mode: u16,
    /// Numeric user.
    pub owner: u32,
    /// Numeric group.
    pub group: u32,
    /// Length in bytes.
    pub size: u64,
    /// When the content last changed, nanoseconds since 1970.
    pub modified: i64,
    /// When the inode last changed, nanoseconds since 1970.
    pub status_changed: i64,
    /// Inode number.
    pub inode: u64,
    /// Digest of a file's content; nothing where it was not asked for or could not be read.
    pub sha256: Option<[u8; 32]>,
    /// Where a link points.
    pub target: Option<Box<[u8]>>,
}

impl Entity {
    /// The value of an attribute in words; nothing where the kind of entity has none that is watched.
    ///
    /// # Units
    /// Sizes in bytes, modes in octal, times as `seconds.nanoseconds` since 1970, digests in hexadecimal.
    pub fn value(&self, attribute: Attribute) -> Option<String> {
        let times = self.kind != Kind::Folder;
        match attribute {
            Attribute::Created | Attribute::Deleted => None,
            Attribute::Type => Some(self.kind.as_str().to_owned()),
            Attribute::Size => matches!(self.kind, Kind::File | Kind::Link).then(|| self.size.to_string()),
            // A link's own permission bits mean nothing.
            Attribute::Mode => (self.kind != Kind::Link).then(|| format!("{:04o}", self.mode)),
            Attribute::Owner => Some(self.owner.to_string()),
            Attribute::Group => Some(self.group.to_string()),
            Attribute::Modified => times.then(|| instant(self.modified)),
            Attribute::StatusChanged => times.then(|| instant(self.status_changed)),
            Attribute::Inode => Some(self.inode.to_string()),
            Attribute::Sha256 => self.sha256.as_ref().map(|digest| hexadecimal(digest)),
            Attribute::LinkTarget => self.target.as_ref().map(|target| printable(target)),
        }
    }

    /// Whether an attribute is the same in both; as [`Self::value`] but without making words.
    pub fn same(&self, other: &Self, attribute: Attribute) -> bool {
        let folders = self.kind == Kind::Folder && other.kind == Kind::Folder;
        match attribute {
            Attribute::Created | Attribute::Deleted => true,
            Attribute::Type => self.kind == other.kind,
            Attribute::Size => folders || self.size == other.size,
            Attribute::Mode => self.mode == other.mode || self.kind == Kind::Link && other.kind == Kind::Link,
            Attribute::Owner => self.owner == other.owner,
            Attribute::Group => self.group == other.group,
            Attribute::Modified => folders || self.modified == other.modified,
            Attribute::StatusChanged => folders || self.status_changed == other.status_changed,
            Attribute::Inode => self.inode == other.inode,
            Attribute::Sha256 => self.sha256 == other.sha256,
            Attribute::LinkTarget => self.target == other.target,
        }
    }
}

fn instant(nanoseconds: i64) -> String {
    format!("{}.{:09}", nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}
