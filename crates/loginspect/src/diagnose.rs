//! Findings about rule files.
//!
//! | code | about |
//! |---|---|
//! | L001 | the file: too large, not text |
//! | L002 | XML that is not well formed |
//! | L003 | an element or attribute that the language does not have |
//! | L004 | a part of the language that is not supported |
//! | L005 | a rule's or decoder's own attributes |
//! | L006 | ids: doubled, missing |
//! | L007 | what a rule refers to does not exist |
//! | L008 | a pattern |
//! | L009 | what a decoder refers to does not exist |
//! | L010 | fields and groups of a decoder |
//! | L011 | counting |
//! | L012 | a bound |
//! | L013 | an address, a time, a day |
//! | L014 | something that has no effect |
use sakimori_model::{Diagnostic, Level};

/// Findings of one file.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    source: &'a str,
    list: &'a mut Vec<Diagnostic>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(source: &'a str, list: &'a mut Vec<Diagnostic>) -> Self {
        Self { source, list }
    }

    pub(crate) fn error(&mut self, code: &'static str, line: u32, title: impl Into<String>, help: &str) {
        self.push(code, Level::Error, line, title.into(), help);
    }

    pub(crate) fn warning(&mut self, code: &'static str, line: u32, title: impl Into<String>, help: &str) {
        self.push(code, Level::Warning, line, title.into(), help);
    }

    fn push(&mut self, code: &'static str, level: Level, line: u32, title: String, help: &str) {
        // A file that is wrong everywhere is told so a bounded number of times.
        const MOST: usize = 10_000;
        if self.list.len() < MOST {
            self.list.push(Diagnostic {
                code,
                level,
                title,
                source: self.source.to_owned(),
                line,
                column: 0,
                help: help.to_owned(),
            });
        }
    }
}

/// What is used of a text in a message: printable and short.
pub(crate) fn shown(text: &str) -> String {
    const LIMIT: usize = 60;
    let mut out: String = text.chars().take(LIMIT).map(|c| if c.is_control() { '.' } else { c }).collect();
    if text.chars().nth(LIMIT).is_some() {
        out.push_str("...");
    }
    out
}
