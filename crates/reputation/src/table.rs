//! Hashes in order, and a class for each.

/// A set of 64-bit hashes with a small number each: 10 bytes an entry, and a directory by the top 16 bits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    hashes: Vec<u64>,
    classes: Vec<u16>,
    /// Where the entries of each top value begin; one more than there are values.
    directory: Vec<u32>,
}

impl Table {
    /// Of entries with the same hash the first stays.
    pub(crate) fn new(mut entries: Vec<(u64, u16)>) -> Self {
        entries.sort_by_key(|(hash, _)| *hash);
        entries.dedup_by_key(|(hash, _)| *hash);
        let hashes: Vec<u64> = entries.iter().map(|(hash, _)| *hash).collect();
        let classes = entries.into_iter().map(|(_, class)| class).collect();
        if hashes.is_empty() {
            return Self::default();
        }
        let mut directory = vec![0_u32; (1 << 16) + 1];
        for hash in &hashes {
            if let Some(count) = directory.get_mut(top(*hash) + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for count in &mut directory {
            sum += *count;
            *count = sum;
        }
        Self { hashes, classes, directory }
    }

    pub(crate) fn get(&self, hash: u64) -> Option<u16> {
        let at = |index: usize| self.directory.get(index).and_then(|n| usize::try_from(*n).ok());
        let (from, to) = (at(top(hash))?, at(top(hash) + 1)?);
        let place = self.hashes.get(from..to)?.binary_search(&hash).ok()?;
        self.classes.get(from + place).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.hashes.capacity() * 8 + self.classes.capacity() * 2 + self.directory.capacity() * 4
    }
}

fn top(hash: u64) -> usize {
    usize::try_from(hash >> 48).unwrap_or(0)
}
