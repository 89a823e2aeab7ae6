//! The settings and a compiled rule set → what the pipeline judges by, and what that says → the detail of an event.

use sakimori_inspection::{BodyLimits, WebAttack, WebFirewall};
use sakimori_modules::intrusion_prevention::HttpSummary;
use sakimori_modules::web_application_firewall::{
    BeyondLimit, WebApplicationFirewall as Settings, WebAttack as Detail, WebAttackRule, WebAttackTarget,
};
use sakimori_seclang::Ruleset;
use std::sync::Arc;

/// What requests are judged by.
pub fn enforce(settings: &Settings, rules: Ruleset) -> WebFirewall {
    WebFirewall {
        mode: settings.mode.into(),
        rules: Arc::new(rules),
        limits: limits(settings),
        tells_all: settings.report_below_threshold,
    }
}

fn limits(settings: &Settings) -> BodyLimits {
    let bytes = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
    BodyLimits {
        plain: bytes(settings.request_body_bytes),
        upload: bytes(settings.upload_bytes),
        paths: settings.body_limits.iter().map(|(path, most)| (path.clone(), bytes(*most))).collect(),
        partial: settings.beyond_limit == BeyondLimit::Partial,
    }
}

/// What an event says of an attack.
pub fn detail(attack: &WebAttack, rule_set: &str) -> Detail {
    let rules: Vec<WebAttackRule> = attack
        .rules
        .iter()
        .map(|rule| WebAttackRule {
            id: rule.id,
            message: rule.message.clone(),
            severity: severity(rule.severity).to_owned(),
            paranoia_level: rule.paranoia_level,
            tags: rule.tags.clone(),
            file: rule.file.clone(),
            line: rule.line,
            targets: rule
                .targets
                .iter()
                .map(|(variable, value, data)| WebAttackTarget {
                    variable: variable.clone(),
                    value: value.clone(),
                    data: data.clone(),
                })
                .collect(),
        })
        .collect();
    let limit = "The body is longer than the policy allows";
    let message = rules.first().map(|rule| rule.message.clone()).filter(|message| !message.is_empty());
    Detail {
        incident: attack.incident.to_string(),
        message: message
            .unwrap_or_else(|| if attack.decided_by == 0 { limit.to_owned() } else { String::new() }),
        seen_in: if attack.response { "response" } else { "request" }.to_owned(),
        would_block: attack.would_block,
        decided_by: attack.decided_by,
        score: attack.score,
        threshold: attack.threshold,
        detection_score: attack.detection_score,
        paranoia_level: attack.paranoia_level,
        rule_ids: rules.iter().map(|rule| rule.id.to_string()).collect(),
        rules,
        more_rules: attack.more_rules,
        rule_set: rule_set.to_owned(),
        path: attack.path.clone(),
        client: attack.client.0.to_string(),
        client_port: attack.client.1,
        server: attack.server.0.to_string(),
        server_port: attack.server.1,
        http: HttpSummary {
            method: attack.http.method.clone(),
            host: attack.http.host.clone(),
            target: attack.http.target.clone(),
            user_agent: attack.http.user_agent.clone(),
        },
    }
}

const fn severity(number: Option<u8>) -> &'static str {
    match number {
        Some(0..=2) => "critical",
        Some(3) => "error",
        Some(4) => "warning",
        Some(5..) => "notice",
        None => "",
    }
}
