//! A tenant's whole policy model at one moment: policies, what is set on single computers, and common objects.
//!
//! It is read in one piece, changed in memory, checked, compared with itself before the change, and compiled.
use crate::problem::Refused;
use crate::settings::{self, LocalSettings};
use crate::store::{
    AssignmentRow, CommonObjectRow, ComputerSettingsRow, PolicyRow, Store, StoreError, TenantCtx,
    WafRuleSetRow, Write,
};
use sakimori_api as api;
use sakimori_modules::{
    Effective, Objects, configurable, members, module, network_engine, objects, web_application_firewall,
};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Policies are nested at most this deep: a person has to understand what is inherited.
const DEPTH: usize = 8;

/// The model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    /// The policies, by name.
    pub(crate) policies: Vec<PolicyRow>,
    /// The computers with settings of their own.
    pub(crate) computers: Vec<ComputerSettingsRow>,
    /// The common objects, by name.
    pub(crate) objects: Vec<CommonObjectRow>,
    /// Rule sets of the web application firewall, the newest first.
    pub(crate) rule_sets: Vec<WafRuleSetRow>,
}

/// Settings in force with where they come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct InForce {
    /// Each module.
    pub(crate) modules: BTreeMap<&'static str, Effective>,
    /// Who set each layer, the root first.
    pub(crate) layers: Vec<Layer>,
}

/// Who set a layer of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    /// A policy or the computer itself.
    pub(crate) kind: api::OriginKind,
    /// Which one.
    pub(crate) id: Uuid,
    /// Its name.
    pub(crate) name: String,
}

/// Computers that a change reaches in the same way, and how.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    /// The policy they are assigned.
    pub(crate) policy: Uuid,
    /// Its name.
    pub(crate) policy_name: String,
    /// The computers: id and name.
    pub(crate) computers: Vec<(Uuid, String)>,
    /// What changes.
    pub(crate) changes: Vec<api::SettingChange>,
}

impl Tree {
    /// As it is now.
    pub(crate) async fn read(store: &Store, ctx: &TenantCtx) -> Result<Self, StoreError> {
        Ok(Self {
            policies: store.policies(ctx).await?,
            computers: store.computer_settings(ctx).await?,
            objects: store.common_objects(ctx).await?,
            rule_sets: store.waf_rule_sets(ctx).await?,
        })
    }

    /// As a transaction sees it.
    pub(crate) async fn of(write: &mut Write) -> Result<Self, StoreError> {
        Ok(Self {
            policies: write.policies().await?,
            computers: write.computer_settings().await?,
            objects: write.common_objects().await?,
            rule_sets: write.waf_rule_sets().await?,
        })
    }

    /// The lists, as settings are checked and expanded with them.
    pub(crate) fn lists(&self) -> Objects {
        let mut lists = Objects::default();
        for row in &self.objects {
            lists.insert(row.kind, row.name.clone(), row.items.clone());
        }
        lists
    }

    /// A policy.
    pub(crate) fn policy(&self, id: Uuid) -> Option<&PolicyRow> {
        self.policies.iter().find(|row| row.id == id)
    }

    /// Puts a changed or new policy in its place.
    pub(crate) fn put(&mut self, row: PolicyRow) {
        match self.policies.iter_mut().find(|kept| kept.id == row.id) {
            Some(kept) => *kept = row,
            None => self.policies.push(row),
        }
    }

    /// The policies from the root down to `policy`. A cycle, which no handler lets in, ends the line.
    pub(crate) fn lineage<'a>(&'a self, policy: &'a PolicyRow) -> Vec<&'a PolicyRow> {
        let mut line = vec![policy];
        let mut parent = policy.parent;
        while let Some(row) = parent.and_then(|id| self.policy(id)) {
            if line.len() > self.policies.len() {
                break;
            }
            line.push(row);
            parent = row.parent;
        }
        line.reverse();
        line
    }

    /// What a policy comes to; with `own`, on a computer that has settings of its own.
    pub(crate) fn in_force(&self, policy: &PolicyRow, own: Option<&ComputerSettingsRow>) -> InForce {
        let line = self.lineage(policy);
        let mut locals: Vec<&LocalSettings> = line.iter().map(|row| &row.settings).collect();
        let of_policy =
            |row: &&PolicyRow| Layer { kind: api::OriginKind::Policy, id: row.id, name: row.name.clone() };
        let mut layers: Vec<Layer> = line.iter().map(of_policy).collect();
        if let Some(own) = own {
            locals.push(&own.settings);
            layers.push(Layer { kind: api::OriginKind::Computer, id: own.computer, name: own.name.clone() });
        }
        InForce { modules: settings::resolve(&locals), layers }
    }

    /// What a policy comes to with these settings of some computer's own, by whatever name it has.
    pub(crate) fn in_force_with(&self, policy: &PolicyRow, own: &LocalSettings) -> InForce {
        let line = self.lineage(policy);
        let locals: Vec<&LocalSettings> = line.iter().map(|row| &row.settings).chain([own]).collect();
        InForce { modules: settings::resolve(&locals), layers: Vec::new() }
    }

    /// Whether a policy may hang below its parent: that is there, is not below the policy itself, and not too deep.
    pub(crate) fn check_parent(&self, id: Uuid, parent: Option<Uuid>) -> Result<(), Refused> {
        let mut next = parent;
        for _ in 0..DEPTH {
            let Some(at) = next else { return Ok(()) };
            if at == id {
                let message = "A policy cannot inherit from itself or from a policy below it.";
                return Err(Refused::field("/parentId", "cycle", message));
            }
            let Some(row) = self.policy(at) else {
                return Err(Refused::field("/parentId", "no-such-policy", "There is no such policy."));
            };
            next = row.parent;
        }
        Err(Refused::field("/parentId", "too-deep", "Policies are nested at most eight deep."))
    }

    /// Whether everything at or below the changed policies is still right; what is wrong is told as a member of the
    /// change, with the policy or the computer where it shows.
    pub(crate) fn check_below(&self, changed: &BTreeSet<Uuid>) -> Result<(), Refused> {
        let lists = self.lists();
        let mut errors = Vec::new();
        for row in &self.policies {
            if !self.lineage(row).iter().any(|above| changed.contains(&above.id)) {
                continue;
            }
            let in_force = self.in_force(row, None);
            errors.extend(self.unknown_rule_set(&in_force).map(|error| with_arg(error, "policy", &row.name)));
            let found = settings::check(&in_force.modules, &lists);
            errors.extend(found.into_iter().map(|error| with_arg(error, "policy", &row.name)));
            for own in self.computers.iter().filter(|own| own.policy == row.id) {
                let found = settings::check(&self.in_force(row, Some(own)).modules, &lists);
                errors.extend(found.into_iter().map(|error| with_arg(error, "computer", &own.name)));
            }
        }
        errors.truncate(100);
        if errors.is_empty() { Ok(()) } else { Err(Refused::fields(errors)) }
    }

    /// The rule set that settings of the web application firewall name: the newest, where they name none.
    pub(crate) fn rule_set(&self, named: &str) -> Option<&WafRuleSetRow> {
        self.rule_sets.iter().find(|row| named.is_empty() || row.name == named)
    }

    /// What a policy's rule set is called; empty where it takes the newest.
    pub(crate) fn named_rule_set(in_force: &InForce) -> &str {
        let waf = in_force.modules.get(web_application_firewall::MODULE.id);
        waf.and_then(|waf| waf.values.get("ruleSet")?.as_str()).unwrap_or_default()
    }

    /// A rule set that is named and not there.
    fn unknown_rule_set(&self, in_force: &InForce) -> Option<api::FieldError> {
        let named = Self::named_rule_set(in_force);
        let unknown = !named.is_empty() && self.rule_set(named).is_none();
        unknown.then(|| api::FieldError {
            pointer: format!("/settings/{}/ruleSet", web_application_firewall::MODULE.id),
            code: "no-such-rule-set".to_owned(),
            message: "There is no rule set of this name: import it, or leave the name empty for the newest."
                .to_owned(),
            args: BTreeMap::from([("value".to_owned(), named.to_owned())]),
        })
    }

    /// Who refers to a common object.
    pub(crate) fn users_of(&self, object: &CommonObjectRow) -> Vec<api::ObjectUse> {
        let in_settings = |local: &LocalSettings| -> Vec<String> {
            let mut found = Vec::new();
            for (id, values) in local.modules() {
                let Some(kind) = module(id).and_then(|module| module.settings.as_ref()) else { continue };
                for reference in objects::references(kind, values) {
                    if reference.name == object.name && reference.kinds.contains(&object.kind) {
                        found.push(format!("/{id}{}", reference.pointer));
                    }
                }
            }
            found
        };
        let policies = self.policies.iter().flat_map(|row| {
            let at = in_settings(&row.settings).into_iter();
            at.map(|pointer| api::ObjectUse {
                kind: api::OriginKind::Policy,
                id: row.id,
                name: row.name.clone(),
                pointer,
            })
        });
        let computers = self.computers.iter().flat_map(|row| {
            let at = in_settings(&row.settings).into_iter();
            at.map(|pointer| api::ObjectUse {
                kind: api::OriginKind::Computer,
                id: row.computer,
                name: row.name.clone(),
                pointer,
            })
        });
        policies.chain(computers).collect()
    }

    /// Has everything refer to a list by its new name. The policies and computers that did, as they are then.
    pub(crate) fn rename_list(
        &self,
        object: &CommonObjectRow,
        to: &str,
    ) -> (Vec<PolicyRow>, Vec<ComputerSettingsRow>) {
        let lists = self.lists();
        let renamed = (object.kind, object.name.as_str());
        let policies = self.policies.iter().cloned().filter_map(|mut row| {
            let references = row.settings.rename_list(&lists, renamed, to);
            (references > 0).then_some(row)
        });
        let computers = self.computers.iter().cloned().filter_map(|mut row| {
            let references = row.settings.rename_list(&lists, renamed, to);
            (references > 0).then_some(row)
        });
        (policies.collect(), computers.collect())
    }

    /// What becomes different for one computer: `own` is set on it now, and `after` with this policy then.
    pub(crate) fn reach_of(&self, own: &ComputerSettingsRow, after: &ComputerSettingsRow) -> Option<Reach> {
        let (before, policy) = (self.policy(own.policy)?, self.policy(after.policy)?);
        let lists = self.lists();
        let old = self.in_force(before, Some(own)).expanded(&lists);
        let new = self.in_force(policy, Some(after)).expanded(&lists);
        Some(Reach {
            policy: policy.id,
            policy_name: policy.name.clone(),
            computers: vec![(own.computer, own.name.clone())],
            changes: old.changes(&new),
        })
    }

    /// What becomes different between this model and a later one, and for which computers. Plain values count: a list
    /// that changed changes the rules that refer to it.
    pub(crate) fn reach(&self, after: &Self, assignments: &[AssignmentRow]) -> Vec<Reach> {
        let mut reached = Vec::new();
        let (old_lists, new_lists) = (self.lists(), after.lists());
        for row in &after.policies {
            let Some(before) = self.policy(row.id) else { continue };
            let old = self.in_force(before, None).expanded(&old_lists);
            let new = after.in_force(row, None).expanded(&new_lists);
            let changes = old.changes(&new);
            let of_policy = assignments.iter().filter(|assigned| assigned.policy == row.id);
            let has_own = |tree: &Self, id: Uuid| {
                tree.computers.iter().any(|own| own.computer == id && !own.settings.is_empty())
            };
            let (alone, with_policy): (Vec<_>, Vec<_>) = of_policy
                .partition(|assigned| has_own(self, assigned.computer) || has_own(after, assigned.computer));
            let all_alone = with_policy.is_empty() && !alone.is_empty();
            let reach = |computers, changes| Reach {
                policy: row.id,
                policy_name: row.name.clone(),
                computers,
                changes,
            };
            for assigned in alone {
                let own = |tree: &Self| {
                    tree.computers.iter().find(|own| own.computer == assigned.computer).cloned()
                };
                let old = self.in_force(before, own(self).as_ref()).expanded(&old_lists);
                let new = after.in_force(row, own(after).as_ref()).expanded(&new_lists);
                let changes = old.changes(&new);
                if !changes.is_empty() {
                    reached.push(reach(vec![(assigned.computer, assigned.name.clone())], changes));
                }
            }
            if !changes.is_empty() && !all_alone {
                let computers =
                    with_policy.iter().map(|assigned| (assigned.computer, assigned.name.clone())).collect();
                reached.push(reach(computers, changes));
            }
        }
        reached.sort_by(|a, b| {
            b.computers.len().cmp(&a.computers.len()).then(a.policy_name.cmp(&b.policy_name))
        });
        reached
    }
}

impl InForce {
    /// With plain values in the place of references.
    pub(crate) fn expanded(mut self, lists: &Objects) -> Self {
        for (id, kind) in configurable().map(|(module, kind)| (module.id, kind)) {
            if let Some(effective) = self.modules.get_mut(id) {
                effective.values = objects::expand(kind, &effective.values, lists).values;
            }
        }
        self
    }

    /// What is enforced of it: in a tap the network's modules stop nothing. The engine itself has nothing to enforce.
    pub(crate) fn enforced(mut self) -> Self {
        if let Some(engine) = self.modules.remove(network_engine::MODULE.id) {
            for (id, effective) in &mut self.modules {
                network_engine::bound(&engine.values, id, &mut effective.values);
            }
        }
        self
    }

    /// Every module's values.
    pub(crate) fn values(&self) -> BTreeMap<String, Map<String, Value>> {
        let each = self.modules.iter().map(|(id, effective)| ((*id).to_owned(), effective.values.clone()));
        each.collect()
    }

    /// By module, who set each value that is not a default.
    pub(crate) fn origins(&self) -> BTreeMap<String, BTreeMap<String, Uuid>> {
        let each = self.modules.iter().map(|(id, effective)| {
            let from = effective.origins.iter();
            let from = from.filter_map(|(at, layer)| Some((at.clone(), self.layers.get(*layer)?.id)));
            ((*id).to_owned(), from.collect())
        });
        each.collect()
    }

    /// What is different in `after`, property by property and key by key.
    pub(crate) fn changes(&self, after: &Self) -> Vec<api::SettingChange> {
        self.compare(after, false)
    }

    /// The same, and also what is set somewhere else although it comes to the same.
    pub(crate) fn changes_and_moves(&self, after: &Self) -> Vec<api::SettingChange> {
        self.compare(after, true)
    }

    fn compare(&self, after: &Self, moves: bool) -> Vec<api::SettingChange> {
        let mut changes = Vec::new();
        for (module, kind) in configurable() {
            let (Some(old), Some(new)) = (self.modules.get(module.id), after.modules.get(module.id)) else {
                continue;
            };
            if old == new && (!moves || self.layers == after.layers) {
                continue;
            }
            let (old, new) = (members(kind, old), members(kind, new));
            let pointers: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for at in pointers {
                let (before, from) = old.get(at).copied().unwrap_or_default();
                let (now, to) = new.get(at).copied().unwrap_or_default();
                let (from, to) = (self.origin(from), after.origin(to));
                let moved = (from.kind, from.id) != (to.kind, to.id);
                if before == now && !(moves && moved) {
                    continue;
                }
                changes.push(api::SettingChange {
                    module: module.id.to_owned(),
                    pointer: at.clone(),
                    change: match (before, now) {
                        (None, Some(_)) => api::ChangeKind::Added,
                        (Some(_), None) => api::ChangeKind::Removed,
                        _ if before == now => api::ChangeKind::Moved,
                        _ => api::ChangeKind::Changed,
                    },
                    before: before.cloned(),
                    after: now.cloned(),
                    before_origin: from,
                    after_origin: to,
                });
            }
        }
        changes
    }

    fn origin(&self, layer: Option<usize>) -> api::ValueOrigin {
        match layer.and_then(|layer| self.layers.get(layer)) {
            Some(layer) => {
                api::ValueOrigin { kind: layer.kind, id: Some(layer.id), name: layer.name.clone() }
            }
            None => api::ValueOrigin { kind: api::OriginKind::Default, id: None, name: String::new() },
        }
    }
}

fn with_arg(mut error: api::FieldError, name: &str, value: &str) -> api::FieldError {
    error.args.insert(name.to_owned(), value.to_owned());
    error
}
