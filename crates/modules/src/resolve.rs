//! The policy tree without its modules: what is inherited, what is set locally, and what that comes to.
//!
//! A policy keeps, for each module, a sparse JSON object of the properties it sets itself. A keyed property holds a
//! sparse object of its own: a key's value is set, or it is [`EXCLUDED`]: inherited by others, not wanted here.
use crate::objects::{self, Objects};
use crate::settings::{Finding, SettingsKind, pointer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// In the place of a keyed value: what is inherited under this key does not count here.
pub const EXCLUDED: &str = "excluded";

/// Most keys of one keyed property in one policy: each becomes a part of every bundle.
pub const KEYS: usize = 50_000;
/// Longest key, in characters.
const KEY_CHARS: usize = 256;

/// Settings in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effective {
    /// Every property with its value.
    pub values: Map<String, Value>,
    /// Where each value that is not a default was set: the index of its layer, by JSON pointer (`/mode`,
    /// `/rules/ssh`). An exclusion is named too.
    pub origins: BTreeMap<String, usize>,
}

/// What layers of local settings come to, the root first and the computer's own last.
pub fn resolve<'a>(
    kind: &SettingsKind,
    layers: impl IntoIterator<Item = Option<&'a Map<String, Value>>>,
) -> Effective {
    let mut effective = Effective { values: kind.defaults(), origins: BTreeMap::new() };
    for (layer, local) in layers.into_iter().enumerate() {
        for (property, value) in local.into_iter().flatten() {
            let entries = value.as_object().filter(|_| kind.is_keyed(property));
            let Some(entries) = entries else {
                effective.origins.insert(pointer(property), layer);
                effective.values.insert(property.clone(), value.clone());
                continue;
            };
            let mut merged = match effective.values.remove(property) {
                Some(Value::Object(merged)) => merged,
                _ => Map::new(),
            };
            for (key, entry) in entries {
                effective.origins.insert(format!("{}{}", pointer(property), pointer(key)), layer);
                if entry.as_str() == Some(EXCLUDED) {
                    merged.remove(key);
                } else {
                    merged.insert(key.clone(), entry.clone());
                }
            }
            effective.values.insert(property.clone(), Value::Object(merged));
        }
    }
    effective
}

/// Applies a merge patch to one layer: a property or a key with `null` inherits again, a keyed property with `null`
/// forgets all its local keys. Nothing is changed where something is wrong.
pub fn patch(
    kind: &SettingsKind,
    local: &mut Map<String, Value>,
    change: &Map<String, Value>,
    objects: &Objects,
) -> Result<(), Vec<Finding>> {
    let mut next = local.clone();
    let mut findings = Vec::new();
    for (property, value) in change {
        match (kind.is_keyed(property), value) {
            (_, Value::Null) => {
                next.remove(property);
            }
            (true, Value::Object(entries)) => {
                let mut merged = match next.remove(property) {
                    Some(Value::Object(merged)) => merged,
                    _ => Map::new(),
                };
                for (key, entry) in entries {
                    if key.is_empty() || key.chars().count() > KEY_CHARS || key.chars().any(char::is_control)
                    {
                        let message = "A name has 1 to 256 characters without control characters.";
                        let at = format!("{}{}", pointer(property), pointer(key));
                        findings.push(Finding::at(at, "not-a-name", message, key));
                    } else if entry.is_null() {
                        merged.remove(key);
                    } else {
                        merged.insert(key.clone(), entry.clone());
                    }
                }
                if merged.len() > KEYS {
                    let message = format!("A policy sets at most {KEYS} of these itself.");
                    let found = merged.len().to_string();
                    findings.push(Finding::at(pointer(property), "too-many", message, &found));
                }
                if !merged.is_empty() {
                    next.insert(property.clone(), Value::Object(merged));
                }
            }
            _ => {
                next.insert(property.clone(), value.clone());
            }
        }
    }
    objects::normalise(kind, &mut next);
    findings.extend(kind.check_with(&without_exclusions(kind, &next), objects));
    if findings.is_empty() {
        *local = next;
        Ok(())
    } else {
        Err(findings)
    }
}

/// Every member of settings in force, a property or a keyed property's key, by JSON pointer: its value, and the layer
/// that set it. An exclusion has a layer and no value.
pub fn members<'a>(
    kind: &SettingsKind,
    effective: &'a Effective,
) -> BTreeMap<String, (Option<&'a Value>, Option<usize>)> {
    let mut members = BTreeMap::new();
    for (property, value) in &effective.values {
        let at = pointer(property);
        match value {
            Value::Object(entries) if kind.is_keyed(property) => {
                for (key, entry) in entries {
                    members.insert(format!("{at}{}", pointer(key)), (Some(entry), None));
                }
            }
            _ => {
                members.insert(at, (Some(value), None));
            }
        }
    }
    for (at, layer) in &effective.origins {
        members.entry(at.clone()).or_insert((None, None)).1 = Some(*layer);
    }
    members
}

/// A layer as values that can be checked.
fn without_exclusions(kind: &SettingsKind, local: &Map<String, Value>) -> Map<String, Value> {
    let kept = |entries: &Map<String, Value>| {
        let wanted = entries.iter().filter(|(_, entry)| entry.as_str() != Some(EXCLUDED));
        wanted.map(|(key, entry)| (key.clone(), entry.clone())).collect()
    };
    let each = local.iter().map(|(property, value)| match value {
        Value::Object(entries) if kind.is_keyed(property) => (property.clone(), Value::Object(kept(entries))),
        _ => (property.clone(), value.clone()),
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intrusion_prevention;
    use serde_json::json;

    fn kind() -> &'static SettingsKind {
        intrusion_prevention::MODULE.settings.as_ref().unwrap()
    }

    fn layer(changes: &[Value]) -> Map<String, Value> {
        let mut local = Map::new();
        for change in changes {
            patch(kind(), &mut local, change.as_object().unwrap(), &Objects::default()).unwrap();
        }
        local
    }

    #[test]
    fn a_child_inherits_what_it_does_not_set_and_says_where_each_value_is_from() {
        let base = layer(&[json!({"mode": "detect", "httpPorts": ["80", "8000-8090"],
            "ruleModes": {"1": "prevent", "2": "prevent"}})]);
        let child = layer(&[json!({"mode": "prevent", "ruleModes": {"2": "off"}})]);
        let effective = resolve(kind(), [Some(&base), Some(&child)]);
        assert_eq!(effective.values["mode"], "prevent");
        assert_eq!(effective.values["httpPorts"], json!(["80", "8000-8090"]));
        assert_eq!(effective.values["ruleModes"], json!({"1": "prevent", "2": "off"}));
        assert_eq!(effective.values["answerPage"], true, "a default");
        let origins: Vec<(&str, usize)> =
            effective.origins.iter().map(|(at, layer)| (at.as_str(), *layer)).collect();
        assert_eq!(origins, [("/httpPorts", 0), ("/mode", 1), ("/ruleModes/1", 0), ("/ruleModes/2", 1)]);
    }

    #[test]
    fn a_key_is_excluded_locally_and_inherited_again_by_null() {
        let base = layer(&[json!({"ruleModes": {"1": "prevent", "2": "detect"}})]);
        let mut child = layer(&[json!({"ruleModes": {"1": EXCLUDED}})]);
        assert_eq!(resolve(kind(), [Some(&base), Some(&child)]).values["ruleModes"], json!({"2": "detect"}));
        let again = json!({"ruleModes": {"1": null}});
        patch(kind(), &mut child, again.as_object().unwrap(), &Objects::default()).unwrap();
        assert!(child.is_empty(), "nothing is set any more: {child:?}");
        assert_eq!(resolve(kind(), [Some(&base), Some(&child)]).values["ruleModes"]["1"], "prevent");
    }

    #[test]
    fn every_wrong_member_is_named_and_nothing_is_changed() {
        let mut local = layer(&[json!({"mode": "detect"})]);
        let before = local.clone();
        let change = json!({"mode": "sleep", "httpPorts": ["0", "80", "90-80"], "tea": 1,
            "ruleModes": {"a/b": "off", "7": "loud", "8": "off"}});
        let findings =
            patch(kind(), &mut local, change.as_object().unwrap(), &Objects::default()).unwrap_err();
        let mut at: Vec<&str> = findings.iter().map(|finding| finding.pointer.as_str()).collect();
        at.sort_unstable();
        assert_eq!(at, ["/httpPorts/0", "/httpPorts/2", "/mode", "/ruleModes/7", "/ruleModes/a~1b", "/tea"]);
        assert_eq!(local, before);
    }
}
