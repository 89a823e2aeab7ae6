//! Machines come up by the hundred, are recognised, get what they should have, and go without leaving anything:
//! `cargo xtask drill autoscale`.
use crate::agent::{Agent, Door, Machine, new_key};
use crate::bench::{activate, patiently};
use crate::fleet::{Fleet, Member, ask};
use crate::link::Trouble;
use crate::manager::{Manager, text};
use anyhow::Context as _;
use sakimori_protocol::RefusalCode;
use sakimori_testkit::postgres::{Durability, Postgres};
use sakimori_testkit::report::{Report, Target};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use uuid::Uuid;

/// How long anything may take beside what settings say.
const PATIENCE: Duration = Duration::from_mins(2);
/// Clones of one image.
const CLONES: u32 = 3;

/// What comes and goes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Wish {
    /// Instances that come up.
    #[arg(long, default_value_t = 200)]
    pub(crate) instances: u32,
    /// So many of them vanish without a good-bye.
    #[arg(long, default_value_t = 40)]
    pub(crate) vanish: u32,
    /// On `PostgreSQL` instead of `SQLite`.
    #[arg(long)]
    pub(crate) postgres: bool,
}

/// What an instance should be, by its scale set.
struct Kind {
    scale_set: &'static str,
    policy: &'static str,
    group: &'static str,
    tags: Value,
}

fn kinds() -> [Kind; 2] {
    [
        Kind {
            scale_set: "shop-web",
            policy: "Web server",
            group: "Shop",
            tags: json!({"role": "web", "fleet": "drill"}),
        },
        Kind {
            scale_set: "batch",
            policy: "Base",
            group: "Batch",
            tags: json!({"role": "batch", "fleet": "drill"}),
        },
    ]
}

/// Plays it; whether all came out as it should.
pub(crate) async fn autoscale(program: &Path, wish: &Wish) -> anyhow::Result<bool> {
    anyhow::ensure!(wish.vanish <= wish.instances, "no more can vanish than have come");
    let mut report = Report::new("drill autoscale");
    if wish.postgres {
        let server = Postgres::start(Durability::Full)?;
        let database = server.database("autoscale")?;
        play(program, wish, Some(&database.url()), &mut report).await?;
    } else {
        play(program, wish, None, &mut report).await?;
    }
    report.print();
    Ok(report.all_met())
}

async fn play(
    program: &Path,
    wish: &Wish,
    database: Option<&str>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let manager = Manager::start(program, database, &[]).await?;
    let fleet = Fleet::new(Duration::from_mins(1), Duration::from_secs(10));
    let door = prepare(&manager).await?;

    // Lasting computers: a fleet of nothing but instances would be braked when many of those vanish.
    let lasting = manager.door(json!({"name": "lasting", "expiresInSecs": 3_600})).await?;
    let standing = activate(&lasting, 10 + wish.vanish * 3).await?;
    let standing: Vec<Member> = standing.into_iter().map(|agent| fleet.start(agent)).collect();

    let begun = Instant::now();
    let members = come_up(&fleet, &door, wish.instances).await?;
    for member in &members {
        let mut enforced = member.enforced.clone();
        let first = tokio::time::timeout(PATIENCE, enforced.wait_for(Option::is_some)).await;
        first.context("an instance gets no bundle")??;
    }
    let took = begun.elapsed();
    println!("{} instances enforce their first bundle after {took:.1?}", wish.instances);
    let right = recognised(&manager, &members).await?;
    let all = f64::from(wish.instances);
    report.add("instances with the right policy, group and tags", f64::from(right), "", Target::AtLeast(all));
    report.add("all protected after", took.as_secs_f64(), "s", Target::None);

    let before = manager.list("/computers").await?.len();
    let others = before - members.len();
    let begun = Instant::now();
    go(members, usize::try_from(wish.vanish)?).await?;
    let left_over = loop {
        let computers = manager.list("/computers").await?;
        let left_over = computers.len().saturating_sub(others);
        let limit = if wish.vanish > 0 { PATIENCE + Duration::from_mins(2) } else { PATIENCE };
        if left_over == 0 || begun.elapsed() > limit {
            break left_over;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    println!("{} instances have gone after {:.1?}", wish.instances, begun.elapsed());
    report.add("all cleaned up after", begun.elapsed().as_secs_f64(), "s", Target::None);
    report.add("left-overs", f64::from(u32::try_from(left_over)?), "", Target::AtMost(0.0));
    let there = standing.iter().map(|member| member.agent.computer.to_string()).collect::<BTreeSet<_>>();
    let kept = manager.list("/computers").await?;
    let kept = kept.iter().filter(|computer| there.contains(text(computer, "/id"))).count();
    let lost = f64::from(u32::try_from(standing.len() - kept)?);
    report.add("lasting computers lost", lost, "", Target::AtMost(0.0));

    let clones = clones(&door).await?;
    report.add(
        "computers made of clones of one image",
        f64::from(clones),
        "",
        Target::AtLeast(f64::from(CLONES)),
    );
    let failed = fleet.troubles();
    if !failed.is_empty() {
        println!("{failed}{}", manager.tail());
    }
    standing.into_iter().for_each(Member::vanish);
    Ok(())
}

/// Groups, event-based tasks and the token: nothing else says what an instance is.
async fn prepare(manager: &Manager) -> anyhow::Result<Door> {
    let soon = json!({"suspendAfterSecs": 60, "cleanUpAfterSecs": 1});
    manager.patch("/fleet-settings", &soon).await?;
    for kind in kinds() {
        let policy = manager.policy(kind.policy).await?;
        let group = manager.post("/computer-groups", &json!({"name": kind.group})).await?;
        let role = kind.tags.get("role").context("a kind has a role")?;
        let task = json!({
            "name": format!("instances of {}", kind.scale_set),
            "triggers": ["activated"],
            "conditions": [
                {"field": "cloud-scale-set", "value": format!("{}*", kind.scale_set)},
                {"field": "cloud-tag", "key": "env", "value": "prod"},
            ],
            "actions": [
                {"action": "activate"},
                {"action": "assign-policy", "policyId": policy},
                {"action": "assign-group", "groupId": text(&group, "/id")},
                {"action": "add-tags", "tags": {"role": role}},
                {"action": "mark-ephemeral"},
            ],
        });
        manager.post("/event-based-tasks", &task).await?;
    }
    let token =
        json!({"name": "scale sets", "needsTask": true, "tags": {"fleet": "drill"}, "expiresInSecs": 3_600});
    manager.door(token).await
}

/// All at once, as a scale set does it.
async fn come_up(fleet: &Arc<Fleet>, door: &Door, instances: u32) -> anyhow::Result<Vec<Member>> {
    let kinds = kinds();
    let mut coming = JoinSet::new();
    for (number, kind) in (0..instances).zip(kinds.iter().cycle()) {
        let machine = Machine::new(kind.scale_set, 100_000 + number);
        let machine = machine.in_cloud(&format!("{}-vmss", kind.scale_set), "image-7", &[("env", "prod")]);
        let door = door.clone();
        coming.spawn(async move { patiently(|| machine.clone().activate(&door)).await });
    }
    let mut members = Vec::new();
    while let Some(done) = coming.join_next().await {
        members.push(fleet.start(done?.context("an instance is not let in")?));
    }
    Ok(members)
}

/// How many are what their scale set says, by the manager's word and by their own bundle.
async fn recognised(manager: &Manager, members: &[Member]) -> anyhow::Result<u32> {
    let computers = manager.list("/computers").await?;
    let by_id: HashMap<&str, &Value> =
        computers.iter().map(|computer| (text(computer, "/id"), computer)).collect();
    let kinds = kinds();
    let mut right = 0;
    for member in members {
        let machine = &member.agent.machine;
        let kind =
            kinds.iter().find(|kind| machine.host_name.starts_with(kind.scale_set)).context("a kind")?;
        let id = member.agent.computer.to_string();
        let shown = by_id.get(id.as_str()).with_context(|| format!("{} is not listed", machine.host_name))?;
        let enforced = member.enforced.borrow().as_ref().map(|(_, policy)| policy.to_string());
        let is = text(shown, "/policyName") == kind.policy
            && text(shown, "/groupName") == kind.group
            && shown.get("tags") == Some(&kind.tags)
            && shown.get("ephemeral") == Some(&Value::Bool(true))
            && enforced.as_deref() == Some(kind.policy);
        if is {
            right += 1;
        } else {
            println!("{} is {shown}, and enforces {enforced:?}", machine.host_name);
        }
    }
    Ok(right)
}

/// Some vanish, the others say good-bye.
async fn go(mut members: Vec<Member>, vanish: usize) -> anyhow::Result<()> {
    members.drain(..vanish).for_each(Member::vanish);
    let mut leaving = JoinSet::new();
    for member in members {
        leaving.spawn(member.leave());
    }
    while let Some(done) = leaving.join_next().await {
        done?.context("a good-bye")?;
    }
    Ok(())
}

/// An image is baked from an activated machine, and started several times: how many computers come of it.
async fn clones(door: &Door) -> anyhow::Result<u32> {
    let instance = |number: u32| {
        Machine::new("shop-web", number).in_cloud("shop-web-vmss", "golden", &[("env", "prod")])
    };
    let key = new_key()?;
    let golden: Agent = instance(900_000).activate_with(door, &key).await?;
    ask(&golden, &golden.check_in(None, true, 0)).await.context("the original")?;
    let mut computers: BTreeSet<Uuid> = BTreeSet::new();
    for number in 1..=CLONES {
        let machine = instance(900_000 + number);
        let copy = golden.copied_to(machine.clone());
        let refused = |done: Result<(), Trouble>| match done {
            Err(trouble) if trouble.code() == Some(RefusalCode::Clone) => Ok(()),
            other => anyhow::bail!("a clone was not told so: {other:?}"),
        };
        refused(ask(&copy, &copy.check_in(None, true, 0)).await.map(drop))?;
        refused(machine.clone().activate_with(door, &key).await.map(drop))?;
        // Told so, the agent makes a key of its own.
        let own = machine.activate(door).await.context("a clone with a key of its own")?;
        let answer = ask(&own, &own.check_in(None, true, 0)).await?;
        anyhow::ensure!(answer.is_some_and(|answer| answer.bundle.is_some()), "a clone gets no bundle");
        computers.insert(own.computer);
    }
    let original = ask(&golden, &golden.check_in(None, false, 0)).await.context("the original goes on")?;
    anyhow::ensure!(original.is_some(), "the original gets no bundle");
    anyhow::ensure!(!computers.contains(&golden.computer), "a clone became the original");
    Ok(u32::try_from(computers.len())?)
}
