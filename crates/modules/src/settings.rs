//! The settings of a module as a type, and what a policy model that knows no module needs of it.
use crate::objects::{Objects, Place, expand};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

/// The settings of one module: a struct whose members are the *properties*.
///
/// Every member is always written, unknown ones are refused, absent ones take their default. A policy inherits or
/// overrides each property as a whole, except the [keyed](Self::KEYED) ones.
pub trait Settings: Serialize + DeserializeOwned + Default + Clone + ToSchema + Send + 'static {
    /// The properties that are JSON objects and merge key by key over the policy tree.
    const KEYED: &'static [&'static str] = &[];
    /// Where common objects may be referred to by name.
    const REFERENCES: &'static [Place] = &[];

    /// What the types cannot say: bounds, and members that do not fit each other. Pointers begin at the settings.
    fn check(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// A member of settings that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// JSON pointer (RFC 6901) from the module's settings: `/httpPorts`.
    pub pointer: String,
    /// Stable code: `too-many`.
    pub code: &'static str,
    /// What is wrong and what to write instead, in one sentence.
    pub message: String,
    /// What was written, cut short.
    pub value: String,
}

impl Finding {
    /// Longest `value`, in characters.
    const VALUE_CHARS: usize = 64;

    /// A finding at a member.
    pub fn at(
        pointer: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
        value: &str,
    ) -> Self {
        let value = value.chars().take(Self::VALUE_CHARS).collect();
        Self { pointer: pointer.into(), code, message: message.into(), value }
    }
}

/// One member of a JSON pointer (RFC 6901).
pub fn pointer(member: &str) -> String {
    format!("/{}", member.replace('~', "~0").replace('/', "~1"))
}

/// [`Settings`] without their type.
#[derive(Clone, Copy, Debug)]
pub struct SettingsKind {
    /// The properties that merge key by key.
    pub keyed: &'static [&'static str],
    /// Where common objects may be referred to.
    pub references: &'static [Place],
    defaults: fn() -> Map<String, Value>,
    check: fn(&Map<String, Value>) -> Vec<Finding>,
    schema: fn() -> Schemas,
}

/// The schema of settings or of an event's detail for the `OpenAPI` document.
#[derive(Clone)]
pub struct Schemas {
    /// Name among the document's schemas.
    pub name: String,
    /// The schema itself.
    pub schema: RefOr<Schema>,
    /// The schemas it refers to, by name.
    pub others: Vec<(String, RefOr<Schema>)>,
}

impl std::fmt::Debug for Schemas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schemas").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Schemas {
    /// Of a type.
    pub fn of<T: ToSchema>() -> Self {
        let mut others = Vec::new();
        T::schemas(&mut others);
        Self { name: T::name().into_owned(), schema: T::schema(), others }
    }
}

impl SettingsKind {
    /// The settings of type `S`.
    pub const fn of<S: Settings>() -> Self {
        Self {
            keyed: S::KEYED,
            references: S::REFERENCES,
            defaults: defaults::<S>,
            check: check::<S>,
            schema: Schemas::of::<S>,
        }
    }

    /// Every property with its default.
    pub fn defaults(&self) -> Map<String, Value> {
        (self.defaults)()
    }

    /// What is wrong with these values; absent ones take their default.
    pub fn check(&self, values: &Map<String, Value>) -> Vec<Finding> {
        (self.check)(values)
    }

    /// What is wrong with values that refer to common objects. Pointers are those of the values as written.
    pub fn check_with(&self, values: &Map<String, Value>, objects: &Objects) -> Vec<Finding> {
        let mut expanded = expand(self, values, objects);
        let mut findings = std::mem::take(&mut expanded.findings);
        let wrong = self.check(&expanded.values);
        findings.extend(wrong.into_iter().map(|finding| expanded.as_written(finding)));
        findings
    }

    /// For the `OpenAPI` document.
    pub fn schemas(&self) -> Schemas {
        (self.schema)()
    }

    /// Whether a property merges key by key.
    pub fn is_keyed(&self, property: &str) -> bool {
        self.keyed.contains(&property)
    }
}

fn defaults<S: Settings>() -> Map<String, Value> {
    match serde_json::to_value(S::default()) {
        Ok(Value::Object(values)) => values,
        // A settings type that is no JSON object is found by this crate's tests.
        _ => Map::new(),
    }
}

/// Each property is tried by itself, so that every wrong member is named; then the whole.
fn check<S: Settings>(values: &Map<String, Value>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let known = defaults::<S>();
    for (property, value) in values {
        if !known.contains_key(property) {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            let message = format!("There is no such setting; there are {}.", names.join(", "));
            findings.push(Finding::at(pointer(property), "unknown", message, property));
            continue;
        }
        match value {
            Value::Object(entries) if S::KEYED.contains(&property.as_str()) => {
                for (key, entry) in entries {
                    let one = Value::Object(Map::from_iter([(key.clone(), entry.clone())]));
                    let at = || format!("{}{}", pointer(property), pointer(key));
                    findings.extend(try_one::<S>(property, one, entry, at));
                }
            }
            Value::Array(items) if !items.is_empty() => {
                let before = findings.len();
                for (index, item) in items.iter().enumerate() {
                    let one = Value::Array(vec![item.clone()]);
                    findings.extend(try_one::<S>(property, one, item, || {
                        format!("{}/{index}", pointer(property))
                    }));
                }
                if findings.len() == before {
                    findings.extend(try_one::<S>(property, value.clone(), value, || pointer(property)));
                }
            }
            _ => findings.extend(try_one::<S>(property, value.clone(), value, || pointer(property))),
        }
    }
    if findings.is_empty() {
        match S::deserialize(Value::Object(values.clone())) {
            Ok(settings) => findings = settings.check(),
            Err(error) => findings.push(Finding::at("", "invalid", sentence(&error), "")),
        }
    }
    findings
}

fn try_one<S: Settings>(
    property: &str,
    alone: Value,
    written: &Value,
    at: impl FnOnce() -> String,
) -> Option<Finding> {
    let error = S::deserialize(Value::Object(Map::from_iter([(property.to_owned(), alone)]))).err()?;
    let text = match written {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(Finding::at(at(), "invalid", sentence(&error), &text))
}

/// What the parser said, as a sentence.
fn sentence(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}
