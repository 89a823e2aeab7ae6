//! What one computer has to enforce.
use crate::Hash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What one computer has to enforce: small, with the big parts as blobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    /// Version of this format; an agent refuses one that it does not know.
    pub format: u32,
    /// The computer's tenant.
    pub tenant: Uuid,
    /// The policy it was resolved from.
    pub policy: Uuid,
    /// The policy's name, for people.
    pub policy_name: String,
    /// Milliseconds since 1970, when it was compiled. An agent never goes back to an older bundle by itself.
    pub compiled_at: i64,
    /// Each module by its registered name. One that is not named is off.
    pub modules: BTreeMap<String, ModulePart>,
}

impl Bundle {
    /// The format that this version writes.
    pub const FORMAT: u32 = 2;
}

/// One module as one computer has to enforce it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModulePart {
    /// The module's settings document (`sakimori-modules`), resolved: every property is there.
    pub settings: Value,
    /// The content that the module works with: rule files as written in their language, lists.
    pub content: Vec<BlobRef>,
}

/// A named part that is fetched by its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobRef {
    /// File name, for diagnostics.
    pub name: String,
    /// The content's hash.
    pub hash: Hash,
    /// The content's length in bytes.
    pub size: u64,
}

/// A bundle as it travels: the exact bytes that were signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedBundle {
    /// JSON of a [`Bundle`]; its SHA-256 is the bundle's name.
    pub bundle: String,
    /// Base64 of the Ed25519 signature over [`SignedBundle::CONTEXT`] followed by the bytes of `bundle`.
    pub signature: String,
}

impl SignedBundle {
    /// Put before the signed bytes, so that a signature made for something else never counts here.
    pub const CONTEXT: &'static [u8] = b"sakimori bundle v1\0";

    /// Whether the holder of this key has signed it. `key` is Base64 of the raw Ed25519 public key.
    pub fn is_signed_by(&self, key: &str) -> bool {
        let (Ok(key), Ok(signature)) = (BASE64.decode(key), BASE64.decode(&self.signature)) else {
            return false;
        };
        let message = [Self::CONTEXT, self.bundle.as_bytes()].concat();
        UnparsedPublicKey::new(&ED25519, key).verify(&message, &signature).is_ok()
    }
}
