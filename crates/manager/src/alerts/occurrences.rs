//! Events counted towards alerts, in the order of their arrival.
use super::{Cause, Condition, WINDOW_SECS, note, raised, shown, tell};
use crate::app::App;
use crate::events::{EventStore as _, Followed, Seen, StoredEvent, position_at};
use crate::problem::Refused;
use crate::store::{AlertRow, AlertsWanted, TenantCtx};
use axum::http::StatusCode;
use sakimori_model::Timestamp;
use sakimori_query::Filter;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;
use uuid::Uuid;

/// Where the position is kept.
const POSITION: &str = "alerts.position";
/// Events looked at in one transaction.
const BATCH: u32 = 500;
/// Batches in a row, so that one tenant's flood does not keep the others waiting.
const BATCHES: u32 = 40;
/// A position that moves without anything counted is written down this often.
const WRITE: Duration = Duration::from_mins(1);
/// Alerts looked at to find what was counted.
const RECENT: u32 = 1_000;
/// Groups whose events are counted at once; with more, those without an alert begin anew.
const GROUPS: usize = 100_000;

/// What lasts between two looks at a tenant's events.
#[derive(Debug, Default)]
pub(super) struct Follower {
    /// Everything up to here was counted; nothing before it is known.
    position: Option<Uuid>,
    /// What of it is written down.
    written: Uuid,
    written_at: Timestamp,
    /// Times of arrival within the window, by condition and group.
    windows: HashMap<(String, String), VecDeque<i64>>,
}

struct Counted<'a> {
    condition: &'a Condition,
    filter: Filter,
    threshold: usize,
    window: i64,
}

impl Follower {
    /// Counts what has arrived.
    pub(super) async fn follow(
        &mut self,
        app: &App,
        ctx: &TenantCtx,
        conditions: &[Condition],
        now: Timestamp,
    ) -> Result<(), Refused> {
        let counted: Vec<Counted<'_>> =
            conditions.iter().filter(|c| c.row.enabled).filter_map(|c| counted(c, now)).collect();
        let any = Filter::Or(counted.iter().map(|one| one.filter.clone()).collect());
        let mut position = match self.position {
            Some(position) => position,
            None => self.take_up(app, ctx, &counted, &any, now).await?,
        };
        for _ in 0..BATCHES {
            let followed = app.events.follow(ctx.tenant, &any, position, BATCH).await?;
            let through = followed.through;
            if through == position {
                break;
            }
            self.count(app, ctx, &counted, &followed, now).await?;
            self.position = Some(through);
            position = through;
            if followed.events.len() < usize::try_from(BATCH).unwrap_or(usize::MAX) {
                break;
            }
        }
        Ok(())
    }

    /// Where somebody else, or this manager before its restart, has come to; what lies in the windows is counted again.
    async fn take_up(
        &mut self,
        app: &App,
        ctx: &TenantCtx,
        counted: &[Counted<'_>],
        any: &Filter,
        now: Timestamp,
    ) -> Result<Uuid, Refused> {
        self.windows.clear();
        let kept = app.store.setting(ctx, POSITION).await?;
        let Some(position) = kept.and_then(|text| Uuid::parse_str(&text).ok()) else {
            // What happened before there were alerts raises none.
            let end = app.events.follow(ctx.tenant, &Filter::Or(Vec::new()), Uuid::nil(), 1).await?.through;
            let mut write = app.store.begin(ctx, now).await?;
            write.put_setting(POSITION, &end.to_string()).await?;
            write.commit().await?;
            (self.position, self.written) = (Some(end), end);
            return Ok(end);
        };
        // What an alert was raised by or has counted is not counted towards the next one.
        let mut counted_until: HashMap<(String, String), Timestamp> = HashMap::new();
        for row in app.store.alerts(ctx, &AlertsWanted::default(), RECENT).await? {
            let last = counted_until.entry((row.condition, row.group)).or_insert(row.last_at);
            *last = row.last_at.max(*last);
        }
        let longest = counted.iter().map(|one| one.window).max().unwrap_or_default();
        let mut from = position_at(Timestamp(now.0.saturating_sub(longest)));
        while from < position {
            let Followed { events, through } = app.events.follow(ctx.tenant, any, from, BATCH).await?;
            for event in events.iter().filter(|event| event.id <= position) {
                for one in counted.iter().filter(|one| one.filter.matches(&Seen::new(event))) {
                    let key = (one.condition.id.clone(), group(one.condition, event));
                    if counted_until.get(&key).is_none_or(|last| event.received_at > *last) {
                        self.push(one, event);
                    }
                }
            }
            if through == from {
                break;
            }
            from = through;
        }
        self.written = position;
        Ok(position)
    }

    /// Puts an event into its window: how many are in it.
    fn push(&mut self, one: &Counted<'_>, event: &StoredEvent) -> usize {
        if self.windows.len() > GROUPS {
            self.windows.clear();
        }
        let key = (one.condition.id.clone(), group(one.condition, event));
        let window = self.windows.entry(key).or_default();
        let at = event.received_at.0;
        window.push_back(at);
        while window.len() > one.threshold || window.front().is_some_and(|first| at - first > one.window) {
            window.pop_front();
        }
        window.len()
    }

    /// Counts events, and writes what that came to down together with the position.
    async fn count(
        &mut self,
        app: &App,
        ctx: &TenantCtx,
        counted: &[Counted<'_>],
        Followed { events, through }: &Followed,
        now: Timestamp,
    ) -> Result<(), Refused> {
        if events.is_empty() && now <= self.written_at.plus(WRITE) {
            return Ok(());
        }
        let mut write = app.store.begin(ctx, now).await?;
        if write.setting(POSITION).await? != Some(self.written.to_string()) {
            // Another manager has gone on from here meanwhile.
            self.position = None;
            return Err(Refused::busy(StatusCode::SERVICE_UNAVAILABLE, 1));
        }
        let mut standing: HashMap<(String, String), (AlertRow, bool)> = HashMap::new();
        if !events.is_empty() {
            for row in write.alerts_active().await? {
                standing.insert((row.condition.clone(), row.group.clone()), (row, false));
            }
        }
        let mut new = Vec::new();
        for event in events {
            for one in counted.iter().filter(|one| one.filter.matches(&Seen::new(event))) {
                let key = (one.condition.id.clone(), group(one.condition, event));
                if let Some((row, counts)) = standing.get_mut(&key) {
                    row.count += 1;
                    row.last_at = event.received_at;
                    *counts = true;
                    continue;
                }
                if self.push(one, event) < one.threshold {
                    continue;
                }
                let times = self.windows.remove(&key).unwrap_or_default();
                let by_computer = !key.1.is_empty();
                let cause = Cause {
                    group: key.1.clone(),
                    subject: if by_computer { event.computer_name.clone() } else { String::new() },
                    computer: by_computer.then_some(event.computer),
                    args: BTreeMap::from([("event".to_owned(), event.id.to_string())]),
                };
                let count = i64::try_from(times.len()).unwrap_or(i64::MAX);
                let mut row = raised(one.condition, &cause, count, event.received_at);
                row.first_at = times.front().map_or(row.first_at, |first| Timestamp(*first));
                new.push(key.clone());
                standing.insert(key, (row, false));
            }
        }
        for key in &new {
            let Some((row, _)) = standing.remove(key) else { continue };
            write.insert_alert(&row).await?;
            note(&mut write, "raised", &row).await?;
            tracing::info!(alert = %shown(&row).explanation.en, "alert");
        }
        let mut changed = !new.is_empty();
        for (row, counts) in standing.values() {
            if *counts {
                write.update_alert(row).await?;
                changed = true;
            }
        }
        write.put_setting(POSITION, &through.to_string()).await?;
        if let Err(error) = write.commit().await {
            // What the windows hold may not be so: they are read again.
            self.position = None;
            return Err(error.into());
        }
        (self.written, self.written_at) = (*through, now);
        if changed {
            tell(app, ctx.tenant);
        }
        Ok(())
    }
}

/// A condition on events, ready to count; one whose filter does not parse was refused when it was made.
fn counted(condition: &Condition, now: Timestamp) -> Option<Counted<'_>> {
    let filter = sakimori_query::parse(condition.row.filter.as_deref()?, now.0).ok()?;
    let window = Duration::from_secs(u64::from(condition.row.window_secs.unwrap_or(WINDOW_SECS)));
    Some(Counted {
        condition,
        filter,
        threshold: usize::try_from(condition.row.threshold.unwrap_or(1).max(1)).unwrap_or(1),
        window: i64::try_from(window.as_micros()).unwrap_or(i64::MAX),
    })
}

fn group(condition: &Condition, event: &StoredEvent) -> String {
    if condition.row.group_by == "computer" { event.computer.to_string() } else { String::new() }
}
