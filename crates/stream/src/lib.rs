//! Flow table and TCP reassembly.
#![forbid(unsafe_code)]
