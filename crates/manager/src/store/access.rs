//! Accounts, sessions and keys.
use super::db::query;
use super::{Store, StoreError, Write, json, to_json, uuid};
use crate::store::TenantCtx;
use sakimori_api::{Role, Scope};
use sakimori_model::Timestamp;
use uuid::Uuid;

/// An account.
#[derive(Clone, Debug)]
pub struct AccountRow {
    /// Whose.
    pub tenant: Uuid,
    /// Id.
    pub id: Uuid,
    /// Name to log in with.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Argon2id, in PHC form.
    pub password_hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last logged in.
    pub last_log_in: Option<Timestamp>,
}

/// A session with its account.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Whose.
    pub account: AccountRow,
    /// When it was last used, to the minute.
    pub last_used: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
}

/// A key for scripts.
#[derive(Clone, Debug)]
pub struct ApiKeyRow {
    /// Whose.
    pub tenant: Uuid,
    /// Id.
    pub id: Uuid,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Only this much of what the role allows.
    pub scopes: Option<Vec<Scope>>,
    /// Only from these networks.
    pub sources: Option<Vec<String>>,
    /// SHA-256 of its secret.
    pub secret_hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used: Option<Timestamp>,
}

/// A role as the database writes it.
pub(crate) const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Administrator => "administrator",
        Role::Operator => "operator",
        Role::Auditor => "auditor",
    }
}

fn role(name: &str) -> Role {
    match name {
        "administrator" => Role::Administrator,
        "operator" => Role::Operator,
        _ => Role::Auditor,
    }
}

type AccountTuple = (String, String, String, String, String, i64, Option<i64>);
type KeyTuple =
    (String, String, String, String, Option<String>, Option<String>, String, i64, Option<i64>, Option<i64>);

fn account((tenant, id, name, of_role, password_hash, created_at, last_log_in): AccountTuple) -> AccountRow {
    AccountRow {
        tenant: uuid(&tenant),
        id: uuid(&id),
        name,
        role: role(&of_role),
        password_hash,
        created_at: Timestamp(created_at),
        last_log_in: last_log_in.map(Timestamp),
    }
}

fn key(
    (tenant, id, name, of_role, scopes, sources, secret_hash, created_at, expires_at, last_used): KeyTuple,
) -> Result<ApiKeyRow, StoreError> {
    Ok(ApiKeyRow {
        tenant: uuid(&tenant),
        id: uuid(&id),
        name,
        role: role(&of_role),
        scopes: scopes.map(|text| json("scopes of an API key", &text)).transpose()?,
        sources: sources.map(|text| json("sources of an API key", &text)).transpose()?,
        secret_hash,
        created_at: Timestamp(created_at),
        expires_at: expires_at.map(Timestamp),
        last_used: last_used.map(Timestamp),
    })
}

impl Store {
    /// The account of this name.
    pub async fn account_named(&self, tenant: Uuid, name: &str) -> Result<Option<AccountRow>, StoreError> {
        let row: Option<AccountTuple> = query(
            "SELECT tenant_id, id, name, role, password_hash, created_at, last_log_in FROM account \
             WHERE tenant_id = ? AND name = ?",
        )
        .bind(tenant.to_string())
        .bind(name)
        .fetch_optional(self.of(tenant))
        .await?;
        Ok(row.map(account))
    }

    /// The accounts by id, after `after`, at most `limit`.
    pub async fn accounts(
        &self,
        ctx: &TenantCtx,
        after: &str,
        limit: u32,
    ) -> Result<Vec<AccountRow>, StoreError> {
        let rows: Vec<AccountTuple> = query(
            "SELECT tenant_id, id, name, role, password_hash, created_at, last_log_in FROM account \
             WHERE tenant_id = ? AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(ctx.tenant.to_string())
        .bind(after)
        .bind(limit)
        .fetch_all(self.read(ctx))
        .await?;
        Ok(rows.into_iter().map(account).collect())
    }

    /// The session whose secret has this hash. The caller looks at its times.
    pub async fn session(&self, hash: &str) -> Result<Option<SessionRow>, StoreError> {
        let row: Option<(String, String, i64, i64)> =
            query("SELECT tenant_id, account_id, last_used, expires_at FROM session WHERE hash = ?")
                .bind(hash)
                .fetch_optional(self.anywhere())
                .await?;
        let Some((tenant, account_id, last_used, expires_at)) = row else { return Ok(None) };
        let owner = uuid(&tenant);
        let of: Option<AccountTuple> = query(
            "SELECT tenant_id, id, name, role, password_hash, created_at, last_log_in FROM account \
             WHERE tenant_id = ? AND id = ?",
        )
        .bind(tenant)
        .bind(account_id)
        .fetch_optional(self.of(owner))
        .await?;
        Ok(of.map(|of| SessionRow {
            account: account(of),
            last_used: Timestamp(last_used),
            expires_at: Timestamp(expires_at),
        }))
    }

    /// The key with this id, of whichever tenant: the key says whose it is.
    pub async fn api_key(&self, id: Uuid) -> Result<Option<ApiKeyRow>, StoreError> {
        let row: Option<KeyTuple> = query(
            "SELECT tenant_id, id, name, role, scopes, sources, secret_hash, created_at, expires_at, last_used FROM api_key \
             WHERE id = ?",
        )
        .bind(id.to_string())
        .fetch_optional(self.anywhere())
        .await?;
        row.map(key).transpose()
    }

    /// The keys by id, after `after`, at most `limit`.
    pub async fn api_keys(
        &self,
        ctx: &TenantCtx,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ApiKeyRow>, StoreError> {
        let rows: Vec<KeyTuple> = query(
            "SELECT tenant_id, id, name, role, scopes, sources, secret_hash, created_at, expires_at, last_used FROM api_key \
             WHERE tenant_id = ? AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(ctx.tenant.to_string())
        .bind(after)
        .bind(limit)
        .fetch_all(self.read(ctx))
        .await?;
        rows.into_iter().map(key).collect()
    }

    /// Notes that a session was used.
    pub async fn touch_session(&self, hash: &str, now: Timestamp) -> Result<(), StoreError> {
        query("UPDATE session SET last_used = ? WHERE hash = ?")
            .bind(now.0)
            .bind(hash)
            .execute(self.write_anywhere())
            .await?;
        Ok(())
    }

    /// Notes that a key was used.
    pub async fn touch_api_key(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        query("UPDATE api_key SET last_used = ? WHERE id = ?")
            .bind(now.0)
            .bind(id.to_string())
            .execute(self.write_anywhere())
            .await?;
        Ok(())
    }
}

impl Write {
    /// Makes an account.
    pub async fn insert_account(
        &mut self,
        id: Uuid,
        name: &str,
        of_role: Role,
        password_hash: &str,
    ) -> Result<(), StoreError> {
        query(
            "INSERT INTO account (tenant_id, id, name, role, password_hash, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(id.to_string())
        .bind(name)
        .bind(role_name(of_role))
        .bind(password_hash)
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Sets a password and ends all sessions of the account but `keep`.
    pub async fn set_password(
        &mut self,
        account_id: Uuid,
        password_hash: &str,
        keep: &str,
    ) -> Result<(), StoreError> {
        query("UPDATE account SET password_hash = ? WHERE tenant_id = ? AND id = ?")
            .bind(password_hash)
            .bind(self.tenant())
            .bind(account_id.to_string())
            .execute(&mut self.tx)
            .await?;
        query("DELETE FROM session WHERE tenant_id = ? AND account_id = ? AND hash <> ?")
            .bind(self.tenant())
            .bind(account_id.to_string())
            .bind(keep)
            .execute(&mut self.tx)
            .await?;
        Ok(())
    }

    /// Makes a session, notes the log-in, and forgets sessions that have ended.
    pub async fn insert_session(
        &mut self,
        hash: &str,
        account_id: Uuid,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        query("DELETE FROM session WHERE expires_at < ?").bind(self.now.0).execute(&mut self.tx).await?;
        query(
            "INSERT INTO session (tenant_id, hash, account_id, created_at, last_used, expires_at) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(hash)
        .bind(account_id.to_string())
        .bind(self.now.0)
        .bind(self.now.0)
        .bind(expires_at.0)
        .execute(&mut self.tx)
        .await?;
        query("UPDATE account SET last_log_in = ? WHERE tenant_id = ? AND id = ?")
            .bind(self.now.0)
            .bind(self.tenant())
            .bind(account_id.to_string())
            .execute(&mut self.tx)
            .await?;
        Ok(())
    }

    /// Ends a session.
    pub async fn delete_session(&mut self, hash: &str) -> Result<(), StoreError> {
        query("DELETE FROM session WHERE tenant_id = ? AND hash = ?")
            .bind(self.tenant())
            .bind(hash)
            .execute(&mut self.tx)
            .await?;
        Ok(())
    }

    /// Makes a key.
    pub async fn insert_api_key(&mut self, row: &ApiKeyRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO api_key (tenant_id, id, name, role, scopes, sources, secret_hash, created_at, expires_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(row.id.to_string())
        .bind(&row.name)
        .bind(role_name(row.role))
        .bind(row.scopes.as_ref().map(|scopes| to_json("scopes of an API key", scopes)).transpose()?)
        .bind(row.sources.as_ref().map(|sources| to_json("sources of an API key", sources)).transpose()?)
        .bind(&row.secret_hash)
        .bind(self.now.0)
        .bind(row.expires_at.map(|at| at.0))
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Deletes a key; its row as it was, where it was there.
    pub async fn delete_api_key(&mut self, id: Uuid) -> Result<Option<ApiKeyRow>, StoreError> {
        let row: Option<KeyTuple> = query(
            "DELETE FROM api_key WHERE tenant_id = ? AND id = ? \
             RETURNING tenant_id, id, name, role, scopes, sources, secret_hash, created_at, expires_at, last_used",
        )
        .bind(self.tenant())
        .bind(id.to_string())
        .fetch_optional(&mut self.tx)
        .await?;
        row.map(key).transpose()
    }
}
