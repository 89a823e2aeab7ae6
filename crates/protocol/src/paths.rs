//! Where each message goes, and the bounds that both sides keep.

/// Public listener, POST [`crate::Enrol`] → [`crate::EnrolAnswer`].
pub const ENROLL: &str = "/agent/v1/enroll";
/// Public listener, POST [`crate::Renew`] → [`crate::RenewAnswer`].
pub const RENEW: &str = "/agent/v1/renew";
/// Both listeners, GET `/agent/v1/blobs/{sha256}` → the bytes of a blob or an agent package, immutable; of a package also
/// a part (`Range: bytes=N-`).
pub const BLOBS: &str = "/agent/v1/blobs";
/// Gateway, POST [`crate::CheckIn`] → [`crate::CheckInAnswer`], or 204 when the hold ended with nothing new.
pub const CHECK_IN: &str = "/agent/v1/check-in";
/// Gateway, POST: zstd-compressed newline-delimited JSON [`crate::Event`]s → [`crate::EventsAnswer`].
///
/// Headers: [`STREAM_EPOCH`], [`FIRST_SEQUENCE`]. 503 with `Retry-After` under pressure.
pub const EVENTS: &str = "/agent/v1/events";
/// Gateway, POST [`crate::Inventory`] → 204. Sent when asked for by [`crate::Command::SendInventory`].
pub const INVENTORY: &str = "/agent/v1/inventory";
/// Gateway, POST [`crate::OrderDone`] → 204.
pub const ORDERS: &str = "/agent/v1/orders";

/// Header of an event batch: the spool's epoch, a UUID made when the spool is created.
pub const STREAM_EPOCH: &str = "sakimori-stream-epoch";
/// Header of an event batch: sequence number of its first event; the others follow without gaps.
pub const FIRST_SEQUENCE: &str = "sakimori-first-sequence";

/// Bound of a batch as sent, in bytes.
pub const EVENT_BATCH_COMPRESSED_BYTES: usize = 1 << 20;
/// Bound of a batch unpacked, in bytes.
pub const EVENT_BATCH_BYTES: usize = 16 << 20;
/// Bound of any JSON message that a manager takes, in bytes.
pub const MESSAGE_BYTES: usize = 1 << 20;
/// Bound of what a manager answers an agent, in bytes: a bundle of 10,000 firewall rules is some megabytes.
pub const ANSWER_BYTES: usize = 16 << 20;
/// Bound of an inventory, in bytes.
pub const INVENTORY_BYTES: usize = crate::Inventory::BYTES;
/// Bound of a blob, in bytes: a full rule set of the field is 30 MB.
pub const BLOB_BYTES: usize = 64 << 20;
/// The longest a check-in is held, in seconds.
pub const HOLD_MAX_SECS: u64 = 300;
