//! `sakimori agent-packages` and `sakimori upgrades`.
use super::{NAMES_MAX, Out, fact, group_id, policy_id, search_id, word};
use crate::client::Client;
use crate::command_line::upgrades::{Create, Packages, Upgrades};
use crate::problem::Failure;
use crate::table::{Table, shown};
use anyhow::Context as _;
use sakimori_api::{
    AgentPackage, NewUpgrade, NewUpgradeRing, Upgrade, UpgradeComputer, UpgradePlan, UpgradeRollBack,
    UpgradeWindow,
};
use std::path::PathBuf;
use uuid::Uuid;

pub(super) async fn packages(out: Out, client: &Client, command: Packages) -> Result<(), Failure> {
    match command {
        Packages::List => {
            let all: Vec<AgentPackage> = client.list("/agent-packages", &[], NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table = Table::new(&["VERSION", "ARCHITECTURE", "SIZE", "REFUSED", "SHA-256"]);
                for p in all {
                    let (size, refused) = (p.size.to_string(), p.refused.clone().unwrap_or_default());
                    table.row([&p.version, &p.architecture, &size, &refused, &p.sha256]);
                }
                table.to_string()
            })
        }
        Packages::Upload { file, signature } => {
            let signature = signature.unwrap_or_else(|| {
                let mut name = file.clone().into_os_string();
                name.push(".sig");
                PathBuf::from(name)
            });
            let text = tokio::fs::read(&signature).await.with_context(|| signature.display().to_string())?;
            let made: AgentPackage = client.upload("/agent-packages", &file, &text).await?;
            out.show(&made, |made| format!("{} is here: {} bytes.\n", made.file, made.size))
        }
        Packages::Delete { package } => {
            let all: Vec<AgentPackage> = client.list("/agent-packages", &[], NAMES_MAX).await?;
            let found = all.iter().find(|one| one.sha256 == package || one.file == package);
            let found = found.ok_or_else(|| {
                Failure::NotFound(format!(
                    "there is no package '{package}': 'sakimori agent-packages list' shows them"
                ))
            })?;
            client.delete(&format!("/agent-packages/{}", found.sha256), None).await?;
            out.done("Deleted.")
        }
    }
}

pub(super) async fn execute(out: Out, client: &Client, command: Upgrades) -> Result<(), Failure> {
    match command {
        Upgrades::List => {
            let all: Vec<Upgrade> = client.list("/upgrades", &[], NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table = Table::new(&["ROLL-OUT", "VERSION", "STATE", "RING", "BEGUN", "ID"]);
                for u in all {
                    let ring = format!("{} of {}", u.ring + 1, u.rings.len());
                    table.row([
                        &u.name,
                        &u.version,
                        &word(&u.state),
                        &ring,
                        &u.created_at,
                        &u.id.to_string(),
                    ]);
                }
                table.to_string()
            })
        }
        Upgrades::Show { upgrade } => {
            let upgrade: Upgrade = client.get(&path(client, &upgrade).await?, &[]).await?;
            out.show(&upgrade, text)
        }
        Upgrades::Computers { upgrade, ring } => {
            let path = format!("{}/computers", path(client, &upgrade).await?);
            let query: Vec<_> =
                ring.map(|ring| ("ring", ring.saturating_sub(1).to_string())).into_iter().collect();
            let all: Vec<UpgradeComputer> = client.list(&path, &query, NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table =
                    Table::new(&["COMPUTER", "RING", "STATE", "STEP", "FROM", "VERSION", "SINCE", "MESSAGE"]);
                for c in all {
                    let name = c.computer_name.clone().unwrap_or_else(|| c.computer_id.to_string());
                    let ring = (c.ring + 1).to_string();
                    let step = c.step.clone().unwrap_or_default();
                    table.row([
                        &name,
                        &ring,
                        &c.state,
                        &step,
                        &c.from_version,
                        &c.version,
                        &c.since,
                        &c.message,
                    ]);
                }
                table.to_string()
            })
        }
        Upgrades::Create(create) => {
            let made: Upgrade = client.post("/upgrades", &new(client, *create).await?).await?;
            out.show(&made, text)
        }
        Upgrades::Pause { upgrade } => act(out, client, &upgrade, "pause").await,
        Upgrades::Resume { upgrade } => act(out, client, &upgrade, "resume").await,
        Upgrades::Abort { upgrade } => act(out, client, &upgrade, "abort").await,
        Upgrades::RollBack { upgrade, all } => {
            let path = path(client, &upgrade).await?;
            let etag = client.etag(&path).await?;
            let how = UpgradeRollBack { all };
            let now: Upgrade = client.post_if(&format!("{path}/roll-back"), &etag, &how).await?;
            out.show(&now, text)
        }
        Upgrades::Delete { upgrade } => {
            client.delete(&path(client, &upgrade).await?, None).await?;
            out.done("Deleted.")
        }
    }
}

async fn act(out: Out, client: &Client, upgrade: &str, action: &str) -> Result<(), Failure> {
    let path = path(client, upgrade).await?;
    let etag = client.etag(&path).await?;
    let now: Upgrade = client.post_if(&format!("{path}/{action}"), &etag, &serde_json::json!({})).await?;
    out.show(&now, text)
}

async fn new(client: &Client, create: Create) -> Result<NewUpgrade, Failure> {
    let mut rings = Vec::new();
    for text in &create.rings {
        rings.push(ring(client, text).await?);
    }
    let mut plan = UpgradePlan {
        filter: create.filter,
        healthy_within_secs: create.healthy_within,
        wait_secs: create.wait,
        reach_within_secs: create.reach_within,
        halt_above_percent: create.halt_above,
        at_once: create.at_once,
        roll_back_on_halt: create.roll_back_on_halt,
        ..UpgradePlan::default()
    };
    if !rings.is_empty() {
        plan.rings = rings;
    }
    if let Some(policy) = &create.policy {
        plan.policy_id = Some(policy_id(client, policy).await?);
    }
    if let Some(group) = &create.group {
        plan.group_id = Some(group_id(client, group).await?);
    }
    if let Some(search) = &create.search {
        plan.search_id = Some(search_id(client, search).await?);
    }
    if let (Some(schedule), Some(duration_secs)) = (create.window, create.window_secs) {
        plan.window = Some(UpgradeWindow { schedule, time_zone: create.time_zone, duration_secs });
    }
    Ok(NewUpgrade { name: create.name, version: create.version, plan })
}

/// A ring as it is typed: `10%`, `tag:KEY=VALUE`, `group:NAME`.
async fn ring(client: &Client, text: &str) -> Result<NewUpgradeRing, Failure> {
    let mut ring = NewUpgradeRing::default();
    if let Some(percent) = text.strip_suffix('%').and_then(|number| number.parse().ok()) {
        ring.percent = Some(percent);
    } else if let Some(tag) = text.strip_prefix("tag:") {
        ring.tag = Some(tag.to_owned());
    } else if let Some(group) = text.strip_prefix("group:") {
        ring.group_id = Some(group_id(client, group).await?);
    } else {
        return Err(Failure::Usage(format!(
            "'{text}' is no ring: 10%, tag:KEY, tag:KEY=VALUE or group:NAME"
        )));
    }
    Ok(ring)
}

async fn path(client: &Client, upgrade: &str) -> Result<String, Failure> {
    if let Ok(id) = upgrade.parse::<Uuid>() {
        return Ok(format!("/upgrades/{id}"));
    }
    let all: Vec<Upgrade> = client.list("/upgrades", &[], NAMES_MAX).await?;
    let found = all.iter().find(|one| one.name == upgrade);
    found.map(|one| format!("/upgrades/{}", one.id)).ok_or_else(|| {
        Failure::NotFound(format!("no roll-out is called '{upgrade}': 'sakimori upgrades list' shows them"))
    })
}

fn text(upgrade: &Upgrade) -> String {
    let mut text = String::new();
    fact(&mut text, "Roll-out", &shown(&upgrade.name));
    fact(&mut text, "Id", &upgrade.id.to_string());
    fact(&mut text, "Version", &shown(&upgrade.version));
    fact(&mut text, "State", &word(&upgrade.state));
    if !upgrade.reason.is_empty() {
        fact(&mut text, "", &shown(&upgrade.reason));
    }
    fact(&mut text, "Begun", &format!("{} by {}", upgrade.created_at, shown(&upgrade.created_by)));
    if let Some(at) = &upgrade.finished_at {
        fact(&mut text, "Ended", at);
    }
    if upgrade.left_out > 0 {
        fact(&mut text, "In no ring", &upgrade.left_out.to_string());
    }
    let mut table = Table::new(&[
        "RING",
        "WHO",
        "WAITING",
        "AT IT",
        "HEALTHY",
        "FAILED",
        "UNREACHED",
        "SKIPPED",
        "RETURNED",
        "STUCK",
    ]);
    for (number, ring) in (1_u32..).zip(&upgrade.rings) {
        let who = match (&ring.percent, &ring.tag, &ring.group_id) {
            (Some(percent), _, _) => format!("{percent}%"),
            (_, Some(tag), _) => format!("tag:{tag}"),
            (_, _, Some(group)) => format!("group:{group}"),
            _ => String::new(),
        };
        let now = if number == upgrade.ring + 1 && upgrade.finished_at.is_none() { ">" } else { "" };
        let counts = [
            ring.waiting,
            ring.at_work,
            ring.healthy,
            ring.failed,
            ring.unreached,
            ring.skipped,
            ring.returned,
            ring.stuck,
        ];
        let [waiting, at_work, healthy, failed, unreached, skipped, returned, stuck] =
            counts.map(|n| n.to_string());
        table.row([
            &format!("{now}{number}"),
            &who,
            &waiting,
            &at_work,
            &healthy,
            &failed,
            &unreached,
            &skipped,
            &returned,
            &stuck,
        ]);
    }
    text.push_str(&table.to_string());
    text
}
