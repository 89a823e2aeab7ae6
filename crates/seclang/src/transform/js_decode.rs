//! `jsDecode`: the escapes of JavaScript: `\uHHHH`, `\xHH`, `\OOO`, `\n`.

use super::hex_pair;

pub(super) fn apply(input: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'\\', input)?;
    let mut out = Vec::with_capacity(input.len());
    let mut rest = input;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let Some((escape, after)) = tail.split_first().filter(|_| *first == b'\\') else {
            out.push(*first);
            continue;
        };
        if let (b'u', Some(high), Some(low)) = (escape, hex_pair(after), after.get(2..).and_then(hex_pair)) {
            let full_width = high == 0xff && low > 0 && low < 0x5f;
            out.push(if full_width { low + 0x20 } else { low });
            rest = after.get(4..).unwrap_or_default();
        } else if let (b'x', Some(byte)) = (escape, hex_pair(after)) {
            out.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else if matches!(escape, b'0'..=b'7') {
            let (byte, count) = octal(tail);
            out.push(byte);
            rest = tail.get(count..).unwrap_or_default();
        } else {
            out.push(match escape {
                b'a' => 0x07,
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0b,
                other => *other,
            });
            rest = after;
        }
    }
    super::changed(input, out)
}

/// Up to three octal digits that fit a byte, and how many they are: `\400` is a space and a zero.
fn octal(digits: &[u8]) -> (u8, usize) {
    let (mut value, mut count) = (0_u8, 0);
    for digit in digits.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')) {
        let Some(next) = value.checked_mul(8).and_then(|next| next.checked_add(digit - b'0')) else { break };
        (value, count) = (next, count + 1);
    }
    (value, count)
}
