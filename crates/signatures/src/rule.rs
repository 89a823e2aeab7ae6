//! What a loaded rule says about itself.
use crate::buffer::Place;
pub use crate::condition::Track;
use crate::event::EventName;
use crate::fact::Fact;
use crate::protocol::Protocol;
use crate::{Buffer, Directions};
use sakimori_model::{Severity, Sid};
use std::time::Duration;

/// What a rule's author wanted to happen. Whether it does is the policy's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Nothing else: matches of later rules are not reported for this transaction.
    Pass,
    /// Drop, and reset both sides.
    Reject,
    /// Drop.
    Drop,
    /// Report.
    Alert,
}

/// `reference:cve,2014-6271`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// `cve`, `url`, `bugtraq`, ...
    pub kind: String,
    /// The value as written.
    pub value: String,
}

/// `threshold` or `detection_filter`: how many matches in how long make one report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateFilter {
    /// What is done with the count.
    pub kind: RateKind,
    /// By what matches are counted.
    pub track: Track,
    /// The number of matches.
    pub count: u32,
    /// The length of the window.
    pub window: Duration,
}

/// What a count of matches decides.
///
/// # Source
/// Suricata user guide, "Thresholding Keywords".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateKind {
    /// The first matches of a window are reported; each may stop traffic.
    Limit,
    /// Each n-th match of a window is one.
    Threshold,
    /// The n-th match of a window is one and reported; those behind it only may stop traffic.
    Both,
    /// The matches of a window behind the n-th are such.
    Filter,
    /// The n-th match is reported, and then those whose number is a power of the multiplier times n.
    Backoff {
        /// How much further the next report is.
        multiplier: u32,
    },
}

/// `tag`: that more than the match is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// How much of it, in the unit of the rule.
    pub count: Option<u32>,
}

/// A loaded rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Signature id, unique in the rule set.
    pub sid: Sid,
    /// Revision.
    pub rev: u32,
    /// Generator id, 1 unless written.
    pub gid: u32,
    /// Message.
    pub msg: String,
    /// Class, empty where none is given.
    pub classtype: String,
    /// What the class means, empty where it is not known.
    pub category: String,
    /// Suricata's priority, 1 (worst) to 255.
    pub priority: u8,
    /// From the metadata's `signature_severity`, else from the priority.
    pub severity: Severity,
    /// CVE numbers of references and metadata: `CVE-2014-6271`, sorted, without repetition.
    pub cves: Vec<String>,
    /// References in the order written.
    pub references: Vec<Reference>,
    /// The action written in the rule.
    pub action: Action,
    /// The protocol of the header.
    pub protocol: Protocol,
    /// The directions in which it is evaluated.
    pub directions: Directions,
    /// The buffers it looks at, in the order written, without repetition.
    pub buffers: Vec<Buffer>,
    /// Whether a match is reported (`noalert` and `flowbits:noalert` say no).
    pub reports: bool,
    /// `threshold` or `detection_filter`, where written.
    pub rate: Option<RateFilter>,
    /// `tag`, where written.
    pub tag: Option<Tag>,
    /// The numbers it compares.
    pub facts: Vec<Fact>,
    /// The oddities it asks for.
    pub events: Vec<EventName>,
    /// Where it is evaluated: in any of these.
    pub places: Vec<Place>,
    /// Whether it asks for an address' reputation.
    pub asks_reputation: bool,
    /// Index of the file it stands in.
    pub file: usize,
    /// Line, from 1.
    pub line: u32,
    /// The rule as written, continuation lines joined.
    pub text: String,
}
