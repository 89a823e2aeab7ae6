//! Activation tokens.
use sakimori_api::{ActivationToken, CreatedActivationToken, NewActivationToken, Page};

/// The tokens, newest first, without their secrets.
#[utoipa::path(get, path = "/activation-tokens", tag = "activation-tokens", operation_id = "listActivationTokens",
    params(super::ListQuery), responses((status = 200, body = Page<ActivationToken>)))]
pub(super) async fn list() {}

/// Makes a token; its secret and the deployment line are shown this once.
#[utoipa::path(post, path = "/activation-tokens", tag = "activation-tokens", operation_id = "createActivationToken",
    request_body = NewActivationToken, responses((status = 201, body = CreatedActivationToken)))]
pub(super) async fn create() {}

/// Revokes a token. Computers that were activated with it stay.
#[utoipa::path(delete, path = "/activation-tokens/{id}", tag = "activation-tokens",
    operation_id = "deleteActivationToken", params(("id" = uuid::Uuid, Path)), responses((status = 204)))]
pub(super) async fn delete() {}
