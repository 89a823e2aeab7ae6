//! The firewall: rules → checks → a plan that something else carries out.
//!
//! [`compile`] checks a [`Policy`] and turns it into a [`Plan`]: chains, conditions, named counters, as data. The
//! kernel layer puts a plan into the kernel; [`Plan::judge`] says what it does to one packet. Both read the same
//! data, so a question "what happens to this packet, and why" is answered by what is enforced.
//!
//! # Semantics
//! - Rules are asked in a fixed order: higher [`Rule::priority`] first, inside a priority Bypass, Log Only, Force Allow,
//!   Deny, Allow, then by name. The first rule that matches decides; Log Only only reports.
//! - What no rule decides gets [`Policy::default_inbound`] or [`Policy::default_outbound`]; [`Fallback::Auto`] denies it
//!   where an Allow rule of that direction is on ([`Policy::closes`]).
//! - Always let through, before any rule: packets of established connections and what is related to them, loopback,
//!   neighbour discovery and multicast membership of IPv6, the DHCP client, DNS queries, and connections to
//!   [`Policy::always`] (the manager). So a rule that is put in force now does not end a connection that stands: a
//!   wrong rule does not cut the operator off who wrote it.
//! - Bypass is about each packet for itself, one way: it is asked about packets of established connections and of
//!   loopback too, and what matches is looked at by nothing else of the product. Replies need a rule of their own.
//! - A module in Detect decides as one in Prevent would, counts and samples, and changes nothing: nothing is dropped, and
//!   what Bypass names is inspected. A rule that is itself in Detect counts and samples, and the next rules are asked as
//!   if it were not there.
//! - A rule with MAC addresses looks at the Ethernet frame that brought an incoming packet: the card of who sent it, or
//!   of the last router. What came by another kind of link has none and is not matched, also not by "none of these".
//! - Rules for ARP are asked about ARP messages and no others about them. Without an Allow rule for ARP all others pass:
//!   what is said of IP does not cut off who answers for an address. Addresses are those that a message says of its sender
//!   and its target.
//! - Rules for frames by number are asked about Ethernet frames that are neither IP nor ARP, at the interfaces where they come
//!   in or leave. Without an Allow rule for such frames all others pass, and with one what carries other frames or keeps a
//!   link up still does.
//! - A rule with interfaces looks at the one that an incoming packet came in by, and an outgoing one leaves by.
//! - Forwarded packets: what goes to an interface of a container or virtual machine (a bridge or a veth) is incoming,
//!   what comes from one is outgoing, between two of them it is both. Traffic that the host only routes is left alone.
//! - Stateful checks ([`Stateful`]) come behind the rules: what these let pass may still be dropped for its state or for too
//!   many connections. What Bypass names is not asked about. Fragments are looked at before any rule.
#![forbid(unsafe_code)]

mod address;
mod area;
mod check;
mod explain;
mod judge;
mod lint;
mod plan;
mod ranges;
mod rule;
pub mod scan;
mod stateful;

pub use address::{InterfaceName, Mac, Network, ParseInterfaceError, ParseNetworkError};
pub use check::{Compiled, compile};
pub use explain::{Answer, Asked, Decider, Explained};
pub use judge::{Judged, Link, Packet};
pub use lint::{Finding, Looking, lint};
pub use plan::{
    AddressRanges, Chain, ChainName, Condition, Counter, DEFAULT_ARP, DEFAULT_FRAMES, DEFAULT_INBOUND,
    DEFAULT_OUTBOUND, FORWARD_OUT, Frames, Hook, IP_AND_ARP, Interface, Outcome, PREFIX, Plan, Side, Step,
    Then,
};
pub use rule::{
    Action, Among, Direction, Endpoint, Fallback, Frame, IcmpType, Policy, Protocol, Rule, TcpFlags,
};
pub use stateful::{Check, Crowd, Effect, Fragment, Fragments, Needs, Stateful, Timeout, Timeouts, Watch};
