//! `sakimori tasks`.
use super::{NAMES_MAX, Out, fact, policy_id, word};
use crate::client::Client;
use crate::command_line::{TaskKind, Tasks};
use crate::problem::Failure;
use crate::table::{Table, shown};
use sakimori_api::{NewTask, Task, TaskPatch, TaskRun, TaskRunComputer};
use uuid::Uuid;

pub(super) async fn execute(out: Out, client: &Client, command: Tasks) -> Result<(), Failure> {
    match command {
        Tasks::List => {
            let all: Vec<Task> = client.list("/tasks", &[], NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table = Table::new(&["TASK", "KIND", "SCHEDULE", "NEXT", "LAST RUN", "ID"]);
                for t in all {
                    let when = format!("{} {}", t.schedule, t.time_zone);
                    let last = t.last_run.as_ref().map_or_else(String::new, |run| word(&run.state));
                    let next = t.next_at.clone().unwrap_or_default();
                    table.row([&t.name, &word(&t.kind), &when, &next, &last, &t.id.to_string()]);
                }
                table.to_string()
            })
        }
        Tasks::Show { task } => {
            let task: Task = client.get(&path(client, &task).await?, &[]).await?;
            out.show(&task, text)
        }
        Tasks::Create { name, kind, schedule, time_zone, jitter, window, policy } => {
            let policy_id = match policy {
                Some(policy) => Some(policy_id(client, &policy).await?),
                None => None,
            };
            let new = NewTask {
                name,
                kind: known(kind),
                schedule,
                time_zone: Some(time_zone),
                jitter_secs: Some(jitter),
                window_secs: Some(window),
                policy_id,
                enabled: None,
            };
            let made: Task = client.post("/tasks", &new).await?;
            out.show(&made, text)
        }
        Tasks::Edit { task, schedule, time_zone, enabled } => {
            let path = path(client, &task).await?;
            let etag = client.etag(&path).await?;
            let patch = TaskPatch { schedule, time_zone, enabled, ..Default::default() };
            let changed: Task = client.patch(&path, &etag, &patch).await?;
            out.show(&changed, text)
        }
        Tasks::Run { task } => {
            let path = path(client, &task).await?;
            let run: TaskRun = client.post(&format!("{path}/runs"), &serde_json::json!({})).await?;
            out.show(&run, |run| {
                format!("Begun: 'sakimori tasks computers {}' shows how far it is.\n", run.id)
            })
        }
        Tasks::Runs { task, limit } => {
            let path = path(client, &task).await?;
            let runs: Vec<TaskRun> = client.list(&format!("{path}/runs"), &[], limit).await?;
            out.show(&runs, |runs| {
                let mut table =
                    Table::new(&["DUE", "STATE", "WAITING", "TOLD", "DONE", "FAILED", "MESSAGE", "ID"]);
                for r in runs {
                    let [waiting, sent, done, failed] =
                        [r.waiting, r.sent, r.done, r.failed].map(|n| n.to_string());
                    let (state, id) = (word(&r.state), r.id.to_string());
                    table.row([&r.due_at, &state, &waiting, &sent, &done, &failed, &r.message, &id]);
                }
                table.to_string()
            })
        }
        Tasks::Computers { run } => {
            let path = format!("/task-runs/{run}/computers");
            let all: Vec<TaskRunComputer> = client.list(&path, &[], NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table = Table::new(&["COMPUTER", "STATE", "SINCE", "MESSAGE"]);
                for c in all {
                    let id = c.computer_id.to_string();
                    table.row([c.computer_name.as_ref().unwrap_or(&id), &c.state, &c.at, &c.message]);
                }
                table.to_string()
            })
        }
        Tasks::Delete { task } => {
            client.delete(&path(client, &task).await?, None).await?;
            out.done("Deleted with its runs.")
        }
    }
}

async fn path(client: &Client, task: &str) -> Result<String, Failure> {
    if let Ok(id) = task.parse::<Uuid>() {
        return Ok(format!("/tasks/{id}"));
    }
    let all: Vec<Task> = client.list("/tasks", &[], NAMES_MAX).await?;
    let found = all.iter().find(|one| one.name == task);
    found.map(|one| format!("/tasks/{}", one.id)).ok_or_else(|| {
        Failure::NotFound(format!("no task is called '{task}': 'sakimori tasks list' shows them"))
    })
}

fn known(kind: TaskKind) -> sakimori_api::TaskKind {
    match kind {
        TaskKind::IntegrityScan => sakimori_api::TaskKind::IntegrityScan,
        TaskKind::MalwareScan => sakimori_api::TaskKind::MalwareScan,
        TaskKind::RecommendationScan => sakimori_api::TaskKind::RecommendationScan,
        TaskKind::Backup => sakimori_api::TaskKind::Backup,
        TaskKind::Retention => sakimori_api::TaskKind::Retention,
        TaskKind::Report => sakimori_api::TaskKind::Report,
        TaskKind::ContentUpdate => sakimori_api::TaskKind::ContentUpdate,
    }
}

fn text(task: &Task) -> String {
    let mut text = String::new();
    fact(&mut text, "Task", &shown(&task.name));
    fact(&mut text, "Id", &task.id.to_string());
    fact(&mut text, "Kind", &word(&task.kind));
    fact(&mut text, "Schedule", &shown(&format!("{} {}", task.schedule, task.time_zone)));
    fact(&mut text, "In force", if task.enabled { "yes" } else { "no" });
    fact(&mut text, "Next", task.next_at.as_deref().unwrap_or("never"));
    fact(&mut text, "Spread over", &format!("{} s", task.jitter_secs));
    fact(&mut text, "Window", &format!("{} s", task.window_secs));
    if let Some(run) = &task.last_run {
        fact(&mut text, "Last run", &format!("{} {}", run.due_at, word(&run.state)));
        fact(&mut text, "", &shown(&run.message));
    }
    text
}
