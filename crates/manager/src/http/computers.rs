//! Computers.
use sakimori_api::{Computer, ComputerPatch, Page};

/// Filter of a list of computers.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ComputerQuery {
    /// Only computers in this status.
    pub(super) status: Option<sakimori_api::ComputerStatus>,
    /// Only computers whose name, host name or address contains this text.
    pub(super) q: Option<String>,
    /// At most so many, 1 to 500; 100 where absent.
    pub(super) limit: Option<u32>,
    /// The `nextCursor` of the part before.
    pub(super) cursor: Option<String>,
}

/// The computers, by name.
#[utoipa::path(get, path = "/computers", tag = "computers", operation_id = "listComputers", params(ComputerQuery),
    responses((status = 200, body = Page<Computer>)))]
pub(super) async fn list() {}

/// One computer.
#[utoipa::path(get, path = "/computers/{id}", tag = "computers", operation_id = "getComputer",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Computer)))]
pub(super) async fn get() {}

/// Assigns a policy, names the computer, or settles a clone. Merge patch.
#[utoipa::path(patch, path = "/computers/{id}", tag = "computers", operation_id = "updateComputer",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body(content = ComputerPatch, content_type = "application/json"),
    responses((status = 200, body = Computer)))]
pub(super) async fn update() {}

/// Deletes a computer: its certificate counts no more. Its events stay.
#[utoipa::path(delete, path = "/computers/{id}", tag = "computers", operation_id = "deleteComputer",
    params(("id" = uuid::Uuid, Path)), responses((status = 204)))]
pub(super) async fn delete() {}
