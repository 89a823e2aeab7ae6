//! A pack in one text, signed.
//!
//! JSON of two fields: the pack's own JSON as a string, which is what was signed byte for byte,
//! and the signature. The same pack always gives the same text.
use crate::sign::{PACK, SignError, SigningKey, VerifyingKey};
use crate::{Info, Pack};
use serde::{Deserialize, Serialize};

/// Largest signed pack, in bytes.
pub const ARCHIVE_BYTES: usize = 64 << 20;

/// A pack in one text with its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedPack {
    pack: String,
    signature: String,
}

/// Why a signed pack was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a signed pack at all.
    #[error("this is not a signed content pack")]
    Form(#[source] serde_json::Error),
    /// Larger than a pack may be.
    #[error("the content pack is larger than {ARCHIVE_BYTES} bytes")]
    TooLarge,
    /// Not signed by the expected key.
    #[error("the content pack is not signed by the key that is trusted for content")]
    Signature(#[source] SignError),
    /// Another pack than the one to be replaced.
    #[error("this is the pack {found}, expected {expected}")]
    Name {
        /// Its name.
        found: String,
        /// The name of the pack in force.
        expected: String,
    },
    /// An older version than the one in force.
    #[error("version {found} is older than version {current}, which is in force")]
    Older {
        /// Its version.
        found: u64,
        /// The version in force.
        current: u64,
    },
}

impl SignedPack {
    /// Signs a pack.
    pub fn seal(pack: &Pack, key: &SigningKey) -> Result<Self, serde_json::Error> {
        let text = serde_json::to_string(pack)?;
        let signature = key.sign(PACK, text.as_bytes());
        Ok(Self { pack: text, signature })
    }

    /// The text to be stored or sent.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Checks and opens a text. `current` is the pack in force, which must not be replaced by another or an older one.
    pub fn open(text: &[u8], key: VerifyingKey, current: Option<&Info>) -> Result<Pack, OpenError> {
        if text.len() > ARCHIVE_BYTES {
            return Err(OpenError::TooLarge);
        }
        let signed: Self = serde_json::from_slice(text).map_err(OpenError::Form)?;
        key.verify(PACK, signed.pack.as_bytes(), &signed.signature).map_err(OpenError::Signature)?;
        let pack: Pack = serde_json::from_str(&signed.pack).map_err(OpenError::Form)?;
        if let Some(current) = current {
            let found = pack.info();
            if found.name != current.name {
                return Err(OpenError::Name { found: found.name.clone(), expected: current.name.clone() });
            }
            if found.version < current.version {
                return Err(OpenError::Older { found: found.version, current: current.version });
            }
        }
        Ok(pack)
    }
}
