//! Application protocols as transactions and buffers.
#![forbid(unsafe_code)]
