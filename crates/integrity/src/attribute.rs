//! What of an entity is watched.

/// One thing that can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// That it came to be.
    Created,
    /// That it is gone.
    Deleted,
    /// Whether it is a file, a folder, a link, …
    Type,
    /// Length in bytes; of files and links, since a folder's length is the file system's own business.
    Size,
    /// Permission bits, set-user-id and the like.
    Mode,
    /// Numeric user.
    Owner,
    /// Numeric group.
    Group,
    /// When the content last changed; of anything but folders, whose entries are watched themselves.
    Modified,
    /// When the inode last changed; of anything but folders. No program can set it back.
    StatusChanged,
    /// Inode number: a file that was replaced by another has a new one.
    Inode,
    /// SHA-256 of a file's content.
    Sha256,
    /// Where a symbolic link points.
    LinkTarget,
}

impl Attribute {
    /// All of them, in the order in which changes list them.
    pub const ALL: [Self; 12] = [
        Self::Created,
        Self::Deleted,
        Self::Type,
        Self::Size,
        Self::Mode,
        Self::Owner,
        Self::Group,
        Self::Modified,
        Self::StatusChanged,
        Self::Inode,
        Self::Sha256,
        Self::LinkTarget,
    ];

    /// The word used in policies and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Deleted => "deleted",
            Self::Type => "type",
            Self::Size => "size",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Group => "group",
            Self::Modified => "mtime",
            Self::StatusChanged => "ctime",
            Self::Inode => "inode",
            Self::Sha256 => "sha256",
            Self::LinkTarget => "target",
        }
    }

    /// The attribute of that word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attribute| attribute.as_str() == word)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(u16);

impl Attributes {
    /// What a file set watches unless it says otherwise: everything that means a change of content, of rights or of
    /// identity, without the times that reading programs and backups touch.
    pub const STANDARD: Self = Self(
        Attribute::Created.bit()
            | Attribute::Deleted.bit()
            | Attribute::Type.bit()
            | Attribute::Size.bit()
            | Attribute::Mode.bit()
            | Attribute::Owner.bit()
            | Attribute::Group.bit()
            | Attribute::Sha256.bit()
            | Attribute::LinkTarget.bit(),
    );

    /// Whether it is one of them.
    pub const fn contains(self, attribute: Attribute) -> bool {
        self.0 & attribute.bit() != 0
    }

    /// With one more.
    #[must_use]
    pub const fn with(self, attribute: Attribute) -> Self {
        Self(self.0 | attribute.bit())
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Attribute> for Attributes {
    fn from_iter<T: IntoIterator<Item = Attribute>>(attributes: T) -> Self {
        attributes.into_iter().fold(Self::default(), Self::with)
    }
}
