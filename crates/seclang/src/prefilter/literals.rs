//! Thousands of literals in one pass over a text.
//!
//! Of each literal four bytes in a row are chosen that are rare in ordinary text (of shorter ones all). Whether any literal has the
//! bytes at a place is one bit of a table that stays in the processor's nearest memory; only where it is set, the literals with these
//! bytes are compared. An automaton would look further away for each byte.

use std::collections::BTreeMap;

use super::Bits;

/// Bits of a hash: a table of 16 KiB.
const HASH_BITS: u32 = 17;

/// Bytes behind the text, so that the last ones begin four as well.
const BEHIND: [u8; 3] = [0; 3];

/// Where the chosen bytes of a literal lie in it.
#[derive(Clone, Copy, Debug)]
struct Place {
    gram: u32,
    literal: u32,
    before: usize,
}

/// Literals by some of their bytes.
#[derive(Debug, Default)]
struct Table {
    /// For each hash whether there is any, in words.
    present: Vec<u64>,
    /// For each word how many hashes are there before it.
    before: Vec<u16>,
    /// For each hash that is there, where its literals begin in the list.
    begins: Vec<u32>,
    list: Vec<Place>,
}

impl Table {
    fn new(places: &BTreeMap<usize, Vec<Place>>) -> Self {
        let mut table = Self { present: vec![0; 1 << (HASH_BITS - 6)], ..Self::default() };
        for (hash, places) in places {
            if let Some(word) = table.present.get_mut(hash >> 6) {
                *word |= 1 << (hash & 63);
            }
            table.begins.push(u32::try_from(table.list.len()).unwrap_or(u32::MAX));
            table.list.extend(places);
        }
        table.begins.push(u32::try_from(table.list.len()).unwrap_or(u32::MAX));
        let mut count = 0;
        for word in &table.present {
            table.before.push(count);
            count += u16::try_from(word.count_ones()).unwrap_or(0);
        }
        table
    }

    fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn is_there(&self, hash: usize) -> bool {
        self.present.get(hash >> 6).is_some_and(|word| word >> (hash & 63) & 1 == 1)
    }

    /// The literals of a hash that is there.
    fn at(&self, hash: usize) -> &[Place] {
        let (word, below) = (hash >> 6, (1_u64 << (hash & 63)) - 1);
        let (Some(bits), Some(before)) = (self.present.get(word), self.before.get(word)) else { return &[] };
        let number = usize::from(*before) + (bits & below).count_ones() as usize;
        let begin = self.begins.get(number).map_or(0, |at| *at as usize);
        let end = self.begins.get(number + 1).map_or(0, |at| *at as usize);
        self.list.get(begin..end).unwrap_or_default()
    }
}

/// Literals in small letters, of two bytes or more.
#[derive(Debug, Default)]
pub(super) struct Literals {
    texts: Vec<Box<[u8]>>,
    /// Those of two bytes, of three, and longer ones.
    tables: [Table; 3],
}

impl Literals {
    pub(super) fn new(texts: &[&[u8]]) -> Self {
        let mut places = <[BTreeMap<usize, Vec<Place>>; 3]>::default();
        let mut taken: BTreeMap<u32, u32> = BTreeMap::new();
        for (literal, text) in (0_u32..).zip(texts) {
            let size = text.len().clamp(2, 4);
            let windows = text.windows(size).map(gram).enumerate();
            // rare bytes, and not those of many other literals
            let best = windows.min_by_key(|(_, gram)| {
                let others = taken.get(gram).copied().unwrap_or(0).min(255);
                frequency(*gram, size).saturating_mul(others + 1)
            });
            let Some((before, gram)) = best else { continue };
            *taken.entry(gram).or_default() += 1;
            if let Some(places) = places.get_mut(size - 2) {
                places.entry(hash(gram)).or_default().push(Place { gram, literal, before });
            }
        }
        let tables = places.each_ref().map(Table::new);
        Self { texts: texts.iter().map(|text| (*text).into()).collect(), tables }
    }

    /// Tells each literal that is in `text`, once. The text is longer for the time.
    pub(super) fn find(&self, text: &mut Vec<u8>, mut tell: impl FnMut(u32)) {
        let [two, three, four] = &self.tables;
        let length = text.len();
        text.extend_from_slice(&BEHIND);
        let mut told = Bits::default();
        let mut compare = |table: &Table, hash: usize, bytes: u32, at: usize| {
            for place in table.at(hash).iter().filter(|place| place.gram == bytes) {
                let number = place.literal as usize;
                if told.has(number) {
                    continue;
                }
                let Some(known) = self.texts.get(number) else { continue };
                let Some(start) = at.checked_sub(place.before) else { continue };
                let end = start + known.len();
                if end <= length && text.get(start..end) == Some(known) {
                    if told == Bits::default() {
                        told = Bits::new(self.texts.len());
                    }
                    told.set(number);
                    tell(place.literal);
                }
            }
        };
        let short = !(two.is_empty() && three.is_empty());
        for (at, window) in text.windows(4).enumerate() {
            let bytes = gram(window);
            let of_four = hash(bytes);
            if four.is_there(of_four) {
                compare(four, of_four, bytes, at);
            }
            if short {
                let bytes = bytes & 0xff_ffff;
                let of_three = hash(bytes);
                if three.is_there(of_three) {
                    compare(three, of_three, bytes, at);
                }
                let bytes = bytes & 0xffff;
                let of_two = hash(bytes);
                if two.is_there(of_two) {
                    compare(two, of_two, bytes, at);
                }
            }
        }
        text.truncate(length);
    }
}

/// Up to four bytes as a number.
fn gram(bytes: &[u8]) -> u32 {
    match bytes {
        [a, b, c, d] => u32::from_le_bytes([*a, *b, *c, *d]),
        [a, b, c] => u32::from_le_bytes([*a, *b, *c, 0]),
        [a, b] => u32::from_le_bytes([*a, *b, 0, 0]),
        _ => 0,
    }
}

fn hash(gram: u32) -> usize {
    (gram.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize
}

/// How common bytes are in ordinary text and markup, roughly; only the order counts.
fn frequency(gram: u32, size: usize) -> u32 {
    let one = |byte: u8| match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b' ' => 20,
        b'h' | b'l' | b'd' | b'c' | b'u' | b'm' | b'p' | b'f' | b'g' => 10,
        b'a'..=b'z' | b'0'..=b'9' | b'<' | b'>' | b'/' | b'"' | b'=' | b'.' | b'-' | b',' | b'\n' => 5,
        _ => 1,
    };
    gram.to_le_bytes().iter().take(size).map(|byte| one(*byte)).product()
}

#[cfg(test)]
mod tests {
    use super::Literals;

    fn found(literals: &[&str], text: &str) -> Vec<u32> {
        let texts: Vec<&[u8]> = literals.iter().map(|text| text.as_bytes()).collect();
        let (mut found, mut text) = (Vec::new(), text.as_bytes().to_vec());
        let before = text.clone();
        Literals::new(&texts).find(&mut text, |literal| found.push(literal));
        assert_eq!(text, before);
        found.sort_unstable();
        found
    }

    #[test]
    fn literals_are_found_wherever_they_lie() {
        let literals = ["union", "ni", "on ", "select", "sel", "union select", "\0\0", "a\0", "xyz"];
        assert_eq!(found(&literals, "union"), [0, 1]);
        assert_eq!(found(&literals, "a union select"), [0, 1, 2, 3, 4, 5]);
        assert_eq!(found(&literals, "a"), []);
        assert_eq!(found(&literals, "ba\0"), [7]);
        assert_eq!(found(&literals, "xyxyz"), [8]);
        assert_eq!(found(&literals, ""), []);
        assert_eq!(found(&literals, "se"), []);
    }
}
