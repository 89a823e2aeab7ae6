//! Decoding and building IP packets.
#![forbid(unsafe_code)]
