//! Findings about rules, before they know their file and line.
use sakimori_model::Level;

/// A finding at a byte position of one rule's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    pub(crate) level: Level,
    pub(crate) title: String,
    pub(crate) at: usize,
    pub(crate) help: String,
}

impl Finding {
    pub(crate) fn error(
        code: &'static str,
        at: usize,
        title: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { code, level: Level::Error, title: title.into(), at, help: help.into() }
    }

    pub(crate) fn warning(
        code: &'static str,
        at: usize,
        title: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { code, level: Level::Warning, title: title.into(), at, help: help.into() }
    }
}

/// What is used of a text in a message: printable and short.
pub(crate) fn shown(text: &str) -> String {
    const LIMIT: usize = 48;
    let mut out: String = text.chars().take(LIMIT).map(|c| if c.is_control() { '.' } else { c }).collect();
    if text.chars().nth(LIMIT).is_some() {
        out.push_str("...");
    }
    out
}
