//! Recommendation scan: which rules a computer needs, by what is installed on it.
use crate::event::{About, Column, EventDetail, EventKind};
use crate::settings::{Finding, Settings, SettingsKind};
use crate::words::{Explanation, Mode, Text};
use crate::{Module, Reason};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The registration.
pub static MODULE: Module = Module {
    id: "recommendation",
    title: Text { en: "Recommendation scan", ja: "推奨設定の検索" },
    settings: Some(SettingsKind::of::<Recommendation>()),
    rules: None,
    events: &[EventKind::of::<RecommendationEvent>()],
    reasons: &[
        Reason {
            code: "inventory-incomplete",
            text: Text {
                en: "Not everything could be looked at: a folder could not be read, there is too much of it, packages are not dpkg's, or the cloud's metadata service did not answer. Rules are not called superfluous by what was not seen.",
                ja: "読み取れないフォルダーがある、量が多すぎる、dpkg 以外のパッケージ管理である、またはクラウドのメタデータサービスが応答しないため、一部を確認できませんでした。確認できなかったものを理由にルールが不要と判断されることはありません。",
            },
        },
        Reason {
            code: "inventory-failed",
            text: Text {
                en: "The inventory could not be taken; it is tried again. See the agent's log.",
                ja: "インベントリを取得できませんでした。再試行します。エージェントのログを確認してください。",
            },
        },
    ],
};

/// Settings of the recommendation scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Recommendation {
    /// Off, or look at what is installed; it stops nothing, so Prevent is the same as Detect.
    pub mode: Mode,
    /// Minutes between looks at what is installed.
    #[schema(minimum = 5, maximum = 10080)]
    pub interval_minutes: u32,
    /// Folders in which web applications are looked for.
    #[schema(max_items = 64)]
    pub web_roots: Vec<String>,
}

impl Default for Recommendation {
    fn default() -> Self {
        let roots = ["/var/www", "/srv/www", "/usr/share/nginx", "/usr/share/wordpress", "/opt"];
        Self { mode: Mode::Detect, interval_minutes: 360, web_roots: roots.map(str::to_owned).to_vec() }
    }
}

impl Settings for Recommendation {
    fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !(5..=10_080).contains(&self.interval_minutes) {
            let message = "Between 5 minutes and a week, 10080.";
            let found = self.interval_minutes.to_string();
            findings.push(Finding::at("/intervalMinutes", "out-of-range", message, &found));
        }
        if self.web_roots.len() > 64 {
            let message = "At most 64 folders.";
            findings.push(Finding::at("/webRoots", "too-many", message, &self.web_roots.len().to_string()));
        }
        for (index, root) in self.web_roots.iter().enumerate().filter(|(_, root)| !root.starts_with('/')) {
            let message = "Write the whole path, from / on.";
            findings.push(Finding::at(format!("/webRoots/{index}"), "not-absolute", message, root));
        }
        findings
    }
}

/// Rules became recommended, or no longer are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecommendationDetail)]
pub struct RecommendationEvent {
    /// The module of the rules.
    pub module: String,
    /// Rules that are newly recommended.
    pub recommended: Vec<String>,
    /// Rules that no longer are.
    pub withdrawn: Vec<String>,
    /// Whether they were assigned and unassigned.
    pub assigned: bool,
    /// The first reason, for people.
    pub reason: String,
}

impl EventDetail for RecommendationEvent {
    const KIND: &'static str = "recommendation";
    const COLUMNS: &'static [Column] = &[
        Column::text("module"),
        Column::texts("recommended"),
        Column::texts("withdrawn"),
        Column::text("reason"),
    ];

    fn explain(&self, about: &About<'_>) -> Explanation {
        let computer = about.computer;
        let (more, fewer) = (self.recommended.len(), self.withdrawn.len());
        let reason = &self.reason;
        let (done, done_ja) = if self.assigned {
            ("They were assigned as the policy allows.", "ポリシーに従って割り当てました。")
        } else {
            (
                "Assign them, or let the policy do so.",
                "割り当てるか、ポリシーで自動割り当てを有効にしてください。",
            )
        };
        Explanation::new(
            format!(
                "What is installed on {computer} makes {more} rules newly recommended and {fewer} no longer so. {reason} \
                 {done}"
            ),
            format!(
                "{computer} のインストール状況により、新たに {more} 件のルールが推奨され、{fewer} 件が推奨から外れました。\
                 {reason} {done_ja}"
            ),
        )
    }
}
