//! A deliberately vulnerable blog, for the demo alone.
#![forbid(unsafe_code)]

fn main() {}
