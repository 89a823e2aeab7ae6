//! The store by itself: its schema, its filters, its backups, and what it keeps when the database goes away.
#![expect(clippy::disallowed_methods, reason = "tests read their own files")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do: by a panic that says where"
)]

mod backup;
mod day_files;
mod filters;
mod idempotency;
mod outage;
mod schema;
