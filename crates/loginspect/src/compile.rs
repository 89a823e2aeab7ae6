//! From files to a [`RuleSet`]: everything that can be is loaded, and everything that cannot is said.

mod decoders;
mod rules;

use crate::diagnose::Findings;
use crate::fields::Names;
use crate::limits;
use crate::ruleset::RuleSet;
use crate::xml::{self, Element};
use sakimori_model::{Diagnostic, Level};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whose words and numbers the files mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `frequency="N"` fires on event N + 2; `*_pcre2` elements match letters of either case.
    #[default]
    Ossec,
    /// `frequency="N"` fires on event N; `type="pcre2"` tells cases apart; `negate`, `field` and `overwrite`.
    Wazuh,
}

/// One file as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// File name, for diagnostics.
    pub name: String,
    /// Its text.
    pub text: Vec<u8>,
}

/// What came of files.
#[derive(Debug)]
pub struct Compiled {
    /// What could be loaded. In force only if no finding is an error.
    pub rules: RuleSet,
    /// All findings.
    pub diagnostics: Vec<Diagnostic>,
    /// Rules loaded.
    pub loaded: usize,
    /// Rules refused.
    pub refused: usize,
    /// Decoders loaded.
    pub decoders_loaded: usize,
    /// Decoders refused.
    pub decoders_refused: usize,
}

impl Compiled {
    /// Whether some finding is an error, so that the set as a whole is refused.
    pub fn is_refused(&self) -> bool {
        self.diagnostics.iter().any(|finding| finding.level == Level::Error)
    }
}

/// A file's elements with its variables put in.
struct Parsed {
    name: String,
    roots: Vec<Element>,
}

/// Compiles files in the order given. Decoders and rules may stand in any of them; a decoder must stand after
/// its parent.
pub fn compile(files: &[SourceFile], dialect: Dialect) -> Compiled {
    let mut diagnostics = Vec::new();
    let mut parsed = Vec::with_capacity(files.len());
    for file in files {
        let mut findings = Findings::new(&file.name, &mut diagnostics);
        if file.text.len() > limits::FILE_BYTES {
            findings.error("L001", 0, "the file is larger than 4 MiB", "split it");
            continue;
        }
        let text = String::from_utf8_lossy(&file.text);
        if matches!(text, std::borrow::Cow::Owned(_)) {
            findings.warning(
                "L001",
                0,
                "the file is not UTF-8",
                "save it as UTF-8: its other letters will not match",
            );
        }
        let mut roots = xml::read(&text, &mut findings);
        let variables = variables(&roots);
        if !variables.is_empty() {
            for root in &mut roots {
                put_in(root, &variables);
            }
        }
        parsed.push(Parsed { name: file.name.clone(), roots });
    }
    let mut names = Names::new();
    let decoders = decoders::compile(&parsed, &mut names, &mut diagnostics);
    let rules = rules::compile(&parsed, dialect, &decoders, &mut names, &mut diagnostics);
    let decoders_loaded = decoders.decoders.all.len();
    Compiled {
        loaded: rules.rules.len(),
        refused: rules.refused,
        decoders_loaded,
        decoders_refused: decoders.refused,
        rules: RuleSet {
            names,
            decoders: decoders.decoders,
            rules: rules.rules,
            roots: rules.roots,
            lists: rules.lists,
            compared: rules.compared,
        },
        diagnostics,
    }
}

/// `<var name="X">…</var>` of a file.
fn variables(roots: &[Element]) -> BTreeMap<String, String> {
    let inner = roots.iter().flat_map(|root| &root.children);
    let all = roots.iter().chain(inner).filter(|element| element.name == "var");
    all.filter_map(|var| Some((var.attribute("name")?.to_owned(), var.text.clone()))).collect()
}

/// Replaces `$X` in all texts and attributes below.
fn put_in(element: &mut Element, variables: &BTreeMap<String, String>) {
    if element.name != "var" {
        replace(&mut element.text, variables);
    }
    for (_, value) in &mut element.attributes {
        replace(value, variables);
    }
    for child in &mut element.children {
        put_in(child, variables);
    }
}

/// A name that no variable has stays as it is.
fn replace(text: &mut String, variables: &BTreeMap<String, String>) {
    if !text.contains('$') {
        return;
    }
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split('$');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        match variables.get(name) {
            // One long variable used often must not make the file larger than a file may be.
            Some(value) if out.len() + value.len() < limits::FILE_BYTES => {
                out.push_str(value);
                out.push_str(rest);
            }
            _ => {
                out.push('$');
                out.push_str(part);
            }
        }
    }
    *text = out;
}

/// The names of decoders, by number.
#[derive(Debug, Default)]
struct Interned {
    by_name: BTreeMap<Arc<str>, u32>,
}

impl Interned {
    fn id(&mut self, name: &str) -> (Arc<str>, u32) {
        if let Some((name, id)) = self.by_name.get_key_value(name) {
            return (Arc::clone(name), *id);
        }
        let id = u32::try_from(self.by_name.len()).unwrap_or(u32::MAX);
        let name: Arc<str> = name.into();
        let _none = self.by_name.insert(Arc::clone(&name), id);
        (name, id)
    }
}

/// Words separated by commas, without empty ones.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}
