//! `sakimori alerts`.
use super::{NAMES_MAX, Out, computer_id, fact, word};
use crate::client::Client;
use crate::command_line::alerts::{self, AlertConditions, AlertNote, Alerts};
use crate::problem::Failure;
use crate::table::{Table, shown};
use sakimori_api::{
    Alert, AlertCondition, AlertConditionPatch, AlertPatch, AlertState, AlertSummary, NewAlertCondition,
    Patch,
};

pub(super) async fn execute(out: Out, client: &Client, command: Alerts) -> Result<(), Failure> {
    match command {
        Alerts::List { state, computer, limit } => {
            let mut filter = Vec::new();
            if let Some(state) = state {
                filter.push(("state", word(&known(state))));
            }
            if let Some(computer) = computer {
                filter.push(("computerId", computer_id(client, &computer).await?.to_string()));
            }
            let alerts: Vec<Alert> = client.list("/alerts", &filter, limit).await?;
            out.show(&alerts, |alerts| {
                let mut table = Table::new(&["LAST", "SEVERITY", "STATE", "COUNT", "WHAT", "ID"]);
                for a in alerts {
                    let what = if a.subject.is_empty() {
                        a.title.en.clone()
                    } else {
                        format!("{}: {}", a.subject, a.title.en)
                    };
                    let (count, id) = (a.count.to_string(), a.id.to_string());
                    table.row([&a.last_at, &a.severity, &word(&a.state), &count, &what, &id]);
                }
                table.to_string()
            })
        }
        Alerts::Show { alert } => {
            let alert: Alert = client.get(&format!("/alerts/{alert}"), &[]).await?;
            out.show(&alert, text)
        }
        Alerts::Acknowledge(about) => set(out, client, AlertState::Acknowledged, about).await,
        Alerts::Dismiss(about) => set(out, client, AlertState::Dismissed, about).await,
        Alerts::Reopen(about) => set(out, client, AlertState::Open, about).await,
        Alerts::Summary => {
            let summary: AlertSummary = client.get("/alerts/summary", &[]).await?;
            out.show(&summary, |summary| {
                let by: Vec<String> =
                    summary.by_severity.iter().map(|(severity, n)| format!("{severity} {n}")).collect();
                format!(
                    "Open: {} ({})\nAcknowledged: {}\n",
                    summary.open,
                    by.join(", "),
                    summary.acknowledged
                )
            })
        }
        Alerts::Conditions(command) => conditions(out, client, command).await,
    }
}

fn known(state: alerts::AlertState) -> AlertState {
    match state {
        alerts::AlertState::Open => AlertState::Open,
        alerts::AlertState::Acknowledged => AlertState::Acknowledged,
        alerts::AlertState::Dismissed => AlertState::Dismissed,
        alerts::AlertState::Resolved => AlertState::Resolved,
    }
}

async fn set(out: Out, client: &Client, state: AlertState, about: AlertNote) -> Result<(), Failure> {
    let path = format!("/alerts/{}", about.alert);
    let patch = AlertPatch { state: Some(state), comment: about.comment };
    // Its count may go up meanwhile; what somebody decided stands all the same.
    let alert: Alert = client.patch(&path, "*", &patch).await?;
    out.show(&alert, text)
}

fn text(alert: &Alert) -> String {
    let mut text = String::new();
    fact(&mut text, "What", &shown(&alert.title.en));
    fact(&mut text, "Severity", &alert.severity);
    fact(&mut text, "State", &word(&alert.state));
    fact(&mut text, "About", &shown(&alert.subject));
    fact(&mut text, "Seen", &format!("{} times", alert.count));
    fact(&mut text, "First", &alert.first_at);
    fact(&mut text, "Last", &alert.last_at);
    if let Some(resolved) = &alert.resolved_at {
        fact(&mut text, "Resolved", resolved);
    }
    if let Some(by) = &alert.state_by {
        fact(&mut text, "Set by", &shown(by));
    }
    if !alert.comment.is_empty() {
        fact(&mut text, "Comment", &shown(&alert.comment));
    }
    for sentence in [&alert.explanation.en, &alert.remedy.en] {
        text.push_str(&sentence.replace(char::is_control, " "));
        text.push('\n');
    }
    text
}

async fn conditions(out: Out, client: &Client, command: AlertConditions) -> Result<(), Failure> {
    match command {
        AlertConditions::List => {
            let all: Vec<AlertCondition> = client.list("/alert-conditions", &[], NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table =
                    Table::new(&["CONDITION", "IN FORCE", "SEVERITY", "THRESHOLD", "FILTER", "ID"]);
                for c in all {
                    let threshold = match (c.threshold, c.threshold_unit) {
                        (Some(number), Some(unit)) => format!("{number} {}", word(&unit)),
                        _ => String::new(),
                    };
                    table.row([
                        &c.title.en,
                        if c.enabled { "yes" } else { "no" },
                        &c.severity,
                        &threshold,
                        c.filter.as_deref().unwrap_or_default(),
                        &c.id,
                    ]);
                }
                table.to_string()
            })
        }
        AlertConditions::Create { name, filter, threshold, window, all_together, severity } => {
            let new = NewAlertCondition {
                name,
                filter,
                threshold: Some(threshold),
                window_secs: Some(window),
                by_computer: Some(!all_together),
                severity: Some(severity),
                enabled: None,
            };
            let made: AlertCondition = client.post("/alert-conditions", &new).await?;
            out.show(&made, |made| format!("Made {}.\n", made.id))
        }
        AlertConditions::Edit { condition, enabled, severity, threshold, filter } => {
            let path = format!("/alert-conditions/{condition}");
            let etag = client.etag(&path).await?;
            let threshold = threshold.map_or(Patch::Keep, Patch::Set);
            let patch = AlertConditionPatch { enabled, severity, threshold, filter, ..Default::default() };
            let changed: AlertCondition = client.patch(&path, &etag, &patch).await?;
            out.show(&changed, |changed| format!("Changed {}.\n", changed.id))
        }
        AlertConditions::Delete { condition } => {
            client.delete(&format!("/alert-conditions/{condition}"), None).await?;
            out.done("Deleted.")
        }
    }
}
