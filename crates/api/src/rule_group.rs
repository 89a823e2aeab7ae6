//! Ready groups of firewall rules.
use sakimori_modules::Explanation;
use sakimori_modules::firewall::FirewallRule;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A ready group of firewall rules. What is added to a policy is the policy's own from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirewallRuleGroup {
    /// Registered name: `web-server`.
    pub id: String,
    /// What it is called.
    pub title: Explanation,
    /// What it is for, and what to mind.
    pub about: Explanation,
    /// Whether the addresses of the other side are to be written into `remote` of each rule: without them the rules hold
    /// for everybody.
    pub asks_remote: bool,
    /// The rules by their names, as they go into `firewall.rules` of a policy.
    pub rules: BTreeMap<String, FirewallRule>,
}
