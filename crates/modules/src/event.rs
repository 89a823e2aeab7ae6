//! Kinds of events: typed columns, and what an event means.
use crate::settings::Schemas;
use crate::words::Explanation;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

/// The columns of one kind of event. Texts in it that come from outside are bounded and made printable by its maker.
pub trait EventDetail: Serialize + DeserializeOwned + ToSchema + 'static {
    /// Registered name, kebab-case.
    const KIND: &'static str;
    /// The columns that lists show and filters know by name.
    const COLUMNS: &'static [Column];

    /// What it means, in one or two sentences.
    fn explain(&self, about: &About<'_>) -> Explanation;
}

/// What an explanation says beside the event's own columns.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The computer's name.
    pub computer: &'a str,
    /// `detected`, `blocked` or `noted`.
    pub action: &'a str,
    /// `info` to `critical`.
    pub severity: &'a str,
}

/// A column of an event's detail.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The member of the detail, camelCase.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text.
    Text,
    /// A number.
    Number,
    /// An IP address.
    Address,
    /// Several texts.
    Texts,
}

impl Column {
    /// A text.
    pub const fn text(name: &'static str) -> Self {
        Self { name, kind: ColumnKind::Text }
    }

    /// A number.
    pub const fn number(name: &'static str) -> Self {
        Self { name, kind: ColumnKind::Number }
    }

    /// An IP address.
    pub const fn address(name: &'static str) -> Self {
        Self { name, kind: ColumnKind::Address }
    }

    /// Several texts.
    pub const fn texts(name: &'static str) -> Self {
        Self { name, kind: ColumnKind::Texts }
    }
}

/// [`EventDetail`] without its type.
#[derive(Clone, Copy, Debug)]
pub struct EventKind {
    /// Registered name.
    pub kind: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    explain: fn(&About<'_>, &Value) -> Option<Explanation>,
    schema: fn() -> Schemas,
}

impl EventKind {
    /// The kind of type `E`.
    pub const fn of<E: EventDetail>() -> Self {
        Self { kind: E::KIND, columns: E::COLUMNS, explain: explain::<E>, schema: Schemas::of::<E> }
    }

    /// What an event means; nothing where the detail is not of this kind's form.
    pub fn explain(&self, about: &About<'_>, detail: &Value) -> Option<Explanation> {
        (self.explain)(about, detail)
    }

    /// For the `OpenAPI` document.
    pub fn schemas(&self) -> Schemas {
        (self.schema)()
    }
}

fn explain<E: EventDetail>(about: &About<'_>, detail: &Value) -> Option<Explanation> {
    E::deserialize(detail).ok().map(|detail| detail.explain(about))
}

/// Cuts a text from outside to `most` characters and replaces control characters, so that no terminal, table or
/// spreadsheet is told what to do by it.
pub fn printable(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
