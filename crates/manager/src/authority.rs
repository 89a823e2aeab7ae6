//! The manager's own certificate authority and keys, in files of the data directory.
//!
//! `ca.key`/`ca.pem` sign everything; `tls.key`/`tls.pem` are what the listeners show, made anew when
//! the public names change or the end is near, always with the same key, so that a pin of it stays true;
//! `bundle-signing.key` (Ed25519) makes bundles true. Keys are readable by the owner alone.
use crate::clock::{self, Clock};
use crate::secrets;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sakimori_model::Timestamp;
use sakimori_protocol::SignedBundle;
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;
use x509_parser::prelude::FromDer as _;

/// Life of a computer's certificate.
pub const COMPUTER_LIFE: Duration = Duration::from_secs(90 * DAY);
const DAY: u64 = 86_400;
const CA_LIFE: Duration = Duration::from_secs(20 * 365 * DAY);
const TLS_LIFE: Duration = Duration::from_secs(397 * DAY);
const TLS_RENEW_BEFORE: Duration = Duration::from_secs(60 * DAY);
/// Certificates begin earlier than now, for clocks that are behind.
const BACKDATE: Duration = Duration::from_hours(1);
/// Bound of a key or certificate file.
const FILE_BYTES: u64 = 64 << 10;

/// Keys or certificates could not be made, kept or read.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file could not be read or written.
    #[error("cannot read or write {0}")]
    File(PathBuf, #[source] std::io::Error),
    /// A file does not hold what its name says.
    #[error("{0} is damaged: restore it from a backup, or remove it only if no computer was ever activated")]
    Damaged(PathBuf),
    /// A certificate could not be made.
    #[error("a certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// No random bytes.
    #[error(transparent)]
    Secret(#[from] secrets::SecretError),
}

/// A request for a certificate that cannot be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not PEM of PKCS#10.
    #[error("the certificate request is not a PKCS#10 request in PEM")]
    Form,
    /// Not signed by the key it asks for.
    #[error("the certificate request is not signed by its own key")]
    Possession,
    /// Another kind of key.
    #[error("the key of the certificate request is not ECDSA P-256")]
    Key,
}

/// A request whose sender has shown to have the key.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    spki: Vec<u8>,
}

/// A certificate just made.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Serial number in hexadecimal digits.
    pub serial: String,
    /// When it ends.
    pub not_after: Timestamp,
    /// The certificate.
    pub pem: String,
}

/// The manager's keys.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    ca_pem: String,
    ca_der: CertificateDer<'static>,
    tls_pem: String,
    tls_key: KeyPair,
    bundle_key: Ed25519KeyPair,
}

impl Authority {
    /// Reads the keys and certificates, making what is missing or near its end.
    pub fn open(dir: &Path, hosts: &[String], clock: &Clock) -> Result<Self, AuthorityError> {
        let now = clock.now();
        let ca_key = key_pair(&dir.join("ca.key"))?;
        let ca_path = dir.join("ca.pem");
        let ca_pem = if let Some(pem) = read(&ca_path)? {
            pem
        } else {
            let pem = ca_params(now)?.self_signed(&ca_key)?.pem();
            write(&ca_path, pem.as_bytes(), 0o644)?;
            pem
        };
        let ca_der = der(&ca_pem).ok_or_else(|| AuthorityError::Damaged(ca_path.clone()))?;
        let issuer =
            Issuer::from_ca_cert_pem(&ca_pem, ca_key).map_err(|_e| AuthorityError::Damaged(ca_path))?;

        let tls_key = key_pair(&dir.join("tls.key"))?;
        let tls_path = dir.join("tls.pem");
        let tls_pem = if let Some(pem) = read(&tls_path)?.filter(|pem| tls_is_good(pem, hosts, now)) {
            pem
        } else {
            let pem = tls_params(hosts, now)?.signed_by(&tls_key, &issuer)?.pem();
            write(&tls_path, pem.as_bytes(), 0o644)?;
            pem
        };
        let bundle_key = bundle_key(&dir.join("bundle-signing.key"))?;
        Ok(Self { issuer, ca_pem, ca_der, tls_pem, tls_key, bundle_key })
    }

    /// The authority's certificate in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The authority's certificate.
    pub fn ca_der(&self) -> &CertificateDer<'static> {
        &self.ca_der
    }

    /// What the listeners show: leaf and authority.
    pub fn tls_chain(&self) -> Vec<CertificateDer<'static>> {
        der(&self.tls_pem).into_iter().chain([self.ca_der.clone()]).collect()
    }

    /// The listeners' key.
    pub fn tls_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.tls_key.serialize_der().into())
    }

    /// Pin of the listeners' key: `sha256//BASE64`, as `curl --pinnedpubkey` takes it.
    pub fn tls_pin(&self) -> String {
        pin(&self.tls_key.subject_public_key_info())
    }

    /// Pin of the authority's key: `sha256//BASE64`.
    pub fn ca_pin(&self) -> String {
        pin(&self.issuer.key().subject_public_key_info())
    }

    /// Base64 of the raw public key that bundles are signed with.
    pub fn bundle_key(&self) -> String {
        BASE64.encode(self.bundle_key.public_key().as_ref())
    }

    /// Makes a bundle true.
    pub fn sign_bundle(&self, bundle: String) -> SignedBundle {
        let message = [SignedBundle::CONTEXT, bundle.as_bytes()].concat();
        SignedBundle { signature: BASE64.encode(self.bundle_key.sign(&message).as_ref()), bundle }
    }

    /// Makes the certificate of a computer.
    pub fn issue(
        &self,
        request: &CertificateRequest,
        tenant: Uuid,
        computer: Uuid,
        now: Timestamp,
    ) -> Result<Issued, AuthorityError> {
        let mut serial = secrets::random::<16>()?;
        // A serial number is positive, and its first byte not zero.
        serial[0] = (serial[0] & 0x7f) | 0x40;
        let uri = identity_uri(tenant, computer);
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, computer.to_string());
        params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let not_after = now.plus(COMPUTER_LIFE);
        set_life(&mut params, now, not_after);
        let key = SubjectPublicKeyInfo::from_der(&request.spki)?;
        let pem = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { serial: secrets::hex(&serial), not_after, pem })
    }
}

impl CertificateRequest {
    /// Reads a request and checks that it is signed by the P-256 key it asks for.
    pub fn from_pem(pem: &str) -> Result<Self, RequestError> {
        use x509_parser::certification_request::X509CertificationRequest;
        let der = rustls::pki_types::CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
            .map_err(|_e| RequestError::Form)?;
        let (rest, request) = X509CertificationRequest::from_der(&der).map_err(|_e| RequestError::Form)?;
        if !rest.is_empty() {
            return Err(RequestError::Form);
        }
        let spki = &request.certification_request_info.subject_pki;
        let curve = spki.algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok());
        if spki.algorithm.algorithm != x509_parser::oid_registry::OID_KEY_TYPE_EC_PUBLIC_KEY
            || curve.is_none_or(|oid| oid != x509_parser::oid_registry::OID_EC_P256)
        {
            return Err(RequestError::Key);
        }
        request.verify_signature().map_err(|_e| RequestError::Possession)?;
        Ok(Self { spki: spki.raw.to_vec() })
    }

    /// SHA-256 of the key's `SubjectPublicKeyInfo`.
    pub fn spki_hash(&self) -> String {
        secrets::hex(ring::digest::digest(&ring::digest::SHA256, &self.spki).as_ref())
    }
}

/// Who a client certificate says its holder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Tenant.
    pub tenant: Uuid,
    /// Computer.
    pub computer: Uuid,
    /// The certificate's serial number in hexadecimal digits.
    pub serial: String,
}

impl PeerIdentity {
    /// Reads a certificate that our authority has signed.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate).ok()?;
        let names = parsed.subject_alternative_name().ok()??;
        let uri = names.value.general_names.iter().find_map(|name| match name {
            x509_parser::extensions::GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })?;
        let (tenant, computer) = uri.strip_prefix("urn:sakimori:")?.split_once(':')?;
        Some(Self {
            tenant: tenant.parse().ok()?,
            computer: computer.parse().ok()?,
            serial: secrets::hex(parsed.raw_serial()),
        })
    }
}

fn identity_uri(tenant: Uuid, computer: Uuid) -> String {
    format!("urn:sakimori:{tenant}:{computer}")
}

fn pin(spki: &[u8]) -> String {
    format!("sha256//{}", BASE64.encode(ring::digest::digest(&ring::digest::SHA256, spki)))
}

fn set_life(params: &mut CertificateParams, now: Timestamp, not_after: Timestamp) {
    let backdated = i64::try_from(BACKDATE.as_micros()).unwrap_or_default();
    params.not_before = clock::date_time(Timestamp(now.0 - backdated));
    params.not_after = clock::date_time(not_after);
}

fn ca_params(now: Timestamp) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    // Named by chance, so that two managers' authorities are never taken for one another.
    let name = format!("Sakimori authority {}", secrets::hex(&secrets::random::<4>()?));
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_life(&mut params, now, now.plus(CA_LIFE));
    Ok(params)
}

fn tls_params(hosts: &[String], now: Timestamp) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::new(hosts)?;
    let name = hosts.first().cloned().unwrap_or_default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_life(&mut params, now, now.plus(TLS_LIFE));
    Ok(params)
}

/// Whether a certificate names exactly these hosts and is not near its end.
fn tls_is_good(pem: &str, hosts: &[String], now: Timestamp) -> bool {
    let Some(der) = der(pem) else { return false };
    let Ok((_, parsed)) = x509_parser::certificate::X509Certificate::from_der(&der) else { return false };
    let Ok(Some(names)) = parsed.subject_alternative_name() else { return false };
    let mut named: Vec<String> = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            x509_parser::extensions::GeneralName::DNSName(name) => Some((*name).to_owned()),
            x509_parser::extensions::GeneralName::IPAddress(bytes) => ip(bytes).map(|ip| ip.to_string()),
            _ => None,
        })
        .collect();
    let mut wanted: Vec<String> = hosts.to_vec();
    named.sort();
    wanted.sort();
    let ends = parsed.validity().not_after.timestamp();
    named == wanted && ends > now.plus(TLS_RENEW_BEFORE).0.div_euclid(1_000_000)
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_e| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

fn der(pem: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok()
}

fn key_pair(path: &Path) -> Result<KeyPair, AuthorityError> {
    if let Some(pem) = read(path)? {
        return KeyPair::from_pem(&pem).map_err(|_e| AuthorityError::Damaged(path.to_owned()));
    }
    let pair = KeyPair::generate()?;
    write(path, pair.serialize_pem().as_bytes(), 0o600)?;
    Ok(pair)
}

fn bundle_key(path: &Path) -> Result<Ed25519KeyPair, AuthorityError> {
    let damaged = || AuthorityError::Damaged(path.to_owned());
    let pem = if let Some(pem) = read(path)? {
        pem
    } else {
        let pem = KeyPair::generate_for(&rcgen::PKCS_ED25519)?.serialize_pem();
        write(path, pem.as_bytes(), 0o600)?;
        pem
    };
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_e| damaged())?;
    Ed25519KeyPair::from_pkcs8(key.secret_der()).map_err(|_e| damaged())
}

/// Reads a small file; nothing where there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>, AuthorityError> {
    let failed = |e| AuthorityError::File(path.to_owned(), e);
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut text = String::new();
    file.take(FILE_BYTES).read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text))
}

/// Writes a file whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), AuthorityError> {
    let failed = |e| AuthorityError::File(path.to_owned(), e);
    let temporary = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&temporary)
        .map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&temporary, path).map_err(failed)?;
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}
