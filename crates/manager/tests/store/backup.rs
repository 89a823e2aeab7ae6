//! A backup of a manager that runs, restored elsewhere, is that manager.
use sakimori_manager::backup::{BackupError, backup, restore};
use sakimori_manager::clock::Clock;
use sakimori_manager::events::{AutoTags, Batch, Comment, EventStore as _, Events, NewEvent, StoredEvent};
use sakimori_manager::store::{Change, Database, Store, TenantCtx, verify_chain};
use sakimori_model::Timestamp;
use sakimori_query::Filter;
use sakimori_testkit::postgres::Postgres;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const SECRET: &str = "-----BEGIN PRIVATE KEY-----\nnot really\n";

fn batch(tenant: Uuid, epoch: Uuid, first: u64) -> Batch {
    let event = |number: u64| NewEvent {
        at: Timestamp(1_795_000_000_000_000),
        module: "agent".to_owned(),
        severity: "info".to_owned(),
        action: "noted".to_owned(),
        kind: "notice".to_owned(),
        detail: format!("{{\"code\":\"{number}\\t\\\\ é \\\"\",\"args\":[]}}"),
    };
    Batch {
        tenant,
        computer: Uuid::from_u128(7),
        computer_name: "web1\t\\N\n".to_owned(),
        asset_value: 10,
        epoch,
        first_sequence: first,
        events: (first..first + 700).map(event).collect(),
    }
}

async fn everything(events: &Events, tenant: Uuid) -> Vec<StoredEvent> {
    events.search(tenant, &Filter::everything(), None, 100_000).await.unwrap()
}

async fn round_trip(from: &Database, to: &Database, dir: &Path, restored: &Path) {
    let clock = Clock::default();
    let tags = Arc::new(AutoTags::default());
    let store = Store::open(from).await.unwrap();
    let events = Events::open(&store, &dir.join("events"), 30, &clock, &tags).await.unwrap();
    std::fs::write(dir.join("ca.key"), SECRET).unwrap();
    let (tenant, epoch) = (Uuid::now_v7(), Uuid::now_v7());
    let ctx = TenantCtx::system(tenant);
    store.create_tenant(tenant, "default", clock.now()).await.unwrap();
    store.put_blob("abc", &[0, 1, 255, b'\\', b'\n'], clock.now()).await.unwrap();
    let mut write = store.begin(&ctx, clock.now()).await.unwrap();
    write.insert_account(Uuid::now_v7(), "admin", sakimori_api::Role::Administrator, "hash").await.unwrap();
    for name in ["one", "two\t\\"] {
        let after = Some(serde_json::json!({"name": name}));
        let change =
            Change { action: "a", object_kind: "k", object_id: name.to_owned(), before: None, after };
        write.audit(change).await.unwrap();
    }
    write.commit().await.unwrap();
    events.append(batch(tenant, epoch, 1)).await.unwrap();
    clock.advance(Duration::from_hours(24));
    events.append(batch(tenant, epoch, 701)).await.unwrap();
    let newest = everything(&events, tenant).await.remove(0);
    events.tag(tenant, newest.id, "review").await.unwrap();
    let comment =
        Comment { id: Uuid::now_v7(), at: clock.now(), author: "a".to_owned(), text: "x\\.\ny".to_owned() };
    events.comment(tenant, newest.id, &comment).await.unwrap();

    let file = dir.join("backup.tar");
    // Somebody writes all the while.
    let writing = async {
        for part in 2..6 {
            events.append(batch(tenant, epoch, part * 700 + 1)).await.unwrap();
        }
    };
    let (made, ()) = tokio::join!(backup(dir, from, &file, &clock), writing);
    made.unwrap();
    std::fs::remove_file(&file).unwrap();
    let kept = everything(&events, tenant).await;
    backup(dir, from, &file, &clock).await.unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // What comes later is not in it.
    events.append(batch(tenant, epoch, 4201)).await.unwrap();
    let records = store.audit_records(&ctx, u64::MAX, 10).await.unwrap();
    events.close().await;
    store.close().await;

    restore(restored, to, &file).await.unwrap();
    assert_eq!(std::fs::read_to_string(restored.join("ca.key")).unwrap(), SECRET);
    assert!(!restored.join("restoring").exists());
    let store = Store::open(to).await.unwrap();
    let events = Events::open(&store, &restored.join("events"), 30, &clock, &tags).await.unwrap();
    assert_eq!(store.tenants().await.unwrap(), [tenant]);
    assert_eq!(store.blob("abc").await.unwrap().unwrap(), [0, 1, 255, b'\\', b'\n']);
    assert!(store.account_named(tenant, "admin").await.unwrap().is_some());
    let mut again = store.audit_records(&ctx, u64::MAX, 10).await.unwrap();
    assert_eq!(again, records);
    again.reverse();
    assert_eq!(verify_chain(&again).unwrap(), None);
    let found = everything(&events, tenant).await;
    assert_eq!(format!("{found:?}"), format!("{kept:?}"));
    assert_eq!(events.comments(tenant, newest.id).await.unwrap(), [comment]);
    // The agent's stream goes on where the backup ended.
    let appended = events.append(batch(tenant, epoch, 4201)).await.unwrap();
    assert_eq!((appended.acknowledged, appended.new.len()), (4900, 700));
    events.close().await;
    store.close().await;
    assert!(matches!(restore(restored, to, &file).await, Err(BackupError::NotEmpty(_))));

    // One byte of it changed: nothing is restored.
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = dir.join("damaged.tar");
    std::fs::write(&damaged, bytes).unwrap();
    let elsewhere = dir.join("elsewhere");
    let nowhere = Database::Sqlite(elsewhere.join("manager.db"));
    let refused = restore(&elsewhere, &nowhere, &damaged).await;
    assert!(refused.is_err());
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0, "nothing is left of it");
}

#[tokio::test]
async fn a_backup_of_sqlite_comes_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let restored = dir.path().join("restored");
    let from = Database::Sqlite(data.join("manager.db"));
    round_trip(&from, &Database::Sqlite(restored.join("manager.db")), &data, &restored).await;
}

#[tokio::test]
async fn a_backup_of_postgres_comes_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let server = Postgres::shared().unwrap();
    let databases = (server.database("backup").unwrap(), server.database("restored").unwrap());
    let (from, to) = (Database::Postgres(databases.0.url()), Database::Postgres(databases.1.url()));
    round_trip(&from, &to, &data, &dir.path().join("restored")).await;
}
