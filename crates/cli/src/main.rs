//! The command line of the manager's API.
#![forbid(unsafe_code)]

fn main() {}
