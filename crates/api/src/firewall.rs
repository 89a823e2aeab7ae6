//! What the firewall does to a packet, and what is noticed about its rules before they are enforced.
use crate::policy::SettingsPatch;
use sakimori_modules::Explanation;
use sakimori_modules::firewall::Direction;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A packet, and when and where it comes. What is left out is as with a new connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FirewallQuestion {
    /// Towards the computer (`in`, where absent) or from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// `ip` (where absent), `arp`, or the number of another frame, `0x88cc`. ARP has addresses and no protocol, other frames
    /// have a card and an interface alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<String>,
    /// The address that it comes from. One of the two addresses has to be there, of IP and ARP; the other one is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The address that it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `tcp` (where absent), `udp`, `icmp`, `icmpv6` or another protocol, or its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The port that it goes to. Has to be there where the protocol has ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 65535)]
    pub port: Option<u16>,
    /// The port that it comes from; 49152 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 65535)]
    pub source_port: Option<u16>,
    /// It belongs to an established connection.
    #[serde(default)]
    pub established: bool,
    /// The MAC address of whoever sent its Ethernet frame; not known where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The TCP flags that are set, `syn,ack`; where absent `syn`, and `ack` in an established connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<String>,
    /// ICMP type, with its code `3/4`; an echo request where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp: Option<String>,
    /// The interface that it comes in by, or leaves by; not known where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// It goes to a container of the computer, or comes from one.
    #[serde(default)]
    pub container: bool,
    /// It is a fragment from the middle of a packet.
    #[serde(default)]
    pub fragment: bool,
    /// The moment; now where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub at: Option<String>,
    /// Whether contexts hold, by their names. Of the others of a computer it is what the computer last said; of what it does
    /// not say, and for policies, nothing is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contexts: BTreeMap<String, bool>,
    /// Settings that are tried, not saved: a merge patch of what the policy or the computer sets itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<SettingsPatch>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FirewallVerdict {
    /// It passes.
    Passes,
    /// It passes, and nothing else looks at it.
    Bypasses,
    /// It passes because the module is in Detect; in Prevent it would be dropped.
    WouldBeDropped,
    /// It is dropped.
    Dropped,
}

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FirewallDecider {
    /// A rule.
    Rule,
    /// The default for what no rule names.
    Default,
    /// A stateful check behind the rules, or one of fragments before them.
    Check,
    /// It is let through before any rule is asked.
    AlwaysOpen,
    /// Nothing is filtered.
    Nobody,
}

/// What happens, and who decides it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirewallDecision {
    /// What happens.
    pub verdict: FirewallVerdict,
    /// Who decides.
    pub by: FirewallDecider,
    /// The rule's name.
    #[schema(required)]
    pub rule: Option<String>,
    /// A sentence on it.
    pub text: Explanation,
}

/// How one rule is with the packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirewallRuleAnswer {
    /// Its name; `null` for the default.
    #[schema(required)]
    pub rule: Option<String>,
    /// What it does: `allow`, `deny`, …
    pub action: String,
    /// `decided`, `counted` (it is in Detect or only logs), `earlier-decided`, or why it does not match: `address`,
    /// `ip-version`, `port`, `protocol`, `mac`, `interface`, `flags`, `icmp-type`, `schedule`, `context`,
    /// `context-unknown`, `off`, `module-off`, `other`.
    pub reason: String,
    /// A sentence on it.
    pub text: Explanation,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirewallAnswer {
    /// What happens; contexts of which nothing is known do not hold.
    pub decision: FirewallDecision,
    /// What happens instead where contexts hold of which nothing is known.
    pub otherwise: Vec<FirewallDecision>,
    /// The rules of its direction in the order in which they are asked, then those that do not count; of very many,
    /// those that came nearest.
    pub rules: Vec<FirewallRuleAnswer>,
    /// Rules that the answer does not speak of.
    pub rules_left_out: u64,
    /// What one packet does not tell, such as how many connections its source has.
    pub unknown: Vec<Explanation>,
}

/// What is to be looked at.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FirewallLint {
    /// Settings that are tried, not saved: a merge patch of what the policy or the computer sets itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<SettingsPatch>,
    /// The address that has to be let in; the caller's own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The TCP port by which the computer is managed; 22 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 65535)]
    pub management_port: Option<u16>,
}

/// Something that should be looked at before it is enforced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirewallFinding {
    /// Stable code: `F102`.
    pub code: String,
    /// `error` refuses the rules, `warning` does not.
    pub level: String,
    /// The rule; `null` for all of them together.
    #[schema(required)]
    pub rule: Option<String>,
    /// What is wrong.
    pub text: Explanation,
    /// What to do about it.
    pub remedy: Explanation,
}

/// What was noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirewallFindings {
    /// Errors first.
    pub findings: Vec<FirewallFinding>,
}
