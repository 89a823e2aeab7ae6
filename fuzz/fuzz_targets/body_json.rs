#![no_main]
//! JSON bodies.
use sakimori_seclang::body::{Bounds, json};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let bounds = Bounds { arguments: 100, depth: 16 };
    assert!(json::parse(text, bounds).arguments.len() <= bounds.arguments);
});
