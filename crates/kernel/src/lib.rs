//! Safe wrappers of the kernel: NFQUEUE, nftables, sandbox, rings, processes.
#![forbid(unsafe_code)]
mod netlink;
pub mod nfqueue;
pub mod nftables;
pub mod raw_socket;
pub mod clock;
pub mod files;
pub mod listening;
pub mod pidfd;
pub mod ring;
pub mod sandbox;
pub mod spawn;
