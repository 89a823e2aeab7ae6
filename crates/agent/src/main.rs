//! The agent on each server.
#![forbid(unsafe_code)]

fn main() {}
