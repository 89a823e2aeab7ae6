//! Integrity monitoring: files that should not change, and did.
use crate::event::{About, Column, EventDetail, EventKind};
use crate::objects::{ObjectKind, Place, Takes};
use crate::settings::{Finding, Settings, SettingsKind, pointer};
use crate::words::{Explanation, Mode, Text};
use crate::{Module, Reason, RuleKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The registration.
pub static MODULE: Module = Module {
    id: "integrity-monitoring",
    title: Text { en: "Integrity monitoring", ja: "変更監視" },
    settings: Some(SettingsKind::of::<IntegrityMonitoring>()),
    rules: Some(RuleKind { kind: "file-set", modes: None }),
    events: &[EventKind::of::<IntegrityEvent>()],
    reasons: &[
        Reason {
            code: "too-many-files",
            text: Text {
                en: "The file sets name more files than allowed; the rest is not watched. Narrow the sets or raise the bound.",
                ja: "監視対象のファイルが上限を超えたため、残りは監視されません。対象を絞るか上限を上げてください。",
            },
        },
        Reason {
            code: "baseline-building",
            text: Text {
                en: "The first look at the files is under way; changes are seen when it has ended.",
                ja: "最初の走査中です。完了後から変更を検出します。",
            },
        },
        Reason {
            code: "real-time-unavailable",
            text: Text {
                en: "The kernel reports no file events (fanotify with names, Linux 5.9); changes are found by scheduled scans only.",
                ja: "カーネルがファイルイベント（Linux 5.9 の fanotify）を提供しないため、変更は定期走査でのみ検出されます。",
            },
        },
        Reason {
            code: "real-time-partly",
            text: Text {
                en: "Some file systems report no events; changes on them are found by scheduled scans only.",
                ja: "イベントを提供しないファイルシステムがあり、その変更は定期走査でのみ検出されます。",
            },
        },
        Reason {
            code: "baseline-not-kept",
            text: Text {
                en: "The baseline cannot be written to disk; changes made while the agent is stopped may be missed. Check the disk.",
                ja: "ベースラインをディスクに保存できません。エージェント停止中の変更を見逃す可能性があります。ディスクを確認してください。",
            },
        },
        Reason {
            code: "integrity-failed",
            text: Text {
                en: "The monitoring could not be started, or has ended; see the agent's log.",
                ja: "監視を開始できないか、停止しました。エージェントのログを確認してください。",
            },
        },
    ],
};

/// Settings of integrity monitoring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IntegrityMonitoring {
    /// Off, or report: a change is never undone, so Prevent is the same as Detect.
    pub mode: Mode,
    /// The sets of files by their names.
    pub sets: BTreeMap<String, FileSet>,
    /// Minutes between scheduled scans; 0 is never.
    #[schema(maximum = 525_600)]
    pub interval_minutes: u32,
    /// Most files that are watched.
    #[schema(minimum = 1, maximum = 10_000_000)]
    pub max_files: u32,
}

impl Default for IntegrityMonitoring {
    fn default() -> Self {
        Self { mode: Mode::Off, sets: built_in(), interval_minutes: 1440, max_files: 500_000 }
    }
}

/// Sets that make sense on any server. A policy excludes one by `null` at its name.
///
/// Low noise is the aim: what changes by itself (`/etc/mtab`, caches, lock files) is left out; package upgrades do
/// show, as they should.
fn built_in() -> BTreeMap<String, FileSet> {
    let set = |base: &str, include: &[&str], exclude: &[&str], severity: &str, real_time| FileSet {
        base: base.to_owned(),
        include: include.iter().map(|&pattern| pattern.to_owned()).collect(),
        exclude: exclude.iter().map(|&pattern| pattern.to_owned()).collect(),
        attributes: content_and_rights(),
        severity: severity.to_owned(),
        real_time,
    };
    let accounts =
        ["passwd", "shadow", "group", "gshadow", "sudoers", "sudoers.d/**", "pam.d/**", "security/**"];
    let remote = ["ssh/**"];
    let starts = [
        "ld.so.preload",
        "ld.so.conf",
        "ld.so.conf.d/**",
        "crontab",
        "cron.*/**",
        "anacrontab",
        "systemd/**",
        "init.d/**",
        "rc.local",
        "profile",
        "profile.d/**",
        "bash.bashrc",
        "environment",
        "modules",
        "modules-load.d/**",
        "modprobe.d/**",
        "apt/apt.conf.d/**",
        "xdg/autostart/**",
    ];
    let network =
        ["hosts", "resolv.conf", "nsswitch.conf", "nftables.conf", "iptables/**", "ca-certificates.conf"];
    let caches = ["**/cache/**", "**/*.log", "**/.git/**", "**/node_modules/**", "**/sessions/**"];
    BTreeMap::from(
        [
            ("accounts", set("/etc", &accounts, &["security/*.lock"], "high", true)),
            ("remote-access", set("/etc", &remote, &[], "high", true)),
            ("root-keys", set("/root/.ssh", &[], &["known_hosts*"], "high", true)),
            ("started-programs", set("/etc", &starts, &["**/*.dpkg-*"], "high", true)),
            ("scheduled-jobs", set("/var/spool/cron", &[], &["**/tmp.*"], "high", true)),
            ("name-resolution", set("/etc", &network, &[], "medium", true)),
            ("web-pages", set("/var/www", &[], &caches, "medium", true)),
            ("programs", set("/usr/bin", &[], &[], "medium", false)),
            ("system-programs", set("/usr/sbin", &[], &[], "medium", false)),
            (
                "local-programs",
                set("/usr/local", &["bin/**", "sbin/**", "lib/**"], &["**/__pycache__/**"], "medium", true),
            ),
        ]
        .map(|(name, set)| (name.to_owned(), set)),
    )
}

/// A set of files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileSet {
    /// The folder, or one file.
    pub base: String,
    /// Patterns below `base`, with `*`, `?` and `**`, or a list of extensions, `list:NAME`; all where empty.
    #[serde(default)]
    #[schema(max_items = 256)]
    pub include: Vec<String>,
    /// Patterns that are left out, or a list of extensions: `list:NAME`.
    #[serde(default)]
    #[schema(max_items = 256)]
    pub exclude: Vec<String>,
    /// What is watched of each file.
    #[serde(default = "content_and_rights")]
    pub attributes: Vec<Attribute>,
    /// How much a change matters: `info`, `low`, `medium`, `high`, `critical`.
    #[serde(default = "medium")]
    pub severity: String,
    /// Whether changes are seen at once, not only by the schedule.
    #[serde(default)]
    pub real_time: bool,
}

fn content_and_rights() -> Vec<Attribute> {
    use Attribute::{Group, Mode, Owner, Sha256, Size, Target};
    vec![Size, Mode, Owner, Group, Sha256, Target]
}

fn medium() -> String {
    "medium".to_owned()
}

/// What can be watched of a file. That it was created or deleted always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Attribute {
    /// Length.
    Size,
    /// Permission bits.
    Mode,
    /// Owner.
    Owner,
    /// Group.
    Group,
    /// Time of the last change of content.
    Mtime,
    /// Time of the last change of anything.
    Ctime,
    /// Inode number: the file was replaced.
    Inode,
    /// Content.
    Sha256,
    /// Where a symbolic link points.
    Target,
}

impl Settings for IntegrityMonitoring {
    const KEYED: &'static [&'static str] = &["sets"];
    const REFERENCES: &'static [Place] = &[
        Place { path: &["sets", "*", "include"], kinds: &[ObjectKind::Extensions], takes: Takes::Patterns },
        Place { path: &["sets", "*", "exclude"], kinds: &[ObjectKind::Extensions], takes: Takes::Patterns },
    ];

    fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, set) in &self.sets {
            let at = |member: &str| format!("/sets{}/{member}", pointer(name));
            if !set.base.starts_with('/') || set.base.len() > 4096 {
                findings.push(Finding::at(
                    at("base"),
                    "not-absolute",
                    "Write the whole path, from / on.",
                    &set.base,
                ));
            }
            if set.base.split('/').any(|section| matches!(section, "." | "..")) {
                findings.push(Finding::at(
                    at("base"),
                    "not-plain",
                    "Write the path without '.' and '..'.",
                    &set.base,
                ));
            }
            for (member, patterns) in [("include", &set.include), ("exclude", &set.exclude)] {
                if patterns.len() > 256 {
                    let found = patterns.len().to_string();
                    findings.push(Finding::at(at(member), "too-many", "At most 256 patterns.", &found));
                }
                for (index, pattern) in patterns.iter().enumerate().filter(|(_, p)| !is_pattern(p)) {
                    findings.push(Finding::at(
                        format!("{}/{index}", at(member)),
                        "not-a-pattern",
                        "Write it relative to the base, without empty sections, '.' and '..'.",
                        pattern,
                    ));
                }
            }
            if set.severity.parse::<sakimori_model::Severity>().is_err() {
                let message = "One of info, low, medium, high, critical.";
                findings.push(Finding::at(at("severity"), "not-a-severity", message, &set.severity));
            }
        }
        if self.interval_minutes > 525_600 {
            let message = "At most a year, 525600 minutes; 0 is never.";
            let found = self.interval_minutes.to_string();
            findings.push(Finding::at("/intervalMinutes", "out-of-range", message, &found));
        }
        if !(1..=10_000_000).contains(&self.max_files) {
            let message = "Between 1 and 10000000.";
            findings.push(Finding::at("/maxFiles", "out-of-range", message, &self.max_files.to_string()));
        }
        findings
    }
}

/// What the engine takes as a pattern: relative, of plain sections.
fn is_pattern(pattern: &str) -> bool {
    let escapes = pattern.bytes().rev().take_while(|byte| *byte == b'\\').count();
    pattern.len() <= 4096
        && escapes.is_multiple_of(2)
        && pattern.split('/').all(|section| !matches!(section, "" | "." | ".."))
        && pattern.split('/').count() <= 60
}

/// A watched file changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IntegrityDetail)]
pub struct IntegrityEvent {
    /// The set's name.
    pub set: String,
    /// The file, made printable.
    pub path: String,
    /// `created`, `changed` or `deleted`.
    pub change: String,
    /// What of it changed.
    pub attributes: Vec<AttributeChange>,
    /// `real-time`, `scheduled` or `manual`.
    pub trigger: String,
    /// The program that changed it; empty where unknown.
    pub process: String,
    /// The user it ran as; empty where unknown.
    pub user: String,
}

/// A changed attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttributeChange {
    /// Which: `sha256`, `mode`, …
    pub attribute: String,
    /// Its value in the baseline; empty for a new file.
    pub before: String,
    /// Its value now; empty for a deleted file.
    pub after: String,
}

impl EventDetail for IntegrityEvent {
    const KIND: &'static str = "integrity";
    const COLUMNS: &'static [Column] = &[
        Column::text("set"),
        Column::text("path"),
        Column::text("change"),
        Column::text("trigger"),
        Column::text("process"),
        Column::text("user"),
    ];

    fn explain(&self, about: &About<'_>) -> Explanation {
        let computer = about.computer;
        let Self { set, path, process, .. } = self;
        let (change, change_ja) = match self.change.as_str() {
            "created" => ("was created", "が作成されました"),
            "deleted" => ("was deleted", "が削除されました"),
            _ => ("was changed", "が変更されました"),
        };
        let which: Vec<&str> = self.attributes.iter().map(|a| a.attribute.as_str()).collect();
        let which = if self.change == "changed" && !which.is_empty() {
            format!(" ({})", which.join(", "))
        } else {
            String::new()
        };
        let by = if process.is_empty() { String::new() } else { format!(" by {process}") };
        let by_ja = if process.is_empty() { String::new() } else { format!("（{process}）") };
        Explanation::new(
            format!("{path} on {computer} {change}{by}{which}. It is watched by the set “{set}”."),
            format!("{computer} の {path} {change_ja}{by_ja}{which}。監視対象「{set}」のファイルです。"),
        )
    }
}
