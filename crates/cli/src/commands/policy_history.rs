//! `sakimori policies versions`, `roll-back`, `diff` and dry runs.
use super::firewall::findings_text;
use super::{NAMES_MAX, Out, policy_id, word};
use crate::client::Client;
use crate::command_line::firewall::Language;
use crate::problem::Failure;
use crate::table::{Table, shown};
use sakimori_api::{
    DryRun, Policy, PolicyDiff, PolicyPatch, PolicyVersion, PolicyVersionDetail, RollBack, SettingChange,
    ValueOrigin,
};
use serde_json::Value;
use std::fmt::Write as _;

pub(super) async fn versions(
    out: Out,
    client: &Client,
    policy: &str,
    version: Option<u64>,
) -> Result<(), Failure> {
    let path = format!("/policies/{}/versions", policy_id(client, policy).await?);
    if let Some(version) = version {
        let one: PolicyVersionDetail = client.get(&format!("{path}/{version}"), &[]).await?;
        return out.show(&one, |one| {
            let json = serde_json::to_string_pretty(&one.local).unwrap_or_default();
            format!("{}{json}\n", table(std::slice::from_ref(&one.version)))
        });
    }
    let all: Vec<PolicyVersion> = client.list(&path, &[], NAMES_MAX).await?;
    out.show(&all, |all| table(all))
}

fn table(all: &[PolicyVersion]) -> String {
    let mut table = Table::new(&["VERSION", "AT", "BY", "WHAT", "NAME", "COMMENT"]);
    for v in all {
        table.row([&v.version.to_string(), &v.at, &v.author, &v.action, &v.name, &v.comment]);
    }
    table.to_string()
}

pub(super) async fn roll_back(
    out: Out,
    client: &Client,
    policy: &str,
    version: u64,
    comment: Option<String>,
) -> Result<(), Failure> {
    let path = format!("/policies/{}", policy_id(client, policy).await?);
    let etag = client.etag(&path).await?;
    let asked = RollBack { version, comment };
    let back: Policy = client.post_if(&format!("{path}/roll-back"), &etag, &asked).await?;
    out.show(&back, |back| {
        format!(
            "'{}' is as in version {version} again; it goes out to {} computers now.\n",
            shown(&back.name),
            back.computers
        )
    })
}

/// A policy, or one of its versions: `Web server`, `Web server@3`.
async fn side(client: &Client, text: &str) -> Result<(uuid::Uuid, Option<u64>), Failure> {
    if let Some((name, version)) = text.rsplit_once('@')
        && let Ok(version) = version.parse()
    {
        return Ok((policy_id(client, name).await?, Some(version)));
    }
    Ok((policy_id(client, text).await?, None))
}

pub(super) async fn diff(out: Out, client: &Client, first: &str, second: &str) -> Result<(), Failure> {
    let (first, version) = side(client, first).await?;
    let (second, with_version) = side(client, second).await?;
    let mut query = vec![("with", second.to_string())];
    query.extend(version.map(|version| ("version", version.to_string())));
    query.extend(with_version.map(|version| ("withVersion", version.to_string())));
    let diff: PolicyDiff = client.get(&format!("/policies/{first}/diff"), &query).await?;
    out.show(&diff, |diff| {
        if diff.changes.is_empty() {
            return "Nothing differs.\n".to_owned();
        }
        let mut text = String::new();
        for change in &diff.changes {
            line(&mut text, "", change);
        }
        text
    })
}

/// Says what a change of a policy would do.
pub(super) async fn dry_run(
    out: Out,
    client: &Client,
    policy: &str,
    patch: &PolicyPatch,
) -> Result<(), Failure> {
    let path = format!("/policies/{}/dry-run", policy_id(client, policy).await?);
    let would: DryRun = client.post(&path, patch).await?;
    out.show(&would, effect)
}

/// Which computers enforce something else, and how.
pub(super) fn effect(run: &DryRun) -> String {
    let mut text = String::new();
    let _infallible = writeln!(text, "{} computers enforce something else.", run.computers);
    for group in &run.groups {
        let names: Vec<String> =
            group.examples.iter().take(5).map(|computer| shown(&computer.name)).collect();
        let names = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
        let more = if group.computers > 5 { ", …" } else { "" };
        let _infallible =
            writeln!(text, "\n{} ({} computers{names}{more})", shown(&group.policy_name), group.computers);
        for change in &group.changes {
            line(&mut text, "  ", change);
        }
    }
    if !run.firewall.is_empty() {
        text.push_str("\nThe firewall's rules as they would be:\n");
        text.push_str(&findings_text(&run.firewall, Language::En));
    }
    text
}

fn line(text: &mut String, indent: &str, change: &SettingChange) {
    let path = format!("{}{}", change.module, change.pointer);
    let before = written(change.before.as_ref(), &change.before_origin);
    let after = written(change.after.as_ref(), &change.after_origin);
    let _infallible = writeln!(text, "{indent}{}: {before} -> {after}", shown(&path));
}

fn written(value: Option<&Value>, origin: &ValueOrigin) -> String {
    let value = match value {
        None => "(none)".to_owned(),
        Some(Value::String(text)) => shown(text),
        Some(other) => shown(&other.to_string()),
    };
    let from = if origin.name.is_empty() { word(&origin.kind) } else { shown(&origin.name) };
    format!("{value} [{from}]")
}
