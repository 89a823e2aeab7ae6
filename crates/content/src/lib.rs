//! Content packs: what they hold, how they are signed, how they are carried.
//!
//! A [`Pack`] is a folder: `pack.toml` says what it is, `rules/*.rules` are rules as they are
//! loaded, `metadata.toml` says of each sid what it protects. Beside them, `cases/<sid>/` holds
//! requests that must be stopped and requests that must pass ([`cases`]), which are tests and not
//! part of what is delivered. A [`SignedPack`] is a pack in one text with an Ed25519 signature.
//! [`sign`] is used for everything else that is signed as well, each with a context of its own.
#![forbid(unsafe_code)]

mod archive;
pub mod cases;
mod pack;
pub mod package;
pub mod sign;

pub use archive::{ARCHIVE_BYTES, OpenError, SignedPack};
pub use pack::{Affects, Info, LoadError, Metadata, Pack, RuleFile, Score, Text, embedded_files};
pub use sign::{SigningKey, VerifyingKey};
