//! Keys for scripts.
use super::auth::{Access, Caller, Resource, may_grant};
use super::extract::{Id, Message, Query, limit, name, page};
use crate::app::App;
use crate::clock;
use crate::problem::Refused;
use crate::secrets;
use crate::store::{ApiKeyRow, Change};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sakimori_api::{ApiKey, CreatedApiKey, NewApiKey, Page};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Ten years.
const LONGEST_SECS: u64 = 315_360_000;

fn api_key(row: &ApiKeyRow) -> ApiKey {
    ApiKey {
        id: row.id,
        name: row.name.clone(),
        role: row.role,
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
    if !may_grant(caller.role, new.role) {
        return Err(Refused::forbidden("A key can do at most what its maker can."));
    }
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
