//! Integrity monitoring on this computer: baselines, scans and the hearing of names.
//!
//! Two threads of the supervisor. One hears of names that come, go and change ([`names`]); the other walks, reads
//! files for their digests and compares ([`work`]), with idle disk priority and, in scheduled scans, half of one core
//! at most. Reading is not parsing: nothing looks at what the bytes mean. Comparing is the engine's
//! ([`sakimori_integrity`]).
//!
//! Changes are handed over, and durable, before the baseline that knows them is kept: a change is reported at least
//! once, after `kill -9` perhaps twice.

pub mod look;
pub mod names;
pub mod part;
pub mod store;
mod work;

use crate::enforcement::Refusal;
use crate::state::StateError;
use names::Actor;
use ring::digest::{SHA256, digest};
use sakimori_integrity::{Change, CompiledSet, FileSet, compile};
use sakimori_model::{Level, Severity};
use sakimori_protocol::{Mode, ModuleState, ModuleStatus};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use work::{Ask, Work};

/// The module's name.
pub const MODULE: &str = "integrity-monitoring";
/// Diagnostics of a refusal that are said.
const FINDINGS_SHOWN: usize = 5;

/// What is to be watched.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Checked sets; none is off.
    pub sets: Vec<Set>,
    /// Between the beginnings of two scheduled scans.
    pub interval: Duration,
    /// Entities of all sets together.
    pub max_entities: usize,
    /// The mode of the policy, for the status.
    pub mode: Option<Mode>,
}

/// A set, as it was written and as it was checked.
#[derive(Clone, Debug)]
pub struct Set {
    /// As written.
    pub watched: WatchedSet,
    /// As checked.
    pub compiled: CompiledSet,
}

/// A set as a policy says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedSet {
    /// What is watched.
    pub files: FileSet,
    /// How much a change matters.
    pub severity: Severity,
    /// Whether changes are seen at once.
    pub real_time: bool,
}

/// Why something was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// It was heard.
    RealTime,
    /// The schedule.
    Scheduled,
    /// Somebody asked.
    Manual,
}

impl Trigger {
    /// The word used in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RealTime => "real-time",
            Self::Scheduled => "scheduled",
            Self::Manual => "manual",
        }
    }
}

/// A change to report.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The set's name.
    pub set: String,
    /// The set's severity.
    pub severity: Severity,
    /// Absolute path, as the kernel has it.
    pub path: Vec<u8>,
    /// What changed.
    pub change: Change,
    /// How it was found.
    pub trigger: Trigger,
    /// Who did it, where it was heard.
    pub actor: Option<Arc<Actor>>,
}

/// Something about the monitoring itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// What lay on disk was no baseline any more; it is built anew, and changes since then go unseen.
    BaselineDamaged,
    /// A set is watched from now on.
    BaselineBuilt {
        /// The set.
        set: String,
        /// Its entities.
        entities: usize,
    },
    /// The kernel's queue or ours was full; everything was looked at instead.
    EventsLost,
}

/// Where findings go. They are durable on return.
pub trait Report: Send {
    /// Changes, in the order of their paths.
    fn findings(&mut self, findings: &[Finding]);
    /// Something about the monitoring itself.
    fn notice(&mut self, notice: Notice);
}

/// A boxed [`Report`].
pub type Reporter = Box<dyn Report>;

/// What the threads show of themselves.
#[derive(Clone, Debug, Default)]
struct Shown {
    sets: u32,
    entities: u64,
    scans: u64,
    changes: u64,
    heard: u64,
    overflows: u64,
    scanned_bytes: u64,
    unreadable: u64,
    unread_folders: u64,
    no_room: u64,
    last_scan: Duration,
    building: bool,
    not_kept: bool,
    real_time_failure: Option<String>,
    real_time_partly: bool,
}

/// Integrity monitoring.
#[derive(Debug)]
pub struct Integrity {
    asks: Sender<Ask>,
    shown: Arc<Mutex<Shown>>,
    stop: Arc<AtomicBool>,
    mode: Mutex<Mode>,
    thread: Option<JoinHandle<()>>,
}

/// The thread could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// No thread.
    #[error("the integrity thread cannot be started")]
    Thread(#[source] std::io::Error),
}

// === impl Integrity ===

impl Integrity {
    /// Starts, watching nothing yet.
    pub fn start(state_dir: &Path, reporter: Reporter) -> Result<Self, StartError> {
        Self::start_with(state_dir, reporter, true)
    }

    /// As [`Self::start`]; `unlimited` is whether the kernel's queue of names takes what the memory takes.
    pub fn start_with(state_dir: &Path, reporter: Reporter, unlimited: bool) -> Result<Self, StartError> {
        let store = store::Store::in_dir(state_dir)?;
        let (asks, asked) = channel();
        let (shown, stop) = (Arc::new(Mutex::new(Shown::default())), Arc::new(AtomicBool::new(false)));
        let work = Work::new(
            store,
            reporter,
            Arc::clone(&shown),
            Arc::clone(&stop),
            (asks.clone(), asked),
            unlimited,
        );
        let thread = std::thread::Builder::new()
            .name("integrity".into())
            .spawn(move || work.run())
            .map_err(StartError::Thread)?;
        Ok(Self { asks, shown, stop, mode: Mutex::new(Mode::Off), thread: Some(thread) })
    }

    /// Checks sets and hands them to the thread; scans follow by themselves. Gives the number of sets.
    pub fn apply(
        &self,
        mode: Mode,
        sets: &[WatchedSet],
        interval: Duration,
        max_entities: usize,
    ) -> Result<u32, Refusal> {
        let files: Vec<FileSet> = sets.iter().map(|set| set.files.clone()).collect();
        let compiled = compile(&files);
        let errors: Vec<String> = compiled
            .diagnostics
            .iter()
            .filter(|finding| finding.level == Level::Error)
            .map(ToString::to_string)
            .collect();
        if !errors.is_empty() {
            let shown = errors.get(..FINDINGS_SHOWN.min(errors.len())).unwrap_or_default().join("\n");
            let reason = format!("rules-refused: {} findings in the file sets.\n{shown}", errors.len());
            return Err(Refusal::lasting(reason));
        }
        for warning in compiled.diagnostics.iter().take(FINDINGS_SHOWN) {
            tracing::warn!("{warning}");
        }
        let active = mode != Mode::Off;
        let zipped = sets.iter().cloned().zip(compiled.sets).filter(|_| active);
        let sets: Vec<Set> = zipped.map(|(watched, compiled)| Set { watched, compiled }).collect();
        let count = u32::try_from(sets.len()).unwrap_or(u32::MAX);
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
        let plan = Plan { sets, interval, max_entities, mode: Some(mode) };
        self.asks
            .send(Ask::Plan(Box::new(plan)))
            .map_err(|_ended| Refusal::passing("integrity-failed: the thread has ended".to_owned()))?;
        Ok(count)
    }

    /// Scans everything as soon as what is under way has ended.
    pub fn begin_scan(&self) {
        let _thread_has_ended = self.asks.send(Ask::Scan(channel().0));
    }

    /// Takes everything as it is as soon as what is under way has ended.
    pub fn begin_rebuild(&self) {
        let _thread_has_ended = self.asks.send(Ask::Rebuild(channel().0));
    }

    /// Scans everything now and waits for the end.
    pub fn scan(&self) {
        let (done, ended) = channel();
        if self.asks.send(Ask::Scan(done)).is_ok() {
            let _thread_has_ended = ended.recv();
        }
    }

    /// Takes everything as it is now, and waits for the end.
    pub fn rebuild(&self) {
        let (done, ended) = channel();
        if self.asks.send(Ask::Rebuild(done)).is_ok() {
            let _thread_has_ended = ended.recv();
        }
    }

    /// How it is.
    pub fn status(&self) -> ModuleStatus {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mode = *self.mode.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reasons = Vec::new();
        let mut reason = |holds: bool, code: &str| {
            if holds {
                reasons.push(code.to_owned());
            }
        };
        let runs = self.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        reason(!runs, "integrity-failed");
        reason(shown.no_room > 0, "too-many-files");
        reason(shown.real_time_failure.is_some(), "real-time-unavailable");
        reason(shown.real_time_partly, "real-time-partly");
        reason(shown.not_kept, "baseline-not-kept");
        let state = match (mode, runs, reasons.is_empty()) {
            (Mode::Off, _, _) => ModuleState::Off,
            (_, false, _) => ModuleState::Failed,
            (_, true, true) => ModuleState::Active,
            (_, true, false) => ModuleState::Degraded,
        };
        if mode == Mode::Off {
            reasons.clear();
        } else if shown.building {
            reasons.push("baseline-building".to_owned());
        }
        let milliseconds = u64::try_from(shown.last_scan.as_millis()).unwrap_or(u64::MAX);
        let counters = [
            ("files", shown.entities),
            ("scans", shown.scans),
            ("changes", shown.changes),
            ("names-heard", shown.heard),
            ("overflows", shown.overflows),
            ("bytes-read", shown.scanned_bytes),
            ("files-unreadable", shown.unreadable),
            ("folders-unread", shown.unread_folders),
            ("files-not-watched", shown.no_room),
            ("last-scan-ms", milliseconds),
        ];
        ModuleStatus {
            module: MODULE.to_owned(),
            state,
            mode,
            reasons,
            rules: shown.sets,
            counters: counters.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        }
    }

    /// Ends; what is known is kept.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread if it waits.
        let _ended_already = self.asks.send(Ask::Plan(Box::default()));
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Drop for Integrity {
    fn drop(&mut self) {
        self.end();
    }
}

impl WatchedSet {
    fn name(&self) -> &str {
        &self.files.name
    }

    /// What a baseline was made for: another base, pattern or attribute makes another baseline.
    fn definition(&self) -> [u8; 32] {
        let FileSet { name: _, base, include, exclude, attributes } = &self.files;
        let mut words = vec![base.as_str()];
        for list in [include, exclude, attributes] {
            // A byte that no path, pattern or word has.
            words.push("\0");
            words.extend(list.iter().map(String::as_str));
        }
        let mut definition = [0; 32];
        definition.copy_from_slice(digest(&SHA256, words.join("\0").as_bytes()).as_ref());
        definition
    }
}
