//! The web application firewall: `SecLang` rules over HTTP requests and responses.
mod event;
mod exclusion;

use crate::settings::{Finding, Settings, SettingsKind, pointer};
use crate::words::{Mode, Text};
use crate::{EventKind, Module, Reason, RuleKind};
pub use event::{WebAttack, WebAttackRule, WebAttackTarget};
pub use exclusion::Exclusion;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The registration.
pub static MODULE: Module = Module {
    id: "web-application-firewall",
    title: Text {
        en: "Web application firewall", ja: "Web アプリケーション ファイアウォール"
    },
    settings: Some(SettingsKind::of::<WebApplicationFirewall>()),
    rules: Some(RuleKind { kind: "waf-rule", modes: None }),
    events: &[EventKind::of::<WebAttack>()],
    reasons: &[Reason {
        code: "no-rule-set",
        text: Text {
            en: "There is no rule set to judge by: import one, and name it in the policy where there are several.",
            ja: "判定に使うルールセットがありません。ルールセットをインポートし、複数ある場合はポリシーで名前を指定してください。",
        },
    }],
};

/// Settings of the web application firewall. It looks at the HTTP ports of intrusion prevention, and follows its failure
/// response and its answer page, whatever that module's mode is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WebApplicationFirewall {
    /// Off, report what would be blocked, or block.
    pub mode: Mode,
    /// The rule set by its name; empty is the one that was imported last.
    pub rule_set: String,
    /// The highest paranoia level whose rules count for blocking, 1 to 4.
    #[schema(minimum = 1, maximum = 4)]
    pub paranoia_level: u8,
    /// The highest paranoia level whose rules are run and told of, not below `paranoiaLevel`.
    #[schema(minimum = 1, maximum = 4)]
    pub detection_paranoia_level: u8,
    /// The score from which a request is blocked.
    #[schema(minimum = 1)]
    pub inbound_threshold: u32,
    /// The score from which a response is blocked.
    #[schema(minimum = 1)]
    pub outbound_threshold: u32,
    /// Whether responses are looked at: every packet of them is then inspected.
    pub inspect_responses: bool,
    /// Whether requests are told of that stay below the threshold.
    pub report_below_threshold: bool,
    /// What is known of applications, by profile: `wordpress`.
    pub profiles: BTreeMap<String, bool>,
    /// What rules are not to look at, by name.
    pub exclusions: BTreeMap<String, Exclusion>,
    /// Longest body of a request, without uploads, in bytes.
    #[schema(minimum = 1024, maximum = 16_777_216)]
    pub request_body_bytes: u32,
    /// Longest body of an upload (`multipart/form-data`), in bytes.
    #[schema(minimum = 1024, maximum = 67_108_864)]
    pub upload_bytes: u32,
    /// How much of a response's body is looked at, in bytes.
    #[schema(minimum = 1024, maximum = 16_777_216)]
    pub response_body_bytes: u32,
    /// What is done with a longer body of a request.
    pub beyond_limit: BeyondLimit,
    /// Longest bodies of requests by path: `/api/import` or, for all that begins so, `/api/*`.
    pub body_limits: BTreeMap<String, u32>,
}

/// What is done with a body beyond its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BeyondLimit {
    /// The request is refused.
    #[default]
    Reject,
    /// Its first part is looked at.
    Partial,
}

/// Profiles that there are.
pub const PROFILES: &[&str] = &["wordpress"];

/// Most exclusions, and most limits by path: each is a rule that every request is asked.
const MOST_EXCLUSIONS: usize = 500;
const MOST_LIMITS: usize = 100;
const BODY_BYTES: std::ops::RangeInclusive<u32> = 1024..=16 << 20;
const UPLOAD_BYTES: std::ops::RangeInclusive<u32> = 1024..=64 << 20;

impl Default for WebApplicationFirewall {
    fn default() -> Self {
        Self {
            mode: Mode::Off,
            rule_set: String::new(),
            paranoia_level: 1,
            detection_paranoia_level: 1,
            inbound_threshold: 5,
            outbound_threshold: 4,
            inspect_responses: false,
            report_below_threshold: false,
            profiles: BTreeMap::new(),
            exclusions: BTreeMap::new(),
            request_body_bytes: 512 << 10,
            upload_bytes: 13_107_200,
            response_body_bytes: 512 << 10,
            beyond_limit: BeyondLimit::Reject,
            body_limits: BTreeMap::new(),
        }
    }
}

impl Settings for WebApplicationFirewall {
    const KEYED: &'static [&'static str] = &["profiles", "exclusions", "bodyLimits"];

    fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut wrong = |at: String, code, message: String, value: String| {
            findings.push(Finding::at(at, code, message, &value));
        };
        for (at, level) in [
            ("/paranoiaLevel", self.paranoia_level),
            ("/detectionParanoiaLevel", self.detection_paranoia_level),
        ] {
            if !(1..=4).contains(&level) {
                wrong(at.into(), "not-a-level", "Paranoia levels are 1 to 4.".into(), level.to_string());
            }
        }
        if self.detection_paranoia_level < self.paranoia_level {
            let message = "What blocks is told of too: write at least the level of paranoiaLevel.";
            let value = self.detection_paranoia_level.to_string();
            wrong("/detectionParanoiaLevel".into(), "below-blocking", message.into(), value);
        }
        for (at, threshold) in
            [("/inboundThreshold", self.inbound_threshold), ("/outboundThreshold", self.outbound_threshold)]
        {
            if !(1..=100_000).contains(&threshold) {
                let message = "A score is at least 1: at 0 every request would be blocked. Write 5, the rule set's own.";
                wrong(at.into(), "not-a-score", message.into(), threshold.to_string());
            }
        }
        for (at, bytes, allowed) in [
            ("/requestBodyBytes", self.request_body_bytes, BODY_BYTES),
            ("/uploadBytes", self.upload_bytes, UPLOAD_BYTES),
            ("/responseBodyBytes", self.response_body_bytes, BODY_BYTES),
        ] {
            if !allowed.contains(&bytes) {
                let message = format!("Write {} to {} bytes.", allowed.start(), allowed.end());
                wrong(at.into(), "not-a-limit", message, bytes.to_string());
            }
        }
        for profile in self.profiles.keys().filter(|name| !PROFILES.contains(&name.as_str())) {
            let message = format!("There is no such profile; there are: {}.", PROFILES.join(", "));
            wrong(format!("/profiles{}", pointer(profile)), "no-such-profile", message, profile.clone());
        }
        for (path, bytes) in &self.body_limits {
            let at = format!("/bodyLimits{}", pointer(path));
            if let Some(message) = exclusion::wrong_path(path) {
                wrong(at, "not-a-path", message.into(), path.clone());
            } else if !UPLOAD_BYTES.contains(bytes) {
                let message = format!("Write {} to {} bytes.", UPLOAD_BYTES.start(), UPLOAD_BYTES.end());
                wrong(at, "not-a-limit", message, bytes.to_string());
            }
        }
        if self.body_limits.len() > MOST_LIMITS {
            let message = format!("At most {MOST_LIMITS} paths have limits of their own.");
            wrong("/bodyLimits".into(), "too-many", message, self.body_limits.len().to_string());
        }
        if self.exclusions.len() > MOST_EXCLUSIONS {
            let message = format!("At most {MOST_EXCLUSIONS} exclusions.");
            wrong("/exclusions".into(), "too-many", message, self.exclusions.len().to_string());
        }
        for (name, exclusion) in &self.exclusions {
            for (member, code, message, value) in exclusion.wrong() {
                wrong(format!("/exclusions{}{member}", pointer(name)), code, message, value);
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_named_at_its_member() {
        let exclusion = |rule: u64, tag: &str, variable: &str, path: &str| Exclusion {
            rule,
            tag: tag.to_owned(),
            variable: variable.to_owned(),
            path: path.to_owned(),
            ..Exclusion::default()
        };
        let settings = WebApplicationFirewall {
            paranoia_level: 5,
            detection_paranoia_level: 0,
            inbound_threshold: 0,
            upload_bytes: 1,
            profiles: BTreeMap::from([("wordpress".into(), true), ("tea".into(), true)]),
            body_limits: BTreeMap::from([("api".into(), 5000), ("/ok/*".into(), 5000)]),
            exclusions: BTreeMap::from([
                ("all".into(), exclusion(0, "", "", "")),
                ("both".into(), exclusion(942_100, "attack-sqli", "ARGS:q", "/x")),
                ("ok".into(), exclusion(942_100, "", "ARGS:q[0].name", "/x")),
                ("quote".into(), exclusion(942_100, "", "ARGS:a\"b", "/x")),
                ("strange".into(), exclusion(942_100, "", "TEA:x", "x\n")),
            ]),
            ..WebApplicationFirewall::default()
        };
        let at: Vec<String> = settings.check().into_iter().map(|finding| finding.pointer).collect();
        assert_eq!(
            at,
            [
                "/paranoiaLevel",
                "/detectionParanoiaLevel",
                "/detectionParanoiaLevel",
                "/inboundThreshold",
                "/uploadBytes",
                "/profiles/tea",
                "/bodyLimits/api",
                "/exclusions/all/rule",
                "/exclusions/both/tag",
                "/exclusions/quote/variable",
                "/exclusions/strange/variable",
                "/exclusions/strange/path",
            ]
        );
    }
}
