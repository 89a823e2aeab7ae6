//! Words that settings and events of several modules use, as they are written in documents.
use sakimori_model as model;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// How far a module or a rule may go.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Not evaluated.
    #[default]
    Off,
    /// Evaluated and reported.
    Detect,
    /// Evaluated, reported and stopped.
    Prevent,
}

impl From<Mode> for model::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Off => Self::Off,
            Mode::Detect => Self::Detect,
            Mode::Prevent => Self::Prevent,
        }
    }
}

impl From<model::Mode> for Mode {
    fn from(mode: model::Mode) -> Self {
        match mode {
            model::Mode::Off => Self::Off,
            model::Mode::Detect => Self::Detect,
            model::Mode::Prevent => Self::Prevent,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        model::Mode::from(*self).fmt(f)
    }
}

/// What happens while nothing can judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FailureResponse {
    /// It passes uninspected and is counted.
    #[default]
    Open,
    /// It is stopped.
    Closed,
}

impl From<FailureResponse> for model::FailureResponse {
    fn from(response: FailureResponse) -> Self {
        match response {
            FailureResponse::Open => Self::Open,
            FailureResponse::Closed => Self::Closed,
        }
    }
}

/// A port or a range of ports as it is written: `80`, `8000-8090`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports(pub model::PortRange);

/// The text is neither a port nor a range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsePortsError;

impl fmt::Display for ParsePortsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write a port from 1 to 65535, or a range of them with the lower first: 8000-8090")
    }
}

impl std::error::Error for ParsePortsError {}

impl Ports {
    /// One port.
    pub const fn single(port: u16) -> Self {
        Self(model::PortRange::single(port))
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model::PortRange { first, last } = self.0;
        if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
    }
}

impl FromStr for Ports {
    type Err = ParsePortsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = |text: &str| {
            let digits = !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse::<u16>().ok()).flatten().filter(|port| *port > 0)
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self(model::PortRange { first, last })),
            _ => Err(ParsePortsError),
        }
    }
}

impl Serialize for Ports {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Ports {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::schema::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^([0-9]{1,5}(-[0-9]{1,5})?|list:.+)$"))
            .description(Some(
                "A port or a range of ports: `80`, `8000-8090`; or a list of ports: `list:NAME`.",
            ))
            .into()
    }
}

impl ToSchema for Ports {}

/// A fixed text for people in each language of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// English.
    pub en: &'static str,
    /// Japanese.
    pub ja: &'static str,
}

/// A text for people in each language of the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// English.
    pub en: String,
    /// Japanese.
    pub ja: String,
}

impl Explanation {
    /// From its two forms.
    pub const fn new(en: String, ja: String) -> Self {
        Self { en, ja }
    }
}

impl From<Text> for Explanation {
    fn from(text: Text) -> Self {
        Self { en: text.en.to_owned(), ja: text.ja.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_written_as_they_are_read() {
        for text in ["1", "80", "8000-8090", "65535"] {
            assert_eq!(text.parse::<Ports>().unwrap().to_string(), text);
        }
        for text in ["", "0", "+80", "90-80", "70000", "http", "80-", "-80", "1-2-3", "000080"] {
            assert_eq!(text.parse::<Ports>(), Err(ParsePortsError), "{text}");
        }
    }
}
