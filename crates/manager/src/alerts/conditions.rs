//! The conditions of the product: what they ask, and what they say to people.
use crate::store::ConditionRow;
use sakimori_api::ThresholdUnit;
use sakimori_model::Severity;
use sakimori_modules::{Explanation, Text};
use std::collections::BTreeMap;

/// A condition of the product.
#[derive(Debug)]
pub(crate) struct BuiltIn {
    /// Its word.
    pub(crate) id: &'static str,
    /// What it is called.
    pub(crate) title: Text,
    /// What is the matter; `{name}` stands for a value of the alert.
    explanation: Text,
    /// What to do about it.
    pub(crate) remedy: Text,
    /// How much its alerts matter, unless people say otherwise.
    pub(crate) severity: Severity,
    /// Threshold and its unit.
    pub(crate) threshold: Option<(u32, ThresholdUnit)>,
    /// Which events raise it; nothing where the state of things does.
    pub(crate) events: Option<&'static str>,
}

/// All of them.
pub(crate) static BUILT_IN: &[BuiltIn] = &[
    BuiltIn {
        id: "computer-offline",
        title: Text { en: "Computer out of contact", ja: "コンピュータと通信できません" },
        explanation: Text {
            en: "{subject} has not been in contact since {since}. Its agent goes on enforcing its last policy and keeps its events, but nothing new reaches it.",
            ja: "{subject} は {since} から通信がありません。エージェントは最後のポリシーを適用し続け、イベントを保持しますが、新しい設定は届きません。",
        },
        remedy: Text {
            en: "Look whether the machine runs and reaches the manager's gateway: as root on it, 'sakimori agent status'. Delete the computer if it is gone for good.",
            ja: "マシンが稼働し、マネージャーのゲートウェイに到達できるか確認してください（マシン上で root として「sakimori agent status」）。廃止したマシンであればコンピュータを削除してください。",
        },
        severity: Severity::High,
        threshold: Some((10, ThresholdUnit::Minutes)),
        events: None,
    },
    BuiltIn {
        id: "module-degraded",
        title: Text {
            en: "Module does less than the policy says", ja: "モジュールの機能が制限されています"
        },
        explanation: Text {
            en: "On {subject}, {module} does less than its policy says: {reasons}.",
            ja: "{subject} の {module} は、ポリシーどおりに機能していません: {reasons}。",
        },
        remedy: Text {
            en: "The computer's page says what the reasons mean. Remove the cause, or change the policy to what the machine can do.",
            ja: "理由の意味はコンピュータのページで確認できます。原因を取り除くか、そのマシンで可能な内容にポリシーを変更してください。",
        },
        severity: Severity::Medium,
        threshold: None,
        events: None,
    },
    BuiltIn {
        id: "module-failed",
        title: Text { en: "Module has failed", ja: "モジュールが停止しています" },
        explanation: Text {
            en: "On {subject}, {module} does not work: {reasons}. The machine is not protected by it.",
            ja: "{subject} の {module} が動作していません: {reasons}。このモジュールによる保護は行われていません。",
        },
        remedy: Text {
            en: "The computer's page says what the reasons mean; the agent's log on the machine says more.",
            ja: "理由の意味はコンピュータのページで確認できます。詳細はマシン上のエージェントのログを参照してください。",
        },
        severity: Severity::Critical,
        threshold: None,
        events: None,
    },
    BuiltIn {
        id: "protection-off",
        title: Text { en: "Protection switched off", ja: "保護が無効になっています" },
        explanation: Text {
            en: "Every module of {subject} is off: nothing on it is protected.",
            ja: "{subject} のすべてのモジュールがオフです。何も保護されていません。",
        },
        remedy: Text {
            en: "Assign a policy that switches modules on, or dismiss the alert if that is meant.",
            ja: "モジュールを有効にするポリシーを割り当ててください。意図したものであれば、このアラートを却下してください。",
        },
        severity: Severity::High,
        threshold: None,
        events: None,
    },
    BuiltIn {
        id: "agent-clone",
        title: Text {
            en: "Identity used by two machines", ja: "ID が 2 台のマシンで使用されています"
        },
        explanation: Text {
            en: "Another machine uses the identity of {subject} (it differs in {differsIn}). It was refused; {subject} itself is left alone.",
            ja: "別のマシンが {subject} の ID を使用しました（相違点: {differsIn}）。そのマシンは拒否され、{subject} には影響しません。",
        },
        remedy: Text {
            en: "If the machine was copied from an image, let the copy enrol anew with a token. If nobody copied it, its key was stolen: delete the computer and activate it anew. Then settle the clone on the computer's page.",
            ja: "イメージから複製した場合は、複製側をトークンで再登録してください。複製の覚えがなければ鍵が盗まれています。コンピュータを削除して再有効化してください。その後、コンピュータのページでクローンを処理してください。",
        },
        severity: Severity::High,
        threshold: None,
        events: None,
    },
    BuiltIn {
        id: "policy-refused",
        title: Text { en: "Policy could not be applied", ja: "ポリシーを適用できません" },
        explanation: Text {
            en: "{subject} could not apply its policy and goes on with the one before: {reason}",
            ja: "{subject} はポリシーを適用できず、以前のポリシーを継続しています: {reason}",
        },
        remedy: Text {
            en: "Correct what the reason names in the policy; the computer then tries again by itself.",
            ja: "理由に示された箇所をポリシーで修正してください。コンピュータは自動的に再試行します。",
        },
        severity: Severity::High,
        threshold: None,
        events: None,
    },
    BuiltIn {
        id: "rules-out-of-date",
        title: Text {
            en: "Policy and rules out of date", ja: "ポリシーとルールが最新ではありません"
        },
        explanation: Text {
            en: "{subject} is in contact, but has not taken its newest policy and rules for more than {minutes} minutes.",
            ja: "{subject} は通信していますが、{minutes} 分以上、最新のポリシーとルールを取得していません。",
        },
        remedy: Text {
            en: "Look into the agent's log on the machine: it says what it waits for, as blobs that it cannot fetch or a full disk.",
            ja: "マシン上のエージェントのログを確認してください。取得できないファイルやディスク不足など、待機の理由が記録されています。",
        },
        severity: Severity::Medium,
        threshold: Some((15, ThresholdUnit::Minutes)),
        events: None,
    },
    BuiltIn {
        id: "certificate-expiring",
        title: Text {
            en: "Certificate about to expire", ja: "証明書の有効期限が近づいています"
        },
        explanation: Text {
            en: "The certificate of {subject} ends at {until} and was not renewed, although agents renew theirs long before.",
            ja: "{subject} の証明書は {until} に期限切れとなりますが、更新されていません。エージェントは通常、期限よりかなり前に更新します。",
        },
        remedy: Text {
            en: "Look whether the agent reaches the manager's public port, where certificates are renewed. After the end it can still renew by proof of its key.",
            ja: "証明書の更新に使うマネージャーの公開ポートに、エージェントから到達できるか確認してください。期限後も鍵の所有証明により更新できます。",
        },
        severity: Severity::High,
        threshold: Some((7, ThresholdUnit::Days)),
        events: None,
    },
    BuiltIn {
        id: "mass-loss",
        title: Text {
            en: "Many computers lost at once", ja: "多数のコンピュータとの通信が途絶えました"
        },
        explanation: Text {
            en: "{lost} of {total} computers that were in contact within the last hour are out of contact.",
            ja: "過去 1 時間に通信していた {total} 台のうち {lost} 台と通信できません。",
        },
        remedy: Text {
            en: "Look for a common cause first: network, load balancer, proxy, DNS, the manager's gateway port and its certificate.",
            ja: "まず共通の原因を確認してください: ネットワーク、ロードバランサー、プロキシ、DNS、マネージャーのゲートウェイポートと証明書。",
        },
        severity: Severity::Critical,
        threshold: Some((20, ThresholdUnit::Percent)),
        events: None,
    },
    BuiltIn {
        id: "disk-nearly-full",
        title: Text {
            en: "Disk of the manager nearly full",
            ja: "マネージャーのディスク空き容量が不足しています",
        },
        explanation: Text {
            en: "The disk under the manager's data directory is {percent} % full. When it is full, events are refused; agents then keep them.",
            ja: "マネージャーのデータディレクトリのあるディスクの使用率が {percent} % です。満杯になるとイベントを受信できず、エージェント側に保留されます。",
        },
        remedy: Text {
            en: "Make room, or keep events for fewer days (--event-days).",
            ja: "空き容量を増やすか、イベントの保持日数（--event-days）を減らしてください。",
        },
        severity: Severity::High,
        threshold: Some((90, ThresholdUnit::Percent)),
        events: None,
    },
    BuiltIn {
        id: "delivery-failing",
        title: Text { en: "Deliveries fail", ja: "配信に失敗しています" },
        explanation: Text {
            en: "The channel {subject} could not deliver since {since}: {reason} Nothing is lost: it is sent once the receiver takes it, as long as events are kept.",
            ja: "チャネル {subject} は {since} から配信できていません: {reason} データは失われません。保持期間内であれば、受信側が復旧した時点で送信されます。",
        },
        remedy: Text {
            en: "Look whether the receiver runs and takes what is sent; 'Send a test' on the channel tries at once.",
            ja: "受信側が稼働し、送信内容を受け付けるか確認してください。チャネルの「テスト送信」ですぐに試せます。",
        },
        severity: Severity::High,
        threshold: Some((15, ThresholdUnit::Minutes)),
        events: None,
    },
    BuiltIn {
        id: "task-failed",
        title: Text { en: "Scheduled task failed", ja: "スケジュールタスクが失敗しました" },
        explanation: Text {
            en: "The last run of the task {subject} failed: {reason}",
            ja: "タスク {subject} の前回の実行が失敗しました: {reason}",
        },
        remedy: Text {
            en: "The task's page has the runs with what each said. Remove the cause and run it now; a run that succeeds resolves the alert.",
            ja: "タスクのページで各実行の内容を確認できます。原因を取り除いて今すぐ実行してください。成功すればアラートは解決されます。",
        },
        severity: Severity::Medium,
        threshold: None,
        events: None,
    },
    BuiltIn {
        id: "events-lost",
        title: Text { en: "Events lost", ja: "イベントが失われました" },
        explanation: Text {
            en: "{subject} had to drop events, because its spool was full before they could be sent.",
            ja: "{subject} は、送信前に一時保存領域がいっぱいになり、イベントを破棄しました。",
        },
        remedy: Text {
            en: "The event itself says how many. Look whether the machine reached the manager, and give the spool more room.",
            ja: "件数はイベントに記録されています。マネージャーへの接続状況を確認し、一時保存領域を増やしてください。",
        },
        severity: Severity::Medium,
        threshold: None,
        events: Some("kind = gap AND detail.what = events"),
    },
    BuiltIn {
        id: "packets-uninspected",
        title: Text {
            en: "Packets passed without inspection", ja: "検査されずに通過したパケットがあります"
        },
        explanation: Text {
            en: "{subject} let packets pass that nothing looked at.",
            ja: "{subject} で、検査されずに通過したパケットがありました。",
        },
        remedy: Text {
            en: "The event itself says how many and why. If packets come faster than they can be inspected, inspect fewer ports or give the machine more processors.",
            ja: "件数と理由はイベントに記録されています。検査が追いつかない場合は、検査するポートを減らすか、プロセッサを増やしてください。",
        },
        severity: Severity::Medium,
        threshold: None,
        events: Some("kind = gap AND detail.what = packets-uninspected"),
    },
];

/// The condition with this word.
pub(crate) fn built_in(id: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|condition| condition.id == id)
}

/// Whether events raise the alerts of a condition.
pub(crate) fn on_events(id: &str, rows: &[ConditionRow]) -> bool {
    match built_in(id) {
        Some(condition) => condition.events.is_some(),
        None => rows.iter().any(|row| row.id == id && row.filter.is_some()),
    }
}

impl BuiltIn {
    /// What is the matter, with these values.
    pub(crate) fn explain(&self, subject: &str, args: &BTreeMap<String, String>) -> Explanation {
        Explanation::new(fill(self.explanation.en, subject, args), fill(self.explanation.ja, subject, args))
    }
}

/// What an alert of somebody's own condition says.
pub(crate) fn explain_own(name: &str, subject: &str, count: i64) -> (Explanation, Explanation) {
    let (on, on_ja) = if subject.is_empty() {
        (String::new(), String::new())
    } else {
        (format!(" on {subject}"), format!("（{subject}）"))
    };
    let explanation = Explanation::new(
        format!("“{name}” found {count} events{on}."),
        format!("「{name}」に該当するイベントが {count} 件ありました{on_ja}。"),
    );
    let remedy = Explanation::new(
        "Look at the events that the condition's filter finds.".to_owned(),
        "条件のフィルターに該当するイベントを確認してください。".to_owned(),
    );
    (explanation, remedy)
}

/// Puts values into a text, from left to right, so that a value is never taken for a place of another one.
fn fill(text: &str, subject: &str, args: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else { break };
        let value = if name == "subject" { Some(subject) } else { args.get(name).map(String::as_str) };
        out.push_str(value.unwrap_or("?"));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_not_taken_for_a_place() {
        let args = BTreeMap::from([("reasons".to_owned(), "{subject}".to_owned())]);
        assert_eq!(fill("{subject}: {reasons}, {none}.", "a", &args), "a: {subject}, ?.");
    }

    #[test]
    fn conditions_on_events_have_filters_that_parse() {
        for condition in BUILT_IN {
            if let Some(filter) = condition.events {
                assert!(sakimori_query::parse(filter, 0).is_ok(), "{}", condition.id);
            }
        }
    }
}
