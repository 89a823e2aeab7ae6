//! Text → rule set.

mod assemble;
mod draft;

use sakimori_model::{Diagnostic, Level};

use crate::Loader;
use crate::diagnose::{Finding, Place};
use crate::lex;
use crate::ruleset::Ruleset;
use draft::Drafts;

/// A file of directives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// What it is called in findings, and what names in it are relative to.
    pub name: String,
    /// Its content.
    pub text: Vec<u8>,
}

/// What became of the files.
#[derive(Debug)]
pub struct Compiled {
    /// The rule set; none where there is any error.
    pub ruleset: Option<Ruleset>,
    /// Everything that is wrong or looks wrong, in the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
}

/// Files within files.
const INCLUDES: usize = 16;

/// Compiles `files`, in their order, as one configuration.
pub fn compile(files: &[SourceFile], loader: &dyn Loader) -> Compiled {
    let mut reading = Reading { drafts: Drafts::default(), names: Vec::new(), findings: Vec::new(), loader };
    for file in files {
        reading.file(&file.name, &file.text, 0);
    }
    reading.drafts.finish(&mut reading.findings);
    let Reading { drafts, names, mut findings, .. } = reading;
    let ruleset = assemble::assemble(drafts, &names, loader, &mut findings);
    findings.sort_by_key(|(place, _)| (place.file, place.line));
    let diagnostics: Vec<Diagnostic> = findings
        .into_iter()
        .map(|(place, finding)| {
            let name = names.get(place.file).map(String::as_str).unwrap_or_default();
            finding.at(name, place.line)
        })
        .collect();
    let whole = diagnostics.iter().all(|finding| finding.level != Level::Error);
    Compiled { ruleset: Some(ruleset).filter(|_| whole), diagnostics }
}

struct Reading<'l> {
    drafts: Drafts,
    names: Vec<String>,
    findings: Vec<(Place, Finding)>,
    loader: &'l dyn Loader,
}

impl Reading<'_> {
    fn file(&mut self, name: &str, text: &[u8], depth: usize) {
        let file = self.names.len();
        self.names.push(name.to_owned());
        let text = match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(error) => {
                let before = text.get(..error.valid_up_to()).unwrap_or_default();
                let line = memchr::memchr_iter(b'\n', before).count() + 1;
                self.findings.push((
                    Place { file, line: line.try_into().unwrap_or(u32::MAX) },
                    Finding::error(
                        "W003",
                        "the file is not UTF-8",
                        "save it as UTF-8, and write other bytes as \\xhh",
                    ),
                ));
                return;
            }
        };
        let (directives, findings) = lex::directives(text);
        self.findings.extend(findings.into_iter().map(|(line, finding)| (Place { file, line }, finding)));
        for directive in directives {
            let place = Place { file, line: directive.line };
            if directive.name.eq_ignore_ascii_case("include") {
                self.include(place, directive.words.first().map(String::as_str), depth);
                continue;
            }
            self.drafts.take(place, &directive, &mut self.findings);
        }
    }

    fn include(&mut self, place: Place, name: Option<&str>, depth: usize) {
        let loaded = name.filter(|_| depth < INCLUDES).and_then(|name| Some((name, self.loader.load(name)?)));
        match loaded {
            Some((name, text)) => self.file(name, &text, depth + 1),
            None => self.findings.push((
                place,
                Finding::error(
                    "W004",
                    format!(
                        "the file {} is not there, or files include each other",
                        name.unwrap_or_default()
                    ),
                    "correct its name; patterns of names are not offered: name each file",
                ),
            )),
        }
    }
}
