//! Keys for scripts.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, Query, limit, name, page};
use crate::app::App;
use crate::clock;
use crate::network::{Network, NotANetwork};
use crate::problem::{Refused, field_error};
use crate::secrets;
use crate::store::{ApiKeyRow, Change};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sakimori_api::{ApiKey, CreatedApiKey, NewApiKey, Page};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Ten years.
const LONGEST_SECS: u64 = 315_360_000;
/// Scopes, and sources, of one key.
const NARROWINGS: usize = 64;

fn api_key(row: &ApiKeyRow) -> ApiKey {
    ApiKey {
        id: row.id,
        name: row.name.clone(),
        role: row.role,
        scopes: row.scopes.clone(),
        sources: row.sources.clone(),
        created_at: clock::text(row.created_at),
        expires_at: row.expires_at.map(clock::text),
        last_used: row.last_used.map(clock::text),
    }
}

/// The keys, without their secrets.
#[utoipa::path(get, path = "/api-keys", tag = "api-keys", operation_id = "listApiKeys", params(super::ListQuery),
    responses((status = 200, body = Page<ApiKey>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<ApiKey>>, Refused> {
    let ctx = caller.may(Resource::ApiKeys, Access::Read)?;
    let limit = limit(query.limit)?;
    let rows = app.store.api_keys(ctx, query.cursor.as_deref().unwrap_or_default(), limit + 1).await?;
    Ok(Json(page(rows.iter().map(api_key).collect(), limit, |key| key.id.to_string())))
}

/// Makes a key; its secret is shown this once.
#[utoipa::path(post, path = "/api-keys", tag = "api-keys", operation_id = "createApiKey", request_body = NewApiKey,
    responses((status = 201, body = CreatedApiKey)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(new): Message<NewApiKey>,
) -> Result<(StatusCode, Json<CreatedApiKey>), Refused> {
    let ctx = caller.may(Resource::ApiKeys, Access::Write)?;
    let mut errors = Vec::new();
    if new.scopes.as_ref().is_some_and(|scopes| !(1..=NARROWINGS).contains(&scopes.len())) {
        errors.push(field_error("/scopes", "out-of-range", "Name 1 to 64 scopes, or leave them out."));
    }
    if new.sources.as_ref().is_some_and(|sources| !(1..=NARROWINGS).contains(&sources.len())) {
        errors.push(field_error("/sources", "out-of-range", "Name 1 to 64 networks, or leave them out."));
    }
    let mut networks: Vec<Network> = Vec::new();
    for (index, text) in new.sources.iter().flatten().enumerate() {
        match text.parse() {
            Ok(network) => networks.push(network),
            Err(error @ NotANetwork) => {
                errors.push(field_error(&format!("/sources/{index}"), "not-a-network", &error.to_string()));
            }
        }
    }
    if !errors.is_empty() {
        return Err(Refused::fields(errors));
    }
    let sources = new.sources.is_some().then_some(networks.as_slice());
    caller.may_grant(new.role, new.scopes.as_deref(), sources)?;
    let scopes = new.scopes.map(|scopes| Vec::from_iter(BTreeSet::from_iter(scopes)));
    let now = app.clock.now();
    if new.expires_in_secs.is_some_and(|secs| !(60..=LONGEST_SECS).contains(&secs)) {
        return Err(Refused::field("/expiresInSecs", "out-of-range", "Between 60 seconds and ten years."));
    }
    let secret = secrets::new_secret()?;
    let row = ApiKeyRow {
        tenant: ctx.tenant,
        id: Uuid::now_v7(),
        name: name("/name", &new.name)?,
        role: new.role,
        scopes,
        sources: sources.map(|networks| networks.iter().map(ToString::to_string).collect()),
        secret_hash: secrets::digest(&secret),
        created_at: now,
        expires_at: new.expires_in_secs.map(|secs| now.plus(Duration::from_secs(secs))),
        last_used: None,
    };
    let key = api_key(&row);
    let mut write = app.store.begin(ctx, now).await?;
    write.insert_api_key(&row).await?;
    write
        .audit(Change {
            action: "api-key.create",
            object_kind: "api-key",
            object_id: row.id.to_string(),
            before: None,
            after: Some(serde_json::to_value(&key)?),
        })
        .await?;
    write.commit().await?;
    let secret = format!("sak_{}_{secret}", row.id.simple());
    Ok((StatusCode::CREATED, Json(CreatedApiKey { api_key: key, secret })))
}

/// Revokes a key.
#[utoipa::path(delete, path = "/api-keys/{id}", tag = "api-keys", operation_id = "deleteApiKey",
    params(("id" = uuid::Uuid, Path)), responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::ApiKeys, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let row = write.delete_api_key(id).await?.ok_or_else(|| Refused::not_found("API key"))?;
    write
        .audit(Change {
            action: "api-key.delete",
            object_kind: "api-key",
            object_id: id.to_string(),
            before: Some(serde_json::to_value(api_key(&row))?),
            after: None,
        })
        .await?;
    write.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
