//! Events on disk until the manager has made them durable.
//!
//! An append-only log of segment files ([`segment`]); [`Spool::append`] returns after the disk has the
//! events. Sequence numbers are positions in the stream, from 1 and without gaps; the stream's *epoch*, a
//! UUID, is made anew whenever the numbering could no longer be that of what was sent (a fresh spool, a
//! damaged file), so that the manager's watermark of the old numbering never swallows an event.
//!
//! The spool is bounded. When full it first thins informational events out of old segments, then gives up
//! whole old segments; in both cases a `gap` event with the count stands in their place. The oldest segment is
//! never touched by that: what is being sent lies in it (a batch never crosses its end), and renumbering
//! what was sent would lose events. Damaged files are put aside into `quarantine/` and said so.
mod segment;

pub use segment::Record;

use crate::clock;
use crate::state::{self, StateError};
use sakimori_model::{Action, Severity, Timestamp};
use sakimori_modules::agent::{self, Gap};
use sakimori_protocol::{Event, paths};
use segment::{Segment, Tail};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use uuid::Uuid;

/// Bounds of a spool.
#[derive(Clone, Copy, Debug)]
pub struct SpoolLimits {
    /// Bytes of all segments together.
    pub total_bytes: u64,
    /// Bytes after which a segment is closed and the next begun.
    pub segment_bytes: u64,
}

/// Events of one batch at most. Small enough that the unpacked batch and its compressed form stay a fraction
/// of the agent's memory, large enough that a backlog drains at thousands a second.
pub const BATCH_EVENTS: usize = 2_000;
/// Unpacked bytes of one batch at most; also keeps the compressed form under the protocol's bound.
const BATCH_BYTES: usize = 512 << 10;
const _: () =
    assert!(BATCH_BYTES < paths::EVENT_BATCH_COMPRESSED_BYTES && BATCH_BYTES < paths::EVENT_BATCH_BYTES);

/// A run of events for the manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The stream.
    pub epoch: Uuid,
    /// Sequence number of the first event.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Newline-delimited JSON.
    pub lines: Vec<u8>,
}

/// How full the spool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Events not yet acknowledged.
    pub events: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// The last acknowledged sequence number.
    pub acknowledged: u64,
}

/// The spool. Shared by the threads that make events and the sender.
#[derive(Debug)]
pub struct Spool {
    inner: Mutex<Inner>,
    appended: Notify,
}

/// The file that says where the stream stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Position {
    epoch: Uuid,
    /// The oldest segment that still counts; older files are leftovers of an interrupted clean-up.
    oldest: u64,
    /// Sequence number of that segment's first event.
    oldest_first: u64,
    acknowledged: u64,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    limits: SpoolLimits,
    position: Position,
    /// Oldest first; the last one is open for appending.
    segments: VecDeque<Segment>,
    /// Events that could not be written (disk full); said in a gap event as soon as writing works again.
    unwritten: u64,
}

// === impl SpoolLimits ===

impl Default for SpoolLimits {
    /// 128 MiB: about a quarter of a million intrusions. 1 MiB segments: the granularity of giving up.
    fn default() -> Self {
        Self { total_bytes: 128 << 20, segment_bytes: 1 << 20 }
    }
}

// === impl Spool ===

impl Spool {
    /// Opens the spool in `dir`, made where it is not there. Repairs what a crash left and puts aside what is damaged.
    pub fn open(dir: &Path, limits: SpoolLimits) -> Result<Self, StateError> {
        let inner = Inner::open(dir, limits)?;
        Ok(Self { inner: Mutex::new(inner), appended: Notify::new() })
    }

    /// Makes events durable: on return they survive a power loss.
    ///
    /// # Errors
    /// The disk refused. The events are counted, and a gap event says so once writing works again.
    pub fn append(&self, events: &[Event]) -> Result<(), StateError> {
        let result = self.lock().append(events);
        self.appended.notify_one();
        result
    }

    /// The oldest events that were not acknowledged, at most `events` of them; nothing if there are none.
    ///
    /// A segment that no longer holds what it held is put aside as at [`Self::open`], and a new stream begun.
    pub fn batch(&self, events: usize) -> Result<Option<Batch>, StateError> {
        let mut inner = self.lock();
        match inner.batch(events) {
            Err(StateError::File { source, .. }) if source.kind() == std::io::ErrorKind::InvalidData => {
                let unwritten = inner.unwritten;
                *inner = Inner::open(&inner.dir.clone(), inner.limits)?;
                inner.unwritten = unwritten;
                inner.batch(events)
            }
            other => other,
        }
    }

    /// The manager has everything of this stream up to and including `sequence`.
    pub fn acknowledge(&self, epoch: Uuid, sequence: u64) -> Result<(), StateError> {
        self.lock().acknowledge(epoch, sequence)
    }

    /// Begins a new stream with what was not acknowledged, because the manager does not know where the old one stood.
    pub fn restart_stream(&self) -> Result<(), StateError> {
        self.lock().restart_stream()
    }

    /// Forgets every event and begins a new stream: they were for a manager that this computer has left.
    pub fn discard(&self) -> Result<(), StateError> {
        let mut inner = self.lock();
        let dir = inner.dir.clone();
        state::remove(&dir.join("position.json"))?;
        for id in segment::ids(&dir)? {
            state::remove(&segment::path(&dir, id))?;
        }
        *inner = Inner::open(&dir, inner.limits)?;
        Ok(())
    }

    /// How full it is.
    pub fn depth(&self) -> Depth {
        let inner = self.lock();
        Depth {
            events: inner.last_sequence() - inner.position.acknowledged,
            bytes: inner.segments.iter().map(Segment::bytes).sum(),
            acknowledged: inner.position.acknowledged,
        }
    }

    /// Waits until something was appended since the last wait.
    pub async fn appended(&self) {
        self.appended.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while holding the lock leaves at worst a half-written frame, which the next open repairs.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Inner ===

impl Inner {
    fn open(dir: &Path, limits: SpoolLimits) -> Result<Self, StateError> {
        state::make_private_dir(dir)?;
        let position_path = dir.join("position.json");
        let mut notices = Vec::new();
        let known = match state::read_json::<Position>(&position_path) {
            Ok(position) => position,
            Err(StateError::Damaged { path, .. }) => {
                notices.push(quarantine(dir, &path)?);
                None
            }
            Err(error) => return Err(error),
        };
        let mut ids = segment::ids(dir)?;
        if let Some(position) = &known {
            for id in ids.extract_if(.., |id| *id < position.oldest) {
                state::remove(&segment::path(dir, id))?;
            }
        }
        let mut damaged = known.is_none() && !ids.is_empty();
        let mut segments = VecDeque::new();
        let last = ids.last().copied();
        for id in ids {
            let path = segment::path(dir, id);
            let (found, tail) = Segment::scan(dir, id)?;
            match tail {
                Tail::Whole => segments.push_back(found),
                // Only the newest file can have been cut by a crash; elsewhere a bad frame is damage.
                Tail::Torn if Some(id) == last => segments.push_back(found.truncated()?),
                Tail::Torn => {
                    damaged = true;
                    notices.push(quarantine_copy(dir, &path)?);
                    segments.push_back(found.truncated()?);
                }
                Tail::Foreign => {
                    // A file cut before its header was durable holds nothing anybody was told of.
                    if Some(id) != last || found.bytes() >= segment::HEADER_BYTES {
                        damaged = true;
                        notices.push(quarantine(dir, &path)?);
                    } else {
                        state::remove(&path)?;
                    }
                }
            }
        }
        let fresh = |segments: &VecDeque<Segment>| Position {
            epoch: Uuid::now_v7(),
            oldest: segments.front().map_or(1, Segment::id),
            oldest_first: 1,
            acknowledged: 0,
        };
        let mut position = known.unwrap_or_else(|| fresh(&segments));
        let holds: u64 = segments.iter().map(Segment::records).sum();
        let gone = position.oldest_first + holds <= position.acknowledged
            || segments.front().is_some_and(|oldest| oldest.id() != position.oldest);
        let mut inner = if damaged || gone {
            let skip = if gone { 0 } else { position.acknowledged + 1 - position.oldest_first };
            position = fresh(&segments);
            // What was acknowledged lies in the oldest segment: those before it are removed at once.
            position.acknowledged = skip.min(segments.front().map_or(0, Segment::records));
            Self { dir: dir.to_owned(), limits, position, segments, unwritten: 0 }
        } else {
            Self { dir: dir.to_owned(), limits, position, segments, unwritten: 0 }
        };
        if inner.segments.is_empty() {
            let id = inner.position.oldest.max(last.map_or(0, |id| id + 1));
            inner.position.oldest_first = inner.position.acknowledged + 1;
            inner.position.oldest = id;
            inner.segments.push_back(Segment::create(dir, id)?);
        }
        inner.save_position()?;
        if !notices.is_empty() {
            inner.append(&notices)?;
        }
        Ok(inner)
    }

    fn last_sequence(&self) -> u64 {
        self.position.oldest_first + self.segments.iter().map(Segment::records).sum::<u64>() - 1
    }

    fn save_position(&self) -> Result<(), StateError> {
        state::write_json(&self.dir.join("position.json"), &self.position)
    }

    fn append(&mut self, events: &[Event]) -> Result<(), StateError> {
        let mut records: Vec<Record> = events.iter().filter_map(Record::of).collect();
        let unencodable = count(events.len() - records.len());
        let lost = self.unwritten + unencodable;
        if lost > 0 {
            records.extend(Record::of(&gap(clock::wall(), lost, "spool-write-failed")));
        }
        let written = self.write(&records);
        self.unwritten = if written.is_ok() { 0 } else { lost + count(events.len()) - unencodable };
        written
    }

    fn write(&mut self, records: &[Record]) -> Result<(), StateError> {
        if self.segments.back().is_none_or(|open| open.bytes() >= self.limits.segment_bytes) {
            let id = self.segments.back().map_or(self.position.oldest, |open| open.id() + 1);
            self.segments.push_back(Segment::create(&self.dir, id)?);
        }
        if let Some(open) = self.segments.back_mut() {
            open.append(records)?;
        }
        self.make_room()
    }

    /// Gives up what must be given up to stay within the bound.
    fn make_room(&mut self) -> Result<(), StateError> {
        while self.segments.iter().map(Segment::bytes).sum::<u64>() > self.limits.total_bytes {
            // Neither the oldest (being sent) nor the newest (being written).
            let sealed = 1..self.segments.len().saturating_sub(1);
            let thinnable =
                sealed.clone().find(|&i| self.segments.get(i).is_some_and(|s| s.informational() > 0));
            if let Some(segment) = thinnable.and_then(|i| self.segments.get_mut(i)) {
                segment.thin(clock::wall())?;
                continue;
            }
            // A segment that is only a gap already is merged into the one that is given up next.
            let Some(index) =
                sealed.clone().find(|&i| self.segments.get(i).is_some_and(|s| !s.is_gap_only()))
            else {
                return Ok(());
            };
            let mut lost = 0;
            let before = index
                .checked_sub(1)
                .filter(|i| *i >= 1 && self.segments.get(*i).is_some_and(Segment::is_gap_only));
            if let Some(previous) = before.and_then(|i| self.segments.remove(i)) {
                lost += previous.lost();
                previous.remove()?;
            }
            let index = index - usize::from(before.is_some());
            if let Some(segment) = self.segments.get_mut(index) {
                segment.give_up(clock::wall(), lost)?;
            }
        }
        Ok(())
    }

    fn batch(&self, events: usize) -> Result<Option<Batch>, StateError> {
        let mut first = self.position.oldest_first;
        for segment in &self.segments {
            let end = first + segment.records();
            if end > self.position.acknowledged + 1 {
                let skip = (self.position.acknowledged + 1).saturating_sub(first);
                let (lines, count) = segment.lines(skip, events.clamp(1, BATCH_EVENTS), BATCH_BYTES)?;
                return Ok(Some(Batch { epoch: self.position.epoch, first: first + skip, count, lines }));
            }
            first = end;
        }
        Ok(None)
    }

    fn acknowledge(&mut self, epoch: Uuid, sequence: u64) -> Result<(), StateError> {
        let sequence = sequence.min(self.last_sequence());
        if epoch != self.position.epoch || sequence <= self.position.acknowledged {
            return Ok(());
        }
        self.position.acknowledged = sequence;
        let mut done = Vec::new();
        // The open segment stays even when all of it is acknowledged, unless it is due to be closed anyway.
        while let Some(oldest) = self.segments.front()
            && self.position.oldest_first + oldest.records() <= sequence + 1
        {
            if self.segments.len() == 1 {
                if oldest.bytes() < self.limits.segment_bytes / 4 {
                    break;
                }
                let next = Segment::create(&self.dir, oldest.id() + 1)?;
                self.segments.push_back(next);
            }
            if let Some(oldest) = self.segments.pop_front() {
                self.position.oldest_first += oldest.records();
                self.position.oldest = self.segments.front().map_or_else(|| oldest.id() + 1, Segment::id);
                done.push(oldest);
            }
        }
        // First the position, then the files: the other way round a crash would lose the numbering.
        self.save_position()?;
        done.into_iter().try_for_each(Segment::remove)
    }

    fn restart_stream(&mut self) -> Result<(), StateError> {
        let skip = self.position.acknowledged + 1 - self.position.oldest_first;
        self.position.epoch = Uuid::now_v7();
        self.position.oldest_first = 1;
        self.position.acknowledged = skip;
        self.save_position()
    }
}

/// A gap event of the agent.
pub(crate) fn gap(at: Timestamp, count: u64, reason: &str) -> Event {
    let gap = Gap { what: "events".to_owned(), count, reason: reason.to_owned() };
    Event::new(at, agent::MODULE.id, Severity::High, Action::Noted, &gap)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Quarantined files kept; each may be as large as a segment.
const QUARANTINE_FILES: usize = 8;

fn quarantine_target(dir: &Path, path: &Path) -> Result<PathBuf, StateError> {
    let aside = dir.join("quarantine");
    state::make_private_dir(&aside)?;
    let mut old: Vec<PathBuf> = fs::read_dir(&aside)
        .map_err(state::because("listing", &aside))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    old.sort();
    for surplus in old.iter().take((old.len() + 1).saturating_sub(QUARANTINE_FILES)) {
        state::remove(surplus)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(aside.join(format!("{:020}-{name}", clock::wall().0)))
}

fn quarantined(path: &Path) -> Event {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Event::notice(clock::wall(), Severity::High, "spool-quarantined", &[("file", &name)])
}

/// Puts a damaged file aside.
fn quarantine(dir: &Path, path: &Path) -> Result<Event, StateError> {
    let target = quarantine_target(dir, path)?;
    fs::rename(path, &target).map_err(state::because("moving", path))?;
    state::sync_parent(path)?;
    Ok(quarantined(path))
}

/// Puts a copy aside of a file whose sound beginning goes on being used.
fn quarantine_copy(dir: &Path, path: &Path) -> Result<Event, StateError> {
    let target = quarantine_target(dir, path)?;
    fs::copy(path, &target).map_err(state::because("copying", path))?;
    Ok(quarantined(path))
}
