//! Policies and what they resolve to.
use super::db::query;
use super::{Shared, Store, StoreError, Write, json, to_json, uuid};
use crate::settings::LocalSettings;
use crate::store::{TenantCtx, VersionNote};
use sakimori_model::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

/// A policy with its local settings.
#[derive(Clone, Debug)]
pub struct PolicyRow {
    /// Id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The policy it inherits from.
    pub parent: Option<Uuid>,
    /// What it sets itself.
    pub settings: LocalSettings,
    /// Whether it came with the product.
    pub built_in: bool,
    /// Counts its changes.
    pub revision: i64,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What a policy resolved to, signed.
#[derive(Clone, Debug)]
pub struct BundleRow {
    /// The policy.
    pub policy: Uuid,
    /// SHA-256 of the bundle as if compiled at time zero: tells whether anything changed.
    pub content_hash: String,
    /// The exact JSON that was signed.
    pub bundle: String,
    /// Base64.
    pub signature: String,
}

type Row = (String, String, String, Option<String>, String, i64, i64, i64);

fn policy(row: Row) -> Result<PolicyRow, StoreError> {
    let (id, name, description, parent, settings, built_in, revision, updated_at) = row;
    Ok(PolicyRow {
        id: uuid(&id),
        name,
        description,
        parent: parent.map(|id| uuid(&id)),
        settings: stored_settings(&settings)?,
        built_in: built_in != 0,
        revision,
        updated_at: Timestamp(updated_at),
    })
}

/// Settings as they are kept, or as version 0.1.0 kept them: one member for its one module, under other names. They
/// come to be kept anew when their policy is next changed.
pub(super) fn stored_settings(text: &str) -> Result<LocalSettings, StoreError> {
    let mut all: Map<String, Value> = json("policy.settings", text)?;
    if let Some(Value::Object(old)) = all.remove("intrusionPrevention") {
        let set =
            old.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| match name.as_str() {
                "failOpen" => {
                    let response = if value == Value::Bool(true) { "open" } else { "closed" };
                    ("failureResponse".to_owned(), response.into())
                }
                "httpPorts" => {
                    let ranges: Vec<(u16, u16)> = serde_json::from_value(value).unwrap_or_default();
                    let range = |(first, last)| {
                        if first == last { format!("{first}") } else { format!("{first}-{last}") }
                    };
                    (name, ranges.into_iter().map(range).collect())
                }
                _ => (name, value),
            });
        let set = set.filter(|(_, value)| value.as_object().is_none_or(|keys| !keys.is_empty()));
        all.insert("intrusion-prevention".to_owned(), set.collect());
    }
    serde_json::from_value(Value::Object(all)).map_err(|e| StoreError::Damaged("policy.settings", e))
}

const ALL: &str = "SELECT id, name, description, parent_id, settings, built_in, revision, updated_at FROM policy \
     WHERE tenant_id = ? ORDER BY name";

impl Store {
    /// All policies of the tenant, by name.
    pub async fn policies(&self, ctx: &TenantCtx) -> Result<Vec<PolicyRow>, StoreError> {
        let rows: Vec<Row> = query(ALL).bind(ctx.tenant.to_string()).fetch_all(self.read(ctx)).await?;
        rows.into_iter().map(policy).collect()
    }

    /// How many computers each policy is assigned to.
    pub async fn policy_use(&self, ctx: &TenantCtx) -> Result<Vec<(Uuid, u64)>, StoreError> {
        let rows: Vec<(String, i64)> =
            query("SELECT policy_id, count(*) FROM computer WHERE tenant_id = ? GROUP BY policy_id")
                .bind(ctx.tenant.to_string())
                .fetch_all(self.read(ctx))
                .await?;
        Ok(rows.iter().map(|(id, count)| (uuid(id), u64::try_from(*count).unwrap_or_default())).collect())
    }

    /// What the policies resolved to when they last changed.
    pub async fn bundles(&self, ctx: &TenantCtx) -> Result<Vec<BundleRow>, StoreError> {
        let rows: Vec<(String, String, String, String)> =
            query("SELECT policy_id, content_hash, bundle, signature FROM bundle WHERE tenant_id = ?")
                .bind(ctx.tenant.to_string())
                .fetch_all(self.read(ctx))
                .await?;
        Ok(rows
            .into_iter()
            .map(|(id, content_hash, bundle, signature)| BundleRow {
                policy: uuid(&id),
                content_hash,
                bundle,
                signature,
            })
            .collect())
    }
}

impl Write {
    /// All policies of the tenant as this transaction sees them.
    pub async fn policies(&mut self) -> Result<Vec<PolicyRow>, StoreError> {
        let rows: Vec<Row> = query(ALL).bind(self.tenant()).fetch_all(&mut self.tx).await?;
        rows.into_iter().map(policy).collect()
    }

    /// Makes a policy; this is its first version.
    pub async fn insert_policy(&mut self, row: &PolicyRow, note: &VersionNote) -> Result<(), StoreError> {
        query(
            "INSERT INTO policy (tenant_id, id, name, description, parent_id, settings, built_in, revision, \
             updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(row.id.to_string())
        .bind(&row.name)
        .bind(&row.description)
        .bind(row.parent.map(|id| id.to_string()))
        .bind(to_json("policy.settings", &row.settings)?)
        .bind(row.built_in)
        .bind(row.revision)
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        self.share(Shared::Policies, Uuid::nil());
        self.keep_version(row, note).await
    }

    /// Writes a policy back: its revision goes up, and that is a new version.
    pub async fn update_policy(&mut self, row: &mut PolicyRow, note: &VersionNote) -> Result<(), StoreError> {
        row.revision += 1;
        row.updated_at = self.now;
        query(
            "UPDATE policy SET name = ?, description = ?, parent_id = ?, settings = ?, revision = ?, \
             updated_at = ? WHERE tenant_id = ? AND id = ?",
        )
        .bind(&row.name)
        .bind(&row.description)
        .bind(row.parent.map(|id| id.to_string()))
        .bind(to_json("policy.settings", &row.settings)?)
        .bind(row.revision)
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(row.id.to_string())
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        self.share(Shared::Policies, Uuid::nil());
        self.keep_version(row, note).await
    }

    /// Deletes a policy that nothing refers to.
    pub async fn delete_policy(&mut self, id: Uuid) -> Result<(), StoreError> {
        query("DELETE FROM policy WHERE tenant_id = ? AND id = ?")
            .bind(self.tenant())
            .bind(id.to_string())
            .execute(&mut self.tx)
            .await
            .map_err(StoreError::of_write)?;
        self.share(Shared::Policies, Uuid::nil());
        Ok(())
    }

    /// Keeps what a policy resolved to.
    pub async fn put_bundle(&mut self, row: &BundleRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO bundle (tenant_id, policy_id, content_hash, bundle, signature) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (tenant_id, policy_id) DO UPDATE SET content_hash = excluded.content_hash, \
             bundle = excluded.bundle, signature = excluded.signature",
        )
        .bind(self.tenant())
        .bind(row.policy.to_string())
        .bind(&row.content_hash)
        .bind(&row.bundle)
        .bind(&row.signature)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }
}
