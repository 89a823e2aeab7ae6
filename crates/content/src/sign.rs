//! Ed25519 signatures with a context: what was signed as one thing is never accepted as another.
//!
//! What is signed is `"sakimori signature 1"`, the context's length and text, and the bytes. A
//! bundle's signature is no pack's signature, even where the bytes are the same.
//!
//! # Source
//! RFC 8032; the prefix follows the idea of its §8.3 for plain Ed25519.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::fmt;

/// Context of content packs.
pub const PACK: &str = "content-pack";
/// Context of an agent's settings and rules.
pub const BUNDLE: &str = "bundle";
/// Context of agent packages.
pub const PACKAGE: &str = "package";

const PREFIX: &[u8] = b"sakimori signature 1";

/// A private key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    document: Vec<u8>,
}

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerifyingKey([u8; 32]);

/// Why a key or a signature was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// No randomness, or no memory.
    #[error("the key could not be made")]
    Generate,
    /// Not a PKCS #8 document of an Ed25519 key in base64.
    #[error("the private key is not an Ed25519 key in PKCS #8, base64")]
    PrivateKey,
    /// Not 32 bytes in base64.
    #[error("the public key is not an Ed25519 key: 32 bytes in base64")]
    PublicKey,
    /// The signature does not belong to these bytes, this context and this key.
    #[error("the signature does not match")]
    Signature,
}

// === impl SigningKey ===

impl SigningKey {
    /// Makes a new key from the system's randomness.
    pub fn generate() -> Result<Self, SignError> {
        let document =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_e| SignError::Generate)?;
        Self::from_document(document.as_ref().to_vec())
    }

    /// Reads the text of [`SigningKey::to_base64`].
    pub fn from_base64(text: &str) -> Result<Self, SignError> {
        Self::from_document(STANDARD.decode(text.trim_ascii()).map_err(|_e| SignError::PrivateKey)?)
    }

    fn from_document(document: Vec<u8>) -> Result<Self, SignError> {
        let pair = Ed25519KeyPair::from_pkcs8(&document).map_err(|_e| SignError::PrivateKey)?;
        Ok(Self { pair, document })
    }

    /// The private key in PKCS #8 and base64. Keep it where only its owner reads.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.document)
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(self.pair.public_key().as_ref()) {
            *to = *from;
        }
        VerifyingKey(key)
    }

    /// Signs bytes for a context: 64 bytes in base64.
    pub fn sign(&self, context: &str, bytes: &[u8]) -> String {
        STANDARD.encode(self.pair.sign(&message(context, bytes)))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.verifying_key()).finish_non_exhaustive()
    }
}

// === impl VerifyingKey ===

impl VerifyingKey {
    /// Reads the text of [`VerifyingKey::to_base64`].
    pub fn from_base64(text: &str) -> Result<Self, SignError> {
        let bytes = STANDARD.decode(text.trim_ascii()).map_err(|_e| SignError::PublicKey)?;
        bytes.try_into().map(Self).map_err(|_e| SignError::PublicKey)
    }

    /// The key's 32 bytes in base64.
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }

    /// Checks a signature.
    pub fn verify(self, context: &str, bytes: &[u8], signature: &str) -> Result<(), SignError> {
        let signature = STANDARD.decode(signature.trim_ascii()).map_err(|_e| SignError::Signature)?;
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(&message(context, bytes), &signature)
            .map_err(|_e| SignError::Signature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

fn message(context: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PREFIX.len() + 8 + context.len() + bytes.len());
    out.extend_from_slice(PREFIX);
    out.extend_from_slice(&(context.len() as u64).to_be_bytes());
    out.extend_from_slice(context.as_bytes());
    out.extend_from_slice(bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_one_key_one_context_and_one_text() {
        let key = SigningKey::generate().unwrap();
        let public = VerifyingKey::from_base64(&key.verifying_key().to_base64()).unwrap();
        let signature = key.sign(PACK, b"rules");
        assert_eq!(public.verify(PACK, b"rules", &signature), Ok(()));
        assert_eq!(public.verify(BUNDLE, b"rules", &signature), Err(SignError::Signature));
        assert_eq!(public.verify(PACK, b"rules.", &signature), Err(SignError::Signature));
        assert_eq!(public.verify(PACK, b"rules", "AAAA"), Err(SignError::Signature));
        assert_eq!(public.verify(PACK, b"rules", "not base64"), Err(SignError::Signature));
        let other = SigningKey::generate().unwrap().verifying_key();
        assert_eq!(other.verify(PACK, b"rules", &signature), Err(SignError::Signature));
        // the border between context and bytes counts
        assert_eq!(public.verify("content-packr", b"ules", &signature), Err(SignError::Signature));
    }

    #[test]
    fn keys_survive_their_text() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::from_base64(&format!("{}\n", key.to_base64())).unwrap();
        assert_eq!(again.verifying_key(), key.verifying_key());
        assert_eq!(SigningKey::from_base64("AAAA").err(), Some(SignError::PrivateKey));
        assert_eq!(VerifyingKey::from_base64("AAAA").err(), Some(SignError::PublicKey));
        assert!(!format!("{key:?}").contains(&key.to_base64()));
    }
}
