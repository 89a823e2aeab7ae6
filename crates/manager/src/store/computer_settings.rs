//! What is set on one computer, above its policy, and what that comes to.
use super::db::query;
use super::policies::stored_settings;
use super::{Shared, Store, StoreError, Write, to_json, uuid};
use crate::settings::LocalSettings;
use crate::store::TenantCtx;
use sakimori_model::Timestamp;
use uuid::Uuid;

/// A computer with settings of its own.
#[derive(Clone, Debug)]
pub struct ComputerSettingsRow {
    /// The computer.
    pub computer: Uuid,
    /// The name people know it by.
    pub name: String,
    /// The policy it is assigned.
    pub policy: Uuid,
    /// What is set on it.
    pub settings: LocalSettings,
    /// Counts their changes; 0 where nothing was ever set.
    pub revision: i64,
    /// When they were last changed.
    pub updated_at: Timestamp,
}

/// A computer and its policy.
#[derive(Clone, Debug)]
pub struct AssignmentRow {
    /// The computer.
    pub computer: Uuid,
    /// The name people know it by.
    pub name: String,
    /// The policy it is assigned.
    pub policy: Uuid,
}

type Row = (String, String, String, String, i64, i64);

fn own(row: Row) -> Result<ComputerSettingsRow, StoreError> {
    let (computer, name, policy, settings, revision, updated_at) = row;
    Ok(ComputerSettingsRow {
        computer: uuid(&computer),
        name,
        policy: uuid(&policy),
        settings: stored_settings(&settings)?,
        revision,
        updated_at: Timestamp(updated_at),
    })
}

const ALL: &str = "SELECT c.id, coalesce(c.display_name, c.host_name), c.policy_id, s.settings, s.revision, \
     s.updated_at FROM computer_settings s JOIN computer c ON c.tenant_id = s.tenant_id AND c.id = s.computer_id \
     WHERE s.tenant_id = ? ORDER BY c.id";
/// One computer, also where nothing is set on it.
const ONE: &str = "SELECT c.id, coalesce(c.display_name, c.host_name), c.policy_id, coalesce(s.settings, '{}'), \
     coalesce(s.revision, 0), coalesce(s.updated_at, c.activated_at) FROM computer c LEFT JOIN computer_settings s \
     ON s.tenant_id = c.tenant_id AND s.computer_id = c.id WHERE c.tenant_id = ? AND c.id = ?";

impl Store {
    /// The computers with settings of their own.
    pub async fn computer_settings(&self, ctx: &TenantCtx) -> Result<Vec<ComputerSettingsRow>, StoreError> {
        let rows: Vec<Row> = query(ALL).bind(ctx.tenant).fetch_all(self.read(ctx)).await?;
        rows.into_iter().map(own).collect()
    }

    /// A computer with what is set on it.
    pub async fn settings_of_computer(
        &self,
        ctx: &TenantCtx,
        id: Uuid,
    ) -> Result<Option<ComputerSettingsRow>, StoreError> {
        let row: Option<Row> = query(ONE).bind(ctx.tenant).bind(id).fetch_optional(self.read(ctx)).await?;
        row.map(own).transpose()
    }

    /// Every computer with its policy.
    pub async fn assignments(&self, ctx: &TenantCtx) -> Result<Vec<AssignmentRow>, StoreError> {
        let rows: Vec<(String, String, String)> = query(
            "SELECT id, coalesce(display_name, host_name), policy_id FROM computer WHERE tenant_id = ? ORDER BY id",
        )
        .bind(ctx.tenant)
        .fetch_all(self.read(ctx))
        .await?;
        let row = |(id, name, policy): (String, String, String)| AssignmentRow {
            computer: uuid(&id),
            name,
            policy: uuid(&policy),
        };
        Ok(rows.into_iter().map(row).collect())
    }
}

impl Write {
    /// The computers with settings of their own, as this transaction sees them.
    pub async fn computer_settings(&mut self) -> Result<Vec<ComputerSettingsRow>, StoreError> {
        let rows: Vec<Row> = query(ALL).bind(self.tenant()).fetch_all(&mut self.tx).await?;
        rows.into_iter().map(own).collect()
    }

    /// A computer with what is set on it.
    pub async fn settings_of_computer(
        &mut self,
        id: Uuid,
    ) -> Result<Option<ComputerSettingsRow>, StoreError> {
        let row: Option<Row> = query(ONE).bind(self.tenant()).bind(id).fetch_optional(&mut self.tx).await?;
        row.map(own).transpose()
    }

    /// Keeps what is set on a computer; its revision is the row's.
    pub async fn put_computer_settings(&mut self, row: &ComputerSettingsRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO computer_settings (tenant_id, computer_id, settings, revision, updated_at) \
             VALUES (?, ?, ?, ?, ?) ON CONFLICT (tenant_id, computer_id) DO UPDATE SET settings = excluded.settings, \
             revision = excluded.revision, updated_at = excluded.updated_at",
        )
        .bind(self.tenant())
        .bind(row.computer)
        .bind(to_json("computer_settings.settings", &row.settings)?)
        .bind(row.revision)
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        self.share(Shared::Policies, Uuid::nil());
        Ok(())
    }
}
