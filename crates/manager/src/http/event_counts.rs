//! Events counted over time.
use super::auth::{Access, Caller, Resource};
use super::event_search::{between, parse, time};
use super::extract::Query;
use crate::app::App;
use crate::clock;
use crate::events::{self, Count, EventStore as _};
use crate::problem::Refused;
use axum::Json;
use axum::extract::State;
use sakimori_api::{CountBy, EventCount, EventCounts};
use sakimori_model::Timestamp;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Most intervals in one answer: more than a chart has pixels for.
const INTERVALS: i64 = 2_000;
/// Most keys told apart.
const KEYS: usize = 50;

/// What is counted.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CountQuery {
    /// Only events that this filter finds.
    pub(super) filter: Option<String>,
    /// Length of an interval: `5m`, `1h`, `1d`; one hour where absent.
    #[param(pattern = "^([1-9][0-9]{0,3}|10000)[mhd]$")]
    pub(super) interval: Option<String>,
    /// From this time on (RFC 3339); a day before `to` where absent.
    #[param(format = DateTime)]
    pub(super) from: Option<String>,
    /// Before this time (RFC 3339); now where absent.
    #[param(format = DateTime)]
    pub(super) to: Option<String>,
    /// What to count by; all together where absent.
    #[param(inline)]
    pub(super) by: Option<CountBy>,
}

/// How many events there were in each interval.
#[utoipa::path(get, path = "/events/counts", tag = "events", operation_id = "countEvents", params(CountQuery),
    responses((status = 200, body = EventCounts)))]
pub(super) async fn counts(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<CountQuery>,
) -> Result<Json<EventCounts>, Refused> {
    let ctx = caller.may(Resource::Events, Access::Read)?;
    let now = app.clock.now();
    let to = time("to", query.to.as_deref())?.unwrap_or(now);
    let from = time("from", query.from.as_deref())?
        .unwrap_or_else(|| Timestamp(to.0.saturating_sub(86_400_000_000)));
    let width = match query.interval.as_deref() {
        None => Duration::from_hours(1),
        Some(text) => interval(text).ok_or_else(|| {
            Refused::invalid("interval is a number from 1 to 10000 with m, h or d: 5m, 1h, 1d.")
        })?,
    };
    if to <= from {
        return Err(Refused::invalid("from lies before to."));
    }
    let micros = i64::try_from(width.as_micros()).unwrap_or(i64::MAX);
    if to.0.saturating_sub(from.0) / micros >= INTERVALS {
        return Err(Refused::invalid(format!("More than {INTERVALS} intervals: take a longer interval.")));
    }
    let filter = parse("/filter", query.filter.as_deref().unwrap_or_default(), now)?;
    let by = query.by.map(|by| match by {
        CountBy::Severity => events::CountBy::Severity,
        CountBy::Module => events::CountBy::Module,
        CountBy::Computer => events::CountBy::Computer,
        CountBy::Rule => events::CountBy::Rule,
        CountBy::Source => events::CountBy::Source,
    });
    let filter = between(Some(from), Some(to)).and(filter);
    let counts = app.events.count_over_time(ctx.tenant, &filter, width, by).await?;
    Ok(Json(EventCounts {
        from: clock::text(from),
        to: clock::text(to),
        interval_secs: width.as_secs(),
        counts: shown(counts),
    }))
}

fn interval(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let digits = text.strip_suffix(unit)?;
    let number: u64 = digits
        .starts_with(|c| matches!(c, '1'..='9'))
        .then(|| digits.parse())?
        .ok()
        .filter(|n| (1..=10_000).contains(n))?;
    match unit {
        'm' => Some(Duration::from_mins(number)),
        'h' => Some(Duration::from_hours(number)),
        'd' => Some(Duration::from_hours(24 * number)),
        _ => None,
    }
}

/// The most frequent keys by name, the others together.
fn shown(counts: Vec<Count>) -> Vec<EventCount> {
    let mut totals: BTreeMap<String, u64> = BTreeMap::new();
    for count in &counts {
        *totals.entry(count.key.clone()).or_default() += count.count;
    }
    let mut keys: Vec<(String, u64)> = totals.into_iter().collect();
    keys.sort_by_key(|(_, total)| std::cmp::Reverse(*total));
    keys.truncate(KEYS);
    let kept: HashSet<String> = keys.into_iter().map(|(key, _)| key).collect();
    let mut sums: BTreeMap<(Timestamp, String), u64> = BTreeMap::new();
    for count in counts {
        let key = if kept.contains(&count.key) { count.key } else { "*".to_owned() };
        *sums.entry((count.from, key)).or_default() += count.count;
    }
    sums.into_iter().map(|((from, key), count)| EventCount { from: clock::text(from), key, count }).collect()
}
