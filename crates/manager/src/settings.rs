//! Settings of a policy: what it sets itself, what it inherits, and what that comes to.
use sakimori_api as api;
use sakimori_model::{FailureResponse, IntrusionPrevention, PortRange, Sid};
use sakimori_protocol::Mode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a policy sets itself; the rest is inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LocalSettings {
    /// Intrusion prevention.
    pub intrusion_prevention: LocalIntrusionPrevention,
}

/// What a policy sets itself of intrusion prevention.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LocalIntrusionPrevention {
    /// The module's mode.
    pub mode: Option<Mode>,
    /// Whether traffic passes while no worker can judge it.
    pub fail_open: Option<bool>,
    /// Inclusive port ranges.
    pub http_ports: Option<Vec<(u16, u16)>>,
    /// Whether a blocked request is answered.
    pub answer_page: Option<bool>,
    /// Mode of rules without one of their own.
    pub default_rule_mode: Option<Mode>,
    /// Modes of single rules.
    pub rule_modes: BTreeMap<u32, Mode>,
}

/// Most ranges of ports in a policy: each becomes an element of a kernel set.
const PORT_RANGES: usize = 64;
/// Most single rule modes in a policy.
const RULE_MODES: usize = 50_000;

impl LocalSettings {
    /// Applies a merge patch; every member that is wrong is reported and nothing is changed.
    pub fn patch(&mut self, patch: api::IntrusionPreventionPatch) -> Result<(), Vec<api::FieldError>> {
        let mut errors = Vec::new();
        let mut next = self.intrusion_prevention.clone();
        map(patch.mode, mode).apply(&mut next.mode);
        map(patch.failure_response, |r| r == api::FailureResponse::Open).apply(&mut next.fail_open);
        patch.answer_page.apply(&mut next.answer_page);
        map(patch.default_rule_mode, mode).apply(&mut next.default_rule_mode);
        map(patch.http_ports, |texts| ports(&texts, &mut errors)).apply(&mut next.http_ports);
        match patch.rule_modes {
            api::Patch::Keep => {}
            api::Patch::Clear => next.rule_modes.clear(),
            api::Patch::Set(modes) => {
                for (text, change) in modes {
                    match (text.parse::<u32>(), change) {
                        (Ok(sid), Some(to)) if sid > 0 => {
                            next.rule_modes.insert(sid, mode(to));
                        }
                        (Ok(sid), None) => {
                            next.rule_modes.remove(&sid);
                        }
                        _ => errors.push(error(
                            &format!("/intrusionPrevention/ruleModes/{}", pointer(&text)),
                            "not-a-sid",
                            "A rule is named by its signature id, a number from 1 to 4294967295.",
                            &text,
                        )),
                    }
                }
            }
        }
        if next.rule_modes.len() > RULE_MODES {
            errors.push(error(
                "/intrusionPrevention/ruleModes",
                "too-many",
                "A policy sets the mode of at most 50000 rules itself; use defaultRuleMode.",
                &next.rule_modes.len().to_string(),
            ));
        }
        if errors.is_empty() {
            self.intrusion_prevention = next;
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// The members that are set, by their names in the API.
    pub fn overridden(&self) -> Vec<String> {
        let own = &self.intrusion_prevention;
        [
            ("mode", own.mode.is_some()),
            ("failureResponse", own.fail_open.is_some()),
            ("httpPorts", own.http_ports.is_some()),
            ("answerPage", own.answer_page.is_some()),
            ("defaultRuleMode", own.default_rule_mode.is_some()),
            ("ruleModes", !own.rule_modes.is_empty()),
        ]
        .into_iter()
        .filter(|(_, set)| *set)
        .map(|(name, _)| name.to_owned())
        .collect()
    }
}

/// What a chain of policies comes to, the root first.
pub fn resolve<'a>(chain: impl IntoIterator<Item = &'a LocalSettings>) -> IntrusionPrevention {
    let mut resolved = IntrusionPrevention::default();
    for LocalSettings { intrusion_prevention: own } in chain {
        if let Some(mode) = own.mode {
            resolved.mode = model_mode(mode);
        }
        if let Some(open) = own.fail_open {
            resolved.failure_response = if open { FailureResponse::Open } else { FailureResponse::Closed };
        }
        if let Some(ports) = &own.http_ports {
            resolved.http_ports = ports.iter().map(|&(first, last)| PortRange { first, last }).collect();
        }
        if let Some(answer) = own.answer_page {
            resolved.answer_page = answer;
        }
        if let Some(mode) = own.default_rule_mode {
            resolved.default_rule_mode = model_mode(mode);
        }
        resolved.rule_modes.extend(own.rule_modes.iter().map(|(sid, mode)| (Sid(*sid), model_mode(*mode))));
    }
    resolved
}

/// Settings as the API shows them.
pub fn to_api(settings: &IntrusionPrevention) -> api::IntrusionPrevention {
    api::IntrusionPrevention {
        mode: api_mode(settings.mode),
        failure_response: match settings.failure_response {
            FailureResponse::Open => api::FailureResponse::Open,
            FailureResponse::Closed => api::FailureResponse::Closed,
        },
        http_ports: settings
            .http_ports
            .iter()
            .map(|p| if p.first == p.last { p.first.to_string() } else { format!("{}-{}", p.first, p.last) })
            .collect(),
        answer_page: settings.answer_page,
        default_rule_mode: api_mode(settings.default_rule_mode),
        rule_modes: settings
            .rule_modes
            .iter()
            .map(|(sid, mode)| (sid.to_string(), api_mode(*mode)))
            .collect(),
    }
}

/// A mode as agents read it.
pub const fn wire_mode(mode: sakimori_model::Mode) -> Mode {
    match mode {
        sakimori_model::Mode::Off => Mode::Off,
        sakimori_model::Mode::Detect => Mode::Detect,
        sakimori_model::Mode::Prevent => Mode::Prevent,
    }
}

/// A mode as the API shows it.
pub const fn api_mode(mode: sakimori_model::Mode) -> api::Mode {
    match mode {
        sakimori_model::Mode::Off => api::Mode::Off,
        sakimori_model::Mode::Detect => api::Mode::Detect,
        sakimori_model::Mode::Prevent => api::Mode::Prevent,
    }
}

const fn model_mode(mode: Mode) -> sakimori_model::Mode {
    match mode {
        Mode::Off => sakimori_model::Mode::Off,
        Mode::Detect => sakimori_model::Mode::Detect,
        Mode::Prevent => sakimori_model::Mode::Prevent,
    }
}

const fn mode(mode: api::Mode) -> Mode {
    match mode {
        api::Mode::Off => Mode::Off,
        api::Mode::Detect => Mode::Detect,
        api::Mode::Prevent => Mode::Prevent,
    }
}

fn map<T, U>(patch: api::Patch<T>, to: impl FnOnce(T) -> U) -> api::Patch<U> {
    match patch {
        api::Patch::Keep => api::Patch::Keep,
        api::Patch::Clear => api::Patch::Clear,
        api::Patch::Set(value) => api::Patch::Set(to(value)),
    }
}

fn ports(texts: &[String], errors: &mut Vec<api::FieldError>) -> Vec<(u16, u16)> {
    if texts.len() > PORT_RANGES {
        errors.push(error(
            "/intrusionPrevention/httpPorts",
            "too-many",
            "A policy names at most 64 ports or ranges.",
            &texts.len().to_string(),
        ));
    }
    let mut ranges = Vec::new();
    for (index, text) in texts.iter().enumerate().take(PORT_RANGES) {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => ranges.push((first, last)),
            _ => errors.push(error(
                &format!("/intrusionPrevention/httpPorts/{index}"),
                "not-a-port-range",
                "Write a port from 1 to 65535, or a range of them with the lower first: 8000-8090.",
                text,
            )),
        }
    }
    ranges
}

fn port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|port| *port > 0)
}

/// A member of a JSON pointer (RFC 6901).
fn pointer(text: &str) -> String {
    text.chars().take(64).collect::<String>().replace('~', "~0").replace('/', "~1")
}

fn error(pointer: &str, code: &str, message: &str, value: &str) -> api::FieldError {
    api::FieldError {
        pointer: pointer.to_owned(),
        code: code.to_owned(),
        message: message.to_owned(),
        args: BTreeMap::from([("value".to_owned(), value.chars().take(64).collect())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(patches: &[serde_json::Value]) -> Result<LocalSettings, Vec<api::FieldError>> {
        let mut settings = LocalSettings::default();
        for patch in patches {
            settings.patch(serde_json::from_value(patch.clone()).unwrap())?;
        }
        Ok(settings)
    }

    #[test]
    fn a_child_inherits_what_it_does_not_set() {
        let parent = patched(&[json!({"mode": "detect", "httpPorts": ["80", "8000-8090"],
            "ruleModes": {"1": "prevent", "2": "prevent"}})])
        .unwrap();
        let child = patched(&[json!({"mode": "prevent", "ruleModes": {"2": "off"}})]).unwrap();
        let resolved = to_api(&resolve([&parent, &child]));
        assert_eq!(resolved.mode, api::Mode::Prevent);
        assert_eq!(resolved.http_ports, ["80", "8000-8090"]);
        assert_eq!(resolved.rule_modes["1"], api::Mode::Prevent);
        assert_eq!(resolved.rule_modes["2"], api::Mode::Off);
        assert_eq!(child.overridden(), ["mode", "ruleModes"]);
    }

    #[test]
    fn null_inherits_again() {
        let settings = patched(&[
            json!({"mode": "prevent", "answerPage": false, "ruleModes": {"1": "off", "2": "off"}}),
            json!({"mode": null, "ruleModes": {"1": null}}),
        ])
        .unwrap();
        assert_eq!(settings.overridden(), ["answerPage", "ruleModes"]);
        assert_eq!(settings.intrusion_prevention.rule_modes.keys().copied().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn every_wrong_member_is_named_and_nothing_is_changed() {
        let mut settings = LocalSettings::default();
        let errors = settings
            .patch(
                serde_json::from_value(json!({"mode": "prevent",
                    "httpPorts": ["0", "80", "90-80", "+80", "70000", ""], "ruleModes": {"a/b": "off", "0": "off"}}))
                .unwrap(),
            )
            .unwrap_err();
        let mut pointers: Vec<&str> = errors.iter().map(|e| e.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(
            pointers,
            [
                "/intrusionPrevention/httpPorts/0",
                "/intrusionPrevention/httpPorts/2",
                "/intrusionPrevention/httpPorts/3",
                "/intrusionPrevention/httpPorts/4",
                "/intrusionPrevention/httpPorts/5",
                "/intrusionPrevention/ruleModes/0",
                "/intrusionPrevention/ruleModes/a~1b",
            ]
        );
        assert_eq!(settings, LocalSettings::default());
    }
}
