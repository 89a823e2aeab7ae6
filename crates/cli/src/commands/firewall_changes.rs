//! `sakimori firewall`: changes of the firewall on a live server.
use super::{NAMES_MAX, Out, computer_id, fact, policies, word};
use crate::client::Client;
use crate::command_line::firewall_changes::Change;
use crate::problem::Failure;
use crate::table::Table;
use sakimori_api::{
    FirewallChangeRef, FirewallChangeState, FirewallOrder, FirewallRuleGroup, FirewallSource,
    FirewallStanding, PolicyPatch, SettingsPatch,
};
use sakimori_modules::firewall::FirewallRule;
use serde_json::{Map, Value};
use uuid::Uuid;

pub(super) async fn execute(out: Out, client: &Client, command: Change) -> Result<(), Failure> {
    match command {
        Change::Status { computer } => {
            let id = computer_id(client, &computer).await?;
            out.show(&state(client, id).await?, text)
        }
        Change::Confirm { computer } => change(out, client, &computer, "confirm").await,
        Change::Revert { computer } => change(out, client, &computer, "revert").await,
        Change::Groups => {
            let all: Vec<FirewallRuleGroup> = client.list("/firewall/rule-groups", &[], NAMES_MAX).await?;
            out.show(&all, |all| groups(all))
        }
        Change::AddGroup { policy, group, remote, comment } => {
            add_group(out, client, &policy, &group, remote, comment).await
        }
        Change::LetIn { computer, source } => {
            let id = computer_id(client, &computer).await?;
            let path = format!("/computers/{id}/firewall/let-in");
            let asked: FirewallOrder = client.post(&path, &FirewallSource { source }).await?;
            out.show(&asked, told)
        }
        Change::Retry { computer } => {
            let id = computer_id(client, &computer).await?;
            let path = format!("/computers/{id}/firewall/retry");
            let asked: FirewallOrder = client.post(&path, &serde_json::json!({})).await?;
            out.show(&asked, told)
        }
    }
}

async fn state(client: &Client, id: Uuid) -> Result<FirewallChangeState, Failure> {
    client.get(&format!("/computers/{id}/firewall"), &[]).await
}

/// An operator's word on the change that is on trial now.
async fn change(out: Out, client: &Client, computer: &str, word: &str) -> Result<(), Failure> {
    let id = computer_id(client, computer).await?;
    let now = state(client, id).await?;
    let number = now.number.filter(|_| now.standing == FirewallStanding::OnTrial);
    let number = number.ok_or_else(|| {
        Failure::NotFound(format!(
            "no change of the firewall is on trial on '{computer}': 'sakimori firewall status' shows how it stands"
        ))
    })?;
    let path = format!("/computers/{id}/firewall/{word}");
    let asked: FirewallOrder = client.post(&path, &FirewallChangeRef { number }).await?;
    out.show(&asked, told)
}

/// Adds a group's rules to those that a policy sets itself.
async fn add_group(
    out: Out,
    client: &Client,
    policy: &str,
    group: &str,
    remote: Vec<String>,
    comment: Option<String>,
) -> Result<(), Failure> {
    let all: Vec<FirewallRuleGroup> = client.list("/firewall/rule-groups", &[], NAMES_MAX).await?;
    let group = all.into_iter().find(|one| one.id == group).ok_or_else(|| {
        Failure::NotFound(format!("no group is called '{group}': 'sakimori firewall groups' shows them"))
    })?;
    if group.asks_remote == remote.is_empty() {
        let words = if group.asks_remote {
            "say with --remote which addresses the other side has; 0.0.0.0/0 and ::/0 are everybody"
        } else {
            "this group holds for everybody: leave out --remote"
        };
        return Err(Failure::Usage(format!("{}: {words}", group.id)));
    }
    let rules = group.rules.into_iter().map(|(name, rule)| {
        Ok((name, serde_json::to_value(FirewallRule { remote: remote.clone(), ..rule })?))
    });
    let rules: Map<String, Value> = rules.collect::<Result<_, serde_json::Error>>()?;
    let module = Map::from_iter([("rules".to_owned(), Value::Object(rules))]);
    let settings = SettingsPatch([("firewall".to_owned(), Some(module))].into());
    let patch = PolicyPatch { settings: Some(settings), comment, ..PolicyPatch::default() };
    policies::change(out, client, policy, patch).await
}

fn groups(all: &[FirewallRuleGroup]) -> String {
    let mut table = Table::new(&["GROUP", "NAME", "ASKS FOR", "ABOUT"]);
    for one in all {
        let asks = if one.asks_remote { "--remote" } else { "" };
        table.row([&one.id, &one.title.en, asks, &one.about.en]);
    }
    table.to_string()
}

fn told(asked: &FirewallOrder) -> String {
    let when = if asked.online { "now" } else { "when it comes back into contact, if it still waits then" };
    format!("The computer is told {when}.\n")
}

fn text(state: &FirewallChangeState) -> String {
    let mut text = String::new();
    fact(&mut text, "Standing", &word(&state.standing));
    for (name, value) in [
        ("Change", state.number.map(|number| number.to_string())),
        ("Manager by", state.manager_until.clone()),
        ("Operator by", state.operator_until.clone()),
        ("Released until", state.released_until.clone()),
    ] {
        if let Some(value) = value {
            fact(&mut text, name, &value);
        }
    }
    text
}
