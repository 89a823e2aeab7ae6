//! Transformations of a buffer before it is looked at.
use crate::base64::{self, Mode};
use crate::diagnose::{Finding, shown};
use crate::parse::{Word, quoted};
use sha2::Digest as _;

/// One transformation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Transform {
    /// A dot before the text, so that `.example.com` matches the domain and its subdomains.
    DotPrefix,
    LowerCase,
    UpperCase,
    UrlDecode,
    StripWhitespace,
    CompressWhitespace,
    HeaderLowerCase,
    /// Without HTTP/2's pseudo header lines, which begin with a colon.
    StripPseudoHeaders,
    /// The digest's bytes in place of the text.
    Md5,
    Sha1,
    Sha256,
    /// Each byte against the key's, over and over.
    Xor(Vec<u8>),
    /// What the first group of an expression catches; nothing where it does not match.
    Catch(Catcher),
    FromBase64 {
        bytes: Option<usize>,
        offset: usize,
        mode: Mode,
    },
    /// Part of the text; counted from the end where negative.
    Slice {
        offset: i64,
        bytes: Option<i64>,
    },
    Gunzip {
        most: usize,
    },
    Inflate {
        most: usize,
    },
}

/// Most bytes that decompressing gives.
const INFLATED: usize = 1 << 20;
/// As many unless the rule says so.
const INFLATED_USUALLY: usize = 1024;

impl Transform {
    /// The transformation that a keyword without a value asks for.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "dotprefix" => Self::DotPrefix,
            "to_lowercase" => Self::LowerCase,
            "to_uppercase" => Self::UpperCase,
            "url_decode" => Self::UrlDecode,
            "strip_whitespace" => Self::StripWhitespace,
            "compress_whitespace" => Self::CompressWhitespace,
            "header_lowercase" => Self::HeaderLowerCase,
            "strip_pseudo_headers" => Self::StripPseudoHeaders,
            "to_md5" => Self::Md5,
            "to_sha1" => Self::Sha1,
            "to_sha256" => Self::Sha256,
            _ => return None,
        })
    }

    /// Those with a value.
    pub(crate) fn with_value(name: &str) -> bool {
        matches!(name, "xor" | "pcrexform" | "from_base64" | "subslice" | "gunzip" | "zlib_deflate")
    }

    /// Transformations of the language that are not done here.
    pub(crate) fn is_known(name: &str) -> bool {
        matches!(name, "luaxform" | "domain" | "tld")
    }

    pub(crate) fn refuse(word: Word<'_>) -> Finding {
        Finding::error(
            "S042",
            word.at,
            format!("the transformation {} is not supported", word.text),
            "supported are dotprefix, to_lowercase, to_uppercase, url_decode, strip_whitespace, compress_whitespace, \
             header_lowercase, strip_pseudo_headers, to_md5, to_sha1, to_sha256, xor, pcrexform, from_base64, subslice, \
             gunzip and zlib_deflate",
        )
    }

    /// The transformation of a keyword with a value.
    pub(crate) fn parse(name: Word<'_>, value: Word<'_>) -> Result<Self, Finding> {
        let bad = |help: &str| {
            Finding::error(
                "S042",
                value.at,
                format!("not a value of {}: {}", name.text, shown(value.text)),
                help,
            )
        };
        match name.text {
            "xor" => {
                let digits = value.text.trim_matches('"');
                let pairs = digits.as_bytes().chunks(2);
                let key: Option<Vec<u8>> = pairs
                    .map(|pair| {
                        u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|p| p.len() == 2)?, 16).ok()
                    })
                    .collect();
                let key = key.filter(|key| !key.is_empty());
                key.map(Self::Xor).ok_or_else(|| bad("write the key as hexadecimal digits: xor:\"0a0b\""))
            }
            "pcrexform" => {
                let (_, inner) = quoted(value)?;
                let pattern = inner.text.replace("\\\"", "\"").replace("\\;", ";");
                Catcher::new(pattern).map(Self::Catch).ok_or_else(|| {
                    bad("write an expression with a group, without look-around: pcrexform:\"id=([0-9]+)\"")
                })
            }
            "subslice" => {
                let mut numbers = value.text.split(',').map(|number| number.trim_ascii().parse::<i64>());
                match (numbers.next(), numbers.next(), numbers.next()) {
                    (Some(Ok(offset)), None, _) => Ok(Self::Slice { offset, bytes: None }),
                    (Some(Ok(offset)), Some(Ok(bytes)), None) => {
                        Ok(Self::Slice { offset, bytes: Some(bytes) })
                    }
                    _ => Err(bad("write an offset and a number of bytes: subslice:2,10")),
                }
            }
            "gunzip" | "zlib_deflate" => {
                let most = match value.text.trim_ascii() {
                    "" => Some(INFLATED_USUALLY),
                    text => text
                        .strip_prefix("max-size")
                        .and_then(|most| most.trim_ascii().parse::<usize>().ok())
                        .filter(|most| (1..=INFLATED).contains(most)),
                };
                let most = most.ok_or_else(|| bad("write max-size with 1 to 1048576 bytes"))?;
                Ok(if name.text == "gunzip" { Self::Gunzip { most } } else { Self::Inflate { most } })
            }
            _ => {
                let (mut bytes, mut offset, mut mode) = (None, 0, Mode::Rfc4648);
                for part in value.text.split(',').map(str::trim_ascii).filter(|part| !part.is_empty()) {
                    let number = |text: &str| text.trim_ascii().parse::<usize>().ok();
                    match part.split_once(' ') {
                        Some(("bytes", count)) => {
                            bytes = Some(number(count).ok_or_else(|| bad("write bytes 12"))?);
                        }
                        Some(("offset", at)) => offset = number(at).ok_or_else(|| bad("write offset 4"))?,
                        Some(("mode", "rfc4648")) => mode = Mode::Rfc4648,
                        Some(("mode", "rfc2045")) => mode = Mode::Rfc2045,
                        Some(("mode", "strict")) => mode = Mode::Strict,
                        _ => return Err(bad("write bytes, offset, or mode rfc4648, rfc2045 or strict")),
                    }
                }
                Ok(Self::FromBase64 { bytes, offset, mode })
            }
        }
    }

    /// Applies the transformation to `from`; the result is at most one byte longer, a digest, or as long as the rule says.
    pub(crate) fn apply(&self, from: &[u8], to: &mut Vec<u8>) {
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
            Self::StripPseudoHeaders => {
                for line in from.split_inclusive(|b| *b == b'\n').filter(|line| !line.starts_with(b":")) {
                    to.extend_from_slice(line);
                }
            }
            Self::Md5 => to.extend_from_slice(&md5::Md5::digest(from)),
            Self::Sha1 => to.extend_from_slice(&sha1::Sha1::digest(from)),
            Self::Sha256 => to.extend_from_slice(&sha2::Sha256::digest(from)),
            Self::Xor(key) => to.extend(from.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key)),
            Self::Catch(catcher) => {
                let caught = catcher.regex.captures(from).and_then(|groups| groups.get(1));
                to.extend_from_slice(caught.map(|group| group.as_bytes()).unwrap_or_default());
            }
            Self::FromBase64 { bytes, offset, mode } => {
                let text = from.get(*offset..).unwrap_or_default();
                let text = bytes.map_or(text, |count| text.get(..count).unwrap_or(text));
                base64::decode(text, *mode, to);
            }
            Self::Slice { offset, bytes } => to.extend_from_slice(slice(from, *offset, *bytes)),
            Self::Gunzip { most } => {
                if let Some(body) = gzip_body(from) {
                    inflate(flate2::Decompress::new(false), body, *most, to);
                }
            }
            Self::Inflate { most } => inflate(flate2::Decompress::new(true), from, *most, to),
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

/// An expression of `pcrexform`, known by its text.
#[derive(Clone, Debug)]
pub(crate) struct Catcher {
    text: String,
    regex: regex::bytes::Regex,
}

impl Catcher {
    /// None where it is not valid, or catches nothing.
    fn new(text: String) -> Option<Self> {
        let regex = regex::bytes::RegexBuilder::new(&text).unicode(false).size_limit(1 << 20).build().ok()?;
        (regex.captures_len() > 1).then_some(Self { text, regex })
    }
}

impl PartialEq for Catcher {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Catcher {}

impl PartialOrd for Catcher {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Catcher {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl std::hash::Hash for Catcher {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// Decompresses as far as it goes, and no further than `most` bytes.
fn inflate(mut stream: flate2::Decompress, from: &[u8], most: usize, to: &mut Vec<u8>) {
    to.reserve_exact(most);
    // what came of it before it broke is looked at
    let _broken = stream.decompress_vec(from, to, flate2::FlushDecompress::Finish);
    to.truncate(most);
}

/// What is behind the header of gzip (RFC 1952 §2.3).
fn gzip_body(bytes: &[u8]) -> Option<&[u8]> {
    let [0x1f, 0x8b, 8, flags, _, _, _, _, _, _, rest @ ..] = bytes else { return None };
    let mut rest = rest;
    if flags & 4 != 0 {
        let (length, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            rest = rest.get(rest.iter().position(|byte| *byte == 0)? + 1..)?;
        }
    }
    rest.get(usize::from(flags & 2)..)
}

/// Part of the bytes; what is negative counts from the end.
fn slice(bytes: &[u8], offset: i64, count: Option<i64>) -> &[u8] {
    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let place = |at: i64| if at < 0 { length.saturating_add(at).max(0) } else { at.min(length) };
    let from = place(offset);
    let to = match count {
        None => length,
        Some(count) if count < 0 => place(count),
        Some(count) => from.saturating_add(count).min(length),
    };
    let index = |at: i64| usize::try_from(at).unwrap_or(0);
    bytes.get(index(from)..index(to)).unwrap_or_default()
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
        assert_eq!(apply("strip_pseudo_headers", ":path: /\r\nhost: a\r\n"), "host: a\r\n");
        assert_eq!(apply("header_lowercase", "Ab: Cd\r\nEf: G:H\r\n"), "ab: Cd\r\nef: G:H\r\n");
    }

    #[test]
    fn those_with_values() {
        let apply = |name: &str, value: &str, text: &[u8]| {
            let word = |text| Word { text, at: 0 };
            let mut out = Vec::new();
            Transform::parse(word(name), word(value)).map_err(|f| f.title).unwrap().apply(text, &mut out);
            out
        };
        assert_eq!(apply("xor", "\"0102\"", b"abc"), [b'a' ^ 1, b'b' ^ 2, b'c' ^ 1]);
        assert_eq!(apply("pcrexform", "\"id=([0-9]+)\"", b"a=1&id=42"), b"42");
        assert_eq!(apply("pcrexform", "\"id=([0-9]+)\"", b"a=1"), b"");
        assert_eq!(apply("from_base64", "bytes 8, offset 2", b"--aGVsbG8=--"), b"hello");
        assert_eq!(apply("subslice", "1,2", b"abcde"), b"bc");
        assert_eq!(apply("subslice", "-2", b"abcde"), b"de");
        assert_eq!(apply("subslice", "1,-1", b"abcde"), b"bcd");
        assert_eq!(apply("subslice", "9", b"abcde"), b"");
        let mut zipped = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut zipped, b"hello").unwrap();
        let zipped = zipped.finish().unwrap();
        assert_eq!(apply("zlib_deflate", "", &zipped), b"hello");
        assert_eq!(apply("zlib_deflate", "max-size 2", &zipped), b"he");
        assert_eq!(apply("gunzip", "", b"no gzip"), b"");
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut zipped, b"hello").unwrap();
        assert_eq!(apply("gunzip", "", &zipped.finish().unwrap()), b"hello");
        for (name, value) in
            [("xor", "\"0g\""), ("xor", "\"012\""), ("pcrexform", "\"a\""), ("from_base64", "mode x")]
        {
            let word = |text| Word { text, at: 0 };
            assert!(Transform::parse(word(name), word(value)).is_err(), "{name} {value}");
        }
    }
}
