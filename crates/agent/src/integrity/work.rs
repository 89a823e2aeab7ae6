//! The thread that scans, and looks at what has been heard.
use super::look::{One, Pace, Pass, Tally};
use super::names::{Actor, Heard, NameWatch};
use super::store::{Loaded, Store};
use super::{Finding, Notice, Plan, Reporter, Set, Shown, Trigger, WatchedSet};
use crate::connection::explain;
use sakimori_integrity::{Baseline, Change, CompiledSet, KeptSet};
use sakimori_kernel::clock;
use sakimori_kernel::walk::Base;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What was heard waits this long for more of the same.
const QUIET: Duration = Duration::from_millis(300);
/// How often baselines are written at most while single changes come in; a scan writes at its end.
const SAVE_EVERY: Duration = Duration::from_mins(1);
/// Findings handed over at once.
const TOGETHER: usize = 500;

/// What the thread is asked.
pub(super) enum Ask {
    Plan(Box<Plan>),
    /// Something has been heard.
    Heard,
    /// Scan now; answered at the end.
    Scan(Sender<()>),
    /// Forget what things were like and take them as they are; answered at the end.
    Rebuild(Sender<()>),
}

/// A set in force.
struct Active {
    watched: WatchedSet,
    compiled: CompiledSet,
    definition: [u8; 32],
    baseline: Baseline,
    /// The baseline has not been built to its end: what is found is no change.
    fresh: bool,
}

pub(super) struct Work {
    pub(super) store: Store,
    pub(super) reporter: Reporter,
    pub(super) shown: Arc<Mutex<Shown>>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) asks: Receiver<Ask>,
    /// For the thread that hears.
    pub(super) own: Sender<Ask>,
    /// The kernel's queue of names takes what the memory takes.
    pub(super) unlimited: bool,
    sets: Vec<Active>,
    kept: Vec<KeptSet>,
    plan: Plan,
    names: Option<NameWatch>,
    next_scan: Option<Duration>,
    save_at: Option<Duration>,
}

impl Work {
    pub(super) fn new(
        store: Store,
        reporter: Reporter,
        shown: Arc<Mutex<Shown>>,
        stop: Arc<AtomicBool>,
        (own, asks): (Sender<Ask>, Receiver<Ask>),
        unlimited: bool,
    ) -> Self {
        Self {
            store,
            reporter,
            shown,
            stop,
            asks,
            own,
            unlimited,
            sets: Vec::new(),
            kept: Vec::new(),
            plan: Plan::default(),
            names: None,
            next_scan: None,
            save_at: None,
        }
    }

    pub(super) fn run(mut self) {
        let _as_before = sakimori_kernel::idle_io();
        match self.store.load() {
            Ok(Loaded::None) => (),
            Ok(Loaded::Sets(sets)) => self.kept = sets,
            Ok(Loaded::Damaged) => self.reporter.notice(Notice::BaselineDamaged),
            Err(error) => {
                tracing::error!("the integrity baseline cannot be read: {}", explain(&error));
                self.reporter.notice(Notice::BaselineDamaged);
            }
        }
        while !self.stop.load(Ordering::Relaxed) {
            let now = clock::monotonic();
            let next = [self.next_scan, self.save_at].into_iter().flatten().min();
            let wait = next.map_or(Duration::from_hours(1), |at| at.saturating_sub(now));
            let asked = self.asks.recv_timeout(wait);
            // The last word only wakes.
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            match asked {
                Ok(Ask::Plan(plan)) => self.adopt(*plan),
                Ok(Ask::Heard) => self.catch_up(),
                Ok(Ask::Scan(done)) => {
                    self.scan(Trigger::Manual, |_| true);
                    let _nobody_waits = done.send(());
                }
                Ok(Ask::Rebuild(done)) => {
                    for set in &mut self.sets {
                        set.baseline = Baseline::default();
                        set.fresh = true;
                    }
                    self.scan(Trigger::Manual, |_| true);
                    let _nobody_waits = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => (),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = clock::monotonic();
            if self.next_scan.is_some_and(|at| at <= now) {
                self.scan(Trigger::Scheduled, |_| true);
            }
            if self.save_at.is_some_and(|at| at <= now) {
                self.save();
            }
        }
        if self.save_at.is_some() {
            self.save();
        }
    }

    /// Puts other sets in force. Those that are as before keep what they know.
    fn adopt(&mut self, plan: Plan) {
        let mut before: BTreeMap<(String, [u8; 32]), (Baseline, bool)> = BTreeMap::new();
        for set in self.sets.drain(..) {
            before.insert((set.watched.name().to_owned(), set.definition), (set.baseline, set.fresh));
        }
        for set in self.kept.drain(..) {
            before.entry((set.name, set.definition)).or_insert((set.baseline, false));
        }
        let first = self.plan.sets.is_empty();
        for Set { watched, compiled } in plan.sets.iter().cloned() {
            let definition = watched.definition();
            let kept = before.remove(&(watched.name().to_owned(), definition));
            let (baseline, fresh) = kept.unwrap_or_else(|| (Baseline::default(), true));
            self.sets.push(Active { watched, compiled, definition, baseline, fresh });
        }
        let interval = plan.interval;
        self.plan = plan;
        self.show(|shown| {
            shown.sets = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
            shown.building = self.sets.iter().any(|set| set.fresh);
            shown.real_time_failure = None;
            shown.real_time_partly = false;
        });
        self.listen();
        if self.sets.is_empty() {
            self.next_scan = None;
            self.save();
            return;
        }
        // After a start everything is compared: nobody heard what happened while no agent ran.
        self.scan(Trigger::Scheduled, |set| first || set.fresh);
        self.next_scan = Some(clock::monotonic() + interval);
    }

    /// Begins, changes or ends the hearing of names.
    fn listen(&mut self) {
        let hears: Vec<CompiledSet> =
            self.sets.iter().filter(|set| set.watched.real_time).map(|set| set.compiled.clone()).collect();
        if hears.is_empty() {
            self.names = None;
            return;
        }
        if self.names.is_none() {
            let own = Mutex::new(self.own.clone());
            let news = move || {
                let own = own.lock().unwrap_or_else(PoisonError::into_inner);
                let _ended = own.send(Ask::Heard);
            };
            match NameWatch::start(self.unlimited, news) {
                Ok(names) => self.names = Some(names),
                Err(error) => {
                    tracing::warn!("no real-time integrity monitoring: {}", explain(&error));
                    self.show(|shown| shown.real_time_failure = Some(explain(&error)));
                    return;
                }
            }
        }
        let Some(names) = &self.names else { return };
        names.set_sets(hears);
        let mut partly = false;
        for set in self.sets.iter().filter(|set| set.watched.real_time) {
            // The base may not exist yet: then the folder above it is where it will appear.
            let watched = nearest(set.compiled.base()).and_then(|folder| {
                use std::os::fd::AsFd as _;
                names.watch(folder.as_fd())
            });
            // The kernel says real paths: below a link nothing would be recognised.
            let linked = std::fs::canonicalize(set.compiled.base())
                .is_ok_and(|real| real.as_os_str().as_encoded_bytes() != set.compiled.base().as_bytes());
            if linked {
                tracing::warn!("'{}' leads through a link: name the real path as base", set.compiled.base());
                partly = true;
            }
            if let Err(error) = watched {
                tracing::warn!("'{}' is not watched in real time: {error}", set.compiled.base());
                partly = true;
            }
        }
        self.show(|shown| shown.real_time_partly |= partly);
    }

    /// Scans the chosen sets.
    fn scan(&mut self, trigger: Trigger, chosen: impl Fn(&Active) -> bool) {
        let began = clock::monotonic();
        self.next_scan = Some(began + self.plan.interval);
        let mut total = Tally::default();
        let (mut unread, mut stopped) = (0, false);
        for index in 0..self.sets.len() {
            if !self.sets.get(index).is_some_and(&chosen) {
                continue;
            }
            let scanned = self.scan_set(index, b"", trigger, &By::default());
            total.entities += scanned.tally.entities;
            total.bytes += scanned.tally.bytes;
            total.unreadable += scanned.tally.unreadable;
            total.no_room += scanned.tally.no_room;
            unread += scanned.unread;
            stopped |= scanned.stopped;
        }
        if stopped {
            return;
        }
        let took = clock::monotonic().saturating_sub(began);
        let entities = self.sets.iter().map(|set| set.baseline.len() as u64).sum();
        let building = self.sets.iter().any(|set| set.fresh);
        self.show(|shown| {
            shown.scans += 1;
            shown.entities = entities;
            shown.scanned_bytes += total.bytes;
            shown.unreadable = total.unreadable;
            shown.unread_folders = unread;
            shown.no_room = total.no_room;
            shown.last_scan = took;
            shown.building = building;
        });
        self.save();
    }

    /// Looks at a set, or at one path of it and what is below.
    fn scan_set(&mut self, index: usize, start: &[u8], trigger: Trigger, by: &By<'_>) -> Scanned {
        let all: usize = self.sets.iter().map(|set| set.baseline.len()).sum();
        let Some(set) = self.sets.get_mut(index) else { return Scanned::default() };
        let room = self.plan.max_entities.saturating_sub(all - set.baseline.len());
        let scan = set.baseline.begin();
        let names = self.names.as_ref().filter(|_| set.watched.real_time);
        let mut partly = false;
        let mut file_systems = |folder: std::os::fd::BorrowedFd<'_>| {
            if let Some(names) = names {
                partly |= names.watch(folder).is_err();
            }
        };
        let mut pass = Pass {
            set: &set.compiled,
            baseline: &mut set.baseline,
            scan,
            room,
            pace: Pace::new(trigger == Trigger::Scheduled),
            stop: &self.stop,
            file_systems: &mut file_systems,
            changes: Vec::new(),
            unread: Vec::new(),
            tally: Tally::default(),
            stopped: false,
        };
        let above =
            start.iter().rposition(|byte| *byte == b'/').map(|at| start.get(..at).unwrap_or_default());
        let parent = (!start.is_empty()).then(|| set.compiled.position_of(above.unwrap_or_default()));
        let walked = Base::open(Path::new(set.compiled.base()))
            .and_then(|base| base.walk(start, &mut pass, parent.as_ref()));
        let Pass { mut changes, mut unread, tally, stopped, .. } = pass;
        match walked {
            Ok(()) => (),
            Err(error) if is_gone(&error) => (),
            Err(_) => unread.push(start.to_vec()),
        }
        if stopped {
            // What was found is in the baseline already.
            if !set.fresh {
                self.report(index, changes, trigger, by);
            }
            return Scanned { stopped, ..Scanned::default() };
        }
        changes.extend(set.baseline.finish_below(&set.compiled, scan, start, &unread));
        let scanned = Scanned { tally, unread: unread.len() as u64, stopped };
        if set.fresh {
            if start.is_empty() {
                set.fresh = false;
                let entities = set.baseline.len();
                self.reporter.notice(Notice::BaselineBuilt { set: set.watched.name().to_owned(), entities });
            }
            changes.clear();
        }
        if partly {
            self.show(|shown| shown.real_time_partly = true);
        }
        self.report(index, changes, trigger, by);
        scanned
    }

    /// Looks at what has been heard, when it has become quiet.
    fn catch_up(&mut self) {
        clock::sleep(QUIET);
        let Some(names) = &self.names else { return };
        let Heard { paths, lost, events } = names.take();
        self.show(|shown| {
            shown.heard += events;
            shown.overflows += u64::from(lost);
        });
        if lost {
            self.reporter.notice(Notice::EventsLost);
            self.scan(Trigger::RealTime, |set| set.watched.real_time);
            return;
        }
        for index in 0..self.sets.len() {
            self.look_at(index, &paths);
        }
        let entities = self.sets.iter().map(|set| set.baseline.len() as u64).sum();
        self.show(|shown| shown.entities = entities);
    }

    /// Looks at the heard paths of one set.
    fn look_at(&mut self, index: usize, paths: &BTreeMap<Vec<u8>, Arc<Actor>>) {
        let Some(set) = self.sets.get(index).filter(|set| set.watched.real_time && !set.fresh) else {
            return;
        };
        let mut relative: BTreeMap<&[u8], &Arc<Actor>> = BTreeMap::new();
        let mut all: Option<&Arc<Actor>> = None;
        for (path, actor) in paths {
            match set.compiled.relative(path) {
                Some(inside) => {
                    relative.insert(inside, actor);
                }
                None if set.compiled.lies_under(path) => all = Some(actor),
                None => (),
            }
        }
        if let Some(actor) = all {
            let by = By { paths: Some(paths), otherwise: Some(actor) };
            let _numbers = self.scan_set(index, b"", Trigger::RealTime, &by);
            return;
        }
        // A folder is looked at with everything below it, but only where it is not known: the names below a known
        // one are heard one by one.
        let mut below_of: BTreeSet<Vec<u8>> = BTreeSet::new();
        for (path, actor) in relative {
            if ancestors(path).any(|above| below_of.contains(above)) {
                continue;
            }
            let by = By { paths: Some(paths), otherwise: Some(actor) };
            let Some(set) = self.sets.get(index) else { return };
            match Base::open(Path::new(set.compiled.base())).and_then(|base| base.facts(path)) {
                Ok(facts) => {
                    let folder = facts.kind == rustix::fs::FileType::Directory;
                    let known = set.baseline.entity(path).is_some_and(|known| known.inode == facts.inode);
                    if folder && !known {
                        below_of.insert(path.to_vec());
                        let _numbers = self.scan_set(index, path, Trigger::RealTime, &by);
                    } else {
                        self.look_at_one(index, path, &by);
                    }
                }
                Err(error) if is_gone(&error) => {
                    let Some(set) = self.sets.get_mut(index) else { return };
                    let changes = set.baseline.missing(&set.compiled, path);
                    self.report(index, changes, Trigger::RealTime, &by);
                }
                // What cannot be looked at now is looked at by the next scan.
                Err(_) => (),
            }
        }
    }

    /// Looks at one entity alone.
    fn look_at_one(&mut self, index: usize, path: &[u8], by: &By<'_>) {
        let all: usize = self.sets.iter().map(|set| set.baseline.len()).sum();
        let Some(set) = self.sets.get_mut(index) else { return };
        let room = self.plan.max_entities.saturating_sub(all - set.baseline.len());
        let scan = set.baseline.current();
        let mut pass = One(Pass {
            set: &set.compiled,
            baseline: &mut set.baseline,
            scan,
            room,
            pace: Pace::new(false),
            stop: &self.stop,
            file_systems: &mut |_| (),
            changes: Vec::new(),
            unread: Vec::new(),
            tally: Tally::default(),
            stopped: false,
        });
        let walked =
            Base::open(Path::new(set.compiled.base())).and_then(|base| base.walk(path, &mut pass, None));
        let mut changes = pass.0.changes;
        if walked.is_err_and(|error| is_gone(&error)) {
            changes.extend(set.baseline.missing(&set.compiled, path));
        }
        self.report(index, changes, Trigger::RealTime, by);
    }

    /// Hands changes over; they are durable when this returns, so the baseline may be kept.
    fn report(&mut self, index: usize, changes: Vec<Change>, trigger: Trigger, by: &By<'_>) {
        let Some(set) = self.sets.get(index) else { return };
        if changes.is_empty() {
            return;
        }
        let count = changes.len() as u64;
        let findings = changes.into_iter().map(|change| {
            let path = set.compiled.absolute(&change.path);
            let actor = by.whom(&path);
            let (set, severity) = (set.watched.name().to_owned(), set.watched.severity);
            Finding { set, severity, path, change, trigger, actor }
        });
        let mut findings: Vec<Finding> = findings.collect();
        findings.sort_by(|a, b| (&a.path, a.change.kind).cmp(&(&b.path, b.change.kind)));
        for some in findings.chunks(TOGETHER) {
            self.reporter.findings(some);
        }
        self.show(|shown| shown.changes += count);
        self.save_at = Some(self.save_at.unwrap_or_else(|| clock::monotonic() + SAVE_EVERY));
    }

    fn save(&mut self) {
        self.save_at = None;
        let built: Vec<&Active> = self.sets.iter().filter(|set| !set.fresh).collect();
        let sets = built.iter().map(|set| (set.watched.name(), &set.definition, &set.baseline));
        if let Err(error) = self.store.save(sets) {
            tracing::error!("the integrity baseline is not kept: {}", explain(&error));
            self.show(|shown| shown.not_kept = true);
        } else {
            self.show(|shown| shown.not_kept = false);
        }
    }

    fn show(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Who it was, as far as it was heard.
#[derive(Clone, Copy, Debug, Default)]
struct By<'a> {
    paths: Option<&'a BTreeMap<Vec<u8>, Arc<Actor>>>,
    /// Of what lies below a path that was heard.
    otherwise: Option<&'a Arc<Actor>>,
}

impl By<'_> {
    fn whom(&self, path: &[u8]) -> Option<Arc<Actor>> {
        self.paths.and_then(|paths| paths.get(path)).or(self.otherwise).cloned()
    }
}

/// What a look at a set gave.
#[derive(Clone, Copy, Debug, Default)]
struct Scanned {
    tally: Tally,
    unread: u64,
    stopped: bool,
}

/// Nothing is there, or something else than the way supposed.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        rustix::io::Errno::from_io_error(error),
        Some(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP)
    )
}

/// The folders that a relative path lies in, the base too.
fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let base = (!path.is_empty()).then_some(0);
    slashes.chain(base).map(|at| path.get(..at).unwrap_or_default())
}

/// The nearest folder above a path that exists, itself included.
fn nearest(base: &str) -> io::Result<std::os::fd::OwnedFd> {
    use rustix::fs::{Mode, OFlags, open};
    let mut path = Path::new(base);
    loop {
        match open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(folder) => return Ok(folder),
            Err(error) => path = path.parent().ok_or_else(|| io::Error::from(error))?,
        }
    }
}
