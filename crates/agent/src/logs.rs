//! Log inspection on this computer: files that grow, and the sandboxed worker that judges their lines.
//!
//! The supervisor's part ([`reader`]) opens the files, knows where in each it is, and hands bytes to the worker without
//! looking at them. The worker ([`worker`]) has no files, no network and no privileges: bytes come over its socket
//! pair, findings go back over it. So rotation, permissions and positions are the business of one side alone, and a
//! worker that was taken over can at worst report nonsense about its own module.
//!
//! A file is its own buffer: a position moves once the findings of the lines before it are in the spool. A worker or an
//! agent that is killed loses no line; lines judged right before it may be judged, and reported, again. What composite
//! rules counted is lost with the worker.

mod channel;
pub mod plug;
mod position;
mod rate;
mod reader;
mod session;
mod sources;
mod tail;
pub mod test_command;
pub mod worker;

use crate::network::RuleFile;
use reader::{Command, Reader};
use sakimori_model::Severity;
use sakimori_modules::log_inspection::{LogEvent, LogInspection};
use sakimori_protocol::{Mode, ModuleState, ModuleStatus};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The module's registered name.
pub const MODULE: &str = "log-inspection";

/// What log inspection has to do.
#[derive(Clone, Debug)]
pub struct LogsPlan {
    /// The module's settings, resolved for this computer.
    pub settings: LogInspection,
    /// Decoders and rules in the OSSEC language, in their order; our own where there are none.
    pub files: Vec<RuleFile>,
}

/// What log inspection has to say. Each must be durable before the next lines are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A rule matched.
    Event(Severity, LogEvent),
    /// Something was not looked at or not reported: what, how many, why.
    Gap(&'static str, u64, &'static str),
}

/// Takes what is said and makes it durable; false where it could not be, and must be said again.
pub type Sink = Box<dyn FnMut(&[Said]) -> bool + Send>;

/// A plan is not in force; what was in force before still is.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Rules do not compile: the first findings in words, and how many errors there are.
    #[error("{} of the rules' findings are errors: {}", .count, .shown)]
    Rules {
        /// How many.
        count: usize,
        /// The first ones.
        shown: String,
    },
    /// The worker does not start or does not answer.
    #[error("the log worker does not answer: {0}")]
    Worker(String),
}

/// The log part of the supervisor. Dropping it ends its thread and its worker.
#[derive(Debug)]
pub struct Logs {
    commands: Sender<Command>,
    view: Arc<Mutex<ModuleStatus>>,
    thread: Option<JoinHandle<()>>,
}

// === impl Logs ===

impl Logs {
    /// Starts the reading thread; nothing is read and no worker runs before the first [`Self::apply`].
    ///
    /// Positions are kept in `dir`; `worker` is the program that serves as `worker logs`.
    pub fn start(dir: &Path, worker: PathBuf, sink: Sink) -> io::Result<Self> {
        let (commands, orders) = channel();
        let view = Arc::new(Mutex::new(off()));
        let reader = Reader::new(dir, worker, sink, Arc::clone(&view));
        let thread = std::thread::Builder::new().name("logs".into()).spawn(move || reader.run(&orders))?;
        Ok(Self { commands, view, thread: Some(thread) })
    }

    /// Puts a plan in force; gives the number of rules.
    pub fn apply(&self, plan: LogsPlan) -> Result<u32, ApplyError> {
        let gone = || ApplyError::Worker("its reader has ended".to_owned());
        let (answer, answered) = sync_channel(1);
        self.commands.send(Command::Apply(Box::new(plan), answer)).map_err(|_gone| gone())?;
        answered.recv().map_err(|_gone| gone())?
    }

    /// How it is.
    pub fn status(&self) -> ModuleStatus {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the thread and the worker. Positions are kept.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ended_already = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.end();
    }
}

fn off() -> ModuleStatus {
    ModuleStatus {
        module: MODULE.to_owned(),
        state: ModuleState::Off,
        mode: Mode::Off,
        reasons: Vec::new(),
        rules: 0,
        counters: Vec::new(),
    }
}

/// How much an event of an OSSEC level matters. OSSEC's own mail threshold is 7, and 12 is its "high importance".
pub const fn severity(level: u8) -> Severity {
    match level {
        0..=3 => Severity::Info,
        4..=5 => Severity::Low,
        6..=7 => Severity::Medium,
        8..=11 => Severity::High,
        _ => Severity::Critical,
    }
}

/// Our own decoders and rules, in force where a plan brings none.
pub fn own_rules() -> Vec<RuleFile> {
    sakimori_content::embedded_files(MODULE)
        .map(|(name, text)| RuleFile { name: name.to_owned(), text: text.to_vec() })
        .collect()
}
