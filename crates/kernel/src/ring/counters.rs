//! A page of numbers that a worker publishes and the supervisor reads; the names are their owner's business.

use super::{map, memory_file};
use sakimori_kernel_sys::ring::SharedMapping;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

/// Numbers in the page; a fixed count, so that both sides agree.
pub const COUNTERS: usize = 64;

/// The page. Reading a number that a hostile worker wrote gives a number, nothing worse.
#[derive(Debug)]
pub struct CounterPage {
    mapping: SharedMapping,
}

impl CounterPage {
    /// Makes the file that both sides map.
    pub fn create() -> io::Result<OwnedFd> {
        memory_file("sakimori-counters", COUNTERS)
    }

    /// Maps it.
    pub fn open(file: &OwnedFd) -> io::Result<Self> {
        Ok(Self { mapping: map(file, COUNTERS)? })
    }

    /// The number at `index`; 0 past the end.
    pub fn load(&self, index: usize) -> u64 {
        self.mapping.words().get(index).map_or(0, |w| w.load(Ordering::Acquire))
    }

    /// Sets the number at `index`; nothing past the end.
    pub fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.mapping.words().get(index) {
            word.store(value, Ordering::Release);
        }
    }
}
