//! The thread that hears of files: answers who wants to open one, and has them looked at.
//!
//! Openers wait for this thread, so it never waits for anybody: it opens no file, starts no process, writes no event.
//! What takes time is done by others: scanners look at files, the *keeper* acts on what was found, the *starter*
//! makes new scanners. Each request for permission has a deadline, and ends at it in the failure response.

use super::cache::{Cache, Judged};
use super::channel::{Answer as Word, Found};
use super::session::{Session, SessionError};
use super::tally::Tally;
use super::{Action, Process, ScanSettings, Trigger};
use rustix::event::{PollFd, PollFlags, poll};
use sakimori_kernel::clock;
use sakimori_kernel::fanotify::content::{
    Answer, Batch, FileEvent, FileKey, Identity, Permission, Written, path_of,
};
use sakimori_model::{FailureResponse, Mode};
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender};
use std::time::Duration;

/// Written files that wait, at most; more stay in the kernel's queue.
const BACKLOG: usize = 2_048;
/// Openers that wait, at most; more get the failure response at once.
const OPENERS: usize = 2_048;
/// Room for this many events at one reading: each is an open file.
const EVENTS: usize = 64;
/// The longest sleep.
const TURN: Duration = Duration::from_millis(500);
/// How much longer than its time a scanner may take before it is ended.
const HANG_AFTER: Duration = Duration::from_secs(3);
/// How often a file is given to a scanner that ends over it.
const ATTEMPTS: u8 = 2;
/// The first pause after a scanner that did not start; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between tries to start a scanner.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Said to the guard.
pub(super) enum Order {
    /// These settings, with these scanners.
    Apply { settings: Box<ScanSettings>, sessions: Vec<Session>, reply: SyncSender<Vec<String>> },
    /// Hear of nothing any more.
    Off(SyncSender<()>),
    /// Look at this file.
    Scan(Request),
    /// A scanner in the place of one that ended.
    Started(usize, Result<Session, SessionError>),
    /// Content that is allowed whatever the rules say.
    Allowed(BTreeSet<String>),
    /// End.
    Stop,
}

/// A file that somebody wants to be looked at.
pub(super) struct Request {
    pub(super) file: OwnedFd,
    pub(super) identity: Identity,
    pub(super) trigger: Trigger,
    pub(super) reply: Sender<Outcome>,
}

/// What came of a [`Request`].
#[derive(Debug)]
pub(super) enum Outcome {
    Clean,
    Infected { path: PathBuf, signature: String },
    Partial,
    Unscanned,
}

/// Said by the guard to the keeper.
#[derive(Debug)]
pub(super) enum Work {
    /// Malware was found.
    Infected(Box<Infected>),
    /// Something about the module itself.
    Notice(&'static str, Vec<(String, String)>),
    /// Files were not looked at: how many, why.
    Unscanned(u64, &'static str),
}

/// Malware in a file.
#[derive(Debug)]
pub(super) struct Infected {
    pub(super) file: OwnedFd,
    pub(super) by: String,
    pub(super) signature: String,
    pub(super) others: u32,
    pub(super) sha256: Option<String>,
    pub(super) size: u64,
    pub(super) trigger: Trigger,
    pub(super) process: Option<Process>,
    pub(super) action: Action,
    /// Opening it is denied.
    pub(super) denied: bool,
}

/// Asked of the starter.
pub(super) enum Errand {
    /// A scanner is wanted in this place, after a pause.
    Start { slot: usize, pause: Duration },
    /// End this one: a process that reads from a slow disk ends when the disk answers.
    End(Session),
}

/// One scanner's place.
#[derive(Default)]
struct Slot {
    session: Option<Session>,
    job: Option<Job>,
    began: Duration,
    /// Scanners that ended one after another without finishing a file.
    failures: u32,
}

/// A file on its way.
struct Job {
    id: u64,
    file: OwnedFd,
    identity: Identity,
    trigger: Trigger,
    /// Until when somebody waits for permission; nothing if nobody does.
    deadline: Option<Duration>,
    process: Option<Process>,
    reply: Option<Sender<Outcome>>,
    attempts: u8,
}

/// The guard's state.
pub(super) struct Guard {
    pub(super) tally: Arc<Tally>,
    pub(super) keeper: Sender<Work>,
    pub(super) starter: Sender<Errand>,
    settings: ScanSettings,
    written: Option<Written>,
    permission: Option<Permission>,
    slots: Vec<Slot>,
    openers: VecDeque<Job>,
    backlog: VecDeque<Job>,
    /// What of the backlog was written: a file that is written again while it waits, waits once.
    waiting: HashSet<FileKey>,
    cache: Cache,
    allowed: BTreeSet<String>,
    own: i32,
    next: u64,
}

// === impl Guard ===

impl Guard {
    pub(super) fn new(
        tally: Arc<Tally>,
        keeper: Sender<Work>,
        starter: Sender<Errand>,
        allowed: BTreeSet<String>,
    ) -> Self {
        Self {
            tally,
            keeper,
            starter,
            settings: ScanSettings::off(),
            written: None,
            permission: None,
            slots: Vec::new(),
            openers: VecDeque::new(),
            backlog: VecDeque::new(),
            waiting: HashSet::new(),
            cache: Cache::default(),
            allowed,
            own: i32::try_from(std::process::id()).unwrap_or(0),
            next: 0,
        }
    }

    /// The body of the thread.
    pub(super) fn work(mut self, orders: &Receiver<Order>, wake: &OwnedFd) {
        loop {
            while let Ok(order) = orders.try_recv() {
                if matches!(order, Order::Stop) {
                    self.put_off();
                    return;
                }
                self.obey(order);
            }
            self.hear_written();
            self.hear_openers();
            self.hear_scanners();
            self.keep_deadlines();
            self.dispatch();
            self.wait(wake);
        }
    }

    fn wait(&self, wake: &OwnedFd) {
        let now = clock::monotonic();
        let waiting =
            self.openers.front().into_iter().chain(self.slots.iter().filter_map(|s| s.job.as_ref()));
        let next = waiting.filter_map(|job| job.deadline).min();
        let span = next.map_or(TURN, |deadline| deadline.saturating_sub(now).min(TURN));
        let timeout = rustix::time::Timespec::try_from(span).ok();
        let mut watched = vec![PollFd::new(wake, PollFlags::IN)];
        if let Some(written) = self.written.as_ref().filter(|_| self.backlog.len() < BACKLOG) {
            watched.push(PollFd::new(written, PollFlags::IN));
        }
        if let Some(permission) = &self.permission {
            watched.push(PollFd::new(permission, PollFlags::IN));
        }
        for session in self.slots.iter().filter_map(|slot| slot.session.as_ref()) {
            watched.push(PollFd::new(&session.channel, PollFlags::IN));
            watched.push(PollFd::new(&session.process, PollFlags::IN));
        }
        let _ready = poll(&mut watched, timeout.as_ref());
        let mut rung = [0; 8];
        let _cleared = rustix::io::read(wake, &mut rung);
    }

    // === orders ===

    fn obey(&mut self, order: Order) {
        match order {
            Order::Apply { settings, sessions, reply } => {
                let reasons = self.apply(*settings, sessions);
                let _asker_has_gone = reply.send(reasons);
            }
            Order::Off(reply) => {
                self.put_off();
                let _asker_has_gone = reply.send(());
            }
            Order::Scan(request) => self.request(request),
            Order::Started(slot, started) => self.enter_service(slot, started),
            Order::Allowed(allowed) => {
                self.allowed = allowed;
                self.cache.clear();
            }
            Order::Stop => {}
        }
    }

    /// Puts settings and scanners in force; gives what of it cannot be, by code.
    fn apply(&mut self, settings: ScanSettings, sessions: Vec<Session>) -> Vec<String> {
        let same_marks = self.settings.roots == settings.roots
            && self.settings.on_access == settings.on_access
            && self.written.is_some();
        self.settings = settings;
        self.cache.clear();
        // What the former scanners had goes to the new ones.
        let former = std::mem::take(&mut self.slots);
        for mut slot in former {
            if let Some(job) = slot.job.take() {
                self.put_back(job);
            }
            if let Some(session) = slot.session {
                self.send(Errand::End(session));
            }
        }
        self.tally.missing.set(0);
        let mut reasons = Vec::new();
        if sessions.iter().any(|session| !session.cage.seccomp) {
            reasons.push("sandbox-without-seccomp".to_owned());
        }
        if sessions.iter().any(|session| session.cage.landlock_abi == 0) {
            reasons.push("sandbox-without-landlock".to_owned());
        }
        self.slots = sessions.into_iter().map(Slot::with).collect();
        if !same_marks {
            self.mark(&mut reasons);
        }
        reasons
    }

    /// Makes groups anew and marks what is to be watched.
    fn mark(&mut self, reasons: &mut Vec<String>) {
        self.answer_all();
        (self.written, self.permission) = (None, None);
        let written = match Written::open() {
            Ok(group) => group,
            Err(error) => {
                tracing::error!("{}", crate::connection::explain(&error));
                reasons.push("fanotify-unavailable".to_owned());
                return;
            }
        };
        let permission = if self.settings.on_access { Permission::open().ok() } else { None };
        if self.settings.on_access && permission.is_none() {
            reasons.push("on-access-unavailable".to_owned());
        }
        for place in &self.settings.roots {
            let marked = watchable(place)
                .and_then(|()| written.watch(place))
                .and_then(|()| permission.as_ref().map_or(Ok(()), |group| group.guard(place)));
            if let Err(error) = marked {
                tracing::error!("{} cannot be watched: {error}", place.display());
                let path = place.display().to_string();
                self.tell(Work::Notice("not-watched", vec![("path".to_owned(), path)]));
                if !reasons.iter().any(|reason| reason == "not-watched") {
                    reasons.push("not-watched".to_owned());
                }
            }
        }
        (self.written, self.permission) = (Some(written), permission);
    }

    /// Ends everything; who waits is let pass.
    fn put_off(&mut self) {
        self.answer_all();
        (self.written, self.permission) = (None, None);
        for session in std::mem::take(&mut self.slots).into_iter().filter_map(|slot| slot.session) {
            self.send(Errand::End(session));
        }
        self.tally.missing.set(0);
        self.backlog.clear();
        self.waiting.clear();
        self.cache.clear();
        self.settings = ScanSettings::off();
    }

    /// Lets everybody pass who waits; their files are still looked at.
    fn answer_all(&mut self) {
        let running = self.slots.iter_mut().filter_map(|slot| slot.job.as_mut());
        for job in self.openers.iter_mut().chain(running) {
            if job.deadline.take().is_some()
                && let Some(permission) = &self.permission
            {
                give(permission, &job.file, Answer::Allow);
            }
        }
    }

    fn request(&mut self, request: Request) {
        let Request { file, identity, trigger, reply } = request;
        if self.slots.is_empty() {
            let _asker_has_gone = reply.send(Outcome::Unscanned);
            return;
        }
        if self.cache.look(&identity) == Some(Judged::Pass) {
            self.tally.cache_hits.add(1);
            let _asker_has_gone = reply.send(Outcome::Clean);
            return;
        }
        let job = self.job(file, identity, trigger);
        self.backlog.push_back(Job { reply: Some(reply), ..job });
    }

    // === what the kernel tells ===

    fn hear_written(&mut self) {
        if self.backlog.len() >= BACKLOG {
            // Verdicts of files that were written since are not known to be old now.
            self.cache.clear();
            return;
        }
        let Some(group) = &self.written else { return };
        let batch = group.read(&mut [0; 24 * EVENTS]);
        for event in self.unpack(batch) {
            self.was_written(event);
        }
    }

    fn was_written(&mut self, event: FileEvent) {
        let FileEvent { file, pid } = event;
        let Ok(Some(identity)) = Identity::of(file.as_fd()) else { return };
        self.cache.forget(&identity.file);
        if pid == self.own
            || identity.size == 0
            || self.is_excluded(&file)
            || !self.waiting.insert(identity.file)
        {
            return;
        }
        let job = self.job(file, identity, Trigger::RealTime);
        // Now: it may have ended by the time of the verdict.
        self.backlog.push_back(Job { process: Process::look(pid), ..job });
    }

    fn hear_openers(&mut self) {
        let Some(group) = &self.permission else { return };
        let batch = group.read(&mut [0; 24 * EVENTS]);
        for event in self.unpack(batch) {
            if let Some(answer) = self.wants_to_open(&event) {
                self.answer(&event.file, answer);
            } else {
                self.let_wait(event);
            }
        }
    }

    /// The answer, where it is known at once.
    fn wants_to_open(&mut self, event: &FileEvent) -> Option<Answer> {
        if event.pid == self.own {
            return Some(Answer::Allow);
        }
        let Ok(Some(identity)) = Identity::of(event.file.as_fd()) else { return Some(Answer::Allow) };
        if identity.size == 0 {
            return Some(Answer::Allow);
        }
        if let Some(judged) = self.cache.look(&identity) {
            self.tally.cache_hits.add(1);
            return Some(match judged {
                Judged::Pass => Answer::Allow,
                Judged::Deny => {
                    self.tally.denied.add(1);
                    Answer::Deny
                }
            });
        }
        if self.is_excluded(&event.file) || self.is_starting_scanner(event.pid) {
            return Some(Answer::Allow);
        }
        if self.openers.len() >= OPENERS {
            return Some(self.failure_response());
        }
        None
    }

    fn let_wait(&mut self, event: FileEvent) {
        let FileEvent { file, pid } = event;
        let Ok(Some(identity)) = Identity::of(file.as_fd()) else {
            self.answer(&file, Answer::Allow);
            return;
        };
        let job = self.job(file, identity, Trigger::OnAccess);
        let deadline = Some(clock::monotonic() + self.settings.deadline);
        let process = Some(Process { pid, ..Process::default() });
        self.openers.push_back(Job { deadline, process, ..job });
    }

    fn unpack(&mut self, batch: io::Result<Batch>) -> Vec<FileEvent> {
        match batch {
            Ok(batch) => {
                if batch.overflow {
                    self.cache.clear();
                    self.tell(Work::Unscanned(1, "queue-overflow"));
                }
                if batch.unopened > 0 {
                    self.tally.unscanned.add(batch.unopened.into());
                }
                batch.events
            }
            Err(error) => {
                tracing::error!(%error, "fanotify cannot be read");
                Vec::new()
            }
        }
    }

    /// A scanner that is starting opens its program and its libraries, and the opener whom it would wait for is itself.
    fn is_starting_scanner(&self, pid: i32) -> bool {
        self.tally.starting.now() > 0 && is_child_of(pid, self.own)
    }

    fn job(&mut self, file: OwnedFd, identity: Identity, trigger: Trigger) -> Job {
        self.next += 1;
        Job {
            id: self.next,
            file,
            identity,
            trigger,
            deadline: None,
            process: None,
            reply: None,
            attempts: 0,
        }
    }

    fn is_excluded(&self, file: &OwnedFd) -> bool {
        !self.settings.exclusions.is_empty()
            && path_of(file.as_fd())
                .is_ok_and(|path| self.settings.exclusions.iter().any(|e| path.starts_with(e)))
    }

    // === deadlines ===

    fn keep_deadlines(&mut self) {
        let now = clock::monotonic();
        let passed = |job: &Job| job.deadline.is_some_and(|deadline| deadline <= now);
        while self.openers.front().is_some_and(passed) {
            let Some(mut job) = self.openers.pop_front() else { break };
            self.give_up_on(&mut job);
            // Nobody waits any more, but it may still be malware.
            if self.backlog.len() < 2 * BACKLOG {
                self.backlog.push_back(job);
            } else {
                self.tally.unscanned.add(1);
            }
        }
        for number in 0..self.slots.len() {
            let late = self.slots.get_mut(number).and_then(|slot| slot.job.take_if(|job| passed(job)));
            if let Some(mut job) = late {
                self.give_up_on(&mut job);
                if let Some(slot) = self.slots.get_mut(number) {
                    slot.job = Some(job);
                }
            }
            let limit = self.settings.scan_time + HANG_AFTER;
            let hangs = self
                .slots
                .get(number)
                .is_some_and(|s| s.job.is_some() && now.saturating_sub(s.began) > limit);
            if hangs {
                self.lose(number, "hung");
            }
        }
    }

    /// Gives an opener the failure response.
    fn give_up_on(&mut self, job: &mut Job) {
        if job.deadline.take().is_some() {
            let answer = self.failure_response();
            self.answer(&job.file, answer);
        }
    }

    fn failure_response(&self) -> Answer {
        self.tally.failure_responses.add(1);
        match (self.settings.mode, self.settings.failure) {
            (Mode::Prevent, FailureResponse::Closed) => Answer::Deny,
            _ => Answer::Allow,
        }
    }

    fn answer(&self, file: &OwnedFd, answer: Answer) {
        if let Some(permission) = &self.permission {
            give(permission, file, answer);
        }
    }

    // === scanners ===

    fn dispatch(&mut self) {
        for number in 0..self.slots.len() {
            let idle = self.slots.get(number).is_some_and(|s| s.session.is_some() && s.job.is_none());
            if !idle {
                continue;
            }
            // The last place is kept for openers, if there are several: a long scan must not let them wait.
            let all = number == 0;
            let next = self.openers.pop_front().or_else(|| if all { self.backlog.pop_front() } else { None });
            let Some(job) = next else { continue };
            if job.trigger == Trigger::RealTime {
                let _waited = self.waiting.remove(&job.identity.file);
            }
            self.hand_to(number, job);
        }
    }

    fn hand_to(&mut self, number: usize, mut job: Job) {
        // As it is now: it may have been written while it waited.
        if let Ok(Some(identity)) = Identity::of(job.file.as_fd()) {
            job.identity = identity;
        }
        let Some(slot) = self.slots.get_mut(number) else { return };
        let sent = slot
            .session
            .as_ref()
            .map(|session| session.channel.send_file(job.id, job.identity.size, job.file.as_fd()));
        slot.began = clock::monotonic();
        slot.job = Some(job);
        if !matches!(sent, Some(Ok(()))) {
            self.lose(number, "ended");
        }
    }

    fn hear_scanners(&mut self) {
        for number in 0..self.slots.len() {
            let Some(session) = self.slots.get(number).and_then(|slot| slot.session.as_ref()) else {
                continue;
            };
            match session.channel.take_answer() {
                Ok(Some(Word::Verdict { job, found, sha256, bytes })) => {
                    self.verdict(number, job, found, sha256, bytes);
                }
                Ok(Some(Word::Panicked(words))) => {
                    tracing::error!(?words, "the scanner failed");
                    self.lose(number, "failed");
                }
                Ok(Some(Word::Ready { .. } | Word::Refused(_))) => self.lose(number, "corrupt"),
                Ok(None) if session.has_ended() => self.lose(number, "ended"),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => self.lose(number, "corrupt"),
                Err(_gone) => self.lose(number, "ended"),
            }
        }
    }

    fn verdict(&mut self, number: usize, id: u64, found: Found, sha256: Option<String>, bytes: u64) {
        let Some(slot) = self.slots.get_mut(number) else { return };
        let Some(job) = slot.job.take_if(|job| job.id == id) else {
            self.lose(number, "corrupt");
            return;
        };
        slot.failures = 0;
        self.tally.scanned.add(1);
        self.tally.bytes.add(bytes);
        let sha256 = sha256.filter(|sum| sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit()));
        let allowed = sha256.as_ref().is_some_and(|sum| self.allowed.contains(sum));
        match found {
            Found::Infected { by, signature, others } if !allowed => {
                self.infected(job, by, signature, others, sha256);
            }
            Found::Clean | Found::Infected { .. } => self.pass(job, Outcome::Clean),
            Found::Partial(why) => {
                tracing::debug!(why, "a file was looked at in part");
                self.tally.partial.add(1);
                self.pass(job, Outcome::Partial);
            }
            Found::Unreadable => {
                self.tally.unscanned.add(1);
                self.pass(job, Outcome::Unscanned);
            }
        }
    }

    fn pass(&mut self, mut job: Job, outcome: Outcome) {
        let unscanned = matches!(outcome, Outcome::Unscanned);
        if job.deadline.take().is_some() {
            let answer = if unscanned { self.failure_response() } else { Answer::Allow };
            self.answer(&job.file, answer);
        }
        if !unscanned {
            self.remember(&job, Judged::Pass);
        }
        if let Some(reply) = job.reply {
            let _asker_has_gone = reply.send(outcome);
        }
    }

    fn infected(&mut self, mut job: Job, by: String, signature: String, others: u32, sha256: Option<String>) {
        self.tally.infected.add(1);
        let action = if self.settings.mode == Mode::Prevent { self.settings.action } else { Action::Pass };
        let deny = action != Action::Pass;
        let waited = job.deadline.take().is_some();
        if waited {
            // What an exited process cannot say any more, one that waits can.
            job.process = job.process.and_then(|process| Process::look(process.pid));
            self.answer(&job.file, if deny { Answer::Deny } else { Answer::Allow });
            self.tally.denied.add(deny.into());
        }
        self.remember(&job, if deny { Judged::Deny } else { Judged::Pass });
        if let Some(reply) = job.reply.take() {
            let path = path_of(job.file.as_fd()).unwrap_or_default();
            let _asker_has_gone = reply.send(Outcome::Infected { path, signature: signature.clone() });
        }
        self.tell(Work::Infected(Box::new(Infected {
            size: job.identity.size,
            file: job.file,
            by,
            signature,
            others,
            sha256,
            trigger: job.trigger,
            process: job.process,
            action,
            denied: deny && self.permission.is_some(),
        })));
    }

    fn remember(&mut self, job: &Job, judged: Judged) {
        // Judged was what was there before; only if that is still there, the verdict holds.
        if Identity::of(job.file.as_fd()).is_ok_and(|now| now == Some(job.identity)) {
            self.cache.keep(job.identity, judged, i128::from(clock::wall_micros()) * 1000);
        }
    }

    /// A scanner is lost: its file goes to another one, and a new one is asked for.
    fn lose(&mut self, number: usize, why: &'static str) {
        let Some(slot) = self.slots.get_mut(number) else { return };
        let Some(session) = slot.session.take() else { return };
        let id = session.id;
        slot.failures += 1;
        let pause = if slot.failures <= 1 { Duration::ZERO } else { pause_after(slot.failures - 1) };
        let job = slot.job.take();
        self.send(Errand::End(session));
        tracing::error!(worker = id, why, "the scanner is lost; a new one starts");
        self.tally.restarts.add(1);
        self.tally.missing.add(1);
        self.tell(Work::Notice("worker-restarted", vec![("why".to_owned(), why.to_owned())]));
        if let Some(mut job) = job {
            job.attempts += 1;
            if job.attempts < ATTEMPTS {
                self.put_back(job);
            } else {
                self.tally.unscanned.add(1);
                self.tell(Work::Unscanned(1, "worker-restart"));
                self.pass(job, Outcome::Unscanned);
            }
        }
        self.send(Errand::Start { slot: number, pause });
    }

    fn enter_service(&mut self, number: usize, started: Result<Session, SessionError>) {
        let Some(slot) = self.slots.get_mut(number).filter(|slot| slot.session.is_none()) else {
            // Other settings since.
            if let Ok(session) = started {
                self.send(Errand::End(session));
            }
            return;
        };
        match started {
            Ok(session) => {
                slot.session = Some(session);
                self.tally.missing.subtract(1);
            }
            Err(error) => {
                slot.failures += 1;
                tracing::error!(?error, "the scanner does not start");
                let pause = pause_after(slot.failures);
                self.send(Errand::Start { slot: number, pause });
            }
        }
    }

    fn put_back(&mut self, job: Job) {
        if job.deadline.is_some() {
            self.openers.push_front(job);
        } else {
            self.backlog.push_front(job);
        }
    }

    fn send(&self, errand: Errand) {
        let _ending = self.starter.send(errand);
    }

    fn tell(&self, work: Work) {
        let _ending = self.keeper.send(work);
    }
}

// === impl Slot ===

impl Slot {
    fn with(session: Session) -> Self {
        Self { session: Some(session), ..Self::default() }
    }
}

fn give(permission: &Permission, file: &OwnedFd, answer: Answer) {
    if let Err(error) = permission.answer(file.as_fd(), answer) {
        tracing::error!(%error, "an opener could not be answered");
    }
}

fn pause_after(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.min(7)).min(LONGEST_PAUSE)
}

/// Whether a process was started by another one.
fn is_child_of(pid: i32, parent: i32) -> bool {
    let Ok(stat) = sakimori_kernel::files::read_capped(Path::new(&format!("/proc/{pid}/stat")), 4096) else {
        return false;
    };
    // The name is in brackets and may hold anything; state and parent follow the last of them.
    let after = stat.rsplit(|byte| *byte == b')').next().unwrap_or_default();
    let mut words = after.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let ppid =
        words.nth(1).and_then(|word| std::str::from_utf8(word).ok()).and_then(|word| word.parse().ok());
    ppid == Some(parent)
}

/// Refuses file systems whose files are no files, or whose server may make us wait.
pub(super) fn watchable(place: &Path) -> io::Result<()> {
    /// proc, sysfs, cgroup, cgroup2, devpts, FUSE, NFS, CIFS, SMB2, autofs: `statfs(2)`.
    const REFUSED: [u32; 10] = [
        0x9fa0,
        0x6265_6572,
        0x0027_e0eb,
        0x6367_7270,
        0x1cd1,
        0x6573_5546,
        0x6969,
        0xff53_4d42,
        0xfe53_4d42,
        0x0187,
    ];
    let kind = rustix::fs::statfs(place)?.f_type;
    let refused = REFUSED.iter().any(|refused| i64::from(*refused) == kind & 0xffff_ffff);
    if refused { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) }
}
