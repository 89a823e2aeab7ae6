//! The sandboxed process: packets in, verdicts and events out.
//!
//! Two threads, both in the cage ([`sakimori_kernel::sandbox`]) before the first packet is read. The *desk* takes
//! orders and compiles rule sets, so that traffic does not stand still for a compilation; it also ends the process
//! when the supervisor has gone. The *judge* reads packets, asks the engine, and writes events and verdicts
//! into rings. An event is in its ring before the verdict of its packet is, and durable before an attacker is answered
//! ([`super::withheld`]).

use super::channel::{Answer, Channel, Order};
use super::gathering::Gathering;
use super::probes::{Looking, Probes};
use super::samples::{Gathered, Label};
use super::withheld::Withheld;
use super::{RuleFile, tally, translate, waf};
use crate::pipe::cut;
use sakimori_inspection::{
    Checksums, Config, Engine, FlowMark, Judgement, Path, Sighting, Verdict, WebFirewall, WebReputation,
    coverage,
};
use sakimori_kernel::nflog::SampleReader;
use sakimori_kernel::nfqueue::{Batch, Hook, QueueMessage, QueueReader, QueuedPacket};
use sakimori_kernel::nftables::{MARK_BLOCKED, MARK_DONE, MARK_OUTGOING, SCAN_LABEL};
use sakimori_kernel::raw_socket::RawSender;
use sakimori_kernel::ring::RingFiles;
use sakimori_kernel::ring::counters::CounterPage;
use sakimori_kernel::ring::events::{EventProducer, PushError};
use sakimori_kernel::ring::verdicts::{VerdictEntry, VerdictProducer};
use sakimori_kernel::sandbox::{self, Cage, SystemCalls};
use sakimori_kernel::{clock, spawn};
use sakimori_model::{Diagnostic, IntrusionPrevention, Level, Mode, Now, Timestamp};
use sakimori_modules::web_application_firewall::WebApplicationFirewall;
use sakimori_modules::web_reputation::{self, WebReputation as Settings, WebReputationEvent};
use sakimori_protocol::Event;
use sakimori_reputation::Builder;
use sakimori_signatures::{RuleSet, SourceFile, Variables, compile};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Names the descriptors that a worker inherits: queue, raw IPv4, raw IPv6, verdict memory and wake-up, event
/// memory and wake-up, counters, control, and samples where there are any.
pub(super) const DESCRIPTORS_VARIABLE: &str = "SAKIMORI_WORKER";

/// Bound of heap and private mappings. The engine's own limits lie below; this one holds when they fail.
const DATA_BYTES: u64 = 1 << 30;
/// Packets of one read.
const SLOTS: usize = 32;
/// Verdicts placed before they are shown to the writer, so that the first packets of a burst do not wait for the last.
const PUBLISH_EVERY: usize = 8;
/// How long an idle judge sleeps before it looks at its orders, and says that it is alive.
const TURN_MS: u32 = 100;
/// The same while answers wait for their events to become durable.
const WAITING_TURN_MS: u32 = 1;
/// How long an event may wait for room before it is counted as lost: one disk's hiccup.
const EVENT_PATIENCE: Duration = Duration::from_millis(50);
/// How often samples of the firewall are looked for: apart from the packets, which are waited for.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);
/// How often time-outs of flows are looked for.
const EXPIRE_EVERY: Duration = Duration::from_millis(500);

/// What the desk asks of the judge. Each is answered when it is done.
enum Change {
    Rules(Box<Fresh>, SyncSender<bool>),
    Go,
    Retire(SyncSender<()>),
}

/// What is to be in force from now on.
struct Fresh {
    settings: IntrusionPrevention,
    rules: Arc<RuleSet>,
    web: WebReputation,
    /// The web application firewall, and its rule set's name.
    waf: (Option<WebFirewall>, String),
    labels: BTreeMap<String, Label>,
    looking: Looking,
}

/// The control channel, for the last words of a panicking thread.
static LAST_WORDS: OnceLock<Channel> = OnceLock::new();

/// The body of `sakimori-agent worker network`; gives the process's exit code.
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        // Standard error is closed to us inside the cage; outside of it the supervisor sees the code.
        Err(_unsayable) => ExitCode::FAILURE,
    }
}

fn serve() -> io::Result<()> {
    let list = std::env::var(DESCRIPTORS_VARIABLE).map_err(io::Error::other)?;
    let mut descriptors = spawn::inherited_list(&list)?;
    let samples = (descriptors.len() == 10).then(|| descriptors.pop()).flatten();
    let descriptors: [OwnedFd; 9] = descriptors
        .try_into()
        .map_err(|_other_count| io::Error::other("not the descriptors of a network worker"))?;
    let [queue, raw4, raw6, verdicts, verdict_wake, events, event_wake, counters, control] = descriptors;

    let cage = Cage {
        system_calls: SystemCalls {
            receive_many: samples.iter().chain([&queue]).map(AsRawFd::as_raw_fd).collect(),
            send_to: vec![raw4.as_raw_fd(), raw6.as_raw_fd()],
            read: vec![control.as_raw_fd()],
            write: vec![control.as_raw_fd(), verdict_wake.as_raw_fd(), event_wake.as_raw_fd()],
            ..SystemCalls::default()
        },
        data_bytes: DATA_BYTES,
        without_seccomp: false,
    };
    let control = Channel::from_fd(control);
    let counters_page = CounterPage::open(&counters)?;
    drop(counters);
    let judge = Judge {
        engine: None,
        rule_set: String::new(),
        reader: QueueReader::from_fd(queue),
        raw: RawSender::from_fds(raw4, raw6),
        verdicts: VerdictProducer::open(RingFiles { memory: verdicts, wake: verdict_wake })?,
        events: EventProducer::open(RingFiles { memory: events, wake: event_wake })?,
        patient: true,
        withheld: Withheld::default(),
        counters: counters_page,
        samples: samples.map(SampleReader::from_fd),
        gathered: Gathered::default(),
        probes: Probes::default(),
        sampled: Duration::ZERO,
        seeds: (seed()?, seed()?),
    };

    let (changes, orders) = channel();
    let (entered, cage_entered) = sync_channel(1);
    let last_words = LAST_WORDS.get_or_init(|| control);
    std::panic::set_hook(Box::new(|panic| {
        let mut words = panic.to_string();
        words.truncate(words.char_indices().map(|(at, _)| at).take_while(|at| *at < 512).last().unwrap_or(0));
        let _unsaid = last_words_channel().map(|channel| channel.send_answer(&Answer::Panicked(words)));
        std::process::abort();
    }));
    let (begun, begins) = sync_channel(1);
    let report = sandbox::enter(&cage, || {
        let work = move || {
            let _main_has_gone = begun.send(());
            desk(last_words, &changes, &cage_entered);
        };
        let _detached = std::thread::Builder::new().name("desk".into()).spawn(work)?;
        // A thread's first steps (its name, its signal stack) are not on the list of the cage.
        begins.recv().map_err(io::Error::other)
    })
    .map_err(io::Error::other)?;
    entered.send(report).map_err(io::Error::other)?;
    judge.work(&orders)
}

fn last_words_channel() -> Option<&'static Channel> {
    LAST_WORDS.get()
}

fn seed() -> io::Result<u64> {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0; 8];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_unspecified| io::Error::other("no randomness"))?;
    Ok(u64::from_le_bytes(bytes))
}

// === the desk ===

/// Takes orders until the supervisor has gone; then ends the process, whatever the judge does.
#[expect(clippy::exit, reason = "the process must end although its other thread is at work")]
fn desk(control: &Channel, judge: &Sender<Change>, entered: &Receiver<sandbox::SandboxReport>) {
    let Ok(cage) = entered.recv() else { std::process::exit(2) };
    loop {
        let Ok(Some((order, raw))) = control.receive_order() else { std::process::exit(0) };
        let answer = match order {
            Order::Configure { settings, files, lists, web, rule_sets, waf, labels, looking } => configure(
                judge,
                Ordered {
                    settings: settings.into(),
                    files,
                    lists,
                    web: *web,
                    rule_sets,
                    waf: *waf,
                    labels,
                    looking,
                },
                &raw,
                &cage,
            ),
            Order::Go => {
                let _judge_has_gone = judge.send(Change::Go);
                None
            }
            Order::Retire => {
                let (done, retired) = sync_channel(1);
                let _judge_has_gone = judge.send(Change::Retire(done));
                retired.recv().ok().map(|()| Answer::Retired)
            }
        };
        let Some(answer) = answer else { continue };
        let last = matches!(answer, Answer::Retired);
        if control.send_answer(&answer).is_err() || last {
            std::process::exit(0);
        }
    }
}

/// A configuration as it was ordered.
struct Ordered {
    settings: IntrusionPrevention,
    files: Vec<(String, u32)>,
    lists: usize,
    web: Settings,
    rule_sets: usize,
    waf: WebApplicationFirewall,
    labels: BTreeMap<String, Label>,
    looking: Looking,
}

fn configure(
    judge: &Sender<Change>,
    ordered: Ordered,
    raw: &[u8],
    cage: &sandbox::SandboxReport,
) -> Option<Answer> {
    let mut files = cut(ordered.files, raw)?;
    let rule_sets = files.split_off(files.len().checked_sub(ordered.rule_sets)?);
    let lists = files.split_off(files.len().checked_sub(ordered.lists)?);
    if ordered.settings.mode == Mode::Off {
        files.clear();
    }
    let sources: Vec<SourceFile> =
        files.into_iter().map(|file| SourceFile { name: file.name, text: file.text }).collect();
    let compiled = compile(&sources, &Variables::default());
    let names: Vec<String> = sources.into_iter().map(|source| source.name).collect();
    let settings = &ordered.settings;
    let unseen = compiled
        .rules
        .unseen(&names, |rule| settings.rule_mode(rule.sid) == Mode::Off || coverage::is_fed_inline(rule));
    let (web, more) = web_reputation(&ordered.web, &lists)?;
    drop(lists);
    let waf = waf::compile(&ordered.waf, &rule_sets);
    let rule_set = rule_sets.into_iter().next().map(|document| document.name).unwrap_or_default();
    let is_error = |d: &Diagnostic| d.level == Level::Error;
    let mut findings = compiled.diagnostics;
    findings.extend(unseen);
    findings.extend(more);
    findings.extend(waf.findings);
    let broken = findings.iter().any(is_error);
    let findings = findings.into_iter().map(Into::into).collect();
    if broken {
        return Some(Answer::Refused(findings));
    }
    // Those that are not assigned are off: they are compiled with the others, and never judge.
    let rules =
        compiled.rules.rules().iter().filter(|rule| settings.rule_mode(rule.sid) != Mode::Off).count();
    let sites = u64::try_from(web.lists.len()).unwrap_or(u64::MAX);
    let fresh = Fresh {
        settings: ordered.settings,
        rules: Arc::new(compiled.rules),
        web,
        waf: (waf.web, rule_set),
        labels: ordered.labels,
        looking: ordered.looking,
    };
    let (done, swapped) = sync_channel(1);
    judge.send(Change::Rules(Box::new(fresh), done)).ok()?;
    let needs_responses = swapped.recv().ok()?;
    Some(Answer::Configured {
        rules: u32::try_from(rules).unwrap_or(u32::MAX),
        sites,
        waf_rules: waf.rules,
        needs_responses,
        findings,
        cage: cage.clone().into(),
    })
}

/// The lists of the policy and of the content, ready to be asked. Nothing is read while the module is off.
fn web_reputation(settings: &Settings, lists: &[RuleFile]) -> Option<(WebReputation, Vec<Diagnostic>)> {
    let mode: Mode = settings.mode.into();
    if mode == Mode::Off {
        return Some((WebReputation::default(), Vec::new()));
    }
    let mut builder = Builder::new(seed().ok()?);
    let mut findings = Vec::new();
    for (name, allow, text) in translate::own_lists(settings) {
        findings.extend(if allow {
            builder.allow_list(name, text.as_bytes())
        } else {
            builder.block_list(name, text.as_bytes())
        });
    }
    for list in lists {
        findings.extend(builder.block_list(&list.name, &list.text));
    }
    let web = WebReputation {
        mode,
        ports: translate::web_ports(settings),
        block_page: settings.block_page,
        lists: Arc::new(builder.build()),
    };
    Some((web, findings))
}

// === the judge ===

struct Judge {
    engine: Option<Engine>,
    /// The name of the web application firewall's rule set.
    rule_set: String,
    reader: QueueReader,
    raw: RawSender,
    verdicts: VerdictProducer,
    events: EventProducer,
    /// Whether the last event found room in time: a supervisor that has stopped is waited for once, not at each event.
    patient: bool,
    withheld: Withheld,
    counters: CounterPage,
    samples: Option<SampleReader>,
    gathered: Gathered,
    probes: Probes,
    /// When samples were read last.
    sampled: Duration,
    seeds: (u64, u64),
}

impl Judge {
    fn work(mut self, changes: &Receiver<Change>) -> io::Result<()> {
        let mut batch = Batch::new(SLOTS);
        let mut turns = 0u64;
        let mut reading = false;
        let mut expired = Duration::ZERO;
        let mut gathering = Gathering::default();
        loop {
            turns += 1;
            tally::beat(&self.counters, turns);
            let change = if reading {
                changes.try_recv().ok()
            } else {
                changes.recv_timeout(Duration::from_millis(TURN_MS.into())).ok()
            };
            match change {
                Some(Change::Rules(fresh, done)) => {
                    let needs = self.configure(*fresh);
                    let _desk_has_gone = done.send(needs);
                }
                Some(Change::Go) => reading = true,
                Some(Change::Retire(done)) => {
                    // Everything read in earlier turns is judged and published.
                    reading = false;
                    while !self.withheld.is_empty() {
                        self.answer(now().monotonic);
                        clock::sleep(Duration::from_millis(WAITING_TURN_MS.into()));
                    }
                    let _desk_has_gone = done.send(());
                }
                None => {}
            }
            if !reading {
                continue;
            }
            let patience = if self.withheld.is_empty() { TURN_MS } else { WAITING_TURN_MS };
            let read = self.reader.read(&mut batch, Some(patience))?;
            let now = now();
            self.answer(now.monotonic);
            if read > 0 {
                self.judge(now, &batch);
                if let Some(pause) = gathering.pause(now.monotonic, read, SLOTS) {
                    clock::sleep(pause);
                }
            }
            if now.monotonic.saturating_sub(self.sampled) >= SAMPLE_EVERY {
                self.take_samples(now);
            }
            if now.monotonic.saturating_sub(expired) >= EXPIRE_EVERY {
                expired = now.monotonic;
                if let Some(engine) = &mut self.engine {
                    engine.expire(now);
                }
                self.drain_events();
                self.publish_counters();
            }
        }
    }

    fn configure(&mut self, fresh: Fresh) -> bool {
        let Fresh { settings, rules, web, waf, labels, looking } = fresh;
        self.gathered.set_labels(labels);
        self.probes.set(&looking);
        if let Some(engine) = &mut self.engine {
            engine.swap(settings, rules);
            engine.set_web_reputation(web);
        } else {
            let (incident_seed, hash_seed) = self.seeds;
            let engine = Engine::new(Config::new(settings, incident_seed, hash_seed), rules);
            self.engine.insert(engine).set_web_reputation(web);
        }
        let (firewall, rule_set) = waf;
        self.rule_set = rule_set;
        if let Some(engine) = &mut self.engine {
            engine.set_web_firewall(firewall);
        }
        self.engine.as_ref().is_some_and(Engine::needs_responses)
    }

    /// Reads what the firewall sampled; a bounded number, so that a flood does not hold up verdicts.
    fn take_samples(&mut self, now: Now) {
        const READS: usize = 16;
        self.sampled = now.monotonic;
        let Some(samples) = &mut self.samples else { return };
        let (gathered, probes) = (&mut self.gathered, &mut self.probes);
        let mut events = Vec::new();
        for _ in 0..READS {
            let read = samples.read(|sample| {
                if sample.label == SCAN_LABEL.as_bytes() {
                    events.extend(probes.take(now, &sample));
                } else {
                    gathered.take(now.wall, &sample);
                }
            });
            if !read.is_ok_and(|count| count > 0) {
                break;
            }
        }
        events.extend(self.gathered.drain(now));
        for event in events {
            self.place_event(&event);
        }
    }

    fn judge(&mut self, now: Now, batch: &Batch) {
        let mut placed = 0;
        for message in batch.messages() {
            let QueueMessage::Packet(packet) = message else { continue };
            let Some(engine) = &mut self.engine else { continue };
            // Verified only where neither the card nor the kernel has done so, and where it is there already.
            let judgement = engine.inspect_on(now, packet.payload, checksums(&packet), path(&packet));
            // Events first: they must survive whatever happens after the verdict.
            self.drain_events();
            let entry = entry(&packet, &judgement);
            for injection in judgement.inject {
                self.withheld.hold(now.monotonic, injection.packet, self.events.position());
            }
            while self.verdicts.push(entry).is_err() {
                // More than can wait in the queue: the writer is behind.
                self.verdicts.publish();
                clock::sleep(Duration::from_micros(50));
            }
            placed += 1;
            if placed % PUBLISH_EVERY == 0 {
                self.verdicts.publish();
            }
        }
        self.verdicts.publish();
        self.answer(now.monotonic);
        self.publish_counters();
    }

    /// Sends the answers whose events are durable.
    fn answer(&mut self, now: Duration) {
        while let Some(packet) = self.withheld.next(now, |position| self.events.is_released(position)) {
            // A packet that cannot be sent now (no route, full buffer) is the peer's time-out instead.
            let _unsent = self.raw.send(&packet);
        }
    }

    fn drain_events(&mut self) {
        let Some(engine) = &mut self.engine else { return };
        let mut events: Vec<Event> = engine.drain_events().map(Event::from).collect();
        events.extend(engine.drain_sightings().map(|sighting| event(&sighting)));
        events.extend(engine.drain_web_attacks().map(|attack| waf::event(&attack, &self.rule_set)));
        for event in &events {
            self.place_event(event);
        }
    }

    fn place_event(&mut self, event: &Event) {
        let Ok(bytes) = serde_json::to_vec(event) else { return };
        self.patient = place(&mut self.events, &bytes, self.patient);
    }

    fn publish_counters(&self) {
        if let Some(engine) = &self.engine {
            tally::publish(&self.counters, &engine.counters());
        }
    }
}

/// Places an event; waits for room a little, if the last one did not wait in vain. Whether it found room.
fn place(ring: &mut EventProducer, bytes: &[u8], patient: bool) -> bool {
    let give_up = clock::monotonic() + if patient { EVENT_PATIENCE } else { Duration::ZERO };
    loop {
        match ring.push(bytes) {
            Ok(()) => return true,
            Err(PushError::Full) if clock::monotonic() < give_up => clock::sleep(Duration::from_millis(1)),
            Err(PushError::Full | PushError::TooLong) => {
                ring.count_lost();
                return false;
            }
        }
    }
}

/// A blocked flow's packet is *accepted* with the mark: a dropped packet's mark is lost, and the table's later
/// chain both remembers the mark and drops.
fn entry(packet: &QueuedPacket<'_>, judgement: &Judgement) -> VerdictEntry {
    let (drop, mark) = match (judgement.verdict, judgement.mark) {
        (_, FlowMark::Blocked) => (false, Some(packet.mark | MARK_BLOCKED)),
        (Verdict::Accept, FlowMark::Done) => (false, Some(packet.mark | MARK_DONE)),
        (Verdict::Accept, FlowMark::None) => (false, None),
        (Verdict::Drop, FlowMark::None | FlowMark::Done) => (true, None),
    };
    VerdictEntry { id: packet.id, drop, mark }
}

/// Where a packet was met.
const fn path(packet: &QueuedPacket<'_>) -> Path {
    match packet.hook {
        Hook::Output => Path::Leaving,
        _ if packet.mark & MARK_OUTGOING != 0 => Path::FromContainer,
        _ => Path::Serving,
    }
}

fn event(sighting: &Sighting) -> Event {
    let detail = WebReputationEvent {
        incident: sighting.incident.to_string(),
        url: sighting.url.clone(),
        entry: sighting.entry.clone(),
        category: sighting.category.clone(),
        list: sighting.list.clone(),
        seen_in: sighting.seen_in.as_str().to_owned(),
        client: sighting.client.to_string(),
        client_port: sighting.client_port,
        server: sighting.server.to_string(),
        server_port: sighting.server_port,
    };
    Event::new(sighting.at, web_reputation::MODULE.id, sighting.severity, sighting.action, &detail)
}

/// A packet whose checksum nobody has looked at yet may be one that the server will throw away; one that comes from
/// this machine carries no sum yet.
fn checksums(packet: &QueuedPacket<'_>) -> Checksums {
    if packet.checksum_not_verified && !packet.checksum_not_ready {
        Checksums::VerifyUnlessOffloaded
    } else {
        Checksums::Ignore
    }
}

fn now() -> Now {
    Now { wall: Timestamp(clock::wall_micros()), monotonic: clock::monotonic() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sakimori_kernel::ring::events::{self, EventConsumer};

    #[test]
    fn a_full_event_ring_is_waited_for_once_and_then_only_counted() {
        let files = events::create().unwrap();
        let consumer = EventConsumer::open(files.try_clone().unwrap()).unwrap();
        let mut ring = EventProducer::open(files).unwrap();
        let event = vec![b'x'; 30_000];
        while ring.push(&event).is_ok() {}
        let began = clock::monotonic();
        assert!(!place(&mut ring, &event, true));
        let patient = clock::monotonic().saturating_sub(began);
        assert!(!place(&mut ring, &event, false));
        let impatient = clock::monotonic().saturating_sub(began + patient);
        assert!(patient >= EVENT_PATIENCE, "gave up after {patient:?}");
        assert!(impatient < EVENT_PATIENCE, "waited again: {impatient:?}");
        assert_eq!(consumer.lost(), 2);
    }
}
