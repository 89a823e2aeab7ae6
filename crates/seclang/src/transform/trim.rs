//! `trim`, `trimLeft`, `trimRight`.

use super::is_space;

fn start(input: &[u8]) -> usize {
    input.iter().position(|byte| !is_space(*byte)).unwrap_or(input.len())
}

fn end(input: &[u8]) -> usize {
    input.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1)
}

fn cut(input: &[u8], from: usize, to: usize) -> Option<Vec<u8>> {
    (from > 0 || to < input.len()).then(|| input.get(from..to).unwrap_or_default().to_vec())
}

pub(super) fn both(input: &[u8]) -> Option<Vec<u8>> {
    cut(input, start(input), end(input))
}

pub(super) fn left(input: &[u8]) -> Option<Vec<u8>> {
    cut(input, start(input), input.len())
}

pub(super) fn right(input: &[u8]) -> Option<Vec<u8>> {
    cut(input, 0, end(input))
}
