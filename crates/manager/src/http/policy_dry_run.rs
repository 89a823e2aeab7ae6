//! What a change of a policy would do, without making it.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message};
use super::firewall;
use super::policies::patched;
use super::policy_history::CHANGES;
use crate::app::App;
use crate::policy_tree::{Reach, Tree};
use crate::problem::Refused;
use axum::Json;
use axum::extract::{ConnectInfo, State};
use sakimori_api::{
    ChangeKind, DryRun, DryRunGroup, ModuleChanges, NamedComputer, PolicyPatch, SettingChange,
};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

/// Most groups that one answer names.
const GROUPS: usize = 200;
/// Computers that a group names.
const EXAMPLES: usize = 50;

/// What a change of a policy would do: which computers would enforce something else, and how. Nothing is saved; what
/// would be refused is refused.
#[utoipa::path(post, path = "/policies/{id}/dry-run", tag = "policies", operation_id = "dryRunPolicy",
    params(("id" = uuid::Uuid, Path)), request_body = PolicyPatch, responses((status = 200, body = DryRun)))]
pub(super) async fn dry_run(
    State(app): State<Arc<App>>,
    caller: Caller,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Id(id): Id,
    Message(patch): Message<PolicyPatch>,
) -> Result<Json<DryRun>, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Read)?;
    let tree = Tree::read(&app.store, ctx).await?;
    let row = tree.policy(id).ok_or_else(|| Refused::not_found("policy"))?;
    let row = patched(&tree, row, &patch)?;
    let mut after = tree.clone();
    after.put(row);
    after.check_below(&BTreeSet::from([id]))?;
    let assignments = app.store.assignments(ctx).await?;
    let row = after.policy(id).ok_or_else(|| Refused::not_found("policy"))?;
    let new = firewall::firewall_of(after.in_force(row, None), &after)?;
    let row = tree.policy(id).ok_or_else(|| Refused::not_found("policy"))?;
    let old = firewall::firewall_of(tree.in_force(row, None), &tree)?;
    let mut answer = answer(&tree.reach(&after, &assignments));
    answer.firewall = firewall::findings_of_change(&app, old, new, peer).await?;
    Ok(Json(answer))
}

/// What a change reaches, as the API says it.
pub(super) fn answer(reached: &[Reach]) -> DryRun {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let computers = reached.iter().map(|reach| count(reach.computers.len())).sum();
    let groups = reached.iter().take(GROUPS).map(|reach| DryRunGroup {
        policy_id: reach.policy,
        policy_name: reach.policy_name.clone(),
        computers: count(reach.computers.len()),
        examples: reach
            .computers
            .iter()
            .take(EXAMPLES)
            .map(|(id, name)| NamedComputer { id: *id, name: name.clone() })
            .collect(),
        modules: by_module(&reach.changes),
        changes: reach.changes.iter().take(CHANGES).cloned().collect(),
    });
    DryRun { computers, groups: groups.collect(), firewall: Vec::new() }
}

fn by_module(changes: &[SettingChange]) -> Vec<ModuleChanges> {
    let mut modules: Vec<ModuleChanges> = Vec::new();
    for change in changes {
        if modules.last().is_none_or(|last| last.module != change.module) {
            let module = change.module.clone();
            modules.push(ModuleChanges { module, properties: 0, added: 0, removed: 0, changed: 0 });
        }
        let Some(module) = modules.last_mut() else { continue };
        // Only entries of keyed properties have a second section.
        let entry = change.pointer.matches('/').count() > 1;
        match (entry, change.change) {
            (false, _) => module.properties += 1,
            (true, ChangeKind::Added) => module.added += 1,
            (true, ChangeKind::Removed) => module.removed += 1,
            (true, ChangeKind::Changed | ChangeKind::Moved) => module.changed += 1,
        }
    }
    modules
}
