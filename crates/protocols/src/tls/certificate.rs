//! What a certificate says of itself.
use sha1::Digest as _;
use std::fmt::Write as _;
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

/// Names that are kept of one certificate.
const MOST_NAMES: usize = 256;

/// The leaf of a chain, as text where it has any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// `C=US, O=Example, CN=example.org`
    pub subject: Option<String>,
    /// The same of who has signed it.
    pub issuer: Option<String>,
    /// `5C:19:B7`
    pub serial: Option<String>,
    /// SHA-1 of the whole, as hex with colons.
    pub fingerprint: String,
    /// First and last second at which it is valid, since 1970.
    pub validity: Option<(i64, i64)>,
    /// Alternative names.
    pub names: Vec<String>,
    /// Whether it is no certificate.
    pub is_malformed: bool,
}

impl Certificate {
    /// Reads one.
    pub fn read(der: &[u8]) -> Self {
        let mut out = Self { fingerprint: hex(&sha1::Sha1::digest(der), false), ..Self::default() };
        let Ok((_, read)) = X509Certificate::from_der(der) else {
            out.is_malformed = true;
            return out;
        };
        out.subject = Some(read.subject().to_string());
        out.issuer = Some(read.issuer().to_string());
        out.serial = Some(hex(read.raw_serial(), true));
        let validity = read.validity();
        out.validity = Some((validity.not_before.timestamp(), validity.not_after.timestamp()));
        for extension in read.extensions() {
            let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else {
                continue;
            };
            let room = MOST_NAMES - out.names.len();
            out.names.extend(names.general_names.iter().filter_map(name).take(room));
        }
        out
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    Some(match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            (*text).to_owned()
        }
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => std::net::Ipv4Addr::from(<[u8; 4]>::try_from(*bytes).ok()?).to_string(),
            16 => std::net::Ipv6Addr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string(),
            _ => return None,
        },
        _ => return None,
    })
}

fn hex(bytes: &[u8], upper: bool) -> String {
    let mut out = String::with_capacity(bytes.len() * 3);
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 {
            out.push(':');
        }
        // writing to a string cannot fail
        let _written = if upper { write!(out, "{byte:02X}") } else { write!(out, "{byte:02x}") };
    }
    out
}
