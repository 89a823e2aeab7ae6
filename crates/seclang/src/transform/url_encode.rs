//! `urlEncode`: all but letters, digits and `*`; a space becomes `+`.

pub(super) fn apply(input: &[u8]) -> Option<Vec<u8>> {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value & 15)).copied().unwrap_or(b'0');
    let mut out = Vec::with_capacity(input.len());
    for byte in input {
        match byte {
            b' ' => out.push(b'+'),
            b'*' => out.push(b'*'),
            byte if byte.is_ascii_alphanumeric() => out.push(*byte),
            byte => out.extend_from_slice(&[b'%', digit(byte >> 4), digit(*byte)]),
        }
    }
    super::changed(input, out)
}
