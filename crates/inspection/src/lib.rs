//! The pure pipeline from a packet to its verdict.
#![forbid(unsafe_code)]
