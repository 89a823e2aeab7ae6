//! The thread that keeps the traffic judged: it owns the table, the queue and the worker's life.
//!
//! While a worker runs it only watches: the process, its heartbeat, the orders from [`super::Network`]. When the worker
//! ends, for whatever reason, everything that it had read gets the verdict of the policy's failure
//! response at once, and a new worker starts; what still waits in the socket waits for it. If that takes longer than
//! [`GRACE`], waiting packets get the failure response too. The guard reads packet *numbers*; it never
//! looks into a packet.

mod report;

pub(super) use report::Totals;
use report::notice;

use super::outage::Outage;
use super::queue_head;
use super::schedule::Schedule;
use super::session::{ConfigureError, Configured, Session, gap};
use super::tally;
use super::translate;
use super::{Applied, ApplyError, Fixed, NetworkPlan, SharedEvents, View};
use sakimori_kernel::clock;
use sakimori_kernel::conntrack;
use sakimori_kernel::nflog::SampleSocket;
use sakimori_kernel::nfqueue::{
    Batch, QueueMessage, QueueReader, QueueSocket, Verdict, VerdictMessage, VerdictWriter, read_statistics,
};
use sakimori_kernel::nftables::{Capabilities, Forwarding, Table, TablePlan, TableState};
use sakimori_kernel::ring::wake;
use sakimori_kernel::routes;
use sakimori_model::{FailureResponse, Level, Mode, PortRange};
use sakimori_modules::agent::Gap;
use sakimori_modules::firewall::Firewall;
use sakimori_protocol::Event;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long packets may wait for a new worker. A start takes some tens of milliseconds; a TCP sender repeats after 200.
const GRACE: Duration = Duration::from_millis(200);
/// How long packets that a former supervisor's table queues may wait for the first plan: it comes from disk at once,
/// or not at all.
const PLAN_GRACE: Duration = Duration::from_secs(10);
/// How long a worker may take to compile a rule set: 26,000 rules take a few seconds.
const COMPILE_PATIENCE: Duration = Duration::from_mins(2);
/// How long the judging thread may make no turn: a thousand times the longest honest one.
const HANG: Duration = Duration::from_secs(5);
/// How often a quiet guard looks around.
const TURN: Duration = Duration::from_millis(500);
/// How often a guard without worker looks for packets to answer.
const OUTAGE_TURN: Duration = Duration::from_millis(5);
/// How long packets in the queue are waited for before the table goes.
const DRAIN_PATIENCE: Duration = Duration::from_millis(500);
/// How long an old worker may take to judge what it has read.
const RETIRE_PATIENCE: Duration = Duration::from_secs(2);
/// How often packets that passed the full queue uninspected are looked for.
const OVERFLOW_EVERY: Duration = Duration::from_secs(5);
/// How often it is looked for new interfaces, while rules are about frames, and whether the host has begun to pass packets on.
const INTERFACES_EVERY: Duration = Duration::from_secs(1);

/// What [`super::Network`] asks of the guard.
pub(super) enum Command {
    Apply(Box<NetworkPlan>, SyncSender<Result<Applied, ApplyError>>),
    Firewall(Box<Firewall>, Vec<SocketAddr>, SyncSender<Result<(), ApplyError>>),
    Look(SyncSender<()>),
    Stop,
    HandOver(SyncSender<Guard>),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) worker: PathBuf,
    pub(super) socket: QueueSocket,
    pub(super) fixed: Arc<Fixed>,
    pub(super) table: Table,
    pub(super) capabilities: Capabilities,
    pub(super) writer: VerdictWriter,
    pub(super) reader: QueueReader,
    pub(super) events: SharedEvents,
    pub(super) view: Arc<Mutex<View>>,
    pub(super) plan: Option<NetworkPlan>,
    /// The firewall of the plan in force.
    pub(super) firewall: sakimori_firewall::Plan,
    /// Whether this guard has put a firewall in force that has connections tracked: those that stood before it are known.
    pub(super) tracks: bool,
    /// Whether the host passed packets on for others when the table was put in force.
    pub(super) routes: bool,
    /// When new interfaces are looked for next.
    pub(super) next_interfaces: Duration,
    pub(super) rules: u32,
    /// Entries of web reputation's lists.
    pub(super) sites: u64,
    /// Rules of the web application firewall.
    pub(super) waf_rules: u32,
    pub(super) needs_responses: bool,
    pub(super) session: Option<Session>,
    pub(super) totals: Totals,
    pub(super) outage: Option<Outage>,
    /// The outage that the running worker ended.
    pub(super) last_outage: Option<Outage>,
    /// The number of the last packet that has an answer, while no worker runs.
    pub(super) answered: u32,
    /// Heartbeat and when it last changed.
    pub(super) pulse: (u64, Duration),
    pub(super) looked: Duration,
    /// Which rules count at this time of the week and in this place.
    pub(super) schedule: Schedule,
    /// Events about the guard's own doings, given on when the traffic is in good hands again.
    pub(super) untold: Vec<Event>,
}

impl Guard {
    /// Watches until it is told to stop or to hand over.
    pub(super) fn work(mut self, commands: &Receiver<Command>, wake_up: &OwnedFd) {
        loop {
            self.rest(wake_up);
            match commands.try_recv() {
                Ok(Command::Apply(plan, reply)) => {
                    let result = self.apply(*plan);
                    if result.is_err() {
                        self.schedule.observer().only(self.plan.as_ref());
                    }
                    self.show();
                    let _asker_has_gone = reply.send(result);
                    // There may be more.
                    wake(wake_up.as_fd());
                }
                Ok(Command::Firewall(firewall, always, reply)) => {
                    let result = self.set_firewall(*firewall, always);
                    if result.is_err() {
                        self.schedule.observer().only(self.plan.as_ref());
                    }
                    self.show();
                    let _asker_has_gone = reply.send(result);
                    wake(wake_up.as_fd());
                }
                Ok(Command::Look(reply)) => {
                    self.show();
                    let _asker_has_gone = reply.send(());
                    wake(wake_up.as_fd());
                }
                Ok(Command::HandOver(reply)) => {
                    let _asker_has_gone = reply.send(self);
                    return;
                }
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => {
                    self.put_off();
                    self.tell();
                    return;
                }
                Err(TryRecvError::Empty) => {}
            }
            self.turn();
        }
    }

    /// Sleeps until there is something to do.
    fn rest(&self, wake_up: &OwnedFd) {
        use rustix::event::{PollFd, PollFlags, poll};
        let turn = if self.outage.is_some() { OUTAGE_TURN } else { TURN };
        let timeout = rustix::time::Timespec::try_from(turn).ok();
        let mut watched = vec![PollFd::new(wake_up, PollFlags::IN)];
        if let Some(session) = &self.session {
            watched.push(PollFd::new(&session.process, PollFlags::IN));
        }
        let _ready = poll(&mut watched, timeout.as_ref());
        let mut rung = [0; 8];
        let _cleared = rustix::io::read(wake_up, &mut rung);
    }

    fn turn(&mut self) {
        let now = clock::monotonic();
        self.check_worker(now);
        if let Some(outage) =
            self.outage.as_ref().filter(|outage| outage.next_try <= now && self.plan.is_some())
        {
            let attempt = outage.attempts;
            self.restart(attempt);
        }
        self.answer_in_outage();
        if self.outage.is_none() {
            self.tell();
            if now.saturating_sub(self.looked) >= OVERFLOW_EVERY {
                self.looked = now;
                self.look_for_overflow();
            }
            self.follow_schedule(now);
            if now >= self.next_interfaces {
                self.next_interfaces = now + INTERFACES_EVERY;
                self.follow_routing();
                self.follow_interfaces();
            }
        }
    }

    /// Puts the table in force anew where the host has begun, or ended, to pass packets on for others.
    fn follow_routing(&mut self) {
        let filters = self.firewall.chains.iter().any(|chain| !chain.steps.is_empty());
        if !filters || routes::passes_on() == self.routes {
            return;
        }
        tracing::info!(
            routes = !self.routes,
            "whether this host passes packets on has changed: the firewall follows"
        );
        if let Err(error) = self.put_table(TableState::Queue) {
            tracing::error!(%error, "the firewall could not follow that this host routes; it is tried again");
        }
    }

    /// Puts the table in force anew where an interface has come at which rules for frames are missing.
    fn follow_interfaces(&mut self) {
        if self.firewall.frames.is_empty() {
            return;
        }
        match self.table.lacks_interfaces(&self.firewall.frames) {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!("an interface has come: rules for frames are put there too");
                if let Err(error) = self.put_table(TableState::Queue) {
                    tracing::error!(%error, "rules for frames are missing at an interface; it is tried again");
                }
            }
            Err(error) => tracing::warn!(%error, "interfaces could not be looked for"),
        }
    }

    /// Puts the plan in force anew where a rule begins or ends to count.
    fn follow_schedule(&mut self, now: Duration) {
        let Some(plan) = self.plan.as_ref().filter(|plan| !plan.is_off()) else { return };
        if !self.schedule.has_changed(plan, now) {
            return;
        }
        let plan = plan.clone();
        match self.apply(plan) {
            Ok(_applied) => {
                self.schedule.followed();
                self.show();
                tracing::info!("rules begin or end to count by their schedules and contexts");
            }
            Err(error) => {
                tracing::error!(?error, "a schedule or context could not be followed; it is tried again");
            }
        }
    }

    /// Whether the worker has ended or hangs.
    fn check_worker(&mut self, now: Duration) {
        let Some(session) = &self.session else { return };
        let beat = tally::heartbeat(&session.page);
        if beat != self.pulse.0 {
            self.pulse = (beat, now);
        }
        let ended = session.process.wait(Some(Duration::ZERO));
        let hangs = now.saturating_sub(self.pulse.1) >= HANG;
        if !ended && !hangs {
            return;
        }
        let why = match (session.is_corrupt(), ended) {
            (true, _) => "corrupt",
            (false, true) => "ended",
            (false, false) => "hung",
        };
        self.lose_worker(why, now);
    }

    /// The worker is lost: answers what it had read, and begins an outage.
    fn lose_worker(&mut self, why: &str, now: Duration) {
        let Some(session) = self.session.take() else { return };
        let (id, words) = (session.id, session.last_words());
        tracing::error!(worker = id, why, words, "the network worker is lost; a new one starts");
        self.close(session);
        self.settle("worker-restart");
        self.totals.restarts += 1;
        self.outage = Some(Outage::begin(now, self.last_outage.take()));
        self.untold.push(notice("worker-restarted", &[("why", why)]));
    }

    /// Ends a session and keeps its sums.
    fn close(&mut self, session: Session) {
        let progress = Arc::clone(&session.progress);
        let last = session.end_and_add(&mut self.totals.tally);
        self.totals.judged += progress.judged.load(std::sync::atomic::Ordering::Relaxed);
        self.answered = last;
    }

    /// Gives the failure response to every packet that a lost worker read and did not judge.
    ///
    /// Numbers are given by the kernel one after another and read in that order, so those are the numbers after the
    /// last answered one and before the first that still waits in the socket.
    fn settle(&mut self, reason: &str) {
        // Asked first: what is assigned later is still in the socket.
        let assigned = read_statistics(self.fixed.number).ok().flatten().map(|s| s.last_id);
        let waiting = queue_head::first_waiting(&self.fixed.queue);
        let Some(up_to) = waiting.map(|id| id.wrapping_sub(1)).or(assigned) else { return };
        let count = up_to.wrapping_sub(self.answered);
        if count == 0 || count > u32::MAX / 2 {
            return;
        }
        let response = self.failure_response();
        if let Err(error) = self.writer.verdict_batch(up_to, response, None) {
            tracing::error!(%error, "the failure response could not be given");
            return;
        }
        self.answered = up_to;
        self.count_answered(u64::from(count), reason);
    }

    fn count_answered(&mut self, count: u64, reason: &str) {
        let what = if self.failure_response() == Verdict::Accept {
            self.totals.passed += count;
            "packets-uninspected"
        } else {
            self.totals.refused += count;
            "packets-refused"
        };
        // One event for an outage, however many packets.
        let same = self.untold.iter_mut().find_map(|event| {
            let told = event.read::<Gap>()?;
            (told.what == what && told.reason == reason).then_some((event, told.count))
        });
        match same {
            Some((event, told)) => *event = gap(what, told + count, reason),
            None => self.untold.push(gap(what, count, reason)),
        }
    }

    fn failure_response(&self) -> Verdict {
        match self.plan.as_ref().map(|plan| plan.settings.failure_response) {
            Some(FailureResponse::Closed) => Verdict::Drop,
            Some(FailureResponse::Open) | None => Verdict::Accept,
        }
    }

    /// Answers waiting packets with the failure response, if there has been no worker for too long.
    fn answer_in_outage(&mut self) {
        let Some(outage) = &self.outage else { return };
        let grace = if self.plan.is_some() { GRACE } else { PLAN_GRACE };
        if clock::monotonic().saturating_sub(outage.since) <= grace {
            return;
        }
        let response = self.failure_response();
        let mut batch = Batch::new(16);
        // Bounded: a flood must not keep the guard from starting a worker.
        for _ in 0..64 {
            match self.reader.read(&mut batch, Some(0)) {
                Ok(0) | Err(_) => return,
                Ok(_some) => {}
            }
            let messages: Vec<VerdictMessage<'_>> = batch
                .messages()
                .filter_map(|message| match message {
                    QueueMessage::Packet(packet) => {
                        Some(VerdictMessage { id: packet.id, verdict: response, mark: None, payload: None })
                    }
                    QueueMessage::Refused { .. } | QueueMessage::Unknown => None,
                })
                .collect();
            let Some(last) = messages.last() else { continue };
            let (last, count) = (last.id, messages.len());
            if self.writer.verdicts(&messages).is_ok() {
                self.answered = last;
                self.count_answered(count as u64, "worker-restart");
            }
        }
    }

    /// Tries to start a worker with the plan in force.
    fn restart(&mut self, attempt: u32) {
        let Some(plan) = self.plan.clone() else { return };
        match self.start_worker(&plan) {
            Ok((session, configured)) => {
                self.rules = configured.rules;
                self.sites = configured.sites;
                self.waf_rules = configured.waf_rules;
                self.enter_service(session);
                if attempt > 0 && self.put_table(TableState::Queue).is_err() {
                    tracing::error!("the packet filter table could not be put back");
                }
            }
            Err(error) => {
                tracing::error!(?error, attempt, "the network worker does not start");
                if let Some(outage) = &mut self.outage {
                    outage.failed(clock::monotonic());
                }
                // No worker in sight: let the kernel give the response itself instead of copying every packet here.
                if attempt >= 2 {
                    let open = self.failure_response() == Verdict::Accept;
                    let state = if open { TableState::PassAll } else { TableState::DropAll };
                    if self.put_table(state).is_err() {
                        tracing::error!("the packet filter table could not be changed");
                    }
                }
            }
        }
    }

    /// Starts a worker and has it compile the plan; meanwhile, in an outage, packets are answered.
    fn start_worker(&mut self, plan: &NetworkPlan) -> Result<(Session, Configured), ConfigureError> {
        let started = Session::start(&self.worker, &self.fixed, self.answered, &self.events);
        let mut session = started.map_err(|e| ConfigureError::Worker(e.to_string()))?;
        let result = session.send_plan(plan, &self.firewall).and_then(|()| self.await_answer(&mut session));
        match result {
            Ok(configured) => Ok((session, configured)),
            Err(error) => {
                session.finish();
                Err(error)
            }
        }
    }

    fn await_answer(&mut self, session: &mut Session) -> Result<Configured, ConfigureError> {
        let give_up = clock::monotonic() + COMPILE_PATIENCE;
        while !session.control.readable(OUTAGE_TURN) {
            self.answer_in_outage();
            if clock::monotonic() > give_up {
                return Err(ConfigureError::Worker("it did not compile the rules in time".to_owned()));
            }
        }
        session.take_answer()
    }

    /// Lets a configured worker read.
    fn enter_service(&mut self, session: Session) {
        session.begin_after(self.answered);
        if let Err(error) = session.go() {
            // It has ended already; the next turn sees that.
            tracing::error!(%error, "the network worker cannot be told to begin");
        }
        self.pulse = (0, clock::monotonic());
        self.session = Some(session);
        if let Some(outage) = self.outage.take() {
            let lasted = clock::monotonic().saturating_sub(outage.since);
            tracing::warn!(
                milliseconds = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX),
                "a new network worker judges"
            );
            self.last_outage = Some(outage);
        }
    }

    /// Replaces the running worker by a fresh one, without a packet being lost or passed uninspected between them.
    pub(super) fn renew_worker(&mut self) {
        let Some(plan) = self.plan.clone().filter(|plan| !plan.is_off()) else { return };
        match self.start_worker(&plan) {
            Ok((fresh, configured)) => {
                self.rules = configured.rules;
                self.sites = configured.sites;
                self.waf_rules = configured.waf_rules;
                self.retire();
                self.enter_service(fresh);
            }
            Err(error) => {
                tracing::error!(?error, "the new program's worker does not start; the old one goes on");
                self.untold.push(notice("worker-not-renewed", &[]));
            }
        }
    }

    /// Has the running worker judge what it has read, and ends it.
    fn retire(&mut self) {
        let Some(session) = self.session.take() else { return };
        let clean = session.retire(RETIRE_PATIENCE);
        self.close(session);
        if !clean {
            self.settle("worker-restart");
        }
    }

    // === plans ===

    fn apply(&mut self, mut plan: NetworkPlan) -> Result<Applied, ApplyError> {
        if plan.is_off() {
            self.put_off();
            self.schedule.left();
            let generation = plan.generation;
            self.plan = Some(plan);
            return Ok(Applied { generation, rules: 0, warnings: Vec::new() });
        }
        let moment = self.schedule.moment(&plan);
        translate::place(&mut plan, &moment);
        let (firewall, mut warnings) =
            translate::firewall(&plan.firewall, &plan.always, &moment).map_err(ApplyError::Rules)?;
        // The worker learns the new rules' names before the table takes samples for them.
        let former_firewall = std::mem::replace(&mut self.firewall, firewall);
        let configured = if let Some(mut running) = self.session.take() {
            let result =
                running.send_plan(&plan, &self.firewall).and_then(|()| self.await_answer(&mut running));
            self.pulse.1 = clock::monotonic();
            self.session = Some(running);
            result
        } else {
            // In an outage too: the new plan may well be the remedy.
            self.start_worker(&plan).map(|(fresh, configured)| {
                self.enter_service(fresh);
                configured
            })
        };
        let configured = match configured {
            Ok(configured) => configured,
            Err(error) => {
                self.firewall = former_firewall;
                return Err(refusal(error));
            }
        };
        let former = self.plan.replace(plan);
        let needed_before = std::mem::replace(&mut self.needs_responses, configured.needs_responses);
        if let Err(error) = self.put_table(TableState::Queue) {
            self.needs_responses = needed_before;
            self.plan = former;
            self.firewall = former_firewall;
            self.go_back();
            return Err(ApplyError::Table(error));
        }
        self.rules = configured.rules;
        self.sites = configured.sites;
        self.waf_rules = configured.waf_rules;
        let generation = self.plan.as_ref().map(|plan| plan.generation);
        if let Some(plan) = &self.plan {
            self.schedule.entered(plan, &moment);
            let changed = self.schedule.changed_contexts(plan, &moment);
            self.untold.extend(changed.iter().map(|(name, holds)| {
                notice(if *holds { "context-holds" } else { "context-ended" }, &[("context", name)])
            }));
        }
        let Some(generation) = generation else { return Err(ApplyError::Worker("no plan".to_owned())) };
        warnings.extend(configured.warnings);
        Ok(Applied { generation, rules: configured.rules, warnings })
    }

    /// Puts other rules of the firewall in force, everything else as it is.
    fn set_firewall(&mut self, firewall: Firewall, always: Vec<SocketAddr>) -> Result<(), ApplyError> {
        let Some(former) = self.plan.clone() else { return Ok(()) };
        let plan = NetworkPlan { firewall, always, ..former.clone() };
        if plan.has_firewall() || plan.is_off() {
            return self.apply(plan).map(drop);
        }
        // No rule is left that the worker would have to know, and nothing that could stand in the way.
        let former_firewall = std::mem::take(&mut self.firewall);
        let moment = self.schedule.moment(&plan);
        self.schedule.entered(&plan, &moment);
        let _no_news = self.schedule.changed_contexts(&plan, &moment);
        self.plan = Some(plan);
        if let Err(error) = self.put_table(TableState::Queue) {
            self.plan = Some(former);
            self.firewall = former_firewall;
            return Err(ApplyError::Table(error));
        }
        Ok(())
    }

    /// Puts the former plan back into the worker after the table refused the new one.
    fn go_back(&mut self) {
        let former = self.plan.clone().filter(|plan| !plan.is_off());
        let (Some(mut session), Some(former)) = (self.session.take(), former) else {
            self.retire();
            return;
        };
        let result =
            session.send_plan(&former, &self.firewall).and_then(|()| self.await_answer(&mut session));
        self.session = Some(session);
        if result.is_err() {
            self.lose_worker("ended", clock::monotonic());
        }
    }

    fn put_table(&mut self, state: TableState) -> Result<(), sakimori_kernel::nftables::TableError> {
        let Some(plan) = &self.plan else { return Ok(()) };
        let open = plan.settings.failure_response == FailureResponse::Open;
        if self.socket.options().fail_open != open
            && let Err(error) = self.socket.set_fail_open(open)
        {
            tracing::error!(%error, "the queue's failure response could not be set");
        }
        let ranges = |ports: &[PortRange]| -> Vec<RangeInclusive<u16>> {
            ports.iter().map(|range| range.first..=range.last).collect()
        };
        let inspected = plan.settings.mode != Mode::Off || plan.waf.judges();
        let outgoing = if plan.has_web() { translate::web_ports(&plan.web) } else { Vec::new() };
        self.events.accounts.follow(&self.firewall);
        self.events.blocks.follow(&plan.firewall, &plan.always);
        let routes = routes::passes_on();
        let table = TablePlan {
            capabilities: self.capabilities,
            queue: self.fixed.number,
            bypass: open,
            inspected_ports: if inspected { ranges(&plan.settings.http_ports) } else { Vec::new() },
            inspect_responses: self.needs_responses,
            forwarding: if routes { Forwarding::Inspected } else { Forwarding::None },
            state,
            outgoing_ports: ranges(&outgoing),
            outgoing_except: plan.always.clone(),
            firewall: self.firewall.clone(),
            sample_group: self.fixed.samples.as_ref().map(SampleSocket::group),
        };
        let tracks = table.tracks_connections();
        if tracks && !self.tracks {
            learn_standing();
        }
        self.table.apply(&table)?;
        (self.tracks, self.routes) = (tracks, routes);
        Ok(())
    }

    /// Takes the traffic out of the worker's hands, then removes the table and ends the worker. Removing the table makes
    /// the kernel drop what waits in the queue, so it goes when that is empty.
    fn put_off(&mut self) {
        if self.plan.as_ref().is_some_and(|plan| !plan.is_off()) {
            let _removed_anyway = self.put_table(TableState::PassAll);
            let give_up = clock::monotonic() + DRAIN_PATIENCE;
            while clock::monotonic() < give_up
                && read_statistics(self.fixed.number).ok().flatten().is_some_and(|s| s.waiting > 0)
            {
                clock::sleep(Duration::from_millis(5));
                self.answer_in_outage();
            }
        }
        let last = self.look_for_overflow();
        match self.table.remove() {
            Ok(()) => {
                self.totals.kernel.add(&last);
                self.totals.queued_before = None;
            }
            Err(error) => tracing::error!(%error, "the packet filter table could not be removed"),
        }
        self.retire();
        self.outage = None;
        self.rules = 0;
        self.sites = 0;
        self.waf_rules = 0;
        self.firewall = sakimori_firewall::Plan::default();
        self.tracks = false;
        self.needs_responses = false;
    }
}

/// Sessions that stand are let through by being known: before the first rule that denies, the kernel is told of them.
fn learn_standing() {
    match conntrack::learn_standing() {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "connections that stood before the firewall go on"),
        Err(error) => {
            tracing::warn!(%error, "connections that stood before the firewall may be cut: the kernel cannot be told of them");
        }
    }
}

fn refusal(error: ConfigureError) -> ApplyError {
    match error {
        ConfigureError::Rules(findings) => {
            debug_assert!(findings.iter().any(|f| f.level == Level::Error), "refused without an error");
            ApplyError::Rules(findings)
        }
        ConfigureError::Worker(words) => ApplyError::Worker(words),
    }
}
