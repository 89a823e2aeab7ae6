//! The only unsafe code: system calls that no safe crate offers.
