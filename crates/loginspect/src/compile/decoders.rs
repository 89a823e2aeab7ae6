//! Decoders: from elements to chains.

use super::{Interned, Parsed, words};
use crate::decoder::{Category, Decoder, Decoders, Offset};
use crate::diagnose::{Findings, shown};
use crate::fields::Names;
use crate::limits;
use crate::pattern::{Kind, Pattern};
use crate::xml::Element;
use sakimori_model::Diagnostic;

pub(super) struct CompiledDecoders {
    pub(super) decoders: Decoders,
    names: Interned,
    pub(super) refused: usize,
}

impl CompiledDecoders {
    /// The number of a decoder's name.
    pub(super) fn id(&self, name: &str) -> Option<u32> {
        self.names.by_name.get(name).copied()
    }
}

pub(super) fn compile(files: &[Parsed], names: &mut Names, list: &mut Vec<Diagnostic>) -> CompiledDecoders {
    let mut done = CompiledDecoders { decoders: Decoders::default(), names: Interned::default(), refused: 0 };
    for file in files {
        let mut findings = Findings::new(&file.name, list);
        let nested = file.roots.iter().filter(|root| matches!(root.name.as_str(), "root" | "decoders"));
        let all = file.roots.iter().chain(nested.flat_map(|root| &root.children));
        for element in all.filter(|element| element.name == "decoder") {
            if done.decoders.all.len() >= limits::DECODERS {
                findings.error("L012", element.line, "there are too many decoders", "use fewer files");
                done.refused += 1;
                break;
            }
            let decoder = draft(element, names, &mut done.names, &mut findings)
                .and_then(|(decoder, parent)| place(&mut done, decoder, parent, element.line, &mut findings));
            if decoder.is_none() {
                done.refused += 1;
            }
        }
    }
    done
}

/// What may stand in several elements and is one text.
#[derive(Default)]
struct Expression {
    text: String,
    offset: Option<Offset>,
    kind: Option<Kind>,
    line: u32,
}

impl Expression {
    fn add(&mut self, element: &Element, kind: Kind, findings: &mut Findings<'_>) -> Option<()> {
        let kind = match element.attribute("type") {
            None => kind,
            Some("pcre2") => Kind::Pcre { caseless: false },
            Some("osregex") => Kind::OsRegex,
            Some("osmatch") => Kind::OsMatch,
            Some(other) => {
                let title = format!("a pattern of type {}", shown(other));
                findings.error("L003", element.line, title, "use pcre2, osregex or osmatch");
                return None;
            }
        };
        self.text.push_str(&element.text);
        self.kind = Some(kind);
        if self.line == 0 {
            self.line = element.line;
        }
        if let Some(offset) = element.attribute("offset") {
            let known = offset_of(offset);
            if known.is_none() {
                let title = format!("an offset of {}", shown(offset));
                findings.error(
                    "L003",
                    element.line,
                    title,
                    "use after_parent, after_prematch or after_regex",
                );
                return None;
            }
            self.offset = self.offset.or(known);
        }
        Some(())
    }

    /// `Ok(None)` where there was no such element.
    fn compile(&self, findings: &mut Findings<'_>) -> Result<Option<Pattern>, ()> {
        let Some(kind) = self.kind else { return Ok(None) };
        Pattern::compile(kind, &self.text, false).map(Some).map_err(|bad| {
            let title = format!("the pattern {} does not compile: {}", shown(&self.text), bad.0);
            findings.error("L008", self.line, title, "correct the pattern");
        })
    }
}

fn offset_of(word: &str) -> Option<Offset> {
    Some(match word {
        "after_parent" => Offset::AfterParent,
        "after_prematch" => Offset::AfterPrematch,
        "after_regex" => Offset::AfterRegex,
        _ => return None,
    })
}

/// A decoder and its parent's name.
fn draft(
    element: &Element,
    names: &mut Names,
    interned: &mut Interned,
    findings: &mut Findings<'_>,
) -> Option<(Decoder, Option<String>)> {
    let line = element.line;
    let Some(own) = element.attribute("name").filter(|n| !n.is_empty() && n.len() <= limits::NAME_BYTES)
    else {
        findings.error("L005", line, "a decoder has no name", "give it name=\"…\"");
        return None;
    };
    let (mut program, mut prematch, mut regex) =
        (Expression::default(), Expression::default(), Expression::default());
    let mut parent = None;
    let mut category = None;
    let mut use_own_name = false;
    let mut order = Vec::new();
    let mut json = None;
    let mut sound = true;
    for part in &element.children {
        let text = part.text.trim();
        let good = match part.name.as_str() {
            "program_name" => program.add(part, Kind::OsMatch, findings),
            "program_name_pcre2" => program.add(part, Kind::Pcre { caseless: true }, findings),
            "prematch" => prematch.add(part, Kind::OsRegex, findings),
            "prematch_pcre2" => prematch.add(part, Kind::Pcre { caseless: true }, findings),
            "regex" => regex.add(part, Kind::OsRegex, findings),
            "pcre2" | "regex_pcre2" => regex.add(part, Kind::Pcre { caseless: true }, findings),
            "parent" => {
                parent = Some(text.to_owned());
                Some(())
            }
            "type" => {
                category = Category::from_word(text);
                if category.is_none() {
                    let title = format!("a type of {}", shown(text));
                    findings.error(
                        "L003",
                        part.line,
                        title,
                        "use syslog, web-log, firewall, ids, squid, windows or ossec",
                    );
                }
                category.map(|_| ())
            }
            "use_own_name" => {
                use_own_name = text == "true";
                Some(())
            }
            "order" => {
                order.extend(words(&part.text).filter_map(|name| names.id(name)));
                Some(())
            }
            "plugin_decoder" if text == "JSON_Decoder" => {
                json = Some(part.attribute("offset").and_then(offset_of).unwrap_or_default());
                Some(())
            }
            "plugin_decoder" | "accumulate" => {
                let title = format!("<{}> {} is not supported", part.name, shown(text));
                findings.error("L004", part.line, title, "write the decoder with regex and order");
                None
            }
            // The first is for rules with if_fts alone, which are refused; the others are remarks and JSON's taste.
            "fts" | "ftscomment" | "json_null_field" | "json_array_structure" => Some(()),
            other => {
                let title = format!("<{}> is no part of a decoder", shown(other));
                findings.error("L003", part.line, title, "remove it or correct its name");
                None
            }
        };
        sound &= good.is_some();
    }
    let compiled = (program.compile(findings), prematch.compile(findings), regex.compile(findings));
    let (Ok(program), Ok(prematch_pattern), Ok(regex_pattern)) = compiled else { return None };
    if !sound {
        return None;
    }
    if let Some(pattern) = &regex_pattern
        && pattern.groups() < order.len()
    {
        let title = format!("{} fields are ordered, {} groups are captured", order.len(), pattern.groups());
        findings.warning("L010", line, title, "give each field a group");
    }
    let (name, id) = interned.id(own);
    let decoder = Decoder {
        name: std::sync::Arc::clone(&name),
        own_name: name,
        id,
        category: category.unwrap_or_default(),
        program,
        prematch: prematch_pattern,
        prematch_after_parent: prematch.offset == Some(Offset::AfterParent),
        regex: regex_pattern,
        offset: regex.offset.unwrap_or_default(),
        order,
        goes_on: false,
        json,
        children: Vec::new(),
    };
    // What a parent gives: see `place`.
    let decoder = Decoder { category: category.unwrap_or(decoder.category), ..decoder };
    Some((decoder, parent.map(|parent| if use_own_name { format!("!{parent}") } else { parent })))
}

/// Puts a decoder under all roots of its parent's name, or among the roots. A parent's name with `!` before it keeps
/// the child's own name.
fn place(
    done: &mut CompiledDecoders,
    mut decoder: Decoder,
    parent: Option<String>,
    line: u32,
    findings: &mut Findings<'_>,
) -> Option<()> {
    let index = done.decoders.all.len();
    let Some(parent) = parent else {
        if decoder.program.is_none() && decoder.prematch.is_none() {
            let title = format!("the decoder {} takes every line", shown(&decoder.own_name));
            findings.error("L005", line, title, "give it a program_name or a prematch");
            return None;
        }
        let list = if decoder.program.is_some() {
            &mut done.decoders.with_program
        } else {
            &mut done.decoders.without_program
        };
        list.push(index);
        done.decoders.all.push(decoder);
        return Some(());
    };
    let (own, parent) = match parent.strip_prefix('!') {
        Some(parent) => (true, parent),
        None => (false, parent.as_str()),
    };
    let roots = done.decoders.with_program.iter().chain(&done.decoders.without_program).copied();
    let parents: Vec<usize> = roots
        .filter(|root| done.decoders.all.get(*root).is_some_and(|root| *root.own_name == *parent))
        .collect();
    let Some(first) = parents.first().and_then(|first| done.decoders.all.get(*first)) else {
        let title = format!("the parent {} is no decoder before this one", shown(parent));
        findings.error("L009", line, title, "name a decoder without parent, above this one");
        return None;
    };
    if !own {
        decoder.name = std::sync::Arc::clone(&first.name);
        decoder.id = first.id;
    }
    if decoder.category == Category::default() {
        decoder.category = first.category;
    }
    // A sibling of the same name right before goes on with this one, if this one is an expression only.
    let before = first.children.last().copied();
    if decoder.prematch.is_none()
        && decoder.regex.is_some()
        && let Some(sibling) = before.and_then(|before| done.decoders.all.get_mut(before))
        && sibling.own_name == decoder.own_name
        && sibling.regex.is_some()
    {
        sibling.goes_on = true;
    }
    done.decoders.all.push(decoder);
    for parent in parents {
        if let Some(parent) = done.decoders.all.get_mut(parent) {
            parent.children.push(index);
        }
    }
    Some(())
}
