//! `hexEncode`, `hexDecode`.

use super::nibble;

pub(super) fn encode(input: &[u8]) -> Option<Vec<u8>> {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    if input.is_empty() {
        return None;
    }
    let digit = |value: u8| DIGITS.get(usize::from(value & 15)).copied().unwrap_or(b'0');
    Some(input.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect())
}

/// What is not hexadecimal as a whole gives nothing.
pub(super) fn decode(input: &[u8]) -> Option<Vec<u8>> {
    let pairs = input.chunks(2).map(|pair| Some(nibble(*pair.first()?)? << 4 | nibble(*pair.get(1)?)?));
    super::changed(input, pairs.collect::<Option<Vec<u8>>>().unwrap_or_default())
}
