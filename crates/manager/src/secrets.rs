//! Secrets: made, hashed, compared.
//!
//! A secret that the manager made has 256 random bits, so its SHA-256 is enough; a password that
//! a person chose goes through Argon2id.
use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use subtle::ConstantTimeEq as _;

/// The operating system gave no random bytes, or hashing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// No random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
    /// Argon2 refused its parameters.
    #[error("the password could not be hashed")]
    Hash,
}

/// Random bytes.
pub fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_e| SecretError::Random)?;
    Ok(bytes)
}

/// A secret of 256 bits as text without `.`, `_` ambiguity: 64 hexadecimal digits.
pub fn new_secret() -> Result<String, SecretError> {
    Ok(hex(&random::<32>()?))
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String never fails.
        let _never = write!(text, "{byte:02x}");
        text
    })
}

/// How a secret made by the manager is stored: its SHA-256 in hexadecimal digits.
pub fn digest(secret: &str) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, secret.as_bytes()).as_ref())
}

/// SHA-256 over parts that cannot be mistaken for one another, in hexadecimal digits.
pub(crate) fn digest_of(parts: &[&[u8]]) -> String {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        digest.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    hex(digest.finish().as_ref())
}

/// Seals a text so that only who knows `secret`, of which the manager keeps a hash alone, can open it.
pub(crate) fn seal(secret: &str, salt: &str, text: &[u8]) -> Result<Vec<u8>, SecretError> {
    let nonce = random::<NONCE_LEN>()?;
    let mut sealed = text.to_vec();
    let key = sealing_key(secret, salt).ok_or(SecretError::Random)?;
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
        .map_err(|_e| SecretError::Random)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

/// Opens what was sealed with the same secret and salt.
pub(crate) fn open(secret: &str, salt: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut bytes = sealed.to_vec();
    let key = sealing_key(secret, salt)?;
    let text = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut bytes).ok()?;
    Some(text.to_vec())
}

fn sealing_key(secret: &str, salt: &str) -> Option<LessSafeKey> {
    let derived = Salt::new(HKDF_SHA256, salt.as_bytes()).extract(secret.as_bytes());
    let key = derived.expand(&[b"sakimori answer v1"], &CHACHA20_POLY1305).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

/// Compares in a time that does not tell where they differ.
pub fn equal(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// The CSRF token of a session: a function of its secret, so that nothing needs to be stored.
pub fn csrf_token(session: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, session.as_bytes());
    URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, b"sakimori csrf v1"))
}

/// A password for the first log-in: 20 characters that cannot be mistaken for one another, 98 bits.
pub fn new_password() -> Result<String, SecretError> {
    const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let mut password = String::new();
    while password.len() < 23 {
        for byte in random::<32>()? {
            // 248 is the largest multiple of 31: every character is equally likely.
            let Some(letter) = (byte < 248).then(|| ALPHABET.get(usize::from(byte) % 31)).flatten() else {
                continue;
            };
            if password.len() < 23 {
                if matches!(password.len(), 5 | 11 | 17) {
                    password.push('-');
                }
                password.push(char::from(*letter));
            }
        }
    }
    Ok(password)
}

/// Hashes a password. Takes about 20 ms and 19 MiB: call it from a blocking thread.
pub fn hash_password(password: &str) -> Result<String, SecretError> {
    let salt = SaltString::encode_b64(&random::<16>()?).map_err(|_e| SecretError::Hash)?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt).map_err(|_e| SecretError::Hash)?;
    Ok(hash.to_string())
}

/// Whether the password is the one that was hashed. Takes as long as [`hash_password`].
pub fn verify_password(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_verified_by_its_hash_only() {
        let password = new_password().unwrap();
        assert_eq!(password.len(), 23, "{password}");
        let hash = hash_password(&password).unwrap();
        assert!(verify_password(&password, &hash));
        assert!(!verify_password("another", &hash));
        assert!(!verify_password(&password, "not a hash"));
        assert_ne!(hash, hash_password(&password).unwrap(), "salted");
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_secret_alone() {
        let sealed = seal("secret", "key", b"answer").unwrap();
        assert_eq!(open("secret", "key", &sealed).unwrap(), b"answer");
        assert_ne!(sealed, seal("secret", "key", b"answer").unwrap());
        assert_eq!(open("another", "key", &sealed), None);
        assert_eq!(open("secret", "another", &sealed), None);
        assert_eq!(open("secret", "key", &sealed[..sealed.len() - 1]), None);
        assert_eq!(open("secret", "key", b"short"), None);
        assert_ne!(digest_of(&[b"a", b"b"]), digest_of(&[b"ab"]));
    }

    #[test]
    fn secrets_differ_and_compare() {
        let (a, b) = (new_secret().unwrap(), new_secret().unwrap());
        assert_eq!(a.len(), 64);
        assert!(equal(&a, &a.clone()) && !equal(&a, &b) && !equal(&a, ""));
        assert_ne!(csrf_token(&a), csrf_token(&b));
    }
}
