//! The web application firewall over responses: while they stream, nothing is held but the packet at hand.
//!
//! The head is judged as soon as it is whole, the body when it is whole or as long as the policy looks at it, so that
//! streams without end go on. What rules see of the request is its head; what they have set in its first phase is set again,
//! without a second change of collections.

use crate::shared::Shared;
use crate::waf::{Memo, State, opening, settle};
use crate::waf_report::{self, About};
use sakimori_model::{HttpSummary, Timestamp};
use sakimori_protocols::http1::{Message, Stage};
use sakimori_seclang::{Address, Change, Memory, Store, Transaction, Verdict};
use sakimori_signatures::FlowFacts;
use sakimori_stream::Decision;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

/// Requests of a connection whose responses are waited for.
const WAITING: usize = 64;
/// Bytes of a request's head that are kept until its response comes.
const HEAD_BYTES: usize = 8 << 10;

/// The requests of a connection that were not answered yet, and the one whose response comes now.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    waiting: VecDeque<Asked>,
    answered: Option<Asked>,
}

/// A request whose response is judged.
#[derive(Debug)]
struct Asked {
    line: [Vec<u8>; 3],
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    http: HttpSummary,
    path: String,
}

/// Collections that take no change until a response is looked at.
#[derive(Debug)]
struct Replayed<'a> {
    memory: &'a Memory,
    open: AtomicBool,
}

impl Store for Replayed<'_> {
    fn read(&self, at: &Address, name: &[u8], now: Timestamp) -> Option<Vec<u8>> {
        self.memory.read(at, name, now)
    }

    fn all(&self, at: &Address, now: Timestamp) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.memory.all(at, now)
    }

    fn change(&self, at: &Address, name: &[u8], change: Change, seconds: u64, now: Timestamp) {
        if self.open.load(Ordering::Relaxed) {
            self.memory.change(at, name, change, seconds, now);
        }
    }
}

// === impl Exchange ===

impl Exchange {
    /// A request is whole: its response will come.
    pub(crate) fn ask(&mut self, state: &State, message: &Message) {
        if !state.needs_responses() || self.waiting.len() >= WAITING {
            return;
        }
        let mut room = HEAD_BYTES;
        let mut keep = |bytes: &[u8]| {
            let kept = bytes.get(..room).unwrap_or(bytes);
            room -= kept.len();
            kept.to_vec()
        };
        let line = message.start_line_parts().map(&mut keep);
        let headers = message.headers().map(|(name, value)| (keep(name), keep(value)));
        self.waiting.push_back(Asked {
            line,
            headers: headers.filter(|(name, _)| !name.is_empty()).collect(),
            http: crate::report::summary(message),
            path: waf_report::path(message),
        });
    }
}

/// Judges a response as far as it has come.
pub(crate) fn progress(
    shared: &mut Shared,
    facts: &FlowFacts,
    exchange: &mut Exchange,
    message: &Message,
    memo: &mut Memo,
    stage: Stage,
) -> Decision {
    let Some(web) = shared.waf.web.clone().filter(|_| shared.waf.needs_responses()) else {
        return Decision::Continue;
    };
    let [version, code, _] = message.start_line_parts();
    // An interim response is followed by the real one.
    if code.first() == Some(&b'1') && code != b"101" {
        return Decision::Continue;
    }
    memo.hold(&shared.waf.pool, message.body().len().saturating_sub(shared.limits.http.body_bytes));
    let seen = &mut memo.seen;
    if !seen.begun {
        seen.begun = true;
        exchange.answered = exchange.waiting.pop_front();
    }
    let Some(asked) = &exchange.answered else { return Decision::Continue };
    let limit = web.rules.settings().response_body_limit;
    let long_enough = stage == Stage::End || message.body().len() >= limit;
    if seen.over || stage == Stage::Body && !long_enough {
        return Decision::Continue;
    }
    let incident = shared.next_incident();
    let opening = opening(facts, incident, shared);
    let store = Replayed { memory: &shared.waf.memory, open: AtomicBool::new(false) };
    let mut transaction = web.rules.transaction(&store, &opening);
    replay(&mut transaction, asked);
    if *transaction.would() != Verdict::Pass {
        // Told with the request.
        return Decision::Continue;
    }
    let _whole = store.open.swap(long_enough, Ordering::Relaxed);
    let status = std::str::from_utf8(code).ok().and_then(|code| code.parse().ok()).unwrap_or(0);
    transaction.response_line(version, status);
    for (name, value) in message.headers() {
        transaction.response_header(name, value);
    }
    let _verdict = transaction.response_headers_end();
    if long_enough {
        seen.over = true;
        if transaction.wants_response_body() {
            let body = message.body();
            let _verdict = transaction.response_body(body.get(..limit).unwrap_or(body));
        }
        let _verdict = transaction.response_body_end();
        transaction.finish(shared.now.wall);
    }
    let would = *transaction.would() != Verdict::Pass;
    let blocks = *transaction.verdict() != Verdict::Pass;
    let about = About { http: asked.http.clone(), path: asked.path.clone(), response: true };
    let attack = waf_report::attack(&transaction, about, facts, would, false);
    drop(transaction);
    // Its beginning has gone: there is no page to be sent in its place.
    settle(shared, &web, &mut seen.told, attack, blocks, incident, long_enough, false)
}

fn replay(transaction: &mut Transaction<'_>, asked: &Asked) {
    let [method, target, version] = &asked.line;
    transaction.request_line(method, target, version);
    for (name, value) in &asked.headers {
        transaction.request_header(name, value);
    }
    let _verdict = transaction.request_headers_end();
}
