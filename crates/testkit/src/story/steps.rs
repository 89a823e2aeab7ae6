//! The steps of the story as they are told on the terminal, and what they are checked against.

use std::net::Ipv4Addr;

use anyhow::bail;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::command_line::CommandLine;
use crate::fleet::text;

/// What was checked so far.
#[derive(Debug, Default)]
pub struct Steps {
    passed: usize,
    failed: Vec<String>,
}

impl Steps {
    pub(crate) fn check(&mut self, what: &str, is_so: bool, facts: &str) {
        if is_so {
            self.passed += 1;
            println!("  ✔ {what}: {facts}");
        } else {
            self.fail(what, facts);
        }
    }

    pub(crate) fn fail(&mut self, what: &str, facts: &str) {
        println!("  ✘ {what}: {facts}");
        self.failed.push(what.to_owned());
    }

    pub(crate) fn all_passed(&self) -> bool {
        self.failed.is_empty() && self.passed > 0
    }

    pub(crate) fn summary(&self) {
        if self.all_passed() {
            println!("\nevery step was as told ({} checks)", self.passed);
        } else {
            println!(
                "\n{} checks as told, {} not: {}",
                self.passed,
                self.failed.len(),
                self.failed.join("; ")
            );
        }
    }
}

/// Begins a part of the story.
pub(crate) fn chapter(title: &str) {
    println!("\n{title}");
}

/// Tells what is not checked.
pub(crate) fn fact(name: &str, value: &str) {
    println!("    {name}: {value}");
}

pub(crate) fn computer_words(computer: &Value) -> String {
    format!(
        "{} ({}, kernel {}, agent {}), status {}",
        text(computer, "/hostName"),
        text(computer, "/operatingSystem"),
        text(computer, "/kernel"),
        text(computer, "/agentVersion"),
        text(computer, "/status"),
    )
}

pub(crate) fn policy_words(computer: &Value) -> String {
    let modules = computer.get("modules").and_then(Value::as_array).into_iter().flatten();
    let modules: Vec<String> = modules
        .map(|module| {
            let rules = module.get("rules").and_then(Value::as_u64).unwrap_or_default();
            format!("{} {} ({rules} rules)", text(module, "/module"), text(module, "/mode"))
        })
        .collect();
    let ports = computer.get("ports").and_then(Value::as_array).into_iter().flatten();
    let ports: Vec<String> = ports
        .map(|port| {
            let number = port.get("port").and_then(Value::as_u64).unwrap_or_default();
            format!("{number}/{} {}", text(port, "/protocol"), text(port, "/coverage"))
        })
        .collect();
    format!("{:?}: {}; ports: {}", text(computer, "/policyName"), modules.join(", "), ports.join(", "))
}

/// Tells and checks who, what and why.
pub(crate) fn explain(steps: &mut Steps, event: &Value, attacker: Ipv4Addr) {
    let sid = event.pointer("/detail/sid").and_then(Value::as_u64).unwrap_or_default();
    let cves = event.pointer("/detail/cves").and_then(Value::as_array).into_iter().flatten();
    let cves: Vec<&str> = cves.filter_map(Value::as_str).collect();
    let excerpt = STANDARD.decode(text(event, "/detail/excerpt")).unwrap_or_default();
    let blocked = text(event, "/action") == "blocked";
    steps.check(
        "an event says what was blocked",
        blocked && sid > 0 && !cves.is_empty(),
        &format!("rule {sid} \"{}\", {}", text(event, "/detail/message"), cves.join(", ")),
    );
    let client = text(event, "/detail/client");
    steps.check("it names the source", client == attacker.to_string(), client);
    steps.check(
        "it shows the offending bytes",
        !excerpt.is_empty(),
        &format!(
            "{} at {} ({} bytes): {}",
            text(event, "/detail/buffer"),
            event.pointer("/detail/offset").unwrap_or(&Value::Null),
            event.pointer("/detail/length").unwrap_or(&Value::Null),
            excerpt.escape_ascii()
        ),
    );
    fact("incident", text(event, "/detail/incident"));
    fact("explanation", text(event, "/explanation/en"));
}

/// Tells and checks which rules the software that was found needs, and that the policy assigned them.
pub(crate) fn recommendations(
    steps: &mut Steps,
    cli: &CommandLine<'_>,
    computer: &Value,
    found: &Value,
) -> anyhow::Result<()> {
    let id = text(computer, "/id");
    let inventory: Value =
        serde_json::from_str(&cli.run(&["computers", "inventory", id, "--output", "json"])?)?;
    let software = |reason: &Value| {
        let (list, name, version) = match text(reason, "/kind") {
            "package" => ("packages", "source", "sourceVersion"),
            _ => ("applications", "name", "version"),
        };
        let mut all = inventory.get(list).and_then(Value::as_array).into_iter().flatten();
        all.any(|one| one.get(name) == reason.get("product") && one.get(version) == reason.get("version"))
    };
    let rules: Vec<&Value> = found.get("rules").and_then(Value::as_array).into_iter().flatten().collect();
    let reasons = |rule: &Value| rule.get("reasons").and_then(Value::as_array).cloned().unwrap_or_default();
    let first = rules.first().map(|rule| reasons(rule)).unwrap_or_default();
    let words = first.first().map_or("", |reason| text(reason, "/explanation/en")).to_owned();
    let explained = !rules.is_empty() && rules.iter().all(|rule| reasons(rule).iter().all(software));
    steps.check("virtual patches are recommended for software that was found", explained, &words);
    let assigned = rules.iter().filter(|rule| rule.get("assigned") == Some(&Value::Bool(true))).count();
    let words = format!("{assigned} of {} recommended rules, and no others, are enforced", rules.len());
    steps.check("the policy assigns what is recommended", assigned == rules.len(), &words);
    let list = cli.run(&["computers", "recommendations", id])?;
    println!("\n$ sakimori computers recommendations {}\n{list}", text(computer, "/displayName"));
    let told = rules.iter().all(|rule| rule.get("sid").is_some_and(|sid| list.contains(&sid.to_string())));
    steps.check(
        "the command line says why",
        told && list.contains("has the hole"),
        "each rule with its reason",
    );
    Ok(())
}

/// Checks that a rule that stopped an attack is one that was recommended.
pub(crate) fn by_recommendation(steps: &mut Steps, event: &Value, found: &Value) {
    let sid = event.pointer("/detail/sid");
    let mut rules = found.get("rules").and_then(Value::as_array).into_iter().flatten();
    let was = rules.any(|rule| rule.get("sid") == sid);
    let words = sid.map(ToString::to_string).unwrap_or_default();
    steps.check("it was stopped by a recommended rule", was, &format!("rule {words}"));
}

/// The same through the command line, as an operator would ask.
pub(crate) fn command_line(
    steps: &mut Steps,
    cli: &CommandLine<'_>,
    events: &[Value],
    others: &[Value],
) -> anyhow::Result<()> {
    let Some(event) = events.first() else { bail!("there is no event to show") };
    let id = text(event, "/id");
    let list = cli.run(&["events", "list", "--module", "intrusion-prevention"])?;
    let show = cli.run(&["events", "show", id])?;
    println!(
        "\n$ sakimori events list --module intrusion-prevention\n{list}\n$ sakimori events show {id}\n{show}"
    );
    let sid = event.pointer("/detail/sid").map(ToString::to_string).unwrap_or_default();
    let told = !sid.is_empty() && list.contains(id) && show.contains(&sid);
    steps.check(
        "the command line tells the same",
        told,
        &format!("event {id} in the list, rule {sid} in its details"),
    );
    for other in others {
        let id = text(other, "/id");
        let shown: Value = serde_json::from_str(&cli.run(&["events", "show", id, "--output", "json"])?)?;
        let same =
            text(&shown, "/kind") == text(other, "/kind") && shown.get("detail") == other.get("detail");
        steps.check("and of the other modules", same, &format!("{} {id}", text(other, "/module")));
    }
    Ok(())
}
