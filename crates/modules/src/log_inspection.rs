//! Log inspection: what the computer's own logs say about attacks.
use crate::event::{About, Column, EventDetail, EventKind};
use crate::settings::{Finding, Settings, SettingsKind, pointer};
use crate::words::{Explanation, Mode, Text};
use crate::{Module, Reason, RuleKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The registration.
pub static MODULE: Module = Module {
    id: "log-inspection",
    title: Text { en: "Log inspection", ja: "セキュリティログ監視" },
    settings: Some(SettingsKind::of::<LogInspection>()),
    rules: Some(RuleKind { kind: "log-rule", modes: Some("ruleModes") }),
    events: &[EventKind::of::<LogEvent>()],
    reasons: &[Reason {
        code: "source-unreadable",
        text: Text {
            en: "A log source is missing or cannot be read.",
            ja: "ログソースが存在しないか、読み取れません。",
        },
    }],
};

/// Settings of log inspection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogInspection {
    /// Off, or report: a log line is never stopped, so Prevent is the same as Detect.
    pub mode: Mode,
    /// The log files by a name.
    pub sources: BTreeMap<String, LogSource>,
    /// Rules below this OSSEC level (0 to 15) make no event.
    #[schema(maximum = 15)]
    pub minimum_level: u8,
    /// Mode by rule id.
    pub rule_modes: BTreeMap<u32, Mode>,
}

impl Default for LogInspection {
    fn default() -> Self {
        let source = |path: &str, format| (path.to_owned(), LogSource { path: path.to_owned(), format });
        Self {
            mode: Mode::Off,
            sources: BTreeMap::from([
                source("/var/log/auth.log", LogFormat::Syslog),
                source("/var/log/nginx/access.log", LogFormat::Plain),
                source("/var/log/nginx/error.log", LogFormat::Plain),
            ]),
            minimum_level: 5,
            rule_modes: BTreeMap::new(),
        }
    }
}

/// A log file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogSource {
    /// Path, with `*` for parts of names.
    pub path: String,
    /// How its lines are written.
    #[serde(default)]
    pub format: LogFormat,
}

/// How the lines of a log are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// With a syslog header.
    #[default]
    Syslog,
    /// Without: a web server's access log.
    Plain,
}

impl Settings for LogInspection {
    const KEYED: &'static [&'static str] = &["sources", "ruleModes"];

    fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, source) in &self.sources {
            if !source.path.starts_with('/') || source.path.len() > 4096 {
                let at = format!("/sources{}/path", pointer(name));
                findings.push(Finding::at(
                    at,
                    "not-absolute",
                    "Write the whole path, from / on.",
                    &source.path,
                ));
            }
        }
        if self.minimum_level > 15 {
            let message = "An OSSEC level is a number from 0 to 15.";
            findings.push(Finding::at(
                "/minimumLevel",
                "out-of-range",
                message,
                &self.minimum_level.to_string(),
            ));
        }
        findings
    }
}

/// A rule matched one or several log lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LogDetail)]
pub struct LogEvent {
    /// The rule's id.
    pub rule: u32,
    /// Its OSSEC level, 0 to 15.
    pub level: u8,
    /// What it says.
    pub description: String,
    /// Its groups.
    pub groups: Vec<String>,
    /// The decoder that understood the line; empty where none did.
    pub decoder: String,
    /// The program that wrote the line; empty where unknown.
    pub program: String,
    /// The address that the line is about; empty where there is none.
    pub source_address: String,
    /// The user that the line is about; empty where there is none.
    pub user: String,
    /// The line, cut and made printable.
    pub line: String,
    /// The log file.
    pub source: String,
    /// How many lines led to this event.
    pub count: u32,
}

impl EventDetail for LogEvent {
    const KIND: &'static str = "log";
    const COLUMNS: &'static [Column] = &[
        Column::number("rule"),
        Column::number("level"),
        Column::text("description"),
        Column::texts("groups"),
        Column::text("program"),
        Column::address("sourceAddress"),
        Column::text("user"),
        Column::text("source"),
        Column::number("count"),
    ];

    fn explain(&self, about: &About<'_>) -> Explanation {
        let computer = about.computer;
        let Self { rule, description, source, count, .. } = self;
        let times = if *count > 1 { format!(" after {count} lines") } else { String::new() };
        let times_ja = if *count > 1 { format!("（{count} 行）") } else { String::new() };
        let from = if self.source_address.is_empty() {
            String::new()
        } else {
            format!(" from {}", self.source_address)
        };
        let from_ja = if self.source_address.is_empty() {
            String::new()
        } else {
            format!("{} から、", self.source_address)
        };
        Explanation::new(
            format!("{source} on {computer} shows “{description}”{from}{times} (rule {rule})."),
            format!(
                "{computer} の {source} に、{from_ja}「{description}」が記録されました{times_ja}（ルール {rule}）。"
            ),
        )
    }
}
