#![no_main]
//! A client's first bytes in pieces; the first byte chooses their length.
use sakimori_protocols::tls::{Greeting, MOST_BYTES};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let mut greeting = Greeting::default();
    for piece in bytes.chunks(usize::from(*cut).max(1)) {
        std::hint::black_box(greeting.feed(piece));
        assert!(greeting.memory_bytes() <= 2 * MOST_BYTES);
    }
});
