//! The Suricata rule language: parse, diagnose, compile, inspect.
#![forbid(unsafe_code)]
