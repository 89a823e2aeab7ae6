//! What each policy, and each computer with settings of its own, resolves to: compiled once a change, signed, kept,
//! and compared in memory by every check-in.
use crate::authority::Authority;
use crate::content::Content;
use crate::policy_tree::Tree;
use crate::store::{
    BundleRow, ComputerBundleRow, ComputerSettingsRow, PolicyRow, Store, StoreError, TenantCtx,
};
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

/// The bundle of a computer with settings of its own.
#[derive(Debug)]
struct Own {
    /// The policy for which it was compiled.
    policy: Uuid,
    bundle: Arc<Compiled>,
}

/// The bundles in force.
#[derive(Debug)]
pub struct Bundles {
    current: RwLock<HashMap<(Uuid, Uuid), Arc<Compiled>>>,
    /// Of computers with settings of their own.
    own: RwLock<HashMap<(Uuid, Uuid), Own>>,
    /// Held from reading the policies to showing what they come to, so that an older result never comes last.
    refreshing: tokio::sync::Mutex<()>,
    changed: watch::Sender<u64>,
}

impl Default for Bundles {
    fn default() -> Self {
        Self {
            current: RwLock::default(),
            own: RwLock::default(),
            refreshing: tokio::sync::Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl Bundles {
    /// The bundle of a computer that is assigned this policy. Nothing while settings of its own are not yet compiled
    /// for that policy: [`is_behind`](Self::is_behind).
    pub fn of(&self, tenant: Uuid, computer: Uuid, policy: Uuid) -> Option<Arc<Compiled>> {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = own.get(&(tenant, computer)) {
            return (own.policy == policy).then(|| Arc::clone(&own.bundle));
        }
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.get(&(tenant, policy)).map(Arc::clone)
    }

    /// Whether a computer has settings of its own that were compiled for another policy than this.
    pub fn is_behind(&self, tenant: Uuid, computer: Uuid, policy: Uuid) -> bool {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        own.get(&(tenant, computer)).is_some_and(|own| own.policy != policy)
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
        let tree = Tree::of(&mut write).await?;
        let mut kept: HashMap<Uuid, BundleRow> =
            store.bundles(ctx).await?.into_iter().map(|row| (row.policy, row)).collect();
        let mut compiled = Vec::new();
        for policy in &tree.policies {
            let bundle = compile(ctx.tenant, &tree, policy, None, content);
            let content_hash = Hash::of(json(&bundle)?.as_bytes()).to_string();
            let same = kept.remove(&policy.id).filter(|row| row.content_hash == content_hash);
            let signed = if let Some(row) = same {
                SignedBundle { bundle: row.bundle, signature: row.signature }
            } else {
                let signed = sign(bundle, authority, now)?;
                write
                    .put_bundle(&BundleRow {
                        policy: policy.id,
                        content_hash,
                        bundle: signed.bundle.clone(),
                        signature: signed.signature.clone(),
                    })
                    .await?;
                signed
            };
            compiled.push((policy.id, Arc::new(Compiled::of(signed))));
        }
        let mut kept: HashMap<Uuid, ComputerBundleRow> =
            store.computer_bundles(ctx).await?.into_iter().map(|row| (row.computer, row)).collect();
        let mut compiled_own = Vec::new();
        for own in tree.computers.iter().filter(|own| !own.settings.is_empty()) {
            let Some(policy) = tree.policy(own.policy) else { continue };
            let bundle = compile(ctx.tenant, &tree, policy, Some(own), content);
            let content_hash = Hash::of(json(&bundle)?.as_bytes()).to_string();
            let same = kept.remove(&own.computer).filter(|row| row.content_hash == content_hash);
            let signed = if let Some(row) = same {
                SignedBundle { bundle: row.bundle, signature: row.signature }
            } else {
                let signed = sign(bundle, authority, now)?;
                write
                    .put_computer_bundle(&ComputerBundleRow {
                        computer: own.computer,
                        content_hash,
                        bundle: signed.bundle.clone(),
                        signature: signed.signature.clone(),
                    })
                    .await?;
                signed
            };
            let bundle = Arc::new(Compiled::of(signed));
            compiled_own.push((own.computer, Own { policy: policy.id, bundle }));
        }
        write.commit().await?;
        {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            current.retain(|(tenant, _), _| *tenant != ctx.tenant);
            current.extend(compiled.into_iter().map(|(policy, bundle)| ((ctx.tenant, policy), bundle)));
            let mut own = self.own.write().unwrap_or_else(PoisonError::into_inner);
            own.retain(|(tenant, _), _| *tenant != ctx.tenant);
            own.extend(compiled_own.into_iter().map(|(computer, bundle)| ((ctx.tenant, computer), bundle)));
        }
        self.wake();
        Ok(())
    }
}

impl Compiled {
    fn of(signed: SignedBundle) -> Self {
        Self { hash: Hash::of(signed.bundle.as_bytes()), signed }
    }
}

fn sign(mut bundle: Bundle, authority: &Authority, now: Timestamp) -> Result<SignedBundle, StoreError> {
    bundle.compiled_at = now.as_millis();
    Ok(authority.sign_bundle(json(&bundle)?))
}

fn json(bundle: &Bundle) -> Result<String, StoreError> {
    serde_json::to_string(bundle).map_err(|e| StoreError::Damaged("bundle", e))
}

/// What a policy comes to, with `own` on that computer, as if compiled at time zero and with plain values.
fn compile(
    tenant: Uuid,
    tree: &Tree,
    policy: &PolicyRow,
    own: Option<&ComputerSettingsRow>,
    content: &Content,
) -> Bundle {
    let resolved = tree.in_force(policy, own).expanded(&tree.lists());
    let modules = resolved.modules.into_iter().map(|(id, effective)| {
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
