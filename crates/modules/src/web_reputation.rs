//! Web reputation: the computer does not talk to sites that are known to be bad.
use crate::event::{About, Column, EventDetail, EventKind};
use crate::objects::{ObjectKind, Place, Takes};
use crate::settings::{Finding, Settings, SettingsKind, pointer};
use crate::words::{Explanation, Mode, Ports, Text};
use crate::{Module, Reason, RuleKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The registration.
pub static MODULE: Module = Module {
    id: "web-reputation",
    title: Text { en: "Web reputation", ja: "Web レピュテーション" },
    settings: Some(SettingsKind::of::<WebReputation>()),
    rules: Some(RuleKind { kind: "reputation-list", modes: None }),
    events: &[EventKind::of::<WebReputationEvent>()],
    reasons: &[
        Reason {
            code: "no-lists",
            text: Text {
                en: "There is no list to judge by: assign content, or name sites in the policy.",
                ja: "判定に使うリストがありません。コンテンツを割り当てるか、ポリシーでサイトを指定してください。",
            },
        },
        Reason {
            code: "containers-not-seen",
            text: Text {
                en: "The kernel cannot tell containers' interfaces (before Linux 5.6): only connections of the computer \
                     itself are judged.",
                ja: "カーネルがコンテナのインターフェースを区別できない（Linux 5.6 より前）ため、\
                     コンピュータ本体の通信のみを判定しています。",
            },
        },
    ],
};

/// Settings of web reputation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WebReputation {
    /// Off, report, or block.
    pub mode: Mode,
    /// Remote ports of plaintext HTTP.
    #[schema(max_items = 64)]
    pub http_ports: Vec<Ports>,
    /// Remote ports of TLS.
    #[schema(max_items = 64)]
    pub tls_ports: Vec<Ports>,
    /// Whether a blocked plaintext request is answered with a page.
    pub block_page: bool,
    /// Sites that are blocked, with their category: `malware.example`, `example.com/bad/`.
    pub blocked: BTreeMap<String, String>,
    /// Sites that are never blocked.
    pub allowed: BTreeMap<String, bool>,
    /// Whether the lists of the content are used beside these.
    pub use_content: bool,
}

impl Default for WebReputation {
    fn default() -> Self {
        Self {
            mode: Mode::Off,
            http_ports: [80, 8080].map(Ports::single).to_vec(),
            tls_ports: [443, 8443].map(Ports::single).to_vec(),
            block_page: true,
            blocked: BTreeMap::new(),
            allowed: BTreeMap::new(),
            use_content: true,
        }
    }
}

impl Settings for WebReputation {
    const KEYED: &'static [&'static str] = &["blocked", "allowed"];
    const REFERENCES: &'static [Place] = &[
        Place { path: &["httpPorts"], kinds: &[ObjectKind::Ports], takes: Takes::Items },
        Place { path: &["tlsPorts"], kinds: &[ObjectKind::Ports], takes: Takes::Items },
    ];

    fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (member, ports) in [("httpPorts", &self.http_ports), ("tlsPorts", &self.tls_ports)] {
            if ports.len() > 64 {
                let message = "A policy names at most 64 ports or ranges.";
                findings.push(Finding::at(
                    format!("/{member}"),
                    "too-many",
                    message,
                    &ports.len().to_string(),
                ));
            }
        }
        let sites = self.blocked.keys().map(|site| ("blocked", site));
        for (member, site) in sites.chain(self.allowed.keys().map(|site| ("allowed", site))) {
            if site.contains("://") || site.starts_with('/') || site.chars().any(char::is_whitespace) {
                let message = "Write a domain, or a domain and the beginning of a path: example.com/bad/.";
                let at = format!("/{member}{}", pointer(site));
                findings.push(Finding::at(at, "not-a-site", message, site));
            }
        }
        findings
    }
}

/// The computer asked for a site with a bad reputation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebReputationDetail)]
pub struct WebReputationEvent {
    /// What the blocked program was shown: `SKM-0123-4567-89AB-CDEF`.
    pub incident: String,
    /// The URL, or the domain where only that was seen.
    pub url: String,
    /// The entry that named it.
    pub entry: String,
    /// Its category.
    pub category: String,
    /// The list it stands in: `policy` or a name of the content.
    pub list: String,
    /// `http` or `tls`.
    pub seen_in: String,
    /// Address that opened the connection.
    pub client: String,
    /// Port that opened the connection.
    pub client_port: u16,
    /// Address that was connected to.
    pub server: String,
    /// Port that was connected to.
    pub server_port: u16,
}

impl EventDetail for WebReputationEvent {
    const KIND: &'static str = "web-reputation";
    const COLUMNS: &'static [Column] = &[
        Column::text("incident"),
        Column::text("url"),
        Column::text("category"),
        Column::text("list"),
        Column::address("client"),
        Column::address("server"),
        Column::number("serverPort"),
    ];

    fn explain(&self, about: &About<'_>) -> Explanation {
        let computer = about.computer;
        let Self { url, category, list, .. } = self;
        if about.action == "blocked" {
            Explanation::new(
                format!(
                    "{computer} wanted to open {url}, which list “{list}” calls {category}. It was blocked."
                ),
                format!(
                    "{computer} による {url} への接続を遮断しました。リスト「{list}」の分類は {category} です。"
                ),
            )
        } else {
            Explanation::new(
                format!(
                    "{computer} opened {url}, which list “{list}” calls {category}. It was only reported; set the \
                     module to Prevent to block it."
                ),
                format!(
                    "{computer} が {url} に接続しました。リスト「{list}」の分類は {category} です。報告のみで遮断していません。\
                     遮断するにはモジュールを「防御」にしてください。"
                ),
            )
        }
    }
}
