//! What each command does.
mod access;
mod agent;
mod alerts;
mod auto_tags;
mod channels;
mod computers;
mod events;
mod firewall;
mod firewall_changes;
mod fleet;
mod inspect;
mod inventory;
mod lists;
mod operations;
mod policies;
mod policy_files;
mod policy_history;
mod tasks;
mod upgrades;
mod waf;

use crate::client::Client;
use crate::command_line::{Command, CommandLine, Output};
use crate::problem::Failure;
use crate::profile::Profile;
use crate::table::harmless;
use clap::CommandFactory as _;
use sakimori_api::{Computer, ComputerGroup, Policy, SavedSearch};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::ExitCode;
use uuid::Uuid;

/// Members of a list that are looked at to find a name.
const NAMES_MAX: usize = 100_000;

/// Does what the command line says.
pub(crate) async fn execute(line: CommandLine) -> Result<ExitCode, Failure> {
    let out = Out { json: line.output == Output::Json };
    let client = || Client::new(Profile::in_force()?);
    match line.command {
        Command::Login(login) => access::log_in(out, login).await,
        Command::Logout => access::log_out(out).await,
        Command::Computers(command) => computers::execute(out, &client()?, command).await,
        Command::Groups(command) => fleet::groups(out, &client()?, command).await,
        Command::EventBasedTasks(command) => fleet::tasks(out, &client()?, command).await,
        Command::Fleet(command) => fleet::fleet(out, &client()?, command).await,
        Command::Searches(command) => fleet::searches(out, &client()?, command).await,
        Command::Policies(command) => policies::execute(out, &client()?, command).await,
        Command::Firewall(command) => return firewall::execute(out, &client()?, command).await,
        Command::Lists(command) => lists::execute(out, &client()?, command).await,
        Command::Events(command) => events::execute(out, &client()?, command).await,
        Command::AutoTags(command) => auto_tags::execute(out, &client()?, command).await,
        Command::Alerts(command) => alerts::execute(out, &client()?, command).await,
        Command::Channels(command) => channels::execute(out, &client()?, command).await,
        Command::Tasks(command) => tasks::execute(out, &client()?, command).await,
        Command::Operations(command) => operations::execute(out, &client()?, command).await,
        Command::AgentPackages(command) => upgrades::packages(out, &client()?, command).await,
        Command::Upgrades(command) => upgrades::execute(out, &client()?, command).await,
        Command::Tokens(command) => access::tokens(out, &client()?, command).await,
        Command::Users(command) => access::users(out, &client()?, command).await,
        Command::ApiKeys(command) => access::api_keys(out, &client()?, command).await,
        Command::Rules(command) => policies::rules(out, &client()?, command).await,
        Command::Waf(command) => return waf::execute(out, client, command).await,
        Command::Audit(command) => access::audit(out, &client()?, command).await,
        Command::Agent(command) => return agent::execute(out, command),
        Command::Inspect(asked) => inspect::execute(&asked),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut CommandLine::command(), "sakimori", &mut script);
            write_out(&script)
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

/// How to show what came of it.
#[derive(Clone, Copy, Debug)]
struct Out {
    json: bool,
}

// === impl Out ===

impl Out {
    /// Shows a value: as JSON, or as `text` makes of it.
    fn show<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if self.json {
            let mut json = serde_json::to_vec_pretty(value)?;
            json.push(b'\n');
            return write_out(&json);
        }
        write_out(harmless(&text(value)).as_bytes())
    }

    /// Says that it was done; scripts have the exit code.
    fn done(self, words: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { write_out(harmless(&format!("{words}\n")).as_bytes()) }
    }
}

/// Writes to standard output. A reader that went away (`| head`) is no failure.
fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The id of a policy named by id or name.
async fn policy_id(client: &Client, text: &str) -> Result<Uuid, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let all: Vec<Policy> = client.list("/policies", &[], NAMES_MAX).await?;
    let found = all.iter().find(|policy| policy.name == text);
    found.map(|policy| policy.id).ok_or_else(|| {
        Failure::NotFound(format!("no policy is called '{text}': 'sakimori policies list' shows them"))
    })
}

/// The id of a computer named by id, display name or host name.
async fn computer_id(client: &Client, text: &str) -> Result<Uuid, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let all: Vec<Computer> = client.list("/computers", &[("q", text.to_owned())], NAMES_MAX).await?;
    let mut found = all.iter().filter(|c| c.display_name == text || c.host_name == text);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.id),
        (Some(_), Some(_)) => {
            Err(Failure::Usage(format!("several computers are called '{text}': give the id")))
        }
        _ => Err(Failure::NotFound(format!(
            "no computer is called '{text}': 'sakimori computers list' shows them"
        ))),
    }
}

/// The id of a group named by id or name.
async fn group_id(client: &Client, text: &str) -> Result<Uuid, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let all: Vec<ComputerGroup> = client.list("/computer-groups", &[], NAMES_MAX).await?;
    let found = all.iter().find(|group| group.name == text);
    found.map(|group| group.id).ok_or_else(|| {
        Failure::NotFound(format!("no group is called '{text}': 'sakimori groups list' shows them"))
    })
}

/// The id of a saved search named by id or name.
async fn search_id(client: &Client, text: &str) -> Result<Uuid, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let all: Vec<SavedSearch> = client.list("/saved-searches", &[], NAMES_MAX).await?;
    let found = all.iter().find(|search| search.name == text);
    found.map(|search| search.id).ok_or_else(|| {
        Failure::NotFound(format!("no saved search is called '{text}': 'sakimori searches list' shows them"))
    })
}

/// A tag as it is typed: KEY or KEY=VALUE.
fn tag(text: &str) -> (String, String) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (key.to_owned(), value.to_owned())
}

/// Tags as they are shown.
fn tags_text(tags: &BTreeMap<String, String>) -> String {
    let each =
        tags.iter().map(|(key, value)| if value.is_empty() { key.clone() } else { format!("{key}={value}") });
    each.collect::<Vec<_>>().join(", ")
}

/// A word of the API, as it is on the wire.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_unserialisable) => String::new(),
    }
}

/// Name and value, aligned.
fn fact(text: &mut String, name: &str, value: &str) {
    use std::fmt::Write as _;
    let _infallible = writeln!(text, "{name:<18} {value}");
}
