//! Transformations of a buffer before it is looked at.
use crate::diagnose::Finding;
use crate::parse::Word;

/// One transformation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Transform {
    /// A dot before the text, so that `.example.com` matches the domain and its subdomains.
    DotPrefix,
    LowerCase,
    UpperCase,
    UrlDecode,
    StripWhitespace,
    CompressWhitespace,
    HeaderLowerCase,
}

impl Transform {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "dotprefix" => Self::DotPrefix,
            "to_lowercase" => Self::LowerCase,
            "to_uppercase" => Self::UpperCase,
            "url_decode" => Self::UrlDecode,
            "strip_whitespace" => Self::StripWhitespace,
            "compress_whitespace" => Self::CompressWhitespace,
            "header_lowercase" => Self::HeaderLowerCase,
            _ => return None,
        })
    }

    /// Transformations of the language that are not done here.
    pub(crate) fn is_known(name: &str) -> bool {
        matches!(
            name,
            "to_md5"
                | "to_sha1"
                | "to_sha256"
                | "pcrexform"
                | "xor"
                | "strip_pseudo_headers"
                | "from_base64"
                | "luaxform"
                | "domain"
                | "tld"
        )
    }

    pub(crate) fn refuse(word: Word<'_>) -> Finding {
        Finding::error(
            "S042",
            word.at,
            format!("the transformation {} is not supported", word.text),
            "supported are dotprefix, to_lowercase, to_uppercase, url_decode, strip_whitespace, compress_whitespace and header_lowercase",
        )
    }

    /// Applies the transformation to `from`; the result is at most one byte longer.
    pub(crate) fn apply(self, from: &[u8], to: &mut Vec<u8>) {
        to.clear();
        match self {
            Self::DotPrefix => {
                to.push(b'.');
                to.extend_from_slice(from);
            }
            Self::LowerCase => to.extend(from.iter().map(u8::to_ascii_lowercase)),
            Self::UpperCase => to.extend(from.iter().map(u8::to_ascii_uppercase)),
            Self::StripWhitespace => to.extend(from.iter().copied().filter(|b| !is_space(*b))),
            Self::CompressWhitespace => {
                let mut after_space = false;
                for &byte in from {
                    if !(is_space(byte) && after_space) {
                        to.push(byte);
                    }
                    after_space = is_space(byte);
                }
            }
            Self::UrlDecode => url_decode(from, to),
            Self::HeaderLowerCase => {
                let mut in_name = true;
                for &byte in from {
                    in_name = match byte {
                        b':' => false,
                        b'\n' => true,
                        _ => in_name,
                    };
                    to.push(if in_name { byte.to_ascii_lowercase() } else { byte });
                }
            }
        }
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn url_decode(from: &[u8], to: &mut Vec<u8>) {
    let digit =
        |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut rest = from;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, digit(tail.first()), digit(tail.get(1))) {
            (b'%', Some(high), Some(low)) => {
                to.push(high << 4 | low);
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', ..) => to.push(b' '),
            _ => to.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transformation() {
        let apply = |name: &str, text: &str| {
            let mut out = Vec::new();
            Transform::named(name).unwrap().apply(text.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(apply("dotprefix", "a.b"), ".a.b");
        assert_eq!(apply("to_lowercase", "aBC"), "abc");
        assert_eq!(apply("to_uppercase", "aBC"), "ABC");
        assert_eq!(apply("url_decode", "a%2Fb+c%2"), "a/b c%2");
        assert_eq!(apply("strip_whitespace", " a\t b\r\n"), "ab");
        assert_eq!(apply("compress_whitespace", " a\t b  c"), " a\tb c");
        assert_eq!(apply("header_lowercase", "Ab: Cd\r\nEf: G:H\r\n"), "ab: Cd\r\nef: G:H\r\n");
    }
}
