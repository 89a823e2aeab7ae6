//! One worker as the supervisor sees it: its process, its rings, and the two threads that empty them.
//!
//! The *verdict writer* takes verdicts from shared memory and gives them to the kernel: it holds the privilege that
//! the kernel asks of a verdict, and parses nothing. The *event drainer* hands events to the spool. Both
//! treat what they read as written by an attacker: a worker that writes nonsense is ended.

use super::accounts;
use super::blocks;
use super::channel::{Answer, CageReport, Channel, Order, Settings};
use super::probes::Looking;
use super::samples::Label;
use super::tally::Tally;
use super::worker::DESCRIPTORS_VARIABLE;
use super::{Fixed, NetworkPlan, RuleFile, SharedEvents};
use crate::pipe::describe;
use sakimori_firewall::{Counter, Direction, Plan};
use sakimori_firewall_settings::sensitivity;
use sakimori_kernel::nfqueue::{Verdict, VerdictMessage, VerdictWriter};
use sakimori_kernel::nftables::{MARK_BLOCKED, MARK_DONE, MARK_INJECTED};
use sakimori_kernel::pidfd::PidFd;
use sakimori_kernel::ring::counters::CounterPage;
use sakimori_kernel::ring::events::{self, EventConsumer};
use sakimori_kernel::ring::verdicts::{self, VerdictConsumer, VerdictEntry};
use sakimori_kernel::ring::{RingFiles, wake};
use sakimori_kernel::spawn::{self, Program};
use sakimori_model::{Action, Diagnostic, Severity, Timestamp};
use sakimori_modules::EventDetail as _;
use sakimori_modules::agent::{Gap, Notice};
use sakimori_modules::firewall::{self, FirewallEvent, Reconnaissance};
use sakimori_modules::intrusion_prevention::{self, Intrusion};
use sakimori_modules::web_application_firewall::{self, WebAttack};
use sakimori_modules::web_reputation::{self, WebReputationEvent};
use sakimori_protocol::Event;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the verdict writer looks for further verdicts before it sleeps: see `docs/decisions/0002-verdict-writer.md`.
const SPINS: u32 = 64;
/// Events that become durable together at most: one wait for the disk.
const EVENT_BATCH: usize = 256;

/// What a session's threads share with their owner.
#[derive(Debug)]
pub(super) struct Progress {
    /// The number of the last packet whose verdict was written.
    pub(super) last_id: AtomicU32,
    /// Verdicts written.
    pub(super) judged: AtomicU64,
    /// Verdicts that drop or block.
    pub(super) stopped: AtomicU64,
    /// Events taken.
    pub(super) events: AtomicU64,
    ending: AtomicBool,
    corrupt: AtomicBool,
}

/// Everything of a session that lives in descriptors: enough to go on with it in another program.
#[derive(Debug)]
pub(super) struct SessionFiles {
    pub(super) process: OwnedFd,
    pub(super) control: OwnedFd,
    pub(super) verdicts: RingFiles,
    pub(super) events: RingFiles,
    pub(super) counters: OwnedFd,
}

/// A running worker.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: u32,
    pub(super) process: PidFd,
    pub(super) control: Channel,
    pub(super) page: CounterPage,
    pub(super) progress: Arc<Progress>,
    pub(super) cage: Option<CageReport>,
    files: (RingFiles, RingFiles, OwnedFd),
    threads: Vec<JoinHandle<()>>,
}

/// What came of a plan.
#[derive(Debug)]
pub(super) struct Configured {
    pub(super) rules: u32,
    pub(super) sites: u64,
    pub(super) waf_rules: u32,
    pub(super) needs_responses: bool,
    pub(super) warnings: Vec<Diagnostic>,
}

/// Why a plan is not in force.
#[derive(Debug)]
pub(super) enum ConfigureError {
    Rules(Vec<Diagnostic>),
    Worker(String),
}

// === impl Progress ===

impl Progress {
    /// The number of the last packet with a verdict, and how many verdicts were written.
    pub(super) fn position(&self) -> (u32, u64) {
        (self.last_id.load(Ordering::Acquire), self.judged.load(Ordering::Relaxed))
    }
}

// === impl Session ===

impl Session {
    /// Starts a worker and its threads. It reads no packet before it is told to.
    pub(super) fn start(
        worker: &Path,
        fixed: &Fixed,
        last_id: u32,
        events: &SharedEvents,
    ) -> io::Result<Self> {
        let (verdict_files, event_files, counters) =
            (verdicts::create()?, events::create()?, CounterPage::create()?);
        let (control, theirs) = Channel::pair()?;
        let mut descriptors = vec![
            fixed.queue.as_fd(),
            fixed.raw4.as_fd(),
            fixed.raw6.as_fd(),
            verdict_files.memory.as_fd(),
            verdict_files.wake.as_fd(),
            event_files.memory.as_fd(),
            event_files.wake.as_fd(),
            counters.as_fd(),
            theirs.fd().as_fd(),
        ];
        descriptors.extend(fixed.samples.as_ref().map(AsFd::as_fd));
        let list: Vec<String> = descriptors.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
        let child = spawn::spawn(&Program {
            path: worker.to_owned(),
            name: "sakimori-agent".into(),
            arguments: vec!["worker".into(), "network".into()],
            environment: vec![
                (DESCRIPTORS_VARIABLE.into(), list.join(",").into()),
                // One heap for both threads: the C library reads a file when it shrinks a second one, which the
                // cage forbids.
                ("GLIBC_TUNABLES".into(), "glibc.malloc.arena_max=1".into()),
            ],
            descriptors,
        })?;
        drop(theirs);
        let files = SessionFiles {
            process: child.process.into_fd(),
            control: control.into_fd(),
            verdicts: verdict_files,
            events: event_files,
            counters,
        };
        Self::with(child.id, files, fixed, last_id, events)
    }

    /// Goes on with a worker that another program started.
    pub(super) fn with(
        id: u32,
        files: SessionFiles,
        fixed: &Fixed,
        last_id: u32,
        events: &SharedEvents,
    ) -> io::Result<Self> {
        let progress = Arc::new(Progress {
            last_id: AtomicU32::new(last_id),
            judged: AtomicU64::new(0),
            stopped: AtomicU64::new(0),
            events: AtomicU64::new(0),
            ending: AtomicBool::new(false),
            corrupt: AtomicBool::new(false),
        });
        let process = PidFd::from_fd(files.process);
        let verdict_thread = {
            let ring = VerdictConsumer::open(files.verdicts.try_clone()?)?;
            let writer = VerdictWriter::from_fd(fixed.queue.try_clone()?, fixed.number);
            let progress = Arc::clone(&progress);
            let worker = PidFd::from_fd(process.as_fd().try_clone_to_owned()?);
            move || write_verdicts(ring, writer, &progress, &worker)
        };
        let event_thread = {
            let ring = EventConsumer::open(files.events.try_clone()?)?;
            let progress = Arc::clone(&progress);
            let events = events.clone();
            let worker = PidFd::from_fd(process.as_fd().try_clone_to_owned()?);
            move || drain_events(ring, &events, &progress, &worker)
        };
        let page = CounterPage::open(&files.counters)?;
        let threads = vec![
            std::thread::Builder::new().name("verdicts".into()).spawn(verdict_thread)?,
            std::thread::Builder::new().name("events".into()).spawn(event_thread)?,
        ];
        Ok(Self {
            id,
            process,
            control: Channel::from_fd(files.control),
            page,
            progress,
            cage: None,
            files: (files.verdicts, files.events, files.counters),
            threads,
        })
    }

    /// Sends a plan; [`Self::take_answer`] takes what came of it.
    pub(super) fn send_plan(&self, plan: &NetworkPlan, firewall: &Plan) -> Result<(), ConfigureError> {
        let files: Vec<&RuleFile> = plan.rules.iter().chain(&plan.lists).chain(&plan.waf.rules).collect();
        let label = |counter: &Counter| {
            let rule = accounts::name_of(counter);
            (counter.name.clone(), Label { rule, inward: counter.direction == Direction::In })
        };
        let order = Order::Configure {
            settings: Settings::from(&plan.settings),
            files: describe(files.iter().copied()),
            lists: plan.lists.len(),
            web: Box::new(plan.web.clone()),
            rule_sets: plan.waf.rules.len(),
            waf: Box::new(plan.waf.settings.clone()),
            labels: firewall.all_counters().map(label).collect(),
            looking: Looking::from(&sensitivity(&plan.firewall, blocks::own_v6())),
        };
        self.control.send_order(&order, &files).map_err(|e| ConfigureError::Worker(e.to_string()))
    }

    /// Takes the answer to a plan.
    pub(super) fn take_answer(&mut self) -> Result<Configured, ConfigureError> {
        match self.control.receive_answer() {
            Ok(Some(Answer::Configured { rules, sites, waf_rules, needs_responses, findings, cage })) => {
                self.cage = Some(cage);
                let warnings = findings.into_iter().map(Into::into).collect();
                Ok(Configured { rules, sites, waf_rules, needs_responses, warnings })
            }
            Ok(Some(Answer::Refused(findings))) => {
                Err(ConfigureError::Rules(findings.into_iter().map(Into::into).collect()))
            }
            Ok(Some(Answer::Panicked(words))) => Err(ConfigureError::Worker(format!("it failed: {words:?}"))),
            Ok(Some(Answer::Retired)) => Err(ConfigureError::Worker("it answered out of turn".to_owned())),
            Ok(None) => Err(ConfigureError::Worker("it ended".to_owned())),
            Err(e) => Err(ConfigureError::Worker(e.to_string())),
        }
    }

    /// Lets it read packets.
    pub(super) fn go(&self) -> io::Result<()> {
        self.control.send_order(&Order::Go, &[])
    }

    /// Lets it judge what it has read, and end. False if it does not within `patience`.
    pub(super) fn retire(&self, patience: Duration) -> bool {
        self.control.send_order(&Order::Retire, &[]).is_ok()
            && self.control.readable(patience)
            && matches!(self.control.receive_answer(), Ok(Some(Answer::Retired)))
    }

    /// The worker's last words, if it said any.
    pub(super) fn last_words(&self) -> Option<String> {
        if !self.control.readable(Duration::ZERO) {
            return None;
        }
        match self.control.receive_answer() {
            Ok(Some(Answer::Panicked(words))) => Some(format!("{words:?}")),
            _ => None,
        }
    }

    /// Whether the worker wrote nonsense into a ring.
    pub(super) fn is_corrupt(&self) -> bool {
        self.progress.corrupt.load(Ordering::Relaxed)
    }

    /// The number of the last packet that was answered before this worker reads its first.
    pub(super) fn begin_after(&self, last_id: u32) {
        self.progress.last_id.store(last_id, Ordering::Release);
    }

    /// Ends the worker if it still runs, writes the last verdicts, takes the last events.
    pub(super) fn finish(mut self) {
        self.end();
    }

    /// As [`Self::finish`]; adds its numbers to `tally` and gives the number of the last packet with a verdict.
    pub(super) fn end_and_add(mut self, tally: &mut Tally) -> u32 {
        self.end();
        tally.add(&self.page);
        self.progress.last_id.load(Ordering::Acquire)
    }

    fn end(&mut self) {
        let _gone_already = self.process.kill();
        self.process.reap();
        self.end_threads();
    }

    /// Ends the threads and leaves the worker alone, for another program to go on with.
    pub(super) fn detach(mut self) -> SessionFiles {
        self.end_threads();
        let (verdicts, events, counters) = self.files;
        SessionFiles {
            process: self.process.into_fd(),
            control: self.control.into_fd(),
            verdicts,
            events,
            counters,
        }
    }

    fn end_threads(&mut self) {
        self.progress.ending.store(true, Ordering::SeqCst);
        wake(self.files.0.wake.as_fd());
        wake(self.files.1.wake.as_fd());
        for thread in self.threads.drain(..) {
            let _panicked = thread.join();
        }
    }
}

// === the verdict writer ===

fn write_verdicts(mut ring: VerdictConsumer, mut writer: VerdictWriter, progress: &Progress, worker: &PidFd) {
    let mut taken: Vec<VerdictEntry> = Vec::with_capacity(256);
    loop {
        // Before the ring is looked at: what was there when the end was announced is still written.
        let last_round = progress.ending.load(Ordering::SeqCst);
        taken.clear();
        if ring.take(&mut taken).is_err() {
            progress.corrupt.store(true, Ordering::Relaxed);
            let _gone_already = worker.kill();
            return;
        }
        if let Some(last) = taken.last() {
            write(&mut writer, &taken);
            let stopped =
                taken.iter().filter(|e| e.drop || e.mark.is_some_and(|m| m & MARK_BLOCKED != 0)).count();
            let _before = progress.stopped.fetch_add(stopped as u64, Ordering::Relaxed);
            let _before = progress.judged.fetch_add(taken.len() as u64, Ordering::Relaxed);
            progress.last_id.store(last.id, Ordering::Release);
        } else if last_round {
            return;
        } else if !(0..SPINS).any(|_| {
            std::hint::spin_loop();
            !ring.is_empty()
        }) {
            let _woken = ring.wait(None);
        }
    }
}

/// Alike verdicts go as one message up to the last number: packets are judged in the order of their numbers, so
/// everything below is either answered already or among them.
fn write(writer: &mut VerdictWriter, entries: &[VerdictEntry]) {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
    let contiguous = u32::try_from(entries.len() - 1).is_ok_and(|n| last.id.wrapping_sub(first.id) == n);
    let alike = entries.iter().all(|e| !e.drop && e.mark.is_none());
    let result = if alike && contiguous && entries.len() > 1 {
        writer.verdict_batch(last.id, Verdict::Accept, None)
    } else {
        let messages: Vec<VerdictMessage<'_>> = entries
            .iter()
            .map(|e| VerdictMessage {
                id: e.id,
                verdict: if e.drop { Verdict::Drop } else { Verdict::Accept },
                mark: e.mark.map(permitted),
                payload: None,
            })
            .collect();
        writer.verdicts(&messages)
    };
    if let Err(error) = result {
        tracing::error!(%error, "verdicts could not be given to the kernel");
    }
}

/// Of our marks a worker may set two; foreign bits are the packet's own.
fn permitted(mark: u32) -> u32 {
    const OURS: u32 = sakimori_kernel::nftables::MARK_MASK;
    mark & (!OURS | MARK_DONE | MARK_BLOCKED) & !MARK_INJECTED
}

// === the event drainer ===

fn drain_events(mut ring: EventConsumer, events: &SharedEvents, progress: &Progress, worker: &PidFd) {
    let mut bytes = Vec::new();
    let mut batch = Vec::new();
    let mut lost = ring.lost();
    let mut looked = sakimori_kernel::clock::monotonic();
    loop {
        let last_round = progress.ending.load(Ordering::SeqCst);
        let honest = copy_events(&mut ring, &mut bytes, &mut batch);
        if !batch.is_empty() {
            events.accounts.settle(&mut batch);
            events.blocks.judge(&mut batch);
            events.give(&batch);
            // Durable now: their room may be used again.
            ring.release();
            let _before = progress.events.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
        if !honest {
            progress.corrupt.store(true, Ordering::Relaxed);
            let _gone_already = worker.kill();
            return;
        }
        if !batch.is_empty() {
            continue;
        }
        let now_lost = ring.lost();
        if now_lost > lost {
            events.give(&[gap("events", now_lost - lost, "event-ring-full")]);
            lost = now_lost;
        }
        let now = sakimori_kernel::clock::monotonic();
        if now.saturating_sub(looked) >= accounts::EVERY {
            looked = now;
            let unseen = events.accounts.unseen();
            if !unseen.is_empty() {
                events.give(&unseen);
            }
        }
        if last_round {
            return;
        }
        let _woken = ring.wait(Some(accounts::EVERY));
    }
}

/// Copies what waits in the ring into `batch` (its former content goes), [`EVENT_BATCH`] at most: they become durable
/// together. False where the worker wrote what none of its modules says; `batch` then has what came before.
fn copy_events(ring: &mut EventConsumer, bytes: &mut Vec<u8>, batch: &mut Vec<Event>) -> bool {
    batch.clear();
    while batch.len() < EVENT_BATCH {
        match ring.copy_next(bytes) {
            Ok(true) => match accept(bytes) {
                Some(event) => batch.push(event),
                None => return false,
            },
            Ok(false) => return true,
            Err(_corrupt) => return false,
        }
    }
    true
}

/// A worker reports what its modules see, and nothing else.
fn accept(bytes: &[u8]) -> Option<Event> {
    let mut event: Event = serde_json::from_slice(bytes).ok()?;
    let known: &[&str] = match event.module.as_str() {
        module if module == intrusion_prevention::MODULE.id => &[Intrusion::KIND, Gap::KIND, Notice::KIND],
        module if module == web_reputation::MODULE.id => &[WebReputationEvent::KIND],
        module if module == web_application_firewall::MODULE.id => &[WebAttack::KIND],
        module if module == firewall::MODULE.id => {
            name_interface(&mut event)?;
            &[FirewallEvent::KIND, Reconnaissance::KIND]
        }
        _ => return None,
    };
    known.contains(&event.kind.as_str()).then_some(event)
}

/// Puts an interface's name in the place of its number, which is all that a worker knows. One that has gone keeps it.
fn name_interface(event: &mut Event) -> Option<()> {
    let place = event.detail.get_mut("interface")?;
    if place == "*" {
        return Some(());
    }
    let number = place.as_str()?.parse::<u32>().ok()?;
    if let Some(name) = sakimori_kernel::interface::name(number) {
        *place = name.into();
    }
    Some(())
}

/// An event about something lost.
pub(super) fn gap(what: &str, count: u64, reason: &str) -> Event {
    let gap = Gap { what: what.to_owned(), count, reason: reason.to_owned() };
    let at = Timestamp(sakimori_kernel::clock::wall_micros());
    Event::new(at, intrusion_prevention::MODULE.id, Severity::Medium, Action::Noted, &gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_sets_two_of_our_marks_and_leaves_the_others() {
        assert_eq!(permitted(0x0F00_0000), MARK_DONE | MARK_BLOCKED);
        assert_eq!(permitted(0xFC34_5678), 0xF034_5678);
    }

    #[test]
    fn a_worker_cannot_speak_for_another_module() {
        let mut event = gap("events", 1, "x");
        assert!(accept(&serde_json::to_vec(&event).unwrap()).is_some());
        event.module = firewall::MODULE.id.to_owned();
        assert!(accept(&serde_json::to_vec(&event).unwrap()).is_none(), "not a kind of that module");
        event.module = "agent".to_owned();
        assert!(accept(&serde_json::to_vec(&event).unwrap()).is_none());
        assert!(accept(b"{}").is_none());
        assert!(accept(b"\xff").is_none());
    }
}
