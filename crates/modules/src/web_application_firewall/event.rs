//! A request or a response that rules of the web application firewall matched.
use crate::event::{About, Column, EventDetail};
use crate::intrusion_prevention::HttpSummary;
use crate::words::Explanation;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request, or the response to one, that rules matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebAttackDetail)]
pub struct WebAttack {
    /// What a blocked visitor is shown: `SKM-0123-4567-89AB-CDEF`.
    pub incident: String,
    /// What is decisive: the message of the severest rule.
    pub message: String,
    /// `request` or `response`.
    pub seen_in: String,
    /// Whether a blocking policy stops it; an event that is only detected says so of what would have been.
    pub would_block: bool,
    /// The rule that decided, 0 where it is a limit of the policy.
    pub decided_by: u64,
    /// The score that counts for blocking.
    pub score: u32,
    /// The score from which it is blocked.
    pub threshold: u32,
    /// The score with rules of the detection paranoia level.
    pub detection_score: u32,
    /// The blocking paranoia level.
    pub paranoia_level: u8,
    /// The numbers of the rules, severest first.
    pub rule_ids: Vec<String>,
    /// Rules that matched, severest first.
    pub rules: Vec<WebAttackRule>,
    /// Rules that matched beyond those.
    pub more_rules: u32,
    /// The rule set's name.
    pub rule_set: String,
    /// The path as rules see it: decoded, without the query.
    pub path: String,
    /// Address that opened the connection.
    pub client: String,
    /// Port that opened the connection.
    pub client_port: u16,
    /// Address that was connected to.
    pub server: String,
    /// Port that was connected to.
    pub server_port: u16,
    /// The request.
    pub http: HttpSummary,
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebAttackRule {
    /// Its number.
    pub id: u64,
    /// Its message.
    pub message: String,
    /// `critical`, `error`, `warning`, `notice`, or empty.
    pub severity: String,
    /// Its paranoia level, 0 where it has none.
    pub paranoia_level: u8,
    /// Its tags.
    pub tags: Vec<String>,
    /// The file that it stands in.
    pub file: String,
    /// Its line.
    pub line: u32,
    /// What matched.
    pub targets: Vec<WebAttackTarget>,
}

/// A value that a rule matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebAttackTarget {
    /// The variable with its name: `ARGS:id`.
    pub variable: String,
    /// Its bytes after the rule's transformations, cut, with bytes that are no text as `\xhh`.
    pub value: String,
    /// What the rule says of it: `Matched Data: … found within ARGS:id: …`.
    pub data: String,
}

impl EventDetail for WebAttack {
    const KIND: &'static str = "web-attack";
    const COLUMNS: &'static [Column] = &[
        Column::text("incident"),
        Column::text("message"),
        Column::number("score"),
        Column::number("threshold"),
        Column::texts("ruleIds"),
        Column::text("path"),
        Column::address("client"),
        Column::number("clientPort"),
        Column::address("server"),
        Column::number("serverPort"),
        Column::text("seenIn"),
    ];

    fn explain(&self, about: &About<'_>) -> Explanation {
        let computer = about.computer;
        let Self { client, message, score, threshold, .. } = self;
        let target: String = self.http.target.chars().take(80).collect();
        let method = &self.http.method;
        let rule = self.rules.first();
        let (place, place_ja) = rule.and_then(|rule| Some((rule.id, rule.targets.first()?))).map_or_else(
            || (String::new(), String::new()),
            |(id, target)| {
                (
                    format!(" Rule {id} matched {}.", target.variable),
                    format!("ルール {id} が {} に一致しました。", target.variable),
                )
            },
        );
        let response = self.seen_in == "response";
        let (what, what_ja) = if response {
            (format!("the response to {method} {target}"), format!("{method} {target} への応答"))
        } else {
            (format!("the request {method} {target}"), format!("リクエスト {method} {target}"))
        };
        let (sum, sum_ja) = if self.score == 0 && self.would_block {
            (String::new(), String::new())
        } else {
            (
                format!(" Its score is {score}, the threshold {threshold}."),
                format!("スコアは {score}、しきい値は {threshold} です。"),
            )
        };
        let (done, done_ja) = match (about.action, self.would_block) {
            ("blocked", _) if response => (
                "It was stopped; the visitor has not got the whole of it.",
                "遮断しました。訪問者はその全体を受け取っていません。",
            ),
            ("blocked", _) => (
                "It was blocked and did not reach the application.",
                "遮断したため、アプリケーションには届いていません。",
            ),
            (_, true) => (
                "It was only reported; set the module to Prevent to block such requests.",
                "検出のみで遮断していません。遮断するにはモジュールを「防御」にしてください。",
            ),
            (_, false) => (
                "It stays below the threshold and would not be blocked.",
                "しきい値に達していないため、遮断の対象ではありません。",
            ),
        };
        Explanation::new(
            format!("{client} sent {computer} something like “{message}”: {what}.{place}{sum} {done}"),
            format!(
                "{client} から {computer} への「{message}」の疑い: {what_ja}。{place_ja}{sum_ja}{done_ja}"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_what_where_and_what_was_done() {
        let event = WebAttack {
            incident: "SKM-0".into(),
            message: "SQL Injection".into(),
            seen_in: "request".into(),
            would_block: true,
            decided_by: 949_110,
            score: 5,
            threshold: 5,
            detection_score: 5,
            paranoia_level: 1,
            rule_ids: vec!["942100".into()],
            rules: vec![WebAttackRule {
                id: 942_100,
                message: "SQL Injection".into(),
                severity: "critical".into(),
                paranoia_level: 1,
                tags: vec![],
                file: "REQUEST-942.conf".into(),
                line: 1,
                targets: vec![WebAttackTarget {
                    variable: "ARGS:id".into(),
                    value: "1' or 1=1".into(),
                    data: String::new(),
                }],
            }],
            more_rules: 0,
            rule_set: "crs".into(),
            path: "/".into(),
            client: "192.0.2.1".into(),
            client_port: 1,
            server: "192.0.2.2".into(),
            server_port: 80,
            http: HttpSummary {
                method: "GET".into(),
                host: "a".into(),
                target: "/?id=1".into(),
                user_agent: String::new(),
            },
        };
        let said = |action| event.explain(&About { computer: "web-1", action, severity: "high" });
        let blocked = said("blocked");
        assert!(
            blocked.en.contains("Rule 942100 matched ARGS:id") && blocked.en.contains("was blocked"),
            "{blocked:?}"
        );
        assert!(blocked.ja.contains("スコアは 5"), "{blocked:?}");
        assert!(said("detected").en.contains("only reported"));
    }
}
