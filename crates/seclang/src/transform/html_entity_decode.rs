//! `htmlEntityDecode`: `&#xHH;`, `&#DDD;`, and `&quot; &nbsp; &lt; &gt; &amp;`, each also without its semicolon.

pub(super) fn apply(input: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'&', input)?;
    let mut out = Vec::with_capacity(input.len());
    let mut rest = input;
    while let Some(at) = memchr::memchr(b'&', rest) {
        let (before, entity) = rest.split_at(at);
        out.extend_from_slice(before);
        let tail = entity.get(1..).unwrap_or_default();
        let Some((byte, length)) = decoded(tail) else {
            out.push(b'&');
            rest = tail;
            continue;
        };
        out.push(byte);
        rest = tail.get(length..).unwrap_or_default();
        if let Some((b';', after)) = rest.split_first() {
            rest = after;
        }
    }
    out.extend_from_slice(rest);
    super::changed(input, out)
}

/// The byte and how many bytes after `&` it took.
fn decoded(tail: &[u8]) -> Option<(u8, usize)> {
    if let Some(number) = tail.strip_prefix(b"#") {
        let hex = number.strip_prefix(b"x").or_else(|| number.strip_prefix(b"X"));
        let (digits, radix, skipped) = hex.map_or((number, 10, 1), |hex| (hex, 16, 2));
        let count = digits.iter().take_while(|byte| char::from(**byte).is_digit(radix)).count();
        if count == 0 {
            return None;
        }
        let value = digits.iter().take(count).fold(0_u32, |value, byte| {
            value.saturating_mul(radix).saturating_add(char::from(*byte).to_digit(radix).unwrap_or(0))
        });
        return Some((u8::try_from(value & 0xff).unwrap_or(0), skipped + count));
    }
    let length = tail.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let name = tail.get(..length)?;
    [(&b"quot"[..], b'"'), (b"amp", b'&'), (b"lt", b'<'), (b"gt", b'>'), (b"nbsp", 0xa0)]
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, byte)| (byte, length))
}
