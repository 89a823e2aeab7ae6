//! What is installed on computers, what that recommends, and bundles that are not their policy's.
use super::db::query;
use super::{BundleRow, Shared, Store, StoreError, Write, json, to_json, uuid};
use crate::recommendation::Recommended;
use crate::store::TenantCtx;
use sakimori_model::Timestamp;
use sakimori_protocol::{Hash, Inventory};
use std::collections::BTreeSet;
use uuid::Uuid;

/// What is installed on a computer, as its agent last said.
#[derive(Clone, Debug)]
pub struct InventoryRow {
    /// When it came.
    pub received_at: Timestamp,
    /// What it says.
    pub inventory: Inventory,
}

/// What is recommended to a computer.
#[derive(Clone, Debug, Default)]
pub struct RecommendationRow {
    /// The content that it was derived with.
    pub content_hash: String,
    /// The rules with their reasons.
    pub rules: Vec<Recommended>,
    /// Counts changes of the rules.
    pub revision: i64,
}

impl RecommendationRow {
    /// The rules' numbers.
    pub fn sids(&self) -> BTreeSet<u32> {
        self.rules.iter().map(|rule| rule.sid).collect()
    }
}

/// A bundle that is not its policy's own.
#[derive(Clone, Debug)]
pub struct VariantRow {
    /// Names what is different.
    pub variant: String,
    /// The bundle.
    pub bundle: BundleRow,
}

type Variant = (String, String, String, String, String);

fn variant((policy, variant, content_hash, bundle, signature): Variant) -> VariantRow {
    VariantRow { variant, bundle: BundleRow { policy: uuid(&policy), content_hash, bundle, signature } }
}

impl Store {
    /// The name of the inventory that is kept of a computer.
    pub async fn inventory_hash(&self, ctx: &TenantCtx, computer: Uuid) -> Result<Option<Hash>, StoreError> {
        let row: Option<(String,)> =
            query("SELECT hash FROM inventory WHERE tenant_id = ? AND computer_id = ?")
                .bind(ctx.tenant.to_string())
                .bind(computer.to_string())
                .fetch_optional(self.read(ctx))
                .await?;
        Ok(row.and_then(|(hash,)| hash.parse().ok()))
    }

    /// What is installed on a computer.
    pub async fn inventory(
        &self,
        ctx: &TenantCtx,
        computer: Uuid,
    ) -> Result<Option<InventoryRow>, StoreError> {
        let row: Option<(i64, String)> =
            query("SELECT received_at, document FROM inventory WHERE tenant_id = ? AND computer_id = ?")
                .bind(ctx.tenant.to_string())
                .bind(computer.to_string())
                .fetch_optional(self.read(ctx))
                .await?;
        row.map(|(received_at, document)| {
            let inventory = json("inventory.document", &document)?;
            Ok(InventoryRow { received_at: Timestamp(received_at), inventory })
        })
        .transpose()
    }

    /// What is recommended to a computer; nothing where that was never looked at.
    pub async fn recommendation(
        &self,
        ctx: &TenantCtx,
        computer: Uuid,
    ) -> Result<Option<RecommendationRow>, StoreError> {
        let row: Option<(String, String, i64)> = query(
            "SELECT content_hash, rules, revision FROM recommendation WHERE tenant_id = ? AND computer_id = ?",
        )
        .bind(ctx.tenant.to_string())
        .bind(computer.to_string())
        .fetch_optional(self.read(ctx))
        .await?;
        row.map(|(content_hash, rules, revision)| {
            Ok(RecommendationRow { content_hash, rules: json("recommendation.rules", &rules)?, revision })
        })
        .transpose()
    }

    /// Computers whose recommendations were derived with other content than this, at most `limit`.
    pub async fn recommendations_outdated(
        &self,
        ctx: &TenantCtx,
        content_hash: &str,
        limit: u32,
    ) -> Result<Vec<Uuid>, StoreError> {
        let rows: Vec<(String,)> = query(
            "SELECT computer_id FROM recommendation WHERE tenant_id = ? AND content_hash <> ? \
             ORDER BY computer_id LIMIT ?",
        )
        .bind(ctx.tenant.to_string())
        .bind(content_hash)
        .bind(limit)
        .fetch_all(self.read(ctx))
        .await?;
        Ok(rows.iter().map(|(id,)| uuid(id)).collect())
    }

    /// When somebody last asked for an inventory of a computer that did not come yet.
    pub async fn inventory_request(
        &self,
        ctx: &TenantCtx,
        computer: Uuid,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row: Option<(i64,)> =
            query("SELECT requested_at FROM inventory_request WHERE tenant_id = ? AND computer_id = ?")
                .bind(ctx.tenant.to_string())
                .bind(computer.to_string())
                .fetch_optional(self.read(ctx))
                .await?;
        Ok(row.map(|(at,)| Timestamp(at)))
    }

    /// Computers of all tenants of which somebody waits for an inventory.
    pub async fn inventory_requests(&self) -> Result<Vec<Uuid>, StoreError> {
        let rows: Vec<(String,)> =
            query("SELECT computer_id FROM inventory_request").fetch_all(self.anywhere()).await?;
        Ok(rows.iter().map(|(id,)| uuid(id)).collect())
    }
}

impl Write {
    /// What is recommended to each computer, with its policy, as this transaction sees it.
    pub async fn recommendations(&mut self) -> Result<Vec<(Uuid, Uuid, BTreeSet<u32>)>, StoreError> {
        let rows: Vec<(String, String, String)> = query(
            "SELECT c.id, c.policy_id, r.sids FROM recommendation r JOIN computer c \
             ON c.tenant_id = r.tenant_id AND c.id = r.computer_id WHERE r.tenant_id = ?",
        )
        .bind(self.tenant())
        .fetch_all(&mut self.tx)
        .await?;
        rows.into_iter()
            .map(|(computer, policy, sids)| {
                Ok((uuid(&computer), uuid(&policy), json("recommendation.sids", &sids)?))
            })
            .collect()
    }

    /// What is recommended to a computer, as this transaction sees it.
    pub async fn recommendation(&mut self, computer: Uuid) -> Result<Option<RecommendationRow>, StoreError> {
        let row: Option<(String, String, i64)> = query(
            "SELECT content_hash, rules, revision FROM recommendation WHERE tenant_id = ? AND computer_id = ?",
        )
        .bind(self.tenant())
        .bind(computer.to_string())
        .fetch_optional(&mut self.tx)
        .await?;
        row.map(|(content_hash, rules, revision)| {
            Ok(RecommendationRow { content_hash, rules: json("recommendation.rules", &rules)?, revision })
        })
        .transpose()
    }

    /// Keeps an inventory, and that nobody waits for one any more.
    pub async fn put_inventory(
        &mut self,
        computer: Uuid,
        hash: Hash,
        inventory: &Inventory,
    ) -> Result<(), StoreError> {
        query(
            "INSERT INTO inventory (tenant_id, computer_id, hash, received_at, document) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (tenant_id, computer_id) DO UPDATE SET hash = excluded.hash, \
             received_at = excluded.received_at, document = excluded.document",
        )
        .bind(self.tenant())
        .bind(computer.to_string())
        .bind(hash.to_string())
        .bind(self.now.0)
        .bind(to_json("inventory.document", inventory)?)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        let asked = query("DELETE FROM inventory_request WHERE tenant_id = ? AND computer_id = ?")
            .bind(self.tenant())
            .bind(computer.to_string())
            .execute(&mut self.tx)
            .await?;
        if asked > 0 {
            self.share(Shared::InventoryRequest, computer);
        }
        Ok(())
    }

    /// Keeps what is recommended to a computer.
    pub async fn put_recommendation(
        &mut self,
        computer: Uuid,
        row: &RecommendationRow,
    ) -> Result<(), StoreError> {
        let sids = to_json("recommendation.sids", &row.sids())?;
        let before: Option<(String,)> =
            query("SELECT sids FROM recommendation WHERE tenant_id = ? AND computer_id = ?")
                .bind(self.tenant())
                .bind(computer)
                .fetch_optional(&mut self.tx)
                .await?;
        if before.is_none_or(|(before,)| before != sids) {
            self.share(Shared::Recommendation, computer);
        }
        query(
            "INSERT INTO recommendation (tenant_id, computer_id, content_hash, rules, sids, revision, changed_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant_id, computer_id) DO UPDATE SET \
             content_hash = excluded.content_hash, rules = excluded.rules, sids = excluded.sids, \
             revision = excluded.revision, changed_at = excluded.changed_at",
        )
        .bind(self.tenant())
        .bind(computer.to_string())
        .bind(&row.content_hash)
        .bind(to_json("recommendation.rules", &row.rules)?)
        .bind(sids)
        .bind(row.revision)
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Notes that somebody waits for an inventory.
    pub async fn put_inventory_request(&mut self, computer: Uuid) -> Result<(), StoreError> {
        query(
            "INSERT INTO inventory_request (tenant_id, computer_id, requested_at) VALUES (?, ?, ?) \
             ON CONFLICT (tenant_id, computer_id) DO UPDATE SET requested_at = excluded.requested_at",
        )
        .bind(self.tenant())
        .bind(computer.to_string())
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        self.share(Shared::InventoryRequest, computer);
        Ok(())
    }

    /// Bundles that are not their policy's own.
    pub async fn bundle_variants(&mut self) -> Result<Vec<VariantRow>, StoreError> {
        let rows: Vec<Variant> = query(
            "SELECT policy_id, variant, content_hash, bundle, signature FROM bundle_variant WHERE tenant_id = ?",
        )
        .bind(self.tenant())
        .fetch_all(&mut self.tx)
        .await?;
        Ok(rows.into_iter().map(variant).collect())
    }

    /// One of them.
    pub async fn bundle_variant(
        &mut self,
        policy: Uuid,
        name: &str,
    ) -> Result<Option<VariantRow>, StoreError> {
        let row: Option<Variant> = query(
            "SELECT policy_id, variant, content_hash, bundle, signature FROM bundle_variant \
             WHERE tenant_id = ? AND policy_id = ? AND variant = ?",
        )
        .bind(self.tenant())
        .bind(policy.to_string())
        .bind(name)
        .fetch_optional(&mut self.tx)
        .await?;
        Ok(row.map(variant))
    }

    /// Keeps a bundle that is not its policy's own.
    pub async fn put_bundle_variant(&mut self, row: &VariantRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO bundle_variant (tenant_id, policy_id, variant, content_hash, bundle, signature) \
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant_id, policy_id, variant) DO UPDATE SET \
             content_hash = excluded.content_hash, bundle = excluded.bundle, signature = excluded.signature",
        )
        .bind(self.tenant())
        .bind(row.bundle.policy.to_string())
        .bind(&row.variant)
        .bind(&row.bundle.content_hash)
        .bind(&row.bundle.bundle)
        .bind(&row.bundle.signature)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Forgets a bundle that no computer has any more.
    pub async fn delete_bundle_variant(&mut self, policy: Uuid, name: &str) -> Result<(), StoreError> {
        query("DELETE FROM bundle_variant WHERE tenant_id = ? AND policy_id = ? AND variant = ?")
            .bind(self.tenant())
            .bind(policy.to_string())
            .bind(name)
            .execute(&mut self.tx)
            .await?;
        Ok(())
    }
}
