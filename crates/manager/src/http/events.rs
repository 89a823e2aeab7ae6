//! Events, searched and live.
use super::auth::{Access, Caller, Resource};
use super::event_search::{between, is, parse, time};
use super::extract::{Id, Query, limit, page};
use crate::app::{App, stopped};
use crate::clock;
use crate::events::{EventStore as _, RankedPlace, StoredEvent};
use crate::problem::Refused;
use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use futures_util::Stream;
use sakimori_api::{Event, EventDetail, Page, SortEventsBy};
use sakimori_modules::{About, explain};
use sakimori_query::{Filter, TextField};
use serde_json::Value;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

/// A console is told for this long; then it asks again, and again it is checked who it is.
const LISTENING: Duration = Duration::from_mins(15);

/// An event as the API shows it.
pub(crate) fn shown(stored: StoredEvent) -> Event {
    let detail: Value = serde_json::from_str(&stored.event.detail).unwrap_or_default();
    let about = About {
        computer: &stored.computer_name,
        action: &stored.event.action,
        severity: &stored.event.severity,
    };
    Event {
        id: stored.id,
        computer_id: stored.computer,
        explanation: explain(&stored.event.kind, &about, &detail),
        computer_name: stored.computer_name,
        at: clock::text(stored.event.at),
        received_at: clock::text(stored.received_at),
        module: stored.event.module,
        severity: stored.event.severity,
        rank: stored.rank,
        asset_value: stored.asset_value,
        action: stored.event.action,
        kind: stored.event.kind,
        tags: stored.tags,
        detail: EventDetail(detail),
    }
}

/// Filter of a list of events.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// Only events that this filter finds: `severity >= high AND (module = intrusion-prevention OR rank >= 5000)`.
    pub(super) filter: Option<String>,
    /// Only of this computer.
    pub(super) computer_id: Option<Uuid>,
    /// Only of this module.
    pub(super) module: Option<String>,
    /// Only of this severity.
    #[param(pattern = "^(info|low|medium|high|critical)$")]
    pub(super) severity: Option<String>,
    /// Only with this action.
    pub(super) action: Option<String>,
    /// Only events that contain this text: incident, CVE, address, message, target.
    pub(super) q: Option<String>,
    /// Only at or after this time (RFC 3339).
    #[param(format = DateTime)]
    pub(super) from: Option<String>,
    /// Only before this time (RFC 3339).
    #[param(format = DateTime)]
    pub(super) to: Option<String>,
    /// In which order: `received`, the newest first, where absent.
    #[param(inline)]
    pub(super) sort: Option<SortEventsBy>,
    /// At most so many, 1 to 500; 100 where absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u32>,
    /// The `nextCursor` of the part before, in the same order.
    pub(super) cursor: Option<String>,
}

/// The events, newest first or highest rank first.
#[utoipa::path(get, path = "/events", tag = "events", operation_id = "listEvents", params(EventQuery),
    responses((status = 200, body = Page<Event>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<EventQuery>,
) -> Result<Json<Page<Event>>, Refused> {
    let ctx = caller.may(Resource::Events, Access::Read)?;
    let limit = limit(query.limit)?;
    let cursor = query.cursor.as_deref();
    let mut filter = between(time("from", query.from.as_deref())?, time("to", query.to.as_deref())?)
        .and(parse("/filter", query.filter.as_deref().unwrap_or_default(), app.clock.now())?);
    let texts = [
        (TextField::ComputerId, query.computer_id.map(|id| id.to_string())),
        (TextField::Module, query.module),
        (TextField::Action, query.action),
    ];
    for (field, value) in texts {
        if let Some(value) = value {
            filter = filter.and(is(field, value));
        }
    }
    if let Some(severity) = query.severity {
        let severity = severity
            .parse()
            .map_err(|_e| Refused::invalid("severity is one of info, low, medium, high and critical."))?;
        filter = filter.and(Filter::Severity([severity].into_iter().collect()));
    }
    if let Some(text) = query.q.filter(|text| !text.is_empty()) {
        filter = filter.and(Filter::Anywhere(text.to_ascii_lowercase()));
    }
    let rows = match query.sort.unwrap_or_default() {
        SortEventsBy::Received => {
            let before = place(cursor, |text| text.parse().ok())?;
            app.events.search(ctx.tenant, &filter, before, limit + 1).await?
        }
        SortEventsBy::Rank => {
            let after = place(cursor, |text| {
                let (rank, id) = text.split_once('~')?;
                Some(RankedPlace { rank: rank.parse().ok()?, id: id.parse().ok()? })
            })?;
            app.events.ranked(ctx.tenant, &filter, after, limit + 1).await?
        }
    };
    let events = rows.into_iter().map(shown).collect();
    Ok(Json(page(events, limit, |event| match query.sort.unwrap_or_default() {
        SortEventsBy::Received => event.id.to_string(),
        SortEventsBy::Rank => format!("{}~{}", event.rank, event.id),
    })))
}

/// Where the list goes on, by its cursor.
fn place<T>(cursor: Option<&str>, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Refused> {
    let foreign = || Refused::invalid("cursor is not one that this list gave in this order.");
    cursor.map(|text| read(text).ok_or_else(foreign)).transpose()
}

/// One event.
#[utoipa::path(get, path = "/events/{id}", tag = "events", operation_id = "getEvent",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Event)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Event>, Refused> {
    let ctx = caller.may(Resource::Events, Access::Read)?;
    let found = app.events.get(ctx.tenant, id).await?.ok_or_else(|| Refused::not_found("event"))?;
    Ok(Json(shown(found)))
}

/// What happens from now on, as server-sent events: `event` carries an Event, `computer` a Computer that
/// changed, `lagged` how many were left out because the reader was too slow (read the lists again).
#[utoipa::path(get, path = "/stream", tag = "events", operation_id = "stream",
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(super) async fn stream(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>, Refused> {
    let ctx = caller.may(Resource::Events, Access::Read)?;
    caller.may(Resource::Computers, Access::Read)?;
    let tenant = ctx.tenant;
    let state = (app.news.subscribe(), app.stopping.clone());
    let end = tokio::time::Instant::now() + LISTENING;
    let news = futures_util::stream::unfold(state, move |(mut news, mut stopping)| async move {
        loop {
            let received = tokio::select! {
                received = news.recv() => received,
                () = stopped(&mut stopping) => return None,
                () = tokio::time::sleep_until(end) => return None,
            };
            let event = match received {
                Ok(item) if item.tenant != tenant => continue,
                Ok(item) => SseEvent::default().event(item.kind).data(&item.data),
                Err(RecvError::Lagged(missed)) => {
                    SseEvent::default().event("lagged").data(missed.to_string())
                }
                Err(RecvError::Closed) => return None,
            };
            return Some((Ok(event), (news, stopping)));
        }
    });
    Ok(Sse::new(news).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}
