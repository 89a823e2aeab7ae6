//! What happened on the computers.
use sakimori_modules::{Explanation, MODULES};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use uuid::Uuid;

/// One thing that happened on a computer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Id.
    pub id: Uuid,
    /// The computer.
    pub computer_id: Uuid,
    /// Its name now; as it was when it has been deleted since.
    pub computer_name: String,
    /// When, by the computer's clock.
    #[schema(format = DateTime)]
    pub at: String,
    /// When the manager got it.
    #[schema(format = DateTime)]
    pub received_at: String,
    /// `intrusion-prevention`, `agent`.
    pub module: String,
    /// `info`, `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// How much it matters, 1 to 10,000: its severity's value (info 1, low 25, medium 50, high 75, critical 100) times
    /// `assetValue`. 0 where it arrived before events were ranked.
    pub rank: u32,
    /// What its computer was worth when it arrived, 1 to 100. 0 where it arrived before events were ranked.
    pub asset_value: u32,
    /// `detected`, `blocked` or `noted`.
    pub action: String,
    /// Which of the forms `detail` has: `intrusion`, `malware`, `notice`.
    pub kind: String,
    /// What people and rules have marked it with.
    pub tags: Vec<String>,
    /// The kind's own fields.
    pub detail: EventDetail,
    /// What it means, in one or two sentences.
    pub explanation: Explanation,
}

/// The fields of each kind of event; `kind` says which. A kind that this manager does not know is as its agent sent it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventDetail(pub Value);

impl EventDetail {
    /// The fields of a known kind.
    pub fn read<E: sakimori_modules::EventDetail>(&self) -> Option<E> {
        E::deserialize(&self.0).ok()
    }

    /// A field as text; empty where there is none.
    pub fn text(&self, name: &str) -> String {
        match self.0.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(items)) => {
                let each =
                    items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
                each.collect::<Vec<_>>().join(" ")
            }
            Some(other) => other.to_string(),
        }
    }
}

impl utoipa::PartialSchema for EventDetail {
    fn schema() -> RefOr<Schema> {
        let mut any = AnyOfBuilder::new();
        for kind in MODULES.iter().flat_map(|module| module.events) {
            any = any.item(Ref::from_schema_name(kind.schemas().name));
        }
        any.item(ObjectBuilder::new().description(Some("A kind that this manager does not know."))).into()
    }
}

impl ToSchema for EventDetail {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for kind in MODULES.iter().flat_map(|module| module.events) {
            let found = kind.schemas();
            schemas.push((found.name, found.schema));
            schemas.extend(found.others);
        }
    }
}
