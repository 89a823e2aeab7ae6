//! MAC addresses as they are written in settings and lists.
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// The MAC address of a network card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// The text is no MAC address of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseMacError {
    /// It is not six bytes in one of the usual forms.
    Form,
    /// It names a group of cards, and no frame comes from such.
    Group,
}

impl fmt::Display for ParseMacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "write a MAC address: 02:00:5e:10:00:01 (also with '-', or as 0200.5e10.0001)",
            Self::Group => "this is a multicast or broadcast address: no frame comes from it",
        })
    }
}

impl std::error::Error for ParseMacError {}

impl FromStr for Mac {
    type Err = ParseMacError;

    /// Six pairs of digits with `:` or `-` between them, three groups of four with `.`, or twelve digits.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let groups = |separator: char, digits: usize| {
            let mut parts = text.split(separator);
            parts.clone().count() == 12 / digits && parts.all(|part| part.len() == digits)
        };
        if !(groups(':', 2) || groups('-', 2) || groups('.', 4) || text.len() == 12) {
            return Err(ParseMacError::Form);
        }
        let digits: Option<Vec<u8>> = text
            .chars()
            .filter(|c| !matches!(c, ':' | '-' | '.'))
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let pairs = digits.unwrap_or_default();
        let pairs = pairs.chunks_exact(2).filter_map(|pair| Some(pair.first()? << 4 | pair.last()?));
        let bytes: [u8; 6] = pairs.collect::<Vec<u8>>().try_into().map_err(|_not_six| ParseMacError::Form)?;
        if bytes.first().is_some_and(|first| first & 1 == 1) {
            return Err(ParseMacError::Group);
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Mac {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::schema::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("A MAC address: `02:00:5e:10:00:01`; or a list of such: `list:NAME`."))
            .into()
    }
}

impl ToSchema for Mac {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_form_is_the_same_address() {
        for text in ["02:00:5e:10:00:ff", "02-00-5E-10-00-FF", "0200.5e10.00ff", "02005E1000FF"] {
            assert_eq!(text.parse::<Mac>().map(|mac| mac.to_string()).as_deref(), Ok("02:00:5e:10:00:ff"));
        }
        for text in [
            "",
            "02:00:5e:10:00",
            "02:00:5e:10:00:ff:01",
            "02:00:5e:10:00:fg",
            "0200:5e10:00ff",
            "2:0:5e:10:0:ff",
            "02:00-5e:10:00:ff",
            "list:desks",
            "０2005e1000f",
            "02:00:5e:10:00:+f",
        ] {
            assert_eq!(text.parse::<Mac>(), Err(ParseMacError::Form), "{text}");
        }
        for text in ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01"] {
            assert_eq!(text.parse::<Mac>(), Err(ParseMacError::Group), "{text}");
        }
    }
}
