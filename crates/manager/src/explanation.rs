//! What an event means, in English and Japanese: one small function for each kind.
use sakimori_api::{EventDetail, Explanation, GapDetail, IntrusionDetail, NoticeDetail};

/// Says what an event means.
pub fn explain(computer: &str, action: &str, detail: &EventDetail) -> Explanation {
    match detail {
        EventDetail::Intrusion(detail) => intrusion(computer, action, detail),
        EventDetail::Gap(detail) => gap(computer, detail),
        EventDetail::Notice(detail) => notice(computer, detail),
        EventDetail::Other(_) => both(
            format!("{computer} reported something that this manager does not know; update the manager."),
            format!(
                "{computer} から、このマネージャーが知らない種類のイベントが届きました。マネージャーを更新してください。"
            ),
        ),
    }
}

fn both(en: String, ja: String) -> Explanation {
    Explanation { en, ja }
}

fn intrusion(computer: &str, action: &str, i: &IntrusionDetail) -> Explanation {
    let cves = if i.cves.is_empty() { String::new() } else { format!(" ({})", i.cves.join(", ")) };
    let cves_ja = if i.cves.is_empty() { String::new() } else { format!("（{}）", i.cves.join("、")) };
    let (what, what_ja) = i.http.as_ref().map_or_else(
        || (format!("traffic to port {}", i.server_port), format!("ポート {} への通信", i.server_port)),
        |http| {
            let target: String = http.target.chars().take(80).collect();
            (format!("the request {} {target}", http.method), format!("リクエスト {} {target}", http.method))
        },
    );
    let (client, message, sid) = (&i.client, &i.message, i.sid);
    if action == "blocked" {
        both(
            format!(
                "{client} attacked {computer} with “{message}”{cves}: {what} matched rule {sid} in {} and was \
                 blocked. It did not reach the application.",
                i.buffer
            ),
            format!(
                "{client} から {computer} への攻撃「{message}」{cves_ja}を遮断しました。{what_ja} が {} でルール {sid} に\
                 一致したため、アプリケーションには届いていません。",
                i.buffer
            ),
        )
    } else {
        both(
            format!(
                "{client} attacked {computer} with “{message}”{cves}: {what} matched rule {sid} in {}. It was only \
                 reported, not stopped; set the rule and the module to Prevent to block it.",
                i.buffer
            ),
            format!(
                "{client} から {computer} への攻撃「{message}」{cves_ja}を検出しました。{what_ja} が {} でルール {sid} に\
                 一致しました。検出のみで遮断していません。遮断するにはルールとモジュールを「防御」にしてください。",
                i.buffer
            ),
        )
    }
}

fn gap(computer: &str, gap: &GapDetail) -> Explanation {
    let (count, reason) = (gap.count, &gap.reason);
    let (why, why_ja) = match gap.reason.as_str() {
        "spool-full" => {
            ("the event spool on its disk was full", "ディスク上のイベント一時保存領域がいっぱいになった")
        }
        "worker-restart" => ("the network worker was restarted", "ネットワークワーカーが再起動した"),
        "queue-overflow" => {
            ("packets came faster than they could be inspected", "検査が追いつかない速さでパケットが届いた")
        }
        _ => ("of an internal condition", "内部の状態の"),
    };
    if gap.what == "events" {
        both(
            format!("{computer} lost {count} events because {why} ({reason})."),
            format!("{computer} は、{why_ja}ため、{count} 件のイベントを失いました（{reason}）。"),
        )
    } else {
        both(
            format!("{computer} let {count} packets pass without inspection because {why} ({reason})."),
            format!(
                "{computer} は、{why_ja}ため、{count} 個のパケットを検査せずに通過させました（{reason}）。"
            ),
        )
    }
}

fn notice(computer: &str, notice: &NoticeDetail) -> Explanation {
    let (en, ja) = match notice.code.as_str() {
        "agent-started" => ("The agent was started", "エージェントが起動しました"),
        "agent-stopped" => ("The agent was stopped", "エージェントが停止しました"),
        "agent-activated" => ("The agent was activated", "エージェントが有効化されました"),
        "agent-upgraded" => ("The agent was upgraded", "エージェントが更新されました"),
        "policy-applied" => ("A policy was applied", "ポリシーが適用されました"),
        "policy-refused" => (
            "A policy could not be applied; the one before stays in force",
            "ポリシーを適用できませんでした。以前のポリシーが引き続き有効です",
        ),
        "worker-restarted" => ("The network worker was restarted", "ネットワークワーカーが再起動しました"),
        "identity-copied" => (
            "Another machine uses this computer's identity; a person has to decide",
            "別のマシンがこのコンピュータの ID を使用しています。人による判断が必要です",
        ),
        code => return coded(computer, code, notice),
    };
    let args = arguments(notice);
    both(
        if args.is_empty() { format!("{computer}: {en}.") } else { format!("{computer}: {en} ({args}).") },
        if args.is_empty() {
            format!("{computer}: {ja}。")
        } else {
            format!("{computer}: {ja}（{args}）。")
        },
    )
}

fn coded(computer: &str, code: &str, notice: &NoticeDetail) -> Explanation {
    let args = arguments(notice);
    both(
        format!("{computer} reported “{code}” about its agent. {args}").trim_end().to_owned(),
        format!("{computer} のエージェントから「{code}」が報告されました。{args}"),
    )
}

fn arguments(notice: &NoticeDetail) -> String {
    notice.args.iter().map(|arg| format!("{}: {}", arg.name, arg.value)).collect::<Vec<_>>().join(", ")
}
