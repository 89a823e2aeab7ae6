//! The local socket: what the agent does, for the person who stands before the machine.
//!
//! One JSON line each way: an [`Order`], then a [`Report`] or a [`Done`]. The socket is in the run directory and
//! for root alone.
use crate::control::{Control, Link};
use crate::firewall;
use crate::firewall::release::{LetIn, Wish};
use crate::state::{self, StateError};
use sakimori_protocol::{ListeningPort, Mode, ModuleState, ModuleStatus, UpgradeReport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

/// Asked of a running agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Order {
    /// Answered with a [`Report`].
    Status,
    /// Look at the identity on disk: it was activated.
    Reload,
    /// Stop enforcing and forget the manager.
    Deactivate,
    /// Become the program that now lies at this program's path.
    Upgrade,
    /// Look at every watched file now.
    IntegrityScan,
    /// Take every watched file as it is now.
    IntegrityBaseline,
    /// The installer of an upgrade has gone a step.
    UpgradeStep,
    /// The firewall lets everything pass for a while.
    FirewallRelease {
        /// For how long, in seconds.
        for_secs: u64,
        /// Why, in words.
        note: String,
    },
    /// End that.
    FirewallRestore,
    /// Try again the change of the firewall that was taken back.
    FirewallRetry,
    /// Let a source in again that is kept out because it looked for ways in.
    FirewallLetIn {
        /// Its address.
        source: IpAddr,
    },
}

/// The answer to anything but [`Order::Status`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What went wrong, in words; nothing if it went well.
    pub error: Option<String>,
}

/// How the agent is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Agent version.
    pub version: String,
    /// Process id of the supervisor.
    pub pid: u32,
    /// Who it is to the manager; nothing before activation.
    pub identity: Option<IdentityReport>,
    /// `not-activated`, `connecting`, `connected`, `unreachable`, `refused`.
    pub link: String,
    /// Why it is not connected.
    pub link_reason: Option<String>,
    /// The bundle in force.
    pub enforced: Option<EnforcedReport>,
    /// Why a newer bundle is not in force.
    pub refused: Option<RefusedReport>,
    /// Each module.
    pub modules: Vec<ModuleReport>,
    /// The kernel's queue mechanism.
    pub queue_mechanism: String,
    /// Parts that could not be started, with the reason of each.
    pub failures: Vec<String>,
    /// Each listening port, and whether it is inspected.
    pub ports: Vec<ListeningPort>,
    /// Events that wait.
    pub spool: SpoolReport,
    /// The worker processes and what the kernel lets them do.
    pub workers: Vec<WorkerReport>,
    /// How far the newest upgrade is.
    #[serde(default)]
    pub upgrade: Option<UpgradeReport>,
}

/// Who the computer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityReport {
    /// The computer's id.
    pub computer: String,
    /// The manager.
    pub manager: String,
    /// When the certificate ends, in seconds since 1970.
    pub certificate_ends: i64,
    /// Another machine uses this identity.
    pub must_enrol_anew: bool,
}

/// A bundle in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnforcedReport {
    /// The bundle's hash.
    pub bundle: String,
    /// The policy's name.
    pub policy: String,
    /// Milliseconds since 1970.
    pub compiled_at: i64,
}

/// A bundle that is not in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedReport {
    /// The bundle's hash.
    pub bundle: String,
    /// Why.
    pub reason: String,
}

/// How a module is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleReport {
    /// Registered name: `intrusion-prevention`.
    pub module: String,
    /// How it is.
    pub state: ModuleState,
    /// The mode it enforces.
    pub mode: Mode,
    /// Why, by code.
    pub reasons: Vec<String>,
    /// Rules loaded.
    pub rules: u32,
    /// Counters since the agent's start, by name.
    pub counters: BTreeMap<String, u64>,
}

impl From<ModuleStatus> for ModuleReport {
    fn from(status: ModuleStatus) -> Self {
        let ModuleStatus { module, state, mode, reasons, rules, counters } = status;
        Self { module, state, mode, reasons, rules, counters: counters.into_iter().collect() }
    }
}

/// How full the spool is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpoolReport {
    /// Events not yet acknowledged.
    pub events: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// What the kernel says of a worker process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerReport {
    /// Process id.
    pub pid: u32,
    /// Its command line.
    pub command: String,
    /// Whether a seccomp filter is in force.
    pub seccomp: bool,
    /// Whether it can gain privileges by executing.
    pub no_new_privileges: bool,
    /// Effective capabilities, hexadecimal: all zeros is none.
    pub capabilities: String,
}

/// Numbers of a module that are moments, in seconds since 1970, and the words for them.
const MOMENTS: [(&str, &str); 3] = [
    ("released-until", "released by hand until"),
    ("change-manager-until", "taken back unless the manager is reached by"),
    ("change-operator-until", "taken back unless an operator confirms by"),
];
/// Bound of an order, in bytes.
const ORDER_BYTES: u64 = 4096;
/// Bound of a report, in bytes.
const REPORT_BYTES: u64 = 8 << 20;

/// Where the socket is.
pub fn socket_path(run_dir: &Path) -> PathBuf {
    run_dir.join("control.sock")
}

/// A running agent could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error(
        "the agent does not run (nothing listens at {path}), or this user may not ask it: start it with 'systemctl start sakimori-agent', or run this as root"
    )]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The conversation broke.
    #[error("the agent did not answer")]
    Broken(#[source] io::Error),
    /// Another version's words.
    #[error("the agent's answer cannot be read: it runs another version than this program")]
    Malformed(#[source] serde_json::Error),
}

/// Asks the running agent; gives its answer as JSON text.
pub fn ask(run_dir: &Path, order: &Order) -> Result<String, AskError> {
    ask_within(run_dir, order, Duration::from_mins(1))
}

/// Asks the running agent, and waits for its answer no longer than `limit`.
pub fn ask_within(run_dir: &Path, order: &Order, limit: Duration) -> Result<String, AskError> {
    let path = socket_path(run_dir);
    let mut stream = UnixStream::connect(&path).map_err(|source| AskError::NotRunning { path, source })?;
    let line = serde_json::to_string(order).map_err(AskError::Malformed)?;
    let mut answer = String::new();
    stream
        .set_read_timeout(Some(limit))
        .and_then(|()| writeln!(stream, "{line}"))
        .and_then(|()| io::BufReader::new(stream.take(REPORT_BYTES)).read_line(&mut answer))
        .map_err(AskError::Broken)?;
    Ok(answer)
}

/// Serves the socket for ever. Orders that end the supervisor's loop go to `orders`.
pub async fn serve(
    control: Arc<Control>,
    run_dir: PathBuf,
    orders: mpsc::Sender<Order>,
) -> Result<(), StateError> {
    let path = socket_path(&run_dir);
    state::remove(&path)?;
    let listener = tokio::net::UnixListener::bind(&path).map_err(state::because("binding", &path))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        .map_err(state::because("protecting", &path))?;
    loop {
        let Ok((stream, _address)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let (control, orders) = (Arc::clone(&control), orders.clone());
        tokio::spawn(async move {
            let spoken =
                tokio::time::timeout(Duration::from_mins(1), answer(&control, stream, &orders)).await;
            if let Ok(Err(error)) = spoken {
                tracing::debug!("local socket: {error}");
            }
        });
    }
}

async fn answer(
    control: &Arc<Control>,
    mut stream: tokio::net::UnixStream,
    orders: &mpsc::Sender<Order>,
) -> io::Result<()> {
    // Who asks is the kernel's word.
    let asker = stream.peer_cred().ok().and_then(|peer| peer.pid());
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    tokio::io::BufReader::new(reader.take(ORDER_BYTES)).read_line(&mut line).await?;
    let mut text = match serde_json::from_str::<Order>(&line) {
        Ok(Order::Status) => {
            let control = Arc::clone(control);
            let report =
                tokio::task::spawn_blocking(move || report(&control)).await.map_err(io::Error::other)?;
            serde_json::to_string(&report)?
        }
        Ok(Order::Deactivate) => {
            crate::check_in::goodbye(control, sakimori_protocol::Leaving::Deactivated).await;
            let control = Arc::clone(control);
            let done =
                tokio::task::spawn_blocking(move || control.deactivate()).await.map_err(io::Error::other)?;
            let error = done.err().map(|error| crate::connection::explain(&error));
            serde_json::to_string(&Done { error })?
        }
        Ok(order @ (Order::IntegrityScan | Order::IntegrityBaseline)) => {
            let control = Arc::clone(control);
            let name = if order == Order::IntegrityScan { "integrity-scan" } else { "integrity-baseline" };
            let done =
                tokio::task::spawn_blocking(move || control.order(name)).await.map_err(io::Error::other)?;
            serde_json::to_string(&Done { error: done.err() })?
        }
        Ok(
            order @ (Order::FirewallRelease { .. }
            | Order::FirewallRestore
            | Order::FirewallRetry
            | Order::FirewallLetIn { .. }),
        ) => {
            let control = Arc::clone(control);
            let done = tokio::task::spawn_blocking(move || of_firewall(&control, order, asker));
            let done = done.await.map_err(io::Error::other)?;
            serde_json::to_string(&Done { error: done.err() })?
        }
        Ok(Order::UpgradeStep) => {
            control.tell_upgrade();
            serde_json::to_string(&Done { error: None })?
        }
        Ok(order) => {
            let sent = orders.send(order).await;
            serde_json::to_string(&Done {
                error: sent.err().map(|_closed| "the agent is stopping".to_owned()),
            })?
        }
        Err(error) => serde_json::to_string(&Done { error: Some(format!("not an order: {error}")) })?,
    };
    text.push('\n');
    writer.write_all(text.as_bytes()).await
}

/// Carries out an order about the firewall.
fn of_firewall(control: &Control, order: Order, asker: Option<i32>) -> Result<(), String> {
    let who = || asker.map_or_else(|| "unknown".to_owned(), firewall::release::who);
    let order = match order {
        Order::FirewallLetIn { source } => {
            let wish =
                serde_json::to_string(&LetIn { source, who: who() }).map_err(|error| error.to_string())?;
            format!("{}{wish}", firewall::LET_IN)
        }
        Order::FirewallRelease { for_secs, note } => {
            let wish = Wish::new(Duration::from_secs(for_secs), &who(), &note);
            let wish = serde_json::to_string(&wish).map_err(|error| error.to_string())?;
            format!("{}{wish}", firewall::RELEASE)
        }
        Order::FirewallRestore => firewall::RESTORE.to_owned(),
        _ => firewall::RETRY.to_owned(),
    };
    control.order(&order).map(|_done| control.touch())
}

/// Looks at the supervisor.
pub fn report(control: &Control) -> Report {
    let state = control.state();
    let identity = control.identity().borrow().as_ref().map(|keyed| IdentityReport {
        computer: keyed.identity.computer.to_string(),
        manager: keyed.identity.manager.clone(),
        certificate_ends: keyed.validity().map_or(0, |validity| validity.not_after),
        must_enrol_anew: keyed.identity.must_enrol_anew,
    });
    let (link, link_reason) = match state.link {
        Link::NotActivated => ("not-activated", None),
        Link::Connecting => ("connecting", None),
        Link::Connected => ("connected", None),
        Link::Unreachable(reason) => ("unreachable", Some(reason)),
        Link::Refused(reason) => ("refused", Some(reason)),
    };
    let depth = control.spool.depth();
    Report {
        version: crate::upgrade::package::version().to_owned(),
        pid: std::process::id(),
        identity,
        link: link.to_owned(),
        link_reason,
        enforced: state.enforced.map(|enforced| EnforcedReport {
            bundle: enforced.hash.to_string(),
            policy: enforced.policy,
            compiled_at: enforced.compiled_at,
        }),
        refused: state.refused.map(|refused| RefusedReport {
            bundle: refused.hash.to_string(),
            reason: refused.refusal.reason,
        }),
        modules: control.modules().into_iter().map(ModuleReport::from).collect(),
        queue_mechanism: control.queue_mechanism(),
        failures: control.failures().into_iter().map(|(part, why)| format!("{part}: {why}")).collect(),
        ports: state.ports,
        spool: SpoolReport { events: depth.events, bytes: depth.bytes },
        workers: workers(),
        upgrade: control.upgrades.report(),
    }
}

/// The child processes, as the kernel sees their confinement.
fn workers() -> Vec<WorkerReport> {
    let mut found = Vec::new();
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return found };
    for task in tasks.flatten() {
        for pid in text(&task.path().join("children")).split_whitespace().filter_map(|pid| pid.parse().ok()) {
            let proc = PathBuf::from(format!("/proc/{pid}"));
            let status = text(&proc.join("status"));
            let field = |name: &str| {
                status
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                    .unwrap_or("")
                    .trim()
                    .to_owned()
            };
            found.push(WorkerReport {
                pid,
                command: text(&proc.join("cmdline")).replace('\0', " ").trim().to_owned(),
                seccomp: field("Seccomp") == "2",
                no_new_privileges: field("NoNewPrivs") == "1",
                capabilities: field("CapEff"),
            });
        }
    }
    found
}

fn text(path: &Path) -> String {
    let bytes = state::read_capped(path, 64 << 10).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

// === impl Report ===

impl Report {
    /// The report for people.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, value: &str| {
            let _infallible = writeln!(out, "{name:<14} {value}");
        };
        line("Agent", &format!("{}, process {}", self.version, self.pid));
        match &self.identity {
            Some(identity) => {
                line("Computer", &identity.computer);
                line("Manager", &format!("{} ({})", identity.manager, self.link));
                if identity.must_enrol_anew {
                    line(
                        "",
                        "another machine uses this identity: run 'sakimori-agent activate' with a new token",
                    );
                }
            }
            None => line("Manager", "none: run 'sakimori-agent activate'"),
        }
        if let Some(reason) = &self.link_reason {
            line("", reason);
        }
        match &self.enforced {
            Some(enforced) => line(
                "Policy",
                &format!("{} (bundle {})", enforced.policy, enforced.bundle.get(..12).unwrap_or("")),
            ),
            None => line("Policy", "none in force"),
        }
        if let Some(refused) = &self.refused {
            line(
                "Refused",
                &format!("bundle {}: {}", refused.bundle.get(..12).unwrap_or(""), refused.reason),
            );
        }
        for module in &self.modules {
            let state =
                format!("{:?}, {:?}, {} rules", module.state, module.mode, module.rules).to_lowercase();
            let reasons = if module.reasons.is_empty() {
                String::new()
            } else {
                format!(" ({})", module.reasons.join(", "))
            };
            line("Module", &format!("{}: {state}{reasons}", module.module));
            for (name, words) in MOMENTS {
                if let Some(at) = module.counters.get(name) {
                    line("", &format!("{words} {}", firewall::moment(*at)));
                }
            }
            let counters =
                module.counters.iter().filter(|(name, _)| MOMENTS.iter().all(|(at, _)| at != name));
            let counters: Vec<String> = counters.map(|(name, n)| format!("{name} {n}")).collect();
            if !counters.is_empty() {
                line("", &counters.join(", "));
            }
        }
        if let Some(upgrade) = &self.upgrade {
            let reason = upgrade.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            line("Upgrade", &format!("to {}, {:?}{reason}", upgrade.version, upgrade.step));
        }
        line("Queue", &self.queue_mechanism);
        for failure in &self.failures {
            line("Failed", failure);
        }
        line("Events", &format!("{} waiting, {} bytes", self.spool.events, self.spool.bytes));
        for worker in &self.workers {
            let seccomp = if worker.seccomp { "on" } else { "off" };
            line(
                "Worker",
                &format!(
                    "{} '{}': seccomp {seccomp}, capabilities {}",
                    worker.pid, worker.command, worker.capabilities
                ),
            );
        }
        for port in &self.ports {
            let coverage = serde_json::to_value(port.coverage).unwrap_or_default();
            let coverage = coverage.as_str().unwrap_or("").to_owned();
            line(
                "Port",
                &format!("{}/{} on {} {}: {coverage}", port.port, port.protocol, port.address, port.process),
            );
        }
        out
    }
}
