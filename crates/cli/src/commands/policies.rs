//! `sakimori policies` and `rules`.
use super::{NAMES_MAX, Out, fact, policy_files, policy_history, policy_id};
use crate::client::Client;
use crate::command_line::policies::{Policies, RuleMode, Rules, Settings};
use crate::problem::Failure;
use crate::table::{Table, shown};
use sakimori_api::{ContentInForce, NewPolicy, Policy, PolicyPatch, Rule, SettingsInForce, SettingsPatch};
use sakimori_modules::settings::pointer;
use sakimori_modules::{configurable, module};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use uuid::Uuid;

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
        Policies::Create { name, description, parent, settings, comment } => {
            let parent_id = match parent {
                Some(parent) => Some(policy_id(client, &parent).await?),
                None => None,
            };
            let new = NewPolicy { name, description, parent_id, settings: patch_of(&settings)?, comment };
            let made: Policy = client.post("/policies", &new).await?;
            out.show(&made, text)
        }
        Policies::Edit { policy, name, description, settings, comment, dry_run } => {
            let settings = Some(patch_of(&settings)?).filter(|patch| !patch.is_empty());
            let patch = PolicyPatch { name, description, settings, comment, ..PolicyPatch::default() };
            if dry_run {
                return policy_history::dry_run(out, client, &policy, &patch).await;
            }
            change(out, client, &policy, patch).await
        }
        Policies::Versions { policy, version } => {
            policy_history::versions(out, client, &policy, version).await
        }
        Policies::RollBack { policy, version, comment } => {
            policy_history::roll_back(out, client, &policy, version, comment).await
        }
        Policies::Diff { first, second } => policy_history::diff(out, client, &first, &second).await,
        Policies::Export(export) => policy_files::export(out, client, export).await,
        Policies::Apply(apply) => policy_files::apply(out, client, apply).await,
        Policies::SetRuleMode { policy, sid, mode } => {
            let mode = match mode {
                RuleMode::Off => "off",
                RuleMode::Detect => "detect",
                RuleMode::Prevent => "prevent",
                RuleMode::Inherit => "inherit",
            };
            let setting = format!("intrusion-prevention.ruleModes.{sid}={mode}");
            let settings = Some(patch_of(&Settings { set: vec![setting] })?);
            change(out, client, &policy, PolicyPatch { settings, ..PolicyPatch::default() }).await
        }
        Policies::Delete { policy } => {
            let path = format!("/policies/{}", policy_id(client, &policy).await?);
            let etag = client.etag(&path).await?;
            client.delete(&path, Some(&etag)).await?;
            out.done("Deleted.")
        }
    }
}

pub(super) async fn change(
    out: Out,
    client: &Client,
    policy: &str,
    patch: PolicyPatch,
) -> Result<(), Failure> {
    let path = format!("/policies/{}", policy_id(client, policy).await?);
    let etag = client.etag(&path).await?;
    let changed: Policy = client.patch(&path, &etag, &patch).await?;
    out.show(&changed, |changed| {
        let computers = changed.computers;
        format!("{}\nIt goes out to {computers} computers now.\n", text(changed).trim_end())
    })
}

/// The settings that `--set` names; all wrong ones are told at once.
pub(super) fn patch_of(settings: &Settings) -> Result<SettingsPatch, Failure> {
    let mut patch = SettingsPatch::default();
    let mut wrong = Vec::new();
    for setting in &settings.set {
        if let Err(why) = set_one(&mut patch, setting) {
            wrong.push(why);
        }
    }
    if wrong.is_empty() { Ok(patch) } else { Err(Failure::Usage(wrong.join("\n"))) }
}

fn set_one(patch: &mut SettingsPatch, setting: &str) -> Result<(), String> {
    let (path, text) =
        setting.split_once('=').ok_or_else(|| format!("'{setting}' is not MODULE.SETTING=VALUE"))?;
    let mut parts = path.splitn(3, '.');
    let id = parts.next().unwrap_or_default();
    let kind = module(id).and_then(|module| module.settings.as_ref()).ok_or_else(|| {
        let names: Vec<&str> = configurable().map(|(module, _)| module.id).collect();
        format!("'{id}' is no module: {} are", names.join(", "))
    })?;
    let defaults = kind.defaults();
    let property = parts.next().unwrap_or_default();
    let default = defaults.get(property).ok_or_else(|| {
        let names: Vec<&str> = defaults.keys().map(String::as_str).collect();
        format!("'{property}' is no setting of {id}: {} are", names.join(", "))
    })?;
    let of_module = patch.0.entry(id.to_owned()).or_default().get_or_insert_with(Map::new);
    match (parts.next(), kind.is_keyed(property)) {
        (Some(key), true) => {
            let entries = of_module.entry(property).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(entries) = entries {
                entries.insert(key.to_owned(), value(text, &Value::Null));
            }
        }
        (None, _) => {
            of_module.insert(property.to_owned(), value(text, default));
        }
        (Some(_), false) => return Err(format!("'{property}' of {id} has no parts")),
    }
    Ok(())
}

/// A value as it was written, in the form that its default has. What does not fit is refused by the manager.
fn value(text: &str, default: &Value) -> Value {
    match default {
        _ if text == "inherit" => Value::Null,
        Value::Array(_) if !text.starts_with('[') => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            items.map(|item| Value::String(item.to_owned())).collect()
        }
        Value::String(_) => Value::String(text.to_owned()),
        _ => serde_json::from_str(text).unwrap_or_else(|_no_json| Value::String(text.to_owned())),
    }
}

fn table(all: &[Policy]) -> String {
    let name_of =
        |id| all.iter().find(|policy| Some(policy.id) == id).map_or("", |policy| policy.name.as_str());
    let mut table = Table::new(&["NAME", "INHERITS FROM", "MODULES", "COMPUTERS", "ID"]);
    for p in all {
        let on = p.settings.0.iter().filter_map(|(module, settings)| {
            let mode = settings.get("mode")?.as_str().filter(|mode| *mode != "off")?;
            Some(format!("{module}: {mode}"))
        });
        let on: Vec<String> = on.collect();
        table.row([
            &p.name,
            name_of(p.parent_id),
            &on.join(", "),
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
    settings_text(&mut text, &p.settings, &p.origins, p.id);
    text
}

/// Settings in force: what `own` sets itself is not marked.
pub(super) fn settings_text(
    text: &mut String,
    settings: &SettingsInForce,
    origins: &BTreeMap<String, BTreeMap<String, Uuid>>,
    own: Uuid,
) {
    for (module, settings) in &settings.0 {
        let origins = origins.get(module);
        let from = |at: &str| match origins.and_then(|origins| origins.get(at)) {
            None => " (default)",
            Some(id) if *id == own => "",
            Some(_) => " (inherited)",
        };
        for (name, value) in settings {
            match value {
                Value::Object(entries) => {
                    for (key, entry) in entries {
                        let at = format!("{}{}", pointer(name), pointer(key));
                        fact(text, &shown(&format!("{module}.{name}.{key}")), &written(entry, from(&at)));
                    }
                }
                other => fact(text, &format!("{module}.{name}"), &written(other, from(&pointer(name)))),
            }
        }
    }
}

fn written(value: &Value, from: &str) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let each = items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            each.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    format!("{}{from}", shown(&text))
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
        Rules::Version => {
            let content: ContentInForce = client.get("/content", &[]).await?;
            out.show(&content, |content| {
                let mut text = String::new();
                fact(&mut text, "Pack", &shown(&content.name));
                fact(&mut text, "Version", &format!("{} of {}", content.version, shown(&content.date)));
                fact(&mut text, "Rules", &content.rules.to_string());
                fact(&mut text, "Updated", content.updated_at.as_deref().unwrap_or("came with the manager"));
                let source = if content.source {
                    "looked for by tasks of the kind content-update"
                } else {
                    "no source"
                };
                fact(&mut text, "Newer ones", source);
                text
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
        let set = [
            "intrusion-prevention.mode=prevent",
            "intrusion-prevention.httpPorts=80, 8000-8090",
            "intrusion-prevention.answerPage=inherit",
            "intrusion-prevention.ruleModes.7=off",
            "anti-malware.maxFileBytes=4096",
            "web-reputation.blocked.bad.example=malware",
            r#"firewall.rules.ssh={"action":"allow","direction":"in"}"#,
        ];
        let patch = patch_of(&Settings { set: set.map(str::to_owned).to_vec() }).ok().unwrap();
        assert_eq!(
            serde_json::to_value(patch).unwrap(),
            serde_json::json!({
                "intrusion-prevention": {"mode": "prevent", "httpPorts": ["80", "8000-8090"], "answerPage": null,
                    "ruleModes": {"7": "off"}},
                "anti-malware": {"maxFileBytes": 4096},
                "web-reputation": {"blocked": {"bad.example": "malware"}},
                "firewall": {"rules": {"ssh": {"action": "allow", "direction": "in"}}},
            })
        );
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let set =
            ["tea.mode=on", "firewall.colour=red", "mode", "firewall.mode.x=1"].map(str::to_owned).to_vec();
        let words = patch_of(&Settings { set }).unwrap_err().to_string();
        assert_eq!(words.lines().count(), 4, "{words}");
    }
}
