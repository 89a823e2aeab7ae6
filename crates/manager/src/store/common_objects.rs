//! Lists that settings refer to by kind and name.
use super::db::query;
use super::{Shared, Store, StoreError, Write, json, to_json, uuid};
use crate::store::TenantCtx;
use sakimori_model::Timestamp;
use sakimori_modules::ObjectKind;
use uuid::Uuid;

/// A common object.
#[derive(Clone, Debug)]
pub struct CommonObjectRow {
    /// Id.
    pub id: Uuid,
    /// What it is.
    pub kind: ObjectKind,
    /// The name by which settings refer to it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The items of the list.
    pub items: Vec<String>,
    /// Counts its changes.
    pub revision: i64,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

type Row = (String, String, String, String, String, i64, i64);

/// A row of a kind that this version does not know is left alone and not shown.
fn object(row: Row) -> Option<Result<CommonObjectRow, StoreError>> {
    let (id, kind, name, description, content, revision, updated_at) = row;
    let kind = ObjectKind::named(&kind)?;
    Some(json("common_object.content", &content).map(|items| CommonObjectRow {
        id: uuid(&id),
        kind,
        name,
        description,
        items,
        revision,
        updated_at: Timestamp(updated_at),
    }))
}

const ALL: &str = "SELECT id, kind, name, description, content, revision, updated_at FROM common_object \
     WHERE tenant_id = ? ORDER BY name, id";

impl Store {
    /// The common objects of the tenant, by name.
    pub async fn common_objects(&self, ctx: &TenantCtx) -> Result<Vec<CommonObjectRow>, StoreError> {
        let rows: Vec<Row> = query(ALL).bind(ctx.tenant).fetch_all(self.read(ctx)).await?;
        rows.into_iter().filter_map(object).collect()
    }
}

impl Write {
    /// The common objects as this transaction sees them.
    pub async fn common_objects(&mut self) -> Result<Vec<CommonObjectRow>, StoreError> {
        let rows: Vec<Row> = query(ALL).bind(self.tenant()).fetch_all(&mut self.tx).await?;
        rows.into_iter().filter_map(object).collect()
    }

    /// Makes a common object.
    pub async fn insert_common_object(&mut self, row: &CommonObjectRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO common_object (tenant_id, id, kind, name, description, content, revision, updated_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(row.id)
        .bind(row.kind.as_str())
        .bind(&row.name)
        .bind(&row.description)
        .bind(to_json("common_object.content", &row.items)?)
        .bind(row.revision)
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        self.share(Shared::Policies, Uuid::nil());
        Ok(())
    }

    /// Writes a common object back; its revision goes up.
    pub async fn update_common_object(&mut self, row: &CommonObjectRow) -> Result<(), StoreError> {
        query(
            "UPDATE common_object SET name = ?, description = ?, content = ?, revision = revision + 1, updated_at = ? \
             WHERE tenant_id = ? AND id = ?",
        )
        .bind(&row.name)
        .bind(&row.description)
        .bind(to_json("common_object.content", &row.items)?)
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(row.id)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        self.share(Shared::Policies, Uuid::nil());
        Ok(())
    }

    /// Deletes a common object.
    pub async fn delete_common_object(&mut self, id: Uuid) -> Result<(), StoreError> {
        query("DELETE FROM common_object WHERE tenant_id = ? AND id = ?")
            .bind(self.tenant())
            .bind(id)
            .execute(&mut self.tx)
            .await?;
        self.share(Shared::Policies, Uuid::nil());
        Ok(())
    }
}
