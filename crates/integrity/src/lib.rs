//! Integrity monitoring: which files are watched, what they were like, and what has changed.
//!
//! A [`FileSet`] names a folder, patterns and attributes; [`compile`] checks all sets and gives
//! [`CompiledSet`]s. A [`Baseline`] keeps what each entity of a set was like. A walker hands in entities
//! (attributes and digest, never content), and [`Baseline::found`], [`Baseline::missing`] and
//! [`Baseline::finish`] answer with [`Change`]s, each with the values before and after. What a change
//! reports becomes the new baseline, so that it is reported once.
//!
//! Pure: no file system, no clock, no hashing. Paths are bytes, because that is what the kernel has; names
//! that an attacker chose are made printable by [`printable()`] and never before.
//!
//! # Example
//! ```
//! use sakimori_integrity::{Baseline, ChangeKind, Entity, FileSet, Kind, compile};
//!
//! let set = FileSet { name: "accounts".into(), base: "/etc".into(), include: vec!["passwd".into()], ..FileSet::default() };
//! let compiled = compile(&[set]);
//! let watched = &compiled.sets[0];
//! let mut baseline = Baseline::default();
//! let scan = baseline.begin();
//! let before = Entity { kind: Kind::File, size: 10, ..Entity::default() };
//! baseline.found(watched, scan, b"passwd", before.clone(), 1000);
//! assert!(baseline.finish(watched, scan, &[]).is_empty());
//!
//! let after = Entity { size: 11, ..before };
//! let scan = baseline.begin();
//! let change = baseline.found(watched, scan, b"passwd", after, 1000).change().unwrap();
//! assert_eq!(change.kind, ChangeKind::Changed);
//! assert_eq!(change.attributes[0].before.as_deref(), Some("10"));
//! ```
#![forbid(unsafe_code)]

pub mod attribute;
pub mod baseline;
pub mod entity;
pub mod glob;
pub mod printable;
pub mod set;
pub mod snapshot;

pub use attribute::{Attribute, Attributes};
pub use baseline::{AttributeChange, Baseline, Change, ChangeKind, Found, ScanId};
pub use entity::{Entity, Kind};
pub use printable::printable;
pub use set::{Compiled, CompiledSet, FileSet, compile};
pub use snapshot::{KeptSet, SnapshotError};
