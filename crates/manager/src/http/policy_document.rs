//! Policies and lists as one document: exported, and applied all or nothing.
use super::auth::{Access, Caller, Resource};
use super::common_objects::items;
use super::extract::{Message, Query, name};
use super::policies::{comment, description};
use super::policy_dry_run::answer;
use crate::app::App;
use crate::policy_tree::Tree;
use crate::problem::Refused;
use crate::settings::LocalSettings;
use crate::store::{Change, CommonObjectRow, PolicyRow, VersionNote, Write};
use axum::Json;
use axum::extract::State;
use sakimori_api::{
    Applied, AppliedObject, ApplyDocument, ApplyOutcome, DocumentList, DocumentPolicy, FieldError,
    LocalSettingsView, PolicyDocument, SettingsPatch,
};
use sakimori_model::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// The form that this version reads and writes.
const FORM: u32 = 1;
/// Most policies and lists of one document.
const POLICIES: usize = 1000;
const LISTS: usize = 2000;

/// What is exported.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportQuery {
    /// Only this policy, those it inherits from, and the lists that they refer to; everything where absent.
    policy: Option<Uuid>,
}

/// The policies and lists as a document, parents before those that inherit from them.
#[utoipa::path(get, path = "/policy-document", tag = "policies", operation_id = "exportPolicies",
    params(ExportQuery), responses((status = 200, body = PolicyDocument)))]
pub(super) async fn export(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ExportQuery>,
) -> Result<Json<PolicyDocument>, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Read)?;
    let tree = Tree::read(&app.store, ctx).await?;
    let wanted: BTreeSet<Uuid> = match query.policy {
        None => tree.policies.iter().map(|row| row.id).collect(),
        Some(id) => {
            let row = tree.policy(id).ok_or_else(|| Refused::not_found("policy"))?;
            tree.lineage(row).iter().map(|row| row.id).collect()
        }
    };
    let lists = tree.objects.iter().filter(|row| {
        query.policy.is_none() || tree.users_of(row).iter().any(|user| wanted.contains(&user.id))
    });
    let list = |row: &CommonObjectRow| DocumentList {
        kind: row.kind,
        name: row.name.clone(),
        description: row.description.clone(),
        items: row.items.clone(),
    };
    let mut rows: Vec<&PolicyRow> = tree.policies.iter().filter(|row| wanted.contains(&row.id)).collect();
    rows.sort_by_key(|row| (tree.lineage(row).len(), row.name.clone()));
    let policy = |row: &&PolicyRow| DocumentPolicy {
        name: row.name.clone(),
        parent: row.parent.and_then(|id| tree.policy(id)).map(|parent| parent.name.clone()),
        description: row.description.clone(),
        settings: LocalSettingsView(row.settings.modules().clone()),
    };
    Ok(Json(PolicyDocument {
        sakimori: FORM,
        lists: lists.map(list).collect(),
        policies: rows.iter().map(policy).collect(),
    }))
}

/// Makes policies and lists what a document says, all or nothing: what it names is made or changed, and with `prune`
/// what it does not name is deleted. Names identify: another name is another policy. A second time changes nothing.
#[utoipa::path(post, path = "/policy-document", tag = "policies", operation_id = "applyPolicies",
    request_body = ApplyDocument, responses((status = 200, body = Applied)))]
pub(super) async fn apply(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(asked): Message<ApplyDocument>,
) -> Result<Json<Applied>, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Write)?;
    let now = app.clock.now();
    let note = VersionNote::new("applied", comment(asked.comment.as_deref())?);
    let assignments = app.store.assignments(ctx).await?;
    let mut write = app.store.begin(ctx, now).await?;
    let before = Tree::of(&mut write).await?;
    let plan = Plan::of(&before, &asked.document, asked.prune, now)?;
    for row in plan.gone_policies(&before) {
        let assigned: Vec<&str> =
            assignments.iter().filter(|a| a.policy == row.id).map(|a| a.name.as_str()).take(5).collect();
        if !assigned.is_empty() {
            return Err(Refused::conflict(
                "in-use",
                "A policy that the document does not name is still in use.",
                format!(
                    "'{}' is assigned to {}: name it in the document, or assign another policy to its computers first.",
                    row.name,
                    assigned.join(", ")
                ),
            ));
        }
    }
    let effect = answer(&before.reach(&plan.after, &assignments));
    let objects = plan.objects.iter().map(|planned| planned.shown.clone()).collect();
    let changes = plan.objects.iter().any(|planned| planned.shown.outcome != ApplyOutcome::Unchanged);
    if changes && !asked.dry_run {
        plan.carry_out(&mut write, &before, &note).await?;
        write.commit().await?;
        app.refresh_bundles(ctx.tenant).await?;
    }
    Ok(Json(Applied { dry_run: asked.dry_run, objects, effect }))
}

/// What a document comes to.
struct Plan {
    after: Tree,
    objects: Vec<Planned>,
}

struct Planned {
    shown: AppliedObject,
    id: Uuid,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    List,
    Policy,
}

impl Plan {
    /// Checks a document against the model; everything that is wrong is told at once.
    fn of(before: &Tree, document: &PolicyDocument, prune: bool, now: Timestamp) -> Result<Self, Refused> {
        if document.sakimori != FORM {
            let message = "This manager reads documents of form 1: write 'sakimori: 1'.";
            return Err(Refused::field("/document/sakimori", "unknown-form", message));
        }
        if document.policies.len() > POLICIES || document.lists.len() > LISTS {
            let message = "A document has at most 1000 policies and 2000 lists.";
            return Err(Refused::field("/document", "too-many", message));
        }
        let mut plan = Self { after: before.clone(), objects: Vec::new() };
        let mut errors = plan.lists(before, &document.lists, now);
        errors.extend(plan.policies(before, &document.policies, now));
        if prune {
            plan.prune(before, document);
        }
        if errors.is_empty() {
            errors.extend(plan.check(document));
        }
        errors.truncate(200);
        if !errors.is_empty() {
            return Err(Refused::fields(errors));
        }
        let everything = plan.after.policies.iter().map(|row| row.id).collect();
        plan.after.check_below(&everything)?;
        for row in before.objects.iter().filter(|row| plan.after.objects.iter().all(|kept| kept.id != row.id))
        {
            if let Some(user) = plan.after.users_of(row).first() {
                let title = "A list that the document does not name is still in use.";
                let detail =
                    format!("{} refers to '{}' at {}: name it too.", user.name, row.name, user.pointer);
                return Err(Refused::conflict("in-use", title, detail));
            }
        }
        Ok(plan)
    }

    fn lists(&mut self, before: &Tree, lists: &[DocumentList], now: Timestamp) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut seen = BTreeSet::new();
        for (index, list) in lists.iter().enumerate() {
            let at = format!("/document/lists/{index}");
            let mut row = CommonObjectRow {
                id: Uuid::now_v7(),
                kind: list.kind,
                name: list.name.trim().to_owned(),
                description: list.description.clone(),
                items: Vec::new(),
                revision: 1,
                updated_at: now,
            };
            errors.extend(refusals(name(&format!("{at}/name"), &list.name).err()));
            errors.extend(refusals(description(&format!("{at}/description"), &list.description).err()));
            match items(&format!("{at}/items"), list.kind, &list.items) {
                Ok(items) => row.items = items,
                Err(wrong) => errors.extend(wrong),
            }
            if !seen.insert((row.kind, row.name.clone())) {
                errors.push(error(&at, "/name", "twice", "The document names this list twice."));
                continue;
            }
            let known = before.objects.iter().find(|known| known.kind == row.kind && known.name == row.name);
            let outcome = match known {
                None => ApplyOutcome::Created,
                Some(known) => {
                    row.id = known.id;
                    row.revision = known.revision;
                    row.updated_at = known.updated_at;
                    if known.items == row.items && known.description == row.description {
                        ApplyOutcome::Unchanged
                    } else {
                        ApplyOutcome::Changed
                    }
                }
            };
            self.note(What::List, row.kind.as_str(), &row.name, outcome, row.id);
            match self.after.objects.iter_mut().find(|kept| kept.id == row.id) {
                Some(kept) => *kept = row,
                None => self.after.objects.push(row),
            }
        }
        errors
    }

    fn policies(&mut self, before: &Tree, policies: &[DocumentPolicy], now: Timestamp) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut ids: BTreeMap<&str, Uuid> =
            before.policies.iter().map(|row| (row.name.as_str(), row.id)).collect();
        let mut seen = BTreeSet::new();
        for (index, policy) in policies.iter().enumerate() {
            let at = format!("/document/policies/{index}");
            errors.extend(refusals(name(&format!("{at}/name"), &policy.name).err()));
            if policy.name.trim() != policy.name {
                errors.push(error(&at, "/name", "not-a-name", "Write the name without blanks around it."));
            }
            if !seen.insert(policy.name.as_str()) {
                errors.push(error(&at, "/name", "twice", "The document names this policy twice."));
            }
            ids.entry(policy.name.as_str()).or_insert_with(Uuid::now_v7);
        }
        let lists = self.after.lists();
        for (index, policy) in policies.iter().enumerate() {
            let at = format!("/document/policies/{index}");
            let Some(id) = ids.get(policy.name.as_str()).copied() else { continue };
            errors.extend(refusals(description(&format!("{at}/description"), &policy.description).err()));
            let parent = match policy.parent.as_deref().map(|parent| (parent, ids.get(parent))) {
                None => None,
                Some((_, Some(id))) => Some(*id),
                Some((parent, None)) => {
                    let message = format!(
                        "There is no policy '{parent}', neither in the document nor in the manager; add it or correct the name."
                    );
                    errors.push(error(&at, "/parent", "no-such-policy", &message));
                    continue;
                }
            };
            let mut settings = LocalSettings::default();
            let all = policy.settings.0.iter().map(|(module, local)| (module.clone(), Some(local.clone())));
            if let Err(wrong) = settings.patch(&SettingsPatch(all.collect()), &lists) {
                errors.extend(wrong.into_iter().map(|mut wrong| {
                    wrong.pointer = format!("{at}{}", wrong.pointer);
                    wrong
                }));
                continue;
            }
            let mut row = PolicyRow {
                id,
                name: policy.name.clone(),
                description: policy.description.clone(),
                parent,
                settings,
                built_in: false,
                revision: 1,
                updated_at: now,
            };
            let outcome = match before.policy(id) {
                None => ApplyOutcome::Created,
                Some(known) => {
                    row.built_in = known.built_in;
                    row.revision = known.revision;
                    row.updated_at = known.updated_at;
                    if known.description == row.description
                        && known.parent == row.parent
                        && known.settings == row.settings
                    {
                        ApplyOutcome::Unchanged
                    } else {
                        ApplyOutcome::Changed
                    }
                }
            };
            self.note(What::Policy, "policy", &row.name, outcome, id);
            self.after.put(row);
        }
        errors
    }

    fn prune(&mut self, before: &Tree, document: &PolicyDocument) {
        let named: BTreeSet<&str> = document.policies.iter().map(|policy| policy.name.as_str()).collect();
        let gone = before.policies.iter().filter(|row| !row.built_in && !named.contains(row.name.as_str()));
        for row in gone {
            self.after.policies.retain(|kept| kept.id != row.id);
            self.note(What::Policy, "policy", &row.name, ApplyOutcome::Deleted, row.id);
        }
        let named: BTreeSet<_> = document.lists.iter().map(|list| (list.kind, list.name.trim())).collect();
        let gone = before.objects.iter().filter(|row| !named.contains(&(row.kind, row.name.as_str())));
        for row in gone {
            self.after.objects.retain(|kept| kept.id != row.id);
            self.note(What::List, row.kind.as_str(), &row.name, ApplyOutcome::Deleted, row.id);
        }
    }

    /// Whether the tree of policies is one.
    fn check(&self, document: &PolicyDocument) -> Vec<FieldError> {
        let mut errors = Vec::new();
        for row in &self.after.policies {
            let Err(refused) = self.after.check_parent(row.id, row.parent) else { continue };
            let index = document.policies.iter().position(|policy| policy.name == row.name);
            let at =
                index.map_or_else(|| "/document".to_owned(), |index| format!("/document/policies/{index}"));
            errors.extend(refused.errors.into_iter().map(|wrong| {
                let message = format!("'{}': {}", row.name, wrong.message);
                error(&at, "/parent", &wrong.code, &message)
            }));
        }
        errors
    }

    fn note(&mut self, what: What, kind: &str, name: &str, outcome: ApplyOutcome, id: Uuid) {
        let shown_id = Some(id).filter(|_id| outcome != ApplyOutcome::Created);
        let shown = AppliedObject { kind: kind.to_owned(), name: name.to_owned(), outcome, id: shown_id };
        self.objects.push(Planned { shown, id, what });
    }

    fn gone_policies<'a>(&'a self, before: &'a Tree) -> impl Iterator<Item = &'a PolicyRow> {
        before.policies.iter().filter(|row| self.after.policy(row.id).is_none())
    }

    async fn carry_out(&self, write: &mut Write, before: &Tree, note: &VersionNote) -> Result<(), Refused> {
        let list = |row: &CommonObjectRow| {
            serde_json::json!({"kind": row.kind, "name": row.name, "description": row.description,
                "items": row.items})
        };
        let policy = |row: &PolicyRow| {
            serde_json::json!({"name": row.name, "description": row.description, "parentId": row.parent,
                "local": row.settings})
        };
        // Lists before what refers to them, parents before what is below them; what goes, goes the other way round.
        let depth = |tree: &Tree, id: Uuid| tree.policy(id).map_or(0, |row| tree.lineage(row).len());
        let mut order: Vec<&Planned> = self.objects.iter().collect();
        order.sort_by_key(|planned| match (planned.shown.outcome, planned.what) {
            (ApplyOutcome::Deleted, What::Policy) => (2, 1000 - depth(before, planned.id).min(1000)),
            (ApplyOutcome::Deleted, What::List) => (3, 0),
            (_, What::List) => (0, 0),
            (_, What::Policy) => (1, depth(&self.after, planned.id)),
        });
        for planned in order {
            let (old, new) = match planned.what {
                What::List => {
                    let old = before.objects.iter().find(|row| row.id == planned.id);
                    let new = self.after.objects.iter().find(|row| row.id == planned.id);
                    match (planned.shown.outcome, new) {
                        (ApplyOutcome::Created, Some(row)) => write.insert_common_object(row).await?,
                        (ApplyOutcome::Changed, Some(row)) => write.update_common_object(row).await?,
                        (ApplyOutcome::Deleted, _) => write.delete_common_object(planned.id).await?,
                        _ => continue,
                    }
                    (old.map(list), new.map(list))
                }
                What::Policy => {
                    let (old, new) = (before.policy(planned.id), self.after.policy(planned.id));
                    match (planned.shown.outcome, new) {
                        (ApplyOutcome::Created, Some(row)) => write.insert_policy(row, note).await?,
                        (ApplyOutcome::Changed, Some(row)) => {
                            write.update_policy(&mut row.clone(), note).await?;
                        }
                        (ApplyOutcome::Deleted, _) => write.delete_policy(planned.id).await?,
                        _ => continue,
                    }
                    (old.map(policy), new.map(policy))
                }
            };
            let action = match (planned.what, planned.shown.outcome) {
                (What::Policy, ApplyOutcome::Created) => "policy.create",
                (What::Policy, ApplyOutcome::Deleted) => "policy.delete",
                (What::Policy, _) => "policy.update",
                (What::List, ApplyOutcome::Created) => "common-object.create",
                (What::List, ApplyOutcome::Deleted) => "common-object.delete",
                (What::List, _) => "common-object.update",
            };
            let object_kind = if planned.what == What::Policy { "policy" } else { "common-object" };
            write
                .audit(Change {
                    action,
                    object_kind,
                    object_id: planned.id.to_string(),
                    before: old,
                    after: new,
                })
                .await?;
        }
        Ok(())
    }
}

fn refusals(refused: Option<Refused>) -> Vec<FieldError> {
    refused.map(|refused| refused.errors).unwrap_or_default()
}

fn error(at: &str, member: &str, code: &str, message: &str) -> FieldError {
    FieldError {
        pointer: format!("{at}{member}"),
        code: code.to_owned(),
        message: message.to_owned(),
        args: BTreeMap::new(),
    }
}
