//! What each protection module hands over to the rest of the product: its settings, its rule kind, the kinds of
//! events it reports, the reasons its status may give, and the words for all of them in English and Japanese.
//!
//! One file a module and one line in [`MODULES`]: the policy model, the API and its document, the stores, the
//! manager's compiler, the agent's plug-in place and the console are driven by this registration. Settings and the
//! details of events are documents: the same JSON lies in policies, in bundles, in the spool and in the store.
//! Engines do not know this crate; the agent translates.
#![forbid(unsafe_code)]

pub mod agent;
pub mod anti_malware;
pub mod context;
pub mod event;
pub mod firewall;
pub mod integrity_monitoring;
pub mod intrusion_prevention;
pub mod log_inspection;
pub mod mac;
pub mod manager;
pub mod network_engine;
pub mod objects;
pub mod recommendation;
pub mod resolve;
pub mod schedule;
pub mod settings;
pub mod web_application_firewall;
pub mod web_reputation;
pub mod words;

pub use context::Context;
pub use event::{About, Column, ColumnKind, EventDetail, EventKind};
pub use mac::Mac;
pub use objects::{ObjectKind, Objects, Place, Takes};
pub use resolve::{EXCLUDED, Effective, members, patch, resolve};
pub use schedule::Window;
pub use settings::{Finding, Settings, SettingsKind};
pub use words::{Explanation, FailureResponse, Mode, Ports, Text};

/// A protection module, as everything but its engine knows it.
#[derive(Debug)]
pub struct Module {
    /// Registered name, kebab-case.
    pub id: &'static str,
    /// Its name for people.
    pub title: Text,
    /// Its settings; nothing for the agent itself.
    pub settings: Option<SettingsKind>,
    /// What it calls rules.
    pub rules: Option<RuleKind>,
    /// The kinds of events it reports.
    pub events: &'static [EventKind],
    /// Why its status may not be plain.
    pub reasons: &'static [Reason],
}

/// What a module calls a rule, and where its modes are set.
#[derive(Clone, Copy, Debug)]
pub struct RuleKind {
    /// Registered name: `signature`.
    pub kind: &'static str,
    /// The keyed property that holds the mode of each rule, where it has one.
    pub modes: Option<&'static str>,
}

/// A reason of a status, by code.
#[derive(Clone, Copy, Debug)]
pub struct Reason {
    /// Stable code: `rules-refused`.
    pub code: &'static str,
    /// What it means and what to do.
    pub text: Text,
}

/// Every module, in the order that people are shown. Adding one is a file and a line here.
pub static MODULES: &[&Module] = &[
    &firewall::MODULE,
    &intrusion_prevention::MODULE,
    &web_application_firewall::MODULE,
    &anti_malware::MODULE,
    &integrity_monitoring::MODULE,
    &log_inspection::MODULE,
    &web_reputation::MODULE,
    &network_engine::MODULE,
    &recommendation::MODULE,
    &agent::MODULE,
    &manager::MODULE,
];

/// A module by its name.
pub fn module(id: &str) -> Option<&'static Module> {
    MODULES.iter().copied().find(|module| module.id == id)
}

/// The modules that a policy has settings for.
pub fn configurable() -> impl Iterator<Item = (&'static Module, &'static SettingsKind)> {
    MODULES.iter().filter_map(|module| Some((*module, module.settings.as_ref()?)))
}

/// A kind of event by its name.
pub fn event_kind(kind: &str) -> Option<&'static EventKind> {
    MODULES.iter().flat_map(|module| module.events).find(|known| known.kind == kind)
}

/// What an event means, in one or two sentences. A kind that this version does not know is said to be one.
pub fn explain(kind: &str, about: &About<'_>, detail: &serde_json::Value) -> Explanation {
    let known = event_kind(kind).and_then(|known| known.explain(about, detail));
    known.unwrap_or_else(|| {
        let computer = about.computer;
        Explanation::new(
            format!("{computer} reported something that this manager does not know; update the manager."),
            format!(
                "{computer} から、このマネージャーが知らない種類のイベントが届きました。マネージャーを更新してください。"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_said_once_and_every_default_is_accepted() {
        let ids: BTreeSet<&str> = MODULES.iter().map(|module| module.id).collect();
        assert_eq!(ids.len(), MODULES.len(), "a module is registered twice");
        let kinds: Vec<&str> = MODULES.iter().flat_map(|m| m.events).map(|event| event.kind).collect();
        assert_eq!(
            kinds.iter().collect::<BTreeSet<_>>().len(),
            kinds.len(),
            "a kind of event has two owners"
        );
        for (module, settings) in configurable() {
            let defaults = settings.defaults();
            assert_eq!(settings.check(&defaults), [], "{}", module.id);
            assert!(defaults.contains_key("mode"), "{}: the first property is the mode", module.id);
            for keyed in settings.keyed {
                assert!(
                    defaults.get(*keyed).is_some_and(serde_json::Value::is_object),
                    "{}: {keyed}",
                    module.id
                );
            }
            if let Some(modes) = module.rules.and_then(|rules| rules.modes) {
                assert!(settings.keyed.contains(&modes), "{}: {modes}", module.id);
            }
        }
    }

    #[test]
    fn an_unknown_kind_is_said_to_be_one() {
        let about = About { computer: "web-1", action: "noted", severity: "info" };
        let said = explain("tea", &about, &serde_json::Value::Null);
        assert!(said.en.contains("update the manager") && said.ja.contains("web-1"), "{said:?}");
    }
}
