//! Common objects: lists that settings refer to by name.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, Query, check_if_match, limit, name, page, with_etag};
use super::policies::description;
use crate::app::App;
use crate::clock;
use crate::policy_tree::Tree;
use crate::problem::Refused;
use crate::store::{Change, CommonObjectRow, VersionNote, Write};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sakimori_api::{CommonObject, CommonObjectPatch, FieldError, NewCommonObject, ObjectKind, Page};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// Most common objects of a tenant: each policy is expanded with them.
const OBJECTS: usize = 2000;

fn etag(row: &CommonObjectRow) -> String {
    format!("\"{}\"", row.revision)
}

fn shown(tree: &Tree, row: &CommonObjectRow) -> CommonObject {
    CommonObject {
        id: row.id,
        kind: row.kind,
        name: row.name.clone(),
        description: row.description.clone(),
        items: row.items.clone(),
        used_by: tree.users_of(row),
        updated_at: clock::text(row.updated_at),
        etag: etag(row),
    }
}

fn audited(row: &CommonObjectRow) -> serde_json::Value {
    serde_json::json!({"kind": row.kind, "name": row.name, "description": row.description, "items": row.items})
}

/// The items of a list, each in the form in which it is kept; every wrong one is named.
pub(super) fn items(
    pointer: &str,
    kind: ObjectKind,
    items: &[String],
) -> Result<Vec<String>, Vec<FieldError>> {
    let items: Vec<String> = items.iter().map(|item| kind.normal(item)).collect();
    let errors = kind.check(&items).into_iter().map(|finding| FieldError {
        pointer: format!("{pointer}{}", finding.pointer),
        code: finding.code.to_owned(),
        message: finding.message,
        args: BTreeMap::from([("value".to_owned(), finding.value)]),
    });
    let errors: Vec<FieldError> = errors.collect();
    if errors.is_empty() { Ok(items) } else { Err(errors) }
}

/// What to name in a refusal because an object is in use.
fn in_use(tree: &Tree, row: &CommonObjectRow, remedy: &str) -> Option<Refused> {
    let users = tree.users_of(row);
    let first = users.first()?;
    let others: BTreeSet<&str> = users.iter().map(|user| user.name.as_str()).collect();
    let others: Vec<&str> = others.into_iter().filter(|name| *name != first.name).take(20).collect();
    let others = if others.is_empty() { String::new() } else { format!(", and so do {}", others.join(", ")) };
    let detail = format!("{} refers to it at {}{others}. {remedy}", first.name, first.pointer);
    Some(Refused::conflict("in-use", "The list is still in use.", detail))
}

/// Which common objects.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ObjectQuery {
    /// Only those of this kind.
    kind: Option<ObjectKind>,
    /// At most so many, 1 to 500; 100 where absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `nextCursor` of the part before.
    cursor: Option<String>,
}

/// The common objects, by name.
#[utoipa::path(get, path = "/common-objects", tag = "common-objects", operation_id = "listCommonObjects",
    params(ObjectQuery), responses((status = 200, body = Page<CommonObject>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ObjectQuery>,
) -> Result<Json<Page<CommonObject>>, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Read)?;
    let limit = limit(query.limit)?;
    let tree = Tree::read(&app.store, ctx).await?;
    // Names of different kinds may be the same: the id decides between them.
    let key = |row: &CommonObjectRow| format!("{}\n{}", row.name, row.id);
    let after = query.cursor.unwrap_or_default();
    let rows = tree.objects.iter().filter(|row| query.kind.is_none_or(|kind| kind == row.kind));
    let rows = rows.filter(|row| after.is_empty() || key(row) > after);
    let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    let shown: Vec<CommonObject> = rows.take(most).map(|row| shown(&tree, row)).collect();
    Ok(Json(page(shown, limit, |object| format!("{}\n{}", object.name, object.id))))
}

/// Makes a common object.
#[utoipa::path(post, path = "/common-objects", tag = "common-objects", operation_id = "createCommonObject",
    request_body = NewCommonObject, responses((status = 201, body = CommonObject)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(new): Message<NewCommonObject>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Write)?;
    let now = app.clock.now();
    let row = CommonObjectRow {
        id: Uuid::now_v7(),
        kind: new.kind,
        name: name("/name", &new.name)?,
        description: description("/description", &new.description)?,
        items: items("/items", new.kind, &new.items).map_err(Refused::fields)?,
        revision: 1,
        updated_at: now,
    };
    let mut write = app.store.begin(ctx, now).await?;
    let tree = Tree::of(&mut write).await?;
    if tree.objects.len() >= OBJECTS {
        let remedy = "Delete those that nothing refers to.";
        return Err(Refused::conflict(
            "too-many",
            "There are as many common objects as there may be.",
            remedy,
        ));
    }
    write.insert_common_object(&row).await?;
    write
        .audit(Change {
            action: "common-object.create",
            object_kind: "common-object",
            object_id: row.id.to_string(),
            before: None,
            after: Some(audited(&row)),
        })
        .await?;
    write.commit().await?;
    Ok(with_etag(StatusCode::CREATED, &etag(&row), &shown(&tree, &row)))
}

/// One common object.
#[utoipa::path(get, path = "/common-objects/{id}", tag = "common-objects", operation_id = "getCommonObject",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = CommonObject)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Read)?;
    let tree = Tree::read(&app.store, ctx).await?;
    let row =
        tree.objects.iter().find(|row| row.id == id).ok_or_else(|| Refused::not_found("common object"))?;
    Ok(with_etag(StatusCode::OK, &etag(row), &shown(&tree, row)))
}

/// Changes a common object; computers whose policies refer to it get it at once. Where it is renamed, what refers to it
/// follows. Merge patch.
#[utoipa::path(patch, path = "/common-objects/{id}", tag = "common-objects", operation_id = "updateCommonObject",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body(content = CommonObjectPatch, content_type = "application/json"),
    responses((status = 200, body = CommonObject)))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Message(patch): Message<CommonObjectPatch>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Write)?;
    let now = app.clock.now();
    let mut write = app.store.begin(ctx, now).await?;
    let mut tree = Tree::of(&mut write).await?;
    let found = tree.objects.iter().find(|row| row.id == id).cloned();
    let mut row = found.ok_or_else(|| Refused::not_found("common object"))?;
    check_if_match(&headers, &etag(&row))?;
    let before = row.clone();
    if let Some(text) = patch.name {
        row.name = name("/name", &text)?;
    }
    if let Some(text) = patch.description {
        row.description = description("/description", &text)?;
    }
    if let Some(new) = patch.items {
        row.items = items("/items", row.kind, &new).map_err(Refused::fields)?;
    }
    if row.name != before.name {
        rename(&mut write, &mut tree, &before, &row.name).await?;
    }
    write.update_common_object(&row).await?;
    row.revision += 1;
    row.updated_at = now;
    for kept in tree.objects.iter_mut().filter(|kept| kept.id == id) {
        kept.clone_from(&row);
    }
    let everything = tree.policies.iter().map(|policy| policy.id).collect();
    tree.check_below(&everything)?;
    write
        .audit(Change {
            action: "common-object.update",
            object_kind: "common-object",
            object_id: id.to_string(),
            before: Some(audited(&before)),
            after: Some(audited(&row)),
        })
        .await?;
    write.commit().await?;
    app.refresh_bundles(ctx.tenant).await?;
    Ok(with_etag(StatusCode::OK, &etag(&row), &shown(&tree, &row)))
}

/// What refers to a list follows its new name, and so does every version that did: it can still be rolled back to.
async fn rename(write: &mut Write, tree: &mut Tree, list: &CommonObjectRow, to: &str) -> Result<(), Refused> {
    let lists = tree.lists();
    let (policies, computers) = tree.rename_list(list, to);
    if let Some(rival) = lists.rival(list.kind, to).filter(|_| !(policies.is_empty() && computers.is_empty()))
    {
        let title = "Another list that can stand in the same places has this name.";
        let detail = format!(
            "A list of {} is called '{to}', and 'list:{to}' would mean that one too: choose another name.",
            rival.as_str()
        );
        return Err(Refused::conflict("name-taken", title, detail));
    }
    write.rename_list_in_versions(&lists, (list.kind, list.name.as_str()), to).await?;
    let note = VersionNote::new("changed", format!("list:{} → list:{to}", list.name));
    for mut row in policies {
        write.update_policy(&mut row, &note).await?;
        tree.put(row);
    }
    for mut row in computers {
        row.revision += 1;
        row.updated_at = write.now();
        write.put_computer_settings(&row).await?;
        for kept in tree.computers.iter_mut().filter(|kept| kept.computer == row.computer) {
            kept.clone_from(&row);
        }
    }
    Ok(())
}

/// Deletes a common object that nothing refers to.
#[utoipa::path(delete, path = "/common-objects/{id}", tag = "common-objects", operation_id = "deleteCommonObject",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let tree = Tree::of(&mut write).await?;
    let row =
        tree.objects.iter().find(|row| row.id == id).ok_or_else(|| Refused::not_found("common object"))?;
    check_if_match(&headers, &etag(row))?;
    if let Some(refused) = in_use(&tree, row, "Take it out there first.") {
        return Err(refused);
    }
    write.delete_common_object(id).await?;
    write
        .audit(Change {
            action: "common-object.delete",
            object_kind: "common-object",
            object_id: id.to_string(),
            before: Some(audited(row)),
            after: None,
        })
        .await?;
    write.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
