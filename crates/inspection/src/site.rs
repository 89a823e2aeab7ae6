//! Connections to the outside: what they ask for, judged by the reputation lists.
use crate::shared::{Blocked, Shared};
use sakimori_model::{Action, IncidentId, Mode, PortRange, Severity, Timestamp};
use sakimori_protocols::http1::Message;
use sakimori_protocols::tls::{ClientHello, Greeting};
use sakimori_reputation::{Found, Host, Lists, Url, Verdict};
use sakimori_signatures::FlowFacts;
use sakimori_stream::Decision;
use std::net::IpAddr;
use std::sync::Arc;

/// Longest URL in a [`Sighting`].
const URL_CHARS: usize = 512;

/// What web reputation has to do.
#[derive(Clone, Debug)]
pub struct WebReputation {
    /// The module's mode.
    pub mode: Mode,
    /// Server ports of connections to the outside that are judged: HTTP and TLS, told apart by their first byte.
    pub ports: Vec<PortRange>,
    /// Whether a blocked HTTP request is answered with a page.
    pub block_page: bool,
    /// What is known.
    pub lists: Arc<Lists>,
}

impl Default for WebReputation {
    fn default() -> Self {
        Self { mode: Mode::Off, ports: Vec::new(), block_page: true, lists: Arc::new(Lists::empty()) }
    }
}

/// Where a packet was met, as far as it matters to whom it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// On its way to a server here, or back.
    Serving,
    /// On its way from this host, perhaps as a client.
    Leaving,
    /// A container of this host has opened the connection.
    FromContainer,
}

/// How a place was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenIn {
    /// An HTTP request.
    Http,
    /// A TLS greeting.
    Tls,
}

impl SeenIn {
    /// The word in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tls => "tls",
        }
    }
}

/// A place with a bad reputation was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When.
    pub at: Timestamp,
    /// What the client was shown.
    pub incident: IncidentId,
    /// Blocked or detected.
    pub action: Action,
    /// How bad.
    pub severity: Severity,
    /// The URL, or the name where only that was seen. Printable.
    pub url: String,
    /// The entry that named it.
    pub entry: String,
    /// Its category.
    pub category: String,
    /// Its list.
    pub list: String,
    /// How it was seen.
    pub seen_in: SeenIn,
    /// Who asked.
    pub client: IpAddr,
    /// Who asked.
    pub client_port: u16,
    /// Who was asked.
    pub server: IpAddr,
    /// Who was asked.
    pub server_port: u16,
}

/// What one flow to the outside has come to.
#[derive(Debug, Default)]
pub(crate) enum Visit {
    /// Not a flow to the outside, or nothing more to judge in it.
    #[default]
    None,
    /// Nothing was said yet.
    Silent,
    /// A TLS greeting has begun.
    Greeting(Box<Greeting>),
    /// HTTP: each request is judged.
    Http,
}

/// What a piece of a visit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// More has to be seen, or each request is looked at.
    Watch,
    /// Nothing of this flow will be looked at again.
    Over,
    /// The place is blocked.
    Block,
}

// === impl Visit ===

impl Visit {
    pub(crate) const fn is_http(&self) -> bool {
        matches!(self, Self::Http)
    }

    /// Takes the client's next bytes.
    pub(crate) fn feed(&mut self, shared: &mut Shared, facts: &FlowFacts, bytes: &[u8]) -> Step {
        if matches!(self, Self::Silent) {
            let Some(first) = bytes.first() else { return Step::Watch };
            *self = if Greeting::may_begin_with(*first) {
                Self::Greeting(Box::default())
            } else if first.is_ascii_uppercase() {
                Self::Http
            } else {
                // Neither of the two: some other protocol on this port.
                Self::None
            };
        }
        match self {
            Self::None => Step::Over,
            Self::Silent | Self::Http => Step::Watch,
            Self::Greeting(greeting) => {
                let Some(hello) = greeting.feed(bytes) else { return Step::Watch };
                *self = Self::None;
                judge_greeting(shared, facts, &hello)
            }
        }
    }
}

fn judge_greeting(shared: &mut Shared, facts: &FlowFacts, hello: &ClientHello) -> Step {
    let host = match &hello.server_name {
        Some(name) => Host::of(name),
        // Without a name the address is all there is.
        None => Host::of(facts.server.to_string().as_bytes()),
    };
    let web = Arc::clone(&shared.web.lists);
    let Verdict::Block(found) = web.judge_host(&host) else { return Step::Over };
    let shown = host.as_bytes().escape_ascii().to_string().chars().take(URL_CHARS).collect();
    match report(shared, facts, SeenIn::Tls, shown, &found) {
        Decision::Block => Step::Block,
        _ => Step::Over,
    }
}

/// Judges one request. `Done` where it opens a tunnel of which nothing more can be read.
pub(crate) fn judge_request(shared: &mut Shared, facts: &FlowFacts, message: &Message) -> Decision {
    let [method, target, _] = message.start_line_parts();
    let lists = Arc::clone(&shared.web.lists);
    let tunnel = method.eq_ignore_ascii_case(b"CONNECT");
    let url = if tunnel {
        Url::of_request(target, b"/", 443)
    } else {
        let named = message.host_raw().filter(|host| !host.is_empty());
        // Without a name the address is all there is.
        let address = named.is_none().then(|| match facts.server {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        });
        let host = named.or_else(|| address.as_deref().map(str::as_bytes)).unwrap_or_default();
        Url::of_request(host, target, facts.server_port)
    };
    let verdict = if tunnel { lists.judge_host(&url.host) } else { lists.judge_url(&url) };
    let Verdict::Block(found) = verdict else {
        return if tunnel { Decision::Done } else { Decision::Continue };
    };
    report(shared, facts, SeenIn::Http, url.shown(URL_CHARS), &found)
}

fn report(
    shared: &mut Shared,
    facts: &FlowFacts,
    seen_in: SeenIn,
    url: String,
    found: &Found<'_>,
) -> Decision {
    let incident = shared.next_incident();
    let block = shared.web.mode == Mode::Prevent;
    let action = if block { Action::Blocked } else { Action::Detected };
    if block {
        shared.counters.sites_blocked += 1;
    } else {
        shared.counters.sites_detected += 1;
    }
    if shared.sightings.len() < shared.limits.events {
        shared.sightings.push(Sighting {
            at: shared.now.wall,
            incident,
            action,
            severity: found.severity,
            url,
            entry: found.entry.clone(),
            category: found.category.to_owned(),
            list: found.list.to_owned(),
            seen_in,
            client: facts.client,
            client_port: facts.client_port,
            server: facts.server,
            server_port: facts.server_port,
        });
    } else {
        shared.counters.events_lost += 1;
    }
    if !block {
        return Decision::Continue;
    }
    let page = seen_in == SeenIn::Http && shared.web.block_page;
    shared.blocked = Some(Blocked { incident, page: page.then_some(crate::answer::Why::Site) });
    Decision::Block
}
