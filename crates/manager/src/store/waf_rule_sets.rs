//! Rule sets of the web application firewall.
use super::db::query;
use super::{Shared, Store, StoreError, Write, json, to_json, uuid};
use crate::store::TenantCtx;
use sakimori_api::WafFinding;
use sakimori_model::Timestamp;
use uuid::Uuid;

/// A rule set.
#[derive(Clone, Debug)]
pub struct WafRuleSetRow {
    /// Id.
    pub id: Uuid,
    /// The name by which policies call it.
    pub name: String,
    /// The version that it says it is.
    pub version: String,
    /// Names its document among the blobs.
    pub hash: String,
    /// Bytes of the document.
    pub size: i64,
    /// How many rules it has.
    pub rules: i64,
    /// Names of its files.
    pub files: Vec<String>,
    /// What looks wrong in it.
    pub warnings: Vec<WafFinding>,
    /// When it was imported.
    pub imported_at: Timestamp,
}

type Row = (String, String, String, String, i64, i64, String, String, i64);

fn rule_set(row: Row) -> Result<WafRuleSetRow, StoreError> {
    let (id, name, version, hash, size, rules, files, warnings, imported_at) = row;
    Ok(WafRuleSetRow {
        id: uuid(&id),
        name,
        version,
        hash,
        size,
        rules,
        files: json("waf_rule_set.files", &files)?,
        warnings: json("waf_rule_set.warnings", &warnings)?,
        imported_at: Timestamp(imported_at),
    })
}

/// The newest first.
const ALL: &str = "SELECT id, name, version, hash, size, rules, files, warnings, imported_at FROM waf_rule_set \
     WHERE tenant_id = ? ORDER BY imported_at DESC, id DESC";

impl Store {
    /// The rule sets of the tenant, the newest first.
    pub async fn waf_rule_sets(&self, ctx: &TenantCtx) -> Result<Vec<WafRuleSetRow>, StoreError> {
        let rows: Vec<Row> = query(ALL).bind(ctx.tenant).fetch_all(self.read(ctx)).await?;
        rows.into_iter().map(rule_set).collect()
    }

    /// Forgets a rule set's document, unless some tenant has a rule set of it.
    pub async fn forget_waf_document(&self, hash: &str) -> Result<(), StoreError> {
        query("DELETE FROM blob WHERE hash = ? AND NOT EXISTS (SELECT 1 FROM waf_rule_set r WHERE r.hash = blob.hash)")
            .bind(hash)
            .execute(self.write_anywhere())
            .await?;
        Ok(())
    }
}

impl Write {
    /// The rule sets as this transaction sees them, the newest first.
    pub async fn waf_rule_sets(&mut self) -> Result<Vec<WafRuleSetRow>, StoreError> {
        let rows: Vec<Row> = query(ALL).bind(self.tenant()).fetch_all(&mut self.tx).await?;
        rows.into_iter().map(rule_set).collect()
    }

    /// Keeps a rule set.
    pub async fn insert_waf_rule_set(&mut self, row: &WafRuleSetRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO waf_rule_set (tenant_id, id, name, version, hash, size, rules, files, warnings, imported_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(row.id)
        .bind(&row.name)
        .bind(&row.version)
        .bind(&row.hash)
        .bind(row.size)
        .bind(row.rules)
        .bind(to_json("waf_rule_set.files", &row.files)?)
        .bind(to_json("waf_rule_set.warnings", &row.warnings)?)
        .bind(row.imported_at.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        self.share(Shared::Policies, Uuid::nil());
        Ok(())
    }

    /// Deletes a rule set.
    pub async fn delete_waf_rule_set(&mut self, id: Uuid) -> Result<(), StoreError> {
        query("DELETE FROM waf_rule_set WHERE tenant_id = ? AND id = ?")
            .bind(self.tenant())
            .bind(id)
            .execute(&mut self.tx)
            .await?;
        self.share(Shared::Policies, Uuid::nil());
        Ok(())
    }
}
