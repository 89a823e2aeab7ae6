//! Intrusion prevention: signatures over network traffic, among them virtual patches.
use crate::context::{self, Context};
use crate::event::{About, Column, EventDetail, EventKind};
use crate::objects::{ObjectKind, Place, Takes};
use crate::settings::{Finding, Settings, SettingsKind};
use crate::words::{Explanation, FailureResponse, Mode, Ports, Text};
use crate::{Module, Reason, RuleKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sakimori_model as model;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use utoipa::ToSchema;

/// The registration.
pub static MODULE: Module = Module {
    id: "intrusion-prevention",
    title: Text { en: "Intrusion prevention", ja: "侵入防御" },
    settings: Some(SettingsKind::of::<IntrusionPrevention>()),
    rules: Some(RuleKind { kind: "signature", modes: Some("ruleModes") }),
    events: &[EventKind::of::<Intrusion>()],
    reasons: &[
        Reason {
            code: "rules-refused",
            text: Text {
                en: "The newest rules do not compile; the former ones stay in force. Correct the rules.",
                ja: "最新のルールをコンパイルできないため、以前のルールが有効です。ルールを修正してください。",
            },
        },
        Reason {
            code: "queue-unavailable",
            text: Text {
                en: "The kernel gives no packet queue: traffic is not inspected. Load nfnetlink_queue.",
                ja: "カーネルのパケットキューが使えないため、通信は検査されません。nfnetlink_queue を読み込んでください。",
            },
        },
        Reason {
            code: "worker-restarting",
            text: Text {
                en: "The network worker is being restarted.",
                ja: "ネットワークワーカーを再起動しています。",
            },
        },
    ],
};

/// Settings of intrusion prevention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IntrusionPrevention {
    /// The module's mode: an upper bound of every rule's.
    pub mode: Mode,
    /// What happens to traffic while no worker can judge it.
    pub failure_response: FailureResponse,
    /// Ports inspected as plaintext HTTP: `80`, `8000-8090`.
    #[schema(max_items = 64)]
    pub http_ports: Vec<Ports>,
    /// Whether a blocked HTTP request is answered with a page.
    pub answer_page: bool,
    /// Mode of a rule that `ruleModes` does not name.
    pub default_rule_mode: Mode,
    /// Whether every rule of the content is assigned that `assigned` does not exclude; otherwise only those that it
    /// names. Does not count where `assignRecommended` is on.
    pub assign_all: bool,
    /// Whether each computer is assigned what its recommendation scan says, beside what `assigned` names: recommended
    /// rules are assigned, and no longer recommended ones unassigned, by themselves.
    pub assign_recommended: bool,
    /// Rules assigned by hand, by sid; `false` is never assigned, whatever is recommended.
    pub assigned: BTreeMap<u32, bool>,
    /// Mode by sid.
    pub rule_modes: BTreeMap<u32, Mode>,
    /// Where a rule counts, by sid: `interface eth* and not reachable manager` or a context, `list:NAME`. A rule that is
    /// not named, or with none, counts everywhere.
    pub rule_contexts: BTreeMap<u32, Vec<Context>>,
}

impl Default for IntrusionPrevention {
    fn default() -> Self {
        Self {
            mode: Mode::Off,
            failure_response: FailureResponse::Open,
            http_ports: [80, 8000, 8080, 8081, 8888].map(Ports::single).to_vec(),
            answer_page: true,
            default_rule_mode: Mode::Detect,
            assign_all: true,
            assign_recommended: false,
            assigned: BTreeMap::new(),
            rule_modes: BTreeMap::new(),
            rule_contexts: BTreeMap::new(),
        }
    }
}

/// Most ranges of ports: each becomes an element of a kernel set.
const PORT_RANGES: usize = 64;

impl Settings for IntrusionPrevention {
    const KEYED: &'static [&'static str] = &["assigned", "ruleModes", "ruleContexts"];
    const REFERENCES: &'static [Place] = &[
        Place { path: &["httpPorts"], kinds: &[ObjectKind::Ports], takes: Takes::Items },
        Place { path: &["ruleContexts", "*"], kinds: &[ObjectKind::Context], takes: Takes::Named },
    ];

    fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.http_ports.len() > PORT_RANGES {
            let message = "A policy names at most 64 ports or ranges.";
            findings.push(Finding::at("/httpPorts", "too-many", message, &self.http_ports.len().to_string()));
        }
        if self.rule_modes.contains_key(&0) || self.assigned.contains_key(&0) {
            let message = "A rule is named by its signature id, a number from 1 to 4294967295.";
            findings.push(Finding::at("/ruleModes/0", "not-a-sid", message, "0"));
        }
        for (sid, contexts) in &self.rule_contexts {
            let at = format!("/ruleContexts/{sid}");
            if *sid == 0 {
                let message = "A rule is named by its signature id, a number from 1 to 4294967295.";
                findings.push(Finding::at(at, "not-a-sid", message, "0"));
            } else if contexts.len() > context::MOST_OF_A_RULE {
                let message = format!("At most {}, those of lists included.", context::MOST_OF_A_RULE);
                findings.push(Finding::at(at, "too-many", message, &contexts.len().to_string()));
            }
        }
        findings.extend(context::too_many_asked("/ruleContexts", self.rule_contexts.values().flatten()));
        findings
    }
}

impl IntrusionPrevention {
    /// The settings of a computer to which these rules are recommended: what is assigned stands in `assigned` and
    /// `assignAll` alone, and no scan has to be asked any more.
    #[must_use]
    pub fn with_recommended(mut self, recommended: &BTreeSet<u32>) -> Self {
        if self.assign_recommended {
            self.assign_recommended = false;
            self.assign_all = false;
            for sid in recommended {
                self.assigned.entry(*sid).or_insert(true);
            }
        }
        self
    }

    /// Whether a rule is assigned, of settings that [`Self::with_recommended`] gave.
    pub fn assigns(&self, sid: u32) -> bool {
        self.assigned.get(&sid).copied().unwrap_or(self.assign_all)
    }
}

/// A rule that is not assigned is off, whatever mode it would have.
impl From<IntrusionPrevention> for model::IntrusionPrevention {
    fn from(settings: IntrusionPrevention) -> Self {
        let mode_of = |sid: u32| match settings.rule_modes.get(&sid) {
            _ if !settings.assigns(sid) => Mode::Off,
            Some(mode) => *mode,
            None => settings.default_rule_mode,
        };
        // Rules of contexts too: where they do not hold their mode is another one.
        let named = settings.rule_modes.keys().chain(settings.assigned.keys());
        let named: BTreeSet<u32> = named.chain(settings.rule_contexts.keys()).copied().collect();
        let others = if settings.assign_all { settings.default_rule_mode } else { Mode::Off };
        Self {
            mode: settings.mode.into(),
            failure_response: settings.failure_response.into(),
            rule_modes: named.into_iter().map(|sid| (model::Sid(sid), mode_of(sid).into())).collect(),
            http_ports: settings.http_ports.into_iter().map(|ports| ports.0).collect(),
            answer_page: settings.answer_page,
            default_rule_mode: others.into(),
        }
    }
}

/// A signature matched traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IntrusionDetail)]
pub struct Intrusion {
    /// What a blocked visitor is shown: `SKM-0123-4567-89AB-CDEF`.
    pub incident: String,
    /// The rule's signature id.
    pub sid: u32,
    /// The rule's revision.
    pub revision: u32,
    /// The rule's message.
    pub message: String,
    /// The rule's class, empty where it has none.
    pub classtype: String,
    /// The CVE numbers the rule names.
    pub cves: Vec<String>,
    /// Address that opened the connection.
    #[schema(value_type = String)]
    pub client: IpAddr,
    /// Port that opened the connection.
    pub client_port: u16,
    /// Address that was connected to.
    #[schema(value_type = String)]
    pub server: IpAddr,
    /// Port that was connected to.
    pub server_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// The buffer that the decisive pattern stood in: `http.uri`.
    pub buffer: String,
    /// Where in the buffer the match begins, in bytes.
    pub offset: u32,
    /// Length of the match, in bytes.
    pub length: u32,
    /// Base64 of the bytes around the match.
    pub excerpt: String,
    /// Where in the excerpt's bytes the match begins.
    pub excerpt_offset: u32,
    /// The HTTP request, where it was one.
    #[schema(required)]
    pub http: Option<HttpSummary>,
}

/// An HTTP request in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EventHttp)]
pub struct HttpSummary {
    /// Method as sent.
    pub method: String,
    /// Host header.
    pub host: String,
    /// Request target as sent.
    pub target: String,
    /// User-Agent header.
    pub user_agent: String,
}

impl From<model::Intrusion> for Intrusion {
    fn from(i: model::Intrusion) -> Self {
        Self {
            incident: i.incident.to_string(),
            sid: i.sid.0,
            revision: i.revision,
            message: i.message,
            classtype: i.classtype,
            cves: i.cves,
            client: i.client,
            client_port: i.client_port,
            server: i.server,
            server_port: i.server_port,
            protocol: i.protocol,
            buffer: i.buffer,
            offset: i.offset,
            length: i.length,
            excerpt: BASE64.encode(&i.excerpt),
            excerpt_offset: i.excerpt_offset,
            http: i.http.map(|h| HttpSummary {
                method: h.method,
                host: h.host,
                target: h.target,
                user_agent: h.user_agent,
            }),
        }
    }
}

impl EventDetail for Intrusion {
    const KIND: &'static str = "intrusion";
    const COLUMNS: &'static [Column] = &[
        Column::text("incident"),
        Column::number("sid"),
        Column::text("message"),
        Column::texts("cves"),
        Column::address("client"),
        Column::number("clientPort"),
        Column::address("server"),
        Column::number("serverPort"),
        Column::text("buffer"),
    ];

    fn explain(&self, about: &About<'_>) -> Explanation {
        let computer = about.computer;
        let cves = if self.cves.is_empty() { String::new() } else { format!(" ({})", self.cves.join(", ")) };
        let cves_ja =
            if self.cves.is_empty() { String::new() } else { format!("（{}）", self.cves.join("、")) };
        let (what, what_ja) = self.http.as_ref().map_or_else(
            || {
                let port = self.server_port;
                (format!("traffic to port {port}"), format!("ポート {port} への通信"))
            },
            |http| {
                let target: String = http.target.chars().take(80).collect();
                (
                    format!("the request {} {target}", http.method),
                    format!("リクエスト {} {target}", http.method),
                )
            },
        );
        let Self { client, message, sid, buffer, .. } = self;
        if about.action == "blocked" {
            Explanation::new(
                format!(
                    "{client} attacked {computer} with “{message}”{cves}: {what} matched rule {sid} in {buffer} and was \
                     blocked. It did not reach the application."
                ),
                format!(
                    "{client} から {computer} への攻撃「{message}」{cves_ja}を遮断しました。{what_ja} が {buffer} でルール {sid} に\
                     一致したため、アプリケーションには届いていません。"
                ),
            )
        } else {
            Explanation::new(
                format!(
                    "{client} attacked {computer} with “{message}”{cves}: {what} matched rule {sid} in {buffer}. It was \
                     only reported, not stopped; set the rule and the module to Prevent to block it."
                ),
                format!(
                    "{client} から {computer} への攻撃「{message}」{cves_ja}を検出しました。{what_ja} が {buffer} でルール {sid} に\
                     一致しました。検出のみで遮断していません。遮断するにはルールとモジュールを「防御」にしてください。"
                ),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modes(settings: IntrusionPrevention, sids: [u32; 4]) -> [model::Mode; 4] {
        let settings = model::IntrusionPrevention::from(settings);
        sids.map(|sid| {
            settings.rule_modes.get(&model::Sid(sid)).copied().unwrap_or(settings.default_rule_mode)
        })
    }

    fn settings() -> IntrusionPrevention {
        IntrusionPrevention {
            mode: Mode::Prevent,
            default_rule_mode: Mode::Prevent,
            assigned: BTreeMap::from([(1, true), (2, false)]),
            rule_modes: BTreeMap::from([(2, Mode::Prevent), (3, Mode::Detect)]),
            ..IntrusionPrevention::default()
        }
    }

    #[test]
    fn with_all_assigned_only_the_excluded_is_off() {
        use model::Mode::{Detect, Off, Prevent};
        assert_eq!(modes(settings(), [1, 2, 3, 4]), [Prevent, Off, Detect, Prevent]);
        let recommended = settings().with_recommended(&BTreeSet::from([4]));
        assert_eq!(recommended, settings(), "the policy does not assign what is recommended");
    }

    #[test]
    fn a_rule_of_a_context_is_named_with_the_mode_that_it_has_there() {
        let office: Context = "office: address 192.0.2.0/24".parse().unwrap();
        let placed = IntrusionPrevention {
            rule_contexts: BTreeMap::from([(2, vec![office.clone()]), (4, vec![office.clone()])]),
            ..settings()
        };
        let engine = model::IntrusionPrevention::from(placed.clone());
        assert_eq!(engine.rule_modes.get(&model::Sid(4)), Some(&model::Mode::Prevent));
        assert_eq!(engine.rule_modes.get(&model::Sid(2)), Some(&model::Mode::Off), "it is not assigned");
        assert!(placed.check().is_empty());
        let many: Vec<Context> =
            (0..17).map(|n| format!("reachable h{n}.example:443").parse().unwrap()).collect();
        let wrong = IntrusionPrevention {
            rule_contexts: BTreeMap::from([(0, vec![office.clone()]), (7, vec![office; 65]), (8, many)]),
            ..settings()
        };
        let at: Vec<String> = wrong.check().into_iter().map(|finding| finding.pointer).collect();
        assert_eq!(at, ["/ruleContexts/0", "/ruleContexts/7", "/ruleContexts"]);
    }

    #[test]
    fn without_all_only_what_is_named_is_on() {
        use model::Mode::{Off, Prevent};
        let some = IntrusionPrevention { assign_all: false, ..settings() };
        assert_eq!(modes(some, [1, 2, 3, 4]), [Prevent, Off, Off, Off]);
    }

    #[test]
    fn what_is_recommended_is_assigned_where_the_policy_says_so_and_never_what_is_excluded() {
        use model::Mode::{Detect, Off, Prevent};
        let policy = IntrusionPrevention { assign_recommended: true, ..settings() };
        let none = policy.clone().with_recommended(&BTreeSet::new());
        assert_eq!(modes(none, [1, 2, 3, 4]), [Prevent, Off, Off, Off], "assigned by hand alone");
        let some = policy.with_recommended(&BTreeSet::from([2, 3, 4]));
        assert_eq!(modes(some, [1, 2, 3, 4]), [Prevent, Off, Detect, Prevent]);
    }
}
