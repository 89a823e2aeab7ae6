//! Files of the state directory: written whole or not at all, read with a bound.
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Bound of any small state file, in bytes: an identity with its chain is under 16 KiB.
pub const SMALL_FILE_BYTES: u64 = 2 << 20;

/// A file of the state directory could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system refused.
    #[error("{action} {path} failed")]
    File {
        /// `reading`, `writing`, …
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// The file does not say what it should.
    #[error(
        "{path} is damaged: restore it from a backup, or run 'sakimori-agent deactivate' and activate again"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// Names what was done to which file when it failed.
pub(crate) fn because(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::File { action, path, source }
}

/// Makes a directory that only its owner can enter, with its parents. One that exists is narrowed to that.
pub fn make_private_dir(path: &Path) -> Result<(), StateError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(because("making", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(because("protecting", path))
}

/// Reads a file of at most `most` bytes; nothing if it does not exist.
pub fn read_capped(path: &Path, most: u64) -> Result<Option<Vec<u8>>, StateError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(because("reading", path)(error)),
    };
    let mut bytes = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "this is the capped reader")]
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(because("reading", path))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(because("reading", path)(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file is too large",
        )));
    }
    Ok(Some(bytes))
}

/// Replaces a file whole, readable by its owner only: after a power loss it is the old or the new one.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(because("writing", &temporary))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(because("writing", &temporary))?;
    fs::rename(&temporary, path).map_err(because("replacing", path))?;
    sync_parent(path)
}

/// Makes the names in a file's directory durable.
pub fn sync_parent(path: &Path) -> Result<(), StateError> {
    let parent = path.parent().unwrap_or_else(|| Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(because("syncing", parent))
}

/// Removes a file; one that is not there is fine.
pub fn remove(path: &Path) -> Result<(), StateError> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(because("removing", path)(error)),
    }
}

/// Reads a JSON file; nothing if it does not exist. Unknown fields are ignored, so that an older agent reads a newer file.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateError> {
    let Some(bytes) = read_capped(path, SMALL_FILE_BYTES)? else { return Ok(None) };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|source| StateError::Damaged { path: path.to_owned(), source })
}

/// Replaces a JSON file whole.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), StateError> {
    let bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| StateError::Damaged { path: path.to_owned(), source })?;
    write_atomic(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        assert_eq!(read_json::<Vec<u32>>(&path).unwrap(), None);
        write_json(&path, &vec![1, 2]).unwrap();
        write_json(&path, &vec![3]).unwrap();
        assert_eq!(read_json::<Vec<u32>>(&path).unwrap(), Some(vec![3]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_damaged_or_huge_file_is_said_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        fs::write(&path, b"{").unwrap();
        assert!(matches!(read_json::<Vec<u32>>(&path), Err(StateError::Damaged { .. })));
        assert!(matches!(read_capped(&path, 0), Err(StateError::File { .. })));
    }
}
