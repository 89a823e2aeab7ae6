//! The steps of the story as they are told on the terminal, and what they are checked against.

use std::net::Ipv4Addr;

use anyhow::bail;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::fleet::text;
use crate::manager::Manager;
use crate::rest::Api;
use crate::{Lab, Programs, Role, process};

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

/// The same through the command line, as an operator would ask.
pub(crate) fn command_line(
    steps: &mut Steps,
    api: &Api<'_>,
    manager: &Manager<'_>,
    lab: &Lab,
    programs: &Programs,
    events: &[Value],
) -> anyhow::Result<()> {
    let Some(event) = events.first() else { bail!("there is no event to show") };
    let sakimori = |arguments: &[&str]| {
        let mut command = lab.host(Role::Manager).command(programs.cli());
        command
            .env("SAKIMORI_URL", format!("https://{}", manager.address()))
            .env("SAKIMORI_API_KEY", api.key())
            .env("SAKIMORI_CA_PIN", &manager.pin)
            .env("HOME", lab.host(Role::Manager).folder())
            .args(arguments);
        process::run(command)
    };
    let id = text(event, "/id");
    let list = sakimori(&["events", "list"])?;
    let show = sakimori(&["events", "show", id])?;
    println!("\n$ sakimori events list\n{list}\n$ sakimori events show {id}\n{show}");
    let sid = event.pointer("/detail/sid").map(ToString::to_string).unwrap_or_default();
    let told = !sid.is_empty() && list.contains(id) && show.contains(&sid);
    steps.check(
        "the command line tells the same",
        told,
        &format!("event {id} in the list, rule {sid} in its details"),
    );
    Ok(())
}
