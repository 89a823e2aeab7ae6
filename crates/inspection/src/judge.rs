//! Turns matches into events and a decision, by the policy's modes.
use crate::answer::Why;
use crate::record::{Record, Said};
use crate::report::{self, Occasion};
use crate::shared::{Blocked, Shared};
use sakimori_model::{Action, HttpSummary, Mode};
use sakimori_signatures::{Inspected, Match};
use sakimori_stream::Decision;
use std::sync::Arc;

/// What is told with a match beside the match itself; asked for only where there is one.
pub(crate) trait About {
    /// The request, where the match is about one: its client may be answered with a page.
    fn request(&self) -> Option<HttpSummary> {
        None
    }

    /// The transaction, for those who keep records: its number in the flow, and what is known of it.
    fn transaction(&self) -> Option<(u64, Said)> {
        None
    }
}

/// Nothing but the match.
pub(crate) struct Nothing;

impl About for Nothing {}

/// Turns the matches at hand into events and a decision.
pub(crate) fn judge<T: Inspected>(shared: &mut Shared, subject: &T, about: &impl About) -> Decision {
    if shared.matches.is_empty() {
        return Decision::Continue;
    }
    let matches = std::mem::take(&mut shared.matches);
    let rules = Arc::clone(&shared.rules);
    let mode_of = |found: &Match| {
        let rule = rules.rules().get(found.rule)?;
        Some((rule, shared.settings.rule_mode(found.sid))).filter(|(_, mode)| *mode != Mode::Off)
    };
    let judged: Vec<_> =
        matches.iter().filter_map(|m| mode_of(m).map(|(rule, mode)| (m, rule, mode))).collect();
    let block = judged.iter().any(|(_, _, mode)| *mode == Mode::Prevent);
    let incident = shared.incident();
    let count = u64::from(!judged.is_empty());
    let occasion = Occasion { at: shared.now.wall, incident, http: about.request() };
    for (found, rule, mode) in judged {
        // what stops traffic is always told
        let prevents = mode == Mode::Prevent;
        let silent = !rule.reports && (!prevents || shared.records.is_none());
        if silent || !found.reported && !prevents {
            continue;
        }
        let action = if mode == Mode::Prevent { Action::Blocked } else { Action::Detected };
        let event = report::event(&occasion, action, rule, found, subject);
        if let Some(records) = &mut shared.records {
            records.extend(Record::of_match(&event, found, subject, about));
        }
        if !rule.reports {
            continue;
        }
        match action {
            Action::Blocked => shared.counters.matches_blocked += 1,
            _ => shared.counters.matches_detected += 1,
        }
        if shared.events.len() < shared.limits.events {
            shared.events.push(event);
        } else {
            shared.counters.events_lost += 1;
        }
    }
    shared.incidents += count;
    shared.matches = matches;
    shared.matches.clear();
    if block {
        let page = occasion.http.is_some() && shared.settings.answer_page;
        shared.blocked = Some(Blocked { incident, page: page.then_some(Why::Attack) });
        return Decision::Block;
    }
    Decision::Continue
}
