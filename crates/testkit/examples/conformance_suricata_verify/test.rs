//! One test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sakimori_model::Level;
use sakimori_recordings::{Replay, frames};
use sakimori_signatures::{RuleSet, SourceFile, compile_with};
use serde_json::{Map, Value};

use crate::{filter, settings};

/// The version whose behaviour is compared.
const VERSION: [u32; 3] = [8, 0, 8];
/// Events that the comparison is about.
const EVENTS: [&str; 8] = ["alert", "drop", "http", "dns", "tls", "fileinfo", "anomaly", "flow"];
/// Features of a build for whose sake no test is skipped: what of them is missing here fails.
const FEATURES: [&str; 3] = ["HAVE_JA3", "HAVE_JA4", "MAGIC"];
/// Application protocols by which tests are told apart, as events and names of tests have them.
const PROTOCOLS: [&str; 24] = [
    "http2", "http", "tls", "dns", "smtp", "ftp", "smb", "dcerpc", "ssh", "mqtt", "ldap", "snmp", "rdp",
    "mysql", "pgsql", "redis", "quic", "sip", "dnp3", "modbus", "krb5", "nfs", "ipv6", "icmp",
];

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// A test and what it is about.
pub(crate) struct Told {
    pub(crate) outcome: Outcome,
    pub(crate) protocol: String,
    pub(crate) inline: bool,
}

/// Runs one test.
pub(crate) fn run(folder: &Path, name: &str) -> Told {
    let protocol =
        PROTOCOLS.iter().find(|protocol| name.contains(*protocol)).copied().unwrap_or("other").to_owned();
    let mut told = Told { outcome: Outcome::Passed, protocol, inline: name.contains("ips") };
    told.outcome = match go(folder, name, &mut told.inline) {
        Ok(None) => Outcome::Passed,
        Ok(Some(failure)) => Outcome::Failed(failure),
        Err(reason) => Outcome::Skipped(reason),
    };
    told
}

/// YAML as the values that JSON has; `None` where it is none.
pub(crate) fn yaml(text: &str) -> Option<Value> {
    // A directive in front is what some readers stumble over.
    let text = text.trim_start().strip_prefix("%YAML 1.1").unwrap_or(text);
    serde_saphyr::from_str(text).ok()
}

/// The failure, or why it was not tried.
fn go(folder: &Path, name: &str, inline: &mut bool) -> Result<Option<String>, String> {
    let text = std::fs::read_to_string(folder.join("test.yaml"))
        .map_err(|_e| "test.yaml cannot be read".to_owned())?;
    let Some(Value::Object(test)) = yaml(&text) else { return Err("test.yaml is not understood".to_owned()) };
    for (key, reason) in [
        ("command", "a command of its own"),
        ("setup", "a set-up of its own"),
        ("unix-commands", "commands over a socket"),
        ("env", "an environment of its own"),
        ("exit-code", "about the exit code"),
        ("skip", "skipped by itself"),
    ] {
        if test.contains_key(key) {
            return Err(reason.to_owned());
        }
    }
    for key in ["requires", "requirements"] {
        required(test.get(key))?;
    }
    let checks = test.get("checks").and_then(Value::as_array).cloned().unwrap_or_default();
    let checks = filters(&checks)?;
    let rules = rules(folder, &test)?;
    if rules.iter().any(|file| String::from_utf8_lossy(&file.text).contains("lua:")) {
        return Err("needs Lua".to_owned());
    }
    let capture = capture(folder, &test)?;
    let arguments: Vec<String> = test
        .get("args")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|argument| argument.as_str().map(str::to_owned))
        .collect();
    let settings = settings::read(folder, name, &arguments)?;
    *inline = settings.options.inline;
    let compiled = compile_with(&rules, &settings.variables, &lists(folder));
    let refused = compiled.diagnostics.iter().find(|finding| finding.level == Level::Error).cloned();
    let events = replay(&capture, Arc::new(compiled.rules), settings.options)?;
    for (wanted, count) in checks {
        let found = filter::count(&events, &wanted);
        if found == count {
            continue;
        }
        let kind = wanted.get("event_type").and_then(Value::as_str).unwrap_or("any");
        if std::env::var_os("SAKIMORI_SHOW").is_some() {
            println!("{found} events {wanted:?}, wanted {count}");
            for event in &events {
                println!("  {event}");
            }
        }
        return Ok(Some(match &refused {
            Some(finding) => {
                let title = finding.title.split(['`', '"', ':']).next().unwrap_or_default().trim();
                format!("a rule was refused: {} {title}", finding.code)
            }
            None if found == 0 => format!("no {kind} event"),
            None if found < count => format!("too few {kind} events"),
            None => format!("too many {kind} events"),
        }));
    }
    Ok(None)
}

fn replay(
    capture: &Path,
    rules: Arc<RuleSet>,
    options: sakimori_recordings::Options,
) -> Result<Vec<Value>, String> {
    let file = std::fs::File::open(capture).map_err(|_e| "its capture cannot be read".to_owned())?;
    let mut events = Vec::new();
    let mut replay = Replay::new(rules, options);
    // A capture that is cut off is compared as far as it goes, as Suricata does.
    let _read = frames(file, |frame| replay.frame(frame, &mut |event| events.push(event)));
    replay.end(&mut |event| events.push(event));
    Ok(events)
}

/// What has to be there for a test, or for a check of it.
fn required(requires: Option<&Value>) -> Result<(), String> {
    for (key, value) in requires.and_then(Value::as_object).into_iter().flatten() {
        match key.as_str() {
            "min-version" if version(value) > VERSION.to_vec() => {
                return Err("for a later version".to_owned());
            }
            "lt-version" if version(value) <= VERSION.to_vec() => {
                return Err("for an earlier version".to_owned());
            }
            "gt-version" if version(value) >= VERSION.to_vec() => {
                return Err("for a later version".to_owned());
            }
            "version" if !VERSION.to_vec().starts_with(&version(value)) => {
                return Err("for another version".to_owned());
            }
            "features" => {
                let features = value.as_array().into_iter().flatten().filter_map(Value::as_str);
                for feature in features {
                    if let Some(absent) = feature.strip_prefix('!') {
                        if FEATURES.contains(&absent) {
                            return Err(format!("for a build without {absent}"));
                        }
                    } else if !FEATURES.contains(&feature) {
                        return Err(format!("needs the feature {feature}"));
                    }
                }
            }
            "min-version" | "lt-version" | "gt-version" | "version" | "pcap" | "os" | "arch" => {}
            other => return Err(format!("requires {other}")),
        }
    }
    Ok(())
}

fn version(value: &Value) -> Vec<u32> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.split('.').map_while(|part| part.parse().ok()).collect()
}

/// What events have to be like, and how many of them there have to be.
type Check = (Map<String, Value>, usize);

/// The filters of the checks that count for this version, each with its number.
fn filters(checks: &[Value]) -> Result<Vec<Check>, String> {
    let mut filters = Vec::new();
    let mut kinds = BTreeSet::new();
    for check in checks.iter().filter_map(Value::as_object) {
        for (key, check) in check {
            if required(check.get("requires")).is_err() {
                continue;
            }
            if key != "filter" {
                return Err(format!("checked by {key}"));
            }
            if check.get("filename").is_some() {
                return Err("checks another file".to_owned());
            }
            let wanted = check.get("match").and_then(Value::as_object).cloned().unwrap_or_default();
            kinds.insert(wanted.get("event_type").and_then(Value::as_str).unwrap_or("any").to_owned());
            let count =
                check.get("count").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
            filters.push((wanted, count.ok_or("a check without a count")?));
        }
    }
    if let Some(other) = kinds.iter().find(|kind| !EVENTS.contains(&kind.as_str())) {
        return Err(format!("about {other} events"));
    }
    if filters.is_empty() {
        return Err("nothing to check for this version".to_owned());
    }
    Ok(filters)
}

fn rules(folder: &Path, test: &Map<String, Value>) -> Result<Vec<SourceFile>, String> {
    if test.contains_key("rules") {
        return Err("rules from elsewhere".to_owned());
    }
    let files = std::fs::read_dir(folder).map_err(|_e| "its folder cannot be read".to_owned())?;
    let mut files: Vec<PathBuf> = files
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "rules"))
        .collect();
    files.sort();
    let usual = folder.join("test.rules");
    let path = match files.as_slice() {
        [] => return Ok(Vec::new()),
        [path] => path,
        _ if usual.is_file() => &usual,
        _ => return Err("several files of rules".to_owned()),
    };
    let text = std::fs::read(path).map_err(|_e| "its rules cannot be read".to_owned())?;
    Ok(vec![SourceFile { name: "test.rules".to_owned(), text }])
}

/// Files beside the rules that these may name: sets of values, digests.
fn lists(folder: &Path) -> Vec<SourceFile> {
    let files = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    files
        .filter(|path| {
            let name = path.to_string_lossy();
            !name.contains(".pcap") && ![".yaml", ".rules", ".md"].iter().any(|end| name.ends_with(end))
        })
        .filter_map(|path| {
            let name = path.file_name()?.to_string_lossy().into_owned();
            Some(SourceFile { name, text: std::fs::read(&path).ok()? })
        })
        .collect()
}

fn capture(folder: &Path, test: &Map<String, Value>) -> Result<PathBuf, String> {
    match test.get("pcap") {
        Some(Value::String(path)) => Some(folder.join(path)).filter(|path| path.is_file()),
        Some(Value::Bool(false)) => return Err("without a capture".to_owned()),
        _ => {
            let files = std::fs::read_dir(folder).map_err(|_e| "its folder cannot be read".to_owned())?;
            let names = files.filter_map(|entry| Some(entry.ok()?.path()));
            let mut captures: Vec<PathBuf> = names
                .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains(".pcap")))
                .collect();
            captures.sort();
            captures.into_iter().next()
        }
    }
    .ok_or_else(|| "its capture is not there".to_owned())
}
