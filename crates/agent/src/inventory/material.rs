//! Bytes of files on their way from the supervisor, which reads them, to the worker, which looks into them.
//!
//! # Shape
//! Pieces one after the other: kind (1 byte), length of the path (4, little-endian), length of the bytes (4), path,
//! bytes.

/// Most bytes of all pieces together: dpkg's status file of a large desktop is 8 MiB.
pub const BYTES: usize = 64 << 20;

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// dpkg's status file.
    DpkgStatus,
    /// `wp-includes/version.php`; the path is the site's folder.
    WordPressVersion,
    /// A PHP file that may be a plugin's main file; the path is the plugin's folder, or the file where it has none.
    WordPressPlugin,
    /// A theme's `style.css`; the path is the theme's folder.
    WordPressTheme,
    /// Composer's `installed.json`; the path is the folder of `vendor`.
    ComposerInstalled,
    /// A Java archive: its name, no bytes.
    JavaArchive,
    /// An application's own manifest; the path is its folder.
    Manifest,
    /// What Azure says of the instance.
    AzureMetadata,
    /// What AWS says of the instance.
    AwsIdentity,
}

impl Kind {
    /// All of them, in the order of their numbers in a pipe.
    pub const ALL: [Self; 9] = [
        Self::DpkgStatus,
        Self::WordPressVersion,
        Self::WordPressPlugin,
        Self::WordPressTheme,
        Self::ComposerInstalled,
        Self::JavaArchive,
        Self::Manifest,
        Self::AzureMetadata,
        Self::AwsIdentity,
    ];

    /// Most bytes that are read of such a file; of a longer one its beginning, or nothing where that says nothing.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::DpkgStatus => 32 << 20,
            Self::WordPressVersion | Self::WordPressPlugin | Self::WordPressTheme => 8 << 10,
            Self::ComposerInstalled => 4 << 20,
            Self::JavaArchive => 0,
            Self::Manifest | Self::AzureMetadata | Self::AwsIdentity => 64 << 10,
        }
    }
}

/// A piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What it is.
    pub kind: Kind,
    /// Where it was found.
    pub path: &'a [u8],
    /// What was in it.
    pub bytes: &'a [u8],
}

/// Pieces one after the other.
#[derive(Clone, Debug, Default)]
pub struct Material {
    bytes: Vec<u8>,
    /// Pieces that found no room.
    pub left_out: usize,
}

impl Material {
    /// Adds a piece, if there is room.
    pub fn add(&mut self, piece: Piece<'_>) {
        let length = piece.path.len() + piece.bytes.len() + 9;
        let (Ok(path), Ok(content)) = (u32::try_from(piece.path.len()), u32::try_from(piece.bytes.len()))
        else {
            self.left_out += 1;
            return;
        };
        if self.bytes.len() + length > BYTES {
            self.left_out += 1;
            return;
        }
        let kind = Kind::ALL.iter().position(|kind| *kind == piece.kind).unwrap_or(0);
        self.bytes.push(u8::try_from(kind).unwrap_or(0));
        self.bytes.extend(path.to_le_bytes());
        self.bytes.extend(content.to_le_bytes());
        self.bytes.extend(piece.path);
        self.bytes.extend(piece.bytes);
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The pieces in some bytes; ends where they are none.
pub fn pieces(mut bytes: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    std::iter::from_fn(move || {
        let (kind, rest) = bytes.split_first()?;
        let kind = *Kind::ALL.get(usize::from(*kind))?;
        let (path_length, rest) = rest.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (path, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*path_length)).ok()?)?;
        let (content, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        bytes = rest;
        Some(Piece { kind, path, bytes: content })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_in_their_order_and_only_whole() {
        let mut material = Material::default();
        let one = Piece { kind: Kind::Manifest, path: b"/a", bytes: b"{}" };
        let two = Piece { kind: Kind::JavaArchive, path: b"/b-1.jar", bytes: b"" };
        material.add(one);
        material.add(two);
        assert_eq!(pieces(material.bytes()).collect::<Vec<_>>(), [one, two]);
        for cut in 0..material.bytes().len() {
            assert!(pieces(material.bytes().get(..cut).unwrap()).count() < 2);
        }
        material.add(Piece { bytes: &vec![0; BYTES], ..one });
        assert_eq!(material.left_out, 1);
    }
}
