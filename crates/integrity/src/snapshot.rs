//! Baselines as bytes, for keeping.
//!
//! # Shape
//! `SKMI`, version, number of sets; of each set its name, the digest of its definition, the number of entities and
//! the entities in the order of their paths. A path is the length it shares with the one before, and the
//! rest. Numbers are LEB128; times are zigzag. About 95 bytes an entity with digest, 60 without.
//!
//! The bytes carry no checksum: whoever keeps them adds one. Damaged bytes are an error and nothing else.
use crate::baseline::Baseline;
use crate::entity::{Entity, Kind};

const MAGIC: &[u8; 4] = b"SKMI";
const VERSION: u8 = 1;
/// Longest path and longest link target that are read back; the kernel's bound is 4096 each.
const TEXT_BYTES: usize = 8192;
const HAS_DIGEST: u8 = 0x10;
const HAS_TARGET: u8 = 0x20;

/// A set's baseline with what it was made for.
#[derive(Clone, Debug, Default)]
pub struct KeptSet {
    /// The set's name.
    pub name: String,
    /// Digest of the set's definition: a baseline of another definition is not this set's.
    pub definition: [u8; 32],
    /// What its entities were like.
    pub baseline: Baseline,
}

/// The bytes are not a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It is none, or of a later version.
    #[error("not a baseline that this version reads")]
    Foreign,
    /// It ends too early or says what cannot be.
    #[error("the baseline is damaged")]
    Damaged,
}

/// Writes.
pub fn encode<'a>(sets: impl ExactSizeIterator<Item = (&'a str, &'a [u8; 32], &'a Baseline)>) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    number(&mut out, sets.len() as u64);
    for (name, definition, baseline) in sets {
        text(&mut out, name.as_bytes());
        out.extend_from_slice(definition);
        number(&mut out, baseline.len() as u64);
        let mut before: &[u8] = b"";
        for (path, found) in baseline.entities() {
            let shared = before.iter().zip(path).take_while(|(a, b)| a == b).count();
            number(&mut out, shared as u64);
            text(&mut out, path.get(shared..).unwrap_or_default());
            entity(&mut out, found);
            before = path;
        }
    }
    out
}

/// Reads, at most `most` entities in all.
pub fn decode(bytes: &[u8], most: usize) -> Result<Vec<KeptSet>, SnapshotError> {
    let mut input = Input(bytes);
    if input.take(4) != Some(MAGIC) || input.take(1) != Some(&[VERSION]) {
        return Err(SnapshotError::Foreign);
    }
    sets(&mut input, most).filter(|_| input.0.is_empty()).ok_or(SnapshotError::Damaged)
}

fn sets(input: &mut Input<'_>, mut most: usize) -> Option<Vec<KeptSet>> {
    let mut sets = Vec::new();
    for _ in 0..input.number()? {
        let name = String::from_utf8(input.text()?.to_vec()).ok()?;
        let definition = input.take(32)?.try_into().ok()?;
        let mut baseline = Baseline::default();
        let mut path: Vec<u8> = Vec::new();
        for index in 0..input.number()? {
            most = most.checked_sub(1)?;
            let shared = usize::try_from(input.number()?).ok()?;
            let rest = input.text()?;
            let ascends = match path.get(shared..)? {
                [] => !rest.is_empty() || index == 0,
                [next, ..] => rest.first()? > next,
            };
            if !ascends {
                return None;
            }
            path.truncate(shared);
            path.extend_from_slice(rest);
            if path.len() > TEXT_BYTES {
                return None;
            }
            baseline.keep(&path, input.entity()?);
        }
        sets.push(KeptSet { name, definition, baseline });
    }
    Some(sets)
}

fn entity(out: &mut Vec<u8>, found: &Entity) {
    let kind = Kind::ALL.iter().position(|kind| *kind == found.kind).unwrap_or(0);
    let mut flags = u8::try_from(kind).unwrap_or(0);
    if found.sha256.is_some() {
        flags |= HAS_DIGEST;
    }
    if found.target.is_some() {
        flags |= HAS_TARGET;
    }
    out.push(flags);
    for value in [u64::from(found.mode), u64::from(found.owner), u64::from(found.group), found.size] {
        number(out, value);
    }
    number(out, zigzag(found.modified));
    // Mostly the same moment or shortly after.
    number(out, zigzag(found.status_changed.wrapping_sub(found.modified)));
    number(out, found.inode);
    if let Some(digest) = &found.sha256 {
        out.extend_from_slice(digest);
    }
    if let Some(target) = &found.target {
        text(out, target);
    }
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(0x80 | u8::try_from(value & 0x7f).unwrap_or(0));
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = u64::from(*self.take(1)?.first()?);
            let bits = byte & 0x7f;
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        if length > TEXT_BYTES {
            return None;
        }
        self.take(length)
    }

    fn entity(&mut self) -> Option<Entity> {
        let flags = *self.take(1)?.first()?;
        let kind = *Kind::ALL.get(usize::from(flags & 0x0f))?;
        if flags & !(0x0f | HAS_DIGEST | HAS_TARGET) != 0 {
            return None;
        }
        let mode = u16::try_from(self.number()?).ok()?;
        let owner = u32::try_from(self.number()?).ok()?;
        let group = u32::try_from(self.number()?).ok()?;
        let size = self.number()?;
        let modified = unzigzag(self.number()?);
        let status_changed = modified.wrapping_add(unzigzag(self.number()?));
        let inode = self.number()?;
        let sha256 =
            if flags & HAS_DIGEST == 0 { None } else { Some(<[u8; 32]>::try_from(self.take(32)?).ok()?) };
        let target = if flags & HAS_TARGET == 0 { None } else { Some(self.text()?.into()) };
        Some(Entity { kind, mode, owner, group, size, modified, status_changed, inode, sha256, target })
    }
}
