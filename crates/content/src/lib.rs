//! Content packs: metadata, signing, loading.
#![forbid(unsafe_code)]
