//! Firewall: which traffic may reach the computer at all.
use crate::context::{self, Context, Fact};
use crate::event::{About, Column, EventDetail, EventKind};
use crate::mac::Mac;
use crate::objects::{ObjectKind, Place, Takes};
use crate::schedule::Window;
use crate::settings::{Finding, Settings, SettingsKind, pointer};
use crate::words::{Explanation, Mode, Ports, Text};
use crate::{Module, Reason, RuleKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The registration.
pub static MODULE: Module = Module {
    id: "firewall",
    title: Text { en: "Firewall", ja: "ファイアウォール" },
    settings: Some(SettingsKind::of::<Firewall>()),
    rules: Some(RuleKind { kind: "firewall-rule", modes: None }),
    events: &[EventKind::of::<FirewallEvent>()],
    reasons: &[
        Reason {
            code: "no-packet-samples",
            text: Text {
                en: "The kernel takes no samples of packets (nft_log, nfnetlink_log): denied packets are counted, but \
                     there are no events.",
                ja: "カーネルがパケットのサンプルを取得できない（nft_log、nfnetlink_log）ため、拒否の回数のみ記録され、\
                     イベントは作成されません。",
            },
        },
        Reason {
            code: "containers-not-seen",
            text: Text {
                en: "The kernel cannot tell containers' interfaces (before Linux 5.6): only the computer itself is \
                     protected.",
                ja: "カーネルがコンテナのインターフェースを区別できない（Linux 5.6 より前）ため、\
                     コンピュータ本体のみを保護しています。",
            },
        },
        Reason {
            code: "manager-unresolved",
            text: Text {
                en: "The manager's name does not resolve, so rules that close ways out are not applied yet.",
                ja: "マネージャーの名前を解決できないため、外向き通信を閉じるルールはまだ適用していません。",
            },
        },
        Reason {
            code: "table-refused",
            text: Text {
                en: "The kernel refused the packet filter table; the former one stays in force.",
                ja: "カーネルがパケットフィルターの表を拒否したため、以前の表が有効です。",
            },
        },
    ],
};

/// Settings of the firewall. Established connections, loopback and the agent's way to its manager are always open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Firewall {
    /// Off, report what would be denied, or deny.
    pub mode: Mode,
    /// What happens to an inbound connection that no rule names.
    pub default_inbound: Verdict,
    /// What happens to an outbound connection that no rule names.
    pub default_outbound: Verdict,
    /// The rules by their names: the highest priority is asked first, then `deny` before `allow`, then by name.
    pub rules: BTreeMap<String, FirewallRule>,
}

impl Default for Firewall {
    fn default() -> Self {
        Self {
            mode: Mode::Off,
            default_inbound: Verdict::Allow,
            default_outbound: Verdict::Allow,
            rules: BTreeMap::new(),
        }
    }
}

/// Allowed or denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It passes.
    Allow,
    /// It is dropped.
    Deny,
}

/// Which way a connection was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Towards this computer or its containers.
    In,
    /// From this computer or its containers.
    Out,
}

/// A protocol over IP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Whatever.
    #[default]
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP of IPv4.
    Icmp,
    /// ICMP of IPv6. Neighbour discovery is always open.
    Icmpv6,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FirewallRule {
    /// What happens.
    pub action: Verdict,
    /// Which way the connection was opened.
    pub direction: Direction,
    /// Protocol.
    #[serde(default)]
    pub protocol: Protocol,
    /// The other side's addresses, `192.0.2.7` or `2001:db8::/32`, or a list of them, `list:NAME`; any where empty.
    #[serde(default)]
    #[schema(max_items = 1024)]
    pub remote: Vec<String>,
    /// The ports that are connected to, or a list of ports, `list:NAME`; any where empty. Only with TCP and UDP.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub ports: Vec<Ports>,
    /// The network cards that frames come from, `02:00:5e:10:00:01`, or a list of them, `list:NAME`; any where empty.
    /// Only with `in`: the last router's card is seen, so it says who is in the same network.
    #[serde(default)]
    #[schema(max_items = 1024)]
    pub macs: Vec<Mac>,
    /// 0 to 4, the highest first.
    #[serde(default)]
    #[schema(maximum = 4)]
    pub priority: u8,
    /// Whether samples of what it allows become events; what is denied is always reported.
    #[serde(default)]
    pub log: bool,
    /// The rule's own mode. In `detect` it only counts and reports, and the next rules are asked.
    #[serde(default = "enforced")]
    pub mode: Mode,
    /// When the rule counts, `mon-fri 09:00-18:00 Asia/Tokyo` or a schedule, `list:NAME`; always where empty.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub schedule: Vec<Window>,
    /// Where the rule counts, `interface eth* and not reachable manager` or a context, `list:NAME`; everywhere where
    /// empty.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub context: Vec<Context>,
}

impl FirewallRule {
    /// Whether the rule does not always count.
    pub const fn is_conditional(&self) -> bool {
        !self.schedule.is_empty() || !self.context.is_empty()
    }

    /// Whether the rule counts at a moment, in microseconds since 1970, where this is seen: in one of its times, and in
    /// one of its contexts.
    pub fn counts(&self, at_micros: i64, seen: impl Fn(&Fact) -> Option<bool>) -> bool {
        let now = self.schedule.is_empty() || self.schedule.iter().any(|window| window.contains(at_micros));
        let here = || self.context.is_empty() || self.context.iter().any(|context| context.holds(&seen));
        now && here()
    }
}

const fn enforced() -> Mode {
    Mode::Prevent
}

/// Most addresses or ports of a rule: each becomes an element of a kernel set.
const ENTRIES: usize = 10_000;
/// Most times of the week of a rule: each is asked every second.
const WINDOWS: usize = 64;

impl Settings for Firewall {
    const KEYED: &'static [&'static str] = &["rules"];
    const REFERENCES: &'static [Place] = &[
        Place { path: &["rules", "*", "remote"], kinds: &[ObjectKind::Addresses], takes: Takes::Items },
        Place { path: &["rules", "*", "ports"], kinds: &[ObjectKind::Ports], takes: Takes::Items },
        Place { path: &["rules", "*", "schedule"], kinds: &[ObjectKind::Schedule], takes: Takes::Items },
        Place { path: &["rules", "*", "macs"], kinds: &[ObjectKind::Macs], takes: Takes::Items },
        Place { path: &["rules", "*", "context"], kinds: &[ObjectKind::Context], takes: Takes::Named },
    ];

    fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, rule) in &self.rules {
            let at = |member: &str| format!("/rules{}/{member}", pointer(name));
            if rule.priority > 4 {
                let message = "A priority is a number from 0 to 4; the highest is asked first.";
                findings.push(Finding::at(
                    at("priority"),
                    "not-a-priority",
                    message,
                    &rule.priority.to_string(),
                ));
            }
            for (member, length, most) in [
                ("remote", rule.remote.len(), ENTRIES),
                ("ports", rule.ports.len(), ENTRIES),
                ("schedule", rule.schedule.len(), WINDOWS),
                ("macs", rule.macs.len(), ENTRIES),
                ("context", rule.context.len(), context::MOST_OF_A_RULE),
            ] {
                if length > most {
                    let message = format!("At most {most}, those of lists included.");
                    findings.push(Finding::at(at(member), "too-many", message, &length.to_string()));
                }
            }
            if !rule.ports.is_empty() && !matches!(rule.protocol, Protocol::Tcp | Protocol::Udp) {
                let message = "Only TCP and UDP have ports: name the protocol, or leave out the ports.";
                findings.push(Finding::at(at("ports"), "no-ports", message, ""));
            }
            if !rule.macs.is_empty() && rule.direction == Direction::Out {
                let message = "Only what comes in has the MAC address of another card: write the direction 'in', or name \
                               addresses.";
                findings.push(Finding::at(at("macs"), "macs-outgoing", message, ""));
            }
            for (index, remote) in rule.remote.iter().enumerate() {
                if !is_network(remote) {
                    let message = "Write an address or a network: 192.0.2.7, 192.0.2.0/24, 2001:db8::/32.";
                    findings.push(Finding::at(
                        format!("{}/{index}", at("remote")),
                        "not-a-network",
                        message,
                        remote,
                    ));
                }
            }
        }
        let contexts = self.rules.values().flat_map(|rule| &rule.context);
        findings.extend(context::too_many_asked("/rules", contexts));
        findings
    }
}

/// Whether a text is an IP address with or without a prefix length.
pub fn is_network(text: &str) -> bool {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let Ok(address) = address.parse::<std::net::IpAddr>() else { return false };
    let bits = if address.is_ipv4() { 32 } else { 128 };
    prefix.is_none_or(|prefix| {
        prefix.bytes().all(|b| b.is_ascii_digit()) && prefix.parse::<u8>().is_ok_and(|prefix| prefix <= bits)
    })
}

/// Connections were denied (or allowed by a rule that logs).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FirewallDetail)]
pub struct FirewallEvent {
    /// The rule's name; `default-inbound` or `default-outbound` where none named it.
    pub rule: String,
    /// `in` or `out`.
    pub direction: Direction,
    /// `tcp`, `udp`, `icmp` or the protocol's number.
    pub protocol: String,
    /// Address that opened the connection.
    pub source: String,
    /// Its port; 0 where there is none.
    pub source_port: u16,
    /// Address that was connected to.
    pub destination: String,
    /// Its port; 0 where there is none.
    pub destination_port: u16,
    /// The interface.
    pub interface: String,
    /// How many packets this event stands for.
    pub count: u64,
}

impl EventDetail for FirewallEvent {
    const KIND: &'static str = "firewall";
    const COLUMNS: &'static [Column] = &[
        Column::text("rule"),
        Column::text("direction"),
        Column::text("protocol"),
        Column::address("source"),
        Column::address("destination"),
        Column::number("destinationPort"),
        Column::number("count"),
    ];

    fn explain(&self, about: &About<'_>) -> Explanation {
        let Self { rule, protocol, source, destination, destination_port, count, .. } = self;
        let computer = about.computer;
        let (verb, verb_ja) = match about.action {
            "blocked" => ("denied", "拒否しました"),
            "detected" => ("would have denied", "（検出モードのため通過）拒否の対象でした"),
            _ => ("let pass", "許可しました"),
        };
        Explanation::new(
            format!(
                "The firewall of {computer} {verb} {count} {protocol} packets from {source} to {destination} port \
                 {destination_port} by rule “{rule}”."
            ),
            format!(
                "{computer} のファイアウォールは、ルール「{rule}」により {source} から {destination} ポート \
                 {destination_port} への {protocol} パケット {count} 個を{verb_ja}。"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(rules: &serde_json::Value) -> Vec<(String, &'static str)> {
        let settings: Firewall = serde_json::from_value(serde_json::json!({"rules": rules})).unwrap();
        settings.check().into_iter().map(|finding| (finding.pointer, finding.code)).collect()
    }

    #[test]
    fn mac_addresses_go_with_incoming_traffic_alone() {
        let rule = |direction| serde_json::json!({"desk": {"action": "allow", "direction": direction, "macs": ["02-00-5E-10-00-01"]}});
        assert_eq!(findings(&rule("in")), []);
        assert_eq!(findings(&rule("out")), [("/rules/desk/macs".to_owned(), "macs-outgoing")]);
    }

    #[test]
    fn contexts_ask_for_a_bounded_number_of_hosts() {
        let rules = |hosts: usize| {
            let context: Vec<String> =
                (0..hosts).map(|n| format!("interface eth0 and reachable host{n}:80")).collect();
            serde_json::json!({"a": {"action": "allow", "direction": "in", "context": context},
                "b": {"action": "deny", "direction": "out", "context": context}})
        };
        assert_eq!(findings(&rules(context::PROBES)), []);
        assert_eq!(findings(&rules(context::PROBES + 1)), [("/rules".to_owned(), "too-many")]);
    }

    #[test]
    fn a_rule_counts_in_one_of_its_times_and_in_one_of_its_contexts() {
        let rule: FirewallRule =
            serde_json::from_value(serde_json::json!({"action": "allow", "direction": "in",
            "schedule": ["mon-sun 00:00-12:00 UTC"], "context": ["interface a", "interface b"]}))
            .unwrap();
        let at = |hour: i64, up: &str| {
            rule.counts(hour * 3_600_000_000, |fact| Some(*fact == Fact::Interface(up.to_owned())))
        };
        assert!(at(6, "a") && at(6, "b"));
        assert!(!at(6, "c") && !at(18, "a"));
    }
}
