//! Entries by index, in blocks: growing never moves what is there, and never doubles the memory.
use crate::list::{Lane, Links};

/// No entry.
pub(crate) const NONE: u32 = u32::MAX;

/// Entries in one block.
const BLOCK: usize = 256;

#[derive(Debug)]
struct Entry<T> {
    state: Links,
    buffers: Links,
    next_free: u32,
    value: Option<T>,
}

/// Values by index.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    blocks: Vec<Vec<Entry<T>>>,
    free: u32,
    used: usize,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { blocks: Vec::new(), free: NONE, used: 0 }
    }

    pub(crate) const fn used(&self) -> usize {
        self.used
    }

    pub(crate) fn insert(&mut self, value: T) -> u32 {
        self.used += 1;
        let free = self.free;
        if let Some(entry) = self.entry(free) {
            let next = std::mem::replace(&mut entry.next_free, NONE);
            entry.value = Some(value);
            self.free = next;
            return free;
        }
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let index = (self.blocks.len() - 1) * BLOCK;
        let entry =
            Entry { state: Links::default(), buffers: Links::default(), next_free: NONE, value: Some(value) };
        let Some(block) = self.blocks.last_mut() else { return NONE };
        block.push(entry);
        // The table's limit on flows keeps indices far below 2^32.
        u32::try_from(index + block.len() - 1).unwrap_or(NONE)
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let free = self.free;
        let entry = self.entry(index)?;
        let value = entry.value.take()?;
        entry.next_free = free;
        self.free = index;
        self.used -= 1;
        Some(value)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        let index = index as usize;
        self.blocks.get(index / BLOCK)?.get(index % BLOCK)?.value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.entry(index)?.value.as_mut()
    }

    pub(crate) fn links(&mut self, index: u32, lane: Lane) -> Option<&mut Links> {
        let entry = self.entry(index)?;
        Some(match lane {
            Lane::State => &mut entry.state,
            Lane::Buffers => &mut entry.buffers,
        })
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.blocks.len() * BLOCK * size_of::<Entry<T>>()
            + self.blocks.capacity() * size_of::<Vec<Entry<T>>>()
    }

    fn entry(&mut self, index: u32) -> Option<&mut Entry<T>> {
        let index = index as usize;
        self.blocks.get_mut(index / BLOCK)?.get_mut(index % BLOCK)
    }
}
