//! What the manager does for a fleet, and what it takes: `cargo xtask bench manager`.
use crate::agent::{Agent, Door, Machine};
use crate::fleet::{Fleet, Member};
use crate::link::Trouble;
use crate::manager::Manager;
use crate::stream::{Stream, pack};
use crate::wall;
use anyhow::Context as _;
use hyper::body::Bytes;
use sakimori_model::{Action, Severity};
use sakimori_modules::intrusion_prevention::{HttpSummary, Intrusion, MODULE};
use sakimori_protocol::pace::Backoff;
use sakimori_protocol::{Event, Hash};
use sakimori_testkit::postgres::{Durability, Postgres};
use sakimori_testkit::process::cpu;
use sakimori_testkit::report::{Report, Target};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Activations under way at once.
const ACTIVATING: usize = 64;
/// Computers that send events at once.
const SENDERS: usize = 16;
/// Events in a batch.
const BATCH: u32 = 250;
/// Policy edits of one computer; what is told is the median.
const EDITS: usize = 5;
/// How long the fleet may take for anything before the run is given up.
const PATIENCE: Duration = Duration::from_mins(3);

/// How to measure.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Wish {
    /// Computers in the fleet.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) agents: u32,
    /// Bundles that the manager hands out a second when a policy changes.
    #[arg(long, default_value_t = 500)]
    pub(crate) bundles_per_second: u32,
    /// Seconds over which the processor time of an idle fleet is measured.
    #[arg(long, default_value_t = 60)]
    pub(crate) idle_seconds: u64,
    /// Seconds over which events are counted.
    #[arg(long, default_value_t = 15)]
    pub(crate) event_seconds: u64,
}

/// Measures on both databases; whether every target was met.
pub(crate) async fn manager(program: &Path, wish: &Wish) -> anyhow::Result<bool> {
    println!(
        "settings: {} agents, --bundles-per-second {}, idle for {} s, events for {} s from {SENDERS} computers in batches \
         of {BATCH}",
        wish.agents, wish.bundles_per_second, wish.idle_seconds, wish.event_seconds
    );
    let mut report = Report::new("bench manager");
    measure(program, wish, None, &mut report).await?;
    let server = Postgres::start(Durability::Full)?;
    let database = server.database("bench")?;
    measure(program, wish, Some(&database.url()), &mut report).await?;
    report.print();
    Ok(report.all_met())
}

async fn measure(
    program: &Path,
    wish: &Wish,
    database: Option<&str>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (on, events_target) =
        if database.is_some() { ("PostgreSQL", 20_000.0) } else { ("SQLite", 10_000.0) };
    let rate = wish.bundles_per_second.to_string();
    let manager = Manager::start(program, database, &["--bundles-per-second", &rate]).await?;
    println!("\n{on}: the manager listens on {}, {:.0} MB", manager.address(), manager.memory_now()?);
    let pid = manager.pid()?;
    let agents = f64::from(wish.agents);

    let door = manager.door(json!({"name": "bench", "expiresInSecs": 86_400})).await?;
    let (begun, before) = (Instant::now(), cpu(&[pid])?);
    let activated = activate(&door, wish.agents).await?;
    let took = begun.elapsed().as_secs_f64();
    report.add(format!("activations on {on}"), agents / took, "1/s", Target::None);
    report.add(
        format!("processor time of an activation on {on}"),
        (cpu(&[pid])? - before) / agents * 1e3,
        "ms",
        Target::None,
    );
    println!("activated {} in {took:.1} s, {:.0} MB", wish.agents, manager.memory_now()?);

    let fleet =
        Fleet::new(Duration::from_secs(sakimori_protocol::paths::HOLD_MAX_SECS), Duration::from_mins(10));
    let (begun, before) = (Instant::now(), cpu(&[pid])?);
    let members: Vec<Member> = activated.into_iter().map(|agent| fleet.start(agent)).collect();
    held(&manager, agents).await.with_context(|| fleet.troubles())?;
    let took = begun.elapsed().as_secs_f64();
    report.add(format!("all connected, with their first bundle, on {on}"), took, "s", Target::None);
    report.add(
        format!("processor time to connect one on {on}"),
        (cpu(&[pid])? - before) / agents * 1e3,
        "ms",
        Target::None,
    );
    println!("{} check-ins held after {took:.1} s, {:.0} MB", wish.agents, manager.memory_now()?);

    // Presence is written down once, then nothing moves.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (begun, before) = (Instant::now(), cpu(&[pid])?);
    tokio::time::sleep(Duration::from_secs(wish.idle_seconds)).await;
    let idle = (cpu(&[pid])? - before) / begun.elapsed().as_secs_f64() * 60.0 / agents * 1e3;
    report.add(format!("processor time of an idle agent on {on}"), idle, "ms/min", Target::None);
    println!("idle: {idle:.3} ms a minute and agent, {:.0} MB", manager.memory_now()?);

    let (all, one) = edits(&manager, &fleet, &members).await.with_context(|| fleet.troubles())?;
    let name = format!("policy edit to all agents on {on}, {} a second", wish.bundles_per_second);
    report.add(name, all.as_secs_f64(), "s", Target::AtMost(20.0));
    report.add(
        format!("edit of one computer on {on}"),
        one.as_secs_f64() * 1e3,
        "ms",
        Target::AtMost(1_000.0),
    );
    println!(
        "policy edit: all after {all:.1?}, one computer after {one:.1?}, {:.0} MB",
        manager.memory_now()?
    );

    let (begun, before) = (Instant::now(), cpu(&[pid])?);
    let (counted, acknowledged) = events(&fleet, &members, Duration::from_secs(wish.event_seconds)).await?;
    let used = (cpu(&[pid])? - before) / begun.elapsed().as_secs_f64();
    let kept = manager.events_kept("module%20%3D%20intrusion-prevention").await?;
    anyhow::ensure!(kept == acknowledged, "{acknowledged} events were acknowledged, {kept} are kept");
    #[expect(clippy::cast_precision_loss, reason = "events of some seconds")]
    let rate = counted as f64 / Duration::from_secs(wish.event_seconds).as_secs_f64();
    report.add(format!("durable events on {on}"), rate, "1/s", Target::AtLeast(events_target));
    report.add(format!("processors that took on {on}"), used, "", Target::None);
    println!("{rate:.0} durable events a second, {:.0} MB", manager.memory_now()?);

    let failed = fleet.failed.load(Ordering::Relaxed);
    if failed > 0 {
        println!("{}{}", fleet.troubles(), manager.tail());
    }
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    report.add(format!("failed check-ins on {on}"), failed as f64, "", Target::AtMost(0.0));
    report.add(
        format!("peak memory of the manager on {on}"),
        manager.peak_memory()?,
        "MB",
        Target::AtMost(250.0),
    );
    members.into_iter().for_each(Member::vanish);
    Ok(())
}

/// Activates so many machines, some at once.
pub(crate) async fn activate(door: &Door, agents: u32) -> anyhow::Result<Vec<Agent>> {
    let slots = Arc::new(Semaphore::new(ACTIVATING));
    let mut under_way = JoinSet::new();
    for number in 0..agents {
        let (door, slots) = (door.clone(), Arc::clone(&slots));
        under_way.spawn(async move {
            let _slot = slots.acquire().await;
            patiently(|| Machine::new("web", number).activate(&door)).await
        });
    }
    let mut activated = Vec::new();
    while let Some(done) = under_way.join_next().await {
        activated.push(done?.context("an activation failed")?);
    }
    Ok(activated)
}

/// As an agent does it: told to come again later, it does.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, Trouble>>>(
    mut call: impl FnMut() -> F,
) -> Result<T, Trouble> {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
    loop {
        match call().await {
            Err(trouble) if trouble.retry_after().is_some() => {
                tokio::time::sleep(backoff.failed(trouble.retry_after())).await;
            }
            done => return done,
        }
    }
}

/// Waits until so many check-ins are held.
async fn held(manager: &Manager, agents: f64) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let held = manager.metric("sakimori_check_ins_held").await?;
        if held >= agents {
            return Ok(());
        }
        anyhow::ensure!(begun.elapsed() < PATIENCE, "{held} check-ins are held\n{}", manager.tail());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How long an edit of everybody's policy takes to be enforced by all, and one of one computer by it.
async fn edits(manager: &Manager, fleet: &Fleet, members: &[Member]) -> anyhow::Result<(Duration, Duration)> {
    let base = manager.policy("Base").await?;
    let first = members.first().context("a fleet has agents")?;
    let old = enforced(first);
    let begun = Instant::now();
    let ports = json!({"settings": {"intrusion-prevention": {"httpPorts": ["80", "8080-8090"]}}});
    manager.patch(&format!("/policies/{base}"), &ports).await?;
    let new = changed(first, old).await?;
    let all = loop {
        let sofar = fleet.enforcing(new).context("the first agent has it")?;
        if sofar.agents == members.len() {
            break sofar.last - begun;
        }
        anyhow::ensure!(begun.elapsed() < PATIENCE, "{} agents enforce the edit", sofar.agents);
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    // The manager has heard it from each of them.
    loop {
        let computers = manager.list("/computers").await?;
        let current =
            |computer: &&serde_json::Value| computer.pointer("/bundle/upToDate") == Some(&true.into());
        let late = computers.len() - computers.iter().filter(current).count();
        if late == 0 && computers.len() == members.len() {
            break;
        }
        anyhow::ensure!(
            begun.elapsed() < PATIENCE,
            "{late} computers are not up to date by what the manager says"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let web = manager.policy("Web server").await?;
    let mut took = Vec::new();
    for number in 0..EDITS {
        let policy = if number % 2 == 0 { &web } else { &base };
        let old = enforced(first);
        let begun = Instant::now();
        manager.patch(&format!("/computers/{}", first.agent.computer), &json!({"policyId": policy})).await?;
        changed(first, old).await?;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    Ok((all, *took.get(EDITS / 2).context("some edits")?))
}

fn enforced(member: &Member) -> Option<Hash> {
    member.enforced.borrow().as_ref().map(|(hash, _)| *hash)
}

/// Waits until the agent enforces something else.
async fn changed(member: &Member, old: Option<Hash>) -> anyhow::Result<Hash> {
    let mut enforced = member.enforced.clone();
    let is_new = |now: &Option<(Hash, Arc<str>)>| now.as_ref().is_some_and(|(hash, _)| Some(*hash) != old);
    let new = tokio::time::timeout(PATIENCE, enforced.wait_for(is_new))
        .await
        .context("the agent hears nothing")??;
    new.as_ref().map(|(hash, _)| *hash).context("it is there")
}

/// Events that became durable within the time, and all that were acknowledged.
async fn events(fleet: &Arc<Fleet>, members: &[Member], time: Duration) -> anyhow::Result<(u64, u64)> {
    let begin = Instant::now() + time / 10;
    let end = begin + time;
    let mut senders = JoinSet::new();
    for (number, member) in (0..).zip(members.iter().take(SENDERS)) {
        let batch = intrusions(number)?;
        let (fleet, mut stream) = (Arc::clone(fleet), Stream::of(Arc::clone(&member.agent)));
        senders.spawn(async move {
            let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
            let mut counted = 0;
            while Instant::now() < end {
                let before = stream.acknowledged;
                match stream.send(batch.clone()).await {
                    Ok(()) => {
                        backoff.succeeded();
                        let now = Instant::now();
                        counted += if now >= begin && now < end { stream.acknowledged - before } else { 0 };
                    }
                    Err(trouble) => {
                        fleet.note(&trouble);
                        tokio::time::sleep(backoff.failed(trouble.retry_after())).await;
                    }
                }
            }
            (counted, stream.acknowledged)
        });
    }
    let (mut counted, mut acknowledged) = (0, 0);
    while let Some(done) = senders.join_next().await {
        let (in_time, all) = done?;
        counted += in_time;
        acknowledged += all;
    }
    Ok((counted, acknowledged))
}

/// A batch of intrusions as the network worker writes them.
fn intrusions(sender: u32) -> anyhow::Result<Bytes> {
    let event = |number: u32| {
        let detail = Intrusion {
            incident: format!("SKM-{sender:04}-{number:04}-89AB-CDEF"),
            sid: 7_000_001 + number % 50,
            revision: 1,
            message: "WordPress REST content injection".to_owned(),
            classtype: "web-application-attack".to_owned(),
            cves: vec!["CVE-2017-1001000".to_owned()],
            client: IpAddr::V4(Ipv4Addr::from(0xCB00_7100 + number % 250)),
            client_port: 40_000,
            server: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            server_port: 80,
            protocol: 6,
            buffer: "http.uri".to_owned(),
            offset: 3,
            length: 4,
            excerpt: "L3dwLWpzb24vd3AvdjIvcG9zdHMvMT9pZD0xYWJj".to_owned(),
            excerpt_offset: 3,
            http: Some(HttpSummary {
                method: "POST".to_owned(),
                host: "blog".to_owned(),
                target: format!("/wp-json/wp/v2/posts/{number}?id=1abc"),
                user_agent: "Mozilla/5.0".to_owned(),
            }),
        };
        Event::new(wall(), MODULE.id, Severity::High, Action::Blocked, &detail)
    };
    Ok(pack(&(0..BATCH).map(event).collect::<Vec<_>>())?)
}
