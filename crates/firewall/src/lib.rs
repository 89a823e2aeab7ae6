//! The firewall: rules → checks → a plan that something else carries out.
//!
//! [`compile`] checks a [`Policy`] and turns it into a [`Plan`]: chains, conditions, named counters, as data. The
//! kernel layer puts a plan into the kernel; [`Plan::judge`] says what it does to one packet. Both read the same
//! data, so a question "what happens to this packet, and why" is answered by what is enforced.
//!
//! # Semantics
//! - Rules are asked in a fixed order: higher [`Rule::priority`] first, inside a priority Deny before Allow, then by
//!   name. The first rule that matches decides.
//! - What no rule decides gets [`Policy::default_inbound`] or [`Policy::default_outbound`].
//! - Always let through, before any rule: packets of established connections and what is related to them, loopback,
//!   neighbour discovery and multicast membership of IPv6, the DHCP client, DNS queries, and connections to
//!   [`Policy::always`] (the manager). So a rule that is put in force now does not end a connection that stands: a
//!   wrong rule does not cut the operator off who wrote it.
//! - A module in Detect decides as one in Prevent would, counts and samples, and drops nothing. A rule that is itself
//!   in Detect counts and samples, and the next rules are asked as if it were not there.
//! - A rule with MAC addresses looks at the Ethernet frame that brought an incoming packet: the card of who sent it, or
//!   of the last router. What came by another kind of link has none and is not matched.
//! - Forwarded packets: what goes to an interface of a container or virtual machine (a bridge or a veth) is incoming,
//!   what comes from one is outgoing, between two of them it is both. Traffic that the host only routes is left alone.
#![forbid(unsafe_code)]

mod check;
mod judge;
mod plan;
mod rule;

pub use check::{Compiled, compile};
pub use judge::{Judged, Packet};
pub use plan::{
    AddressRanges, Chain, Condition, Counter, DEFAULT_INBOUND, DEFAULT_OUTBOUND, Hook, Interface, Outcome,
    PREFIX, Plan, Side, Step, Then,
};
pub use rule::{Action, Direction, Endpoint, Mac, Network, ParseNetworkError, Policy, Protocol, Rule};
