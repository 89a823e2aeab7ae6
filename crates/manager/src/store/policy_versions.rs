//! The history of policies: each change is a numbered version, written in the transaction of the change.
use super::db::query;
use super::policies::stored_settings;
use super::{Store, StoreError, Write, to_json, uuid};
use crate::settings::LocalSettings;
use crate::store::{PolicyRow, TenantCtx};
use sakimori_model::Timestamp;
use sakimori_modules::{ObjectKind, Objects};
use uuid::Uuid;

/// So many versions of each policy are kept, the newest ones. The audit trail keeps every change.
pub const VERSIONS: i64 = 200;

/// What a change of a policy was.
#[derive(Clone, Debug)]
pub struct VersionNote {
    /// `created`, `changed`, `rolled-back` or `applied`.
    pub action: &'static str,
    /// What its author said of it.
    pub comment: String,
}

/// A policy as a change left it.
#[derive(Clone, Debug)]
pub struct PolicyVersionRow {
    /// Its number: the policy's revision after the change.
    pub version: i64,
    /// When.
    pub at: Timestamp,
    /// `user`, `api-key` or `system`.
    pub actor_kind: String,
    /// Who, by the name it had.
    pub actor_name: String,
    /// What the change was; `kept` for the state before versions were kept.
    pub action: String,
    /// What its author said of it.
    pub comment: String,
    /// Name.
    pub name: String,
    /// What it was for.
    pub description: String,
    /// The policy it inherited from.
    pub parent: Option<Uuid>,
    /// What it set itself.
    pub settings: LocalSettings,
}

impl VersionNote {
    /// A change with its comment.
    pub fn new(action: &'static str, comment: impl Into<String>) -> Self {
        Self { action, comment: comment.into() }
    }
}

type Row = (i64, i64, String, String, String, String, String, String, Option<String>, String);

fn version(row: Row) -> Result<PolicyVersionRow, StoreError> {
    let (version, at, actor_kind, actor_name, action, comment, name, description, parent, settings) = row;
    Ok(PolicyVersionRow {
        version,
        at: Timestamp(at),
        actor_kind,
        actor_name,
        action,
        comment,
        name,
        description,
        parent: parent.map(|id| uuid(&id)),
        settings: stored_settings(&settings)?,
    })
}

const COLUMNS: &str = "SELECT version, at, actor_kind, actor_name, action, comment, name, description, parent_id, \
     settings FROM policy_version WHERE tenant_id = ";

impl Store {
    /// The versions of a policy below `before`, the newest first.
    pub async fn policy_versions(
        &self,
        ctx: &TenantCtx,
        policy: Uuid,
        before: i64,
        limit: u32,
    ) -> Result<Vec<PolicyVersionRow>, StoreError> {
        let mut query = query(COLUMNS);
        query.push_bind(ctx.tenant.to_string());
        query.push(" AND policy_id = ").push_bind(policy.to_string());
        query.push(" AND version < ").push_bind(before);
        query.push(" ORDER BY version DESC LIMIT ").push_bind(limit);
        let rows: Vec<Row> = query.fetch_all(self.read(ctx)).await?;
        rows.into_iter().map(version).collect()
    }

    /// One version of a policy.
    pub async fn policy_version(
        &self,
        ctx: &TenantCtx,
        policy: Uuid,
        number: i64,
    ) -> Result<Option<PolicyVersionRow>, StoreError> {
        let mut query = query(COLUMNS);
        query.push_bind(ctx.tenant.to_string());
        query.push(" AND policy_id = ").push_bind(policy.to_string());
        query.push(" AND version = ").push_bind(number);
        let row: Option<Row> = query.fetch_optional(self.read(ctx)).await?;
        row.map(version).transpose()
    }
}

impl Write {
    /// Has every version that refers to a list refer to it by its new name. `lists` has it by its old one.
    pub async fn rename_list_in_versions(
        &mut self,
        lists: &Objects,
        renamed: (ObjectKind, &str),
        to: &str,
    ) -> Result<(), StoreError> {
        // As the reference stands in the JSON, without the quotes around it.
        let needle = to_json("policy.settings", &format!("list:{}", renamed.1))?;
        let rows: Vec<(String, i64, String)> = query(
            "SELECT policy_id, version, settings FROM policy_version WHERE tenant_id = ? AND instr(settings, ?) > 0",
        )
        .bind(self.tenant())
        .bind(needle.trim_matches('"'))
        .fetch_all(&mut self.tx)
        .await?;
        for (policy, version, settings) in rows {
            let mut settings = stored_settings(&settings)?;
            if settings.rename_list(lists, renamed, to) == 0 {
                continue;
            }
            query("UPDATE policy_version SET settings = ? WHERE tenant_id = ? AND policy_id = ? AND version = ?")
                .bind(to_json("policy.settings", &settings)?)
                .bind(self.tenant())
                .bind(policy)
                .bind(version)
                .execute(&mut self.tx)
                .await?;
        }
        Ok(())
    }

    /// Keeps a policy as this change leaves it, and forgets what is older than [`VERSIONS`] changes.
    pub(super) async fn keep_version(
        &mut self,
        row: &PolicyRow,
        note: &VersionNote,
    ) -> Result<(), StoreError> {
        query(
            "INSERT INTO policy_version (tenant_id, policy_id, version, at, actor_kind, actor_id, actor_name, action, \
             comment, name, description, parent_id, settings) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(row.id)
        .bind(row.revision)
        .bind(self.now.0)
        .bind(self.ctx.actor.kind)
        .bind(self.ctx.actor.id)
        .bind(&self.ctx.actor.name)
        .bind(note.action)
        .bind(&note.comment)
        .bind(&row.name)
        .bind(&row.description)
        .bind(row.parent)
        .bind(to_json("policy.settings", &row.settings)?)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        query("DELETE FROM policy_version WHERE tenant_id = ? AND policy_id = ? AND version <= ?")
            .bind(self.tenant())
            .bind(row.id)
            .bind(row.revision - VERSIONS)
            .execute(&mut self.tx)
            .await?;
        Ok(())
    }
}
