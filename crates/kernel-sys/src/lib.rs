//! The only unsafe code: system calls that no safe crate offers.
#![expect(
    unsafe_code,
    reason = "this crate is the one place for it: one operation per block, each justified"
)]

pub mod fanotify;
pub mod handle;
pub mod netlink;
pub mod socket;

pub mod process;
pub mod ring;
