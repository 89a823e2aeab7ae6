//! Safe wrappers of the kernel: NFQUEUE, nftables, sandbox, rings, processes.
#![forbid(unsafe_code)]
pub mod clock;
pub mod conntrack;
pub mod fanotify;
pub mod files;
pub mod interface;
pub mod listening;
mod netlink;
pub mod nflog;
pub mod nfqueue;
pub mod nftables;
pub mod pidfd;
pub mod raw_socket;
pub mod reach;
pub mod ring;
pub mod routes;
pub mod sandbox;
pub mod spawn;
pub mod walk;

/// Lets the calling thread use the disk only when nobody else does; without effect under some schedulers.
pub fn idle_io() -> std::io::Result<()> {
    sakimori_kernel_sys::handle::idle_io()
}
