//! Firewall: which traffic may reach the computer at all.
mod change;
mod check;
mod fields;
mod groups;
mod reconnaissance;
mod stateful;

pub use change::{ChangeStep, FirewallChange};
pub use groups::{GROUPS, RuleGroup};
pub use reconnaissance::{Probe, Reaction, Reconnaissance, Response};
pub use stateful::Stateful;

use crate::context::{Context, Fact};
use crate::event::{About, Column, EventDetail, EventKind};
use crate::mac::Mac;
use crate::objects::{ObjectKind, Place, Takes};
use crate::schedule::Window;
use crate::settings::{Finding, Settings, SettingsKind};
use crate::words::{Explanation, Mode, Ports, Text};
use crate::{Module, Reason, RuleKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

pub(crate) use check::NOT_AN_INTERFACE;
pub use fields::{
    Frame, IcmpType, ParseFlagsError, ParseFrameError, ParseIcmpError, ParseProtocolError, Protocol,
    TcpFlags, WrongAddresses, is_interface, is_network, wrong_addresses,
};

/// The registration.
pub static MODULE: Module = Module {
    id: "firewall",
    title: Text { en: "Firewall", ja: "ファイアウォール" },
    settings: Some(SettingsKind::of::<Firewall>()),
    rules: Some(RuleKind { kind: "firewall-rule", modes: None }),
    events: &[
        EventKind::of::<FirewallEvent>(),
        EventKind::of::<FirewallChange>(),
        EventKind::of::<Reconnaissance>(),
    ],
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
            code: "arp-not-filtered",
            text: Text {
                en: "The kernel filters no ARP (CONFIG_NF_TABLES_ARP): rules for ARP are not enforced.",
                ja: "カーネルが ARP のフィルタリングに対応していない（CONFIG_NF_TABLES_ARP）ため、ARP のルールは適用されません。",
            },
        },
        Reason {
            code: "frames-not-filtered",
            text: Text {
                en: "The kernel cannot filter frames at interfaces (incoming from Linux 4.2, outgoing from 5.16, \
                     CONFIG_NF_TABLES_NETDEV): rules for frames by number are not enforced in full.",
                ja: "カーネルがインターフェースでのフレームのフィルタリングに対応していない（受信は Linux 4.2 以降、送信は 5.16 以降、\
                     CONFIG_NF_TABLES_NETDEV）ため、番号で指定したフレームのルールは一部またはすべて適用されません。",
            },
        },
        Reason {
            code: "connections-not-counted",
            text: Text {
                en: "The kernel cannot count connections by address (CONFIG_NFT_CONNLIMIT): limits of connections are not \
                     enforced.",
                ja: "カーネルがアドレスごとの接続数の計数に対応していない（CONFIG_NFT_CONNLIMIT）ため、\
                     接続数の制限は適用されません。",
            },
        },
        Reason {
            code: "fragments-not-seen",
            text: Text {
                en: "The kernel cannot tell fragments for this computer (CONFIG_NFT_FIB_INET): they are not denied.",
                ja: "カーネルがこのコンピュータ宛ての断片を判別できない（CONFIG_NFT_FIB_INET）ため、断片は拒否されません。",
            },
        },
        Reason {
            code: "half-open-not-limited",
            text: Text {
                en: "The kernel cannot answer by SYN cookies in place of servers (CONFIG_NFT_SYNPROXY): half-open \
                     connections are not limited.",
                ja: "カーネルが SYN Cookie による代理応答に対応していない（CONFIG_NFT_SYNPROXY）ため、\
                     ハーフオープン接続は制限されません。",
            },
        },
        Reason {
            code: "timeouts-not-set",
            text: Text {
                en: "The kernel takes no timeouts of connections (CONFIG_NF_CONNTRACK_TIMEOUT): its own are in force.",
                ja: "カーネルが接続タイムアウトの指定に対応していない（CONFIG_NF_CONNTRACK_TIMEOUT）ため、\
                     カーネル既定の値が有効です。",
            },
        },
        Reason {
            code: "ftp-not-followed",
            text: Text {
                en: "The kernel does not follow FTP (nf_conntrack_ftp): its data connections need rules of their own.",
                ja: "カーネルが FTP の追跡に対応していない（nf_conntrack_ftp）ため、データ接続には個別のルールが必要です。",
            },
        },
        Reason {
            code: "interface-missing",
            text: Text {
                en: "A rule names an interface that the computer does not have now: it will match once the interface is \
                     there.",
                ja: "ルールで指定したインターフェースが現在このコンピュータにありません。インターフェースが追加されると有効になります。",
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
            code: "unconfirmed",
            text: Text {
                en: "A change of the rules is in force on trial: it is taken back unless it is confirmed in time.",
                ja: "ルールの変更を試験的に適用しています。時間内に確認されなければ元に戻します。",
            },
        },
        Reason {
            code: "reverted",
            text: Text {
                en: "The policy's firewall was taken back, because it cut the manager off or nobody confirmed it; the \
                     rules of before are in force. Change the rules, or ask for another try.",
                ja: "ポリシーのファイアウォールは、マネージャーとの通信を断ったか確認されなかったため取り消され、\
                     以前のルールが有効です。ルールを変更するか、再試行を指示してください。",
            },
        },
        Reason {
            code: "released-by-hand",
            text: Text {
                en: "A person at the computer released the firewall: it lets everything pass until its time is over.",
                ja: "コンピュータ上で手動により解除されています。期限までは、すべての通信を通過させます。",
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

/// Settings of the firewall. Established connections and loopback are always open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Firewall {
    /// Off, report what would be denied, or deny.
    pub mode: Mode,
    /// What happens to inbound traffic that no rule names.
    pub default_inbound: FirewallDefault,
    /// What happens to outbound traffic that no rule names.
    pub default_outbound: FirewallDefault,
    /// Whether the agent's way to its manager is open whatever the rules say.
    pub always_allow_manager: bool,
    /// A change of what is denied is taken back unless the manager is reached anew within so many seconds.
    #[schema(minimum = 5, maximum = 600)]
    pub confirm_within_secs: u32,
    /// Whether an operator has to confirm each change too.
    pub operator_confirms: bool,
    /// How many seconds they have for it.
    #[schema(minimum = 10, maximum = 3600)]
    pub operator_within_secs: u32,
    /// What is done about those who look for ways in, by what they do. What is not named is not looked for.
    pub reconnaissance: BTreeMap<Probe, Reaction>,
    /// How many ports or addresses that nothing answers at make a scan.
    #[schema(minimum = 5, maximum = 60)]
    pub reconnaissance_targets: u32,
    /// In how many seconds.
    #[schema(minimum = 10, maximum = 3600)]
    pub reconnaissance_within_secs: u32,
    /// Who is not looked at: addresses, or a list of them, `list:NAME`.
    #[schema(max_items = 1024)]
    pub reconnaissance_except: Vec<String>,
    /// The computer's own addresses or networks at which it is looked for, or a list of them, `list:NAME`; all where
    /// empty.
    #[schema(max_items = 1024)]
    pub reconnaissance_only: Vec<String>,
    /// The rules by their names: the highest priority is asked first, inside a priority `bypass`, `log-only`,
    /// `force-allow`, `deny`, `allow`, then by name.
    pub rules: BTreeMap<String, FirewallRule>,
    /// What is looked at beside the rules: states of connections, how many there are, fragments.
    pub stateful: Stateful,
}

impl Default for Firewall {
    fn default() -> Self {
        Self {
            mode: Mode::Off,
            default_inbound: FirewallDefault::Auto,
            default_outbound: FirewallDefault::Auto,
            always_allow_manager: true,
            confirm_within_secs: 30,
            operator_confirms: false,
            operator_within_secs: 120,
            reconnaissance: BTreeMap::new(),
            reconnaissance_targets: 20,
            reconnaissance_within_secs: 300,
            reconnaissance_except: Vec::new(),
            reconnaissance_only: Vec::new(),
            rules: BTreeMap::new(),
            stateful: Stateful::default(),
        }
    }
}

/// What happens to traffic that no rule names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FirewallDefault {
    /// It is dropped where a rule that allows is on in its direction, at whatever time and place that counts; else it
    /// passes.
    #[default]
    Auto,
    /// It passes.
    Allow,
    /// It is dropped.
    Deny,
}

/// What a rule does. Of rules of one priority `bypass` is asked first, then `log-only`, `force-allow`, `deny`, `allow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FirewallAction {
    /// It passes, and what no rule names in this direction does not. Only with priority 0.
    Allow,
    /// It is dropped.
    Deny,
    /// It passes whatever later rules say, and is inspected.
    ForceAllow,
    /// It passes one way, packet by packet, and is not inspected.
    Bypass,
    /// It is reported, and the next rules are asked. Only with priority 4.
    LogOnly,
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

/// A member of a rule of which everything but its entries may be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FirewallExcept)]
pub enum Except {
    /// The other side's addresses.
    Remote,
    /// This computer's addresses.
    Local,
    /// The ports that are connected to.
    Ports,
    /// The ports that are connected from.
    SourcePorts,
    /// The network cards.
    Macs,
    /// The interfaces.
    Interfaces,
    /// The TCP flags.
    Flags,
    /// The ICMP types.
    Icmp,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FirewallRule {
    /// What happens.
    pub action: FirewallAction,
    /// Which way the connection was opened; of `bypass`, which way the packets go.
    pub direction: Direction,
    /// Which kind of packets.
    #[serde(default)]
    pub frame: Frame,
    /// Protocol.
    #[serde(default)]
    pub protocol: Protocol,
    /// The other side's addresses, `192.0.2.7`, `192.0.2.1-192.0.2.9` or `2001:db8::/32`, or a list of them,
    /// `list:NAME`; any where empty.
    #[serde(default)]
    #[schema(max_items = 1024)]
    pub remote: Vec<String>,
    /// Addresses of this computer or of its containers, or a list of them, `list:NAME`; any where empty.
    #[serde(default)]
    #[schema(max_items = 1024)]
    pub local: Vec<String>,
    /// The ports that are connected to, or a list of ports, `list:NAME`; any where empty. Only with TCP, UDP and SCTP.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub ports: Vec<Ports>,
    /// The ports that are connected from, or a list of ports, `list:NAME`; any where empty. Only with TCP, UDP and SCTP.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub source_ports: Vec<Ports>,
    /// The network cards that frames come from, `02:00:5e:10:00:01`, or a list of them, `list:NAME`; any where empty.
    /// Only with `in`: the last router's card is seen, so it says who is in the same network.
    #[serde(default)]
    #[schema(max_items = 1024)]
    pub macs: Vec<Mac>,
    /// The interfaces, `eth0` or `eth*`, that packets come in by (`in`) or leave by (`out`), or a list of them,
    /// `list:NAME`; any where empty.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub interfaces: Vec<String>,
    /// TCP flags, `syn,!ack`, any of these; all where empty. Only with TCP.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub flags: Vec<TcpFlags>,
    /// ICMP types, `8` or `3/4` with a code, any of these; all where empty. Only with `icmp` and `icmpv6`.
    #[serde(default)]
    #[schema(max_items = 256)]
    pub icmp: Vec<IcmpType>,
    /// Of these members everything but what they name is meant.
    #[serde(default)]
    pub not: BTreeSet<Except>,
    /// 0 to 4, the highest first. `allow` has 0, `log-only` 4.
    #[serde(default)]
    #[schema(maximum = 4)]
    pub priority: u8,
    /// Whether samples of what it lets pass become events; `deny` and `log-only` always report.
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

impl Firewall {
    /// Whether something that goes this way may be dropped.
    pub fn denies(&self, direction: Direction) -> bool {
        let default = if direction == Direction::In { self.default_inbound } else { self.default_outbound };
        let denying = |rule: &FirewallRule| match rule.action {
            FirewallAction::Deny => true,
            FirewallAction::Allow => default == FirewallDefault::Auto,
            FirewallAction::Bypass | FirewallAction::LogOnly | FirewallAction::ForceAllow => false,
        };
        default == FirewallDefault::Deny
            || direction == Direction::Out && self.stateful.limits_outgoing()
            || self
                .rules
                .values()
                .any(|rule| rule.direction == direction && rule.mode != Mode::Off && denying(rule))
    }
}

impl Settings for Firewall {
    const KEYED: &'static [&'static str] = &["rules", "reconnaissance", "stateful"];
    const REFERENCES: &'static [Place] = &[
        Place { path: &["rules", "*", "remote"], kinds: &[ObjectKind::Addresses], takes: Takes::Items },
        Place { path: &["rules", "*", "local"], kinds: &[ObjectKind::Addresses], takes: Takes::Items },
        Place { path: &["rules", "*", "ports"], kinds: &[ObjectKind::Ports], takes: Takes::Items },
        Place { path: &["rules", "*", "sourcePorts"], kinds: &[ObjectKind::Ports], takes: Takes::Items },
        Place { path: &["rules", "*", "interfaces"], kinds: &[ObjectKind::Interfaces], takes: Takes::Items },
        Place { path: &["rules", "*", "schedule"], kinds: &[ObjectKind::Schedule], takes: Takes::Items },
        Place { path: &["rules", "*", "macs"], kinds: &[ObjectKind::Macs], takes: Takes::Items },
        Place { path: &["stateful", "ftpPorts"], kinds: &[ObjectKind::Ports], takes: Takes::Items },
        Place { path: &["reconnaissanceExcept"], kinds: &[ObjectKind::Addresses], takes: Takes::Items },
        Place { path: &["reconnaissanceOnly"], kinds: &[ObjectKind::Addresses], takes: Takes::Items },
        Place { path: &["rules", "*", "context"], kinds: &[ObjectKind::Context], takes: Takes::Named },
    ];

    fn check(&self) -> Vec<Finding> {
        let mut findings = check::check(self);
        change::check(self, &mut findings);
        stateful::check(self, &mut findings);
        reconnaissance::check(self, &mut findings);
        findings
    }
}

/// Connections were denied (or allowed by a rule that logs).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FirewallDetail)]
pub struct FirewallEvent {
    /// The rule's name; `default-inbound` or `default-outbound`, of ARP `default-arp-inbound` or `default-arp-outbound`, of
    /// other frames `default-frame-inbound` or `default-frame-outbound` where none named it; of stateful checks
    /// `invalid-flags`, `invalid-packet`, `out-of-connection`, `congestion-flags`, `fragment`, `short-fragment`,
    /// `too-many-from-source`, `too-many-to-destination`, `too-many-outgoing` or `too-many-half-open`.
    pub rule: String,
    /// `in` or `out`.
    pub direction: Direction,
    /// `tcp`, `udp`, `icmp`, `arp` … or the protocol's number, `0x88cc` for a frame of this `EtherType`; `*` where the event
    /// stands for packets of several sources.
    pub protocol: String,
    /// Address that opened the connection, or sent the ARP message; a frame's card; `*` for several.
    pub source: String,
    /// Its port; 0 where there is none.
    pub source_port: u16,
    /// Address that was connected to, or the card that a frame is for; `*` for several.
    pub destination: String,
    /// Its port; 0 where there is none.
    pub destination_port: u16,
    /// The interface.
    pub interface: String,
    /// How many packets this event stands for: all that the kernel counted of the rule, spread by what was sampled.
    pub count: u64,
    /// How many of them were looked at; where it is less than `count`, how they are spread over addresses is an estimate.
    #[serde(default)]
    pub sampled: u64,
    /// When the first of them came, in RFC 3339.
    #[serde(default)]
    pub first: String,
    /// When the last of them came.
    #[serde(default)]
    pub last: String,
}

/// A moment in microseconds since 1970, in RFC 3339.
pub fn moment(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_beyond| String::new(), |at| at.to_string())
}

/// In the place of what is not one address, protocol or interface.
const SEVERAL: &str = "*";

impl FirewallEvent {
    /// About packets of one rule from several sources, or of which nothing but their number is known. Times are in
    /// microseconds since 1970.
    pub fn of_several(rule: String, direction: Direction, first: i64, last: i64) -> Self {
        let several = || SEVERAL.to_owned();
        Self {
            rule,
            direction,
            protocol: several(),
            source: several(),
            source_port: 0,
            destination: several(),
            destination_port: 0,
            interface: several(),
            count: 0,
            sampled: 0,
            first: moment(first),
            last: moment(last),
        }
    }
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
        if source == SEVERAL {
            return Explanation::new(
                format!(
                    "The firewall of {computer} {verb} {count} packets from several sources by rule “{rule}”."
                ),
                format!(
                    "{computer} のファイアウォールは、ルール「{rule}」により複数の送信元からのパケット {count} 個を{verb_ja}。"
                ),
            );
        }
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
    fn each_mistake_has_its_finding_with_a_remedy() {
        let rule = |more: serde_json::Value| {
            let mut rule = serde_json::json!({"action": "deny", "direction": "in"});
            rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            findings(&serde_json::json!({"r": rule}))
        };
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        for (more, member, code) in [
            (r#"{"priority": 5}"#, "priority", "not-a-priority"),
            (r#"{"action": "allow", "priority": 1}"#, "priority", "allow-priority"),
            (r#"{"action": "log-only"}"#, "priority", "log-only-priority"),
            (r#"{"ports": ["80"]}"#, "ports", "no-ports"),
            (r#"{"protocol": "gre", "sourcePorts": ["80"]}"#, "sourcePorts", "no-ports"),
            (r#"{"protocol": "udp", "flags": ["syn"]}"#, "flags", "flags-without-tcp"),
            (r#"{"protocol": "tcp", "icmp": ["8"]}"#, "icmp", "types-without-icmp"),
            (r#"{"not": ["remote"]}"#, "not", "not-nothing"),
            (r#"{"local": ["192.0.2.9-192.0.2.1"]}"#, "local/0", "not-a-range"),
            (r#"{"remote": ["192.0.2"]}"#, "remote/0", "not-a-network"),
            (r#"{"interfaces": ["eth*", "a/b"]}"#, "interfaces/1", "not-an-interface"),
        ] {
            assert_eq!(rule(json(more)), [(format!("/rules/r/{member}"), code)], "{more}");
        }
        for fine in [
            r#"{"action": "log-only", "priority": 4, "protocol": "sctp", "sourcePorts": ["1-9"], "not": ["sourcePorts"]}"#,
            r#"{"action": "bypass", "priority": 3, "protocol": "tcp", "flags": ["syn,!ack"], "not": ["flags"]}"#,
            r#"{"action": "force-allow", "protocol": "icmp", "icmp": ["8", "3/4"], "frame": "ipv4"}"#,
            r#"{"protocol": "tcp-udp", "ports": ["80"], "interfaces": ["eth*"], "local": ["192.0.2.1-192.0.2.9"]}"#,
        ] {
            assert_eq!(rule(json(fine)), [], "{fine}");
        }
    }

    #[test]
    fn what_may_be_denied_is_known_without_a_plan() {
        let of = |text: &str| serde_json::from_str::<Firewall>(text).unwrap().denies(Direction::Out);
        let rule = |default: &str, action: &str, direction: &str, mode: &str| {
            of(&format!(
                r#"{{"defaultOutbound":"{default}","rules":{{"r":{{"action":"{action}","direction":"{direction}","mode":"{mode}"}}}}}}"#
            ))
        };
        assert!(!of("{}") && of(r#"{"defaultOutbound":"deny"}"#));
        assert!(rule("auto", "allow", "out", "prevent") && !rule("allow", "allow", "out", "prevent"));
        assert!(rule("allow", "deny", "out", "prevent") && !rule("auto", "deny", "in", "prevent"));
        assert!(!rule("auto", "allow", "out", "off") && !rule("auto", "force-allow", "out", "prevent"));
    }

    #[test]
    fn contexts_ask_for_a_bounded_number_of_hosts() {
        let rules = |hosts: usize| {
            let context: Vec<String> =
                (0..hosts).map(|n| format!("interface eth0 and reachable host{n}:80")).collect();
            serde_json::json!({"a": {"action": "allow", "direction": "in", "context": context},
                "b": {"action": "deny", "direction": "out", "context": context}})
        };
        assert_eq!(findings(&rules(crate::context::PROBES)), []);
        assert_eq!(findings(&rules(crate::context::PROBES + 1)), [("/rules".to_owned(), "too-many")]);
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
