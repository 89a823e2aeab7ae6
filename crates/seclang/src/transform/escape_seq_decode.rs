//! `escapeSeqDecode`: the escapes of ANSI C. Of what is none the backslash goes.

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
        rest = after;
        match escape {
            b'a' => out.push(0x07),
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(0x0b),
            b'x' | b'X' => match hex_pair(after) {
                Some(byte) => {
                    out.push(byte);
                    rest = after.get(2..).unwrap_or_default();
                }
                None => out.extend_from_slice(&[b'\\', *escape]),
            },
            b'0'..=b'7' => {
                let digits = tail.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7'));
                let (value, count) = digits.fold((0_u16, 0), |(value, count), digit| {
                    (value * 8 + u16::from(digit - b'0'), count + 1)
                });
                let [_, low] = value.to_be_bytes();
                out.push(low);
                rest = tail.get(count..).unwrap_or_default();
            }
            other => out.push(*other),
        }
    }
    super::changed(input, out)
}
