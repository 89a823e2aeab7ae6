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
    /// Those of the recommended ones that were assigned by this.
    pub assigned: Vec<String>,
    /// Those of the withdrawn ones that were unassigned by this.
    pub unassigned: Vec<String>,
    /// Why, for the first of the rules.
    pub reason: Explanation,
}

impl EventDetail for RecommendationEvent {
    const KIND: &'static str = "recommendation";
    const COLUMNS: &'static [Column] = &[
        Column::text("module"),
        Column::texts("recommended"),
        Column::texts("withdrawn"),
        Column::texts("assigned"),
        Column::texts("unassigned"),
    ];

    fn explain(&self, about: &About<'_>) -> Explanation {
        let computer = about.computer;
        let list = |rules: &[String]| {
            let more = rules.len().saturating_sub(NAMED);
            let named = rules.get(..NAMED).unwrap_or(rules);
            (named.join(", "), named.join("、"), more)
        };
        let mut en = Vec::new();
        let mut ja = Vec::new();
        if !self.recommended.is_empty() {
            let (rules, rules_ja, more) = list(&self.recommended);
            let (and, and_ja) = and_more(more);
            let (done, done_ja) = if self.assigned.is_empty() {
                (
                    "Assign them, or let the policy do so.",
                    "割り当てるか、ポリシーで自動割り当てを有効にしてください。",
                )
            } else {
                ("They were assigned, as the policy says.", "ポリシーに従って割り当てました。")
            };
            en.push(format!("What is installed on {computer} needs rules {rules}{and}. {done}"));
            ja.push(format!(
                "{computer} のインストール状況により、ルール {rules_ja}{and_ja} が推奨されました。{done_ja}"
            ));
        }
        if !self.withdrawn.is_empty() {
            let (rules, rules_ja, more) = list(&self.withdrawn);
            let (and, and_ja) = and_more(more);
            let (done, done_ja) = if self.unassigned.is_empty() {
                ("", "")
            } else {
                (" They were unassigned, as the policy says.", "ポリシーに従って割り当てを解除しました。")
            };
            en.push(format!("Rules {rules}{and} are no longer needed on {computer}.{done}"));
            ja.push(format!("ルール {rules_ja}{and_ja} は {computer} では不要になりました。{done_ja}"));
        }
        en.push(format!("Why: {}.", self.reason.en));
        ja.push(format!("理由: {}。", self.reason.ja));
        Explanation::new(en.join(" "), ja.concat())
    }
}

/// Rules named in a sentence; the detail has all.
const NAMED: usize = 8;

fn and_more(more: usize) -> (String, String) {
    if more == 0 {
        return (String::new(), String::new());
    }
    (format!(" and {more} more"), format!(" ほか {more} 件"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(recommended: usize, assigned: bool, withdrawn: usize) -> Explanation {
        let rules = |count: usize| (1..=count).map(|number| number.to_string()).collect::<Vec<_>>();
        let detail = RecommendationEvent {
            module: "intrusion-prevention".to_owned(),
            recommended: rules(recommended),
            withdrawn: rules(withdrawn),
            assigned: if assigned { rules(recommended) } else { Vec::new() },
            unassigned: if assigned { rules(withdrawn) } else { Vec::new() },
            reason: Explanation::new("blog 0.1 has the hole".to_owned(), "blog 0.1 に脆弱性".to_owned()),
        };
        detail.explain(&About { computer: "web1", action: "noted", severity: "info" })
    }

    #[test]
    fn it_says_what_was_recommended_and_what_was_done() {
        assert_eq!(
            event(2, true, 0).en,
            "What is installed on web1 needs rules 1, 2. They were assigned, as the policy says. Why: blog 0.1 has the \
             hole."
        );
        assert_eq!(
            event(10, false, 1).en,
            "What is installed on web1 needs rules 1, 2, 3, 4, 5, 6, 7, 8 and 2 more. Assign them, or let the policy do \
             so. Rules 1 are no longer needed on web1. Why: blog 0.1 has the hole."
        );
        assert_eq!(
            event(0, true, 1).ja,
            "ルール 1 は web1 では不要になりました。ポリシーに従って割り当てを解除しました。理由: blog 0.1 に脆弱性。"
        );
    }
}
