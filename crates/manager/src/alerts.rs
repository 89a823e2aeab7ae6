//! Alerts: what somebody should look at.
//!
//! Two sources. *States*: every few seconds it is asked what is the matter now, and that is compared with the alerts
//! that stand: what is new is raised, what has gone is resolved ([`states`]). *Events*: they are followed in the order
//! of arrival behind a position that is written down together with what it came to, so that a manager killed in
//! between counts nothing twice and leaves nothing out ([`occurrences`]). One manager at a time does both, by lease.
//!
//! One alert stands for a condition and a group (a computer, a module of it, a channel); what comes counts into it.
pub(crate) mod conditions;
mod occurrences;
mod states;

use crate::app::{App, News, stopped};
use crate::clock;
use crate::problem::Refused;
use crate::store::{AlertRow, ConditionRow, StoreError, TenantCtx, Write};
use conditions::{BUILT_IN, BuiltIn, built_in, explain_own};
use sakimori_api::{Alert, AlertState, Explanation, ThresholdUnit};
use sakimori_model::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A manager that was killed is replaced after this long.
const LEASE: Duration = Duration::from_secs(30);
/// Events are looked for this often.
const FOLLOW: Duration = Duration::from_secs(1);
/// Window of a condition that says none, in seconds.
pub(crate) const WINDOW_SECS: u32 = 300;

/// A condition in force: the product's as people changed it, or one of their own.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    /// Its word or id.
    pub(crate) id: String,
    /// The product's, where it is one.
    pub(crate) built_in: Option<&'static BuiltIn>,
    /// As it is in the store, with the product's own values where it has no row.
    pub(crate) row: ConditionRow,
}

impl Condition {
    fn of_product(condition: &'static BuiltIn, changed: Option<&ConditionRow>) -> Self {
        let threshold = condition.threshold.map(|(threshold, _)| threshold);
        let mut row = ConditionRow {
            id: condition.id.to_owned(),
            name: condition.id.to_owned(),
            enabled: true,
            severity: condition.severity.to_string(),
            threshold,
            window_secs: None,
            filter: condition.events.map(str::to_owned),
            group_by: "computer".to_owned(),
            revision: 0,
            updated_at: Timestamp(0),
        };
        if let Some(changed) = changed {
            row.enabled = changed.enabled;
            row.severity.clone_from(&changed.severity);
            row.threshold = changed.threshold.filter(|_| threshold.is_some()).or(threshold);
            row.revision = changed.revision;
            row.updated_at = changed.updated_at;
        }
        Self { id: row.id.clone(), built_in: Some(condition), row }
    }

    /// The condition as it is, from its row where it has one; nothing where there is none of this id.
    pub(crate) fn of(id: &str, row: Option<&ConditionRow>) -> Option<Self> {
        match (built_in(id), row) {
            (Some(condition), row) => Some(Self::of_product(condition, row)),
            (None, Some(row)) => Some(Self { id: row.id.clone(), built_in: None, row: row.clone() }),
            (None, None) => None,
        }
    }

    /// All conditions: the product's first.
    pub(crate) fn all(rows: &[ConditionRow]) -> Vec<Self> {
        let of_product = BUILT_IN
            .iter()
            .map(|condition| Self::of_product(condition, rows.iter().find(|row| row.id == condition.id)));
        let own = rows.iter().filter(|row| built_in(&row.id).is_none());
        of_product
            .chain(own.map(|row| Self { id: row.id.clone(), built_in: None, row: row.clone() }))
            .collect()
    }

    /// Whether events raise it.
    fn on_events(&self) -> bool {
        self.row.filter.is_some()
    }

    /// The threshold's unit.
    pub(crate) fn unit(&self) -> Option<ThresholdUnit> {
        match self.built_in {
            Some(condition) => condition.threshold.map(|(_, unit)| unit),
            None => Some(ThresholdUnit::Events),
        }
    }
}

/// A cause as it was seen.
#[derive(Clone, Debug)]
struct Cause {
    group: String,
    subject: String,
    computer: Option<Uuid>,
    args: BTreeMap<String, String>,
}

/// An alert as the API shows it.
pub(crate) fn shown(row: &AlertRow) -> Alert {
    let (title, explanation, remedy) = if let Some(condition) = built_in(&row.condition) {
        (condition.title.into(), condition.explain(&row.subject, &row.args), condition.remedy.into())
    } else {
        let name = Explanation::new(row.condition_name.clone(), row.condition_name.clone());
        let (explanation, remedy) = explain_own(&row.condition_name, &row.subject, row.count);
        (name, explanation, remedy)
    };
    Alert {
        id: row.id,
        condition_id: row.condition.clone(),
        title,
        explanation,
        remedy,
        severity: row.severity.clone(),
        state: match row.state.as_str() {
            "acknowledged" => AlertState::Acknowledged,
            "dismissed" => AlertState::Dismissed,
            "resolved" => AlertState::Resolved,
            _ => AlertState::Open,
        },
        active: row.active,
        subject: row.subject.clone(),
        computer_id: row.computer,
        count: u64::try_from(row.count).unwrap_or_default(),
        first_at: clock::text(row.first_at),
        last_at: clock::text(row.last_at),
        resolved_at: row.resolved_at.map(clock::text),
        comment: row.comment.clone(),
        state_by: (!row.state_by.is_empty()).then(|| row.state_by.clone()),
        state_at: row.state_at.map(clock::text),
        args: row.args.clone(),
        etag: format!("\"{}\"", row.revision),
    }
}

/// Notes in the transaction what became of an alert, for the channels.
pub(crate) async fn note(write: &mut Write, what: &str, row: &AlertRow) -> Result<(), StoreError> {
    let alert = serde_json::to_string(&shown(row)).map_err(|e| StoreError::Damaged("alert", e))?;
    write.insert_alert_change(what, &alert).await
}

/// Tells consoles that alerts have changed.
pub(crate) fn tell(app: &App, tenant: Uuid) {
    app.tell(News { tenant, kind: "alert", data: "{}".to_owned() });
}

fn raised(condition: &Condition, cause: &Cause, count: i64, now: Timestamp) -> AlertRow {
    AlertRow {
        id: Uuid::now_v7(),
        condition: condition.id.clone(),
        condition_name: condition.row.name.clone(),
        group: cause.group.clone(),
        subject: cause.subject.clone(),
        computer: cause.computer,
        severity: condition.row.severity.clone(),
        state: "open".to_owned(),
        active: true,
        count,
        first_at: now,
        last_at: now,
        resolved_at: None,
        args: cause.args.clone(),
        comment: String::new(),
        state_by: String::new(),
        state_at: None,
        revision: 1,
    }
}

/// An alert that says nothing, to try a channel with.
pub(crate) fn example(now: Timestamp) -> Alert {
    let words = |en: &str, ja: &str| Explanation::new(en.to_owned(), ja.to_owned());
    Alert {
        id: Uuid::now_v7(),
        condition_id: "test".to_owned(),
        title: words("Test of a channel", "チャネルのテスト"),
        explanation: words(
            "This is a test: nothing is the matter.",
            "これはテストです。問題は発生していません。",
        ),
        remedy: words("There is nothing to do.", "対応は不要です。"),
        severity: "info".to_owned(),
        state: AlertState::Open,
        active: false,
        subject: String::new(),
        computer_id: None,
        count: 1,
        first_at: clock::text(now),
        last_at: clock::text(now),
        resolved_at: None,
        comment: String::new(),
        state_by: None,
        state_at: None,
        args: BTreeMap::new(),
        etag: String::new(),
    }
}

/// Raises and resolves alerts until the manager ends.
pub(crate) async fn run(app: Arc<App>, sweep: Duration) {
    let mut stopping = app.stopping.clone();
    let mut sweeps = tokio::time::interval(sweep);
    let mut follows = tokio::time::interval(FOLLOW.min(sweep));
    for interval in [&mut sweeps, &mut follows] {
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    }
    let mut states = states::States::default();
    let mut followers: HashMap<Uuid, occurrences::Follower> = HashMap::new();
    loop {
        let sweeping = tokio::select! {
            _ = sweeps.tick() => true,
            _ = follows.tick() => false,
            () = stopped(&mut stopping) => return,
        };
        let now = app.clock.now();
        let result = async {
            if !app.store.lease("alerts", app.instance, LEASE, now).await? {
                // Somebody else does it; what is remembered here grows old.
                states = states::States::default();
                followers.clear();
                return Ok(());
            }
            for tenant in app.store.tenants().await? {
                let ctx = TenantCtx::system(tenant);
                let conditions = Condition::all(&app.store.alert_conditions(&ctx).await?);
                if sweeping {
                    states.sweep(&app, &ctx, &conditions, now).await?;
                } else {
                    followers.entry(tenant).or_default().follow(&app, &ctx, &conditions, now).await?;
                }
            }
            Ok::<(), Refused>(())
        };
        if let Err(refused) = result.await {
            tracing::error!(title = %refused.title, "alerts could not be looked for");
        }
    }
}
