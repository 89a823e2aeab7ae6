//! What is installed on a computer and what that recommends, as text.
use super::fact;
use crate::table::{Table, shown};
use sakimori_api::{Inventory, Recommendations};
use std::fmt::Write as _;

/// An inventory; of long lists only the number, unless asked for.
pub(super) fn text(found: &Inventory, packages: bool, processes: bool) -> String {
    let mut text = String::new();
    fact(&mut text, "Taken", &found.received_at);
    if !found.incomplete.is_empty() {
        fact(&mut text, "Not looked for", &shown(&found.incomplete.join(", ")));
    }
    if let Some(cloud) = &found.cloud {
        let words = [&cloud.provider, &cloud.instance, &cloud.name, &cloud.region, &cloud.zone, &cloud.size];
        let words: Vec<&str> =
            words.into_iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
        fact(&mut text, "Cloud", &shown(&words.join(", ")));
        for tag in &cloud.tags {
            fact(&mut text, "", &shown(&format!("{}: {}", tag.name, tag.value)));
        }
    }
    let of = |count: usize, option: &str, listed: bool| {
        if listed { count.to_string() } else { format!("{count} ({option} lists them)") }
    };
    fact(&mut text, "Packages", &of(found.packages.len(), "--packages", packages));
    fact(&mut text, "Processes", &of(found.processes.len(), "--processes", processes));
    let mut tables = Vec::new();
    if !found.applications.is_empty() {
        let mut table = Table::new(&["APPLICATION", "VERSION", "KIND", "PLACE"]);
        for one in &found.applications {
            table.row([&one.name, &one.version, &one.kind, &one.place]);
        }
        tables.push(table);
    }
    if packages {
        let mut table = Table::new(&["PACKAGE", "VERSION", "ARCHITECTURE", "SOURCE"]);
        for one in &found.packages {
            table.row([&one.name, &one.version, &one.architecture, &one.source]);
        }
        tables.push(table);
    }
    if processes {
        let mut table = Table::new(&["PROCESS", "USER", "COUNT", "PROGRAM"]);
        for one in &found.processes {
            table.row([&one.name, &one.user.to_string(), &one.count.to_string(), &one.program]);
        }
        tables.push(table);
    }
    if !found.ports.is_empty() {
        let mut table = Table::new(&["PORT", "ADDRESS", "PROGRAM"]);
        for port in &found.ports {
            table.row([&format!("{}/{}", port.port, port.protocol), &port.address, &port.process]);
        }
        tables.push(table);
    }
    for table in tables {
        let _infallible = write!(text, "\n{table}");
    }
    text
}

/// What is recommended, each rule with its reasons.
pub(super) fn recommendations(found: &Recommendations) -> String {
    let mut text = String::new();
    fact(&mut text, "Scanned", found.scanned_at.as_deref().unwrap_or("not yet"));
    if let Some(requested) = &found.scan_requested_at {
        fact(&mut text, "Scan asked for", requested);
    }
    if !found.incomplete.is_empty() {
        fact(&mut text, "Not looked for", &shown(&found.incomplete.join(", ")));
    }
    let assigns = if found.assigns_recommended { "yes" } else { "no" };
    fact(&mut text, "Assigned by itself", assigns);
    fact(&mut text, "Rules", &found.rules.len().to_string());
    for rule in &found.rules {
        let assigned = if rule.assigned { "assigned" } else { "not assigned" };
        let _infallible = writeln!(
            text,
            "\n{} {} ({}, {assigned})",
            rule.sid,
            shown(&rule.title.en),
            shown(&rule.severity)
        );
        for reason in &rule.reasons {
            // Whole: the place and the versions are what the reader came for.
            let words: String =
                reason.explanation.en.chars().map(|c| if c.is_control() { '·' } else { c }).collect();
            let _infallible = writeln!(text, "  {words}");
        }
    }
    text
}
