//! What operators said of the firewall's changes, until the computers have said what came of it.
use super::db::{On, Scope, query};
use super::{Store, StoreError, TenantCtx, Write, uuid};
use sakimori_model::Timestamp;
use uuid::Uuid;

/// What a computer is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirewallOrderRow {
    /// Which computer.
    pub computer: Uuid,
    /// What the computer's answer names.
    pub run: Uuid,
    /// As the agent takes it.
    pub words: String,
    /// When it was said.
    pub asked_at: Timestamp,
}

impl Store {
    /// What computers are to be told.
    pub async fn firewall_orders(&self, ctx: &TenantCtx) -> Result<Vec<FirewallOrderRow>, StoreError> {
        let rows: Vec<(String, String, String, i64)> =
            query("SELECT computer_id, run_id, words, asked_at FROM firewall_order WHERE tenant_id = ?")
                .bind(ctx.tenant)
                .fetch_all(self.read(ctx))
                .await?;
        let order = |(computer, run, words, asked_at): (String, String, String, i64)| FirewallOrderRow {
            computer: uuid(&computer),
            run: uuid(&run),
            words,
            asked_at: Timestamp(asked_at),
        };
        Ok(rows.into_iter().map(order).collect())
    }

    /// A computer has answered this, or it is too late for it; what was said since then stays. Whether it was this.
    pub async fn firewall_order_end(
        &self,
        tenant: Uuid,
        computer: Uuid,
        run: Uuid,
    ) -> Result<bool, StoreError> {
        let ended =
            query("DELETE FROM firewall_order WHERE tenant_id = ? AND computer_id = ? AND run_id = ?")
                .bind(tenant)
                .bind(computer)
                .bind(run)
                .execute(On::Write(&self.db, Scope::Tenant(tenant)))
                .await?;
        Ok(ended > 0)
    }
}

impl Write {
    /// Says something to a computer; what was said before and not answered yet counts no more.
    pub async fn put_firewall_order(
        &mut self,
        computer: Uuid,
        run: Uuid,
        words: &str,
    ) -> Result<(), StoreError> {
        query(
            "INSERT INTO firewall_order (tenant_id, computer_id, run_id, words, asked_at) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (tenant_id, computer_id) DO UPDATE SET run_id = excluded.run_id, words = excluded.words, \
             asked_at = excluded.asked_at",
        )
        .bind(self.tenant())
        .bind(computer)
        .bind(run)
        .bind(words)
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }
}
