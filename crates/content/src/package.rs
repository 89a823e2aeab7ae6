//! What makes an agent package true: a small statement of what it is, signed by its maker.
//!
//! The statement names the package, its version, its architecture, its length and its SHA-256, so it can be judged before
//! a byte of the package is fetched, and the package is checked as it streams. Beside `NAME.deb` lies `NAME.deb.sig`: the
//! statement as one line of JSON, and the signature over exactly these bytes on the next.
use crate::sign::{self, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Name of the agent's package.
pub const AGENT: &str = "sakimori-agent";
/// Bound of a signature file, in bytes: a statement is about 220.
pub const SIGNATURE_FILE_BYTES: usize = 4096;
/// Bound of a package, in bytes.
pub const PACKAGE_BYTES: u64 = 256 << 20;
/// Bound of a file of keys, in bytes.
pub const KEY_FILE_BYTES: u64 = 64 << 10;

/// What a package is, as its maker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Its name: `sakimori-agent`.
    pub package: String,
    /// Its version, as Debian orders them.
    pub version: String,
    /// Debian's word for the architecture: `amd64`.
    pub architecture: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// A statement with its signature: the bytes that were signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedStatement {
    /// JSON of a [`Statement`], without a line feed.
    pub statement: String,
    /// Base64 of the Ed25519 signature over it, in the context [`sign::PACKAGE`].
    pub signature: String,
}

/// Why a package is not true.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrue {
    /// The signature file is not one.
    #[error("the signature file has not two lines, a statement and its signature")]
    Form,
    /// No key is trusted.
    #[error("no key for packages is trusted here: put the signer's public key into a file of package keys")]
    NoKey,
    /// Not signed by a trusted key, or changed afterwards.
    #[error(
        "the signature is of none of the trusted package keys, or the statement was changed after it was signed"
    )]
    Signature,
    /// The statement cannot be read.
    #[error("the signed statement cannot be read: {0}")]
    Statement(String),
    /// It says something out of bounds.
    #[error("the signed statement is not usable: {0}")]
    Bounds(&'static str),
}

// === impl Statement ===

impl Statement {
    /// The file name of the package.
    pub fn file_name(&self) -> String {
        format!("{}_{}_{}.deb", self.package, self.version, self.architecture)
    }

    fn check(&self) -> Result<(), Untrue> {
        let word = |text: &str, more: &[u8]| {
            !text.is_empty()
                && text.len() <= 64
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
        };
        if !word(&self.package, b"-") || self.package.starts_with('-') {
            return Err(Untrue::Bounds("the name has 1 to 64 letters, digits and -"));
        }
        if !word(&self.version, b".+~-") || !self.version.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Untrue::Bounds(
                "the version begins with a digit and has at most 64 of A-Z a-z 0-9 . + ~ -",
            ));
        }
        if !word(&self.architecture, b"-") {
            return Err(Untrue::Bounds("the architecture has 1 to 64 letters, digits and -"));
        }
        if self.size == 0 || self.size > PACKAGE_BYTES {
            return Err(Untrue::Bounds("a package has 1 byte to 256 MiB"));
        }
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if self.sha256.len() != 64 || !self.sha256.bytes().all(digit) {
            return Err(Untrue::Bounds("the SHA-256 has 64 lower-case hexadecimal digits"));
        }
        Ok(())
    }
}

// === impl SignedStatement ===

impl SignedStatement {
    /// Signs a statement.
    ///
    /// # Errors
    /// Where the statement breaks its bounds.
    pub fn sign(statement: &Statement, key: &SigningKey) -> Result<Self, Untrue> {
        statement.check()?;
        let statement =
            serde_json::to_string(statement).map_err(|error| Untrue::Statement(error.to_string()))?;
        let signature = key.sign(sign::PACKAGE, statement.as_bytes());
        Ok(Self { statement, signature })
    }

    /// The text of the signature file.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n", self.statement, self.signature)
    }

    /// Reads the text of a signature file; nothing is verified yet.
    ///
    /// # Errors
    /// Where it has not the form.
    pub fn parse(text: &str) -> Result<Self, Untrue> {
        let mut lines = text.lines();
        let is_line = |line: &str| !line.is_empty() && !line.contains(char::is_control);
        match (lines.next(), lines.next(), lines.next()) {
            (Some(statement), Some(signature), None)
                if text.len() <= SIGNATURE_FILE_BYTES && is_line(statement) && is_line(signature) =>
            {
                Ok(Self { statement: statement.to_owned(), signature: signature.to_owned() })
            }
            _ => Err(Untrue::Form),
        }
    }

    /// The statement, if one of the keys has signed it.
    ///
    /// # Errors
    /// Where no key has, or the statement breaks its bounds.
    pub fn verify(&self, keys: &[VerifyingKey]) -> Result<Statement, Untrue> {
        if keys.is_empty() {
            return Err(Untrue::NoKey);
        }
        if self.statement.len() > SIGNATURE_FILE_BYTES {
            return Err(Untrue::Form);
        }
        let bytes = self.statement.as_bytes();
        if !keys.iter().any(|key| key.verify(sign::PACKAGE, bytes, &self.signature).is_ok()) {
            return Err(Untrue::Signature);
        }
        let statement: Statement =
            serde_json::from_str(&self.statement).map_err(|error| Untrue::Statement(error.to_string()))?;
        statement.check()?;
        Ok(statement)
    }
}

/// Reads a text of keys: one in base64 a line; empty lines and what follows a `#` do not count.
///
/// # Errors
/// The first line that is no key, with its number.
pub fn keys(text: &str) -> Result<Vec<VerifyingKey>, String> {
    let mut keys = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        keys.push(VerifyingKey::from_base64(line).map_err(|error| format!("line {}: {error}", number + 1))?);
    }
    Ok(keys)
}

/// The keys in these files; one that is not there has none. What is wrong with a file is said and its keys do not count.
pub fn keys_in<P: AsRef<Path>>(files: &[P]) -> (Vec<VerifyingKey>, Vec<String>) {
    use std::io::Read as _;
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for path in files {
        let path = path.as_ref();
        let mut text = String::new();
        let read =
            std::fs::File::open(path).and_then(|file| file.take(KEY_FILE_BYTES).read_to_string(&mut text));
        match read.map(|_length| keys(&text)) {
            Ok(Ok(found)) => all.extend(found),
            Ok(Err(error)) => wrong.push(format!("{}: {error}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => wrong.push(format!("{}: {error}", path.display())),
        }
    }
    (all, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> Statement {
        Statement {
            package: AGENT.to_owned(),
            version: "0.2.0-1".to_owned(),
            architecture: "amd64".to_owned(),
            size: 7,
            sha256: "ab".repeat(32),
        }
    }

    #[test]
    fn what_was_signed_is_what_is_read() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let signed = SignedStatement::sign(&statement(), &key).unwrap();
        let read = SignedStatement::parse(&signed.to_text()).unwrap();
        assert_eq!(read.verify(&[other.verifying_key(), key.verifying_key()]), Ok(statement()));
        assert_eq!(read.verify(&[other.verifying_key()]), Err(Untrue::Signature));
        assert_eq!(read.verify(&[]), Err(Untrue::NoKey));
        let changed =
            SignedStatement { statement: read.statement.replace("0.2.0-1", "0.2.0-2"), ..read.clone() };
        assert_eq!(changed.verify(&[key.verifying_key()]), Err(Untrue::Signature));
        assert_eq!(statement().file_name(), "sakimori-agent_0.2.0-1_amd64.deb");
    }

    #[test]
    fn a_statement_out_of_bounds_is_not_signed_and_not_taken() {
        let key = SigningKey::generate().unwrap();
        for wrong in [
            Statement { version: "../1".to_owned(), ..statement() },
            Statement { version: String::new(), ..statement() },
            Statement { architecture: "a b".to_owned(), ..statement() },
            Statement { size: PACKAGE_BYTES + 1, ..statement() },
            Statement { sha256: "AB".repeat(32), ..statement() },
            Statement { package: "/etc".to_owned(), ..statement() },
        ] {
            assert!(matches!(SignedStatement::sign(&wrong, &key), Err(Untrue::Bounds(_))), "{wrong:?}");
            let text = serde_json::to_string(&wrong).unwrap();
            let signature = key.sign(sign::PACKAGE, text.as_bytes());
            let signed = SignedStatement { statement: text, signature };
            assert!(matches!(signed.verify(&[key.verifying_key()]), Err(Untrue::Bounds(_))), "{wrong:?}");
        }
        for text in ["", "{}\n", "a\nb\nc\n", &"x".repeat(5_000)] {
            assert_eq!(SignedStatement::parse(text), Err(Untrue::Form));
        }
    }

    #[test]
    fn keys_stand_one_a_line() {
        let key = SigningKey::generate().unwrap().verifying_key();
        assert_eq!(keys(&format!("# ours\n\n{key} # 2026\n")).unwrap(), [key]);
        assert_eq!(
            keys("x").unwrap_err(),
            "line 1: the public key is not an Ed25519 key: 32 bytes in base64"
        );
        let dir = tempfile::tempdir().unwrap();
        let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
        std::fs::write(&good, key.to_base64()).unwrap();
        std::fs::write(&bad, "nonsense").unwrap();
        let (found, wrong) = keys_in(&[good, bad, dir.path().join("none")]);
        assert_eq!((found, wrong.len()), (vec![key], 1));
    }
}
