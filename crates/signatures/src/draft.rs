//! Outline to draft: what each option means, and whether the options fit together.
//!
//! All findings of a rule are collected; a rule with an error yields no [`Draft`].
use crate::address::{Network, Ports, Set, Variables};
use crate::buffer::{Buffer, Direction, Directions, Place};
use crate::condition::{Check, Remembered, Track};
use crate::diagnose::{Finding, shown};
use crate::parse::{Outline, RawOption, Word, quoted};
use crate::pattern::{Content, Range, Step, content_bytes};
use crate::pcre;
use crate::protocol::Protocol;
use crate::rule::{Action, RateFilter, Reference, Tag};
use crate::transform::Transform;
use registry::Keyword;

mod application;
mod bits;
mod bytes;
mod content;
mod dataset;
mod finish;
mod flow;
mod header;
mod hook;
mod meta;
mod nested;
mod numbers;
mod place;
mod rate;
mod registry;

/// Most conditions in a rule; ET Open's longest rule has 60.
const STEPS: usize = 256;
/// Most buffers in a rule: their state is a bit each.
pub(crate) const GROUPS: usize = 32;

/// What must hold of the flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlowConditions {
    pub(crate) established: Option<bool>,
    pub(crate) direction: Option<Direction>,
    /// `only_stream` or `no_stream`.
    pub(crate) stream: Option<bool>,
}

/// What a group of conditions looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) buffer: Buffer,
    pub(crate) transforms: Vec<Transform>,
}

/// The header's addresses and ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) source: Set<Network>,
    pub(crate) source_ports: Set<Ports>,
    pub(crate) destination: Set<Network>,
    pub(crate) destination_ports: Set<Ports>,
    pub(crate) both_ways: bool,
}

/// A rule that is understood but not compiled into a set.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) action: Action,
    pub(crate) protocol: Protocol,
    /// Any of them; several where rules differ in nothing else.
    pub(crate) headers: Vec<Header>,
    pub(crate) directions: Directions,
    pub(crate) flow: FlowConditions,
    pub(crate) checks: Vec<Check>,
    pub(crate) remembered: Vec<Remembered>,
    pub(crate) places: Vec<Place>,
    pub(crate) groups: Vec<(Target, Vec<Step>)>,
    /// The files with lists that it names, each with the position of its name.
    pub(crate) lists: Vec<(String, usize)>,
    pub(crate) meta: Meta,
}

/// What a rule says about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meta {
    pub(crate) sid: Option<(u32, usize)>,
    pub(crate) rev: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) msg: Option<String>,
    pub(crate) classtype: Option<String>,
    pub(crate) priority: Option<u8>,
    pub(crate) references: Vec<Reference>,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) rate: Option<RateFilter>,
    pub(crate) tag: Option<Tag>,
    pub(crate) noalert: bool,
    /// `alert`: that a rule lets pass is to be reported too.
    pub(crate) alert: bool,
}

/// What a condition looks at before its group is known.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Aim {
    /// The raw payload unless a modifier moves it.
    Open,
    At(Target),
    /// What the last `base64_decode` gives.
    Decoded,
    /// An address of the packet, for sets of them.
    Address(Track),
}

/// A condition and what it looks at.
struct Item {
    aim: Aim,
    step: Step,
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked for by name")]
struct Builder<'v> {
    variables: &'v Variables,
    findings: Vec<Finding>,
    meta: Meta,
    items: Vec<Item>,
    sticky: Aim,
    /// Where the sticky buffer was named, while nothing has used it.
    unused: Option<(usize, String)>,
    /// There is a sid, if not a valid one.
    sid_written: bool,
    /// An option before failed: what refers to it is not reported as well.
    failed: bool,
    flow: FlowConditions,
    flow_seen: bool,
    /// The header names a step of the protocol.
    hooked: bool,
    checks: Vec<Check>,
    remembered: Vec<Remembered>,
    /// Variables in the order in which they get their values.
    variables_of_bytes: Vec<String>,
    lists: Vec<(String, usize)>,
}

/// Gives meaning to an outline. The draft is there unless a finding is an error.
pub(crate) fn draft(
    outline: &Outline<'_>,
    variables: &Variables,
) -> (Option<Draft>, Option<u32>, Vec<Finding>) {
    let mut builder = Builder {
        variables,
        findings: Vec::new(),
        meta: Meta::default(),
        items: Vec::new(),
        sticky: Aim::Open,
        unused: None,
        sid_written: false,
        failed: false,
        flow: FlowConditions::default(),
        flow_seen: false,
        hooked: false,
        checks: Vec::new(),
        remembered: Vec::new(),
        variables_of_bytes: Vec::new(),
        lists: Vec::new(),
    };
    for option in &outline.options {
        if let Err(finding) = builder.option(option) {
            let follows = builder.failed && matches!(finding.code, "S022" | "S042");
            builder.failed = true;
            builder.unused = None;
            if !follows {
                builder.findings.push(finding);
            }
        }
    }
    let sid = builder.meta.sid.map(|s| s.0);
    let (draft, findings) = builder.finish(outline);
    (draft, sid, findings)
}

impl Builder<'_> {
    fn option(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let name = option.name;
        match registry::keyword(name.text) {
            Some(Keyword::Sticky(buffer)) => {
                Self::no_value(option)?;
                self.look_at(Aim::At(Target { buffer, transforms: Vec::new() }), name);
                Ok(())
            }
            Some(Keyword::Move(buffer)) => {
                Self::no_value(option)?;
                self.move_content(buffer, name)
            }
            Some(Keyword::Number(fact)) => self.number(fact, option),
            Some(Keyword::Family(family)) => family(self, option),
            Some(Keyword::Transform) => self.transform(option),
            Some(Keyword::Refused(why)) => Err(Finding::error(
                "S012",
                name.at,
                format!("the keyword {} is not supported: {why}", shown(name.text)),
                "leave the rule out, or say the same with supported keywords",
            )),
            None => Err(Finding::error(
                "S011",
                name.at,
                format!("unknown keyword: {}", shown(name.text)),
                "check the spelling; a semicolon inside a value is written \\;",
            )),
        }
    }

    /// What follows looks at this.
    fn look_at(&mut self, aim: Aim, name: Word<'_>) {
        self.report_unused();
        self.unused = (aim != Aim::Open).then(|| (name.at, name.text.to_owned()));
        self.sticky = aim;
    }

    fn transform(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let name = option.name;
        let transform = if Transform::is_known(name.text) {
            return Err(Transform::refuse(name));
        } else if let Some(transform) = Transform::named(name.text) {
            Self::no_value(option)?;
            transform
        } else {
            let empty = Word { text: "", at: name.at };
            let optional = matches!(name.text, "from_base64" | "gunzip" | "zlib_deflate");
            let word = if optional { option.value.unwrap_or(empty) } else { value(option)? };
            Transform::parse(name, word)?
        };
        match &mut self.sticky {
            // behind conditions: those that follow look at the buffer as it is then
            Aim::At(target) => {
                target.transforms.push(transform);
                self.unused.get_or_insert_with(|| (name.at, name.text.to_owned()));
                Ok(())
            }
            _ => Err(Finding::error(
                "S042",
                name.at,
                format!("{} follows no buffer", name.text),
                "write it directly behind the buffer it transforms: http.host; dotprefix; content:...",
            )),
        }
    }

    fn no_value(option: &RawOption<'_>) -> Result<(), Finding> {
        match option.value {
            Some(v) if !v.text.is_empty() => Err(Finding::error(
                "S013",
                v.at,
                format!("{} takes no value", option.name.text),
                "remove the colon and what follows it",
            )),
            _ => Ok(()),
        }
    }

    fn report_unused(&mut self) {
        if let Some((at, keyword)) = self.unused.take() {
            self.findings.push(Finding::error(
                "S040",
                at,
                format!("nothing looks at the buffer {keyword}"),
                "a buffer's contents and expressions follow it; conditions before it look at the buffer before it",
            ));
        }
    }

    fn push(&mut self, step: Step, name: Word<'_>) -> Result<(), Finding> {
        if self.items.len() >= STEPS {
            return Err(Finding::error(
                "S054",
                name.at,
                format!("more than {STEPS} conditions"),
                "split the rule",
            ));
        }
        self.unused = None;
        // what is relative looks where the match before it is
        let aim = match (&self.sticky, self.items.last()) {
            (Aim::Open, Some(before)) if step.is_relative() => before.aim.clone(),
            (Aim::Address(_), _) => {
                return Err(Finding::error(
                    "S022",
                    name.at,
                    format!("{} looks at no address", name.text),
                    "behind ip.src and ip.dst stands dataset",
                ));
            }
            (sticky, _) => sticky.clone(),
        };
        self.items.push(Item { aim, step });
        Ok(())
    }
}

/// The value of an option that needs one.
pub(super) fn value<'a>(option: &RawOption<'a>) -> Result<Word<'a>, Finding> {
    option.value.filter(|v| !v.text.is_empty()).ok_or_else(|| {
        Finding::error(
            "S013",
            option.name.at,
            format!("{} needs a value", option.name.text),
            format!("write {}:value;", option.name.text),
        )
    })
}

/// The comma-separated words of a value.
pub(super) fn words(word: Word<'_>) -> impl Iterator<Item = Word<'_>> {
    let mut at = word.at;
    word.text.split(',').map(move |part| {
        let indent = part.len() - part.trim_ascii_start().len();
        let out = Word { text: part.trim_ascii(), at: at + indent };
        at += part.len() + 1;
        out
    })
}
