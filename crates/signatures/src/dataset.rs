//! Sets of values that rules ask for: `dataset`, and lists of digests of files.
//!
//! What a file gives is part of the rule set. What rules add or take away on top is kept with what is remembered across
//! flows, and bounded there.
use crate::base64::{self, Mode};
use crate::condition::BitOperation;
use std::collections::HashSet;
use std::net::IpAddr;

/// Values of one file.
pub(crate) const VALUES: usize = 4 << 20;

/// What the values of a set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bytes; in files as Base64.
    Text,
    /// Digests of as many bytes; in files as hexadecimal digits.
    Digest(usize),
    Address,
}

/// A set of values as a rule names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dataset {
    pub(crate) operation: BitOperation,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The file that its values are in.
    pub(crate) load: Option<String>,
    /// Its number in the rule set; of no meaning before that is put together.
    pub(crate) number: u32,
}

/// The values that are always there.
#[derive(Debug)]
pub(crate) struct Values {
    pub(crate) kind: Kind,
    values: HashSet<Box<[u8]>>,
}

impl Values {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, values: HashSet::new() }
    }

    /// Takes the values of a file, one a line, with what follows a comma left out; says which lines are none.
    pub(crate) fn read(&mut self, text: &[u8]) -> Result<(), usize> {
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.split(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            if self.values.len() >= VALUES {
                return Err(number + 1);
            }
            let value = self.kind.written(line).ok_or(number + 1)?;
            self.values.insert(value);
        }
        self.values.shrink_to_fit();
        Ok(())
    }

    pub(crate) fn contains(&self, value: &[u8]) -> bool {
        self.values.contains(value)
    }
}

impl Kind {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "string" => Self::Text,
            "md5" => Self::Digest(16),
            "sha256" => Self::Digest(32),
            "ip" | "ipv4" => Self::Address,
            _ => return None,
        })
    }

    /// A value as a file has it.
    fn written(self, text: &[u8]) -> Option<Box<[u8]>> {
        match self {
            Self::Text => {
                let mut bytes = Vec::new();
                base64::decode(text, Mode::Rfc4648, &mut bytes);
                (!bytes.is_empty()).then(|| bytes.into())
            }
            Self::Digest(length) => {
                let text = text.split(u8::is_ascii_whitespace).next()?;
                let bytes: Option<Vec<u8>> = text
                    .chunks(2)
                    .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                    .collect();
                bytes.filter(|bytes| bytes.len() == length && text.len() == 2 * length).map(Vec::into)
            }
            Self::Address => {
                let text = std::str::from_utf8(text).ok()?;
                Some(address(text.split('/').next()?.parse().ok()?))
            }
        }
    }

    /// A value as a buffer has it.
    pub(crate) fn shown(self, bytes: &[u8]) -> Option<Box<[u8]>> {
        match self {
            Self::Text => Some(bytes.into()),
            Self::Digest(length) => (bytes.len() == length).then(|| bytes.into()),
            Self::Address => Some(address(std::str::from_utf8(bytes).ok()?.parse().ok()?)),
        }
    }
}

/// An address as a value.
pub(crate) fn address(address: IpAddr) -> Box<[u8]> {
    match address {
        IpAddr::V4(v4) => v4.octets().into(),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(|| v6.octets().into(), |v4| v4.octets().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_each_kind() {
        for (kind, text, value, other) in [
            (Kind::Text, "# names\nY3VybA==,5\n\n", &b"curl"[..], &b"wget"[..]),
            (Kind::Digest(2), "0aFf  a.bin\n", &[0x0a, 0xff], &[0x0a, 0xfe]),
            (Kind::Address, "192.0.2.1\r\n", &[192, 0, 2, 1], &[192, 0, 2, 2]),
        ] {
            let mut values = Values::new(kind);
            assert_eq!(values.read(text.as_bytes()), Ok(()));
            assert!(values.contains(value) && !values.contains(other), "{kind:?}");
        }
        assert_eq!(Values::new(Kind::Digest(2)).read(b"0aff\n0a"), Err(2));
        assert_eq!(Values::new(Kind::Address).read(b"host"), Err(1));
    }
}
