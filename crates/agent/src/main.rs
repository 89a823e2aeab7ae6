//! The agent on each server.
#![forbid(unsafe_code)]

use sakimori_agent as _;

fn main() {}
