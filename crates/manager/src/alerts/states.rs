//! What is the matter now, compared with the alerts that stand.
use super::{Cause, Condition, note, raised, shown, tell};
use crate::app::App;
use crate::clock;
use crate::http::computers;
use crate::problem::Refused;
use crate::store::{AlertRow, ComputersWanted, TenantCtx};
use sakimori_api::{Computer, ModuleState};
use sakimori_model::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;
use uuid::Uuid;

/// Computers read at once.
const ROWS: u32 = 500;
/// Fewer lost computers than this are no mass.
const MASS: u64 = 5;
/// Of how long ago a computer has to have been in contact to count as lost at once.
const RECENTLY: Duration = Duration::from_hours(1);

/// What lasts between two looks.
#[derive(Debug, Default)]
pub(super) struct States {
    /// Since when a computer has not had its newest policy.
    outdated: HashMap<(Uuid, Uuid), Timestamp>,
}

/// What was found, by condition and group.
type Found = BTreeMap<(String, String), Cause>;

struct Look<'a> {
    conditions: HashMap<&'a str, &'a Condition>,
    now: Timestamp,
    found: Found,
    /// In contact within the last hour, and how many of them are not any more.
    recent: u64,
    lost: u64,
}

impl Look<'_> {
    /// The threshold of a condition that is in force.
    fn threshold(&self, id: &str) -> Option<u32> {
        self.conditions.get(id).map(|condition| condition.row.threshold.unwrap_or(1))
    }

    fn find(&mut self, id: &str, about: &Computer, part: &str, args: &[(&str, &str)]) {
        let group = if part.is_empty() { about.id.to_string() } else { format!("{}:{part}", about.id) };
        let cause = Cause {
            group,
            subject: about.display_name.clone(),
            computer: Some(about.id),
            args: args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        self.add(id, cause);
    }

    fn add(&mut self, id: &str, cause: Cause) {
        if self.conditions.contains_key(id) {
            self.found.insert((id.to_owned(), cause.group.clone()), cause);
        }
    }
}

impl States {
    /// Looks at everything of a tenant, raises and resolves.
    pub(super) async fn sweep(
        &mut self,
        app: &App,
        ctx: &TenantCtx,
        conditions: &[Condition],
        now: Timestamp,
    ) -> Result<(), Refused> {
        let on_states: HashMap<&str, &Condition> = conditions
            .iter()
            .filter(|condition| !condition.on_events() && condition.row.enabled)
            .map(|condition| (condition.id.as_str(), condition))
            .collect();
        let mut look = Look { conditions: on_states, now, found: Found::new(), recent: 0, lost: 0 };
        let names = computers::Names::read(app, ctx).await?;
        let mut seen = HashSet::new();
        let mut after: Option<(String, String)> = None;
        loop {
            let rows = app.store.computers(ctx, &ComputersWanted::default(), after.as_ref(), ROWS).await?;
            for (row, _) in &rows {
                let presence = app.presence(row);
                let computer = computers::shown(app, row, &names, presence.as_ref());
                let last_seen = presence.as_ref().map_or(row.last_seen, |p| Some(p.last_seen));
                seen.insert(row.id);
                self.computer(&mut look, ctx.tenant, &computer, last_seen, row.certificate_expires_at);
            }
            match rows.last() {
                Some((_, last)) if rows.len() == usize::try_from(ROWS).unwrap_or(usize::MAX) => {
                    after = Some(last.clone());
                }
                _ => break,
            }
        }
        self.outdated.retain(|(tenant, computer), _| *tenant != ctx.tenant || seen.contains(computer));
        channels(app, ctx, &mut look).await?;
        tasks(app, ctx, &mut look).await?;
        mass_loss(&mut look);
        disk(app, &mut look);
        let found = look.found;
        reconcile(app, ctx, conditions, found, now).await
    }

    fn computer(
        &mut self,
        look: &mut Look<'_>,
        tenant: Uuid,
        computer: &Computer,
        last_seen: Option<Timestamp>,
        certificate_ends: Timestamp,
    ) {
        let now = look.now;
        let online = !computer.status_reasons.iter().any(|reason| reason.code == "no-contact");
        if let Some(seen) = last_seen
            && now <= seen.plus(RECENTLY)
        {
            look.recent += 1;
            look.lost += u64::from(!online);
        }
        if let (false, Some(seen), Some(minutes)) = (online, last_seen, look.threshold("computer-offline"))
            && now > seen.plus(Duration::from_mins(u64::from(minutes)))
        {
            look.find("computer-offline", computer, "", &[("since", &clock::text(seen))]);
        }
        if let Some(days) = look.threshold("certificate-expiring")
            && certificate_ends.0 > 0
            && certificate_ends <= now.plus(Duration::from_hours(24 * u64::from(days)))
        {
            let until = clock::text(certificate_ends);
            look.find("certificate-expiring", computer, "", &[("until", &until)]);
        }
        if computer.fingerprint.clone_seen.is_some() {
            let differs = computer.fingerprint.clone_differs_in.join(", ");
            look.find("agent-clone", computer, "", &[("differsIn", &differs)]);
        }
        if let Some(reason) = &computer.bundle.refused {
            look.find("policy-refused", computer, "", &[("reason", reason)]);
        }
        let key = (tenant, computer.id);
        if online && last_seen.is_some() && !computer.bundle.up_to_date && computer.bundle.refused.is_none() {
            let since = *self.outdated.entry(key).or_insert(now);
            if let Some(minutes) = look.threshold("rules-out-of-date")
                && now > since.plus(Duration::from_mins(u64::from(minutes)))
            {
                look.find("rules-out-of-date", computer, "", &[("minutes", &minutes.to_string())]);
            }
        } else {
            self.outdated.remove(&key);
        }
        for module in &computer.modules {
            let id = match module.state {
                ModuleState::Degraded => "module-degraded",
                ModuleState::Failed => "module-failed",
                ModuleState::Active | ModuleState::Off => continue,
            };
            let reasons = module.reasons.join(", ");
            look.find(id, computer, &module.module, &[("module", &module.module), ("reasons", &reasons)]);
        }
        let off = |module: &sakimori_api::ComputerModule| module.state == ModuleState::Off;
        if !computer.modules.is_empty() && computer.modules.iter().all(off) {
            look.find("protection-off", computer, "", &[]);
        }
    }
}

async fn tasks(app: &App, ctx: &TenantCtx, look: &mut Look<'_>) -> Result<(), Refused> {
    if look.threshold("task-failed").is_none() {
        return Ok(());
    }
    for task in app.store.tasks(ctx, "", 1_000).await? {
        let runs = app.store.task_runs(ctx, task.id, None, 2).await?;
        let last = runs.into_iter().find(|run| run.state != "running");
        let Some(run) = last.filter(|run| run.state != "succeeded" && task.enabled) else { continue };
        let cause = Cause {
            group: task.id.to_string(),
            subject: task.name,
            computer: None,
            args: BTreeMap::from([("reason".to_owned(), run.message)]),
        };
        look.add("task-failed", cause);
    }
    Ok(())
}

async fn channels(app: &App, ctx: &TenantCtx, look: &mut Look<'_>) -> Result<(), Refused> {
    let Some(minutes) = look.threshold("delivery-failing") else { return Ok(()) };
    for row in app.store.channels(ctx, "", 1_000).await? {
        let Some(since) = row.progress.failing_since.filter(|_| row.enabled) else { continue };
        if look.now > since.plus(Duration::from_mins(u64::from(minutes))) {
            let args =
                [("since", clock::text(since)), ("reason", row.progress.last_error.unwrap_or_default())];
            let args = args.map(|(name, value)| (name.to_owned(), value));
            let cause = Cause {
                group: row.id.to_string(),
                subject: row.name,
                computer: None,
                args: args.into_iter().collect(),
            };
            look.add("delivery-failing", cause);
        }
    }
    Ok(())
}

fn mass_loss(look: &mut Look<'_>) {
    let Some(percent) = look.threshold("mass-loss") else { return };
    if look.lost >= MASS && look.lost * 100 >= look.recent * u64::from(percent) {
        let args = [("lost", look.lost), ("total", look.recent)];
        let args = args.map(|(name, value)| (name.to_owned(), value.to_string()));
        let cause = Cause {
            group: String::new(),
            subject: String::new(),
            computer: None,
            args: args.into_iter().collect(),
        };
        look.add("mass-loss", cause);
    }
}

fn disk(app: &App, look: &mut Look<'_>) {
    let Some(most) = look.threshold("disk-nearly-full") else { return };
    let Some(percent) = app.disk.percent(&app.data_dir) else { return };
    if u32::from(percent) >= most {
        let cause = Cause {
            group: String::new(),
            subject: String::new(),
            computer: None,
            args: BTreeMap::from([("percent".to_owned(), percent.to_string())]),
        };
        look.add("disk-nearly-full", cause);
    }
}

/// Makes the alerts on states say what was found.
async fn reconcile(
    app: &App,
    ctx: &TenantCtx,
    conditions: &[Condition],
    found: Found,
    now: Timestamp,
) -> Result<(), Refused> {
    if !differs(&app.store.alerts_active(ctx).await?, conditions, &found) {
        return Ok(());
    }
    let mut write = app.store.begin(ctx, now).await?;
    let mut missing = found;
    for mut row in write.alerts_active().await? {
        if on_events(&row, conditions) {
            continue;
        }
        if let Some(cause) = missing.remove(&(row.condition.clone(), row.group.clone())) {
            if changed(&row, &cause) {
                row.args = cause.args;
                row.subject = cause.subject;
                row.last_at = now;
                write.update_alert(&row).await?;
            }
            continue;
        }
        row.active = false;
        row.last_at = now;
        row.resolved_at = Some(now);
        // What a person has dismissed is not brought up again by its end.
        let told = row.state != "dismissed";
        if told {
            "resolved".clone_into(&mut row.state);
        }
        write.update_alert(&row).await?;
        if told {
            note(&mut write, "resolved", &row).await?;
        }
    }
    for ((id, _), cause) in missing {
        let Some(condition) = conditions.iter().find(|condition| condition.id == id) else { continue };
        let row = raised(condition, &cause, 1, now);
        write.insert_alert(&row).await?;
        note(&mut write, "raised", &row).await?;
        tracing::info!(alert = %shown(&row).explanation.en, "alert");
    }
    write.commit().await?;
    tell(app, ctx.tenant);
    Ok(())
}

/// An alert whose condition is gone counts as one on a state: it is resolved.
fn on_events(row: &AlertRow, conditions: &[Condition]) -> bool {
    conditions.iter().any(|condition| condition.id == row.condition && condition.on_events())
}

fn changed(row: &AlertRow, cause: &Cause) -> bool {
    row.args != cause.args || row.subject != cause.subject
}

fn differs(active: &[AlertRow], conditions: &[Condition], found: &Found) -> bool {
    let standing: Vec<&AlertRow> = active.iter().filter(|row| !on_events(row, conditions)).collect();
    standing.len() != found.len()
        || standing.iter().any(|row| {
            let cause = found.get(&(row.condition.clone(), row.group.clone()));
            cause.is_none_or(|cause| changed(row, cause))
        })
}
