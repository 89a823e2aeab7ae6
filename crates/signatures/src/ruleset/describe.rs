//! What a rule says about itself.
use crate::buffer::Buffer;
use crate::classes::Classes;
use crate::condition::{Check, StreamSide};
use crate::draft::Draft;
use crate::fact::Fact;
use crate::rule::Rule;
use sakimori_model::{Severity, Sid};

pub(super) fn describe(draft: &Draft, classes: &Classes, (file, line): (usize, u32), text: String) -> Rule {
    let meta = &draft.meta;
    let class = meta.classtype.as_deref().and_then(|name| classes.get(name));
    let category = class.map(|(text, _)| text.to_owned()).unwrap_or_default();
    let priority = meta.priority.or_else(|| class.map(|(_, priority)| priority)).unwrap_or(3);
    let written = meta
        .metadata
        .iter()
        .find(|(key, _)| key == "signature_severity")
        .map(|(_, v)| v.to_ascii_lowercase());
    let severity = match written.as_deref() {
        Some("critical") => Severity::Critical,
        Some("major" | "high") => Severity::High,
        Some("minor" | "medium") => Severity::Medium,
        Some("low") => Severity::Low,
        Some("informational" | "audit" | "info") => Severity::Info,
        _ => match priority {
            1 => Severity::High,
            2 | 3 => Severity::Medium,
            4 => Severity::Low,
            _ => Severity::Info,
        },
    };
    let mut cves: Vec<String> = meta
        .references
        .iter()
        .filter(|r| r.kind == "cve")
        .map(|r| r.value.as_str())
        .chain(meta.metadata.iter().filter(|(key, _)| key == "cve").map(|(_, v)| v.as_str()))
        .filter_map(cve)
        .collect();
    cves.sort();
    cves.dedup();
    let mut buffers: Vec<Buffer> = Vec::new();
    for (target, _) in &draft.groups {
        if !buffers.contains(&target.buffer) {
            buffers.push(target.buffer);
        }
    }
    let (mut facts, mut events, mut asks_reputation) = (Vec::new(), Vec::new(), false);
    for check in &draft.checks {
        match check {
            Check::Number { fact, .. } | Check::Bits { fact, .. } | Check::Numbers { fact, .. } => {
                facts.push(*fact);
            }
            Check::Any(checks) => facts.extend(checks.iter().filter_map(|check| match check {
                Check::Number { fact, .. } => Some(*fact),
                _ => None,
            })),
            Check::StreamSize { side, .. } => facts.extend(match side {
                StreamSide::Client => &[Fact::StreamOfClient][..],
                StreamSide::Server => &[Fact::StreamOfServer],
                StreamSide::Both | StreamSide::Either => &[Fact::StreamOfClient, Fact::StreamOfServer],
            }),
            Check::Event(event) => events.push(*event),
            Check::Reputation { .. } => asks_reputation = true,
            Check::Segment(_) | Check::Application { .. } | Check::SameAddress => {}
        }
    }
    Rule {
        sid: Sid(meta.sid.map_or(0, |s| s.0)),
        rev: meta.rev.unwrap_or(0),
        gid: meta.gid.unwrap_or(1),
        msg: meta.msg.clone().unwrap_or_default(),
        classtype: meta.classtype.clone().unwrap_or_default(),
        category,
        priority,
        severity,
        cves,
        references: meta.references.clone(),
        action: draft.action,
        protocol: draft.protocol,
        directions: draft.directions,
        buffers,
        reports: !meta.noalert,
        rate: meta.rate,
        tag: meta.tag,
        facts,
        events,
        places: draft.places.clone(),
        asks_reputation,
        file,
        line,
        text,
    }
}

/// `2014-6271`, `CVE-2014-6271` and `CVE_2014_6271` as `CVE-2014-6271`.
fn cve(text: &str) -> Option<String> {
    let text = text.trim_ascii().to_ascii_uppercase().replace('_', "-");
    let number = text.strip_prefix("CVE-").unwrap_or(&text);
    let (year, id) = number.split_once('-')?;
    let digits =
        |t: &str, least: usize| t.len() >= least && t.len() <= 12 && t.bytes().all(|b| b.is_ascii_digit());
    (year.len() == 4 && digits(year, 4) && digits(id, 4)).then(|| format!("CVE-{number}"))
}
