//! Events for the live streams of consoles: what arrived here is told at once; what arrived at another manager of the same
//! database is read from there, in order, some seconds later.
use crate::app::{App, News, stopped};
use crate::events::{EventStore as _, StoredEvent};
use crate::problem::Refused;
use sakimori_query::Filter;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// How often other managers' events are looked for.
const LOOK: Duration = Duration::from_millis(500);
/// Events of one look; whoever watches more than twice as many a second is told that some were left out.
const MOST: u32 = 500;
/// Events that were told at once and are remembered until they are met again.
const REMEMBERED: usize = 20_000;

/// Which events were told already.
#[derive(Debug, Default)]
pub(crate) struct Live {
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    ids: HashSet<Uuid>,
    oldest_first: VecDeque<Uuid>,
}

impl Told {
    fn add(&mut self, id: Uuid) {
        if self.ids.insert(id) {
            self.oldest_first.push_back(id);
        }
        if self.oldest_first.len() > REMEMBERED
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

impl App {
    /// Tells consoles of events that have just been kept here.
    pub(crate) fn tell_events(&self, tenant: Uuid, events: Vec<StoredEvent>) {
        if self.news.receiver_count() == 0 {
            return;
        }
        let several = self.nodes.any();
        for event in events {
            if several {
                self.live.told.lock().unwrap_or_else(PoisonError::into_inner).add(event.id);
            }
            self.tell_event(tenant, event);
        }
    }

    fn tell_event(&self, tenant: Uuid, event: StoredEvent) {
        match serde_json::to_string(&crate::http::events::shown(event)) {
            Ok(data) => self.tell(News { tenant, kind: "event", data }),
            Err(error) => tracing::error!(%error, "an event could not be shown"),
        }
    }
}

/// Tells consoles of events that arrive at other managers, until this one ends.
pub(crate) async fn run(app: Arc<App>) {
    if !app.store.may_be_shared() {
        return;
    }
    let mut stopping = app.stopping.clone();
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut positions = HashMap::new();
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = stopped(&mut stopping) => return,
        }
        if !app.nodes.any() || app.news.receiver_count() == 0 {
            // Whoever comes later is told of what comes later.
            positions.clear();
            continue;
        }
        if let Err(refused) = look(&app, &mut positions).await {
            tracing::error!(title = %refused.title, "other managers' events could not be read for consoles");
        }
    }
}

async fn look(app: &App, positions: &mut HashMap<Uuid, Uuid>) -> Result<(), Refused> {
    for tenant in app.store.tenants().await? {
        let (nothing, everything) = (Filter::Or(Vec::new()), Filter::everything());
        let end = || app.events.follow(tenant, &nothing, Uuid::nil(), 1);
        let Some(position) = positions.get(&tenant).copied() else {
            positions.insert(tenant, end().await?.through);
            continue;
        };
        let followed = app.events.follow(tenant, &everything, position, MOST).await?;
        let full = followed.events.len() >= usize::try_from(MOST).unwrap_or(usize::MAX);
        for event in followed.events {
            let known = app.live.told.lock().unwrap_or_else(PoisonError::into_inner).ids.contains(&event.id);
            if !known {
                app.tell_event(tenant, event);
            }
        }
        let through = if full {
            app.tell(News { tenant, kind: "lagged", data: MOST.to_string() });
            end().await?.through
        } else {
            followed.through
        };
        positions.insert(tenant, through);
    }
    Ok(())
}
