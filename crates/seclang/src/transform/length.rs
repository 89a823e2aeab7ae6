//! `length`: how many bytes, in decimal digits.

pub(super) fn apply(input: &[u8]) -> Option<Vec<u8>> {
    super::changed(input, input.len().to_string().into_bytes())
}
