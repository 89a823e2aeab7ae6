//! Durable events a second on each database: `cargo xtask bench store`.
//!
//! Batches as agents send them go to the event store from several computers at once; what is counted is acknowledged,
//! so it has been written and synced to the disk. TLS, unpacking and checking are not part of it.
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot go on says where")]
use sakimori_manager::clock::Clock;
use sakimori_manager::events::{AppendError, AutoTags, Batch, EventStore as _, Events, NewEvent};
use sakimori_manager::store::{Database, Store};
use sakimori_model::Timestamp;
use sakimori_testkit::postgres::{Durability, Postgres};
use sakimori_testkit::report::{Report, Target};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Computers that send at once.
const COMPUTERS: u32 = 16;
/// Events in a batch.
const BATCH: u64 = 250;
/// For this long, after as long a time to warm up as a tenth of it.
const TIME: Duration = Duration::from_secs(10);

fn event(number: u64) -> NewEvent {
    let detail = serde_json::json!({
        "incident": format!("SKM-{number:016}"), "sid": 7_000_001 + number % 50, "revision": 1,
        "message": "WordPress REST content injection", "classtype": "web-application-attack",
        "cves": ["CVE-2017-1001000"], "client": format!("203.0.113.{}", number % 250), "clientPort": 40000,
        "server": "192.0.2.1", "serverPort": 80, "protocol": 6, "buffer": "http.uri", "offset": 3, "length": 4,
        "http": {"method": "POST", "host": "blog", "target": format!("/wp-json/wp/v2/posts/{number}?id=1abc")},
    });
    NewEvent {
        at: Timestamp(1_795_000_000_000_000),
        module: "intrusion-prevention".to_owned(),
        severity: "high".to_owned(),
        action: "blocked".to_owned(),
        kind: "intrusion".to_owned(),
        detail: detail.to_string(),
    }
}

/// Acknowledged events a second, and how many there are at the end.
async fn measure(database: &Database, dir: &std::path::Path) -> (f64, u64) {
    let clock = Clock::default();
    let store = Store::open(database).await.unwrap();
    let tags = Arc::new(AutoTags::default());
    let events = Arc::new(Events::open(&store, dir, 30, &clock, &tags).await.unwrap());
    let tenant = Uuid::now_v7();
    let begin = Instant::now() + TIME / 10;
    let end = begin + TIME;
    let mut senders = Vec::new();
    for computer in 0..COMPUTERS {
        let events = Arc::clone(&events);
        senders.push(tokio::spawn(async move {
            let (id, epoch) = (Uuid::now_v7(), Uuid::now_v7());
            let prepared: Vec<NewEvent> = (0..BATCH).map(event).collect();
            let (mut first, mut counted) = (1, 0);
            while Instant::now() < end {
                let batch = Batch {
                    tenant,
                    computer: id,
                    computer_name: format!("web{computer}"),
                    epoch,
                    first_sequence: first,
                    events: prepared.clone(),
                };
                match events.append(batch).await {
                    Ok(appended) => {
                        first = appended.acknowledged + 1;
                        let now = Instant::now();
                        counted += if now >= begin && now < end { BATCH } else { 0 };
                    }
                    Err(AppendError::Busy) => tokio::time::sleep(Duration::from_millis(5)).await,
                    Err(error) => panic!("{error}"),
                }
            }
            (counted, first - 1)
        }));
    }
    let (mut counted, mut acknowledged) = (0, 0);
    for sender in senders {
        let (in_time, all) = sender.await.unwrap();
        counted += in_time;
        acknowledged += all;
    }
    let everything = sakimori_query::Filter::everything();
    let kept = events.count_over_time(tenant, &everything, Duration::from_hours(1), None).await.unwrap();
    let kept: u64 = kept.iter().map(|count| count.count).sum();
    assert_eq!(kept, acknowledged, "what is acknowledged is there, once");
    events.close().await;
    store.close().await;
    let counted = u32::try_from(counted).unwrap();
    (f64::from(counted) / TIME.as_secs_f64(), kept)
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut report = Report::new("store");
    let dir = tempfile::tempdir().unwrap();
    let sqlite = Database::Sqlite(dir.path().join("manager.db"));
    let (rate, _) = measure(&sqlite, &dir.path().join("events")).await;
    report.add("durable events on SQLite", rate, "1/s", Target::AtLeast(10_000.0));
    let server = Postgres::start(Durability::Full).unwrap();
    let database = server.database("bench").unwrap();
    let (rate, _) = measure(&Database::Postgres(database.url()), dir.path()).await;
    report.add("durable events on PostgreSQL", rate, "1/s", Target::AtLeast(20_000.0));
    report.print();
    if report.all_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
