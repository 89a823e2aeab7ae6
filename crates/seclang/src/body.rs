//! Body processors: bytes of a body → values that rules look at. One file each; each has bounds of its own.

pub mod json;
pub mod multipart;
pub mod urlencoded;
pub mod xml;

/// Bounds that hold for every body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Arguments that are kept; what is beyond is an error of the body.
    pub arguments: usize,
    /// Depth of documents.
    pub depth: usize,
}

impl Default for Bounds {
    /// A thousand arguments are more than frameworks take (PHP: 1,000), documents are hardly ever deeper than 20.
    fn default() -> Self {
        Self { arguments: 1000, depth: 512 }
    }
}
