//! The pattern by which a rule is found.
use crate::draft::Draft;
use crate::pattern::{Content, Step};

/// Named by the author, how telling the buffer is, length, rarity of the bytes.
type Score = (bool, u8, usize, u32);

/// The pattern by which a rule is found, lower-cased, and the group it belongs to.
///
/// The one the author named; else of the contents that must be present one in the most telling
/// buffer, the longest, the one with the rarest bytes.
pub(super) fn fast_pattern(draft: &Draft) -> Option<(usize, Vec<u8>)> {
    let mut best: Option<(Score, usize, &Content)> = None;
    for (group, (target, steps)) in draft.groups.iter().enumerate() {
        if steps.iter().any(|step| matches!(step, Step::Absent { .. })) {
            continue;
        }
        for step in steps {
            let Step::Content(content) = step else { continue };
            if content.negated {
                continue;
            }
            let length = content.bytes.len();
            // beyond some length a pattern is rare enough: then its bytes decide
            let score = (
                content.fast,
                target.buffer.priority().min(if length < 3 { 0 } else { 4 }),
                length.min(32),
                strength(&content.bytes),
            );
            if best.as_ref().is_none_or(|(s, ..)| score > *s) {
                best = Some((score, group, content));
            }
        }
    }
    best.map(|(_, group, content)| {
        let bytes = match content.fast_range {
            Some((offset, length)) => content.bytes.get(offset..offset + length).unwrap_or(&content.bytes),
            None => &content.bytes,
        };
        (group, bytes.to_ascii_lowercase())
    })
}

/// How rare the bytes of a pattern are. Letters are common, repeated bytes say little.
///
/// # Source
/// Suricata, `PatternStrength`.
fn strength(bytes: &[u8]) -> u32 {
    let mut seen = [false; 256];
    let mut strength = 0;
    for &byte in bytes {
        let first = seen.get_mut(usize::from(byte)).is_some_and(|s| !std::mem::replace(s, true));
        strength += match byte {
            _ if !first => 1,
            b if b.is_ascii_alphabetic() => 3,
            0x00 | 0x01 | 0xff => 4,
            b if b.is_ascii_graphic() || b == b' ' => 4,
            _ => 6,
        };
    }
    strength
}
