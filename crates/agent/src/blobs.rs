//! Blobs on disk, named by their hash, and only those that are in use.
use crate::state::{self, StateError};
use sakimori_protocol::{Hash, paths};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The directory of blobs.
#[derive(Clone, Debug)]
pub struct BlobStore {
    dir: PathBuf,
}

// === impl BlobStore ===

impl BlobStore {
    /// The store in this state directory; made where it is not there.
    pub fn open(state_dir: &Path) -> Result<Self, StateError> {
        let dir = state_dir.join("blobs");
        state::make_private_dir(&dir)?;
        Ok(Self { dir })
    }

    /// A blob, checked against its name. One that is damaged is removed, so that it is fetched again.
    pub fn load(&self, hash: Hash) -> Result<Option<Vec<u8>>, StateError> {
        let path = self.dir.join(hash.to_string());
        let most = u64::try_from(paths::BLOB_BYTES).unwrap_or(u64::MAX);
        let Some(bytes) = state::read_capped(&path, most)? else { return Ok(None) };
        if Hash::of(&bytes) == hash {
            return Ok(Some(bytes));
        }
        state::remove(&path)?;
        Ok(None)
    }

    /// Keeps a blob under its own hash.
    pub fn store(&self, bytes: &[u8]) -> Result<Hash, StateError> {
        let hash = Hash::of(bytes);
        state::write_atomic(&self.dir.join(hash.to_string()), bytes)?;
        Ok(hash)
    }

    /// Removes every file that is not one of `used`, unfinished ones too. Gives how many.
    pub fn keep_only(&self, used: &BTreeSet<Hash>) -> Result<usize, StateError> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.dir).map_err(state::because("listing", &self.dir))? {
            let path = entry.map_err(state::because("listing", &self.dir))?.path();
            let hash = path.file_name().and_then(|name| name.to_str()?.parse::<Hash>().ok());
            if !hash.is_some_and(|hash| used.contains(&hash)) {
                state::remove(&path)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_what_its_name_says_or_it_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let store = BlobStore::open(dir.path()).unwrap();
        let hash = store.store(b"alert tcp any").unwrap();
        assert_eq!(store.load(hash).unwrap().as_deref(), Some(&b"alert tcp any"[..]));
        fs::write(dir.path().join("blobs").join(hash.to_string()), b"pass tcp any").unwrap();
        assert_eq!(store.load(hash).unwrap(), None, "damaged");
        assert!(!dir.path().join("blobs").join(hash.to_string()).exists());
    }

    #[test]
    fn only_what_is_used_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = BlobStore::open(dir.path()).unwrap();
        let (a, b) = (store.store(b"a").unwrap(), store.store(b"b").unwrap());
        fs::write(dir.path().join("blobs/half.tmp"), b"x").unwrap();
        assert_eq!(store.keep_only(&BTreeSet::from([a])).unwrap(), 2);
        assert_eq!(store.load(a).unwrap(), Some(b"a".to_vec()));
        assert_eq!(store.load(b).unwrap(), None);
    }
}
