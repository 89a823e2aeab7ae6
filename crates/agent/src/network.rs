//! Intrusion prevention on this computer: the kernel table, the queue, and the sandboxed worker that judges packets.
//!
//! The supervisor's part owns everything that needs privileges: the nftables table, the queue socket,
//! the raw sockets' creation, the verdict writer. It never looks into a packet. The worker
//! ([`worker::run`]) owns everything that touches hostile bytes, and has no privileges at all.
//! Between the two lie shared-memory rings ([`sakimori_kernel::ring`]) whose content the supervisor
//! does not trust.
//!
//! Plain threads, no async runtime: [`Network`]'s methods may block for as long as it takes to compile a rule set.

mod accounts;
mod blocks;
mod channel;
mod context;
mod gathering;
mod guard;
mod hand_over;
pub(crate) mod hours;
mod outage;
mod probes;
mod queue_head;
mod samples;
mod schedule;
mod session;
mod tally;
mod translate;
mod waf;
mod withheld;
pub mod worker;

use crate::enforcement::Refusal;
use crate::identity::IdentityFiles;
use accounts::Accounts;
use blocks::Blocks;
use context::Observer;
use guard::{Command, Guard, Totals};
use hours::Hours;
use outage::Outage;
use sakimori_kernel::nflog::SampleSocket;
use sakimori_kernel::nfqueue::{OpenError, QueueOptions, QueueSocket, read_statistics};
use sakimori_kernel::nftables::{Mechanism, Table, probe};
use sakimori_kernel::raw_socket::RawSender;
use sakimori_kernel::ring::wake;
use sakimori_kernel::{clock, spawn};
use sakimori_model::{Diagnostic, IntrusionPrevention, Mode, PortRange, Sid};
use sakimori_modules::firewall::{Direction, Firewall};
use sakimori_modules::web_reputation::WebReputation;
use sakimori_modules::{Context, firewall, intrusion_prevention, web_application_firewall, web_reputation};
use sakimori_protocol::{Event, Hash, ModuleState, ModuleStatus};
use schedule::{Schedule, WallClock};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
pub use waf::WafPlan;

/// The first queue number that is tried; other programs use low ones by habit.
const FIRST_QUEUE: u16 = 23_130;
/// How many numbers are tried before giving up.
const QUEUES: u16 = 16;
/// The first group of packet samples that is tried.
const FIRST_GROUP: u16 = 23_130;
/// How long [`Network::status`] waits for fresh numbers before it gives the last ones.
const LOOK_PATIENCE: Duration = Duration::from_millis(300);

/// The environment variable that carries a [`Network::hand_over`] to the program that resumes it.
pub const HAND_OVER_VARIABLE: &str = "SAKIMORI_NETWORK";

/// What the network part has to enforce.
#[derive(Clone, Debug)]
pub struct NetworkPlan {
    /// The module's settings, resolved for this computer.
    pub settings: IntrusionPrevention,
    /// The rule files in their order.
    pub rules: Vec<RuleFile>,
    /// Signatures that count in contexts alone.
    pub placed: BTreeMap<Sid, Placed>,
    /// The firewall's settings.
    pub firewall: Firewall,
    /// TCP endpoints that are reached whatever the firewall says: the manager's, the proxy's.
    pub always: Vec<SocketAddr>,
    /// Web reputation's settings.
    pub web: WebReputation,
    /// The block lists beside those in the settings, in their order.
    pub lists: Vec<RuleFile>,
    /// The web application firewall's.
    pub waf: WafPlan,
    /// The bundle's name; given back in [`Applied::generation`].
    pub generation: Hash,
}

impl NetworkPlan {
    /// A plan that does nothing.
    pub fn off(generation: Hash) -> Self {
        Self {
            settings: IntrusionPrevention::default(),
            rules: Vec::new(),
            placed: BTreeMap::new(),
            firewall: Firewall::default(),
            always: Vec::new(),
            web: WebReputation::default(),
            lists: Vec::new(),
            waf: WafPlan::default(),
            generation,
        }
    }

    /// Whether no module has anything to do.
    fn is_off(&self) -> bool {
        self.settings.mode == Mode::Off && !self.has_firewall() && !self.has_web() && !self.waf.judges()
    }

    fn has_firewall(&self) -> bool {
        Mode::from(self.firewall.mode) != Mode::Off
    }

    fn has_web(&self) -> bool {
        Mode::from(self.web.mode) != Mode::Off
    }

    /// The contexts that signatures name.
    fn signature_contexts(&self) -> impl Iterator<Item = &Context> {
        let inspects = self.settings.mode != Mode::Off;
        self.placed.values().filter(move |_| inspects).flat_map(|placed| &placed.contexts)
    }

    /// The contexts that rules of the firewall name.
    fn firewall_contexts(&self) -> impl Iterator<Item = &Context> {
        let has_firewall = self.has_firewall();
        self.firewall.rules.values().filter(move |_| has_firewall).flat_map(|rule| &rule.context)
    }

    /// All contexts that count.
    fn contexts(&self) -> impl Iterator<Item = &Context> {
        self.firewall_contexts().chain(self.signature_contexts())
    }
}

/// A signature that counts in contexts alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its mode there; elsewhere it is off.
    pub mode: Mode,
    /// Where.
    pub contexts: Vec<Context>,
}

impl Placed {
    /// The signatures of these settings that do not count everywhere.
    pub fn of(settings: &intrusion_prevention::IntrusionPrevention) -> BTreeMap<Sid, Self> {
        let modes = IntrusionPrevention::from(settings.clone());
        let named = settings.rule_contexts.iter().filter(|(_, contexts)| !contexts.is_empty());
        named
            .map(|(sid, contexts)| {
                let mode = modes.rule_modes.get(&Sid(*sid)).copied().unwrap_or(modes.default_rule_mode);
                (Sid(*sid), Self { mode, contexts: contexts.clone() })
            })
            .collect()
    }
}

/// One rule file as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFile {
    /// File name, for diagnostics.
    pub name: String,
    /// Its text in the rule language.
    pub text: Vec<u8>,
}

/// A plan that is now in force.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The plan's generation.
    pub generation: Hash,
    /// Rules loaded.
    pub rules: u32,
    /// Warnings about them; none of them stops a rule from working.
    pub warnings: Vec<Diagnostic>,
}

/// The network part could not be set up at all.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kernel gave no queue, or refused the verdict socket.
    #[error(
        "the packet queue cannot be opened: run as root (CAP_NET_ADMIN) on a kernel with nfnetlink_queue"
    )]
    Queue(#[source] OpenError),
    /// The kernel cannot queue packets from a table, or nftables is not there.
    #[error("the kernel's packet filter cannot be used")]
    Table(#[source] sakimori_kernel::nftables::TableError),
    /// What the former program left is not understood.
    #[error("the state handed over by the former program is not understood: {0}")]
    HandedOver(String),
    /// Shared memory, sockets or threads could not be made.
    #[error("the network worker's {what} cannot be made")]
    Resource {
        /// Which.
        what: &'static str,
        /// The kernel's word.
        #[source]
        source: io::Error,
    },
}

/// A plan could not be put in force; what was in force before still is.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Rules do not compile; all findings at once.
    #[error("{} of the rules' findings are errors: the former rule set stays in force", .0.iter().filter(|d| d.level == sakimori_model::Level::Error).count())]
    Rules(Vec<Diagnostic>),
    /// The kernel refused the table.
    #[error("the kernel refused the packet filter table")]
    Table(#[source] sakimori_kernel::nftables::TableError),
    /// The worker did not start or did not answer.
    #[error("the network worker does not answer: {0}")]
    Worker(String),
}

/// What the network part calls with each event.
type Sink = Box<dyn FnMut(&[Event]) + Send>;

/// The sink, shared by the network part's threads, with what is known of the firewall's packets.
#[derive(Clone)]
struct SharedEvents {
    sink: Arc<Mutex<Sink>>,
    accounts: Accounts,
    blocks: Blocks,
}

impl SharedEvents {
    fn new(events: impl FnMut(&[Event]) + Send + 'static) -> Self {
        Self {
            sink: Arc::new(Mutex::new(Box::new(events))),
            accounts: Accounts::default(),
            blocks: Blocks::default(),
        }
    }

    /// Hands events on; returns when they are durable.
    fn give(&self, events: &[Event]) {
        match self.sink.lock() {
            Ok(mut sink) => sink(events),
            Err(poisoned) => (poisoned.into_inner())(events),
        }
    }
}

impl std::fmt::Debug for SharedEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedEvents")
    }
}

/// The network part of the supervisor. Owns the table, the queue socket, the worker process and the rings.
///
/// Dropping it is [`Self::stop`].
#[derive(Debug)]
pub struct Network {
    commands: Option<Sender<Command>>,
    wake: Arc<OwnedFd>,
    view: Arc<Mutex<View>>,
    mechanism: &'static str,
    guard: Option<JoinHandle<()>>,
    /// Where the agent's identity lies, which says where its manager is.
    state_dir: Option<PathBuf>,
    /// The time by which scheduled rules count.
    wall: WallClock,
    /// Who finds out in which contexts the computer is.
    observer: Observer,
    /// Sources that are kept out.
    blocks: Blocks,
    /// Which rules are held at what they are, whatever their hours say.
    hours: Hours,
}

/// Descriptors that stay the same over all workers, and the queue's number.
#[derive(Debug)]
struct Fixed {
    queue: OwnedFd,
    raw4: OwnedFd,
    raw6: OwnedFd,
    number: u16,
    /// Where samples of the firewall's packets come, where the kernel takes any.
    samples: Option<SampleSocket>,
}

/// What [`Network`]'s questions are answered from.
#[derive(Debug)]
struct View {
    /// Of intrusion prevention, the firewall, web reputation and the web application firewall, in this order.
    statuses: Vec<ModuleStatus>,
    ports: Vec<PortRange>,
}

// === impl Network ===

impl Network {
    /// Sets up the queue; no traffic is touched and no worker runs before the first [`Self::apply`].
    ///
    /// `events` is called from threads of the network part's own, one at a time; the events must be durable
    /// when it returns.
    pub fn start(_run_dir: &Path, events: impl FnMut(&[Event]) + Send + 'static) -> Result<Self, StartError> {
        Self::start_with(spawn::OWN_PROGRAM.into(), events)
    }

    /// As [`Self::start`], with the worker's program named. In the calling thread's network namespace.
    pub fn start_with(
        worker: PathBuf,
        events: impl FnMut(&[Event]) + Send + 'static,
    ) -> Result<Self, StartError> {
        let capabilities = probe().map_err(StartError::Table)?;
        let mut table = Table::open().map_err(StartError::Table)?;
        // A supervisor that was killed leaves its table: packets come to our queue before the first plan does.
        let left_behind = table.exists().map_err(StartError::Table)?;
        let socket = open_queue()?;
        let (raw4, raw6) = RawSender::open().map_err(resource("raw sockets"))?.into_fds();
        let number = socket.options().queue;
        let fixed = Fixed {
            queue: socket.duplicate().map_err(resource("queue socket"))?,
            raw4,
            raw6,
            number,
            samples: open_samples(),
        };
        let answered = read_statistics(number).ok().flatten().map_or(0, |s| s.last_id);
        let guard = Guard {
            worker,
            writer: socket.verdict_writer().map_err(resource("verdict writer"))?,
            reader: socket.reader().map_err(resource("queue reader"))?,
            socket,
            fixed: Arc::new(fixed),
            table,
            capabilities,
            events: SharedEvents::new(events),
            view: Arc::new(Mutex::new(View { statuses: off(), ports: Vec::new() })),
            plan: None,
            firewall: sakimori_firewall::Plan::default(),
            rules: 0,
            sites: 0,
            waf_rules: 0,
            needs_responses: false,
            session: None,
            totals: Totals::default(),
            tracks: false,
            routes: false,
            next_interfaces: Duration::ZERO,
            outage: left_behind.then(|| Outage::begin(clock::monotonic(), None)),
            last_outage: None,
            answered,
            pulse: (0, clock::monotonic()),
            looked: clock::monotonic(),
            schedule: Schedule::default(),
            untold: Vec::new(),
        };
        Self::run(guard)
    }

    fn run(guard: Guard) -> Result<Self, StartError> {
        use rustix::event::{EventfdFlags, eventfd};
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let wake = Arc::new(wake.map_err(|e| resource("wake-up")(e.into()))?);
        let view = Arc::clone(&guard.view);
        let (wall, observer) = (guard.schedule.clock(), guard.schedule.observer());
        let blocks = guard.events.blocks.clone();
        let hours = guard.schedule.hours();
        let mechanism = match guard.capabilities.mechanism {
            Mechanism::NftQueue => "nft-queue",
            Mechanism::XtNfqueue => "xt-nfqueue",
        };
        let (commands, orders) = channel();
        let guard_wake = Arc::clone(&wake);
        let thread = std::thread::Builder::new()
            .name("guard".into())
            .spawn(move || guard.work(&orders, &guard_wake))
            .map_err(resource("guard thread"))?;
        Ok(Self {
            commands: Some(commands),
            wake,
            view,
            mechanism,
            guard: Some(thread),
            state_dir: None,
            wall,
            observer,
            blocks,
            hours,
        })
    }

    /// The rules that begin and end to count, for who looks after changes of the firewall.
    pub(crate) const fn hours(&self) -> &Hours {
        &self.hours
    }

    /// Tells where the agent's state is: the way to its manager is never closed.
    #[must_use]
    pub fn for_agent_in(mut self, state_dir: &Path) -> Self {
        self.state_dir = Some(state_dir.to_owned());
        self.observer.for_agent_in(state_dir);
        self
    }

    /// Sets the time by which scheduled rules count further ahead of the host's clock.
    pub fn advance_schedules(&self, by: Duration) {
        self.wall.advance(by);
        wake(self.wake.as_fd());
    }

    /// The manager's and the proxy's addresses, as their names resolve now.
    ///
    /// # Errors
    /// A firewall that closes ways out is refused while the manager's name does not resolve: nobody could open it
    /// again from afar.
    pub(crate) fn ways_out(&self, firewall: &Firewall) -> Result<Vec<SocketAddr>, Refusal> {
        let identity =
            self.state_dir.as_deref().and_then(|dir| IdentityFiles::in_dir(dir).load().ok().flatten());
        let Some(identity) = identity.map(|keyed| keyed.identity) else { return Ok(Vec::new()) };
        let mut ends = Vec::new();
        for address in [Some(&identity.manager), Some(&identity.gateway), identity.proxy.as_ref()] {
            let url = address.and_then(|address| reqwest::Url::parse(address).ok());
            let resolved = url.as_ref().and_then(|url| url.socket_addrs(|| None).ok());
            ends.extend(resolved.unwrap_or_default());
        }
        ends.sort_unstable();
        ends.dedup();
        let closes = firewall.denies(Direction::Out) && firewall.always_allow_manager;
        if ends.is_empty() && closes && Mode::from(firewall.mode) != Mode::Off {
            let reason = "manager-unresolved: the firewall closes ways out, and the manager's name does not resolve now";
            return Err(Refusal::passing(reason.to_owned()));
        }
        Ok(ends)
    }

    /// Puts a plan in force, whole or not at all. Blocks while the rules compile; traffic goes on being judged by
    /// the former set meanwhile.
    pub fn apply(&self, plan: NetworkPlan) -> Result<Applied, ApplyError> {
        self.observer.ask_for(&plan);
        let (reply, answer) = sync_channel(1);
        self.ask(Command::Apply(Box::new(plan), reply));
        answer
            .recv()
            .unwrap_or_else(|_ended| Err(ApplyError::Worker("the network part has ended".to_owned())))
    }

    /// Puts other rules of the firewall in force, everything else as it is. Rules that let everything pass are there at
    /// once: nothing has to be compiled for them.
    pub(crate) fn set_firewall(&self, firewall: Firewall, always: Vec<SocketAddr>) -> Result<(), ApplyError> {
        let asked = NetworkPlan { firewall, always, ..NetworkPlan::off(Hash::of(b"")) };
        self.observer.ask_for(&asked);
        let NetworkPlan { firewall, always, .. } = asked;
        let (reply, answer) = sync_channel(1);
        self.ask(Command::Firewall(Box::new(firewall), always, reply));
        answer
            .recv()
            .unwrap_or_else(|_ended| Err(ApplyError::Worker("the network part has ended".to_owned())))
    }

    /// How intrusion prevention is, with counters that only grow.
    pub fn status(&self) -> ModuleStatus {
        self.look(|view| view.statuses.first().cloned())
            .unwrap_or_else(|| idle(intrusion_prevention::MODULE.id))
    }

    /// How each module of this part is.
    pub fn statuses(&self) -> Vec<ModuleStatus> {
        self.look(|view| view.statuses.clone())
    }

    /// Lets a source in again that is kept out because it looked for ways in; whether it was kept out.
    pub fn let_in(&self, source: IpAddr) -> Result<bool, String> {
        self.blocks.release(source)
    }

    /// `nft-queue` or `xt-nfqueue`.
    pub fn queue_mechanism(&self) -> String {
        self.mechanism.to_owned()
    }

    /// The server ports whose content is inspected now; empty while the module is off or cannot work.
    pub fn inspected_ports(&self) -> Vec<PortRange> {
        self.look(|view| view.ports.clone())
    }

    /// Removes the table and ends the worker.
    pub fn stop(self) {}

    /// Prepares for replacing this program by another: threads end, while the worker, the table and all sockets stay,
    /// open over `execve`. Packets wait in the queue until [`Self::resume`].
    ///
    /// Gives the value of [`HAND_OVER_VARIABLE`] for the new program.
    pub fn hand_over(mut self) -> Result<OsString, StartError> {
        let (reply, answer) = sync_channel(1);
        self.ask(Command::HandOver(reply));
        let guard = answer
            .recv()
            .map_err(|_ended| StartError::HandedOver("the network part has ended".to_owned()))?;
        self.end();
        hand_over::bequeath(guard)
    }

    /// Goes on where [`Self::hand_over`] stopped, in the new program (or in the old one, if `execve` failed):
    /// judges with the old worker at once, then moves to a worker of the new program.
    pub fn resume(
        _run_dir: &Path,
        handed_over: &OsStr,
        events: impl FnMut(&[Event]) + Send + 'static,
    ) -> Result<Self, StartError> {
        Self::resume_with(spawn::OWN_PROGRAM.into(), handed_over, events)
    }

    /// As [`Self::resume`], with the worker's program named.
    pub fn resume_with(
        worker: PathBuf,
        handed_over: &OsStr,
        events: impl FnMut(&[Event]) + Send + 'static,
    ) -> Result<Self, StartError> {
        let view = Arc::new(Mutex::new(View { statuses: off(), ports: Vec::new() }));
        let mut guard = hand_over::inherit(worker, handed_over, SharedEvents::new(events), view)?;
        guard.renew_worker();
        guard.show();
        Self::run(guard)
    }

    fn look<T>(&self, at: impl FnOnce(&View) -> T) -> T {
        let (reply, answer) = sync_channel(1);
        self.ask(Command::Look(reply));
        let _last_ones_otherwise = answer.recv_timeout(LOOK_PATIENCE);
        match self.view.lock() {
            Ok(view) => at(&view),
            Err(poisoned) => at(&poisoned.into_inner()),
        }
    }

    fn ask(&self, command: Command) {
        // A guard that has ended answers nothing: the asker's reply channel says so.
        let _ended = self.commands.as_ref().map(|commands| commands.send(command));
        wake(self.wake.as_fd());
    }

    fn end(&mut self) {
        self.ask(Command::Stop);
        self.commands = None;
        if let Some(guard) = self.guard.take() {
            let _panicked = guard.join();
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.end();
    }
}

fn open_queue() -> Result<QueueSocket, StartError> {
    let mut last = None;
    for number in FIRST_QUEUE..FIRST_QUEUE + QUEUES {
        match QueueSocket::open(QueueOptions::new(number)) {
            Ok(socket) => return Ok(socket),
            Err(error @ OpenError::Configure { .. }) => last = Some(error),
            Err(error) => return Err(StartError::Queue(error)),
        }
    }
    Err(last.map_or_else(|| resource("queue")(io::ErrorKind::AddrInUse.into()), StartError::Queue))
}

fn resource(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::Resource { what, source }
}

/// A group of our own for samples. Without one the firewall still counts.
fn open_samples() -> Option<SampleSocket> {
    (FIRST_GROUP..FIRST_GROUP + QUEUES).find_map(|group| SampleSocket::open(group).ok())
}

/// The statuses before the first plan.
fn off() -> Vec<ModuleStatus> {
    let modules = [
        intrusion_prevention::MODULE.id,
        firewall::MODULE.id,
        web_reputation::MODULE.id,
        web_application_firewall::MODULE.id,
    ];
    modules.map(idle).to_vec()
}

fn idle(module: &str) -> ModuleStatus {
    ModuleStatus {
        module: module.to_owned(),
        state: ModuleState::Off,
        mode: sakimori_protocol::Mode::Off,
        reasons: Vec::new(),
        rules: 0,
        counters: Vec::new(),
    }
}
