//! What agent and manager say to each other: the only crate that knows this wire.
//!
//! JSON over HTTPS, agent-initiated, on two listeners of the manager. *Public* (server-authenticated
//! TLS, so that ordinary proxies and caches work): [`paths::ENROLL`], [`paths::RENEW`], [`paths::BLOBS`].
//! *Gateway* (mutual TLS): [`paths::CHECK_IN`], [`paths::EVENTS`] and blobs again.
//!
//! Three nouns: a [`Bundle`] is what one computer has to enforce, named by the SHA-256 of its bytes and
//! made true by the manager's Ed25519 signature ([`SignedBundle`]); a *blob* is a part of it, named by its
//! hash; a [`CheckIn`] says what the agent enforces now and is held open until that should change.
#![forbid(unsafe_code)]

pub mod blob;
pub mod bundle;
pub mod check_in;
pub mod enrolment;
pub mod event;
pub mod inventory;
pub mod pace;
pub mod paths;
pub mod upgrade;

pub use blob::{Hash, ParseHashError};
pub use bundle::{BlobRef, Bundle, ModulePart, SignedBundle};
pub use check_in::{
    CheckIn, CheckInAnswer, Command, FullStatus, Leaving, ListeningPort, ModuleState, ModuleStatus,
    OrderDone, PortCoverage,
};
pub use enrolment::{Enrol, EnrolAnswer, Fingerprint, Refusal, RefusalCode, Renew, RenewAnswer};
pub use event::{Event, EventsAnswer};
pub use inventory::{Application, Cloud, Inventory, Package, Process};
pub use sakimori_modules::Mode;
pub use upgrade::{Packaging, SignedPackage, UpgradeReport, UpgradeStep};
