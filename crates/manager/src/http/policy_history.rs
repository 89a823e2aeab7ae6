//! The versions of a policy, what differs between them, and going back to one.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, Query, check_if_match, limit, page};
use super::policies::{comment, etag, save, with_etag};
use crate::app::App;
use crate::clock;
use crate::policy_tree::{InForce, Tree};
use crate::problem::Refused;
use crate::store::{PolicyRow, PolicyVersionRow, TenantCtx, VersionNote};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sakimori_api::{
    ChangeKind, DiffSide, LocalSettingsView, OriginKind, Page, Policy, PolicyDiff, PolicyVersion,
    PolicyVersionDetail, RollBack, SettingChange, ValueOrigin,
};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// Most changes that one answer names.
pub(super) const CHANGES: usize = 2000;

fn version(row: &PolicyVersionRow) -> PolicyVersion {
    PolicyVersion {
        version: number(row.version),
        at: clock::text(row.at),
        author_kind: row.actor_kind.clone(),
        author: row.actor_name.clone(),
        action: row.action.clone(),
        comment: row.comment.clone(),
        name: row.name.clone(),
    }
}

fn number(version: i64) -> u64 {
    u64::try_from(version).unwrap_or_default()
}

fn no_version() -> Refused {
    Refused::new(
        StatusCode::NOT_FOUND,
        "not-found",
        "There is no such version.",
        "Read the list of versions; the newest 200 of a policy are kept.",
    )
}

async fn kept(app: &App, ctx: &TenantCtx, policy: Uuid, asked: u64) -> Result<PolicyVersionRow, Refused> {
    let number = i64::try_from(asked).map_err(|_too_large| no_version())?;
    app.store.policy_version(ctx, policy, number).await?.ok_or_else(no_version)
}

/// The versions of a policy, the newest first. The newest 200 are kept; the audit trail keeps every change.
#[utoipa::path(get, path = "/policies/{id}/versions", tag = "policies", operation_id = "listPolicyVersions",
    params(("id" = uuid::Uuid, Path), super::ListQuery), responses((status = 200, body = Page<PolicyVersion>)))]
pub(super) async fn versions(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<PolicyVersion>>, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Read)?;
    let limit = limit(query.limit)?;
    let before = match query.cursor {
        None => i64::MAX,
        Some(cursor) => cursor
            .parse()
            .map_err(|_no_number| Refused::invalid("cursor is the nextCursor of the part before."))?,
    };
    let rows = app.store.policy_versions(ctx, id, before, limit + 1).await?;
    if rows.is_empty() && app.store.policies(ctx).await?.iter().all(|row| row.id != id) {
        return Err(Refused::not_found("policy"));
    }
    Ok(Json(page(rows.iter().map(version).collect(), limit, |version| version.version.to_string())))
}

/// One version of a policy.
#[utoipa::path(get, path = "/policies/{id}/versions/{version}", tag = "policies",
    operation_id = "getPolicyVersion", params(("id" = uuid::Uuid, Path), ("version" = u64, Path)),
    responses((status = 200, body = PolicyVersionDetail)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id((id, asked)): Id<(Uuid, u64)>,
) -> Result<Json<PolicyVersionDetail>, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Read)?;
    let row = kept(&app, ctx, id, asked).await?;
    Ok(Json(PolicyVersionDetail {
        version: version(&row),
        description: row.description,
        parent_id: row.parent,
        local: LocalSettingsView(row.settings.modules().clone()),
    }))
}

/// Makes a policy what it was in a version: name, description, parent and settings. This is a new version.
#[utoipa::path(post, path = "/policies/{id}/roll-back", tag = "policies", operation_id = "rollBackPolicy",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body = RollBack, responses((status = 200, body = Policy)))]
pub(super) async fn roll_back(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Message(asked): Message<RollBack>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Write)?;
    let said = comment(asked.comment.as_deref())?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let tree = Tree::of(&mut write).await?;
    let row = tree.policy(id).ok_or_else(|| Refused::not_found("policy"))?;
    check_if_match(&headers, &etag(row))?;
    let version = kept(&app, ctx, id, asked.version).await?;
    tree.check_parent(id, version.parent)?;
    let said = if said.is_empty() { format!("Back to version {}", version.version) } else { said };
    let note = VersionNote::new("rolled-back", said);
    let row = as_version(row, version);
    Ok(with_etag(StatusCode::OK, &save(&app, ctx, write, tree, row, &note).await?))
}

/// A policy as it was in a version.
fn as_version(row: &PolicyRow, version: PolicyVersionRow) -> PolicyRow {
    PolicyRow {
        name: version.name,
        description: version.description,
        parent: version.parent,
        settings: version.settings,
        ..row.clone()
    }
}

/// What is compared with what.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DiffQuery {
    /// The version of this policy that is the first; as it is now where absent.
    version: Option<u64>,
    /// The other policy; the same one where absent.
    with: Option<Uuid>,
    /// The version of the other that is the second; as it is now where absent.
    with_version: Option<u64>,
}

/// What differs between two policies, or between two versions of one: property by property, each entry of a keyed
/// property by itself, with both values and who set them. What is inherited is taken from the policies above as they
/// are now.
#[utoipa::path(get, path = "/policies/{id}/diff", tag = "policies", operation_id = "diffPolicies",
    params(("id" = uuid::Uuid, Path), DiffQuery), responses((status = 200, body = PolicyDiff)))]
pub(super) async fn diff(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    Query(query): Query<DiffQuery>,
) -> Result<Json<PolicyDiff>, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Read)?;
    let tree = Tree::read(&app.store, ctx).await?;
    let first = side(&app, ctx, &tree, id, query.version).await?;
    let second = side(&app, ctx, &tree, query.with.unwrap_or(id), query.with_version).await?;
    let same_policy = first.row.id == second.row.id;
    let mut changes = if same_policy {
        let mut own = of_itself(&tree, &first, &second);
        own.extend(first.in_force.changes_and_moves(&second.in_force));
        own
    } else {
        first.in_force.changes(&second.in_force)
    };
    let total = u64::try_from(changes.len()).unwrap_or(u64::MAX);
    changes.truncate(CHANGES);
    Ok(Json(PolicyDiff { before: first.shown(), after: second.shown(), changes, total }))
}

/// A policy at a version.
struct Side {
    row: PolicyRow,
    version: i64,
    in_force: InForce,
}

impl Side {
    fn shown(&self) -> DiffSide {
        DiffSide { policy_id: self.row.id, name: self.row.name.clone(), version: number(self.version) }
    }
}

async fn side(
    app: &App,
    ctx: &TenantCtx,
    tree: &Tree,
    id: Uuid,
    asked: Option<u64>,
) -> Result<Side, Refused> {
    let row = tree.policy(id).ok_or_else(|| Refused::not_found("policy"))?;
    let (row, version) = match asked {
        None => (row.clone(), row.revision),
        Some(asked) => {
            let version = kept(app, ctx, id, asked).await?;
            let number = version.version;
            (as_version(row, version), number)
        }
    };
    let in_force = tree.in_force(&row, None);
    Ok(Side { row, version, in_force })
}

/// Name, description and parent of two versions of a policy.
fn of_itself(tree: &Tree, first: &Side, second: &Side) -> Vec<SettingChange> {
    let parent = |row: &PolicyRow| match row.parent {
        None => Value::Null,
        Some(id) => tree.policy(id).map_or_else(|| id.to_string(), |parent| parent.name.clone()).into(),
    };
    let origin = |side: &Side| ValueOrigin {
        kind: OriginKind::Policy,
        id: Some(side.row.id),
        name: side.row.name.clone(),
    };
    let each = [
        ("/name", first.row.name.clone().into(), second.row.name.clone().into()),
        ("/description", first.row.description.clone().into(), second.row.description.clone().into()),
        ("/parent", parent(&first.row), parent(&second.row)),
    ];
    let differing = each.into_iter().filter(|(_, before, after): &(_, Value, Value)| before != after);
    let changes = differing.map(|(pointer, before, after)| SettingChange {
        module: "policy".to_owned(),
        pointer: pointer.to_owned(),
        change: ChangeKind::Changed,
        before: Some(before),
        after: Some(after),
        before_origin: origin(first),
        after_origin: origin(second),
    });
    changes.collect()
}
