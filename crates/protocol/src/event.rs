//! Events as they are spooled and sent.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sakimori_model as model;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One event on the wire and in the spool: a line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Microseconds since 1970, by the computer's clock.
    pub at: i64,
    /// Registered module name.
    pub module: String,
    /// `info`, `low`, `medium`, `high`, `critical`.
    pub severity: String,
    /// `detected`, `blocked`, `noted`.
    pub action: String,
    /// The kind's columns.
    #[serde(flatten)]
    pub detail: Detail,
}

/// The columns of each kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Detail {
    /// A signature matched.
    Intrusion(Box<Intrusion>),
    /// Something was lost.
    Gap(Gap),
    /// Something about the agent.
    Notice(Notice),
}

/// A signature matched traffic; the fields are those of [`model::Intrusion`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "said once, at sakimori_model::Intrusion")]
pub struct Intrusion {
    pub incident: String,
    pub sid: u32,
    pub revision: u32,
    pub message: String,
    pub classtype: String,
    pub cves: Vec<String>,
    pub client: IpAddr,
    pub client_port: u16,
    pub server: IpAddr,
    pub server_port: u16,
    pub protocol: u8,
    pub buffer: String,
    pub offset: u32,
    pub length: u32,
    /// Base64.
    pub excerpt: String,
    pub excerpt_offset: u32,
    pub http: Option<HttpSummary>,
}

/// An HTTP request in one line; the fields are those of [`model::HttpSummary`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "said once, at sakimori_model::HttpSummary")]
pub struct HttpSummary {
    pub method: String,
    pub host: String,
    pub target: String,
    pub user_agent: String,
}

/// Something was lost; the fields are those of [`model::Gap`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "said once, at sakimori_model::Gap")]
pub struct Gap {
    pub what: String,
    pub count: u64,
    pub reason: String,
}

/// Something about the agent; the fields are those of [`model::Notice`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "said once, at sakimori_model::Notice")]
pub struct Notice {
    pub code: String,
    pub args: Vec<(String, String)>,
}

/// What of a batch is durable now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventsAnswer {
    /// Everything up to and including this sequence number is committed.
    pub acknowledged: u64,
}

// === impl Event ===

impl From<model::Event> for Event {
    fn from(event: model::Event) -> Self {
        let detail = match event.detail {
            model::Detail::Intrusion(i) => Detail::Intrusion(Box::new(Intrusion::from(*i))),
            model::Detail::Gap(g) => Detail::Gap(Gap { what: g.what, count: g.count, reason: g.reason }),
            model::Detail::Notice(n) => Detail::Notice(Notice { code: n.code, args: n.args }),
        };
        Self {
            at: event.at.0,
            module: event.module.as_str().to_owned(),
            severity: event.severity.as_str().to_owned(),
            action: event.action.as_str().to_owned(),
            detail,
        }
    }
}

impl From<model::Intrusion> for Intrusion {
    fn from(i: model::Intrusion) -> Self {
        Self {
            incident: i.incident.to_string(),
            sid: i.sid.0,
            revision: i.revision,
            message: i.message,
            classtype: i.classtype,
            cves: i.cves,
            client: i.client,
            client_port: i.client_port,
            server: i.server,
            server_port: i.server_port,
            protocol: i.protocol,
            buffer: i.buffer,
            offset: i.offset,
            length: i.length,
            excerpt: BASE64.encode(&i.excerpt),
            excerpt_offset: i.excerpt_offset,
            http: i.http.map(|h| HttpSummary {
                method: h.method,
                host: h.host,
                target: h.target,
                user_agent: h.user_agent,
            }),
        }
    }
}
