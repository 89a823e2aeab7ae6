#![no_main]
//! XML bodies and the paths that rules use.
use sakimori_seclang::body::{Bounds, xml};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let document = xml::parse(text, Bounds { arguments: 100, depth: 16 });
    assert!(document.text.len() <= text.len().saturating_mul(4));
    for path in ["/*", "//@*", "//text()", "/a//b/@c"] {
        document.select(path);
    }
});
