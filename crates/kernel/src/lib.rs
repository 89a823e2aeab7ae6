//! Safe wrappers of the kernel: NFQUEUE, nftables, sandbox, rings, processes.
#![forbid(unsafe_code)]
