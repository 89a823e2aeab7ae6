//! The manager of the fleet.
#![forbid(unsafe_code)]

fn main() {}
