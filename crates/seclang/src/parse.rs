//! Directives → what they say.

pub(crate) mod actions;
pub(crate) mod targets;

use crate::diagnose::{Finding, shown};

/// The operator as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OperatorText {
    pub(crate) negated: bool,
    pub(crate) name: String,
    pub(crate) argument: String,
}

/// Reads `!@name argument`; without a name it is a pattern.
pub(crate) fn operator(text: &str) -> Result<OperatorText, Finding> {
    let trimmed = text.trim_start();
    let (negated, rest) = match trimmed.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, trimmed),
    };
    let Some(named) = rest.strip_prefix('@') else {
        return Ok(OperatorText { negated, name: "rx".to_owned(), argument: rest.to_owned() });
    };
    let (name, argument) = named.split_once(char::is_whitespace).unwrap_or((named, ""));
    if name.is_empty() {
        return Err(Finding::error(
            "W020",
            format!("an operator without a name: {}", shown(text)),
            "write a name after @, as in @rx or @contains",
        ));
    }
    Ok(OperatorText { negated, name: name.to_ascii_lowercase(), argument: argument.trim_start().to_owned() })
}
