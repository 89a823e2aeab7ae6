//! Refusals and lists, the same for every resource.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Why a request was refused: RFC 9457 problem details, as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `about:blank`, or a URI naming the kind of problem.
    pub r#type: String,
    /// What is wrong, in one short sentence.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What to do about it.
    pub detail: String,
    /// Stable code, for programs and translations: `not-found`.
    pub code: String,
    /// Each member of the request that is wrong.
    pub errors: Vec<FieldError>,
    /// The request's id, as in the manager's log.
    pub request_id: String,
}

/// One member of a request that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldError {
    /// JSON pointer into the request: `/settings/intrusion-prevention/httpPorts/0`.
    pub pointer: String,
    /// Stable code: `not-a-port-range`.
    pub code: String,
    /// The finding in one sentence.
    pub message: String,
    /// Values for a translated sentence.
    pub args: BTreeMap<String, String>,
}

/// Part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The part's members.
    pub items: Vec<T>,
    /// Give it as `cursor` to get what follows; `null` at the end.
    #[schema(required)]
    pub next_cursor: Option<String>,
}
