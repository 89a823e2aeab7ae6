//! Text with macros: `%{TX.score}`.

use crate::diagnose::{Finding, shown};
use crate::variable::Variable;

/// Text with macros, read once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    /// A variable and the small letters of its key.
    Value(Variable, Option<Vec<u8>>),
}

impl Template {
    /// Reads `text`.
    pub(crate) fn parse(text: &str) -> Result<Self, Finding> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("%{") {
            let Some((name, after)) = after.split_once('}') else {
                return Err(Finding::error(
                    "W010",
                    format!("a macro is never closed: %{{{}", shown(after)),
                    "write %{VARIABLE} or %{VARIABLE.key}",
                ));
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.as_bytes().to_vec()));
            }
            let (variable, key) = match name.split_once(['.', ':']) {
                Some((variable, key)) => (variable, Some(key.to_ascii_lowercase().into_bytes())),
                None => (name, None),
            };
            let variable = Variable::by_name(variable.trim()).ok_or_else(|| {
                Finding::error(
                    "W011",
                    format!("unknown variable in a macro: %{{{}}}", shown(name)),
                    "write the name of a variable, as in %{TX.score} or %{REMOTE_ADDR}",
                )
            })?;
            pieces.push(Piece::Value(variable, key));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.as_bytes().to_vec()));
        }
        Ok(Self { pieces })
    }

    /// Its text, where it has no macro.
    pub(crate) fn constant(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [] => Some(b""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Variables that its macros read.
    pub(crate) fn reads(&self) -> impl Iterator<Item = Variable> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Value(variable, _) => Some(*variable),
            Piece::Text(_) => None,
        })
    }
}
