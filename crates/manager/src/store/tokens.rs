//! Activation tokens.
use super::db::query;
use super::{Store, StoreError, Write, uuid};
use crate::store::TenantCtx;
use sakimori_model::Timestamp;
use uuid::Uuid;

/// An activation token.
#[derive(Clone, Debug)]
pub struct TokenRow {
    /// Whose.
    pub tenant: Uuid,
    /// Id.
    pub id: Uuid,
    /// What it is for.
    pub name: String,
    /// SHA-256 of its secret.
    pub secret_hash: String,
    /// The only policy it gives.
    pub policy: Option<Uuid>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// How many computers it may activate.
    pub max_uses: Option<u32>,
    /// How many it has activated.
    pub uses: u32,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl TokenRow {
    /// Why it activates no computer now.
    pub fn unusable(&self, now: Timestamp) -> Option<&'static str> {
        if self.revoked_at.is_some() {
            Some("has been revoked")
        } else if self.expires_at <= now {
            Some("has expired")
        } else if self.max_uses.is_some_and(|max| self.uses >= max) {
            Some("has been used as often as it allows")
        } else {
            None
        }
    }
}

type Row = (String, String, String, String, Option<String>, i64, i64, Option<i64>, i64, Option<i64>);

fn number(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn token(row: Row) -> TokenRow {
    let (tenant, id, name, secret_hash, policy, created_at, expires_at, max_uses, uses, revoked_at) = row;
    TokenRow {
        tenant: uuid(&tenant),
        id: uuid(&id),
        name,
        secret_hash,
        policy: policy.map(|id| uuid(&id)),
        created_at: Timestamp(created_at),
        expires_at: Timestamp(expires_at),
        max_uses: max_uses.map(number),
        uses: number(uses),
        revoked_at: revoked_at.map(Timestamp),
    }
}

impl Store {
    /// The token with this id, of whichever tenant: the token says whose it is.
    pub async fn activation_token(&self, id: Uuid) -> Result<Option<TokenRow>, StoreError> {
        let row: Option<Row> = query(
            "SELECT tenant_id, id, name, secret_hash, policy_id, created_at, expires_at, max_uses, uses, \
             revoked_at FROM activation_token WHERE id = ?",
        )
        .bind(id.to_string())
        .fetch_optional(self.anywhere())
        .await?;
        Ok(row.map(token))
    }

    /// The tokens, newest first, before the id `before`.
    pub async fn activation_tokens(
        &self,
        ctx: &TenantCtx,
        before: &str,
        limit: u32,
    ) -> Result<Vec<TokenRow>, StoreError> {
        let rows: Vec<Row> = query(
            "SELECT tenant_id, id, name, secret_hash, policy_id, created_at, expires_at, max_uses, uses, \
             revoked_at FROM activation_token WHERE tenant_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
        )
        .bind(ctx.tenant.to_string())
        .bind(before)
        .bind(limit)
        .fetch_all(self.read(ctx))
        .await?;
        Ok(rows.into_iter().map(token).collect())
    }
}

impl Write {
    /// Makes a token.
    pub async fn insert_token(&mut self, row: &TokenRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO activation_token (tenant_id, id, name, secret_hash, policy_id, created_at, expires_at, \
             max_uses) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(row.id.to_string())
        .bind(&row.name)
        .bind(&row.secret_hash)
        .bind(row.policy.map(|id| id.to_string()))
        .bind(self.now.0)
        .bind(row.expires_at.0)
        .bind(row.max_uses)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Counts one use, unless another request has taken the last one: then `false`.
    pub async fn use_token(&mut self, id: Uuid) -> Result<bool, StoreError> {
        let done = query(
            "UPDATE activation_token SET uses = uses + 1 WHERE tenant_id = ? AND id = ? AND revoked_at IS NULL \
             AND expires_at > ? AND (max_uses IS NULL OR uses < max_uses)",
        )
        .bind(self.tenant())
        .bind(id.to_string())
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await?;
        Ok(done == 1)
    }

    /// Revokes a token; `false` where there is none.
    pub async fn revoke_token(&mut self, id: Uuid) -> Result<bool, StoreError> {
        let done = query(
            "UPDATE activation_token SET revoked_at = coalesce(revoked_at, ?) WHERE tenant_id = ? AND id = ?",
        )
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(id.to_string())
        .execute(&mut self.tx)
        .await?;
        Ok(done == 1)
    }
}
