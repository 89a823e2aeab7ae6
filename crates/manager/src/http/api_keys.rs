//! Keys for scripts.
use sakimori_api::{ApiKey, CreatedApiKey, NewApiKey, Page};

/// The keys, without their secrets.
#[utoipa::path(get, path = "/api-keys", tag = "api-keys", operation_id = "listApiKeys", params(super::ListQuery),
    responses((status = 200, body = Page<ApiKey>)))]
pub(super) async fn list() {}

/// Makes a key; its secret is shown this once.
#[utoipa::path(post, path = "/api-keys", tag = "api-keys", operation_id = "createApiKey", request_body = NewApiKey,
    responses((status = 201, body = CreatedApiKey)))]
pub(super) async fn create() {}

/// Revokes a key.
#[utoipa::path(delete, path = "/api-keys/{id}", tag = "api-keys", operation_id = "deleteApiKey",
    params(("id" = uuid::Uuid, Path)), responses((status = 204)))]
pub(super) async fn delete() {}
