//! `cssDecode`: the escapes of CSS 2, `\hhhhhh`, and a backslash before anything else.

use super::{is_space, nibble};

pub(super) fn apply(input: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'\\', input)?;
    let mut out = Vec::with_capacity(input.len());
    let mut rest = input;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let digits = tail.iter().take(6).take_while(|byte| byte.is_ascii_hexdigit()).count();
        match (digits, tail.split_first()) {
            (0, None) => {}
            (0, Some((b'\n', after))) => rest = after,
            (0, Some((byte, after))) => {
                out.push(*byte);
                rest = after;
            }
            (count, _) => {
                let (hex, after) = tail.split_at(count);
                character(hex, &mut out);
                rest = match after.split_first() {
                    Some((space, after)) if is_space(*space) => after,
                    _ => after,
                };
            }
        }
    }
    super::changed(input, out)
}

/// The character in UTF-8; full-width ASCII (`\ff01` to `\ff5e`) becomes ASCII; what is no character becomes U+FFFD.
fn character(hex: &[u8], out: &mut Vec<u8>) {
    let value =
        hex.iter().filter_map(|byte| nibble(*byte)).fold(0, |value, digit| value << 4 | u32::from(digit));
    let value = if (0xff01..=0xff5e).contains(&value) { value - 0xfee0 } else { value };
    let c = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
