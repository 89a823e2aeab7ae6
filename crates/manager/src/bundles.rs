//! What each policy resolves to: compiled once a change, signed, kept, and compared in memory by every check-in.
use crate::authority::Authority;
use crate::content::Content;
use crate::settings;
use crate::store::{BundleRow, PolicyRow, Store, StoreError, TenantCtx};
use sakimori_model::Timestamp;
use sakimori_protocol::{Bundle, Hash, ModulePart, SignedBundle};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;
use uuid::Uuid;

/// A policy's bundle, signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The bundle's name.
    pub hash: Hash,
    /// The bundle.
    pub signed: SignedBundle,
}

/// The bundles in force.
#[derive(Debug)]
pub struct Bundles {
    current: RwLock<HashMap<(Uuid, Uuid), Arc<Compiled>>>,
    /// Held from reading the policies to showing what they come to, so that an older result never comes last.
    refreshing: tokio::sync::Mutex<()>,
    changed: watch::Sender<u64>,
}

impl Default for Bundles {
    fn default() -> Self {
        Self {
            current: RwLock::default(),
            refreshing: tokio::sync::Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl Bundles {
    /// The bundle of a policy.
    pub fn of(&self, tenant: Uuid, policy: Uuid) -> Option<Arc<Compiled>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.get(&(tenant, policy)).map(Arc::clone)
    }

    /// Tells when any bundle, or what a computer is assigned, may have changed.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Makes every waiting check-in look again.
    pub fn wake(&self) {
        self.changed.send_modify(|generation| *generation = generation.wrapping_add(1));
    }

    /// Compiles all policies of a tenant; those that come to something new get a new bundle.
    pub async fn refresh(
        &self,
        store: &Store,
        ctx: &TenantCtx,
        authority: &Authority,
        content: &Content,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let _turn = self.refreshing.lock().await;
        let mut write = store.begin(ctx, now).await?;
        let policies = write.policies().await?;
        let mut kept: HashMap<Uuid, BundleRow> =
            store.bundles(ctx).await?.into_iter().map(|row| (row.policy, row)).collect();
        let mut compiled = Vec::new();
        for policy in &policies {
            let mut bundle = compile(ctx.tenant, policy, &policies, content);
            let content_hash = Hash::of(json(&bundle)?.as_bytes()).to_string();
            let same = kept.remove(&policy.id).filter(|row| row.content_hash == content_hash);
            let row = if let Some(row) = same {
                row
            } else {
                bundle.compiled_at = now.as_millis();
                let signed = authority.sign_bundle(json(&bundle)?);
                let row = BundleRow {
                    policy: policy.id,
                    content_hash,
                    bundle: signed.bundle,
                    signature: signed.signature,
                };
                write.put_bundle(&row).await?;
                row
            };
            let hash = Hash::of(row.bundle.as_bytes());
            let signed = SignedBundle { bundle: row.bundle, signature: row.signature };
            compiled.push((policy.id, Arc::new(Compiled { hash, signed })));
        }
        write.commit().await?;
        {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            current.retain(|(tenant, _), _| *tenant != ctx.tenant);
            current.extend(compiled.into_iter().map(|(policy, bundle)| ((ctx.tenant, policy), bundle)));
        }
        self.wake();
        Ok(())
    }
}

fn json(bundle: &Bundle) -> Result<String, StoreError> {
    serde_json::to_string(bundle).map_err(|e| StoreError::Damaged("bundle", e))
}

/// The policies from the root down to `policy`. A cycle, which no handler lets in, ends the line.
pub fn lineage<'a>(policy: &'a PolicyRow, all: &'a [PolicyRow]) -> Vec<&'a PolicyRow> {
    let mut line = vec![policy];
    let mut parent = policy.parent;
    while let Some(row) = parent.and_then(|id| all.iter().find(|row| row.id == id)) {
        if line.len() > all.len() {
            break;
        }
        line.push(row);
        parent = row.parent;
    }
    line.reverse();
    line
}

/// What a policy comes to, as if compiled at time zero.
fn compile(tenant: Uuid, policy: &PolicyRow, all: &[PolicyRow], content: &Content) -> Bundle {
    let layers: Vec<_> = lineage(policy, all).into_iter().map(|row| &row.settings).collect();
    let resolved = settings::resolve(&layers);
    let modules = resolved.into_iter().map(|(id, effective)| {
        let content = content.of_module(id);
        (id.to_owned(), ModulePart { settings: Value::Object(effective.values), content })
    });
    Bundle {
        format: Bundle::FORMAT,
        tenant,
        policy: policy.id,
        policy_name: policy.name.clone(),
        compiled_at: 0,
        modules: modules.collect(),
    }
}
