//! Anti-malware on this computer: files are looked at when they are written, when they are opened, and on request.
//!
//! The supervisor's part hears of files ([`sakimori_kernel::fanotify`]), keeps verdicts, and acts: it denies the
//! opening, moves the file to [`Quarantine`], deletes it. It never looks into a file. The scanner ([`worker::run`])
//! does, and has no privileges at all: it is sent open files and answers verdicts.
//!
//! Plain threads: the *guard* answers openers and waits for nobody, the *keeper* acts and reports, the *starter* makes
//! scanners, the *clock* scans on schedule. Rules are swapped by new scanners in the place of the old ones, which go
//! on until the new ones are ready.

mod cache;
mod channel;
pub mod desk;
mod guard;
mod keeper;
mod plug;
mod quarantine;
mod session;
mod tally;
mod walk;
pub mod worker;

use crate::enforcement::Progress;
use channel::Rules;
use guard::{Errand, Guard, Order};
use keeper::Keeper;
use rustix::process::{Resource, Rlimit};
use sakimori_antimalware::Source;
use sakimori_kernel::ring::wake;
use sakimori_kernel::{clock, spawn};
use sakimori_model::{Diagnostic, FailureResponse, Mode};
use sakimori_protocol::{Hash, ModuleState, ModuleStatus};
use serde::{Deserialize, Serialize};
use session::{Session, SessionError};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tally::Tally;
use uuid::Uuid;

pub use plug::event;
pub use quarantine::{Entry, Quarantine, QuarantineError};
pub use walk::Summary;

/// The module's name.
pub const MODULE: &str = "anti-malware";

/// What is said to whoever wants a scan then.
const OFF: &str = "anti-malware is off in this computer's policy";
/// Descriptors that the supervisor may have: each file that waits is one.
const DESCRIPTORS: u64 = 65_536;

/// What the module has to enforce.
#[derive(Clone, Debug)]
pub struct ScanPlan {
    /// The module's settings, resolved for this computer.
    pub settings: ScanSettings,
    /// Rules and lists in their order.
    pub sources: Vec<Source>,
    /// The bundle's name; given back in [`Applied::generation`].
    pub generation: Hash,
}

/// The module's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanSettings {
    /// Whether it acts, reports, or is off.
    pub mode: Mode,
    /// Places whose whole file systems are watched, and that scans on schedule look at.
    pub roots: Vec<PathBuf>,
    /// Whether files are looked at when they were written.
    pub real_time: bool,
    /// Whether openers wait for a verdict.
    pub on_access: bool,
    /// What becomes of an infected file.
    pub action: Action,
    /// Paths that are not looked at, with everything below them.
    pub exclusions: Vec<PathBuf>,
    /// Bytes of a file that are looked at.
    pub max_file_bytes: u64,
    /// Time for one file.
    pub scan_time: Duration,
    /// How often everything is scanned; nothing for never.
    pub schedule: Option<Duration>,
    /// How long an opener waits at most.
    pub deadline: Duration,
    /// What an opener gets then.
    pub failure: FailureResponse,
}

/// What becomes of an infected file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is reported only.
    Pass,
    /// It stays and cannot be opened, where openers are asked.
    DenyAccess,
    /// It is moved away and can be brought back.
    Quarantine,
    /// It is removed.
    Delete,
}

/// Why a file was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// It was written.
    RealTime,
    /// Somebody opened it.
    OnAccess,
    /// It was time for a scan.
    Scheduled,
    /// A person asked for a scan.
    Manual,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Nothing.
    Passed,
    /// The opening was denied.
    Denied,
    /// The file is in quarantine.
    Quarantined,
    /// The file is gone.
    Deleted,
    /// What should be done could not be.
    Failed,
}

/// A process that wrote or opened a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its program.
    pub exe: PathBuf,
    /// Its user.
    pub uid: Option<u32>,
    /// Its user's name.
    pub user: Option<String>,
}

/// Malware was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malware {
    /// Microseconds since 1970.
    pub at: i64,
    /// The file.
    pub path: PathBuf,
    /// Sum of its content, in hexadecimal digits, if all of it was looked at.
    pub sha256: Option<String>,
    /// Its length.
    pub size: u64,
    /// What was found.
    pub signature: String,
    /// `eicar`, `hash` or `yara`.
    pub by: String,
    /// Further rules that match.
    pub others: u32,
    /// Why it was looked at.
    pub trigger: Trigger,
    /// What was done.
    pub done: Done,
    /// Why what should be done could not be.
    pub failure: Option<String>,
    /// Under which id it is in quarantine.
    pub quarantine_id: Option<Uuid>,
    /// Who wrote or opened it, where known.
    pub process: Option<Process>,
}

/// What the module reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Malware was found.
    Malware(Box<Malware>),
    /// Something about the module itself.
    Notice {
        /// A stable code.
        code: &'static str,
        /// Values, by name.
        args: Vec<(String, String)>,
    },
    /// Files were not looked at.
    Unscanned {
        /// How many.
        count: u64,
        /// Why, by code.
        reason: &'static str,
    },
}

/// An infected file of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scanned {
    /// The file.
    pub path: PathBuf,
    /// What was found.
    pub signature: String,
}

/// A plan that is now in force.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The plan's generation.
    pub generation: Hash,
    /// YARA rules and sums.
    pub rules: u32,
    /// Warnings about them.
    pub warnings: Vec<Diagnostic>,
}

/// The module could not be set up at all.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Threads or descriptors.
    #[error("the scanner's {what} cannot be made")]
    Resource {
        /// Which.
        what: &'static str,
        /// The kernel's word.
        #[source]
        source: io::Error,
    },
    /// The local socket.
    #[error("the local socket cannot be made")]
    Socket(#[source] crate::state::StateError),
    /// The quarantine cannot be read.
    #[error("the quarantine cannot be read")]
    Quarantine(#[source] QuarantineError),
}

/// A plan could not be put in force; what was in force before still is.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Rules do not compile; all findings at once.
    #[error("the rules have errors: the former rule set stays in force")]
    Rules(Vec<Diagnostic>),
    /// The scanner did not start or did not answer.
    #[error("the scanner does not answer: {0}")]
    Worker(String),
}

/// The anti-malware part of the supervisor. Dropping it ends it; nothing of it stays in the kernel.
#[derive(Debug)]
pub struct Scanner {
    orders: Sender<Order>,
    wake: Arc<OwnedFd>,
    tally: Arc<Tally>,
    worker: PathBuf,
    quarantine: Quarantine,
    shared: Arc<Shared>,
    timer: Option<Sender<()>>,
    run_dir: PathBuf,
    threads: Vec<JoinHandle<()>>,
    /// The scan that a task asked for.
    ordered: Mutex<Option<(Arc<Progress>, JoinHandle<()>)>>,
}

/// What the part's threads and its owner share.
#[derive(Debug)]
struct Shared {
    view: Mutex<View>,
    ending: AtomicBool,
}

#[derive(Debug)]
struct View {
    plan: Option<ScanPlan>,
    rules: u32,
    reasons: Vec<String>,
}

// === impl Scanner ===

impl Scanner {
    /// Sets the part up: nothing is watched and no scanner runs before the first [`Self::apply`].
    ///
    /// `reports` is called from one thread of the part's own; a report must be durable when it returns.
    pub fn start(
        state_dir: &Path,
        run_dir: &Path,
        reports: impl FnMut(Report) + Send + 'static,
    ) -> Result<Self, StartError> {
        Self::start_with(spawn::OWN_PROGRAM.into(), state_dir, run_dir, reports)
    }

    /// As [`Self::start`], with the scanner's program named. In the calling thread's mount namespace.
    pub fn start_with(
        worker: PathBuf,
        state_dir: &Path,
        run_dir: &Path,
        reports: impl FnMut(Report) + Send + 'static,
    ) -> Result<Self, StartError> {
        use rustix::event::{EventfdFlags, eventfd};
        raise_descriptors();
        let quarantine = Quarantine::in_dir(state_dir);
        let allowed = quarantine.allowed().map_err(StartError::Quarantine)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let wake = Arc::new(wake.map_err(|e| resource("wake-up")(e.into()))?);
        let tally = Arc::new(Tally::default());
        let shared = Arc::new(Shared {
            view: Mutex::new(View { plan: None, rules: 0, reasons: Vec::new() }),
            ending: AtomicBool::new(false),
        });
        let (orders, ordered) = channel();
        let (keeper, work) = channel();
        let (starter, errands) = channel();
        let (timer, ticks) = channel();
        let mut scanner = Self {
            orders,
            wake,
            tally: Arc::clone(&tally),
            worker,
            quarantine: quarantine.clone(),
            shared,
            timer: Some(timer),
            run_dir: run_dir.to_owned(),
            threads: Vec::new(),
            ordered: Mutex::new(None),
        };
        let guard = Guard::new(Arc::clone(&tally), keeper, starter, allowed);
        let guard_wake = Arc::clone(&scanner.wake);
        scanner.thread("file-guard", move || guard.work(&ordered, &guard_wake))?;
        let keeper = Keeper { quarantine, tally, reports: Box::new(reports) };
        scanner.thread("file-keeper", move || keeper.work(&work))?;
        let hand = scanner.hand();
        scanner.thread("file-starter", move || hand.start_scanners(&errands))?;
        let hand = scanner.hand();
        scanner.thread("file-clock", move || hand.keep_schedule(&ticks))?;
        let listener = desk::listen(run_dir).map_err(StartError::Socket)?;
        let (hand, kept) = (scanner.hand(), scanner.quarantine.clone());
        let shared = Arc::clone(&scanner.shared);
        let serve: desk::Serve = Arc::new(move |request| hand.serve(&kept, request));
        scanner.thread("file-desk", move || {
            desk::serve(&listener, &serve, || shared.ending.load(Ordering::SeqCst));
        })?;
        Ok(scanner)
    }

    fn thread(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        self.threads.push(thread.map_err(resource("thread"))?);
        Ok(())
    }

    fn hand(&self) -> Hand {
        Hand {
            orders: self.orders.clone(),
            wake: Arc::clone(&self.wake),
            worker: self.worker.clone(),
            tally: Arc::clone(&self.tally),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Puts a plan in force, whole or not at all. Blocks while the rules compile; files go on being looked at with
    /// the former ones meanwhile.
    pub fn apply(&self, plan: ScanPlan) -> Result<Applied, ApplyError> {
        let gone = || ApplyError::Worker("the part has ended".to_owned());
        let hand = self.hand();
        let generation = plan.generation;
        if plan.settings.mode == Mode::Off {
            let (reply, done) = sync_channel(1);
            let _ended = hand.send(Order::Off(reply));
            done.recv().map_err(|_ended| gone())?;
            self.settle(View { plan: Some(plan), rules: 0, reasons: Vec::new() });
            return Ok(Applied { generation, rules: 0, warnings: Vec::new() });
        }
        // One for files that were written, one for openers, so that a long scan lets nobody wait.
        let count = if plan.settings.on_access { 2 } else { 1 };
        let mut sessions = Vec::new();
        let (mut rules, mut warnings) = (0, Vec::new());
        for _ in 0..count {
            match hand.start_scanner(&plan) {
                Ok((session, compiled)) => {
                    rules = compiled.rules.saturating_add(compiled.hashes);
                    warnings = compiled.warnings;
                    sessions.push(session);
                }
                Err(error) => {
                    sessions.into_iter().for_each(Session::end);
                    return Err(match error {
                        SessionError::Rules(findings) => ApplyError::Rules(findings),
                        SessionError::Worker(words) => ApplyError::Worker(words),
                    });
                }
            }
        }
        let (reply, done) = sync_channel(1);
        let settings = Box::new(plan.settings.clone());
        // Before the guard may ask the starter for another scanner of this plan.
        self.settle(View { plan: Some(plan), rules, reasons: Vec::new() });
        let _ended = hand.send(Order::Apply { settings, sessions, reply });
        let reasons = done.recv().map_err(|_ended| gone())?;
        self.shared.lock().reasons = reasons;
        Ok(Applied { generation, rules, warnings })
    }

    fn settle(&self, view: View) {
        *self.shared.lock() = view;
        let _ending = self.timer.as_ref().map(|timer| timer.send(()));
    }

    /// How the module is, with counters that only grow.
    pub fn status(&self) -> ModuleStatus {
        let view = self.shared.lock();
        let mode = view.plan.as_ref().map_or(Mode::Off, |plan| plan.settings.mode);
        let mut reasons = view.reasons.clone();
        if self.tally.missing.now() > 0 {
            reasons.push("scanner-restarting".to_owned());
        }
        let state = match (mode, reasons.is_empty()) {
            (Mode::Off, _) => ModuleState::Off,
            (_, true) => ModuleState::Active,
            (_, false) => ModuleState::Degraded,
        };
        ModuleStatus {
            module: MODULE.to_owned(),
            state,
            mode: spoken(mode),
            reasons,
            rules: view.rules,
            counters: self.tally.counters(),
        }
    }

    /// Looks at everything below these paths now. Blocks until it is done; what is found is acted on as always.
    pub fn scan(&self, paths: &[PathBuf]) -> Summary {
        self.hand().scan(paths, Trigger::Manual, &|_summary| {})
    }

    /// Begins to look at everything that the policy names, or tells of the scan that is at work already.
    pub fn begin_scan(&self) -> Result<Arc<Progress>, String> {
        let plan = self.shared.lock().plan.clone().filter(|plan| plan.settings.mode != Mode::Off);
        let plan = plan.ok_or_else(|| OFF.to_owned())?;
        let mut ordered = self.ordered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((progress, _)) = ordered.as_ref().filter(|(progress, _)| progress.look().1.is_none()) {
            return Ok(Arc::clone(progress));
        }
        let progress = Arc::new(Progress::default());
        let (hand, tell) = (self.hand(), Arc::clone(&progress));
        let work = move || {
            let said = |summary: &Summary| tell.say(summary.words());
            let summary = hand.scan(&plan.settings.roots, Trigger::Scheduled, &said);
            let words = summary.words();
            tell.end(if summary.interrupted { Err(format!("broken off: {words}")) } else { Ok(words) });
        };
        let thread = std::thread::Builder::new().name("file-ordered".to_owned()).spawn(work);
        let thread = thread.map_err(|e| format!("the scan cannot be begun: {e}"))?;
        *ordered = Some((Arc::clone(&progress), thread));
        Ok(progress)
    }

    /// The kept files.
    pub const fn quarantine(&self) -> &Quarantine {
        &self.quarantine
    }

    /// Puts a file back where it lay; its content is allowed from now on.
    pub fn restore(&self, id: Uuid) -> Result<Entry, QuarantineError> {
        self.hand().restore(&self.quarantine, id)
    }

    /// Ends it: nothing is watched any more, and who waits is let pass.
    pub fn stop(self) {}
}

impl Drop for Scanner {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::SeqCst);
        self.timer = None;
        let _ended = self.hand().send(Order::Stop);
        desk::knock(&self.run_dir);
        let ordered = self.ordered.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        for thread in self.threads.drain(..).chain(ordered.map(|(_, thread)| thread)) {
            let _panicked = thread.join();
        }
    }
}

/// What the part's other threads need of it.
struct Hand {
    orders: Sender<Order>,
    wake: Arc<OwnedFd>,
    worker: PathBuf,
    tally: Arc<Tally>,
    shared: Arc<Shared>,
}

// === impl Hand ===

impl Hand {
    fn send(&self, order: Order) -> bool {
        let sent = self.orders.send(order).is_ok();
        wake(self.wake.as_fd());
        sent
    }

    fn start_scanner(&self, plan: &ScanPlan) -> Result<(Session, session::Compiled), SessionError> {
        self.tally.starting.add(1);
        let started = Session::start(&self.worker, rules_of(plan));
        self.tally.starting.subtract(1);
        started
    }

    /// Body of the starter; ends with the guard.
    fn start_scanners(&self, errands: &Receiver<Errand>) {
        while let Ok(errand) = errands.recv() {
            match errand {
                Errand::End(session) => session.end(),
                Errand::Start { slot, pause } => {
                    clock::sleep(pause);
                    let plan = self.shared.lock().plan.clone();
                    let Some(plan) = plan.filter(|plan| plan.settings.mode != Mode::Off) else { continue };
                    if self.shared.ending.load(Ordering::SeqCst) {
                        continue;
                    }
                    let started = self.start_scanner(&plan).map(|(session, _)| session);
                    let _ended = self.send(Order::Started(slot, started));
                }
            }
        }
    }

    /// Body of the clock; ends when its sender is dropped.
    fn keep_schedule(&self, ticks: &Receiver<()>) {
        let mut every: Option<Duration> = None;
        let mut next = Duration::MAX;
        loop {
            let now = clock::monotonic();
            let wait = next.saturating_sub(now).min(Duration::from_hours(1));
            match ticks.recv_timeout(wait) {
                Ok(()) => {
                    let wanted =
                        self.shared.lock().plan.as_ref().and_then(|plan| plan.settings.active_schedule());
                    if wanted != every {
                        every = wanted;
                        next = wanted.map_or(Duration::MAX, |every| clock::monotonic() + every);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    let Some(every) = every.filter(|_| clock::monotonic() >= next) else { continue };
                    next = clock::monotonic() + every;
                    let places = self.shared.lock().plan.as_ref().map(|plan| plan.settings.roots.clone());
                    let summary = self.scan(&places.unwrap_or_default(), Trigger::Scheduled, &|_summary| {});
                    tracing::info!(?summary, "the scheduled scan is done");
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn serve(&self, kept: &Quarantine, request: desk::Request) -> desk::Reply {
        match request {
            desk::Request::Scan { paths } => {
                let plan = self.shared.lock().plan.clone().filter(|plan| plan.settings.mode != Mode::Off);
                let Some(plan) = plan else {
                    let error = Some(OFF.to_owned());
                    return desk::Reply { error, ..desk::Reply::default() };
                };
                let paths = if paths.is_empty() { plan.settings.roots } else { paths };
                let summary = Some(self.scan(&paths, Trigger::Manual, &|_summary| {}));
                desk::Reply { summary, ..desk::Reply::default() }
            }
            desk::Request::Restore { id } => match self.restore(kept, id) {
                Ok(entry) => desk::Reply { entry: Some(entry), ..desk::Reply::default() },
                Err(error) => {
                    desk::Reply { error: Some(crate::connection::explain(&error)), ..desk::Reply::default() }
                }
            },
        }
    }

    fn restore(&self, kept: &Quarantine, id: Uuid) -> Result<Entry, QuarantineError> {
        // Allowed first, in the guard too: it hears of the file at once.
        let mut allowed = kept.allowed()?;
        let _known = allowed.insert(kept.show(id)?.sha256);
        let _ended = self.send(Order::Allowed(allowed));
        let restored = kept.restore(id);
        let _ended = self.send(Order::Allowed(kept.allowed()?));
        restored
    }

    fn scan(&self, paths: &[PathBuf], trigger: Trigger, said: &dyn Fn(&Summary)) -> Summary {
        let plan = self.shared.lock().plan.as_ref().map(|plan| plan.settings.exclusions.clone());
        let stop = || self.shared.ending.load(Ordering::SeqCst);
        let walk = walk::Walk {
            send: &|order| self.send(order),
            stop: &stop,
            excluded: &plan.unwrap_or_default(),
            trigger,
            said,
        };
        walk.run(paths)
    }
}

// === impl Shared ===

impl Shared {
    fn lock(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl ScanSettings ===

impl ScanSettings {
    /// The settings before the first plan.
    pub fn off() -> Self {
        Self {
            mode: Mode::Off,
            roots: Vec::new(),
            real_time: true,
            on_access: false,
            action: Action::Quarantine,
            exclusions: Vec::new(),
            max_file_bytes: 64 << 20,
            scan_time: Duration::from_secs(10),
            schedule: None,
            deadline: Duration::from_secs(2),
            failure: FailureResponse::Open,
        }
    }

    fn active_schedule(&self) -> Option<Duration> {
        self.schedule.filter(|every| self.mode != Mode::Off && !every.is_zero())
    }
}

// === impl Process ===

impl Process {
    /// A process as it is now; nothing if it has ended or is outside of our PID namespace.
    fn look(pid: i32) -> Option<Self> {
        if pid <= 0 {
            return None;
        }
        let exe = rustix::fs::readlink(format!("/proc/{pid}/exe"), Vec::new()).ok();
        let exe = exe.map(|path| {
            use std::os::unix::ffi::OsStringExt as _;
            PathBuf::from(std::ffi::OsString::from_vec(path.into_bytes()))
        });
        let uid = rustix::fs::stat(format!("/proc/{pid}")).ok().map(|stat| stat.st_uid);
        Some(Self { pid, exe: exe.unwrap_or_default(), uid, user: None })
    }
}

// === impl Action, Trigger, Done ===

impl Trigger {
    /// The word used in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RealTime => "real-time",
            Self::OnAccess => "on-access",
            Self::Scheduled => "scheduled",
            Self::Manual => "manual",
        }
    }
}

impl Done {
    /// The word used in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Denied => "denied",
            Self::Quarantined => "quarantined",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
        }
    }
}

const fn spoken(mode: Mode) -> sakimori_protocol::Mode {
    match mode {
        Mode::Off => sakimori_protocol::Mode::Off,
        Mode::Detect => sakimori_protocol::Mode::Detect,
        Mode::Prevent => sakimori_protocol::Mode::Prevent,
    }
}

fn rules_of(plan: &ScanPlan) -> Rules {
    Rules {
        max_file_bytes: plan.settings.max_file_bytes,
        scan_milliseconds: u64::try_from(plan.settings.scan_time.as_millis()).unwrap_or(u64::MAX),
        sources: plan.sources.clone(),
    }
}

/// Without free descriptors the kernel denies openings that it cannot hand over.
fn raise_descriptors() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(DESCRIPTORS).min(DESCRIPTORS);
    if limit.current.is_some_and(|current| current < most) {
        let raised = Rlimit { current: Some(most), maximum: limit.maximum };
        let _as_it_was = rustix::process::setrlimit(Resource::Nofile, raised);
    }
}

fn resource(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::Resource { what, source }
}
