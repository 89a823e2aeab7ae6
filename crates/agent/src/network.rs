//! Intrusion prevention on this computer: the kernel table, the queue, and the sandboxed worker that judges packets.
//!
//! The supervisor's part owns everything that needs privileges: the nftables table, the queue socket,
//! the raw sockets' creation, the verdict writer. It never looks into a packet. The worker
//! ([`worker::run`]) owns everything that touches hostile bytes, and has no privileges at all.
//! Between the two lie shared-memory rings ([`sakimori_kernel::ring`]) whose content the supervisor
//! does not trust.
//!
//! Plain threads, no async runtime: [`Network`]'s methods may block for as long as it takes to compile a rule set.

use sakimori_model::{Diagnostic, IntrusionPrevention, PortRange};
use sakimori_protocol::{Event, Hash, ModuleState, ModuleStatus};
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The environment variable that carries a [`Network::hand_over`] to the program that resumes it.
pub const HAND_OVER_VARIABLE: &str = "SAKIMORI_NETWORK";

/// What the network part has to enforce.
#[derive(Clone, Debug)]
pub struct NetworkPlan {
    /// The module's settings, resolved for this computer.
    pub settings: IntrusionPrevention,
    /// The rule files in their order.
    pub rules: Vec<RuleFile>,
    /// The bundle's name; given back in [`Applied::generation`].
    pub generation: Hash,
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
    #[error("the packet queue cannot be opened: run as root (CAP_NET_ADMIN) on a kernel with nfnetlink_queue")]
    Queue(#[source] std::io::Error),
    /// Shared memory, sockets or threads could not be made.
    #[error("the network worker's {what} cannot be made")]
    Resource {
        /// Which.
        what: &'static str,
        /// The kernel's word.
        #[source]
        source: std::io::Error,
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
    Table(#[source] std::io::Error),
    /// The worker did not start or did not answer.
    #[error("the network worker does not answer: {0}")]
    Worker(String),
}

/// The network part of the supervisor. Owns the table, the queue socket, the worker process and the rings.
#[derive(Debug)]
pub struct Network {
    _private: (),
}

// === impl Network ===

impl Network {
    /// Sets up the queue, the rings and the worker; no traffic is touched before the first [`Self::apply`].
    ///
    /// `events` is called from a thread of the network part's own; an event must be durable when it returns.
    pub fn start(_run_dir: &Path, _events: impl FnMut(Event) + Send + 'static) -> Result<Self, StartError> {
        Err(StartError::Queue(std::io::ErrorKind::Unsupported.into()))
    }

    /// Puts a plan in force, whole or not at all.
    pub fn apply(&self, plan: NetworkPlan) -> Result<Applied, ApplyError> {
        Err(ApplyError::Worker(plan.generation.to_string()))
    }

    /// How the module is, with counters that only grow.
    pub fn status(&self) -> ModuleStatus {
        ModuleStatus {
            module: sakimori_model::ModuleId::INTRUSION_PREVENTION.as_str().to_owned(),
            state: ModuleState::Failed,
            mode: sakimori_protocol::Mode::Off,
            reasons: vec!["queue-unavailable".to_owned()],
            rules: 0,
            counters: Vec::new(),
        }
    }

    /// `nft-queue`, `xt-nfqueue` or `none`.
    pub fn queue_mechanism(&self) -> String {
        "none".to_owned()
    }

    /// The server ports whose content is inspected now; empty while the module is off or cannot work.
    pub fn inspected_ports(&self) -> Vec<PortRange> {
        Vec::new()
    }

    /// Removes the table and ends the worker.
    pub fn stop(self) {}

    /// Prepares for replacing this program by another: threads end, while the worker, the table and all sockets stay,
    /// open over `execve`. Packets wait in the queue until [`Self::resume`].
    ///
    /// Gives the value of [`HAND_OVER_VARIABLE`] for the new program.
    pub fn hand_over(self) -> Result<OsString, StartError> {
        Err(StartError::Queue(std::io::ErrorKind::Unsupported.into()))
    }

    /// Goes on where [`Self::hand_over`] stopped, in the new program (or in the old one, if `execve` failed):
    /// judges with the old worker at once, then moves to a worker of the new program.
    pub fn resume(
        _run_dir: &Path,
        _handed_over: &OsStr,
        _events: impl FnMut(Event) + Send + 'static,
    ) -> Result<Self, StartError> {
        Err(StartError::Queue(std::io::ErrorKind::Unsupported.into()))
    }
}

pub mod worker {
    //! The sandboxed process.

    /// The body of `sakimori-agent worker network`; gives the process's exit code.
    pub fn run() -> std::process::ExitCode {
        std::process::ExitCode::FAILURE
    }
}
