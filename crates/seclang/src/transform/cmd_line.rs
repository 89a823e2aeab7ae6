//! `cmdLine`: a command as a shell reads it. `\ " ' ^` go; space before `/` and `(` goes; `,` and `;` become spaces; runs of
//! white space become one space; letters become small.

use super::is_space;

pub(super) fn apply(input: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(input.len());
    for byte in input {
        match byte {
            b'\\' | b'"' | b'\'' | b'^' => {}
            b',' | b';' => space(&mut out),
            byte if is_space(*byte) => space(&mut out),
            b'/' | b'(' => {
                if out.last() == Some(&b' ') {
                    out.pop();
                }
                out.push(*byte);
            }
            byte => out.push(byte.to_ascii_lowercase()),
        }
    }
    super::changed(input, out)
}

fn space(out: &mut Vec<u8>) {
    if out.last() != Some(&b' ') {
        out.push(b' ');
    }
}
