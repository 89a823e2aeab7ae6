//! Computers and their certificates.
use super::db::{Row, Scope, Tx, query};
use super::{Shared, Store, StoreError, Write, json, to_json, uuid};
use crate::store::TenantCtx;
use sakimori_model::Timestamp;
use sakimori_protocol::{Cloud, Fingerprint, FullStatus, ListeningPort, ModuleStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A computer.
#[derive(Clone, Debug)]
pub struct ComputerRow {
    /// Whose.
    pub tenant: Uuid,
    /// Id.
    pub id: Uuid,
    /// SHA-256 of its key's `SubjectPublicKeyInfo`.
    pub spki_hash: String,
    /// Name given to it.
    pub display_name: Option<String>,
    /// Its own name.
    pub host_name: String,
    /// The policy it is assigned.
    pub policy: Uuid,
    /// Version of its agent.
    pub agent_version: String,
    /// Operating system.
    pub operating_system: String,
    /// Kernel release.
    pub kernel: String,
    /// Addresses of its interfaces.
    pub addresses: Vec<String>,
    /// Kernel queue mechanism in use.
    pub queue_mechanism: String,
    /// Its listening ports.
    pub ports: Vec<ListeningPort>,
    /// Its modules as last flushed.
    pub modules: Vec<ModuleStatus>,
    /// The bundle it enforces, as last flushed.
    pub bundle_enforced: Option<String>,
    /// The bundle it could not apply and why, as last flushed.
    pub bundle_refused: Option<(String, String)>,
    /// The machine.
    pub fingerprint: Fingerprint,
    /// Another machine that used its identity.
    pub clone: Option<CloneSighting>,
    /// The group it is in.
    pub group: Option<Uuid>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// How much it is worth.
    pub asset_value: u32,
    /// Whether it comes and goes.
    pub ephemeral: bool,
    /// Whether it is expected, and may come.
    pub life: Life,
    /// Since when.
    pub life_since: Option<Timestamp>,
    /// Why, by code.
    pub life_reason: String,
    /// What the cloud says of it.
    pub cloud: Option<Cloud>,
    /// The address from which it was activated.
    pub source: String,
    /// The token that it was activated with.
    pub token: Option<Uuid>,
    /// When it was activated.
    pub activated_at: Timestamp,
    /// When it was last in contact, as last flushed.
    pub last_seen: Option<Timestamp>,
    /// The manager at which its check-in is held, as last flushed.
    pub held_by: Option<Uuid>,
    /// Counts changes made by people.
    pub revision: i64,
    /// When its newest certificate ends.
    pub certificate_expires_at: Timestamp,
}

impl ComputerRow {
    /// The name people know it by.
    pub fn name(&self) -> &str {
        self.display_name.as_deref().unwrap_or(&self.host_name)
    }
}

/// Whether a computer is expected, and may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Both.
    Managed,
    /// Nobody expects it; it may come back.
    Suspended,
    /// It has no identity any more.
    Unmanaged,
}

impl Life {
    /// As the database writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Managed => "managed",
            Self::Suspended => "suspended",
            Self::Unmanaged => "unmanaged",
        }
    }

    pub(super) fn of(text: &str) -> Self {
        match text {
            "managed" => Self::Managed,
            "suspended" => Self::Suspended,
            _ => Self::Unmanaged,
        }
    }
}

/// What decides whether a computer is suspended or cleaned up.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The computer.
    pub id: Uuid,
    /// Whether it comes and goes.
    pub ephemeral: bool,
    /// Whether it is expected.
    pub life: Life,
    /// Since when.
    pub life_since: Option<Timestamp>,
    /// Why, by code.
    pub life_reason: String,
    /// When it was last in contact, or activated, as last flushed.
    pub last_seen: Timestamp,
    /// The manager at which its check-in is held, as last flushed.
    pub held_by: Option<Uuid>,
}

/// Another machine used a computer's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloneSighting {
    /// When, in microseconds since 1970.
    pub seen: i64,
    /// The facts that differed.
    pub differs_in: Vec<String>,
    /// The other machine.
    pub fingerprint: Fingerprint,
}

/// A computer about to be made.
#[derive(Clone, Debug)]
pub struct NewComputer<'a> {
    /// Id.
    pub id: Uuid,
    /// Made by the agent.
    pub enrolment: Uuid,
    /// SHA-256 of its key's `SubjectPublicKeyInfo`.
    pub spki_hash: &'a str,
    /// Its own name.
    pub host_name: &'a str,
    /// The policy it is assigned.
    pub policy: Uuid,
    /// Version of its agent.
    pub agent_version: &'a str,
    /// Operating system.
    pub operating_system: &'a str,
    /// The machine.
    pub fingerprint: &'a Fingerprint,
    /// The group it is in.
    pub group: Option<Uuid>,
    /// Its tags.
    pub tags: &'a BTreeMap<String, String>,
    /// Whether it comes and goes.
    pub ephemeral: bool,
    /// What the cloud says of it.
    pub cloud: Option<&'a Cloud>,
    /// The address from which it came.
    pub source: &'a str,
    /// The token.
    pub token: Uuid,
}

/// A certificate.
#[derive(Clone, Debug)]
pub struct CertificateRow {
    /// Serial number in hexadecimal digits.
    pub serial: String,
    /// Whose.
    pub computer: Uuid,
    /// When it ends.
    pub not_after: Timestamp,
    /// The certificate.
    pub pem: String,
}

/// What check-ins said since the last flush.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Whose.
    pub tenant: Uuid,
    /// The computer.
    pub computer: Uuid,
    /// When.
    pub last_seen: Timestamp,
    /// Whether a check-in of it is held here.
    pub held: bool,
    /// Version of its agent.
    pub agent_version: String,
    /// Its modules.
    pub modules: Vec<ModuleStatus>,
    /// The bundle it enforces.
    pub bundle_enforced: Option<String>,
    /// The bundle it could not apply and why.
    pub bundle_refused: Option<(String, String)>,
}

/// Every column.
pub(super) const COLUMNS: &str = "SELECT c.*, coalesce((SELECT max(not_after) FROM certificate k WHERE k.tenant_id = c.tenant_id \
     AND k.computer_id = c.id), 0) AS certificate_expires_at FROM computer c";

pub(super) fn computer(row: &Row) -> Result<ComputerRow, StoreError> {
    let id: String = row.get("id")?;
    let tenant: String = row.get("tenant_id")?;
    let policy: String = row.get("policy_id")?;
    let refused: Option<String> = row.get("bundle_refused")?;
    let clone: Option<String> = row.get("clone")?;
    let cloud: Option<String> = row.get("cloud")?;
    let last_seen: Option<i64> = row.get("last_seen")?;
    Ok(ComputerRow {
        tenant: uuid(&tenant),
        id: uuid(&id),
        spki_hash: row.get("spki_hash")?,
        display_name: row.get("display_name")?,
        host_name: row.get("host_name")?,
        policy: uuid(&policy),
        agent_version: row.get("agent_version")?,
        operating_system: row.get("operating_system")?,
        kernel: row.get("kernel")?,
        addresses: json("computer.addresses", &row.get::<String>("addresses")?)?,
        queue_mechanism: row.get("queue_mechanism")?,
        ports: json("computer.ports", &row.get::<String>("ports")?)?,
        modules: json("computer.modules", &row.get::<String>("modules")?)?,
        bundle_enforced: row.get("bundle_enforced")?,
        bundle_refused: refused.map(|text| json("computer.bundle_refused", &text)).transpose()?,
        fingerprint: json("computer.fingerprint", &row.get::<String>("fingerprint")?)?,
        clone: clone.map(|text| json("computer.clone", &text)).transpose()?,
        group: row.get::<Option<String>>("group_id")?.map(|id| uuid(&id)),
        tags: json("computer.tags", &row.get::<String>("tags")?)?,
        asset_value: u32::try_from(row.get::<i64>("asset_value")?).unwrap_or(1),
        ephemeral: row.get::<i64>("ephemeral")? != 0,
        life: Life::of(&row.get::<String>("life")?),
        life_since: row.get::<Option<i64>>("life_since")?.map(Timestamp),
        life_reason: row.get("life_reason")?,
        cloud: cloud.map(|text| json("computer.cloud", &text)).transpose()?,
        source: row.get("source")?,
        token: row.get::<Option<String>>("token_id")?.map(|id| uuid(&id)),
        activated_at: Timestamp(row.get("activated_at")?),
        last_seen: last_seen.map(Timestamp),
        held_by: row.get::<Option<String>>("held_by")?.map(|id| uuid(&id)),
        revision: row.get("revision")?,
        certificate_expires_at: Timestamp(row.get("certificate_expires_at")?),
    })
}

impl Store {
    /// One computer.
    pub async fn computer(&self, ctx: &TenantCtx, id: Uuid) -> Result<Option<ComputerRow>, StoreError> {
        let mut query = query(COLUMNS);
        query.push(" WHERE c.tenant_id = ").push_bind(ctx.tenant.to_string());
        query.push(" AND c.id = ").push_bind(id.to_string());
        query.rows(self.read(ctx)).await?.first().map(computer).transpose()
    }

    /// What decides who is suspended or cleaned up, of all computers of the tenant that have an identity or are
    /// ephemeral.
    pub async fn standings(&self, ctx: &TenantCtx) -> Result<Vec<Standing>, StoreError> {
        type Columns = (String, i64, String, Option<i64>, String, i64, Option<String>);
        let rows: Vec<Columns> = query(
            "SELECT id, ephemeral, life, life_since, life_reason, coalesce(last_seen, activated_at), held_by \
             FROM computer WHERE tenant_id = ? AND (ephemeral = 1 OR life <> 'unmanaged')",
        )
        .bind(ctx.tenant)
        .fetch_all(self.read(ctx))
        .await?;
        let each =
            rows.into_iter().map(|(id, ephemeral, life, life_since, life_reason, last_seen, held_by)| {
                Standing {
                    id: uuid(&id),
                    ephemeral: ephemeral != 0,
                    life: Life::of(&life),
                    life_since: life_since.map(Timestamp),
                    life_reason,
                    last_seen: Timestamp(last_seen),
                    held_by: held_by.map(|id| uuid(&id)),
                }
            });
        Ok(each.collect())
    }

    /// When any computer of the tenant was last in contact: as far as the manager was there itself.
    pub async fn last_contact(&self, ctx: &TenantCtx) -> Result<Timestamp, StoreError> {
        let row: Option<(Option<i64>,)> = query("SELECT max(last_seen) FROM computer WHERE tenant_id = ?")
            .bind(ctx.tenant)
            .fetch_optional(self.read(ctx))
            .await?;
        Ok(Timestamp(row.and_then(|(at,)| at).unwrap_or_default()))
    }

    /// Whose certificate this is, unless it was revoked.
    pub async fn certificate_valid(
        &self,
        ctx: &TenantCtx,
        serial: &str,
        of: Uuid,
    ) -> Result<bool, StoreError> {
        let row: Option<(String,)> = query(
            "SELECT serial FROM certificate WHERE tenant_id = ? AND serial = ? AND computer_id = ? \
             AND revoked_at IS NULL",
        )
        .bind(ctx.tenant.to_string())
        .bind(serial)
        .bind(of.to_string())
        .fetch_optional(self.read(ctx))
        .await?;
        Ok(row.is_some())
    }

    /// The computer with this id, of whichever tenant: its key will say whether the caller is it.
    pub async fn computer_anywhere(&self, id: Uuid) -> Result<Option<ComputerRow>, StoreError> {
        let mut query = query(COLUMNS);
        query.push(" WHERE c.id = ").push_bind(id.to_string());
        query.rows(self.anywhere()).await?.first().map(computer).transpose()
    }

    /// Writes what check-ins said, all of a tenant in one transaction.
    pub async fn flush_contacts(&self, contacts: &[Contact]) -> Result<(), StoreError> {
        let node = self.may_be_shared().then_some(self.node());
        let mut by_tenant: Vec<&Contact> = contacts.iter().collect();
        by_tenant.sort_unstable_by_key(|contact| contact.tenant);
        for contacts in by_tenant.chunk_by(|a, b| a.tenant == b.tenant) {
            let Some(first) = contacts.first() else { continue };
            let mut tx = self.db.begin(Scope::Tenant(first.tenant)).await?;
            for contact in contacts {
                flush_contact(&mut tx, contact, node).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Another manager that holds the computer's check-in knows it better than one that it has left.
async fn flush_contact(tx: &mut Tx, contact: &Contact, node: Option<Uuid>) -> Result<(), StoreError> {
    let refused = contact.bundle_refused.as_ref();
    query(
        "UPDATE computer SET last_seen = ?, agent_version = ?, modules = ?, bundle_enforced = ?, \
         bundle_refused = ?, held_by = ? WHERE tenant_id = ? AND id = ? \
         AND (? = 1 OR coalesce(held_by, ?) = ?)",
    )
    .bind(contact.last_seen.0)
    .bind(&contact.agent_version)
    .bind(to_json("computer.modules", &contact.modules)?)
    .bind(&contact.bundle_enforced)
    .bind(refused.map(|pair| to_json("computer.bundle_refused", pair)).transpose()?)
    .bind(node.filter(|_| contact.held))
    .bind(contact.tenant.to_string())
    .bind(contact.computer.to_string())
    .bind(contact.held || node.is_none())
    .bind(node)
    .bind(node)
    .execute(tx)
    .await?;
    Ok(())
}

impl Write {
    /// One computer as this transaction sees it.
    pub async fn computer(&mut self, id: Uuid) -> Result<Option<ComputerRow>, StoreError> {
        let mut query = query(COLUMNS);
        query.push(" WHERE c.tenant_id = ").push_bind(self.tenant());
        query.push(" AND c.id = ").push_bind(id.to_string());
        query.rows(&mut self.tx).await?.first().map(computer).transpose()
    }

    /// The computer that an earlier try of this enrolment made.
    pub async fn computer_enrolled(&mut self, enrolment: Uuid) -> Result<Option<ComputerRow>, StoreError> {
        let mut query = query(COLUMNS);
        query.push(" WHERE c.tenant_id = ").push_bind(self.tenant());
        query.push(" AND c.enrolment_id = ").push_bind(enrolment.to_string());
        query.rows(&mut self.tx).await?.first().map(computer).transpose()
    }

    /// Whether a computer has this key.
    pub async fn key_in_use(&mut self, spki_hash: &str) -> Result<bool, StoreError> {
        let row: Option<(String,)> =
            query("SELECT id FROM computer WHERE tenant_id = ? AND spki_hash = ? LIMIT 1")
                .bind(self.tenant())
                .bind(spki_hash)
                .fetch_optional(&mut self.tx)
                .await?;
        Ok(row.is_some())
    }

    /// Makes a computer.
    pub async fn insert_computer(&mut self, new: &NewComputer<'_>) -> Result<(), StoreError> {
        query(
            "INSERT INTO computer (tenant_id, id, enrolment_id, spki_hash, host_name, policy_id, agent_version, \
             operating_system, fingerprint, group_id, tags, ephemeral, cloud, source, token_id, activated_at, revision) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
        )
        .bind(self.tenant())
        .bind(new.id.to_string())
        .bind(new.enrolment.to_string())
        .bind(new.spki_hash)
        .bind(new.host_name)
        .bind(new.policy.to_string())
        .bind(new.agent_version)
        .bind(new.operating_system)
        .bind(to_json("computer.fingerprint", new.fingerprint)?)
        .bind(new.group)
        .bind(to_json("computer.tags", new.tags)?)
        .bind(new.ephemeral)
        .bind(new.cloud.map(|cloud| to_json("computer.cloud", cloud)).transpose()?)
        .bind(new.source)
        .bind(new.token)
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        self.put_computer_tags(new.id, new.tags).await
    }

    /// The computer without an identity that was this very machine, where there is one.
    pub async fn computer_unmanaged(
        &mut self,
        machine: &Fingerprint,
    ) -> Result<Option<ComputerRow>, StoreError> {
        let mut query = query(COLUMNS);
        query.push(" WHERE c.tenant_id = ").push_bind(self.tenant());
        query.push(" AND c.life = 'unmanaged' AND c.fingerprint = ");
        query.push_bind(to_json("computer.fingerprint", machine)?);
        query.push(" ORDER BY c.id DESC LIMIT 1");
        query.rows(&mut self.tx).await?.first().map(computer).transpose()
    }

    /// Gives a computer that had lost its identity a new one.
    pub async fn give_identity(&mut self, id: Uuid, new: &NewComputer<'_>) -> Result<(), StoreError> {
        query(
            "UPDATE computer SET enrolment_id = ?, spki_hash = ?, host_name = ?, agent_version = ?, \
             operating_system = ?, cloud = coalesce(?, cloud), source = ?, token_id = ?, activated_at = ?, \
             bundle_enforced = NULL, clone = NULL WHERE tenant_id = ? AND id = ?",
        )
        .bind(new.enrolment)
        .bind(new.spki_hash)
        .bind(new.host_name)
        .bind(new.agent_version)
        .bind(new.operating_system)
        .bind(new.cloud.map(|cloud| to_json("computer.cloud", cloud)).transpose()?)
        .bind(new.source)
        .bind(new.token)
        .bind(self.now.0)
        .bind(self.tenant())
        .bind(id)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        self.share(Shared::Computer, id);
        Ok(())
    }

    /// Takes up a computer that had lost its identity: it has a new one, and what people said of it stays, but for what
    /// event-based tasks say.
    pub async fn take_up(
        &mut self,
        mut row: ComputerRow,
        new: &NewComputer<'_>,
        policy: Option<Uuid>,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        self.set_life(row.id, Life::Managed, "activated-anew").await?;
        query("UPDATE certificate SET revoked_at = ? WHERE tenant_id = ? AND computer_id = ?")
            .bind(self.now.0)
            .bind(self.tenant())
            .bind(row.id)
            .execute(&mut self.tx)
            .await?;
        self.give_identity(row.id, new).await?;
        row.policy = policy.unwrap_or(row.policy);
        row.group = new.group.or(row.group);
        row.tags.extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
        row.ephemeral = new.ephemeral;
        row.clone = None;
        self.update_computer(&row).await
    }

    /// Says whether a computer is expected. Taking its identity away revokes its certificates; giving it back makes
    /// those count again that have not ended.
    pub async fn set_life(&mut self, id: Uuid, life: Life, reason: &str) -> Result<(), StoreError> {
        query(
            "UPDATE computer SET life = ?, life_since = ?, life_reason = ?, revision = revision + 1 \
             WHERE tenant_id = ? AND id = ?",
        )
        .bind(life.as_str())
        .bind(self.now.0)
        .bind(reason)
        .bind(self.tenant())
        .bind(id)
        .execute(&mut self.tx)
        .await?;
        let revoked = (life == Life::Unmanaged).then_some(self.now.0);
        query(
            "UPDATE certificate SET revoked_at = ? WHERE tenant_id = ? AND computer_id = ? AND not_after > ?",
        )
        .bind(revoked)
        .bind(self.tenant())
        .bind(id)
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await?;
        self.share(Shared::Computer, id);
        Ok(())
    }

    /// Keeps a certificate.
    pub async fn insert_certificate(&mut self, row: &CertificateRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO certificate (tenant_id, serial, computer_id, not_after, pem) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(self.tenant())
        .bind(&row.serial)
        .bind(row.computer.to_string())
        .bind(row.not_after.0)
        .bind(&row.pem)
        .execute(&mut self.tx)
        .await?;
        Ok(())
    }

    /// Writes a person's changes back; the revision goes up.
    pub async fn update_computer(&mut self, row: &ComputerRow) -> Result<(), StoreError> {
        query(
            "UPDATE computer SET display_name = ?, policy_id = ?, group_id = ?, tags = ?, asset_value = ?, \
             ephemeral = ?, clone = ?, revision = revision + 1 WHERE tenant_id = ? AND id = ?",
        )
        .bind(&row.display_name)
        .bind(row.policy.to_string())
        .bind(row.group)
        .bind(to_json("computer.tags", &row.tags)?)
        .bind(row.asset_value)
        .bind(row.ephemeral)
        .bind(row.clone.as_ref().map(|c| to_json("computer.clone", c)).transpose()?)
        .bind(self.tenant())
        .bind(row.id.to_string())
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        self.share(Shared::Computer, row.id);
        self.put_computer_tags(row.id, &row.tags).await
    }

    /// Keeps a computer's tags where they are looked for. Those that are there already cost nothing.
    async fn put_computer_tags(
        &mut self,
        id: Uuid,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        let kept: Vec<(String, String)> =
            query("SELECT key, value FROM computer_tag WHERE tenant_id = ? AND computer_id = ?")
                .bind(self.tenant())
                .bind(id)
                .fetch_all(&mut self.tx)
                .await?;
        for (key, _) in kept.iter().filter(|(key, _)| !tags.contains_key(key)) {
            query("DELETE FROM computer_tag WHERE tenant_id = ? AND computer_id = ? AND key = ?")
                .bind(self.tenant())
                .bind(id)
                .bind(key)
                .execute(&mut self.tx)
                .await?;
        }
        let is_kept = |key: &str, value: &str| kept.iter().any(|(k, v)| k == key && v == value);
        for (key, value) in tags.iter().filter(|(key, value)| !is_kept(key, value)) {
            query(
                "INSERT INTO computer_tag (tenant_id, computer_id, key, value) VALUES (?, ?, ?, ?) \
                 ON CONFLICT (tenant_id, computer_id, key) DO UPDATE SET value = excluded.value",
            )
            .bind(self.tenant())
            .bind(id)
            .bind(key)
            .bind(value)
            .execute(&mut self.tx)
            .await?;
        }
        Ok(())
    }

    /// Keeps a full status.
    pub async fn set_full_status(&mut self, id: Uuid, full: &FullStatus) -> Result<(), StoreError> {
        query(
            "UPDATE computer SET host_name = ?, operating_system = ?, kernel = ?, addresses = ?, \
             queue_mechanism = ?, ports = ?, cloud = coalesce(?, cloud) WHERE tenant_id = ? AND id = ?",
        )
        .bind(&full.host_name)
        .bind(&full.operating_system)
        .bind(&full.kernel)
        .bind(to_json("computer.addresses", &full.addresses)?)
        .bind(&full.queue_mechanism)
        .bind(to_json("computer.ports", &full.ports)?)
        .bind(full.cloud.as_ref().map(|cloud| to_json("computer.cloud", cloud)).transpose()?)
        .bind(self.tenant())
        .bind(id.to_string())
        .execute(&mut self.tx)
        .await?;
        Ok(())
    }

    /// Keeps the facts of the same machine after some of them changed.
    pub async fn set_fingerprint(&mut self, id: Uuid, fingerprint: &Fingerprint) -> Result<(), StoreError> {
        query("UPDATE computer SET fingerprint = ? WHERE tenant_id = ? AND id = ?")
            .bind(to_json("computer.fingerprint", fingerprint)?)
            .bind(self.tenant())
            .bind(id.to_string())
            .execute(&mut self.tx)
            .await?;
        Ok(())
    }

    /// Keeps that another machine used the identity.
    pub async fn set_clone(&mut self, id: Uuid, sighting: &CloneSighting) -> Result<(), StoreError> {
        query("UPDATE computer SET clone = ? WHERE tenant_id = ? AND id = ?")
            .bind(to_json("computer.clone", sighting)?)
            .bind(self.tenant())
            .bind(id.to_string())
            .execute(&mut self.tx)
            .await?;
        Ok(())
    }

    /// Deletes a computer and revokes its certificates.
    pub async fn delete_computer(&mut self, id: Uuid) -> Result<(), StoreError> {
        query("UPDATE certificate SET revoked_at = ? WHERE tenant_id = ? AND computer_id = ?")
            .bind(self.now.0)
            .bind(self.tenant())
            .bind(id.to_string())
            .execute(&mut self.tx)
            .await?;
        query("DELETE FROM computer WHERE tenant_id = ? AND id = ?")
            .bind(self.tenant())
            .bind(id.to_string())
            .execute(&mut self.tx)
            .await?;
        self.share(Shared::Computer, id);
        Ok(())
    }
}
