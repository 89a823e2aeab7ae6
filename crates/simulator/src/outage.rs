//! The manager is killed again and again while events come in, its database goes away, its disk is full: nothing that was
//! acknowledged is lost, and nothing is there twice. `cargo xtask drill outage`.
use crate::agent::Agent;
use crate::bench::activate;
use crate::fleet::{Fleet, Member};
use crate::manager::{Manager, text};
use crate::stream::{Stream, pack};
use crate::wall;
use anyhow::Context as _;
use http_body_util::BodyExt as _;
use hyper::Method;
use sakimori_model::Severity;
use sakimori_protocol::pace::{Backoff, jitter};
use sakimori_protocol::{Event, RefusalCode};
use sakimori_testkit::postgres::{Durability, Postgres, Signal};
use sakimori_testkit::report::{Report, Target};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, block_in_place};

/// Marks the drill's own events.
const CODE: &str = "outage-drill";
/// Events are made this often.
const TICK: Duration = Duration::from_millis(200);
/// Most events in a batch, as the agent's spool has it.
const BATCH: u64 = 2_000;
/// A manager lives so long before it is killed: at least, and up to so much longer.
const LIFE: (Duration, Duration) = (Duration::from_millis(300), Duration::from_millis(1_700));
/// How long everything may take to arrive in the end.
const DRAIN: Duration = Duration::from_mins(5);
/// The disk that is filled, in megabytes.
const DISK: u32 = 96;
/// How long a manager may take to be ready again.
const READY: Duration = Duration::from_mins(1);

/// How to disturb.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Wish {
    /// Minutes that the database is away.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) minutes: f64,
    /// Seconds of killing, on each database; on `PostgreSQL` before it goes away and again afterwards.
    #[arg(long, default_value_t = 60.0)]
    pub(crate) kill_seconds: f64,
    /// Seconds that the disk is full.
    #[arg(long, default_value_t = 20.0)]
    pub(crate) full_seconds: f64,
    /// Agents that send events.
    #[arg(long, default_value_t = 40)]
    pub(crate) agents: u32,
    /// Events a second, by all together.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) rate: u32,
    /// One act instead of all.
    #[arg(long)]
    pub(crate) only: Option<On>,
}

/// An act of the drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum On {
    /// Files.
    Sqlite,
    /// A server.
    Postgres,
    /// Files on a disk that is full for a while.
    FullDisk,
}

/// What the agents share.
struct Ingest {
    fleet: Arc<Fleet>,
    /// Nothing new is made any more.
    ending: AtomicBool,
    acknowledged: AtomicU64,
    /// Streams that the manager did not know any more as it had acknowledged them.
    forgotten: AtomicU64,
}

/// What became of the events.
#[derive(Debug, Default)]
struct Outcome {
    acknowledged: u64,
    lost: u64,
    doubled: u64,
    forgotten: u64,
}

/// Plays it on both databases; whether nothing was lost or doubled.
pub(crate) async fn outage(program: &Path, wish: &Wish) -> anyhow::Result<bool> {
    let mut report = Report::new("drill outage");
    let plays = |act| wish.only.is_none_or(|only| only == act);
    if plays(On::FullDisk) {
        let manager = Manager::start_on(program, None, &[], Some(DISK)).await?;
        let mut play = Play::begin(manager, wish).await?;
        play.fill(wish, &mut report).await?;
        let kills = play.kill(wish).await?;
        play.end("a full disk", kills, &mut report).await?;
    }
    if plays(On::Sqlite) {
        let mut play = Play::begin(Manager::start(program, None, &[]).await?, wish).await?;
        let kills = play.kill(wish).await?;
        play.end("SQLite", kills, &mut report).await?;
    }
    if plays(On::Postgres) {
        let mut server = Postgres::start(Durability::Full)?;
        let database = server.database("outage")?;
        let manager = Manager::start(program, Some(&database.url()), &[]).await?;
        let mut play = Play::begin(manager, wish).await?;
        let mut kills = play.kill(wish).await?;
        let away = play.away(wish, &mut server).await?;
        report.add("PostgreSQL away", away.as_secs_f64(), "s", Target::None);
        kills += play.kill(wish).await?;
        play.end("PostgreSQL", kills, &mut report).await?;
    }
    report.print();
    Ok(report.all_met())
}

/// A manager and those who send to it.
struct Play {
    manager: Manager,
    ingest: Arc<Ingest>,
    members: Vec<Member>,
    senders: JoinSet<(u32, u64)>,
}

impl Play {
    async fn begin(manager: Manager, wish: &Wish) -> anyhow::Result<Self> {
        let door = manager.door(json!({"name": "drill", "expiresInSecs": 86_400})).await?;
        let agents = activate(&door, wish.agents).await?;
        let fleet = Fleet::new(Duration::from_mins(1), Duration::from_secs(2));
        let ingest = Arc::new(Ingest {
            fleet: Arc::clone(&fleet),
            ending: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
        });
        let members: Vec<Member> = agents.into_iter().map(|agent: Agent| fleet.start(agent)).collect();
        let each = f64::from(wish.rate) * TICK.as_secs_f64() / f64::from(wish.agents.max(1));
        let mut senders = JoinSet::new();
        for (number, member) in (0..).zip(&members) {
            let (ingest, stream) = (Arc::clone(&ingest), Stream::of(Arc::clone(&member.agent)));
            senders.spawn(send(ingest, stream, number, each));
        }
        Ok(Self { manager, ingest, members, senders })
    }

    /// Kills the manager again and again; how often.
    async fn kill(&mut self, wish: &Wish) -> anyhow::Result<u32> {
        let end = Instant::now() + Duration::from_secs_f64(wish.kill_seconds);
        let mut kills = 0;
        while Instant::now() < end {
            tokio::time::sleep(LIFE.0 + jitter(LIFE.1)).await;
            block_in_place(|| self.manager.kill())?;
            kills += 1;
            self.manager.launch()?;
            self.manager.ready(READY).await?;
        }
        let acknowledged = self.ingest.acknowledged.load(Ordering::Relaxed);
        println!("killed {kills} times, {acknowledged} events acknowledged");
        Ok(kills)
    }

    /// Waits until further events have been acknowledged.
    async fn under_way(&self) -> anyhow::Result<()> {
        let before = self.ingest.acknowledged.load(Ordering::Relaxed);
        let begun = Instant::now();
        while self.ingest.acknowledged.load(Ordering::Relaxed) == before {
            anyhow::ensure!(
                begun.elapsed() < READY,
                "nothing is acknowledged: {}",
                self.ingest.fleet.troubles()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Fills the manager's disk for a while: what it then says, and whether it goes on by itself when there is room.
    async fn fill(&mut self, wish: &Wish, report: &mut Report) -> anyhow::Result<()> {
        self.under_way().await?;
        let disk = self.manager.volume.as_ref().context("the manager's disk is the machine's own")?;
        let full = Instant::now() + Duration::from_secs_f64(wish.full_seconds);
        let (mut refused, mut said) = (0_u32, BTreeSet::new());
        let mut number = 0_u32;
        while Instant::now() < full {
            // Again and again: what the manager gives back by itself is taken as well.
            block_in_place(|| disk.fill())?;
            number += 1;
            match self.manager.post("/policies", &json!({"name": format!("policy {number}")})).await {
                Ok(_) => {}
                Err(error) => {
                    refused += 1;
                    said.insert(format!("{error:#}"));
                }
            }
            // What was there can still be read.
            self.manager.list("/computers").await.context("reading while the disk is full")?;
            tokio::time::sleep(TICK).await;
        }
        println!("{refused} of {number} changes were refused on a full disk: {said:?}");
        println!("agents heard: {}", self.ingest.fleet.troubles());
        let clearly =
            said.iter().filter(|words| words.contains("disk of the manager's database is full")).count();
        if clearly < said.len() {
            println!("{}", self.manager.tail());
        }
        #[expect(clippy::cast_precision_loss, reason = "few")]
        let otherwise = (said.len() - clearly) as f64;
        report.add("changes refused on a full disk", f64::from(refused), "", Target::AtLeast(1.0));
        report.add("other words than that the disk is full", otherwise, "", Target::AtMost(0.0));
        block_in_place(|| disk.free())?;
        self.under_way().await.context("after there is room again")?;
        let changed = self.manager.post("/policies", &json!({"name": "room again"})).await;
        changed.with_context(|| format!("after there is room again\n{}", self.manager.tail()))?;
        Ok(())
    }

    /// Takes the database away; how long it was.
    async fn away(&mut self, wish: &Wish, server: &mut Postgres) -> anyhow::Result<Duration> {
        self.under_way().await?;
        let begun = Instant::now();
        block_in_place(|| server.stop(Signal::KILL))?;
        let gone = self.ingest.acknowledged.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs_f64(wish.minutes * 60.0)).await;
        let nothing = self.ingest.acknowledged.load(Ordering::Relaxed) - gone;
        // What was committed before it went may be told of a moment later.
        anyhow::ensure!(
            nothing <= u64::from(wish.agents) * BATCH,
            "{nothing} events were acknowledged without a database"
        );
        block_in_place(|| server.resume())?;
        let away = begun.elapsed();
        self.manager.ready(READY).await?;
        let later = begun.elapsed().saturating_sub(away);
        println!("the database was away for {away:.0?}; ready again {later:.1?} later");
        Ok(away)
    }

    /// Lets everything arrive and compares what is acknowledged with what is there.
    async fn end(mut self, on: &str, kills: u32, report: &mut Report) -> anyhow::Result<()> {
        self.ingest.ending.store(true, Ordering::Relaxed);
        let mut acknowledged = vec![0; self.members.len()];
        let arriving = async {
            while let Some(done) = self.senders.join_next().await {
                let (number, last) = done?;
                if let Some(known) = acknowledged.get_mut(usize::try_from(number)?) {
                    *known = last;
                }
            }
            anyhow::Ok(())
        };
        let arrived = tokio::time::timeout(DRAIN, arriving).await;
        arrived.with_context(|| format!("not all events arrived:\n{}", self.ingest.fleet.troubles()))??;
        let outcome = compare(&self.manager, &acknowledged).await?;
        let outcome = Outcome { forgotten: self.ingest.forgotten.load(Ordering::Relaxed), ..outcome };
        println!("{on}: {outcome:?}");
        report.add(
            format!("times the manager was killed on {on}"),
            f64::from(kills),
            "",
            Target::AtLeast(1.0),
        );
        for (what, value, target) in [
            ("acknowledged events", outcome.acknowledged, Target::AtLeast(1.0)),
            ("acknowledged events lost", outcome.lost, Target::AtMost(0.0)),
            ("events doubled", outcome.doubled, Target::AtMost(0.0)),
            ("streams forgotten", outcome.forgotten, Target::AtMost(0.0)),
        ] {
            #[expect(clippy::cast_precision_loss, reason = "millions at most")]
            report.add(format!("{what} on {on}"), value as f64, "", target);
        }
        self.members.into_iter().for_each(Member::vanish);
        Ok(())
    }
}

/// Makes events and sends them until the end, then what is left: its number, and the last number acknowledged.
async fn send(ingest: Arc<Ingest>, mut stream: Stream, agent: u32, each: f64) -> (u32, u64) {
    let begun = Instant::now();
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(2));
    let mut made = 0;
    loop {
        let ending = ingest.ending.load(Ordering::Relaxed);
        if !ending {
            made = numbers(begun.elapsed().as_secs_f64() / TICK.as_secs_f64() * each);
        }
        let known = stream.acknowledged;
        if known >= made {
            if ending {
                return (agent, known);
            }
            tokio::time::sleep(TICK).await;
            continue;
        }
        // A batch that is sent again is another one by then: it has grown.
        let events: Vec<Event> =
            (known + 1..=made.min(known + BATCH)).map(|number| event(agent, number)).collect();
        let Ok(batch) = pack(&events) else { return (agent, known) };
        let wait = match stream.send(batch).await {
            Ok(()) => {
                backoff.succeeded();
                if stream.acknowledged < known {
                    ingest.forgotten.fetch_add(1, Ordering::Relaxed);
                    stream.acknowledged = known;
                }
                ingest.acknowledged.fetch_add(stream.acknowledged - known, Ordering::Relaxed);
                TICK
            }
            Err(trouble) => {
                ingest.fleet.note(&trouble);
                if trouble.code() == Some(RefusalCode::SequenceInvalid) {
                    ingest.forgotten.fetch_add(1, Ordering::Relaxed);
                }
                backoff.failed(trouble.retry_after())
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// A count from a measured size.
fn numbers(size: f64) -> u64 {
    Duration::try_from_secs_f64(size).map_or(0, |whole| whole.as_secs())
}

fn event(agent: u32, number: u64) -> Event {
    let (agent, number) = (agent.to_string(), number.to_string());
    Event::notice(wall(), Severity::Info, CODE, &[("agent", &agent), ("number", &number)])
}

/// Reads every event that is kept.
async fn compare(manager: &Manager, acknowledged: &[u64]) -> anyhow::Result<Outcome> {
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for last in acknowledged {
        seen.push(vec![0; usize::try_from(*last)? + 1]);
    }
    let path = "/events/export?format=jsonl&filter=module%20%3D%20agent";
    let mut body = manager.request(Method::GET, path, None, None).await?.into_body();
    let mut outcome = Outcome { acknowledged: acknowledged.iter().sum(), ..Outcome::default() };
    let mut rest = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the events break off")?;
        let Ok(data) = frame.into_data() else { continue };
        rest.extend_from_slice(&data);
        let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
        let lines: Vec<u8> = rest.drain(..=end).collect();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let event: Value = serde_json::from_slice(line)?;
            let Some((agent, number)) = numbers_of(&event) else { continue };
            let Some(count) = seen.get_mut(agent).and_then(|of| of.get_mut(number)) else { continue };
            *count = count.saturating_add(1);
        }
    }
    for of in &seen {
        let numbers = of.iter().skip(1);
        outcome.lost += u64::try_from(numbers.clone().filter(|count| **count == 0).count())?;
        outcome.doubled += u64::try_from(numbers.filter(|count| **count > 1).count())?;
    }
    Ok(outcome)
}

/// Whose event it is, and which, where it is one of the drill.
fn numbers_of(event: &Value) -> Option<(usize, usize)> {
    if text(event, "/detail/code") != CODE {
        return None;
    }
    let args = event.pointer("/detail/args")?.as_array()?;
    let arg = |name: &str| {
        let arg = args.iter().find(|arg| text(arg, "/name") == name)?;
        text(arg, "/value").parse::<usize>().ok()
    };
    Some((arg("agent")?, arg("number")?))
}
