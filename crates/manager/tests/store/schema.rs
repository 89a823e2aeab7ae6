//! The schema goes forward from every released one, on both databases, and is the same whichever way it came.
use sakimori_manager::store::schema::{STEPS, Statements, for_postgres};
use sakimori_manager::store::{ComputersWanted, Database, Store, TagWanted, TenantCtx};
use sakimori_testkit::postgres::Postgres;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use std::path::Path;
use uuid::Uuid;

/// Released schemas: the last step of each, and rows as that release wrote them.
pub(crate) const RELEASED: &[(i64, &str)] = &[(1, include_str!("released/0001.sql"))];

/// What the steps were when they were released: SHA-256 of their text. A line is added, never changed.
const TEXTS: &[&str] = &["ff0bbf24fed83ff5834f61845634ea762b13ab7d6f7eb24aa7b0fd7c496382ee"];

const TENANT: Uuid = Uuid::from_u128(0x0193_5f00_0000_7000_8000_0000_0000_0001);

/// The rows of the fixtures are all there, read by this version.
async fn check(store: &Store) {
    let ctx = TenantCtx::system(TENANT);
    assert_eq!(store.tenants().await.unwrap(), [TENANT]);
    let account = store.account_named(TENANT, "admin").await.unwrap().unwrap();
    assert_eq!(account.role, sakimori_api::Role::Administrator);
    let policies = store.policies(&ctx).await.unwrap();
    assert_eq!(policies.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["Base", "Web server"]);
    let settings = |name: &str| {
        let policy = policies.iter().find(|policy| policy.name == name).unwrap();
        serde_json::to_value(&policy.settings).unwrap()
    };
    assert_eq!(
        settings("Base"),
        serde_json::json!({"intrusion-prevention": {"mode": "detect", "defaultRuleMode": "detect"}})
    );
    assert_eq!(
        settings("Web server"),
        serde_json::json!({"intrusion-prevention": {
            "mode": "prevent", "failureResponse": "open", "httpPorts": ["80", "8000-8090"], "answerPage": false,
            "defaultRuleMode": "prevent", "ruleModes": {"7000001": "off"},
        }})
    );
    let web = policies.iter().find(|policy| policy.name == "Web server").unwrap();
    let resolved = &sakimori_manager::settings::resolve(&[&web.settings])["intrusion-prevention"];
    assert_eq!(resolved.values["ruleModes"]["7000001"], "off", "every member is one that this version knows");
    let computers = store.computers(&ctx, &ComputersWanted::default(), None, 10).await.unwrap();
    assert_eq!(computers.len(), 1);
    assert_eq!(computers.first().unwrap().0.host_name, "web1");
    assert_eq!(store.activation_tokens(&ctx, "~", 10).await.unwrap().len(), 1);
    assert_eq!(store.api_keys(&ctx, "", 10).await.unwrap().len(), 1);
    let mut records = store.audit_records(&ctx, u64::MAX, 10).await.unwrap();
    records.reverse();
    assert_eq!(records.len(), 1);
}

#[tokio::test]
async fn sqlite_goes_forward_from_every_released_schema() {
    let dir = tempfile::tempdir().unwrap();
    let fresh = dir.path().join("fresh.db");
    Store::open(&Database::Sqlite(fresh.clone())).await.unwrap().close().await;
    for (version, rows) in RELEASED {
        let path = dir.path().join(format!("{version}.db"));
        let database = Database::Sqlite(path.clone());
        Store::open_until(&database, *version).await.unwrap().close().await;
        let mut connection = sqlite(&path).await;
        sqlx::raw_sql(*rows).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let store = Store::open(&database).await.unwrap();
        check(&store).await;
        store.close().await;
        assert_eq!(shape_of_sqlite(&path).await, shape_of_sqlite(&fresh).await, "from {version}");
    }
}

async fn sqlite(path: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap()
}

async fn shape_of_sqlite(path: &Path) -> Vec<(String, Option<String>)> {
    let mut connection = sqlite(path).await;
    sqlx::query_as("SELECT name, sql FROM sqlite_schema ORDER BY name")
        .fetch_all(&mut connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn postgres_goes_forward_from_every_released_schema() {
    let server = Postgres::shared().unwrap();
    let fresh = server.database("fresh").unwrap();
    Store::open(&Database::Postgres(fresh.url())).await.unwrap().close().await;
    let shape = "SELECT table_name, column_name, data_type, is_nullable, column_default FROM \
        information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'event\\_2%' ORDER BY 1, 2; \
        SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'event\\_2%' ORDER BY 1";
    for (version, rows) in RELEASED {
        let database = server.database("released").unwrap();
        let address = Database::Postgres(database.url());
        Store::open_until(&address, *version).await.unwrap().close().await;
        let mut connection = PgConnection::connect(&database.url()).await.unwrap();
        sqlx::raw_sql(*rows).execute(&mut connection).await.unwrap();
        let store = Store::open(&address).await.unwrap();
        check(&store).await;
        // Twice is as once.
        Store::open(&address).await.unwrap().close().await;
        assert_eq!(database.sql(shape).unwrap(), fresh.sql(shape).unwrap(), "from {version}");
        store.close().await;
    }
}

#[tokio::test]
async fn postgres_lets_a_tenants_statement_see_that_tenants_rows_alone() {
    let server = Postgres::shared().unwrap();
    let database = server.database("rows").unwrap();
    let store = Store::open(&Database::Postgres(database.url())).await.unwrap();
    database.sql(RELEASED[0].1).unwrap();
    store.create_tenant(Uuid::nil(), "other", sakimori_model::Timestamp(0)).await.unwrap();

    // Each table with rows of tenants is guarded, and open to nobody else's statement.
    let bare = "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' \
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
        AND NOT (c.relrowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))";
    assert_eq!(database.sql(bare).unwrap(), "");
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    for (tenant, expected) in [(TENANT, 2_i64), (Uuid::nil(), 0)] {
        let begin = format!("BEGIN; SET LOCAL ROLE sakimori_rows; SET LOCAL sakimori.tenant = '{tenant}'");
        sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut connection).await.unwrap();
        let (seen,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM policy").fetch_one(&mut connection).await.unwrap();
        assert_eq!(seen, expected);
        sqlx::raw_sql("COMMIT").execute(&mut connection).await.unwrap();
    }
    let mut refused = async |statement: &'static str| {
        let begin = "BEGIN; SET LOCAL ROLE sakimori_rows; SET LOCAL sakimori.tenant = \
            '00000000-0000-0000-0000-000000000000'";
        sqlx::raw_sql(begin).execute(&mut connection).await.unwrap();
        let result = sqlx::raw_sql(statement).execute(&mut connection).await;
        sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.unwrap();
        result.unwrap_err().to_string()
    };
    let error = refused(
        "INSERT INTO setting (tenant_id, name, value) VALUES ('01935f00-0000-7000-8000-000000000001', 'a', 'b')",
    )
    .await;
    assert!(error.contains("row-level security"), "{error}");
    let error = refused("SELECT * FROM tenant").await;
    assert!(error.contains("permission denied"), "{error}");
    let error = refused("SET LOCAL sakimori.tenant = ''; CREATE TABLE mine (a int)").await;
    assert!(error.contains("permission denied"), "{error}");
    store.close().await;
}

/// The last step before tags had a table of their own.
const BEFORE_TAGS: i64 = 13;
const TAGGED: &str = r#"UPDATE computer SET tags = '{"canary":"","note":"\"role\":\"db\"","role":"web"}'"#;

async fn check_tags(store: &Store) {
    let ctx = TenantCtx::system(TENANT);
    for (key, values, found) in [
        ("role", vec!["web"], 1),
        ("role", vec!["db", "web"], 1),
        ("role", vec!["db"], 0),
        ("canary", vec![], 1),
        ("canary", vec![""], 1),
        ("note", vec!["\"role\":\"db\""], 1),
        ("other", vec![], 0),
    ] {
        let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
        let tags = vec![TagWanted { key: key.to_owned(), values }];
        let wanted = ComputersWanted { tags, ..ComputersWanted::default() };
        assert_eq!(store.computers(&ctx, &wanted, None, 10).await.unwrap().len(), found, "{wanted:?}");
    }
}

#[tokio::test]
async fn tags_that_were_there_are_found() {
    let (version, rows) = RELEASED.first().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags.db");
    let database = Database::Sqlite(path.clone());
    Store::open_until(&database, *version).await.unwrap().close().await;
    let mut connection = sqlite(&path).await;
    sqlx::raw_sql(*rows).execute(&mut connection).await.unwrap();
    Store::open_until(&database, BEFORE_TAGS).await.unwrap().close().await;
    sqlx::raw_sql(TAGGED).execute(&mut connection).await.unwrap();
    let store = Store::open(&database).await.unwrap();
    check_tags(&store).await;
    store.close().await;

    let server = Postgres::shared().unwrap();
    let database = server.database("tags").unwrap();
    let address = Database::Postgres(database.url());
    Store::open_until(&address, *version).await.unwrap().close().await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql(*rows).execute(&mut connection).await.unwrap();
    Store::open_until(&address, BEFORE_TAGS).await.unwrap().close().await;
    sqlx::raw_sql(TAGGED).execute(&mut connection).await.unwrap();
    let store = Store::open(&address).await.unwrap();
    check_tags(&store).await;
    store.close().await;
}

#[test]
fn a_released_step_is_never_changed() {
    for (step, expected) in STEPS.iter().zip(TEXTS) {
        let text = &match step.sql {
            Statements::Both(text) | Statements::Postgres(text) => text.to_owned(),
            Statements::Each { sqlite, postgres } => [sqlite, postgres].concat(),
        };
        assert_eq!(
            sakimori_manager::secrets::digest(text),
            *expected,
            "step {}: add a new one instead",
            step.version
        );
        // What PostgreSQL keeps a checksum of is the translation: that does not change either.
        assert!(!for_postgres(text).contains("STRICT"));
    }
}
