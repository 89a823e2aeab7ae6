//! `sakimori operations`: what takes the manager longer than a request.
use super::{Out, word};
use crate::client::Client;
use crate::command_line::events::Exported;
use crate::command_line::operations::{Operations, Work};
use crate::problem::Failure;
use crate::table::{Table, shown};
use sakimori_api::{NewEventExport, Operation, OperationState};
use std::path::Path;
use std::time::Duration;

/// How often it is looked whether an operation has ended.
const LOOK: Duration = Duration::from_millis(500);

pub(super) async fn execute(out: Out, client: &Client, command: Operations) -> Result<(), Failure> {
    match command {
        Operations::List { limit } => {
            let all: Vec<Operation> = client.list("/operations", &[], limit).await?;
            out.show(&all, |all| {
                let mut table =
                    Table::new(&["CREATED", "KIND", "STATE", "DONE", "ASKED BY", "MESSAGE", "ID"]);
                for o in all {
                    let done = progress(o);
                    let (kind, state, id) = (word(&o.kind), word(&o.state), o.id.to_string());
                    table.row([&o.created_at, &kind, &state, &done, &o.asked_by, &o.message, &id]);
                }
                table.to_string()
            })
        }
        Operations::Show { operation } => {
            let operation: Operation = client.get(&format!("/operations/{operation}"), &[]).await?;
            out.show(&operation, text)
        }
        Operations::Start { work, wait, output_file } => {
            let begun = start(client, work).await?;
            if !wait && output_file.is_none() {
                return out.show(&begun, |o| {
                    format!("Begun: 'sakimori operations show {}' says how far it is.\n", o.id)
                });
            }
            let path = format!("/operations/{}", begun.id);
            let mut operation = begun;
            while operation.state == OperationState::Running {
                tokio::time::sleep(LOOK).await;
                operation = client.get(&path, &[]).await?;
            }
            if operation.state == OperationState::Failed {
                return Err(anyhow::anyhow!("{}", shown(&operation.message)).into());
            }
            if let Some(file) = output_file {
                fetch(client, &operation, &file).await?;
            }
            out.show(&operation, text)
        }
        Operations::Fetch { operation, output_file } => {
            let operation: Operation = client.get(&format!("/operations/{operation}"), &[]).await?;
            fetch(client, &operation, &output_file).await?;
            out.done(&format!("Written to {}.", output_file.display()))
        }
    }
}

async fn start(client: &Client, work: Work) -> Result<Operation, Failure> {
    let nothing = serde_json::json!({});
    match work {
        Work::EventExport(Exported { format, filter, from, to, sort, limit }) => {
            let (format, sort) = (format.into(), Some(sort.into()));
            client.post("/events/exports", &NewEventExport { format, filter, from, to, sort, limit }).await
        }
        Work::Backup => client.post("/backups", &nothing).await,
        Work::RecommendationScan => client.post("/recommendation-scans", &nothing).await,
    }
}

/// Fetches what an operation made.
async fn fetch(client: &Client, operation: &Operation, file: &Path) -> Result<(), Failure> {
    if operation.result.is_none() {
        return Err(Failure::Usage(format!("this operation has no file: {}", shown(&operation.message))));
    }
    client.fetch(&format!("/operations/{}/result", operation.id), &[], file).await
}

fn progress(operation: &Operation) -> String {
    match operation.total {
        Some(total) => format!("{} of {total}", operation.done),
        None => operation.done.to_string(),
    }
}

fn text(operation: &Operation) -> String {
    let mut text = String::new();
    super::fact(&mut text, "Kind", &word(&operation.kind));
    super::fact(&mut text, "State", &word(&operation.state));
    super::fact(&mut text, "Done", &progress(operation));
    super::fact(&mut text, "Message", &shown(&operation.message));
    super::fact(&mut text, "Asked by", &shown(&operation.asked_by));
    super::fact(&mut text, "Created", &operation.created_at);
    super::fact(&mut text, "Finished", operation.finished_at.as_deref().unwrap_or("not yet"));
    super::fact(&mut text, "Id", &operation.id.to_string());
    text
}
