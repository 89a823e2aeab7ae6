//! The recommendation scan's half on this computer: an inventory, taken anew as often as the policy says.
use super::{Ask, Current, cloud, provider, take};
use crate::connection::explain;
use crate::enforcement::{Enforcement, Plan, Refusal};
use crate::parts::Part;
use sakimori_kernel::clock;
use sakimori_modules::recommendation::{self, Recommendation};
use sakimori_protocol::{Mode, ModuleState, ModuleStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// While the policy says off.
const NEVER: Duration = Duration::from_hours(u32::MAX as u64);
/// After one that failed.
const AGAIN: Duration = Duration::from_mins(5);

/// The part.
pub fn part() -> Part {
    Part {
        name: "inventory",
        modules: &["recommendation"],
        unavailable: "inventory-failed",
        start: Box::new(|with| {
            let taker = Taker::start(Arc::clone(&with.inventory));
            Ok(Box::new(taker.map_err(|error| format!("the inventory thread cannot be started: {error}"))?))
        }),
        resume: None,
    }
}

/// Takes inventories.
#[derive(Debug)]
struct Taker {
    asks: Sender<Ask>,
    shown: Arc<Mutex<Shown>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Debug, Default)]
struct Shown {
    mode: Option<Mode>,
    taken: u64,
    failure: Option<String>,
    incomplete: bool,
    packages: u64,
    applications: u64,
}

impl Taker {
    fn start(current: Arc<Current>) -> std::io::Result<Self> {
        let (asks, asked) = channel();
        current.set_taker(asks.clone());
        let shown = Arc::new(Mutex::new(Shown::default()));
        let for_thread = Arc::clone(&shown);
        let thread = std::thread::Builder::new()
            .name("inventory".into())
            .spawn(move || work(&asked, &for_thread, &current))?;
        Ok(Self { asks, shown, thread: Some(thread) })
    }
}

fn work(asked: &Receiver<Ask>, shown: &Mutex<Shown>, current: &Current) {
    let _as_before = sakimori_kernel::idle_io();
    let mut settings = Recommendation { mode: Mode::Off, ..Recommendation::default() };
    let mut due = NEVER;
    let after = |wait: Duration| clock::monotonic().saturating_add(wait);
    loop {
        match asked.recv_timeout(due.saturating_sub(clock::monotonic())) {
            // Bundles come for many reasons; what is installed is looked at anew for this module's alone.
            Ok(Ask::Settings(same)) if same == settings => continue,
            Ok(Ask::Settings(changed)) => settings = changed,
            Ok(Ask::End) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(Ask::Now) | Err(RecvTimeoutError::Timeout) => (),
        }
        if settings.mode == Mode::Off {
            current.set(None);
            due = NEVER;
            continue;
        }
        let provider = provider();
        match take(&settings.web_roots, provider) {
            Ok(inventory) => {
                let mut shown = lock(shown);
                shown.taken += 1;
                shown.failure = None;
                shown.incomplete = !inventory.incomplete.is_empty()
                    || provider != cloud::Provider::None && inventory.cloud.is_none();
                shown.packages = inventory.packages.len() as u64;
                shown.applications = inventory.applications.len() as u64;
                drop(shown);
                current.set(Some(inventory));
                due = after(Duration::from_mins(u64::from(settings.interval_minutes).max(1)));
            }
            Err(error) => {
                tracing::error!("{}", explain(&error));
                lock(shown).failure = Some(explain(&error));
                due = after(AGAIN);
            }
        }
    }
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Enforcement for Taker {
    fn apply(&self, plan: Plan) -> Result<u32, Refusal> {
        let (settings, _no_files) = plan.module::<Recommendation>(recommendation::MODULE.id)?;
        lock(&self.shown).mode = Some(settings.mode);
        self.asks
            .send(Ask::Settings(settings))
            .map_err(|_ended| Refusal::passing("inventory-failed: the thread has ended".to_owned()))?;
        Ok(0)
    }

    fn status(&self) -> Vec<ModuleStatus> {
        let shown = lock(&self.shown).clone();
        let mode = shown.mode.unwrap_or(Mode::Off);
        let (state, reason) = match (mode, &shown.failure, shown.incomplete) {
            (Mode::Off, _, _) => (ModuleState::Off, None),
            (_, Some(_), _) => (ModuleState::Failed, Some("inventory-failed")),
            (_, None, true) => (ModuleState::Degraded, Some("inventory-incomplete")),
            (_, None, false) => (ModuleState::Active, None),
        };
        let counters = [
            ("inventories", shown.taken),
            ("packages", shown.packages),
            ("applications", shown.applications),
        ];
        vec![ModuleStatus {
            module: recommendation::MODULE.id.to_owned(),
            state,
            mode,
            reasons: reason.into_iter().map(str::to_owned).collect(),
            rules: 0,
            counters: counters.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        }]
    }

    fn stop(mut self: Box<Self>) {
        let _ended_already = self.asks.send(Ask::End);
        // A worker at work ends by its own time limit; nobody waits for it.
        drop(self.thread.take());
    }
}
