//! Policies.
use sakimori_api::{NewPolicy, Page, Policy, PolicyPatch};

/// The policies, by name.
#[utoipa::path(get, path = "/policies", tag = "policies", operation_id = "listPolicies", params(super::ListQuery),
    responses((status = 200, body = Page<Policy>)))]
pub(super) async fn list() {}

/// Makes a policy.
#[utoipa::path(post, path = "/policies", tag = "policies", operation_id = "createPolicy", request_body = NewPolicy,
    responses((status = 201, body = Policy)))]
pub(super) async fn create() {}

/// One policy.
#[utoipa::path(get, path = "/policies/{id}", tag = "policies", operation_id = "getPolicy",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Policy)))]
pub(super) async fn get() {}

/// Changes a policy; its computers get it at once. Merge patch.
#[utoipa::path(patch, path = "/policies/{id}", tag = "policies", operation_id = "updatePolicy",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body(content = PolicyPatch, content_type = "application/json"),
    responses((status = 200, body = Policy)))]
pub(super) async fn update() {}

/// Deletes a policy that nothing uses.
#[utoipa::path(delete, path = "/policies/{id}", tag = "policies", operation_id = "deletePolicy",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    responses((status = 204)))]
pub(super) async fn delete() {}
