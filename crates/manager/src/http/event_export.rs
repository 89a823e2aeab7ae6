//! Events as a file: read from the store in parts while they are being sent, so that memory stays bounded.
use super::auth::{Access, Caller, Resource};
use super::event_search::{between, parse, time};
use super::events::shown;
use super::extract::Query;
use crate::app::App;
use crate::events::{EventStore as _, RankedPlace, StoredEvent};
use crate::problem::Refused;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, TryStreamExt as _};
use sakimori_api::{ExportFormat, SortEventsBy};
use sakimori_query::Filter;
use std::sync::Arc;
use uuid::Uuid;

/// Events read at once.
const PART: u32 = 500;
/// Most events that an export may be narrowed to; one without a limit has all.
pub(super) const MOST: u32 = 1_000_000_000;
const COLUMNS: &str = "id,at,receivedAt,computerId,computerName,module,severity,action,kind,tags,explanation,detail,rank,assetValue\r\n";

/// What is exported.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportQuery {
    /// Form of the file.
    #[param(inline)]
    pub(super) format: ExportFormat,
    /// Only events that this filter finds.
    pub(super) filter: Option<String>,
    /// Only at or after this time (RFC 3339).
    #[param(format = DateTime)]
    pub(super) from: Option<String>,
    /// Only before this time (RFC 3339).
    #[param(format = DateTime)]
    pub(super) to: Option<String>,
    /// In which order: `received`, the newest first, where absent.
    #[param(inline)]
    pub(super) sort: Option<SortEventsBy>,
    /// At most so many, the first in this order; all where absent.
    #[param(maximum = 1_000_000_000)]
    pub(super) limit: Option<u32>,
}

struct Export {
    app: Arc<App>,
    tenant: Uuid,
    filter: Filter,
    format: ExportFormat,
    order: SortEventsBy,
    last: Option<RankedPlace>,
    left: u32,
    begun: bool,
}

/// The events as a file, newest first or highest rank first.
#[utoipa::path(get, path = "/events/export", tag = "events", operation_id = "exportEvents", params(ExportQuery),
    responses((status = 200, content((String = "text/csv"), (String = "application/x-ndjson")))))]
pub(super) async fn export(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Refused> {
    let tenant = caller.may(Resource::Events, Access::Read)?.tenant;
    let filter = parse("/filter", query.filter.as_deref().unwrap_or_default(), app.clock.now())?;
    let filter = between(time("from", query.from.as_deref())?, time("to", query.to.as_deref())?).and(filter);
    let (kind, name) = match query.format {
        ExportFormat::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"events.csv\""),
        ExportFormat::Jsonl => ("application/x-ndjson", "attachment; filename=\"events.jsonl\""),
    };
    if query.limit.is_some_and(|limit| limit > MOST) {
        return Err(Refused::invalid("limit is a number up to 1000000000; leave it out for all."));
    }
    let left = query.limit.unwrap_or(u32::MAX);
    let order = query.sort.unwrap_or_default();
    let parts = parts(app, tenant, filter, (query.format, order), left).map_ok(|part| part.bytes);
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], Body::from_stream(parts))
        .into_response())
}

/// A part of a file.
#[derive(Debug)]
pub(crate) struct Part {
    /// What is written.
    pub(crate) bytes: Bytes,
    /// Events in it.
    pub(crate) events: u64,
}

/// At most `left` events as a file of this form and order, in parts.
pub(crate) fn parts(
    app: Arc<App>,
    tenant: Uuid,
    filter: Filter,
    (format, order): (ExportFormat, SortEventsBy),
    left: u32,
) -> impl Stream<Item = Result<Part, sqlx::Error>> {
    let export = Export { app, tenant, filter, format, order, last: None, left, begun: false };
    futures_util::stream::try_unfold(export, Export::next)
}

impl Export {
    /// The next part of the file. An error breaks the answer off, so that nobody takes a part for the whole.
    async fn next(mut self) -> Result<Option<(Part, Self)>, sqlx::Error> {
        let mut text = String::new();
        if !std::mem::replace(&mut self.begun, true) && self.format == ExportFormat::Csv {
            text.push_str(COLUMNS);
        }
        let wanted = PART.min(self.left);
        let events = &self.app.events;
        let found = match self.order {
            _ if wanted == 0 => Vec::new(),
            SortEventsBy::Received => {
                let before = self.last.map(|last| last.id);
                events.search(self.tenant, &self.filter, before, wanted).await?
            }
            SortEventsBy::Rank => events.ranked(self.tenant, &self.filter, self.last, wanted).await?,
        };
        let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
        self.left = if count < wanted { 0 } else { self.left.saturating_sub(count) };
        self.last = found.last().map(StoredEvent::ranked_place);
        for stored in found {
            line(&mut text, self.format, stored);
        }
        Ok((!text.is_empty()).then(|| (Part { bytes: Bytes::from(text), events: u64::from(count) }, self)))
    }
}

fn line(text: &mut String, format: ExportFormat, stored: StoredEvent) {
    let detail = stored.event.detail.clone();
    let event = shown(stored);
    match format {
        ExportFormat::Jsonl => {
            // An event is made of texts and numbers: it can always be written.
            text.push_str(&serde_json::to_string(&event).unwrap_or_default());
            text.push('\n');
        }
        ExportFormat::Csv => {
            let tags = event.tags.join(" ");
            let (id, computer) = (event.id.to_string(), event.computer_id.to_string());
            let (rank, asset_value) = (event.rank.to_string(), event.asset_value.to_string());
            let fields = [
                &id,
                &event.at,
                &event.received_at,
                &computer,
                &event.computer_name,
                &event.module,
                &event.severity,
                &event.action,
                &event.kind,
                &tags,
                &event.explanation.en,
                &detail,
                &rank,
                &asset_value,
            ];
            for (number, field) in fields.into_iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                csv_field(text, field);
            }
            text.push_str("\r\n");
        }
    }
}

/// Against CSV injection: host names and log lines are an attacker's texts, and a spreadsheet runs what begins like a
/// formula (OWASP, CSV Injection).
fn csv_field(text: &mut String, field: &str) {
    let formula = field.trim_start().starts_with(['=', '+', '-', '@', '|', '%'])
        || field.starts_with(['\t', '\r', '\n']);
    text.push('"');
    if formula {
        text.push('\'');
    }
    for c in field.chars() {
        match c {
            '"' => text.push_str("\"\""),
            // Shown by a terminal, it would be obeyed.
            c if c.is_control() && !matches!(c, '\t' | '\r' | '\n') => text.push('\u{fffd}'),
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_runs_nothing() {
        for (field, expected) in [
            ("web1", "\"web1\""),
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            (" +1", "\"' +1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-2", "\"'-2\""),
            ("\t=1", "\"'\t=1\""),
            ("a\u{1b}[2Jb", "\"a\u{fffd}[2Jb\""),
            ("a\"b,c\r\nd", "\"a\"\"b,c\r\nd\""),
        ] {
            let mut text = String::new();
            csv_field(&mut text, field);
            assert_eq!(text, expected);
        }
    }
}
