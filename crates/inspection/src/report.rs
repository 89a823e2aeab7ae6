//! From a match to the event that tells of it.
use sakimori_model::{Action, Detail, Event, HttpSummary, IncidentId, Intrusion, ModuleId, Timestamp};
use sakimori_protocols::http1::Message;
use sakimori_signatures::{Fact, FlowFacts, Inspected, Match, Rule};

/// Bytes of context in front of a match: enough to see the parameter's name.
const CONTEXT_BYTES: usize = 64;

/// What is the same for all matches of one judgement.
#[derive(Debug)]
pub(crate) struct Occasion {
    pub(crate) at: Timestamp,
    pub(crate) incident: IncidentId,
    pub(crate) http: Option<HttpSummary>,
}

/// The event of one match.
pub(crate) fn event<T: Inspected>(
    occasion: &Occasion,
    action: Action,
    rule: &Rule,
    found: &Match,
    subject: &T,
) -> Event {
    let bytes = subject.buffer(found.buffer, found.direction).unwrap_or_default();
    let from = found.offset.saturating_sub(CONTEXT_BYTES).min(bytes.len());
    let excerpt: Vec<u8> = bytes.iter().skip(from).take(Intrusion::EXCERPT_BYTES).copied().collect();
    let flow: &FlowFacts = subject.flow();
    Event {
        at: occasion.at,
        module: ModuleId::INTRUSION_PREVENTION,
        severity: rule.severity,
        action,
        detail: Detail::Intrusion(Box::new(Intrusion {
            incident: occasion.incident,
            sid: rule.sid,
            revision: rule.rev,
            message: rule.msg.clone(),
            classtype: rule.classtype.clone(),
            cves: rule.cves.clone(),
            client: flow.client,
            client_port: flow.client_port,
            server: flow.server,
            server_port: flow.server_port,
            protocol: subject
                .fact(Fact::IpProtocol, found.direction)
                .and_then(|n| u8::try_from(n).ok())
                .unwrap_or(6),
            buffer: found.buffer.name().to_owned(),
            offset: u32::try_from(found.offset).unwrap_or(u32::MAX),
            length: u32::try_from(found.length).unwrap_or(u32::MAX),
            excerpt,
            excerpt_offset: u32::try_from(found.offset - from.min(found.offset)).unwrap_or(0),
            http: occasion.http.clone(),
        })),
    }
}

/// A request in one line.
pub(crate) fn summary(message: &Message) -> HttpSummary {
    let [method, target, _] = message.start_line_parts();
    HttpSummary {
        method: printable(method),
        host: printable(message.host_raw().unwrap_or_default()),
        target: printable(target),
        user_agent: printable(message.header("user-agent").unwrap_or_default()),
    }
}

/// Text for people: cut at the bound, control and non-ASCII bytes escaped, so that a terminal or a log is safe from it.
fn printable(bytes: &[u8]) -> String {
    let mut text: String = bytes
        .iter()
        .take(HttpSummary::TEXT_BYTES)
        .copied()
        .flat_map(std::ascii::escape_default)
        .map(char::from)
        .collect();
    text.truncate(HttpSummary::TEXT_BYTES);
    text
}
