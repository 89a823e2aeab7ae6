//! From what rules of the web application firewall matched to what is told of it.

use sakimori_model::{Action, HttpSummary, IncidentId, Severity, Timestamp};
use sakimori_protocols::http1::Message;
use sakimori_seclang::{Match, Transaction, Verdict};
use sakimori_signatures::FlowFacts;
use std::net::IpAddr;

/// Rules of an attack that are told one by one.
const RULES: usize = 16;
/// Values of a rule that are told.
const TARGETS: usize = 3;
/// Bytes of a value that are told.
const VALUE_BYTES: usize = 200;
/// Bytes of a message, and of the name of a variable.
const TEXT_BYTES: usize = 160;
/// Tags of a rule that are told.
const TAGS: usize = 12;
/// Bytes of a tag.
const TAG_BYTES: usize = 64;

/// A request that rules of the web application firewall matched, or the response to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAttack {
    /// When.
    pub at: Timestamp,
    /// What the visitor was shown.
    pub incident: IncidentId,
    /// What was done.
    pub action: Action,
    /// How much it matters.
    pub severity: Severity,
    /// Whether it is the response.
    pub response: bool,
    /// Whether a blocking policy stops it.
    pub would_block: bool,
    /// The rule that decided, 0 where it is a limit.
    pub decided_by: u64,
    /// The score that counts for blocking.
    pub score: u32,
    /// From which score on it is blocked.
    pub threshold: u32,
    /// The score with rules that are only told of.
    pub detection_score: u32,
    /// The blocking paranoia level.
    pub paranoia_level: u8,
    /// Rules that matched, severest first.
    pub rules: Vec<WebRule>,
    /// Rules that matched beyond those.
    pub more_rules: u32,
    /// The path as rules see it.
    pub path: String,
    /// Who asked.
    pub client: (IpAddr, u16),
    /// Who was asked.
    pub server: (IpAddr, u16),
    /// The request.
    pub http: HttpSummary,
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebRule {
    /// Its number.
    pub id: u64,
    /// Its message.
    pub message: String,
    /// From 0, emergency, to 7.
    pub severity: Option<u8>,
    /// Its paranoia level, 0 where it has none.
    pub paranoia_level: u8,
    /// Its tags.
    pub tags: Vec<String>,
    /// Where it stands.
    pub file: String,
    /// Its line.
    pub line: u32,
    /// Variable, value and what the rule says of it.
    pub targets: Vec<(String, String, String)>,
}

impl WebAttack {
    /// Whether its score reaches the threshold with rules that are only told of.
    pub const fn exceeds(&self) -> bool {
        self.threshold > 0 && self.detection_score >= self.threshold
    }
}

/// What a judgement is about.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) http: HttpSummary,
    pub(crate) path: String,
    pub(crate) response: bool,
}

/// The path of a request as rules see it.
pub(crate) fn path(message: &Message) -> String {
    let uri = message.uri();
    readable(uri.split(|byte| *byte == b'?').next().unwrap_or(uri), HttpSummary::TEXT_BYTES)
}

/// What is to be told of a transaction. `refused` says that a limit decided.
pub(crate) fn attack(
    transaction: &Transaction<'_>,
    about: About,
    facts: &FlowFacts,
    would_block: bool,
    refused: bool,
) -> WebAttack {
    let number = |names: &[&str]| {
        let value =
            names.iter().find_map(|name| std::str::from_utf8(transaction.tx(name)?).ok()?.parse().ok());
        value.unwrap_or(0)
    };
    // Of version 4, then of version 3.
    let (scores, threshold, detection): (&[&str], _, _) = if about.response {
        (
            &["blocking_outbound_anomaly_score", "outbound_anomaly_score"],
            "outbound_anomaly_score_threshold",
            "detection_outbound_anomaly_score",
        )
    } else {
        (
            &["blocking_inbound_anomaly_score", "inbound_anomaly_score", "anomaly_score"],
            "inbound_anomaly_score_threshold",
            "detection_inbound_anomaly_score",
        )
    };
    let score = number(scores);
    let threshold = number(&[threshold]);
    let detection_score = number(&[detection]).max(score);
    let level = number(&["blocking_paranoia_level", "paranoia_level"]);
    let decided_by = match transaction.would() {
        _ if refused => 0,
        Verdict::Deny { rule, .. } | Verdict::Drop { rule } | Verdict::Redirect { rule, .. } => *rule,
        Verdict::Pass => 0,
    };
    // The request's own matches are told with the request.
    let telling = |found: &&Match| found.log && !sums_up(found.rule) && (found.phase > 2) == about.response;
    let mut matches: Vec<&Match> = transaction.matches().iter().filter(telling).collect();
    if matches.is_empty() {
        matches.extend(transaction.matches().iter().filter(|found| found.rule == decided_by));
    }
    matches.sort_by_key(|found| found.severity.unwrap_or(u8::MAX));
    let more_rules = u32::try_from(matches.len().saturating_sub(RULES)).unwrap_or(u32::MAX);
    WebAttack {
        at: Timestamp::default(),
        incident: IncidentId(0),
        action: Action::Detected,
        severity: Severity::Info,
        response: about.response,
        would_block,
        decided_by,
        score,
        threshold,
        detection_score,
        paranoia_level: u8::try_from(level).unwrap_or(u8::MAX),
        rules: matches.into_iter().take(RULES).map(rule).collect(),
        more_rules,
        path: about.path,
        client: (facts.client, facts.client_port),
        server: (facts.server, facts.server_port),
        http: about.http,
    }
}

/// Whether a rule says what others found: those of the Core Rule Set that compare scores and write them down.
const fn sums_up(rule: u64) -> bool {
    matches!(rule / 1000, 949 | 959 | 980)
}

fn rule(found: &Match) -> WebRule {
    let tags: Vec<String> = found.tags.iter().take(TAGS).map(|tag| readable(tag, TAG_BYTES)).collect();
    let level = tags.iter().find_map(|tag| tag.strip_prefix("paranoia-level/")?.parse().ok());
    let said = |at: usize| found.data.get(at).map(|data| readable(data, VALUE_BYTES)).unwrap_or_default();
    let targets = found.matched.iter().take(TARGETS).enumerate();
    WebRule {
        id: found.rule,
        message: readable(&found.message, TEXT_BYTES),
        severity: found.severity,
        paranoia_level: level.unwrap_or(0),
        tags,
        file: found.file.rsplit('/').next().unwrap_or(&found.file).to_owned(),
        line: found.line,
        targets: targets
            .map(|(at, matched)| {
                (readable(&matched.variable, TEXT_BYTES), readable(&matched.value, VALUE_BYTES), said(at))
            })
            .collect(),
    }
}

/// Text for people, cut: what is none, and what would tell a terminal what to do, stands as `\xhh`.
fn readable(bytes: &[u8], most: usize) -> String {
    let mut text = String::new();
    for chunk in bytes.get(..most).unwrap_or(bytes).utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                text.extend(std::ascii::escape_default(u8::try_from(c).unwrap_or(b'?')).map(char::from));
            } else {
                text.push(c);
            }
        }
        text.extend(
            chunk.invalid().iter().flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn text_stays_and_the_rest_is_written_out() {
        assert_eq!(readable("緑茶'\u{1b}[2J".as_bytes(), 200), "緑茶'\\x1b[2J");
        assert_eq!(readable(b"a\xff\nb", 3), "a\\xff\\n");
    }
}
