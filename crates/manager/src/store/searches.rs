//! Searches that people keep, and rules that tag events as they arrive.
use super::db::{Query, query};
use super::{Shared, Store, StoreError, Write, uuid};
use crate::store::{Actor, TenantCtx};
use sakimori_api::SearchSubject;
use sakimori_model::Timestamp;
use uuid::Uuid;

/// A filter that is kept under a name: what searches and rules have in common.
#[derive(Clone, Debug)]
pub struct KeptFilter {
    /// Id.
    pub id: Uuid,
    /// Its name: of a search once for each owner, of a rule once.
    pub name: String,
    /// The filter, in the filter language.
    pub filter: String,
    /// Counts its changes.
    pub revision: i64,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A search that somebody keeps.
#[derive(Clone, Debug)]
pub struct SavedSearchRow {
    /// Its filter.
    pub kept: KeptFilter,
    /// What it looks through.
    pub subject: SearchSubject,
    /// Who keeps it: kind and id of the actor.
    pub owner: String,
    /// The owner's name when it was made.
    pub owner_name: String,
    /// Whether others see it.
    pub shared: bool,
}

/// A rule that tags events as they arrive.
#[derive(Clone, Debug)]
pub struct AutoTagRuleRow {
    /// Its filter.
    pub kept: KeptFilter,
    /// The tag.
    pub tag: String,
    /// Whether it is in force.
    pub enabled: bool,
}

/// Id, name, filter, revision and time, in this order first in every statement.
type KeptTuple = (String, String, String, i64, i64);
type SearchTuple = (String, String, String, i64, i64, String, String, String, i64);
type RuleTuple = (String, String, String, i64, i64, String, i64);

const SEARCH: &str = "SELECT id, name, filter, revision, updated_at, subject, owner, owner_name, shared FROM saved_search \
     WHERE tenant_id = ? AND (shared = 1 OR owner = ?)";
const RULE: &str =
    "SELECT id, name, filter, revision, updated_at, tag, enabled FROM auto_tag_rule WHERE tenant_id = ?";

fn kept((id, name, filter, revision, updated_at): KeptTuple) -> KeptFilter {
    KeptFilter { id: uuid(&id), name, filter, revision, updated_at: Timestamp(updated_at) }
}

fn search(
    (id, name, filter, revision, at, subject, owner, owner_name, shared): SearchTuple,
) -> SavedSearchRow {
    SavedSearchRow {
        kept: kept((id, name, filter, revision, at)),
        subject: if subject == "computers" { SearchSubject::Computers } else { SearchSubject::Events },
        owner,
        owner_name,
        shared: shared != 0,
    }
}

fn rule((id, name, filter, revision, at, tag, enabled): RuleTuple) -> AutoTagRuleRow {
    AutoTagRuleRow { kept: kept((id, name, filter, revision, at)), tag, enabled: enabled != 0 }
}

/// The searches that the asker keeps, and those that others share.
fn searches(ctx: &TenantCtx) -> Query {
    query(SEARCH).bind(ctx.tenant).bind(owner_key(&ctx.actor))
}

fn with_id(mut query: Query, id: Uuid) -> Query {
    query.push(" AND id = ").push_bind(id);
    query
}

/// By id after `after`.
fn part(mut query: Query, after: &str, limit: u32) -> Query {
    query.push(" AND id > ").push_bind(after).push(" ORDER BY id LIMIT ").push_bind(limit);
    query
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
        let rows: Vec<SearchTuple> = part(searches(ctx), after, limit).fetch_all(self.read(ctx)).await?;
        Ok(rows.into_iter().map(search).collect())
    }

    /// A search that the asker may see.
    pub async fn saved_search(
        &self,
        ctx: &TenantCtx,
        id: Uuid,
    ) -> Result<Option<SavedSearchRow>, StoreError> {
        let row: Option<SearchTuple> = with_id(searches(ctx), id).fetch_optional(self.read(ctx)).await?;
        Ok(row.map(search))
    }

    /// The rules, by id after `after`.
    pub async fn auto_tag_rules(
        &self,
        ctx: &TenantCtx,
        after: &str,
        limit: u32,
    ) -> Result<Vec<AutoTagRuleRow>, StoreError> {
        let rules = query(RULE).bind(ctx.tenant);
        let rows: Vec<RuleTuple> = part(rules, after, limit).fetch_all(self.read(ctx)).await?;
        Ok(rows.into_iter().map(rule).collect())
    }

    /// A rule.
    pub async fn auto_tag_rule(
        &self,
        ctx: &TenantCtx,
        id: Uuid,
    ) -> Result<Option<AutoTagRuleRow>, StoreError> {
        let rules = query(RULE).bind(ctx.tenant);
        let row: Option<RuleTuple> = with_id(rules, id).fetch_optional(self.read(ctx)).await?;
        Ok(row.map(rule))
    }
}

impl Write {
    /// A search as this transaction sees it, if the asker keeps it or it is shared.
    pub async fn saved_search(&mut self, id: Uuid) -> Result<Option<SavedSearchRow>, StoreError> {
        let row: Option<SearchTuple> = with_id(searches(&self.ctx), id).fetch_optional(&mut self.tx).await?;
        Ok(row.map(search))
    }

    /// Keeps a search.
    pub async fn insert_saved_search(&mut self, row: &SavedSearchRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO saved_search (tenant_id, id, name, subject, filter, owner, owner_name, shared, revision, \
             updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(row.kept.id)
        .bind(&row.kept.name)
        .bind(if row.subject == SearchSubject::Computers { "computers" } else { "events" })
        .bind(&row.kept.filter)
        .bind(&row.owner)
        .bind(&row.owner_name)
        .bind(row.shared)
        .bind(row.kept.revision)
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
        .bind(&row.kept.name)
        .bind(&row.kept.filter)
        .bind(row.shared)
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(row.kept.id)
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
        let rules = query(RULE).bind(self.tenant());
        let row: Option<RuleTuple> = with_id(rules, id).fetch_optional(&mut self.tx).await?;
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
        .bind(row.kept.id)
        .bind(&row.kept.name)
        .bind(&row.kept.filter)
        .bind(&row.tag)
        .bind(row.enabled)
        .bind(row.kept.revision)
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
        .bind(&row.kept.name)
        .bind(&row.kept.filter)
        .bind(&row.tag)
        .bind(row.enabled)
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(row.kept.id)
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
