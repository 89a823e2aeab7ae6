//! Scheduled tasks: what is done by the clock.
//!
//! A task says when it is due next; one manager, by lease, turns that into a *run*, in the transaction that moves the
//! task on, so that each time is taken once. A run of the manager's own (backup, report, retention) is carried out under
//! a lease of its own and begins again where a manager was killed in between. A run of computers has a row for each: it
//! is told at its check-in, after a moment of its own within the jitter, by whichever manager it speaks with, and says
//! what came of it; who does not answer is told again. At the window's end whoever was not reached is left out.
//!
//! *Missed times*: of all times that passed while no manager ran, the last one is made up for if its window is still
//! open; otherwise one run says that it was missed.
pub(crate) mod operations;
mod own;
pub(crate) mod schedule;

use crate::app::{App, stopped};
use crate::problem::Refused;
use crate::store::{ComputersWanted, StoreError, TaskRow, TaskRunRow, TenantCtx, Write};
use sakimori_api::TaskKind;
use sakimori_model::Timestamp;
use sakimori_protocol::{Command, OrderDone};
use schedule::Schedule;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use uuid::Uuid;

/// What is due is looked for this often.
const TICK: Duration = Duration::from_secs(1);
/// A manager that was killed is replaced after this long.
const LEASE: Duration = Duration::from_secs(30);
/// A computer that has not answered is told again after this long.
const AGAIN: Duration = Duration::from_mins(10);
/// Computers told at once, for each look.
const TELL: u32 = 2_000;
/// Longest answer of a computer.
const WORDS: usize = 500;

/// What computers that speak with this manager are to be told.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    waiting: Mutex<HashMap<Uuid, Vec<(Uuid, TaskKind)>>>,
}

impl Orders {
    /// What this computer is to be told, once.
    pub(crate) fn take(&self, computer: Uuid) -> Vec<(Uuid, TaskKind)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(&computer).unwrap_or_default()
    }
}

/// The start of a text, for messages.
fn short(text: &str) -> String {
    sakimori_modules::event::printable(text, 40)
}

/// A kind by its word.
pub(crate) fn kind(word: &str) -> Option<TaskKind> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

/// The word of a kind.
pub(crate) fn word(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::IntegrityScan => "integrity-scan",
        TaskKind::MalwareScan => "malware-scan",
        TaskKind::RecommendationScan => "recommendation-scan",
        TaskKind::Backup => "backup",
        TaskKind::Retention => "retention",
        TaskKind::Report => "report",
        TaskKind::ContentUpdate => "content-update",
    }
}

/// Whether computers do it.
pub(crate) fn of_computers(kind: TaskKind) -> bool {
    matches!(kind, TaskKind::IntegrityScan | TaskKind::MalwareScan | TaskKind::RecommendationScan)
}

/// What a computer is told; and whether it answers.
pub(crate) fn command(run: Uuid, kind: TaskKind) -> (Command, bool) {
    match kind {
        TaskKind::RecommendationScan => (Command::SendInventory, false),
        kind => (Command::Order { run, order: word(kind).to_owned() }, true),
    }
}

/// When a task is due after `now`.
pub(crate) fn next(row: &TaskRow, now: Timestamp) -> Option<Timestamp> {
    Schedule::parse(&row.schedule, &row.time_zone).ok()?.next(now)
}

/// Begins a run with its computers.
pub(crate) async fn begin(
    write: &mut Write,
    app: &App,
    ctx: &TenantCtx,
    task: &TaskRow,
    (due, asked_by): (Timestamp, &str),
) -> Result<TaskRunRow, StoreError> {
    let now = app.clock.now();
    let run = TaskRunRow {
        id: Uuid::now_v7(),
        task: task.id,
        due_at: due,
        state: "running".to_owned(),
        started_at: now,
        ends_at: now.max(due).plus(Duration::from_secs(u64::from(task.window_secs))),
        finished_at: None,
        asked_by: asked_by.to_owned(),
        message: String::new(),
        computers: [0; 4],
    };
    write.insert_task_run(&run).await?;
    if kind(&task.kind).is_some_and(of_computers) {
        let mut after: Option<(String, String)> = None;
        let wanted = ComputersWanted {
            policies: task.policy.map(|policy| vec![policy]),
            ..ComputersWanted::default()
        };
        loop {
            let rows = app.store.computers(ctx, &wanted, after.as_ref(), 500).await?;
            for (row, _) in &rows {
                // Each computer has its own moment in every run of a task, so that runs do not drift into each other.
                let within = u64::from(task.jitter_secs).saturating_mul(1_000_000).max(1);
                let (high, low) = row.id.as_u64_pair();
                let wait = Duration::from_micros((high ^ low).wrapping_mul(0x9e37_79b9_7f4a_7c15) % within);
                let wait = if task.jitter_secs == 0 { Duration::ZERO } else { wait };
                write.insert_task_computer(run.id, row.id, now.plus(wait)).await?;
            }
            match rows.last() {
                Some((_, last)) if rows.len() == 500 => after = Some(last.clone()),
                _ => break,
            }
        }
    }
    Ok(run)
}

/// A computer says what came of an order, or how far it is: then it is not told again for a while.
pub(crate) async fn answered(
    app: &App,
    tenant: Uuid,
    computer: Uuid,
    said: &OrderDone,
) -> Result<(), StoreError> {
    let (state, words) = match &said.error {
        Some(error) => ("failed", error),
        None if said.goes_on => ("sent", &said.words),
        None => ("done", &said.words),
    };
    let words = sakimori_modules::event::printable(words, WORDS);
    app.store.task_computer_state(tenant, (said.run, computer), state, &words, app.clock.now()).await?;
    Ok(())
}

/// Does what is due until the manager ends.
pub(crate) async fn run(app: Arc<App>) {
    let mut stopping = app.stopping.clone();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut at_work: HashSet<Uuid> = HashSet::new();
    let mut work: JoinSet<Uuid> = JoinSet::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(done) = work.join_next(), if !work.is_empty() => {
                match done {
                    Ok(run) => { at_work.remove(&run); }
                    Err(error) => tracing::error!(%error, "a task ended by a fault"),
                }
                continue;
            }
            () = stopped(&mut stopping) => break,
        }
        let look = async {
            let now = app.clock.now();
            let leads = app.store.lease("tasks", app.instance, LEASE, now).await?;
            let mut orders: HashMap<Uuid, Vec<(Uuid, TaskKind)>> = HashMap::new();
            let tenants = app.store.tenants().await?;
            crate::firewall_orders::look(&app, &tenants, now).await?;
            for tenant in tenants {
                let ctx = TenantCtx::system(tenant);
                if leads {
                    due(&app, &ctx, now).await?;
                    for (run, kind) in finish(&app, &ctx, now).await? {
                        if at_work.insert(run) {
                            let app = Arc::clone(&app);
                            work.spawn(async move {
                                Box::pin(own::carry_out(&app, tenant, run, kind)).await;
                                run
                            });
                        }
                    }
                    for operation in app.store.operations_running(&ctx).await? {
                        if at_work.insert(operation.id) {
                            let app = Arc::clone(&app);
                            work.spawn(async move {
                                let id = operation.id;
                                Box::pin(operations::carry_out(&app, tenant, operation)).await;
                                id
                            });
                        }
                    }
                }
                let again =
                    Timestamp(now.0.saturating_sub(i64::try_from(AGAIN.as_micros()).unwrap_or(i64::MAX)));
                for (computer, run, word) in app.store.task_orders(&ctx, now, again, TELL).await? {
                    // Only those who speak with this manager now.
                    if app.fleet.presence(computer).is_some_and(|presence| presence.held > 0)
                        && let Some(kind) = kind(&word)
                    {
                        orders.entry(computer).or_default().push((run, kind));
                    }
                }
            }
            let computers: Vec<Uuid> = orders.keys().copied().collect();
            *app.orders.waiting.lock().unwrap_or_else(PoisonError::into_inner) = orders;
            for computer in computers {
                app.rollout.wake(computer);
            }
            Ok::<(), Refused>(())
        };
        if let Err(refused) = look.await {
            tracing::error!(title = %refused.title, "tasks could not be looked after");
        }
    }
    while work.join_next().await.is_some() {}
}

/// Turns what is due into runs.
async fn due(app: &App, ctx: &TenantCtx, now: Timestamp) -> Result<(), Refused> {
    for task in app.store.tasks(ctx, "", 1_000).await? {
        let Some(first) = task.next_at.filter(|at| task.enabled && *at <= now) else { continue };
        let Ok(schedule) = Schedule::parse(&task.schedule, &task.time_zone) else { continue };
        // Of what passed unseen the last time counts. A day of minutes is looked through, not more.
        let day_ago = Timestamp(now.0.saturating_sub(86_400_000_000));
        let mut last = first;
        let mut at = schedule.next(first.max(day_ago));
        while let Some(later) = at.filter(|later| *later <= now) {
            last = later;
            at = schedule.next(later);
        }
        let mut write = app.store.begin(ctx, now).await?;
        if !write.move_task(task.id, first, at).await? {
            continue;
        }
        let window = Duration::from_secs(u64::from(task.window_secs));
        if now <= last.plus(window) {
            begin(&mut write, app, ctx, &task, (last, "")).await?;
        } else {
            let run = TaskRunRow {
                id: Uuid::now_v7(),
                task: task.id,
                due_at: last,
                state: "missed".to_owned(),
                started_at: now,
                ends_at: now,
                finished_at: Some(now),
                asked_by: String::new(),
                message: "No manager ran while it could begin.".to_owned(),
                computers: [0; 4],
            };
            write.insert_task_run(&run).await?;
        }
        write.commit().await?;
    }
    Ok(())
}

/// Ends the runs whose computers have all answered or whose window is over; those of the manager's own are given back.
async fn finish(app: &App, ctx: &TenantCtx, now: Timestamp) -> Result<Vec<(Uuid, TaskKind)>, Refused> {
    let mut own = Vec::new();
    for run in app.store.task_runs_running(ctx).await? {
        let Some(task) = app.store.task(ctx, run.task).await? else { continue };
        let Some(kind) = kind(&task.kind) else { continue };
        if !of_computers(kind) {
            own.push((run.id, kind));
            continue;
        }
        let [waiting, sent, done, failed] = run.computers;
        if waiting + sent > 0 && now < run.ends_at {
            continue;
        }
        let missed = waiting + sent + failed;
        let state = if missed == 0 { "succeeded" } else { "failed" };
        let message = if missed == 0 {
            format!("{done} computers did it.")
        } else {
            format!("{done} computers did it, {missed} could not or were not reached.")
        };
        let mut write = app.store.begin(ctx, now).await?;
        write.end_task_run(run.id, state, &message).await?;
        write.commit().await?;
    }
    Ok(own)
}
