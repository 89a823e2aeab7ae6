//! Settings of a policy: what it sets itself, what it inherits, and what that comes to, for every registered module.
use sakimori_api as api;
use sakimori_modules::{Effective, Finding, Objects, configurable, module, objects, settings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a policy sets itself, by module and property; the rest is inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LocalSettings(BTreeMap<String, Map<String, Value>>);

impl LocalSettings {
    /// What is set of one module.
    pub fn of(&self, module: &str) -> Option<&Map<String, Value>> {
        self.0.get(module)
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All modules of which something is set.
    pub fn modules(&self) -> &BTreeMap<String, Map<String, Value>> {
        &self.0
    }

    /// Refers to a list by its new name; says how many references there were. `lists` has it by its old one.
    pub fn rename_list(&mut self, lists: &Objects, renamed: (api::ObjectKind, &str), to: &str) -> usize {
        let each = self.0.iter_mut().filter_map(|(id, values)| {
            let kind = module(id)?.settings.as_ref()?;
            Some(objects::rename(kind, values, lists, renamed, to))
        });
        each.sum()
    }

    /// Applies a merge patch: a module with `null` inherits everything again. Every member that is wrong is
    /// reported and nothing is changed.
    pub fn patch(
        &mut self,
        change: &api::SettingsPatch,
        lists: &Objects,
    ) -> Result<(), Vec<api::FieldError>> {
        let mut next = self.0.clone();
        let mut errors = Vec::new();
        for (id, change) in &change.0 {
            let Some(kind) = module(id).and_then(|module| module.settings.as_ref()) else {
                let names: Vec<&str> = configurable().map(|(module, _)| module.id).collect();
                let message = format!("There is no such module; there are {}.", names.join(", "));
                errors.push(error(Finding::at(settings::pointer(id), "unknown", message, id), ""));
                continue;
            };
            let Some(change) = change else {
                next.remove(id);
                continue;
            };
            let mut local = next.remove(id).unwrap_or_default();
            if let Err(findings) = sakimori_modules::patch(kind, &mut local, change, lists) {
                errors.extend(findings.into_iter().map(|finding| error(finding, &settings::pointer(id))));
            }
            if !local.is_empty() {
                next.insert(id.clone(), local);
            }
        }
        if errors.is_empty() {
            self.0 = next;
            Ok(())
        } else {
            Err(errors)
        }
    }
}

/// What layers of local settings come to, the root first: each module with its values and their origins.
pub fn resolve(layers: &[&LocalSettings]) -> BTreeMap<&'static str, Effective> {
    let each = configurable().map(|(module, kind)| {
        let of_module = layers.iter().map(|layer| layer.of(module.id));
        (module.id, sakimori_modules::resolve(kind, of_module))
    });
    each.collect()
}

/// What is wrong with settings in force although each layer by itself is right.
pub fn check(resolved: &BTreeMap<&'static str, Effective>, lists: &Objects) -> Vec<api::FieldError> {
    let each = configurable().flat_map(|(module, kind)| {
        let findings = resolved
            .get(module.id)
            .map_or_else(Vec::new, |effective| kind.check_with(&effective.values, lists));
        findings.into_iter().map(|finding| error(finding, &settings::pointer(module.id)))
    });
    each.collect()
}

fn error(finding: Finding, at: &str) -> api::FieldError {
    api::FieldError {
        pointer: format!("/settings{at}{}", finding.pointer),
        code: finding.code.to_owned(),
        message: finding.message,
        args: BTreeMap::from([("value".to_owned(), finding.value)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patch(settings: &mut LocalSettings, change: Value) -> Result<(), Vec<api::FieldError>> {
        settings.patch(&serde_json::from_value(change).unwrap(), &Objects::default())
    }

    #[test]
    fn modules_are_patched_each_by_itself() {
        let mut local = LocalSettings::default();
        patch(&mut local, json!({"firewall": {"mode": "prevent"}, "anti-malware": {"onAccess": true}}))
            .unwrap();
        patch(&mut local, json!({"firewall": null, "anti-malware": {"onAccess": null, "mode": "detect"}}))
            .unwrap();
        assert_eq!(serde_json::to_value(&local).unwrap(), json!({"anti-malware": {"mode": "detect"}}));
        let resolved = resolve(&[&local]);
        assert_eq!(resolved["anti-malware"].values["mode"], "detect");
        assert_eq!(resolved["firewall"].values["mode"], "off");
    }

    #[test]
    fn every_wrong_member_is_named_with_its_module() {
        let mut local = LocalSettings::default();
        let errors = patch(&mut local, json!({"tea": {}, "firewall": {"mode": "hot"}})).unwrap_err();
        let at: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(at, ["/settings/firewall/mode", "/settings/tea"]);
        assert_eq!(local, LocalSettings::default());
    }
}
