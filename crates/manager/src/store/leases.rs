//! Leases: who of several managers does a piece of periodic work.
use super::db::query;
use super::{Store, StoreError};
use sakimori_model::Timestamp;
use std::time::Duration;
use uuid::Uuid;

impl Store {
    /// Takes a lease, or keeps it, until `now` and `span`; `false` while somebody else has it.
    pub async fn lease(
        &self,
        name: &str,
        holder: Uuid,
        span: Duration,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let taken = query(
            "INSERT INTO lease (name, holder, until) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET holder = \
             excluded.holder, until = excluded.until WHERE lease.until < ? OR lease.holder = excluded.holder",
        )
        .bind(name)
        .bind(holder)
        .bind(now.plus(span).0)
        .bind(now.0)
        .execute(self.write_anywhere())
        .await?;
        Ok(taken > 0)
    }

    /// Gives back what a manager that ends has taken.
    pub async fn lease_end(&self, holder: Uuid) -> Result<(), StoreError> {
        query("DELETE FROM lease WHERE holder = ?").bind(holder).execute(self.write_anywhere()).await?;
        Ok(())
    }
}
