//! REST types of the manager.
#![forbid(unsafe_code)]
