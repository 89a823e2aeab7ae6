//! The database goes away in the middle of ingest: what was acknowledged is there, once.
use sakimori_manager::clock::Clock;
use sakimori_manager::events::{AppendError, AutoTags, Batch, EventStore as _, Events, NewEvent};
use sakimori_manager::store::{Database, Store};
use sakimori_model::Timestamp;
use sakimori_query::Filter;
use sakimori_testkit::postgres::{Durability, Postgres, Signal};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

fn batch(tenant: Uuid, computer: Uuid, epoch: Uuid, first: u64) -> Batch {
    let event = |number: u64| NewEvent {
        at: Timestamp(1_795_000_000_000_000),
        module: "agent".to_owned(),
        severity: "info".to_owned(),
        action: "noted".to_owned(),
        kind: "notice".to_owned(),
        detail: format!("{{\"code\":\"{number}\",\"args\":[]}}"),
    };
    Batch {
        tenant,
        computer,
        computer_name: "web1".to_owned(),
        asset_value: 10,
        epoch,
        first_sequence: first,
        events: (first..first + 20).map(event).collect(),
    }
}

/// How long the database is away each time, at least.
const AWAY: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_restarted_in_the_middle_of_ingest_loses_and_doubles_nothing() {
    let mut server = Postgres::start(Durability::Full).unwrap();
    let database = server.database("outage").unwrap();
    let store = Store::open(&Database::Postgres(database.url())).await.unwrap();
    let clock = Clock::default();
    let tags = Arc::new(AutoTags::default());
    let dir = tempfile::tempdir().unwrap();
    let events = Arc::new(Events::open(&store, dir.path(), 30, &clock, &tags).await.unwrap());
    let tenant = Uuid::now_v7();
    let stop = Arc::new(AtomicBool::new(false));
    let mut senders = Vec::new();
    for _ in 0..4 {
        let (events, stop) = (Arc::clone(&events), Arc::clone(&stop));
        senders.push(tokio::spawn(async move {
            let (computer, epoch) = (Uuid::now_v7(), Uuid::now_v7());
            let (mut first, mut noticed) = (1, 0);
            // As an agent does: the same batch until it is acknowledged.
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                let result = events.append(batch(tenant, computer, epoch, first)).await;
                // Refused, or taken once the database was back.
                if result.is_err() || began.elapsed() >= AWAY {
                    noticed += 1;
                }
                match result {
                    Ok(appended) => {
                        assert_eq!(appended.acknowledged, first + 19);
                        first += 20;
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    Err(AppendError::Gap { .. }) => panic!("what was acknowledged is gone"),
                    Err(AppendError::Busy | AppendError::Failed { .. }) => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            }
            (computer, first - 1, noticed)
        }));
    }
    for signal in [Signal::KILL, Signal::INT, Signal::KILL] {
        tokio::time::sleep(Duration::from_millis(700)).await;
        tokio::task::block_in_place(|| server.stop(signal)).unwrap();
        tokio::time::sleep(AWAY).await;
        tokio::task::block_in_place(|| server.resume()).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = HashMap::new();
    let mut noticed = 0;
    for sender in senders {
        let (computer, last, how_often) = sender.await.unwrap();
        acknowledged.insert(computer, last);
        noticed += how_often;
    }
    assert!(noticed > 0, "nobody noticed that the database was away");
    assert!(acknowledged.values().all(|last| *last > 0), "{acknowledged:?}");
    let mut kept: HashMap<Uuid, Vec<u64>> = HashMap::new();
    let mut before = None;
    loop {
        let part = events.search(tenant, &Filter::everything(), before, 500).await.unwrap();
        let Some(last) = part.last() else { break };
        before = Some(last.id);
        for stored in part {
            let detail: serde_json::Value = serde_json::from_str(&stored.event.detail).unwrap();
            let number = detail.get("code").unwrap().as_str().unwrap().parse().unwrap();
            kept.entry(stored.computer).or_default().push(number);
        }
    }
    for (computer, last) in acknowledged {
        let mut numbers = kept.remove(&computer).unwrap();
        numbers.sort_unstable();
        // The last batch may be there without its acknowledgement having arrived.
        let expected: Vec<u64> = (1..=u64::try_from(numbers.len()).unwrap()).collect();
        assert_eq!(numbers, expected, "each once, none missing");
        assert!(numbers.len() >= usize::try_from(last).unwrap());
    }
    events.close().await;
    store.close().await;
}
