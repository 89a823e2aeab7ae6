//! Roll-outs of agent versions: what was decided ([`rings`]) is written down by one manager, by lease, and told to
//! computers by whichever manager they speak with.
//!
//! Everything that is decided lies in the database before anybody is told, with an order's id of its own, so a manager that
//! was killed goes on where it was: a computer that has not said anything of its order is told again, and takes an order
//! that it knows for the same. What computers say comes with their check-ins, and is written down where it is new.
pub(crate) mod rings;

use crate::app::{App, stopped};
use crate::fleet;
use crate::problem::Refused;
use crate::store::{
    Change, StoreError, TenantCtx, UpgradeComputerRow, UpgradeComputersWanted, UpgradeRow, Write,
};
use crate::tasks::schedule::Schedule;
use rings::{Act, Computer, Member, Plan, Seen, Standing, State, decide};
use sakimori_api::{UpgradeState, UpgradeWindow};
use sakimori_model::Timestamp;
use sakimori_protocol::{Command, ModuleState, ModuleStatus, SignedPackage, UpgradeStep};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// What is next is looked for this often.
const TICK: Duration = Duration::from_secs(2);
/// The packages folder is looked at this often.
const PACKAGES: Duration = Duration::from_secs(30);
/// A manager that was killed is replaced after this long.
const LEASE: Duration = Duration::from_secs(30);
/// A computer that has said nothing of its order is told again after this long.
const AGAIN: Duration = Duration::from_mins(1);
/// Longest words of a computer.
const WORDS: usize = 500;

/// What computers that speak with this manager are to be told.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    waiting: Mutex<HashMap<Uuid, Command>>,
    /// When each order was told last.
    told: Mutex<HashMap<Uuid, Timestamp>>,
}

impl Orders {
    /// What this computer is to be told, once.
    pub(crate) fn take(&self, computer: Uuid) -> Option<Command> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&computer)
    }
}

/// The word of a state, as it is kept and shown.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn of_word<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

/// A roll-out's state.
pub(crate) fn state(word: &str) -> State {
    match of_word(word) {
        Some(UpgradeState::Running) => State::Running,
        Some(UpgradeState::Paused) => State::Paused,
        Some(UpgradeState::GoingBack) => State::GoingBack,
        Some(UpgradeState::Succeeded) => State::Succeeded,
        Some(UpgradeState::Aborted) => State::Aborted,
        Some(UpgradeState::RolledBack) => State::RolledBack,
        Some(UpgradeState::Halted) | None => State::Halted,
    }
}

fn state_word(state: State) -> String {
    word(&match state {
        State::Running => UpgradeState::Running,
        State::Paused => UpgradeState::Paused,
        State::Halted => UpgradeState::Halted,
        State::GoingBack => UpgradeState::GoingBack,
        State::Succeeded => UpgradeState::Succeeded,
        State::Aborted => UpgradeState::Aborted,
        State::RolledBack => UpgradeState::RolledBack,
    })
}

const MEMBERS: [(Member, &str); 9] = [
    (Member::Waiting, "waiting"),
    (Member::Ordered, "ordered"),
    (Member::Healthy, "healthy"),
    (Member::Failed, "failed"),
    (Member::Unreached, "unreached"),
    (Member::Skipped, "skipped"),
    (Member::Returning, "returning"),
    (Member::Returned, "returned"),
    (Member::Stuck, "stuck"),
];

fn member(word: &str) -> Member {
    MEMBERS.iter().find(|(_, name)| *name == word).map_or(Member::Skipped, |(member, _)| *member)
}

fn member_word(member: Member) -> &'static str {
    MEMBERS.iter().find(|(one, _)| *one == member).map_or("skipped", |(_, name)| name)
}

fn secs(secs: u32) -> Duration {
    Duration::from_secs(u64::from(secs))
}

fn plan(row: &UpgradeRow) -> Plan {
    Plan {
        version: row.version.clone(),
        rings: u32::try_from(row.plan.rings.len()).unwrap_or(u32::MAX),
        healthy_within: secs(row.plan.healthy_within_secs),
        wait: secs(row.plan.wait_secs),
        reach_within: secs(row.plan.reach_within_secs),
        halt_above_percent: row.plan.halt_above_percent,
        at_once: usize::try_from(row.plan.at_once).unwrap_or(usize::MAX),
        roll_back_on_halt: row.plan.roll_back_on_halt,
    }
}

fn standing(row: &UpgradeRow) -> Standing {
    Standing {
        state: state(&row.state),
        ring: row.ring,
        ring_since: row.ring_since,
        ring_done: row.ring_done,
        back_from: row.back_from,
    }
}

/// Whether the maintenance window is open.
fn is_open(window: Option<&UpgradeWindow>, now: Timestamp) -> bool {
    let Some(window) = window else { return true };
    let Ok(schedule) = Schedule::parse(&window.schedule, &window.time_zone) else { return false };
    let span = i64::from(window.duration_secs).saturating_mul(1_000_000);
    schedule.next(Timestamp(now.0.saturating_sub(span))).is_some_and(|opened| opened <= now)
}

/// How bad a state is; off and active are both as wished for.
const fn rank(state: ModuleState) -> u8 {
    match state {
        ModuleState::Active | ModuleState::Off => 0,
        ModuleState::Degraded => 1,
        ModuleState::Failed => 2,
    }
}

/// The first module that is worse than before.
fn worse(before: &[(String, ModuleState)], now: &[ModuleStatus]) -> Option<String> {
    before.iter().find_map(|(module, before)| {
        let status = now.iter().find(|status| status.module == *module)?;
        (rank(status.state) > rank(*before))
            .then(|| format!("{module} is {}, and was {} before.", word(&status.state), word(before)))
    })
}

/// A computer as the decision sees it: what this manager has heard itself, or what was written down.
fn seen(app: &App, row: &UpgradeComputerRow, now: Timestamp) -> Option<Seen> {
    row.name.as_ref()?;
    let presence = app.fleet.presence(row.computer);
    let fresh = presence.filter(|presence| row.last_seen.is_none_or(|written| presence.last_seen >= written));
    let (version, modules, last_seen, online) = if let Some(presence) = &fresh {
        let online = fleet::is_online(presence.held, presence.last_seen, now);
        (presence.agent_version.clone(), &presence.modules, presence.last_seen, online)
    } else {
        // Another manager's: written down every half minute.
        let last_seen = row.last_seen.unwrap_or_default();
        (row.version.clone(), &row.modules, last_seen, now <= last_seen.plus(fleet::OFFLINE_AFTER))
    };
    let worse = worse(&row.modules_before, modules);
    let step = row.step.as_deref().and_then(of_word).map(|step| (step, row.message.clone()));
    Some(Seen { online, last_contact: last_seen, version, worse, step })
}

/// One look at a tenant's roll-outs: decides and writes down.
async fn look(app: &App, ctx: &TenantCtx, now: Timestamp) -> Result<(), Refused> {
    for row in app.store.upgrades_open(ctx).await? {
        let standing = standing(&row);
        let (from, to) = match standing.state {
            State::Running => (row.ring, row.ring),
            State::GoingBack => (row.back_from, row.ring),
            // Only those that are at it.
            _ => (1, 0),
        };
        let wanted = UpgradeComputersWanted::AtWork { from, to };
        let rows = app.store.upgrade_computers(ctx, row.id, wanted).await?;
        let computers: Vec<Computer> = rows
            .iter()
            .map(|one| Computer {
                id: one.computer,
                ring: one.ring,
                state: member(&one.state),
                since: one.since,
                from: one.from.clone(),
                seen: seen(app, one, now),
            })
            .collect();
        let open = is_open(row.plan.window.as_ref(), now);
        let acts = decide(&plan(&row), &standing, &computers, open, now);
        if acts.is_empty() {
            continue;
        }
        let mut write = app.store.begin(ctx, now).await?;
        // A person, or another manager, may have changed it meanwhile: then what was decided is of yesterday.
        if write.upgrade(row.id).await?.is_none_or(|current| current.revision != row.revision) {
            continue;
        }
        carry_out(app, &mut write, row, &computers, acts).await?;
        write.commit().await?;
    }
    Ok(())
}

/// Writes down what was decided.
async fn carry_out(
    app: &App,
    write: &mut Write,
    mut row: UpgradeRow,
    computers: &[Computer],
    acts: Vec<Act>,
) -> Result<(), StoreError> {
    let now = app.clock.now();
    let id = row.id;
    let mut moved = false;
    for act in acts {
        match act {
            Act::Order(computer) => {
                let version =
                    computers.iter().find(|one| one.id == computer).and_then(|one| one.seen.as_ref());
                let version = version.map(|seen| seen.version.clone()).unwrap_or_default();
                let modules = app.fleet.presence(computer).map_or_else(Vec::new, |presence| presence.modules);
                let modules: Vec<_> = modules.into_iter().map(|one| (one.module, one.state)).collect();
                let before = Some((version.as_str(), modules.as_slice()));
                write.upgrade_computer_order((id, computer), "ordered", Uuid::now_v7(), before).await?;
            }
            Act::Return(computer) => {
                write.upgrade_computer_order((id, computer), "returning", Uuid::now_v7(), None).await?;
            }
            Act::Mark(computer, state, words) => {
                write.upgrade_computer_state((id, computer), member_word(state), &words).await?;
            }
            Act::RingDone => {
                row.ring_done = Some(now);
                moved = true;
            }
            Act::EnterRing(ring) => {
                row.ring = ring;
                row.ring_since = now;
                row.ring_done = None;
                moved = true;
                let args = [("ring", (ring + 1).to_string()), ("of", row.plan.rings.len().to_string())];
                tell(write, &row, "info", "upgrade-ring-entered", &args).await?;
            }
            Act::Halt { failed, of } => {
                "halted".clone_into(&mut row.state);
                row.reason = format!("{failed} of {of} computers of ring {} failed.", row.ring + 1);
                moved = true;
                let args = [
                    ("ring", (row.ring + 1).to_string()),
                    ("failed", failed.to_string()),
                    ("of", of.to_string()),
                ];
                tell(write, &row, "high", "upgrade-halted", &args).await?;
            }
            Act::GoBack { from } => {
                go_back(write, &mut row, from, now).await?;
                moved = true;
            }
            Act::End(state) => {
                row.state = state_word(state);
                row.finished_at = Some(now);
                moved = true;
                write.upgrade_skip_waiting(id).await?;
                tell(write, &row, "info", "upgrade-ended", &[("state", row.state.clone())]).await?;
            }
        }
    }
    if moved { write.put_upgrade(&row).await } else { Ok(()) }
}

/// Computers of this ring and of later ones go back; the caller writes the row.
pub(crate) async fn go_back(
    write: &mut Write,
    row: &mut UpgradeRow,
    from: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    "going-back".clone_into(&mut row.state);
    row.back_from = from;
    row.ring_since = now;
    row.finished_at = None;
    let args = [("from ring", (from + 1).to_string()), ("to ring", (row.ring + 1).to_string())];
    tell(write, row, "info", "upgrade-going-back", &args).await
}

/// An event of the roll-out.
pub(crate) async fn tell(
    write: &mut Write,
    row: &UpgradeRow,
    severity: &str,
    code: &str,
    args: &[(&str, String)],
) -> Result<(), StoreError> {
    let mut all = vec![("roll-out", row.name.clone()), ("version", row.version.clone())];
    all.extend(args.iter().cloned());
    write.notice(Uuid::nil(), "manager", severity, code, &all).await
}

/// A roll-out for the audit trail.
pub(crate) fn change<'a>(
    action: &'a str,
    before: Option<&UpgradeRow>,
    after: Option<&UpgradeRow>,
) -> Change<'a> {
    let audited = |row: &UpgradeRow| serde_json::json!({"name": row.name, "version": row.version, "state": row.state, "plan": row.plan});
    Change {
        action,
        object_kind: "upgrade",
        object_id: before.or(after).map(|row| row.id.to_string()).unwrap_or_default(),
        before: before.map(audited),
        after: after.map(audited),
    }
}

/// Hears what computers that speak with this manager say of their orders, and tells those that have said nothing.
async fn speak(app: &App, ctx: &TenantCtx, now: Timestamp) -> Result<(), Refused> {
    for row in app.store.upgrades_open(ctx).await? {
        let wanted = UpgradeComputersWanted::AtWork { from: 1, to: 0 };
        for one in app.store.upgrade_computers(ctx, row.id, wanted).await? {
            let Some(order) = one.order else { continue };
            let Some(presence) = app.fleet.presence(one.computer) else { continue };
            if let Some(said) = presence.upgrade.as_ref().filter(|said| said.order == order) {
                let words =
                    sakimori_modules::event::printable(said.reason.as_deref().unwrap_or_default(), WORDS);
                let step = word(&said.step);
                if said.step != UpgradeStep::Unknown
                    && (one.step.as_ref() != Some(&step) || one.message != words)
                {
                    app.store.upgrade_step(ctx.tenant, (one.computer, order), &step, &words).await?;
                }
                continue;
            }
            if presence.held == 0 || !app.upgrades.is_due(order, now) {
                continue;
            }
            let command = match command(app, &row, &one, order, presence.packaging.as_ref()) {
                Ok(command) => command,
                Err(words) => {
                    let state = if one.state == "returning" { Member::Stuck } else { Member::Skipped };
                    let mut write = app.store.begin(ctx, now).await?;
                    write.upgrade_computer_state((row.id, one.computer), member_word(state), &words).await?;
                    write.commit().await?;
                    continue;
                }
            };
            app.upgrades.put(one.computer, order, command, now);
            app.rollout.wake(one.computer);
        }
    }
    Ok(())
}

impl Orders {
    /// Whether an order is to be told, for the first time or again.
    fn is_due(&self, order: Uuid, now: Timestamp) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(&order).is_none_or(|at| now >= at.plus(AGAIN))
    }

    fn put(&self, computer: Uuid, order: Uuid, command: Command, now: Timestamp) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // What is older was answered, or is told anew: nothing is lost by forgetting it.
        told.retain(|_, at| now < at.plus(AGAIN * 2));
        told.insert(order, now);
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(computer, command);
    }
}

/// What a computer is told; words where it cannot be told.
fn command(
    app: &App,
    row: &UpgradeRow,
    one: &UpgradeComputerRow,
    order: Uuid,
    packaging: Option<&sakimori_protocol::Packaging>,
) -> Result<Command, String> {
    let healthy_within_secs = row.plan.healthy_within_secs;
    let Some(packaging) = packaging else {
        return Err("Its agent was not installed from a package, or is too old to be upgraded so.".to_owned());
    };
    if one.state == "returning" {
        return Ok(Command::RollBack { order, version: one.from.clone(), healthy_within_secs });
    }
    let signed = app.agent_packages.find(&row.version, &packaging.architecture).ok_or_else(|| {
        format!("There is no package of version {} for {}.", row.version, packaging.architecture)
    })?;
    let package = SignedPackage { statement: signed.statement, signature: signed.signature };
    Ok(Command::Upgrade { order, package, healthy_within_secs })
}

/// Looks after roll-outs until the manager ends.
pub(crate) async fn run(app: Arc<App>) {
    let mut stopping = app.stopping.clone();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut packages = tokio::time::interval(PACKAGES);
    packages.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = packages.tick() => {
                app.agent_packages.look().await;
                continue;
            }
            () = stopped(&mut stopping) => return,
        }
        let work = async {
            let now = app.clock.now();
            let leads = app.store.lease("upgrades", app.instance, LEASE, now).await?;
            for tenant in app.store.tenants().await? {
                let ctx = TenantCtx::system(tenant);
                speak(&app, &ctx, now).await?;
                if leads {
                    look(&app, &ctx, now).await?;
                }
            }
            Ok::<(), Refused>(())
        };
        if let Err(refused) = work.await {
            tracing::error!(title = %refused.title, "roll-outs could not be looked after");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_open_from_its_time_for_its_length() {
        let window = UpgradeWindow {
            schedule: "0 2 * * *".to_owned(),
            time_zone: "UTC".to_owned(),
            duration_secs: 3_600,
        };
        let at = |minutes: i64| Timestamp((10 * 1_440 + minutes) * 60_000_000);
        let open = |minutes| is_open(Some(&window), at(minutes));
        assert_eq!([119, 120, 179, 181].map(open), [false, true, true, false]);
        assert!(is_open(None, at(0)));
    }

    #[test]
    fn a_module_that_was_bad_before_is_not_worse() {
        let status = |state| ModuleStatus {
            module: "firewall".to_owned(),
            state,
            mode: sakimori_protocol::Mode::Prevent,
            reasons: Vec::new(),
            rules: 0,
            counters: Vec::new(),
        };
        let before = |state| vec![("firewall".to_owned(), state)];
        assert_eq!(worse(&before(ModuleState::Degraded), &[status(ModuleState::Degraded)]), None);
        assert_eq!(worse(&before(ModuleState::Active), &[]), None);
        assert_eq!(
            worse(&before(ModuleState::Active), &[status(ModuleState::Failed)]).unwrap(),
            "firewall is failed, and was active before."
        );
    }

    #[test]
    fn words_come_back_as_what_they_were() {
        for (one, name) in MEMBERS {
            assert_eq!((member(name), member_word(one)), (one, name));
        }
        for one in [State::Running, State::Paused, State::Halted, State::GoingBack, State::Succeeded] {
            assert_eq!(state(&state_word(one)), one);
        }
        assert_eq!(word(&UpgradeStep::RolledBack), "rolled-back");
    }
}
