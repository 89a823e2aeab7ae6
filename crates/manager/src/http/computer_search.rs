//! A computer as a filter sees it.
use crate::clock;
use crate::store::{GroupRow, names_upwards};
use sakimori_api::Computer;
use sakimori_model::Severity;
use sakimori_query::{Measure, Record, Scalar, TextField, TimeField};
use serde_json::{Map, Value, json};

/// A computer under a filter. `at` is its last contact, `received` its activation; the rest of what it is asked lies in
/// one document.
#[derive(Debug)]
pub(super) struct SeenComputer<'a> {
    computer: &'a Computer,
    document: Value,
}

impl<'a> SeenComputer<'a> {
    pub(super) fn new(computer: &'a Computer, groups: &[GroupRow]) -> Self {
        let modules: Map<String, Value> =
            computer.modules.iter().map(|module| (module.module.clone(), json!(module.state))).collect();
        let document = json!({
            "host": computer.host_name,
            "status": computer.status,
            "policy": computer.policy_name,
            "group": names_upwards(computer.group_id, groups),
            "platform": computer.operating_system,
            "agent": computer.agent_version,
            "kernel": computer.kernel,
            "address": computer.addresses,
            "module": modules,
            "cloud": computer.cloud,
            "tags": computer.tags,
            "assetValue": computer.asset_value,
            "ephemeral": computer.ephemeral,
        });
        Self { computer, document }
    }
}

impl Record for SeenComputer<'_> {
    fn time(&self, field: TimeField) -> i64 {
        let text = match field {
            TimeField::At => self.computer.last_seen.as_deref().unwrap_or_default(),
            TimeField::Received => &self.computer.activated_at,
        };
        clock::parse(text).map_or(0, |at| at.0)
    }

    fn severity(&self) -> Option<Severity> {
        None
    }

    fn measure(&self, _measure: Measure) -> Option<f64> {
        None
    }

    fn texts(&self, field: &TextField) -> Vec<Scalar> {
        match field {
            TextField::Computer => vec![Scalar::text(&self.computer.display_name)],
            TextField::ComputerId => vec![Scalar::text(self.computer.id.to_string())],
            TextField::Tag => {
                let each = self
                    .computer
                    .tags
                    .iter()
                    .flat_map(|(key, value)| [Scalar::text(key), Scalar::text(format!("{key}={value}"))]);
                each.collect()
            }
            TextField::Detail(path) => crate::events::scalars(&self.document, path),
            TextField::Module | TextField::Kind | TextField::Action => Vec::new(),
        }
    }

    fn words(&self) -> String {
        let computer = self.computer;
        format!(
            "{} {} {} {} {}",
            computer.display_name,
            computer.host_name,
            computer.addresses.join(" "),
            computer.operating_system,
            self.document.get("tags").unwrap_or(&Value::Null),
        )
    }
}
