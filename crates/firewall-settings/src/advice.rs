//! What is noticed about settings before they are enforced, in words.
use crate::translate;
use sakimori_firewall::{self as engine, Finding, Looking};
use sakimori_model::{Diagnostic, Level};
use sakimori_modules::Explanation;
use sakimori_modules::firewall::{Firewall, FirewallRule};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// Something that should be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Stable code, as in the documentation of diagnostics.
    pub code: &'static str,
    /// An error refuses the settings.
    pub is_error: bool,
    /// The rule that it is about.
    pub rule: Option<String>,
    /// What is wrong.
    pub text: Explanation,
    /// What to do about it.
    pub remedy: Explanation,
}

/// Codes that [`engine::lint`] finds, more exactly than [`engine::compile`].
const OF_LINT: [&str; 2] = ["F101", "F102"];

/// What is noticed about settings without references. `operator` is the address that whoever applies them has to be let
/// in from, `management_port` the TCP port by which the computer is managed.
pub fn advise(
    settings: &Firewall,
    always: &[SocketAddr],
    operator: Option<IpAddr>,
    management_port: u16,
) -> Vec<Advice> {
    let (policy, unreadable) = translate::policy(settings, always, |_, _| true);
    let compiled = engine::compile(&policy);
    let mut advice: Vec<Advice> =
        unreadable.iter().chain(&compiled.diagnostics).filter_map(of_diagnostic).collect();
    if compiled.plan.is_none() || !unreadable.is_empty() {
        return advice;
    }
    let conditional = settings
        .rules
        .iter()
        .filter(|(_, rule)| FirewallRule::is_conditional(rule))
        .map(|(name, _)| name.as_str());
    let conditional: BTreeSet<&str> = conditional.collect();
    let looking = Looking {
        conditional: &conditional,
        operator: operator.map(|address| address.to_canonical()),
        management_port,
    };
    advice.extend(engine::lint(&policy, &looking).into_iter().map(of_finding));
    advice
}

fn of_diagnostic(found: &Diagnostic) -> Option<Advice> {
    if OF_LINT.contains(&found.code) {
        return None;
    }
    let rule = found.source.strip_prefix("firewall rule '").and_then(|rest| rest.strip_suffix('\''));
    let (title, help) = japanese(found.code, &[]);
    Some(Advice {
        code: found.code,
        is_error: found.level == Level::Error,
        rule: rule.map(str::to_owned),
        text: Explanation::new(found.title.clone(), title.unwrap_or_else(|| found.title.clone())),
        remedy: Explanation::new(found.help.clone(), help.map_or_else(|| found.help.clone(), str::to_owned)),
    })
}

fn of_finding(found: Finding) -> Advice {
    let (title, help) = japanese(found.code, &found.about);
    Advice {
        code: found.code,
        is_error: false,
        rule: found.rule,
        text: Explanation::new(found.title.clone(), title.unwrap_or(found.title)),
        remedy: Explanation::new(found.help.to_owned(), help.unwrap_or(found.help).to_owned()),
    }
}

/// Title and remedy of a code. `about` names what the finding names.
fn japanese(code: &str, about: &[String]) -> (Option<String>, Option<&'static str>) {
    let rules = about.iter().map(|name| format!("「{name}」")).collect::<Vec<_>>().join("、");
    let at = |index: usize| about.get(index).map_or("", String::as_str);
    // Who denies is said in English: a rule by its name, or the default.
    let by = |text: &str| match text.strip_prefix("the rule '").and_then(|rest| rest.strip_suffix('\'')) {
        Some(rule) => format!("ルール「{rule}」"),
        None => "既定の動作".to_owned(),
    };
    let (title, help) = match code {
        "F001" => (
            "ルール名が空、長すぎる、または制御文字を含む".into(),
            "目的がわかる名前（100 文字以内）を付けてください。",
        ),
        "F002" => ("同じ名前のルールが 2 つある".into(), "それぞれに別の名前を付けてください。"),
        "F003" => ("ポート範囲の大小が逆".into(), "小さいポートを先に書いてください。"),
        "F004" => (
            "ポートを持たないプロトコルにポートが指定されている".into(),
            "TCP、UDP などを指定するか、ポートを外してください。",
        ),
        "F005" => (
            "プロトコル、フレーム種別、アドレスの IP バージョンが一致せず、どのパケットにも一致しない".into(),
            "いずれかを修正してください。",
        ),
        "F006" => ("優先度が範囲外".into(), "優先度は 0～4 です。大きいほど先に判定されます。"),
        "F007" => (
            "ルールまたはリストの項目が多すぎる".into(),
            "個別のアドレスではなくネットワークで指定してください。",
        ),
        "F008" => ("アドレスとして解釈できない".into(), "アドレスを修正してください。"),
        "F009" => (
            "送信方向のルールに MAC アドレスが指定されている".into(),
            "相手側のアドレスを指定するか、方向を「受信」にしてください。",
        ),
        "F010" => ("この動作では使用できない優先度".into(), "許可は 0、記録のみは 4 にしてください。"),
        "F011" => ("除外（not）の対象が空".into(), "除外する項目を指定するか、not を外してください。"),
        "F012" => ("除外（not）によりすべてが対象外になっている".into(), "除外する項目を減らしてください。"),
        "F013" => ("TCP フラグの指定が正しくない".into(), "TCP を指定し、各フラグは一度だけ書いてください。"),
        "F014" => (
            "ICMP 以外のルールに ICMP タイプが指定されている".into(),
            "icmp または icmpv6 を指定してください。",
        ),
        "F015" => (
            "インターフェース名として解釈できない".into(),
            "15 文字以内の名前を書き、「*」は末尾にのみ使用してください。",
        ),
        "F016" => (
            "ARP のルールに IP 上のプロトコルが指定されている".into(),
            "プロトコルを外してください。ARP にはありません。",
        ),
        "F017" => (
            "番号で指定したフレームのルールに、番号として使えない値、プロトコル、またはアドレスが指定されている".into(),
            "0x0600 以上の EtherType を書き、IP と ARP は名前で指定してください。プロトコルとアドレスは外してください。",
        ),
        "F018" => ("ステートフル検査の数値が範囲外".into(), "範囲内の数値を指定してください。"),
        "F101" => (
            format!("一致するものはすべて、先に判定されるルール{rules}がすでに同じ結果で決定している"),
            "いずれかは削除できます。",
        ),
        "F102" => (
            format!("先に判定されるルール{rules}が決定するため、このルールは判定されない"),
            "優先度を上げるか、先のルールの範囲を狭めてください。",
        ),
        "F103" => (
            "アドレスにプレフィックスより後ろのビットが含まれている".into(),
            "ネットワークの先頭アドレスを書いてください。",
        ),
        "F104" => (
            "ファイアウォールは有効だがルールがなく、すべて通過する".into(),
            "ルールを追加するか、受信の既定の動作を拒否にしてください。",
        ),
        "F105" => {
            ("リスト内のアドレスが重複している".into(), "いずれかを削除するか、範囲を確認してください。")
        }
        "F110" => (
            format!("同じ優先度のルール{rules}と矛盾しており、一致するものはすべてそちらが先に決定する"),
            "一方を削除するか、優先度で意図を示してください。",
        ),
        "F111" => (
            "コンピュータ自身では常に許可される通信を拒否しており、コンテナにのみ効果がある".into(),
            "コンテナが対象であればそのままで問題ありません。そうでなければ削除できます。",
        ),
        "F112" => (
            "既定の動作と同じ結果になるため、このルールがなくても変わらない".into(),
            "個別の件数やイベントが不要であれば削除できます。",
        ),
        "F113" => (
            format!(
                "TCP ポート {} への新しい接続がどのアドレスからも許可されず、ログインしていない管理者は入れなくなる",
                at(0)
            ),
            "管理元のアドレスからこのポートを許可してください。",
        ),
        "F114" => (
            format!(
                "現在のアドレス {} から TCP ポート {} への新しい接続は、{}により拒否される",
                at(0),
                at(1),
                by(at(2))
            ),
            "このアドレスからの接続を許可するか、別のアドレスから入れることを確認してください。",
        ),
        "F115" => (
            format!("{} の通信が{}により拒否される", at(0).replace("the manager", "マネージャー"), by(at(1))),
            "ルールの範囲を狭めてください。このままでは遠隔からの管理ができなくなります。",
        ),
        "F116" => (
            "一部のルールは比較されていない".into(),
            "見つかった点を修正してから、もう一度確認してください。",
        ),
        _ => return (None, None),
    };
    (Some(title), Some(help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn advice(settings: serde_json::Value) -> Vec<Advice> {
        let settings = serde_json::from_value(settings).unwrap();
        advise(&settings, &[], Some("203.0.113.9".parse().unwrap()), 22)
    }

    #[test]
    fn findings_have_their_rule_and_both_languages() {
        let found = advice(json!({"mode": "prevent", "defaultInbound": "deny", "rules": {
            "admins": {"action": "force-allow", "direction": "in", "protocol": "tcp", "ports": ["22"], "remote": ["198.51.100.0/24"]},
            "again": {"action": "allow", "direction": "in", "protocol": "tcp", "ports": ["22"], "remote": ["198.51.100.7"]},
        }}));
        let codes: Vec<(&str, Option<&str>)> = found.iter().map(|f| (f.code, f.rule.as_deref())).collect();
        assert_eq!(codes, [("F101", Some("again")), ("F114", None)]);
        assert!(
            found.iter().all(|f| !f.is_error && f.text.ja != f.text.en && f.remedy.ja != f.remedy.en),
            "{found:?}"
        );
        assert!(
            found[0].text.ja.contains("「admins」") && found[1].text.ja.contains("203.0.113.9"),
            "{found:?}"
        );
        assert!(found[1].text.ja.contains("既定の動作"), "{found:?}");
    }

    #[test]
    fn settings_with_errors_are_not_looked_at_further() {
        let found = advice(json!({"mode": "prevent", "rules": {
            "x": {"action": "deny", "direction": "in", "priority": 9},
        }}));
        assert_eq!(found.iter().map(|f| (f.code, f.is_error)).collect::<Vec<_>>(), [("F006", true)]);
    }

    #[test]
    fn every_code_has_words_in_japanese() {
        for code in [
            "F001", "F008", "F015", "F016", "F017", "F018", "F101", "F105", "F110", "F111", "F112", "F113",
            "F114", "F115", "F116",
        ] {
            assert!(japanese(code, &[]).0.is_some(), "{code}");
        }
    }
}
