//! What happened on the computers.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// One thing that happened on a computer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Id.
    pub id: Uuid,
    /// The computer.
    pub computer_id: Uuid,
    /// Its name now; as it was when it has been deleted since.
    pub computer_name: String,
    /// When, by the computer's clock.
    #[schema(format = DateTime)]
    pub at: String,
    /// When the manager got it.
    #[schema(format = DateTime)]
    pub received_at: String,
    /// `intrusion-prevention`, `agent`.
    pub module: String,
    /// `info`, `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// `detected`, `blocked` or `noted`.
    pub action: String,
    /// `intrusion`, `gap` or `notice`: which of the forms `detail` has.
    pub kind: String,
    /// The kind's own fields.
    pub detail: EventDetail,
    /// What it means, in one or two sentences.
    pub explanation: Explanation,
}

/// A text for people in each language of the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// English.
    pub en: String,
    /// Japanese.
    pub ja: String,
}

/// The fields of each kind of event; `kind` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum EventDetail {
    /// `intrusion`: a signature matched.
    Intrusion(Box<IntrusionDetail>),
    /// `gap`: something was lost.
    Gap(GapDetail),
    /// `notice`: something about the agent.
    Notice(NoticeDetail),
    /// A kind that this manager does not know, as the agent sent it.
    #[schema(value_type = Object)]
    Other(serde_json::Map<String, serde_json::Value>),
}

/// A signature matched traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IntrusionDetail {
    /// What a blocked visitor is shown: `SKM-0123-4567-89AB-CDEF`.
    pub incident: String,
    /// The rule's signature id.
    pub sid: u32,
    /// The rule's revision.
    pub revision: u32,
    /// The rule's message.
    pub message: String,
    /// The rule's class, empty where it has none.
    pub classtype: String,
    /// The CVE numbers the rule names.
    pub cves: Vec<String>,
    /// Address that opened the connection.
    pub client: String,
    /// Port that opened the connection.
    pub client_port: u16,
    /// Address that was connected to.
    pub server: String,
    /// Port that was connected to.
    pub server_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// The buffer that the decisive pattern stood in: `http.uri`.
    pub buffer: String,
    /// Where in the buffer the match begins, in bytes.
    pub offset: u32,
    /// Length of the match, in bytes.
    pub length: u32,
    /// Base64 of the bytes around the match.
    pub excerpt: String,
    /// Where in the excerpt's bytes the match begins.
    pub excerpt_offset: u32,
    /// The HTTP request, where it was one.
    #[schema(required)]
    pub http: Option<EventHttp>,
}

/// An HTTP request in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventHttp {
    /// Method as sent.
    pub method: String,
    /// Host header.
    pub host: String,
    /// Request target as sent.
    pub target: String,
    /// User-Agent header.
    pub user_agent: String,
}

/// Something was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GapDetail {
    /// What was lost: `events`, `packets-uninspected`.
    pub what: String,
    /// How many.
    pub count: u64,
    /// Why, by code.
    pub reason: String,
}

/// Something about the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoticeDetail {
    /// Stable code: `agent-started`.
    pub code: String,
    /// Values for the sentence.
    pub args: Vec<NoticeArgument>,
}

/// One value for a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeArgument {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}
