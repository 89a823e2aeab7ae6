//! Looking at files: entities of what a walk finds, with digests, at a bounded pace.
use ring::digest::{Context, SHA256};
use rustix::fs::FileType;
use sakimori_integrity::set::Position;
use sakimori_integrity::{Attribute, Baseline, Change, CompiledSet, Entity, Found, Kind, ScanId};
use sakimori_kernel::clock;
use sakimori_kernel::walk::{Entry, Facts, Step, Visitor};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longest file that is read for its digest; of longer ones the other attributes are watched.
pub const DIGEST_BYTES: u64 = 4 << 30;
/// Bytes of one read.
const CHUNK: usize = 128 << 10;
/// Work between two rests.
const STRETCH: Duration = Duration::from_millis(20);

/// Rests as long as it worked, so that a scan takes half of one core at most.
#[derive(Debug)]
pub struct Pace {
    began: Duration,
    /// No rests: somebody waits, or it is a handful of files.
    pub unhurried: bool,
}

impl Pace {
    /// Begins now.
    pub fn new(unhurried: bool) -> Self {
        Self { began: clock::monotonic(), unhurried }
    }

    fn step(&mut self) {
        if !self.unhurried {
            return;
        }
        let worked = clock::monotonic().saturating_sub(self.began);
        if worked >= STRETCH {
            clock::sleep(worked.min(Duration::from_millis(200)));
            self.began = clock::monotonic();
        }
    }
}

/// Numbers of a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Entities looked at.
    pub entities: u64,
    /// Bytes read for digests.
    pub bytes: u64,
    /// Files whose content could not be read.
    pub unreadable: u64,
    /// Entities for which there was no room.
    pub no_room: u64,
}

/// A pass over a set, or a part of it.
#[expect(missing_debug_implementations, reason = "it carries a closure, and lives for one call")]
pub struct Pass<'a> {
    /// The set.
    pub set: &'a CompiledSet,
    /// What it was like.
    pub baseline: &'a mut Baseline,
    /// The pass.
    pub scan: ScanId,
    /// Entities that the baseline may have.
    pub room: usize,
    /// How hurried it is.
    pub pace: Pace,
    /// Ends the pass early.
    pub stop: &'a AtomicBool,
    /// Told of file systems on the way, to watch them.
    pub file_systems: &'a mut dyn FnMut(BorrowedFd<'_>),
    /// What changed.
    pub changes: Vec<Change>,
    /// Folders that could not be looked into.
    pub unread: Vec<Vec<u8>>,
    /// Numbers.
    pub tally: Tally,
    /// Whether it was ended early.
    pub stopped: bool,
}

impl Visitor for Pass<'_> {
    type State = Position;

    fn visit(&mut self, parent: Option<&Position>, entry: &Entry<'_>) -> Step<Position> {
        if self.stop.load(Ordering::Relaxed) {
            self.stopped = true;
            return Step::Stop;
        }
        let position = match parent {
            Some(parent) => self.set.step(parent, entry.name),
            None => self.set.position_of(entry.path),
        };
        if self.set.watches(&position) {
            self.look(entry);
            self.pace.step();
        }
        if self.set.enters(&position) { Step::Enter(position) } else { Step::Pass }
    }

    fn file_system(&mut self, folder: BorrowedFd<'_>) {
        (self.file_systems)(folder);
    }

    fn unread(&mut self, path: &[u8], _reason: &io::Error) {
        self.unread.push(path.to_vec());
    }
}

/// A look at one entity, whatever lies below it.
#[expect(missing_debug_implementations, reason = "it carries a closure, and lives for one call")]
pub struct One<'a>(pub Pass<'a>);

impl Visitor for One<'_> {
    type State = Position;

    fn visit(&mut self, _parent: Option<&Position>, entry: &Entry<'_>) -> Step<Position> {
        let set = self.0.set;
        if set.watches(&set.position_of(entry.path)) {
            self.0.look(entry);
        }
        Step::Stop
    }

    fn unread(&mut self, _path: &[u8], _reason: &io::Error) {}
}

impl Pass<'_> {
    fn look(&mut self, entry: &Entry<'_>) {
        self.tally.entities += 1;
        let mut entity = from_facts(&entry.facts);
        match entity.kind {
            Kind::File if self.set.attributes().contains(Attribute::Sha256) => {
                entity.sha256 = self.digest(entry);
                if entity.sha256.is_none() {
                    self.tally.unreadable += 1;
                }
            }
            Kind::Link => entity.target = entry.target().ok().map(Vec::into_boxed_slice),
            _ => (),
        }
        match self.baseline.found(self.set, self.scan, entry.path, entity, self.room) {
            Found::Same => (),
            Found::Changed(change) => self.changes.push(change),
            Found::NoRoom => self.tally.no_room += 1,
        }
    }

    fn digest(&mut self, entry: &Entry<'_>) -> Option<[u8; 32]> {
        if entry.facts.size > DIGEST_BYTES {
            return None;
        }
        let file = entry.open().ok()?;
        let mut context = Context::new(&SHA256);
        let mut buffer =
            vec![0; CHUNK.min(usize::try_from(entry.facts.size).unwrap_or(CHUNK).saturating_add(1))];
        let mut total = 0_u64;
        loop {
            let length = read(&file, &mut buffer)?;
            if length == 0 {
                break;
            }
            context.update(buffer.get(..length)?);
            total += length as u64;
            self.tally.bytes += length as u64;
            self.pace.step();
            // A file that grows for ever, or a stop in the middle of a long one.
            if total > DIGEST_BYTES || self.stop.load(Ordering::Relaxed) {
                return None;
            }
        }
        context.finish().as_ref().try_into().ok()
    }
}

fn read(file: &OwnedFd, buffer: &mut [u8]) -> Option<usize> {
    loop {
        match rustix::io::read(file, &mut *buffer) {
            Ok(length) => return Some(length),
            Err(rustix::io::Errno::INTR) => (),
            Err(_unreadable) => return None,
        }
    }
}

fn from_facts(facts: &Facts) -> Entity {
    let kind = match facts.kind {
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Link,
        FileType::Fifo => Kind::Pipe,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::CharacterDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::RegularFile | FileType::Unknown => Kind::File,
    };
    Entity {
        kind,
        mode: facts.mode,
        owner: facts.user,
        group: facts.group,
        size: facts.size,
        modified: facts.modified,
        status_changed: facts.changed,
        inode: facts.inode,
        sha256: None,
        target: None,
    }
}
