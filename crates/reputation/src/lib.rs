//! Web reputation: what is known of a domain or URL.
//!
//! [`Url`] brings what a client asked for into one canonical form, so that the same place written in another way is
//! the same place. [`Lists`] says of it: on an allow list, on a block list (which, of what category, how bad), or
//! unknown. Allow wins over block.
//!
//! # Shape
//! A list is text, one entry a line; `#` begins a comment:
//! ```text
//! @category malware
//! @severity high
//! bad.example                      the domain and everything below it
//! worse.example phishing critical  with a category and a severity of its own
//! mixed.example/some/path          the path and everything below it, on this host alone
//! mixed.example/page?id=7          exactly this
//! ```
//!
//! # Bounds
//! 10 bytes an entry and half a megabyte: an entry is a keyed 64-bit hash (`SipHash`, so that nobody can make a name
//! that collides with an allowed one) and the number of its class. A lookup is one hash for each label of the name
//! and each segment of the path, at most 33 of each.
#![forbid(unsafe_code)]

mod list;
mod table;
mod url;

pub use list::{Builder, Found, Lists, Verdict};
pub use url::{Host, Url};
