//! Roll-outs of agent versions, and how far computers are in them.
use super::db::{On, Row, Scope, query};
use super::{Store, StoreError, Write, json, to_json, uuid};
use crate::store::TenantCtx;
use sakimori_api::UpgradePlan;
use sakimori_model::Timestamp;
use sakimori_protocol::{ModuleState, ModuleStatus};
use uuid::Uuid;

/// A roll-out.
#[derive(Clone, Debug, PartialEq)]
pub struct UpgradeRow {
    /// Id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The version that is rolled out.
    pub version: String,
    /// What people decided.
    pub plan: UpgradePlan,
    /// Its state, by its word.
    pub state: String,
    /// The ring that is at work.
    pub ring: u32,
    /// Since when.
    pub ring_since: Timestamp,
    /// When all its computers had an end.
    pub ring_done: Option<Timestamp>,
    /// Computers of this ring and of later ones go back.
    pub back_from: u32,
    /// Why it is in its state.
    pub reason: String,
    /// Computers that are in none of the rings.
    pub left_out: u32,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Counts its changes.
    pub revision: i64,
}

/// A computer in a roll-out.
#[derive(Clone, Debug, PartialEq)]
pub struct UpgradeComputerRow {
    /// The computer.
    pub computer: Uuid,
    /// Its name; nothing where it was deleted.
    pub name: Option<String>,
    /// Its ring.
    pub ring: u32,
    /// How far it is, by its word.
    pub state: String,
    /// Since when.
    pub since: Timestamp,
    /// The version before.
    pub from: String,
    /// Its modules before.
    pub modules_before: Vec<(String, ModuleState)>,
    /// What it was told last.
    pub order: Option<Uuid>,
    /// What it said of that last, by its word.
    pub step: Option<String>,
    /// Why.
    pub message: String,
    /// Its agent's version as last written down.
    pub version: String,
    /// Its modules as last written down.
    pub modules: Vec<ModuleStatus>,
    /// Its last contact as last written down.
    pub last_seen: Option<Timestamp>,
}

/// Computers of a ring by their state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeCount {
    /// The roll-out.
    pub upgrade: Uuid,
    /// The ring.
    pub ring: u32,
    /// The state, by its word.
    pub state: String,
    /// How many.
    pub computers: u64,
}

/// Which computers of a roll-out.
#[derive(Clone, Copy, Debug)]
pub enum UpgradeComputersWanted<'a> {
    /// By id after this, in this ring where one is named.
    Page {
        /// After this id.
        after: &'a str,
        /// The ring.
        ring: Option<u32>,
        /// At most so many.
        limit: u32,
    },
    /// Those of this ring, those of later rings up to the next number, and those that were told something.
    AtWork {
        /// The first ring.
        from: u32,
        /// The last.
        to: u32,
    },
}

const UPGRADES: &str = "SELECT id, name, version, plan, state, ring, ring_since, ring_done, back_from, reason, left_out, \
     created_by, created_at, finished_at, revision FROM upgrade";

fn small(row: &Row, column: &str) -> Result<u32, StoreError> {
    Ok(u32::try_from(row.get::<i64>(column)?).unwrap_or_default())
}

fn upgrade(row: &Row) -> Result<UpgradeRow, StoreError> {
    Ok(UpgradeRow {
        id: uuid(&row.get::<String>("id")?),
        name: row.get("name")?,
        version: row.get("version")?,
        plan: json("upgrade.plan", &row.get::<String>("plan")?)?,
        state: row.get("state")?,
        ring: small(row, "ring")?,
        ring_since: Timestamp(row.get("ring_since")?),
        ring_done: row.get::<Option<i64>>("ring_done")?.map(Timestamp),
        back_from: small(row, "back_from")?,
        reason: row.get("reason")?,
        left_out: small(row, "left_out")?,
        created_by: row.get("created_by")?,
        created_at: Timestamp(row.get("created_at")?),
        finished_at: row.get::<Option<i64>>("finished_at")?.map(Timestamp),
        revision: row.get("revision")?,
    })
}

fn computer(row: &Row) -> Result<UpgradeComputerRow, StoreError> {
    let modules: Option<String> = row.get("modules")?;
    Ok(UpgradeComputerRow {
        computer: uuid(&row.get::<String>("computer_id")?),
        name: row.get("name")?,
        ring: small(row, "ring")?,
        state: row.get("state")?,
        since: Timestamp(row.get("since")?),
        from: row.get("from_version")?,
        modules_before: json("upgrade_computer.modules_before", &row.get::<String>("modules_before")?)?,
        order: row.get::<Option<String>>("order_id")?.map(|id| uuid(&id)),
        step: row.get("step")?,
        message: row.get("message")?,
        version: row.get::<Option<String>>("agent_version")?.unwrap_or_default(),
        modules: modules.map_or(Ok(Vec::new()), |text| json("computer.modules", &text))?,
        last_seen: row.get::<Option<i64>>("last_seen")?.map(Timestamp),
    })
}

impl Store {
    /// The roll-outs, newest first, older than `before`.
    pub async fn upgrades(
        &self,
        ctx: &TenantCtx,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<UpgradeRow>, StoreError> {
        let mut query = query(UPGRADES);
        query.push(" WHERE tenant_id = ").push_bind(ctx.tenant);
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
        query.rows(self.read(ctx)).await?.iter().map(upgrade).collect()
    }

    /// Those that have not ended.
    pub async fn upgrades_open(&self, ctx: &TenantCtx) -> Result<Vec<UpgradeRow>, StoreError> {
        let mut query = query(UPGRADES);
        query.push(" WHERE tenant_id = ").push_bind(ctx.tenant);
        query.push(" AND state IN ('running', 'paused', 'halted', 'going-back') ORDER BY id");
        query.rows(self.read(ctx)).await?.iter().map(upgrade).collect()
    }

    /// A roll-out.
    pub async fn upgrade(&self, ctx: &TenantCtx, id: Uuid) -> Result<Option<UpgradeRow>, StoreError> {
        let mut query = query(UPGRADES);
        query.push(" WHERE tenant_id = ").push_bind(ctx.tenant).push(" AND id = ").push_bind(id);
        query.rows(self.read(ctx)).await?.first().map(upgrade).transpose()
    }

    /// How many computers of these roll-outs there are of each state in each ring.
    pub async fn upgrade_counts(
        &self,
        ctx: &TenantCtx,
        of: &[Uuid],
    ) -> Result<Vec<UpgradeCount>, StoreError> {
        let mut query =
            query("SELECT upgrade_id, ring, state, count(*) FROM upgrade_computer WHERE tenant_id = ");
        query.push_bind(ctx.tenant).push(" AND upgrade_id IN (''");
        for id in of {
            query.push(", ").push_bind(*id);
        }
        query.push(") GROUP BY upgrade_id, ring, state");
        let rows: Vec<(String, i64, String, i64)> = query.fetch_all(self.read(ctx)).await?;
        let count = |(id, ring, state, computers): (String, i64, String, i64)| UpgradeCount {
            upgrade: uuid(&id),
            ring: u32::try_from(ring).unwrap_or_default(),
            state,
            computers: u64::try_from(computers).unwrap_or_default(),
        };
        Ok(rows.into_iter().map(count).collect())
    }

    /// Computers of a roll-out.
    pub async fn upgrade_computers(
        &self,
        ctx: &TenantCtx,
        upgrade: Uuid,
        wanted: UpgradeComputersWanted<'_>,
    ) -> Result<Vec<UpgradeComputerRow>, StoreError> {
        let mut query = query(
            "SELECT u.computer_id, u.ring, u.state, u.since, u.from_version, u.modules_before, u.order_id, u.step, \
             u.message, coalesce(c.display_name, c.host_name) AS name, c.agent_version, c.modules, c.last_seen FROM \
             upgrade_computer u LEFT JOIN computer c ON c.tenant_id = u.tenant_id AND c.id = u.computer_id WHERE \
             u.tenant_id = ",
        );
        query.push_bind(ctx.tenant).push(" AND u.upgrade_id = ").push_bind(upgrade);
        match wanted {
            UpgradeComputersWanted::Page { after, ring, limit } => {
                query.push(" AND u.computer_id > ").push_bind(after);
                if let Some(ring) = ring {
                    query.push(" AND u.ring = ").push_bind(ring);
                }
                query.push(" ORDER BY u.computer_id LIMIT ").push_bind(limit);
            }
            UpgradeComputersWanted::AtWork { from, to } => {
                query.push(" AND ((u.ring >= ").push_bind(from).push(" AND u.ring <= ").push_bind(to);
                query.push(") OR u.state IN ('ordered', 'returning')) ORDER BY u.computer_id");
            }
        }
        query.rows(self.read(ctx)).await?.iter().map(computer).collect()
    }

    /// Keeps what a computer said of an order that it is still at.
    pub async fn upgrade_step(
        &self,
        tenant: Uuid,
        (computer, order): (Uuid, Uuid),
        step: &str,
        message: &str,
    ) -> Result<bool, StoreError> {
        let changed = query(
            "UPDATE upgrade_computer SET step = ?, message = ? WHERE tenant_id = ? AND computer_id = ? AND order_id = ? \
             AND state IN ('ordered', 'returning')",
        )
        .bind(step)
        .bind(message)
        .bind(tenant)
        .bind(computer)
        .bind(order)
        .execute(On::Write(&self.db, Scope::Tenant(tenant)))
        .await?;
        Ok(changed > 0)
    }
}

impl Write {
    /// A roll-out as this transaction sees it.
    pub async fn upgrade(&mut self, id: Uuid) -> Result<Option<UpgradeRow>, StoreError> {
        let mut query = query(UPGRADES);
        query.push(" WHERE tenant_id = ").push_bind(self.tenant()).push(" AND id = ").push_bind(id);
        query.rows(&mut self.tx).await?.first().map(upgrade).transpose()
    }

    /// How many there are; and whether one of them is at work with this computer.
    pub async fn count_upgrades(&mut self) -> Result<u64, StoreError> {
        let row: Option<(i64,)> = query("SELECT count(*) FROM upgrade WHERE tenant_id = ?")
            .bind(self.tenant())
            .fetch_optional(&mut self.tx)
            .await?;
        Ok(row.and_then(|(count,)| u64::try_from(count).ok()).unwrap_or_default())
    }

    /// The name of a roll-out that has not ended.
    pub async fn upgrade_open(&mut self) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = query(
            "SELECT name FROM upgrade WHERE tenant_id = ? AND state IN ('running', 'paused', 'halted', 'going-back') \
             LIMIT 1",
        )
        .bind(self.tenant())
        .fetch_optional(&mut self.tx)
        .await?;
        Ok(row.map(|(name,)| name))
    }

    /// Makes a roll-out.
    pub async fn insert_upgrade(&mut self, row: &UpgradeRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO upgrade (tenant_id, id, name, version, plan, state, ring, ring_since, ring_done, back_from, \
             reason, left_out, created_by, created_at, finished_at, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
             ?, ?, ?, ?, 1)",
        )
        .bind(self.tenant())
        .bind(row.id)
        .bind(&row.name)
        .bind(&row.version)
        .bind(to_json("upgrade.plan", &row.plan)?)
        .bind(&row.state)
        .bind(row.ring)
        .bind(row.ring_since.0)
        .bind(row.ring_done.map(|at| at.0))
        .bind(row.back_from)
        .bind(&row.reason)
        .bind(row.left_out)
        .bind(&row.created_by)
        .bind(row.created_at.0)
        .bind(row.finished_at.map(|at| at.0))
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Adds a computer to a roll-out.
    pub async fn insert_upgrade_computer(
        &mut self,
        upgrade: Uuid,
        computer: Uuid,
        ring: u32,
        from: &str,
    ) -> Result<(), StoreError> {
        query(
            "INSERT INTO upgrade_computer (tenant_id, upgrade_id, computer_id, ring, state, since, from_version, \
             modules_before, order_id, step, message) VALUES (?, ?, ?, ?, 'waiting', ?, ?, '[]', NULL, NULL, '')",
        )
        .bind(self.tenant())
        .bind(upgrade)
        .bind(computer)
        .bind(ring)
        .bind(self.now.0)
        .bind(from)
        .execute(&mut self.tx)
        .await?;
        Ok(())
    }

    /// Writes where a roll-out is; its revision goes up.
    pub async fn put_upgrade(&mut self, row: &UpgradeRow) -> Result<(), StoreError> {
        query(
            "UPDATE upgrade SET state = ?, ring = ?, ring_since = ?, ring_done = ?, back_from = ?, reason = ?, \
             finished_at = ?, revision = revision + 1 WHERE tenant_id = ? AND id = ?",
        )
        .bind(&row.state)
        .bind(row.ring)
        .bind(row.ring_since.0)
        .bind(row.ring_done.map(|at| at.0))
        .bind(row.back_from)
        .bind(&row.reason)
        .bind(row.finished_at.map(|at| at.0))
        .bind(self.tenant())
        .bind(row.id)
        .execute(&mut self.tx)
        .await?;
        Ok(())
    }

    /// A computer has come to a state.
    pub async fn upgrade_computer_state(
        &mut self,
        (upgrade, computer): (Uuid, Uuid),
        state: &str,
        message: &str,
    ) -> Result<(), StoreError> {
        query(
            "UPDATE upgrade_computer SET state = ?, message = ?, since = ? WHERE tenant_id = ? AND upgrade_id = ? AND \
             computer_id = ?",
        )
        .bind(state)
        .bind(message)
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(upgrade)
        .bind(computer)
        .execute(&mut self.tx)
        .await?;
        Ok(())
    }

    /// A computer is to be told something: `before` are its modules, where they are to be kept.
    pub async fn upgrade_computer_order(
        &mut self,
        (upgrade, computer): (Uuid, Uuid),
        state: &str,
        order: Uuid,
        before: Option<(&str, &[(String, ModuleState)])>,
    ) -> Result<(), StoreError> {
        let mut query = query("UPDATE upgrade_computer SET state = ");
        query
            .push_bind(state)
            .push(", since = ")
            .push_bind(self.now.0)
            .push(", order_id = ")
            .push_bind(order);
        query.push(", step = NULL, message = ''");
        if let Some((from, modules)) = before {
            query.push(", from_version = ").push_bind(from);
            query
                .push(", modules_before = ")
                .push_bind(to_json("upgrade_computer.modules_before", &modules)?);
        }
        query
            .push(" WHERE tenant_id = ")
            .push_bind(self.tenant())
            .push(" AND upgrade_id = ")
            .push_bind(upgrade);
        query.push(" AND computer_id = ").push_bind(computer);
        query.execute(&mut self.tx).await?;
        Ok(())
    }

    /// Computers that were not told yet are left out.
    pub async fn upgrade_skip_waiting(&mut self, upgrade: Uuid) -> Result<(), StoreError> {
        query(
            "UPDATE upgrade_computer SET state = 'skipped', since = ? WHERE tenant_id = ? AND upgrade_id = ? AND state = \
             'waiting'",
        )
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(upgrade)
        .execute(&mut self.tx)
        .await?;
        Ok(())
    }

    /// Deletes a roll-out.
    pub async fn delete_upgrade(&mut self, id: Uuid) -> Result<(), StoreError> {
        query("DELETE FROM upgrade WHERE tenant_id = ? AND id = ?")
            .bind(self.tenant())
            .bind(id)
            .execute(&mut self.tx)
            .await?;
        Ok(())
    }
}
