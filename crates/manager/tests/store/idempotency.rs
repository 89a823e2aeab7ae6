//! A request whose manager was killed is begun again only where nothing of it is there.
use sakimori_manager::store::{Actor, Change, Claim, Claimed, Database, Store, StoreError, TenantCtx};
use sakimori_model::Timestamp;
use sakimori_testkit::postgres::Postgres;
use std::time::Duration;
use uuid::Uuid;

async fn check(store: Store) {
    let tenant = Uuid::now_v7();
    store.create_tenant(tenant, "t", Timestamp(0)).await.unwrap();
    let ctx =
        TenantCtx::new(tenant, Actor { kind: "api-key", id: Some(Uuid::now_v7()), name: "k".to_owned() });
    let claim = || Claim { id: Uuid::now_v7(), key_hash: "k".to_owned(), request_hash: "r".to_owned() };
    let begun = Timestamp(1_000_000_000);
    let minutes = |minutes: u64| begun.plus(Duration::from_secs(60 * minutes));
    let change = async |claim: Uuid| {
        let ctx = TenantCtx { claim: Some(claim), ..ctx.clone() };
        let mut write = store.begin(&ctx, begun).await.unwrap();
        let change = Change {
            action: "made",
            object_kind: "thing",
            object_id: claim.to_string(),
            before: None,
            after: None,
        };
        write.audit(change).await.unwrap();
        write.commit().await
    };

    let first = claim();
    assert_eq!(store.request_claim(&ctx, &first, begun).await.unwrap(), Claimed::New);
    assert_eq!(store.request_claim(&ctx, &claim(), minutes(1)).await.unwrap(), Claimed::Running);
    // Lost with its manager, it is begun again; where it lives after all, it changes nothing any more.
    let second = claim();
    assert_eq!(store.request_claim(&ctx, &second, minutes(3)).await.unwrap(), Claimed::New);
    assert!(matches!(change(first.id).await, Err(StoreError::TakenOver)));
    change(second.id).await.unwrap();
    assert_eq!(store.request_claim(&ctx, &claim(), minutes(4)).await.unwrap(), Claimed::Running);
    // Lost after its change, it is not begun again.
    assert_eq!(store.request_claim(&ctx, &claim(), minutes(6)).await.unwrap(), Claimed::Made);
    store.request_refused(&ctx, second.id, minutes(6)).await.unwrap();
    assert_eq!(store.request_claim(&ctx, &claim(), minutes(6)).await.unwrap(), Claimed::Made);
    let records = store.audit_records(&ctx, u64::MAX, 10).await.unwrap();
    assert_eq!(records.iter().map(|r| r.object_id.clone()).collect::<Vec<_>>(), [second.id.to_string()]);

    store.request_answered(&ctx, second.id, Some(b"sealed".to_vec()), minutes(7)).await.unwrap();
    let answered = Claimed::Answered(b"sealed".to_vec());
    assert_eq!(store.request_claim(&ctx, &claim(), minutes(60)).await.unwrap(), answered);
    let other = Claim { request_hash: "other".to_owned(), ..claim() };
    assert_eq!(store.request_claim(&ctx, &other, minutes(60)).await.unwrap(), Claimed::Other);
    assert_eq!(store.request_claim(&ctx, &claim(), minutes(8 + 24 * 60)).await.unwrap(), Claimed::New);
    store.close().await;
}

#[tokio::test]
async fn a_lost_request_is_not_made_twice_on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    check(Store::open(&Database::Sqlite(dir.path().join("manager.db"))).await.unwrap()).await;
}

#[tokio::test]
async fn a_lost_request_is_not_made_twice_on_postgres() {
    let server = Postgres::shared().unwrap();
    let database = server.database("requests").unwrap();
    check(Store::open(&Database::Postgres(database.url())).await.unwrap()).await;
}
