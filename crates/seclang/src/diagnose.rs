//! Findings about configuration, gathered while it is read.

use sakimori_model::{Diagnostic, Level};

/// Where something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Number of the file.
    pub(crate) file: usize,
    /// Line, counted from 1.
    pub(crate) line: u32,
}

/// A finding that does not know its place yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    code: &'static str,
    level: Level,
    title: String,
    help: String,
}

impl Finding {
    pub(crate) fn error(code: &'static str, title: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code, level: Level::Error, title: title.into(), help: help.into() }
    }

    pub(crate) fn warning(code: &'static str, title: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code, level: Level::Warning, title: title.into(), help: help.into() }
    }

    pub(crate) fn at(self, source: &str, line: u32) -> Diagnostic {
        Diagnostic {
            code: self.code,
            level: self.level,
            title: self.title,
            source: source.to_owned(),
            line,
            column: 0,
            help: self.help,
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
