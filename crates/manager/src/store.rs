//! The system of record: `SQLite` in the data directory, or `PostgreSQL`.
//!
//! Every method takes a [`TenantCtx`] and names its tenant in the statement: what belongs to another tenant is not
//! found. On `PostgreSQL` row-level security says the same once more. Every change goes through [`Write`], which
//! also holds the audit trail of that change; changes of one tenant come one after the other.
//! [`db`] is how a statement is said once for both databases, [`schema`] how the schema goes forward.
mod access;
mod alerts;
mod audit;
mod channels;
mod common_objects;
mod computer_list;
mod computer_settings;
mod computers;
pub(crate) mod db;
mod event_based_tasks;
mod firewall_orders;
mod groups;
mod idempotency;
mod inventory;
mod leases;
mod nodes;
mod operations;
mod policies;
mod policy_versions;
pub mod schema;
mod searches;
mod tasks;
mod tokens;
mod upgrades;
mod waf_rule_sets;

pub use access::{AccountRow, ApiKeyRow, SessionRow};
pub use alerts::{AlertChangeRow, AlertRow, AlertsWanted, ConditionRow};
pub use audit::{Change, verify_chain};
pub use channels::{ChannelRow, Progress, Sealed};
pub use common_objects::CommonObjectRow;
pub use computer_list::{ComputerSort, ComputersBy, ComputersWanted, PlacedComputer, TagWanted};
pub use computer_settings::{AssignmentRow, ComputerSettingsRow};
pub use computers::{CertificateRow, CloneSighting, ComputerRow, Contact, Life, NewComputer, Standing};
pub use db::Database;
pub use event_based_tasks::{EventBasedTaskRow, NoticeRow};
pub use groups::{GroupRow, names_upwards, with_descendants};
pub use idempotency::{Claim, Claimed};
pub use inventory::{InventoryRow, RecommendationRow, VariantRow};
pub(crate) use nodes::CONTENT;
pub use nodes::{ChangeRow, NodeRow, Shared};
pub use operations::{OperationEnd, OperationRow};
pub use policies::{BundleRow, PolicyRow};
pub use policy_versions::{PolicyVersionRow, VERSIONS, VersionNote};
pub use searches::{AutoTagRuleRow, KeptFilter, SavedSearchRow, owner_key};
pub use tasks::{TaskRow, TaskRunComputerRow, TaskRunRow};
pub use tokens::TokenRow;
pub use upgrades::{UpgradeComputerRow, UpgradeComputersWanted, UpgradeCount, UpgradeRow};
pub use waf_rule_sets::WafRuleSetRow;

use db::{Db, On, Scope, Tx, query};
use sakimori_model::Timestamp;
use uuid::Uuid;

/// Whose rows, and who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantCtx {
    /// Only rows of this tenant are seen or changed.
    pub tenant: Uuid,
    /// For the audit trail.
    pub actor: Actor,
    /// The request with an `Idempotency-Key` that the changes belong to.
    pub claim: Option<Uuid>,
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
    /// Somebody of a tenant.
    pub const fn new(tenant: Uuid, actor: Actor) -> Self {
        Self { tenant, actor, claim: None }
    }

    /// The manager itself, working for a tenant.
    pub fn system(tenant: Uuid) -> Self {
        Self::new(tenant, Actor { kind: "system", id: None, name: "manager".to_owned() })
    }

    /// One of its computers.
    pub fn computer(tenant: Uuid, computer: Uuid, name: &str) -> Self {
        Self::new(tenant, Actor { kind: "computer", id: Some(computer), name: name.to_owned() })
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
    /// The server is older than what is used of it.
    #[error("PostgreSQL {0} is too old: use 15 or newer")]
    TooOld(i32),
    /// The role for tenants' statements is missing and may not be made.
    #[error(
        "the role sakimori_rows cannot be made: as a superuser run CREATE ROLE sakimori_rows NOLOGIN; \
         GRANT sakimori_rows TO the user in the address of the database"
    )]
    Role(#[source] sqlx::Error),
    /// A column of JSON does not have this version's form.
    #[error("a stored value is damaged: {0}")]
    Damaged(&'static str, #[source] serde_json::Error),
    /// The name is taken.
    #[error("the name is taken")]
    NameTaken,
    /// Something still refers to the row.
    #[error("still in use")]
    InUse,
    /// The request took so long that the same request, sent again, was begun in its place.
    #[error("the request was taken over")]
    TakenOver,
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

    /// Whether the database is in trouble that passes, or that an operator can end.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Database(error) => Trouble::of(error),
            _ => None,
        }
    }
}

/// What keeps a database that is well from answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Its disk is full.
    Full,
    /// It does not answer, or not in time.
    Away,
}

impl Trouble {
    /// What an error says of it: primary result codes of `SQLite` (<https://sqlite.org/rescode.html>), SQLSTATE of
    /// `PostgreSQL` (classes 08, 53 and 57).
    pub(crate) fn of(error: &sqlx::Error) -> Option<Self> {
        let code = match error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
                return Some(Self::Away);
            }
            sqlx::Error::Database(error) => error.code()?,
            _ => return None,
        };
        match (code.as_ref(), code.parse::<i32>()) {
            ("53100", _) => Some(Self::Full),
            // Of five characters are the codes of PostgreSQL.
            (state, _) if state.len() == 5 => {
                ["08", "53", "57P"].iter().any(|class| state.starts_with(class)).then_some(Self::Away)
            }
            // The primary code lies in the lowest byte: 13 is FULL, 5 BUSY, 6 LOCKED.
            (_, Ok(extended)) => match extended & 0xff {
                13 => Some(Self::Full),
                5 | 6 => Some(Self::Away),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The system of record.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
    /// This manager among several on one database, since its start.
    node: Uuid,
}

/// A change in the making: nothing of it is there before [`Write::commit`].
#[derive(Debug)]
pub struct Write {
    tx: Tx,
    ctx: TenantCtx,
    now: Timestamp,
    node: Uuid,
    /// What other managers have to hear of.
    shared: Vec<(Shared, String)>,
}

impl Store {
    /// Opens or creates the database and brings its schema to this version.
    pub async fn open(database: &Database) -> Result<Self, StoreError> {
        let db = Db::open(database).await?;
        schema::migrate(&db, None).await?;
        Ok(Self { db, node: Uuid::now_v7() })
    }

    /// Opens it with the schema of step `version` at most: what an older release left.
    pub async fn open_until(database: &Database, version: i64) -> Result<Self, StoreError> {
        let db = Db::open(database).await?;
        schema::migrate(&db, Some(version)).await?;
        Ok(Self { db, node: Uuid::now_v7() })
    }

    /// The database, for events that lie in it too.
    pub(crate) const fn db(&self) -> &Db {
        &self.db
    }

    /// Begins a change of a tenant's rows.
    pub async fn begin(&self, ctx: &TenantCtx, now: Timestamp) -> Result<Write, StoreError> {
        let tx = self.db.begin(Scope::Tenant(ctx.tenant)).await?;
        Ok(Write { tx, ctx: ctx.clone(), now, node: self.node, shared: Vec::new() })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        query("SELECT 1").rows(self.anywhere()).await?;
        Ok(())
    }

    /// Ends all connections; what was committed is in the file.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Reads a tenant's rows.
    fn read(&self, ctx: &TenantCtx) -> On<'_> {
        self.of(ctx.tenant)
    }

    /// Reads the rows of a tenant that is known by other means than the asker's word.
    fn of(&self, tenant: Uuid) -> On<'_> {
        On::Read(&self.db, Scope::Tenant(tenant))
    }

    /// Reads rows that say themselves whose they are, and rows of the product.
    fn anywhere(&self) -> On<'_> {
        On::Read(&self.db, Scope::Anywhere)
    }

    /// Writes by a name that says itself whose it is, and rows of the product.
    fn write_anywhere(&self) -> On<'_> {
        On::Write(&self.db, Scope::Anywhere)
    }

    /// The tenants, oldest first.
    pub async fn tenants(&self) -> Result<Vec<Uuid>, StoreError> {
        let ids: Vec<(String,)> =
            query("SELECT id FROM tenant ORDER BY id").fetch_all(self.anywhere()).await?;
        Ok(ids.iter().map(|(id,)| uuid(id)).collect())
    }

    /// Makes a tenant.
    pub async fn create_tenant(&self, id: Uuid, name: &str, now: Timestamp) -> Result<(), StoreError> {
        query("INSERT INTO tenant (id, name, created_at) VALUES (?, ?, ?)")
            .bind(id.to_string())
            .bind(name)
            .bind(now.0)
            .execute(self.write_anywhere())
            .await
            .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// A part of a bundle, or of the product's content.
    pub async fn blob(&self, hash: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<(Vec<u8>,)> = query("SELECT content FROM blob WHERE hash = ? AND tenant_id IS NULL")
            .bind(hash)
            .fetch_optional(self.anywhere())
            .await?;
        Ok(row.map(|(content,)| content))
    }

    /// Keeps a part of the product's content.
    pub async fn put_blob(&self, hash: &str, content: &[u8], now: Timestamp) -> Result<(), StoreError> {
        query("INSERT INTO blob (hash, content, added_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(hash)
            .bind(content)
            .bind(now.0)
            .execute(self.write_anywhere())
            .await?;
        Ok(())
    }
}

impl Write {
    /// Makes the change durable and visible.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.tell_nodes().await?;
        self.note_made().await?;
        Ok(self.tx.commit().await?)
    }

    /// When it is made.
    pub const fn now(&self) -> Timestamp {
        self.now
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
