//! Events, searched and live.
use sakimori_api::{Event, Page};

/// Filter of a list of events.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// Only of this computer.
    pub(super) computer_id: Option<uuid::Uuid>,
    /// Only of this module.
    pub(super) module: Option<String>,
    /// Only of this severity.
    pub(super) severity: Option<String>,
    /// Only with this action.
    pub(super) action: Option<String>,
    /// Only events that contain this text: incident, CVE, address, message, target.
    pub(super) q: Option<String>,
    /// Only at or after this time (RFC 3339).
    pub(super) from: Option<String>,
    /// Only before this time (RFC 3339).
    pub(super) to: Option<String>,
    /// At most so many, 1 to 500; 100 where absent.
    pub(super) limit: Option<u32>,
    /// The `nextCursor` of the part before.
    pub(super) cursor: Option<String>,
}

/// The events, newest first.
#[utoipa::path(get, path = "/events", tag = "events", operation_id = "listEvents", params(EventQuery),
    responses((status = 200, body = Page<Event>)))]
pub(super) async fn list() {}

/// One event.
#[utoipa::path(get, path = "/events/{id}", tag = "events", operation_id = "getEvent",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Event)))]
pub(super) async fn get() {}

/// What happens from now on, as server-sent events: `event` carries an Event, `computer` a Computer that
/// changed, `lagged` how many were left out because the reader was too slow (read the lists again).
#[utoipa::path(get, path = "/stream", tag = "events", operation_id = "stream",
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(super) async fn stream() {}
