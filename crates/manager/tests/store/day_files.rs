//! Files of events of earlier versions.
use sakimori_manager::clock::Clock;
use sakimori_manager::events::{AutoTags, Batch, EventStore as _, Events, NewEvent};
use sakimori_manager::store::{Database, Store};
use sakimori_model::Timestamp;
use sakimori_query::Filter;
use sqlx::{Connection as _, SqliteConnection};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// As the version wrote them that had no ranks yet.
const BEFORE_RANKS: &str = "CREATE TABLE event (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, computer_id TEXT NOT NULL, computer_name TEXT NOT \
     NULL, received_at INTEGER NOT NULL, at INTEGER NOT NULL, module TEXT NOT NULL, severity TEXT NOT NULL, action TEXT \
     NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL) STRICT, WITHOUT ROWID; \
     CREATE INDEX event_tenant ON event (tenant_id, id); \
     INSERT INTO event VALUES ('01a62e00-0000-7000-8000-000000000001', '01935f00-0000-7000-8000-000000000001', \
     '01935f00-0000-7000-8000-00000000000a', 'web1', 1, 1, 'agent', 'critical', 'noted', 'notice', '{\"code\":\"old\"}')";

#[tokio::test]
async fn a_file_without_ranks_is_read_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::default();
    let today: String = sakimori_manager::clock::text(clock.now()).chars().take(10).collect();
    let file = dir.path().join(format!("events-{today}.db"));
    let url = format!("sqlite://{}?mode=rwc", file.display());
    let mut old = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(BEFORE_RANKS).execute(&mut old).await.unwrap();
    old.close().await.unwrap();

    let store = Store::open(&Database::Sqlite(dir.path().join("manager.db"))).await.unwrap();
    let tenant = Uuid::parse_str("01935f00-0000-7000-8000-000000000001").unwrap();
    let tags = Arc::new(AutoTags::default());
    let new = NewEvent {
        at: Timestamp(2),
        module: "agent".to_owned(),
        severity: "info".to_owned(),
        action: "noted".to_owned(),
        kind: "notice".to_owned(),
        detail: "{\"code\":\"new\"}".to_owned(),
    };
    let batch = |epoch| Batch {
        tenant,
        computer: Uuid::from_u128(7),
        computer_name: "web1".to_owned(),
        asset_value: 30,
        epoch,
        first_sequence: 1,
        events: vec![new.clone()],
    };
    // Opened again, it is as it was left.
    for opened in 1..=2_usize {
        let events = Events::open(&store, dir.path(), 30, &clock, &tags).await.unwrap();
        events.append(batch(Uuid::now_v7())).await.unwrap();
        let found = events.ranked(tenant, &Filter::everything(), None, 10).await.unwrap();
        let ranks: Vec<(u32, u32)> = found.iter().map(|event| (event.rank, event.asset_value)).collect();
        let mut expected = vec![(30, 30); opened];
        expected.push((0, 0));
        assert_eq!(ranks, expected);
        let unranked = sakimori_query::parse("rank = 0", 0).unwrap();
        let found = events.search(tenant, &unranked, None, 10).await.unwrap();
        assert_eq!(found.len(), 1, "it arrived before events were ranked");
        assert_eq!(found[0].event.detail, "{\"code\":\"old\"}");
        events.close().await;
        clock.advance(Duration::from_secs(1));
    }
    store.close().await;
}
