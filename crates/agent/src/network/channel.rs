//! What supervisor and worker say to each other over their socket pair: orders down, answers up.
//!
//! # Shape
//! A frame is two little-endian 32-bit lengths, then JSON of the first length, then raw bytes of the second (the
//! rule files, end to end). Answers come from a process that may have been taken over: their length is bounded
//! and their texts are only ever shown.

use rustix::event::{PollFd, PollFlags, poll};
use sakimori_kernel::sandbox::SandboxReport;
use sakimori_model::{Diagnostic, FailureResponse, IntrusionPrevention, Level, Mode, PortRange, Sid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::time::Duration;

use super::RuleFile;
use super::probes::Looking;
use super::samples::Label;
use crate::pipe;
use sakimori_modules::web_application_firewall::WebApplicationFirewall;
use sakimori_modules::web_reputation::WebReputation;

/// The longest order: 64 MiB of rules is twice the largest public rule set.
const ORDER_BYTES: u32 = 64 << 20;
/// The longest answer: some thousand diagnostics.
const ANSWER_BYTES: u32 = 4 << 20;

/// Supervisor to worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Compile these rules and put them in force with these settings, whole or not at all.
    Configure {
        /// The module's settings.
        settings: Settings,
        /// Name and length of each rule file, then of each list, then of each rule set of the web application firewall;
        /// the bytes follow the JSON.
        files: Vec<(String, u32)>,
        /// How many of the files are lists of web reputation.
        lists: usize,
        /// Web reputation's settings.
        web: Box<WebReputation>,
        /// How many of the files are rule sets of the web application firewall.
        #[serde(default)]
        rule_sets: usize,
        /// Its settings.
        #[serde(default)]
        waf: Box<WebApplicationFirewall>,
        /// The firewall's rules by the labels of their samples.
        labels: BTreeMap<String, Label>,
        /// What makes a scan.
        #[serde(default)]
        looking: Looking,
    },
    /// Begin to read packets.
    Go,
    /// Read no more, judge what was read, and end.
    Retire,
}

/// Worker to supervisor, one for each order but `Go`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// In force.
    Configured {
        /// Rules loaded.
        rules: u32,
        /// Entries of web reputation's lists.
        sites: u64,
        /// Rules of the web application firewall.
        #[serde(default)]
        waf_rules: u32,
        /// Whether a rule looks at responses.
        needs_responses: bool,
        /// Warnings.
        findings: Vec<Finding>,
        /// The worker's own cage.
        cage: CageReport,
    },
    /// Not in force; the former set is.
    Refused(Vec<Finding>),
    /// Everything that was read is judged and its verdict published.
    Retired,
    /// The last words of a defect.
    Panicked(String),
}

/// [`SandboxReport`] on this wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CageReport {
    pub(super) landlock_abi: u32,
    pub(super) landlock_complete: bool,
    pub(super) seccomp: bool,
}

/// [`IntrusionPrevention`] on this wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Settings {
    mode: u8,
    fail_open: bool,
    http_ports: Vec<(u16, u16)>,
    answer_page: bool,
    default_rule_mode: u8,
    rule_modes: BTreeMap<u32, u8>,
}

/// [`Diagnostic`] on this wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Finding {
    code: String,
    error: bool,
    title: String,
    source: String,
    line: u32,
    column: u32,
    help: String,
}

/// One end of the socket pair.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

// === impl Channel ===

impl Channel {
    pub(super) fn pair() -> io::Result<(Self, Self)> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        Ok((Self(a), Self(b)))
    }

    pub(super) fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.0
    }

    pub(super) fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// Whether a frame begins, or the other end is gone, within `timeout`.
    pub(super) fn readable(&self, timeout: Duration) -> bool {
        let timeout = rustix::time::Timespec::try_from(timeout).ok();
        matches!(poll(&mut [PollFd::new(&self.0, PollFlags::IN)], timeout.as_ref()), Ok(n) if n > 0)
    }

    pub(super) fn send_order(&self, order: &Order, files: &[&RuleFile]) -> io::Result<()> {
        let raw: usize = files.iter().map(|file| file.text.len()).sum();
        let json = serde_json::to_vec(order)?;
        self.send_lengths(json.len(), raw, ORDER_BYTES)?;
        pipe::send_all(&self.0, &json)?;
        files.iter().try_for_each(|file| pipe::send_all(&self.0, &file.text))
    }

    /// The next order and its raw bytes; `None` when the supervisor has gone.
    pub(super) fn receive_order(&self) -> io::Result<Option<(Order, Vec<u8>)>> {
        let Some((json, raw)) = self.receive_lengths(ORDER_BYTES)? else { return Ok(None) };
        let order = serde_json::from_slice(&pipe::receive(&self.0, json)?)?;
        Ok(Some((order, pipe::receive(&self.0, raw)?)))
    }

    pub(super) fn send_answer(&self, answer: &Answer) -> io::Result<()> {
        let json = serde_json::to_vec(answer)?;
        self.send_lengths(json.len(), 0, ANSWER_BYTES)?;
        pipe::send_all(&self.0, &json)
    }

    /// The next answer; `None` when the worker has gone.
    pub(super) fn receive_answer(&self) -> io::Result<Option<Answer>> {
        let Some((json, raw)) = self.receive_lengths(ANSWER_BYTES)? else { return Ok(None) };
        let answer = serde_json::from_slice(&pipe::receive(&self.0, json)?)?;
        let _nothing_belongs_there = pipe::receive(&self.0, raw)?;
        Ok(Some(answer))
    }

    fn send_lengths(&self, json: usize, raw: usize, most: u32) -> io::Result<()> {
        let lengths = [json, raw].map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        if lengths.iter().any(|length| *length > most) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        lengths.iter().try_for_each(|length| pipe::send_all(&self.0, &length.to_le_bytes()))
    }

    fn receive_lengths(&self, most: u32) -> io::Result<Option<(u32, u32)>> {
        let mut lengths = [0; 2];
        for length in &mut lengths {
            let mut bytes = [0; 4];
            match pipe::fill(&self.0, &mut bytes) {
                Ok(()) => *length = u32::from_le_bytes(bytes),
                Err(e) if gone(&e) => return Ok(None),
                Err(e) => return Err(e),
            }
        }
        let [json, raw] = lengths;
        if json > most || raw > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Some((json, raw)))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

// === conversions ===

fn mode_number(mode: Mode) -> u8 {
    match mode {
        Mode::Off => 0,
        Mode::Detect => 1,
        Mode::Prevent => 2,
    }
}

fn mode_of(number: u8) -> Mode {
    match number {
        2 => Mode::Prevent,
        1 => Mode::Detect,
        _ => Mode::Off,
    }
}

impl From<&IntrusionPrevention> for Settings {
    fn from(settings: &IntrusionPrevention) -> Self {
        Self {
            mode: mode_number(settings.mode),
            fail_open: settings.failure_response == FailureResponse::Open,
            http_ports: settings.http_ports.iter().map(|range| (range.first, range.last)).collect(),
            answer_page: settings.answer_page,
            default_rule_mode: mode_number(settings.default_rule_mode),
            rule_modes: settings.rule_modes.iter().map(|(sid, mode)| (sid.0, mode_number(*mode))).collect(),
        }
    }
}

impl From<Settings> for IntrusionPrevention {
    fn from(settings: Settings) -> Self {
        Self {
            mode: mode_of(settings.mode),
            failure_response: if settings.fail_open {
                FailureResponse::Open
            } else {
                FailureResponse::Closed
            },
            http_ports: settings
                .http_ports
                .into_iter()
                .map(|(first, last)| PortRange { first, last })
                .collect(),
            answer_page: settings.answer_page,
            default_rule_mode: mode_of(settings.default_rule_mode),
            rule_modes: settings
                .rule_modes
                .into_iter()
                .map(|(sid, mode)| (Sid(sid), mode_of(mode)))
                .collect(),
        }
    }
}

impl From<Diagnostic> for Finding {
    fn from(diagnostic: Diagnostic) -> Self {
        Self {
            code: diagnostic.code.to_owned(),
            error: diagnostic.level == Level::Error,
            title: diagnostic.title,
            source: diagnostic.source,
            line: diagnostic.line,
            column: diagnostic.column,
            help: diagnostic.help,
        }
    }
}

impl From<Finding> for Diagnostic {
    fn from(finding: Finding) -> Self {
        Self {
            code: static_code(finding.code),
            level: if finding.error { Level::Error } else { Level::Warning },
            title: finding.title,
            source: finding.source,
            line: finding.line,
            column: finding.column,
            help: finding.help,
        }
    }
}

impl From<SandboxReport> for CageReport {
    fn from(report: SandboxReport) -> Self {
        Self {
            landlock_abi: report.landlock_abi,
            landlock_complete: report.landlock_complete,
            seccomp: report.seccomp,
        }
    }
}

/// Codes are few and fixed in the program, but arrive as text: each is kept once for the program's life, and a
/// worker that invents codes runs into the bound.
fn static_code(code: String) -> &'static str {
    const MOST: usize = 256;
    const LONGEST: usize = 16;
    static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let Ok(mut known) = KNOWN.lock() else { return "?" };
    if let Some(same) = known.get(code.as_str()) {
        return same;
    }
    if known.len() >= MOST || code.len() > LONGEST {
        return "?";
    }
    let kept: &'static str = Box::leak(code.into_boxed_str());
    let _new = known.insert(kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_arrives_with_its_files() {
        let (ours, theirs) = Channel::pair().unwrap();
        let rules = vec![
            RuleFile { name: "a.rules".into(), text: b"alert\xff".to_vec() },
            RuleFile { name: "b.rules".into(), text: Vec::new() },
        ];
        let settings = IntrusionPrevention {
            mode: Mode::Prevent,
            rule_modes: [(Sid(7), Mode::Detect)].into(),
            ..IntrusionPrevention::default()
        };
        let files: Vec<&RuleFile> = rules.iter().collect();
        let order = Order::Configure {
            settings: Settings::from(&settings),
            files: pipe::describe(files.iter().copied()),
            lists: 1,
            web: Box::default(),
            rule_sets: 0,
            waf: Box::default(),
            labels: BTreeMap::new(),
            looking: Looking::default(),
        };
        ours.send_order(&order, &files).unwrap();
        let Some((Order::Configure { settings: got, files, lists: 1, .. }, raw)) =
            theirs.receive_order().unwrap()
        else {
            panic!("another order arrived");
        };
        assert_eq!(IntrusionPrevention::from(got), settings);
        assert_eq!(pipe::cut(files, &raw).unwrap(), rules);
        drop(ours);
        assert!(theirs.receive_order().unwrap().is_none());
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        assert!(pipe::cut(vec![("a".into(), 4)], b"abc").is_none());
        assert!(pipe::cut(vec![("a".into(), 2)], b"abc").is_none());
    }

    #[test]
    fn an_answer_longer_than_allowed_is_refused_before_it_is_read() {
        let (ours, theirs) = Channel::pair().unwrap();
        pipe::send_all(&theirs, &u32::MAX.to_le_bytes()).unwrap();
        pipe::send_all(&theirs, &0u32.to_le_bytes()).unwrap();
        assert!(ours.receive_answer().is_err());
    }

    #[test]
    fn codes_are_kept_once_and_bounded() {
        assert!(std::ptr::eq(static_code("S012".into()), static_code("S012".into())));
        assert_eq!(static_code("a code of more than sixteen bytes".into()), "?");
    }
}
