//! `sqlHexDecode`: `0x414243` → `ABC`.

use super::hex_pair;

pub(super) fn apply(input: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(input.len());
    let mut rest = input;
    let mut any = false;
    while let Some((first, tail)) = rest.split_first() {
        let digits = match tail.split_first() {
            Some((b'x' | b'X', digits)) if *first == b'0' && hex_pair(digits).is_some() => digits,
            _ => {
                out.push(*first);
                rest = tail;
                continue;
            }
        };
        any = true;
        rest = digits;
        while let Some(byte) = hex_pair(rest) {
            out.push(byte);
            rest = rest.get(2..).unwrap_or_default();
        }
    }
    any.then_some(out)
}
