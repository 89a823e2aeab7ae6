//! Decoders: which one a line belongs to, and the fields that it cuts out.

use crate::fields::{FieldId, Fields};
use crate::json;
use crate::pattern::Pattern;
use std::sync::Arc;

/// What kind of log a decoder's lines are: each kind has rules of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Category {
    #[default]
    Syslog,
    Firewall,
    Ids,
    WebLog,
    Squid,
    Windows,
    Ossec,
    HostInformation,
}

impl Category {
    pub(crate) const COUNT: usize = 8;

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "syslog" => Self::Syslog,
            "firewall" => Self::Firewall,
            "ids" => Self::Ids,
            "web-log" => Self::WebLog,
            "squid" => Self::Squid,
            "windows" => Self::Windows,
            "ossec" => Self::Ossec,
            "host-information" => Self::HostInformation,
            _ => return None,
        })
    }
}

/// Where in the line a pattern begins to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Offset {
    #[default]
    Line,
    AfterParent,
    AfterPrematch,
    AfterRegex,
}

#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    /// As rules call it: the parent's name, unless it uses its own.
    pub(crate) name: Arc<str>,
    /// As its file calls it.
    pub(crate) own_name: Arc<str>,
    /// The number of `name`.
    pub(crate) id: u32,
    pub(crate) category: Category,
    pub(crate) program: Option<Pattern>,
    pub(crate) prematch: Option<Pattern>,
    pub(crate) prematch_after_parent: bool,
    pub(crate) regex: Option<Pattern>,
    pub(crate) offset: Offset,
    pub(crate) order: Vec<FieldId>,
    /// The next sibling goes on with this one's line: a chain of expressions under one name.
    pub(crate) goes_on: bool,
    /// The line's rest is a JSON object, whose members are the fields.
    pub(crate) json: Option<Offset>,
    pub(crate) children: Vec<usize>,
}

/// All decoders, and the two lists of roots: those that ask for a program and those that do not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decoders {
    pub(crate) all: Vec<Decoder>,
    pub(crate) with_program: Vec<usize>,
    pub(crate) without_program: Vec<usize>,
}

impl Decoders {
    /// The decoder of a message, with its fields. A line with a program is for the first list only.
    pub(crate) fn decode<'a>(
        &'a self,
        program: Option<&[u8]>,
        log: &[u8],
        known: &dyn Fn(&str) -> Option<FieldId>,
        fields: &mut Fields,
    ) -> Option<&'a Decoder> {
        let roots = if program.is_some() { &self.with_program } else { &self.without_program };
        for root in roots.iter().filter_map(|index| self.all.get(*index)) {
            let mut after_parent = 0;
            if let Some(program) = program
                && !root.program.as_ref().is_some_and(|pattern| pattern.is_match(program))
            {
                continue;
            }
            if let Some(prematch) = &root.prematch {
                let Some(end) = prematch.find_end(log) else { continue };
                after_parent = end;
            }
            return Some(self.descend(root, log, after_parent, known, fields));
        }
        None
    }

    /// Finds the child that a root's line is for, and runs its expressions.
    fn descend<'a>(
        &'a self,
        root: &'a Decoder,
        log: &[u8],
        after_parent: usize,
        known: &dyn Fn(&str) -> Option<FieldId>,
        fields: &mut Fields,
    ) -> &'a Decoder {
        if root.children.is_empty() {
            let after = After { parent: after_parent, prematch: after_parent };
            let _same_decoder = Self::extract(std::iter::once(root), log, after, known, fields);
            return root;
        }
        let mut siblings = root.children.iter().filter_map(|index| self.all.get(*index)).enumerate();
        while let Some((place, child)) = siblings.next() {
            let mut decoded = root;
            let mut after_prematch = after_parent;
            if let Some(prematch) = &child.prematch {
                let begin = if child.prematch_after_parent { after_parent } else { 0 };
                let Some(end) = prematch.find_end(tail(log, begin)) else {
                    // A chain that does not begin is passed over whole.
                    let mut link = child;
                    while link.goes_on {
                        let Some((_, next)) = siblings.next() else { break };
                        link = next;
                    }
                    continue;
                };
                after_prematch = begin + end;
                decoded = child;
            }
            let chain = root.children.iter().skip(place).filter_map(|index| self.all.get(*index));
            let after = After { parent: after_parent, prematch: after_prematch };
            // A child without prematch is the one, whether its expression matches or not.
            return Self::extract(chain, log, after, known, fields)
                .map_or(decoded, |last| if child.prematch.is_some() { decoded } else { last });
        }
        root
    }

    /// Runs a chain of expressions over the line; gives the decoder whose expression matched last.
    fn extract<'a>(
        chain: impl Iterator<Item = &'a Decoder>,
        log: &[u8],
        after: After,
        known: &dyn Fn(&str) -> Option<FieldId>,
        fields: &mut Fields,
    ) -> Option<&'a Decoder> {
        let mut after_regex = None;
        let mut matched = None;
        for decoder in chain {
            if let Some(offset) = decoder.json {
                json::flatten(tail(log, after.of(offset, after_regex)), known, fields);
                return Some(decoder);
            }
            let Some(regex) = &decoder.regex else { return matched };
            let begin = after.of(decoder.offset, after_regex);
            let text = tail(log, begin);
            if let Some(found) = regex.find(text) {
                for (field, group) in decoder.order.iter().zip(&found.groups) {
                    let value = group.and_then(|(from, to)| text.get(from..to));
                    if let Some(value) = value.filter(|value| !value.is_empty()) {
                        fields.set(*field, value);
                    }
                }
                after_regex = Some(begin + found.end);
                matched = Some(decoder);
            } else if !decoder.goes_on {
                return matched;
            }
            if !decoder.goes_on {
                return matched;
            }
        }
        matched
    }
}

#[derive(Clone, Copy)]
struct After {
    parent: usize,
    prematch: usize,
}

impl After {
    fn of(self, offset: Offset, after_regex: Option<usize>) -> usize {
        match offset {
            Offset::Line => 0,
            Offset::AfterParent => self.parent,
            Offset::AfterPrematch => self.prematch,
            Offset::AfterRegex => after_regex.unwrap_or(self.prematch),
        }
    }
}

fn tail(log: &[u8], begin: usize) -> &[u8] {
    log.get(begin..).unwrap_or_default()
}
