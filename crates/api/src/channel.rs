//! Channels: where alerts and events are sent.
use crate::patch::Patch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// Where, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ChannelTarget {
    /// E-mail over SMTP.
    Email(EmailTarget),
    /// JSON in signed POST requests.
    Webhook(HttpTarget),
    /// Syslog (RFC 5424).
    Syslog(SyslogTarget),
    /// OpenTelemetry logs (OTLP over HTTP, JSON).
    Otlp(HttpTarget),
}

/// A mail server and who gets mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmailTarget {
    /// Name or address of the server.
    #[schema(min_length = 1, max_length = 253)]
    pub server: String,
    /// Its port.
    #[schema(minimum = 1, maximum = 65_535)]
    pub port: u16,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// Who logs in; the password is one of the secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 320)]
    pub user: Option<String>,
    /// The sender's address.
    #[schema(min_length = 3, max_length = 320)]
    pub from: String,
    /// The receivers' addresses.
    #[schema(min_items = 1, max_items = 50)]
    pub to: Vec<String>,
    /// `en` or `ja`.
    #[serde(default)]
    pub language: MailLanguage,
    /// Authorities to trust instead of the system's, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 65_536)]
    pub authorities: Option<String>,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// TLS from the first byte.
    Tls,
    /// TLS after STARTTLS, or nothing is sent.
    Starttls,
    /// None: to a server on this machine only.
    Plain,
}

/// The language of mails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MailLanguage {
    /// English.
    #[default]
    En,
    /// Japanese.
    Ja,
}

/// A receiver of POST requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpTarget {
    /// Where to; `https`, or `http` to this machine.
    #[schema(min_length = 8, max_length = 2048)]
    pub url: String,
    /// Authorities to trust instead of the system's, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 65_536)]
    pub authorities: Option<String>,
}

/// A receiver of syslog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SyslogTarget {
    /// Name or address of the server.
    #[schema(min_length = 1, max_length = 253)]
    pub server: String,
    /// Its port.
    #[schema(minimum = 1, maximum = 65_535)]
    pub port: u16,
    /// How messages travel.
    pub transport: SyslogTransport,
    /// The form of a message.
    pub format: SyslogFormat,
    /// Authorities to trust instead of the system's, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 65_536)]
    pub authorities: Option<String>,
}

/// How syslog messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SyslogTransport {
    /// A datagram a message: what is lost on the way is lost.
    Udp,
    /// A connection, with octet counting (RFC 6587).
    Tcp,
    /// The same within TLS (RFC 5425).
    Tls,
}

/// The form of a syslog message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SyslogFormat {
    /// `ArcSight` Common Event Format.
    Cef,
    /// `QRadar` Log Event Extended Format 2.0.
    Leef,
}

/// What only the receiver shall know. Never given back.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChannelSecrets {
    /// Password of a mail server's user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub password: Option<String>,
    /// Key of a webhook's signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 16, max_length = 1024)]
    pub signing_key: Option<String>,
    /// Headers of requests, as `Authorization`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

impl std::fmt::Debug for ChannelSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelSecrets").finish_non_exhaustive()
    }
}

/// A channel, with how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Where, and how.
    pub target: ChannelTarget,
    /// Which secrets it has, by name.
    pub secrets_set: Vec<String>,
    /// Whether it sends.
    pub enabled: bool,
    /// Alerts of this severity and graver are sent; none where absent.
    pub alerts: Option<String>,
    /// Events that this filter finds are sent; none where absent.
    pub events: Option<String>,
    /// Alerts that wait to be sent.
    pub alerts_waiting: u64,
    /// Events that arrived up to here were sent or are not wanted.
    #[schema(format = DateTime)]
    pub events_through: Option<String>,
    /// How many were sent.
    pub delivered: u64,
    /// How many alerts were removed by retention before they could be sent.
    pub lost: u64,
    /// Events that arrived from here until `eventsLostUntil` were removed by retention before they could be sent.
    #[schema(format = DateTime)]
    pub events_lost_from: Option<String>,
    /// See `eventsLostFrom`.
    #[schema(format = DateTime)]
    pub events_lost_until: Option<String>,
    /// When something was last sent.
    #[schema(format = DateTime)]
    pub last_delivered_at: Option<String>,
    /// Since when nothing can be sent.
    #[schema(format = DateTime)]
    pub failing_since: Option<String>,
    /// Why.
    pub last_error: Option<String>,
    /// When it is tried again.
    #[schema(format = DateTime)]
    pub next_attempt_at: Option<String>,
    /// When it was last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// For `If-Match`.
    pub etag: String,
}

/// Makes a channel. It sends what happens from now on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewChannel {
    /// Its name, not in use yet.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// Where, and how.
    pub target: ChannelTarget,
    /// What only the receiver shall know.
    #[serde(default)]
    pub secrets: ChannelSecrets,
    /// Alerts of this severity and graver are sent; none where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(info|low|medium|high|critical)$")]
    pub alerts: Option<String>,
    /// Events that this filter finds are sent; none where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub events: Option<String>,
    /// Whether it sends; it does where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Changes a channel (merge patch).
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChannelPatch {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// New target. Secrets do not go along to it: give them again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ChannelTarget>,
    /// New secrets, in place of all there were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<ChannelSecrets>,
    /// Alerts of this severity and graver; `null` for none.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<String>, pattern = "^(info|low|medium|high|critical)$")]
    pub alerts: Patch<String>,
    /// Events that this filter finds; `null` for none.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<String>, max_length = 4096)]
    pub events: Patch<String>,
    /// Whether it sends. What happened while it did not is sent when it does again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelTest {
    /// Whether the receiver took it.
    pub delivered: bool,
    /// Why not.
    pub error: Option<String>,
}
