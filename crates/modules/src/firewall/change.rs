//! What becomes of a change of the firewall on a live server: kept once it is confirmed, else taken back.
use super::Firewall;
use crate::event::{About, Column, EventDetail};
use crate::settings::Finding;
use crate::words::Explanation;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use utoipa::ToSchema;

/// Seconds in which the manager has to be reached again.
const MANAGER_SECS: RangeInclusive<u32> = 5..=600;
/// Seconds in which the operator has to confirm.
const OPERATOR_SECS: RangeInclusive<u32> = 10..=3600;

/// What the settings of changes have wrong.
pub(super) fn check(settings: &Firewall, findings: &mut Vec<Finding>) {
    for (pointer, seconds, bounds) in [
        ("/confirmWithinSecs", settings.confirm_within_secs, MANAGER_SECS),
        ("/operatorWithinSecs", settings.operator_within_secs, OPERATOR_SECS),
    ] {
        if !bounds.contains(&seconds) {
            let message = format!("Write {} to {} seconds.", bounds.start(), bounds.end());
            findings.push(Finding::at(pointer, "out-of-range", message, &seconds.to_string()));
        }
    }
}

/// How far a change of the firewall has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeStep {
    /// It is in force and waits for the operator's word.
    Applied,
    /// It stays.
    Confirmed,
    /// It stays, though nobody could find out whether the manager is still reached.
    Unverified,
    /// The rules of before are back.
    Reverted,
    /// A person at the computer emptied the firewall.
    Released,
    /// What was emptied is in force again.
    Restored,
    /// An operator, or a person at the computer, let a source in again that was kept out; the note says which.
    LetIn,
}

/// A change of the firewall's rules, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FirewallChangeDetail)]
pub struct FirewallChange {
    /// How far it has come.
    pub step: ChangeStep,
    /// The change's number on this computer; 0 where it is about no change.
    pub number: u64,
    /// Why, by code: `manager-unreachable`, `not-confirmed`, `by-operator`, `interrupted`, `by-hand`, `ended`,
    /// `policy-changed`; empty where there is no more to say.
    pub reason: String,
    /// Who did it at the computer; empty where nobody did.
    pub who: String,
    /// Why they did it, in their own words.
    pub note: String,
    /// Until when it holds or waits, RFC 3339; empty where there is no end.
    pub until: String,
}

impl FirewallChange {
    /// A step of a change.
    pub fn new(step: ChangeStep, number: u64, reason: &str) -> Self {
        Self {
            step,
            number,
            reason: reason.to_owned(),
            who: String::new(),
            note: String::new(),
            until: String::new(),
        }
    }
}

/// Why the rules of before came back.
fn why(reason: &str) -> (&'static str, &'static str) {
    match reason {
        "manager-unreachable" => {
            ("the manager could not be reached any more", "マネージャーに接続できなくなった")
        }
        "not-confirmed" => ("nobody confirmed it in time", "時間内に確認されなかった"),
        "by-operator" => ("an operator took it back", "運用者が取り消した"),
        "interrupted" => {
            ("the agent was interrupted before it was confirmed", "確認が終わる前にエージェントが中断された")
        }
        "by-hand" => ("a person at the computer asked for it", "コンピュータ上で指示された"),
        "ended" => ("its time was over", "期限が過ぎた"),
        "policy-changed" => ("the policy's firewall was changed", "ポリシーのファイアウォールが変更された"),
        _ => ("it had to be", "必要になった"),
    }
}

impl EventDetail for FirewallChange {
    const KIND: &'static str = "firewall-change";
    const COLUMNS: &'static [Column] =
        &[Column::text("step"), Column::number("number"), Column::text("reason"), Column::text("who")];

    fn explain(&self, about: &About<'_>) -> Explanation {
        let computer = about.computer;
        let Self { step, number, reason, who, note, until } = self;
        let (why, why_ja) = why(reason);
        let address = note;
        let (operator, operator_ja) =
            if who.is_empty() { ("an operator", "運用者") } else { (&**who, &**who) };
        let note = if note.is_empty() { String::new() } else { format!(" (“{note}”)") };
        let (en, ja) = match step {
            ChangeStep::Applied => (
                format!(
                    "Change {number} of the firewall of {computer} is in force and is taken back unless an operator \
                     confirms it by {until}."
                ),
                format!(
                    "{computer} のファイアウォールの変更 {number} を適用しました。{until} までに運用者が確認しなければ元に戻します。"
                ),
            ),
            ChangeStep::Confirmed => (
                format!("Change {number} of the firewall of {computer} is confirmed and stays."),
                format!("{computer} のファイアウォールの変更 {number} は確認され、有効のままです。"),
            ),
            ChangeStep::Unverified => (
                format!(
                    "Change {number} of the firewall of {computer} stays unverified: the manager could not be reached \
                     before it either."
                ),
                format!(
                    "{computer} のファイアウォールの変更 {number} は未検証のまま有効です。変更前からマネージャーに接続できませんでした。"
                ),
            ),
            ChangeStep::Reverted => (
                format!(
                    "Change {number} of the firewall of {computer} was taken back because {why}; the rules of before are \
                     in force."
                ),
                format!(
                    "{why_ja}ため、{computer} のファイアウォールの変更 {number} を取り消し、以前のルールに戻しました。"
                ),
            ),
            ChangeStep::Released => (
                format!(
                    "{who} released the firewall of {computer} by hand until {until}{note}: it lets everything pass."
                ),
                format!(
                    "{who} が {computer} のファイアウォールを {until} まで手動で解除しました{note}。すべての通信を通過させます。"
                ),
            ),
            ChangeStep::LetIn => (
                format!(
                    "{address} was let in again by {operator} at {computer}, where it was blocked because of reconnaissance."
                ),
                format!(
                    "{operator_ja} が、探索行為のため {computer} で遮断していた {address} の遮断を解除しました。"
                ),
            ),
            ChangeStep::Restored => (
                format!("The firewall of {computer} is in force again because {why}."),
                format!("{why_ja}ため、{computer} のファイアウォールは再び有効になりました。"),
            ),
        };
        Explanation::new(en, ja)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings as _;

    #[test]
    fn windows_have_bounds() {
        let codes = |json: serde_json::Value| -> Vec<String> {
            let settings: Firewall = serde_json::from_value(json).unwrap();
            settings.check().into_iter().map(|finding| finding.pointer).collect()
        };
        assert_eq!(codes(serde_json::json!({})), Vec::<String>::new());
        assert_eq!(codes(serde_json::json!({"confirmWithinSecs": 4})), ["/confirmWithinSecs"]);
        assert_eq!(codes(serde_json::json!({"operatorWithinSecs": 3601})), ["/operatorWithinSecs"]);
    }

    #[test]
    fn every_step_has_a_sentence_in_both_languages() {
        let about = About { computer: "web-1", action: "noted", severity: "high" };
        for step in [
            ChangeStep::Applied,
            ChangeStep::Confirmed,
            ChangeStep::Unverified,
            ChangeStep::Reverted,
            ChangeStep::Released,
            ChangeStep::Restored,
            ChangeStep::LetIn,
        ] {
            let detail = FirewallChange {
                who: "root (alice)".to_owned(),
                until: "2026-11-30T12:00:00Z".to_owned(),
                ..FirewallChange::new(step, 7, "manager-unreachable")
            };
            let words = detail.explain(&about);
            assert!(words.en.contains("web-1") && words.ja.contains("web-1"), "{words:?}");
        }
    }
}
