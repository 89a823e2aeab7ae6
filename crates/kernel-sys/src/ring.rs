//! Memory shared between two processes, seen as 64-bit atomic words.
//!
//! The other side may be hostile: it can write any word at any time. Atomics make that harmless for this
//! side's memory safety (a racing plain read would be undefined behaviour), and whole-word views leave no
//! uninitialised or ill-typed values to be read. What the words mean is `sakimori_kernel::ring`'s business.

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// A shared mapping of a file, unmapped on drop.
#[derive(Debug)]
pub struct SharedMapping {
    base: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the mapping is plain memory that is only ever reached through atomics, from whatever thread;
// unmapping needs the value itself, so no reference outlives it.
unsafe impl Send for SharedMapping {}
// SAFETY: as above: all access is by atomic operations.
unsafe impl Sync for SharedMapping {}

impl SharedMapping {
    /// Maps the first `words` × 8 bytes of `file` for reading and writing.
    ///
    /// The file must be at least so long and must not shrink afterwards, or access ends the process with
    /// `SIGBUS`: the caller checks length and seals (memory safety does not depend on it).
    ///
    /// # Errors
    /// The kernel's; `InvalidInput` for zero words or more than a quarter of the address space.
    pub fn map(file: impl AsFd, words: usize) -> io::Result<Self> {
        let bytes = words.checked_mul(8).filter(|b| *b > 0 && *b < usize::MAX / 4);
        let bytes = bytes.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: the null hint lets the kernel pick an unused range, so no existing memory is touched.
        let pointer = unsafe {
            mmap(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, 0)
        }?;
        // Page-aligned, so aligned for u64.
        let base =
            NonNull::new(pointer.cast::<AtomicU64>()).ok_or_else(|| io::Error::other("mapped at null"))?;
        Ok(Self { base, words })
    }

    /// The memory.
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: `base` is page-aligned and valid for `words` × 8 bytes until drop; every bit pattern is an
        // AtomicU64; all access by this process is atomic (the slice is the only way in).
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.words) }
    }
}

impl Drop for SharedMapping {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `map` got, and no reference into it can outlive `self`.
        let _ignored = unsafe { munmap(self.base.as_ptr().cast(), self.words * 8) };
    }
}
