//! The filter language of events and computers: `severity >= high AND (module = intrusion-prevention OR tag = review)`.
//!
//! A filter is a text of tests joined by `AND`, `OR`, `NOT` and parentheses; tests side by side are joined by `AND`.
//! [`parse`] turns it into a [`Filter`] or says everything that is wrong with it; [`Filter::matches`] asks it of
//! one event. A store turns the same [`Filter`] into its own query: what that finds is what matches here.
//!
//! | test | finds |
//! |---|---|
//! | `module = firewall`, `module != firewall` | events with, or without, this value |
//! | `severity >= medium` | severities in their order: info, low, medium, high, critical |
//! | `at >= 2026-11-22`, `at = 2026-11-22`, `received < -24h` | times: a day, an instant of RFC 3339, or as long ago |
//! | `at = 2026-11-01..2026-11-07`, `detail.serverPort = 8000..8999` | ranges, with both ends |
//! | `rank >= 500`, `assetValue = 50..100` | numbers that each event has: its computer's worth, and that times its severity's |
//! | `action in (blocked, detected)` | any of the values |
//! | `computer = web*` | `*` stands for any characters; within quotes it is itself |
//! | `detail.message ~ "select"` | texts that contain this, in any case of ASCII letters |
//! | `detail.cves = CVE-2017-1001000` | a member of the event's detail; of a list, any element |
//! | `WordPress`, `"203.0.113.9"` | events that contain this text anywhere in detail or computer name |
//!
//! # Bounds
//! A text of [`MAX_BYTES`], [`MAX_TESTS`] tests and list members, [`MAX_DEPTH`] levels of parentheses.
#![forbid(unsafe_code)]

mod evaluate;
mod lex;
mod parse;
mod time;

pub use evaluate::{Record, Scalar};
pub use parse::{MAX_BYTES, MAX_DEPTH, MAX_TESTS, parse, parse_computers};

use sakimori_model::Severity;

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of these; everything where there are none.
    And(Vec<Filter>),
    /// Any of these.
    Or(Vec<Filter>),
    /// What this does not find.
    Not(Box<Filter>),
    /// A time within bounds: from the first, before the second, in microseconds since 1970.
    Time(TimeField, Option<i64>, Option<i64>),
    /// One of these severities.
    Severity(Vec<Severity>),
    /// A text.
    Text(TextField, TextTest),
    /// A member of the detail that is a number, within bounds that both count.
    Number(Vec<String>, Bound, Bound),
    /// A number that every event has, within bounds.
    Measure(Measure, Bound, Bound),
    /// A member of the detail that is there and not null.
    Exists(Vec<String>),
    /// Detail or computer name contain this, in any case of ASCII letters; given in lower case.
    Anywhere(String),
}

/// A time of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeField {
    /// When it happened, by the computer's clock.
    At,
    /// When the manager got it.
    Received,
}

/// A number of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// How much its computer was worth.
    AssetValue,
    /// How much it matters: its severity's value times its computer's.
    Rank,
}

/// A text of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextField {
    /// Module.
    Module,
    /// Kind.
    Kind,
    /// Action.
    Action,
    /// The computer's name.
    Computer,
    /// The computer's id; a value that has the form of one means this.
    ComputerId,
    /// Any of its tags.
    Tag,
    /// A member of its detail, by its path; of a list any element.
    Detail(Vec<String>),
}

/// What is asked of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextTest {
    /// It is one of these.
    In(Vec<String>),
    /// It is made of these parts with anything between them: `web*` is `web` and an empty part.
    Like(Vec<String>),
    /// It contains this, in any case of ASCII letters; given in lower case.
    Contains(String),
    /// It lies between these in the order of bytes.
    Between(TextBound, TextBound),
}

/// An end of a range of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextBound {
    /// No end.
    Open,
    /// This, which counts.
    Including(String),
    /// This, which does not count.
    Excluding(String),
}

/// An end of a range of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// No end.
    Open,
    /// This, which counts.
    Including(f64),
    /// This, which does not count.
    Excluding(f64),
}

impl Filter {
    /// Finds everything.
    pub const fn everything() -> Self {
        Self::And(Vec::new())
    }

    /// What both find.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::And(mut all) => {
                all.push(other);
                Self::And(all)
            }
            one => Self::And(vec![one, other]),
        }
    }

    /// The earliest time of this kind that it can find anything at.
    pub fn earliest(&self, field: TimeField) -> Option<i64> {
        match self {
            Self::Time(of, from, _) if *of == field => *from,
            Self::And(all) => all.iter().filter_map(|one| one.earliest(field)).max(),
            Self::Or(any) => {
                any.iter().map(|one| one.earliest(field)).collect::<Option<Vec<_>>>()?.into_iter().min()
            }
            _ => None,
        }
    }
}
