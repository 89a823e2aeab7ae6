//! `compressWhitespace`: any run of white space (and of no-break spaces) becomes one space.

use super::is_space;

pub(super) fn apply(input: &[u8]) -> Option<Vec<u8>> {
    if !input.iter().any(|byte| is_space(*byte) || *byte == 0xa0) {
        return None;
    }
    let mut out = Vec::with_capacity(input.len());
    let mut inside = false;
    for byte in input {
        if is_space(*byte) || *byte == 0xa0 {
            if !inside {
                out.push(b' ');
            }
            inside = true;
        } else {
            inside = false;
            out.push(*byte);
        }
    }
    super::changed(input, out)
}
