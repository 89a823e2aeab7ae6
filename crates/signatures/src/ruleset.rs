//! The compiled rule set and how it is made.
use crate::address::Variables;
use crate::buffer::{Buffer, Direction, Directions};
use crate::diagnose::{Finding, shown};
use crate::draft::{BitOperation, Draft, FlowConditions, Header, Target, draft};
use crate::inspect::Scratch;
use crate::parse::{Line, lines, parse_outline};
use crate::pattern::{Content, Range, Step};
use crate::prefilter::Prefilter;
use crate::rule::{Action, Protocol, Rule};
use crate::verify::Conditions;
use sakimori_model::{Diagnostic, Level, Severity, Sid};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};

/// One rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// What diagnostics call it.
    pub name: String,
    /// Its bytes; lines that are not UTF-8 are diagnosed.
    pub text: Vec<u8>,
}

/// What came of rule files.
#[derive(Debug)]
pub struct Compiled {
    /// The rules that loaded.
    pub rules: RuleSet,
    /// How many loaded.
    pub loaded: usize,
    /// How many active rules did not load.
    pub refused: usize,
    /// Everything that was found, in file and line order.
    pub diagnostics: Vec<Diagnostic>,
}

/// What a rule set wants to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "six independent facts, each asked for by name")]
pub struct Needs {
    /// Some rule looks at requests.
    pub request: bool,
    /// Some rule looks at request bodies.
    pub request_body: bool,
    /// Some rule looks at responses: server-to-client traffic has to be queued.
    pub response: bool,
    /// Some rule looks at response bodies.
    pub response_body: bool,
    /// Some rule looks at the raw bytes to the server.
    pub stream_to_server: bool,
    /// Some rule looks at the raw bytes to the client.
    pub stream_to_client: bool,
}

/// A compiled, immutable set of rules.
#[derive(Debug, Default)]
pub struct RuleSet {
    pub(crate) rules: Vec<Rule>,
    pub(crate) programs: Vec<Program>,
    pub(crate) slots: Vec<Slot>,
    /// Rules that look at no buffer, for transactions and for streams.
    pub(crate) bare: [Vec<u32>; 2],
    pub(crate) needs: Needs,
    /// Tells state of this rule set from state of another.
    pub(crate) fingerprint: u64,
}

/// A buffer with its transformations, and the rules that wait for it.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) target: Target,
    /// Belongs to rules that are asked about the stream, not about transactions.
    pub(crate) stream: bool,
    pub(crate) prefilter: Prefilter,
    /// Rules without a fast pattern that look at this buffer first.
    pub(crate) unfiltered: Vec<u32>,
}

/// What is evaluated of a rule.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) directions: Directions,
    pub(crate) protocol: Protocol,
    pub(crate) header: Header,
    pub(crate) flow: FlowConditions,
    pub(crate) segment: Option<Range>,
    pub(crate) groups: Vec<Group>,
    /// The group whose match is shown.
    pub(crate) evidence: usize,
    pub(crate) bits: Vec<Bits>,
    pub(crate) reports: bool,
    pub(crate) pass: bool,
}

/// The conditions on one buffer.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) slot: usize,
    pub(crate) conditions: Conditions,
}

/// A flowbits operation with its bits by number.
#[derive(Debug)]
pub(crate) struct Bits {
    pub(crate) operation: BitOperation,
    pub(crate) bits: Vec<u32>,
}

impl RuleSet {
    /// The loaded rules, in the order in which they are evaluated.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The index of a rule.
    pub fn find(&self, sid: Sid) -> Option<usize> {
        self.rules.iter().position(|r| r.sid == sid)
    }

    /// What the rules want to be shown.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Buffers for [`RuleSet::inspect`], to be reused: after a few calls inspecting allocates nothing.
    pub fn new_scratch(&self) -> Scratch {
        Scratch::default()
    }
}

/// A draft and where it comes from.
struct Loaded {
    draft: Draft,
    file: usize,
    line: u32,
    text: String,
}

/// Compiles rule files. Rules that do not compile are diagnosed and left out; the rest load.
pub fn compile(files: &[SourceFile], variables: &Variables) -> Compiled {
    let mut diagnostics = Vec::new();
    let mut loaded: Vec<Loaded> = Vec::new();
    let mut refused = 0;
    let mut sids: HashMap<u32, (usize, u32)> = HashMap::new();
    for (index, file) in files.iter().enumerate() {
        for line in lines(&file.text) {
            let (result, mut findings) = one(&line, variables);
            let mut accepted = None;
            if let Some((draft, text)) = result {
                let (sid, at) = draft.meta.sid.unwrap_or_default();
                if let Some((first, number)) = sids.get(&sid) {
                    let name = files.get(*first).map_or("", |f| f.name.as_str());
                    findings.push(Finding::error(
                        "S017",
                        at,
                        format!("the sid {sid} is taken by {name}:{number}"),
                        "give each rule a number of its own; the first one stays loaded",
                    ));
                } else {
                    sids.insert(sid, (index, line.number()));
                    accepted = Some(Loaded { draft, file: index, line: line.number(), text });
                }
            }
            match accepted {
                Some(rule) => loaded.push(rule),
                None => refused += 1,
            }
            for finding in findings {
                diagnostics.push(locate(finding, &line, &file.name));
            }
        }
    }
    report_unset_bits(&loaded, files, &mut diagnostics);
    let rules = assemble(loaded);
    Compiled { loaded: rules.rules.len(), rules, refused, diagnostics }
}

/// Everything that can be said about one logical line.
fn one(line: &Line, variables: &Variables) -> (Option<(Draft, String)>, Vec<Finding>) {
    let text = match &line.text {
        Ok(text) => text,
        Err(at) => {
            let finding = Finding::error(
                "S001",
                *at,
                "the line is not UTF-8",
                "write other bytes as |hex| inside a content",
            );
            return (None, vec![finding]);
        }
    };
    match parse_outline(text) {
        Ok(outline) => {
            let (draft, _, findings) = draft(&outline, variables);
            (draft.map(|d| (d, text.clone())), findings)
        }
        Err(finding) => {
            // a line that is not a rule at all is said as that
            let first = text.split_ascii_whitespace().next().unwrap_or_default();
            let known =
                ["alert", "drop", "reject", "pass", "rejectsrc", "rejectdst", "rejectboth"].contains(&first);
            if known || finding.code == "S002" {
                (None, vec![finding])
            } else {
                let title = format!("not a rule: unknown action {}", shown(first));
                (
                    None,
                    vec![Finding::error(
                        "S003",
                        0,
                        title,
                        "a rule begins with alert, drop, reject or pass; comments with #",
                    )],
                )
            }
        }
    }
}

fn locate(finding: Finding, line: &Line, source: &str) -> Diagnostic {
    let (number, column) = line.position(finding.at);
    Diagnostic {
        code: finding.code,
        level: finding.level,
        title: finding.title,
        source: source.to_owned(),
        line: number,
        column,
        help: finding.help,
    }
}

/// Warns of rules that wait for a flowbit that no loaded rule sets.
fn report_unset_bits(loaded: &[Loaded], files: &[SourceFile], diagnostics: &mut Vec<Diagnostic>) {
    let all = || loaded.iter().flat_map(|l| l.draft.flowbits.iter().map(move |b| (l, b)));
    let set: BTreeSet<&String> = all()
        .filter(|(_, b)| matches!(b.operation, BitOperation::Set | BitOperation::Toggle))
        .flat_map(|(_, b)| &b.names)
        .collect();
    for (rule, bits) in all().filter(|(_, b)| b.operation == BitOperation::IsSet) {
        if !bits.names.iter().any(|n| set.contains(n)) {
            diagnostics.push(Diagnostic {
                code: "S052",
                level: Level::Warning,
                title: format!(
                    "no loaded rule sets the flowbit {}: the rule never matches",
                    shown(&bits.names.join("|"))
                ),
                source: files.get(rule.file).map(|f| f.name.clone()).unwrap_or_default(),
                line: rule.line,
                column: u32::try_from(bits.at).unwrap_or(u32::MAX).saturating_add(1),
                help: "load the rule that sets it, or see why that one was refused".into(),
            });
        }
    }
    diagnostics.sort_by_key(|d| (files.iter().position(|f| f.name == d.source), d.line, d.column));
}

/// Rules that let pass come first, and those that set a flowbit before those that ask for one.
fn order(draft: &Draft) -> (bool, u8, Action) {
    let sets =
        draft.flowbits.iter().any(|b| !matches!(b.operation, BitOperation::IsSet | BitOperation::IsNotSet));
    let asks =
        draft.flowbits.iter().any(|b| matches!(b.operation, BitOperation::IsSet | BitOperation::IsNotSet));
    let rank = match (sets, asks) {
        (true, false) => 0,
        (true, true) => 1,
        (false, false) => 2,
        (false, true) => 3,
    };
    (draft.action != Action::Pass, rank, draft.action)
}

fn assemble(mut loaded: Vec<Loaded>) -> RuleSet {
    loaded.sort_by_key(|l| order(&l.draft));
    let mut set = RuleSet::default();
    let mut slots: BTreeMap<(Target, bool), usize> = BTreeMap::new();
    let mut bits: HashMap<String, u32> = HashMap::new();
    let mut patterns: Vec<BTreeMap<Vec<u8>, Vec<u32>>> = Vec::new();
    for (number, Loaded { draft, file, line, text }) in (0_u32..).zip(loaded) {
        let stream = draft.groups.iter().all(|(t, _)| t.buffer == Buffer::Payload)
            && (!draft.groups.is_empty() || draft.protocol != Protocol::Http);
        let rule = describe(&draft, file, line, text);
        note_needs(&mut set.needs, &draft, stream);
        let fast = fast_pattern(&draft);
        let mut groups = Vec::with_capacity(draft.groups.len());
        for (target, steps) in draft.groups {
            let next = slots.len();
            let slot = *slots.entry((target.clone(), stream)).or_insert(next);
            if slot == next {
                set.slots.push(Slot {
                    target,
                    stream,
                    prefilter: Prefilter::default(),
                    unfiltered: Vec::new(),
                });
                patterns.push(BTreeMap::new());
            }
            groups.push(Group { slot, conditions: Conditions::new(steps) });
        }
        let evidence = fast.as_ref().map_or(0, |(group, _)| *group);
        if let Some((slot, pattern)) =
            fast.and_then(|(group, pattern)| groups.get(group).map(|g| (g.slot, pattern)))
        {
            if let Some(patterns) = patterns.get_mut(slot) {
                patterns.entry(pattern).or_default().push(number);
            }
        } else {
            let [transaction, streams] = &mut set.bare;
            let bare = if stream { streams } else { transaction };
            let slot = groups.first().and_then(|g| set.slots.get_mut(g.slot));
            slot.map_or(bare, |slot| &mut slot.unfiltered).push(number);
        }
        let bits = draft
            .flowbits
            .iter()
            .map(|b| Bits {
                operation: b.operation,
                bits: b
                    .names
                    .iter()
                    .map(|name| {
                        let next = u32::try_from(bits.len()).unwrap_or(u32::MAX);
                        *bits.entry(name.clone()).or_insert(next)
                    })
                    .collect(),
            })
            .collect();
        set.programs.push(Program {
            directions: draft.directions,
            protocol: draft.protocol,
            header: draft.header,
            flow: draft.flow,
            segment: draft.segment,
            groups,
            evidence,
            bits,
            reports: rule.reports,
            pass: rule.action == Action::Pass,
        });
        set.rules.push(rule);
    }
    let mut hasher = std::hash::DefaultHasher::new();
    set.rules.iter().for_each(|rule| rule.text.hash(&mut hasher));
    // 0 is the state that no rule set has touched
    set.fingerprint = hasher.finish() | 1;
    for (slot, patterns) in set.slots.iter_mut().zip(patterns) {
        let (prefilter, mut without) = Prefilter::new(patterns);
        slot.prefilter = prefilter;
        slot.unfiltered.append(&mut without);
    }
    set
}

fn note_needs(needs: &mut Needs, draft: &Draft, stream: bool) {
    let to_server = draft.directions.contains(Direction::ToServer);
    let to_client = draft.directions.contains(Direction::ToClient);
    if stream {
        needs.stream_to_server |= to_server;
        needs.stream_to_client |= to_client;
    } else {
        needs.request |= to_server;
        needs.response |= to_client;
    }
    let body = draft.groups.iter().any(|(t, _)| t.buffer.grows() && t.buffer != Buffer::Payload);
    needs.request_body |= body && to_server;
    needs.response_body |= body && to_client;
}

/// Named by the author, how telling the buffer is, length, rarity of the bytes.
type Score = (bool, u8, usize, u32);

/// The pattern by which a rule is found, lower-cased, and the group it belongs to.
///
/// The one the author named; else of the contents that must be present one in the most telling
/// buffer, the longest, the one with the rarest bytes.
fn fast_pattern(draft: &Draft) -> Option<(usize, Vec<u8>)> {
    let mut best: Option<(Score, usize, &Content)> = None;
    for (group, (target, steps)) in draft.groups.iter().enumerate() {
        for step in steps {
            let Step::Content(content) = step else { continue };
            if content.negated {
                continue;
            }
            let length = content.bytes.len();
            // beyond some length a pattern is rare enough: then its bytes decide
            let score = (
                content.fast,
                target.buffer.priority().min(if length < 3 { 0 } else { 4 }),
                length.min(32),
                strength(&content.bytes),
            );
            if best.as_ref().is_none_or(|(s, ..)| score > *s) {
                best = Some((score, group, content));
            }
        }
    }
    best.map(|(_, group, content)| {
        let bytes = match content.fast_range {
            Some((offset, length)) => content.bytes.get(offset..offset + length).unwrap_or(&content.bytes),
            None => &content.bytes,
        };
        (group, bytes.to_ascii_lowercase())
    })
}

/// How rare the bytes of a pattern are. Letters are common, repeated bytes say little.
///
/// # Source
/// Suricata, `PatternStrength`.
fn strength(bytes: &[u8]) -> u32 {
    let mut seen = [false; 256];
    let mut strength = 0;
    for &byte in bytes {
        let first = seen.get_mut(usize::from(byte)).is_some_and(|s| !std::mem::replace(s, true));
        strength += match byte {
            _ if !first => 1,
            b if b.is_ascii_alphabetic() => 3,
            0x00 | 0x01 | 0xff => 4,
            b if b.is_ascii_graphic() || b == b' ' => 4,
            _ => 6,
        };
    }
    strength
}

fn describe(draft: &Draft, file: usize, line: u32, text: String) -> Rule {
    let meta = &draft.meta;
    let priority = meta.priority.unwrap_or(3);
    let written = meta
        .metadata
        .iter()
        .find(|(key, _)| key == "signature_severity")
        .map(|(_, v)| v.to_ascii_lowercase());
    let severity = match written.as_deref() {
        Some("critical") => Severity::Critical,
        Some("major" | "high") => Severity::High,
        Some("minor" | "medium") => Severity::Medium,
        Some("low") => Severity::Low,
        Some("informational" | "audit" | "info") => Severity::Info,
        _ => match priority {
            1 => Severity::High,
            2 | 3 => Severity::Medium,
            4 => Severity::Low,
            _ => Severity::Info,
        },
    };
    let mut cves: Vec<String> = meta
        .references
        .iter()
        .filter(|r| r.kind == "cve")
        .map(|r| r.value.as_str())
        .chain(meta.metadata.iter().filter(|(key, _)| key == "cve").map(|(_, v)| v.as_str()))
        .filter_map(cve)
        .collect();
    cves.sort();
    cves.dedup();
    let mut buffers: Vec<Buffer> = Vec::new();
    for (target, _) in &draft.groups {
        if !buffers.contains(&target.buffer) {
            buffers.push(target.buffer);
        }
    }
    Rule {
        sid: Sid(meta.sid.map_or(0, |s| s.0)),
        rev: meta.rev.unwrap_or(0),
        gid: meta.gid.unwrap_or(1),
        msg: meta.msg.clone().unwrap_or_default(),
        classtype: meta.classtype.clone().unwrap_or_default(),
        priority,
        severity,
        cves,
        references: meta.references.clone(),
        metadata: meta.metadata.clone(),
        action: draft.action,
        protocol: draft.protocol,
        directions: draft.directions,
        buffers,
        reports: !meta.noalert,
        may_block: !meta.rate.is_some_and(|r| r.only_after),
        rate: meta.rate,
        file,
        line,
        text,
    }
}

/// `2014-6271`, `CVE-2014-6271` and `CVE_2014_6271` as `CVE-2014-6271`.
fn cve(text: &str) -> Option<String> {
    let text = text.trim_ascii().to_ascii_uppercase().replace('_', "-");
    let number = text.strip_prefix("CVE-").unwrap_or(&text);
    let (year, id) = number.split_once('-')?;
    let digits =
        |t: &str, least: usize| t.len() >= least && t.len() <= 12 && t.bytes().all(|b| b.is_ascii_digit());
    (year.len() == 4 && digits(year, 4) && digits(id, 4)).then(|| format!("CVE-{number}"))
}
