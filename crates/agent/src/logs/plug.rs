//! The log part as the agent's control side sees it.

use super::{ApplyError, Logs, LogsPlan, MODULE, Said, Sink};
use crate::clock;
use crate::connection::explain;
use crate::enforcement::{Enforcement, Plan, Refusal};
use crate::parts::{Part, Started, Surroundings};
use crate::spool::Spool;
use crate::state;
use sakimori_kernel::spawn;
use sakimori_model::{Action, Severity};
use sakimori_modules::agent::Gap;
use sakimori_modules::log_inspection::LogInspection;
use sakimori_protocol::{Event, ModuleStatus};
use std::sync::Arc;

/// The part as it is registered.
pub fn part() -> Part {
    Part {
        name: "logs",
        modules: &[MODULE],
        unavailable: "logs-unavailable",
        start: Box::new(start),
        // An upgrade ends it: positions are on disk, and the next program reads on from there.
        resume: None,
    }
}

fn start(with: &Surroundings) -> Started {
    let dir = with.state_dir.join("logs");
    state::make_private_dir(&dir).map_err(|error| explain(&error))?;
    let logs = Logs::start(&dir, spawn::OWN_PROGRAM.into(), into_spool(Arc::clone(&with.spool)));
    Ok(Box::new(logs.map_err(|error| explain(&error))?))
}

/// A sink that is durable on return.
fn into_spool(spool: Arc<Spool>) -> Sink {
    Box::new(move |said| {
        let at = clock::wall();
        let events: Vec<Event> = said
            .iter()
            .map(|said| match said {
                Said::Event(severity, event) => Event::new(at, MODULE, *severity, Action::Detected, event),
                Said::Gap(what, count, reason) => {
                    let gap = Gap { what: (*what).to_owned(), count: *count, reason: (*reason).to_owned() };
                    Event::new(at, MODULE, Severity::Medium, Action::Noted, &gap)
                }
            })
            .collect();
        match spool.append(&events) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!("log events could not be spooled: {}", explain(&error));
                false
            }
        }
    })
}

impl Enforcement for Logs {
    fn apply(&self, plan: Plan) -> Result<u32, Refusal> {
        let (settings, files) = plan.module::<LogInspection>(MODULE)?;
        Self::apply(self, LogsPlan { settings, files: files.to_vec() }).map_err(|error| match &error {
            ApplyError::Rules { count, shown } => Refusal::lasting(format!(
                "rules-refused: {count} findings of the log rules are errors.\n{shown}"
            )),
            ApplyError::Worker(_) => Refusal::passing(format!("worker-restarting: {error}")),
        })
    }

    fn status(&self) -> Vec<ModuleStatus> {
        vec![Self::status(self)]
    }

    fn stop(self: Box<Self>) {
        Self::stop(*self);
    }
}
