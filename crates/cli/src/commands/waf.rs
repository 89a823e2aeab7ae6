//! `sakimori waf`.
use super::{NAMES_MAX, Out, policy_id};
use crate::client::Client;
use crate::command_line::waf::{Check, Exclude, Rules, Waf};
use crate::problem::Failure;
use crate::table::Table;
use sakimori_api::{NewWafExclusion, WafEffect, WafExclusionMade, WafRuleSet};
use sakimori_inspection::offline::Conversation;
use sakimori_inspection::{Config, Engine, WebFirewall};
use sakimori_model::{IntrusionPrevention, Mode as EngineMode};
use sakimori_modules::Mode;
use sakimori_modules::web_application_firewall::{WebApplicationFirewall, WebAttack};
use sakimori_signatures::{Variables, compile};
use sakimori_waf::{RuleFiles, Upload, configure, detail, enforce, pack, unpack};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Files of a folder that are looked at.
const FOLDER_FILES: usize = 20_000;
/// Bytes of a file that are read: archives of rules have less than a megabyte.
const FILE_BYTES: u64 = 64 << 20;
/// Bytes of a packet, as requests are played.
const PACKET_BYTES: usize = 1400;

pub(super) async fn execute(
    out: Out,
    client: impl FnOnce() -> Result<Client, Failure>,
    command: Waf,
) -> Result<ExitCode, Failure> {
    match command {
        Waf::Rules(command) => rules(out, &client()?, command).await?,
        Waf::Exclude(asked) => exclude(out, &client()?, asked).await?,
        Waf::Check(asked) => return check(out, &asked),
    }
    Ok(ExitCode::SUCCESS)
}

async fn rules(out: Out, client: &Client, command: Rules) -> Result<(), Failure> {
    match command {
        Rules::List => {
            let all: Vec<WafRuleSet> = client.list("/waf-rule-sets", &[], NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table = Table::new(&["NAME", "VERSION", "RULES", "POLICIES", "IMPORTED"]);
                for set in all {
                    let (rules, policies) = (set.rules.to_string(), set.policies.join(", "));
                    table.row([&set.name, &set.version, &rules, &policies, &set.imported_at]);
                }
                table.to_string()
            })
        }
        Rules::Import { files, name } => {
            let files = read(&files)?;
            let packed = pack(&files).map_err(anyhow::Error::from)?;
            let mut query = vec![("file", "rules.tar.gz".to_owned())];
            query.extend(name.map(|name| ("name", name)));
            let made: WafRuleSet = client.send_bytes("/waf-rule-sets", &query, packed).await?;
            out.show(&made, |made| {
                let mut text = format!("{}: {} rules in {} files\n", made.name, made.rules, made.files.len());
                for warning in &made.warnings {
                    let _infallible = writeln!(
                        text,
                        "{}:{}: {}. {}",
                        warning.file, warning.line, warning.title, warning.help
                    );
                }
                text
            })
        }
        Rules::Delete { rule_set } => {
            let all: Vec<WafRuleSet> = client.list("/waf-rule-sets", &[], NAMES_MAX).await?;
            let named = |set: &&WafRuleSet| set.name == rule_set || set.id.to_string() == rule_set;
            let found = all.iter().find(named).ok_or_else(|| {
                Failure::NotFound(format!(
                    "no rule set is called '{rule_set}': 'sakimori waf rules list' shows them"
                ))
            })?;
            client.delete(&format!("/waf-rule-sets/{}", found.id), None).await?;
            out.done("deleted")
        }
    }
}

async fn exclude(out: Out, client: &Client, asked: Exclude) -> Result<(), Failure> {
    let policy_id = match &asked.policy {
        Some(policy) => Some(policy_id(client, policy).await?),
        None => None,
    };
    let question = NewWafExclusion { rule: asked.rule, policy_id, dry_run: asked.dry_run };
    let made: WafExclusionMade =
        client.post(&format!("/events/{}/waf-exclusions", asked.event), &question).await?;
    out.show(&made, |made| {
        let mut text = String::new();
        for (name, exclusion) in &made.exclusions {
            let rule = if exclusion.rule == 0 { exclusion.tag.clone() } else { exclusion.rule.to_string() };
            let what = if exclusion.variable.is_empty() { "anything" } else { &exclusion.variable };
            let path = if exclusion.path.is_empty() { "any path" } else { &exclusion.path };
            let _infallible = writeln!(text, "{name}: rule {rule} does not look at {what} on {path}");
        }
        text.push_str(&effect_text(&made.effect));
        let _infallible = if made.saved {
            writeln!(text, "In the policy '{}' now.", made.policy_name)
        } else {
            writeln!(text, "Not saved: without --dry-run the policy '{}' gets them.", made.policy_name)
        };
        text
    })
}

fn effect_text(effect: &WafEffect) -> String {
    let more = if effect.more { " (the newest)" } else { "" };
    let mut text = format!(
        "Of the last day's {} events{more}, {} were or would have been blocked; {} of those would pass, and {} events would \
         not be there.\n",
        effect.events, effect.blocked, effect.passing, effect.silenced
    );
    for example in &effect.examples {
        let _infallible = writeln!(text, "  {} {}: {}", example.client, example.request, example.message);
    }
    text
}

/// Reads rule files, from archives and folders too.
fn read(paths: &[PathBuf]) -> Result<RuleFiles, Failure> {
    let mut contents = Vec::new();
    for path in paths {
        gather(path, &mut contents)?;
    }
    let uploads: Vec<Upload<'_>> = contents.iter().map(|(name, content)| Upload { name, content }).collect();
    unpack(&uploads).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})")).unwrap_or_default();
        Failure::Usage(format!("{error}{cause}"))
    })
}

fn gather(path: &Path, contents: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| Failure::Usage(format!("{}: {error}", path.display()));
    if !path.is_dir() {
        contents.push((path.display().to_string(), bytes(path)?));
        return Ok(());
    }
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path).map_err(unreadable)?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries {
        if contents.len() >= FOLDER_FILES {
            return Err(Failure::Usage(format!("{}: more than {FOLDER_FILES} files", path.display())));
        }
        let wanted = |ending: &str| entry.to_string_lossy().ends_with(ending);
        if entry.is_dir() || [".conf", ".conf.example", ".data"].into_iter().any(wanted) {
            gather(&entry, contents)?;
        }
    }
    Ok(())
}

/// A file's content, up to the bound.
fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| Failure::Usage(format!("{}: {error}", path.display()));
    let mut content = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    #[expect(clippy::disallowed_methods, reason = "it is capped")]
    file.take(FILE_BYTES).read_to_end(&mut content).map_err(unreadable)?;
    Ok(content)
}

/// What rules say of one file of requests.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked {
    file: String,
    blocked: bool,
    found: Vec<WebAttack>,
}

fn check(out: Out, asked: &Check) -> Result<ExitCode, Failure> {
    let mut settings = match &asked.settings {
        None => WebApplicationFirewall::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
            serde_json::from_str(&text)
                .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?
        }
    };
    settings.mode = Mode::Prevent;
    settings.report_below_threshold = true;
    let compiled = configure(&settings, &read(&asked.rules)?).compiled;
    let Some(ruleset) = compiled.ruleset else {
        let all: Vec<String> = compiled.diagnostics.iter().map(ToString::to_string).collect();
        return Err(Failure::Usage(format!("the rules do not compile:\n{}", all.join("\n"))));
    };
    let web = enforce(&settings, ruleset);
    let mut all = Vec::new();
    for path in &asked.requests {
        let (blocked, found) = play(&web, &bytes(path)?);
        all.push(Checked { file: path.display().to_string(), blocked, found });
    }
    let blocked = all.iter().any(|checked| checked.blocked);
    out.show(&all, |all| all.iter().map(text).collect())?;
    Ok(if blocked { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Plays requests as one connection; whether it was blocked, and what was found.
fn play(web: &WebFirewall, bytes: &[u8]) -> (bool, Vec<WebAttack>) {
    let settings = IntrusionPrevention { mode: EngineMode::Off, ..IntrusionPrevention::default() };
    let none = Arc::new(compile(&[], &Variables::default()).rules);
    let mut engine = Engine::new(Config::new(settings, 1, 2), none);
    engine.set_web_firewall(Some(web.clone()));
    let mut connection = Conversation::new(80);
    connection.open(&mut engine);
    let mut blocked = false;
    for piece in bytes.chunks(PACKET_BYTES) {
        if connection.send(&mut engine, piece).mark == sakimori_inspection::FlowMark::Blocked {
            blocked = true;
            break;
        }
    }
    (blocked, engine.drain_web_attacks().map(|attack| detail(&attack, "")).collect())
}

fn text(checked: &Checked) -> String {
    let verdict = if checked.blocked { "blocked" } else { "passes" };
    let mut text = format!("{}: {verdict}\n", checked.file);
    for attack in &checked.found {
        let _infallible = writeln!(
            text,
            "  {} {}: score {} of {}",
            attack.http.method, attack.http.target, attack.score, attack.threshold
        );
        for rule in &attack.rules {
            let _infallible = writeln!(text, "    {} {} [{}]", rule.id, rule.message, rule.severity);
            for target in &rule.targets {
                let _infallible = writeln!(text, "      {}: {}", target.variable, target.value);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str =
        "SecRule ARGS \"@contains union select\" \"id:7,phase:2,deny,log,msg:'SQL injection',severity:2\"\n";

    #[test]
    fn recorded_requests_are_judged_by_rules_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("rules");
        std::fs::create_dir(&rules).unwrap();
        std::fs::write(rules.join("a.conf"), RULES).unwrap();
        std::fs::write(rules.join("README"), "no rules").unwrap();
        let settings = WebApplicationFirewall { mode: Mode::Prevent, ..WebApplicationFirewall::default() };
        let files = read(&[rules]).unwrap();
        let web = enforce(&settings, configure(&settings, &files).compiled.ruleset.unwrap());
        let (blocked, found) = play(&web, b"GET /?q=1+union+select+2 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(blocked);
        let said = text(&Checked { file: "r".into(), blocked, found });
        assert!(said.contains("r: blocked") && said.contains("ARGS:q: 1 union select 2"), "{said}");
        let (blocked, found) = play(&web, b"GET /?q=tea HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(!blocked && found.is_empty());
    }

    #[test]
    fn what_is_no_rule_set_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(&[folder.path().to_owned()]).unwrap_err();
        assert!(error.to_string().contains(".conf"), "{error}");
    }
}
