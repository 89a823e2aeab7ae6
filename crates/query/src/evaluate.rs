//! A filter asked of one event.
use crate::{Bound, Filter, Measure, TextBound, TextField, TextTest, TimeField};
use sakimori_model::Severity;

/// An event as a filter sees it.
pub trait Record {
    /// A time, in microseconds since 1970.
    fn time(&self, field: TimeField) -> i64;
    /// How much it matters; nothing where it says no severity that is known.
    fn severity(&self) -> Option<Severity>;
    /// A number that every event has; nothing where the record is no event.
    fn measure(&self, measure: Measure) -> Option<f64>;
    /// The values of a text: one for most fields, any number for tags; for a member
    /// of the detail its elements where it is a list, without objects, lists and null.
    fn texts(&self, field: &TextField) -> Vec<Scalar>;
    /// Detail and computer name, in which words are looked for.
    fn words(&self) -> String;
}

/// A value that is no list and no object.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// As text: `7000001`, `true`, `web1`.
    pub text: String,
    /// As number, where it is one.
    pub number: Option<f64>,
}

impl Scalar {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), number: None }
    }
}

impl Filter {
    /// Whether it finds this event.
    pub fn matches(&self, record: &impl Record) -> bool {
        match self {
            Self::And(all) => all.iter().all(|filter| filter.matches(record)),
            Self::Or(any) => any.iter().any(|filter| filter.matches(record)),
            Self::Not(inner) => !inner.matches(record),
            Self::Time(field, from, to) => {
                let at = record.time(*field);
                from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to)
            }
            Self::Severity(any) => record.severity().is_some_and(|severity| any.contains(&severity)),
            Self::Text(field, test) => record.texts(field).iter().any(|value| test.matches(&value.text)),
            Self::Number(path, low, high) => record
                .texts(&TextField::Detail(path.clone()))
                .iter()
                .filter_map(|value| value.number)
                .any(|number| low.below(number) && high.above(number)),
            Self::Measure(measure, low, high) => {
                record.measure(*measure).is_some_and(|number| low.below(number) && high.above(number))
            }
            Self::Exists(path) => !record.texts(&TextField::Detail(path.clone())).is_empty(),
            Self::Anywhere(text) => record.words().to_ascii_lowercase().contains(text.as_str()),
        }
    }
}

impl TextTest {
    fn matches(&self, value: &str) -> bool {
        match self {
            Self::In(any) => any.iter().any(|one| one == value),
            Self::Like(parts) => like(parts, value),
            Self::Contains(part) => value.to_ascii_lowercase().contains(part.as_str()),
            Self::Between(low, high) => {
                let above = match low {
                    TextBound::Open => true,
                    TextBound::Including(bound) => value >= bound.as_str(),
                    TextBound::Excluding(bound) => value > bound.as_str(),
                };
                above
                    && match high {
                        TextBound::Open => true,
                        TextBound::Including(bound) => value <= bound.as_str(),
                        TextBound::Excluding(bound) => value < bound.as_str(),
                    }
            }
        }
    }
}

/// The first part begins the value, the last ends it, those between follow each other: no backtracking.
fn like(parts: &[String], value: &str) -> bool {
    let [first, middle @ .., last] = parts else {
        return parts.iter().all(|only| only == value);
    };
    let Some(mut rest) = value.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        let Some((_, after)) = rest.split_once(part.as_str()) else { return false };
        rest = after;
    }
    rest.ends_with(last.as_str())
}

impl Bound {
    fn below(self, number: f64) -> bool {
        match self {
            Self::Open => true,
            Self::Including(bound) => number >= bound,
            Self::Excluding(bound) => number > bound,
        }
    }

    fn above(self, number: f64) -> bool {
        match self {
            Self::Open => true,
            Self::Including(bound) => number <= bound,
            Self::Excluding(bound) => number < bound,
        }
    }
}
