//! `base64Encode`, `base64Decode`, `base64DecodeExt`.
//!
//! Written here because a decoder that keeps what it could read before the first foreign byte is what rules expect; libraries
//! refuse such input as a whole.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn value(byte: u8) -> Option<u32> {
    match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

pub(super) fn encode(input: &[u8]) -> Option<Vec<u8>> {
    if input.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(input.len().div_ceil(3) * 4);
    for chunk in input.chunks(3) {
        let byte = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (n, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = ALPHABET.get((group >> shift & 63) as usize).copied().unwrap_or(b'A');
            out.push(if n <= chunk.len() { digit } else { b'=' });
        }
    }
    Some(out)
}

/// Up to the first byte that is not of the alphabet; line breaks are skipped.
pub(super) fn decode(input: &[u8]) -> Option<Vec<u8>> {
    let digits = input.iter().filter(|byte| !matches!(byte, b'\r' | b'\n'));
    super::changed(input, join(digits.map_while(|byte| value(*byte))))
}

/// Skips what is not of the alphabet.
pub(super) fn decode_lenient(input: &[u8]) -> Option<Vec<u8>> {
    super::changed(input, join(input.iter().filter_map(|byte| value(*byte))))
}

fn join(digits: impl Iterator<Item = u32>) -> Vec<u8> {
    let (mut out, mut group, mut bits) = (Vec::new(), 0_u32, 0);
    for digit in digits {
        group = (group << 6 | digit) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((group >> bits & 0xff).try_into().unwrap_or(0));
        }
    }
    out
}
