//! Where a body ends (RFC 9112 §6), read as tolerant servers read it.
use super::lenient::{self, Field};
use super::{Anomaly, Message};

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No body.
    None,
    /// This many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// Everything until the connection ends (responses only).
    UntilClose,
}

/// The framing of a request.
pub(crate) fn of_request(message: &mut Message) -> Framing {
    if message.anomalies.contains(Anomaly::Http09) {
        return Framing::None;
    }
    declared(message).unwrap_or(Framing::None)
}

/// The framing of a response to a request with this method; `fields` are those that some receiver sees.
pub(crate) fn of_response(message: &mut Message, fields: &[Field], method: &[u8]) -> Framing {
    let code = message.start_line_parts()[1].to_vec();
    if code == b"304" || method.eq_ignore_ascii_case(b"head") {
        return Framing::None;
    }
    let declared = declared(message);
    if code.first() == Some(&b'1') || code == b"204" {
        // These have none; where one is announced all the same, some receivers take it.
        return declared.filter(|framing| matches!(framing, Framing::Length(_))).unwrap_or(Framing::None);
    }
    if declared != Some(Framing::Chunked) && says_chunked(fields) {
        message.anomalies.insert(Anomaly::TransferEncodingUnknown);
        return Framing::Chunked;
    }
    declared.unwrap_or(Framing::UntilClose)
}

/// Whether some receiver takes a response for chunked.
fn says_chunked(fields: &[Field]) -> bool {
    let mut transfer = fields.iter().filter(|(name, _)| name == b"transfer-encoding");
    transfer.any(|(_, value)| lenient::words(value).any(|word| word == b"chunked"))
}

/// What the headers say. Chunked wins over a length, as RFC 9112 §6.3 demands.
fn declared(message: &mut Message) -> Option<Framing> {
    let mut found = Vec::new();
    let mut length: Option<u64> = None;
    let mut chunked = false;
    for (name, value) in message.headers() {
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let last = value.rsplit(|b| *b == b',').next().unwrap_or(value).trim_ascii();
            if last.eq_ignore_ascii_case(b"chunked") {
                chunked = true;
            } else if !last.eq_ignore_ascii_case(b"identity") {
                // Some servers take anything that contains the word; so do we, and say so.
                found.push(Anomaly::TransferEncodingUnknown);
                chunked |= value.to_ascii_lowercase().windows(7).any(|w| w == b"chunked");
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            for part in value.split(|b| *b == b',') {
                match decimal(part.trim_ascii()) {
                    None => found.push(Anomaly::LengthInvalid),
                    Some(n) if length.is_some_and(|l| l != n) => found.push(Anomaly::LengthConflict),
                    Some(n) => length = Some(n),
                }
            }
        }
    }
    if chunked && length.is_some() {
        found.push(Anomaly::LengthAndChunked);
    }
    for anomaly in found {
        message.anomalies.insert(anomaly);
    }
    if chunked {
        Some(Framing::Chunked)
    } else {
        length.map(|n| if n == 0 { Framing::None } else { Framing::Length(n) })
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, b| match b {
        b'0'..=b'9' => n.checked_mul(10)?.checked_add(u64::from(b - b'0')),
        _ => None,
    })
}

/// The size in a chunk's size line, extensions ignored; nothing where it is no number.
pub(crate) fn chunk_size(line: &[u8]) -> Option<u64> {
    let text = line.split(|b| *b == b';').next().unwrap_or(line).trim_ascii();
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |n, b| {
        let digit = char::from(*b).to_digit(16)?;
        if n >> 60 == 0 { Some(n << 4 | u64::from(digit)) } else { None }
    })
}
