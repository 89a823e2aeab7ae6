//! From rule files to a rule set, and everything that is found on the way.
use super::assemble::assemble;
use super::{Compiled, SourceFile};
use crate::address::Variables;
use crate::condition::{BitOperation, Memory};
use crate::diagnose::{Finding, shown};
use crate::draft::{Draft, draft};
use crate::parse::{Line, lines, parse_outline};
use crate::pattern::Step;
use sakimori_model::{Diagnostic, Level};
use std::collections::{BTreeSet, HashMap};

/// The lists that rules name, by name.
pub(super) type Lists<'l> = HashMap<&'l str, &'l [u8]>;

/// A draft and where it comes from.
pub(super) struct Loaded {
    pub(super) draft: Draft,
    pub(super) file: usize,
    pub(super) line: u32,
    pub(super) text: String,
}

/// What becomes of a rule whose sid is there already.
enum Again {
    /// The same conditions for other addresses or ports: one rule with several headers.
    OtherHeader,
    /// Word for word.
    Repeated,
    /// An older revision.
    Older,
    /// A newer revision.
    Newer,
    /// Something else.
    Other,
}

/// Compiles rule files. Rules that do not compile are diagnosed and left out; the rest load.
pub fn compile(files: &[SourceFile], variables: &Variables) -> Compiled {
    compile_with(files, variables, &[])
}

/// The same, with the lists that rules name: values of sets, digests of files.
pub fn compile_with(files: &[SourceFile], variables: &Variables, lists: &[SourceFile]) -> Compiled {
    let lists: Lists<'_> = lists.iter().map(|list| (list.name.as_str(), list.text.as_slice())).collect();
    let mut read = HashMap::new();
    let mut work = Work {
        files,
        loaded: Vec::new(),
        sids: HashMap::new(),
        diagnostics: Vec::new(),
        counts: Counts::default(),
    };
    for (index, file) in files.iter().enumerate() {
        for line in lines(&file.text) {
            let (mut result, mut findings) = one(&line, variables);
            if let Some(finding) = result.as_ref().and_then(|(draft, _)| unread(draft, &lists, &mut read)) {
                findings.push(finding);
                result = None;
            }
            match result {
                Some((draft, text)) => {
                    let rule = Loaded { draft, file: index, line: line.number(), text };
                    findings.extend(work.take(rule));
                }
                None => work.counts.refused += 1,
            }
            for finding in findings {
                work.diagnostics.push(locate(finding, &line, &file.name));
            }
        }
    }
    let Work { loaded, mut diagnostics, counts, .. } = work;
    report_unset_bits(&loaded, files, &mut diagnostics);
    diagnostics.sort_by_key(|d| (files.iter().position(|f| f.name == d.source), d.line, d.column));
    let rules = assemble(loaded, &lists);
    Compiled { rules, loaded: counts.loaded, refused: counts.refused, repeated: counts.repeated, diagnostics }
}

/// What keeps one of the lists that a rule names from being read.
fn unread(draft: &Draft, lists: &Lists<'_>, read: &mut HashMap<String, Option<usize>>) -> Option<Finding> {
    let sets = draft.groups.iter().flat_map(|(_, steps)| steps).filter_map(|step| match step {
        Step::Dataset(set) => Some(set),
        _ => None,
    });
    let addresses = draft.remembered.iter().filter_map(|remembered| match &remembered.what {
        Memory::Addresses { set, .. } => Some(set),
        _ => None,
    });
    for set in sets.chain(addresses) {
        let Some(file) = &set.load else { continue };
        let at = draft.lists.iter().find(|(name, _)| name == file).map_or(0, |(_, at)| *at);
        let Some(text) = lists.get(file.as_str()) else {
            return Some(Finding::error(
                "S060",
                at,
                format!("the list {} is not there", shown(file)),
                "put it beside the rules, by the name that the rule says",
            ));
        };
        let broken = *read
            .entry(file.clone())
            .or_insert_with(|| crate::dataset::Values::new(set.kind).read(text).err());
        if let Some(line) = broken {
            return Some(Finding::error(
                "S060",
                at,
                format!("line {line} of the list {} is no value of its type, or one too many", shown(file)),
                "one value a line: text as Base64, digests as hexadecimal digits, addresses as usual",
            ));
        }
    }
    None
}

#[derive(Default)]
struct Counts {
    loaded: usize,
    refused: usize,
    repeated: usize,
}

struct Work<'a> {
    files: &'a [SourceFile],
    loaded: Vec<Loaded>,
    /// Where the rule of each sid stands in `loaded`.
    sids: HashMap<(u32, u32), usize>,
    diagnostics: Vec<Diagnostic>,
    counts: Counts,
}

impl Work<'_> {
    /// Takes a rule, unless its sid is there already.
    fn take(&mut self, rule: Loaded) -> Option<Finding> {
        let (sid, at) = rule.draft.meta.sid.unwrap_or_default();
        let gid = rule.draft.meta.gid.unwrap_or(1);
        let next = self.loaded.len();
        let place = *self.sids.entry((gid, sid)).or_insert(next);
        let Some(first) = self.loaded.get_mut(place) else {
            self.counts.loaded += 1;
            self.loaded.push(rule);
            return None;
        };
        let name = self.files.get(first.file).map_or("", |f| f.name.as_str());
        let taken = format!("the sid {sid} is taken by {name}:{}", first.line);
        match compare(first, &rule) {
            Again::OtherHeader => {
                self.counts.loaded += 1;
                first.draft.headers.extend(rule.draft.headers);
                None
            }
            Again::Repeated => {
                self.counts.repeated += 1;
                Some(Finding::warning("S017", at, taken + ", by the same words", "one of the two is enough"))
            }
            Again::Older => {
                self.counts.repeated += 1;
                Some(Finding::warning("S017", at, taken + ", in a newer revision", "that one is in force"))
            }
            Again::Newer => {
                self.counts.repeated += 1;
                *first = rule;
                Some(Finding::warning("S017", at, taken + ", in an older revision", "this one is in force"))
            }
            Again::Other => {
                self.counts.refused += 1;
                Some(Finding::error(
                    "S017",
                    at,
                    taken,
                    "give each rule a number of its own; the first one stays loaded",
                ))
            }
        }
    }
}

fn compare(first: &Loaded, second: &Loaded) -> Again {
    if first.text.trim_ascii() == second.text.trim_ascii() {
        return Again::Repeated;
    }
    match second.draft.meta.rev.unwrap_or(0).cmp(&first.draft.meta.rev.unwrap_or(0)) {
        std::cmp::Ordering::Less => return Again::Older,
        std::cmp::Ordering::Greater => return Again::Newer,
        std::cmp::Ordering::Equal => {}
    }
    let options =
        |rule: &Loaded| rule.text.split_once('(').map(|(_, options)| options.trim_ascii().to_owned());
    let alike = first.draft.action == second.draft.action
        && first.draft.protocol == second.draft.protocol
        && options(first) == options(second);
    if alike { Again::OtherHeader } else { Again::Other }
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
    let all = || {
        loaded.iter().flat_map(|l| {
            l.draft.remembered.iter().filter_map(move |r| match &r.what {
                Memory::FlowBits { operation, names } => Some((l, *operation, names, r.at)),
                _ => None,
            })
        })
    };
    let set: BTreeSet<&String> =
        all().filter(|(_, o, ..)| o.sets()).flat_map(|(_, _, names, _)| names).collect();
    for (rule, _, names, at) in all().filter(|(_, operation, ..)| *operation == BitOperation::IsSet) {
        if !names.iter().any(|n| set.contains(n)) {
            diagnostics.push(Diagnostic {
                code: "S052",
                level: Level::Warning,
                title: format!(
                    "no loaded rule sets the flowbit {}: the rule never matches",
                    shown(&names.join("|"))
                ),
                source: files.get(rule.file).map(|f| f.name.clone()).unwrap_or_default(),
                line: rule.line,
                column: u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1),
                help: "load the rule that sets it, or see why that one was refused".into(),
            });
        }
    }
}
