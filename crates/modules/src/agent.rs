//! The agent itself: what it lost, and what happened to it.
use crate::event::{About, Column, EventDetail, EventKind};
use crate::words::{Explanation, Text};
use crate::{Module, Reason};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The registration. It has no settings: an agent always runs.
pub static MODULE: Module = Module {
    id: "agent",
    title: Text { en: "Agent", ja: "エージェント" },
    settings: None,
    rules: None,
    events: &[EventKind::of::<Gap>(), EventKind::of::<Notice>()],
    reasons: &[Reason {
        code: "spool-full",
        text: Text {
            en: "Events wait for the manager and their space is used up; the least important ones are dropped.",
            ja: "マネージャーへの送信待ちイベントで領域がいっぱいです。重要度の低いものから破棄されます。",
        },
    }],
};

/// Something was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GapDetail)]
pub struct Gap {
    /// What was lost: `events`, `packets-uninspected`.
    pub what: String,
    /// How many.
    pub count: u64,
    /// Why, by code: `spool-full`, `worker-restart`, `queue-overflow`.
    pub reason: String,
}

impl EventDetail for Gap {
    const KIND: &'static str = "gap";
    const COLUMNS: &'static [Column] =
        &[Column::text("what"), Column::number("count"), Column::text("reason")];

    fn explain(&self, about: &About<'_>) -> Explanation {
        let computer = about.computer;
        let Self { what, count, reason } = self;
        let (why, why_ja) = match reason.as_str() {
            "spool-full" => {
                ("the event spool on its disk was full", "ディスク上のイベント一時保存領域がいっぱいになった")
            }
            "worker-restart" => ("the network worker was restarted", "ネットワークワーカーが再起動した"),
            "queue-overflow" => (
                "packets came faster than they could be inspected",
                "検査が追いつかない速さでパケットが届いた",
            ),
            _ => ("of an internal condition", "内部の状態の"),
        };
        match what.as_str() {
            "events" => Explanation::new(
                format!("{computer} lost {count} events because {why} ({reason})."),
                format!("{computer} は、{why_ja}ため、{count} 件のイベントを失いました（{reason}）。"),
            ),
            "packets-uninspected" => Explanation::new(
                format!("{computer} let {count} packets pass without inspection because {why} ({reason})."),
                format!(
                    "{computer} は、{why_ja}ため、{count} 個のパケットを検査せずに通過させました（{reason}）。"
                ),
            ),
            other => Explanation::new(
                format!("{computer} missed {count} of “{other}” because {why} ({reason})."),
                format!("{computer} は、{why_ja}ため、「{other}」を {count} 件見逃しました（{reason}）。"),
            ),
        }
    }
}

/// Something about the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NoticeDetail)]
pub struct Notice {
    /// Stable code: `agent-started`.
    pub code: String,
    /// Values for the sentence.
    pub args: Vec<NoticeArgument>,
}

/// One value for a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeArgument {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Notice {
    /// A notice with its values.
    pub fn new(code: &str, args: &[(&str, &str)]) -> Self {
        let args = args
            .iter()
            .map(|(name, value)| NoticeArgument { name: (*name).to_owned(), value: (*value).to_owned() });
        Self { code: code.to_owned(), args: args.collect() }
    }

    /// The value of a name.
    pub fn arg(&self, name: &str) -> Option<&str> {
        self.args.iter().find(|arg| arg.name == name).map(|arg| arg.value.as_str())
    }
}

impl EventDetail for Notice {
    const KIND: &'static str = "notice";
    const COLUMNS: &'static [Column] = &[Column::text("code")];

    fn explain(&self, about: &About<'_>) -> Explanation {
        let computer = about.computer;
        let args: Vec<String> = self.args.iter().map(|arg| format!("{}: {}", arg.name, arg.value)).collect();
        let args = args.join(", ");
        let (en, ja) = match self.code.as_str() {
            "agent-started" => ("The agent was started", "エージェントが起動しました"),
            "agent-stopped" => ("The agent was stopped", "エージェントが停止しました"),
            "agent-activated" => ("The agent was activated", "エージェントが有効化されました"),
            "agent-upgraded" => ("The agent was upgraded", "エージェントが更新されました"),
            "upgrade-downloading" => {
                ("A package to upgrade to is being fetched", "更新用のパッケージを取得しています")
            }
            "upgrade-verified" => (
                "The package is here, whole, and signed by a key that this computer trusts",
                "パッケージを取得し、このコンピュータが信頼する鍵の署名を確認しました",
            ),
            "upgrade-installing" => {
                ("Another version is being installed", "別のバージョンをインストールしています")
            }
            "upgrade-refused" => (
                "An upgrade was refused; nothing was changed",
                "更新は拒否されました。何も変更されていません",
            ),
            "upgrade-rolled-back" => (
                "The new version was not healthy; the former one is back",
                "新しいバージョンが正常に動作しなかったため、以前のバージョンに戻しました",
            ),
            "upgrade-failed" => (
                "The new version is not healthy and the former one is not back; a person has to look",
                "新しいバージョンは正常に動作せず、以前のバージョンにも戻せませんでした。確認が必要です",
            ),
            "upgrade-started" => ("An upgrade roll-out was begun", "更新の展開を開始しました"),
            "upgrade-ring-entered" => {
                ("An upgrade roll-out has come to its next ring", "更新の展開が次のリングに進みました")
            }
            "upgrade-halted" => (
                "An upgrade roll-out was halted: too many computers failed",
                "失敗したコンピュータが多すぎるため、更新の展開を停止しました",
            ),
            "upgrade-ended" => ("An upgrade roll-out has ended", "更新の展開が終了しました"),
            "upgrade-going-back" => {
                ("The computers of an upgrade roll-out go back", "更新の展開を元のバージョンに戻しています")
            }
            "policy-applied" => ("A policy was applied", "ポリシーが適用されました"),
            "policy-refused" => (
                "A policy could not be applied; the one before stays in force",
                "ポリシーを適用できませんでした。以前のポリシーが引き続き有効です",
            ),
            "context-holds" => (
                "It is in this context now; rules for it count",
                "このコンテキストに入りました。対応するルールが有効になります",
            ),
            "context-ended" => (
                "It is no longer in this context; rules for it do not count",
                "このコンテキストから外れました。対応するルールは無効になります",
            ),
            "worker-restarted" => ("A worker was restarted", "ワーカーが再起動しました"),
            "identity-copied" => (
                "Another machine uses this computer's identity; a person has to decide",
                "別のマシンがこのコンピュータの ID を使用しています。人による判断が必要です",
            ),
            "event-based-task-ran" => ("An event-based task was run", "イベントベースタスクが実行されました"),
            "computer-suspended" => (
                "It has gone and is suspended; it gets its identity back when it returns",
                "接続がなくなったため休止状態になりました。再接続すると元に戻ります",
            ),
            "computer-resumed" => {
                ("It is back and has its identity again", "再接続し、休止状態から元に戻りました")
            }
            "computer-deactivated" => (
                "It has no identity any more; its agent is no longer let in",
                "無効化されました。エージェントは接続できなくなります",
            ),
            "computer-reactivated" => ("It has its identity back", "再び有効化されました"),
            "computer-cleaned-up" => (
                "It was ephemeral, stayed away and was deleted",
                "一時的なコンピュータが戻らなかったため、削除されました",
            ),
            "mass-loss" => (
                "Many computers have gone at once without a good-bye: nothing is suspended or cleaned up until they \
                 are back or a person releases the brake",
                "多数のコンピュータが一度に応答しなくなりました。復帰するか担当者が解除するまで、休止と削除は行われません",
            ),
            "mass-loss-over" => (
                "Those that had gone are back: computers are suspended and cleaned up again",
                "応答しなくなったコンピュータが復帰しました。休止と削除を再開します",
            ),
            code => {
                return Explanation::new(
                    format!("{computer} reported “{code}” about its agent. {args}").trim_end().to_owned(),
                    format!("{computer} のエージェントから「{code}」が報告されました。{args}"),
                );
            }
        };
        if args.is_empty() {
            Explanation::new(format!("{computer}: {en}."), format!("{computer}: {ja}。"))
        } else {
            Explanation::new(format!("{computer}: {en} ({args})."), format!("{computer}: {ja}（{args}）。"))
        }
    }
}
