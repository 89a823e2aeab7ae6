//! What a filter finds in a store is what it says of each event: on both databases, for filters and events of any form.
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sakimori_manager::clock::Clock;
use sakimori_manager::events::{AutoTags, Batch, EventStore as _, Events, NewEvent, Seen};
use sakimori_manager::store::{Database, Store};
use sakimori_model::Timestamp;
use sakimori_testkit::postgres::Postgres;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

const FILTERS: u32 = 400;
const EVENTS: usize = 120;

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..1000).prop_map(Value::from),
        Just(json!(1.5)),
        prop::sample::select(vec![
            "a", "A", "abc", "1", "true", "a%b", "a_b", "a*b", "a[b", "a?b", "a\\b", "é", "É", "x\u{0}y", "",
            "'; --", "a\"b"
        ])
        .prop_map(Value::from),
    ]
}

fn member() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => leaf(),
        1 => prop::collection::vec(leaf(), 0..4).prop_map(Value::from),
        1 => leaf().prop_map(|value| json!({"y": value})),
        1 => leaf().prop_map(|value| json!([{"y": value}, [value]])),
    ]
}

fn event() -> impl Strategy<Value = NewEvent> {
    let severity = prop::sample::select(vec!["info", "low", "medium", "high", "critical"]);
    let module = prop::sample::select(vec!["agent", "firewall", "Firewall", "a%b"]);
    (severity, module, prop::option::of(member()), prop::option::of(member()), 0_i64..10).prop_map(
        |(severity, module, x, z, at)| {
            let mut detail = serde_json::Map::new();
            if let Some(x) = x {
                detail.insert("x".to_owned(), x);
            }
            if let Some(z) = z {
                detail.insert("z-1".to_owned(), z);
            }
            NewEvent {
                at: Timestamp(1_795_000_000_000_000 + at * 86_400_000_000),
                module: module.to_owned(),
                severity: severity.to_owned(),
                action: "noted".to_owned(),
                kind: "k".to_owned(),
                detail: Value::from(detail).to_string(),
            }
        },
    )
}

fn test() -> impl Strategy<Value = String> {
    let text = || {
        prop::sample::select(vec![
            "a",
            "A",
            "abc",
            "1",
            "true",
            "firewall",
            "\"a%b\"",
            "\"a_b\"",
            "\"a*b\"",
            "\"a[b\"",
            "\"a?b\"",
            "\"a\\\\b\"",
            "é",
            "\"\"",
            "\"'; --\"",
            "\"a\\\"b\"",
            "red",
            "web1",
        ])
    };
    let field = || {
        prop::sample::select(vec![
            "module",
            "action",
            "computer",
            "tag",
            "detail.x",
            "detail.z-1",
            "detail.x.y",
            "detail.none",
        ])
    };
    let order = || prop::sample::select(vec!["<", "<=", ">", ">="]);
    prop_oneof![
        (field(), prop::sample::select(vec!["=", "!=", "~"]), text())
            .prop_map(|(f, o, v)| format!("{f} {o} {v}")),
        (field(), prop::collection::vec(text(), 1..4))
            .prop_map(|(f, v)| format!("{f} in ({})", v.join(", "))),
        (field(), prop::sample::select(vec!["*", "a*", "*b", "*a*b*", "a[*", "?*", "a%*", "_*"]))
            .prop_map(|(f, v)| format!("{f} = {v}")),
        (prop::sample::select(vec!["module", "computer", "detail.x"]), order(), text())
            .prop_map(|(f, o, v)| format!("{f} {o} {v}")),
        (prop::sample::select(vec!["detail.x", "detail.z-1"]), order(), -3_i64..1000)
            .prop_map(|(f, o, v)| format!("{f} {o} {v}")),
        (-3_i64..500, 0_i64..1000).prop_map(|(a, b)| format!("detail.x = {a}..{b}")),
        (order(), prop::sample::select(vec!["info", "medium", "critical"]))
            .prop_map(|(o, v)| format!("severity {o} {v}")),
        (
            prop::sample::select(vec!["rank", "assetValue"]),
            order(),
            prop::sample::select(vec!["-1", "10", "250.5", "500"])
        )
            .prop_map(|(f, o, v)| format!("{f} {o} {v}")),
        Just("rank in (10, 1000)".to_owned()),
        Just("rank = 250..750".to_owned()),
        (order(), 18_u32..28).prop_map(|(o, day)| format!("at {o} 2026-11-{day:02}")),
        (18_u32..28).prop_map(|day| format!("at = 2026-11-{day:02}..2026-11-25")),
        Just("received > -1h".to_owned()),
        text().prop_map(str::to_owned),
    ]
}

fn filter() -> impl Strategy<Value = String> {
    test().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|all| format!("({})", all.join(" AND "))),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|any| format!("({})", any.join(" OR "))),
            inner.prop_map(|one| format!("NOT {one}")),
        ]
    })
}

async fn agrees(database: &Database) {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::default();
    let store = Store::open(database).await.unwrap();
    let tags = Arc::new(AutoTags::default());
    let tenant = Uuid::now_v7();
    tags.set(
        tenant,
        vec![
            ("severity = critical".to_owned(), "red".to_owned()),
            ("detail.x ~ a".to_owned(), "a".to_owned()),
        ],
    );
    let events = Events::open(&store, dir.path(), 30, &clock, &tags).await.unwrap();
    let mut runner = TestRunner::deterministic();
    let new = prop::collection::vec(event(), EVENTS).new_tree(&mut runner).unwrap().current();
    let batch = |tenant, new: &[NewEvent]| Batch {
        tenant,
        computer: Uuid::now_v7(),
        computer_name: "web1".to_owned(),
        asset_value: 10,
        epoch: Uuid::now_v7(),
        first_sequence: 1,
        events: new.to_vec(),
    };
    events.append(batch(tenant, &new)).await.unwrap();
    events.append(batch(Uuid::now_v7(), &new)).await.unwrap();
    let everything = sakimori_query::Filter::everything();
    let kept = events.search(tenant, &everything, None, 1000).await.unwrap();
    assert_eq!(kept.len(), EVENTS);
    assert!(kept.iter().any(|stored| stored.tags == ["a", "red"]), "rules have tagged");
    let now = clock.now();
    let mut found_some = 0;
    for _ in 0..FILTERS {
        let text = filter().new_tree(&mut runner).unwrap().current();
        let parsed = sakimori_query::parse(&text, now.0).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let expected: Vec<Uuid> =
            kept.iter().filter(|e| parsed.matches(&Seen::new(e))).map(|e| e.id).collect();
        let found = events.search(tenant, &parsed, None, 1000).await;
        let found: Vec<Uuid> = found.unwrap_or_else(|e| panic!("{text}: {e}")).iter().map(|e| e.id).collect();
        if found != expected {
            let odd = kept.iter().find(|e| found.contains(&e.id) != expected.contains(&e.id));
            panic!("{text}: {odd:?} is found: {}", odd.is_some_and(|odd| found.contains(&odd.id)));
        }
        found_some += u32::from(!found.is_empty());
        let counted =
            events.count_over_time(tenant, &parsed, std::time::Duration::from_hours(24), None).await.unwrap();
        assert_eq!(
            counted.iter().map(|c| c.count).sum::<u64>(),
            u64::try_from(expected.len()).unwrap(),
            "{text}"
        );
    }
    assert!(found_some > FILTERS / 4, "the filters are not all idle: {found_some}");
    events.close().await;
    store.close().await;
}

#[tokio::test]
async fn a_filter_finds_on_sqlite_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    agrees(&Database::Sqlite(dir.path().join("manager.db"))).await;
}

#[tokio::test]
async fn a_filter_finds_on_postgres_what_it_says() {
    let server = Postgres::shared().unwrap();
    let database = server.database("filters").unwrap();
    agrees(&Database::Postgres(database.url())).await;
}
