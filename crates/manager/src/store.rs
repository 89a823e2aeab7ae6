//! The system of record: `SQLite` in the data directory.
//!
//! One writer, so that nobody waits for a lock; readers see the last commit. Every method takes a
//! [`TenantCtx`] and names its tenant in the statement: what belongs to another tenant is not found.
//! Every change goes through [`Write`], which also holds the audit trail of that change.
mod access;
mod audit;
mod computers;
mod policies;
mod tokens;

pub use access::{AccountRow, ApiKeyRow, SessionRow};
pub use audit::{Change, verify_chain};
pub use computers::{CertificateRow, CloneSighting, ComputerRow, Contact, NewComputer};
pub use policies::{BundleRow, PolicyRow};
pub use tokens::TokenRow;

use sakimori_model::Timestamp;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlSafeStr as _, Sqlite, SqlitePool, Transaction};
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// Whose rows, and who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantCtx {
    /// Only rows of this tenant are seen or changed.
    pub tenant: Uuid,
    /// For the audit trail.
    pub actor: Actor,
}

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `user`, `api-key`, `computer` or `system`.
    pub kind: &'static str,
    /// Which one.
    pub id: Option<Uuid>,
    /// Its name now.
    pub name: String,
}

impl TenantCtx {
    /// The manager itself, working for a tenant.
    pub fn system(tenant: Uuid) -> Self {
        Self { tenant, actor: Actor { kind: "system", id: None, name: "manager".to_owned() } }
    }

    /// One of its computers.
    pub fn computer(tenant: Uuid, computer: Uuid, name: &str) -> Self {
        Self { tenant, actor: Actor { kind: "computer", id: Some(computer), name: name.to_owned() } }
    }
}

/// A statement failed, or a row is not what this version writes.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused.
    #[error("the database refused a statement")]
    Database(#[from] sqlx::Error),
    /// A migration failed; the database is as it was.
    #[error("the database could not be brought to this version's schema")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A column of JSON does not have this version's form.
    #[error("a stored value is damaged: {0}")]
    Damaged(&'static str, #[source] serde_json::Error),
    /// The name is taken.
    #[error("the name is taken")]
    NameTaken,
    /// Something still refers to the row.
    #[error("still in use")]
    InUse,
}

impl StoreError {
    /// Tells a broken rule of the schema from a broken database.
    fn of_write(error: sqlx::Error) -> Self {
        let kind = error.as_database_error().map(|e| (e.is_unique_violation(), e.is_foreign_key_violation()));
        match kind {
            Some((true, _)) => Self::NameTaken,
            Some((_, true)) => Self::InUse,
            _ => Self::Database(error),
        }
    }
}

/// The system of record.
#[derive(Clone, Debug)]
pub struct Store {
    read: SqlitePool,
    write: SqlitePool,
}

/// A change in the making: nothing of it is there before [`Write::commit`].
#[derive(Debug)]
pub struct Write {
    tx: Transaction<'static, Sqlite>,
    ctx: TenantCtx,
    now: Timestamp,
}

impl Store {
    /// Opens or creates the database and brings its schema to this version.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(Duration::from_secs(30))
            .connect_with(options.clone())
            .await?;
        let sql = include_str!("../migrations/0001_initial.sql").into_sql_str();
        let first = Migration::new(1, "initial".into(), MigrationType::Simple, sql, false);
        Migrator::with_migrations(vec![first]).run(&write).await?;
        let read = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options.create_if_missing(false))
            .await?;
        Ok(Self { read, write })
    }

    /// Begins a change of a tenant's rows.
    pub async fn begin(&self, ctx: &TenantCtx, now: Timestamp) -> Result<Write, StoreError> {
        let tx = self.write.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Write { tx, ctx: ctx.clone(), now })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.read).await?;
        Ok(())
    }

    /// Ends all connections; what was committed is in the file.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }

    /// The tenants, oldest first.
    pub async fn tenants(&self) -> Result<Vec<Uuid>, StoreError> {
        let ids: Vec<(String,)> =
            sqlx::query_as("SELECT id FROM tenant ORDER BY id").fetch_all(&self.read).await?;
        Ok(ids.iter().map(|(id,)| uuid(id)).collect())
    }

    /// Makes a tenant.
    pub async fn create_tenant(&self, id: Uuid, name: &str, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO tenant (id, name, created_at) VALUES (?, ?, ?)")
            .bind(id.to_string())
            .bind(name)
            .bind(now.0)
            .execute(&self.write)
            .await
            .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// A part of a bundle, or of the product's content.
    pub async fn blob(&self, hash: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<(Vec<u8>,)> =
            sqlx::query_as("SELECT content FROM blob WHERE hash = ? AND tenant_id IS NULL")
                .bind(hash)
                .fetch_optional(&self.read)
                .await?;
        Ok(row.map(|(content,)| content))
    }

    /// Keeps a part of the product's content.
    pub async fn put_blob(&self, hash: &str, content: &[u8], now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO blob (hash, content, added_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(hash)
            .bind(content)
            .bind(now.0)
            .execute(&self.write)
            .await?;
        Ok(())
    }
}

impl Write {
    /// Makes the change durable and visible.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.tx.commit().await?)
    }

    fn tenant(&self) -> String {
        self.ctx.tenant.to_string()
    }
}

/// An id that this program wrote; the nil id where somebody else damaged it, which then finds nothing.
fn uuid(text: &str) -> Uuid {
    Uuid::parse_str(text).unwrap_or_default()
}

fn json<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Damaged(what, e))
}

fn to_json<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Damaged(what, e))
}
