//! The reading thread: finds files, reads them, has them judged, and moves their positions.

use super::channel::Chunk;
use super::position::Positions;
use super::rate::Bucket;
use super::session::Session;
use super::sources::{self, FILES};
use super::tail::{CHUNK_BYTES, NotFollowed, Read, Tail};
use super::{ApplyError, LogsPlan, Said, Sink, off, severity};
use sakimori_kernel::clock;
use sakimori_loginspect::limits::LINE_BYTES;
use sakimori_modules::Mode;
use sakimori_modules::log_inspection::{LogEvent, LogFormat, LogSource};
use sakimori_protocol::{ModuleState, ModuleStatus};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long an idle reader sleeps before it looks at its files.
const TURN: Duration = Duration::from_millis(250);
/// How often patterns are expanded.
const EXPAND_EVERY: Duration = Duration::from_secs(2);
/// How often positions are written while nothing is reported. With events they are written at once.
const SAVE_EVERY: Duration = Duration::from_secs(2);
/// How often losses are told.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// Pieces of one file in a row: a file that is far behind does not keep the others waiting.
const PIECES: usize = 4;
/// Renamed files that are still open, of one path.
const RENAMED: usize = 8;
/// The longest wait before another worker is tried.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Events a second and in a burst, below level 10 and from it on: guessing must not fill the spool with its single
/// failures, nor push out what was made of them.
const ORDINARY_RATE: (u32, u32) = (50, 1_000);
const HIGH_RATE: (u32, u32) = (50, 1_000);
const HIGH_LEVEL: u8 = 10;

/// What the owner asks of the thread.
pub(super) enum Command {
    Apply(Box<LogsPlan>, SyncSender<Result<u32, ApplyError>>),
    Stop,
}

#[derive(Debug, Default)]
struct Counts {
    lines: u64,
    bytes: u64,
    events: u64,
    dropped: u64,
    long: u64,
    skipped: u64,
    restarts: u64,
    forgotten: u64,
}

pub(super) struct Reader {
    positions_file: PathBuf,
    worker: PathBuf,
    sink: Sink,
    view: Arc<Mutex<ModuleStatus>>,
    plan: Option<LogsPlan>,
    rules: u32,
    session: Option<Session>,
    /// When the next worker may be tried, and how many failed in a row.
    next_try: (Duration, u32),
    tails: Vec<Tail>,
    positions: Positions,
    /// Something moved since positions were written; something was reported.
    moved: (bool, bool),
    saved: Duration,
    expanded: Option<Duration>,
    /// Reasons that came of looking for files.
    reasons: Vec<String>,
    counts: Counts,
    buckets: [Bucket; 2],
    /// Events held back and lines left out that were not told yet.
    untold: (u64, u64),
    told: Duration,
    careful: Option<Careful>,
}

/// A worker was lost over a piece: it is given line by line until the line is found.
#[derive(Debug)]
struct Careful {
    inode: u64,
    until: u64,
    /// Where the last worker was lost, and how many were there.
    at: u64,
    lost: u32,
}

impl Reader {
    pub(super) fn new(dir: &Path, worker: PathBuf, sink: Sink, view: Arc<Mutex<ModuleStatus>>) -> Self {
        let now = clock::monotonic();
        let positions_file = dir.join("positions.json");
        Self {
            positions: Positions::load(&positions_file),
            positions_file,
            worker,
            sink,
            view,
            plan: None,
            rules: 0,
            session: None,
            next_try: (Duration::ZERO, 0),
            tails: Vec::new(),
            moved: (false, false),
            saved: now,
            expanded: None,
            reasons: Vec::new(),
            counts: Counts::default(),
            buckets: [ORDINARY_RATE, HIGH_RATE].map(|(rate, burst)| Bucket::new(rate, burst, now)),
            untold: (0, 0),
            told: now,
            careful: None,
        }
    }

    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        let mut more = false;
        loop {
            let command = if more {
                commands.try_recv().map_err(|error| match error {
                    std::sync::mpsc::TryRecvError::Empty => RecvTimeoutError::Timeout,
                    std::sync::mpsc::TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                })
            } else {
                commands.recv_timeout(TURN)
            };
            match command {
                Ok(Command::Apply(plan, answer)) => {
                    let result = self.apply(*plan);
                    self.show();
                    let _asker_has_gone = answer.send(result);
                }
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.tell(clock::monotonic(), true);
                    self.save(true);
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            more = self.turn();
            self.show();
        }
    }

    // === plans ===

    fn apply(&mut self, plan: LogsPlan) -> Result<u32, ApplyError> {
        if plan.settings.mode == Mode::Off {
            self.keep_positions();
            self.save(true);
            self.tails.clear();
            self.session = None;
            self.plan = None;
            self.rules = 0;
            self.reasons.clear();
            // What is written while the module is off is nobody's: it begins anew at the ends.
            self.positions = Positions::default();
            let _kept_anyway = self.positions.save(&self.positions_file);
            return Ok(0);
        }
        let result = match &self.session {
            Some(session) if !session.has_ended() => session.configure(&plan),
            _ => Session::start(&self.worker)
                .map_err(|error| ApplyError::Worker(error.to_string()))
                .and_then(|session| {
                    let rules = session.configure(&plan)?;
                    self.session = Some(session);
                    Ok(rules)
                }),
        };
        match result {
            Ok(rules) => {
                self.rules = rules;
                self.next_try = (Duration::ZERO, 0);
                self.plan = Some(plan);
                self.expanded = None;
                Ok(rules)
            }
            Err(ApplyError::Rules { count, shown }) => Err(ApplyError::Rules { count, shown }),
            Err(error) => {
                // The worker is in an unknown state: another one gets the plan that is in force.
                self.session = None;
                Err(error)
            }
        }
    }

    // === turns ===

    /// Looks at everything once; whether there is more to be read at once.
    fn turn(&mut self) -> bool {
        let now = clock::monotonic();
        let Some(plan) = self.plan.clone() else { return false };
        if !self.ensure_worker(&plan, now) {
            return false;
        }
        let due = self.expanded.is_none_or(|last| now.saturating_sub(last) >= EXPAND_EVERY);
        if due || self.tails.iter().any(|tail| !tail.is_renamed() && !tail.lies_at_its_path()) {
            self.expanded = Some(now);
            self.look_for_files(&plan, now);
        }
        let mut more = false;
        for index in 0..self.tails.len() {
            for _ in 0..PIECES {
                match self.step(index, now) {
                    Step::More => more = true,
                    Step::Rest => break,
                    Step::WorkerLost => {
                        self.save(false);
                        return false;
                    }
                }
            }
        }
        self.tails.retain(|tail| tail.position.inode != 0);
        self.tell(now, false);
        self.save(false);
        more
    }

    fn ensure_worker(&mut self, plan: &LogsPlan, now: Duration) -> bool {
        if self.session.as_ref().is_some_and(Session::has_ended) {
            self.lose_worker("it ended", now);
        }
        if self.session.is_some() {
            return true;
        }
        if now < self.next_try.0 {
            return false;
        }
        let started = Session::start(&self.worker).map_err(|error| error.to_string());
        let started = started.and_then(|session| match session.configure(plan) {
            Ok(rules) => Ok((session, rules)),
            Err(error) => Err(error.to_string()),
        });
        match started {
            Ok((session, rules)) => {
                self.rules = rules;
                self.session = Some(session);
                true
            }
            Err(why) => {
                self.lose_worker(&why, now);
                false
            }
        }
    }

    fn lose_worker(&mut self, why: &str, now: Duration) {
        self.session = None;
        self.counts.restarts += 1;
        let failures = self.next_try.1.saturating_add(1);
        // The first replacement comes at once.
        let wait = if failures == 1 {
            Duration::ZERO
        } else {
            LONGEST_WAIT.min(Duration::from_millis(100) * 2_u32.saturating_pow(failures.min(12)))
        };
        self.next_try = (now + wait, failures);
        tracing::error!(why, "the log worker is lost; a new one starts");
    }

    /// Reads a piece of a file, has it judged, and reports.
    fn step(&mut self, index: usize, now: Duration) -> Step {
        let Some(tail) = self.tails.get_mut(index) else { return Step::Rest };
        let careful = self.careful.as_ref().filter(|careful| {
            careful.inode == tail.inode() && (careful.at..careful.until).contains(&tail.position.offset)
        });
        let line_by_line = careful.is_some_and(|careful| careful.lost > 1);
        let (mut bytes, last) = match tail.read(now, CHUNK_BYTES) {
            Ok(Read::Bytes(bytes)) => (bytes, false),
            Ok(Read::Last(bytes)) => (bytes, true),
            Ok(Read::Nothing) => return Step::Rest,
            Ok(Read::Done) => {
                // Forgotten at the end of the turn.
                tail.position.inode = 0;
                self.moved.0 = true;
                return Step::Rest;
            }
            Err(error) => {
                tracing::warn!(path = %tail.path.display(), %error, "a log cannot be read");
                return Step::Rest;
            }
        };
        let first_end = bytes.iter().position(|byte| *byte == b'\n');
        if first_end.is_none() && !last && !tail.position.cut && bytes.len() < LINE_BYTES {
            tail.wait_for_more();
            return Step::Rest;
        }
        if line_by_line {
            bytes.truncate(first_end.map_or(bytes.len(), |end| end + 1));
        }
        let chunk = Chunk {
            source: tail.path.display().to_string(),
            header: tail.header,
            cut: tail.position.cut,
            last,
            seconds: now.as_secs(),
            wall: clock::wall_micros().div_euclid(1_000_000),
        };
        let Some(session) = &self.session else { return Step::WorkerLost };
        let judged = match session.judge(chunk, &bytes) {
            Ok(judged) if judged.consumed == 0 && first_end.is_some() => Err("it does not go on".to_owned()),
            Ok(judged) => Ok(judged),
            Err(lost) => Err(lost.0),
        };
        let judged = match judged {
            Ok(judged) => judged,
            Err(why) => {
                self.lost_over(index, &bytes, line_by_line);
                self.lose_worker(&why, now);
                return Step::WorkerLost;
            }
        };
        self.next_try.1 = 0;
        if !self.report(judged.events, now) {
            // Not durable: the same lines are judged again later. What composite rules counted of them stays.
            return Step::Rest;
        }
        self.counts.lines += u64::from(judged.lines);
        self.counts.bytes += u64::from(judged.consumed);
        self.counts.long += u64::from(judged.long);
        self.counts.forgotten = judged.forgotten;
        let Some(tail) = self.tails.get_mut(index) else { return Step::Rest };
        if judged.consumed == 0 {
            tail.wait_for_more();
            return Step::Rest;
        }
        tail.advance(judged.consumed.into(), judged.cut);
        self.moved.0 = true;
        if self
            .careful
            .as_ref()
            .is_some_and(|careful| careful.inode == tail.inode() && tail.position.offset >= careful.until)
        {
            self.careful = None;
        }
        Step::More
    }

    /// A worker was lost over these bytes. The second time they are given line by line, the second time over one line it
    /// is left out.
    fn lost_over(&mut self, index: usize, bytes: &[u8], line_by_line: bool) {
        let Some(tail) = self.tails.get_mut(index) else { return };
        let (inode, at) = (tail.inode(), tail.position.offset);
        let until = at + bytes.len() as u64;
        match &mut self.careful {
            Some(careful) if careful.inode == inode && careful.at == at && line_by_line => {
                careful.lost += 1;
                if careful.lost > 3 {
                    tracing::error!(path = %tail.path.display(), offset = at, "a line that ends the worker is left out");
                    tail.advance(bytes.len() as u64, !bytes.ends_with(b"\n"));
                    self.moved = (true, true);
                    self.counts.skipped += 1;
                    self.untold.1 += 1;
                    careful.at = tail.position.offset;
                    careful.lost = 2;
                }
            }
            Some(careful) if careful.inode == inode && (careful.at..careful.until).contains(&at) => {
                careful.at = at;
                careful.lost = careful.lost.saturating_add(1).max(2);
            }
            _ => self.careful = Some(Careful { inode, until, at, lost: 1 }),
        }
    }

    /// Hands events on within the rate; false where they could not be made durable.
    fn report(&mut self, events: Vec<LogEvent>, now: Duration) -> bool {
        if events.is_empty() {
            return true;
        }
        let [ordinary, high] = &mut self.buckets;
        let mut said = Vec::with_capacity(events.len());
        let mut dropped = 0;
        for event in events {
            let bucket = if event.level >= HIGH_LEVEL { &mut *high } else { &mut *ordinary };
            if bucket.take(now) {
                said.push(Said::Event(severity(event.level), event));
            } else {
                dropped += 1;
            }
        }
        if !said.is_empty() && !(self.sink)(&said) {
            return false;
        }
        self.counts.events += said.len() as u64;
        self.counts.dropped += dropped;
        self.untold.0 += dropped;
        self.moved.1 |= !said.is_empty();
        true
    }

    fn tell(&mut self, now: Duration, at_once: bool) {
        if !at_once && now.saturating_sub(self.told) < TELL_EVERY {
            return;
        }
        let (events, lines) = self.untold;
        let mut said = Vec::new();
        if events > 0 {
            said.push(Said::Gap("events", events, "log-event-rate"));
        }
        if lines > 0 {
            said.push(Said::Gap("log-lines", lines, "worker-restart"));
        }
        if !said.is_empty() && (self.sink)(&said) {
            self.untold = (0, 0);
        }
        self.told = now;
    }

    // === files ===

    fn look_for_files(&mut self, plan: &LogsPlan, now: Duration) {
        self.reasons.clear();
        let mut wanted: BTreeMap<PathBuf, (bool, bool)> = BTreeMap::new();
        for source in plan.settings.sources.values() {
            let LogSource { path: pattern, format } = source;
            let known = self.positions.sources.contains(pattern);
            let found = sources::expand(pattern);
            if found.is_empty() {
                self.reasons.push(format!("source-missing: {pattern}"));
            }
            for path in found {
                let _first_source_wins = wanted.entry(path).or_insert((*format == LogFormat::Syslog, known));
            }
            self.moved.0 |= self.positions.sources.insert(pattern.clone());
        }
        if wanted.len() > FILES {
            self.reasons.push(format!("too-many-logs: {} of {} are followed", FILES, wanted.len()));
        }
        for tail in &mut self.tails {
            let in_place = wanted.contains_key(&tail.path) && tail.lies_at_its_path();
            if !in_place && !tail.is_renamed() {
                tail.rename(now);
                let _kept_with_the_renamed = self.positions.files.remove(&tail.path);
                self.moved.0 = true;
            }
        }
        // What the program before this one was still reading.
        for (path, position) in std::mem::take(&mut self.positions.renamed) {
            let Some((header, _)) = wanted.get(&path) else { continue };
            if self.tails.iter().any(|tail| tail.inode() == position.inode) {
                continue;
            }
            self.tails.extend(renamed_sibling(&path, *header, &position, now));
        }
        for (path, (header, known)) in wanted.into_iter().take(FILES) {
            if !self.tails.iter().any(|tail| !tail.is_renamed() && tail.path == path) {
                self.follow(&path, header, known, now);
            }
        }
    }

    fn follow(&mut self, path: &Path, header: bool, known: bool, now: Duration) {
        let mut tail = match Tail::open(path, header) {
            Ok(tail) => tail,
            Err(why) => {
                let why = match why {
                    NotFollowed::Link => "is a symbolic link; name the file itself",
                    NotFollowed::NoFile => "is no file",
                    NotFollowed::Refused => "cannot be opened",
                };
                self.reasons.push(format!("source-unreadable: {} {why}", path.display()));
                return;
            }
        };
        // The very file was renamed a moment ago and came back, or is followed under another name.
        if let Some(same) = self.tails.iter().find(|other| other.inode() == tail.inode()) {
            let position = same.position.clone();
            if tail.resume(&position) {
                self.tails.retain(|other| other.inode() != tail.inode());
                self.tails.push(tail);
                return;
            }
        }
        let replaces = self.tails.iter().any(|other| other.path == path);
        match self.positions.files.remove(path) {
            Some(position) if tail.resume(&position) => {}
            Some(position) => {
                let followed = self.tails.iter().any(|other| other.inode() == position.inode);
                let old = if followed { None } else { renamed_sibling(path, header, &position, now) };
                self.tails.extend(old);
            }
            None if known || replaces => {}
            None => tail.skip_to_end(),
        }
        tracing::info!(path = %path.display(), offset = tail.position.offset, "a log is followed");
        self.moved.0 = true;
        self.tails.push(tail);
        // The oldest of too many renamed files is given up: it was not quiet for a long time.
        let renamed = self.tails.iter().filter(|other| other.path == path && other.is_renamed()).count();
        if renamed > RENAMED
            && let Some(oldest) = self.tails.iter().position(|other| other.path == path && other.is_renamed())
        {
            let _given_up = self.tails.remove(oldest);
        }
    }

    // === what is kept and shown ===

    fn keep_positions(&mut self) {
        self.positions.renamed.clear();
        for tail in self.tails.iter().filter(|tail| tail.position.inode != 0) {
            if tail.is_renamed() {
                self.positions.renamed.push((tail.path.clone(), tail.position.clone()));
            } else {
                let _former = self.positions.files.insert(tail.path.clone(), tail.position.clone());
            }
        }
    }

    fn save(&mut self, at_once: bool) {
        let now = clock::monotonic();
        let (moved, reported) = self.moved;
        if !(moved || reported) || !(at_once || reported || now.saturating_sub(self.saved) >= SAVE_EVERY) {
            return;
        }
        self.keep_positions();
        self.saved = now;
        match self.positions.save(&self.positions_file) {
            Ok(()) => self.moved = (false, false),
            Err(error) => tracing::error!("the positions in the logs could not be written: {error}"),
        }
    }

    fn show(&self) {
        let mut status = off();
        if let Some(plan) = &self.plan {
            let following = self.tails.iter().filter(|tail| !tail.is_renamed()).count();
            let mut reasons = self.reasons.clone();
            if self.session.is_none() {
                reasons.insert(0, "worker-restarting".to_owned());
            }
            let unreadable = reasons.iter().any(|reason| !reason.starts_with("source-missing"));
            let fine = following > 0 && !unreadable;
            status.state =
                if fine || self.expanded.is_none() { ModuleState::Active } else { ModuleState::Degraded };
            status.mode = match plan.settings.mode {
                Mode::Off => Mode::Off,
                Mode::Detect | Mode::Prevent => Mode::Detect,
            };
            status.rules = self.rules;
            status.reasons = reasons;
            let behind: u64 = self.tails.iter().map(Tail::behind).sum();
            status.counters = [
                ("lines", self.counts.lines),
                ("bytes", self.counts.bytes),
                ("events", self.counts.events),
                ("events-dropped", self.counts.dropped),
                ("lines-cut", self.counts.long),
                ("lines-skipped", self.counts.skipped),
                ("past-events-forgotten", self.counts.forgotten),
                ("worker-restarts", self.counts.restarts),
                ("files", following as u64),
                ("bytes-behind", behind),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec();
        }
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}

enum Step {
    /// Something was judged; there may be more.
    More,
    /// Nothing now.
    Rest,
    WorkerLost,
}

/// The file that a position is of, found beside its former path: it was renamed while nobody looked.
fn renamed_sibling(
    path: &Path,
    header: bool,
    position: &super::position::Position,
    now: Duration,
) -> Option<Tail> {
    let name = path.file_name()?;
    let entries = std::fs::read_dir(path.parent()?).ok()?;
    entries
        .take(10_000)
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(name.as_encoded_bytes()))
        .filter(|entry| !sources::is_compressed(&entry.path()))
        .find_map(|entry| {
            let mut tail = Tail::open(&entry.path(), header).ok()?;
            if !tail.resume(position) {
                return None;
            }
            path.clone_into(&mut tail.path);
            tail.rename(now);
            Some(tail)
        })
}
