//! The enforcing parts of this agent: which modules each serves, and how it is started. One entry a part.
use crate::connection::explain;
use crate::enforcement::Enforcement;
use crate::firewall::SafeNetwork;
use crate::inventory::Current;
use crate::network::Network;
use crate::scanner::Scanner;
use crate::spool::Spool;
use crate::supervisor::events_into;
use crate::{integrity, inventory, logs};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Notify;

/// An enforcing part that is set up, or why it is not.
pub type Started = Result<Box<dyn Enforcement>, String>;

/// What a part is started with.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Where state is kept; a part has a folder of its own name in it.
    pub state_dir: PathBuf,
    /// Where sockets are.
    pub run_dir: PathBuf,
    /// Where its events go: see [`events_into`].
    pub spool: Arc<Spool>,
    /// What is installed here, where a part finds out.
    pub inventory: Arc<Current>,
    /// Rung by a part whose status has changed in a way that the manager should hear of at once.
    pub news: Arc<Notify>,
}

/// Starts a part.
pub type Start = Box<dyn Fn(&Surroundings) -> Started + Send + Sync>;
/// Goes on with what the program before this one left in force.
pub type Resume = Box<dyn Fn(&Surroundings, &OsStr) -> Started + Send + Sync>;

/// An enforcing part that can be started.
pub struct Part {
    /// Its name, a word.
    pub name: &'static str,
    /// The modules it serves, by their registered names.
    pub modules: &'static [&'static str],
    /// The reason code of its modules while it could not be started.
    pub unavailable: &'static str,
    /// Starts it.
    pub start: Start,
    /// Resumes it after an upgrade, where it can leave enforcement in place.
    pub resume: Option<Resume>,
}

impl Part {
    /// The environment variable that carries what [`Enforcement::hand_over`] gave to the next program.
    pub fn variable(&self) -> String {
        format!("SAKIMORI_{}", self.name.to_ascii_uppercase())
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part")
            .field("name", &self.name)
            .field("modules", &self.modules)
            .finish_non_exhaustive()
    }
}

/// Every part of the product.
pub fn all() -> Vec<Part> {
    vec![network(), scanner(), logs::plug::part(), integrity::part::part(), inventory::part::part()]
}

fn network() -> Part {
    Part {
        name: "network",
        modules: &["firewall", "intrusion-prevention", "web-reputation", "web-application-firewall"],
        unavailable: "queue-unavailable",
        start: Box::new(|with| {
            let network = Network::start(&with.run_dir, events_into(Arc::clone(&with.spool)));
            let network = network.map_err(|error| explain(&error))?.for_agent_in(&with.state_dir);
            Ok(Box::new(SafeNetwork::over(network, with)?))
        }),
        resume: Some(Box::new(|with, handed_over| {
            let network = Network::resume(&with.run_dir, handed_over, events_into(Arc::clone(&with.spool)));
            let network = network.map_err(|error| explain(&error))?.for_agent_in(&with.state_dir);
            Ok(Box::new(SafeNetwork::over(network, with)?))
        })),
    }
}

fn scanner() -> Part {
    Part {
        name: "scanner",
        modules: &["anti-malware"],
        unavailable: "scanner-unavailable",
        start: Box::new(|with| {
            let mut events = events_into(Arc::clone(&with.spool));
            let reports = move |report| events(&[crate::scanner::event(report)]);
            let scanner = Scanner::start(&with.state_dir, &with.run_dir, reports);
            Ok(Box::new(scanner.map_err(|error| explain(&error))?))
        }),
        resume: None,
    }
}
