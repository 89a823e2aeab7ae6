//! Whom a client of the manager trusts, and how it shows who it is: TLS for the agent and the command line.
//!
//! A new client knows nothing of the manager but a pin, `sha256//BASE64` of a subject public key info. If an
//! authority in the chain that the server sends has that key, the chain is verified against that authority and
//! nothing else ([`Trust::Pin`]); if it is the server's own key that is pinned (as `curl --pinnedpubkey` does), that
//! key is the whole identity. Whoever knows the manager's authorities uses [`Trust::Authorities`].
#![forbid(unsafe_code)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::path::Path;
use std::sync::Arc;
use x509_parser::prelude::FromDer as _;

/// Whom to trust as the manager.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The authority, or the server itself, with this key: `sha256//BASE64`.
    Pin(String),
    /// These authorities, in PEM.
    Authorities(String),
}

/// The TLS configuration cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The pin is not a pin.
    #[error(
        "'{0}' is not a key pin: expected sha256// and 44 characters of Base64, as the manager prints it at its start"
    )]
    Pin(String),
    /// No certificate in the PEM.
    #[error("no usable certificate: expected certificates in PEM")]
    Certificates,
    /// rustls does not accept them.
    #[error("the certificate and key do not make a TLS configuration")]
    Config(#[from] rustls::Error),
}

/// Where distributions keep the authorities that the whole system trusts.
const SYSTEM_AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// The file of the authorities that the whole system trusts, where there is one.
pub fn system_authorities() -> Option<&'static Path> {
    SYSTEM_AUTHORITIES.iter().map(Path::new).find(|path| path.exists())
}

/// A certificate chain and its private key, to show where the server asks for it.
pub type ClientIdentity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A client configuration that trusts `trust`, and shows `identity` where the server asks for it.
pub fn client_config(trust: &Trust, identity: Option<ClientIdentity>) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match trust {
        Trust::Pin(pin) => {
            if !is_pin(pin) {
                return Err(TrustError::Pin(pin.clone()));
            }
            let verifier = PinVerifier { pin: pin.clone(), provider };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        Trust::Authorities(pem) => {
            let mut roots = RootCertStore::empty();
            let (usable, _unusable) = roots.add_parsable_certificates(certificates(pem)?);
            if usable == 0 {
                return Err(TrustError::Certificates);
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    })
}

/// Whether this is `sha256//` and the Base64 of 32 bytes.
pub fn is_pin(text: &str) -> bool {
    text.strip_prefix("sha256//")
        .and_then(|encoded| BASE64.decode(encoded).ok())
        .is_some_and(|bytes| bytes.len() == 32)
}

/// The certificates in a PEM text; at least one.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match list {
        Ok(list) if !list.is_empty() => Ok(list),
        _ => Err(TrustError::Certificates),
    }
}

/// `sha256//BASE64` of a certificate's subject public key info, as curl writes pins.
pub fn public_key_pin(certificate: &[u8]) -> Result<String, TrustError> {
    let (_rest, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate)
        .map_err(|_not_a_certificate| TrustError::Certificates)?;
    let digest = ring::digest::digest(&ring::digest::SHA256, parsed.public_key().raw);
    Ok(format!("sha256//{}", BASE64.encode(digest.as_ref())))
}

/// Accepts a chain that ends in the authority whose key has the pin.
#[derive(Debug)]
struct PinVerifier {
    pin: String,
    provider: Arc<CryptoProvider>,
}

// === impl PinVerifier ===

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let has_pin =
            |certificate: &CertificateDer<'_>| public_key_pin(certificate).is_ok_and(|pin| pin == self.pin);
        // The handshake's signature, which is verified below in any case, proves that the server has the pinned key.
        if has_pin(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let authority = intermediates
            .iter()
            .find(|certificate| has_pin(certificate))
            .ok_or_else(|| {
                rustls::Error::General(format!(
                    "the server's certificates do not have the key pin {}: this is another manager, or somebody stands \
                     between. Compare the pin with the one the manager prints at its start",
                    self.pin
                ))
            })?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PublicKeyData as _};

    struct Chain {
        authority: CertificateDer<'static>,
        leaf: CertificateDer<'static>,
    }

    fn chain() -> Chain {
        let ca_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&ca_key).unwrap().der().clone();
        let leaf_key = KeyPair::generate().unwrap();
        let leaf_params = CertificateParams::new(vec!["manager.test".to_owned()]).unwrap();
        let leaf = leaf_params.signed_by(&leaf_key, &Issuer::new(params, ca_key)).unwrap().der().clone();
        assert!(!leaf_key.der_bytes().is_empty());
        Chain { authority, leaf }
    }

    fn verify(
        pin: &str,
        chain: &[&CertificateDer<'static>],
        name: &str,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = PinVerifier { pin: pin.to_owned(), provider };
        let rest: Vec<_> = chain[1..].iter().map(|c| (*c).clone()).collect();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_hours(500_000));
        verifier.verify_server_cert(chain[0], &rest, &name, &[], now)
    }

    #[test]
    fn the_pinned_authority_vouches_for_its_own_and_for_its_names_only() {
        let mine = chain();
        let pin = public_key_pin(&mine.authority).unwrap();
        assert!(is_pin(&pin));
        assert!(verify(&pin, &[&mine.leaf, &mine.authority], "manager.test").is_ok());
        assert!(verify(&pin, &[&mine.leaf, &mine.authority], "other.test").is_err(), "another name");
        assert!(verify(&pin, &[&mine.leaf], "manager.test").is_err(), "the authority is not sent");
    }

    #[test]
    fn a_foreign_leaf_beside_the_pinned_authority_is_refused() {
        let (mine, foreign) = (chain(), chain());
        let pin = public_key_pin(&mine.authority).unwrap();
        assert!(verify(&pin, &[&foreign.leaf, &mine.authority], "manager.test").is_err());
        let refused = verify(&pin, &[&foreign.leaf, &foreign.authority], "manager.test").unwrap_err();
        assert!(refused.to_string().contains("Compare the pin"), "{refused}");
    }

    #[test]
    fn the_servers_own_key_may_be_pinned() {
        let mine = chain();
        assert!(verify(&public_key_pin(&mine.leaf).unwrap(), &[&mine.leaf], "any.test").is_ok());
    }

    #[test]
    fn what_is_no_pin_is_said_so() {
        for text in ["", "sha256//", "sha256//AAAA", "AAAA", "md5//AAAA"] {
            assert!(
                matches!(client_config(&Trust::Pin(text.to_owned()), None), Err(TrustError::Pin(_))),
                "{text}"
            );
        }
    }
}
