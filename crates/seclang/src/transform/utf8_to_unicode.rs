//! `utf8toUnicode`: characters beyond ASCII as `%uHHHH`. Overlong and otherwise wrong sequences are decoded as far as their
//! lengths say, because a lenient server does so too.

pub(super) fn apply(input: &[u8]) -> Option<Vec<u8>> {
    if input.is_ascii() {
        return None;
    }
    let mut out = Vec::with_capacity(input.len() * 2);
    let mut rest = input;
    while let Some((first, tail)) = rest.split_first() {
        let (value, length) = match first {
            0xc0..=0xdf => (u32::from(first & 0x1f), 2),
            0xe0..=0xef => (u32::from(first & 0x0f), 3),
            0xf0..=0xf7 => (u32::from(first & 0x07), 4),
            _ => (0, 0),
        };
        let following = tail.get(..usize::saturating_sub(length, 1)).unwrap_or_default();
        let whole = length > 0
            && following.len() + 1 == length
            && following.iter().all(|byte| matches!(byte, 0x80..=0xbf));
        if whole {
            let value = following.iter().fold(value, |value, byte| value << 6 | u32::from(byte & 0x3f));
            out.extend_from_slice(format!("%u{value:04x}").as_bytes());
            rest = rest.get(length..).unwrap_or_default();
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    super::changed(input, out)
}
