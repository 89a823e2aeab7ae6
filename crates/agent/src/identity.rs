//! Who this computer is to its manager: the key, the certificate and where the manager is.
use crate::state::{self, StateError};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use sakimori_trust::{ClientIdentity, TrustError};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use uuid::Uuid;
use x509_parser::prelude::FromDer as _;

/// The identity as it lies in `identity.json`; the key lies beside it in `identity.key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The computer's id.
    pub computer: Uuid,
    /// The public listener: `https://host:port`, without a slash at the end.
    pub manager: String,
    /// The gateway: `https://host:port`, without a slash at the end.
    pub gateway: String,
    /// Client certificate chain in PEM.
    pub certificate: String,
    /// The manager's certificate authorities in PEM: from activation on, the only ones trusted.
    pub authorities: String,
    /// Base64 of the raw Ed25519 public key that bundles are signed with.
    pub bundle_key: String,
    /// HTTP CONNECT proxy, `http://host:port`.
    #[serde(default)]
    pub proxy: Option<String>,
    /// The manager says that another machine uses this identity: activate again with a token.
    #[serde(default)]
    pub must_enrol_anew: bool,
}

/// An identity with its private key.
#[derive(Clone)]
pub struct KeyedIdentity {
    /// The public part.
    pub identity: Identity,
    key_pem: String,
}

/// When a certificate is valid, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From.
    pub not_before: i64,
    /// To, inclusive.
    pub not_after: i64,
}

/// Key, certificate or request that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The key file does not hold a P-256 key.
    #[error("the private key cannot be used: activate this computer again")]
    Key(#[source] rcgen::Error),
    /// The certificate or the key does not parse.
    #[error("the certificate cannot be used: activate this computer again")]
    Certificate,
    /// TLS does not accept them.
    #[error("the certificate cannot be used: activate this computer again")]
    Tls(#[from] TrustError),
    /// The key file is gone.
    #[error("the private key {} is missing: activate this computer again", .0.display())]
    KeyMissing(PathBuf),
}

/// Where the identity lies.
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    dir: PathBuf,
}

// === impl IdentityFiles ===

impl IdentityFiles {
    /// In this state directory.
    pub fn in_dir(state_dir: &Path) -> Self {
        Self { dir: state_dir.to_owned() }
    }

    fn public(&self) -> PathBuf {
        self.dir.join("identity.json")
    }

    fn key(&self) -> PathBuf {
        self.dir.join("identity.key")
    }

    /// The identity; nothing before activation.
    pub fn load(&self) -> Result<Option<KeyedIdentity>, IdentityError> {
        let Some(identity) = state::read_json::<Identity>(&self.public())? else { return Ok(None) };
        let key = state::read_capped(&self.key(), state::SMALL_FILE_BYTES)?
            .ok_or_else(|| IdentityError::KeyMissing(self.key()))?;
        let key_pem = String::from_utf8(key).map_err(|_not_text| IdentityError::KeyMissing(self.key()))?;
        Ok(Some(KeyedIdentity { identity, key_pem }))
    }

    /// Keeps a new identity: the key first, so that an identity without its key is never seen.
    pub fn store(&self, keyed: &KeyedIdentity) -> Result<(), IdentityError> {
        state::write_atomic(&self.key(), keyed.key_pem.as_bytes())?;
        Ok(state::write_json(&self.public(), &keyed.identity)?)
    }

    /// Keeps a changed public part (renewed certificate, flags); the key stays.
    pub fn store_public(&self, identity: &Identity) -> Result<(), IdentityError> {
        Ok(state::write_json(&self.public(), identity)?)
    }

    /// Forgets the identity and the key. Removing the public part first means that it never lacks its key.
    pub fn remove(&self) -> Result<(), IdentityError> {
        state::remove(&self.public())?;
        Ok(state::remove(&self.key())?)
    }
}

// === impl KeyedIdentity ===

impl KeyedIdentity {
    /// Joins an identity and the key it was made for.
    pub fn new(identity: Identity, key_pem: String) -> Self {
        Self { identity, key_pem }
    }

    /// The certificate chain and the key, for TLS.
    pub fn client_identity(&self) -> Result<ClientIdentity, IdentityError> {
        let chain = sakimori_trust::certificates(&self.identity.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())
            .map_err(|_e| IdentityError::Certificate)?;
        Ok((chain, key))
    }

    /// A certificate request by the identity's key.
    pub fn request(&self) -> Result<String, IdentityError> {
        certificate_request(&self.key_pem)
    }

    /// When the leaf is valid.
    pub fn validity(&self) -> Result<Validity, IdentityError> {
        let chain = sakimori_trust::certificates(&self.identity.certificate)?;
        let leaf = chain.first().ok_or(IdentityError::Certificate)?;
        let (_rest, parsed) = x509_parser::certificate::X509Certificate::from_der(leaf)
            .map_err(|_e| IdentityError::Certificate)?;
        Ok(Validity {
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
        })
    }
}

impl std::fmt::Debug for KeyedIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyedIdentity").field("identity", &self.identity).finish_non_exhaustive()
    }
}

// === impl Validity ===

impl Validity {
    /// When to renew: at two thirds of the life, so that a month of outage is survived on a 90-day certificate.
    pub const fn renew_at(self) -> i64 {
        self.not_before + (self.not_after - self.not_before) / 3 * 2
    }
}

/// A new P-256 key in PEM (PKCS#8).
pub fn new_key() -> Result<String, IdentityError> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(IdentityError::Key)?;
    Ok(key.serialize_pem())
}

/// A PKCS#10 request by this key, in PEM. The manager writes the names; the request only proves the key.
pub fn certificate_request(key_pem: &str) -> Result<String, IdentityError> {
    let key = rcgen::KeyPair::from_pem(key_pem).map_err(IdentityError::Key)?;
    let params = rcgen::CertificateParams::default();
    params.serialize_request(&key).and_then(|request| request.pem()).map_err(IdentityError::Key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(key: String) -> KeyedIdentity {
        KeyedIdentity::new(
            Identity {
                computer: Uuid::nil(),
                manager: "https://m:4433".into(),
                gateway: "https://m:4434".into(),
                certificate: String::new(),
                authorities: String::new(),
                bundle_key: String::new(),
                proxy: None,
                must_enrol_anew: false,
            },
            key,
        )
    }

    #[test]
    fn an_identity_survives_its_files_and_ignores_what_a_newer_agent_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let files = IdentityFiles::in_dir(dir.path());
        assert!(files.load().unwrap().is_none());
        let keyed = sample(new_key().unwrap());
        files.store(&keyed).unwrap();
        let mut json: serde_json::Value =
            serde_json::from_slice(&state::read_capped(&files.public(), 1 << 20).unwrap().unwrap()).unwrap();
        json["fromTheFuture"] = 1.into();
        json.as_object_mut().unwrap().remove("proxy");
        state::write_json(&files.public(), &json).unwrap();
        assert_eq!(files.load().unwrap().unwrap().identity, keyed.identity);
        files.remove().unwrap();
        assert!(files.load().unwrap().is_none());
    }

    #[test]
    fn the_request_is_made_by_the_key() {
        let key = new_key().unwrap();
        let request = certificate_request(&key).unwrap();
        let parsed = rcgen::CertificateSigningRequestParams::from_pem(&request).unwrap();
        use rcgen::PublicKeyData as _;
        assert_eq!(parsed.public_key.der_bytes(), rcgen::KeyPair::from_pem(&key).unwrap().der_bytes());
    }

    #[test]
    fn renewal_is_due_at_two_thirds() {
        assert_eq!(Validity { not_before: 100, not_after: 400 }.renew_at(), 300);
    }
}
