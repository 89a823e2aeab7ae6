//! Policies: a tree of settings in which each value is inherited or set locally.
use crate::Patch;
use sakimori_modules::{EXCLUDED, configurable};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, AnyOfBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};
use uuid::Uuid;

pub use sakimori_modules::Mode;

/// The settings of every module, each property with its value in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SettingsInForce(pub BTreeMap<String, Map<String, Value>>);

/// What a policy sets itself, by module and property.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LocalSettingsView(pub BTreeMap<String, Map<String, Value>>);

/// Local settings (merge patch): a module, a property or a key with `null` inherits again, a key with the word
/// `excluded` does not count here although it is inherited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SettingsPatch(pub BTreeMap<String, Option<Map<String, Value>>>);

impl SettingsPatch {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl utoipa::PartialSchema for SettingsInForce {
    fn schema() -> RefOr<Schema> {
        let mut object = ObjectBuilder::new().description(Some("Every module's settings in force."));
        for (module, settings) in configurable() {
            object = object
                .property(module.id, Ref::from_schema_name(settings.schemas().name))
                .required(module.id);
        }
        object.into()
    }
}

impl ToSchema for SettingsInForce {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for (_module, settings) in configurable() {
            let found = settings.schemas();
            schemas.push((found.name, found.schema));
            schemas.extend(found.others);
        }
    }
}

impl utoipa::PartialSchema for LocalSettingsView {
    fn schema() -> RefOr<Schema> {
        local_schema("What the policy sets itself; the rest is inherited.", false)
    }
}

impl ToSchema for LocalSettingsView {}

impl utoipa::PartialSchema for SettingsPatch {
    fn schema() -> RefOr<Schema> {
        let said = "Local settings to change: `null` inherits again, the word `excluded` at a key leaves out what is \
                    inherited under it.";
        local_schema(said, true)
    }
}

impl ToSchema for SettingsPatch {}

/// Every module with its properties, none of them required; in a patch each may be `null`.
fn local_schema(said: &str, patch: bool) -> RefOr<Schema> {
    let null = || ObjectBuilder::new().schema_type(SchemaType::new(Type::Null));
    let or_null = |schema: RefOr<Schema>| -> RefOr<Schema> {
        if patch { AnyOfBuilder::new().item(schema).item(null()).into() } else { schema }
    };
    let mut all = ObjectBuilder::new().description(Some(said));
    for (module, settings) in configurable() {
        let mut own = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(false)));
        if let RefOr::T(Schema::Object(object)) = settings.schemas().schema {
            for (name, schema) in object.properties {
                let schema = if settings.is_keyed(&name) { with_exclusion(schema, &or_null) } else { schema };
                own = own.property(name, or_null(schema));
            }
        }
        all = all.property(module.id, or_null(own.into()));
    }
    all.additional_properties(Some(AdditionalProperties::FreeForm(false))).into()
}

/// A keyed property's schema in which a key may also be excluded.
fn with_exclusion(schema: RefOr<Schema>, or_null: &impl Fn(RefOr<Schema>) -> RefOr<Schema>) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut object)) = schema else { return schema };
    if let Some(AdditionalProperties::RefOr(entry)) = object.additional_properties.take().map(|boxed| *boxed)
    {
        let excluded = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([EXCLUDED]));
        let either = AnyOfBuilder::new().item(entry).item(excluded).into();
        object.additional_properties = Some(Box::new(AdditionalProperties::RefOr(or_null(either))));
    }
    RefOr::T(Schema::Object(object))
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The policy it inherits from.
    #[schema(required)]
    pub parent_id: Option<Uuid>,
    /// The settings in force.
    pub settings: SettingsInForce,
    /// What this policy sets itself; the rest is inherited.
    pub local: LocalSettingsView,
    /// By module, the policy that set each value that is not a default, by JSON pointer: `/mode`, `/rules/ssh`.
    pub origins: BTreeMap<String, BTreeMap<String, Uuid>>,
    /// Whether it came with the product. It may be changed but not deleted.
    pub built_in: bool,
    /// Computers it is assigned to.
    pub computers: u64,
    /// When it was last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// For `If-Match`.
    pub etag: String,
}

/// Makes a policy.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPolicy {
    /// Name, not in use yet.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 1024)]
    pub description: String,
    /// The policy to inherit from; the built-in defaults where absent.
    #[serde(default)]
    pub parent_id: Option<Uuid>,
    /// Local settings.
    #[serde(default)]
    pub settings: SettingsPatch,
    /// What to remember of it in the policy's history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub comment: Option<String>,
}

/// Changes a policy (merge patch).
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyPatch {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// New description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// New parent; `null` makes it a root.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Uuid>)]
    pub parent_id: Patch<Uuid>,
    /// Local settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<SettingsPatch>,
    /// What to remember of this change in the policy's history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub comment: Option<String>,
}
