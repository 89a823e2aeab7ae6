#![no_main]
//! Form bodies.
use sakimori_seclang::body::urlencoded;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    assert!(urlencoded::parse(text, b'&', 100).arguments.len() <= 100);
});
