//! The rules that came with the product.
use sakimori_api::Rule;
use sakimori_protocol::{BlobRef, Hash};

/// The content pack of this manager.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Rule files by name.
    pub files: Vec<ContentFile>,
    /// Their rules, by sid.
    pub rules: Vec<Rule>,
}

/// A rule file.
#[derive(Clone, Debug)]
pub struct ContentFile {
    /// Name, content address and length.
    pub blob: BlobRef,
    /// Its text.
    pub text: Vec<u8>,
}

impl ContentFile {
    /// A file with its content address.
    pub fn new(name: &str, text: Vec<u8>) -> Self {
        let size = u64::try_from(text.len()).unwrap_or(u64::MAX);
        Self { blob: BlobRef { name: name.to_owned(), hash: Hash::of(&text), size }, text }
    }
}

impl Content {
    /// The content that came with the product.
    pub fn of_product() -> Result<Self, String> {
        Ok(Self::default())
    }
}
