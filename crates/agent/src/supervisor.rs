//! The life of the agent: enforce from disk, then talk; hand over or stop at the end.
//!
//! One thread runs all loops of the control side (a current-thread runtime); what blocks (compiling rules,
//! the network part) runs beside it. The loops that speak with the manager live as long as an identity: a
//! renewed certificate or a deactivation ends them and begins others.
use crate::bundle::BundleError;
use crate::control::Control;
use crate::coverage::{self, ListeningSocket};
use crate::parts::{Part, Surroundings};
use crate::service::ServiceManager;
use crate::spool::{Spool, SpoolLimits};
use crate::state::{self, StateError};
use crate::status::{self, Order};
use crate::{check_in, clock, renewal, sender};
use sakimori_model::Severity;
use sakimori_protocol::{Event, Leaving, ModuleState, ModuleStatus};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

/// How often module states and ports are looked at. Reading `/proc/net` is the agent's only regular work.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Ports are looked at every so many looks: finding the program of a socket reads every process's descriptors.
const PORTS_EVERY: u32 = 4;
/// What was refused for a passing reason is tried again every so many looks.
const RETRY_EVERY: u32 = 2;
/// An identity that appeared without an order (made by hand, restored) is found after this long.
const IDENTITY_EVERY: Duration = Duration::from_secs(30);

/// What a supervisor needs of the world.
pub struct World {
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// Where the sockets are.
    pub run_dir: PathBuf,
    /// The enforcing parts.
    pub parts: Vec<Part>,
    /// What the program before this one left for a part, by the part's variable.
    pub handed_over: fn(&str) -> Option<OsString>,
    /// Lists listening sockets.
    pub sockets: fn() -> Vec<ListeningSocket>,
    /// The service manager.
    pub service: ServiceManager,
}

/// How a supervisor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By a signal: enforcement is still on, the caller decides.
    Stop,
    /// Asked to become a new program: enforcement is still on.
    Upgrade,
}

/// The supervisor could not start.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// Files.
    #[error(transparent)]
    State(#[from] StateError),
    /// Bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Signals cannot be heard.
    #[error("signals cannot be heard")]
    Signals(#[source] std::io::Error),
}

/// Enforces what is on disk and opens everything; the manager is not asked yet.
pub fn prepare(world: &mut World) -> Result<Arc<Control>, SuperviseError> {
    state::make_private_dir(&world.state_dir)?;
    std::fs::create_dir_all(&world.run_dir).map_err(state::because("making", &world.run_dir))?;
    let spool = Arc::new(Spool::open(&world.state_dir.join("spool"), SpoolLimits::default())?);
    let with = Surroundings {
        state_dir: world.state_dir.clone(),
        run_dir: world.run_dir.clone(),
        spool,
        inventory: Arc::default(),
        news: Arc::default(),
    };
    let control = Arc::new(Control::new(with, std::mem::take(&mut world.parts))?);
    control.record(Event::notice(
        clock::wall(),
        Severity::Info,
        "agent-started",
        &[("version", crate::upgrade::package::version())],
    ));
    control.resume(world.handed_over);
    control.reload_identity();
    control.enforce_last();
    control.upgrades.go_on();
    Ok(control)
}

/// Runs until a signal or an order ends it.
pub async fn run(control: Arc<Control>, world: &World) -> Result<End, SuperviseError> {
    let (orders, mut ordered) = mpsc::channel(4);
    let socket = status::serve(Arc::clone(&control), world.run_dir.clone(), orders);
    let mut terminate = signal(SignalKind::terminate()).map_err(SuperviseError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(SuperviseError::Signals)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(SuperviseError::Signals)?;
    world.service.ready();
    let loops = async {
        tokio::join!(
            converse(Arc::clone(&control)),
            look(Arc::clone(&control), world.sockets, &world.service),
            beat(&world.service),
            tell_news(Arc::clone(&control)),
        )
    };
    tokio::pin!(socket, loops);
    loop {
        tokio::select! {
            _ = terminate.recv() => {
                check_in::goodbye(&control, Leaving::Stopping).await;
                return Ok(End::Stop);
            }
            _ = interrupt.recv() => {
                check_in::goodbye(&control, Leaving::Stopping).await;
                return Ok(End::Stop);
            }
            _ = hangup.recv() => return Ok(End::Upgrade),
            order = ordered.recv() => match order {
                Some(Order::Upgrade) => return Ok(End::Upgrade),
                Some(_) => control.reload_identity(),
                None => return Ok(End::Stop),
            },
            ended = &mut socket => {
                ended?;
                return Ok(End::Stop);
            }
            _ = &mut loops => return Ok(End::Stop),
        }
    }
}

/// Speaks with the manager as long as there is an identity, anew with every new one.
async fn converse(control: Arc<Control>) {
    let boot = Uuid::now_v7();
    let mut identity = control.identity();
    loop {
        let current = identity.borrow_and_update().clone();
        let Some(keyed) = current else {
            tokio::select! {
                _ = identity.changed() => (),
                () = tokio::time::sleep(IDENTITY_EVERY) => control.reload_identity(),
            }
            continue;
        };
        tokio::select! {
            _ = identity.changed() => (),
            () = check_in::run(Arc::clone(&control), keyed.clone(), boot) => (),
            () = sender::run(Arc::clone(&control), keyed.clone()) => (),
            () = renewal::run(Arc::clone(&control), keyed) => (),
        }
    }
}

/// What of the modules' status the manager should hear of at once: everything but counters.
fn shown(modules: &[ModuleStatus]) -> Vec<ModuleStatus> {
    modules.iter().map(|module| ModuleStatus { counters: Vec::new(), ..module.clone() }).collect()
}

/// Looks at modules and ports, and makes the check-in speak when they change.
async fn look(control: Arc<Control>, sockets: fn() -> Vec<ListeningSocket>, service: &ServiceManager) {
    let mut every = interval(LOOK_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = Vec::new();
    let mut listening = Vec::new();
    let mut looks = 0_u32;
    loop {
        every.tick().await;
        if looks.is_multiple_of(PORTS_EVERY) {
            let mut found = sockets();
            found.sort();
            found.dedup();
            listening = found;
        }
        looks = looks.wrapping_add(1);
        let asked = Arc::clone(&control);
        let retry = looks.is_multiple_of(RETRY_EVERY);
        // Beside the loops, because compiling rules holds what is asked here.
        let looked = tokio::task::spawn_blocking(move || {
            if retry {
                asked.retry();
            }
            asked.upgrades.tell(|event| asked.record(event));
            (asked.modules(), asked.inspected_ports())
        });
        let Ok((modules, inspected)) = looked.await else { continue };
        let ports = coverage::judge(listening.clone(), &inspected, &modules);
        let ports_changed = control.state().ports != ports;
        if ports_changed {
            control.update(|state| state.ports = ports);
        }
        let now = shown(&modules);
        if ports_changed || before != now {
            control.touch();
        }
        before = now;
        service.status(&line(&control, &modules));
    }
}

fn line(control: &Control, modules: &[ModuleStatus]) -> String {
    let state = control.state();
    let policy = state
        .enforced
        .map_or_else(|| "no policy".to_owned(), |enforced| format!("policy '{}'", enforced.policy));
    let on = modules.iter().filter(|module| module.state != ModuleState::Off);
    let on: Vec<String> = on.map(|module| format!("{} {:?}", module.module, module.state)).collect();
    format!(
        "{policy}, {}, {:?}",
        if on.is_empty() { "nothing on".to_owned() } else { on.join(", ") },
        state.link
    )
}

/// Makes the check-in speak when an inventory was taken, or a part has news.
async fn tell_news(control: Arc<Control>) {
    loop {
        tokio::select! {
            () = control.inventory_taken() => (),
            () = control.news() => (),
        }
        control.touch();
    }
}

/// Tells the service manager that the loops turn.
async fn beat(service: &ServiceManager) {
    let Some(every) = service.alive_interval() else { return std::future::pending().await };
    let mut every = interval(every);
    loop {
        every.tick().await;
        service.alive();
    }
}

/// A callback for events of an enforcing part: they are durable on return.
pub fn events_into(spool: Arc<Spool>) -> impl FnMut(&[Event]) + Send + 'static {
    move |events| {
        if let Err(error) = spool.append(events) {
            tracing::error!("events could not be spooled: {}", crate::connection::explain(&error));
        }
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("state_dir", &self.state_dir)
            .field("run_dir", &self.run_dir)
            .finish_non_exhaustive()
    }
}
