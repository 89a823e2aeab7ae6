//! What the lists, counts and exports of events have in common: how they are narrowed.
use crate::clock;
use crate::problem::Refused;
use sakimori_api::{FieldError, NewEventExport, SearchSubject};
use sakimori_model::{Diagnostic, Timestamp};
use sakimori_query::{Filter, TextField, TextTest, TimeField};
use std::collections::BTreeMap;

/// Reads a filter of events; `pointer` says where it stood in the request.
pub(super) fn parse(pointer: &str, text: &str, now: Timestamp) -> Result<Filter, Refused> {
    parse_of(SearchSubject::Events, pointer, text, now)
}

/// Reads a filter of what `subject` says; `pointer` says where it stood in the request.
pub(super) fn parse_of(
    subject: SearchSubject,
    pointer: &str,
    text: &str,
    now: Timestamp,
) -> Result<Filter, Refused> {
    let parsed = match subject {
        SearchSubject::Events => sakimori_query::parse(text, now.0),
        SearchSubject::Computers => sakimori_query::parse_computers(text, now.0),
    };
    parsed.map_err(|findings| {
        Refused::fields(findings.into_iter().map(|finding| field_error(pointer, finding)).collect())
    })
}

fn field_error(pointer: &str, finding: Diagnostic) -> FieldError {
    FieldError {
        pointer: pointer.to_owned(),
        code: finding.code.to_owned(),
        message: format!("At {}: {}. {}", finding.column, finding.title, finding.help),
        args: BTreeMap::from([
            ("column".to_owned(), finding.column.to_string()),
            ("title".to_owned(), finding.title),
            ("help".to_owned(), finding.help),
        ]),
    }
}

/// A time in a query.
pub(super) fn time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Refused> {
    let parsed = text.map(|text| clock::parse(text).ok_or(name)).transpose();
    parsed.map_err(|name| Refused::invalid(format!("{name} is a time like 2026-11-22T10:00:00Z.")))
}

/// What an export asks for.
pub(crate) fn of_export(asked: &NewEventExport, now: Timestamp) -> Result<Filter, Refused> {
    let time = |pointer: &str, text: Option<&str>| match text.map(clock::parse) {
        Some(None) => {
            Err(Refused::field(pointer, "not-a-time", "A time is written like 2026-11-22T10:00:00Z."))
        }
        parsed => Ok(parsed.flatten()),
    };
    let filter = parse("/filter", asked.filter.as_deref().unwrap_or_default(), now)?;
    Ok(between(time("/from", asked.from.as_deref())?, time("/to", asked.to.as_deref())?).and(filter))
}

/// Events between two times, by the computer's clock.
pub(super) fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> Filter {
    Filter::Time(TimeField::At, from.map(|at| at.0), to.map(|at| at.0))
}

/// Events with one of the values.
pub(super) fn is(field: TextField, value: String) -> Filter {
    Filter::Text(field, TextTest::In(vec![value]))
}
