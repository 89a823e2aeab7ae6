//! Baselines on disk.
//!
//! # Shape
//! A snapshot ([`sakimori_integrity::snapshot`]) and the SHA-256 of it. Replaced whole; after `kill -9` or a power loss
//! it is the old or the new one. What the old one does not know is reported again by the next scan: at least once.
use crate::state::{self, StateError, make_private_dir, read_capped, write_atomic};
use ring::digest::{SHA256, digest};
use sakimori_integrity::snapshot::{decode, encode};
use sakimori_integrity::{Baseline, KeptSet};
use std::path::{Path, PathBuf};

/// Largest file that is read back: four million entities.
const FILE_BYTES: u64 = 512 << 20;
/// Entities that are read back, whatever the policy says now.
const ENTITIES: usize = 4_000_000;
const DIGEST_BYTES: usize = 32;

/// Where the baselines lie.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
}

/// What lay there.
#[derive(Debug)]
pub enum Loaded {
    /// Nothing yet.
    None,
    /// The sets' baselines.
    Sets(Vec<KeptSet>),
    /// Bytes that are no baseline any more; they were moved aside.
    Damaged,
}

impl Store {
    /// In a state directory.
    pub fn in_dir(state_dir: &Path) -> Result<Self, StateError> {
        let folder = state_dir.join("integrity");
        make_private_dir(&folder)?;
        Ok(Self { path: folder.join("baseline") })
    }

    /// Reads; damaged ones are moved aside, for whoever wants to know how it came.
    pub fn load(&self) -> Result<Loaded, StateError> {
        let bytes = match read_capped(&self.path, FILE_BYTES) {
            Ok(None) => return Ok(Loaded::None),
            Ok(Some(bytes)) => bytes,
            Err(StateError::File { source, .. }) if source.kind() == std::io::ErrorKind::InvalidData => {
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let sets = bytes
            .split_last_chunk::<DIGEST_BYTES>()
            .filter(|(snapshot, kept)| digest(&SHA256, snapshot).as_ref() == kept.as_slice())
            .and_then(|(snapshot, _)| decode(snapshot, ENTITIES).ok());
        if let Some(sets) = sets {
            return Ok(Loaded::Sets(sets));
        }
        let aside = self.path.with_extension("damaged");
        std::fs::rename(&self.path, &aside).map_err(state::because("moving aside", &self.path))?;
        Ok(Loaded::Damaged)
    }

    /// Replaces.
    pub fn save<'a>(
        &self,
        sets: impl ExactSizeIterator<Item = (&'a str, &'a [u8; 32], &'a Baseline)>,
    ) -> Result<(), StateError> {
        let mut bytes = encode(sets);
        let sum = digest(&SHA256, &bytes);
        bytes.extend_from_slice(sum.as_ref());
        write_atomic(&self.path, &bytes)
    }

    /// Forgets everything.
    pub fn remove(&self) -> Result<(), StateError> {
        state::remove(&self.path)
    }
}
