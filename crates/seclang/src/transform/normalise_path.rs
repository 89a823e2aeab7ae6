//! `normalisePath`, `normalisePathWin`: `//`, `/./` and `/../` go. A path never grows, and a `..` at the root of an absolute
//! path goes, one at the start of a relative path stays.

pub(super) fn unix(input: &[u8]) -> Option<Vec<u8>> {
    super::changed(input, normalised(input))
}

pub(super) fn windows(input: &[u8]) -> Option<Vec<u8>> {
    let slashes: Vec<u8> = input.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
    super::changed(input, normalised(&slashes))
}

fn normalised(input: &[u8]) -> Vec<u8> {
    if input.is_empty() {
        return Vec::new();
    }
    let absolute = input.first() == Some(&b'/');
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in input.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(last) if *last != b".." => drop(parts.pop()),
                _ if absolute => {}
                _ => parts.push(part),
            },
            part => parts.push(part),
        }
    }
    let mut out = Vec::with_capacity(input.len());
    if absolute {
        out.push(b'/');
    }
    out.extend_from_slice(&parts.join(&b'/'));
    if input.ends_with(b"/") && !parts.is_empty() {
        out.push(b'/');
    }
    out
}
