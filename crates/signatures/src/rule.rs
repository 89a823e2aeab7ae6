//! What a loaded rule says about itself.
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

/// The protocol of a rule's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Any TCP stream (`tcp`, `tcp-stream`).
    Tcp,
    /// Any IP traffic; evaluated over TCP streams.
    Ip,
    /// HTTP transactions.
    Http,
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
    /// Whether the rule is only meant to count from the n-th match on (`threshold`, `both`,
    /// `detection_filter`), as opposed to limiting reports (`limit`).
    pub only_after: bool,
    /// The number of matches.
    pub count: u32,
    /// The length of the window.
    pub window: Duration,
    /// Whether matches are counted by the source (or else by the destination).
    pub by_source: bool,
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
    /// Suricata's priority, 1 (worst) to 255.
    pub priority: u8,
    /// From the metadata's `signature_severity`, else from the priority.
    pub severity: Severity,
    /// CVE numbers of references and metadata: `CVE-2014-6271`, sorted, without repetition.
    pub cves: Vec<String>,
    /// References in the order written.
    pub references: Vec<Reference>,
    /// Metadata in the order written.
    pub metadata: Vec<(String, String)>,
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
    /// Whether a single match may stop traffic.
    ///
    /// False where the author asked for n matches in a window ([`RateFilter::only_after`]): such a
    /// rule describes single events that are harmless, and counting them is not done here.
    pub may_block: bool,
    /// `threshold` or `detection_filter`, where written; not applied here.
    pub rate: Option<RateFilter>,
    /// Index of the file it stands in.
    pub file: usize,
    /// Line, from 1.
    pub line: u32,
    /// The rule as written, continuation lines joined.
    pub text: String,
}
