//! Base64 as rules decode it: what is no digit is left out or ends it.

/// How strictly text is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mode {
    /// White space is left out, and anything else ends it.
    Lenient,
    /// Whatever is no digit is left out (RFC 2045).
    Rfc2045,
    /// The first byte that is no digit ends it (RFC 4648).
    Rfc4648,
    /// Nothing is decoded unless all of it is well-formed.
    Strict,
}

/// Most bytes of text that are looked at: an excerpt of a message, not a file.
pub(crate) const TEXT_BYTES: usize = 64 << 10;

/// Decodes `text` to the end of `out`.
pub(crate) fn decode(text: &[u8], mode: Mode, out: &mut Vec<u8>) {
    let before = out.len();
    let (mut bits, mut count) = (0_u32, 0_u8);
    for &byte in text.iter().take(TEXT_BYTES) {
        let Some(digit) = digit(byte) else {
            match mode {
                Mode::Rfc2045 => continue,
                Mode::Lenient if byte.is_ascii_whitespace() => continue,
                Mode::Strict if byte != b'=' => return out.truncate(before),
                _ => break,
            }
        };
        bits = bits << 6 | u32::from(digit);
        count += 1;
        if count == 4 {
            let [_, a, b, c] = bits.to_be_bytes();
            out.extend([a, b, c]);
            (bits, count) = (0, 0);
        }
    }
    match count {
        2 => out.extend(bits.wrapping_shl(12).to_be_bytes().get(1..2).unwrap_or_default()),
        3 => out.extend(bits.wrapping_shl(6).to_be_bytes().get(1..3).unwrap_or_default()),
        1 if mode == Mode::Strict => out.truncate(before),
        _ => {}
    }
}

fn digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode() {
        let decoded = |text: &str, mode| {
            let mut out = Vec::new();
            decode(text.as_bytes(), mode, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(decoded("aGVsbG8=", Mode::Lenient), "hello");
        assert_eq!(decoded("aGVs\r\nbG8", Mode::Lenient), "hello");
        assert_eq!(decoded("aGVs!bG8=", Mode::Lenient), "hel");
        assert_eq!(decoded("aGVs!bG8=", Mode::Rfc2045), "hello");
        assert_eq!(decoded("aGVs bG8=", Mode::Rfc4648), "hel");
        assert_eq!(decoded("aGVs bG8=", Mode::Strict), "");
        assert_eq!(decoded("aGVsbG8=", Mode::Strict), "hello");
        assert_eq!(decoded("", Mode::Lenient), "");
    }
}
