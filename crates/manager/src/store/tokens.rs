//! Activation tokens.
use super::db::{Row, query};
use super::{Store, StoreError, Write, json, to_json, uuid};
use crate::store::TenantCtx;
use sakimori_model::Timestamp;
use std::collections::BTreeMap;
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
    /// The group of computers activated with it.
    pub group: Option<Uuid>,
    /// Their tags.
    pub tags: BTreeMap<String, String>,
    /// Whether they come and go.
    pub ephemeral: bool,
    /// Whether an event-based task has to let them in.
    pub needs_task: bool,
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

const COLUMNS: &str = "SELECT * FROM activation_token WHERE ";

fn number(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn token(row: &Row) -> Result<TokenRow, StoreError> {
    Ok(TokenRow {
        tenant: uuid(&row.get::<String>("tenant_id")?),
        id: uuid(&row.get::<String>("id")?),
        name: row.get("name")?,
        secret_hash: row.get("secret_hash")?,
        policy: row.get::<Option<String>>("policy_id")?.map(|id| uuid(&id)),
        group: row.get::<Option<String>>("group_id")?.map(|id| uuid(&id)),
        tags: json("activation_token.tags", &row.get::<String>("tags")?)?,
        ephemeral: row.get::<i64>("ephemeral")? != 0,
        needs_task: row.get::<i64>("needs_task")? != 0,
        created_at: Timestamp(row.get("created_at")?),
        expires_at: Timestamp(row.get("expires_at")?),
        max_uses: row.get::<Option<i64>>("max_uses")?.map(number),
        uses: number(row.get("uses")?),
        revoked_at: row.get::<Option<i64>>("revoked_at")?.map(Timestamp),
    })
}

impl Store {
    /// The token with this id, of whichever tenant: the token says whose it is.
    pub async fn activation_token(&self, id: Uuid) -> Result<Option<TokenRow>, StoreError> {
        let mut query = query(COLUMNS);
        query.push("id = ").push_bind(id);
        query.rows(self.anywhere()).await?.first().map(token).transpose()
    }

    /// The tokens, newest first, before the id `before`.
    pub async fn activation_tokens(
        &self,
        ctx: &TenantCtx,
        before: &str,
        limit: u32,
    ) -> Result<Vec<TokenRow>, StoreError> {
        let mut query = query(COLUMNS);
        query.push("tenant_id = ").push_bind(ctx.tenant).push(" AND id < ").push_bind(before);
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
        query.rows(self.read(ctx)).await?.iter().map(token).collect()
    }
}

impl Write {
    /// Makes a token.
    pub async fn insert_token(&mut self, row: &TokenRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO activation_token (tenant_id, id, name, secret_hash, policy_id, group_id, tags, ephemeral, \
             needs_task, created_at, expires_at, max_uses) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(row.id.to_string())
        .bind(&row.name)
        .bind(&row.secret_hash)
        .bind(row.policy)
        .bind(row.group)
        .bind(to_json("activation_token.tags", &row.tags)?)
        .bind(row.ephemeral)
        .bind(row.needs_task)
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
