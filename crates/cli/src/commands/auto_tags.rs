//! `sakimori auto-tags`.
use super::{NAMES_MAX, Out};
use crate::client::Client;
use crate::command_line::events::AutoTags;
use crate::problem::Failure;
use crate::table::Table;
use sakimori_api::{AutoTagRule, AutoTagRulePatch, NewAutoTagRule};
use uuid::Uuid;

pub(super) async fn execute(out: Out, client: &Client, command: AutoTags) -> Result<(), Failure> {
    match command {
        AutoTags::List => {
            let all: Vec<AutoTagRule> = client.list("/auto-tag-rules", &[], NAMES_MAX).await?;
            out.show(&all, |all| table(all))
        }
        AutoTags::Create { name, filter, tag } => {
            let new = NewAutoTagRule { name, filter, tag, enabled: None };
            let made: AutoTagRule = client.post("/auto-tag-rules", &new).await?;
            out.show(&made, |made| table(std::slice::from_ref(made)))
        }
        AutoTags::Edit { rule, name, filter, tag, enabled } => {
            let path = path(client, &rule).await?;
            let etag = client.etag(&path).await?;
            let patch = AutoTagRulePatch { name, filter, tag, enabled };
            let changed: AutoTagRule = client.patch(&path, &etag, &patch).await?;
            out.show(&changed, |changed| table(std::slice::from_ref(changed)))
        }
        AutoTags::Delete { rule } => {
            client.delete(&path(client, &rule).await?, None).await?;
            out.done("Deleted. Events keep their tags.")
        }
    }
}

fn table(rules: &[AutoTagRule]) -> String {
    let mut table = Table::new(&["RULE", "TAG", "IN FORCE", "FILTER", "ID"]);
    for rule in rules {
        let enabled = if rule.enabled { "yes" } else { "no" };
        table.row([&rule.name, &rule.tag, enabled, &rule.filter, &rule.id.to_string()]);
    }
    table.to_string()
}

async fn path(client: &Client, rule: &str) -> Result<String, Failure> {
    if let Ok(id) = rule.parse::<Uuid>() {
        return Ok(format!("/auto-tag-rules/{id}"));
    }
    let all: Vec<AutoTagRule> = client.list("/auto-tag-rules", &[], NAMES_MAX).await?;
    let found = all.iter().find(|one| one.name == rule);
    found.map(|one| format!("/auto-tag-rules/{}", one.id)).ok_or_else(|| {
        Failure::NotFound(format!("no rule is called '{rule}': 'sakimori auto-tags list' shows them"))
    })
}
