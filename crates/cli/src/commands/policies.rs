//! `sakimori policies` and `rules`.
use super::{NAMES_MAX, Out, fact, policy_id, word};
use crate::client::Client;
use crate::command_line::{Policies, RuleMode, Rules, Settings};
use crate::problem::Failure;
use crate::table::{Table, shown};
use sakimori_api::{
    FailureResponse, IntrusionPreventionPatch, Mode, NewPolicy, Patch, Policy, PolicyPatch, Rule,
};
use std::collections::BTreeMap;

pub(super) async fn execute(out: Out, client: &Client, command: Policies) -> Result<(), Failure> {
    match command {
        Policies::List => {
            let all: Vec<Policy> = client.list("/policies", &[], NAMES_MAX).await?;
            out.show(&all, |all| table(all))
        }
        Policies::Show { policy } => {
            let id = policy_id(client, &policy).await?;
            let policy: Policy = client.get(&format!("/policies/{id}"), &[]).await?;
            out.show(&policy, text)
        }
        Policies::Create { name, description, parent, settings } => {
            let parent_id = match parent {
                Some(parent) => Some(policy_id(client, &parent).await?),
                None => None,
            };
            let new = NewPolicy { name, description, parent_id, intrusion_prevention: patch_of(&settings)? };
            let made: Policy = client.post("/policies", &new).await?;
            out.show(&made, text)
        }
        Policies::Edit { policy, name, description, settings } => {
            let intrusion_prevention =
                Some(patch_of(&settings)?).filter(|patch| *patch != IntrusionPreventionPatch::default());
            change(
                out,
                client,
                &policy,
                PolicyPatch { name, description, intrusion_prevention, ..PolicyPatch::default() },
            )
            .await
        }
        Policies::SetRuleMode { policy, sid, mode } => {
            let mode = match mode {
                RuleMode::Off => Some(Mode::Off),
                RuleMode::Detect => Some(Mode::Detect),
                RuleMode::Prevent => Some(Mode::Prevent),
                RuleMode::Inherit => None,
            };
            let rule_modes = Patch::Set(BTreeMap::from([(sid.to_string(), mode)]));
            let settings = IntrusionPreventionPatch { rule_modes, ..IntrusionPreventionPatch::default() };
            change(
                out,
                client,
                &policy,
                PolicyPatch { intrusion_prevention: Some(settings), ..PolicyPatch::default() },
            )
            .await
        }
        Policies::Delete { policy } => {
            let path = format!("/policies/{}", policy_id(client, &policy).await?);
            let etag = client.etag(&path).await?;
            client.delete(&path, Some(&etag)).await?;
            out.done("Deleted.")
        }
    }
}

async fn change(out: Out, client: &Client, policy: &str, patch: PolicyPatch) -> Result<(), Failure> {
    let path = format!("/policies/{}", policy_id(client, policy).await?);
    let etag = client.etag(&path).await?;
    let changed: Policy = client.patch(&path, &etag, &patch).await?;
    out.show(&changed, |changed| {
        let computers = changed.computers;
        format!("{}\nIt goes out to {computers} computers now.\n", text(changed).trim_end())
    })
}

/// The settings that `--set` names; all wrong ones are told at once.
fn patch_of(settings: &Settings) -> Result<IntrusionPreventionPatch, Failure> {
    let mut patch = IntrusionPreventionPatch::default();
    let mut wrong = Vec::new();
    for setting in &settings.set {
        let Some((key, value)) = setting.split_once('=') else {
            wrong.push(format!("'{setting}' is not KEY=VALUE"));
            continue;
        };
        let taken = match key {
            "mode" => set(&mut patch.mode, value, mode),
            "failureResponse" => set(&mut patch.failure_response, value, |text| match text {
                "open" => Some(FailureResponse::Open),
                "closed" => Some(FailureResponse::Closed),
                _ => None,
            }),
            "httpPorts" => set(&mut patch.http_ports, value, |text| {
                Some(
                    text.split(',')
                        .map(|port| port.trim().to_owned())
                        .filter(|port| !port.is_empty())
                        .collect(),
                )
            }),
            "answerPage" => set(&mut patch.answer_page, value, |text| text.parse().ok()),
            "defaultRuleMode" => set(&mut patch.default_rule_mode, value, mode),
            _ => {
                wrong.push(format!(
                    "'{key}' is no setting: mode, failureResponse, httpPorts, answerPage, defaultRuleMode are"
                ));
                continue;
            }
        };
        if !taken {
            wrong.push(format!("'{value}' is no value of {key}: 'sakimori policies edit --help' shows them"));
        }
    }
    if wrong.is_empty() { Ok(patch) } else { Err(Failure::Usage(wrong.join("\n"))) }
}

fn set<T>(member: &mut Patch<T>, text: &str, parse: impl FnOnce(&str) -> Option<T>) -> bool {
    if text == "inherit" {
        *member = Patch::Clear;
        return true;
    }
    parse(text).is_some_and(|value| {
        *member = Patch::Set(value);
        true
    })
}

fn mode(text: &str) -> Option<Mode> {
    match text {
        "off" => Some(Mode::Off),
        "detect" => Some(Mode::Detect),
        "prevent" => Some(Mode::Prevent),
        _ => None,
    }
}

fn table(all: &[Policy]) -> String {
    let name_of =
        |id| all.iter().find(|policy| Some(policy.id) == id).map_or("", |policy| policy.name.as_str());
    let mut table = Table::new(&["NAME", "INHERITS FROM", "INTRUSION PREVENTION", "COMPUTERS", "ID"]);
    for p in all {
        table.row([
            &p.name,
            name_of(p.parent_id),
            &word(&p.intrusion_prevention.mode),
            &p.computers.to_string(),
            &p.id.to_string(),
        ]);
    }
    table.to_string()
}

fn text(p: &Policy) -> String {
    let mut text = String::new();
    fact(&mut text, "Name", &shown(&p.name));
    fact(&mut text, "Id", &p.id.to_string());
    fact(&mut text, "Description", &shown(&p.description));
    fact(&mut text, "Computers", &p.computers.to_string());
    let own = |name: &str| if p.overridden.iter().any(|set| set == name) { "" } else { " (inherited)" };
    let settings = &p.intrusion_prevention;
    let ports = settings.http_ports.join(", ");
    let rows = [
        ("mode", word(&settings.mode)),
        ("failureResponse", word(&settings.failure_response)),
        ("httpPorts", ports),
        ("answerPage", settings.answer_page.to_string()),
        ("defaultRuleMode", word(&settings.default_rule_mode)),
    ];
    for (name, value) in rows {
        fact(&mut text, name, &format!("{value}{}", own(name)));
    }
    for (sid, mode) in &settings.rule_modes {
        let inherited = if p.overridden_rule_modes.contains(sid) { "" } else { " (inherited)" };
        fact(&mut text, &format!("rule {sid}"), &format!("{}{inherited}", word(mode)));
    }
    text
}

pub(super) async fn rules(out: Out, client: &Client, command: Rules) -> Result<(), Failure> {
    match command {
        Rules::List { query } => {
            let filter: Vec<_> = query.map(|query| ("q", query)).into_iter().collect();
            let all: Vec<Rule> = client.list("/rules", &filter, NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table = Table::new(&["SID", "SEVERITY", "CVE", "MESSAGE"]);
                for r in all {
                    table.row([&r.sid.to_string(), &r.severity, &r.cves.join(" "), &r.message]);
                }
                table.to_string()
            })
        }
        Rules::Show { sid } => {
            let rule: Rule = client.get(&format!("/rules/{sid}"), &[]).await?;
            out.show(&rule, |r| {
                let mut text = String::new();
                fact(&mut text, "Sid", &format!("{} rev {}", r.sid, r.rev));
                fact(&mut text, "Message", &shown(&r.message));
                fact(&mut text, "CVE", &r.cves.join(", "));
                fact(&mut text, "CVSS", &r.cvss.map_or_else(String::new, |score| score.to_string()));
                fact(&mut text, "Severity", &r.severity);
                fact(&mut text, "Protects", &shown(&r.application_type));
                fact(&mut text, "Published", &format!("{}, updated {}", r.published, r.updated));
                for reference in &r.references {
                    fact(&mut text, "Reference", &shown(reference));
                }
                format!("{text}\n{}\n", r.text)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_a_merge_patch() {
        let set =
            ["mode=prevent", "httpPorts=80, 8000-8090", "answerPage=inherit"].map(str::to_owned).to_vec();
        let patch = patch_of(&Settings { set }).ok().unwrap();
        assert_eq!(
            serde_json::to_value(patch).unwrap(),
            serde_json::json!({"mode": "prevent", "httpPorts": ["80", "8000-8090"], "answerPage": null})
        );
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let set = ["mode=maybe", "colour=red", "mode"].map(str::to_owned).to_vec();
        let words = patch_of(&Settings { set }).unwrap_err().to_string();
        assert_eq!(words.lines().count(), 3, "{words}");
    }
}
