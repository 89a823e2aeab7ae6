//! `sakimori groups`, `event-based-tasks`, `fleet`, `searches`.
use super::{NAMES_MAX, Out, computer_id, fact, group_id, word};
use crate::client::Client;
use crate::command_line::fleet::{Fleet, Groups, Searches, Tasks, Trigger};
use crate::problem::Failure;
use crate::table::{Table, shown};
use sakimori_api::{
    ComputerGroup, ComputerGroupPatch, EventBasedTask, EventBasedTaskPatch, FleetCoverage, FleetSettings,
    FleetSettingsPatch, NewComputerGroup, NewEventBasedTask, NewSavedSearch, Patch, SavedSearch,
    SearchSubject, TaskFacts, TaskTrial, TaskVerdict,
};
use std::io::Read as _;
use uuid::Uuid;

/// Bound of a task's file, in bytes.
const FILE_BYTES: u64 = 1 << 20;

pub(super) async fn groups(out: Out, client: &Client, command: Groups) -> Result<(), Failure> {
    match command {
        Groups::List => {
            let all: Vec<ComputerGroup> = client.list("/computer-groups", &[], NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table = Table::new(&["NAME", "COMPUTERS", "DESCRIPTION", "ID"]);
                tree(&mut table, all, None, 0);
                table.to_string()
            })
        }
        Groups::Create { name, description, parent } => {
            let parent_id = match parent {
                Some(parent) => Some(group_id(client, &parent).await?),
                None => None,
            };
            let new = NewComputerGroup { name, description, parent_id };
            let made: ComputerGroup = client.post("/computer-groups", &new).await?;
            out.show(&made, |group| format!("Group '{}' made: {}\n", shown(&group.name), group.id))
        }
        Groups::Edit { group, name, description, parent } => {
            let parent_id = match parent.as_deref() {
                None => Patch::Keep,
                Some("none") => Patch::Clear,
                Some(parent) => Patch::Set(group_id(client, parent).await?),
            };
            let path = format!("/computer-groups/{}", group_id(client, &group).await?);
            let etag = client.etag(&path).await?;
            let patch = ComputerGroupPatch { name, description, parent_id };
            let changed: ComputerGroup = client.patch(&path, &etag, &patch).await?;
            out.show(&changed, |group| format!("Group '{}' changed.\n", shown(&group.name)))
        }
        Groups::Delete { group } => {
            client.delete(&format!("/computer-groups/{}", group_id(client, &group).await?), None).await?;
            out.done("Deleted.")
        }
    }
}

/// The groups below `parent`, each under its own. A manager that says a cycle is not followed for ever.
fn tree(table: &mut Table, all: &[ComputerGroup], parent: Option<Uuid>, depth: usize) {
    if depth > all.len() {
        return;
    }
    for group in all.iter().filter(|group| group.parent_id == parent) {
        let name = format!("{}{}", "  ".repeat(depth), group.name);
        table.row([&name, &group.computers.to_string(), &group.description, &group.id.to_string()]);
        tree(table, all, Some(group.id), depth + 1);
    }
}

async fn task(client: &Client, text: &str) -> Result<EventBasedTask, Failure> {
    let all: Vec<EventBasedTask> = client.list("/event-based-tasks", &[], NAMES_MAX).await?;
    all.into_iter().find(|task| task.name == text || task.id.to_string() == text).ok_or_else(|| {
        Failure::NotFound(format!(
            "no event-based task is called '{text}': 'sakimori event-based-tasks list' shows them"
        ))
    })
}

pub(super) async fn tasks(out: Out, client: &Client, command: Tasks) -> Result<(), Failure> {
    let json = |task: &EventBasedTask| serde_json::to_string_pretty(task).unwrap_or_default() + "\n";
    match command {
        Tasks::List => {
            let all: Vec<EventBasedTask> = client.list("/event-based-tasks", &[], NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table =
                    Table::new(&["PLACE", "NAME", "IN FORCE", "WHEN", "CONDITIONS", "DOES", "ID"]);
                for t in all {
                    let when: Vec<String> = t.triggers.iter().map(word).collect();
                    let does: Vec<String> = t.actions.iter().map(|action| word(&action.action)).collect();
                    table.row([
                        &t.position.to_string(),
                        &t.name,
                        if t.enabled { "yes" } else { "no" },
                        &when.join(", "),
                        &t.conditions.len().to_string(),
                        &does.join(", "),
                        &t.id.to_string(),
                    ]);
                }
                table.to_string()
            })
        }
        Tasks::Show { task: name } => out.show(&task(client, &name).await?, json),
        Tasks::Apply { file } => {
            let new = read(&file)?;
            let all: Vec<EventBasedTask> = client.list("/event-based-tasks", &[], NAMES_MAX).await?;
            let applied: EventBasedTask = match all.iter().find(|task| task.name == new.name) {
                None => client.post("/event-based-tasks", &new).await?,
                Some(known) => {
                    let patch = EventBasedTaskPatch {
                        name: None,
                        position: new.position,
                        enabled: new.enabled,
                        triggers: Some(new.triggers),
                        conditions: Some(new.conditions),
                        actions: Some(new.actions),
                    };
                    client.patch(&format!("/event-based-tasks/{}", known.id), &known.etag, &patch).await?
                }
            };
            out.show(&applied, |task| {
                format!("Event-based task '{}' is as the file says.\n", shown(&task.name))
            })
        }
        Tasks::Disable { task: name } => set_enabled(out, client, &name, false).await,
        Tasks::Enable { task: name } => set_enabled(out, client, &name, true).await,
        Tasks::Delete { task: name } => {
            client.delete(&format!("/event-based-tasks/{}", task(client, &name).await?.id), None).await?;
            out.done("Deleted. What it did stays.")
        }
        Tasks::Test { computer, trigger, facts } => {
            let computer_id = match computer {
                Some(computer) => Some(computer_id(client, &computer).await?),
                None => None,
            };
            let facts: TaskFacts = match facts {
                Some(text) => serde_json::from_str(&text)
                    .map_err(|error| Failure::Usage(format!("--facts is not what is expected: {error}")))?,
                None => TaskFacts::default(),
            };
            let trigger = match trigger {
                Trigger::Activated => sakimori_api::Trigger::Activated,
                Trigger::Returned => sakimori_api::Trigger::Returned,
                Trigger::AddressChanged => sakimori_api::Trigger::AddressChanged,
                Trigger::CloudChanged => sakimori_api::Trigger::CloudChanged,
            };
            let verdict: TaskVerdict =
                client.post("/event-based-tasks/test", &TaskTrial { trigger, computer_id, facts }).await?;
            out.show(&verdict, said)
        }
    }
}

async fn set_enabled(out: Out, client: &Client, name: &str, enabled: bool) -> Result<(), Failure> {
    let known = task(client, name).await?;
    let patch = EventBasedTaskPatch { enabled: Some(enabled), ..EventBasedTaskPatch::default() };
    let changed: EventBasedTask =
        client.patch(&format!("/event-based-tasks/{}", known.id), &known.etag, &patch).await?;
    out.show(&changed, |task| {
        format!("'{}' is {}.\n", shown(&task.name), if task.enabled { "in force" } else { "not in force" })
    })
}

fn read(file: &std::path::Path) -> Result<NewEventBasedTask, Failure> {
    let mut text = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin().lock().take(FILE_BYTES).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(file)?.take(FILE_BYTES).read_to_string(&mut text)?;
    }
    serde_json::from_str(&text)
        .map_err(|error| Failure::Usage(format!("{} is no event-based task: {error}", file.display())))
}

fn said(verdict: &TaskVerdict) -> String {
    let mut text = String::new();
    for task in &verdict.tasks {
        fact(&mut text, if task.fits { "fits" } else { "does not fit" }, &shown(&task.name));
        for tried in &task.conditions {
            let c = &tried.condition;
            let key = c.key.as_deref().map(|key| format!(".{key}")).unwrap_or_default();
            let line = format!(
                "{} {}{key} {}{} \"{}\", is: {}",
                if tried.met { "met" } else { "not met" },
                word(&c.field),
                if c.negate { "not " } else { "" },
                word(&c.pattern),
                c.value,
                if tried.values.is_empty() { "(not said)".to_owned() } else { tried.values.join(", ") },
            );
            fact(&mut text, "", &shown(&line));
        }
        for (what, actions) in [("decides", &task.decides), ("overruled", &task.overruled)] {
            if !actions.is_empty() {
                let words: Vec<String> = actions.iter().map(word).collect();
                fact(&mut text, "", &format!("{what}: {}", words.join(", ")));
            }
        }
    }
    if verdict.tasks.is_empty() {
        text.push_str("No event-based task waits for that.\n");
    }
    text
}

pub(super) async fn fleet(out: Out, client: &Client, command: Fleet) -> Result<(), Failure> {
    match command {
        Fleet::Coverage => {
            let coverage: FleetCoverage = client.get("/coverage", &[]).await?;
            out.show(&coverage, covered)
        }
        Fleet::Settings => {
            let settings: FleetSettings = client.get("/fleet-settings", &[]).await?;
            out.show(&settings, settings_text)
        }
        Fleet::Set(set) => {
            let patch = FleetSettingsPatch {
                suspend_after_secs: set.suspend_after,
                clean_up_after_secs: set.clean_up_after,
                brake_percent: set.brake_percent,
                brake_count: set.brake_count,
                brake_window_secs: set.brake_window,
            };
            let etag = client.etag("/fleet-settings").await?;
            let settings: FleetSettings = client.patch("/fleet-settings", &etag, &patch).await?;
            out.show(&settings, settings_text)
        }
        Fleet::ReleaseBrake => {
            let nothing = serde_json::json!({});
            let settings: FleetSettings = client.post("/fleet-settings/release-brake", &nothing).await?;
            out.show(&settings, settings_text)
        }
    }
}

fn settings_text(settings: &FleetSettings) -> String {
    let mut text = String::new();
    fact(&mut text, "Suspended after", &format!("{} s", settings.suspend_after_secs));
    fact(&mut text, "Cleaned up after", &format!("{} s", settings.clean_up_after_secs));
    let brake = format!(
        "when over {} % and at least {} computers go within {} s",
        settings.brake_percent, settings.brake_count, settings.brake_window_secs
    );
    fact(&mut text, "Brake", &brake);
    match &settings.brake {
        None => fact(&mut text, "", "off"),
        Some(brake) => fact(
            &mut text,
            "",
            &format!(
                "ON since {}: {} of {} had gone. Nothing is suspended or cleaned up; 'sakimori fleet release-brake' ends that.",
                brake.since, brake.lost, brake.of
            ),
        ),
    }
    text
}

fn covered(coverage: &FleetCoverage) -> String {
    let mut table = Table::new(&["MODULE", "FULL", "PARTIAL", "NONE", "UNKNOWN"]);
    let mut why = Table::new(&["MODULE", "COMPUTERS", "WHY NOT"]);
    for m in &coverage.modules {
        table.row([
            &m.module,
            &m.full.to_string(),
            &m.partial.to_string(),
            &m.none.to_string(),
            &m.unknown.to_string(),
        ]);
        for finding in &m.findings {
            why.row([&m.module, &finding.computers.to_string(), &finding.text.en]);
        }
    }
    let statuses: Vec<String> =
        coverage.statuses.iter().map(|(status, count)| format!("{count} {}", word(status))).collect();
    format!("{} computers ({})\n\n{table}\n{why}", coverage.computers, statuses.join(", "))
}

pub(super) async fn searches(out: Out, client: &Client, command: Searches) -> Result<(), Failure> {
    match command {
        Searches::List => {
            let all: Vec<SavedSearch> = client.list("/saved-searches", &[], NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table = Table::new(&["NAME", "OF", "FILTER", "OWNER", "SHARED", "ID"]);
                for s in all {
                    table.row([
                        &s.name,
                        &word(&s.subject),
                        &s.filter,
                        &s.owner_name,
                        if s.shared { "yes" } else { "no" },
                        &s.id.to_string(),
                    ]);
                }
                table.to_string()
            })
        }
        Searches::Create { name, filter, computers, shared: others } => {
            let subject = if computers { SearchSubject::Computers } else { SearchSubject::Events };
            let new = NewSavedSearch { name, subject, filter, shared: others };
            let made: SavedSearch = client.post("/saved-searches", &new).await?;
            out.show(&made, |search| format!("Kept '{}': {}\n", shown(&search.name), search.id))
        }
        Searches::Delete { search } => {
            client
                .delete(&format!("/saved-searches/{}", super::search_id(client, &search).await?), None)
                .await?;
            out.done("Forgotten.")
        }
    }
}
