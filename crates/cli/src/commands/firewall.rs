//! `sakimori firewall`.
use super::{Out, computer_id, firewall_changes, policy_id};
use crate::client::Client;
use crate::command_line::firewall::{Explain, Firewall, Language, Lint, Way, Whose};
use crate::problem::Failure;
use crate::table::{Table, shown};
use sakimori_api::{
    Explanation, FirewallAnswer, FirewallFinding, FirewallFindings, FirewallLint, FirewallQuestion,
    SettingsPatch,
};
use sakimori_modules::firewall::Direction;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

pub(super) async fn execute(out: Out, client: &Client, command: Firewall) -> Result<ExitCode, Failure> {
    match command {
        Firewall::Explain(asked) => explain(out, client, *asked).await,
        Firewall::Lint(asked) => lint(out, client, asked).await,
        Firewall::Change(change) => {
            firewall_changes::execute(out, client, change).await.map(|()| ExitCode::SUCCESS)
        }
    }
}

async fn explain(out: Out, client: &Client, asked: Explain) -> Result<ExitCode, Failure> {
    let (path, settings) = whose(client, &asked.whose, "explain").await?;
    let holds = asked.contexts.into_iter().map(|name| (name, true));
    let question = FirewallQuestion {
        direction: Some(if asked.direction == Way::In { Direction::In } else { Direction::Out }),
        from: asked.from,
        to: asked.to,
        frame: asked.frame,
        protocol: asked.protocol,
        port: asked.port,
        source_port: asked.source_port,
        established: asked.established,
        mac: asked.mac,
        flags: asked.flags,
        icmp: asked.icmp_type,
        interface: asked.interface,
        container: asked.container,
        fragment: asked.fragment,
        at: asked.at,
        contexts: holds.chain(asked.not_contexts.into_iter().map(|name| (name, false))).collect(),
        settings,
    };
    let answer: FirewallAnswer = client.post(&path, &question).await?;
    out.show(&answer, |answer| answer_text(answer, asked.language))?;
    Ok(ExitCode::SUCCESS)
}

async fn lint(out: Out, client: &Client, asked: Lint) -> Result<ExitCode, Failure> {
    let (path, settings) = whose(client, &asked.whose, "lint").await?;
    let lint =
        FirewallLint { settings, operator: asked.operator, management_port: Some(asked.management_port) };
    let found: FirewallFindings = client.post(&path, &lint).await?;
    let nothing = found.findings.is_empty();
    out.show(&found, |found| {
        if found.findings.is_empty() {
            "Nothing to say.\n".to_owned()
        } else {
            findings_text(&found.findings, asked.language)
        }
    })?;
    Ok(if nothing { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where to ask, and the settings that are tried.
async fn whose(
    client: &Client,
    whose: &Whose,
    what: &str,
) -> Result<(String, Option<SettingsPatch>), Failure> {
    let settings = whose.file.as_deref().map(settings_of).transpose()?;
    let path = match (&whose.computer, &whose.policy) {
        (Some(computer), _) => format!("/computers/{}/firewall/{what}", computer_id(client, computer).await?),
        (None, Some(policy)) => format!("/policies/{}/firewall/{what}", policy_id(client, policy).await?),
        (None, None) => format!("/firewall/{what}"),
    };
    Ok((path, settings))
}

/// The firewall's settings in a file: alone, as a module's, or as a policy's.
fn settings_of(file: &Path) -> Result<SettingsPatch, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", file.display())))?;
    patch_of(&text).map_err(|why| Failure::Usage(format!("{}: {why}", file.display())))
}

fn patch_of(text: &str) -> Result<SettingsPatch, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    let object = |value: Value| match value {
        Value::Object(members) => Ok(members),
        _ => Err("write the settings as an object: {\"firewall\": {…}}".to_owned()),
    };
    let mut members: Map<String, Value> = object(value)?;
    for outer in ["settings", "firewall"] {
        if let Some(inner) = members.remove(outer) {
            members = object(inner)?;
        }
    }
    Ok(SettingsPatch([("firewall".to_owned(), Some(members))].into()))
}

const fn said(text: &Explanation, language: Language) -> &String {
    match language {
        Language::En => &text.en,
        Language::Ja => &text.ja,
    }
}

fn answer_text(answer: &FirewallAnswer, language: Language) -> String {
    let mut text = String::new();
    for decision in std::iter::once(&answer.decision).chain(&answer.otherwise) {
        let _infallible = writeln!(text, "{}", said(&decision.text, language));
    }
    for unknown in &answer.unknown {
        let _infallible = writeln!(text, "{}", said(unknown, language));
    }
    if answer.rules.is_empty() {
        return text;
    }
    text.push('\n');
    let mut table = Table::new(&["RULE", "ACTION", "WHY"]);
    for rule in &answer.rules {
        let name = rule.rule.as_deref().unwrap_or("(default)");
        table.row([name, &rule.action, &rule.reason]);
    }
    text.push_str(&table.to_string());
    text.push('\n');
    for rule in &answer.rules {
        let name = rule.rule.as_deref().unwrap_or("(default)");
        let _infallible = writeln!(text, "{}: {}", shown(name), said(&rule.text, language));
    }
    if answer.rules_left_out > 0 {
        let _infallible = writeln!(text, "{} other rules match less.", answer.rules_left_out);
    }
    text
}

/// Findings for people, one after another.
pub(super) fn findings_text(findings: &[FirewallFinding], language: Language) -> String {
    let mut text = String::new();
    for one in findings {
        let rule = one.rule.as_deref().map_or_else(String::new, |rule| format!(" rule '{}'", shown(rule)));
        let _infallible = writeln!(
            text,
            "{} {}{rule}: {}\n    {}",
            one.level,
            one.code,
            said(&one.text, language),
            said(&one.remedy, language)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_stand_in_a_file_alone_or_in_a_policy() {
        let alone = r#"{"mode": "prevent", "rules": {}}"#;
        for text in [
            alone.to_owned(),
            format!(r#"{{"firewall": {alone}}}"#),
            format!(r#"{{"name": "x", "settings": {{"firewall": {alone}, "anti-malware": {{}}}}}}"#),
        ] {
            let patch = patch_of(&text).unwrap();
            assert_eq!(serde_json::to_value(&patch.0["firewall"]).unwrap()["mode"], "prevent", "{text}");
            assert_eq!(patch.0.len(), 1);
        }
        assert!(patch_of("[]").is_err() && patch_of("{").is_err() && patch_of(r#"{"firewall": 1}"#).is_err());
    }
}
