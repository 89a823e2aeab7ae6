#![no_main]
//! Multipart bodies; the first line is the content type.
use sakimori_seclang::body::multipart::{Flaws, boundary, parse};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (kind, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut flaws = Flaws::default();
    let boundary = boundary(kind, &mut flaws).unwrap_or_else(|_| b"b".to_vec());
    let form = parse(body, &boundary, 20, flaws);
    assert!(form.parts.len() <= 20);
    assert!(form.parts.iter().all(|part| body.get(part.content.0..part.content.1).is_some()));
});
