//! Groups of computers.
use super::db::query;
use super::{Store, StoreError, Write, uuid};
use crate::store::TenantCtx;
use sakimori_model::Timestamp;
use std::collections::HashMap;
use uuid::Uuid;

/// A group of computers.
#[derive(Clone, Debug)]
pub struct GroupRow {
    /// Id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The group that it is in.
    pub parent: Option<Uuid>,
    /// Counts its changes.
    pub revision: i64,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

type Row = (String, String, String, Option<String>, i64, i64);

const ALL: &str = "SELECT id, name, description, parent_id, revision, updated_at FROM computer_group \
     WHERE tenant_id = ? ORDER BY id";

fn group((id, name, description, parent, revision, updated_at): Row) -> GroupRow {
    GroupRow {
        id: uuid(&id),
        name,
        description,
        parent: parent.map(|id| uuid(&id)),
        revision,
        updated_at: Timestamp(updated_at),
    }
}

/// A group and all below it. A cycle, which no handler lets in, ends the line.
pub fn with_descendants(of: Uuid, all: &[GroupRow]) -> Vec<Uuid> {
    let mut found = vec![of];
    let mut looked_at = 0;
    while let Some(next) = found.get(looked_at).copied() {
        looked_at += 1;
        for row in all.iter().filter(|row| row.parent == Some(next)) {
            if !found.contains(&row.id) {
                found.push(row.id);
            }
        }
    }
    found
}

/// The names of a group and of those above it, its own first.
pub fn names_upwards(of: Option<Uuid>, all: &[GroupRow]) -> Vec<String> {
    let mut names = Vec::new();
    let mut next = of;
    while let Some(row) = next.and_then(|id| all.iter().find(|row| row.id == id)) {
        if names.len() > all.len() {
            break;
        }
        names.push(row.name.clone());
        next = row.parent;
    }
    names
}

impl Store {
    /// All groups of the tenant, by id.
    pub async fn groups(&self, ctx: &TenantCtx) -> Result<Vec<GroupRow>, StoreError> {
        let rows: Vec<Row> = query(ALL).bind(ctx.tenant).fetch_all(self.read(ctx)).await?;
        Ok(rows.into_iter().map(group).collect())
    }

    /// How many computers are in each group that has any.
    pub async fn group_counts(&self, ctx: &TenantCtx) -> Result<HashMap<Uuid, u64>, StoreError> {
        let rows: Vec<(String, i64)> = query(
            "SELECT group_id, count(*) FROM computer WHERE tenant_id = ? AND group_id IS NOT NULL GROUP BY group_id",
        )
        .bind(ctx.tenant)
        .fetch_all(self.read(ctx))
        .await?;
        Ok(rows.iter().map(|(id, count)| (uuid(id), u64::try_from(*count).unwrap_or_default())).collect())
    }
}

impl Write {
    /// All groups as this transaction sees them.
    pub async fn groups(&mut self) -> Result<Vec<GroupRow>, StoreError> {
        let rows: Vec<Row> = query(ALL).bind(self.tenant()).fetch_all(&mut self.tx).await?;
        Ok(rows.into_iter().map(group).collect())
    }

    /// Makes a group.
    pub async fn insert_group(&mut self, row: &GroupRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO computer_group (tenant_id, id, name, description, parent_id, revision, updated_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(row.id)
        .bind(&row.name)
        .bind(&row.description)
        .bind(row.parent)
        .bind(row.revision)
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Writes a group back; its revision goes up.
    pub async fn update_group(&mut self, row: &GroupRow) -> Result<(), StoreError> {
        query(
            "UPDATE computer_group SET name = ?, description = ?, parent_id = ?, revision = revision + 1, \
             updated_at = ? WHERE tenant_id = ? AND id = ?",
        )
        .bind(&row.name)
        .bind(&row.description)
        .bind(row.parent)
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(row.id)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Deletes a group that is empty; what is in it is in the way.
    pub async fn delete_group(&mut self, id: Uuid) -> Result<(), StoreError> {
        let used: Option<(String,)> = query(
            "SELECT id FROM computer WHERE tenant_id = ? AND group_id = ? UNION ALL \
             SELECT id FROM activation_token WHERE tenant_id = ? AND group_id = ? AND revoked_at IS NULL \
             AND expires_at > ? LIMIT 1",
        )
        .bind(self.tenant())
        .bind(id)
        .bind(self.tenant())
        .bind(id)
        .bind(self.now.0)
        .fetch_optional(&mut self.tx)
        .await?;
        if used.is_some() {
            return Err(StoreError::InUse);
        }
        query("DELETE FROM computer_group WHERE tenant_id = ? AND id = ?")
            .bind(self.tenant())
            .bind(id)
            .execute(&mut self.tx)
            .await
            .map_err(StoreError::of_write)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(id: u128, parent: Option<u128>) -> GroupRow {
        GroupRow {
            id: Uuid::from_u128(id),
            name: id.to_string(),
            description: String::new(),
            parent: parent.map(Uuid::from_u128),
            revision: 1,
            updated_at: Timestamp(0),
        }
    }

    #[test]
    fn a_tree_is_walked_both_ways_and_a_cycle_ends() {
        let all = [group(1, None), group(2, Some(1)), group(3, Some(2)), group(4, None)];
        let ids = [1, 2, 3].map(Uuid::from_u128).to_vec();
        assert_eq!(with_descendants(Uuid::from_u128(1), &all), ids);
        assert_eq!(names_upwards(Some(Uuid::from_u128(3)), &all), ["3", "2", "1"]);
        let cycle = [group(1, Some(2)), group(2, Some(1))];
        assert_eq!(with_descendants(Uuid::from_u128(1), &cycle).len(), 2);
        assert!(names_upwards(Some(Uuid::from_u128(1)), &cycle).len() <= 3);
    }
}
