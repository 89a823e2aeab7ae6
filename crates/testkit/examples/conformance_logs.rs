//! How much of published log rules loads, and how many of their own tests come out as they say:
//! `cargo xtask conformance logs --dir DIR`, where DIR has `ossec/` or `wazuh/` with `rules/`, `tests/` and decoders.
#![expect(clippy::disallowed_methods, reason = "a tool reads the files it was given and measures real time")]
#![expect(clippy::print_stdout, reason = "a tool prints its figures")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use sakimori_loginspect::{Compiled, Dialect, Engine, Line, Moment, SourceFile, compile};
use sakimori_model::Level;
use sakimori_testkit::report::{Report, Target};

/// Reasons that are listed.
const REASONS: usize = 15;

/// One test of an `.ini` file: lines, and what the last one must be.
#[derive(Debug, Default)]
struct Case {
    section: String,
    must_match: bool,
    lines: Vec<String>,
    rule: Option<u32>,
    level: Option<u8>,
    decoder: String,
}

#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().context("usage: conformance_logs DIR [--failures]")?);
    let list_failures = arguments.next().is_some();
    let mut report = Report::new("conformance logs");
    let mut found = false;
    for (name, dialect) in [("ossec", Dialect::Ossec), ("wazuh", Dialect::Wazuh)] {
        let folder = folder.join(name);
        if folder.is_dir() {
            found = true;
            measure(name, &folder, dialect, list_failures, &mut report)?;
        }
    }
    if !found {
        bail!("neither ossec nor wazuh below {}", folder.display());
    }
    report.print();
    Ok(())
}

fn measure(
    name: &str,
    folder: &Path,
    dialect: Dialect,
    list_failures: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    let files = sources(folder)?;
    let start = Instant::now();
    let compiled = compile(&files, dialect);
    let seconds = start.elapsed().as_secs_f64();
    print_reasons(name, &compiled);
    let loaded: BTreeSet<u32> = compiled.rules.rules().map(|rule| rule.id).collect();
    let written = written_ids(&files);
    let (rules_loaded, rules_refused) = (compiled.loaded, compiled.refused);
    let (decoders_loaded, decoders_refused) = (compiled.decoders_loaded, compiled.decoders_refused);
    let set = Arc::new(compiled.rules);

    let mut all = Tally::default();
    println!("\n{name}: {:<44} {:>7} {:>7} {:>7}", "test file", "passed", "failed", "skipped");
    for path in listed(&folder.join("tests"), "ini")? {
        let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
        let mut tally = Tally::default();
        for case in cases(&text, dialect) {
            // Rules that no file of the folder has cannot be tried; rules that were refused are failures.
            if case.rule.is_some_and(|rule| !written.contains(&rule)) {
                tally.skipped += 1;
                continue;
            }
            let (right, got) = run(&set, &case);
            if right {
                tally.passed += 1;
            } else {
                tally.failed += 1;
                if list_failures {
                    let refused = case.rule.is_some_and(|rule| !loaded.contains(&rule));
                    println!("  FAILED [{}] refused={refused} {case:?}\n    got {got}", case.section);
                }
            }
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        println!("{name}: {file:<44} {:>7} {:>7} {:>7}", tally.passed, tally.failed, tally.skipped);
        all.passed += tally.passed;
        all.failed += tally.failed;
        all.skipped += tally.skipped;
    }
    let mut add =
        |what: &str, value: f64, unit| report.add(format!("{name} {what}"), value, unit, Target::None);
    add("rules loaded", count(rules_loaded), "rules");
    add("rules refused with a diagnostic", count(rules_refused), "rules");
    add("decoders loaded", count(decoders_loaded), "decoders");
    add("decoders refused with a diagnostic", count(decoders_refused), "decoders");
    add("loaded_percent", share(rules_loaded, rules_refused), "%");
    add("decoders_loaded_percent", share(decoders_loaded, decoders_refused), "%");
    add("passed", count(all.passed), "cases");
    add("failed", count(all.failed), "cases");
    add("skipped", count(all.skipped), "cases");
    add("passed_percent", share(all.passed, all.failed), "%");
    add("compile time", seconds, "s");
    Ok(())
}

/// Decoders first, then rules, each in the order of their names; `rules_config` of OSSEC is always its first.
fn sources(folder: &Path) -> anyhow::Result<Vec<SourceFile>> {
    let mut paths = Vec::new();
    if folder.join("decoder.xml").is_file() {
        paths.push(folder.join("decoder.xml"));
    }
    if folder.join("decoders").is_dir() {
        paths.extend(listed(&folder.join("decoders"), "xml")?);
    }
    let mut rules = listed(&folder.join("rules"), "xml")?;
    rules.sort_by_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (order(&name), name)
    });
    paths.extend(rules);
    let mut files = Vec::new();
    for path in paths {
        let mut text = std::fs::read(&path)?;
        if path.ends_with("0575-win-base_rules.xml") {
            // Their own runner does the same: Windows events are fed as JSON.
            let changed = String::from_utf8_lossy(&text)
                .replace("<decoded_as>windows_eventchannel</decoded_as>", "<decoded_as>json</decoded_as>")
                .replacen("<category>ossec</category>", "", 1);
            text = changed.into_bytes();
        }
        files.push(SourceFile { name: path.display().to_string(), text });
    }
    Ok(files)
}

/// OSSEC's own configuration names its rule files in an order that is not the alphabet's: what others build on first.
fn order(name: &str) -> usize {
    const FIRST: [&str; 12] = [
        "rules_config.xml",
        "pam_rules.xml",
        "sshd_rules.xml",
        "telnetd_rules.xml",
        "syslog_rules.xml",
        "arpwatch_rules.xml",
        "symantec-av_rules.xml",
        "symantec-ws_rules.xml",
        "pix_rules.xml",
        "named_rules.xml",
        "smbd_rules.xml",
        "vsftpd_rules.xml",
    ];
    const LAST: [&str; 4] = ["attack_rules.xml", "policy_rules.xml", "zz_last", "local_rules.xml"];
    match FIRST.iter().position(|first| *first == name) {
        Some(place) => place,
        None => LAST.iter().position(|last| *last == name).map_or(100, |place| 200 + place),
    }
}

fn listed(folder: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Every id that a rule element carries, loaded or not.
fn written_ids(files: &[SourceFile]) -> BTreeSet<u32> {
    let mut ids = BTreeSet::new();
    for file in files {
        let text = String::from_utf8_lossy(&file.text);
        for part in text.split("<rule ").skip(1) {
            let id: Option<u32> =
                part.split_once("id=\"").and_then(|(_, rest)| rest.split('"').next()?.parse().ok());
            ids.extend(id);
        }
    }
    ids
}

fn cases(text: &str, dialect: Dialect) -> Vec<Case> {
    let mut done = Vec::new();
    let mut section = Vec::<(String, Vec<String>)>::new();
    let mut name = String::new();
    let mut finish = |name: &str, section: &mut Vec<(String, Vec<String>)>| {
        let value =
            |key: &str| section.iter().find(|(k, _)| k == key).map(|(_, v)| v.join("").trim().to_owned());
        let (rule, level) = (value("rule").unwrap_or_default(), value("alert").unwrap_or_default());
        let decoder = value("decoder").unwrap_or_default();
        for (key, lines) in section.iter().filter(|(key, _)| key.starts_with("log ")) {
            done.push(Case {
                section: name.to_owned(),
                must_match: key.ends_with("pass"),
                lines: match dialect {
                    Dialect::Wazuh => lines.clone(),
                    // Their runner keeps the last of several lines.
                    Dialect::Ossec => lines.last().cloned().into_iter().collect(),
                },
                rule: rule.parse().ok(),
                level: level.parse().ok(),
                decoder: decoder.clone(),
            });
        }
        section.clear();
    };
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with([';', '#']) {
            continue;
        }
        if let Some(title) = line.strip_prefix('[').and_then(|rest| rest.trim_end().strip_suffix(']')) {
            finish(&name, &mut section);
            title.clone_into(&mut name);
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']) else { continue };
        let (key, mut value) = (key.trim().to_lowercase(), value.trim().to_owned());
        if dialect == Dialect::Ossec {
            // Their reader of such files gives '%' a meaning and has it doubled.
            value = value.replace("%%", "%");
        }
        match section.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => section.push((key, vec![value])),
        }
    }
    finish(&name, &mut section);
    done
}

/// Whether a case comes out as it says, and what came out.
fn run(set: &Arc<sakimori_loginspect::RuleSet>, case: &Case) -> (bool, String) {
    let mut engine = Engine::new(Arc::clone(set));
    let moment = Moment { seconds: 1_000_000, minute: 12 * 60, weekday: 3 };
    let mut last = (None, None, String::new());
    for line in &case.lines {
        let judged = engine.judge(Line { bytes: line.as_bytes(), location: "stdin", header: true }, moment);
        last = (
            judged.rule().map(|rule| rule.id),
            judged.rule().map(|rule| rule.level),
            judged.decoder().unwrap_or_default().to_owned(),
        );
    }
    // Their runner takes an empty field for a mismatch, also where the file asks for an empty one.
    let whole = last.0.is_some() && !last.2.is_empty();
    let as_said = whole && last.0 == case.rule && last.1 == case.level && last.2 == case.decoder;
    (as_said == case.must_match, format!("{last:?}"))
}

fn print_reasons(name: &str, compiled: &Compiled) {
    let mut reasons: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for finding in compiled.diagnostics.iter().filter(|finding| finding.level == Level::Error) {
        let title: String = match finding.code {
            "L007" | "L009" => {
                finding.title.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default().into()
            }
            "L008" => finding.title.rsplit("compile: ").next().unwrap_or_default().into(),
            _ => finding.title.clone(),
        };
        *reasons.entry((finding.code, title)).or_default() += 1;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    println!("{name}: most frequent reasons of what did not load:");
    for ((code, title), count) in reasons.iter().take(REASONS) {
        println!("{count:>7}  {code} {title}");
    }
}

fn share(part: usize, rest: usize) -> f64 {
    count(part) / count(part + rest).max(1.0) * 100.0
}

#[expect(clippy::cast_precision_loss, reason = "counts of rules and files")]
fn count(number: usize) -> f64 {
    number as f64
}
