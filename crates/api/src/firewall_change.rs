//! The firewall's changes on a computer.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the last change of a computer's firewall stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FirewallStanding {
    /// It stays.
    Settled,
    /// It is in force until it is confirmed or taken back.
    OnTrial,
    /// It was taken back: the rules of before are in force.
    Reverted,
    /// A person at the computer lets everything pass for a while.
    Released,
}

/// What is known of it, as the computer last said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirewallChangeState {
    /// How it stands.
    pub standing: FirewallStanding,
    /// The change's number on this computer, while it is on trial or after it was taken back.
    pub number: Option<u64>,
    /// It is taken back unless the manager is reached anew by then.
    #[schema(format = DateTime)]
    pub manager_until: Option<String>,
    /// It is taken back unless an operator confirms it by then.
    #[schema(format = DateTime)]
    pub operator_until: Option<String>,
    /// Until when everything passes.
    #[schema(format = DateTime)]
    pub released_until: Option<String>,
}

/// A change that an operator means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FirewallChangeRef {
    /// Its number, as it was read: another change that came meanwhile is not meant.
    pub number: u64,
}

/// A source that is to be let in again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FirewallSource {
    /// Its address, or an IPv6 network as it is shown: `2001:db8::/64`.
    #[schema(example = "203.0.113.9")]
    pub source: String,
}

/// What an operator said is on its way to the computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirewallOrder {
    /// When it was said.
    #[schema(format = DateTime)]
    pub requested_at: String,
    /// Whether the computer is in contact: else it is told when it comes back, if it still waits then.
    pub online: bool,
}
