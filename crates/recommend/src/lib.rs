//! Recommendation scan: which rules a computer needs, which it does not, and why.
//!
//! [`recommend`] takes an [`Inventory`] (what is installed), the rules' own words about what they protect
//! ([`RuleFacts`]) and which of them are assigned, and gives the rules to assign and to unassign, each with its
//! reasons as a code and arguments, which [`Reason::english`] and [`Reason::japanese`] put into words.
//!
//! Three answers are possible for a rule, and "don't know" is one of them: a rule without [`Affects`], or one whose
//! products the scan could not look for ([`Inventory::unseen`]), is left as it is. A rule is unassigned only where
//! everything it protects was looked for, and was either not there or in a version without the hole.
//!
//! # Backports
//! A distribution closes holes without changing the upstream version. A bound with a Debian revision
//! (`<4.3-9.2`) is the distribution's own and exact. A package compared with a bound without one (`<4.3`) is
//! recommended all the same, and [`Reason::maybe_backported`] says that it may be closed already.
//!
//! # Example
//! ```
//! use sakimori_recommend::{Affects, Inventory, Item, Product, RuleFacts, recommend};
//! use std::collections::BTreeSet;
//!
//! let inventory = Inventory {
//!     items: vec![Item {
//!         product: Product::application("wordpress"),
//!         version: "4.7.1".into(),
//!         place: "/var/www/html".into(),
//!     }],
//!     unseen: vec![],
//! };
//! let rule = RuleFacts {
//!     id: 7000001,
//!     cves: vec!["CVE-2017-1001000".into()],
//!     affects: vec![Affects::parse(Product::application("wordpress"), ">=4.7.0, <4.7.2").unwrap()],
//! };
//! let advice = recommend(&inventory, &[rule], &BTreeSet::new());
//! assert_eq!(advice.assign[0].rule, 7000001);
//! assert_eq!(
//!     advice.assign[0].reasons[0].english(),
//!     "wordpress 4.7.1 in /var/www/html has the hole CVE-2017-1001000 (affected: >=4.7.0, <4.7.2)"
//! );
//! ```
#![forbid(unsafe_code)]

mod advice;
pub mod product;
pub mod version;

pub use advice::{Advice, Inventory, Item, Reason, ReasonCode, Recommendation, RuleFacts, recommend};
pub use product::{Affects, Product, ProductKind};
pub use version::{Ranges, RangesError};
