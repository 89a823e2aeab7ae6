//! The web application firewall over the HTTP transactions of a flow.
//!
//! A request is judged twice where a body follows its head: by its head alone as soon as that is whole, because servers
//! begin to act on it then, and whole on the packet that completes it. What the first judgement would write into
//! collections is left to the second.

use crate::answer::Why;
use crate::report;
use crate::shared::{Blocked, Shared};
use crate::waf_report::{self, About, WebAttack};
use sakimori_model::{Action, FailureResponse, IncidentId, Mode, Severity};
use sakimori_protocols::http1::{Anomaly, Message, Stage};
use sakimori_seclang::{Address, Change, Memory, Opening, Ruleset, Store, Transaction, Verdict};
use sakimori_signatures::FlowFacts;
use sakimori_stream::Decision;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of bodies beyond what every flow may keep, over all flows.
const POOL_BYTES: usize = 128 << 20;

/// What requests are judged by.
#[derive(Clone, Debug)]
pub struct WebFirewall {
    /// The module's mode; never off.
    pub mode: Mode,
    /// The rules, with what the policy says of them.
    pub rules: Arc<Ruleset>,
    /// How much of bodies is looked at.
    pub limits: BodyLimits,
    /// Whether what stays below the threshold is told.
    pub tells_all: bool,
}

/// How much of the bodies of requests is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyLimits {
    /// Bytes of a body.
    pub plain: usize,
    /// Bytes of an upload.
    pub upload: usize,
    /// By path; one that ends in `*` is the beginning of some. The longest that fits counts.
    pub paths: Vec<(String, usize)>,
    /// Whether the first part of a longer body is looked at; else the request is refused.
    pub partial: bool,
}

/// The firewall in force, and what is kept for it over all flows.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) web: Option<WebFirewall>,
    pub(crate) attacks: Vec<WebAttack>,
    pub(crate) memory: Memory,
    pub(crate) pool: Pool,
}

/// What is kept of one message.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// It was told of.
    told: bool,
    /// The share of the pool that its body has.
    held: Option<Held>,
    /// Where it is a response.
    pub(crate) seen: Seen,
}

/// What is known of a response.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Its request was found.
    pub(crate) begun: bool,
    /// It was told of.
    pub(crate) told: bool,
    /// Nothing more of it is looked at.
    pub(crate) over: bool,
}

/// Bytes that are left for bodies.
#[derive(Clone, Debug)]
pub(crate) struct Pool(Arc<AtomicUsize>);

/// A share of the pool, given back when the message is over.
#[derive(Debug)]
struct Held {
    pool: Pool,
    bytes: usize,
}

/// Collections that are read and stay as they are.
#[derive(Debug)]
struct Unchanged<'a>(&'a Memory);

// === impl BodyLimits ===

impl BodyLimits {
    fn most(&self) -> usize {
        self.paths.iter().map(|(_, bytes)| *bytes).chain([self.plain, self.upload]).max().unwrap_or(0)
    }

    fn of(&self, message: &Message) -> usize {
        let uri = message.uri();
        let path = uri.split(|byte| *byte == b'?').next().unwrap_or(uri);
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(stem) => path.starts_with(stem.as_bytes()),
            None => path == pattern.as_bytes(),
        };
        let named =
            self.paths.iter().filter(|(pattern, _)| fits(pattern)).max_by_key(|(pattern, _)| pattern.len());
        let otherwise = if boundary(message).is_some() { self.upload } else { self.plain };
        named.map_or(otherwise, |(_, bytes)| *bytes)
    }
}

// === impl State ===

impl Default for State {
    fn default() -> Self {
        Self {
            web: None,
            attacks: Vec::new(),
            memory: Memory::default(),
            pool: Pool(Arc::new(AtomicUsize::new(POOL_BYTES))),
        }
    }
}

impl State {
    /// Whether requests are judged.
    pub(crate) const fn is_on(&self) -> bool {
        self.web.is_some()
    }

    /// Whether responses are judged.
    pub(crate) fn needs_responses(&self) -> bool {
        self.web.as_ref().is_some_and(|web| web.rules.settings().response_body)
    }

    /// Whether anything is stopped.
    pub(crate) fn enforces(&self) -> bool {
        self.web.as_ref().is_some_and(|web| web.mode == Mode::Prevent)
    }

    /// How much of a response's body may be kept, of which `kept` is.
    pub(crate) fn response_bytes(&self, ordinary: usize, kept: usize) -> usize {
        let web = self.web.as_ref().filter(|_| self.needs_responses());
        let left = self.pool.0.load(Ordering::Relaxed);
        web.map_or(ordinary, |web| {
            let most = web.rules.settings().response_body_limit;
            ordinary.max(most.min(kept.max(ordinary).saturating_add(left)))
        })
    }

    /// How much of a request's body may be kept, of which `kept` is.
    pub(crate) fn body_bytes(&self, ordinary: usize, kept: usize) -> usize {
        let Some(web) = &self.web else { return ordinary };
        let left = self.pool.0.load(Ordering::Relaxed);
        ordinary.max(web.limits.most().saturating_add(1).min(kept.max(ordinary).saturating_add(left)))
    }
}

// === impl Memo ===

impl Memo {
    /// Takes from the pool what the body has grown by.
    pub(crate) fn hold(&mut self, pool: &Pool, bytes: usize) {
        if bytes == 0 && self.held.is_none() {
            return;
        }
        let held = self.held.get_or_insert_with(|| Held { pool: pool.clone(), bytes: 0 });
        let more = bytes.saturating_sub(held.bytes);
        let _before =
            pool.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(more)));
        held.bytes += more;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _before = self.pool.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

impl Store for Unchanged<'_> {
    fn read(&self, at: &Address, name: &[u8], now: sakimori_model::Timestamp) -> Option<Vec<u8>> {
        self.0.read(at, name, now)
    }

    fn all(&self, at: &Address, now: sakimori_model::Timestamp) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.0.all(at, now)
    }

    fn change(&self, _: &Address, _: &[u8], _: Change, _: u64, _: sakimori_model::Timestamp) {}
}

/// Judges a request as far as it has come.
pub(crate) fn progress(
    shared: &mut Shared,
    facts: &FlowFacts,
    message: &Message,
    memo: &mut Memo,
    stage: Stage,
) -> Decision {
    let Some(web) = shared.waf.web.clone() else { return Decision::Continue };
    let limit = web.limits.of(message);
    if stage == Stage::Body {
        let own = shared.limits.http.body_bytes;
        memo.hold(&shared.waf.pool, message.body().len().saturating_sub(own));
        let beyond = message.body_len() > u64::try_from(limit).unwrap_or(u64::MAX);
        // What will be refused need not be waited for.
        if !beyond || web.limits.partial || memo.told {
            return Decision::Continue;
        }
    } else if stage == Stage::End {
        shared.counters.waf_requests += 1;
    }
    let incident = shared.next_incident();
    let opening = opening(facts, incident, shared);
    let (store, unchanged);
    let store: &dyn Store = if stage == Stage::End {
        store = &shared.waf.memory;
        store
    } else {
        unchanged = Unchanged(&shared.waf.memory);
        &unchanged
    };
    let mut transaction = web.rules.transaction(store, &opening);
    head(&mut transaction, message);
    let mut limits = None;
    if stage == Stage::End {
        limits = body(&mut transaction, message, &web.limits, limit);
        if limits == Some(Limit::Memory) {
            shared.counters.waf_unread += 1;
        }
    } else if stage == Stage::Body {
        limits = Some(Limit::Policy);
    } else {
        let _later = transaction.request_body_end();
    }
    let closed = shared.settings.failure_response == FailureResponse::Closed;
    let refused = match limits {
        Some(Limit::Policy) => !web.limits.partial,
        Some(Limit::Memory) => closed,
        None => false,
    };
    let would = refused || *transaction.would() != Verdict::Pass;
    let blocks = refused || *transaction.verdict() != Verdict::Pass;
    if stage == Stage::End {
        transaction.finish(shared.now.wall);
    }
    let about = About { http: report::summary(message), path: waf_report::path(message), response: false };
    let attack = waf_report::attack(&transaction, about, facts, would, refused);
    drop(transaction);
    settle(shared, &web, &mut memo.told, attack, blocks, incident, stage == Stage::End, true)
}

/// Tells of an attack where it is worth it, once for each message, and stops it where the policy says so.
#[expect(clippy::too_many_arguments, reason = "what a judgement is made of")]
pub(crate) fn settle(
    shared: &mut Shared,
    web: &WebFirewall,
    told: &mut bool,
    attack: WebAttack,
    stops: bool,
    incident: IncidentId,
    whole: bool,
    with_page: bool,
) -> Decision {
    let would = attack.would_block;
    let blocks = stops && web.mode == Mode::Prevent;
    let worth_telling = would || attack.exceeds() || (web.tells_all && !attack.rules.is_empty());
    // What stops traffic is always told.
    if worth_telling && (blocks || !*told) && (would || whole) {
        *told = true;
        let action = if blocks { Action::Blocked } else { Action::Detected };
        let severity = match (would, attack.exceeds()) {
            (true, _) => Severity::High,
            (false, true) => Severity::Medium,
            (false, false) => Severity::Info,
        };
        match action {
            Action::Blocked => shared.counters.waf_blocked += 1,
            _ => shared.counters.waf_detected += 1,
        }
        if shared.waf.attacks.len() < shared.limits.events {
            shared.waf.attacks.push(WebAttack { at: shared.now.wall, incident, action, severity, ..attack });
        } else {
            shared.counters.events_lost += 1;
        }
    }
    if blocks {
        let page = (with_page && shared.settings.answer_page).then_some(Why::Attack);
        shared.blocked = Some(Blocked { incident, page });
        return Decision::Block;
    }
    Decision::Continue
}

/// Why a body is not looked at whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// It is longer than the policy says.
    Policy,
    /// There is no memory for it now.
    Memory,
}

pub(crate) fn opening(facts: &FlowFacts, incident: IncidentId, shared: &Shared) -> Opening {
    Opening {
        client: SocketAddr::new(facts.client, facts.client_port),
        server: SocketAddr::new(facts.server, facts.server_port),
        unique_id: format!("{:016x}", incident.0),
        now: shared.now.wall,
    }
}

/// Shows the head of a request and runs the rules about it.
fn head(transaction: &mut Transaction<'_>, message: &Message) {
    let [method, target, version] = message.start_line_parts();
    transaction.request_line(method, target, version);
    for (name, value) in message.headers() {
        transaction.request_header(name, value);
    }
    let _verdict = transaction.request_headers_end();
}

/// Shows as much of the body as is to be looked at, and runs the rules about it.
fn body(
    transaction: &mut Transaction<'_>,
    message: &Message,
    limits: &BodyLimits,
    limit: usize,
) -> Option<Limit> {
    let kept = message.body();
    let looked_at = kept.get(..limit).unwrap_or(kept);
    let beyond = if message.body_len() > u64::try_from(limit).unwrap_or(u64::MAX) {
        Some(Limit::Policy)
    } else {
        message.anomalies().contains(Anomaly::BodyTruncated).then_some(Limit::Memory)
    };
    let _verdict = transaction.request_body(looked_at);
    if beyond == Some(Limit::Memory) || beyond.is_some() && limits.partial {
        // A form that was cut is to be read as one, not refused as a broken one.
        if let Some(boundary) = boundary(message) {
            let _verdict = transaction.request_body(&[b"\r\n--", boundary, b"--\r\n"].concat());
        }
    }
    let _verdict = transaction.request_body_end();
    beyond
}

/// The boundary of a form of several parts.
fn boundary(message: &Message) -> Option<&[u8]> {
    const KEY: &[u8] = b"boundary=";
    let value = message.header("content-type")?;
    let (kind, rest) = value.split_at_checked(b"multipart/form-data".len())?;
    if !kind.eq_ignore_ascii_case(b"multipart/form-data") {
        return None;
    }
    let at = rest.windows(KEY.len()).position(|window| window.eq_ignore_ascii_case(KEY))?;
    let named = rest.get(at + KEY.len()..)?;
    let end = named.iter().position(|byte| *byte == b';').unwrap_or(named.len());
    let named = named.get(..end)?.trim_ascii();
    Some(named.strip_prefix(b"\"").and_then(|named| named.strip_suffix(b"\"")).unwrap_or(named))
}
