//! Event batches: unpacked within bounds, checked whole, kept once, told to consoles.
use super::{Peer, Refuse};
use crate::app::App;
use crate::events::{Batch, EventStore as _, NewEvent};
use crate::metrics::count;
use crate::problem::Refused;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode};
use sakimori_model::{Severity, Timestamp};
use sakimori_modules::About;
use sakimori_protocol::{EventsAnswer, paths};
use serde_json::{Map, Value};
use std::io::Read as _;
use std::sync::Arc;
use uuid::Uuid;

/// Takes a batch; the answer is sent after it is durable.
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    Peer(row): Peer,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<EventsAnswer>, Refuse> {
    let result = take(&app, &row, &headers, request).await;
    if result.is_err() {
        count(&app.metrics.batches_refused, 1);
    }
    result
}

async fn take(
    app: &Arc<App>,
    row: &crate::store::ComputerRow,
    headers: &HeaderMap,
    request: Request,
) -> Result<Json<EventsAnswer>, Refuse> {
    let epoch: Uuid = header(headers, paths::STREAM_EPOCH)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Refuse::invalid(format!("The header {} is a UUID.", paths::STREAM_EPOCH)))?;
    let first_sequence: u64 = header(headers, paths::FIRST_SEQUENCE)
        .and_then(|text| text.parse().ok())
        .filter(|first| (1..=u64::MAX >> 1).contains(first))
        .ok_or_else(|| {
            Refuse::invalid(format!("The header {} is a number from 1.", paths::FIRST_SEQUENCE))
        })?;
    // Before the body is read: what waits costs no memory.
    let Ok(_slot) = app.batches.try_acquire() else {
        return Err(Refused::busy(StatusCode::SERVICE_UNAVAILABLE, 3).into());
    };
    let body = Bytes::from_request(request, app).await.map_err(|e| crate::http::too_large(&e))?;
    let Ok(unpacking) = app.unpacking.acquire().await else {
        return Err(Refused::busy(StatusCode::SERVICE_UNAVAILABLE, 3).into());
    };
    let events = tokio::task::spawn_blocking(move || unpack(&body)).await??;
    drop(unpacking);
    let sent = events.len();
    let batch = Batch {
        tenant: row.tenant,
        computer: row.id,
        computer_name: row.name().to_owned(),
        asset_value: row.asset_value,
        epoch,
        first_sequence,
        events,
    };
    let appended = app.events.append(batch).await?;
    count(&app.metrics.events, appended.new.len());
    count(&app.metrics.events_repeated, sent - appended.new.len());
    app.tell_events(row.tenant, appended.new);
    Ok(Json(EventsAnswer { acknowledged: appended.acknowledged }))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Unpacks a batch and reads every line, or refuses it whole.
fn unpack(body: &[u8]) -> Result<Vec<NewEvent>, Refuse> {
    let broken = |what: &str| Refuse::invalid(format!("The batch {what}; send it anew."));
    let decoder = ruzstd::decoding::StreamingDecoder::new(body).map_err(|_e| broken("is not zstd"))?;
    let most = u64::try_from(paths::EVENT_BATCH_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    decoder.take(most + 1).read_to_string(&mut text).map_err(|_e| broken("is damaged"))?;
    if text.len() > paths::EVENT_BATCH_BYTES {
        return Err(broken("is larger than 16 MiB unpacked"));
    }
    let mut events = Vec::new();
    for (number, line) in (1_u32..).zip(text.lines()) {
        let event =
            event(line).map_err(|why| Refuse::invalid(format!("Line {number} of the batch: {why}.")))?;
        events.push(event);
    }
    Ok(events)
}

/// Reads one event. A kind that this manager does not know is kept as it is.
fn event(line: &str) -> Result<NewEvent, String> {
    let mut value: Map<String, Value> = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let mut text = |name: &str, most: usize| match value.remove(name) {
        Some(Value::String(text)) if !text.is_empty() && text.len() <= most => Ok(text),
        _ => Err(format!("{name} is a text of 1 to {most} bytes")),
    };
    let module = text("module", 64)?;
    let severity = text("severity", 16)?;
    let action = text("action", 16)?;
    let kind = text("kind", 64)?;
    let at = value.remove("at").and_then(|at| at.as_i64()).ok_or("at is a number of microseconds")?;
    severity.parse::<Severity>().map_err(|e| e.to_string())?;
    let detail = value.remove("detail").filter(Value::is_object).ok_or("detail is an object")?;
    if let Some(known) = sakimori_modules::event_kind(&kind) {
        let about = About { computer: "", action: &action, severity: &severity };
        known.explain(&about, &detail).ok_or("detail does not have the members of its kind")?;
    }
    Ok(NewEvent { at: Timestamp(at), module, severity, action, kind, detail: detail.to_string() })
}
