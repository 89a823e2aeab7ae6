//! One segment file: a header, then frames of one event each.
//!
//! Frame: payload length (u32 LE), CRC-32 of length and payload (u32 LE), payload. Payload: a flag byte,
//! then the event as JSON. The checksum covers the length too, so that a run of zeros (a file extended by a
//! crash before its data arrived) is no empty frame.
use super::gap;
use crate::state::{self, StateError, because};
use sakimori_model::Timestamp;
use sakimori_modules::agent::Gap;
use sakimori_protocol::Event;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"SKMSPL1\n";
/// Bytes before the first frame.
pub(super) const HEADER_BYTES: u64 = 8;
/// Bytes of a frame before its payload.
const FRAME_HEADER: usize = 8;
/// Bound of one event's payload, in bytes: intrusions are under 8 KiB; anything larger is not an event.
const PAYLOAD_MAX: usize = 64 << 10;
/// Bound of a segment file that is read back, in bytes: one segment and one burst appended in one go.
const FILE_MAX: u64 = 256 << 20;

/// The flag of an event that is the first to be given up.
const INFORMATIONAL: u8 = 1;
/// The flag of a gap that the spool itself wrote in place of events.
const GAP: u8 = 2;

/// An event as it is written.
#[derive(Clone, Debug)]
pub struct Record {
    flag: u8,
    json: Vec<u8>,
}

/// A segment file and what it holds.
#[derive(Debug)]
pub(super) struct Segment {
    id: u64,
    path: PathBuf,
    /// Open only while it is the newest.
    file: Option<File>,
    bytes: u64,
    records: u64,
    informational: u64,
    /// Events that gaps in it stand for.
    lost: u64,
    gaps: u64,
}

/// How a segment file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// With its last frame.
    Whole,
    /// With bytes that are no frame.
    Torn,
    /// It does not even begin like a segment.
    Foreign,
}

// === impl Record ===

impl Record {
    /// An event ready to be written; nothing if it is larger than an event may be.
    pub fn of(event: &Event) -> Option<Self> {
        let json = serde_json::to_vec(event).ok().filter(|json| json.len() < PAYLOAD_MAX)?;
        Some(Self { flag: if event.severity == "info" { INFORMATIONAL } else { 0 }, json })
    }

    fn gap(at: Timestamp, lost: u64) -> Option<Self> {
        Some(Self { flag: GAP, ..Self::of(&gap(at, lost, "spool-full"))? })
    }

    fn frame(&self, out: &mut Vec<u8>) {
        let length = u32::try_from(self.json.len() + 1).unwrap_or(u32::MAX).to_le_bytes();
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&length);
        checksum.update(&[self.flag]);
        checksum.update(&self.json);
        out.extend_from_slice(&length);
        out.extend_from_slice(&checksum.finalize().to_le_bytes());
        out.push(self.flag);
        out.extend_from_slice(&self.json);
    }
}

// === impl Segment ===

impl Segment {
    /// A new, empty segment, durable with its name.
    pub(super) fn create(dir: &Path, id: u64) -> Result<Self, StateError> {
        let path = path(dir, id);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .map_err(because("making", &path))?;
        file.write_all_at(MAGIC, 0).and_then(|()| file.sync_all()).map_err(because("writing", &path))?;
        state::sync_parent(&path)?;
        Ok(Self { file: Some(file), bytes: HEADER_BYTES, ..Self::empty(id, path) })
    }

    const fn empty(id: u64, path: PathBuf) -> Self {
        Self { id, path, file: None, bytes: 0, records: 0, informational: 0, lost: 0, gaps: 0 }
    }

    /// Reads a segment file. `bytes` is where its sound part ends (for a foreign file: its length).
    pub(super) fn scan(dir: &Path, id: u64) -> Result<(Self, Tail), StateError> {
        let mut segment = Self::empty(id, path(dir, id));
        let content = state::read_capped(&segment.path, FILE_MAX)?.unwrap_or_default();
        let Some(frames) = content.strip_prefix(MAGIC) else {
            segment.bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
            return Ok((segment, Tail::Foreign));
        };
        segment.bytes = HEADER_BYTES;
        let mut rest = frames;
        while let Some((record, after)) = next_frame(rest) {
            segment.count(&record);
            segment.bytes += u64::try_from(rest.len() - after.len()).unwrap_or(0);
            rest = after;
        }
        Ok((segment, if rest.is_empty() { Tail::Whole } else { Tail::Torn }))
    }

    /// Cuts the file where its sound part ends.
    pub(super) fn truncated(self) -> Result<Self, StateError> {
        let file = OpenOptions::new().write(true).open(&self.path).map_err(because("opening", &self.path))?;
        file.set_len(self.bytes).and_then(|()| file.sync_all()).map_err(because("cutting", &self.path))?;
        Ok(self)
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    pub(super) const fn informational(&self) -> u64 {
        self.informational
    }

    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    pub(super) const fn is_gap_only(&self) -> bool {
        self.records == self.gaps
    }

    /// Writes records and waits for the disk.
    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), StateError> {
        let mut frames = Vec::new();
        for record in records {
            record.frame(&mut frames);
        }
        if self.file.is_none() {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(&self.path)
                .map_err(because("opening", &self.path))?;
            self.file = Some(file);
        }
        let Some(file) = &self.file else { return Ok(()) };
        if let Err(error) = file.write_all_at(&frames, self.bytes).and_then(|()| file.sync_data()) {
            // What was half written is cut off again; should that fail too, the next write goes over it.
            if let Err(again) = file.set_len(self.bytes) {
                tracing::warn!("{} cannot be cut back: {again}", self.path.display());
            }
            return Err(because("writing", &self.path)(error));
        }
        self.bytes += u64::try_from(frames.len()).unwrap_or(0);
        for record in records {
            self.count(record);
        }
        Ok(())
    }

    /// Gives up the informational events; a gap says how many.
    pub(super) fn thin(&mut self, now: Timestamp) -> Result<(), StateError> {
        let kept: Vec<Record> = self.read()?.into_iter().filter(|record| record.flag == 0).collect();
        let lost = self.informational + self.lost;
        self.replace(Record::gap(now, lost).into_iter().chain(kept))
    }

    /// Gives up all events; a gap says how many, `more` included.
    pub(super) fn give_up(&mut self, now: Timestamp, more: u64) -> Result<(), StateError> {
        let lost = self.records - self.gaps + self.lost + more;
        self.replace(Record::gap(now, lost).into_iter())
    }

    /// The JSON lines from record `skip` on, and how many.
    pub(super) fn lines(&self, skip: u64, events: usize, bytes: usize) -> Result<(Vec<u8>, u64), StateError> {
        let mut lines = Vec::new();
        let mut count = 0;
        for record in self.read()?.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).take(events)
        {
            if count > 0 && lines.len() + record.json.len() >= bytes {
                break;
            }
            lines.extend_from_slice(&record.json);
            lines.push(b'\n');
            count += 1;
        }
        Ok((lines, count))
    }

    /// Removes the file.
    pub(super) fn remove(self) -> Result<(), StateError> {
        state::remove(&self.path)
    }

    /// All records; an error where the file no longer holds what it held.
    fn read(&self) -> Result<Vec<Record>, StateError> {
        let content = state::read_capped(&self.path, FILE_MAX)?.unwrap_or_default();
        let mut rest = content.strip_prefix(MAGIC).unwrap_or_default();
        let mut records = Vec::new();
        while let Some((record, after)) = next_frame(rest) {
            records.push(record);
            rest = after;
        }
        if u64::try_from(records.len()).unwrap_or(u64::MAX) < self.records {
            let damage = io::Error::new(io::ErrorKind::InvalidData, "the file lost events that it held");
            return Err(because("reading", &self.path)(damage));
        }
        records.truncate(usize::try_from(self.records).unwrap_or(usize::MAX));
        Ok(records)
    }

    fn replace(&mut self, records: impl Iterator<Item = Record>) -> Result<(), StateError> {
        let mut content = MAGIC.to_vec();
        let mut new = Self::empty(self.id, self.path.clone());
        for record in records {
            record.frame(&mut content);
            new.count(&record);
        }
        new.bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
        state::write_atomic(&self.path, &content)?;
        *self = new;
        Ok(())
    }

    fn count(&mut self, record: &Record) {
        self.records += 1;
        self.informational += u64::from(record.flag == INFORMATIONAL);
        if record.flag == GAP {
            self.gaps += 1;
            let event = serde_json::from_slice::<Event>(&record.json).ok();
            if let Some(gap) = event.and_then(|event| event.read::<Gap>()) {
                self.lost += gap.count;
            }
        }
    }
}

/// The file of a segment.
pub(super) fn path(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:020}.seg"))
}

/// The segments in a directory, in order.
pub(super) fn ids(dir: &Path) -> Result<Vec<u64>, StateError> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(dir).map_err(because("listing", dir))? {
        let name = entry.map_err(because("listing", dir))?.file_name();
        ids.extend(name.to_str().and_then(|name| name.strip_suffix(".seg")?.parse::<u64>().ok()));
    }
    ids.sort_unstable();
    Ok(ids)
}

/// The first frame of `bytes` and what follows it; nothing where no sound frame begins.
fn next_frame(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (header, rest) = bytes.split_at_checked(FRAME_HEADER)?;
    let (length, checksum) = header.split_at_checked(4)?;
    let size = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
    if size == 0 || size > PAYLOAD_MAX {
        return None;
    }
    let (payload, rest) = rest.split_at_checked(size)?;
    let mut actual = crc32fast::Hasher::new();
    actual.update(length);
    actual.update(payload);
    if actual.finalize().to_le_bytes() != checksum {
        return None;
    }
    let (flag, json) = payload.split_first()?;
    Some((Record { flag: *flag, json: json.to_vec() }, rest))
}
