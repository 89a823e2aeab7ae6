//! Searches that people keep, and rules that tag events as they arrive.
use super::db::query;
use super::{Shared, Store, StoreError, Write, uuid};
use crate::store::{Actor, TenantCtx};
use sakimori_api::SearchSubject;
use sakimori_model::Timestamp;
use uuid::Uuid;

/// A search that somebody keeps.
#[derive(Clone, Debug)]
pub struct SavedSearchRow {
    /// Id.
    pub id: Uuid,
    /// Its name, once for each owner.
    pub name: String,
    /// What it looks through.
    pub subject: SearchSubject,
    /// The filter, in the filter language.
    pub filter: String,
    /// Who keeps it: kind and id of the actor.
    pub owner: String,
    /// The owner's name when it was made.
    pub owner_name: String,
    /// Whether others see it.
    pub shared: bool,
    /// Counts its changes.
    pub revision: i64,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A rule that tags events as they arrive.
#[derive(Clone, Debug)]
pub struct AutoTagRuleRow {
    /// Id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The filter, in the filter language.
    pub filter: String,
    /// The tag.
    pub tag: String,
    /// Whether it is in force.
    pub enabled: bool,
    /// Counts its changes.
    pub revision: i64,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

type SearchTuple = (String, String, String, String, String, String, i64, i64, i64);
type RuleTuple = (String, String, String, String, i64, i64, i64);

fn search(
    (id, name, subject, filter, owner, owner_name, shared, revision, updated_at): SearchTuple,
) -> SavedSearchRow {
    SavedSearchRow {
        id: uuid(&id),
        name,
        subject: if subject == "computers" { SearchSubject::Computers } else { SearchSubject::Events },
        filter,
        owner,
        owner_name,
        shared: shared != 0,
        revision,
        updated_at: Timestamp(updated_at),
    }
}

fn rule((id, name, filter, tag, enabled, revision, updated_at): RuleTuple) -> AutoTagRuleRow {
    AutoTagRuleRow {
        id: uuid(&id),
        name,
        filter,
        tag,
        enabled: enabled != 0,
        revision,
        updated_at: Timestamp(updated_at),
    }
}

/// An actor as the owner of a search.
pub fn owner_key(actor: &Actor) -> String {
    actor.id.map_or_else(|| actor.kind.to_owned(), |id| format!("{}:{id}", actor.kind))
}

impl Store {
    /// The searches that the asker keeps, and those that others share, by id after `after`.
    pub async fn saved_searches(
        &self,
        ctx: &TenantCtx,
        after: &str,
        limit: u32,
    ) -> Result<Vec<SavedSearchRow>, StoreError> {
        let rows: Vec<SearchTuple> = query(
            "SELECT id, name, subject, filter, owner, owner_name, shared, revision, updated_at FROM saved_search \
             WHERE tenant_id = ? AND (shared = 1 OR owner = ?) AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(ctx.tenant)
        .bind(owner_key(&ctx.actor))
        .bind(after)
        .bind(limit)
        .fetch_all(self.read(ctx))
        .await?;
        Ok(rows.into_iter().map(search).collect())
    }

    /// A search that the asker may see.
    pub async fn saved_search(
        &self,
        ctx: &TenantCtx,
        id: Uuid,
    ) -> Result<Option<SavedSearchRow>, StoreError> {
        let row: Option<SearchTuple> = query(
            "SELECT id, name, subject, filter, owner, owner_name, shared, revision, updated_at FROM saved_search \
             WHERE tenant_id = ? AND (shared = 1 OR owner = ?) AND id = ?",
        )
        .bind(ctx.tenant)
        .bind(owner_key(&ctx.actor))
        .bind(id)
        .fetch_optional(self.read(ctx))
        .await?;
        Ok(row.map(search))
    }

    /// The rules, by id after `after`.
    pub async fn auto_tag_rules(
        &self,
        ctx: &TenantCtx,
        after: &str,
        limit: u32,
    ) -> Result<Vec<AutoTagRuleRow>, StoreError> {
        let rows: Vec<RuleTuple> = query(
            "SELECT id, name, filter, tag, enabled, revision, updated_at FROM auto_tag_rule WHERE tenant_id = ? \
             AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(ctx.tenant)
        .bind(after)
        .bind(limit)
        .fetch_all(self.read(ctx))
        .await?;
        Ok(rows.into_iter().map(rule).collect())
    }

    /// A rule.
    pub async fn auto_tag_rule(
        &self,
        ctx: &TenantCtx,
        id: Uuid,
    ) -> Result<Option<AutoTagRuleRow>, StoreError> {
        let row: Option<RuleTuple> = query(
            "SELECT id, name, filter, tag, enabled, revision, updated_at FROM auto_tag_rule WHERE tenant_id = ? AND id = ?",
        )
        .bind(ctx.tenant)
        .bind(id)
        .fetch_optional(self.read(ctx))
        .await?;
        Ok(row.map(rule))
    }
}

impl Write {
    /// A search as this transaction sees it, if the asker keeps it or it is shared.
    pub async fn saved_search(&mut self, id: Uuid) -> Result<Option<SavedSearchRow>, StoreError> {
        let row: Option<SearchTuple> = query(
            "SELECT id, name, subject, filter, owner, owner_name, shared, revision, updated_at FROM saved_search \
             WHERE tenant_id = ? AND (shared = 1 OR owner = ?) AND id = ?",
        )
        .bind(self.tenant())
        .bind(owner_key(&self.ctx.actor))
        .bind(id)
        .fetch_optional(&mut self.tx)
        .await?;
        Ok(row.map(search))
    }

    /// Keeps a search.
    pub async fn insert_saved_search(&mut self, row: &SavedSearchRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO saved_search (tenant_id, id, name, subject, filter, owner, owner_name, shared, revision, \
             updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(row.id)
        .bind(&row.name)
        .bind(if row.subject == SearchSubject::Computers { "computers" } else { "events" })
        .bind(&row.filter)
        .bind(&row.owner)
        .bind(&row.owner_name)
        .bind(row.shared)
        .bind(row.revision)
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Writes a search back; its revision goes up.
    pub async fn update_saved_search(&mut self, row: &SavedSearchRow) -> Result<(), StoreError> {
        query(
            "UPDATE saved_search SET name = ?, filter = ?, shared = ?, revision = revision + 1, updated_at = ? \
             WHERE tenant_id = ? AND id = ?",
        )
        .bind(&row.name)
        .bind(&row.filter)
        .bind(row.shared)
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(row.id)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Forgets a search.
    pub async fn delete_saved_search(&mut self, id: Uuid) -> Result<(), StoreError> {
        query("DELETE FROM saved_search WHERE tenant_id = ? AND id = ?")
            .bind(self.tenant())
            .bind(id)
            .execute(&mut self.tx)
            .await?;
        Ok(())
    }

    /// A rule as this transaction sees it.
    pub async fn auto_tag_rule(&mut self, id: Uuid) -> Result<Option<AutoTagRuleRow>, StoreError> {
        let row: Option<RuleTuple> = query(
            "SELECT id, name, filter, tag, enabled, revision, updated_at FROM auto_tag_rule WHERE tenant_id = ? AND id = ?",
        )
        .bind(self.tenant())
        .bind(id)
        .fetch_optional(&mut self.tx)
        .await?;
        Ok(row.map(rule))
    }

    /// How many rules there are.
    pub async fn count_auto_tag_rules(&mut self) -> Result<u64, StoreError> {
        let row: Option<(i64,)> = query("SELECT count(*) FROM auto_tag_rule WHERE tenant_id = ?")
            .bind(self.tenant())
            .fetch_optional(&mut self.tx)
            .await?;
        Ok(row.and_then(|(count,)| u64::try_from(count).ok()).unwrap_or_default())
    }

    /// Makes a rule.
    pub async fn insert_auto_tag_rule(&mut self, row: &AutoTagRuleRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO auto_tag_rule (tenant_id, id, name, filter, tag, enabled, revision, updated_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(row.id)
        .bind(&row.name)
        .bind(&row.filter)
        .bind(&row.tag)
        .bind(row.enabled)
        .bind(row.revision)
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        self.share(Shared::AutoTags, Uuid::nil());
        Ok(())
    }

    /// Writes a rule back; its revision goes up.
    pub async fn update_auto_tag_rule(&mut self, row: &AutoTagRuleRow) -> Result<(), StoreError> {
        query(
            "UPDATE auto_tag_rule SET name = ?, filter = ?, tag = ?, enabled = ?, revision = revision + 1, \
             updated_at = ? WHERE tenant_id = ? AND id = ?",
        )
        .bind(&row.name)
        .bind(&row.filter)
        .bind(&row.tag)
        .bind(row.enabled)
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(row.id)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        self.share(Shared::AutoTags, Uuid::nil());
        Ok(())
    }

    /// Deletes a rule.
    pub async fn delete_auto_tag_rule(&mut self, id: Uuid) -> Result<(), StoreError> {
        query("DELETE FROM auto_tag_rule WHERE tenant_id = ? AND id = ?")
            .bind(self.tenant())
            .bind(id)
            .execute(&mut self.tx)
            .await?;
        self.share(Shared::AutoTags, Uuid::nil());
        Ok(())
    }
}
