//! `removeWhitespace`: white space and the no-break space of Latin-1 and of UTF-8 go.

use super::is_space;

pub(super) fn apply(input: &[u8]) -> Option<Vec<u8>> {
    if !input.iter().any(|byte| is_space(*byte) || *byte == 0xa0) {
        return None;
    }
    // each byte is written, and the next one over it where it does not stay: words are too short for a branch to be foreseen
    let mut out = vec![0; input.len()];
    let (mut kept, mut before) = (0_usize, 0);
    for byte in input {
        if before == 0xc2 && *byte == 0xa0 {
            kept = kept.saturating_sub(1);
        }
        if let Some(slot) = out.get_mut(kept) {
            *slot = *byte;
        }
        kept += usize::from(!is_space(*byte) && *byte != 0xa0);
        before = *byte;
    }
    out.truncate(kept);
    Some(out)
}
