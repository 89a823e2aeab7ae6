//! `removeWhitespace`: white space and the no-break space of Latin-1 and of UTF-8 go.

use super::is_space;

pub(super) fn apply(input: &[u8]) -> Option<Vec<u8>> {
    if !input.iter().any(|byte| is_space(*byte) || *byte == 0xa0) {
        return None;
    }
    let mut out = Vec::with_capacity(input.len());
    let mut bytes = input.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let wide = byte == 0xc2 && bytes.peek() == Some(&0xa0);
        if wide {
            bytes.next();
        } else if !is_space(byte) && byte != 0xa0 {
            out.push(byte);
        }
    }
    Some(out)
}
