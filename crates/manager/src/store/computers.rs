//! Computers and their certificates.
use super::db::{Row, Scope, Tx, query};
use super::{Store, StoreError, Write, json, to_json, uuid};
use crate::store::TenantCtx;
use sakimori_model::Timestamp;
use sakimori_protocol::{Fingerprint, FullStatus, ListeningPort, ModuleStatus};
use serde::{Deserialize, Serialize};
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
    /// When it was activated.
    pub activated_at: Timestamp,
    /// When it was last in contact, as last flushed.
    pub last_seen: Option<Timestamp>,
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
    /// Version of its agent.
    pub agent_version: String,
    /// Its modules.
    pub modules: Vec<ModuleStatus>,
    /// The bundle it enforces.
    pub bundle_enforced: Option<String>,
    /// The bundle it could not apply and why.
    pub bundle_refused: Option<(String, String)>,
}

const COLUMNS: &str = "SELECT c.*, coalesce((SELECT max(not_after) FROM certificate k \
     WHERE k.tenant_id = c.tenant_id AND k.computer_id = c.id), 0) AS certificate_expires_at FROM computer c";

fn computer(row: &Row) -> Result<ComputerRow, StoreError> {
    let id: String = row.get("id")?;
    let tenant: String = row.get("tenant_id")?;
    let policy: String = row.get("policy_id")?;
    let refused: Option<String> = row.get("bundle_refused")?;
    let clone: Option<String> = row.get("clone")?;
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
        activated_at: Timestamp(row.get("activated_at")?),
        last_seen: last_seen.map(Timestamp),
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

    /// Computers by id, after `after`, at most `limit`; with `text` only those that contain it.
    pub async fn computers(
        &self,
        ctx: &TenantCtx,
        text: Option<&str>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ComputerRow>, StoreError> {
        let mut query = query(COLUMNS);
        query.push(" WHERE c.tenant_id = ").push_bind(ctx.tenant.to_string());
        query.push(" AND c.id > ").push_bind(after.to_owned());
        if let Some(text) = text {
            // instr, not LIKE: nothing in the text is a wildcard.
            let needle = text.to_lowercase();
            query.push(" AND (instr(lower(c.host_name), ").push_bind(needle.clone());
            query.push(") > 0 OR instr(lower(coalesce(c.display_name, '')), ").push_bind(needle.clone());
            query.push(") > 0 OR instr(c.addresses, ").push_bind(needle).push(") > 0)");
        }
        query.push(" ORDER BY c.id LIMIT ").push_bind(limit);
        query.rows(self.read(ctx)).await?.iter().map(computer).collect()
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
        let mut by_tenant: Vec<&Contact> = contacts.iter().collect();
        by_tenant.sort_unstable_by_key(|contact| contact.tenant);
        for contacts in by_tenant.chunk_by(|a, b| a.tenant == b.tenant) {
            let Some(first) = contacts.first() else { continue };
            let mut tx = self.db.begin(Scope::Tenant(first.tenant)).await?;
            for contact in contacts {
                flush_contact(&mut tx, contact).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }
}

async fn flush_contact(tx: &mut Tx, contact: &Contact) -> Result<(), StoreError> {
    let refused = contact.bundle_refused.as_ref();
    query(
        "UPDATE computer SET last_seen = ?, agent_version = ?, modules = ?, bundle_enforced = ?, \
                 bundle_refused = ? WHERE tenant_id = ? AND id = ?",
    )
    .bind(contact.last_seen.0)
    .bind(&contact.agent_version)
    .bind(to_json("computer.modules", &contact.modules)?)
    .bind(&contact.bundle_enforced)
    .bind(refused.map(|pair| to_json("computer.bundle_refused", pair)).transpose()?)
    .bind(contact.tenant.to_string())
    .bind(contact.computer.to_string())
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
             operating_system, fingerprint, activated_at, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
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
        .bind(self.now.0)
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
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
            "UPDATE computer SET display_name = ?, policy_id = ?, clone = ?, revision = revision + 1 \
             WHERE tenant_id = ? AND id = ?",
        )
        .bind(&row.display_name)
        .bind(row.policy.to_string())
        .bind(row.clone.as_ref().map(|c| to_json("computer.clone", c)).transpose()?)
        .bind(self.tenant())
        .bind(row.id.to_string())
        .execute(&mut self.tx)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// Keeps a full status.
    pub async fn set_full_status(&mut self, id: Uuid, full: &FullStatus) -> Result<(), StoreError> {
        query(
            "UPDATE computer SET host_name = ?, operating_system = ?, kernel = ?, addresses = ?, \
             queue_mechanism = ?, ports = ? WHERE tenant_id = ? AND id = ?",
        )
        .bind(&full.host_name)
        .bind(&full.operating_system)
        .bind(&full.kernel)
        .bind(to_json("computer.addresses", &full.addresses)?)
        .bind(&full.queue_mechanism)
        .bind(to_json("computer.ports", &full.ports)?)
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
        Ok(())
    }
}
