//! What is wrong with an operator's input, and what to do about it.
use std::fmt;

/// How bad a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The input loads, but probably does not do what its author meant.
    Warning,
    /// The input does not load.
    Error,
}

/// One finding about rules, policies or configuration, with a stable code and a remedy.
///
/// All findings of an input are collected and shown together; an input with an
/// [`Level::Error`] is never half used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, a letter for the area and a number: `S012`.
    pub code: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What is wrong, in one line without a full stop.
    pub title: String,
    /// The file or other source the input came from.
    pub source: String,
    /// Line of the source, counted from 1; 0 where there is no line.
    pub line: u32,
    /// Column in characters, counted from 1; 0 where there is no column.
    pub column: u32,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Warning => "warning",
            Level::Error => "error",
        };
        write!(
            f,
            "{level}[{}]: {}\n  --> {}:{}:{}",
            self.code, self.title, self.source, self.line, self.column
        )?;
        if !self.help.is_empty() {
            write!(f, "\n  help: {}", self.help)?;
        }
        Ok(())
    }
}
