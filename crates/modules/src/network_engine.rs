//! The network engine, which the firewall, intrusion prevention, the web application firewall and web reputation share:
//! whether it stands in the traffic's way at all. No module of its own: it bounds what those four do, before agents are told.
use crate::Module;
use crate::settings::{Finding, Settings, SettingsKind};
use crate::words::Text;
use crate::{firewall, intrusion_prevention, web_application_firewall, web_reputation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The registration.
pub static MODULE: Module = Module {
    id: "network-engine",
    title: Text { en: "Network engine", ja: "ネットワークエンジン" },
    settings: Some(SettingsKind::of::<NetworkEngine>()),
    rules: None,
    events: &[],
    reasons: &[],
};

/// How the network engine stands to the traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = NetworkEngineMode)]
pub enum EngineMode {
    /// In its way: each module does what its own mode says.
    #[default]
    Inline,
    /// Beside it: all of it passes, and what would have been stopped is reported.
    Tap,
}

/// Settings of the network engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkEngine {
    /// `tap`: of the firewall, intrusion prevention and web reputation nothing is stopped, whatever their modes and failure
    /// responses say.
    pub mode: EngineMode,
}

impl Settings for NetworkEngine {
    const KEYED: &'static [&'static str] = &[];

    fn check(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// What a module's settings in force come to under the network engine's: a tap makes Prevent to Detect, and fails open.
pub fn bound(engine: &Map<String, Value>, module: &str, settings: &mut Map<String, Value>) {
    let of_network = [
        firewall::MODULE.id,
        intrusion_prevention::MODULE.id,
        web_application_firewall::MODULE.id,
        web_reputation::MODULE.id,
    ]
    .contains(&module);
    if !of_network || engine.get("mode").is_none_or(|mode| mode != "tap") {
        return;
    }
    for (member, inline, tap) in [("mode", "prevent", "detect"), ("failureResponse", "closed", "open")] {
        if let Some(value) = settings.get_mut(member).filter(|value| **value == inline) {
            *value = tap.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bounded(engine: &Value, module: &str, settings: Value) -> Value {
        let Value::Object(mut settings) = settings else { panic!("no object") };
        bound(engine.as_object().unwrap(), module, &mut settings);
        Value::Object(settings)
    }

    #[test]
    fn a_tap_stops_nothing_and_hides_nothing() {
        let tap = json!({"mode": "tap"});
        let prevent =
            || json!({"mode": "prevent", "failureResponse": "closed", "rules": {"a": {"mode": "prevent"}}});
        let detect =
            json!({"mode": "detect", "failureResponse": "open", "rules": {"a": {"mode": "prevent"}}});
        for module in ["firewall", "intrusion-prevention", "web-application-firewall", "web-reputation"] {
            assert_eq!(bounded(&tap, module, prevent()), detect, "{module}");
            assert_eq!(bounded(&json!({"mode": "inline"}), module, prevent()), prevent(), "{module}");
            assert_eq!(bounded(&tap, module, json!({"mode": "off"})), json!({"mode": "off"}), "{module}");
        }
        assert_eq!(bounded(&tap, "anti-malware", prevent()), prevent(), "files do not come over the network");
    }
}
