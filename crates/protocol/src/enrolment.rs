//! How a machine becomes a computer of the fleet, and stays one.
use crate::Cloud;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Facts that tell one machine from another. Empty where the machine does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fingerprint {
    /// `/etc/machine-id`, hashed with the product's name so that the id itself never leaves the machine.
    pub machine_id: String,
    /// `/sys/class/dmi/id/product_uuid`.
    pub dmi_uuid: String,
    /// The cloud's instance id.
    pub cloud_instance: String,
}

/// Asks for an identity with an activation token. Repeating it with the same `enrolment` and key is harmless.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Enrol {
    /// Made once by the agent for this attempt, so that a lost answer leaves no orphan.
    pub enrolment: Uuid,
    /// `id.secret`.
    pub token: String,
    /// PKCS#10 request in PEM, ECDSA P-256.
    pub csr: String,
    /// The machine.
    pub fingerprint: Fingerprint,
    /// Host name.
    pub host_name: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub operating_system: String,
    /// Agent version.
    pub agent_version: String,
    /// The policy to assign, by name or id, where the token allows it.
    pub policy: Option<String>,
    /// What the cloud says of the machine, where it is in one: event-based tasks decide by it.
    #[serde(default)]
    pub cloud: Option<Cloud>,
}

/// The identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrolAnswer {
    /// The computer's id.
    pub computer: Uuid,
    /// Client certificate chain in PEM.
    pub certificate: String,
    /// The manager's certificate authorities in PEM.
    pub authorities: String,
    /// Where the gateway listens: `https://host:port`.
    pub gateway: String,
    /// Base64 of the raw Ed25519 public key that bundles are signed with.
    pub bundle_key: String,
}

/// Asks for a new certificate for the known key, also after the old one has expired.
///
/// The request is signed with the key of the identity: that is the proof of possession. A replay
/// only gets a certificate for the same key to its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Renew {
    /// The computer.
    pub computer: Uuid,
    /// PKCS#10 request in PEM, by the identity's key.
    pub csr: String,
    /// The machine, to find clones.
    pub fingerprint: Fingerprint,
}

/// The new certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RenewAnswer {
    /// Client certificate chain in PEM.
    pub certificate: String,
    /// The manager's certificate authorities in PEM.
    pub authorities: String,
}

/// Why the manager refused, in every answer of status 4xx or 5xx: RFC 9457 problem details.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: RefusalCode,
    /// What is wrong, in one sentence.
    pub title: String,
    /// What to do about it.
    pub detail: String,
}

/// Stable reasons of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCode {
    /// The token is unknown, expired, revoked or used up.
    TokenInvalid,
    /// The policy named is unknown or not allowed by the token.
    PolicyInvalid,
    /// The message does not parse or breaks a bound.
    MessageInvalid,
    /// The certificate's computer was deleted or revoked.
    ComputerUnknown,
    /// The same identity is in use on another machine.
    Clone,
    /// The batch does not follow on what was acknowledged.
    SequenceInvalid,
    /// Too much at once; `Retry-After` says when.
    Busy,
    /// Anything else the agent cannot act on.
    #[serde(other)]
    Other,
}
