//! Common objects: lists that settings refer to by name, so that one change reaches every policy.
//!
//! A reference is a text of the form `list:NAME` in a place that a module names in [`Settings::REFERENCES`]. It is
//! kept as it is written; [`expand`] puts what it stands for in its place, so that an agent gets plain values.
//!
//! [`Settings::REFERENCES`]: crate::Settings::REFERENCES
use crate::context::Context;
use crate::firewall::WrongAddresses;
use crate::mac::Mac;
use crate::schedule::Window;
use crate::settings::{Finding, SettingsKind, pointer};
use crate::words::Ports;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Most items of a list: each may become an element of a kernel set.
pub const ITEMS: usize = 4096;
/// Longest item, in characters.
const ITEM_CHARS: usize = 4096;
/// What a reference to a list begins with.
const LIST: &str = "list:";

/// What a common object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// A list of IP addresses and networks.
    Addresses,
    /// A list of ports and ranges of ports.
    Ports,
    /// A list of MAC addresses.
    Macs,
    /// A list of interfaces, by name or by the beginning of their names.
    Interfaces,
    /// A list of files, by whole path.
    Files,
    /// A list of folders, by whole path.
    Folders,
    /// A list of file name extensions, without the dot.
    Extensions,
    /// Times of the week at which a rule counts.
    Schedule,
    /// Where a computer has to be so that a rule counts: any of these.
    Context,
}

/// How a place takes what a reference stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// The items become items of the array.
    Items,
    /// The items become items of the array, each with the list's name before it: `office: address 192.0.2.0/24`.
    Named,
    /// The items become keys of the keyed property, each with the reference's value.
    Keys,
    /// The items are extensions and become patterns `**/*.EXTENSION`.
    Patterns,
}

/// Where settings may refer to common objects.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Members from the settings on, `*` for any key: `["rules", "*", "remote"]`.
    pub path: &'static [&'static str],
    /// The kinds that are taken, the first that has the name.
    pub kinds: &'static [ObjectKind],
    /// What becomes of the items.
    pub takes: Takes,
}

/// The common objects of a tenant: the items of each.
#[derive(Clone, Debug, Default)]
pub struct Objects(BTreeMap<(ObjectKind, String), Vec<String>>);

/// A reference found in settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where, as a JSON pointer from the settings.
    pub pointer: String,
    /// The kinds that it may be of.
    pub kinds: &'static [ObjectKind],
    /// Its name.
    pub name: String,
}

/// Settings with plain values.
#[derive(Clone, Debug, Default)]
pub struct Expanded {
    /// The values.
    pub values: Map<String, Value>,
    /// References to what is not there.
    pub findings: Vec<Finding>,
    /// Of arrays that became longer: by pointer, the index as written of each item.
    moved: BTreeMap<String, Vec<usize>>,
}

// === impl ObjectKind ===

impl ObjectKind {
    /// Every kind, in the order people are shown.
    pub const ALL: [Self; 9] = [
        Self::Addresses,
        Self::Ports,
        Self::Macs,
        Self::Interfaces,
        Self::Files,
        Self::Folders,
        Self::Extensions,
        Self::Schedule,
        Self::Context,
    ];

    /// The registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Addresses => "addresses",
            Self::Ports => "ports",
            Self::Macs => "macs",
            Self::Interfaces => "interfaces",
            Self::Files => "files",
            Self::Folders => "folders",
            Self::Extensions => "extensions",
            Self::Schedule => "schedule",
            Self::Context => "context",
        }
    }

    /// An item in the one form in which it is kept, without blanks around it.
    pub fn normal(self, item: &str) -> String {
        let item = item.trim();
        match self {
            Self::Macs => item.parse().map_or_else(|_wrong| item.to_owned(), |mac: Mac| mac.to_string()),
            Self::Context => {
                item.parse().map_or_else(|_wrong| item.to_owned(), |context: Context| context.to_string())
            }
            _ => item.to_owned(),
        }
    }

    /// The kind of a registered name.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What is wrong with the items of a list; pointers begin at the list. An empty list is refused: in a rule it would
    /// mean everything.
    pub fn check(self, items: &[String]) -> Vec<Finding> {
        let mut findings = Vec::new();
        if items.is_empty() || items.len() > ITEMS {
            let message = format!("A list has 1 to {ITEMS} items; an empty one would match everything.");
            findings.push(Finding::at("", "not-a-list", message, &items.len().to_string()));
        }
        for (index, item) in items.iter().enumerate() {
            if let Some((code, message)) = self.wrong(item) {
                findings.push(Finding::at(format!("/{index}"), code, message, item));
            }
        }
        findings
    }

    fn wrong(self, item: &str) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Addresses => crate::firewall::wrong_addresses(item).map(WrongAddresses::words),
            Self::Interfaces if !crate::firewall::is_interface(item) => {
                Some(("not-an-interface", crate::firewall::NOT_AN_INTERFACE))
            }
            Self::Ports if item.parse::<Ports>().is_err() => Some((
                "not-a-port-range",
                "Write a port from 1 to 65535, or a range of them with the lower first: 8000-8090.",
            )),
            Self::Files | Self::Folders
                if !item.starts_with('/')
                    || item.chars().count() > ITEM_CHARS
                    || item.chars().any(char::is_control) =>
            {
                Some(("not-absolute", "Write the whole path, from / on."))
            }
            Self::Extensions
                if item.is_empty()
                    || item.starts_with('.')
                    || item.chars().count() > 64
                    || item.chars().any(|c| c.is_control() || matches!(c, '/' | '*' | '?' | '\\')) =>
            {
                Some(("not-an-extension", "Write the extension without its dot: log, tar.gz."))
            }
            Self::Schedule if item.parse::<Window>().is_err() => Some((
                "not-a-window",
                "Write days, hours and a zone of the IANA database: mon-fri 09:00-18:00 Asia/Tokyo.",
            )),
            Self::Macs if item.parse::<Mac>().is_err() => Some((
                "not-a-mac",
                "Write the MAC address of one card, no group: 02:00:5e:10:00:01, 02-00-5E-10-00-01 or 0200.5e10.0001.",
            )),
            Self::Context if item.parse().map_or(true, |context: Context| context.is_named()) => Some((
                "not-a-context",
                "Write conditions with 'and' between them: interface eth*, address 192.0.2.0/24, reachable manager, \
                 reachable HOST:PORT, resolves NAME; 'not' before a condition turns it round.",
            )),
            _ => None,
        }
    }
}

// === impl Objects ===

impl Objects {
    /// Adds a list.
    pub fn insert(&mut self, kind: ObjectKind, name: String, items: Vec<String>) {
        self.0.insert((kind, name), items);
    }

    fn find(&self, kinds: &[ObjectKind], name: &str) -> Option<&[String]> {
        kinds.iter().find_map(|kind| self.0.get(&(*kind, name.to_owned()))).map(Vec::as_slice)
    }

    /// Which of the kinds a name stands for.
    fn kind_of(&self, kinds: &[ObjectKind], name: &str) -> Option<ObjectKind> {
        kinds.iter().copied().find(|kind| self.0.contains_key(&(*kind, name.to_owned())))
    }

    /// A list of another kind that has this name where one of `kind` may be named: a reference would be to either.
    pub fn rival(&self, kind: ObjectKind, name: &str) -> Option<ObjectKind> {
        let places = crate::configurable().flat_map(|(_, settings)| settings.references);
        let shared = places.filter(|place| place.kinds.contains(&kind)).flat_map(|place| place.kinds);
        shared.copied().find(|other| *other != kind && self.0.contains_key(&(*other, name.to_owned())))
    }

    fn names(&self, kinds: &[ObjectKind]) -> String {
        let of_kinds = self.0.keys().filter(|(kind, _)| kinds.contains(kind));
        let names: Vec<&str> = of_kinds.map(|(_, name)| name.as_str()).take(20).collect();
        if names.is_empty() {
            "there is none yet".to_owned()
        } else {
            format!("there are {}", names.join(", "))
        }
    }
}

/// The name in a reference to a list.
pub fn list_name(text: &str) -> Option<&str> {
    text.strip_prefix(LIST)
}

/// The references in local settings or in settings in force.
pub fn references(kind: &SettingsKind, values: &Map<String, Value>) -> Vec<Reference> {
    let mut found = Vec::new();
    for place in kind.references {
        visit(place.path, "", values, &mut |at, value| {
            let mut add = |pointer: String, name: &str| {
                found.push(Reference { pointer, kinds: place.kinds, name: name.to_owned() });
            };
            match (place.takes, value) {
                (Takes::Keys, Value::Object(entries)) => {
                    for key in entries.keys() {
                        if let Some(name) = list_name(key) {
                            add(format!("{at}{}", pointer(key)), name);
                        }
                    }
                }
                (Takes::Items | Takes::Named | Takes::Patterns, Value::Array(items)) => {
                    for (index, item) in items.iter().enumerate() {
                        if let Some(name) = item.as_str().and_then(list_name) {
                            add(format!("{at}/{index}"), name);
                        }
                    }
                }
                _ => {}
            }
        });
    }
    found
}

/// Puts what is written in several forms into the one in which it is kept.
pub fn normalise(kind: &SettingsKind, values: &mut Map<String, Value>) {
    for place in kind.references {
        let Some(of) = place.kinds.first() else { continue };
        visit_mut(place.path, "", values, &mut |_at, value| {
            for item in value.as_array_mut().into_iter().flatten() {
                if let Value::String(text) = item
                    && list_name(text).is_none()
                    && matches!(of, ObjectKind::Macs | ObjectKind::Context)
                {
                    *text = of.normal(text);
                }
            }
        });
    }
}

/// Has local settings that refer to a list refer to it by its new name; says how many references there were.
///
/// A name in a place that takes several kinds stands for the first kind that has it, as in [`expand`].
pub fn rename(
    kind: &SettingsKind,
    values: &mut Map<String, Value>,
    objects: &Objects,
    renamed: (ObjectKind, &str),
    to: &str,
) -> usize {
    let (of, from) = renamed;
    let (old, new) = (format!("{LIST}{from}"), format!("{LIST}{to}"));
    let mut count = 0;
    for place in kind.references.iter().filter(|place| objects.kind_of(place.kinds, from) == Some(of)) {
        visit_mut(place.path, "", values, &mut |_at, value| match (place.takes, value) {
            (Takes::Keys, Value::Object(entries)) => {
                if let Some(value) = entries.remove(&old) {
                    entries.insert(new.clone(), value);
                    count += 1;
                }
            }
            (Takes::Items | Takes::Named | Takes::Patterns, Value::Array(items)) => {
                for item in items.iter_mut().filter(|item| item.as_str() == Some(old.as_str())) {
                    *item = Value::String(new.clone());
                    count += 1;
                }
            }
            _ => {}
        });
    }
    count
}

/// Puts what references stand for in their place.
pub fn expand(kind: &SettingsKind, values: &Map<String, Value>, objects: &Objects) -> Expanded {
    let mut expanded = Expanded { values: values.clone(), ..Expanded::default() };
    for place in kind.references {
        let (findings, moved) = (&mut expanded.findings, &mut expanded.moved);
        visit_mut(place.path, "", &mut expanded.values, &mut |at, value| match (place.takes, value) {
            (Takes::Keys, Value::Object(entries)) => expand_keys(place, at, entries, objects, findings),
            (Takes::Items | Takes::Named | Takes::Patterns, Value::Array(items)) => {
                expand_items(place, at, items, objects, findings, moved);
            }
            _ => {}
        });
    }
    expanded
}

fn expand_keys(
    place: &Place,
    at: &str,
    entries: &mut Map<String, Value>,
    objects: &Objects,
    findings: &mut Vec<Finding>,
) {
    let named: Vec<String> = entries.keys().filter(|key| list_name(key).is_some()).cloned().collect();
    for key in named {
        let value = entries.remove(&key).unwrap_or_default();
        let name = list_name(&key).unwrap_or_default();
        match objects.find(place.kinds, name) {
            Some(items) => {
                for item in items {
                    // What the policy says of this one itself counts more than the list.
                    entries.entry(item.clone()).or_insert_with(|| value.clone());
                }
            }
            None => findings.push(missing(place, format!("{at}{}", pointer(&key)), name, objects)),
        }
    }
}

fn expand_items(
    place: &Place,
    at: &str,
    items: &mut Vec<Value>,
    objects: &Objects,
    findings: &mut Vec<Finding>,
    moved: &mut BTreeMap<String, Vec<usize>>,
) {
    if !items.iter().any(|item| item.as_str().is_some_and(|text| list_name(text).is_some())) {
        return;
    }
    let (mut plain, mut from) = (Vec::new(), Vec::new());
    for (index, item) in std::mem::take(items).into_iter().enumerate() {
        let Some(name) = item.as_str().and_then(list_name) else {
            plain.push(item);
            from.push(index);
            continue;
        };
        match objects.find(place.kinds, name) {
            Some(list) => {
                for item in list {
                    let item = match place.takes {
                        Takes::Patterns => format!("**/*.{item}"),
                        Takes::Named => format!("{name}: {item}"),
                        Takes::Items | Takes::Keys => item.clone(),
                    };
                    plain.push(Value::String(item));
                    from.push(index);
                }
            }
            None => findings.push(missing(place, format!("{at}/{index}"), name, objects)),
        }
    }
    *items = plain;
    moved.insert(at.to_owned(), from);
}

fn missing(place: &Place, at: String, name: &str, objects: &Objects) -> Finding {
    let kinds: Vec<&str> = place.kinds.iter().map(|kind| kind.as_str()).collect();
    let message =
        format!("There is no list of {} of this name; {}.", kinds.join(" or "), objects.names(place.kinds));
    Finding::at(at, "no-such-list", message, name)
}

impl Expanded {
    /// A finding at plain values as one at the values that were written.
    pub fn as_written(&self, mut finding: Finding) -> Finding {
        for (at, from) in &self.moved {
            let Some(rest) =
                finding.pointer.strip_prefix(at.as_str()).and_then(|rest| rest.strip_prefix('/'))
            else {
                continue;
            };
            let (index, tail) =
                rest.split_once('/').map_or((rest, None), |(index, tail)| (index, Some(tail)));
            if let Some(written) = index.parse::<usize>().ok().and_then(|index| from.get(index)) {
                let tail = tail.map(|tail| format!("/{tail}")).unwrap_or_default();
                finding.pointer = format!("{at}/{written}{tail}");
                break;
            }
        }
        finding
    }
}

fn visit(path: &[&str], at: &str, values: &Map<String, Value>, each: &mut impl FnMut(&str, &Value)) {
    let Some((first, rest)) = path.split_first() else { return };
    for (key, value) in values {
        if *first != "*" && first != key {
            continue;
        }
        let at = format!("{at}{}", pointer(key));
        if rest.is_empty() {
            each(&at, value);
        } else if let Value::Object(inner) = value {
            visit(rest, &at, inner, each);
        }
    }
}

fn visit_mut(
    path: &[&str],
    at: &str,
    values: &mut Map<String, Value>,
    each: &mut impl FnMut(&str, &mut Value),
) {
    let Some((first, rest)) = path.split_first() else { return };
    for (key, value) in values.iter_mut() {
        if *first != "*" && first != key {
            continue;
        }
        let at = format!("{at}{}", pointer(key));
        if rest.is_empty() {
            each(&at, value);
        } else if let Value::Object(inner) = value {
            visit_mut(rest, &at, inner, each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{anti_malware, firewall, integrity_monitoring};
    use serde_json::json;

    fn objects() -> Objects {
        let mut objects = Objects::default();
        let texts = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect::<Vec<_>>();
        objects.insert(ObjectKind::Addresses, "office".to_owned(), texts(&["192.0.2.0/24", "2001:db8::/32"]));
        objects.insert(ObjectKind::Ports, "web".to_owned(), texts(&["80", "8000-8090"]));
        objects.insert(ObjectKind::Folders, "caches".to_owned(), texts(&["/var/cache", "/tmp"]));
        objects.insert(ObjectKind::Extensions, "noise".to_owned(), texts(&["log", "tmp"]));
        objects
    }

    fn values(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn references_become_plain_values_and_findings_stay_where_they_were_written() {
        let kind = firewall::MODULE.settings.as_ref().unwrap();
        let rule = json!({"rules": {"web": {"action": "allow", "direction": "in", "protocol": "tcp",
            "remote": ["list:office", "198.51.100.7", "nowhere"], "ports": ["list:web", "443"]}}});
        let expanded = expand(kind, &values(&rule), &objects());
        assert_eq!(expanded.findings, []);
        let web = &expanded.values["rules"]["web"];
        assert_eq!(web["remote"], json!(["192.0.2.0/24", "2001:db8::/32", "198.51.100.7", "nowhere"]));
        assert_eq!(web["ports"], json!(["80", "8000-8090", "443"]));
        let findings = kind.check_with(&values(&rule), &objects());
        let at: Vec<&str> = findings.iter().map(|finding| finding.pointer.as_str()).collect();
        assert_eq!(at, ["/rules/web/remote/2"]);
        assert_eq!(references(kind, &values(&rule)).len(), 2);
    }

    #[test]
    fn folders_become_keys_and_extensions_patterns() {
        let kind = anti_malware::MODULE.settings.as_ref().unwrap();
        let local = json!({"exclusions": {"list:caches": true, "/tmp": false}});
        let expanded = expand(kind, &values(&local), &objects());
        assert_eq!(expanded.values["exclusions"], json!({"/tmp": false, "/var/cache": true}));
        let kind = integrity_monitoring::MODULE.settings.as_ref().unwrap();
        let local = json!({"sets": {"home": {"base": "/home", "exclude": ["list:noise", ".cache/**"]}}});
        let expanded = expand(kind, &values(&local), &objects());
        assert_eq!(expanded.values["sets"]["home"]["exclude"], json!(["**/*.log", "**/*.tmp", ".cache/**"]));
        assert_eq!(kind.check_with(&values(&local), &objects()), []);
    }

    #[test]
    fn what_is_not_there_and_what_does_not_belong_there_is_refused() {
        let kind = firewall::MODULE.settings.as_ref().unwrap();
        let rule = json!({"rules": {"a": {"action": "deny", "direction": "out", "protocol": "tcp",
            "remote": ["list:web"], "ports": ["list:nothing"]}}});
        let findings = kind.check_with(&values(&rule), &objects());
        let said: Vec<(&str, &str)> = findings.iter().map(|f| (f.pointer.as_str(), f.code)).collect();
        assert_eq!(said, [("/rules/a/remote/0", "no-such-list"), ("/rules/a/ports/0", "no-such-list")]);
        assert!(findings[0].message.contains("there are office"), "{findings:?}");
    }

    #[test]
    fn a_context_keeps_its_name_and_forms_become_one() {
        let kind = firewall::MODULE.settings.as_ref().unwrap();
        let mut objects = objects();
        objects.insert(ObjectKind::Context, "office".to_owned(), vec!["interface eth*".to_owned()]);
        objects.insert(ObjectKind::Macs, "desks".to_owned(), vec!["02:00:5e:10:00:01".to_owned()]);
        let rule = json!({"rules": {"web": {"action": "allow", "direction": "in",
            "macs": ["list:desks", "02-00-5E-10-00-FF"], "context": ["list:office", "NOT reachable MANAGER"]}}});
        let mut local = values(&rule);
        normalise(kind, &mut local);
        let web = &local["rules"]["web"];
        assert_eq!(web["macs"], json!(["list:desks", "02:00:5e:10:00:ff"]));
        assert_eq!(web["context"], json!(["list:office", "not reachable manager"]));
        let expanded = expand(kind, &local, &objects);
        let web = &expanded.values["rules"]["web"];
        assert_eq!(web["macs"], json!(["02:00:5e:10:00:01", "02:00:5e:10:00:ff"]));
        assert_eq!(web["context"], json!(["office: interface eth*", "not reachable manager"]));
        assert_eq!(kind.check_with(&local, &objects), []);
    }

    #[test]
    fn references_follow_a_new_name_and_only_those_to_that_list() {
        let kind = anti_malware::MODULE.settings.as_ref().unwrap();
        let mut objects = objects();
        objects.insert(ObjectKind::Files, "caches".to_owned(), vec!["/swap".to_owned()]);
        let local = json!({"roots": {"list:caches": true, "/srv": true}, "exclusions": {"list:caches": true, "/x": true}});
        let mut files = values(&local);
        let rename_of = |of, values: &mut _| rename(kind, values, &objects, (of, "caches"), "temporary");
        // Both kinds may stand there; folders are asked first, so a name that both have means the folders.
        assert_eq!(rename_of(ObjectKind::Files, &mut files), 0);
        let mut folders = values(&local);
        assert_eq!(rename_of(ObjectKind::Folders, &mut folders), 2);
        assert_eq!(
            Value::Object(folders),
            json!({"roots": {"list:temporary": true, "/srv": true}, "exclusions": {"list:temporary": true, "/x": true}})
        );
        assert_eq!(objects.rival(ObjectKind::Folders, "caches"), Some(ObjectKind::Files));
        assert_eq!(objects.rival(ObjectKind::Ports, "office"), None);
    }

    #[test]
    fn items_fit_their_kind() {
        let wrong = |kind: ObjectKind, items: &[&str]| {
            let items: Vec<String> = items.iter().map(|&item| item.to_owned()).collect();
            kind.check(&items).into_iter().map(|finding| finding.pointer).collect::<Vec<_>>()
        };
        assert_eq!(wrong(ObjectKind::Addresses, &["192.0.2.1", "192.0.2.0/33", "host"]), ["/1", "/2"]);
        assert_eq!(wrong(ObjectKind::Ports, &["80", "90-80"]), ["/1"]);
        assert_eq!(wrong(ObjectKind::Folders, &["/var", "var"]), ["/1"]);
        assert_eq!(wrong(ObjectKind::Extensions, &["log", ".log", "a/b"]), ["/1", "/2"]);
        assert_eq!(wrong(ObjectKind::Ports, &[]), [""]);
        assert_eq!(wrong(ObjectKind::Macs, &["0200.5e10.0001", "ff:ff:ff:ff:ff:ff", "x"]), ["/1", "/2"]);
        assert_eq!(
            wrong(ObjectKind::Context, &["reachable manager", "x: interface eth0", "eth0"]),
            ["/1", "/2"]
        );
    }
}
