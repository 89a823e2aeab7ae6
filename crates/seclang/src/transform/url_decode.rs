//! `urlDecode`, `urlDecodeUni` (with `%uHHHH`). `+` becomes a space; what is no escape stays.

use super::hex_pair;

pub(super) fn apply(input: &[u8]) -> Option<Vec<u8>> {
    percent(input, false)
}

pub(super) fn unicode(input: &[u8]) -> Option<Vec<u8>> {
    percent(input, true)
}

/// Decodes; `unicode` asks for `%uHHHH` too.
pub(crate) fn percent(input: &[u8], unicode: bool) -> Option<Vec<u8>> {
    let first = memchr::memchr2(b'%', b'+', input)?;
    let (before, mut rest) = input.split_at(first);
    let mut out = Vec::with_capacity(input.len());
    out.extend_from_slice(before);
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'+' => out.push(b' '),
            b'%' => {
                let wide = tail.strip_prefix(b"u").or_else(|| tail.strip_prefix(b"U")).filter(|_| unicode);
                let pair = |at: usize| wide.and_then(|digits| digits.get(at..)).and_then(hex_pair);
                if let (Some(high), Some(low)) = (pair(0), pair(2)) {
                    out.push(best_fit(u16::from_be_bytes([high, low])));
                    rest = tail.get(5..).unwrap_or_default();
                } else if let Some(byte) = hex_pair(tail) {
                    out.push(byte);
                    rest = tail.get(2..).unwrap_or_default();
                } else {
                    out.push(b'%');
                }
            }
            byte => out.push(*byte),
        }
    }
    super::changed(input, out)
}

/// What a server that has to write the character in ASCII makes of it (Windows' best fit for code page 20127, which
/// `ModSecurity`'s recommended settings name): letters lose their marks, quotes and dashes become plain, full-width forms
/// become ASCII. Of others the low byte stays.
fn best_fit(character: u16) -> u8 {
    /// U+00A0 to U+00FF and U+0100 to U+017F; `?` is none.
    const LATIN_1: &[u8; 96] =
        b" !c?$Y|??Ca<?-R???23???.,1o>????AAAAAAACEEEEIIIIDNOOOOO?OUUUUY??aaaaaaaceeeeiiii?nooooo?ouuuuy?y";
    const EXTENDED_A: &[u8; 128] = b"AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi??JjKk?LlLlLlLlLlNnNnNn???OoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZz?";
    let listed = match character {
        0x00a0..=0x00ff => LATIN_1.get(usize::from(character - 0xa0)).copied(),
        0x0100..=0x017f => EXTENDED_A.get(usize::from(character - 0x100)).copied(),
        0x2000..=0x200a | 0x3000 => Some(b' '),
        0x2010..=0x2015 | 0x2212 => Some(b'-'),
        0x2018..=0x201b | 0x2032 | 0x02b9 | 0x02bc => Some(b'\''),
        0x201c..=0x201f | 0x2033 | 0x02ba => Some(b'"'),
        0x2022 | 0x2024 | 0x2026 => Some(b'.'),
        0x2039 | 0x2329 | 0x3008 => Some(b'<'),
        0x203a | 0x232a | 0x3009 => Some(b'>'),
        0x2044 | 0x2215 => Some(b'/'),
        0x2216 => Some(b'\\'),
        0x2122 => Some(b'T'),
        0x2223 | 0x2758 => Some(b'|'),
        0xff01..=0xff5e => u8::try_from(character - 0xfee0).ok(),
        _ => None,
    };
    let [_, low] = character.to_be_bytes();
    listed.filter(|found| *found != b'?' || character == 0xff1f).unwrap_or(low)
}
