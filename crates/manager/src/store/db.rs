//! One way to say a statement for both databases.
//!
//! A statement is written once, with `?` for its values, in the part of SQL that `SQLite` and `PostgreSQL`
//! share. [`Query`] takes its text as `&'static str` alone, so nothing that came from outside can become part of
//! it: values are bound. Integers are `BIGINT` (`i64`) everywhere, truth is 0 or 1, ids and JSON are text.
//!
//! On `PostgreSQL` a statement for a tenant runs in a transaction that has taken the role [`ROWS_ROLE`] and named
//! the tenant: row-level security then shows that tenant's rows and no others, whatever the statement says.
use crate::store::StoreError;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{
    Arguments as _, AssertSqlSafe, Connection as _, Decode, Postgres, Row as _, Sqlite, Transaction, Type,
};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;
use uuid::Uuid;

/// The role that tenants' statements take on: it owns nothing, so row-level security binds it.
pub(crate) const ROWS_ROLE: &str = "sakimori_rows";
/// Connections to `PostgreSQL` at once from one manager: its default allows 100 in all.
const CONNECTIONS: u32 = 16;
/// `PostgreSQL` releases before this one are no longer tested with.
const OLDEST: i32 = 150_000;
/// No statement may hold a connection for longer; an idle transaction is ended, a lock not waited for, likewise.
const SESSION: &str = "SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '120s'; \
     SET lock_timeout = '20s'; SET client_min_messages = 'warning'; SELECT set_config('synchronous_commit', 'on', \
     false) WHERE current_setting('synchronous_commit') = 'off'";

/// Which database is the system of record.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A file in the data directory.
    Sqlite(PathBuf),
    /// A server: `postgres://user:password@host/name`, with `sslmode` and the like as its parameters.
    Postgres(String),
}

/// Connections to the system of record.
#[derive(Clone, Debug)]
pub(crate) enum Db {
    /// One writer, so that nobody waits for a lock; readers see the last commit.
    Sqlite {
        /// For reading.
        read: SqlitePool,
        /// For writing: one connection.
        write: SqlitePool,
    },
    /// A pool.
    Postgres(PgPool),
}

/// Whose rows a statement sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One tenant's.
    Tenant(Uuid),
    /// Everybody's: for what says itself whose it is (a session, a key), and for the manager's own upkeep.
    Anywhere,
}

/// A transaction.
#[derive(Debug)]
pub(crate) enum Tx {
    /// On `SQLite`.
    Sqlite(Transaction<'static, Sqlite>),
    /// On `PostgreSQL`.
    Postgres(Transaction<'static, Postgres>),
}

/// Where a statement runs.
#[derive(Debug)]
pub(crate) enum On<'a> {
    /// By itself, and reads.
    Read(&'a Db, Scope),
    /// By itself, and writes.
    Write(&'a Db, Scope),
    /// In a transaction.
    Tx(&'a mut Tx),
}

/// A statement with its values.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    sql: Cow<'static, str>,
    values: Vec<Value>,
}

/// A value of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Text.
    Text(Option<String>),
    /// A number.
    Int(Option<i64>),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A row of an answer.
#[derive(Debug)]
pub(crate) enum Row {
    /// From `SQLite`.
    Sqlite(SqliteRow),
    /// From `PostgreSQL`.
    Postgres(PgRow),
}

/// A type that both databases have.
pub(crate) trait Column:
    for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl<T> Column for T where
    T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

/// A tuple of columns that both databases have.
pub(crate) trait Shape:
    for<'r> sqlx::FromRow<'r, SqliteRow> + for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Shape for T where
    T: for<'r> sqlx::FromRow<'r, SqliteRow> + for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin
{
}

// === impl Database ===

impl std::fmt::Debug for Database {
    /// Without the address of a server: it may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.debug_tuple("Postgres").finish_non_exhaustive(),
        }
    }
}

// === impl Db ===

impl Db {
    /// Opens or creates the database; its schema is not looked at.
    pub(crate) async fn open(database: &Database) -> Result<Self, StoreError> {
        match database {
            Database::Sqlite(path) => Ok(sqlite(path).await?),
            Database::Postgres(url) => postgres(url).await,
        }
    }

    /// Begins a transaction that writes. Those of one tenant come one after the other.
    pub(crate) async fn begin(&self, scope: Scope) -> Result<Tx, sqlx::Error> {
        match self {
            Self::Sqlite { write, .. } => Ok(Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?)),
            Self::Postgres(pool) => {
                let mut begin = begin_postgres("BEGIN", scope);
                if let Scope::Tenant(tenant) = scope {
                    // One writer a tenant, as SQLite has it: what a change has read is still so when it commits.
                    let (_, low) = tenant.as_u64_pair();
                    let _never = write!(begin, "; SELECT pg_advisory_xact_lock({})", low.cast_signed());
                }
                Ok(Tx::Postgres(begin_on(pool, begin).await?))
            }
        }
    }

    /// Ends all connections.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Options of every pool of `SQLite`. A connection that still counts a transaction after its end is closed: where `SQLite`
/// ended it by itself (its disk is full), sqlx 0.9 fails to roll back, and every later one would be refused.
pub(crate) fn sqlite_pool() -> SqlitePoolOptions {
    SqlitePoolOptions::new().after_release(|connection, _about| {
        Box::pin(async move {
            if connection.is_in_transaction() {
                // Passes through the connection's queue behind a roll back that may still be on its way.
                connection.ping().await?;
            }
            Ok(!connection.is_in_transaction())
        })
    })
}

async fn sqlite(path: &Path) -> Result<Db, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10));
    let write = sqlite_pool()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(Duration::from_secs(30))
        .connect_with(options.clone())
        .await?;
    let read = sqlite_pool().max_connections(4).connect_with(options.create_if_missing(false)).await?;
    Ok(Db::Sqlite { read, write })
}

async fn postgres(url: &str) -> Result<Db, StoreError> {
    let options = PgConnectOptions::from_str(url)?.application_name("sakimori-manager");
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(30))
        .after_connect(|connection, _about| {
            Box::pin(async move { sqlx::raw_sql(SESSION).execute(connection).await.map(|_done| ()) })
        })
        .connect_with(options)
        .await?;
    let (version,): (i32,) =
        sqlx::query_as("SELECT current_setting('server_version_num')::int").fetch_one(&pool).await?;
    if version < OLDEST {
        return Err(StoreError::TooOld(version / 10_000));
    }
    Ok(Db::Postgres(pool))
}

/// Begins a transaction, on a task of its own: where a caller goes away while it waits for its BEGIN (a client hangs up),
/// sqlx 0.9 does not roll back what it has not counted yet, and the next caller would be handed that open transaction.
async fn begin_on(pool: &PgPool, begin: String) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(AssertSqlSafe(begin)).await });
    begun.await.map_err(|failed| sqlx::Error::Io(std::io::Error::other(failed)))?
}

/// The statements that begin a transaction for `scope`. Only a UUID's own digits become part of them.
fn begin_postgres(begin: &str, scope: Scope) -> String {
    match scope {
        Scope::Anywhere => begin.to_owned(),
        Scope::Tenant(tenant) => {
            format!("{begin}; SET LOCAL ROLE {ROWS_ROLE}; SET LOCAL sakimori.tenant = '{tenant}'")
        }
    }
}

// === impl Tx ===

impl Tx {
    /// Makes what was written durable and visible.
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::Postgres(tx) => tx.commit().await,
        }
    }
}

impl<'a> From<&'a mut Tx> for On<'a> {
    fn from(tx: &'a mut Tx) -> Self {
        Self::Tx(tx)
    }
}

// === impl Query ===

/// A statement; `?` stands for each value.
pub(crate) fn query(sql: &'static str) -> Query {
    Query { sql: Cow::Borrowed(sql), values: Vec::new() }
}

impl Query {
    /// The next value.
    #[must_use]
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// More of the text.
    pub(crate) fn push(&mut self, sql: &'static str) -> &mut Self {
        self.sql.to_mut().push_str(sql);
        self
    }

    /// A value, and its place in the text.
    pub(crate) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.sql.to_mut().push('?');
        self.values.push(value.into());
        self
    }

    /// Runs it: how many rows it changed.
    pub(crate) async fn execute<'a>(self, on: impl Into<On<'a>>) -> Result<u64, sqlx::Error> {
        match on.into() {
            On::Tx(Tx::Sqlite(tx)) => Ok(self.on_sqlite()?.execute(&mut **tx).await?.rows_affected()),
            On::Tx(Tx::Postgres(tx)) => Ok(self.on_postgres()?.execute(&mut **tx).await?.rows_affected()),
            On::Read(Db::Sqlite { write, .. }, _) | On::Write(Db::Sqlite { write, .. }, _) => {
                Ok(self.on_sqlite()?.execute(write).await?.rows_affected())
            }
            On::Read(Db::Postgres(pool), Scope::Anywhere)
            | On::Write(Db::Postgres(pool), Scope::Anywhere) => {
                Ok(self.on_postgres()?.execute(pool).await?.rows_affected())
            }
            On::Read(Db::Postgres(pool), scope) | On::Write(Db::Postgres(pool), scope) => {
                let mut tx = begin_on(pool, begin_postgres("BEGIN", scope)).await?;
                let changed = self.on_postgres()?.execute(&mut *tx).await?.rows_affected();
                tx.commit().await?;
                Ok(changed)
            }
        }
    }

    /// Its rows.
    pub(crate) async fn rows<'a>(self, on: impl Into<On<'a>>) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match on.into() {
            On::Tx(Tx::Sqlite(tx)) => sqlite_rows(self.on_sqlite()?.fetch_all(&mut **tx).await?),
            On::Tx(Tx::Postgres(tx)) => postgres_rows(self.on_postgres()?.fetch_all(&mut **tx).await?),
            On::Read(Db::Sqlite { read: pool, .. }, _) | On::Write(Db::Sqlite { write: pool, .. }, _) => {
                sqlite_rows(self.on_sqlite()?.fetch_all(pool).await?)
            }
            On::Read(Db::Postgres(pool), Scope::Anywhere)
            | On::Write(Db::Postgres(pool), Scope::Anywhere) => {
                postgres_rows(self.on_postgres()?.fetch_all(pool).await?)
            }
            On::Read(Db::Postgres(pool), scope) => {
                let mut tx = begin_on(pool, begin_postgres("BEGIN READ ONLY", scope)).await?;
                let rows = self.on_postgres()?.fetch_all(&mut *tx).await?;
                tx.commit().await?;
                postgres_rows(rows)
            }
            On::Write(Db::Postgres(pool), scope) => {
                let mut tx = begin_on(pool, begin_postgres("BEGIN", scope)).await?;
                let rows = self.on_postgres()?.fetch_all(&mut *tx).await?;
                tx.commit().await?;
                postgres_rows(rows)
            }
        })
    }

    /// Its rows, taken apart.
    pub(crate) async fn fetch_all<'a, T: Shape>(self, on: impl Into<On<'a>>) -> Result<Vec<T>, sqlx::Error> {
        self.rows(on).await?.iter().map(Row::shape).collect()
    }

    /// Its first row, taken apart.
    pub(crate) async fn fetch_optional<'a, T: Shape>(
        self,
        on: impl Into<On<'a>>,
    ) -> Result<Option<T>, sqlx::Error> {
        self.rows(on).await?.first().map(Row::shape).transpose()
    }

    fn on_sqlite(self) -> Result<sqlx::query::Query<'static, Sqlite, SqliteArguments>, sqlx::Error> {
        let mut arguments = SqliteArguments::default();
        for value in self.values {
            match value {
                Value::Text(text) => arguments.add(text),
                Value::Int(number) => arguments.add(number),
                Value::Bytes(bytes) => arguments.add(bytes),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok(match self.sql {
            Cow::Borrowed(sql) => sqlx::query_with(sql, arguments),
            Cow::Owned(sql) => sqlx::query_with(AssertSqlSafe(sql), arguments),
        })
    }

    fn on_postgres(self) -> Result<sqlx::query::Query<'static, Postgres, PgArguments>, sqlx::Error> {
        let mut arguments = PgArguments::default();
        for value in self.values {
            match value {
                Value::Text(text) => arguments.add(text.map(without_nul)),
                Value::Int(number) => arguments.add(number),
                Value::Bytes(bytes) => arguments.add(bytes),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok(sqlx::query_with(AssertSqlSafe(numbered(&self.sql)), arguments))
    }
}

fn sqlite_rows(rows: Vec<SqliteRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Sqlite).collect()
}

fn postgres_rows(rows: Vec<PgRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Postgres).collect()
}

/// `PostgreSQL` has no NUL in its texts; what a machine calls itself may hold one.
pub(crate) fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// `?` outside quotes as `$1`, `$2`, …
fn numbered(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 16);
    let (mut number, mut quoted) = (0_u32, false);
    for c in sql.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                out.push(c);
            }
            '?' if !quoted => {
                number += 1;
                let _never = write!(out, "${number}");
            }
            c => out.push(c),
        }
    }
    out
}

// === impl Row ===

impl Row {
    /// The column of this name.
    pub(crate) fn get<T: Column>(&self, column: &str) -> Result<T, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    fn shape<T: Shape>(&self) -> Result<T, sqlx::Error> {
        match self {
            Self::Sqlite(row) => T::from_row(row),
            Self::Postgres(row) => T::from_row(row),
        }
    }
}

// === impl Value ===

macro_rules! values {
    ($($from:ty => |$value:ident| $into:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $into
            }
        })*
    };
}

values! {
    String => |text| Self::Text(Some(text));
    &String => |text| Self::Text(Some(text.clone()));
    &str => |text| Self::Text(Some(text.to_owned()));
    Option<String> => |text| Self::Text(text);
    &Option<String> => |text| Self::Text(text.clone());
    Option<&str> => |text| Self::Text(text.map(str::to_owned));
    Uuid => |id| Self::Text(Some(id.to_string()));
    Option<Uuid> => |id| Self::Text(id.map(|id| id.to_string()));
    i64 => |number| Self::Int(Some(number));
    Option<i64> => |number| Self::Int(number);
    u32 => |number| Self::Int(Some(i64::from(number)));
    Option<u32> => |number| Self::Int(number.map(i64::from));
    bool => |truth| Self::Int(Some(i64::from(truth)));
    &[u8] => |bytes| Self::Bytes(bytes.to_owned());
    Vec<u8> => |bytes| Self::Bytes(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_outside_quotes_only() {
        assert_eq!(
            numbered("SELECT '?' WHERE a = ? AND b IN (?, ?)"),
            "SELECT '?' WHERE a = $1 AND b IN ($2, $3)"
        );
    }

    #[test]
    fn a_nul_in_a_text_does_not_stop_a_statement() {
        assert_eq!(without_nul("a\0b".to_owned()), "a\u{fffd}b");
    }

    #[test]
    fn a_tenant_is_named_before_its_statements() {
        let tenant = Uuid::nil();
        assert_eq!(
            begin_postgres("BEGIN", Scope::Tenant(tenant)),
            "BEGIN; SET LOCAL ROLE sakimori_rows; SET LOCAL sakimori.tenant = \
             '00000000-0000-0000-0000-000000000000'"
        );
    }
}
