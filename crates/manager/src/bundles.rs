//! What each policy resolves to, with what is set on a computer itself and what is recommended to it: compiled once a
//! change, signed, kept, and compared in memory by every check-in.
use crate::authority::Authority;
use crate::content::Content;
use crate::policy_tree::Tree;
use crate::settings::LocalSettings;
use crate::store::{BundleRow, ComputerSettingsRow, PolicyRow, Store, StoreError, TenantCtx, VariantRow};
use sakimori_model::Timestamp;
use sakimori_modules::intrusion_prevention::{self, IntrusionPrevention};
use sakimori_modules::web_application_firewall;
use sakimori_protocol::{BlobRef, Bundle, Hash, ModulePart, SignedBundle};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
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
///
/// A policy has one bundle, and *variants* of it for computers that differ from the others: those with settings of their
/// own, and where the policy assigns what is recommended, one for each set of rules that is recommended somewhere.
#[derive(Debug)]
pub struct Bundles {
    current: RwLock<HashMap<Uuid, OfTenant>>,
    /// Held from reading the policies to showing what they come to, so that an older result never comes last.
    refreshing: tokio::sync::Mutex<()>,
    changed: watch::Sender<u64>,
}

/// The bundles of a tenant.
#[derive(Debug, Default)]
struct OfTenant {
    policies: HashMap<Uuid, OfPolicy>,
    /// What each computer has of its own; those that have nothing are not in it.
    own: HashMap<Uuid, Arc<Own>>,
}

/// The bundles of a policy.
#[derive(Debug)]
struct OfPolicy {
    plain: Arc<Compiled>,
    /// Whether it assigns what is recommended.
    assigns_recommended: bool,
    variants: HashMap<String, Arc<Compiled>>,
}

/// What a computer has of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Own {
    /// What is set on it, above its policy.
    settings: LocalSettings,
    /// Rules that are recommended to it.
    sids: BTreeSet<u32>,
    /// Names both.
    variant: String,
}

/// What compiling needs.
#[derive(Clone, Debug)]
pub struct Compiler<'a> {
    /// Where policies and bundles are kept.
    pub store: &'a Store,
    /// Who signs.
    pub authority: &'a Authority,
    /// What rules there are.
    pub content: Arc<Content>,
    /// When.
    pub now: Timestamp,
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
    /// The bundle of a computer that has this policy; the policy's own, where the computer's was not compiled yet.
    pub fn of(&self, tenant: Uuid, computer: Uuid, policy: Uuid) -> Option<Arc<Compiled>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let tenant = current.get(&tenant)?;
        let bundles = tenant.policies.get(&policy)?;
        let own = tenant.variant(bundles, computer).and_then(|own| bundles.variants.get(&own.variant));
        Some(Arc::clone(own.unwrap_or(&bundles.plain)))
    }

    /// What the computer's bundle needs that was not compiled yet.
    fn missing(&self, tenant: Uuid, computer: Uuid, policy: Uuid) -> Option<Arc<Own>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let tenant = current.get(&tenant)?;
        let bundles = tenant.policies.get(&policy)?;
        let own = tenant.variant(bundles, computer)?;
        (!bundles.variants.contains_key(&own.variant)).then(|| Arc::clone(own))
    }

    /// Tells when any bundle, or what a computer is assigned, may have changed.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Makes every waiting check-in look again.
    pub fn wake(&self) {
        self.changed.send_modify(|generation| *generation = generation.wrapping_add(1));
    }

    /// Notes what is recommended to a computer; [`Self::prepare`] and [`Self::wake`] make it count.
    pub fn set_recommended(&self, tenant: Uuid, computer: Uuid, sids: BTreeSet<u32>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let tenant = current.entry(tenant).or_default();
        let settings = tenant.own.get(&computer).map(|own| own.settings.clone()).unwrap_or_default();
        tenant.set(computer, Own::new(settings, sids));
    }

    /// Compiles the bundle of a computer that has this policy, where that was not done yet.
    pub async fn prepare(
        &self,
        with: Compiler<'_>,
        ctx: &TenantCtx,
        computer: Uuid,
        policy: Uuid,
    ) -> Result<(), StoreError> {
        if self.missing(ctx.tenant, computer, policy).is_none() {
            return Ok(());
        }
        let _turn = self.refreshing.lock().await;
        let Some(own) = self.missing(ctx.tenant, computer, policy) else { return Ok(()) };
        let mut write = with.store.begin(ctx, with.now).await?;
        let tree = Tree::of(&mut write).await?;
        let Some(row) = tree.policy(policy) else { return Ok(()) };
        let kept = write.bundle_variant(policy, &own.variant).await?.map(|kept| kept.bundle);
        let compiled = with.compile(ctx, &tree, row, &own, kept)?;
        if let Some(bundle) = compiled.new {
            write.put_bundle_variant(&VariantRow { variant: own.variant.clone(), bundle }).await?;
        }
        write.commit().await?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(bundles) = current.get_mut(&ctx.tenant).and_then(|t| t.policies.get_mut(&policy)) {
            bundles.variants.insert(own.variant.clone(), compiled.bundle);
        }
        Ok(())
    }

    /// Compiles all policies of a tenant; those that come to something new get a new bundle.
    pub async fn refresh(&self, with: Compiler<'_>, ctx: &TenantCtx) -> Result<(), StoreError> {
        let _turn = self.refreshing.lock().await;
        let mut write = with.store.begin(ctx, with.now).await?;
        let tree = Tree::of(&mut write).await?;
        let mut kept: HashMap<Uuid, BundleRow> =
            with.store.bundles(ctx).await?.into_iter().map(|row| (row.policy, row)).collect();
        let mut kept_variants: HashMap<(Uuid, String), BundleRow> = write
            .bundle_variants()
            .await?
            .into_iter()
            .map(|row| ((row.bundle.policy, row.variant), row.bundle))
            .collect();
        let mut tenant = OfTenant::default();
        let mut settings: HashMap<Uuid, &ComputerSettingsRow> =
            tree.computers.iter().map(|row| (row.computer, row)).collect();
        let mut assigned: Vec<(Uuid, Uuid)> = Vec::new();
        for (computer, policy, sids) in write.recommendations().await? {
            let local = settings.remove(&computer).map(|row| row.settings.clone()).unwrap_or_default();
            tenant.set(computer, Own::new(local, sids));
            assigned.push((computer, policy));
        }
        for row in settings.into_values() {
            tenant.set(row.computer, Own::new(row.settings.clone(), BTreeSet::new()));
            assigned.push((row.computer, row.policy));
        }
        for policy in &tree.policies {
            let plain = with.compile(ctx, &tree, policy, &Own::default(), kept.remove(&policy.id))?;
            if let Some(row) = &plain.new {
                write.put_bundle(row).await?;
            }
            let mut bundles = OfPolicy {
                plain: plain.bundle,
                assigns_recommended: plain.assigns_recommended,
                variants: HashMap::new(),
            };
            for (computer, _) in assigned.iter().filter(|(_, of)| *of == policy.id) {
                let Some(own) = tenant.variant(&bundles, *computer) else { continue };
                if bundles.variants.contains_key(&own.variant) {
                    continue;
                }
                let name = own.variant.clone();
                let kept = kept_variants.remove(&(policy.id, name.clone()));
                let compiled = with.compile(ctx, &tree, policy, own, kept)?;
                if let Some(bundle) = compiled.new {
                    write.put_bundle_variant(&VariantRow { variant: name.clone(), bundle }).await?;
                }
                bundles.variants.insert(name, compiled.bundle);
            }
            tenant.policies.insert(policy.id, bundles);
        }
        for (policy, variant) in kept_variants.keys() {
            write.delete_bundle_variant(*policy, variant).await?;
        }
        write.commit().await?;
        self.current.write().unwrap_or_else(PoisonError::into_inner).insert(ctx.tenant, tenant);
        self.wake();
        Ok(())
    }
}

impl OfTenant {
    /// What makes the computer's bundle different from the policy's.
    fn variant(&self, bundles: &OfPolicy, computer: Uuid) -> Option<&Arc<Own>> {
        let differs = |own: &Arc<Own>| !own.settings.is_empty() || bundles.assigns_recommended;
        self.own.get(&computer).filter(|own| differs(own))
    }

    fn set(&mut self, computer: Uuid, own: Option<Own>) {
        match own {
            Some(own) => self.own.insert(computer, Arc::new(own)),
            None => self.own.remove(&computer),
        };
    }
}

impl Own {
    fn new(settings: LocalSettings, sids: BTreeSet<u32>) -> Option<Self> {
        let names: Vec<String> = sids.iter().map(u32::to_string).collect();
        // A document of settings always has a JSON form; it has no line feeds.
        let local = serde_json::to_string(&settings).unwrap_or_default();
        let variant = Hash::of(format!("{local}\n{}", names.join(" ")).as_bytes()).to_string();
        (!settings.is_empty() || !sids.is_empty()).then_some(Self { settings, sids, variant })
    }
}

/// A bundle, compiled or kept.
struct Outcome {
    bundle: Arc<Compiled>,
    assigns_recommended: bool,
    /// What has to be kept of it.
    new: Option<BundleRow>,
}

impl Compiler<'_> {
    /// What a policy comes to with what a computer has of its own: the bundle that was kept, where it says the same.
    fn compile(
        &self,
        ctx: &TenantCtx,
        tree: &Tree,
        policy: &PolicyRow,
        own: &Own,
        kept: Option<BundleRow>,
    ) -> Result<Outcome, StoreError> {
        let (mut bundle, assigns_recommended) = compile(ctx.tenant, tree, policy, own, &self.content)?;
        let content_hash = Hash::of(json(&bundle)?.as_bytes()).to_string();
        let outcome = |row: &BundleRow| {
            let signed = SignedBundle { bundle: row.bundle.clone(), signature: row.signature.clone() };
            Arc::new(Compiled { hash: Hash::of(row.bundle.as_bytes()), signed })
        };
        if let Some(row) = kept.filter(|row| row.content_hash == content_hash) {
            return Ok(Outcome { bundle: outcome(&row), assigns_recommended, new: None });
        }
        bundle.compiled_at = self.now.as_millis();
        let signed = self.authority.sign_bundle(json(&bundle)?);
        let row =
            BundleRow { policy: policy.id, content_hash, bundle: signed.bundle, signature: signed.signature };
        Ok(Outcome { bundle: outcome(&row), assigns_recommended, new: Some(row) })
    }
}

/// The document of the rule set that these settings name. Nothing is fetched while the module is off.
fn rule_set(tree: &Tree, values: &serde_json::Map<String, Value>) -> Option<BlobRef> {
    let text = |name: &str| values.get(name).and_then(Value::as_str).unwrap_or_default();
    let row = tree.rule_set(text("ruleSet")).filter(|_| text("mode") != "off")?;
    let (hash, size) = (row.hash.parse().ok()?, u64::try_from(row.size).unwrap_or_default());
    Some(BlobRef { name: row.name.clone(), hash, size })
}

fn json(bundle: &Bundle) -> Result<String, StoreError> {
    serde_json::to_string(bundle).map_err(|e| StoreError::Damaged("bundle", e))
}

/// What a policy comes to with what a computer has of its own, as if compiled at time zero and with plain values, and
/// whether it assigns what is recommended.
fn compile(
    tenant: Uuid,
    tree: &Tree,
    policy: &PolicyRow,
    own: &Own,
    content: &Content,
) -> Result<(Bundle, bool), StoreError> {
    let mut resolved = tree.in_force_with(policy, &own.settings).expanded(&tree.lists()).enforced().modules;
    let mut assigns_recommended = false;
    if let Some(effective) = resolved.get_mut(intrusion_prevention::MODULE.id) {
        let damaged = |e| StoreError::Damaged("policy.settings", e);
        let values = Value::Object(std::mem::take(&mut effective.values));
        let settings: IntrusionPrevention = serde_json::from_value(values).map_err(damaged)?;
        assigns_recommended = settings.assign_recommended;
        if let Value::Object(values) =
            serde_json::to_value(settings.with_recommended(&own.sids)).map_err(damaged)?
        {
            effective.values = values;
        }
    }
    let modules = resolved.into_iter().map(|(id, effective)| {
        let mut content = content.of_module(id);
        if id == web_application_firewall::MODULE.id {
            content.extend(rule_set(tree, &effective.values));
        }
        (id.to_owned(), ModulePart { settings: Value::Object(effective.values), content })
    });
    let bundle = Bundle {
        format: Bundle::FORMAT,
        tenant,
        policy: policy.id,
        policy_name: policy.name.clone(),
        compiled_at: 0,
        modules: modules.collect(),
    };
    Ok((bundle, assigns_recommended))
}
